#include "kernel/avx2/avx2.h"

void rg_kernels_avx2(rg_kernels *k) {
    k->name = "avx2";
    rg_avx2_set_rows(k);
    rg_avx2_set_float(k);
    rg_avx2_set_int(k);
    k->attention = rg_avx2_attention;
    k->gemm = rg_avx2_gemm;
    k->gemm_bf16 = rg_avx2_gemm_rounded;
}
