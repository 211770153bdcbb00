/* Products of training: tiles of 6 rows by 16 columns, 12 sums in registers. */
#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_transpose.h"
#include "kernel/gemm.h"

enum { MR = 6, NR = 16, LANES = 8 };

static inline __attribute__((always_inline)) void
multiply_tile(const rg_gemm_tile *tile, const int n_rows, const size_t row, const size_t step) {
    // three rows hang on one pointer: base, base + row, base + 2 row
    const float *a[2] = {tile->a, tile->a + (size_t)(n_rows > 3 ? 3 : 0) * row};
    const float *b = tile->b;
    float *c = tile->c;
    const size_t ldc = tile->ldc;
    __m256 sum[MR][2];
    RG_UNROLL(6)
    for (int t = 0; t < n_rows; t++) {
        _mm_prefetch((const char *)(c + (size_t)t * ldc), _MM_HINT_T0);
        sum[t][0] = sum[t][1] = _mm256_setzero_ps();
    }
    for (size_t l = 0; l < tile->n; l++, b += NR) {
        const __m256 b0 = _mm256_loadu_ps(b);
        const __m256 b1 = _mm256_loadu_ps(b + 8);
        RG_UNROLL(6)
        for (int t = 0; t < n_rows; t++) {
            const __m256 v = _mm256_set1_ps(a[t / 3][(size_t)(t % 3) * row]);
            sum[t][0] = _mm256_fmadd_ps(b0, v, sum[t][0]);
            sum[t][1] = _mm256_fmadd_ps(b1, v, sum[t][1]);
        }
        a[0] += step;
        a[1] += step;
    }
    const uint32_t mask = (1u << tile->n_cols) - 1;
    RG_UNROLL(6)
    for (int t = 0; t < n_rows; t++) {
        store_lanes(c + (size_t)t * ldc, sum[t][0], mask & 0xFF, tile->is_first);
        store_lanes(c + (size_t)t * ldc + 8, sum[t][1], mask >> 8, tile->is_first);
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
#undef CASE
    default:
        break;
    }
}

static void turn(float *panel, size_t width, const float *const row[], size_t n) {
    for (size_t l = 0; l < n; l += 8) {
        const size_t left = n - l < 8 ? n - l : 8;
        const __m256i mask = lane_mask((1u << left) - 1);
        __m256i v[LANES];
        for (size_t i = 0; i < LANES; i++) {
            v[i] = _mm256_maskload_epi32((const int *)(const void *)(row[i] + l), mask);
        }
        transpose_8(v);
        for (size_t j = 0; j < left; j++) {
            _mm256_storeu_si256((__m256i *)(void *)(panel + (l + j) * width), v[j]);
        }
    }
}

void rg_avx2_gemm(const rg_gemm *g, void *scratch) {
    static const rg_gemm_way way = {.k = RG_GEMM_K,
                                    .word_values = 1,
                                    .mr = MR,
                                    .nr = NR,
                                    .lanes = LANES,
                                    .multiply = multiply,
                                    .turn = turn};
    rg_gemm_walk(&way, g, scratch);
}

void rg_avx2_gemm_rounded(const rg_gemm *g, void *scratch) {
    static const rg_gemm_way way = {.k = RG_GEMM_K_BF16,
                                    .word_values = 1,
                                    .mr = MR,
                                    .nr = NR,
                                    .lanes = LANES,
                                    .multiply = multiply,
                                    .turn = turn,
                                    .narrow = rg_gemm_narrow_f32,
                                    .join = rg_gemm_join_f32};
    rg_gemm_walk(&way, g, scratch);
}
