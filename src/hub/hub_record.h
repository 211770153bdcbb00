/* The text of a record of the store: JSON. */
#pragma once

#include "base/buf.h"
#include "hub/hub_store.h"

/** Append the record of the chosen files. */
void rg_record_write(rg_buf *out, const char *name, int64_t pulled_s,
                     const rg_hub_listing *listing);
/** Read one; nothing in it is trusted. @param out  zeroed before, cleared by the caller whatever
 * happens: name, pulled_s, size and listing are set Errors: RG_E_FORMAT, RG_E_LIMIT, RG_E_MEMORY.
 */
rg_status rg_record_parse(const rg_mem *mem, rg_str text, rg_store_model *out,
                          rg_error *err) RG_MUST_CHECK;
/** The same from a file. */
rg_status rg_record_read(const rg_mem *mem, const char *path, rg_store_model *out,
                         rg_error *err) RG_MUST_CHECK;
