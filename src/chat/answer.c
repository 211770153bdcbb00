#include "chat/answer.h"

/** What the text at hand is. */
typedef enum place {
    BEGINNING, // only white space so far: reasoning may open
    REPLY,
    THOUGHT,
    CALL,
    BROKEN, // a call that is none, up to its closing marker
} place;

enum { MARKERS_MAX = 4 };

struct rg_answer {
    const rg_mem *mem;
    const rg_dialect *dialect;
    rg_piece_fn *fn;
    void *arg;
    place place;
    char held[RG_DIALECT_MARKER_MAX]; // may become a marker
    size_t n_held;
    rg_buf blank; // white space of the reply, or reasoning, that may turn out to stand at its end
    rg_buf out;   // not yet handed out
    rg_piece_kind out_kind;
    bool has_text; // of the kind at hand: white space in front of the first is dropped ...
    bool is_after; // ... when a call or reasoning stands before
    size_t n_calls;
    rg_call_body body;
    bool is_told;  // the name of the call
    size_t n_sent; // bytes of its arguments
    rg_call call;
};

rg_status rg_answer_new(const rg_mem *mem, const rg_dialect *dialect, bool is_in_thought,
                        rg_piece_fn *fn, void *arg, rg_answer **out, rg_error *err) {
    rg_answer *a = rg_new(mem, sizeof *a);
    if (a == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory to read an answer");
    }
    a->mem = mem;
    a->dialect = dialect;
    a->fn = fn;
    a->arg = arg;
    a->place = is_in_thought ? THOUGHT : BEGINNING;
    a->is_after = is_in_thought;
    rg_buf_init(&a->blank, mem, 0);
    rg_buf_init(&a->out, mem, 0);
    rg_buf_init(&a->call.name, mem, 0);
    rg_buf_init(&a->call.args, mem, 0);
    rg_call_body_init(&a->body, mem);
    *out = a;
    return RG_OK;
}

void rg_answer_free(rg_answer *a) {
    if (a != NULL) {
        rg_buf_clear(&a->blank);
        rg_buf_clear(&a->out);
        rg_buf_clear(&a->call.name);
        rg_buf_clear(&a->call.args);
        rg_call_body_clear(&a->body);
        rg_free(a->mem, a);
    }
}

// ---- handing out ----

static void tell(rg_answer *a, rg_piece_kind kind, rg_str text) {
    a->fn(a->arg, &(rg_piece){.kind = kind, .call = a->n_calls, .text = text});
}

static void flush(rg_answer *a) {
    if (a->out.size != 0) {
        tell(a, a->out_kind, rg_buf_view(&a->out));
        a->out.size = 0;
    }
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// a byte of the reply or of the reasoning; white space waits for what follows it
static void say(rg_answer *a, rg_piece_kind kind, char c) {
    if (a->out_kind != kind) {
        flush(a);
        a->out_kind = kind;
    }
    if (is_blank(c)) {
        rg_buf_char(&a->blank, c);
        return;
    }
    if (a->has_text || !a->is_after) {
        rg_buf_str(&a->out, rg_buf_view(&a->blank));
    }
    a->blank.size = 0;
    a->has_text = true;
    a->is_after = false;
    rg_buf_char(&a->out, c);
}

// ---- calls ----

// what of the call is certain by now
static void tell_progress(rg_answer *a) {
    const rg_call_body *b = &a->body;
    if (!a->is_told && b->name.is_whole) {
        flush(a);
        a->is_told = true;
        tell(a, RG_PIECE_CALL, rg_str_slice(rg_buf_view(&b->text), b->name.begin, b->name.end));
    }
    if (a->is_told && b->args.has_begun) {
        const size_t end = b->args.is_whole ? b->args.end : b->text.size;
        const rg_str more = rg_str_slice(rg_buf_view(&b->text), b->args.begin + a->n_sent, end);
        if (more.size != 0) {
            a->n_sent += more.size;
            tell(a, RG_PIECE_ARGUMENTS, more);
        }
    }
}

// the text of a call becomes part of the reply
static void give_up(rg_answer *a, const char *why) {
    tell_progress(a); // the same for every way to cut the text
    flush(a);
    tell(a, RG_PIECE_BROKEN, rg_str_of(why));
    a->place = BROKEN;
    for (size_t i = 0; i < a->body.text.size; i++) {
        say(a, RG_PIECE_TEXT, a->body.text.data[i]);
    }
    a->body.text.size = 0;
}

static void take_call_byte(rg_answer *a, char c) {
    rg_buf_char(&a->body.text, c);
    if (a->body.text.is_over) {
        give_up(a, "the call is too long");
        say(a, RG_PIECE_TEXT, c);
        return;
    }
    const char *why = a->dialect->syntax->take(&a->body, c);
    if (why != NULL) {
        give_up(a, why);
    }
}

static void end_call(rg_answer *a) {
    const char *why = a->dialect->syntax->finish(&a->body, &a->call);
    if (why != NULL) {
        give_up(a, why);
    } else {
        tell_progress(a);
        flush(a);
        if (!a->is_told) {
            tell(a, RG_PIECE_CALL, rg_buf_view(&a->call.name));
        }
        // what did not come as an object in its place comes at once
        if (a->n_sent == 0) {
            tell(a, RG_PIECE_ARGUMENTS, rg_buf_view(&a->call.args));
        }
        tell(a, RG_PIECE_CALL_END, rg_buf_view(&a->call.args));
        a->n_calls++;
    }
    a->place = REPLY;
    a->is_after = true;
}

// ---- markers ----

static size_t markers_of(const rg_answer *a, rg_str markers[MARKERS_MAX]) {
    const rg_dialect *d = a->dialect;
    size_t n = 0;
    if (a->place == THOUGHT) {
        markers[n++] = d->think_close;
    } else if (a->place == CALL || a->place == BROKEN) {
        markers[n++] = d->call_close;
    } else {
        markers[n++] = d->call_open;
        markers[n++] = d->section_open;
        markers[n++] = d->section_close;
        if (a->place == BEGINNING) {
            markers[n++] = d->think_open;
        }
    }
    return n;
}

static void take_byte(rg_answer *a, char c) {
    switch (a->place) {
    case THOUGHT:
        say(a, RG_PIECE_REASONING, c);
        break;
    case CALL:
        take_call_byte(a, c);
        break;
    case BEGINNING:
        a->place = is_blank(c) ? BEGINNING : REPLY;
        say(a, RG_PIECE_TEXT, c);
        break;
    default:
        say(a, RG_PIECE_TEXT, c);
        break;
    }
}

static void take_marker(rg_answer *a, rg_str marker) {
    const rg_dialect *d = a->dialect;
    switch (a->place) {
    case THOUGHT:
        flush(a);
        a->blank.size = 0;
        a->has_text = false;
        a->is_after = true;
        a->place = REPLY;
        break;
    case CALL:
        end_call(a);
        break;
    case BROKEN:
        a->place = REPLY;
        a->is_after = true;
        break;
    default:
        a->is_after = true;
        if (rg_str_eq(marker, d->call_open)) {
            a->place = CALL;
            a->is_told = false;
            a->n_sent = 0;
            rg_call_body_reset(&a->body);
        } else if (rg_str_eq(marker, d->think_open)) {
            a->place = THOUGHT;
            a->blank.size = 0;
        }
        break;
    }
}

// the held bytes begin a marker (or are one: then it is taken)
static bool holds(rg_answer *a) {
    rg_str markers[MARKERS_MAX];
    const size_t n = markers_of(a, markers);
    const rg_str held = {a->held, a->n_held};
    // within a string of a call the closing marker is content
    if (a->place == CALL && a->body.is_quoted) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (markers[i].size != 0 && rg_str_eq(held, markers[i])) {
            a->n_held = 0;
            take_marker(a, markers[i]);
            return true;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (rg_str_starts(markers[i], held)) {
            return true;
        }
    }
    return false;
}

static void take(rg_answer *a, char c) {
    a->held[a->n_held++] = c;
    while (a->n_held != 0 && !holds(a)) {
        const char first = a->held[0];
        memmove(a->held, a->held + 1, --a->n_held);
        take_byte(a, first);
    }
}

static rg_status check(const rg_answer *a, rg_error *err) {
    const bool has_failed = a->blank.is_failed || a->out.is_failed || a->call.name.is_failed ||
                            a->call.args.is_failed ||
                            (a->body.text.is_failed && !a->body.text.is_over);
    return has_failed ? rg_fail(err, RG_E_MEMORY, "no memory for an answer") : RG_OK;
}

rg_status rg_answer_feed(rg_answer *a, rg_str text, rg_error *err) {
    for (size_t i = 0; i < text.size; i++) {
        take(a, text.data[i]);
    }
    if (a->place == CALL) {
        tell_progress(a);
    }
    flush(a);
    return check(a, err);
}

rg_status rg_answer_finish(rg_answer *a, rg_error *err) {
    for (size_t i = 0; i < a->n_held; i++) {
        take_byte(a, a->held[i]);
    }
    a->n_held = 0;
    if (a->place == CALL) {
        give_up(a, "the answer ends within a call");
    }
    if (!a->is_after && a->out_kind == RG_PIECE_TEXT) {
        rg_buf_str(&a->out, rg_buf_view(&a->blank));
        a->blank.size = 0;
    }
    flush(a);
    return check(a, err);
}
