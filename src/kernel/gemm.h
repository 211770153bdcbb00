/*
 * The walk of a training product, as far as instruction sets share it. A block of B waits in L2 as
 * panels that tiles read front to back. Rows of A that run along k are read where they lie, or are
 * copied where their distance would crowd a few sets of the cache; else they become panels as well.
 *
 *      panel of B  [step of k][columns of a tile]     panel of A  [step of k][rows of a tile]
 *
 * While tiles multiply one block, the next ones are asked for: packing then finds them near.
 */
#pragma once

#include "base/mem.h"
#include "kernel/kernels.h"

#include <string.h>

#define RG_GEMM_LANES 16   // rows of B that are turned at once, at most
#define RG_GEMM_PAD   16   // floats between rows and panels, so that neighbors differ in cache sets
#define RG_GEMM_M     96   // rows of a block of A: whole tiles of 12, 6 and 4
#define RG_GEMM_N     256  // columns of a block of B when k fills it
#define RG_GEMM_COLS  1024 // and at most
#define RG_GEMM_A_ROW (RG_GEMM_K + RG_GEMM_PAD)
#define RG_GEMM_B     (RG_GEMM_N * RG_GEMM_A_ROW) // floats
#define RG_GEMM_CROWD 2048 // rows of A that are a multiple of this apart, in bytes, are copied

/** A tile: c = or += product of n steps. */
typedef struct rg_gemm_tile {
    const float *a;
    size_t a_row; // floats from row to row of a; 0: a is a panel
    const float *b;
    size_t n;
    float *c;
    size_t ldc;
    size_t n_rows;
    size_t n_cols;
    bool is_first; // c = product
} rg_gemm_tile;

/** What differs between instruction sets. */
typedef struct rg_gemm_way {
    size_t mr;    // rows of a tile
    size_t nr;    // columns of a tile, a multiple of lanes
    size_t lanes; // rows that turn takes
    void (*multiply)(const rg_gemm_tile *tile);
    // panel[l * width + i] = row[i][l], l < n, i < lanes
    void (*turn)(float *panel, size_t width, const float *const row[], size_t n);
} rg_gemm_way;

/** Scratch, laid out. */
typedef struct rg_gemm_scratch {
    float b[RG_GEMM_B];
    float a[RG_GEMM_M * RG_GEMM_A_ROW];
    float stage[RG_GEMM_LANES * RG_GEMM_K]; // values of B that wait expanded
} rg_gemm_scratch;

_Static_assert(sizeof(rg_gemm_scratch) <= RG_GEMM_SCRATCH_BYTES, "scratch of a product");

/** An operand as it lies: rows of a type, `stride` bytes apart. */
typedef struct rg_gemm_side {
    const void *data;
    size_t stride;
    const rg_dtype_info *type;
    bool is_across; // row l holds step l of k; else rows run along k
} rg_gemm_side;

/** A block of it: rows or columns [first, first + n) of C, steps [step, step + n_steps) of k. */
typedef struct rg_gemm_block {
    const rg_gemm_side *side;
    size_t first;
    size_t n;
    size_t step;
    size_t n_steps;
} rg_gemm_block;

/** Memory that is worth asking for: rows of `bytes`, line by line. */
typedef struct rg_gemm_ahead {
    const char *row;
    size_t stride;
    size_t n_rows;
    size_t bytes;
    size_t at;
    size_t share; // lines to ask for at a time
} rg_gemm_ahead;

// the memory of a block, in n_parts shares
static inline rg_gemm_ahead rg_gemm_ahead_of(const rg_gemm_block *k, size_t n_parts) {
    const rg_gemm_side *side = k->side;
    const size_t row = side->is_across ? k->step : k->first;
    const size_t value = side->is_across ? k->first : k->step;
    const size_t n = side->is_across ? k->n : k->n_steps;
    rg_gemm_ahead ahead = {.stride = side->stride,
                           .n_rows = side->is_across ? k->n_steps : k->n,
                           .bytes = n * side->type->block_bytes / side->type->block};
    ahead.row = (const char *)side->data + row * side->stride +
                value / side->type->block * side->type->block_bytes;
    ahead.share = (ahead.n_rows * (ahead.bytes / 64 + 1) + n_parts - 1) / n_parts;
    return ahead;
}

static inline void rg_gemm_ask(rg_gemm_ahead *ahead) {
    for (size_t i = 0; i < ahead->share && ahead->n_rows > 0; i++) {
        __builtin_prefetch(ahead->row + ahead->at, 0, 2);
        ahead->at += 64;
        if (ahead->at >= ahead->bytes) {
            ahead->at = 0;
            ahead->row += ahead->stride;
            ahead->n_rows--;
        }
    }
}

static inline size_t rg_gemm_panel(size_t width, size_t n_steps) {
    return width * n_steps + RG_GEMM_PAD;
}

// n values from value `at` of a row on, as f32: where they lie, or expanded into stage with the
// blocks that they belong to
static inline const float *rg_gemm_values(const rg_gemm_side *side, size_t row, size_t at, size_t n,
                                          float *stage) {
    const char *data = (const char *)side->data + row * side->stride;
    const rg_dtype_info *type = side->type;
    if (type == rg_dtype_get(RG_DTYPE_F32)) {
        return (const float *)(const void *)data + at;
    }
    const size_t from = at / type->block * type->block;
    const size_t end = (at + n + type->block - 1) / type->block * type->block;
    type->to_float(stage, data + from / type->block * type->block_bytes, end - from);
    return stage + (at - from);
}

// rows along k are turned, `lanes` at a time; a row that is not there is stood in for by the last
static inline void rg_gemm_turn(const rg_gemm_way *way, const rg_gemm_block *k, float *panels,
                                float *stage) {
    const size_t size = rg_gemm_panel(way->nr, k->n_steps);
    for (size_t i = 0; i < k->n; i += way->lanes) {
        const float *row[RG_GEMM_LANES];
        for (size_t j = 0; j < way->lanes; j++) {
            const size_t at = i + j < k->n ? i + j : k->n - 1;
            row[j] =
                rg_gemm_values(k->side, k->first + at, k->step, k->n_steps, stage + j * RG_GEMM_K);
        }
        way->turn(panels + i / way->nr * size + i % way->nr, way->nr, row, k->n_steps);
    }
}

// rows across k are cut into pieces of `width`, which must be known when compiled
static inline __attribute__((always_inline)) void rg_gemm_cut(const rg_gemm_block *k, size_t width,
                                                              float *panels, float *stage) {
    const size_t size = rg_gemm_panel(width, k->n_steps);
    const size_t rest = k->n % width;
    for (size_t l = 0; l < k->n_steps; l++) {
        const float *from = rg_gemm_values(k->side, k->step + l, k->first, k->n, stage);
        float *to = panels + l * width;
        for (size_t p = 0; p < k->n / width; p++, to += size, from += width) {
            memcpy(to, from, width * sizeof *to);
        }
        if (rest > 0) {
            memset(to, 0, width * sizeof *to);
            memcpy(to, from, rest * sizeof *to);
        }
    }
}

static inline __attribute__((always_inline)) void
rg_gemm_pack_b(const rg_gemm_way *way, const rg_gemm_block *b, rg_gemm_scratch *s) {
    if (b->side->is_across) {
        rg_gemm_cut(b, way->nr, s->b, s->stage);
    } else {
        rg_gemm_turn(way, b, s->b, s->stage);
    }
}

static inline __attribute__((always_inline)) void
rg_gemm_pack_a(const rg_gemm_way *way, const rg_gemm_block *a, rg_gemm_scratch *s) {
    if (a->side->is_across) {
        rg_gemm_cut(a, way->mr, s->a, s->stage);
        return;
    }
    for (size_t i = 0; i < a->n && a->side->stride % RG_GEMM_CROWD == 0; i++) {
        const float *row = rg_gemm_values(a->side, a->first + i, a->step, a->n_steps, NULL);
        float *to = s->a + i * RG_GEMM_A_ROW;
        size_t l = 0;
        for (; l + 16 <= a->n_steps; l += 16) {
            memcpy(to + l, row + l, 16 * sizeof *to);
        }
        memcpy(to + l, row + l, (a->n_steps - l) * sizeof *to);
    }
}

// a block of A by a block of B: a panel of A stays in L1 while those of B pass by
static inline void rg_gemm_tiles(const rg_gemm_way *way, const rg_gemm_scratch *s,
                                 const rg_gemm_block *a, const rg_gemm_block *b, rg_gemm_tile *tile,
                                 rg_gemm_ahead ahead[2]) {
    float *c = tile->c;
    const float *from = s->a;
    size_t apart = rg_gemm_panel(way->mr, a->n_steps); // from tile to tile of a
    tile->n = a->n_steps;
    if (!a->side->is_across) {
        const bool is_copied = a->side->stride % RG_GEMM_CROWD == 0;
        tile->a_row = is_copied ? RG_GEMM_A_ROW : a->side->stride / sizeof *from;
        from = is_copied ? from : rg_gemm_values(a->side, a->first, a->step, a->n_steps, NULL);
        apart = tile->a_row * way->mr;
    }
    for (size_t i = 0; i < a->n; i += way->mr, from += apart) {
        tile->a = from;
        tile->n_rows = a->n - i < way->mr ? a->n - i : way->mr;
        for (size_t j = 0; j < b->n; j += way->nr) {
            tile->b = s->b + j / way->nr * rg_gemm_panel(way->nr, b->n_steps);
            tile->n_cols = b->n - j < way->nr ? b->n - j : way->nr;
            tile->c = c + i * tile->ldc + j;
            rg_gemm_ask(&ahead[0]);
            rg_gemm_ask(&ahead[1]);
            way->multiply(tile);
        }
    }
    tile->c = c;
}

// the block after this one: further along k, else further in C; empty at the end
static inline rg_gemm_block rg_gemm_next(const rg_gemm_block *block, size_t n_max, size_t n_all,
                                         size_t k_all, bool is_k_first) {
    rg_gemm_block next = *block;
    const bool is_k_done = block->step + block->n_steps == k_all;
    const bool is_n_done = block->first + block->n == n_all;
    if (is_k_first ? !is_k_done : is_n_done) {
        next.step = is_k_done ? k_all : block->step + RG_GEMM_K;
        next.first = is_k_first ? block->first : 0;
    } else {
        next.step = is_k_first ? 0 : block->step;
        next.first = block->first + block->n;
    }
    const size_t n_left = n_all - next.first;
    const size_t k_left = k_all - next.step;
    next.n = k_left == 0 ? 0 : n_left < n_max ? n_left : n_max;
    next.n_steps = k_left < RG_GEMM_K ? k_left : RG_GEMM_K;
    return next;
}

/** The walk: columns as their panels fit, steps of k, rows. `way` must be known when compiled. */
static inline __attribute__((always_inline)) void rg_gemm_walk(const rg_gemm_way *way,
                                                               const rg_gemm *g, void *scratch) {
    rg_gemm_scratch *s = scratch;
    const bool is_a_across = g->a_col != 1;
    const rg_gemm_side side_a = {g->a, (is_a_across ? g->a_col : g->a_row) * sizeof *g->a,
                                 rg_dtype_get(RG_DTYPE_F32), is_a_across};
    const rg_gemm_side side_b = {g->b, g->b_stride, rg_dtype_get(g->b_dtype), !g->is_b_by_column};
    const size_t most = g->k < RG_GEMM_K ? g->k : RG_GEMM_K;
    const size_t fits = RG_GEMM_B / rg_gemm_panel(way->nr, most) * way->nr;
    const size_t n_max = fits < RG_GEMM_COLS ? fits : RG_GEMM_COLS;
    rg_gemm_block b = {.side = &side_b, .n = g->n < n_max ? g->n : n_max, .n_steps = most};
    if (g->m == 0 || g->k == 0) {
        return;
    }
    while (b.n > 0) {
        const rg_gemm_block next_b = rg_gemm_next(&b, n_max, g->n, g->k, true);
        const size_t n_across = (b.n + way->nr - 1) / way->nr; // tiles
        rg_gemm_ahead ahead[2];
        ahead[1] = rg_gemm_ahead_of(&next_b, (g->m + way->mr - 1) / way->mr * n_across);
        rg_gemm_pack_b(way, &b, s);
        for (size_t i = 0; i < g->m; i += RG_GEMM_M) {
            rg_gemm_block a = {.side = &side_a, .first = i, .step = b.step, .n_steps = b.n_steps};
            a.n = g->m - i < RG_GEMM_M ? g->m - i : RG_GEMM_M;
            const rg_gemm_block next_a = rg_gemm_next(&a, RG_GEMM_M, g->m, g->k, false);
            ahead[0] = rg_gemm_ahead_of(&next_a, (a.n + way->mr - 1) / way->mr * n_across);
            rg_gemm_tile tile = {.c = g->c + i * g->ldc + b.first,
                                 .ldc = g->ldc,
                                 .is_first = b.step == 0 && !g->is_added};
            rg_gemm_pack_a(way, &a, s);
            rg_gemm_tiles(way, s, &a, &b, &tile, ahead);
        }
        b = next_b;
    }
}
