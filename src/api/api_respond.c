/* Conversations, a line of JSON each, to calls and replies. */
#include "api/api_internal.h"

#include "chat/answer.h"
#include "chat/messages.h"
#include "sample/calls_grammar.h"

#include <stdio.h>

enum {
    LINE_BYTES_MAX = 64 << 20,
    TREE_BYTES_MAX = 512 << 20,
};

struct raga_responder {
    raga_model *model;
    raga_session *session;
    raga_responder_options options;
    rg_buf default_tools;
    raga_grammar *grammar; // of the tools below: mostly those of the line before
    rg_buf grammar_tools;
    bool grammar_is_in_thought;
};

/** An answer as it comes. */
typedef struct reading {
    raga_piece_fn *fn; // somebody who is told of it; may be NULL
    void *fn_arg;
    raga_result result;
    rg_answer *answer;
    rg_buf calls; // JSON objects with commas between
    rg_buf name;
    rg_buf reply;
    rg_buf warnings; // JSON texts with commas between
    rg_error err;
    rg_status status;
} reading;

raga_status raga_responder_new(raga_model *model, const raga_responder_options *options,
                               raga_responder **out, raga_error *error) {
    rg_error err = {0};
    if (model == NULL || out == NULL) {
        return api_bad(error, "no model or no place for the responder");
    }
    raga_responder *r = rg_new(rg_mem_heap(), sizeof *r);
    if (r == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a responder"), &err);
    }
    if (options != NULL) {
        const size_t size = options->size;
        memcpy(&r->options, options, size < sizeof r->options ? size : sizeof r->options);
    }
    r->model = model;
    rg_buf_init(&r->default_tools, rg_mem_heap(), 0);
    rg_buf_init(&r->grammar_tools, rg_mem_heap(), 0);
    rg_buf_str(&r->default_tools, rg_str_of(r->options.default_tools));
    const raga_status status = raga_session_new(model, &r->session, error);
    if (status != RAGA_OK || r->default_tools.is_failed) {
        raga_responder_free(r);
        return status != RAGA_OK
                   ? status
                   : api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for tools"), &err);
    }
    *out = r;
    return RAGA_OK;
}

void raga_responder_free(raga_responder *r) {
    if (r != NULL) {
        raga_grammar_free(r->grammar);
        raga_session_free(r->session);
        rg_buf_clear(&r->default_tools);
        rg_buf_clear(&r->grammar_tools);
        rg_free(rg_mem_heap(), r);
    }
}

raga_session *raga_responder_session(raga_responder *r) {
    return r->session;
}

// ---- the answer ----

static void take_call(reading *r, rg_str args) {
    rg_arena arena;
    const rg_json *json = NULL;
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    // written anew, because a line holds no line breaks
    if (rg_json_parse(&arena, args, &json, &r->err) == RG_OK) {
        rg_buf_str(&r->calls, r->calls.size == 0 ? RG_STR("{\"name\":") : RG_STR(",{\"name\":"));
        rg_buf_json(&r->calls, rg_buf_view(&r->name));
        rg_buf_str(&r->calls, RG_STR(",\"arguments\":"));
        rg_json_write(&r->calls, json);
        rg_buf_char(&r->calls, '}');
    } else {
        r->status = rg_fail(&r->err, RG_E_INTERNAL, "the arguments of a whole call are no JSON");
    }
    rg_arena_clear(&arena);
}

static void take_piece(void *arg, const rg_piece *piece) {
    reading *r = arg;
    if (r->fn != NULL) {
        const raga_piece out = api_piece(piece);
        r->fn(r->fn_arg, &out);
    }
    switch (piece->kind) {
    case RG_PIECE_TEXT:
        rg_buf_str(&r->reply, piece->text);
        break;
    case RG_PIECE_CALL:
        r->name.size = 0;
        rg_buf_str(&r->name, piece->text);
        break;
    case RG_PIECE_CALL_END:
        take_call(r, piece->text);
        break;
    case RG_PIECE_BROKEN:
        rg_buf_str(&r->warnings, r->warnings.size == 0 ? RG_STR("") : RG_STR(","));
        rg_buf_json(&r->warnings, piece->text);
        break;
    case RG_PIECE_REASONING:
    case RG_PIECE_ARGUMENTS:
        break;
    }
}

static bool read_step(void *arg, const raga_step *step) {
    reading *r = arg;
    if (r->status == RG_OK) {
        r->status = rg_answer_feed(r->answer, (rg_str){step->text, step->text_size}, &r->err);
    }
    return r->status == RG_OK;
}

static rg_str trim(rg_str text) {
    while (text.size != 0 && strchr(" \n\r\t", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    while (text.size != 0 && strchr(" \n\r\t", text.data[0]) != NULL) {
        text = rg_str_slice(text, 1, text.size);
    }
    return text;
}

static void write_answer(const reading *r, rg_buf *out) {
    rg_buf_str(out, RG_STR(",\"calls\":["));
    rg_buf_str(out, rg_buf_view(&r->calls));
    rg_buf_str(out, RG_STR("],\"reply\":"));
    rg_buf_json(out, trim(rg_buf_view(&r->reply)));
    if (r->warnings.size != 0) {
        rg_buf_str(out, RG_STR(",\"warnings\":["));
        rg_buf_str(out, rg_buf_view(&r->warnings));
        rg_buf_char(out, ']');
    }
}

// ---- a line ----

/** What a line wants of calls. */
typedef struct choice {
    bool is_none;
    bool is_required;
    char tool[RG_CALLS_NAME_MAX + 1]; // the one that must be called; "": any
} choice;

// "none", "auto", "required", or {"function": {"name": NAME}}
static rg_status read_choice(const rg_json *line, choice *out, rg_error *err) {
    const rg_json *json = rg_json_find(line, "tool_choice");
    rg_str word = RG_STR("auto");
    rg_str name = {0};
    const rg_json *function = rg_json_find(json, "function");
    *out = (choice){.is_none = false};
    if (json == NULL || json->kind == RG_JSON_NULL) {
        return RG_OK;
    }
    if (rg_json_str(rg_json_find(function == NULL ? json : function, "name"), &name)) {
        if (name.size == 0 || name.size > RG_CALLS_NAME_MAX) {
            return rg_fail(err, RG_E_FORMAT, "\"tool_choice\" names no tool");
        }
        out->is_required = true;
        snprintf(out->tool, sizeof out->tool, "%.*s", RG_FMT(name));
        return RG_OK;
    }
    (void)rg_json_str(json, &word);
    out->is_none = rg_str_is(word, "none");
    out->is_required = rg_str_is(word, "required") || rg_str_is(word, "any");
    return json->kind == RG_JSON_STRING &&
                   (out->is_none || out->is_required || rg_str_is(word, "auto"))
               ? RG_OK
               : rg_fail(
                     err, RG_E_FORMAT,
                     "\"tool_choice\" is none, auto, required or {\"function\": {\"name\": ..}}");
}

// the grammar of a line's tools: the one of the line before when they are the same
static rg_status find_grammar(raga_responder *r, const rg_json *tools, bool is_in_thought,
                              const choice *wanted, raga_grammar **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    rg_buf text;
    *out = NULL;
    if (tools == NULL && r->default_tools.size == 0) {
        return wanted->is_required
                   ? rg_fail(err, RG_E_ARG, "a call is required, but there are no tools")
                   : RG_OK;
    }
    if (!wanted->is_required && (r->options.is_unheld || !api_dialect(r->model)->is_held)) {
        return RG_OK;
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    rg_buf_init(&text, rg_mem_heap(), 0);
    if (tools == NULL) {
        rg_buf_str(&text, rg_buf_view(&r->default_tools));
    } else {
        rg_json_write(&text, tools);
    }
    // what else the grammar depends on
    rg_buf_format(&text, "\n%d %s", wanted->is_required, wanted->tool);
    const bool is_same = r->grammar != NULL && r->grammar_is_in_thought == is_in_thought &&
                         rg_str_eq(rg_buf_view(&text), rg_buf_view(&r->grammar_tools));
    if (!is_same) {
        const raga_calls_options options = {.size = sizeof options,
                                            .is_required = wanted->is_required,
                                            .is_in_thought = is_in_thought,
                                            .tool = wanted->tool[0] == '\0' ? NULL : wanted->tool};
        raga_grammar_free(r->grammar);
        r->grammar = NULL;
        if (tools == NULL) {
            RG_TRY(rg_json_parse(&arena, rg_buf_view(&r->default_tools), &tools, err));
        }
        RG_TRY(api_grammar_of_tools(r->model, tools, &options, &r->grammar, err));
        r->grammar_tools.size = 0;
        rg_buf_str(&r->grammar_tools, rg_buf_view(&text));
        r->grammar_is_in_thought = is_in_thought;
        RG_TRY(rg_buf_check(&r->grammar_tools, "tools", err));
    }
    *out = r->grammar;

done:
    rg_buf_clear(&text);
    rg_arena_clear(&arena);
    return status;
}

// evaluate only what the session does not hold already; the last token is always evaluated anew,
// for its logits
static size_t reuse(raga_session *s, const int32_t *ids, size_t n) {
    const size_t had = raga_session_count(s);
    const int32_t *old = raga_session_ids(s);
    size_t same = 0;
    while (same < had && same + 1 < n && old[same] == ids[same]) {
        same++;
    }
    raga_session_truncate(s, same);
    return same;
}

static rg_status generate(raga_responder *r, const rg_ids *ids, raga_grammar *grammar, reading *in,
                          rg_error *err) {
    raga_error error = {0};
    const raga_generate_options options = {.size = sizeof options,
                                           .max_tokens = r->options.max_tokens,
                                           .is_greedy = true,
                                           .repetition_penalty = 1,
                                           .grammar = grammar,
                                           .has_markers = true};
    const size_t n = rg_ids_count(ids);
    const size_t same = reuse(r->session, rg_ids_data(ids), n);
    const raga_status status = raga_generate(r->session, rg_ids_data(ids) + same, n - same,
                                             &options, read_step, in, &in->result, &error);
    if (status != RAGA_OK) {
        return rg_fail(err, (rg_status)status, "%s", error.text);
    }
    if (in->status != RG_OK) {
        *err = in->err;
        return in->status;
    }
    if (strcmp(in->result.stop, "cancelled") == 0) {
        return rg_fail(err, RG_E_CANCELLED, "stopped on request");
    }
    return rg_answer_finish(in->answer, err);
}

static void init_reading(reading *in, raga_piece_fn *fn, void *arg) {
    *in = (reading){.fn = fn, .fn_arg = arg, .result = {.size = sizeof in->result}};
    rg_buf_init(&in->calls, rg_mem_heap(), 0);
    rg_buf_init(&in->name, rg_mem_heap(), 0);
    rg_buf_init(&in->reply, rg_mem_heap(), 0);
    rg_buf_init(&in->warnings, rg_mem_heap(), 0);
}

static void clear_reading(reading *in) {
    rg_answer_free(in->answer);
    rg_buf_clear(&in->calls);
    rg_buf_clear(&in->name);
    rg_buf_clear(&in->reply);
    rg_buf_clear(&in->warnings);
}

// null and an empty list bring no tools
static const rg_json *tools_of(const rg_json *line) {
    const rg_json *tools = rg_json_find(line, "tools");
    const bool is_none = tools == NULL || tools->kind == RG_JSON_NULL ||
                         (tools->kind == RG_JSON_ARRAY && tools->n == 0);
    return is_none ? NULL : tools;
}

static rg_status respond(raga_responder *r, rg_arena *arena, const rg_json *line, reading *in,
                         rg_error *err) {
    rg_chat_request request = {.tools = tools_of(line), .add_generation_prompt = true};
    choice wanted;
    raga_grammar *grammar = NULL;
    rg_ids ids;
    rg_status status = RG_OK;
    rg_ids_init(&ids, rg_mem_heap());
    RG_TRY(read_choice(line, &wanted, err));
    request.tools = wanted.is_none ? NULL : request.tools;
    RG_TRY(rg_messages_tidy(arena, rg_json_find(line, "messages"), &request.messages, err));
    if (request.messages == NULL || request.messages->kind != RG_JSON_ARRAY) {
        status = rg_fail(err, RG_E_FORMAT, "the line has no \"messages\", a list");
        goto done;
    }
    RG_TRY(api_chat_ids(r->model, &request, &ids, err));
    const bool is_in_thought =
        raga_model_is_in_thought(r->model, rg_ids_data(&ids), rg_ids_count(&ids));
    if (!wanted.is_none) {
        RG_TRY(find_grammar(r, request.tools, is_in_thought, &wanted, &grammar, err));
    }
    RG_TRY(rg_answer_new(rg_mem_heap(), api_dialect(r->model), request.tools, is_in_thought,
                         take_piece, in, &in->answer, err));
    RG_TRY(generate(r, &ids, grammar, in, err));

done:
    rg_ids_clear(&ids);
    return status;
}

static rg_status read_line(rg_arena *arena, const char *line, size_t size, const rg_json **out,
                           rg_error *err) {
    if (size > LINE_BYTES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a line of %zu bytes, limit %d", size, LINE_BYTES_MAX);
    }
    const rg_status status = rg_json_parse(arena, (rg_str){line, size}, out, err);
    return status != RG_OK || (*out)->kind == RG_JSON_OBJECT
               ? status
               : rg_fail(err, RG_E_FORMAT, "the line is no JSON object");
}

raga_status raga_respond(raga_responder *r, const char *line, size_t size, raga_piece_fn *fn,
                         void *arg, raga_result *result, raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    reading in;
    const rg_json *root = NULL;
    rg_status status = RG_OK;
    if (r == NULL || (line == NULL && size != 0)) {
        return api_bad(error, "no responder or no conversation");
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    init_reading(&in, fn, arg);
    RG_TRY(read_line(&arena, line, size, &root, &err));
    RG_TRY(respond(r, &arena, root, &in, &err));
    if (result != NULL) {
        in.result.size = result->size;
        memcpy(result, &in.result,
               result->size < sizeof in.result ? result->size : sizeof in.result);
    }

done:
    clear_reading(&in);
    rg_arena_clear(&arena);
    return api_fail(error, status, &err);
}

raga_status raga_respond_json_line(raga_responder *r, const char *line, size_t size, char **out,
                                   size_t *out_size, raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    rg_buf answer;
    reading in;
    const rg_json *root = NULL;
    if (r == NULL || (line == NULL && size != 0) || out == NULL || out_size == NULL) {
        return api_bad(error, "no responder, no line or no place for the answer");
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    rg_buf_init(&answer, rg_mem_heap(), 0);
    init_reading(&in, NULL, NULL);
    rg_status status = read_line(&arena, line, size, &root, &err);
    rg_buf_str(&answer, RG_STR("{\"id\":"));
    rg_json_write(&answer, rg_json_find(root, "id"));
    if (status == RG_OK) {
        status = respond(r, &arena, root, &in, &err);
    }
    if (status == RG_OK) {
        write_answer(&in, &answer);
    } else if (status != RG_E_CANCELLED) {
        // every line gets one, with the fields that a reader counts on
        rg_buf_str(&answer, RG_STR(",\"calls\":[],\"reply\":\"\",\"error\":"));
        rg_buf_json(&answer, rg_str_of(err.text));
        status = RG_OK;
    }
    rg_buf_char(&answer, '}');
    clear_reading(&in);
    rg_arena_clear(&arena);
    if (status != RG_OK) {
        rg_buf_clear(&answer);
        return api_fail(error, status, &err);
    }
    return api_hand_over(&answer, out, out_size, error);
}
