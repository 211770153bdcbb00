/* Answers held to calls, in every dialect that has a grammar: what is let through are calls of the
 * tools, valid by their schemas, and what is read of them is what was written. */
#include "dialogue/dialogue.h"
#include "sample/calls_grammar.h"
#include "sample/matcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char tools_text[] =
    "[{\"function\": {\"name\": \"walk\", \"parameters\": {\"type\": \"object\", \"properties\": "
    "{\"metres\": {\"type\": \"number\"}, \"note\": {\"type\": \"string\"}, \"gait\": {\"type\": "
    "\"string\", \"enum\": [\"slow\", \"fast\"]}}, \"required\": [\"metres\"], "
    "\"additionalProperties\": false}}}, {\"function\": {\"name\": \"sit\"}}]";

#define DS_BEGIN "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
#define DS_END   "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
#define DS_SEP   "<｜tool▁sep｜>"
#define K_BEGIN  "<|tool_calls_section_begin|><|tool_call_begin|>"
#define K_SEP    "<|tool_call_argument_begin|>"
#define K_END    "<|tool_call_end|><|tool_calls_section_end|>"

#define Q_WALK "<tool_call>\n<function=walk>\n<parameter=metres>\n2.5\n</parameter>\n"
#define Q_END  "</function>\n</tool_call>"
#define D_WALK                                                                                     \
    "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"walk\">\n<｜DSML｜parameter "          \
    "name=\"metres\" "                                                                             \
    "string=\"false\">2</｜DSML｜parameter>\n"
#define D_END "</｜DSML｜invoke>\n</｜DSML｜function_calls>"

static const struct {
    const char *dialect;
    const char *text;
    size_t n_calls;
    bool is_refused;
    bool is_required; // a call, and no words before it
} cases[] = {
    {.dialect = "hermes", "Words alone.", .is_refused = true, .is_required = true},
    {.dialect = "hermes", "", .is_refused = true, .is_required = true},
    {.dialect = "hermes",
     "<think>\nHm <tool_call>.\n</think>\n\n<tool_call>\n{\"name\": \"sit\", \"arguments\": "
     "{}}\n</tool_call>",
     1,
     .is_required = true},
    {.dialect = "hermes",
     "<tool_call>{\"name\":\"sit\",\"arguments\":{}}</tool_call>",
     1,
     .is_required = true},
    {.dialect = "kimi", K_BEGIN "functions.sit:0" K_SEP "{}" K_END, 1, .is_required = true},
    {.dialect = "kimi",
     "On." K_BEGIN "functions.sit:0" K_SEP "{}" K_END,
     .is_refused = true,
     .is_required = true},
    {"hermes", "Words alone.", 0, false, false},
    {"hermes", "<think>Hm.</think>Yes.", 0, false, false},
    {"hermes",
     "On.\n<tool_call>\n{\"name\": \"walk\", \"arguments\": {\"metres\": 2.5}}\n</tool_call>", 1,
     false, false},
    {"hermes", "<tool_call>{\"name\":\"sit\",\"arguments\":{}}</tool_call>", 1, false, false},
    {"hermes", "<tool_call>{\"name\":\"fly\",\"arguments\":{}}</tool_call>", 0, true, false},
    {"hermes", "<tool_call>{\"name\":\"walk\",\"arguments\":{}}</tool_call>", 0, true, false},
    {"qwen3-coder", "Words alone, a < b.", 0, false, false},
    {"qwen3-coder", Q_WALK Q_END, 1, false, false},
    {"qwen3-coder", Q_WALK "<parameter=note>\n12 \"<x>\"\n\nend\n</parameter>\n" Q_END, 1, false,
     false},
    {"qwen3-coder", Q_WALK "<parameter=gait>\nfast\n</parameter>\n" Q_END, 1, false, false},
    {"qwen3-coder", "On.\n\n" Q_WALK Q_END "\n<tool_call>\n<function=sit>\n" Q_END, 2, false,
     false},
    {"qwen3-coder", Q_WALK "<parameter=gait>\nidle\n</parameter>\n" Q_END, 0, true, false},
    {"qwen3-coder", Q_WALK "<parameter=far>\n1\n</parameter>\n" Q_END, 0, true, false},
    {"qwen3-coder", "<tool_call>\n<function=walk>\n" Q_END, 0, true, false},
    {"qwen3-coder", "<tool_call>\n<function=walk>\n<parameter=metres>\nfar\n</parameter>\n" Q_END,
     0, true, false},
    {"deepseek-v3.2", D_WALK D_END, 1, false, false},
    {"deepseek-v3.2",
     "On.\n\n" D_WALK
     "<｜DSML｜parameter name=\"note\" string=\"true\">a\nb</｜DSML｜parameter>\n" D_END,
     1, false, false},
    {"deepseek-v3.2",
     D_WALK "<｜DSML｜parameter name=\"note\" string=\"false\">\"a\"</｜DSML｜parameter>\n" D_END,
     0, true, false},
    {"deepseek-v4",
     "<｜DSML｜tool_calls>\n<｜DSML｜invoke "
     "name=\"sit\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
     1, false, false},
    {"deepseek-v3", "Words alone.", 0, false, false},
    {"deepseek-v3", DS_BEGIN "function" DS_SEP "walk\n```json\n{\"metres\": 2}\n```" DS_END, 1,
     false, false},
    {"deepseek-v3",
     "On." DS_BEGIN "function" DS_SEP "sit\n```json\n{}\n```<｜tool▁call▁end｜>\n"
     "<｜tool▁call▁begin｜>function" DS_SEP "walk\n```json\n{\"metres\": -1}\n```" DS_END,
     2, false, false},
    {"deepseek-v3", DS_BEGIN "walk" DS_SEP "{\"metres\": 2}" DS_END, 0, true, false},
    {"deepseek-v3",
     DS_BEGIN "function" DS_SEP "walk\n```json\n{\"metres\": 2}\n```<｜tool▁call▁end｜>", 0, true,
     false},
    {"deepseek-v3.1", DS_BEGIN "walk" DS_SEP "{\"metres\": 2}" DS_END, 1, false, false},
    {"deepseek-v3.1", DS_BEGIN "walk" DS_SEP "{\"metres\": \"2\"}" DS_END, 0, true, false},
    {"deepseek-v3.1", DS_BEGIN "fly" DS_SEP "{}" DS_END, 0, true, false},
    {"kimi", "<think>Hm.</think>On." K_BEGIN "functions.walk:0" K_SEP "{\"metres\": 2}" K_END, 1,
     false, false},
    {"kimi",
     K_BEGIN "functions.sit:11" K_SEP "{}<|tool_call_end|><|tool_call_begin|>functions.sit:12" K_SEP
             "{}" K_END,
     2, false, false},
    {"kimi", K_BEGIN "functions.sit" K_SEP "{}" K_END, 0, true, false},
    {"kimi", K_BEGIN "sit:0" K_SEP "{}" K_END, 0, true, false},
};

static rg_calls_spec spec_of(const rg_dialect *d, const rg_json *tools, rg_calls_form *form) {
    const bool has_form = d->before_args.size != 0;
    *form = (rg_calls_form){.before = d->before_name,
                            .middle = d->before_args,
                            .after = d->after_args,
                            .has_number = d->is_numbered,
                            .key_open = d->key_open,
                            .text_open = d->text_open,
                            .data_open = d->data_open,
                            .value_close = d->value_close};
    return (rg_calls_spec){.open = d->call_open[0],
                           .close = d->call_close[0],
                           .section_open = d->section_open,
                           .section_close = d->section_close,
                           .form = has_form ? form : NULL,
                           .think_open = d->think_open,
                           .think_close = d->think_close,
                           .tools = tools};
}

static size_t count_calls(const rg_dialect *dialect, rg_str text) {
    rg_error err = {0};
    rg_answer *a = NULL;
    dialogue d;
    dialogue_init(&d);
    assert_int_equal(
        rg_answer_new(rg_mem_heap(), dialect, NULL, false, dialogue_take, &d, &a, &err), RG_OK);
    assert_int_equal(rg_answer_feed(a, text, &err), RG_OK);
    assert_int_equal(rg_answer_finish(a, &err), RG_OK);
    assert_int_equal(d.n_broken, 0);
    size_t n = 0;
    for (size_t i = 0; i < d.calls.size; i++) {
        n += d.calls.data[i] == '\n';
    }
    rg_answer_free(a);
    dialogue_clear(&d);
    return n;
}

static void what_is_let_through_is_read_as_calls(void **state) {
    (void)state;
    rg_error err = {0};
    rg_arena arena;
    const rg_json *tools = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    assert_int_equal(rg_json_parse(&arena, rg_str_of(tools_text), &tools, &err), RG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rg_dialect *d = rg_dialect_find(rg_str_of(cases[i].dialect));
        const rg_str text = rg_str_of(cases[i].text);
        rg_calls_form form;
        rg_grammar *grammar = NULL;
        rg_matcher *matcher = NULL;
        assert_true(d->is_held);
        rg_calls_spec spec = spec_of(d, tools, &form);
        spec.choice = cases[i].is_required ? RG_CALLS_REQUIRED : RG_CALLS_FREE;
        assert_int_equal(rg_calls_grammar(rg_mem_heap(), &spec, &grammar, &err), RG_OK);
        assert_int_equal(rg_matcher_new(rg_mem_heap(), grammar, NULL, &matcher, &err), RG_OK);
        const bool is_let =
            rg_matcher_advance(matcher, text, &err) == RG_OK && rg_matcher_can_end(matcher);
        if (is_let == cases[i].is_refused) {
            fail_msg("%s: \"%s\" is %s", d->name, cases[i].text,
                     is_let ? "let through" : "refused");
        }
        if (is_let) {
            assert_int_equal(count_calls(d, text), cases[i].n_calls);
        }
        rg_matcher_free(matcher);
        rg_grammar_free(grammar);
    }
    rg_arena_clear(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_let_through_is_read_as_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
