/* The ids of whole prompts: a template rendered, then encoded, against the references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/template_line.h"
#include "support/tokenizers.h"

/** A template and a tokenizer that belong together, opened when first needed. */
typedef struct pair {
    const char *tpl_name;
    const char *tok_name;
    rg_template *tpl;
    rg_tokenizer *tok;
    rg_str vectors;
    size_t n_checked;
} pair;

static pair pairs[] = {
    {"Qwen-Qwen3-0.6B", "qwen3", NULL, NULL, {0}, 0},
    {"Qwen-Qwen2.5-7B-Instruct", "qwen2.5", NULL, NULL, {0}, 0},
    {"deepseek-ai-DeepSeek-V3", "deepseek-v3", NULL, NULL, {0}, 0},
    {"deepseek-ai-DeepSeek-V3.1", "deepseek-r1", NULL, NULL, {0}, 0},
    {"moonshotai-Kimi-K2", "kimi-k2", NULL, NULL, {0}, 0},
};

enum { N_PAIRS = sizeof pairs / sizeof *pairs };

static void open_pair(pair *p) {
    char name[256];
    rg_error err = {0};
    snprintf(name, sizeof name, "templates/files/%s.jinja", p->tpl_name);
    const rg_str source = shared_read(name);
    assert_non_null(source.data);
    assert_int_equal(rg_template_new(rg_mem_heap(), source, &p->tpl, &err), RG_OK);
    rg_free(rg_mem_heap(), (void *)source.data);
    p->tok =
        strcmp(p->tok_name, "deepseek-r1") == 0 ? open_deepseek_r1() : open_family(p->tok_name);
    snprintf(name, sizeof name, "templates/vectors/%s.jsonl", p->tpl_name);
    p->vectors = shared_read(name);
    assert_non_null(p->vectors.data);
}

static rg_str line_of(rg_str text, int64_t number) {
    rg_str line = {0};
    size_t at = 0;
    for (int64_t i = 0; i < number; i++) {
        assert_true(shared_line(text, &at, &line));
    }
    return line;
}

static void check(pair *p, const rg_json *row, int64_t number) {
    rg_error err = {0};
    rg_arena arena;
    rg_buf answer;
    rg_ids ids;
    rg_str text;
    const rg_json *json = NULL;
    const rg_json *want = rg_json_find(row, "ids");
    const rg_template_clock clock = {true, 1768467907}; // 2026-01-15T09:05:07Z
    rg_arena_init(&arena, rg_mem_heap(), 0);
    rg_buf_init(&answer, rg_mem_heap(), 0);
    rg_ids_init(&ids, rg_mem_heap());
    assert_int_equal(
        rg_template_line(p->tpl, rg_mem_heap(), line_of(p->vectors, number), clock, &answer, &err),
        RG_OK);
    assert_int_equal(rg_json_parse(&arena, rg_buf_view(&answer), &json, &err), RG_OK);
    if (!rg_json_str(rg_json_find(json, "rendered"), &text)) {
        fail_msg("%s line %lld: %.*s", p->tpl_name, (long long)number,
                 RG_FMT(rg_buf_view(&answer)));
    }
    assert_int_equal(rg_tokenizer_encode(p->tok, text, RG_ENCODE_PARSE_SPECIAL, &ids, &err), RG_OK);
    bool is_same = rg_ids_count(&ids) == want->n;
    for (size_t i = 0; is_same && i < want->n; i++) {
        int64_t id = -1;
        assert_true(rg_json_i64(rg_json_at(want, i), &id));
        is_same = rg_ids_data(&ids)[i] == id;
    }
    if (!is_same) {
        fail_msg("%s line %lld: the ids differ", p->tpl_name, (long long)number);
    }
    p->n_checked++;
    rg_ids_clear(&ids);
    rg_buf_clear(&answer);
    rg_arena_clear(&arena);
}

static void prompts_have_the_reference_ids(void **state) {
    (void)state;
    const rg_str rows = shared_read("templates/chat_ids.jsonl");
    rg_str line;
    size_t n_llama = 0;
    assert_non_null(rows.data);
    for (size_t at = 0; shared_line(rows, &at, &line);) {
        rg_arena arena;
        rg_error err = {0};
        const rg_json *row = NULL;
        rg_str tpl;
        int64_t number = 0;
        rg_arena_init(&arena, rg_mem_heap(), 0);
        assert_int_equal(rg_json_parse(&arena, line, &row, &err), RG_OK);
        assert_true(rg_json_str(rg_json_find(row, "template"), &tpl));
        assert_true(rg_json_i64(rg_json_find(row, "line"), &number));
        pair *found = NULL;
        for (size_t i = 0; i < N_PAIRS; i++) {
            found = rg_str_is(tpl, pairs[i].tpl_name) ? &pairs[i] : found;
        }
        n_llama += found == NULL;
        if (found != NULL) {
            if (found->tpl == NULL) {
                open_pair(found);
            }
            check(found, row, number);
        }
        rg_arena_clear(&arena);
    }
    if (n_llama != 0) {
        printf("skipped: %zu prompts of Llama 3, whose vocabulary needs the network\n", n_llama);
    }
    for (size_t i = 0; i < N_PAIRS; i++) {
        assert_true(pairs[i].n_checked > 20);
        rg_template_free(pairs[i].tpl);
        rg_tokenizer_free(pairs[i].tok);
        rg_free(rg_mem_heap(), (void *)pairs[i].vectors.data);
    }
    rg_free(rg_mem_heap(), (void *)rows.data);
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(prompts_have_the_reference_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
