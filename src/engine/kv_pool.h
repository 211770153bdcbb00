/* The pool of key-value pages. A page belongs to every session that holds a reference to it. */
#pragma once

#include "base/mem.h"
#include "graph/state.h"

typedef struct rg_kv_pool rg_kv_pool;

/** Fill the derived fields of a layout from dtype, n_layer, page_len, n_kv_head, k_dim, v_dim. */
rg_status rg_kv_layout_init(rg_kv_layout *layout, rg_error *err) RG_MUST_CHECK;

/** n_pages of a layout; address space is taken at once, memory when a page is first written. */
rg_status rg_kv_pool_new(const rg_mem *mem, const rg_kv_layout *layout, size_t n_pages,
                         rg_kv_pool **out, rg_error *err) RG_MUST_CHECK;
void rg_kv_pool_free(rg_kv_pool *pool);
const rg_kv_layout *rg_kv_pool_layout(const rg_kv_pool *pool);
size_t rg_kv_pool_pages(const rg_kv_pool *pool);
size_t rg_kv_pool_free_pages(const rg_kv_pool *pool);

/** A page with one reference, or NULL when all are in use. Threads: one at a time per object, all
 * calls. */
uint8_t *rg_kv_page_take(rg_kv_pool *pool);
void rg_kv_page_retain(rg_kv_pool *pool, uint8_t *page);
void rg_kv_page_release(rg_kv_pool *pool, uint8_t *page);
/** True when more than one session refers to the page: it must be copied before it is written. */
bool rg_kv_page_is_shared(const rg_kv_pool *pool, const uint8_t *page);
