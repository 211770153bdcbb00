/*
 * Constrained output: how long schemas take to compile, and a mask of the vocabulary at each step
 * of random valid texts. usage: bench_masks TOKENIZER [STEPS]
 *
 * Wanted of ten schemas at a vocabulary of 150,000: median below 50 us a token, 99 of 100 below 1
 * ms, compiling below 200 ms.
 */
#include "sample/matcher.h"
#include "sample/schema.h"
#include "token/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STEPS = 4000, TEXT_STEPS = 120 };

// as tools and extraction ask for them
static const char *const schemas[][2] = {
    {"person", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{"
               "\"type\":\"integer\",\"minimum\":0,"
               "\"maximum\":150},\"email\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9.]+@[a-z0-9]+"
               "\\\\.[a-z]{2,8}$\"}},\"required\":[\"name\",\"age\"]}"},
    {"weather", "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":"
                "40},\"unit\":{\"enum\":[\"celsius\",\"fahrenheit\"]},"
                "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":14}},\"required\":["
                "\"city\",\"unit\"]}"},
    {"list of items",
     "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"sku\":{\"type\":"
     "\"string\",\"pattern\":\"^[A-Z]{3}-[0-9]{4}$\"},"
     "\"count\":{\"type\":\"integer\"},\"price\":{\"type\":\"number\",\"minimum\":0}},\"required\":"
     "[\"sku\",\"count\",\"price\"]},\"minItems\":1,\"maxItems\":50}"},
    {"any JSON", "{}"},
    {"any object", "{\"type\":\"object\"}"},
    {"tree", "{\"$ref\":\"#/$defs/"
             "node\",\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"value\":{\"type\":"
             "\"number\"},\"children\":{\"type\":\"array\","
             "\"items\":{\"$ref\":\"#/$defs/node\"}}},\"required\":[\"value\",\"children\"]}}}"},
    {"one of", "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"move\"},"
               "\"metres\":{\"type\":\"number\"}},\"required\":[\"kind\",\"metres\"]},"
               "{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"say\"},\"text\":{"
               "\"type\":\"string\"}},\"required\":[\"kind\",\"text\"]}]}"},
    {"dates", "{\"type\":\"object\",\"properties\":{\"from\":{\"type\":\"string\",\"pattern\":\"^["
              "0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]$\"},\"to\":{\"type\":\"string\","
              "\"pattern\":\"^[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]$\"},\"notes\":{\"type\":"
              "\"array\",\"items\":{\"type\":\"string\"}}},\"required\":[\"from\",\"to\"]}"},
    {"wide", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
             "\"string\"},\"c\":{\"type\":[\"string\",\"null\"]},\"d\":{\"type\":\"boolean\"},"
             "\"e\":{\"type\":\"number\"},\"f\":{\"enum\":[\"red\",\"green\",\"blue\",1,2,3,null]},"
             "\"g\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":5},"
             "\"h\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},\"i\":{"
             "\"type\":\"string\",\"minLength\":3,\"maxLength\":200}}}"},
    {"classes",
     "{\"type\":\"object\",\"properties\":{\"label\":{\"enum\":[\"positive\",\"negative\","
     "\"neutral\"]},\"confidence\":{\"type\":\"number\",\"minimum\":0,"
     "\"maximum\":1},\"spans\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"integer\"},\"minItems\":2,\"maxItems\":2}}},"
     "\"required\":[\"label\",\"confidence\"]}"},
};

enum { N_SCHEMAS = sizeof schemas / sizeof *schemas };

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// one of the tokens of a mask, by chance
static int32_t draw(const uint64_t *bits, size_t n_tokens, size_t n_set) {
    size_t left = n_set == 0 ? 0 : (size_t)rand() % n_set;
    for (size_t word = 0; word <= n_tokens / 64; word++) {
        const size_t n = (size_t)__builtin_popcountll(bits[word]);
        if (left >= n) {
            left -= n;
            continue;
        }
        uint64_t rest = bits[word];
        for (; left > 0; left--) {
            rest &= rest - 1;
        }
        return (int32_t)(word * 64 + (size_t)__builtin_ctzll(rest));
    }
    return -1;
}

// masks of random valid texts, microseconds each; how many were taken
static size_t walk(rg_matcher *m, const rg_str *tokens, size_t n_tokens, double *us, size_t most) {
    rg_error err = {0};
    size_t n = 0;
    for (size_t step = 0; n < most; step++) {
        const uint64_t *bits = NULL;
        size_t n_set = 0;
        const double from = now_us();
        if (rg_matcher_mask(m, &bits, &n_set, &err) != RG_OK) {
            printf("%s\n", err.text);
            return n;
        }
        us[n++] = now_us() - from;
        const int32_t id = draw(bits, n_tokens, n_set);
        if (id < 0 || step == TEXT_STEPS || rg_matcher_advance(m, tokens[id], &err) != RG_OK) {
            rg_matcher_reset(m);
            step = 0;
        }
    }
    return n;
}

static bool bench(const char *name, const char *text, const rg_vocab_trie *trie,
                  const rg_str *tokens, size_t n_tokens, double *us, size_t n_steps) {
    rg_error err = {0};
    rg_arena arena;
    const rg_json *json = NULL;
    rg_grammar *grammar = NULL;
    rg_matcher *m = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    const double from = now_us();
    const bool is_good = rg_json_parse(&arena, rg_str_of(text), &json, &err) == RG_OK &&
                         rg_schema_grammar(rg_mem_heap(), json, &grammar, &err) == RG_OK &&
                         rg_matcher_new(rg_mem_heap(), grammar, trie, &m, &err) == RG_OK;
    const double compiled = now_us() - from;
    if (is_good) {
        const size_t n = walk(m, tokens, n_tokens, us, n_steps);
        qsort(us, n, sizeof *us, compare);
        printf(
            "%-14s compile %8.2f ms   mask median %8.2f us   99 of 100 %9.2f us   most %9.2f us\n",
            name, compiled / 1e3, us[n / 2], us[n - 1 - n / 100], us[n - 1]);
    } else {
        printf("%-14s %s\n", name, err.text);
    }
    rg_matcher_free(m);
    rg_grammar_free(grammar);
    rg_arena_clear(&arena);
    return is_good;
}

int main(int argc, char **argv) {
    rg_error err = {0};
    rg_tokenizer *tok = NULL;
    rg_vocab_trie *trie = NULL;
    const size_t n_steps = argc > 2 ? strtoul(argv[2], NULL, 10) : STEPS;
    if (argc < 2 || n_steps == 0) {
        fprintf(stderr, "usage: bench_masks TOKENIZER [STEPS]\n");
        return 2;
    }
    if (rg_tokenizer_open(rg_mem_heap(), argv[1], &tok, &err) != RG_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const size_t n = rg_tokenizer_vocab(tok);
    rg_str *tokens = rg_new_array(rg_mem_heap(), n + 1, sizeof *tokens);
    double *us = rg_new_array(rg_mem_heap(), n_steps, sizeof *us);
    bool is_good = tokens != NULL && us != NULL;
    for (size_t i = 0; is_good && i < n; i++) {
        const bool is_plain = rg_tokenizer_type(tok, (int32_t)i) == RG_TOKEN_NORMAL;
        const rg_str bytes = rg_tokenizer_bytes(tok, (int32_t)i);
        tokens[i] = is_plain && bytes.size <= RG_TRIE_TOKEN_MAX ? bytes : (rg_str){0};
    }
    const double from = now_us();
    is_good = is_good && rg_vocab_trie_new(rg_mem_heap(), tokens, n, &trie, &err) == RG_OK;
    printf("%zu tokens, laid out in %.1f ms\n", n, (now_us() - from) / 1e3);
    srand(1);
    for (size_t i = 0; is_good && i < N_SCHEMAS; i++) {
        is_good = bench(schemas[i][0], schemas[i][1], trie, tokens, n, us, n_steps);
    }
    rg_vocab_trie_free(trie);
    rg_free(rg_mem_heap(), tokens);
    rg_free(rg_mem_heap(), us);
    rg_tokenizer_free(tok);
    return is_good ? 0 : 1;
}
