/* Stop strings: a matcher over a stream of bytes that holds back only what may become one. */
#pragma once

#include "base/buf.h"

#define RG_STOP_STRINGS_MAX 64   // stop strings at once
#define RG_STOP_BYTES_MAX   1024 // of one

/** Threads: one at a time per object. */
typedef struct rg_stop {
    const rg_mem *mem;
    char *strings[RG_STOP_STRINGS_MAX];
    size_t sizes[RG_STOP_STRINGS_MAX];
    size_t n;
    size_t which; // the string that came, after a hit
    rg_buf held;  // bytes that may be the beginning of a stop string
} rg_stop;

/** Errors: RG_E_ARG (an empty string), RG_E_LIMIT, RG_E_MEMORY. */
rg_status rg_stop_init(rg_stop *stop, const rg_mem *mem, const char *const *strings, size_t n,
                       rg_error *err) RG_MUST_CHECK;
void rg_stop_clear(rg_stop *stop);

/**
 * Feed bytes; what can no longer become part of a stop string is appended to out.
 * @param hit  set when a stop string came: out has all before the first one, the rest is dropped
 */
rg_status rg_stop_feed(rg_stop *stop, rg_str bytes, rg_buf *out, bool *hit,
                       rg_error *err) RG_MUST_CHECK;
/** The stream is over: what was held back goes to out. */
void rg_stop_flush(rg_stop *stop, rg_buf *out);
