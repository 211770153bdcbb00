/* Pictures through the public interface: what a session keeps of a conversation, and what it has
 * after a call that failed. */
#include "raga/picture.h"
#include "support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { PAD = 319, PATCHES = 16, PATCH_VALUES = 384, TOKENS = PATCHES / 4, N = 4 + TOKENS };

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RAGA_OK) {                                                                   \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static raga_model *model;
static raga_picture *pictures[2];
static raga_error err;
// two words, a place for a picture, two words; and the same with its tokens
static const int32_t ids[] = {5, 6, PAD, 7, 8};
static const int32_t whole[N] = {5, 6, PAD, PAD, PAD, PAD, 7, 8};

static int open_all(void **state) {
    char path[1024];
    static float patches[PATCHES * PATCH_VALUES];
    (void)state;
    snprintf(path, sizeof path, "%s/golden/qwen3-vl", shared_folder());
    const raga_model_options options = {
        .size = sizeof options, .path = path, .n_threads = 1, .n_ctx = 64, .n_slots = 2};
    MUST(raga_model_open(&options, &model, &err));
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < PATCHES * PATCH_VALUES; i++) {
            patches[i] = (float)(i * 7 % 19) / 19 - (float)k;
        }
        MUST(raga_picture_of_patches(model, patches, PATCHES * PATCH_VALUES,
                                     (const uint32_t[]){1, 4, 4}, &pictures[k], &err));
        assert_int_equal(raga_picture_tokens(pictures[k]), TOKENS);
    }
    return 0;
}

static int close_all(void **state) {
    (void)state;
    raga_picture_free(pictures[0]);
    raga_picture_free(pictures[1]);
    raga_model_close(model);
    return 0;
}

static raga_session *new_session(void) {
    raga_session *s = NULL;
    MUST(raga_session_new(model, &s, &err));
    return s;
}

// evaluate what a call gives back; how much that was
static size_t go_on(raga_session *s, raga_picture *const *list, size_t n_list,
                    const int32_t *prompt, size_t n) {
    int32_t *rest = NULL;
    size_t n_rest = 0;
    MUST(raga_session_continue(s, list, n_list, prompt, n, &rest, &n_rest, &err));
    MUST(raga_session_eval(s, rest, n_rest, NULL, NULL, &err));
    raga_free(rest);
    return n_rest;
}

// the session's logits are those of a new one that was given the same
static void check(const raga_session *s, raga_picture *const *list, size_t n_list,
                  const int32_t *prompt, size_t n) {
    raga_session *fresh = new_session();
    (void)go_on(fresh, list, n_list, prompt, n);
    assert_memory_equal(raga_session_logits(s), raga_session_logits(fresh), 320 * sizeof(float));
    raga_session_free(fresh);
}

static void what_is_the_same_stays_and_pictures_are_part_of_it(void **state) {
    (void)state;
    raga_session *s = new_session();
    assert_int_equal(go_on(s, pictures, 1, ids, 5), N);
    assert_int_equal(go_on(s, pictures, 1, ids, 5), 1); // never nothing
    check(s, pictures, 1, ids, 5);
    assert_int_equal(go_on(s, pictures, 1, whole, N), 1);
    assert_int_equal(go_on(s, pictures + 1, 1, ids, 5), N - 2); // another picture
    check(s, pictures + 1, 1, ids, 5);
    assert_int_equal(go_on(s, NULL, 0, whole, N), N - 2); // the same ids, which stand for nothing
    check(s, NULL, 0, whole, N);
    assert_int_equal(go_on(s, pictures, 1, ids, 5), N - 2);
    check(s, pictures, 1, ids, 5);
    raga_session_truncate(s, 4); // within the picture
    assert_int_equal(go_on(s, pictures, 1, ids, 5), N - 2);
    check(s, pictures, 1, ids, 5);
    raga_session_free(s);
}

static void a_refused_call_changes_nothing(void **state) {
    (void)state;
    int32_t *rest = NULL, *none = NULL;
    size_t n = 0, n_none = 0;
    raga_session *s = new_session();
    MUST(raga_session_continue(s, pictures, 1, ids, 5, &rest, &n, &err));
    assert_int_equal(raga_session_continue(s, pictures, 2, ids, 5, &none, &n_none, &err),
                     RAGA_E_ARG);
    assert_int_equal(raga_session_continue(s, pictures, 1, ids, 2, &none, &n_none, &err),
                     RAGA_E_ARG);
    assert_int_equal(
        raga_session_continue(s, (raga_picture *[]){NULL}, 1, ids, 5, &none, &n_none, &err),
        RAGA_E_ARG);
    assert_null(none);
    MUST(raga_session_eval(s, rest, n, NULL, NULL, &err)); // the picture is still shown
    check(s, pictures, 1, ids, 5);
    raga_free(rest);
    raga_session_free(s);
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_stays_and_pictures_are_part_of_it),
        cmocka_unit_test(a_refused_call_changes_nothing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
