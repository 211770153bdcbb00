/* Muon's update against its formula in double precision, for wide, tall and square matrices. */
#include "train/muon.h"

#include "base/mem.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

enum { N_MAX = 128 * 96 };

/** A matrix of the reference. */
typedef struct matrix {
    size_t rows;
    size_t columns;
    double v[N_MAX];
} matrix;

static void product(matrix *c, const matrix *a, bool is_a_turned, const matrix *b,
                    bool is_b_turned) {
    const size_t n_steps = is_a_turned ? a->rows : a->columns;
    c->rows = is_a_turned ? a->columns : a->rows;
    c->columns = is_b_turned ? b->rows : b->columns;
    for (size_t i = 0; i < c->rows; i++) {
        for (size_t j = 0; j < c->columns; j++) {
            double sum = 0;
            for (size_t k = 0; k < n_steps; k++) {
                sum += (is_a_turned ? a->v[k * a->columns + i] : a->v[i * a->columns + k]) *
                       (is_b_turned ? b->v[j * b->columns + k] : b->v[k * b->columns + j]);
            }
            c->v[i * c->columns + j] = sum;
        }
    }
}

// X <- a X + (b XX^T + c (XX^T)^2) X, five times
static void orthogonalize(matrix *x) {
    static matrix gram, square, next;
    for (int step = 0; step < 5; step++) {
        product(&gram, x, false, x, true);
        product(&square, &gram, false, &gram, false);
        for (size_t i = 0; i < gram.rows * gram.rows; i++) {
            gram.v[i] = -4.7750 * gram.v[i] + 2.0315 * square.v[i];
        }
        product(&next, &gram, false, x, false);
        for (size_t i = 0; i < x->rows * x->columns; i++) {
            x->v[i] = 3.4445 * x->v[i] + next.v[i];
        }
    }
}

static void fill(float *v, size_t n, uint64_t seed) {
    rg_rng rng;
    rg_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)rg_rng_normal(&rng);
    }
}

static void check_shape(rg_gemm_fn *gemm, size_t rows, size_t columns, double tolerance) {
    static float w[N_MAX], m[N_MAX], g[N_MAX], w_old[N_MAX], m_old[N_MAX];
    static matrix x;
    const rg_muon o = {.lr = 0.01f, .momentum = 0.95f, .decay = 0.1f, .grad_scale = 0.5f};
    const size_t n = rows * columns;
    void *scratch = rg_new(rg_mem_heap(), rg_muon_scratch_bytes(rows, columns));
    assert_non_null(scratch);
    fill(w, n, 1);
    fill(m, n, 2);
    fill(g, n, 3);
    memcpy(w_old, w, sizeof w);
    memcpy(m_old, m, sizeof m);
    rg_muon_update(gemm, w, m, g, rows, columns, &o, scratch);

    double norm = 0;
    x.rows = rows;
    x.columns = columns;
    for (size_t i = 0; i < n; i++) {
        const double value = 0.5 * (double)g[i];
        const double mean = 0.95 * (double)m_old[i] + 0.05 * value;
        assert_true(fabs(mean - (double)m[i]) < 1e-5);
        x.v[i] = 0.95 * mean + 0.05 * value;
        norm += x.v[i] * x.v[i];
    }
    for (size_t i = 0; i < n; i++) {
        x.v[i] /= sqrt(norm);
    }
    orthogonalize(&x);
    const double scale = 0.01 * 0.2 * sqrt((double)(rows > columns ? rows : columns));
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double want = (1 - 0.01 * 0.1) * (double)w_old[i] - scale * x.v[i];
        worst = fmax(worst, fabs(want - (double)w[i]));
    }
    if (worst > tolerance * scale) {
        fail_msg("%zu x %zu: off by %g of a step of %g", rows, columns, worst, scale);
    }
    rg_free(rg_mem_heap(), scratch);
}

static void the_update_is_that_of_the_formula(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{64, 96}, {96, 64}, {64, 64}, {1, 96}, {67, 1}, {33, 128}};
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        rg_kernels k;
        rg_kernels_select(&k, rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            check_shape(k.gemm, shapes[i][0], shapes[i][1], 1e-4);
            check_shape(k.gemm_bf16, shapes[i][0], shapes[i][1], 0.1);
        }
    }
}

static void a_gradient_of_zeros_changes_nothing_but_decay(void **state) {
    (void)state;
    rg_kernels k;
    rg_kernels_select(&k, rg_cpu_detect());
    float w[12] = {1, -2, 3};
    float m[12] = {0};
    const float g[12] = {0};
    const rg_muon o = {.lr = 0.5f, .momentum = 0.95f, .decay = 0.5f, .grad_scale = 1};
    void *scratch = rg_new(rg_mem_heap(), rg_muon_scratch_bytes(3, 4));
    assert_non_null(scratch);
    rg_muon_update(k.gemm, w, m, g, 3, 4, &o, scratch);
    assert_true(w[0] == 0.75f && w[1] == -1.5f && w[2] == 2.25f && m[0] == 0);
    rg_free(rg_mem_heap(), scratch);
}

static void momentum_that_dies_away_leaves_the_weights_alone(void **state) {
    (void)state;
    rg_kernels k;
    rg_kernels_select(&k, rg_cpu_detect());
    float w[12] = {1, -2, 3};
    float m[12] = {1e-40f, 1e-41f};
    const float g[12] = {0};
    const rg_muon o = {.lr = 0.5f, .momentum = 0.95f, .decay = 0, .grad_scale = 1};
    void *scratch = rg_new(rg_mem_heap(), rg_muon_scratch_bytes(3, 4));
    assert_non_null(scratch);
    rg_muon_update(k.gemm, w, m, g, 3, 4, &o, scratch);
    assert_true(fabsf(w[0] - 1) < 1e-6f && fabsf(w[1] + 2) < 1e-6f && fabsf(w[2] - 3) < 1e-6f);
    rg_free(rg_mem_heap(), scratch);
}

static void scratch_that_memory_cannot_number_is_refused(void **state) {
    (void)state;
    assert_true(rg_muon_scratch_bytes(SIZE_MAX / 2, 4) == SIZE_MAX);
    assert_true(rg_muon_scratch_bytes((size_t)1 << 31, (size_t)1 << 31) == SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_update_is_that_of_the_formula),
        cmocka_unit_test(a_gradient_of_zeros_changes_nothing_but_decay),
        cmocka_unit_test(momentum_that_dies_away_leaves_the_weights_alone),
        cmocka_unit_test(scratch_that_memory_cannot_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
