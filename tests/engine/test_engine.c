/* Sessions: cuts, forks, files, cancelling, limits, and the same numbers whatever runs beside them.
 */
#include "base/file.h"
#include "engine/engine.h"
#include "model/source.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N = 150, VOCAB = 281, CTX = 256 };

static rg_source *source;
static rg_model *model;
static int32_t ids[CTX];

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static rg_engine *engine_of(unsigned n_threads, bool is_exact, size_t n_slots) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                       .n_threads = n_threads,
                                       .n_ctx = CTX,
                                       .n_slots = n_slots,
                                       .is_exact = is_exact,
                                       .kv_dtype = RG_DTYPE_F16};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    return engine;
}

static rg_session *session_of(rg_engine *engine, size_t n) {
    rg_error err = {0};
    rg_session *s = NULL;
    MUST(rg_session_new(engine, &s, &err));
    if (n != 0) {
        MUST(rg_session_eval(s, ids, n, NULL, NULL, &err));
    }
    return s;
}

static void assert_same_logits(const rg_session *a, const rg_session *b) {
    assert_memory_equal(rg_session_logits(a), rg_session_logits(b), VOCAB * sizeof(float));
}

static void logits_do_not_depend_on_threads(void **state) {
    (void)state;
    rg_engine *one = engine_of(1, false, 1);
    rg_engine *two = engine_of(2, false, 1);
    rg_engine *five = engine_of(5, false, 1);
    rg_session *a = session_of(one, N);
    rg_session *b = session_of(two, N);
    rg_session *c = session_of(five, N);
    assert_same_logits(a, b);
    assert_same_logits(a, c);
    rg_session_free(a);
    rg_session_free(b);
    rg_session_free(c);
    rg_engine_free(one);
    rg_engine_free(two);
    rg_engine_free(five);
}

static void a_batch_gives_each_session_its_own_numbers(void **state) {
    (void)state;
    rg_error err = {0};
    rg_engine *engine = engine_of(2, true, 3);
    rg_session *alone[3];
    rg_session *together[3];
    const size_t n[] = {7, 64, 100};
    rg_batch_item items[3];
    for (size_t i = 0; i < 3; i++) {
        together[i] = session_of(engine, 0);
        items[i] = (rg_batch_item){together[i], ids + i, n[i]};
    }
    MUST(rg_engine_step(engine, items, 3, &err));
    for (size_t i = 0; i < 3; i++) {
        // one more token each, at different depths
        items[i] = (rg_batch_item){together[i], ids + i + n[i], 1};
    }
    MUST(rg_engine_step(engine, items, 3, &err));
    rg_engine *other = engine_of(2, true, 3);
    for (size_t i = 0; i < 3; i++) {
        alone[i] = session_of(other, 0);
        MUST(rg_session_eval(alone[i], ids + i, n[i], NULL, NULL, &err));
        MUST(rg_session_eval(alone[i], ids + i + n[i], 1, NULL, NULL, &err));
        for (size_t k = 0; k < VOCAB; k++) {
            const float a = rg_session_logits(alone[i])[k];
            const float b = rg_session_logits(together[i])[k];
            assert_true(a - b < 1e-4f && b - a < 1e-4f);
        }
        rg_session_free(alone[i]);
        rg_session_free(together[i]);
    }
    rg_engine_free(engine);
    rg_engine_free(other);
}

static void a_fork_shares_the_past_and_no_future(void **state) {
    (void)state;
    rg_error err = {0};
    rg_engine *engine = engine_of(2, false, 3);
    rg_session *a = session_of(engine, 100);
    rg_session *b = NULL;
    MUST(rg_session_fork(a, &b, &err));
    assert_same_logits(a, b);
    // the two write into what was one page, differently
    MUST(rg_session_eval(a, ids + 100, 20, NULL, NULL, &err));
    MUST(rg_session_eval(b, ids + 10, 20, NULL, NULL, &err));
    MUST(rg_session_eval(a, ids + 120, 5, NULL, NULL, &err));
    rg_session *fresh = session_of(engine, 0);
    MUST(rg_session_eval(fresh, ids, 100, NULL, NULL, &err));
    MUST(rg_session_eval(fresh, ids + 100, 20, NULL, NULL, &err));
    MUST(rg_session_eval(fresh, ids + 120, 5, NULL, NULL, &err));
    assert_same_logits(a, fresh);
    rg_session_free(a); // what b shares outlives a
    MUST(rg_session_eval(b, ids + 30, 1, NULL, NULL, &err));
    rg_session_free(b);
    rg_session_free(fresh);
    rg_engine_free(engine);
}

static void truncating_goes_back_exactly(void **state) {
    (void)state;
    rg_error err = {0};
    rg_engine *engine = engine_of(2, false, 1);
    rg_session *s = session_of(engine, 130);
    float want[VOCAB];
    memcpy(want, rg_session_logits(s), sizeof want);
    MUST(rg_session_eval(s, ids + 130, 17, NULL, NULL, &err));
    rg_session_truncate(s, 129);
    assert_null(rg_session_logits(s));
    assert_int_equal(rg_session_count(s), 129);
    MUST(rg_session_eval(s, ids + 129, 1, NULL, NULL, &err));
    for (size_t i = 0; i < VOCAB; i++) {
        const float d = want[i] - rg_session_logits(s)[i];
        assert_true(d < 1e-2f &&
                    d > -1e-2f); // one token is a step of another shape: rounding, nothing else
    }
    rg_session_free(s);
    rg_engine_free(engine);
}

static void a_saved_session_goes_on_as_if_never_left(void **state) {
    (void)state;
    rg_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "/tmp/raga-test-session-%d", (int)getpid());
    rg_engine *engine = engine_of(2, false, 2);
    rg_session *a = session_of(engine, N);
    MUST(rg_session_save(a, path, &err));
    rg_session *b = session_of(engine, 0);
    MUST(rg_session_restore(b, path, &err));
    assert_int_equal(rg_session_count(b), N);
    MUST(rg_session_eval(a, ids + 3, 4, NULL, NULL, &err));
    MUST(rg_session_eval(b, ids + 3, 4, NULL, NULL, &err));
    assert_same_logits(a, b);
    assert_int_equal(rg_session_restore(b, path, &err), RG_E_STATE);
    rg_session_free(b);

    // every cut and many flipped bytes are refused, and leave an empty session
    rg_bytes file = {0};
    MUST(rg_file_read(rg_mem_heap(), path, 1 << 26, &file, &err));
    uint8_t *copy = rg_alloc(rg_mem_heap(), file.size);
    for (size_t at = 0; at < file.size; at += 997) {
        memcpy(copy, file.data, file.size);
        copy[at] ^= 0x10;
        MUST(rg_file_write(path, copy, file.size, &err));
        b = session_of(engine, 0);
        assert_int_not_equal(rg_session_restore(b, path, &err), RG_OK);
        assert_int_equal(rg_session_count(b), 0);
        rg_session_free(b);
        MUST(rg_file_write(path, file.data, at, &err));
        b = session_of(engine, 0);
        assert_int_not_equal(rg_session_restore(b, path, &err), RG_OK);
        rg_session_free(b);
    }
    rg_free(rg_mem_heap(), copy);
    rg_free(rg_mem_heap(), (void *)file.data);
    unlink(path);
    rg_session_free(a);
    rg_engine_free(engine);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    rg_error err = {0};
    rg_engine *engine = engine_of(2, false, 1);
    rg_session *s = session_of(engine, 10);
    assert_int_equal(rg_session_eval(s, ids, CTX - 9, NULL, NULL, &err), RG_E_LIMIT);
    assert_non_null(strstr(err.text, "247"));
    assert_non_null(strstr(err.text, "256"));
    assert_int_equal(rg_session_count(s), 10);
    const int32_t bad[] = {-1, VOCAB, INT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rg_session_eval(s, &bad[i], 1, NULL, NULL, &err), RG_E_ARG);
        assert_int_equal(rg_session_count(s), 10);
    }
    MUST(rg_session_eval(s, ids, CTX - 10, NULL, NULL, &err)); // exactly full
    assert_int_equal(rg_session_eval(s, ids, 1, NULL, NULL, &err), RG_E_LIMIT);
    // one slot's pages are all in use: a second session gets none
    rg_session *t = session_of(engine, 0);
    assert_int_equal(rg_session_eval(t, ids, 1, NULL, NULL, &err), RG_E_LIMIT);
    rg_session_free(s);
    MUST(rg_session_eval(t, ids, 1, NULL, NULL, &err));
    rg_session_free(t);
    rg_engine_free(engine);
}

static void *cancel_soon(void *arg) {
    usleep(2000);
    for (int i = 0; i < 200; i++) {
        rg_session_cancel(arg);
        usleep(500);
    }
    return NULL;
}

static void another_thread_can_cancel(void **state) {
    (void)state;
    rg_error err = {0};
    rg_engine *engine = engine_of(2, false, 1);
    rg_session *s = session_of(engine, 0);
    pthread_t thread;
    rg_status status = RG_OK;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, s), 0);
    for (int i = 0; i < 100000 && status == RG_OK; i++) {
        rg_session_truncate(s, 0);
        status = rg_session_eval(s, ids, N, NULL, NULL, &err);
    }
    pthread_join(thread, NULL);
    assert_int_equal(status, RG_E_CANCELLED);
    rg_session_truncate(s, 0);
    MUST(rg_session_eval(s, ids, N, NULL, NULL, &err)); // and goes on as before
    rg_session_free(s);
    rg_engine_free(engine);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_source *src = NULL;
        rg_model *m = NULL;
        rg_engine *engine = NULL;
        rg_session *s = NULL;
        torture_init(&t, n);
        const rg_engine_options options = {
            .cpu = rg_cpu_detect(), .n_threads = 1, .n_ctx = 64, .chunk_tokens = 16};
        rg_status status = rg_source_open(&t.mem, "tests/data/tiny", &src, &err);
        status = status != RG_OK ? status : rg_model_load(&t.mem, src, &m, &err);
        status = status != RG_OK ? status : rg_engine_new(&t.mem, m, src, &options, &engine, &err);
        status = status != RG_OK ? status : rg_session_new(engine, &s, &err);
        status = status != RG_OK ? status : rg_session_eval(s, ids, 20, NULL, NULL, &err);
        rg_session_free(s);
        rg_engine_free(engine);
        rg_model_free(m);
        rg_source_close(src);
        assert_int_equal(t.n_live, 0);
        if (status == RG_OK) {
            assert_true(n > 30);
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
    srand(5);
    for (int i = 0; i < CTX; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_do_not_depend_on_threads),
        cmocka_unit_test(a_batch_gives_each_session_its_own_numbers),
        cmocka_unit_test(a_fork_shares_the_past_and_no_future),
        cmocka_unit_test(truncating_goes_back_exactly),
        cmocka_unit_test(a_saved_session_goes_on_as_if_never_left),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(another_thread_can_cancel),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_model_free(model);
    rg_source_close(source);
    return n_failed;
}
