/* Looking into a model and steering it: what is seen adds up, looking changes nothing, and a vector
 * moves the residual by exactly what it holds. */
#include "engine/engine.h"
#include "model/source.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N = 100, VOCAB = 281, N_LAYER = 2, EMBD = 32, CHUNK = 48 };

static rg_source *source;
static rg_model *model;
static int32_t ids[N];

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

/** What was seen of a whole prompt. */
typedef struct seen {
    float attn[N_LAYER][N * EMBD];
    float ffn[N_LAYER][N * EMBD];
    float residual[N_LAYER][N * EMBD];
    size_t n; // tokens
} seen;

static rg_status look(void *arg, uint32_t layer, const float *const values[RG_TAPS], size_t pos,
                      size_t n_tok, rg_error *err) {
    seen *s = arg;
    assert_true(pos + n_tok <= N && layer < N_LAYER);
    const size_t bytes = n_tok * EMBD * sizeof(float);
    memcpy(&s->attn[layer][pos * EMBD], values[RG_TAP_ATTN], bytes);
    memcpy(&s->ffn[layer][pos * EMBD], values[RG_TAP_FFN], bytes);
    memcpy(&s->residual[layer][pos * EMBD], values[RG_TAP_RESIDUAL], bytes);
    s->n += layer == 0 ? n_tok : 0;
    (void)err;
    return RG_OK;
}

static void run(const rg_tensor *steers, seen *s, float logits[VOCAB]) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                       .n_threads = 2,
                                       .n_ctx = N,
                                       .chunk_tokens = CHUNK,
                                       .kv_dtype = RG_DTYPE_F16,
                                       .extras.steers = steers,
                                       .taps = s == NULL ? NULL : look,
                                       .taps_arg = s};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    MUST(rg_session_new(engine, &session, &err));
    MUST(rg_session_eval(session, ids, N, NULL, NULL, &err));
    memcpy(logits, rg_session_logits(session), VOCAB * sizeof *logits);
    rg_session_free(session);
    rg_engine_free(engine);
}

static rg_tensor vector_of(const float *values) {
    return (rg_tensor){.dtype = RG_DTYPE_F32,
                       .n_dims = 1,
                       .shape = {EMBD},
                       .bytes = EMBD * sizeof(float),
                       .data = values};
}

static void looking_changes_no_bit(void **state) {
    (void)state;
    static seen s;
    float plain[VOCAB], looked[VOCAB], unsteered[VOCAB];
    const rg_tensor none[N_LAYER] = {0};
    s.n = 0;
    run(NULL, NULL, plain);
    run(NULL, &s, looked);
    run(none, NULL, unsteered);
    assert_int_equal(s.n, N);
    assert_memory_equal(plain, looked, sizeof plain);
    assert_memory_equal(plain, unsteered, sizeof plain);
}

static void contributions_add_up_to_the_residual(void **state) {
    (void)state;
    static seen s;
    float logits[VOCAB];
    run(NULL, &s, logits);
    for (size_t i = 0; i < N * EMBD; i++) {
        assert_true((s.residual[0][i] + s.attn[1][i]) + s.ffn[1][i] == s.residual[1][i]);
    }
}

static void a_vector_moves_the_residual_by_what_it_holds(void **state) {
    (void)state;
    static seen before, after;
    float plain[VOCAB], moved[VOCAB], values[EMBD];
    rg_tensor steers[N_LAYER] = {0};
    for (size_t i = 0; i < EMBD; i++) {
        values[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    }
    for (size_t layer = 0; layer < N_LAYER; layer++) {
        memset(steers, 0, sizeof steers);
        steers[layer] = vector_of(values);
        run(NULL, &before, plain);
        run(steers, &after, moved);
        for (size_t i = 0; i < N * EMBD; i++) {
            assert_true(before.residual[layer][i] + values[i % EMBD] == after.residual[layer][i]);
            // what lies below the layer does not feel it
            assert_true(layer == 0 || before.residual[0][i] == after.residual[0][i]);
        }
        assert_memory_not_equal(plain, moved, sizeof plain);
    }
}

static rg_engine *engine_with(const rg_tensor *steers) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                       .n_threads = 1,
                                       .n_ctx = N,
                                       .kv_dtype = RG_DTYPE_F16,
                                       .extras.steers = steers};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    return engine;
}

static void a_steered_session_is_not_another_models(void **state) {
    (void)state;
    rg_error err = {0};
    char path[64];
    float values[EMBD];
    rg_tensor steers[N_LAYER] = {0};
    rg_session *s[3] = {0};
    for (size_t i = 0; i < EMBD; i++) {
        values[i] = (float)i;
    }
    snprintf(path, sizeof path, "/tmp/raga-test-taps-%d", (int)getpid());
    steers[1] = vector_of(values);
    rg_engine *engines[] = {engine_with(steers), engine_with(NULL), engine_with(steers)};
    for (size_t i = 0; i < 3; i++) {
        MUST(rg_session_new(engines[i], &s[i], &err));
    }
    MUST(rg_session_eval(s[0], ids, 20, NULL, NULL, &err));
    MUST(rg_session_save(s[0], path, &err));
    assert_int_not_equal(rg_session_restore(s[1], path, &err), RG_OK);
    MUST(rg_session_restore(s[2], path, &err));
    for (size_t i = 0; i < 3; i++) {
        rg_session_free(s[i]);
        rg_engine_free(engines[i]);
    }
    unlink(path);
}

static rg_status refuse(void *arg, uint32_t layer, const float *const values[RG_TAPS], size_t pos,
                        size_t n_tok, rg_error *err) {
    (void)arg;
    (void)values;
    (void)pos;
    (void)n_tok;
    return layer == 0 ? RG_OK : rg_fail(err, RG_E_CANCELLED, "enough seen");
}

static void who_looks_can_stop_and_survives_failed_allocations(void **state) {
    (void)state;
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_engine *engine = NULL;
        rg_session *session = NULL;
        torture_init(&t, n);
        const rg_engine_options options = {
            .cpu = rg_cpu_detect(), .n_threads = 1, .n_ctx = N, .taps = refuse};
        rg_status status = rg_engine_new(&t.mem, model, source, &options, &engine, &err);
        status = status != RG_OK ? status : rg_session_new(engine, &session, &err);
        status = status != RG_OK ? status : rg_session_eval(session, ids, 20, NULL, NULL, &err);
        assert_int_equal(session == NULL ? 0 : rg_session_count(session), 0);
        rg_session_free(session);
        rg_engine_free(engine);
        assert_int_equal(t.n_live, 0);
        if (status == RG_E_CANCELLED) {
            assert_true(n > 10);
            assert_string_equal(err.text, "enough seen");
            return;
        }
        assert_int_equal(status, RG_E_MEMORY);
    }
}

int main(void) {
    rg_error err = {0};
    if (rg_source_open(rg_mem_heap(), "tests/data/tiny", &source, &err) != RG_OK ||
        rg_model_load(rg_mem_heap(), source, &model, &err) != RG_OK) {
        printf("%s\n", err.text);
        return 1;
    }
    srand(11);
    for (int i = 0; i < N; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking_changes_no_bit),
        cmocka_unit_test(contributions_add_up_to_the_residual),
        cmocka_unit_test(a_vector_moves_the_residual_by_what_it_holds),
        cmocka_unit_test(a_steered_session_is_not_another_models),
        cmocka_unit_test(who_looks_can_stop_and_survives_failed_allocations),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_model_free(model);
    rg_source_close(source);
    return n_failed;
}
