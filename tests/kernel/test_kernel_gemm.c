/* Training products against a double-precision oracle: every layout, odd sizes, every level, walls
 * around every operand; the same bits however a product is cut; rounded operands: the same bits on
 * every path. */
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

// operands as gemm_bf16 sees them
static float rounded(float v) {
    return rg_f32_of_bf16(rg_bf16_of_f32(v));
}

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
        for (int flags = 0; flags < 8; flags++) {
            problem p;
            rg_gemm_fn *gemm = flags & 4 ? k.gemm_bf16 : k.gemm;
            make(&p, size, flags & 1, flags & 2, false, RG_DTYPE_F32);
            gemm(&p.g, scratch);
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
            gemm(&part, scratch);
            for (size_t i = 29; i < size[M]; i++) {
                assert_memory_equal(p.g.c + i * size[N] + 77, whole + i * size[N] + 77,
                                    part.n * sizeof *whole);
            }
            free(whole);
            drop(&p);
        }
    }
}

// the product of a problem whose operands are rounded first, in double precision
static double rounded_sum(const rg_gemm *g, size_t i, size_t j) {
    const float *b = g->b;
    const size_t ldb = g->b_stride / sizeof *b;
    double sum = 0;
    for (size_t l = 0; l < g->k; l++) {
        const float v = g->is_b_by_column ? b[j * ldb + l] : b[l * ldb + j];
        sum += (double)rounded(g->a[a_at(g, i, l)]) * (double)rounded(v);
    }
    return sum;
}

static void rounded_operands_are_what_is_multiplied(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    rg_kernels k;
    rg_kernels_select(&k, rg_cpu_mask(rg_cpu_detect(), RG_CPU_SCALAR));
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int flags = 0; flags < 4; flags++) {
            problem p;
            make(&p, sizes[s], flags & 1, flags & 2, false, RG_DTYPE_F32);
            k.gemm_bf16(&p.g, scratch);
            for (size_t i = 0; i < p.g.m * p.g.n; i++) {
                const double want = rounded_sum(&p.g, i / p.g.n, i % p.g.n);
                assert_true(fabs((double)p.g.c[i] - want) <= 1e-6 * (2 + (double)p.g.k));
            }
            drop(&p);
        }
    }
}

static void rounded_products_have_the_same_bits_on_every_path(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    static const size_t more[][3] = {{13, 256, 511}, {12, 32, 512}, {37, 70, 513}, {25, 256, 1301}};
    static const size_t blocks[][3] = {{13, 1280, 256}, {5, 256, 1280}};
    static const rg_dtype types[] = {RG_DTYPE_F32, RG_DTYPE_BF16, RG_DTYPE_Q8_0, RG_DTYPE_Q4_K};
    enum { SIZES = sizeof sizes / sizeof *sizes, MORE = sizeof more / sizeof *more, BLOCKS = 2 };
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    for (size_t s = 0; s < SIZES + MORE + BLOCKS * 3; s++) {
        const size_t *size = s < SIZES          ? sizes[s]
                             : s < SIZES + MORE ? more[s - SIZES]
                                                : blocks[(s - SIZES - MORE) % BLOCKS];
        const rg_dtype type = types[s < SIZES + MORE ? 0 : 1 + (s - SIZES - MORE) / BLOCKS];
        for (int flags = 0; flags < 8; flags++) {
            problem p;
            make(&p, size, flags & 1, flags & 2, flags & 4, type);
            float *before = malloc(size[M] * size[N] * sizeof *before);
            float *want = malloc(size[M] * size[N] * sizeof *want);
            memcpy(before, p.g.c, size[M] * size[N] * sizeof *before);
            tables[0].gemm_bf16(&p.g, scratch);
            memcpy(want, p.g.c, size[M] * size[N] * sizeof *want);
            for (size_t i = 1; i < n_levels; i++) {
                memcpy(p.g.c, before, size[M] * size[N] * sizeof *before);
                tables[i].gemm_bf16(&p.g, scratch);
                assert_same_bits(p.g.c, want, size[M] * size[N], tables[i].name);
            }
            free(before);
            free(want);
            drop(&p);
        }
    }
}

// not a number, infinity, the smallest numbers and those below: as every path reads them
static void odd_numbers_are_rounded_alike(void **state) {
    (void)state;
    static char scratch[RG_SCRATCH_BYTES] __attribute__((aligned(64)));
    static const float odd[] = {NAN,        INFINITY,        -INFINITY,        0,
                                -0.0f,      0x1p-126f,       0x1.fffffep-127f, 0x1p-149f,
                                -0x1p-130f, 0x1.fffffep127f, 1 + 0x1p-8f,      1 + 0x1.8p-7f};
    enum { ODD = sizeof odd / sizeof *odd };
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    float want[ODD * ODD];
    float got[ODD * ODD];
    for (int flags = 0; flags < 4; flags++) {
        const rg_gemm g = {.m = ODD,
                           .n = ODD,
                           .k = 1,
                           .a = odd,
                           .a_row = 1,
                           .a_col = flags & 1 ? ODD : 1,
                           .b = odd,
                           .b_dtype = RG_DTYPE_F32,
                           .b_stride = flags & 2 ? sizeof(float) : sizeof odd,
                           .is_b_by_column = flags & 2,
                           .c = want,
                           .ldc = ODD};
        tables[0].gemm_bf16(&g, scratch);
        for (size_t i = 0; i < ODD * ODD; i++) {
            want[i] = fabsf(want[i]) < 0x1p-126f ? 0 : want[i]; // sums that some take as zero
        }
        for (size_t level = 1; level < n_levels; level++) {
            rg_gemm h = g;
            h.c = got;
            tables[level].gemm_bf16(&h, scratch);
            for (size_t i = 0; i < ODD * ODD; i++) {
                got[i] = fabsf(got[i]) < 0x1p-126f ? 0 : got[i];
            }
            assert_same_bits(got, want, ODD * ODD, tables[level].name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_equals_the_oracle),
        cmocka_unit_test(weights_of_other_types_are_expanded_as_they_are_read),
        cmocka_unit_test(a_cut_changes_no_bit),
        cmocka_unit_test(rounded_operands_are_what_is_multiplied),
        cmocka_unit_test(rounded_products_have_the_same_bits_on_every_path),
        cmocka_unit_test(odd_numbers_are_rounded_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
