/*
 * The tile of AVX-512 for training's products: 12 rows by 32 columns, 24 sums in registers.
 * Define STEP(sum, b, a), what a word of k does, before including this.
 */
#pragma once

#include "kernel/avx512/avx512_transpose.h"
#include "kernel/gemm.h"

enum {
    MR = 12,
    NR = 32,
    LANES = 16,
    AHEAD = 8 * NR, // floats of B's panel to ask for: it comes from L2
};

static inline __attribute__((always_inline)) void
multiply_tile(const rg_gemm_tile *tile, const int n_rows, const size_t row, const size_t step) {
    // three rows hang on one pointer: base, base + row, base + 2 row
    const float *a[4];
    const float *b = tile->b;
    float *c = tile->c;
    const size_t ldc = tile->ldc;
    __m512 sum[MR][2];
    RG_UNROLL(4)
    for (int i = 0; i < 4; i++) {
        a[i] = tile->a + (size_t)(3 * i < n_rows ? 3 * i : 0) * row;
    }
    RG_UNROLL(12)
    for (int t = 0; t < n_rows; t++) {
        _mm_prefetch((const char *)(c + (size_t)t * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + (size_t)t * ldc + 16), _MM_HINT_T0);
        sum[t][0] = sum[t][1] = _mm512_setzero_ps();
    }
    for (size_t l = 0; l < tile->n; l++, b += NR) {
        const __m512 b0 = _mm512_loadu_ps(b);
        const __m512 b1 = _mm512_loadu_ps(b + 16);
        _mm_prefetch((const char *)(b + AHEAD), _MM_HINT_T0);
        _mm_prefetch((const char *)(b + AHEAD + 16), _MM_HINT_T0);
        RG_UNROLL(12)
        for (int t = 0; t < n_rows; t++) {
            const __m512 v = _mm512_set1_ps(a[t / 3][(size_t)(t % 3) * row]);
            sum[t][0] = STEP(sum[t][0], b0, v);
            sum[t][1] = STEP(sum[t][1], b1, v);
        }
        RG_UNROLL(4)
        for (int i = 0; i < 4; i++) {
            a[i] += step;
        }
    }
    const uint32_t mask = tile->n_cols == NR ? UINT32_MAX : (1u << tile->n_cols) - 1;
    RG_UNROLL(12)
    for (int t = 0; t < n_rows; t++) {
        RG_UNROLL(2)
        for (int h = 0; h < 2; h++) {
            float *to = c + (size_t)t * ldc + 16 * h;
            const __mmask16 part = (__mmask16)(mask >> 16 * h);
            if (!tile->is_first) {
                sum[t][h] = _mm512_add_ps(_mm512_maskz_loadu_ps(part, to), sum[t][h]);
            }
            _mm512_mask_storeu_ps(to, part, sum[t][h]);
        }
    }
}

static void multiply(const rg_gemm_tile *tile) {
    switch (tile->n_rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (tile->a_row == 0) {                                                                    \
            multiply_tile(tile, n, 1, MR);                                                         \
        } else {                                                                                   \
            multiply_tile(tile, n, tile->a_row, 1);                                                \
        }                                                                                          \
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
        CASE(12)
#undef CASE
    default:
        break;
    }
}

static void turn(float *panel, size_t width, const float *const row[], size_t n) {
    const uint8_t *bytes[LANES];
    for (size_t i = 0; i < LANES; i++) {
        bytes[i] = (const uint8_t *)row[i];
    }
    size_t l = 0;
    __m512i v[8];
    for (; l + 8 <= n; l += 8) {
        rg_transpose_32(v, bytes, l * sizeof(float));
        for (size_t j = 0; j < 8; j++) {
            _mm512_storeu_si512(panel + (l + j) * width, v[j]);
        }
    }
    if (l < n) {
        float tail[LANES][8] = {{0}};
        for (size_t i = 0; i < LANES; i++) {
            memcpy(tail[i], row[i] + l, (n - l) * sizeof(float));
            bytes[i] = (const uint8_t *)tail[i];
        }
        rg_transpose_32(v, bytes, 0);
        for (size_t j = 0; l + j < n; j++) {
            _mm512_storeu_si512(panel + (l + j) * width, v[j]);
        }
    }
}
