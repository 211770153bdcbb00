/* Facts about the processor and the share of it that we may use. */
#pragma once

#include "base/status.h"

#include <stdbool.h>

/** Instruction sets that the kernels ask for. Each flag includes the operating system's support. */
typedef struct rg_cpu {
    bool has_avx2;        // AVX2, FMA and F16C together
    bool has_avx512;      // F, BW, VL, DQ together
    bool has_avx512_vnni; // int8 dot products
    bool has_avx512_bf16; // bf16 dot products
    bool has_neon;
} rg_cpu;

typedef enum rg_cpu_level { RG_CPU_AUTO, RG_CPU_SCALAR, RG_CPU_AVX2, RG_CPU_AVX512 } rg_cpu_level;

/** What this machine has. Threads: any thread. */
rg_cpu rg_cpu_detect(void);
/** `cpu` without what lies above `level`; RG_CPU_AUTO changes nothing. */
rg_cpu rg_cpu_mask(rg_cpu cpu, rg_cpu_level level);
/**
 * Detected features masked by the environment variable RAGA_CPU=scalar|avx2|avx512.
 * Errors: RG_E_ARG for another word; RG_E_UNSUPPORTED when the machine lacks what is asked for.
 */
rg_status rg_cpu_choose(rg_cpu *out, rg_error *err) RG_MUST_CHECK;
/** The highest level that `cpu` has: "avx512", "avx2", "scalar". */
const char *rg_cpu_level_name(rg_cpu cpu);

/** Physical cores that we may run on, within affinity mask and cgroup quota; at least 1. */
unsigned rg_cpu_threads(void);
/** Memory this process may still take, in bytes: the smaller of free memory and the cgroup's rest.
 */
size_t rg_cpu_memory_free(void);
