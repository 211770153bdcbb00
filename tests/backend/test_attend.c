/* Attention over a state, cut into chunks for threads: the bits of one call of the kernel, however
 * many threads there are and heads share a key. */
#include "backend/exec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, K_DIM = 24, V_DIM = 16, POS = 300, N_TOK_MAX = 70, HEADS_MAX = 32, PAGES = 6 };

typedef struct problem {
    uint32_t n_head;
    uint32_t n_kv_head;
    bool has_values; // apart from the keys
    size_t n_tok;
} problem;

static float draw(void) {
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static rg_kv_layout layout_of(const problem *p) {
    rg_kv_layout layout = {.dtype = RG_DTYPE_F32,
                           .n_layer = 1,
                           .page_len = PAGE,
                           .n_kv_head = p->n_kv_head,
                           .k_dim = K_DIM,
                           .v_dim = V_DIM,
                           .has_values = p->has_values};
    layout.k_bytes = p->n_kv_head * PAGE * K_DIM * sizeof(float);
    layout.v_bytes = p->has_values ? p->n_kv_head * PAGE * V_DIM * sizeof(float) : 0;
    layout.page_bytes = layout.k_bytes + layout.v_bytes;
    return layout;
}

// one run, by n_threads; out [n_tok][n_head * V_DIM]
static void attend(const problem *p, const rg_kernels *kernels, unsigned n_threads,
                   const void *const inputs[3], uint8_t *const *pages, float *out) {
    rg_error err = {0};
    rg_graph g;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    const rg_kv_layout layout = layout_of(p);
    const rg_op_params how = {.n_head = p->n_head,
                              .n_kv_head = p->n_kv_head,
                              .head_dim = K_DIM,
                              .v_dim = V_DIM,
                              .scale = 0.2f};
    rg_graph_init(&g, rg_mem_heap());
    const rg_val y =
        rg_attention(&g, rg_graph_input(&g, 0, RG_DTYPE_F32, p->n_tok, (size_t)p->n_head * K_DIM),
                     rg_graph_input(&g, 1, RG_DTYPE_F32, p->n_tok, (size_t)p->n_kv_head * K_DIM),
                     rg_graph_input(&g, 2, RG_DTYPE_F32, p->n_tok, (size_t)p->n_kv_head * V_DIM),
                     rg_graph_state(&g, 0), &how);
    rg_graph_keep(&g, y);
    const rg_exec_options options = {
        .kernels = kernels, .n_threads = n_threads, .n_pages_max = PAGES, .n_rows_max = 1};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), n_threads, &pool, &err), RG_OK);
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(n_threads));
    const rg_kv_row row = {.n_tok = p->n_tok, .pos = POS, .pages = pages};
    const rg_kv_batch kv = {.layout = &layout, .n_rows = 1, .rows = &row};
    const rg_bindings with = {
        .pool = pool, .arena = arena, .scratch = scratch, .inputs = inputs, .kv = &kv};
    assert_int_equal(rg_exec_run(exec, &with, &err), RG_OK);
    memcpy(out, rg_exec_value(exec, arena, y), p->n_tok * p->n_head * V_DIM * sizeof *out);
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

// all heads and tokens by one call of the kernel for each kv head
static void attend_at_once(const problem *p, const rg_kernels *kernels, const float *q,
                           uint8_t *const *pages, float *out) {
    const rg_kv_layout layout = layout_of(p);
    const void *k[PAGES], *v[PAGES];
    void *scratch = rg_new(rg_mem_heap(), RG_SCRATCH_BYTES);
    for (size_t i = 0; i < PAGES; i++) {
        k[i] = pages[i];
        v[i] = pages[i] + (p->has_values ? layout.k_bytes : 0);
    }
    const rg_attn a = {.q = q,
                       .q_stride = (size_t)p->n_head * K_DIM,
                       .n_tok = p->n_tok,
                       .pos = POS,
                       .k_pages = k,
                       .v_pages = v,
                       .page_len = PAGE,
                       .kv_dtype = RG_DTYPE_F32,
                       .n_head = p->n_head,
                       .n_kv_head = p->n_kv_head,
                       .k_dim = K_DIM,
                       .v_dim = V_DIM,
                       .v_stride = p->has_values ? V_DIM : K_DIM,
                       .scale = 0.2f,
                       .out = out,
                       .out_stride = (size_t)p->n_head * V_DIM};
    for (uint32_t h = 0; h < p->n_kv_head; h++) {
        kernels->attention(&a, h, 0, p->n_tok, scratch);
    }
    rg_free(rg_mem_heap(), scratch);
}

static void check(const problem *p, rg_cpu cpu) {
    static float q[N_TOK_MAX * HEADS_MAX * K_DIM], k[N_TOK_MAX * HEADS_MAX * K_DIM],
        v[N_TOK_MAX * HEADS_MAX * V_DIM], want[N_TOK_MAX * HEADS_MAX * V_DIM],
        got[N_TOK_MAX * HEADS_MAX * V_DIM];
    static const unsigned threads[] = {1, 2, 5};
    const void *const inputs[] = {q, k, v};
    const rg_kv_layout layout = layout_of(p);
    uint8_t *pages[PAGES];
    rg_kernels kernels;
    rg_kernels_select(&kernels, cpu);
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = malloc(layout.page_bytes);
        for (size_t j = 0; j < layout.page_bytes / sizeof(float); j++) {
            ((float *)(void *)pages[i])[j] = draw();
        }
    }
    for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
        q[i] = 4 * draw();
        k[i] = draw();
    }
    // values that lie in their keys come from there
    for (size_t i = 0; i < p->n_tok * p->n_kv_head * V_DIM; i++) {
        v[i] = p->has_values ? draw() : k[i / V_DIM * K_DIM + i % V_DIM];
    }
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        attend(p, &kernels, threads[i], inputs, pages, got);
        attend_at_once(p, &kernels, q, pages, want); // of the state that the run left
        assert_memory_equal(got, want, p->n_tok * p->n_head * V_DIM * sizeof *got);
    }
    for (size_t i = 0; i < PAGES; i++) {
        free(pages[i]);
    }
}

static void cutting_changes_no_bit_on_any_level(void **state) {
    (void)state;
    static const problem problems[] = {{16, 1, false, 1},  {32, 1, false, 3}, {11, 1, false, 1},
                                       {3, 1, false, 1},   {12, 2, true, 1},  {28, 4, true, 1},
                                       {16, 1, false, 70}, {14, 2, true, 66}};
    srand(5);
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
            check(&problems[i], rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cutting_changes_no_bit_on_any_level)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
