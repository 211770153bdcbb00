/* The float tile of AVX2: two panels, one after the other, by up to 6 tokens. */
#pragma once

#include "kernel/avx2/avx2_transpose.h"
#include "kernel/dense.h"

#define TILE_TOKENS 6

static inline __attribute__((always_inline)) void
multiply_panel(const rg_dense_tile *tile, const float *w, size_t p, int n_tok) {
    const char *x = tile->x;
    __m256 sum[2][TILE_TOKENS];
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        sum[0][t] = sum[1][t] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < tile->n; i++, w += 16, x += 4) {
        const __m256 a = _mm256_loadu_ps(w);
        const __m256 b = _mm256_loadu_ps(w + 8);
        RG_UNROLL(6)
        for (int t = 0; t < n_tok; t++) {
            float word;
            memcpy(&word, x + (size_t)t * tile->x_stride, sizeof word);
            const __m256 v = _mm256_set1_ps(word);
            sum[0][t] = _mm256_fmadd_ps(a, v, sum[0][t]);
            sum[1][t] = _mm256_fmadd_ps(b, v, sum[1][t]);
        }
    }
    const uint32_t mask = tile->row_mask >> 16 * p;
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        float *y = tile->y + (size_t)t * tile->ldy + 16 * p;
        store_lanes(y, sum[0][t], mask & 0xFF, tile->is_first);
        store_lanes(y + 8, sum[1][t], mask >> 8 & 0xFF, tile->is_first);
    }
}

static void multiply(const rg_dense_tile *tile, size_t n_tok) {
    for (size_t p = 0; p < 2; p++) {
        const float *w = tile->panels + p * tile->panel_stride;
        if ((tile->row_mask >> 16 * p & 0xFFFF) == 0) {
            continue;
        }
        switch (n_tok) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        multiply_panel(tile, w, p, n);                                                             \
        break;
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
#undef CASE
        default:
            multiply_panel(tile, w, p, TILE_TOKENS);
            break;
        }
    }
}
