#include "kernel/avx2/avx2.h"
#include "kernel/avx512/avx512.h"
#include "kernel/kernels.h"
#include "kernel/scalar/scalar.h"

void rg_kernels_select(rg_kernels *k, rg_cpu cpu) {
    *k = (rg_kernels){.cpu = cpu};
    rg_kernels_scalar(k);
    if (cpu.has_avx2) {
        rg_kernels_avx2(k);
    }
    if (cpu.has_avx512) {
        rg_kernels_avx512(k);
    }
}
