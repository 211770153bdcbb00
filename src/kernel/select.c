#include "kernel/kernels.h"
#include "kernel/scalar/scalar.h"

void rg_kernels_select(rg_kernels *k, rg_cpu cpu) {
    *k = (rg_kernels){.cpu = cpu};
    rg_kernels_scalar(k);
}
