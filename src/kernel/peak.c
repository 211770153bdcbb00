#include "kernel/peak.h"

#include "kernel/avx2/avx2.h"
#include "kernel/avx512/avx512.h"

double rg_peak_run(rg_cpu cpu, rg_peak kind, size_t n_steps) {
    if (cpu.has_avx512 && (kind != RG_PEAK_INT8 || cpu.has_avx512_vnni)) {
        return rg_avx512_peak_run(cpu, kind, n_steps);
    }
    return cpu.has_avx2 ? rg_avx2_peak_run(kind, n_steps) : 0;
}

uint64_t rg_peak_read(rg_cpu cpu, const void *data, size_t bytes) {
    if (cpu.has_avx512) {
        return rg_avx512_peak_read(data, bytes);
    }
    const uint64_t *p = data;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= bytes / sizeof *p; i += 8) {
        for (int j = 0; j < 8; j++) {
            sum[j] ^= p[i + (size_t)j];
        }
    }
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}
