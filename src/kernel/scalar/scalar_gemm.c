#include "kernel/scalar/scalar.h"

#include <string.h>

// the values of row `row` of b, from `at` on, as f32
static void expand(const rg_gemm *g, float *to, size_t row, size_t at, size_t n) {
    const rg_dtype_info *info = rg_dtype_get(g->b_dtype);
    info->to_float(
        to, (const char *)g->b + row * g->b_stride + at / info->block * info->block_bytes, n);
}

// values [l, l + k) of B's column j
static void by_column(const rg_gemm *g, size_t l, size_t k) {
    float column[RG_GEMM_K];
    for (size_t j = 0; j < g->n; j++) {
        expand(g, column, j, l, k);
        for (size_t i = 0; i < g->m; i++) {
            const float *a = g->a + i * g->a_row + l * g->a_col;
            float sum = 0;
            for (size_t x = 0; x < k; x++) {
                sum += a[x * g->a_col] * column[x];
            }
            g->c[i * g->ldc + j] += sum;
        }
    }
}

// values [j, j + n) of B's rows [l, l + k)
static void by_row(const rg_gemm *g, float *block, size_t l, size_t k, size_t j, size_t n) {
    float sum[RG_GEMM_K];
    for (size_t x = 0; x < k; x++) {
        expand(g, block + x * RG_GEMM_K, l + x, j, n);
    }
    for (size_t i = 0; i < g->m; i++) {
        memset(sum, 0, sizeof sum);
        for (size_t x = 0; x < k; x++) {
            const float a = g->a[i * g->a_row + (l + x) * g->a_col];
            for (size_t y = 0; y < n; y++) {
                sum[y] += a * block[x * RG_GEMM_K + y];
            }
        }
        for (size_t y = 0; y < n; y++) {
            g->c[i * g->ldc + j + y] += sum[y];
        }
    }
}

void rg_scalar_gemm(const rg_gemm *g, void *scratch) {
    for (size_t i = 0; i < g->m && !g->is_added; i++) {
        memset(g->c + i * g->ldc, 0, g->n * sizeof *g->c);
    }
    for (size_t l = 0; l < g->k; l += RG_GEMM_K) {
        const size_t k = g->k - l < RG_GEMM_K ? g->k - l : RG_GEMM_K;
        if (g->is_b_by_column) {
            by_column(g, l, k);
            continue;
        }
        for (size_t j = 0; j < g->n; j += RG_GEMM_K) {
            by_row(g, scratch, l, k, j, g->n - j < RG_GEMM_K ? g->n - j : RG_GEMM_K);
        }
    }
}
