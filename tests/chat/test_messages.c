/* Messages as programs send them, in the form that templates read. */
#include "chat/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support/torture.h"

static const struct {
    const char *given, *tidy;
} rows[] = {
    // calls in each shape
    {"[{\"tool_calls\":[{\"name\":\"walk\",\"arguments\":{\"x\":1}}]}]",
     "[{\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"walk\",\"arguments\":{"
     "\"x\":1}}}]}]"},
    {"[{\"tool_calls\":[{\"id\":\"c\",\"name\":\"walk\",\"arguments\":\"{\\\"x\\\":1}\"}]}]",
     "[{\"tool_calls\":[{\"type\":\"function\",\"function\":{\"id\":\"c\",\"name\":\"walk\","
     "\"arguments\":{\"x\":1}},"
     "\"id\":\"c\"}]}]"},
    {"[{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"walk\",\"arguments\":\"{}\"}}]}]",
     "[{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"walk\",\"arguments\":{}}}]}]"},
    // a text that holds no object stays
    {"[{\"tool_calls\":[{\"function\":{\"arguments\":\"7\"}},{\"function\":{\"arguments\":\"{\"}},{"
     "\"function\":3},9,{}]}]",
     NULL},
    // contents
    {"[{\"role\":\"tool\",\"content\":{\"ok\":true,\"x\":[1,2]}}]",
     "[{\"role\":\"tool\",\"content\":\"{\\\"ok\\\": true, \\\"x\\\": [1, 2]}\"}]"},
    {"[{\"role\":\"tool\",\"content\":7}]", "[{\"role\":\"tool\",\"content\":\"7\"}]"},
    {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a \"},{\"text\":\"b\"}]}]",
     "[{\"role\":\"user\",\"content\":\"a b\"}]"},
    // what is none of these is the template's to judge
    {"[{\"role\":\"user\",\"content\":{\"a\":1}},{\"role\":\"tool\",\"content\":null}]", NULL},
    {"[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"image\":1}]},{\"content\":[]},7,null,[]"
     "]",
     NULL},
    {"{\"content\":1}", NULL},
    {"[]", NULL},
};

static rg_status tidy(const rg_mem *mem, const char *given, rg_buf *out) {
    rg_arena arena;
    rg_error err = {0};
    const rg_json *json = NULL;
    rg_status status = RG_OK;
    rg_arena_init(&arena, mem, 1 << 20);
    RG_TRY(rg_json_parse(&arena, rg_str_of(given), &json, &err));
    RG_TRY(rg_messages_tidy(&arena, json, &json, &err));
    rg_json_write(out, json);

done:
    rg_arena_clear(&arena);
    return status;
}

static void each_row_comes_out_tidy(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_buf out;
        rg_buf_init(&out, rg_mem_heap(), 0);
        assert_int_equal(tidy(rg_mem_heap(), rows[i].given, &out), RG_OK);
        assert_string_equal(rg_buf_cstr(&out), rows[i].tidy == NULL ? rows[i].given : rows[i].tidy);
        rg_buf_clear(&out);
    }
}

static void deep_arguments_stay_a_text(void **state) {
    (void)state;
    char given[1024] = "[{\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"a\\\":";
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    for (int i = 0; i < 100; i++) {
        strncat(given, "[", sizeof given - strlen(given) - 1);
    }
    for (int i = 0; i < 100; i++) {
        strncat(given, "]", sizeof given - strlen(given) - 1);
    }
    strncat(given, "}\"}}]}]", sizeof given - strlen(given) - 1);
    assert_int_equal(tidy(rg_mem_heap(), given, &out), RG_OK);
    assert_string_equal(rg_buf_cstr(&out), given);
    rg_buf_clear(&out);
}

static void many_brackets_are_not_deep(void **state) {
    (void)state;
    char given[4096] = "[{\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"a\\\":[\\\"[[{\\\"";
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    for (int i = 0; i < 200; i++) {
        strncat(given, ",[]", sizeof given - strlen(given) - 1);
    }
    strncat(given, "]}\"}}]}]", sizeof given - strlen(given) - 1);
    assert_int_equal(tidy(rg_mem_heap(), given, &out), RG_OK);
    assert_non_null(strstr(rg_buf_cstr(&out), "\"arguments\":{\"a\":[\"[[{\",[],"));
    rg_buf_clear(&out);
}

static void memory_may_end_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is_done = false;
        for (size_t fail_at = 1; !is_done; fail_at++) {
            torture t;
            rg_buf out;
            torture_init(&t, fail_at);
            rg_buf_init(&out, rg_mem_heap(), 0);
            const rg_status status = tidy(&t.mem, rows[i].given, &out);
            is_done = t.n_made < fail_at;
            assert_int_equal(status, is_done ? RG_OK : RG_E_MEMORY);
            assert_int_equal(t.n_live, 0);
            rg_buf_clear(&out);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_comes_out_tidy),
        cmocka_unit_test(deep_arguments_stay_a_text),
        cmocka_unit_test(many_brackets_are_not_deep),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
