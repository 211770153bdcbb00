/* Products of training in f32, and of rounded f32 where the processor has no products of bf16. */
#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define STEP(sum, b, a) _mm512_fmadd_ps(b, a, sum)
#include "kernel/avx512/avx512_gemm_tile.h"

void rg_avx512_gemm(const rg_gemm *g, void *scratch) {
    static const rg_gemm_way way = {.k = RG_GEMM_K,
                                    .word_values = 1,
                                    .mr = MR,
                                    .nr = NR,
                                    .lanes = LANES,
                                    .multiply = multiply,
                                    .turn = turn};
    rg_gemm_walk(&way, g, scratch);
}

void rg_avx512_gemm_rounded(const rg_gemm *g, void *scratch) {
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
