/* What training computes of compressed attention is what inference computes, of whole models: of
 * samples packed into one row, where an index leaves nothing out. */
#include "engine/engine.h"
#include "model/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/shared.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 300, FIRST = 160, VOCAB = 320, ROW = 150 };

static const char *const folders[] = {"deepseek-v4", "deepseek-v4-fp4"};

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static int32_t ids[N];
static float expected[N][VOCAB];

static rg_status keep(void *arg, size_t pos, const float *logits, size_t n_vocab, rg_error *err) {
    float(*to)[VOCAB] = arg;
    (void)err;
    assert_int_equal(n_vocab, VOCAB);
    memcpy(to[pos], logits, sizeof to[pos]);
    return RG_OK;
}

// each sample in a session of its own
static void infer(const rg_model *model, const rg_source *source, const size_t *starts, size_t n) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    const rg_engine_options options = {
        .cpu = rg_cpu_detect(), .n_threads = 2, .n_ctx = N, .is_exact = true};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    for (size_t i = 0; i < n; i++) {
        rg_session *s = NULL;
        MUST(rg_session_new(engine, &s, &err));
        MUST(rg_session_eval(s, ids + starts[i], starts[i + 1] - starts[i], keep,
                             expected + starts[i], &err));
        rg_session_free(s);
    }
    rg_engine_free(engine);
}

static void train(const rg_model *model, size_t seq_len, const size_t *starts, size_t n) {
    static int32_t positions[N], rows[N];
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    for (size_t i = 0; i < n; i++) {
        for (size_t t = starts[i]; t < starts[i + 1]; t++) {
            positions[t] = (int32_t)(t - starts[i]);
            rows[t] = (int32_t)t;
        }
    }
    const rg_graph_extras extras = {.seq_len = seq_len};
    rg_kernels_select(&kernels, rg_cpu_detect());
    rg_graph_init(&g, rg_mem_heap());
    const rg_outputs out = rg_model_graph(model, &g, RG_PURPOSE_TRAIN, &extras, N, N);
    const rg_exec_options options = {.kernels = &kernels, .is_training = true, .n_threads = 2};
    MUST(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err));
    MUST(rg_pool_new(rg_mem_heap(), 2, &pool, &err));
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(2));
    const void *inputs[RG_MODEL_INPUTS] = {
        [RG_INPUT_IDS] = ids, [RG_INPUT_POSITIONS] = positions, [RG_INPUT_OUT_ROWS] = rows};
    const rg_bindings with = {.pool = pool,
                              .arena = arena,
                              .scratch = scratch,
                              .weights = model->weights,
                              .inputs = inputs};
    MUST(rg_exec_run(exec, &with, &err));
    const float *got = rg_exec_value(exec, arena, out.logits);
    for (size_t t = 0; t < N; t++) {
        for (size_t k = 0; k < VOCAB; k++) {
            const float want = expected[t][k];
            if (!(fabsf(got[t * VOCAB + k] - want) <= 4e-4f)) {
                fail_msg("token %zu: logit %zu is %g, inference has %g", t, k,
                         (double)got[t * VOCAB + k], (double)want);
            }
        }
    }
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void training_sees_what_inference_sees(void **state) {
    (void)state;
    // samples of one row, and of two rows of which none reaches into the next
    static const size_t packed[] = {0, 3, FIRST, N};
    static const size_t cut[] = {0, 61, ROW, ROW + 137, N};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[1024];
        rg_error err = {0};
        rg_source *source = NULL;
        rg_model *model = NULL;
        snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folders[i]);
        MUST(rg_source_open(rg_mem_heap(), path, &source, &err));
        MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
        model->h.n_index_top = N; // training has no index
        infer(model, source, packed, 3);
        train(model, 0, packed, 3);
        infer(model, source, cut, 4);
        train(model, ROW, cut, 4);
        rg_model_free(model);
        rg_source_close(source);
    }
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    srand(9);
    for (int i = 0; i < N; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(training_sees_what_inference_sees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
