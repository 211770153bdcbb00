/* Rendering by lines of JSON, for `raga template FILE --jsonl` and for tests. */
#pragma once

#include "base/buf.h"
#include "chat/template.h"

/** Longest line, and the memory that its tree may take beside the rendering's own budget. */
#define RG_TEMPLATE_LINE_BYTES_MAX        (64u << 20)
#define RG_TEMPLATE_LINE_MEMORY_BYTES_MAX (512u << 20)

/**
 * Render one line {"messages": .., "tools": .., "kwargs": {..}} and append {"rendered": ".."} or
 * {"error": ".."} to `out`, without a line end. The context is: messages; tools and documents, none
 * when absent; every member of kwargs. Members of kwargs whose name ends in "_token" are trusted,
 * all else is not. Errors: RG_E_MEMORY alone; everything that is wrong with the line or the
 * template is in the line written.
 */
rg_status rg_template_line(const rg_template *tmpl, const rg_mem *mem, rg_str line,
                           rg_template_clock clock, rg_buf *out, rg_error *err) RG_MUST_CHECK;
