#include "kernel/kernel_test.h"

#include "base/mem.h"

enum { GUARD = 24 }; // floats left and right of every output row

// where the f16 fields of a block lie; -1: none
static void put_f16(uint8_t *block, int offset, float value) {
    if (offset >= 0) {
        const uint16_t h = rg_f16_of_f32(value);
        memcpy(block + offset, &h, 2);
    }
}

// one block of random values of a sane size
static void random_block(rg_dtype dtype, uint8_t *block) {
    static const struct {
        int d;
        int m;
    } halves[RG_DTYPE_COUNT] = {
        [RG_DTYPE_Q4_0] = {0, -1},    [RG_DTYPE_Q4_1] = {0, 2},     [RG_DTYPE_Q5_0] = {0, -1},
        [RG_DTYPE_Q5_1] = {0, 2},     [RG_DTYPE_Q8_0] = {0, -1},    [RG_DTYPE_Q2_K] = {80, 82},
        [RG_DTYPE_Q3_K] = {108, -1},  [RG_DTYPE_Q4_K] = {0, 2},     [RG_DTYPE_Q5_K] = {0, 2},
        [RG_DTYPE_Q6_K] = {208, -1},  [RG_DTYPE_IQ2_XXS] = {0, -1}, [RG_DTYPE_IQ2_XS] = {0, -1},
        [RG_DTYPE_IQ3_XXS] = {0, -1}, [RG_DTYPE_IQ1_S] = {0, -1},   [RG_DTYPE_IQ4_NL] = {0, -1},
        [RG_DTYPE_IQ3_S] = {0, -1},   [RG_DTYPE_IQ2_S] = {0, -1},   [RG_DTYPE_IQ4_XS] = {0, -1},
        [RG_DTYPE_TQ1_0] = {52, -1},  [RG_DTYPE_TQ2_0] = {64, -1},  [RG_DTYPE_Q1_0] = {0, -1},
        [RG_DTYPE_Q2_0] = {0, -1},
    };
    const rg_dtype_info *info = rg_dtype_get(dtype);
    for (uint32_t i = 0; i < info->block_bytes; i++) {
        block[i] = (uint8_t)random_bits();
    }
    const float f = random_float();
    const uint16_t f16 = rg_f16_of_f32(f);
    const uint16_t bf16 = rg_bf16_of_f32(f);
    const double f64 = f;
    switch (dtype) {
    case RG_DTYPE_F32:
        memcpy(block, &f, sizeof f);
        return;
    case RG_DTYPE_F16:
        memcpy(block, &f16, sizeof f16);
        return;
    case RG_DTYPE_BF16:
        memcpy(block, &bf16, sizeof bf16);
        return;
    case RG_DTYPE_F64:
        memcpy(block, &f64, sizeof f64);
        return;
    case RG_DTYPE_F8_E4M3:
    case RG_DTYPE_F8_E5M2:
    case RG_DTYPE_BOOL:
        block[0] &= dtype == RG_DTYPE_BOOL ? 1 : 0xBB;
        return;
    case RG_DTYPE_F8_32:
        memcpy(block, &f, sizeof f);
        for (int i = 4; i < 36; i++) {
            block[i] &= 0xBB;
        }
        return;
    case RG_DTYPE_F8_E8M0:
    case RG_DTYPE_MXFP4:
        block[0] = (uint8_t)(120 + block[0] % 8);
        return;
    case RG_DTYPE_NVFP4:
        for (int i = 0; i < 4; i++) {
            block[i] &= 0x3F;
        }
        return;
    case RG_DTYPE_IQ1_M:
        block[55] = (uint8_t)(block[55] % 16 | 0x20);
        return;
    default:
        break;
    }
    if (info->block > 1) {
        put_f16(block, halves[dtype].d, (0.5f + 0.5f * f) * 0.01f);
        put_f16(block, halves[dtype].m, (0.5f - 0.5f * f) * 0.01f);
    }
}

typedef struct problem {
    rg_dtype dtype;
    size_t rows;
    size_t k;
    size_t n_tok;
    size_t w_stride;
    walled weights;
    float *x;        // [n_tok][k]
    double *w;       // [rows][k], decoded
    double *biggest; // [rows], largest magnitude
} problem;

static problem problem_new(rg_dtype dtype, size_t rows, size_t k, size_t n_tok) {
    const rg_dtype_info *info = rg_dtype_get(dtype);
    problem p = {.dtype = dtype, .rows = rows, .k = k, .n_tok = n_tok};
    const size_t n_blocks = k / info->block;
    // rows apart by an odd number of bytes; the last one ends at the wall
    const size_t row_bytes = n_blocks * info->block_bytes;
    p.w_stride = row_bytes + 3;
    p.weights = walled_new((rows - 1) * p.w_stride + row_bytes);
    p.x = malloc(n_tok * k * sizeof *p.x);
    p.w = malloc(rows * k * sizeof *p.w);
    p.biggest = calloc(rows, sizeof *p.biggest);
    float *values = malloc(k * sizeof *values);
    for (size_t r = 0; r < rows; r++) {
        uint8_t *row = (uint8_t *)p.weights.data + r * p.w_stride;
        for (size_t b = 0; b < n_blocks; b++) {
            random_block(dtype, row + b * info->block_bytes);
        }
        info->to_float(values, row, k);
        for (size_t i = 0; i < k; i++) {
            p.w[r * k + i] = values[i];
            p.biggest[r] = fmax(p.biggest[r], fabs((double)values[i]));
        }
    }
    free(values);
    for (size_t i = 0; i < n_tok * k; i++) {
        p.x[i] = random_float() * (1.0f + (float)(i % 5));
    }
    return p;
}

static void problem_free(problem *p) {
    walled_free(&p->weights);
    free(p->x);
    free(p->w);
    free(p->biggest);
}

static rg_act act_new(const rg_kernels *k, rg_act_form form, const problem *p, size_t tok,
                      size_t n_tok) {
    rg_act act;
    void *storage = aligned_alloc(64, rg_round_up(rg_act_bytes(form, n_tok, p->k), 64));
    rg_act_init(&act, form, n_tok, p->k, storage);
    k->act_fill[form](&act, p->x + tok * p->k, p->k, 0, n_tok);
    return act;
}

static double act_value(const rg_act *act, size_t t, size_t i) {
    const size_t at = t * act->k + i;
    switch (act->form) {
    case RG_ACT_BF16:
        return rg_f32_of_bf16(((const uint16_t *)act->data)[at]);
    case RG_ACT_Q8:
        return (double)act->scale[at / 32] * ((const int8_t *)act->data)[at];
    default:
        return ((const float *)act->data)[at];
    }
}

// y against a product in f64 of the same weights and the same rounded activations
static void check(const problem *p, const rg_act *act, const float *y, size_t ldy,
                  const char *what) {
    for (size_t t = 0; t < p->n_tok; t++) {
        for (size_t r = 0; r < p->rows; r++) {
            double sum = 0;
            double size = 0;
            for (size_t i = 0; i < p->k; i++) {
                const double x = act_value(act, t, i);
                sum += p->w[r * p->k + i] * x;
                // a value may be the difference of two of the size of the largest
                size += (fabs(p->w[r * p->k + i]) + p->biggest[r]) * fabs(x);
            }
            const double got = y[t * ldy + r];
            if (!(fabs(got - sum) <= 1e-6 * size + 1e-30)) {
                fail_msg("%s %s, %zu rows, k %zu, %zu tokens: y[%zu][%zu] is %.9g, should be %.9g",
                         what, rg_dtype_get(p->dtype)->name, p->rows, p->k, p->n_tok, t, r, got,
                         sum);
            }
        }
    }
}

static void run_and_check(const rg_kernels *k, const rg_matmul_row *row, const problem *p,
                          void *scratch, const char *what) {
    const size_t ldy = p->rows + 2 * GUARD;
    float *y = malloc(p->n_tok * ldy * sizeof *y);
    for (size_t i = 0; i < p->n_tok * ldy; i++) {
        y[i] = 12345.0f;
    }
    rg_act act = act_new(k, row->form, p, 0, p->n_tok);
    row->fn(y + GUARD, ldy, p->weights.data, p->w_stride, &act, 0, p->rows, scratch);
    for (size_t i = 0; i < p->n_tok * ldy; i++) {
        const size_t at = i % ldy;
        if ((at < GUARD || at >= GUARD + p->rows) && y[i] != 12345.0f) {
            fail_msg("%s %s: wrote outside its rows, at %zu", what, rg_dtype_get(p->dtype)->name,
                     i);
        }
    }
    check(p, &act, y + GUARD, ldy, what);

    // any slice gives the same bits
    float *part = malloc(p->n_tok * ldy * sizeof *part);
    const size_t cut = p->rows > 1 ? 1 + random_bits() % (p->rows - 1) : 1;
    row->fn(part, ldy, p->weights.data, p->w_stride, &act, cut, p->rows, scratch);
    row->fn(part, ldy, p->weights.data, p->w_stride, &act, 0, cut, scratch);
    for (size_t t = 0; t < p->n_tok; t++) {
        assert_same_bits(part + t * ldy, y + GUARD + t * ldy, p->rows, "slice");
    }
    free(act.data);

    // a token alone gives the same bits as among others
    const size_t t = random_bits() % p->n_tok;
    act = act_new(k, row->form, p, t, 1);
    row->fn(part, ldy, p->weights.data, p->w_stride, &act, 0, p->rows, scratch);
    assert_same_bits(part, y + GUARD + t * ldy, p->rows, "token alone");
    free(act.data);
    free(part);
    free(y);
}

static void sweep(bool is_exact) {
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    void *scratch = scratch_new();
    for (size_t l = 0; l < n_levels; l++) {
        for (int d = 0; d < RG_DTYPE_COUNT; d++) {
            const rg_dtype_info *info = rg_dtype_get((rg_dtype)d);
            const rg_matmul_row *row = is_exact ? &tables[l].matmul_exact[d] : &tables[l].matmul[d];
            assert_int_equal(row->fn == NULL, info->to_float == NULL);
            if (row->fn == NULL) {
                continue;
            }
            const size_t n_sizes = info->block == 1 ? 67 : 13;
            for (size_t i = 1; i <= n_sizes; i++) {
                const size_t rows = 1 + random_bits() % 50;
                const size_t n_tok = 1 + random_bits() % 40;
                problem p = problem_new((rg_dtype)d, rows, i * info->block, n_tok);
                run_and_check(&tables[l], row, &p, scratch, tables[l].name);
                problem_free(&p);
            }
            // longer than a chunk, with a rest; every number of tokens around the tiles
            for (size_t n_tok = 1; n_tok <= 16; n_tok += 1 + n_tok / 8) {
                const size_t k = info->block == 1 ? 1100 + 37 * n_tok : 1280 + 256 * (n_tok % 3);
                problem p = problem_new((rg_dtype)d, 33, k, n_tok);
                run_and_check(&tables[l], row, &p, scratch, tables[l].name);
                problem_free(&p);
            }
        }
    }
    free(scratch);
}

static void products_agree_with_f64_on_every_level(void **state) {
    (void)state;
    sweep(false);
}

static void exact_products_agree_with_f64_on_every_level(void **state) {
    (void)state;
    sweep(true);
}

// AVX2 and AVX-512 add in the same order; only the bf16 instruction has its own
static void vector_levels_give_the_same_bits(void **state) {
    (void)state;
    enum { ROWS = 37, TOKENS = 7 };
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    void *scratch = scratch_new();
    for (int d = 0; d < RG_DTYPE_COUNT; d++) {
        const rg_dtype_info *info = rg_dtype_get((rg_dtype)d);
        for (size_t i = 0; i < 2 && info->to_float != NULL && n_levels > 2; i++) {
            float y[2][TOKENS * ROWS];
            problem p =
                problem_new((rg_dtype)d, ROWS, info->block == 1 ? 1101 : 1280, i == 0 ? 1 : TOKENS);
            const rg_kernels *both[2] = {&tables[1], &tables[n_levels - 1]};
            for (size_t l = 0; l < 2; l++) {
                const rg_matmul_row *row =
                    d == RG_DTYPE_BF16 ? &both[l]->matmul_exact[d] : &both[l]->matmul[d];
                rg_act act = act_new(both[l], row->form, &p, 0, p.n_tok);
                row->fn(y[l], ROWS, p.weights.data, p.w_stride, &act, 0, ROWS, scratch);
                free(act.data);
            }
            assert_same_bits(y[1], y[0], p.n_tok * ROWS, info->name);
            problem_free(&p);
        }
    }
    free(scratch);
}

static void a_nan_stays_in_its_row_and_its_token(void **state) {
    (void)state;
    enum { ROWS = 40, TOKENS = 9, K = 512 };
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    void *scratch = scratch_new();
    static const rg_dtype dtypes[] = {RG_DTYPE_F32,  RG_DTYPE_F16,  RG_DTYPE_BF16, RG_DTYPE_Q8_0,
                                      RG_DTYPE_Q4_0, RG_DTYPE_Q4_K, RG_DTYPE_Q6_K};
    for (size_t l = 0; l < n_levels; l++) {
        for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
            problem p = problem_new(dtypes[d], ROWS, K, TOKENS);
            uint8_t *bad_row = (uint8_t *)p.weights.data + 21 * p.w_stride;
            if (dtypes[d] == RG_DTYPE_Q6_K) {
                put_f16(bad_row, 208, NAN);
            } else if (dtypes[d] == RG_DTYPE_F32 || dtypes[d] == RG_DTYPE_BF16) {
                memset(bad_row, 0xFF, 8);
            } else {
                put_f16(bad_row, 0, NAN);
            }
            p.x[4 * K + 77] = l % 2 == 0 ? NAN : INFINITY;
            for (int is_exact = 0; is_exact < 2; is_exact++) {
                const rg_matmul_row *row =
                    is_exact ? &tables[l].matmul_exact[dtypes[d]] : &tables[l].matmul[dtypes[d]];
                float y[TOKENS * ROWS];
                rg_act act = act_new(&tables[l], row->form, &p, 0, TOKENS);
                row->fn(y, ROWS, p.weights.data, p.w_stride, &act, 0, ROWS, scratch);
                for (size_t i = 0; i < TOKENS * ROWS; i++) {
                    const bool is_bad = i % ROWS == 21 || i / ROWS == 4;
                    if (isfinite(y[i]) == is_bad) {
                        fail_msg("%s %s: y[%zu][%zu] is %g", tables[l].name,
                                 rg_dtype_get(dtypes[d])->name, i / ROWS, i % ROWS, (double)y[i]);
                    }
                }
                free(act.data);
            }
            problem_free(&p);
        }
    }
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_f64_on_every_level),
        cmocka_unit_test(exact_products_agree_with_f64_on_every_level),
        cmocka_unit_test(vector_levels_give_the_same_bits),
        cmocka_unit_test(a_nan_stays_in_its_row_and_its_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
