#include "train/sample.h"

#include <string.h>

enum { TREE_BYTES_MAX = 256 << 20 };

/** One line being read. */
typedef struct reading {
    const rg_sample_reader *r;
    rg_samples *out;
    rg_chat_request request; // of messages
    rg_json messages;        // the first n of them
    rg_error *err;
} reading;

void rg_samples_init(rg_samples *s, const rg_mem *mem) {
    rg_ids_init(&s->ids, mem);
    rg_buf_init(&s->is_learnt, mem, 0);
    rg_buf_init(&s->ends, mem, 0);
    s->is_text = false;
}

void rg_samples_reset(rg_samples *s) {
    s->ids.buf.size = 0;
    s->is_learnt.size = 0;
    s->ends.size = 0;
    s->is_text = false;
}

void rg_samples_clear(rg_samples *s) {
    rg_ids_clear(&s->ids);
    rg_buf_clear(&s->is_learnt);
    rg_buf_clear(&s->ends);
}

// ids up to the n-th that have no flag yet are learnt, or not
static void mark(reading *l, size_t n, bool is_learnt) {
    while (l->out->is_learnt.size < n && !l->out->is_learnt.is_failed) {
        rg_buf_char(&l->out->is_learnt, is_learnt ? 1 : 0);
    }
}

static void end_sample(reading *l) {
    const size_t n = rg_ids_count(&l->out->ids);
    rg_buf_put(&l->out->ends, &n, sizeof n);
}

static void put_end_token(reading *l) {
    const int32_t eos = rg_tokenizer_eos(l->r->tokenizer);
    if (eos >= 0) {
        rg_buf_put(&l->out->ids.buf, &eos, sizeof eos);
    }
}

// ---- text, prompt and completion ----

// the whole text is learnt behind its first n_given bytes, and then the end
static rg_status read_text(reading *l, rg_str text, size_t n_given) {
    rg_token_cut cut = {.at = n_given};
    const rg_status status = rg_tokenizer_encode_chat(l->r->tokenizer, text, NULL, 0, &cut,
                                                      n_given == 0 ? 0 : 1, &l->out->ids, l->err);
    if (status == RG_OK) {
        put_end_token(l);
        mark(l, cut.n_ids, false);
        mark(l, rg_ids_count(&l->out->ids), true);
        end_sample(l);
    }
    return status;
}

// as one text with a cut in it: the ids are those that a model would answer the prompt with
static rg_status read_completion(reading *l, rg_str prompt, rg_str completion) {
    rg_buf text;
    rg_buf_init(&text, l->r->mem, 0);
    rg_buf_str(&text, prompt);
    rg_buf_str(&text, completion);
    rg_status status = rg_buf_check(&text, "a prompt with its completion", l->err);
    if (status == RG_OK) {
        status = read_text(l, rg_buf_view(&text), prompt.size);
    }
    rg_buf_clear(&text);
    return status;
}

// ---- messages ----

// the first n messages as the template writes them
static rg_status render(reading *l, size_t n, bool adds_prompt, rg_rendered *out) {
    l->messages.n = n;
    l->request.messages = &l->messages;
    l->request.add_generation_prompt = adds_prompt;
    const rg_status status = rg_chat_format_render(l->r->chat, &l->request, out, l->err);
    if (status != RG_OK && out->failure == RG_TEMPLATE_RAISED) {
        rg_fail(l->err, status, "the template refuses: %.*s", RG_FMT(out->raised));
    }
    return status;
}

// a turn is learnt up to the token that ends it
static void mark_turns(reading *l, size_t first, const rg_token_cut *cuts, size_t n) {
    const int32_t *ids = rg_ids_data(&l->out->ids) + first;
    const size_t n_ids = rg_ids_count(&l->out->ids) - first;
    size_t turn = 0;
    bool is_over = false;
    for (size_t i = 0; i < n_ids; i++) {
        while (turn < n && first + i >= cuts[2 * turn + 1].n_ids) {
            turn++;
            is_over = false;
        }
        const bool is_inside = turn < n && first + i >= cuts[2 * turn].n_ids;
        rg_buf_char(&l->out->is_learnt, is_inside && !is_over ? 1 : 0);
        is_over = is_inside && (is_over || rg_tokenizer_is_end(l->r->tokenizer, ids[i]));
    }
}

static size_t common(rg_str a, rg_str b) {
    size_t n = 0;
    while (n < a.size && n < b.size && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

/** Where an assistant's turn lies in a rendered text. */
typedef struct span {
    size_t begin;
    size_t end;
} span;

static bool is_assistant(const rg_json *message) {
    rg_str role = {0};
    return rg_json_str(rg_json_find(message, "role"), &role) && rg_str_is(role, "assistant");
}

// the turn of message i within a text that has it; false: the text writes it otherwise
static rg_status find_turn(reading *l, size_t i, rg_str text, span *out, bool *is_there) {
    rg_rendered before = {0};
    rg_rendered after = {0};
    rg_status status = render(l, i, true, &before);
    if (status == RG_OK) {
        status = render(l, i + 1, false, &after);
    }
    if (status == RG_OK) {
        out->begin = before.text.size;
        out->end = common(after.text, text);
        *is_there = rg_str_starts(text, before.text) && out->end > out->begin;
    }
    rg_rendered_clear(&before);
    rg_rendered_clear(&after);
    return status;
}

// no token crosses an end of a turn
static rg_status put_spans(reading *l, const rg_rendered *r, const span *spans, size_t n) {
    const size_t first = rg_ids_count(&l->out->ids);
    rg_token_cut *cuts = rg_new_array(l->r->mem, 2 * n + 1, sizeof *cuts);
    if (cuts == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for %zu turns", n);
    }
    for (size_t i = 0; i < n; i++) {
        cuts[2 * i].at = spans[i].begin;
        cuts[2 * i + 1].at = spans[i].end;
    }
    const rg_status status = rg_tokenizer_encode_chat(l->r->tokenizer, r->text, r->runs, r->n_runs,
                                                      cuts, 2 * n, &l->out->ids, l->err);
    if (status == RG_OK) {
        mark_turns(l, first, cuts, n);
        end_sample(l);
    }
    rg_free(l->r->mem, cuts);
    return status;
}

// a sample that ends with the turn of message i, the only one that is learnt
static rg_status read_turn(reading *l, size_t i) {
    rg_rendered whole = {0};
    span turn;
    bool is_there = false;
    rg_status status = render(l, i + 1, false, &whole);
    if (status == RG_OK) {
        status = find_turn(l, i, whole.text, &turn, &is_there);
    }
    if (status == RG_OK && !is_there) {
        status = rg_fail(l->err, RG_E_FORMAT,
                         "the template does not write message %zu behind the prompt for it", i);
    }
    if (status == RG_OK) {
        status = put_spans(l, &whole, &turn, 1);
    }
    rg_rendered_clear(&whole);
    return status;
}

static rg_status read_messages(reading *l, const rg_json *messages) {
    rg_status status = RG_OK;
    rg_rendered whole = {0};
    const size_t n = messages->n;
    size_t n_spans = 0;
    bool is_plain = true;
    span *spans = rg_new_array(l->r->mem, n + 1, sizeof *spans);
    if (spans == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for %zu turns", n);
    }
    l->messages = *messages;
    RG_TRY(render(l, n, false, &whole));
    for (size_t i = 0; i < n && is_plain; i++) {
        if (is_assistant(rg_json_at(messages, i))) {
            RG_TRY(find_turn(l, i, whole.text, &spans[n_spans], &is_plain));
            is_plain = is_plain && (n_spans == 0 || spans[n_spans].begin >= spans[n_spans - 1].end);
            n_spans++;
        }
    }
    if (is_plain) {
        RG_TRY(put_spans(l, &whole, spans, n_spans));
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_assistant(rg_json_at(messages, i))) {
            RG_TRY(read_turn(l, i));
        }
    }

done:
    rg_rendered_clear(&whole);
    rg_free(l->r->mem, spans);
    return status;
}

// ---- a line ----

static rg_status read_root(reading *l, const rg_json *root) {
    rg_str text = {0};
    rg_str completion = {0};
    const rg_json *messages = rg_json_find(root, "messages");
    if (messages != NULL) {
        if (messages->kind != RG_JSON_ARRAY || messages->n == 0) {
            return rg_fail(l->err, RG_E_FORMAT, "\"messages\" is no list of messages");
        }
        if (l->r->chat == NULL) {
            return rg_fail(l->err, RG_E_FORMAT, "messages need a model with a chat template");
        }
        l->request.tools = rg_json_find(root, "tools");
        if (l->request.tools != NULL && l->request.tools->kind != RG_JSON_ARRAY) {
            l->request.tools = NULL;
        }
        l->request.kwargs = rg_json_find(root, "kwargs");
        return read_messages(l, messages);
    }
    if (rg_json_str(rg_json_find(root, "text"), &text)) {
        l->out->is_text = true;
        return read_text(l, text, 0);
    }
    if (rg_json_str(rg_json_find(root, "prompt"), &text) &&
        rg_json_str(rg_json_find(root, "completion"), &completion)) {
        return read_completion(l, text, completion);
    }
    return rg_fail(l->err, RG_E_FORMAT,
                   "a line needs \"text\", \"prompt\" and \"completion\", or \"messages\"");
}

static bool has_anything(const rg_samples *s, size_t from) {
    return from < s->is_learnt.size &&
           memchr(s->is_learnt.data + from, 1, s->is_learnt.size - from) != NULL;
}

rg_status rg_samples_read(const rg_sample_reader *r, rg_str line, rg_samples *out, rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    const rg_json *root = NULL;
    reading l = {.r = r, .out = out, .err = err};
    const size_t n_ids = out->ids.buf.size;
    const size_t n_learnt = out->is_learnt.size;
    const size_t n_ends = out->ends.size;
    rg_arena_init(&arena, r->mem, TREE_BYTES_MAX);
    if (line.size > RG_SAMPLE_LINE_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "a line of %zu bytes, the limit is %u", line.size,
                         RG_SAMPLE_LINE_MAX);
        goto done;
    }
    RG_TRY(rg_json_parse(&arena, line, &root, err));
    RG_TRY(read_root(&l, root));
    RG_TRY(rg_buf_check(&out->ids.buf, "token ids", err));
    RG_TRY(rg_buf_check(&out->is_learnt, "a mask", err));
    RG_TRY(rg_buf_check(&out->ends, "a list of samples", err));
    if (!has_anything(out, n_learnt)) {
        status = rg_fail(err, RG_E_FORMAT, "nothing in this line is learnt");
    }

done:
    rg_arena_clear(&arena);
    if (status != RG_OK) {
        out->ids.buf.size = n_ids;
        out->is_learnt.size = n_learnt;
        out->ends.size = n_ends;
    }
    return status;
}

rg_status rg_samples_text(const rg_mem *mem, const rg_chat_format *chat, rg_str line, rg_buf *out,
                          rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    rg_rendered rendered = {0};
    rg_str text = {0};
    const rg_json *root = NULL;
    const rg_sample_reader reader = {.mem = mem, .chat = chat};
    reading l = {.r = &reader, .err = err};
    rg_arena_init(&arena, mem, TREE_BYTES_MAX);
    RG_TRY(rg_json_parse(&arena, line, &root, err));
    const rg_json *messages = rg_json_find(root, "messages");
    if (messages != NULL && messages->kind == RG_JSON_ARRAY) {
        l.messages = *messages;
        l.request.tools = rg_json_find(root, "tools");
        l.request.kwargs = rg_json_find(root, "kwargs");
        RG_TRY(render(&l, messages->n, false, &rendered));
        rg_buf_str(out, rendered.text);
    }
    const char *const fields[] = {"text", "prompt", "completion"};
    for (size_t i = 0; i < 3; i++) {
        if (rg_json_str(rg_json_find(root, fields[i]), &text)) {
            rg_buf_str(out, text);
        }
    }
    status = rg_buf_check(out, "a line's text", err);

done:
    rg_rendered_clear(&rendered);
    rg_arena_clear(&arena);
    return status;
}
