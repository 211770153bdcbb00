/*
 * The walk of a training product, as far as instruction sets share it. B is packed into panels of
 * 16 columns, [k][16], a block of RG_GEMM_K x RG_GEMM_N at a time; rows of A are read where they
 * lie when their values are neighbors, else packed as well, [k][rows of a tile].
 */
#pragma once

#include "kernel/kernels.h"

#include <string.h>

#define RG_GEMM_N     512 // columns of a packed block of B: it fills half of a core's second cache
#define RG_GEMM_PANEL 16
#define RG_GEMM_TILES 4  // tiles of A that are packed together
#define RG_GEMM_ROWS  16 // most rows of a tile

/** What a tile multiplies: `rows` rows of A by `n` columns of B, at most RG_GEMM_TILE_N. */
typedef struct rg_gemm_tile {
    const float *a;
    size_t a_row;
    size_t a_col;
    const float *panel; // the next one lies panel_stride floats behind
    size_t panel_stride;
    size_t k;
    float *c;
    size_t ldc;
    size_t n;
    bool is_added;
} rg_gemm_tile;

/** What differs between instruction sets. */
typedef struct rg_gemm_isa {
    size_t rows;   // of a tile
    size_t panels; // of a tile
    void (*multiply)(const rg_gemm_tile *tile, size_t rows);
    // n times 32 bytes of 16 rows become double words side by side
    void (*transpose)(float *panel, const uint8_t *const row[16], size_t n, const uint8_t *next);
    rg_to_float_fn *(*to_float)(rg_dtype dtype); // NULL: the bytes are f32
} rg_gemm_isa;

/** Scratch, laid out: less than RG_GEMM_SCRATCH_BYTES. */
typedef struct rg_gemm_scratch {
    float b[RG_GEMM_N * RG_GEMM_K];
    float a[RG_GEMM_TILES * RG_GEMM_ROWS * RG_GEMM_K];
    float rows[RG_GEMM_PANEL][RG_GEMM_K];
    float line[RG_GEMM_N];
    uint8_t tail[RG_GEMM_PANEL][32];
} rg_gemm_scratch;
_Static_assert(sizeof(rg_gemm_scratch) <= RG_GEMM_SCRATCH_BYTES, "products fit their scratch");

static inline const uint8_t *rg_gemm_row(const rg_gemm *g, size_t row, size_t value) {
    const rg_dtype_info *info = rg_dtype_get(g->b_dtype);
    return (const uint8_t *)g->b + row * g->b_stride + value / info->block * info->block_bytes;
}

// columns [j, j + 16) of B, values [l, l + k): rows of b turned on their side
static inline void rg_gemm_pack_columns(const rg_gemm_isa *isa, const rg_gemm *g,
                                        rg_gemm_scratch *s, float *panel, size_t j, size_t l,
                                        size_t k) {
    const uint8_t *row[RG_GEMM_PANEL];
    const uint8_t *tail[RG_GEMM_PANEL];
    rg_to_float_fn *to_float = isa->to_float(g->b_dtype);
    for (size_t i = 0; i < RG_GEMM_PANEL; i++) {
        // columns that are not there repeat the last one; nobody stores them
        row[i] = rg_gemm_row(g, j + i < g->n ? j + i : g->n - 1, l);
        if (to_float != NULL) {
            to_float(s->rows[i], row[i], k);
            row[i] = (const uint8_t *)s->rows[i];
        }
    }
    isa->transpose(panel, row, k / 8, (const uint8_t *)panel);
    if (k % 8 != 0) {
        for (size_t i = 0; i < RG_GEMM_PANEL; i++) {
            memset(s->tail[i], 0, sizeof s->tail[i]);
            memcpy(s->tail[i], row[i] + k / 8 * 32, k % 8 * sizeof(float));
            tail[i] = s->tail[i];
        }
        float last[8 * RG_GEMM_PANEL] __attribute__((aligned(64)));
        isa->transpose(last, tail, 1, (const uint8_t *)panel);
        memcpy(panel + k / 8 * 8 * RG_GEMM_PANEL, last, k % 8 * RG_GEMM_PANEL * sizeof *last);
    }
}

// rows [l, l + k) of B, columns [j, j + n): cut into panels
static inline void rg_gemm_pack_rows(const rg_gemm_isa *isa, const rg_gemm *g, rg_gemm_scratch *s,
                                     size_t j, size_t n, size_t l, size_t k) {
    rg_to_float_fn *to_float = isa->to_float(g->b_dtype);
    for (size_t i = 0; i < k; i++) {
        const float *line = (const float *)(const void *)rg_gemm_row(g, l + i, j);
        if (to_float != NULL) {
            to_float(s->line, line, n);
            line = s->line;
        }
        float *to = s->b + i * RG_GEMM_PANEL;
        size_t at = 0;
        for (; at + RG_GEMM_PANEL <= n; at += RG_GEMM_PANEL) {
            memcpy(to, line + at, RG_GEMM_PANEL * sizeof *to);
            to += k * RG_GEMM_PANEL;
        }
        if (at < n) {
            memset(to, 0, RG_GEMM_PANEL * sizeof *to);
            memcpy(to, line + at, (n - at) * sizeof *to);
        }
    }
}

// rows of A whose values are not neighbors: a tile becomes [k][rows]
static inline void rg_gemm_pack_a(const rg_gemm_isa *isa, const rg_gemm *g, float *to, size_t row,
                                  size_t n_rows, size_t l, size_t k) {
    for (size_t i = 0; i < k; i++) {
        const float *from = g->a + row * g->a_row + (l + i) * g->a_col;
        for (size_t r = 0; r < n_rows; r += isa->rows) {
            const size_t n = n_rows - r < isa->rows ? n_rows - r : isa->rows;
            float *tile = to + r * RG_GEMM_K + i * isa->rows;
            for (size_t x = 0; x < n; x++) {
                tile[x] = from[(r + x) * g->a_row];
            }
        }
    }
}

// all rows of A by a packed block of B
static inline void rg_gemm_block(const rg_gemm_isa *isa, const rg_gemm *g, rg_gemm_scratch *s,
                                 size_t j, size_t n, size_t l, size_t k) {
    const bool is_packed = g->a_col != 1;
    const size_t step = isa->rows * RG_GEMM_TILES;
    for (size_t row = 0; row < g->m; row += step) {
        const size_t n_rows = g->m - row < step ? g->m - row : step;
        if (is_packed) {
            rg_gemm_pack_a(isa, g, s->a, row, n_rows, l, k);
        }
        for (size_t r = 0; r < n_rows; r += isa->rows) {
            rg_gemm_tile tile = {.a = is_packed ? s->a + r * RG_GEMM_K
                                                : g->a + (row + r) * g->a_row + l,
                                 .a_row = is_packed ? 1 : g->a_row,
                                 .a_col = is_packed ? isa->rows : 1,
                                 .panel_stride = k * RG_GEMM_PANEL,
                                 .k = k,
                                 .ldc = g->ldc,
                                 .is_added = g->is_added || l > 0};
            const size_t rows = n_rows - r < isa->rows ? n_rows - r : isa->rows;
            const size_t width = isa->panels * RG_GEMM_PANEL;
            for (size_t x = 0; x < n; x += width) {
                tile.panel = s->b + x * k;
                tile.c = g->c + (row + r) * g->ldc + j + x;
                tile.n = n - x < width ? n - x : width;
                isa->multiply(&tile, rows);
            }
        }
    }
}

static inline void rg_gemm_walk(const rg_gemm_isa *isa, const rg_gemm *g, void *scratch) {
    rg_gemm_scratch *s = scratch;
    for (size_t j = 0; j < g->n; j += RG_GEMM_N) {
        const size_t n = g->n - j < RG_GEMM_N ? g->n - j : RG_GEMM_N;
        for (size_t l = 0; l < g->k; l += RG_GEMM_K) {
            const size_t k = g->k - l < RG_GEMM_K ? g->k - l : RG_GEMM_K;
            if (g->is_b_by_column) {
                for (size_t x = 0; x < n; x += RG_GEMM_PANEL) {
                    rg_gemm_pack_columns(isa, g, s, s->b + x * k, j + x, l, k);
                }
            } else {
                rg_gemm_pack_rows(isa, g, s, j, n, l, k);
            }
            rg_gemm_block(isa, g, s, j, n, l, k);
        }
    }
}
