/* Latent attention in its two forms: queries brought to the latents that the state keeps, as
 * sessions compute it, and keys and values brought to the heads, as training does. The weights are
 * those of the reference folder. */
#include "backend/exec.h"
#include "engine/engine.h"
#include "model/source.h"
#include "support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 70, VOCAB_MAX = 4096 }; // tokens: more than a page

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s: %s", folder, err.text);                                                  \
        }                                                                                          \
    } while (0)

// logits after the last token, of a session that reads `first` tokens, then the others one by one
static void absorbed(const char *folder, const rg_model *model, const rg_source *source, rg_cpu cpu,
                     const int32_t *ids, size_t first, float *logits) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    const rg_engine_options options = {
        .cpu = cpu, .n_threads = 2, .n_ctx = N, .chunk_tokens = N, .is_exact = true};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    MUST(rg_session_new(engine, &session, &err));
    MUST(rg_session_eval(session, ids, first, NULL, NULL, &err));
    for (size_t i = first; i < N; i++) {
        MUST(rg_session_eval(session, ids + i, 1, NULL, NULL, &err));
    }
    memcpy(logits, rg_session_logits(session), model->h.n_vocab * sizeof *logits);
    rg_session_free(session);
    rg_engine_free(engine);
}

// the same of the graph that has no state
static void expanded(const char *folder, const rg_model *model, rg_cpu cpu, const int32_t *ids,
                     float *logits) {
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    rg_tensor *weights = NULL;
    int32_t positions[N];
    const int32_t last = N - 1;
    const rg_graph_extras extras = {0};
    for (size_t i = 0; i < N; i++) {
        positions[i] = (int32_t)i;
    }
    rg_kernels_select(&kernels, cpu);
    rg_graph_init(&g, rg_mem_heap());
    const rg_outputs out = rg_model_graph(model, &g, RG_PURPOSE_TRAIN, &extras, N, 1);
    const rg_exec_options how = {
        .kernels = &kernels, .is_training = true, .is_exact = true, .n_threads = 2};
    MUST(rg_exec_new(rg_mem_heap(), &g, &how, &exec, &err));
    MUST(rg_pool_new(rg_mem_heap(), 2, &pool, &err));
    MUST(rg_model_table(model, &extras, &weights, &err));
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(2));
    const void *inputs[RG_MODEL_INPUTS] = {
        [RG_INPUT_IDS] = ids, [RG_INPUT_POSITIONS] = positions, [RG_INPUT_OUT_ROWS] = &last};
    const rg_bindings with = {
        .pool = pool, .arena = arena, .scratch = scratch, .weights = weights, .inputs = inputs};
    MUST(rg_exec_run(exec, &with, &err));
    memcpy(logits, rg_exec_value(exec, arena, out.logits), model->h.n_vocab * sizeof *logits);
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_free(rg_mem_heap(), weights);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void compare(const char *folder, rg_cpu cpu) {
    static float a[VOCAB_MAX], b[VOCAB_MAX];
    static const size_t firsts[] = {N, N - 1, 1};
    rg_error err = {0};
    rg_source *source = NULL;
    rg_model *model = NULL;
    char name[1024];
    int32_t ids[N];
    snprintf(name, sizeof name, "%s/golden/%s", shared_folder(), folder);
    MUST(rg_source_open(rg_mem_heap(), name, &source, &err));
    MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
    assert_true(model->h.n_vocab <= VOCAB_MAX);
    for (uint32_t i = 0; i < N; i++) {
        ids[i] = (int32_t)((i * 7919 + 13) % model->h.n_vocab);
    }
    expanded(folder, model, cpu, ids, b);
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++) {
        double most = 0, worst = 0;
        absorbed(folder, model, source, cpu, ids, firsts[f], a);
        for (size_t i = 0; i < model->h.n_vocab; i++) {
            most = fmax(most, fabs((double)b[i]));
            const double diff = fabs((double)a[i] - (double)b[i]);
            worst = diff <= worst ? worst : diff;
        }
        printf("%-18s %-7s %2zu tokens, then one by one: apart by %.2g of %.2g\n", folder,
               rg_cpu_level_name(cpu), firsts[f], worst, most);
        assert_true(worst <= 1e-5 * most); // sums in another order, f32
    }
    rg_model_free(model);
    rg_source_close(source);
}

static void absorbed_and_expanded_forms_agree_on_every_level(void **state) {
    (void)state;
    static const char *const folders[] = {"deepseek-v2-lite", "deepseek-v2-group", "deepseek-v3",
                                          "kimi-k2"};
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
            compare(folders[i], rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level));
        }
    }
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absorbed_and_expanded_forms_agree_on_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
