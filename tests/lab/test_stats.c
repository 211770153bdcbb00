/* Statistics against values worked out elsewhere; answers against what is right and what is not. */
#include "lab/judge.h"
#include "lab/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

static bool is_near(double a, double b, double most) {
    return fabs(a - b) <= most;
}

// the ends are where |k / n - p| = z sqrt(p (1 - p) / n): found by bisection of that
static void intervals_are_wilsons(void **state) {
    (void)state;
    static const struct {
        uint64_t k, n;
        double low, high;
    } known[] = {{5, 10, 0.2365931, 0.7634069},   {0, 10, 0, 0.2775328},
                 {10, 10, 0.7224672, 1},          {1, 1, 0.2065493, 1},
                 {95, 100, 0.8882495, 0.9784563}, {123, 1000, 0.1040741, 0.1448112}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const rg_share s = rg_wilson(known[i].k, known[i].n);
        assert_true(is_near(s.value, (double)known[i].k / (double)known[i].n, 1e-15));
        assert_true(is_near(s.low, known[i].low, 1e-6));
        assert_true(is_near(s.high, known[i].high, 1e-6));
    }
    const rg_share none = rg_wilson(0, 0);
    assert_true(isnan(none.value) && none.low == 0 && none.high == 1);
}

static void means_have_their_errors(void **state) {
    (void)state;
    rg_mean m = {0};
    static const double values[] = {1e9 + 2, 1e9 + 4, 1e9 + 4, 1e9 + 4,
                                    1e9 + 5, 1e9 + 5, 1e9 + 7, 1e9 + 9};
    rg_mean_add(&m, values[0]);
    assert_true(isnan(rg_mean_error(&m)));
    for (size_t i = 1; i < 8; i++) {
        rg_mean_add(&m, values[i]);
    }
    assert_true(is_near(m.mean, 1e9 + 5, 1e-6));
    assert_true(is_near(rg_mean_error(&m), sqrt(32.0 / 7 / 8), 1e-6));
}

static void quantiles_lie_between(void **state) {
    (void)state;
    float values[] = {4, 1, 3, 2, 5};
    assert_true(rg_quantile(values, 5, 0.5) == 3);
    assert_true(rg_quantile(values, 5, 0) == 1);
    assert_true(rg_quantile(values, 5, 1) == 5);
    assert_true(is_near(rg_quantile(values, 5, 0.99), 4.96, 1e-9));
    assert_true(isnan(rg_quantile(values, 0, 0.5)));
}

// ---- answers ----

static bool same(const char *a, const char *b) {
    rg_arena arena;
    rg_error err = {0};
    const rg_json *x = NULL;
    const rg_json *y = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    if (rg_json_parse(&arena, rg_str_of(a), &x, &err) != RG_OK ||
        rg_json_parse(&arena, rg_str_of(b), &y, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    const bool is_same = rg_judge_json(x, y);
    assert_int_equal(rg_judge_json(y, x), is_same);
    rg_arena_clear(&arena);
    return is_same;
}

static void json_says_the_same_or_not(void **state) {
    (void)state;
    assert_true(same("{\"a\":1,\"b\":[true,null]}", " { \"b\" : [ true , null ], \"a\" : 1.0 } "));
    assert_true(same("1", "1.0000009"));
    assert_false(same("1", "1.000002"));
    assert_true(same("1e30", "1000000000000000000000000000000"));
    assert_true(same("0", "-0"));
    assert_false(same("0", "1e-12"));
    assert_true(same("123456789012345678901234567890", "123456789012345678901234567890"));
    assert_true(same("1e999", "1e999"));
    assert_false(same("1e999", "1e998"));
    assert_true(same("\"\\u0061\"", "\"a\""));
    assert_false(same("\"A\"", "\"a\""));
    assert_false(same("1", "\"1\""));
    assert_false(same("1", "true"));
    assert_false(same("null", "false"));
    assert_false(same("true", "false"));
    assert_false(same("[1,2]", "[2,1]"));
    assert_false(same("[1,2]", "[1,2,3]"));
    assert_false(same("{\"a\":1}", "{\"b\":1}"));
    assert_false(same("{\"a\":1}", "{\"a\":1,\"b\":1}"));
    assert_false(same("{\"a\":null}", "{\"b\":null}"));
    assert_false(same("{}", "[]"));
    assert_true(same("{\"\":{}}", "{\"\":{}}"));
    assert_false(same("[[[[1]]]]", "[[[[2]]]]"));
}

static void json_may_be_as_deep_as_it_is_read(void **state) {
    (void)state;
    char deep[2 * RG_JSON_DEPTH_MAX + 2];
    for (size_t i = 0; i < RG_JSON_DEPTH_MAX; i++) {
        deep[i] = '[';
        deep[RG_JSON_DEPTH_MAX + i] = ']';
    }
    deep[2 * (size_t)RG_JSON_DEPTH_MAX] = '\0';
    assert_true(same(deep, deep));
}

static bool right_calls(const char *calls, const char *expected) {
    rg_arena arena;
    const rg_json *x = NULL;
    const rg_json *y = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    assert_int_equal(rg_json_parse(&arena, rg_str_of(calls), &x, NULL), RG_OK);
    assert_int_equal(rg_json_parse(&arena, rg_str_of(expected), &y, NULL), RG_OK);
    const bool is_right = rg_judge_calls(x, y);
    rg_arena_clear(&arena);
    return is_right;
}

static void calls_are_the_right_ones_or_not(void **state) {
    (void)state;
    const char *walk = "[{\"name\":\"walk\",\"arguments\":{\"distance\":2}}]";
    assert_true(right_calls(walk, "[{\"arguments\":{\"distance\":2.0},\"name\":\"walk\"}]"));
    assert_true(right_calls("[]", "[]"));
    assert_true(right_calls("[{\"name\":\"sit\",\"arguments\":{}}]", "[{\"name\":\"sit\"}]"));
    assert_false(right_calls(walk, "[]"));
    assert_false(right_calls("[]", walk));
    assert_false(right_calls(walk, "[{\"name\":\"walk\",\"arguments\":{\"distance\":3}}]"));
    assert_false(right_calls(walk, "[{\"name\":\"walk\"}]"));
    assert_false(right_calls(walk, "[{\"name\":\"turn\",\"arguments\":{\"distance\":2}}]"));
    assert_false(
        right_calls("[{\"name\":\"a\"},{\"name\":\"b\"}]", "[{\"name\":\"b\"},{\"name\":\"a\"}]"));
    assert_false(right_calls("{}", "{}"));
    assert_false(right_calls("[{\"name\":1}]", "[{\"name\":1}]"));
    assert_false(right_calls("[3]", "[3]"));
    assert_false(rg_judge_calls(NULL, NULL));
}

static bool same_text(const char *a, const char *b) {
    bool is_same = false;
    assert_int_equal(rg_judge_text(rg_mem_heap(), rg_str_of(a), rg_str_of(b), &is_same, NULL),
                     RG_OK);
    return is_same;
}

static void texts_are_the_same_but_for_case_and_ends(void **state) {
    (void)state;
    assert_true(same_text(" Paris\n", "paris"));
    assert_true(same_text("ÉCOLE", "école"));
    assert_true(same_text("ΣΟΦΙΑ", "σοφια"));
    assert_true(same_text("巴黎", "\t巴黎 "));
    assert_true(same_text("", " \n"));
    assert_false(same_text("Paris.", "Paris"));
    assert_false(same_text("a b", "a  b"));
    assert_true(same_text("\xFF x", "\xFF X"));
    assert_false(same_text("\xFF", "\xFE"));
}

static void code_blocks_are_unwrapped(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"```json\n{\"a\":1}\n```", "{\"a\":1}"},
                                           {" ```\n[1]\n``` \n", "[1]"},
                                           {" {\"a\":1} ", "{\"a\":1}"},
                                           {"```", "```"},
                                           {"``````", "``````"},
                                           {"```json {} ```", "```json {} ```"},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(rg_str_is(rg_judge_unwrap(rg_str_of(pairs[i][0])), pairs[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_wilsons),
        cmocka_unit_test(means_have_their_errors),
        cmocka_unit_test(quantiles_lie_between),
        cmocka_unit_test(json_says_the_same_or_not),
        cmocka_unit_test(json_may_be_as_deep_as_it_is_read),
        cmocka_unit_test(calls_are_the_right_ones_or_not),
        cmocka_unit_test(texts_are_the_same_but_for_case_and_ends),
        cmocka_unit_test(code_blocks_are_unwrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
