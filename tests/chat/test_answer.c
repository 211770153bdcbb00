/* Answers taken apart: the same for every way to cut them, and no part of a marker comes out. */
#include "chat/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

/** All that came out, as text: reply, [reasoning], and events in braces. */
typedef struct log {
    rg_buf text;
    rg_buf reply;
    rg_buf streamed; // arguments of the call at hand
    rg_piece_kind last;
} log;

static void put(log *l, const char *kind, rg_str text) {
    rg_buf_format(&l->text, "{%s:", kind);
    rg_buf_str(&l->text, text);
    rg_buf_char(&l->text, '}');
}

static void take(void *arg, const rg_piece *piece) {
    log *l = arg;
    assert_true(piece->text.size != 0);
    switch (piece->kind) {
    case RG_PIECE_TEXT:
        rg_buf_str(&l->text, piece->text);
        rg_buf_str(&l->reply, piece->text);
        break;
    case RG_PIECE_REASONING:
        if (l->last != RG_PIECE_REASONING) {
            rg_buf_char(&l->text, '[');
        }
        rg_buf_str(&l->text, piece->text);
        break;
    case RG_PIECE_CALL:
        l->streamed.size = 0;
        put(l, "call", piece->text);
        break;
    case RG_PIECE_ARGUMENTS:
        rg_buf_str(&l->streamed, piece->text);
        break;
    case RG_PIECE_CALL_END:
        // what came in pieces is the whole
        assert_true(rg_str_eq(rg_buf_view(&l->streamed), piece->text));
        put(l, "args", piece->text);
        break;
    case RG_PIECE_BROKEN:
        put(l, "broken", rg_buf_view(&l->streamed));
        break;
    }
    l->last = piece->kind;
}

static rg_answer *begin(log *l, bool is_in_thought) {
    rg_error err = {0};
    rg_answer *a = NULL;
    *l = (log){.last = RG_PIECE_TEXT};
    rg_buf_init(&l->text, rg_mem_heap(), 0);
    rg_buf_init(&l->reply, rg_mem_heap(), 0);
    rg_buf_init(&l->streamed, rg_mem_heap(), 0);
    assert_int_equal(
        rg_answer_new(rg_mem_heap(), rg_dialect_at(0), NULL, is_in_thought, take, l, &a, &err), RG_OK);
    return a;
}

static void clear(log *l) {
    rg_buf_clear(&l->text);
    rg_buf_clear(&l->reply);
    rg_buf_clear(&l->streamed);
}

static void feed(rg_answer *a, rg_str text) {
    rg_error err = {0};
    assert_int_equal(rg_answer_feed(a, text, &err), RG_OK);
}

static void end(rg_answer *a) {
    rg_error err = {0};
    assert_int_equal(rg_answer_finish(a, &err), RG_OK);
    rg_answer_free(a);
}

// a marker, or more than its first byte, at the end of what came out so far
static bool leaks(const log *l) {
    static const char *const markers[] = {"<tool_call>", "</tool_call>", "</think>"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 2; n <= strlen(markers[i]); n++) {
            if (rg_str_ends(rg_buf_view(&l->text), (rg_str){markers[i], n})) {
                return true;
            }
        }
    }
    return false;
}

static const struct {
    const char *text;
    const char *want;
    bool is_in_thought;
    bool may_end_like_a_marker; // on purpose
} cases[] = {
    {.text = "Hello, world.", "Hello, world."},
    {.text = " a < b </ c <tool <b> ", " a < b </ c <tool <b> ", .may_end_like_a_marker = true},
    {.text = "<tool_call>\n{\"name\": \"walk\", \"arguments\": {\"distance\": 2.0}}\n</tool_call>",
     "{call:walk}{args:{\"distance\": 2.0}}"},
    {.text = "On it.\n<tool_call>\n{\"name\": \"turn\", \"arguments\": {\"angle\": "
             "-90}}\n</tool_call>\n"
             "<tool_call>\n{\"name\": \"sit\", \"arguments\": {}}\n</tool_call>\n",
     "On it.{call:turn}{args:{\"angle\": -90}}{call:sit}{args:{}}"},
    {.text =
         "<tool_call>{\"arguments\":{\"a\":[1,{\"b\":\"}\\\"{\"}]},\"name\":\"f\"}</tool_call>done",
     "{call:f}{args:{\"a\":[1,{\"b\":\"}\\\"{\"}]}}done"},
    {.text = "A\n<tool_call>{\"name\":\"f\"}</tool_call>\nB", "A{call:f}{args:{}}\n\nB"},
    // content that spells a marker
    {.text = "<tool_call>{\"name\":\"say\",\"arguments\":{\"t\":\"</tool_call> "
             "<tool_call>\"}}</tool_call>",
     "{call:say}{args:{\"t\":\"</tool_call> <tool_call>\"}}",
     .may_end_like_a_marker = true},
    // arguments in a string; names in escapes
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}</tool_call>",
     "{call:f}{args:{\"x\": 1}}"},
    {.text = "<tool_call>{\"name\":\"\\u0066g\",\"parameters\":{\"x\":1}}</tool_call>",
     "{call:fg}{args:{\"x\":1}}"},
    // reasoning
    {.text = "<think>\nwell <tool_call> no\n</think>\n\nYes.",
     "[well <tool_call> noYes.",
     .may_end_like_a_marker = true},
    {.text = "\n<think>\n\n</think>\n\nYes.", "Yes."},
    {.text = "hm</think>Yes.", "[hmYes.", .is_in_thought = true},
    {.text = "What is <think>? ", "What is <think>? "},
    {.text = "hm, never closed", "[hm, never closed", .is_in_thought = true},
    // calls that are none
    {.text = "<tool_call>nonsense</tool_call>!", "{broken:}nonsense!"},
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":}}</tool_call>",
     "{call:f}{broken:{\"x\":}}{\"name\":\"f\",\"arguments\":{\"x\":}}"},
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1</tool_call>",
     "{call:f}{broken:{\"x\":1}{\"name\":\"f\",\"arguments\":{\"x\":1"},
    {.text = "<tool_call>{\"arguments\":{}}</tool_call>", "{broken:}{\"arguments\":{}}"},
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":[1]}</tool_call>",
     "{call:f}{broken:}{\"name\":\"f\",\"arguments\":[1]}"},
    {.text = "<tool_call>{\"name\":\"\"}</tool_call>", "{broken:}{\"name\":\"\"}"},
    {.text = "<tool_call>{\"name\":\"f\",\"x\":\"a\nb\"}</tool_call>"
             "<tool_call>{\"name\":\"g\"}</tool_call>",
     "{call:f}{broken:}{\"name\":\"f\",\"x\":\"a\nb\"}{call:g}{args:{}}"},
    {.text = "<tool_call>{\"name\":\"f\"}{}</tool_call>", "{call:f}{broken:}{\"name\":\"f\"}{}"},
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":1",
     "{call:f}{broken:{\"x\":1}{\"name\":\"f\",\"arguments\":{\"x\":1"},
    {.text = "<tool_call></tool_call>x", "{broken:}x"},
    {.text = "<tool_call>{\"name\":\"f\",\"arguments\":{}]}</tool_call>",
     "{call:f}{broken:{}}{\"name\":\"f\",\"arguments\":{}]}"},
};

static void check(size_t i, const log *l, const char *how) {
    if (!rg_str_is(rg_buf_view(&l->text), cases[i].want)) {
        fail_msg("case %zu %s: \"%.*s\", wanted \"%s\"", i, how, RG_FMT(rg_buf_view(&l->text)),
                 cases[i].want);
    }
}

static void is_the_same_for_every_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rg_str text = rg_str_of(cases[i].text);
        log l;
        // two pieces, cut at every byte
        for (size_t cut = 0; cut <= text.size; cut++) {
            rg_answer *a = begin(&l, cases[i].is_in_thought);
            feed(a, rg_str_slice(text, 0, cut));
            if (!cases[i].may_end_like_a_marker) {
                assert_false(leaks(&l));
            }
            feed(a, rg_str_slice(text, cut, text.size));
            end(a);
            check(i, &l, "in two");
            clear(&l);
        }
        // pieces of every size
        for (size_t size = 1; size < 8; size++) {
            rg_answer *a = begin(&l, cases[i].is_in_thought);
            for (size_t at = 0; at < text.size; at += size) {
                feed(a, rg_str_slice(text, at, at + size));
                if (!cases[i].may_end_like_a_marker) {
                    assert_false(leaks(&l));
                }
            }
            end(a);
            check(i, &l, "in pieces");
            clear(&l);
        }
    }
}

static void arguments_stream_while_they_are_written(void **state) {
    (void)state;
    log l;
    rg_answer *a = begin(&l, false);
    feed(a, RG_STR("<tool_call>\n{\"name\": \"walk\", \"arguments\": {\"dist"));
    assert_string_equal(rg_buf_cstr(&l.text), "{call:walk}");
    assert_string_equal(rg_buf_cstr(&l.streamed), "{\"dist");
    feed(a, RG_STR("ance\": 2"));
    assert_string_equal(rg_buf_cstr(&l.streamed), "{\"distance\": 2");
    feed(a, RG_STR("}} "));
    assert_string_equal(rg_buf_cstr(&l.streamed), "{\"distance\": 2}");
    end(a);
    clear(&l);
}

static void a_call_that_is_too_long_or_too_deep_is_text(void **state) {
    (void)state;
    log l;
    rg_answer *a = begin(&l, false);
    feed(a, RG_STR("<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":\""));
    for (size_t i = 0; i < RG_CALL_BYTES_MAX / 8; i++) {
        feed(a, RG_STR("aaaaaaaa"));
    }
    feed(a, RG_STR("</tool_call>end"));
    end(a);
    assert_true(rg_str_ends(rg_buf_view(&l.text), RG_STR("aaaaend")));
    assert_true(memmem(l.text.data, l.text.size, "{broken:", 8) != NULL);
    clear(&l);
    a = begin(&l, false);
    feed(a, RG_STR("<tool_call>{\"name\":\"f\",\"arguments\":"));
    for (size_t i = 0; i < RG_CALL_DEPTH_MAX; i++) {
        feed(a, RG_STR("{\"x\":"));
    }
    feed(a, RG_STR("1</tool_call>end"));
    end(a);
    assert_true(rg_str_ends(rg_buf_view(&l.text), RG_STR("{\"x\":1end")));
    clear(&l);
}

static void dialects_are_found_by_name(void **state) {
    (void)state;
    assert_ptr_equal(rg_dialect_find(RG_STR("hermes")), rg_dialect_at(0));
    assert_null(rg_dialect_find(RG_STR("klingon")));
    assert_true(rg_dialect_is_marker(RG_STR("</tool_call>")));
    assert_false(rg_dialect_is_marker(RG_STR("")));
    assert_true(rg_dialect_is_in_thought(rg_dialect_at(0), RG_STR("assistant\n<think>\n")));
    assert_false(rg_dialect_is_in_thought(rg_dialect_at(0), RG_STR("<think></think>")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_same_for_every_cut),
        cmocka_unit_test(arguments_stream_while_they_are_written),
        cmocka_unit_test(a_call_that_is_too_long_or_too_deep_is_text),
        cmocka_unit_test(dialects_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
