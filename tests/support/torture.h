/* An allocator that counts and can fail: for leak checks, and for failing each allocation in turn.
 */
#pragma once

#include "base/mem.h"

typedef struct torture {
    rg_mem mem;
    size_t n_live;
    size_t n_made;
    size_t fail_at; // the allocation that fails, from 1; 0: none
    size_t largest;
} torture;

static inline void *torture_alloc(void *self, size_t bytes) {
    torture *t = self;
    t->n_made++;
    t->largest = bytes > t->largest ? bytes : t->largest;
    if (t->n_made == t->fail_at) {
        return NULL;
    }
    void *block = rg_alloc(rg_mem_heap(), bytes);
    t->n_live += block != NULL;
    return block;
}

static inline void torture_free(void *self, void *block) {
    torture *t = self;
    t->n_live -= block != NULL;
    rg_free(rg_mem_heap(), block);
}

static inline void torture_init(torture *t, size_t fail_at) {
    *t = (torture){.mem = {torture_alloc, torture_free, t}, .fail_at = fail_at};
}
