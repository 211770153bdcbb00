/* Schemas as grammars: exactly the texts that are valid (in the one form that is written), whatever
 * a schema asks; what cannot be enforced is refused by name. */
#include "sample/matcher.h"
#include "sample/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample/schema_check.h"

#include <stdio.h>
#include <stdlib.h>

/** A schema compiled and ready to match. */
typedef struct ready {
    rg_arena arena;
    const rg_json *schema;
    rg_grammar *grammar;
    rg_matcher *matcher;
} ready;

static rg_status open_schema(ready *r, const char *text, const rg_vocab_trie *trie, rg_error *err) {
    *r = (ready){0};
    rg_arena_init(&r->arena, rg_mem_heap(), 0);
    rg_status status = rg_json_parse(&r->arena, rg_str_of(text), &r->schema, err);
    assert_int_equal(status, RG_OK);
    status = rg_schema_grammar(rg_mem_heap(), r->schema, &r->grammar, err);
    if (status == RG_OK) {
        status = rg_matcher_new(rg_mem_heap(), r->grammar, trie, &r->matcher, err);
    }
    return status;
}

static void close_schema(ready *r) {
    rg_matcher_free(r->matcher);
    rg_grammar_free(r->grammar);
    rg_arena_clear(&r->arena);
}

static void open_good(ready *r, const char *text, const rg_vocab_trie *trie) {
    rg_error err = {0};
    if (open_schema(r, text, trie, &err) != RG_OK) {
        fail_msg("%s: %s", text, err.text);
    }
}

static bool accepts(ready *r, rg_str text) {
    rg_error err = {0};
    rg_matcher_reset(r->matcher);
    return rg_matcher_advance(r->matcher, text, &err) == RG_OK && rg_matcher_can_end(r->matcher);
}

static bool is_valid(const ready *r, rg_str text) {
    rg_arena arena;
    rg_error err = {0};
    const rg_json *value = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    const bool is_good = rg_json_parse(&arena, text, &value, &err) == RG_OK &&
                         check_valid(r->schema, r->schema, value);
    rg_arena_clear(&arena);
    return is_good;
}

// all texts over an alphabet up to a length: valid and accepted are the same thing
static void check_all(const char *schema, const char *alphabet, size_t most,
                      bool (*is_our_form)(rg_str text)) {
    const size_t n = strlen(alphabet);
    size_t digits[16] = {0};
    char text[16];
    size_t n_accepted = 0;
    ready r;
    open_good(&r, schema, NULL);
    for (size_t size = 1; size <= most; size++) {
        memset(digits, 0, sizeof digits);
        for (bool has_more = true; has_more;) {
            for (size_t i = 0; i < size; i++) {
                text[i] = alphabet[digits[i]];
            }
            const rg_str view = {text, size};
            const bool is_accepted = accepts(&r, view);
            const bool is_wanted = is_valid(&r, view) && (is_our_form == NULL || is_our_form(view));
            if (is_accepted != is_wanted) {
                fail_msg("%s: \"%.*s\" is %s", schema, (int)size, text,
                         is_accepted ? "let through" : "refused");
            }
            n_accepted += is_accepted;
            has_more = false;
            for (size_t i = 0; i < size && !has_more; i++) {
                digits[i] = (digits[i] + 1) % n;
                has_more = digits[i] != 0;
            }
        }
    }
    assert_true(n_accepted > 0);
    close_schema(&r);
}

// zero is written without a sign
static bool is_number_text(rg_str text) {
    bool is_zero = true;
    for (size_t i = 0; i < text.size && text.data[i] != 'e'; i++) {
        is_zero = is_zero && (text.data[i] < '1' || text.data[i] > '9');
    }
    return text.data[0] != '-' || !is_zero;
}

static bool has_no_exponent(rg_str text) {
    return memchr(text.data, 'e', text.size) == NULL && is_number_text(text);
}

static bool is_integer_text(rg_str text) {
    return memchr(text.data, '.', text.size) == NULL && has_no_exponent(text);
}

static void numbers_are_exactly_those_within_bounds(void **state) {
    (void)state;
    static const char *const bounds[] = {
        "\"minimum\":-12,\"maximum\":105",
        "\"minimum\":7",
        "\"maximum\":-3",
        "\"exclusiveMinimum\":0",
        "\"exclusiveMaximum\":0",
        "\"minimum\":0",
        "\"maximum\":0",
        "\"exclusiveMinimum\":-2,\"exclusiveMaximum\":13",
        "\"minimum\":99,\"maximum\":100",
        "\"minimum\":0.05,\"maximum\":1.25",
        "\"exclusiveMinimum\":0.5,\"exclusiveMaximum\":1.5",
        "\"minimum\":-0.25,\"exclusiveMaximum\":12.5",
        "\"minimum\":1e1,\"maximum\":1.2E+1",
        "\"minimum\":5,\"exclusiveMinimum\":5,\"maximum\":90,\"exclusiveMaximum\":100",
        "\"minimum\":-1.5,\"maximum\":-0.5",
        "\"minimum\":3,\"maximum\":3",
        "\"exclusiveMinimum\":-0.1,\"maximum\":0.1",
        "\"maximum\":2000",
        "\"minimum\":-15e-1",
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        char schema[256];
        snprintf(schema, sizeof schema, "{\"type\":\"number\",%s}", bounds[i]);
        check_all(schema, "-.012359", 5, has_no_exponent);
        snprintf(schema, sizeof schema, "{\"type\":\"integer\",%s}", bounds[i]);
        check_all(schema, "-.012359", 5, is_integer_text);
    }
    check_all("{\"type\":\"number\"}", "-.0e+1", 4,
              is_number_text); // exponents have up to two digits
    check_all("{\"type\":\"integer\"}", "-.0e1", 5, is_integer_text);
}

static void lists_strings_and_literals_are_exactly_those_that_are_valid(void **state) {
    (void)state;
    check_all("{\"type\":\"array\",\"items\":{\"enum\":[1,11]},\"minItems\":1,\"maxItems\":2}",
              "[]1,", 7, NULL);
    check_all("{\"type\":\"array\",\"items\":{\"const\":1}}", "[]1,", 7, NULL);
    check_all("{\"type\":\"array\",\"items\":{\"const\":1},\"maxItems\":0}", "[]1,", 5, NULL);
    check_all("{\"type\":\"array\",\"items\":false}", "[]1,", 5, NULL);
    check_all("{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"const\":1}},"
              "\"minItems\":2}",
              "[]1,", 9, NULL);
    check_all("{\"type\":\"string\",\"minLength\":1,\"maxLength\":2}", "\"a\xC3\xA9\\n", 6, NULL);
    check_all("{\"type\":\"string\",\"minLength\":2}", "\"a\xC3\xA9", 6, NULL);
    check_all("{\"enum\":[\"a\",\"ab\",null,\"\",1.5]}", "\"abnul1.5", 4, NULL);
    check_all("{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",null,1]}", "\"anul1", 4, NULL);
    check_all("{\"anyOf\":[{\"const\":11},{\"type\":\"array\",\"items\":{\"const\":1}}]}", "[]1,",
              6, NULL);
    check_all("true", "[]1\"{}:,", 5, NULL);
}

static bool has_a_first(rg_str text) {
    const char *a = memmem(text.data, text.size, "\"a\"", 3);
    const char *b = memmem(text.data, text.size, "\"b\"", 3);
    return a == NULL || b == NULL || a < b;
}

static void objects_are_exactly_those_that_are_valid(void **state) {
    (void)state;
    const char *properties = "\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}}";
    char schema[256];
    snprintf(schema, sizeof schema, "{\"type\":\"object\",%s,\"additionalProperties\":false}",
             properties);
    check_all(schema, "{}\"a1:", 7, has_a_first);
    snprintf(schema, sizeof schema,
             "{\"type\":\"object\",%s,\"required\":[\"b\"],\"additionalProperties\":false}",
             properties);
    check_all(schema, "{}\"b2:", 7, has_a_first);
    ready r;
    open_good(&r, schema, NULL);
    assert_true(accepts(&r, RG_STR("{\"a\":1,\"b\":2}")));
    assert_true(accepts(&r, RG_STR("{\"a\": 1, \"b\": 2}")));
    assert_true(accepts(&r, RG_STR("{\n  \"a\": 1,\n  \"b\": 2\n}")));
    assert_false(accepts(&r, RG_STR("{\"a\":1}")));
    assert_false(accepts(&r, RG_STR("{\"b\":2,\"a\":1}")));
    assert_false(accepts(&r, RG_STR("{\"b\":2,\"b\":2}")));
    assert_false(accepts(&r, RG_STR("{ \"b\":2,  \"c\":2}")));
    close_schema(&r);
    // other members: any name but those of the schema, however it begins
    check_all("{\"type\":\"object\",\"additionalProperties\":{\"const\":1}}", "{}\"a1:", 7, NULL);
    open_good(&r,
              "{\"type\":\"object\",\"properties\":{\"ab\":{\"const\":1},\"abc\":{\"const\":2},"
              "\"\xC3\xA9\":{\"const\":3}},\"additionalProperties\":{\"const\":9}}",
              NULL);
    assert_true(accepts(&r, RG_STR("{\"ab\":1,\"a\":9,\"abd\":9,\"\":9,\"abcd\":9,\"x\\\"\":9}")) ==
                false); // no escapes in such names
    assert_true(accepts(&r, RG_STR("{\"ab\":1,\"a\":9,\"abd\":9,\"\":9,\"abcd\":9,\"b\":9}")));
    assert_true(accepts(&r, RG_STR("{\"x\xC3\xA9\":9}")));
    assert_true(accepts(&r, RG_STR("{\"a\xC3\xA9\":9}")));
    assert_false(accepts(&r, RG_STR("{\"ab\":9}")));
    assert_false(accepts(&r, RG_STR("{\"abc\":9}")));
    assert_false(accepts(&r, RG_STR("{\"\xC3\xA9\":9}")));
    close_schema(&r);
    open_good(&r, "{\"required\":[\"q\"]}", NULL);
    assert_true(accepts(&r, RG_STR("{\"q\":[1,{\"z\":null}],\"r\":true}")));
    assert_false(accepts(&r, RG_STR("{\"r\":true}")));
    close_schema(&r);
}

static void patterns_match_what_they_say(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *good[4];
        const char *bad[4];
    } cases[] = {
        {"^a+b?$", {"\"a\"", "\"aab\""}, {"\"\"", "\"b\"", "\"abb\"", "\"xa\""}},
        {"b",
         {"\"b\"", "\"abc\"",
          "\"\xC3\xA9"
          "b\""},
         {"\"\"", "\"ac\""}},
        {"^(ab|c){2,3}$",
         {"\"abab\"", "\"ccc\"", "\"cabc\""},
         {"\"c\"", "\"cccc\"", "\"abc\\u0063c\""}},
        {"^[^a-y\\\\]$",
         {"\"z\"", "\"\\\"\"", "\"\\n\"", "\"\xE4\xB8\x80\""},
         {"\"a\"", "\"\\\\\"", "\"zz\""}},
        {"^\\d{4}-\\d\\d$", {"\"2026-01\""}, {"\"2026-1\"", "\"x026-01\"", "\"2026-011\""}},
        {"^[\xE4\xB8\x80-\xE9\xBE\xA5]+$",
         {"\"\xE5\xA5\xBD\"", "\"\xE9\xBE\xA5\xE4\xB8\x80\""},
         {"\"a\"", "\"\xE9\xBE\xA6\"", "\"\""}},
        {"^a|b$", {"\"axx\"", "\"xxb\"", "\"ab\""}, {"\"xa\"", "\"bx\""}},
        {"^.$", {"\"x\"", "\"\\t\"", "\"\xF0\x9F\x98\x80\""}, {"\"\\n\"", "\"\"", "\"xy\""}},
        {"^\\w+\\.(?:x|y)*?$", {"\"a_9.\"", "\"a.xyx\""}, {"\".x\"", "\"a-.x\"", "\"ax\""}},
        {"^((a*)*b)*$", {"\"\"", "\"b\"", "\"aabb\""}, {"\"a\"", "\"ba\""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rg_buf schema;
        ready r;
        rg_buf_init(&schema, rg_mem_heap(), 0);
        rg_buf_str(&schema, RG_STR("{\"type\":\"string\",\"pattern\":"));
        rg_buf_json(&schema, rg_str_of(cases[i].pattern));
        rg_buf_char(&schema, '}');
        open_good(&r, rg_buf_cstr(&schema), NULL);
        for (size_t k = 0; k < 4 && cases[i].good[k] != NULL; k++) {
            if (!accepts(&r, rg_str_of(cases[i].good[k]))) {
                fail_msg("%s refuses %s", cases[i].pattern, cases[i].good[k]);
            }
        }
        for (size_t k = 0; k < 4 && cases[i].bad[k] != NULL; k++) {
            if (accepts(&r, rg_str_of(cases[i].bad[k]))) {
                fail_msg("%s lets %s through", cases[i].pattern, cases[i].bad[k]);
            }
        }
        close_schema(&r);
        rg_buf_clear(&schema);
    }
}

static void references_may_come_back_when_something_stands_between(void **state) {
    (void)state;
    ready r;
    open_good(
        &r,
        "{\"$ref\":\"#/$defs/n~1o\",\"$defs\":{\"n/o\":{\"type\":\"object\",\"properties\":"
        "{\"v\":{\"type\":\"integer\"},\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/n~1o\"},"
        "{\"type\":\"null\"}]}},\"required\":[\"v\",\"next\"],\"additionalProperties\":false}}}",
        NULL);
    assert_true(accepts(&r, RG_STR("{\"v\":1,\"next\":{\"v\":2,\"next\":null}}")));
    assert_false(accepts(&r, RG_STR("{\"v\":1,\"next\":{\"v\":2}}")));
    // as deep as the limit lets it, and then there is still a way to the end
    rg_error err = {0};
    rg_matcher_reset(r.matcher);
    size_t depth = 0;
    while (rg_matcher_advance(r.matcher, RG_STR("{\"v\":1,\"next\":"), &err) == RG_OK) {
        depth++;
    }
    assert_in_range(depth, RG_GRAMMAR_DEPTH_MAX / 4, RG_GRAMMAR_DEPTH_MAX);
    assert_int_equal(rg_matcher_advance(r.matcher, RG_STR("null"), &err), RG_OK);
    for (size_t i = 0; i < depth; i++) {
        assert_false(rg_matcher_can_end(r.matcher));
        assert_int_equal(rg_matcher_advance(r.matcher, RG_STR("}"), &err), RG_OK);
    }
    assert_true(rg_matcher_can_end(r.matcher));
    close_schema(&r);
}

static void refuses_by_name_and_place(void **state) {
    (void)state;
    static const struct {
        const char *schema;
        const char *says[2];
    } cases[] = {
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\",\"multipleOf\":3}}}",
         {"\"multipleOf\"", "#/properties/a"}},
        {"{\"not\":{}}", {"\"not\"", "schema #:"}},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"date\"}}",
         {"\"format\"", "#/items"}},
        {"{\"type\":\"array\",\"uniqueItems\":true}", {"\"uniqueItems\"", "#"}},
        {"{\"patternProperties\":{}}", {"\"patternProperties\"", "#"}},
        {"{\"type\":\"object\",\"minProperties\":1}", {"\"minProperties\"", "#"}},
        {"{\"type\":\"object\",\"anyOf\":[true]}", {"\"type\"", "\"anyOf\""}},
        {"{\"allOf\":[{},{}]}", {"\"allOf\"", "2 schemas"}},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", {"\"oneOf\"", "0 and 1"}},
        {"{\"type\":\"string\",\"pattern\":\"a\",\"minLength\":1}",
         {"\"minLength\"", "\"pattern\""}},
        {"{\"type\":\"string\",\"pattern\":\"(?=a)\"}", {"looking around", "\"pattern\""}},
        {"{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", {"escape", "\"pattern\""}},
        {"{\"type\":\"string\",\"pattern\":\"(a\"}", {"( without )", "\"pattern\""}},
        {"{\"type\":\"string\",\"pattern\":\"a**\"}", {"another place", "\"pattern\""}},
        {"{\"type\":\"string\",\"pattern\":\"[b-a]\"}", {"backward", "\"pattern\""}},
        {"{\"$ref\":\"http://x/y\"}", {"\"$ref\"", "http://x/y"}},
        {"{\"$ref\":\"#/$defs/x\"}", {"\"$ref\"", "nothing is there"}},
        {"{\"$ref\":\"#\"}", {"\"$ref\"", "without any content"}},
        {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", {"\"$ref\"", "without any content"}},
        {"{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#\"}}",
         {"unsatisfiable", "schema #"}},
        {"{\"type\":\"array\",\"maxItems\":18446744073709551615}",
         {"\"maxItems\"", "18446744073709551615"}},
        {"{\"type\":\"array\",\"minItems\":-1}", {"\"minItems\"", "-1"}},
        {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", {"unsatisfiable", "3"}},
        {"{\"properties\":{\"a\":{\"minimum\":3,\"maximum\":2}},\"required\":[\"a\"]}",
         {"unsatisfiable", "#/properties/a"}},
        {"{\"type\":\"integer\",\"minimum\":0.2,\"maximum\":0.8}", {"unsatisfiable", "#"}},
        {"{\"minimum\":1e300}", {"\"minimum\"", "1e300"}},
        {"{\"enum\":[]}", {"\"enum\"", "empty"}},
        {"{\"type\":\"string\",\"enum\":[1]}", {"unsatisfiable", "#"}},
        {"false", {"unsatisfiable", "#"}},
        {"3", {"a schema is", "#"}},
        {"{\"type\":\"text\"}", {"\"type\"", "text"}},
        {"{\"required\":[\"a\"],\"additionalProperties\":false}", {"\"a\"", "unsatisfiable"}},
        {"{\"type\":\"number\",\"enum\":[1],\"minimum\":0}", {"\"enum\"", "beside"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rg_error err = {0};
        ready r;
        assert_int_not_equal(open_schema(&r, cases[i].schema, NULL, &err), RG_OK);
        for (size_t k = 0; k < 2; k++) {
            if (strstr(err.text, cases[i].says[k]) == NULL) {
                fail_msg("%s: \"%s\" lacks %s", cases[i].schema, err.text, cases[i].says[k]);
            }
        }
        close_schema(&r);
    }
}

static void one_of_is_taken_where_its_alternatives_are_apart(void **state) {
    (void)state;
    ready r;
    open_good(
        &r,
        "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"},\"v\":{\"type\":"
        "\"integer\"}},\"required\":[\"k\",\"v\"]},{\"$ref\":\"#/$defs/b\"},{\"type\":\"string\"},"
        "{\"enum\":[1,2]}],\"$defs\":{\"b\":{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":"
        "[\"b\",\"c\"]}},\"required\":[\"k\"]}}}",
        NULL);
    close_schema(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_exactly_those_within_bounds),
        cmocka_unit_test(lists_strings_and_literals_are_exactly_those_that_are_valid),
        cmocka_unit_test(objects_are_exactly_those_that_are_valid),
        cmocka_unit_test(patterns_match_what_they_say),
        cmocka_unit_test(references_may_come_back_when_something_stands_between),
        cmocka_unit_test(refuses_by_name_and_place),
        cmocka_unit_test(one_of_is_taken_where_its_alternatives_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
