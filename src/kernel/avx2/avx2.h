/* avx2/ needs AVX2, FMA and F16C. */
#pragma once

#include "kernel/integer.h"
#include "kernel/peak.h"

/** Replace the entries of the table that are faster here: all of them. */
void rg_kernels_avx2(rg_kernels *k);

// the entries, by file
void rg_avx2_set_int(rg_kernels *k);
void rg_avx2_set_float(rg_kernels *k);
void rg_avx2_set_rows(rg_kernels *k);
rg_attention_fn rg_avx2_attention;
rg_gemm_fn rg_avx2_gemm, rg_avx2_gemm_rounded;

// peak.h
double rg_avx2_peak_run(rg_peak kind, size_t n_steps);
