#include "kernel/rows.h"
#include "kernel/rows_train.h"
#include "kernel/scalar/scalar.h"

static void f32_to_f16(uint16_t *dst, const float *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = rg_f16_of_f32(src[i]);
    }
}

void rg_kernels_scalar(rg_kernels *k) {
    k->name = "scalar";
    rg_scalar_set_matmul(k);
    set_rows(k);
    set_train_rows(k);
    rg_scalar_set_delta(k);
    k->attention = rg_scalar_attention;
    k->gemm = rg_scalar_gemm;
    k->gemm_bf16 = rg_scalar_gemm_bf16;
    k->f32_to_f16 = f32_to_f16;
}
