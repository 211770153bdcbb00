/* Shared by the tests of kernel/: random numbers, memory whose end is a wall, and the levels of
 * this machine. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/kernels.h"
#include "tensor/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t random_state = 1;

static inline uint32_t random_bits(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = random_state;
    x ^= x >> 33;
    x *= 0xFF51AFD7ED558CCDu;
    return (uint32_t)(x >> 32);
}

// in [-1, 1)
static inline float random_float(void) {
    return (float)((int32_t)random_bits() >> 8) * 0x1p-23f;
}

/* Memory of `bytes` that ends at a page nobody may touch, and starts as close after another as its
 * alignment allows: reading or writing past either end is a crash on every path. */
typedef struct walled {
    void *data;
    void *map;
    size_t map_bytes;
} walled;

static inline walled walled_new(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    walled m = {.map_bytes = (bytes + page - 1) / page * page + 2 * page};
    m.map = mmap(NULL, m.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(m.map != MAP_FAILED);
    assert_int_equal(mprotect(m.map, page, PROT_NONE), 0);
    assert_int_equal(mprotect((char *)m.map + m.map_bytes - page, page, PROT_NONE), 0);
    m.data = (char *)m.map + m.map_bytes - page - bytes;
    return m;
}

static inline void walled_free(walled *m) {
    munmap(m->map, m->map_bytes);
}

enum { LEVELS_MAX = 5 };

/* The tables that this machine can run: scalar, AVX2, AVX-512 without its extras, AVX-512. */
static inline size_t levels(rg_kernels tables[LEVELS_MAX]) {
    const rg_cpu cpu = rg_cpu_detect();
    size_t n = 0;
    rg_kernels_select(&tables[n++], rg_cpu_mask(cpu, RG_CPU_SCALAR));
    if (cpu.has_avx2) {
        rg_kernels_select(&tables[n++], rg_cpu_mask(cpu, RG_CPU_AVX2));
    }
    if (cpu.has_avx512) {
        rg_cpu plain = cpu;
        plain.has_avx512_vnni = plain.has_avx512_bf16 = false;
        rg_kernels_select(&tables[n++], plain);
        rg_kernels_select(&tables[n++], cpu);
    }
    return n;
}

static inline void *scratch_new(void) {
    void *p = aligned_alloc(64, RG_SCRATCH_BYTES);
    assert_non_null(p);
    memset(p, 0xA5, RG_SCRATCH_BYTES);
    return p;
}

static inline void assert_same_bits(const float *a, const float *b, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++) {
        if (rg_f32_bits(a[i]) != rg_f32_bits(b[i]) && !(isnan(a[i]) && isnan(b[i]))) {
            fail_msg("%s: value %zu is %.9g, should be %.9g", what, i, (double)a[i], (double)b[i]);
        }
    }
}
