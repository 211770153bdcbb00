/* The built-in model, with tests/data/tiny in its place: read where it lies, by its name
 * everywhere. */
#include "api/api_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

enum { TOKENS = 24 };

static raga_model *open_model(const char *path) {
    raga_model *model = NULL;
    raga_error err = {0};
    const raga_model_options options = {
        .size = sizeof options, .path = path, .n_threads = 1, .n_ctx = 128};
    assert_int_equal(raga_model_open(&options, &model, &err), RAGA_OK);
    return model;
}

static bool keep(void *arg, const raga_step *step) {
    int32_t **next = arg;
    if (step->id >= 0) {
        *(*next)++ = step->id;
    }
    return true;
}

static void generate(const char *path, int32_t out[TOKENS]) {
    raga_model *model = open_model(path);
    raga_session *session = NULL;
    raga_error err = {0};
    const int32_t prompt[] = {1, 2, 3};
    int32_t *next = out;
    const raga_generate_options options = {
        .size = sizeof options, .max_tokens = TOKENS, .is_greedy = true, .ignore_end = true};
    assert_int_equal(raga_session_new(model, &session, &err), RAGA_OK);
    assert_int_equal(raga_generate(session, prompt, 3, &options, keep, &next, NULL, &err), RAGA_OK);
    assert_int_equal(next - out, TOKENS);
    raga_session_free(session);
    raga_model_close(model);
}

static void it_is_the_model_of_the_file(void **state) {
    (void)state;
    int32_t built_in[TOKENS];
    int32_t of_file[TOKENS];
    assert_true(raga_has_builtin());
    generate(RAGA_BUILTIN, built_in);
    generate(TINY_GGUF, of_file);
    assert_memory_equal(built_in, of_file, sizeof of_file);
}

static void it_is_read_where_it_lies(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bytes file = {0};
    rg_source *source = NULL;
    assert_int_equal(api_builtin_bytes(&file, &err), RG_OK);
    assert_memory_equal(file.data, "GGUF", 4);
    assert_int_equal((uintptr_t)file.data % 64, 0);
    assert_int_equal(api_source_open(RAGA_BUILTIN, &source, &err), RG_OK);
    assert_true(rg_source_count(source) > 0);
    for (size_t i = 0; i < rg_source_count(source); i++) {
        const rg_tensor *t = rg_source_at(source, i);
        const uint8_t *data = t->data;
        assert_true(data >= file.data && data + t->bytes <= file.data + file.size);
    }
    assert_true(rg_source_is_intact(source));
    rg_source_close(source);
}

static void its_name_serves_wherever_a_model_is_named(void **state) {
    (void)state;
    raga_error err = {0};
    raga_tokenizer *tok = NULL;
    raga_container *container = NULL;
    int32_t *ids = NULL;
    int32_t *same = NULL;
    size_t n = 0;
    size_t n_same = 0;
    raga_model *model = open_model(RAGA_BUILTIN);
    raga_model_facts facts = {.size = sizeof facts};
    raga_model_get_facts(model, &facts);
    assert_string_equal(facts.name, "tiny");
    assert_string_equal(facts.container, "gguf");
    assert_int_equal(raga_tokenizer_open(RAGA_BUILTIN, &tok, &err), RAGA_OK);
    assert_int_equal(raga_tokenize(tok, "Hello, raga", 11, 0, &ids, &n, &err), RAGA_OK);
    assert_int_equal(
        raga_tokenize(raga_model_tokenizer(model), "Hello, raga", 11, 0, &same, &n_same, &err),
        RAGA_OK);
    assert_int_equal(n, n_same);
    assert_memory_equal(ids, same, n * sizeof *ids);
    assert_int_equal(raga_container_open(RAGA_BUILTIN, &container, &err), RAGA_OK);
    assert_string_equal(raga_container_kind(container), "gguf");
    raga_container_close(container);
    raga_free(ids);
    raga_free(same);
    raga_tokenizer_close(tok);
    raga_model_close(model);
}

static void a_file_of_that_name_has_a_path(void **state) {
    (void)state;
    raga_error err = {0};
    raga_model *model = NULL;
    const raga_model_options options = {.size = sizeof options, .path = "./" RAGA_BUILTIN};
    assert_int_equal(raga_model_open(&options, &model, &err), RAGA_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "./builtin"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_model_of_the_file),
        cmocka_unit_test(it_is_read_where_it_lies),
        cmocka_unit_test(its_name_serves_wherever_a_model_is_named),
        cmocka_unit_test(a_file_of_that_name_has_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
