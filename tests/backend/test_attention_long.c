/* Gradients of attention over more keys than one block of it holds: those of its rows, in double.
 */
#include "backend/exec.h"
#include "graph/backward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 1100, DIM = 4 };

// gradients of one head in double, row by row from the formulas
static void long_oracle(float *const in[4], size_t window, bool sees_ahead, double *const out[4]) {
    static double p[LONG], dp[LONG];
    for (size_t i = 0; i < 4; i++) {
        memset(out[i], 0, LONG * DIM * sizeof **out);
    }
    for (size_t t = 0; t < LONG; t++) {
        const size_t from = window != 0 && t + 1 > window ? t + 1 - window : 0;
        const size_t end = sees_ahead ? LONG : t + 1;
        double sum = 0, mean = 0;
        for (size_t j = from; j < end; j++) {
            double s = 0;
            dp[j] = 0;
            for (size_t i = 0; i < DIM; i++) {
                s += (double)in[0][t * DIM + i] * in[1][j * DIM + i];
                dp[j] += (double)in[3][t * DIM + i] * in[2][j * DIM + i];
            }
            p[j] = exp((double)0.4f * s);
            sum += p[j];
        }
        for (size_t j = from; j < end; j++) {
            p[j] /= sum;
            mean += p[j] * dp[j];
        }
        for (size_t j = from; j < end; j++) {
            const double ds = (double)0.4f * p[j] * (dp[j] - mean);
            for (size_t i = 0; i < DIM; i++) {
                out[0][t * DIM + i] += ds * in[1][j * DIM + i];
                out[1][j * DIM + i] += ds * in[0][t * DIM + i];
                out[2][j * DIM + i] += p[j] * in[3][t * DIM + i];
                out[3][t * DIM + i] += p[j] * in[2][j * DIM + i];
            }
        }
    }
}

static void check_long(rg_cpu cpu, size_t window, bool sees_ahead) {
    static float values[4][LONG * DIM];
    static double want[4][LONG * DIM];
    float *const in[4] = {values[0], values[1], values[2], values[3]};
    double *const out[4] = {want[0], want[1], want[2], want[3]};
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    rg_val v[4], grads[3];
    srand(11);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < LONG * DIM; k++) {
            values[i][k] = (float)rand() / (float)RAND_MAX * 2 - 1;
        }
    }
    // larger scores come late: what was gathered before them must count less
    for (size_t k = 0; k < LONG * DIM; k++) {
        values[1][k] *= 1 + 8 * (float)k / (LONG * DIM);
    }
    rg_kernels_select(&kernels, cpu);
    rg_graph_init(&g, rg_mem_heap());
    for (uint32_t i = 0; i < 4; i++) {
        v[i] = rg_graph_input(&g, i, RG_DTYPE_F32, LONG, DIM);
    }
    const rg_op_params p = {.n_head = 1,
                            .n_kv_head = 1,
                            .head_dim = DIM,
                            .v_dim = DIM,
                            .scale = 0.4f,
                            .window = window,
                            .sees_ahead = sees_ahead};
    const rg_val y = rg_attention(&g, v[0], v[1], v[2], RG_VAL_NONE, &p);
    rg_graph_keep(&g, y);
    rg_graph_backward(&g, y, v[3], v, 3, false, grads);
    const rg_exec_options options = {.kernels = &kernels, .is_training = true, .n_threads = 1};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), 1, &pool, &err), RG_OK);
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(1));
    const void *inputs[4] = {values[0], values[1], values[2], values[3]};
    const rg_bindings b = {.pool = pool, .arena = arena, .scratch = scratch, .inputs = inputs};
    assert_int_equal(rg_exec_run(exec, &b, &err), RG_OK);
    long_oracle(in, window, sees_ahead, out);
    for (size_t i = 0; i < 4; i++) {
        const float *got = rg_exec_value(exec, arena, i < 3 ? grads[i] : y);
        for (size_t k = 0; k < LONG * DIM; k++) {
            if (!(fabs(got[k] - want[i][k]) <= 2e-5 * (1 + fabs(want[i][k])))) {
                fail_msg("value %zu of gradient %zu (3: the result) is %.9g, its rows give %.9g", k,
                         i, (double)got[k], want[i][k]);
            }
        }
    }
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void long_attention_is_that_of_its_rows(void **state) {
    (void)state;
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        const rg_cpu cpu = rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level);
        check_long(cpu, 0, false);
        check_long(cpu, 700, false);
        check_long(cpu, 100, false);
        check_long(cpu, 0, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_attention_is_that_of_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
