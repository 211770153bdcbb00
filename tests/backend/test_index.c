/* Positions chosen by an index, against scores in double; attention over them is covered by the
 * references of whole models. */
#include "backend/exec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

enum { PAGE = 64, DIM = 8, HEADS = 3, N_MOST = 20000, K_DIM = 4 };

/** One session of one layer, whose keys are random. */
typedef struct bench {
    rg_kv_layout layout;
    uint8_t *pages[N_MOST / PAGE + 1];
    size_t n_pages;
} bench;

static float draw(void) {
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static float *key_at(const bench *b, size_t pos) {
    return (float *)(void *)(b->pages[pos / PAGE] + b->layout.k_bytes) + pos % PAGE * DIM;
}

static void init(bench *b, size_t n, bool is_level) {
    *b = (bench){.layout = {.dtype = RG_DTYPE_F32,
                            .n_layer = 1,
                            .page_len = PAGE,
                            .n_kv_head = 1,
                            .k_dim = K_DIM,
                            .v_dim = K_DIM,
                            .k_bytes = PAGE * K_DIM * sizeof(float),
                            .index_dim = DIM,
                            .index_bytes = PAGE * DIM * sizeof(float)},
                 .n_pages = (n + PAGE - 1) / PAGE};
    b->layout.page_bytes = b->layout.k_bytes + b->layout.index_bytes;
    for (size_t i = 0; i < b->n_pages; i++) {
        b->pages[i] = calloc(1, b->layout.page_bytes);
    }
    for (size_t pos = 0; pos < n; pos++) {
        for (size_t i = 0; i < DIM; i++) {
            key_at(b, pos)[i] = is_level ? 0.5f : draw();
        }
    }
}

static void clear(bench *b) {
    for (size_t i = 0; i < b->n_pages; i++) {
        free(b->pages[i]);
    }
}

static double score_of(const float *q, const float *w, const float *k) {
    double sum = 0;
    for (size_t h = 0; h < HEADS; h++) {
        double dot = 0;
        for (size_t i = 0; i < DIM; i++) {
            dot += (double)q[h * DIM + i] * k[i];
        }
        sum += dot > 0 ? w[h] * dot : 0;
    }
    return sum;
}

// the last two tokens of n choose n_top positions each; more than one thread: in parts
static void choose(bench *b, size_t n, size_t n_top, rg_cpu cpu, unsigned n_threads,
                   bool is_level) {
    enum { N_TOK = 2 };
    float q[N_TOK * HEADS * DIM], k[N_TOK * DIM], w[N_TOK * HEADS];
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    for (size_t i = 0; i < N_TOK * HEADS * DIM; i++) {
        q[i] = draw();
    }
    for (size_t i = 0; i < N_TOK * DIM; i++) {
        k[i] = is_level ? 0.5f : draw();
    }
    for (size_t i = 0; i < N_TOK * HEADS; i++) {
        w[i] = draw();
    }
    rg_kernels_select(&kernels, cpu);
    rg_graph_init(&g, rg_mem_heap());
    const rg_op_params p = {.n_head = HEADS, .head_dim = DIM, .n_top = (uint32_t)n_top};
    const rg_val chosen =
        rg_index(&g, rg_graph_input(&g, 0, RG_DTYPE_F32, N_TOK, HEADS * DIM),
                 rg_graph_input(&g, 1, RG_DTYPE_F32, N_TOK, DIM),
                 rg_graph_input(&g, 2, RG_DTYPE_F32, N_TOK, HEADS), rg_graph_state(&g, 0), &p);
    rg_graph_keep(&g, chosen);
    const rg_exec_options options = {
        .kernels = &kernels, .n_threads = n_threads, .n_pages_max = b->n_pages, .n_rows_max = 1};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), n_threads, &pool, &err), RG_OK);
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(n_threads));
    const void *inputs[] = {q, k, w};
    const rg_kv_row row = {.n_tok = N_TOK, .pos = n - N_TOK, .pages = b->pages};
    const rg_kv_batch kv = {.layout = &b->layout, .n_rows = 1, .rows = &row};
    const rg_bindings with = {
        .pool = pool, .arena = arena, .scratch = scratch, .inputs = inputs, .kv = &kv};
    assert_int_equal(rg_exec_run(exec, &with, &err), RG_OK);
    const int32_t *got = (const int32_t *)(const void *)rg_exec_value(exec, arena, chosen);
    bool *is_chosen = calloc(n, sizeof *is_chosen);
    for (size_t t = 0; t < N_TOK; t++) {
        const size_t end = n - N_TOK + t + 1;
        double least = INFINITY, missed = -INFINITY;
        assert_memory_equal(key_at(b, end - 1), k + t * DIM, DIM * sizeof *k);
        memset(is_chosen, 0, n * sizeof *is_chosen);
        for (size_t i = 0; i < n_top; i++) {
            const int32_t pos = got[t * n_top + i];
            assert_true(pos >= 0 && (size_t)pos < end);
            assert_true(i == 0 || pos > got[t * n_top + i - 1]);
            assert_true(!is_level || (size_t)pos == i); // of equals the first
            is_chosen[pos] = true;
        }
        for (size_t pos = 0; pos < end; pos++) {
            const double s = score_of(q + t * HEADS * DIM, w + t * HEADS, key_at(b, pos));
            least = is_chosen[pos] ? fmin(least, s) : least;
            missed = is_chosen[pos] ? missed : fmax(missed, s);
        }
        assert_true(least >= missed - 1e-5);
    }
    free(is_chosen);
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void the_best_positions_are_chosen_on_every_level(void **state) {
    (void)state;
    static const struct {
        size_t n;
        size_t n_top;
    } cases[] = {{70, 5}, {66, 64}, {1000, 1}, {N_MOST, 7}, {N_MOST, 2048}, {N_MOST, 4096}};
    srand(3);
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        const rg_cpu cpu = rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            bench b;
            init(&b, cases[i].n, false);
            choose(&b, cases[i].n, cases[i].n_top, cpu, 1, false);
            choose(&b, cases[i].n, cases[i].n_top, cpu, 2, false);
            choose(&b, cases[i].n, cases[i].n_top, cpu, 9, false);
            clear(&b);
        }
    }
}

static void of_equal_scores_the_first_positions_are_chosen(void **state) {
    (void)state;
    bench b;
    init(&b, N_MOST, true);
    choose(&b, N_MOST, 100, rg_cpu_detect(), 1, true);
    choose(&b, N_MOST, 100, rg_cpu_detect(), 3, true);
    clear(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_positions_are_chosen_on_every_level),
        cmocka_unit_test(of_equal_scores_the_first_positions_are_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
