/* A bounded cursor over bytes: every binary read of format/ goes through it. */
#pragma once

#include "base/status.h"
#include "base/view.h"

typedef struct rg_cursor {
    rg_bytes bytes;
    size_t at;
} rg_cursor;

static inline size_t rg_cursor_left(const rg_cursor *c) {
    return c->bytes.size - c->at;
}

/** The next n bytes, or NULL when fewer are left. */
static inline const uint8_t *rg_cursor_take(rg_cursor *c, uint64_t n) {
    if (n > rg_cursor_left(c)) {
        return NULL;
    }
    const uint8_t *p = c->bytes.data + c->at;
    c->at += (size_t)n;
    return p;
}

static inline bool rg_cursor_u32(rg_cursor *c, uint32_t *out) {
    const uint8_t *p = rg_cursor_take(c, 4);
    if (p != NULL) {
        memcpy(out, p, 4);
    }
    return p != NULL;
}

static inline bool rg_cursor_u64(rg_cursor *c, uint64_t *out) {
    const uint8_t *p = rg_cursor_take(c, 8);
    if (p != NULL) {
        memcpy(out, p, 8);
    }
    return p != NULL;
}
