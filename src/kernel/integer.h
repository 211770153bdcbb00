/*
 * Products of whole-number weights and 8-bit activations, as far as instruction sets share them:
 * the panel, and the walk over rows, values and tokens.
 *
 * Every block type is "value = scale * (q - offset) - min" for each group of 16 or 32 values along
 * k, with q an unsigned byte below 256. Sixteen rows are unpacked into a panel:
 *
 *      q      [n/4][16 rows][4]      four neighbours along k of one row lie together
 *      scale  [n/group][16 rows]
 *      min    [n/group][16 rows]     types that have one
 *
 * and a tile multiplies two panels by a few tokens. A product of a group is a whole number, so it
 * is exact in any order; the groups are added in f32 from the first to the last, and chunks of
 * RG_CHUNK values one after another. So a result depends neither on the slice nor on the tokens
 * beside it.
 */
#pragma once

#include "kernel/kernels.h"
#include "tensor/half.h"

#include <string.h>

#define RG_CHUNK       512 // values along k that a panel holds
#define RG_TILE_ROWS   32  // rows of a tile: two panels
#define RG_TILE_TOKENS 6

/** Sixteen rows of one chunk, unpacked. */
typedef struct rg_panel {
    uint8_t q[RG_CHUNK * RG_PANEL_ROWS];
    float scale[RG_CHUNK / 16 * RG_PANEL_ROWS];
    float min[RG_CHUNK / 16 * RG_PANEL_ROWS];
} rg_panel;

/**
 * Unpack n values (whole blocks, at most RG_CHUNK) from each of 16 rows; rows may repeat.
 * @param next  as many bytes as this call reads, of rows that come later: worth a prefetch, spread
 *              over the work and in order; may lie outside the matrix
 */
typedef void rg_unpack_fn(rg_panel *panel, const uint8_t *const row[RG_PANEL_ROWS], size_t n,
                          const uint8_t *next);

/** n values of one row, whole blocks: q [n], scale and min [n / group]. */
typedef void rg_unpack_row_fn(uint8_t *q, float *scale, float *min, const uint8_t *p, size_t n);

/** How a type is unpacked. */
typedef struct rg_int_type {
    rg_unpack_fn *unpack;
    rg_unpack_row_fn *unpack_row;
    uint8_t group;  // 16 or 32 values share a scale
    uint8_t offset; // subtracted from q
    bool has_min;
    bool is_wide; // q may exceed 63
} rg_int_type;

/** What a tile multiplies: up to 6 tokens by two panels. */
typedef struct rg_int_tile {
    const rg_panel *panels; // 2
    size_t n;               // values
    const int8_t *x;        // tokens x_stride apart
    size_t x_stride;
    const float *x_scale; // by 32 values, tokens x_stride / 32 apart
    // per token and group: what the whole-number sum starts at, and the token's part of the minimum
    int32_t start[RG_TILE_TOKENS][RG_CHUNK / 16];
    float x_min[RG_TILE_TOKENS][RG_CHUNK / 16];
    float *y; // tokens ldy apart
    size_t ldy;
    uint32_t row_mask; // rows to write
    bool is_first;     // y = product, else y += product
} rg_int_tile;

/** Multiply n_tok tokens. */
typedef void rg_int_tile_fn(const rg_int_tile *tile, const rg_int_type *type, size_t n_tok);

// fill start and x_min for tokens [t, t + n_tok)
static inline void rg_int_tile_sums(rg_int_tile *tile, const rg_int_type *type, const rg_act *x,
                                    size_t t, size_t n_tok, size_t k) {
    for (size_t i = 0; i < n_tok; i++) {
        const int32_t *sum = x->sum + ((t + i) * x->k + k) / 16;
        const float *scale = x->scale + ((t + i) * x->k + k) / 32;
        if (type->group == 16) {
            for (size_t g = 0; g < tile->n / 16; g++) {
                tile->start[i][g] = -(int32_t)type->offset * sum[g];
                tile->x_min[i][g] = scale[g / 2] * (float)sum[g];
            }
        } else {
            for (size_t g = 0; g < tile->n / 32; g++) {
                const int32_t both = sum[2 * g] + sum[2 * g + 1];
                tile->start[i][g] = -(int32_t)type->offset * both;
                tile->x_min[i][g] = scale[g] * (float)both;
            }
        }
    }
}

/** The walk: rows by 32, values by chunks, tokens by 6. */
static inline void rg_int_product(const rg_int_type *type, rg_int_tile_fn *multiply, size_t block,
                                  size_t block_bytes, float *y, size_t ldy, const void *w,
                                  size_t w_stride, const rg_act *x, size_t row, size_t row_end,
                                  void *scratch) {
    rg_panel *panels = scratch;
    rg_int_tile tile = {.panels = panels, .x_stride = x->k, .ldy = ldy};
    for (size_t r = row; r < row_end; r += RG_TILE_ROWS) {
        const size_t n_rows = row_end - r < RG_TILE_ROWS ? row_end - r : RG_TILE_ROWS;
        tile.row_mask = n_rows == RG_TILE_ROWS ? UINT32_MAX : (1u << n_rows) - 1;
        for (size_t k = 0; k < x->k; k += RG_CHUNK) {
            tile.n = x->k - k < RG_CHUNK ? x->k - k : RG_CHUNK;
            tile.is_first = k == 0;
            const size_t k_bytes = k / block * block_bytes;
            const size_t n_bytes = tile.n / block * block_bytes;
            for (size_t p = 0; p * RG_PANEL_ROWS < n_rows; p++) {
                const uint8_t *rows[RG_PANEL_ROWS];
                for (size_t i = 0; i < RG_PANEL_ROWS; i++) {
                    const size_t at = p * RG_PANEL_ROWS + i;
                    rows[i] = (const uint8_t *)w +
                              (r + (at < n_rows ? at : n_rows - 1)) * w_stride + k_bytes;
                }
                // the next 32 rows, in as many parts as these have chunks
                type->unpack(&panels[p], rows, tile.n,
                             (const uint8_t *)w + (r + RG_TILE_ROWS) * w_stride +
                                 RG_TILE_ROWS * k_bytes + p * RG_PANEL_ROWS * n_bytes);
            }
            for (size_t t = 0; t < x->n_tok; t += RG_TILE_TOKENS) {
                const size_t left = x->n_tok - t;
                const size_t n_tok = left < RG_TILE_TOKENS ? left : RG_TILE_TOKENS;
                tile.x = (const int8_t *)x->data + t * x->k + k;
                tile.x_scale = x->scale + (t * x->k + k) / 32;
                tile.y = y + t * ldy + r;
                rg_int_tile_sums(&tile, type, x, t, n_tok, k);
                multiply(&tile, type, n_tok);
            }
        }
    }
}
