/* Recorded answers of every dialect (answers.jsonl), cut at every byte: the same reply, reasoning
 * and calls come out, and nothing of a marker on the way. */
#include "base/file.h"
#include "dialogue/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { FILE_BYTES_MAX = 1 << 20 };

/** A line of the file. */
typedef struct answer_case {
    const rg_dialect *dialect;
    rg_str text;
    rg_str reply;
    rg_str thought;
    const rg_json *calls;
    const rg_json *tools;
    size_t n_broken;
    bool is_in_thought;
} answer_case;

static rg_str trim(rg_buf *text) {
    return rg_call_trim(rg_buf_view(text));
}

static void expect(const char *what, rg_str got, rg_str want, const answer_case *c) {
    if (!rg_str_eq(got, want)) {
        fail_msg("%s, \"%.*s\": %s is \"%.*s\", should be \"%.*s\"", c->dialect->name,
                 RG_FMT(c->text), what, RG_FMT(got), RG_FMT(want));
    }
}

// what came out so far is how the whole begins
static void expect_begins(const char *what, rg_str got, rg_str whole, const answer_case *c) {
    while (got.size != 0 && strchr(" \n\t\r", got.data[0]) != NULL) {
        got = rg_str_slice(got, 1, got.size);
    }
    if (!rg_str_starts(whole, got)) {
        fail_msg("%s, \"%.*s\": %s went through \"%.*s\"", c->dialect->name, RG_FMT(c->text), what,
                 RG_FMT(got));
    }
}

static void write_calls(const answer_case *c, rg_buf *out) {
    for (size_t i = 0; i < c->calls->n; i++) {
        const rg_json *call = rg_json_at(c->calls, i);
        rg_str id = {0}, name = {0}, args = {0};
        rg_buf_char(out, '{');
        if (rg_json_str(rg_json_find(call, "id"), &id)) {
            rg_buf_str(out, RG_STR("\"id\": "));
            rg_buf_json(out, id);
            rg_buf_str(out, RG_STR(", "));
        }
        assert_true(rg_json_str(rg_json_find(call, "name"), &name));
        assert_true(rg_json_str(rg_json_find(call, "arguments"), &args));
        rg_buf_str(out, RG_STR("\"name\": "));
        rg_buf_json(out, name);
        rg_buf_str(out, RG_STR(", \"arguments\": "));
        rg_buf_str(out, args);
        rg_buf_str(out, RG_STR("}\n"));
    }
}

// the first piece is `first` bytes, the others `step`
static void run(const answer_case *c, size_t first, size_t step) {
    rg_error err = {0};
    rg_answer *a = NULL;
    dialogue d;
    rg_buf calls;
    rg_buf_init(&calls, rg_mem_heap(), 0);
    write_calls(c, &calls);
    dialogue_init(&d);
    assert_int_equal(rg_answer_new(rg_mem_heap(), c->dialect, c->tools, c->is_in_thought,
                                   dialogue_take, &d, &a, &err),
                     RG_OK);
    for (size_t at = 0; at < c->text.size;) {
        const size_t n = at == 0 && first != 0 ? first : step;
        assert_int_equal(rg_answer_feed(a, rg_str_slice(c->text, at, at + n), &err), RG_OK);
        expect_begins("the reply", rg_buf_view(&d.reply), c->reply, c);
        expect_begins("the reasoning", rg_buf_view(&d.thought), c->thought, c);
        expect_begins("the calls", rg_buf_view(&d.calls), rg_buf_view(&calls), c);
        at += n;
    }
    assert_int_equal(rg_answer_finish(a, &err), RG_OK);
    expect("the reply", trim(&d.reply), c->reply, c);
    expect("the reasoning", trim(&d.thought), c->thought, c);
    expect("the calls", rg_buf_view(&d.calls), rg_buf_view(&calls), c);
    assert_false(d.is_wrong);
    assert_int_equal(d.n_broken, c->n_broken);
    rg_answer_free(a);
    dialogue_clear(&d);
    rg_buf_clear(&calls);
}

static void answers_come_apart_the_same_however_they_are_cut(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bytes file = {0};
    rg_arena arena;
    size_t n = 0;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    assert_int_equal(
        rg_file_read(rg_mem_heap(), "tests/dialogue/answers.jsonl", FILE_BYTES_MAX, &file, &err),
        RG_OK);
    for (const char *at = (const char *)file.data, *end = at + file.size; at < end; n++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const rg_json *line = NULL;
        answer_case c = {0};
        rg_str family = {0};
        int64_t n_broken = 0;
        assert_non_null(line_end);
        assert_int_equal(rg_json_parse(&arena, (rg_str){at, (size_t)(line_end - at)}, &line, &err),
                         RG_OK);
        at = line_end + 1;
        assert_true(rg_json_str(rg_json_find(line, "family"), &family));
        assert_true(rg_json_str(rg_json_find(line, "answer"), &c.text));
        assert_true(rg_json_str(rg_json_find(line, "reply"), &c.reply));
        (void)rg_json_str(rg_json_find(line, "reasoning"), &c.thought);
        (void)rg_json_bool(rg_json_find(line, "think"), &c.is_in_thought);
        (void)rg_json_i64(rg_json_find(line, "warnings"), &n_broken);
        c.n_broken = (size_t)n_broken;
        c.calls = rg_json_find(line, "calls");
        c.tools = rg_json_find(line, "tools");
        c.dialect = rg_dialect_find(family);
        assert_non_null(c.dialect);
        for (size_t cut = 0; cut <= c.text.size; cut++) {
            run(&c, cut, c.text.size + 1);
        }
        for (size_t step = 1; step < 8; step++) {
            run(&c, 0, step);
        }
    }
    assert_true(n >= 40);
    rg_free(rg_mem_heap(), (void *)file.data);
    rg_arena_clear(&arena);
}

static void text_arguments_stream_while_they_are_written(void **state) {
    (void)state;
    static const char *const tools =
        "[{\"function\": {\"name\": \"say\", \"parameters\": {\"properties\": {\"text\": "
        "{\"type\": \"string\"}}}}}]";
    rg_error err = {0};
    rg_answer *a = NULL;
    dialogue d;
    rg_arena arena;
    const rg_json *json = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    dialogue_init(&d);
    assert_int_equal(rg_json_parse(&arena, rg_str_of(tools), &json, &err), RG_OK);
    assert_int_equal(rg_answer_new(rg_mem_heap(), rg_dialect_find(RG_STR("qwen3.5")), json, false,
                                   dialogue_take, &d, &a, &err),
                     RG_OK);
    static const char begun[] =
        "<tool_call>\n<function=say>\n<parameter=text>\nI walk \"now\", then I rest";
    assert_int_equal(rg_answer_feed(a, rg_str_of(begun), &err), RG_OK);
    // all but as many bytes as the closing tag and its line break have
    assert_string_equal(rg_buf_cstr(&d.args), "{\"text\": \"I walk \\\"now\\\"");
    rg_answer_free(a);
    dialogue_clear(&d);
    rg_arena_clear(&arena);
}

static void templates_show_their_dialect(void **state) {
    (void)state;
    static const struct {
        const char *source;
        const char *name;
    } cases[] = {
        {"{{ '<tool_call>' }}", "hermes"},
        {"<tool_call>\n<function=example>", "qwen3-coder"},
        {"{{ '<｜tool▁call▁begin｜>' }}", "deepseek-v3.1"},
        {"{{ '<｜tool▁call▁begin｜>' + '```json' }}", "deepseek-v3"},
        {"<｜DSML｜function_calls><｜DSML｜invoke name=", "deepseek-v3.2"},
        {"<｜DSML｜tool_calls><｜DSML｜invoke name=", "deepseek-v4"},
        {"<|tool_call_begin|>", "kimi"},
        {"{{- '<|start_header_id|>' }}", "llama3"},
        {"<|header_start|>", "llama4"},
        {"", "hermes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(rg_dialect_of_template(rg_str_of(cases[i].source))->name,
                            cases[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_apart_the_same_however_they_are_cut),
        cmocka_unit_test(text_arguments_stream_while_they_are_written),
        cmocka_unit_test(templates_show_their_dialect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
