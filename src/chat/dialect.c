#include "chat/dialect.h"

#include <stdio.h>

#define MARK(text) {text, sizeof(text) - 1}

// clang-format off
#define DEEPSEEK \
    .call_open = {MARK("<｜tool▁call▁begin｜>")}, .call_close = {MARK("<｜tool▁call▁end｜>")}, \
    .dropped = {MARK("<｜tool▁calls▁begin｜>"), MARK("<｜tool▁calls▁end｜>")}, \
    .inner = {MARK("<｜tool▁sep｜>")}, .think_open = MARK("<think>"), .think_close = MARK("</think>"), \
    .syntax = &rg_call_syntax_deepseek, .is_held = true, \
    .section_open = MARK("<｜tool▁calls▁begin｜>"), .section_close = MARK("<｜tool▁calls▁end｜>")

// all spellings are read; one is written
#define DSML \
    .call_open = {MARK("<｜DSML｜invoke "), MARK("<｜DSML｜ invoke ")}, \
    .call_close = {MARK("</｜DSML｜invoke>"), MARK("</｜DSML｜ invoke>")}, \
    .dropped = {MARK("<｜DSML｜function_calls>"), MARK("</｜DSML｜function_calls>"), MARK("<｜DSML｜tool_calls>"), \
                MARK("</｜DSML｜tool_calls>"), MARK("<｜DSML｜ calls>"), MARK("</｜DSML｜ calls>")}, \
    .inner = {MARK("｜DSML｜")}, .think_open = MARK("<think>"), .think_close = MARK("</think>"), \
    .syntax = &rg_call_syntax_dsml, .is_held = true, .before_name = MARK("name=\""), .before_args = MARK("\">\n"), \
    .key_open = MARK("<｜DSML｜parameter name=\""), .text_open = MARK("\" string=\"true\">"), \
    .data_open = MARK("\" string=\"false\">"), .value_close = MARK("</｜DSML｜parameter>\n")

static const rg_dialect dialects[] = {
    // those that follow Hermes
    {.name = "hermes", .families = " qwen2.5 qwq qwen3 qwen3-vl qwen3-next ",
     .call_open = {MARK("<tool_call>")}, .call_close = {MARK("</tool_call>")},
     .think_open = MARK("<think>"), .think_close = MARK("</think>"),
     .syntax = &rg_call_syntax_json, .is_held = true},
    {.name = "qwen3-coder", .families = " qwen3.5 qwen3.6 qwen3.8 qwen3-coder-next qwen3_coder qwen-xml ", .sign = "<function=",
     .call_open = {MARK("<tool_call>")}, .call_close = {MARK("</tool_call>")},
     .line_open = MARK("<function="), .line_close = MARK("</function>"), .dropped = {MARK("</tool_call>")},
     .think_open = MARK("<think>"), .think_close = MARK("</think>"),
     .syntax = &rg_call_syntax_qwen, .is_held = true,
     .before_name = MARK("\n<function="), .before_args = MARK(">\n"), .after_args = MARK("</function>\n"),
     .key_open = MARK("<parameter="), .text_open = MARK(">\n"), .data_open = MARK(">\n"), .value_close = MARK("\n</parameter>\n")},
    {.name = "deepseek-v4", .families = " deepseek-v4-flash deepseek-v4-pro deepseek4 ", .sign = "｜DSML｜", .also = "tool_calls>",
     DSML, .section_open = MARK("<｜DSML｜tool_calls>"), .section_close = MARK("\n</｜DSML｜tool_calls>")},
    {.name = "deepseek-v3.2", .families = " deepseek-v4.1 deepseek32 dsml ", .sign = "｜DSML｜",
     DSML, .section_open = MARK("<｜DSML｜function_calls>"), .section_close = MARK("\n</｜DSML｜function_calls>")},
    {.name = "deepseek-v3", .families = " deepseek deepseek-r1 deepseek2 ", .sign = "<｜tool▁call▁begin｜>", .also = "```json",
     DEEPSEEK, .before_name = MARK("function<｜tool▁sep｜>"), .before_args = MARK("\n```json\n"), .after_args = MARK("\n```")},
    {.name = "deepseek-v3.1", .families = " deepseek-v3.1-terminus ", .sign = "<｜tool▁call▁begin｜>",
     DEEPSEEK, .before_args = MARK("<｜tool▁sep｜>")},
    {.name = "kimi", .families = " kimi-k2 kimi-k2-thinking kimi-k2.5 kimi-k2.6 kimi-linear moonlight ", .sign = "<|tool_call_begin|>",
     .call_open = {MARK("<|tool_call_begin|>")}, .call_close = {MARK("<|tool_call_end|>")},
     .dropped = {MARK("<|tool_calls_section_begin|>"), MARK("<|tool_calls_section_end|>")},
     .inner = {MARK("<|tool_call_argument_begin|>")},
     .think_open = MARK("<think>"), .think_close = MARK("</think>"),
     .syntax = &rg_call_syntax_kimi, .is_held = true,
     .before_name = MARK("functions."), .before_args = MARK("<|tool_call_argument_begin|>"), .is_numbered = true,
     .section_open = MARK("<|tool_calls_section_begin|>"), .section_close = MARK("<|tool_calls_section_end|>")},
    {.name = "llama3", .families = " llama llama3.1 llama3.2 llama3.3 ", .sign = "<|start_header_id|>",
     .call_open = {MARK("<|python_tag|>")}, .call_close = {MARK("<|eom_id|>"), MARK("<|eot_id|>")}, .bare = "{", .dropped = {MARK("<|eom_id|>"), MARK("<|eot_id|>")},
     .syntax = &rg_call_syntax_llama},
    {.name = "llama4", .families = " llama-4 ", .sign = "<|header_start|>",
     .call_open = {MARK("<|python_tag|>")}, .call_close = {MARK("<|eom|>"), MARK("<|eot|>")}, .bare = "{[", .dropped = {MARK("<|eom|>"), MARK("<|eot|>")},
     .syntax = &rg_call_syntax_llama},
};
// clang-format on

enum { N_DIALECTS = sizeof dialects / sizeof *dialects, NAME_BYTES_MAX = 64 };

const rg_dialect *rg_dialect_at(size_t i) {
    return i < N_DIALECTS ? &dialects[i] : NULL;
}

const rg_dialect *rg_dialect_find(rg_str name) {
    char word[NAME_BYTES_MAX + 3];
    if (name.size == 0 || name.size > NAME_BYTES_MAX || memchr(name.data, ' ', name.size) != NULL) {
        return NULL;
    }
    snprintf(word, sizeof word, " %.*s ", RG_FMT(name));
    for (size_t i = 0; i < N_DIALECTS; i++) {
        if (rg_str_is(name, dialects[i].name) || strstr(dialects[i].families, word) != NULL) {
            return &dialects[i];
        }
    }
    return NULL;
}

static bool has(rg_str source, const char *text) {
    return text != NULL && memmem(source.data, source.size, text, strlen(text)) != NULL;
}

const rg_dialect *rg_dialect_of_template(rg_str source) {
    for (size_t i = 0; i < N_DIALECTS; i++) {
        if (has(source, dialects[i].sign) &&
            (dialects[i].also == NULL || has(source, dialects[i].also))) {
            return &dialects[i];
        }
    }
    return &dialects[0];
}

static bool is_one_of(rg_str text, const rg_str *markers, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (rg_str_eq(text, markers[i])) {
            return true;
        }
    }
    return false;
}

bool rg_dialect_is_marker(rg_str text) {
    for (size_t i = 0; i < N_DIALECTS && text.size != 0; i++) {
        const rg_dialect *d = &dialects[i];
        if (is_one_of(text, d->call_open, RG_DIALECT_SPELLINGS) ||
            is_one_of(text, d->call_close, RG_DIALECT_SPELLINGS) ||
            is_one_of(text, d->dropped, RG_DIALECT_DROPPED) ||
            is_one_of(text, d->inner, RG_DIALECT_INNER) || rg_str_eq(text, d->think_open) ||
            rg_str_eq(text, d->think_close)) {
            return true;
        }
    }
    return false;
}

bool rg_dialect_is_in_thought(const rg_dialect *d, rg_str prompt) {
    while (prompt.size != 0 && strchr(" \n\r\t", prompt.data[prompt.size - 1]) != NULL) {
        prompt.size--;
    }
    return d->think_open.size != 0 && rg_str_ends(prompt, d->think_open);
}
