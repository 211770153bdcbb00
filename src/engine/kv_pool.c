#include "engine/kv_pool.h"

#include <sys/mman.h>

struct rg_kv_pool {
    const rg_mem *mem;
    rg_kv_layout layout;
    uint8_t *base;
    size_t bytes;
    size_t n_pages;
    size_t n_free;
    uint32_t *refs;       // by page
    uint32_t *free_pages; // a stack of n_free page numbers
};

rg_status rg_kv_layout_init(rg_kv_layout *layout, rg_error *err) {
    const size_t size = rg_dtype_get(layout->dtype)->block_bytes;
    size_t slots = 0;
    size_t page = 0;
    if (!rg_mul_size(layout->n_kv_head, layout->page_len, &slots) ||
        !rg_mul_size(slots * size, layout->k_dim, &layout->k_bytes) ||
        !rg_mul_size(slots * size, layout->has_values ? layout->v_dim : 0, &layout->v_bytes) ||
        !rg_mul_size(layout->page_len * size, layout->index_dim, &layout->index_bytes) ||
        !rg_mul_size(layout->k_bytes + layout->v_bytes + layout->index_bytes, layout->n_layer,
                     &page)) {
        return rg_fail(err, RG_E_LIMIT, "a page of key-value state does not fit in memory");
    }
    if (layout->compressed.n_layer != 0) {
        // sizes of all parts are bounded by the settings' ranges
        page += rg_kv_compressed(layout, layout->compressed.n_layer).rows;
    }
    layout->page_bytes =
        rg_round_up(page == 0 ? 1 : page, 4096); // of layers that keep nothing in it
    return RG_OK;
}

rg_status rg_kv_pool_new(const rg_mem *mem, const rg_kv_layout *layout, size_t n_pages,
                         rg_kv_pool **out, rg_error *err) {
    rg_status status = RG_OK;
    size_t bytes = 0;
    rg_kv_pool *pool = NULL;
    if (n_pages == 0 || n_pages > UINT32_MAX || !rg_mul_size(layout->page_bytes, n_pages, &bytes)) {
        return rg_fail(err, RG_E_LIMIT, "%zu pages of key-value state are not possible", n_pages);
    }
    pool = rg_new(mem, sizeof *pool);
    if (pool == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the key-value state");
    }
    *pool = (rg_kv_pool){.mem = mem, .layout = *layout, .bytes = bytes, .n_pages = n_pages};
    pool->refs = rg_new_array(mem, n_pages, sizeof *pool->refs);
    pool->free_pages = rg_new_array(mem, n_pages, sizeof *pool->free_pages);
    if (pool->refs == NULL || pool->free_pages == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu pages", n_pages);
        goto done;
    }
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        status =
            rg_fail(err, RG_E_MEMORY, "no address space for %zu bytes of key-value state", bytes);
        goto done;
    }
    pool->base = base;
    // low pages first, so that a short session touches few
    for (size_t i = 0; i < n_pages; i++) {
        pool->free_pages[i] = (uint32_t)(n_pages - 1 - i);
    }
    pool->n_free = n_pages;
    *out = pool;
    pool = NULL;

done:
    rg_kv_pool_free(pool);
    return status;
}

void rg_kv_pool_free(rg_kv_pool *pool) {
    if (pool == NULL) {
        return;
    }
    if (pool->base != NULL) {
        munmap(pool->base, pool->bytes);
    }
    rg_free(pool->mem, pool->refs);
    rg_free(pool->mem, pool->free_pages);
    rg_free(pool->mem, pool);
}

const rg_kv_layout *rg_kv_pool_layout(const rg_kv_pool *pool) {
    return &pool->layout;
}

size_t rg_kv_pool_pages(const rg_kv_pool *pool) {
    return pool->n_pages;
}

size_t rg_kv_pool_free_pages(const rg_kv_pool *pool) {
    return pool->n_free;
}

static size_t number_of(const rg_kv_pool *pool, const uint8_t *page) {
    return (size_t)(page - pool->base) / pool->layout.page_bytes;
}

uint8_t *rg_kv_page_take(rg_kv_pool *pool) {
    if (pool->n_free == 0) {
        return NULL;
    }
    const uint32_t number = pool->free_pages[--pool->n_free];
    pool->refs[number] = 1;
    return pool->base + number * pool->layout.page_bytes;
}

void rg_kv_page_retain(rg_kv_pool *pool, uint8_t *page) {
    pool->refs[number_of(pool, page)]++;
}

void rg_kv_page_release(rg_kv_pool *pool, uint8_t *page) {
    const size_t number = number_of(pool, page);
    if (--pool->refs[number] == 0) {
        pool->free_pages[pool->n_free++] = (uint32_t)number;
    }
}

bool rg_kv_page_is_shared(const rg_kv_pool *pool, const uint8_t *page) {
    return pool->refs[number_of(pool, page)] > 1;
}
