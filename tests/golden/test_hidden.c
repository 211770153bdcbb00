/* The residual that layers leave, as taps show it, against the official implementations': the last
 * token of every dense text case of the reference folder. */
#include "engine/engine.h"
#include "model/source.h"
#include "support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

enum { TOKENS_MAX = 4096, VALUES_MAX = 1 << 16 };

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s: %s", folder, err.text);                                                  \
        }                                                                                          \
    } while (0)

/** The last token's residuals. */
typedef struct taken {
    size_t n_tok;
    size_t width;
    float residual[VALUES_MAX]; // [n_layer][width]
} taken;

static rg_status take(void *arg, uint32_t layer, const float *const values[RG_TAPS], size_t pos,
                      size_t n_tok, rg_error *err) {
    taken *t = arg;
    (void)err;
    assert_true((layer + 1) * t->width <= VALUES_MAX);
    if (pos + n_tok == t->n_tok) {
        memcpy(t->residual + layer * t->width, values[RG_TAP_RESIDUAL] + (n_tok - 1) * t->width,
               t->width * sizeof *t->residual);
    }
    return RG_OK;
}

static void check(const char *folder) {
    static taken t;
    static int32_t ids[TOKENS_MAX];
    char name[512];
    rg_error err = {0};
    rg_arena arena;
    const rg_json *tree = NULL;
    rg_source *source = NULL;
    rg_model *model = NULL;
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 64 << 20);
    snprintf(name, sizeof name, "golden/%s/golden.json", folder);
    const rg_str text = shared_read(name);
    MUST(rg_json_parse(&arena, text, &tree, &err));
    snprintf(name, sizeof name, "golden/%s/hidden.f32", folder);
    const rg_str hidden = shared_read(name);
    const rg_json *list = rg_json_find(tree, "tokens");
    assert_true(hidden.size > 0 && list != NULL && list->n <= TOKENS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        int64_t id = -1;
        assert_true(rg_json_i64(rg_json_at(list, i), &id));
        ids[i] = (int32_t)id;
    }
    double tolerance = 0;
    assert_true(rg_json_f64(rg_json_find(tree, "tolerance_max_abs"), &tolerance));

    snprintf(name, sizeof name, "%s/golden/%s", shared_folder(), folder);
    MUST(rg_source_open(rg_mem_heap(), name, &source, &err));
    MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
    t.n_tok = list->n;
    t.width = model->h.n_embd;
    const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                       .n_threads = 2,
                                       .n_ctx = list->n,
                                       .is_exact = true,
                                       .taps = take,
                                       .taps_arg = &t};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    MUST(rg_session_new(engine, &session, &err));
    MUST(rg_session_eval(session, ids, list->n, NULL, NULL, &err));
    // row 0 is the embedding
    assert_int_equal(hidden.size, (model->h.n_layer + 1) * t.width * sizeof(float));
    const float *want = (const float *)(const void *)hidden.data + t.width;
    double worst = 0;
    for (size_t i = 0; i < model->h.n_layer * t.width; i++) {
        const double diff = fabs((double)want[i] - (double)t.residual[i]);
        worst = diff <= worst ? worst : diff;
    }
    printf("%-14s residuals differ by at most %.2g, tolerance %.2g\n", folder, worst, tolerance);
    assert_true(worst <= tolerance);
    rg_session_free(session);
    rg_engine_free(engine);
    rg_model_free(model);
    rg_source_close(source);
    rg_arena_clear(&arena);
    rg_free(rg_mem_heap(), (void *)text.data);
    rg_free(rg_mem_heap(), (void *)hidden.data);
}

static void residuals_are_the_official_ones(void **state) {
    (void)state;
    static const char *const folders[] = {"llama2",  "llama3",     "qwen2",
                                          "qwen3",   "qwen3-tied", "qwen3-moe",
                                          "qwen3.5", "qwen3-next", "qwen3.5-moe"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        check(folders[i]);
    }
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(residuals_are_the_official_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
