#include "kernel/avx512/avx512.h"

void rg_kernels_avx512(rg_kernels *k) {
    k->name = "avx512";
    rg_avx512_set_rows(k);
    rg_avx512_set_float(k);
    k->attention = rg_avx512_attention;
    k->gemm = rg_avx512_gemm;
    k->gemm_bf16 = rg_avx512_gemm_rounded;
    if (k->cpu.has_avx512_vnni) {
        rg_avx512_set_int(k);
    }
    if (k->cpu.has_avx512_bf16) {
        rg_avx512_set_bf16(k);
        k->gemm_bf16 = rg_avx512_gemm_bf16;
    }
}
