/* Products of training: tiles of 12 rows by 32 columns, 24 sums in registers. */
#include "kernel/avx512/avx512.h"
#include "kernel/avx512/avx512_transpose.h"
#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 12, PANELS = 2 };

// a missing second panel is not read: its mask is zero and the first one stands in
INLINE void tile_rows(const rg_gemm_tile *t, const int rows) {
    const float *p0 = t->panel;
    const float *p1 = t->n > 16 ? t->panel + t->panel_stride : t->panel;
    // three rows hang on one pointer: base, base + row, base + 2 row
    const float *a[4];
    __m512 sum[ROWS][2];
    RG_UNROLL(4)
    for (int i = 0; i < 4; i++) {
        a[i] = t->a + (size_t)(3 * i < rows ? 3 * i : 0) * t->a_row;
    }
    RG_UNROLL(12)
    for (int i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    }
    const size_t a_row = t->a_row;
    const size_t a_col = t->a_col;
    for (size_t k = 0; k < t->k; k++) {
        const __m512 b0 = _mm512_loadu_ps(p0);
        const __m512 b1 = _mm512_loadu_ps(p1);
        RG_UNROLL(12)
        for (int i = 0; i < rows; i++) {
            const __m512 v = _mm512_set1_ps(a[i / 3][(size_t)(i % 3) * a_row]);
            sum[i][0] = _mm512_fmadd_ps(v, b0, sum[i][0]);
            sum[i][1] = _mm512_fmadd_ps(v, b1, sum[i][1]);
        }
        p0 += 16;
        p1 += 16;
        RG_UNROLL(4)
        for (int i = 0; i < 4; i++) {
            a[i] += a_col;
        }
    }
    const __mmask16 m0 = t->n >= 16 ? 0xFFFF : (__mmask16)((1u << t->n) - 1);
    const __mmask16 m1 = t->n >= 32   ? 0xFFFF
                         : t->n <= 16 ? 0
                                      : (__mmask16)((1u << (t->n - 16)) - 1);
    RG_UNROLL(12)
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        if (t->is_added) {
            sum[i][0] = _mm512_add_ps(_mm512_maskz_loadu_ps(m0, c), sum[i][0]);
            sum[i][1] = _mm512_add_ps(_mm512_maskz_loadu_ps(m1, c + 16), sum[i][1]);
        }
        _mm512_mask_storeu_ps(c, m0, sum[i][0]);
        _mm512_mask_storeu_ps(c + 16, m1, sum[i][1]);
    }
}

static void multiply(const rg_gemm_tile *t, size_t rows) {
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        tile_rows(t, n);                                                                           \
        return;
        CASE(12)
        CASE(11)
        CASE(10)
        CASE(9)
        CASE(8)
        CASE(7)
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

void rg_avx512_gemm(const rg_gemm *g, void *scratch) {
    static const rg_gemm_isa isa = {.rows = ROWS,
                                    .panels = PANELS,
                                    .multiply = multiply,
                                    .transpose = rg_transpose_rows,
                                    .to_float = to_float_of};
    rg_gemm_walk(&isa, g, scratch);
}
