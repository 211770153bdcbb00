/* Grammars in GBNF and regular expressions of whole texts: what they let through, and what is wrong
 * with those that are none. */
#include "sample/gbnf.h"
#include "sample/matcher.h"
#include "sample/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

typedef rg_status compile_fn(const rg_mem *mem, rg_str text, rg_grammar **out, rg_error *err);

static bool accepts(rg_grammar *grammar, const char *text) {
    rg_error err = {0};
    rg_matcher *m = NULL;
    assert_int_equal(rg_matcher_new(rg_mem_heap(), grammar, NULL, &m, &err), RG_OK);
    const bool is_good =
        rg_matcher_advance(m, rg_str_of(text), &err) == RG_OK && rg_matcher_can_end(m);
    rg_matcher_free(m);
    return is_good;
}

// texts end with NULL: first those that are let through, then those that are not
static void check(compile_fn *compile, const char *source, const char *const *good,
                  const char *const *bad) {
    rg_error err = {0};
    rg_grammar *g = NULL;
    if (compile(rg_mem_heap(), rg_str_of(source), &g, &err) != RG_OK) {
        fail_msg("%s: %s", source, err.text);
    }
    for (; *good != NULL; good++) {
        if (!accepts(g, *good)) {
            fail_msg("%s: \"%s\" is refused", source, *good);
        }
    }
    for (; *bad != NULL; bad++) {
        if (accepts(g, *bad)) {
            fail_msg("%s: \"%s\" is let through", source, *bad);
        }
    }
    rg_grammar_free(g);
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void grammars_let_through_their_texts(void **state) {
    (void)state;
    check(rg_gbnf_grammar, "root ::= \"yes\" | \"no\"", TEXTS("yes", "no"),
          TEXTS("", "yesno", "y"));
    check(rg_gbnf_grammar, "# moves\nroot  ::= move (\", \" move)*  # some\nmove ::= [a-h] [1-8]\n",
          TEXTS("e4", "e4, d5, a1"), TEXTS("e9", "e4,d5", "e4, "));
    check(rg_gbnf_grammar,
          "root ::= item+\nitem ::= \"- \" [^\\r\\n\\x0b\\x0c\\u0085\\u2028]+ \"\\n\"",
          TEXTS("- a\n", "- a b \xc3\xa9\n- c\n"), TEXTS("- \n", "-a\n", "- a"));
    check(
        rg_gbnf_grammar,
        "root ::= sum\nsum ::= term ((\"+\" | \"-\") term)*\nterm ::= [0-9]{1,3} | \"(\" sum \")\"",
        TEXTS("1", "12+345", "(1-2)+3", "((9))"), TEXTS("1234", "1+", "(1", "+1"));
    check(rg_gbnf_grammar, "root ::= \"a\"{2} \"b\"{1,} \"c\"{,2} \"d\"?", TEXTS("aab", "aabbbccd"),
          TEXTS("ab", "aabccc", "aa"));
    check(rg_gbnf_grammar, "root ::=\n  \"a\"\n  | \"b\" (\n \"c\"\n | \"d\" )\n",
          TEXTS("a", "bc", "bd"), TEXTS("b", "ac"));
    check(rg_gbnf_grammar, "root ::= [\\]\\-x] . \"\\\"\\\\\"",
          TEXTS("]\xf0\x9f\xa4\x96\"\\", "-a\"\\"), TEXTS("a\"\\", "]\"\\"));
    check(rg_gbnf_grammar, "root ::= \"\" | \"x\" root", TEXTS("", "xxx"), TEXTS("y"));
}

static void bad_grammars_are_refused_with_their_line(void **state) {
    (void)state;
    static const struct {
        const char *source;
        const char *said;
    } cases[] = {
        {"", "no rule root"},
        {"other ::= \"a\"", "no rule root"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2 of the grammar: rule root is defined twice"},
        {"root ::= \"a\" |\n  what", "line 2 of the grammar: there is no rule what"},
        {"root ::= \"a", "\" without another"},
        {"root ::= [a", "[ without ]"},
        {"root ::= [z-a]", "runs backward"},
        {"root ::= (\"a\"", "( without )"},
        {"root ::= \"a\")", ") without ("},
        {"root ::= \"a\"{2", "{ without }"},
        {"root ::= \"a\"{}", "{ without a number"},
        {"root ::= \"a\"{3,2}", "no times"},
        {"root ::= \"\\q\"", "unknown escape"},
        {"root ::= \"\\uD800\"", "no character"},
        {"root ::= *", "stands for nothing"},
        {"root = \"a\"", "::= is missing"},
        {"\n\n!", "line 3"},
        {"root ::= root \"a\" | \"b\"", "root"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rg_error err = {0};
        rg_grammar *g = NULL;
        assert_int_not_equal(rg_gbnf_grammar(rg_mem_heap(), rg_str_of(cases[i].source), &g, &err),
                             RG_OK);
        if (strstr(err.text, cases[i].said) == NULL) {
            fail_msg("\"%s\": %s", cases[i].source, err.text);
        }
    }
}

static void groups_that_nest_too_deeply_are_refused(void **state) {
    (void)state;
    rg_error err = {0};
    rg_grammar *g = NULL;
    rg_buf text;
    rg_buf_init(&text, rg_mem_heap(), 0);
    rg_buf_str(&text, RG_STR("root ::= "));
    for (int i = 0; i < 100000; i++) {
        rg_buf_char(&text, '(');
    }
    assert_int_equal(rg_gbnf_grammar(rg_mem_heap(), rg_buf_view(&text), &g, &err), RG_E_FORMAT);
    rg_buf_clear(&text);
}

static void regular_expressions_match_whole_texts(void **state) {
    (void)state;
    check(rg_regex_grammar, "\\d{4}-\\d{2}-\\d{2}", TEXTS("2026-11-27"),
          TEXTS("2026-11-2", "on 2026-11-27", "2026-11-27."));
    check(rg_regex_grammar, "^(yes|no)$", TEXTS("yes", "no"), TEXTS("yesno", ""));
    check(rg_regex_grammar, "[a-z]+(\\.[a-z]+)*@[a-z]+", TEXTS("a.b@c"), TEXTS("a.@c", "@c"));
    check(rg_regex_grammar, "\"[^\"]*\"", TEXTS("\"a\nb\"", "\"\""), TEXTS("\"", "a"));
    check(rg_regex_grammar, "", TEXTS(""), TEXTS("a"));
    rg_error err = {0};
    rg_grammar *g = NULL;
    assert_int_equal(rg_regex_grammar(rg_mem_heap(), RG_STR("(?=a)b"), &g, &err), RG_E_UNSUPPORTED);
    assert_int_equal(rg_regex_grammar(rg_mem_heap(), RG_STR("(a"), &g, &err), RG_E_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammars_let_through_their_texts),
        cmocka_unit_test(bad_grammars_are_refused_with_their_line),
        cmocka_unit_test(groups_that_nest_too_deeply_are_refused),
        cmocka_unit_test(regular_expressions_match_whole_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
