/*
 * Products of float weights, as far as instruction sets share them. Sixteen rows of a chunk lie
 * side by side in a panel of double words [n][16 rows]: one f32, or two neighbouring bf16. A tile
 * multiplies two panels by some tokens.
 *
 * A result is the sum of its chunks, each added up from its first value to its last by fused steps:
 * it depends neither on the slice nor on the tokens beside it.
 */
#pragma once

#include "kernel/kernels.h"

#include <string.h>

#define RG_DENSE_CHUNK 512 // double words along k that a panel holds
#define RG_DENSE_ROWS  32  // rows of a tile: two panels

/** What a tile multiplies. */
typedef struct rg_dense_tile {
    const float *panels; // 2, each [n][16] or more
    size_t panel_stride; // floats from one to the next
    size_t n;            // double words
    const char *x;       // tokens x_stride bytes apart
    size_t x_stride;
    float *y; // tokens ldy floats apart
    size_t ldy;
    uint32_t row_mask; // rows to write
    bool is_first;     // y = product, else y += product
} rg_dense_tile;

/** What differs between instruction sets and types. */
typedef struct rg_dense {
    // n f32 from blocks; NULL: the bytes of a row are what transpose takes
    rg_to_float_fn *to_float;
    // n times 32 bytes of 16 rows become double words side by side; next is worth a prefetch, as in
    // integer.h
    void (*transpose)(float *panel, const uint8_t *const row[16], size_t n, const uint8_t *next);
    size_t part_words; // double words that 32 bytes become: 8, or 16 when transpose widens f16
    void (*multiply)(const rg_dense_tile *tile, size_t n_tok);
    size_t n_tok_max;   // of a tile
    size_t word_values; // values in a double word: 1, or 2 of bf16
    size_t block;       // of the type
    size_t block_bytes;
} rg_dense;

/** Scratch, laid out. */
typedef struct rg_dense_scratch {
    float panels[2][RG_DENSE_CHUNK * RG_PANEL_ROWS];
    float rows[RG_PANEL_ROWS][RG_DENSE_CHUNK];
    uint8_t tail[RG_PANEL_ROWS][32]; // the last double words of each row, zeros after them
    uint32_t x[32][RG_DENSE_CHUNK];  // tokens whose number of values is odd
} rg_dense_scratch;

// one chunk of 16 rows to a panel
static inline void rg_dense_panel(const rg_dense *d, rg_dense_scratch *s, float *panel,
                                  const uint8_t *row[RG_PANEL_ROWS], size_t n_values,
                                  const uint8_t *next) {
    for (size_t i = 0; d->to_float != NULL && i < RG_PANEL_ROWS; i++) {
        d->to_float(s->rows[i], row[i], n_values);
        row[i] = (const uint8_t *)s->rows[i];
    }
    // 32 bytes at a time, the rest through a copy with zeros
    const size_t bytes = n_values * 32 / (d->part_words * d->word_values);
    const size_t n_parts = bytes / 32;
    d->transpose(panel, row, n_parts, next);
    if (bytes % 32 > 0) {
        const uint8_t *tail[RG_PANEL_ROWS];
        for (size_t i = 0; i < RG_PANEL_ROWS; i++) {
            memset(s->tail[i], 0, sizeof s->tail[i]);
            memcpy(s->tail[i], row[i] + n_parts * 32, bytes % 32);
            tail[i] = s->tail[i];
        }
        d->transpose(panel + n_parts * d->part_words * RG_PANEL_ROWS, tail, 1, next);
    }
}

// all tokens by the two panels
static inline void rg_dense_tokens(const rg_dense *d, rg_dense_scratch *s, rg_dense_tile *tile,
                                   const rg_act *x, size_t k, size_t n_values, float *y) {
    const size_t value_bytes = 4 / d->word_values;
    for (size_t t = 0; t < x->n_tok; t += d->n_tok_max) {
        const size_t n_tok = x->n_tok - t < d->n_tok_max ? x->n_tok - t : d->n_tok_max;
        tile->x = (const char *)x->data + (t * x->k + k) * value_bytes;
        tile->x_stride = x->k * value_bytes;
        if (n_values % d->word_values != 0) {
            // the last double word of a token must not reach into the next token
            for (size_t i = 0; i < n_tok; i++) {
                s->x[i][tile->n - 1] = 0;
                memcpy(s->x[i], tile->x + i * tile->x_stride, n_values * value_bytes);
            }
            tile->x = (const char *)s->x;
            tile->x_stride = sizeof s->x[0];
        }
        tile->y = y + t * tile->ldy;
        d->multiply(tile, n_tok);
    }
}

/** The walk: rows by 32, values by chunks, tokens by tiles. */
static inline void rg_dense_product(const rg_dense *d, float *y, size_t ldy, const void *w,
                                    size_t w_stride, const rg_act *x, size_t row, size_t row_end,
                                    void *scratch) {
    rg_dense_scratch *s = scratch;
    rg_dense_tile tile = {
        .panels = s->panels[0], .panel_stride = RG_DENSE_CHUNK * RG_PANEL_ROWS, .ldy = ldy};
    const size_t chunk = RG_DENSE_CHUNK * d->word_values;
    for (size_t r = row; r < row_end; r += RG_DENSE_ROWS) {
        const size_t n_rows = row_end - r < RG_DENSE_ROWS ? row_end - r : RG_DENSE_ROWS;
        tile.row_mask = n_rows == RG_DENSE_ROWS ? UINT32_MAX : (1u << n_rows) - 1;
        for (size_t k = 0; k < x->k; k += chunk) {
            const size_t n_values = x->k - k < chunk ? x->k - k : chunk;
            tile.n = (n_values + d->word_values - 1) / d->word_values;
            tile.is_first = k == 0;
            for (size_t p = 0; p * RG_PANEL_ROWS < n_rows; p++) {
                const uint8_t *rows[RG_PANEL_ROWS];
                for (size_t i = 0; i < RG_PANEL_ROWS; i++) {
                    const size_t at = p * RG_PANEL_ROWS + i;
                    rows[i] = (const uint8_t *)w +
                              (r + (at < n_rows ? at : n_rows - 1)) * w_stride +
                              k / d->block * d->block_bytes;
                }
                // the next 32 rows, in as many parts as these have chunks
                const size_t n_bytes = n_values / d->block * d->block_bytes;
                rg_dense_panel(d, s, s->panels[p], rows, n_values,
                               (const uint8_t *)w + (r + RG_DENSE_ROWS) * w_stride +
                                   RG_DENSE_ROWS * (k / d->block * d->block_bytes) +
                                   p * RG_PANEL_ROWS * n_bytes);
            }
            rg_dense_tokens(d, s, &tile, x, k, n_values, y + r);
        }
    }
}
