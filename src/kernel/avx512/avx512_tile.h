/*
 * The float tile of AVX-512: two panels by up to 12 tokens.
 * Define STEP(sum, w, x) before including this.
 */
#pragma once

#include "kernel/avx512/avx512_transpose.h"
#include "kernel/dense.h"

#define TILE_TOKENS 12

static inline __attribute__((always_inline)) void multiply_tile(const rg_dense_tile *tile,
                                                                int n_tok) {
    const float *w0 = tile->panels;
    const float *w1 = tile->panels + tile->panel_stride;
    const char *x = tile->x;
    const size_t stride = tile->x_stride;
    __m512 sum[2][TILE_TOKENS];
    RG_UNROLL(12)
    for (int t = 0; t < n_tok; t++) {
        sum[0][t] = sum[1][t] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < tile->n; i++, w0 += 16, w1 += 16, x += 4) {
        const __m512 a = _mm512_loadu_ps(w0);
        const __m512 b = _mm512_loadu_ps(w1);
        RG_UNROLL(12)
        for (int t = 0; t < n_tok; t++) {
            float word;
            memcpy(&word, x + (size_t)t * stride, sizeof word);
            const __m512 v = _mm512_set1_ps(word);
            sum[0][t] = STEP(sum[0][t], a, v);
            sum[1][t] = STEP(sum[1][t], b, v);
        }
    }
    const __mmask16 mask[2] = {(__mmask16)tile->row_mask, (__mmask16)(tile->row_mask >> 16)};
    RG_UNROLL(12)
    for (int t = 0; t < n_tok; t++) {
        RG_UNROLL(2)
        for (int p = 0; p < 2; p++) {
            float *y = tile->y + (size_t)t * tile->ldy + 16 * p;
            if (!tile->is_first) {
                sum[p][t] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[p], y), sum[p][t]);
            }
            _mm512_mask_storeu_ps(y, mask[p], sum[p][t]);
        }
    }
}

static void multiply(const rg_dense_tile *tile, size_t n_tok) {
    switch (n_tok) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        multiply_tile(tile, n);                                                                    \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
#undef CASE
    default:
        multiply_tile(tile, TILE_TOKENS);
        break;
    }
}
