/*
 * What the machine can do at most: bursts of arithmetic in registers, and sequential reading.
 * For `raga doctor` and bench/.
 */
#pragma once

#include "base/cpu.h"

#include <stdint.h>

typedef enum rg_peak { RG_PEAK_F32, RG_PEAK_BF16, RG_PEAK_INT8, RG_PEAKS } rg_peak;

/**
 * Run n_steps rounds of independent multiply-adds of a kind on the calling thread.
 * @return  operations done, a multiply-add being two; 0 when `cpu` has no instruction for it
 */
double rg_peak_run(rg_cpu cpu, rg_peak kind, size_t n_steps);

/**
 * Read bytes (a multiple of 512, aligned to 64) once, in order.
 * @return  something that depends on all of them
 */
uint64_t rg_peak_read(rg_cpu cpu, const void *data, size_t bytes);
