/* Products of bf16 weights and activations. The instruction takes subnormals as zero. */
#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define STEP(sum, w, x)                                                                            \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(w), (__m512bh)_mm512_castps_si512(x))
#include "kernel/avx512/avx512_tile.h"

static void matmul(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x,
                   size_t row, size_t row_end, void *scratch) {
    const rg_dense dense = {.transpose = rg_transpose_rows,
                            .part_words = 8,
                            .multiply = multiply,
                            .n_tok_max = TILE_TOKENS,
                            .word_values = 2,
                            .block = 1,
                            .block_bytes = 2};
    rg_dense_product(&dense, y, ldy, w, w_stride, x, row, row_end, scratch);
}

void rg_avx512_set_bf16(rg_kernels *k) {
    k->matmul[RG_DTYPE_BF16] =
        (rg_matmul_row){.form = RG_ACT_BF16, .fn = matmul, .note = "AVX-512 bf16 panels"};
}
