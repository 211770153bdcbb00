/* A growing buffer of bytes or text, with a limit. */
#pragma once

#include "base/mem.h"
#include "base/view.h"

/**
 * Growing bytes. Fields may be read; `data` is NULL while empty. A failed append (memory or limit)
 * sets `is_failed`, later appends do nothing: append freely, check once at the end.
 * Threads: one at a time per object.
 */
typedef struct rg_buf {
    const rg_mem *mem;
    char *data;
    size_t size;
    size_t capacity;
    size_t limit_bytes; // 0: no limit
    bool is_failed;
    bool is_over; // failed because of the limit
} rg_buf;

void rg_buf_init(rg_buf *buf, const rg_mem *mem, size_t limit_bytes);
void rg_buf_clear(rg_buf *buf);
/** Make room for `more` bytes after size; false when that fails. */
bool rg_buf_reserve(rg_buf *buf, size_t more);
void rg_buf_put(rg_buf *buf, const void *data, size_t size);
void rg_buf_str(rg_buf *buf, rg_str text);
void rg_buf_char(rg_buf *buf, char c);
void rg_buf_format(rg_buf *buf, const char *format, ...) RG_PRINTF(2, 3);
/** A zero byte after the content (not counted in size), so data is a C string; "" when it failed.
 */
const char *rg_buf_cstr(rg_buf *buf);
/** Ownership of the bytes moves to the caller (rg_free with the same rg_mem); the buffer is empty.
 */
char *rg_buf_take(rg_buf *buf, size_t *size);

static inline rg_str rg_buf_view(const rg_buf *buf) {
    rg_str s = {buf->data, buf->size};
    return s;
}

/** RG_OK, or RG_E_LIMIT / RG_E_MEMORY with a sentence about `what` when an append failed. */
rg_status rg_buf_check(const rg_buf *buf, const char *what, rg_error *err) RG_MUST_CHECK;

/** Append text as a JSON string with its quotes, on one line; bytes that are not UTF-8 become
 * U+FFFD. */
void rg_buf_json(rg_buf *buf, rg_str text);
