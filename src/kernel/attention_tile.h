/*
 * One tile of attention out of the parts of an instruction set. Before including this, define
 * TILE_TOKENS and multiply() (the float tile), key_panel(), value_panels(), prefetch_next(),
 * soften(), and FEW with add_values_few() (FEW 0: there is none).
 */
#pragma once

#include "kernel/attention.h"

typedef void rg_add_values_fn(const rg_attn_block *b, size_t i, size_t n, size_t lo, size_t hi);

// scores of all queries with all positions of the tile
static void scores(const rg_attn_block *b, bool is_f16) {
    const size_t dim = b->a->k_dim;
    const size_t stride = rg_round_up(dim, 16) * 16;
    for (size_t p = 0; p * 16 < b->n_pos; p++) {
        const uint8_t *row[16];
        for (size_t i = 0; i < 16; i++) {
            row[i] = b->k_row[p * 16 + i < b->n_pos ? p * 16 + i : b->n_pos - 1];
        }
        const size_t n_next = b->n_next > p * 16 ? b->n_next - p * 16 : 0;
        key_panel(b->k_panels + p * stride, row, b->k_next + p * 16, n_next < 16 ? n_next : 16, dim,
                  is_f16);
    }
    for (size_t p = 0; p * 16 < b->n_pos; p += 2) {
        rg_dense_tile tile = {.panels = b->k_panels + p * stride,
                              .panel_stride = stride,
                              .n = dim,
                              .x_stride = dim * sizeof(float),
                              .ldy = RG_ATTN_TILE,
                              .row_mask = UINT32_MAX,
                              .is_first = true};
        for (size_t i = 0; i < b->n; i += TILE_TOKENS) {
            tile.x = (const char *)(b->q + i * dim);
            tile.y = b->p + i * RG_ATTN_TILE + p * 16;
            multiply(&tile, b->n - i < TILE_TOKENS ? b->n - i : TILE_TOKENS);
        }
    }
}

// out += weights * values for queries [i, i + n) that all see positions [lo, hi)
static void add_values(const rg_attn_block *b, size_t i, size_t n, size_t lo, size_t hi) {
    const size_t dim = b->a->v_dim;
    for (size_t d = 0; d < dim; d += 32) {
        const size_t left = dim - d;
        rg_dense_tile tile = {.panels = b->v_panels + (d / 16 * RG_ATTN_TILE + lo) * 16,
                              .panel_stride = RG_ATTN_TILE * 16,
                              .n = hi - lo,
                              .x_stride = RG_ATTN_TILE * sizeof(float),
                              .ldy = dim,
                              .row_mask = left < 32 ? (1u << left) - 1 : UINT32_MAX};
        for (size_t t = i; t < i + n; t += TILE_TOKENS) {
            tile.x = (const char *)(b->p + t * RG_ATTN_TILE + lo);
            tile.y = b->out + t * dim + d;
            multiply(&tile, i + n - t < TILE_TOKENS ? i + n - t : TILE_TOKENS);
        }
    }
}

static void run_tile(rg_attn_block *b) {
    const bool is_f16 = b->a->kv_dtype == RG_DTYPE_F16;
    scores(b, is_f16);
#if FEW > 0
    rg_add_values_fn *const add = b->n <= FEW ? add_values_few : add_values;
#else
    rg_add_values_fn *const add = add_values;
#endif
    if (add == add_values) {
        value_panels(b, is_f16);
    }
    // runs of queries that see the same part of the tile go together
    size_t run = 0;
    size_t run_lo = 0;
    size_t run_hi = 0;
    for (size_t i = 0; i <= b->n; i++) {
        size_t lo = 0;
        size_t hi = 0;
        if (i < b->n) {
            rg_attn_visible(b, i, &lo, &hi);
            if (hi > lo) {
                soften(b, i, lo, hi);
            }
        }
        if (i == b->n || lo != run_lo || hi != run_hi) {
            if (run_hi > run_lo && i > run) {
                add(b, run, i - run, run_lo, run_hi);
            }
            run = i;
            run_lo = lo;
            run_hi = hi;
        }
    }
}
