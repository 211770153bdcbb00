/* An answer fed in pieces, and all that came out of it. */
#pragma once

#include "chat/answer.h"

/** What came out; calls as {"name"(, "id"), "arguments"} one after another. */
typedef struct dialogue {
    rg_buf reply;
    rg_buf thought;
    rg_buf calls;
    rg_buf args; // of the call at hand, as they came
    rg_buf name;
    size_t n_broken;
    bool is_wrong; // arguments that came in pieces were not those of the whole call
} dialogue;

static inline void dialogue_take(void *arg, const rg_piece *piece) {
    dialogue *d = arg;
    switch (piece->kind) {
    case RG_PIECE_TEXT:
        rg_buf_str(&d->reply, piece->text);
        break;
    case RG_PIECE_REASONING:
        rg_buf_str(&d->thought, piece->text);
        break;
    case RG_PIECE_CALL:
        d->args.size = 0;
        d->name.size = 0;
        if (piece->id.size != 0) {
            rg_buf_str(&d->name, RG_STR("\"id\": "));
            rg_buf_json(&d->name, piece->id);
            rg_buf_str(&d->name, RG_STR(", "));
        }
        rg_buf_str(&d->name, RG_STR("\"name\": "));
        rg_buf_json(&d->name, piece->text);
        break;
    case RG_PIECE_ARGUMENTS:
        rg_buf_str(&d->args, piece->text);
        break;
    case RG_PIECE_CALL_END:
        d->is_wrong = d->is_wrong || !rg_str_eq(rg_buf_view(&d->args), piece->text);
        rg_buf_char(&d->calls, '{');
        rg_buf_str(&d->calls, rg_buf_view(&d->name));
        rg_buf_str(&d->calls, RG_STR(", \"arguments\": "));
        rg_buf_str(&d->calls, piece->text);
        rg_buf_str(&d->calls, RG_STR("}\n"));
        break;
    case RG_PIECE_BROKEN:
        d->n_broken++;
        break;
    }
}

static inline void dialogue_init(dialogue *d) {
    *d = (dialogue){0};
    rg_buf *const bufs[] = {&d->reply, &d->thought, &d->calls, &d->args, &d->name};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        rg_buf_init(bufs[i], rg_mem_heap(), 0);
    }
}

static inline void dialogue_clear(dialogue *d) {
    rg_buf *const bufs[] = {&d->reply, &d->thought, &d->calls, &d->args, &d->name};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        rg_buf_clear(bufs[i]);
    }
}
