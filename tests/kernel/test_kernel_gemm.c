/* Training products against a double-precision oracle: every layout, odd sizes, every level, walls
 * around every operand; and the same bits however a product is cut. */
#include "kernel_test.h"

enum { M = 0, N = 1, K = 2 };

/** One product with its operands between walls. */
typedef struct problem {
    rg_gemm g;
    walled a;
    walled b;
    walled c;
    double *want;
} problem;

static size_t a_at(const rg_gemm *g, size_t i, size_t l) {
    return i * g->a_row + l * g->a_col;
}

static void make(problem *p, const size_t size[3], bool is_a_turned, bool is_b_by_column,
                 bool is_added, rg_dtype dtype) {
    const rg_dtype_info *info = rg_dtype_get(dtype);
    const size_t m = size[M], n = size[N], k = size[K];
    const size_t b_rows = is_b_by_column ? n : k;
    const size_t b_width = is_b_by_column ? k : n;
    const size_t b_stride = b_width / info->block * info->block_bytes;
    p->a = walled_new(m * k * sizeof(float));
    p->b = walled_new(b_rows * b_stride);
    p->c = walled_new(m * n * sizeof(float));
    p->want = calloc(m * n, sizeof *p->want);
    float *values = calloc(b_width, sizeof *values);
    double *dense = calloc(b_rows * b_width, sizeof *dense);
    float *a = p->a.data;
    float *c = p->c.data;
    for (size_t i = 0; i < m * k; i++) {
        a[i] = random_float();
    }
    for (size_t r = 0; r < b_rows; r++) {
        for (size_t i = 0; i < b_width; i++) {
            values[i] = random_float();
        }
        char *row = (char *)p->b.data + r * b_stride;
        info->from_float(row, values, b_width);
        info->to_float(values, row, b_width);
        for (size_t i = 0; i < b_width; i++) {
            dense[r * b_width + i] = values[i];
        }
    }
    p->g = (rg_gemm){.m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .a_row = is_a_turned ? 1 : k,
                     .a_col = is_a_turned ? m : 1,
                     .b = p->b.data,
                     .b_dtype = dtype,
                     .b_stride = b_stride,
                     .is_b_by_column = is_b_by_column,
                     .c = c,
                     .ldc = n,
                     .is_added = is_added};
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            c[i * n + j] = random_float();
            double sum = is_added ? c[i * n + j] : 0;
            for (size_t l = 0; l < k; l++) {
                sum += (double)a[a_at(&p->g, i, l)] * dense[is_b_by_column ? j * k + l : l * n + j];
            }
            p->want[i * n + j] = sum;
        }
    }
    free(values);
    free(dense);
}

static void drop(problem *p) {
    walled_free(&p->a);
    walled_free(&p->b);
    walled_free(&p->c);
    free(p->want);
}

static void check(const rg_kernels *k, const size_t size[3], bool is_a_turned, bool is_b_by_column,
                  bool is_added, rg_dtype dtype, void *scratch) {
    problem p;
    make(&p, size, is_a_turned, is_b_by_column, is_added, dtype);
    k->gemm(&p.g, scratch);
    // 24 bits, sums of k products of size at most one
    const double allowed = 1e-6 * (2 + (double)size[K]);
    for (size_t i = 0; i < size[M] * size[N]; i++) {
        const double off = fabs((double)p.g.c[i] - p.want[i]);
        if (!(off <= allowed)) {
            fail_msg("%s: %zu x %zu x %zu, a %s, b %s, %s: value %zu is off by %g", k->name,
                     size[M], size[N], size[K], is_a_turned ? "turned" : "plain",
                     is_b_by_column ? "by column" : "by row", rg_dtype_get(dtype)->name, i, off);
        }
    }
    drop(&p);
}

static const size_t sizes[][3] = {
    {1, 1, 1},    {2, 3, 5},     {5, 16, 8},    {6, 17, 9},      {7, 31, 16},   {11, 32, 33},
    {12, 33, 64}, {13, 47, 255}, {25, 48, 256}, {49, 64, 257},   {48, 65, 300}, {67, 67, 67},
    {3, 511, 40}, {50, 513, 24}, {8, 600, 300}, {100, 129, 520},
};

static void every_layout_equals_the_oracle(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        rg_kernels k;
        rg_kernels_select(&k, rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (int flags = 0; flags < 8; flags++) {
                check(&k, sizes[i], flags & 1, flags & 2, flags & 4, RG_DTYPE_F32, scratch);
            }
        }
    }
}

static void weights_of_other_types_are_expanded_as_they_are_read(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    static const rg_dtype types[] = {RG_DTYPE_F16, RG_DTYPE_BF16, RG_DTYPE_Q8_0, RG_DTYPE_Q4_K,
                                     RG_DTYPE_Q6_K};
    static const size_t size[][3] = {{13, 512, 256}, {7, 768, 512}};
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        rg_kernels k;
        rg_kernels_select(&k, rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            for (int flags = 0; flags < 4; flags++) {
                check(&k, size[flags & 1], false, flags & 2, false, types[i], scratch);
            }
        }
    }
}

static void a_cut_changes_no_bit(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    static const size_t size[3] = {70, 200, 600};
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        rg_kernels k;
        rg_kernels_select(&k, rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        for (int flags = 0; flags < 4; flags++) {
            problem p;
            make(&p, size, flags & 1, flags & 2, false, RG_DTYPE_F32);
            k.gemm(&p.g, scratch);
            float *whole = malloc(size[M] * size[N] * sizeof *whole);
            memcpy(whole, p.g.c, size[M] * size[N] * sizeof *whole);
            // rows from 29 on, columns from 77 on
            rg_gemm part = p.g;
            part.m -= 29;
            part.n -= 77;
            part.a += 29 * part.a_row;
            part.b = (const char *)part.b +
                     (part.is_b_by_column ? 77 * part.b_stride : 77 * sizeof(float));
            part.c += 29 * part.ldc + 77;
            memset(p.g.c, 0, size[M] * size[N] * sizeof *p.g.c);
            k.gemm(&part, scratch);
            for (size_t i = 29; i < size[M]; i++) {
                assert_memory_equal(p.g.c + i * size[N] + 77, whole + i * size[N] + 77,
                                    part.n * sizeof *whole);
            }
            free(whole);
            drop(&p);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_equals_the_oracle),
        cmocka_unit_test(weights_of_other_types_are_expanded_as_they_are_read),
        cmocka_unit_test(a_cut_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
