/*
 * Memory: the caller's allocator, checked size arithmetic, and an arena.
 * Only base/mem_*.c calls malloc. Three lifetimes: model, session, step (an arena reset each step).
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/** An allocator. `alloc` returns memory aligned to 64 bytes, not cleared, or NULL; `free` takes
 * NULL. */
typedef struct rg_mem {
    void *(*alloc)(void *self, size_t bytes);
    void (*free)(void *self, void *block);
    void *self;
} rg_mem;

/** The process heap. Threads: any thread. */
const rg_mem *rg_mem_heap(void);

/** `bytes` of cleared memory, or NULL. Owned by the caller: rg_free(). */
void *rg_new(const rg_mem *mem, size_t bytes) RG_MUST_CHECK;
/** `count * size` bytes of cleared memory, or NULL when the product overflows or memory is short.
 */
void *rg_new_array(const rg_mem *mem, size_t count, size_t size) RG_MUST_CHECK;
/** `bytes` of memory with unspecified content, or NULL. */
void *rg_alloc(const rg_mem *mem, size_t bytes) RG_MUST_CHECK;
/** Give back; NULL is fine. */
void rg_free(const rg_mem *mem, void *block);

/** out = a * b; false (out untouched) when it does not fit. */
static inline bool rg_mul_size(size_t a, size_t b, size_t *out) {
    size_t r = 0;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

/** out = a + b; false (out untouched) when it does not fit. */
static inline bool rg_add_size(size_t a, size_t b, size_t *out) {
    size_t r = 0;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

/** Round n up to a multiple of `unit`, a power of two; n near SIZE_MAX is the caller's to exclude.
 */
static inline size_t rg_round_up(size_t n, size_t unit) {
    return (n + unit - 1) & ~(unit - 1);
}

/**
 * An arena: many small objects that die together. Blocks grow geometrically up to 1 MiB each.
 * limit_bytes bounds the sum (0: no bound); crossing it makes rg_arena_alloc return NULL.
 * Threads: one at a time per object.
 */
typedef struct rg_arena {
    const rg_mem *mem;
    struct rg_arena_block *blocks;
    size_t used_bytes;
    size_t limit_bytes;
} rg_arena;

void rg_arena_init(rg_arena *arena, const rg_mem *mem, size_t limit_bytes);
/** Cleared memory aligned to 16, or NULL. Lives until rg_arena_clear. */
void *rg_arena_alloc(rg_arena *arena, size_t bytes) RG_MUST_CHECK;
/** A terminated copy of text[0..size), or NULL. */
char *rg_arena_copy(rg_arena *arena, const char *text, size_t size) RG_MUST_CHECK;
void rg_arena_clear(rg_arena *arena);
