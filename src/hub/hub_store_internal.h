/* What the files of the store share. */
#pragma once

#include "hub/hub_store.h"

enum { RG_STORE_SLUG_BYTES = 80 + 1 + 16 + 1 };

/** The name of a model's folder: a readable form of its name, and its hash. */
void rg_store_slug(const char *name, char out[RG_STORE_SLUG_BYTES]);
/** A path below the root; what is longer than a path can be is an error when it is opened. Returns
 * `out`. */
const char *rg_store_place(const rg_store *store, char out[RG_STORE_PATH_MAX], const char *format,
                           ...) RG_PRINTF(3, 4);
/** Held while records and blobs change, for short. */
rg_status rg_store_lock(const rg_store *store, int *fd, rg_error *err) RG_MUST_CHECK;
/** Held by the one process that pulls a model. Errors: RG_E_STATE: another one does. */
rg_status rg_store_lock_pull(const rg_store *store, const char *slug, int *fd,
                             rg_error *err) RG_MUST_CHECK;
void rg_store_unlock(int fd);
/** Read a record. Errors: RG_E_NOT_FOUND, those of rg_record_read. */
rg_status rg_store_load(const rg_store *store, const char *slug, bool is_model, rg_store_model *out,
                        rg_error *err) RG_MUST_CHECK;
void rg_store_remove_tree(const char *path);
