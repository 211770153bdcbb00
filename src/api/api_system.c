#include "api/api_internal.h"

#include "lab/limits.h"

const char *raga_version(void) {
    return RAGA_VERSION;
}

raga_status raga_system_get_facts(raga_system_facts *facts, raga_error *error) {
    rg_error err = {0};
    rg_cpu cpu;
    if (facts == NULL) {
        return api_bad(error, "no place for the facts");
    }
    const rg_status status = rg_cpu_choose(&cpu, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    const rg_cpu all = rg_cpu_detect();
    const raga_system_facts f = {.size = facts->size,
                                 .cpu_level = rg_cpu_level_name(cpu),
                                 .has_avx2 = all.has_avx2,
                                 .has_avx512 = all.has_avx512,
                                 .has_avx512_vnni = all.has_avx512_vnni,
                                 .has_avx512_bf16 = all.has_avx512_bf16,
                                 .n_threads = rg_cpu_threads(),
                                 .memory_free = rg_cpu_memory_free()};
    memcpy(facts, &f, facts->size < sizeof f ? facts->size : sizeof f);
    return RAGA_OK;
}

bool raga_system_kernel(size_t i, const char **dtype, const char **kernel) {
    rg_kernels kernels;
    rg_cpu cpu;
    if (i >= RG_DTYPE_COUNT || rg_cpu_choose(&cpu, NULL) != RG_OK) {
        return false;
    }
    rg_kernels_select(&kernels, cpu);
    *dtype = rg_dtype_get((rg_dtype)i)->name;
    *kernel = kernels.matmul[i].fn == NULL ? "-" : kernels.matmul[i].note;
    return true;
}

raga_status raga_system_measure(unsigned n_threads, raga_limits *limits, raga_error *error) {
    rg_error err = {0};
    rg_limits l;
    rg_cpu cpu;
    if (limits == NULL) {
        return api_bad(error, "no place for the limits");
    }
    rg_status status = rg_cpu_choose(&cpu, &err);
    if (status == RG_OK) {
        status = rg_limits_measure(rg_mem_heap(), cpu,
                                   n_threads == 0 ? rg_cpu_threads() : n_threads, &l, &err);
    }
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    const raga_limits all = {limits->size, l.read_gb_s, l.int8_gop_s, l.bf16_gop_s, l.f32_gop_s};
    memcpy(limits, &all, limits->size < sizeof all ? limits->size : sizeof all);
    return RAGA_OK;
}
