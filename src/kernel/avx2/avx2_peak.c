#include "kernel/avx2/avx2.h"

#define CLEAR(r) "vpxor %%ymm" #r ", %%ymm" #r ", %%ymm" #r "\n\t"
#define FMA(r)   "vfmadd231ps %%ymm13, %%ymm14, %%ymm" #r "\n\t"
// what bytes take without a dot instruction: multiply and add pairs, twice, and sum up
#define BYTES(r, t)                                                                                \
    "vpmaddubsw %%ymm13, %%ymm14, %%ymm" #t "\n\tvpmaddwd %%ymm" #t ", %%ymm15, %%ymm" #t          \
    "\n\tvpaddd %%ymm" #t ", %%ymm" #r ", %%ymm" #r "\n\t"
#define ALL_CLEAR                                                                                  \
    CLEAR(0)                                                                                       \
    CLEAR(1)                                                                                       \
    CLEAR(2)                                                                                       \
    CLEAR(3)                                                                                       \
    CLEAR(4)                                                                                       \
    CLEAR(5) CLEAR(6) CLEAR(7) CLEAR(8) CLEAR(9) CLEAR(10) CLEAR(11) CLEAR(13) CLEAR(14) CLEAR(15)
// in assembler, so that no compiler adds moves between them
#define BURST(steps)                                                                               \
    __asm__ volatile(ALL_CLEAR ".p2align 6\n1:\n\t" steps "dec %0\n\tjnz 1b"                       \
                     : "+r"(n_steps)                                                               \
                     :                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",       \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm13", "xmm14", "xmm15")

double rg_avx2_peak_run(rg_peak kind, size_t n_steps) {
    const double n = (double)n_steps;
    if (n_steps == 0) {
        return 0;
    }
    if (kind == RG_PEAK_F32) {
        BURST(FMA(0) FMA(1) FMA(2) FMA(3) FMA(4) FMA(5) FMA(6) FMA(7) FMA(8) FMA(9) FMA(10)
                  FMA(11));
        return 12 * 2 * 8 * n;
    }
    if (kind == RG_PEAK_INT8) {
        BURST(BYTES(0, 6) BYTES(1, 7) BYTES(2, 8) BYTES(3, 9) BYTES(4, 10) BYTES(5, 11));
        return 6 * 2 * 32 * n;
    }
    return 0;
}
