/* Products of training: tiles of 6 rows by 16 columns, 12 sums in registers. */
#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_transpose.h"
#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 6, PANELS = 1 };

INLINE void tile_rows(const rg_gemm_tile *t, const int rows) {
    const float *p = t->panel;
    // three rows hang on one pointer: base, base + row, base + 2 row
    const float *a[2] = {t->a, t->a + (size_t)(rows > 3 ? 3 : 0) * t->a_row};
    __m256 sum[ROWS][2];
    RG_UNROLL(6)
    for (int i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    }
    const size_t a_row = t->a_row;
    const size_t a_col = t->a_col;
    for (size_t k = 0; k < t->k; k++) {
        const __m256 b0 = _mm256_loadu_ps(p);
        const __m256 b1 = _mm256_loadu_ps(p + 8);
        RG_UNROLL(6)
        for (int i = 0; i < rows; i++) {
            const __m256 v = _mm256_set1_ps(a[i / 3][(size_t)(i % 3) * a_row]);
            sum[i][0] = _mm256_fmadd_ps(v, b0, sum[i][0]);
            sum[i][1] = _mm256_fmadd_ps(v, b1, sum[i][1]);
        }
        p += 16;
        a[0] += a_col;
        a[1] += a_col;
    }
    const uint32_t lanes = t->n >= 16 ? 0xFFFF : (1u << t->n) - 1;
    RG_UNROLL(6)
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        store_lanes(c, sum[i][0], lanes & 0xFF, !t->is_added);
        store_lanes(c + 8, sum[i][1], lanes >> 8, !t->is_added);
    }
}

static void multiply(const rg_gemm_tile *t, size_t rows) {
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        tile_rows(t, n);                                                                           \
        return;
        CASE(6)
        CASE(5)
        CASE(4)
        CASE(3)
        CASE(2)
        CASE(1)
#undef CASE
    default:
        return;
    }
}

static rg_to_float_fn *to_float_of(rg_dtype dtype) {
    return dtype == RG_DTYPE_F32 ? NULL : rg_dtype_get(dtype)->to_float;
}

void rg_avx2_gemm(const rg_gemm *g, void *scratch) {
    static const rg_gemm_isa isa = {.rows = ROWS,
                                    .panels = PANELS,
                                    .multiply = multiply,
                                    .transpose = transpose,
                                    .to_float = to_float_of};
    rg_gemm_walk(&isa, g, scratch);
}
