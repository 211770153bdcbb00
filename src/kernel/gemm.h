/*
 * The walk of a training product, as far as instruction sets share it. A block of B waits in L2 as
 * panels that tiles read front to back. Rows of A that run along k are read where they lie, or are
 * copied where their distance would crowd a few sets of the cache; else they become panels as well.
 *
 *      panel of B  [word of k][columns of a tile]     panel of A  [word of k][rows of a tile]
 *
 * A word is one f32, or two neighbors along k as bf16. A processor that cannot multiply those takes
 * them as two f32 words that were rounded, the second first: as the instruction adds them up.
 * While tiles multiply one block, the next ones are asked for: packing then finds them near.
 */
#pragma once

#include "base/mem.h"
#include "kernel/kernels.h"
#include "tensor/half.h"

#include <math.h>
#include <string.h>

#define RG_GEMM_LANES     16 // rows of B that are turned at once, at most
#define RG_GEMM_PAD       16 // floats between rows and panels, so that neighbors differ in cache sets
#define RG_GEMM_M         96   // rows of a block of A: whole tiles of 12, 6 and 4
#define RG_GEMM_N         256  // columns of a block of B when k fills it
#define RG_GEMM_COLS      1024 // and at most
#define RG_GEMM_A_ROW     (RG_GEMM_K_LONGEST + RG_GEMM_PAD)
#define RG_GEMM_B         (RG_GEMM_N * (RG_GEMM_K + RG_GEMM_PAD)) // words
#define RG_GEMM_STAGE_ROW 2048 // floats of a stretch of B that waits beside another
#define RG_GEMM_CROWD     2048 // rows of A that are a multiple of this apart, in bytes, are copied

/** A tile: c = or += product of n words. */
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
    size_t k;           // values that are added up before they join C
    size_t word_values; // values of a word
    size_t mr;          // rows of a tile
    size_t nr;          // columns of a tile, a multiple of lanes
    size_t lanes;       // rows that turn takes
    void (*multiply)(const rg_gemm_tile *tile);
    // panel[l * width + i] = row[i][l], l < n words, i < lanes
    void (*turn)(float *panel, size_t width, const float *const row[], size_t n);
    // NULL: words are f32 as they lie. n values along k to words, which may begin where the values
    // do
    void (*narrow)(float *words, const float *from, size_t n);
    // values of two neighbors along k, side by side, to `width` columns of words, zeros after the
    // first n; `odd` NULL: there is but one. A word that holds one value: two rows of words
    void (*join)(float *words, const float *even, const float *odd, size_t n, size_t width);
} rg_gemm_way;

/** Scratch, laid out. */
typedef struct rg_gemm_scratch {
    float b[RG_GEMM_B];
    float a[RG_GEMM_M * RG_GEMM_A_ROW];
    float stage[RG_GEMM_LANES * RG_GEMM_K_LONGEST]; // values of B that wait expanded
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

static inline size_t rg_gemm_words(const rg_gemm_way *way, size_t n_steps) {
    return (n_steps + way->word_values - 1) / way->word_values;
}

// words of a panel
static inline size_t rg_gemm_panel(const rg_gemm_way *way, size_t width, size_t n_steps) {
    return width * rg_gemm_words(way, n_steps) + RG_GEMM_PAD;
}

// the bf16 nearest to x; subnormal ones are zero, as the instruction takes them
static inline float rg_gemm_round(float x) {
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : rg_f32_of_bf16(rg_bf16_of_f32(x));
}

/** Words of f32 that were rounded to bf16: rg_gemm_way.narrow. */
static inline void rg_gemm_narrow_f32(float *words, const float *from, size_t n) {
    size_t l = 0;
    for (; l + 2 <= n; l += 2) {
        const float even = rg_gemm_round(from[l]);
        words[l] = rg_gemm_round(from[l + 1]);
        words[l + 1] = even;
    }
    if (l < n) {
        words[l] = rg_gemm_round(from[l]);
    }
}

/** The same for rg_gemm_way.join. */
static inline void rg_gemm_join_f32(float *words, const float *even, const float *odd, size_t n,
                                    size_t width) {
    const float *const rows[2] = {odd == NULL ? even : odd, even};
    for (size_t r = 0; r < (odd == NULL ? 1 : 2); r++, words += width) {
        for (size_t i = 0; i < n; i++) {
            words[i] = rg_gemm_round(rows[r][i]);
        }
        memset(words + n, 0, (width - n) * sizeof *words);
    }
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
    const size_t size = rg_gemm_panel(way, way->nr, k->n_steps);
    for (size_t i = 0; i < k->n; i += way->lanes) {
        const float *row[RG_GEMM_LANES];
        for (size_t j = 0; j < way->lanes; j++) {
            const size_t at = i + j < k->n ? i + j : k->n - 1;
            float *own = stage + j * RG_GEMM_K_LONGEST;
            row[j] = rg_gemm_values(k->side, k->first + at, k->step, k->n_steps, own);
            if (way->narrow != NULL) {
                way->narrow(own, row[j], k->n_steps);
                row[j] = own;
            }
        }
        way->turn(panels + i / way->nr * size + i % way->nr, way->nr, row,
                  rg_gemm_words(way, k->n_steps));
    }
}

// as rg_gemm_cut, two rows at a time
static inline __attribute__((always_inline)) void rg_gemm_cut_joined(const rg_gemm_way *way,
                                                                     const rg_gemm_block *k,
                                                                     size_t width, float *panels,
                                                                     float *stage) {
    const size_t size = rg_gemm_panel(way, width, k->n_steps);
    for (size_t l = 0; l < k->n_steps; l += 2) {
        float *to = panels + l / way->word_values * width;
        const float *even = rg_gemm_values(k->side, k->step + l, k->first, k->n, stage);
        const float *odd = NULL;
        if (l + 1 < k->n_steps) {
            odd =
                rg_gemm_values(k->side, k->step + l + 1, k->first, k->n, stage + RG_GEMM_STAGE_ROW);
        }
        size_t i = 0;
        for (; i + width <= k->n; i += width, to += size) {
            way->join(to, even + i, odd == NULL ? NULL : odd + i, width, width);
        }
        if (i < k->n) {
            way->join(to, even + i, odd == NULL ? NULL : odd + i, k->n - i, width);
        }
    }
}

// rows across k are cut into pieces of `width`, which must be known when compiled
static inline __attribute__((always_inline)) void rg_gemm_cut(const rg_gemm_way *way,
                                                              const rg_gemm_block *k, size_t width,
                                                              float *panels, float *stage) {
    const size_t size = rg_gemm_panel(way, width, k->n_steps);
    const size_t rest = k->n % width;
    if (way->join != NULL) {
        rg_gemm_cut_joined(way, k, width, panels, stage);
        return;
    }
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
        rg_gemm_cut(way, b, way->nr, s->b, s->stage);
    } else {
        rg_gemm_turn(way, b, s->b, s->stage);
    }
}

static inline size_t rg_gemm_a_row(const rg_gemm_way *way) {
    return way->k / way->word_values + RG_GEMM_PAD;
}

// rows of A along k: words are made of them, or they would crowd the cache
static inline bool rg_gemm_is_copied(const rg_gemm_way *way, const rg_gemm_side *a) {
    return way->narrow != NULL || a->stride % RG_GEMM_CROWD == 0;
}

static inline __attribute__((always_inline)) void
rg_gemm_pack_a(const rg_gemm_way *way, const rg_gemm_block *a, rg_gemm_scratch *s) {
    if (a->side->is_across) {
        rg_gemm_cut(way, a, way->mr, s->a, s->stage);
        return;
    }
    for (size_t i = 0; i < a->n && rg_gemm_is_copied(way, a->side); i++) {
        const float *row = rg_gemm_values(a->side, a->first + i, a->step, a->n_steps, NULL);
        float *to = s->a + i * rg_gemm_a_row(way);
        if (way->narrow != NULL) {
            way->narrow(to, row, a->n_steps);
            continue;
        }
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
    size_t apart = rg_gemm_panel(way, way->mr, a->n_steps); // from tile to tile of a
    tile->n = rg_gemm_words(way, a->n_steps);
    if (!a->side->is_across) {
        const bool is_copied = rg_gemm_is_copied(way, a->side);
        tile->a_row = is_copied ? rg_gemm_a_row(way) : a->side->stride / sizeof *from;
        from = is_copied ? from : rg_gemm_values(a->side, a->first, a->step, a->n_steps, NULL);
        apart = tile->a_row * way->mr;
    }
    for (size_t i = 0; i < a->n; i += way->mr, from += apart) {
        tile->a = from;
        tile->n_rows = a->n - i < way->mr ? a->n - i : way->mr;
        for (size_t j = 0; j < b->n; j += way->nr) {
            tile->b = s->b + j / way->nr * rg_gemm_panel(way, way->nr, b->n_steps);
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
static inline rg_gemm_block rg_gemm_next(const rg_gemm_way *way, const rg_gemm_block *block,
                                         size_t n_max, size_t n_all, size_t k_all,
                                         bool is_k_first) {
    rg_gemm_block next = *block;
    const bool is_k_done = block->step + block->n_steps == k_all;
    const bool is_n_done = block->first + block->n == n_all;
    if (is_k_first ? !is_k_done : is_n_done) {
        next.step = is_k_done ? k_all : block->step + way->k;
        next.first = is_k_first ? block->first : 0;
    } else {
        next.step = is_k_first ? 0 : block->step;
        next.first = block->first + block->n;
    }
    const size_t n_left = n_all - next.first;
    const size_t k_left = k_all - next.step;
    next.n = k_left == 0 ? 0 : n_left < n_max ? n_left : n_max;
    next.n_steps = k_left < way->k ? k_left : way->k;
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
    const size_t most = g->k < way->k ? g->k : way->k;
    const size_t fits = RG_GEMM_B / rg_gemm_panel(way, way->nr, most) * way->nr;
    const size_t n_max = fits < RG_GEMM_COLS ? fits : RG_GEMM_COLS;
    rg_gemm_block b = {.side = &side_b, .n = g->n < n_max ? g->n : n_max, .n_steps = most};
    if (g->m == 0 || g->k == 0) {
        return;
    }
    while (b.n > 0) {
        const rg_gemm_block next_b = rg_gemm_next(way, &b, n_max, g->n, g->k, true);
        const size_t n_across = (b.n + way->nr - 1) / way->nr; // tiles
        rg_gemm_ahead ahead[2];
        ahead[1] = rg_gemm_ahead_of(&next_b, (g->m + way->mr - 1) / way->mr * n_across);
        rg_gemm_pack_b(way, &b, s);
        for (size_t i = 0; i < g->m; i += RG_GEMM_M) {
            rg_gemm_block a = {.side = &side_a, .first = i, .step = b.step, .n_steps = b.n_steps};
            a.n = g->m - i < RG_GEMM_M ? g->m - i : RG_GEMM_M;
            const rg_gemm_block next_a = rg_gemm_next(way, &a, RG_GEMM_M, g->m, g->k, false);
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
