#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
// clang 14's __builtin_cpu_supports does not know this one; the registers are those of AVX2
static bool has_f16c(void) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

rg_cpu rg_cpu_detect(void) {
    rg_cpu cpu = {0};
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system (XGETBV) for the wider registers
    __builtin_cpu_init();
    cpu.has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    cpu.has_avx512 = cpu.has_avx2 && __builtin_cpu_supports("avx512f") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512dq");
    cpu.has_avx512_vnni = cpu.has_avx512 && __builtin_cpu_supports("avx512vnni");
    cpu.has_avx512_bf16 = cpu.has_avx512 && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
    cpu.has_neon = true;
#endif
    return cpu;
}

rg_cpu rg_cpu_mask(rg_cpu cpu, rg_cpu_level level) {
    if (level == RG_CPU_SCALAR) {
        return (rg_cpu){0};
    }
    if (level == RG_CPU_AVX2) {
        cpu.has_avx512 = cpu.has_avx512_vnni = cpu.has_avx512_bf16 = false;
    }
    return cpu;
}

rg_status rg_cpu_choose(rg_cpu *out, rg_error *err) {
    const rg_cpu cpu = rg_cpu_detect();
    const char *wish = getenv("RAGA_CPU");
    if (wish == NULL || wish[0] == '\0' || strcmp(wish, "auto") == 0) {
        *out = cpu;
        return RG_OK;
    }
    const bool is_avx2 = strcmp(wish, "avx2") == 0;
    const bool is_avx512 = strcmp(wish, "avx512") == 0;
    if (!is_avx2 && !is_avx512 && strcmp(wish, "scalar") != 0) {
        return rg_fail(err, RG_E_ARG, "RAGA_CPU is \"%s\": use scalar, avx2, avx512 or auto", wish);
    }
    if ((is_avx2 && !cpu.has_avx2) || (is_avx512 && !cpu.has_avx512)) {
        return rg_fail(err, RG_E_UNSUPPORTED, "RAGA_CPU is \"%s\", but this processor has only %s",
                       wish, rg_cpu_level_name(cpu));
    }
    *out = rg_cpu_mask(cpu, is_avx512 ? RG_CPU_AVX512 : is_avx2 ? RG_CPU_AVX2 : RG_CPU_SCALAR);
    return RG_OK;
}

const char *rg_cpu_level_name(rg_cpu cpu) {
    return cpu.has_avx512 ? "avx512" : cpu.has_avx2 ? "avx2" : cpu.has_neon ? "neon" : "scalar";
}

// first line of a small system file, "" when there is none
static void read_line(const char *path, char *line, int size) {
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(line, size, file) == NULL) {
            line[0] = '\0';
        }
        fclose(file);
    }
}

static unsigned long long read_number(const char *path) {
    char line[64];
    read_line(path, line, sizeof line);
    return line[0] >= '0' && line[0] <= '9' ? strtoull(line, NULL, 10) : ~0ull;
}

// a core counts once: only its first sibling is counted
static bool is_first_sibling(int cpu) {
    char path[128];
    char line[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    read_line(path, line, sizeof line);
    return line[0] == '\0' || strtol(line, NULL, 10) == cpu;
}

unsigned rg_cpu_threads(void) {
    cpu_set_t set;
    unsigned n = 0;
    unsigned n_allowed = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int i = 0; i < CPU_SETSIZE; i++) {
            if (CPU_ISSET(i, &set)) {
                n_allowed++;
                n += is_first_sibling(i);
            }
        }
    }
    n = n == 0 ? n_allowed : n; // only second siblings allowed: use them

    // cgroup v2 then v1: quota and period in microseconds
    char line[64];
    double quota = 0;
    double period = 0;
    read_line("/sys/fs/cgroup/cpu.max", line, sizeof line);
    if (sscanf(line, "%lf %lf", &quota, &period) != 2) {
        const unsigned long long q = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
        const unsigned long long p = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
        quota = q == ~0ull ? 0 : (double)q;
        period = p == ~0ull ? 0 : (double)p;
    }
    if (quota > 0 && period > 0 && quota / period < n) {
        n = (unsigned)(quota / period + 0.5);
    }
    return n == 0 ? 1 : n;
}

size_t rg_cpu_memory_free(void) {
    unsigned long long free_bytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file != NULL) {
        char line[128];
        unsigned long long kib = 0;
        while (fgets(line, sizeof line, file) != NULL) {
            if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
                free_bytes = kib * 1024;
                break;
            }
        }
        fclose(file);
    }
    const unsigned long long limit = read_number("/sys/fs/cgroup/memory.max");
    const unsigned long long used = read_number("/sys/fs/cgroup/memory.current");
    if (limit != ~0ull && used != ~0ull && limit > used && limit - used < free_bytes) {
        free_bytes = limit - used;
    }
    return (size_t)free_bytes;
}
