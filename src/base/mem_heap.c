#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HEAP_ALIGN = 64, ARENA_ALIGN = 16, ARENA_FIRST_BYTES = 4096, ARENA_MAX_BYTES = 1 << 20 };

static void *heap_alloc(void *self, size_t bytes) {
    (void)self;
    if (bytes > SIZE_MAX - HEAP_ALIGN) {
        return NULL;
    }
    return aligned_alloc(HEAP_ALIGN, rg_round_up(bytes == 0 ? 1 : bytes, HEAP_ALIGN));
}

static void heap_free(void *self, void *block) {
    (void)self;
    free(block);
}

const rg_mem *rg_mem_heap(void) {
    static const rg_mem heap = {heap_alloc, heap_free, NULL};
    return &heap;
}

void *rg_alloc(const rg_mem *mem, size_t bytes) {
    return mem->alloc(mem->self, bytes);
}

void *rg_new(const rg_mem *mem, size_t bytes) {
    void *block = mem->alloc(mem->self, bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

void *rg_new_array(const rg_mem *mem, size_t count, size_t size) {
    size_t bytes = 0;
    return rg_mul_size(count, size, &bytes) ? rg_new(mem, bytes) : NULL;
}

void rg_free(const rg_mem *mem, void *block) {
    if (block != NULL) {
        mem->free(mem->self, block);
    }
}

typedef struct rg_arena_block {
    struct rg_arena_block *next;
    size_t size_bytes; // of the data after this header
    size_t used_bytes;
    size_t pad;
} arena_block;

void rg_arena_init(rg_arena *arena, const rg_mem *mem, size_t limit_bytes) {
    *arena = (rg_arena){.mem = mem, .limit_bytes = limit_bytes};
}

void *rg_arena_alloc(rg_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = rg_round_up(bytes == 0 ? 1 : bytes, ARENA_ALIGN);
    if (arena->limit_bytes != 0 && bytes > arena->limit_bytes - arena->used_bytes) {
        return NULL;
    }

    // a new block, twice as large as the last one, when the newest has no room
    arena_block *block = arena->blocks;
    if (block == NULL || bytes > block->size_bytes - block->used_bytes) {
        size_t size = block == NULL ? ARENA_FIRST_BYTES : block->size_bytes * 2;
        size = size > ARENA_MAX_BYTES ? ARENA_MAX_BYTES : size;
        size = size < bytes ? bytes : size;
        block = rg_alloc(arena->mem, sizeof *block + size);
        if (block == NULL) {
            return NULL;
        }
        *block = (arena_block){.next = arena->blocks, .size_bytes = size};
        arena->blocks = block;
    }

    void *data = (char *)(block + 1) + block->used_bytes;
    block->used_bytes += bytes;
    arena->used_bytes += bytes;
    memset(data, 0, bytes);
    return data;
}

char *rg_arena_copy(rg_arena *arena, const char *text, size_t size) {
    char *copy = size == SIZE_MAX ? NULL : rg_arena_alloc(arena, size + 1);
    if (copy != NULL && size != 0) {
        memcpy(copy, text, size);
    }
    return copy;
}

void rg_arena_clear(rg_arena *arena) {
    for (arena_block *block = arena->blocks; block != NULL;) {
        arena_block *next = block->next;
        rg_free(arena->mem, block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}
