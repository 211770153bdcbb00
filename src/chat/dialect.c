#include "chat/dialect.h"

// clang-format off
static const rg_dialect dialects[] = {
    // Qwen 2.5, QwQ, Qwen 3 and others that follow Hermes
    {.name = "hermes",
     .call_open = {"<tool_call>", 11}, .call_close = {"</tool_call>", 12},
     .think_open = {"<think>", 7}, .think_close = {"</think>", 8},
     .syntax = &rg_call_syntax_json},
};
// clang-format on

enum { N_DIALECTS = sizeof dialects / sizeof *dialects };

const rg_dialect *rg_dialect_at(size_t i) {
    return i < N_DIALECTS ? &dialects[i] : NULL;
}

const rg_dialect *rg_dialect_find(rg_str name) {
    for (size_t i = 0; i < N_DIALECTS; i++) {
        if (rg_str_is(name, dialects[i].name)) {
            return &dialects[i];
        }
    }
    return NULL;
}

bool rg_dialect_is_marker(rg_str text) {
    for (size_t i = 0; i < N_DIALECTS && text.size != 0; i++) {
        const rg_dialect *d = &dialects[i];
        const rg_str markers[] = {d->call_open,     d->call_close, d->section_open,
                                  d->section_close, d->think_open, d->think_close};
        for (size_t k = 0; k < sizeof markers / sizeof *markers; k++) {
            if (rg_str_eq(text, markers[k])) {
                return true;
            }
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
