/* Version, processor, measured limits. */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** "0.1.0". */
RAGA_API const char *raga_version(void);

/** What this machine has and what the library makes of it. */
typedef struct raga_system_facts {
    size_t size;
    const char *cpu_level; // "avx512", "avx2", "scalar": after RAGA_CPU
    bool has_avx2;
    bool has_avx512;
    bool has_avx512_vnni;
    bool has_avx512_bf16;
    unsigned n_threads; // physical cores within affinity and quota
    uint64_t memory_free;
} raga_system_facts;

/** Errors: RAGA_E_ARG, RAGA_E_UNSUPPORTED about the environment variable RAGA_CPU. */
RAGA_API raga_status raga_system_get_facts(raga_system_facts *facts,
                                           raga_error *err) RAGA_MUST_CHECK;

/** The matrix product chosen for a type: row i of the table; false past its end. */
RAGA_API bool raga_system_kernel(size_t i, const char **dtype, const char **kernel);

/** What the machine can do at most, measured now. */
typedef struct raga_limits {
    size_t size;
    double read_gb_s;  // sequential reads of memory
    double int8_gop_s; // one multiply-add counts two
    double bf16_gop_s; // 0 where the processor has no such instruction
    double f32_gop_s;
} raga_limits;

/** Takes about a second. @param n_threads  0: all physical cores within the quota */
RAGA_API raga_status raga_system_measure(unsigned n_threads, raga_limits *limits,
                                         raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
