/* scalar/ is plain C without instruction set flags: it runs everywhere, and the other kernels are
 * tested against it. */
#pragma once

#include "kernel/kernels.h"

/** Set every entry of the table. */
void rg_kernels_scalar(rg_kernels *k);

// the entries, by file
void rg_scalar_set_matmul(rg_kernels *k);
void rg_scalar_set_delta(rg_kernels *k);
rg_attention_fn rg_scalar_attention;
rg_gemm_fn rg_scalar_gemm, rg_scalar_gemm_bf16;
