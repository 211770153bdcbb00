/* Sessions of models with recurrent layers, whose state knows no way back, and with an index:
 * cutting, forking, saving and stopping give what a session that never did any of it gives. */
#include "base/file.h"
#include "engine/engine.h"
#include "model/source.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/shared.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

enum { N = 200, VOCAB = 320, CTX = 320, CHUNK = 48 };

static const char *const folders[] = {"qwen3.5",       "qwen3-next",  "kimi-linear",
                                      "deepseek-v3.2", "deepseek-v4", "deepseek-v4-fp4"};
static int32_t ids[CTX];
static rg_source *source;
static rg_model *model;
static rg_engine *engine;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static void open_case(size_t i) {
    char path[1024];
    rg_error err = {0};
    const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                       .n_threads = 2,
                                       .n_ctx = CTX,
                                       .n_slots = 4,
                                       .chunk_tokens = CHUNK,
                                       .is_exact = true};
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folders[i]);
    MUST(rg_source_open(rg_mem_heap(), path, &source, &err));
    MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
}

static void close_case(void) {
    rg_engine_free(engine);
    rg_model_free(model);
    rg_source_close(source);
}

static rg_session *session_of(const int32_t *list, size_t n) {
    rg_error err = {0};
    rg_session *s = NULL;
    MUST(rg_session_new(engine, &s, &err));
    if (n != 0) {
        MUST(rg_session_eval(s, list, n, NULL, NULL, &err));
    }
    return s;
}

// the logits after the session's tokens are those of a new session that is given them at once
static void check(rg_session *s, const char *what) {
    rg_session *fresh = session_of(rg_session_ids(s), rg_session_count(s));
    assert_non_null(rg_session_logits(s));
    for (size_t k = 0; k < VOCAB; k++) {
        const float got = rg_session_logits(s)[k];
        const float want = rg_session_logits(fresh)[k];
        if (!(fabsf(got - want) <= 2e-4f * (1 + fabsf(want)))) {
            fail_msg("%s: logit %zu is %g, a new session has %g", what, k, (double)got,
                     (double)want);
        }
    }
    rg_session_free(fresh);
}

static void going_back_goes_on_from_there(void) {
    rg_error err = {0};
    static const size_t points[] = {N - 1, N - 30, 2 * CHUNK, 2 * CHUNK - 1, 1, 0};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        rg_session *s = session_of(ids, N);
        for (size_t k = 0; k < 5; k++) { // as an answer comes
            MUST(rg_session_eval(s, ids + N + k, 1, NULL, NULL, &err));
        }
        rg_session_truncate(s, points[i]);
        assert_int_equal(rg_session_count(s), points[i]);
        assert_null(rg_session_logits(s));
        MUST(rg_session_eval(s, ids + 7, 20, NULL, NULL, &err));
        assert_int_equal(rg_session_count(s), points[i] + 20);
        check(s, "cut, then a prompt");
        // twice, without a step between
        rg_session_truncate(s, points[i] + 10);
        rg_session_truncate(s, points[i] + 3);
        MUST(rg_session_eval(s, ids + 9, 1, NULL, NULL, &err));
        check(s, "cut twice, then a token");
        rg_session_free(s);
    }
}

static void a_fork_goes_its_own_way(void) {
    rg_error err = {0};
    rg_session *a = session_of(ids, N);
    rg_session *b = NULL;
    MUST(rg_session_fork(a, &b, &err));
    MUST(rg_session_eval(a, ids + 3, 9, NULL, NULL, &err));
    MUST(rg_session_eval(b, ids + 50, 4, NULL, NULL, &err));
    check(a, "forked from");
    check(b, "forked");
    rg_session_truncate(b, N);
    rg_session *c = NULL;
    MUST(rg_session_fork(b, &c, &err)); // while b has still to catch up
    rg_session_truncate(c, N - 5);
    MUST(rg_session_eval(c, ids + 11, 2, NULL, NULL, &err));
    check(c, "forked behind");
    rg_session_free(a);
    rg_session_free(b);
    rg_session_free(c);
}

static void a_file_holds_it_all(void) {
    rg_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "/tmp/raga-test-recurrent-%d", (int)getpid());
    rg_session *a = session_of(ids, N);
    rg_session_truncate(a, N - 3); // saving catches up first
    MUST(rg_session_save(a, path, &err));
    rg_session *b = session_of(ids, 0);
    MUST(rg_session_restore(b, path, &err));
    assert_int_equal(rg_session_count(b), N - 3);
    MUST(rg_session_eval(b, ids, 5, NULL, NULL, &err));
    check(b, "restored");
    rg_session_truncate(b, N - 10);
    MUST(rg_session_eval(b, ids, 5, NULL, NULL, &err));
    check(b, "restored and cut");
    rg_session_free(b);

    // a session is not empty that has tokens whose state is to be made again
    b = session_of(ids, 5);
    rg_session_truncate(b, 3);
    assert_int_equal(rg_session_restore(b, path, &err), RG_E_STATE);
    MUST(rg_session_eval(b, ids + 3, 1, NULL, NULL, &err));
    assert_int_equal(rg_session_count(b), 4);
    check(b, "not restored");
    rg_session_free(b);

    // a flipped byte anywhere, the recurrent state's among them, is refused
    rg_bytes file = {0};
    MUST(rg_file_read(rg_mem_heap(), path, 1 << 26, &file, &err));
    for (size_t back = 1; back < file.size; back += file.size / 37) {
        uint8_t *byte = (uint8_t *)file.data + file.size - back;
        *byte ^= 1;
        MUST(rg_file_write(path, file.data, file.size, &err));
        *byte ^= 1;
        b = session_of(ids, 0);
        assert_int_not_equal(rg_session_restore(b, path, &err), RG_OK);
        assert_int_equal(rg_session_count(b), 0);
        rg_session_free(b);
    }
    rg_free(rg_mem_heap(), (void *)file.data);
    unlink(path);
    rg_session_free(a);
}

static void a_batch_keeps_states_apart(void) {
    rg_error err = {0};
    static const size_t n[] = {1, 20, 27};
    rg_batch_item items[3];
    for (size_t i = 0; i < 3; i++) {
        items[i] = (rg_batch_item){session_of(ids, 10 * i), ids + 17 * i, n[i]};
    }
    rg_session_truncate(items[1].session, 4); // one has to catch up
    MUST(rg_engine_step(engine, items, 3, &err));
    for (size_t i = 0; i < 3; i++) {
        check(items[i].session, "of a batch");
        rg_session_free(items[i].session);
    }
}

static void *cancel_often(void *arg) {
    for (int i = 0; i < 300; i++) {
        usleep(300);
        rg_session_cancel(arg);
    }
    return NULL;
}

// a step that was stopped has not touched the state
static void stopping_leaves_what_was_there(void) {
    rg_error err = {0};
    rg_session *s = session_of(ids, 30);
    pthread_t thread;
    size_t n_cancelled = 0;
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, s), 0);
    for (int i = 0; i < 400; i++) {
        const rg_status status = rg_session_eval(s, ids + 30, 40, NULL, NULL, &err);
        n_cancelled += status == RG_E_CANCELLED;
        if (rg_session_count(s) > CTX - 100) {
            rg_session_truncate(s, 30);
        }
    }
    pthread_join(thread, NULL);
    assert_true(n_cancelled > 0);
    MUST(rg_session_eval(s, ids, 1, NULL, NULL, &err));
    check(s, "after being stopped");
    rg_session_free(s);
}

static void every_way_of_changing_a_session_is_exact(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        open_case(i);
        going_back_goes_on_from_there();
        a_fork_goes_its_own_way();
        a_file_holds_it_all();
        a_batch_keeps_states_apart();
        stopping_leaves_what_was_there();
        close_case();
    }
}

static void survive(const char *folder) {
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folder);
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_source *src = NULL;
        rg_model *m = NULL;
        rg_engine *e = NULL;
        rg_session *s = NULL, *fork = NULL;
        torture_init(&t, n);
        const rg_engine_options options = {
            .cpu = rg_cpu_detect(), .n_threads = 1, .n_ctx = 64, .chunk_tokens = 16};
        rg_status status = rg_source_open(&t.mem, path, &src, &err);
        status = status != RG_OK ? status : rg_model_load(&t.mem, src, &m, &err);
        status = status != RG_OK ? status : rg_engine_new(&t.mem, m, src, &options, &e, &err);
        status = status != RG_OK ? status : rg_session_new(e, &s, &err);
        status = status != RG_OK ? status : rg_session_eval(s, ids, 20, NULL, NULL, &err);
        status = status != RG_OK ? status : rg_session_fork(s, &fork, &err);
        rg_session_free(fork);
        rg_session_free(s);
        rg_engine_free(e);
        rg_model_free(m);
        rg_source_close(src);
        assert_int_equal(t.n_live, 0);
        if (status == RG_OK && n > 60) {
            return;
        }
        // a mark that cannot be kept is no failure
        assert_true(status == RG_OK || status == RG_E_MEMORY);
    }
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    survive("qwen3.5");
    survive("deepseek-v4-fp4");
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    srand(5);
    for (int i = 0; i < CTX; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_changing_a_session_is_exact),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
