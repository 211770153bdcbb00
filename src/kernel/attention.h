/*
 * Attention in tiles, as far as instruction sets share it. Queries of one kv head (tokens times the
 * heads that share it) are copied side by side, scaled. Keys and values of 64 positions become
 * panels, so that scores and weighted sums are products of the float tile that dense.h drives:
 *
 *      keys    [dim][16 positions]     scores [query][64]  = queries times keys
 *      values  [position][16 dims]     out    [query][dim] = weights times values
 *
 * Tiles start at multiples of 64 positions and every sum runs in the same order, so a query's
 * result depends neither on the queries beside it nor on how a prompt was cut.
 */
#pragma once

#include "base/mem.h"
#include "kernel/dense.h"

#include <math.h>

#define RG_ATTN_TILE    64   // positions
#define RG_ATTN_DIM_MAX 1024 // of a head; wider ones go the scalar way

/** A block of queries under way. Query i is head i % group of token (first + i) / group. */
typedef struct rg_attn_block {
    const rg_attn *a;
    uint32_t kv_head;
    uint32_t group;
    size_t first; // flat index of the first query
    size_t n;     // queries
    // positions of this tile and rows of the cache that hold them, and the rows of the next tile
    size_t start;
    size_t n_pos;
    const uint8_t *k_row[RG_ATTN_TILE];
    const uint8_t *v_row[RG_ATTN_TILE];
    size_t n_next;
    const uint8_t *k_next[RG_ATTN_TILE];
    const uint8_t *v_next[RG_ATTN_TILE];
    // in scratch
    float *q;        // [n][k_dim]
    float *out;      // [n][v_dim], not yet divided by sum
    float *p;        // [n][64]: scores, then weights
    float *top;      // [n]
    float *sum;      // [n]
    float *k_panels; // 4 of [k_dim rounded up to 16][16]
    float *v_panels; // v_dim / 16, rounded up to even, of [64][16]
} rg_attn_block;

static inline size_t rg_attn_token(const rg_attn_block *b, size_t query) {
    return (b->first + query) / b->group;
}

// positions that a token sees: [from, its own]
static inline size_t rg_attn_from(const rg_attn *a, size_t token) {
    return rg_attn_first(a, a->pos + token);
}

// the part of the tile that a query sees: [*lo, *hi) relative to its start; empty when hi <= lo
static inline void rg_attn_visible(const rg_attn_block *b, size_t query, size_t *lo, size_t *hi) {
    const size_t token = rg_attn_token(b, query);
    const size_t from = rg_attn_from(b->a, token);
    const size_t end = b->a->pos + token + 1;
    *lo = from > b->start ? from - b->start : 0;
    *hi = end > b->start ? end - b->start : 0;
    *hi = *hi < b->n_pos ? *hi : b->n_pos;
}

/** Scores, softmax and weighted values of one tile. */
typedef void rg_attn_tile_fn(rg_attn_block *b);

// queries that fit in scratch beside the panels
static inline size_t rg_attn_block_max(const rg_attn *a) {
    const size_t panels =
        RG_ATTN_TILE * (rg_round_up(a->k_dim, 16) + rg_round_up(a->v_dim, 32)) * sizeof(float);
    const size_t query = (a->k_dim + a->v_dim + RG_ATTN_TILE + 2) * sizeof(float);
    return (RG_SCRATCH_BYTES - panels) / query;
}

static inline void rg_attn_lay_out(rg_attn_block *b, void *scratch) {
    const rg_attn *a = b->a;
    float *at = scratch;
    b->k_panels = at;
    at += RG_ATTN_TILE * rg_round_up(a->k_dim, 16);
    b->v_panels = at;
    at += RG_ATTN_TILE * rg_round_up(a->v_dim, 32);
    b->p = at;
    at += b->n * RG_ATTN_TILE;
    b->q = at;
    at += b->n * a->k_dim;
    b->out = at;
    at += b->n * a->v_dim;
    b->top = at;
    at += b->n;
    b->sum = at;
}

// rows of n positions from start on
static inline void rg_attn_find_rows(const rg_attn_block *b, size_t start, size_t n,
                                     const uint8_t *k_row[], const uint8_t *v_row[]) {
    const rg_attn *a = b->a;
    const size_t size = a->kv_dtype == RG_DTYPE_F16 ? 2 : 4;
    size_t page = start / a->page_len;
    size_t at = start % a->page_len;
    for (size_t j = 0; j < n; j++) {
        const size_t row = b->kv_head * a->page_len + at;
        k_row[j] = (const uint8_t *)a->k_pages[page] + row * a->k_dim * size;
        v_row[j] = (const uint8_t *)a->v_pages[page] + row * a->v_stride * size;
        if (++at == a->page_len) {
            at = 0;
            page++;
        }
    }
}

static inline void rg_attn_run_block(rg_attn_block *b, rg_attn_tile_fn *run_tile, void *scratch) {
    const rg_attn *a = b->a;
    rg_attn_lay_out(b, scratch);
    for (size_t i = 0; i < b->n; i++) {
        const size_t head = b->kv_head * b->group + (b->first + i) % b->group;
        const float *q = a->q + rg_attn_token(b, i) * a->q_stride + head * a->k_dim;
        for (size_t j = 0; j < a->k_dim; j++) {
            b->q[i * a->k_dim + j] = q[j] * a->scale;
        }
        b->top[i] = -INFINITY;
        b->sum[i] = 0;
    }
    memset(b->out, 0, b->n * a->v_dim * sizeof *b->out);
    const size_t end = a->pos + rg_attn_token(b, b->n - 1) + 1;
    b->start = rg_attn_from(a, rg_attn_token(b, 0)) / RG_ATTN_TILE * RG_ATTN_TILE;
    const size_t n_first = end - b->start < RG_ATTN_TILE ? end - b->start : RG_ATTN_TILE;
    rg_attn_find_rows(b, b->start, n_first, b->k_next, b->v_next);
    for (; b->start < end; b->start += RG_ATTN_TILE) {
        const size_t left = end - b->start;
        b->n_pos = left < RG_ATTN_TILE ? left : RG_ATTN_TILE;
        b->n_next = left - b->n_pos < RG_ATTN_TILE ? left - b->n_pos : RG_ATTN_TILE;
        memcpy(b->k_row, b->k_next, sizeof b->k_row);
        memcpy(b->v_row, b->v_next, sizeof b->v_row);
        rg_attn_find_rows(b, b->start + b->n_pos, b->n_next, b->k_next, b->v_next);
        run_tile(b);
    }
    for (size_t i = 0; i < b->n; i++) {
        const size_t head = b->kv_head * b->group + (b->first + i) % b->group;
        float *out = a->out + rg_attn_token(b, i) * a->out_stride + head * a->v_dim;
        for (size_t j = 0; j < a->v_dim; j++) {
            out[j] = b->out[i * a->v_dim + j] / b->sum[i];
        }
    }
}

/** The walk over blocks of queries. */
static inline void rg_attn_run(const rg_attn *a, uint32_t kv_head, size_t tok, size_t tok_end,
                               rg_attn_tile_fn *run_tile, void *scratch) {
    const uint32_t group = a->n_head / a->n_kv_head;
    const size_t n_max = rg_attn_block_max(a);
    for (size_t i = tok * group; i < tok_end * group; i += n_max) {
        const size_t left = tok_end * group - i;
        rg_attn_block block = {.a = a,
                               .kv_head = kv_head,
                               .group = group,
                               .first = i,
                               .n = left < n_max ? left : n_max};
        rg_attn_run_block(&block, run_tile, scratch);
    }
}
