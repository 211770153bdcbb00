/*
 * avx512/ needs AVX-512 F, BW, VL and DQ; whole-number products also VNNI, bf16 ones BF16.
 */
#pragma once

#include "kernel/integer.h"
#include "kernel/peak.h"

/** Replace the entries of the table that are faster here and that the cpu can run. */
void rg_kernels_avx512(rg_kernels *k);

// the entries, by file
void rg_avx512_set_int(rg_kernels *k);
void rg_avx512_set_float(rg_kernels *k);
void rg_avx512_set_bf16(rg_kernels *k);
void rg_avx512_set_rows(rg_kernels *k);
rg_attention_fn rg_avx512_attention;
rg_gemm_fn rg_avx512_gemm, rg_avx512_gemm_rounded, rg_avx512_gemm_bf16;

// whole-number tiles (VNNI), and the unpackers (no VNNI flags)
rg_int_tile_fn rg_avx512_int_tile;
extern const rg_int_type rg_avx512_int_types[RG_DTYPE_COUNT];

// the way of one token (VNNI)
bool rg_avx512_one_fits(const rg_act *x);
void rg_avx512_one(rg_dtype dtype, float *y, const void *w, size_t w_stride, const rg_act *x,
                   size_t row, size_t row_end, void *scratch);

// peak.h
double rg_avx512_peak_run(rg_cpu cpu, rg_peak kind, size_t n_steps);
uint64_t rg_avx512_peak_read(const void *data, size_t bytes);
