#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define CLEAR(r)    "vpxord %%zmm" #r ", %%zmm" #r ", %%zmm" #r "\n\t"
#define STEP(op, r) op " %%zmm13, %%zmm14, %%zmm" #r "\n\t"
// twelve independent sums hide the latency; in assembler, so that no compiler adds moves between
// them
#define BURST(op)                                                                                  \
    __asm__ volatile(                                                                              \
        CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) CLEAR(4) CLEAR(5) CLEAR(6) CLEAR(7) CLEAR(8) CLEAR(9)  \
            CLEAR(10) CLEAR(11) CLEAR(13) CLEAR(14) ".p2align 6\n1:\n\t" STEP(op, 0) STEP(op, 1)   \
                STEP(op, 2) STEP(op, 3) STEP(op, 4) STEP(op, 5) STEP(op, 6) STEP(op, 7)            \
                    STEP(op, 8) STEP(op, 9) STEP(op, 10) STEP(op, 11) "dec %0\n\tjnz 1b"           \
        : "+r"(n_steps)                                                                            \
        :                                                                                          \
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",    \
          "xmm10", "xmm11", "xmm13", "xmm14")

double rg_avx512_peak_run(rg_cpu cpu, rg_peak kind, size_t n_steps) {
    const double n_instructions = 12.0 * (double)n_steps;
    if (n_steps == 0) {
        return 0;
    }
    if (kind == RG_PEAK_INT8 && cpu.has_avx512_vnni) {
        BURST("vpdpbusd");
        return 2 * 64 * n_instructions;
    }
    if (kind == RG_PEAK_BF16 && cpu.has_avx512_bf16) {
        BURST("vdpbf16ps");
        return 2 * 32 * n_instructions;
    }
    if (kind == RG_PEAK_F32) {
        BURST("vfmadd231ps");
        return 2 * 16 * n_instructions;
    }
    return 0;
}

uint64_t rg_avx512_peak_read(const void *data, size_t bytes) {
    const char *p = data;
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    for (size_t i = 0; i + 256 <= bytes; i += 256) {
        for (int j = 0; j < 4; j++) {
            sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(p + i + 64 * j));
        }
    }
    sum[0] = _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
    return (uint64_t)_mm512_reduce_add_epi64(sum[0]);
}
