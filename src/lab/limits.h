/*
 * lab/ measures: what the machine can do, and how near a model comes. It relies on the rooms below.
 *
 * limits.h: the physical limits of this machine, measured now.
 */
#pragma once

#include "base/cpu.h"
#include "base/mem.h"

typedef struct rg_limits {
    double read_gb_s;  // memory, sequential
    double int8_gop_s; // one multiply-add counts two; 0: no such instruction
    double bf16_gop_s;
    double f32_gop_s;
} rg_limits;

/** Best of several short passes on n_threads threads; takes about a second. Errors: RG_E_MEMORY,
 * those of the pool. */
rg_status rg_limits_measure(const rg_mem *mem, rg_cpu cpu, unsigned n_threads, rg_limits *out,
                            rg_error *err) RG_MUST_CHECK;
