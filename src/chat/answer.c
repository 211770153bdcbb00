#include "chat/answer.h"

/** What the text at hand is. */
typedef enum place {
    BEGINNING, // only white space so far: reasoning may open
    REPLY,
    THOUGHT,
    CALL,
    BROKEN, // a call that is none, up to its closing marker
} place;

enum { MARKERS_MAX = RG_DIALECT_SPELLINGS + RG_DIALECT_DROPPED + 2 };

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
    bool is_told;    // the name of the call
    size_t n_sent;   // bytes of its arguments
    bool is_line;    // a line begins
    bool is_of_line; // the call was opened by the beginning of a line ...
    bool is_bare;    // ... or of the answer, without a marker
    bool is_between; // behind such a call
};

rg_status rg_answer_new(const rg_mem *mem, const rg_dialect *dialect, const rg_json *tools,
                        bool is_in_thought, rg_piece_fn *fn, void *arg, rg_answer **out,
                        rg_error *err) {
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
    a->is_line = true;
    rg_buf_init(&a->blank, mem, 0);
    rg_buf_init(&a->out, mem, 0);
    rg_call_body_init(&a->body, mem);
    a->body.tools = tools;
    *out = a;
    return RG_OK;
}

void rg_answer_free(rg_answer *a) {
    if (a != NULL) {
        rg_buf_clear(&a->blank);
        rg_buf_clear(&a->out);
        rg_call_body_clear(&a->body);
        rg_free(a->mem, a);
    }
}

// ---- handing out ----

static void tell(rg_answer *a, rg_piece_kind kind, rg_str text) {
    a->fn(a->arg, &(rg_piece){.kind = kind, .call = a->n_calls, .text = text});
}

static void tell_call(rg_answer *a) {
    a->is_told = true;
    a->fn(a->arg, &(rg_piece){.kind = RG_PIECE_CALL,
                              .call = a->n_calls,
                              .text = rg_buf_view(&a->body.name),
                              .id = rg_buf_view(&a->body.id)});
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
    if (!a->is_told && b->is_named) {
        flush(a);
        tell_call(a);
    }
    if (a->is_told && b->args.size > a->n_sent) {
        const rg_str more = rg_str_slice(rg_buf_view(&b->args), a->n_sent, b->args.size);
        a->n_sent = b->args.size;
        tell(a, RG_PIECE_ARGUMENTS, more);
    }
}

static void begin_call(rg_answer *a) {
    a->place = CALL;
    a->is_told = false;
    a->n_sent = 0;
    a->is_of_line = a->is_bare = false;
    rg_call_body_reset(&a->body);
}

// the text of a call becomes part of the reply
static void give_up(rg_answer *a, const char *why) {
    tell_progress(a); // the same for every way to cut the text
    flush(a);
    if (!a->is_bare || a->is_told) { // else nobody said that it was one
        tell(a, RG_PIECE_BROKEN, rg_str_of(why));
    }
    a->place = a->is_bare ? REPLY : BROKEN;
    a->is_between = false;
    for (size_t i = 0; i < a->body.text.size; i++) {
        say(a, RG_PIECE_TEXT, a->body.text.data[i]);
    }
    a->body.text.size = 0;
}

static void end_call(rg_answer *a) {
    const rg_call_syntax *syntax = a->dialect->syntax;
    const rg_call_body *b = &a->body;
    const char *why = syntax->finish(syntax, &a->body);
    if (why != NULL) {
        give_up(a, why);
        a->is_after = a->is_after || !a->is_bare;
    } else {
        flush(a);
        if (!a->is_told) {
            tell_call(a);
        }
        tell_progress(a);
        tell(a, RG_PIECE_CALL_END, rg_buf_view(&b->args));
        a->n_calls++;
        a->is_after = true;
        a->is_between = a->dialect->bare != NULL;
    }
    a->place = REPLY;
}

static void take_call_byte(rg_answer *a, char c) {
    const rg_call_syntax *syntax = a->dialect->syntax;
    rg_buf_char(&a->body.text, c);
    if (a->body.text.is_over) {
        give_up(a, "the call is too long");
        say(a, RG_PIECE_TEXT, c);
        return;
    }
    const char *why = syntax->take(syntax, &a->body, c);
    if (why != NULL) {
        give_up(a, why);
    } else if (a->body.is_closed) {
        end_call(a);
    }
}

// ---- markers ----

static size_t add(rg_str *markers, size_t n, const rg_str *more, size_t n_more) {
    for (size_t i = 0; i < n_more; i++) {
        if (more[i].size != 0) {
            markers[n++] = more[i];
        }
    }
    return n;
}

static size_t markers_of(const rg_answer *a, rg_str markers[MARKERS_MAX]) {
    const rg_dialect *d = a->dialect;
    if (a->place == THOUGHT) {
        return add(markers, 0, &d->think_close, 1);
    }
    if (a->place == CALL || a->place == BROKEN) {
        return a->is_of_line ? add(markers, 0, &d->line_close, 1)
                             : add(markers, 0, d->call_close, RG_DIALECT_SPELLINGS);
    }
    size_t n = add(markers, 0, d->call_open, RG_DIALECT_SPELLINGS);
    n = add(markers, n, d->dropped, RG_DIALECT_DROPPED);
    n = a->is_line ? add(markers, n, &d->line_open, 1) : n;
    return a->place == BEGINNING ? add(markers, n, &d->think_open, 1) : n;
}

// does a byte open a call that has no marker?
static bool opens_bare(const rg_answer *a, char c) {
    const rg_dialect *d = a->dialect;
    const bool is_next = a->is_between && a->body.is_list && c > ' ';
    return d->bare != NULL && c != '\0' && (strchr(d->bare, c) != NULL || is_next);
}

static void open_bare(rg_answer *a, char c) {
    const bool is_list = a->is_between && a->body.is_list;
    begin_call(a);
    a->is_bare = true;
    a->body.is_list = is_list;
    take_call_byte(a, c);
}

static void take_reply_byte(rg_answer *a, char c) {
    if (a->is_between && c != '\0' && strchr(" \n\r\t;,]", c) != NULL) {
        a->body.is_list = a->body.is_list && c != ']';
    } else if ((a->is_between || a->place == BEGINNING) && opens_bare(a, c)) {
        open_bare(a, c);
    } else {
        a->place = a->place == BEGINNING && is_blank(c) ? BEGINNING : REPLY;
        a->is_between = false;
        say(a, RG_PIECE_TEXT, c);
    }
}

static void take_byte(rg_answer *a, char c) {
    a->is_line = c == '\n' || (a->is_line && is_blank(c));
    switch (a->place) {
    case THOUGHT:
        say(a, RG_PIECE_REASONING, c);
        break;
    case CALL:
        take_call_byte(a, c);
        break;
    case BROKEN:
        say(a, RG_PIECE_TEXT, c);
        break;
    default:
        take_reply_byte(a, c);
        break;
    }
}

static bool is_of(rg_str marker, const rg_str *markers, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (rg_str_eq(marker, markers[i])) {
            return true;
        }
    }
    return false;
}

static void take_marker(rg_answer *a, rg_str marker) {
    const rg_dialect *d = a->dialect;
    a->is_line = true;
    switch (a->place) {
    case THOUGHT:
        flush(a);
        a->blank.size = 0;
        a->has_text = false;
        a->is_after = true;
        a->place = REPLY;
        break;
    case CALL:
        for (size_t i = 0; a->is_of_line && a->place == CALL && i < marker.size; i++) {
            take_call_byte(a, marker.data[i]); // the tag of the function is the marker
        }
        if (a->place == CALL) {
            end_call(a);
        }
        break;
    case BROKEN:
        a->place = REPLY;
        a->is_after = true;
        break;
    default:
        a->is_after = true;
        if (is_of(marker, d->call_open, RG_DIALECT_SPELLINGS)) {
            begin_call(a);
        } else if (rg_str_eq(marker, d->line_open)) {
            begin_call(a);
            a->is_of_line = true;
            for (size_t i = 0; i < marker.size && a->place == CALL; i++) {
                take_call_byte(a, marker.data[i]);
            }
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
        if (rg_str_eq(held, markers[i])) {
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
    const bool has_failed = a->blank.is_failed || a->out.is_failed || a->body.name.is_failed ||
                            a->body.id.is_failed || a->body.args.is_failed ||
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
    if (a->place == CALL && a->dialect->syntax->ends_with_answer) {
        end_call(a);
    } else if (a->place == CALL) {
        give_up(a, "the answer ends within a call");
    }
    if (!a->is_after && a->out_kind == RG_PIECE_TEXT) {
        rg_buf_str(&a->out, rg_buf_view(&a->blank));
        a->blank.size = 0;
    }
    flush(a);
    return check(a, err);
}
