#include "chat/chat_spans.h"

enum { OTHERS = 1, FIRST_SOURCE = 2, N_SOURCES = 254 };

typedef struct finder {
    const rg_chat_format *format;
    const rg_mem *mem;
    const rg_chat_request *request;
    const rg_str *ends;
    size_t n_ends;
    const rg_rendered *whole;
    uint8_t *sources;
    rg_error *err;
} finder;

static bool is_assistant(const rg_json *message) {
    rg_str role = {0};
    return rg_json_str(rg_json_find(message, "role"), &role) && rg_str_is(role, "assistant");
}

// each turn of an assistant gets a number of its own; far apart, numbers come again
static rg_status number_sources(finder *f) {
    const rg_json *messages = f->request->messages;
    size_t n_turns = 0;
    for (size_t i = 0; i < messages->n; i++) {
        const rg_json *message = &messages->items[i];
        rg_str role = {0};
        if (message->kind != RG_JSON_OBJECT || !rg_json_str(rg_json_find(message, "role"), &role)) {
            return rg_fail(f->err, RG_E_ARG, "messages[%zu] is no object with a role", i);
        }
        const bool speaks = is_assistant(message);
        f->sources[i] = speaks ? (uint8_t)(FIRST_SOURCE + n_turns % N_SOURCES) : OTHERS;
        n_turns += speaks;
    }
    if (n_turns > RG_CHAT_TURNS_MAX) {
        return rg_fail(f->err, RG_E_LIMIT, "%zu turns of the assistant, limit %zu", n_turns,
                       RG_CHAT_TURNS_MAX);
    }
    return RG_OK;
}

// the first n messages alone
static rg_status render_part(const finder *f, size_t n, bool prompts, rg_rendered *out) {
    rg_json messages = *f->request->messages;
    rg_chat_request request = *f->request;
    messages.n = n;
    request.messages = &messages;
    request.sources = f->sources;
    request.add_generation_prompt = prompts;
    const rg_status status = rg_chat_format_render(f->format, &request, out, f->err);
    if (status != RG_OK) {
        if (out->failure == RG_TEMPLATE_RAISED) {
            rg_fail(f->err, status, "%.*s", RG_FMT(out->raised)); // the template's own words
        }
        rg_error_prefix(f->err, "the first %zu messages", n);
    }
    return status;
}

// what the template writes behind the last word that came from a message
static rg_str tail_of(const rg_rendered *r) {
    if (r->n_runs == 0 || !r->runs[r->n_runs - 1].is_trusted) {
        return (rg_str){0};
    }
    return rg_str_slice(r->text, r->runs[r->n_runs - 1].begin, r->text.size);
}

static size_t common(rg_str a, rg_str b) {
    size_t n = 0;
    while (n < a.size && n < b.size && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

// bytes of `lead`, the template's text in front of turn i, that belong to its prompt
static rg_status prompt_size(const finder *f, size_t i, rg_str lead, size_t *out) {
    rg_status status = RG_OK;
    rg_rendered asked = {0};
    rg_rendered plain = {0};
    RG_TRY(render_part(f, i, true, &asked));
    const rg_str tail = tail_of(&asked);
    size_t size = common(lead, tail);
    if (size != tail.size && size != lead.size) {
        // the template goes on in another way than it asks ("<think>" or not): back to where both
        // agree, as long as a part of the request is in front of that
        while (size != 0 && memchr(">]\n", lead.data[size - 1], 3) == NULL) {
            size--;
        }
        RG_TRY(render_part(f, i, false, &plain));
        if (size <= common(tail, tail_of(&plain))) {
            status = rg_fail(f->err, RG_E_UNSUPPORTED,
                             "messages[%zu]: the template does not write this turn where it asks "
                             "for one, so what is learnt cannot be told",
                             i);
            goto done;
        }
    }
    *out = size;

done:
    rg_rendered_clear(&asked);
    rg_rendered_clear(&plain);
    return status;
}

// the first end token that the template writes in [from, to): the byte behind it, or 0
static size_t end_token(const finder *f, size_t run, size_t to) {
    const rg_rendered *r = f->whole;
    for (size_t k = run; k < r->n_runs && r->runs[k].begin < to; k++) {
        if (!r->runs[k].is_trusted) {
            continue;
        }
        const rg_str part = rg_str_slice(r->text, r->runs[k].begin, r->runs[k].end);
        size_t best = SIZE_MAX;
        size_t size = 0;
        for (size_t e = 0; e < f->n_ends && part.size != 0; e++) {
            const char *at = f->ends[e].size == 0
                                 ? NULL
                                 : memmem(part.data, part.size, f->ends[e].data, f->ends[e].size);
            if (at != NULL && (size_t)(at - part.data) < best) {
                best = (size_t)(at - part.data);
                size = f->ends[e].size;
            }
        }
        if (best != SIZE_MAX) {
            return r->runs[k].begin + best + size;
        }
    }
    return 0;
}

// where turn i ends when the template writes no end token: as it does when nothing follows
static rg_status end_without_token(const finder *f, size_t i, size_t first, size_t to,
                                   size_t *out) {
    rg_status status = RG_OK;
    rg_rendered alone = {0};
    const rg_str turn = rg_str_slice(f->whole->text, first, to);
    if (i + 1 == f->request->messages->n) {
        *out = to;
        return RG_OK;
    }
    RG_TRY(render_part(f, i + 1, false, &alone));
    size_t begin = alone.text.size;
    for (size_t k = alone.n_runs; k > 0; k--) {
        const rg_text_run *run = &alone.runs[k - 1];
        if (!run->is_trusted && run->source != f->sources[i]) {
            break;
        }
        begin = run->is_trusted ? begin : run->begin;
    }
    *out = first + common(turn, rg_str_slice(alone.text, begin, alone.text.size));

done:
    rg_rendered_clear(&alone);
    return status;
}

// turn i, whose first word is run `run`
static rg_status find_span(const finder *f, size_t i, size_t run, rg_chat_span *out) {
    rg_status status = RG_OK;
    const rg_rendered *r = f->whole;
    const size_t first = r->runs[run].begin;
    const bool has_lead = run != 0 && r->runs[run - 1].is_trusted;
    const size_t lead = has_lead ? r->runs[run - 1].begin : first;
    size_t size = 0;
    size_t next = run;
    while (next < r->n_runs &&
           (r->runs[next].is_trusted || r->runs[next].source == f->sources[i])) {
        next++;
    }
    const size_t to = next < r->n_runs ? r->runs[next].begin : r->text.size;
    RG_TRY(prompt_size(f, i, rg_str_slice(r->text, lead, first), &size));
    out->begin = lead + size;
    out->end = end_token(f, run, to);
    if (out->end == 0) {
        status = end_without_token(f, i, first, to, &out->end);
    }

done:
    return status;
}

static rg_status find_spans(finder *f, rg_buf *spans) {
    const rg_json *messages = f->request->messages;
    const rg_rendered *r = f->whole;
    rg_status status = RG_OK;
    size_t from = 0;  // behind the turn before
    size_t first = 0; // run where the turn before began
    for (size_t i = 0; i < messages->n; i++) {
        rg_chat_span span = {0, 0};
        size_t run = first;
        if (f->sources[i] == OTHERS) {
            continue;
        }
        while (run < r->n_runs &&
               (r->runs[run].source != f->sources[i] || r->runs[run].begin < from)) {
            run++;
        }
        if (run == r->n_runs) {
            continue; // it says nothing
        }
        RG_TRY(find_span(f, i, run, &span));
        first = run;
        span.begin = span.begin < from ? from : span.begin;
        if (span.end > span.begin) {
            rg_buf_put(spans, &span, sizeof span);
            from = span.end;
        }
    }
    status = rg_buf_check(spans, "turns of the assistant", f->err);

done:
    return status;
}

rg_status rg_chat_format_spans(const rg_chat_format *format, const rg_mem *mem,
                               const rg_chat_request *request, const rg_str *ends, size_t n_ends,
                               rg_rendered *out, rg_buf *spans, rg_error *err) {
    rg_status status = RG_OK;
    finder f = {format, mem, request, ends, n_ends, out, NULL, err};
    const rg_json *messages = request->messages;
    *out = (rg_rendered){0};
    if (messages == NULL || messages->kind != RG_JSON_ARRAY || messages->n == 0) {
        return rg_fail(err, RG_E_ARG, "messages is no array, or empty");
    }
    if (messages->n > RG_CHAT_MESSAGES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%zu messages, limit %zu", messages->n,
                       RG_CHAT_MESSAGES_MAX);
    }
    f.sources = rg_new(mem, messages->n);
    if (f.sources == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu messages", messages->n);
    }
    RG_TRY(number_sources(&f));
    RG_TRY(render_part(&f, messages->n, false, out));
    status = find_spans(&f, spans);

done:
    rg_free(mem, f.sources);
    return status;
}
