/* Gradients of compressed attention over more rows than one block holds, of two rows of a batch,
 * against those of the formulas in double. Small cases: test_gradient.c. */
#include "backend/exec.h"
#include "graph/backward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

enum { ROW = 260, T = 2 * ROW, HEADS = 3, DIM = 4, WINDOW = 90, RATIO = 4, SAMPLE = 7 };

enum { Q, KV, SINKS, ROWS, DOUT, INPUTS };

static const size_t sizes[INPUTS] = {T * HEADS * DIM, T *DIM, HEADS, T *DIM, T *HEADS *DIM};
static float values[INPUTS][T * HEADS * DIM];
static double want[DOUT][T * HEADS * DIM];
static int32_t positions[T];

/** What a query sees: values, and where their gradient goes. */
typedef struct seen {
    const float *row;
    double *gradient;
} seen;

static size_t look(size_t t, seen *list) {
    const size_t start = t - (size_t)positions[t];
    size_t n = 0;
    for (size_t j = start; j <= t; j++) {
        if (t - j < WINDOW) {
            list[n++] = (seen){values[KV] + j * DIM, want[KV] + j * DIM};
        }
        if ((j - start + 1) % RATIO == 0) {
            list[n++] = (seen){values[ROWS] + j * DIM, want[ROWS] + j * DIM};
        }
    }
    return n;
}

static double dot(const float *a, const float *b) {
    double sum = 0;
    for (size_t i = 0; i < DIM; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

static void oracle(void) {
    static seen list[2 * ROW];
    static double p[2 * ROW], dp[2 * ROW];
    const double scale = (double)0.4f;
    for (size_t i = 0; i < DOUT; i++) {
        memset(want[i], 0, sizeof want[i]);
    }
    for (size_t t = 0; t < T; t++) {
        const size_t n = look(t, list);
        for (size_t h = 0; h < HEADS; h++) {
            const float *q = values[Q] + (t * HEADS + h) * DIM;
            const float *dout = values[DOUT] + (t * HEADS + h) * DIM;
            double *dq = want[Q] + (t * HEADS + h) * DIM;
            const double sink = exp((double)values[SINKS][h]);
            double sum = sink, mean = 0;
            for (size_t j = 0; j < n; j++) {
                p[j] = exp(scale * dot(q, list[j].row));
                dp[j] = dot(dout, list[j].row);
                sum += p[j];
            }
            for (size_t j = 0; j < n; j++) {
                p[j] /= sum;
                mean += p[j] * dp[j];
            }
            want[SINKS][h] -= sink / sum * mean;
            for (size_t j = 0; j < n; j++) {
                const double ds = scale * p[j] * (dp[j] - mean);
                for (size_t i = 0; i < DIM; i++) {
                    dq[i] += ds * (double)list[j].row[i];
                    list[j].gradient[i] += ds * (double)q[i] + p[j] * (double)dout[i];
                }
            }
        }
    }
}

static void check(rg_cpu cpu, unsigned n_threads) {
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    rg_val in[INPUTS], grads[DOUT];
    rg_kernels_select(&kernels, cpu);
    rg_graph_init(&g, rg_mem_heap());
    const rg_tensor sinks = {.dtype = RG_DTYPE_F32,
                             .n_dims = 1,
                             .shape = {HEADS},
                             .data = values[SINKS],
                             .bytes = HEADS * sizeof(float)};
    for (uint32_t i = 0; i < INPUTS; i++) {
        in[i] = i == SINKS ? rg_graph_weight(&g, 0, &sinks)
                           : rg_graph_input(&g, i, RG_DTYPE_F32, T, sizes[i] / T);
    }
    const rg_val at = rg_graph_input(&g, INPUTS, RG_DTYPE_I32, T, 0);
    const rg_op_params p = {.n_head = HEADS,
                            .head_dim = DIM,
                            .scale = 0.4f,
                            .window = WINDOW,
                            .ratio = RATIO,
                            .seq_len = ROW};
    const rg_val out = rg_compressed_attention(&g, in, at, in[ROWS], &p);
    rg_graph_backward(&g, out, in[DOUT], in, DOUT, false, grads);
    const rg_exec_options options = {
        .kernels = &kernels, .is_training = true, .n_threads = n_threads};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), n_threads, &pool, &err), RG_OK);
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(n_threads));
    const void *inputs[] = {values[Q], values[KV], NULL, values[ROWS], values[DOUT], positions};
    const rg_bindings with = {
        .pool = pool, .arena = arena, .scratch = scratch, .weights = &sinks, .inputs = inputs};
    assert_int_equal(rg_exec_run(exec, &with, &err), RG_OK);
    for (size_t i = 0; i < DOUT; i++) {
        const float *got = rg_exec_value(exec, arena, grads[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            if (!(fabs((double)got[k] - want[i][k]) <= 2e-5 * (1 + fabs(want[i][k])))) {
                fail_msg("gradient %zu of input %zu is %.9g, the oracle has %.9g", k, i,
                         (double)got[k], want[i][k]);
            }
        }
    }
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void gradients_of_many_rows_are_those_of_the_formulas(void **state) {
    (void)state;
    srand(13);
    for (size_t i = 0; i < INPUTS; i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            values[i][k] = (float)rand() / (float)RAND_MAX * 2 - 1;
        }
    }
    // a short sample before a long one, in each row
    for (size_t t = 0; t < T; t++) {
        const size_t pos = t % ROW;
        positions[t] = (int32_t)(pos < SAMPLE ? pos : pos - SAMPLE);
    }
    oracle();
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            check(rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level), n_threads);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_many_rows_are_those_of_the_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
