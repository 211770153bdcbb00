/* Masks of a vocabulary: token by token what the matcher allows, whatever shortcuts are taken. */
#include "sample/gbnf.h"
#include "sample/matcher.h"
#include "sample/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

enum { TOKENS = 6000, BYTES_MAX = 14, WALKS = 6, STEPS = 60 };

static char text[TOKENS][BYTES_MAX];
static rg_str tokens[TOKENS];

// pieces that tokens are made of: letters, what JSON needs, characters of several bytes and halves
static const char *const pieces[] = {"a",
                                     "b",
                                     "the",
                                     " ",
                                     "  ",
                                     "12",
                                     "-",
                                     ".",
                                     "\"",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     ":",
                                     ",",
                                     "\\",
                                     "\n",
                                     "\t",
                                     "true",
                                     "null",
                                     "key",
                                     "\xc3\xa9",
                                     "\xc3",
                                     "\xa9",
                                     "x",
                                     "y",
                                     "z",
                                     "\xe4\xbd\xa0",
                                     "\xe4\xbd",
                                     "\xa0",
                                     "\xf0\x9f\xa4\x96",
                                     "\xf0\x9f",
                                     "\xff",
                                     "\xed\xa0\x80",
                                     "\x7f",
                                     "~"};

static void make_vocabulary(void) {
    srand(9);
    for (size_t i = 0; i < TOKENS; i++) {
        size_t n = 0;
        for (int k = rand() % 6; k >= 0; k--) {
            const char *piece = pieces[(size_t)rand() % (sizeof pieces / sizeof *pieces)];
            const size_t size = strlen(piece);
            if (n + size <= BYTES_MAX) {
                memcpy(text[i] + n, piece, size);
                n += size;
            }
        }
        tokens[i] = (rg_str){text[i], i % 500 == 0 ? 0 : n}; // some that are never offered
    }
}

static void check_walks(const char *name, const rg_grammar *grammar, const rg_vocab_trie *trie) {
    rg_error err = {0};
    rg_matcher *m = NULL;
    assert_int_equal(rg_matcher_new(rg_mem_heap(), grammar, trie, &m, &err), RG_OK);
    for (int walk = 0; walk < WALKS; walk++) {
        rg_matcher_reset(m);
        for (int i = 0; i < STEPS; i++) {
            const uint64_t *bits = NULL;
            size_t n_set = 0, n_allowed = 0;
            int32_t chosen = -1;
            assert_int_equal(rg_matcher_mask(m, &bits, &n_set, &err), RG_OK);
            for (size_t t = 0; t < TOKENS; t++) {
                const bool is_set = (bits[t / 64] >> (t % 64) & 1) != 0;
                const bool is_allowed = tokens[t].size != 0 && rg_matcher_allows(m, tokens[t]);
                if (is_set != is_allowed) {
                    fail_msg("%s: token %zu \"%.*s\" is %s", name, t, RG_FMT(tokens[t]),
                             is_set ? "offered and not allowed" : "allowed and not offered");
                }
                n_allowed += is_allowed;
                chosen = is_allowed && (size_t)rand() % n_allowed == 0 ? (int32_t)t : chosen;
            }
            assert_int_equal(n_set, n_allowed);
            if (chosen < 0) {
                break;
            }
            assert_int_equal(rg_matcher_advance(m, tokens[chosen], &err), RG_OK);
        }
    }
    rg_matcher_free(m);
}

static void masks_are_what_is_allowed(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "{}",
        "{\"type\":\"string\"}",
        "{\"type\":\"string\",\"minLength\":2,\"maxLength\":7}",
        "{\"type\":\"string\",\"maxLength\":30}",
        "{\"type\":\"string\",\"pattern\":\"^[a-z ]{2,9}$\"}",
        "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"maxLength\":5},\"b\":{"
        "\"type\":"
        "\"array\",\"items\":{\"type\":\"string\"}}},\"required\":[\"key\"]}",
        "{\"enum\":[\"the\",\"the key\",12,null]}",
    };
    static const char *const grammars[] = {
        "root ::= [^\"\\\\]{3,8} \".\"",
        "root ::= (.{2,4} \",\")* [a-z]+",
        "root ::= \"[\" any \"]\"\nany ::= [^\\x00-\\x1f\"\\\\\\x7f]*",
        "root ::= item{1,40}\nitem ::= [^\\x00-\\x1f\"\\\\] | \"\\\"\" [\\u4f60-\\u4fff] \"\\\"\"",
        "root ::= one two? three\none ::= .\ntwo ::= one one\nthree ::= [^\"]{0,3} \"\\n\"",
    };
    rg_error err = {0};
    rg_vocab_trie *trie = NULL;
    make_vocabulary();
    assert_int_equal(rg_vocab_trie_new(rg_mem_heap(), tokens, TOKENS, &trie, &err), RG_OK);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        rg_arena arena;
        const rg_json *json = NULL;
        rg_grammar *g = NULL;
        rg_arena_init(&arena, rg_mem_heap(), 0);
        assert_int_equal(rg_json_parse(&arena, rg_str_of(schemas[i]), &json, &err), RG_OK);
        assert_int_equal(rg_schema_grammar(rg_mem_heap(), json, &g, &err), RG_OK);
        check_walks(schemas[i], g, trie);
        rg_grammar_free(g);
        rg_arena_clear(&arena);
    }
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        rg_grammar *g = NULL;
        if (rg_gbnf_grammar(rg_mem_heap(), rg_str_of(grammars[i]), &g, &err) != RG_OK) {
            fail_msg("%s: %s", grammars[i], err.text);
        }
        check_walks(grammars[i], g, trie);
        rg_grammar_free(g);
    }
    rg_vocab_trie_free(trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
