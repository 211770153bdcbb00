/* POST /v1/completions: a text goes on. */
#include "serve/openai.h"
#include "serve/writing.h"

typedef struct writing {
    rg_writing head;
    bool has_usage, has_logprobs;
    size_t n_top;
    union {
        struct {
            rg_buf line;    // the event that is made
            rg_buf choices; // whole ones, commas between
            rg_buf text;    // of the choice that is made, or of the event
            rg_buf tokens, token_logprobs, top_logprobs, offsets; // lists, without their brackets
        };
        rg_buf bufs[7];
    };
    size_t n_characters; // of the choice so far
} writing;

_Static_assert(offsetof(writing, bufs) + sizeof((writing *)0)->bufs ==
                   offsetof(writing, offsets) + sizeof(rg_buf),
               "every buffer is counted");

static void write_head(writing *w) {
    rg_buf_format(&w->line,
                  "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":",
                  w->head.id, w->head.created);
    rg_buf_json(&w->line, rg_str_of(w->head.server->names[0]));
    rg_buf_str(&w->line, RG_STR(",\"choices\":["));
}

static void write_choice(rg_job *job, const char *finish, rg_buf *out) {
    writing *w = job->writing;
    rg_buf_str(out, RG_STR("{\"text\":"));
    rg_buf_json(out, rg_buf_view(&w->text));
    rg_buf_format(out, ",\"index\":%zu,\"logprobs\":", job->at_choice);
    if (w->has_logprobs) {
        const struct {
            const char *name;
            rg_buf *list;
        } lists[] = {{"{\"tokens\":[", &w->tokens},
                     {"],\"token_logprobs\":[", &w->token_logprobs},
                     {"],\"top_logprobs\":[", &w->top_logprobs},
                     {"],\"text_offset\":[", &w->offsets}};
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
            rg_buf_str(out, rg_str_of(lists[i].name));
            rg_buf_str(out, rg_buf_view(lists[i].list));
            lists[i].list->size = 0;
        }
        rg_buf_str(out, RG_STR("]}"));
    } else {
        rg_buf_str(out, RG_STR("null"));
    }
    rg_buf_format(out, ",\"finish_reason\":%s%s%s}", finish == NULL ? "" : "\"",
                  finish == NULL ? "null" : finish, finish == NULL ? "" : "\"");
    w->text.size = 0;
}

static void send_choice(rg_job *job, const char *finish) {
    writing *w = job->writing;
    write_head(w);
    write_choice(job, finish, &w->line);
    rg_buf_str(&w->line, w->has_usage ? RG_STR("],\"usage\":null}") : RG_STR("]}"));
    rg_openai_event(job, &w->line);
}

static void begin(rg_job *job) {
    writing *w = job->writing;
    rg_buf *lists[] = {&w->text, &w->tokens, &w->token_logprobs, &w->top_logprobs, &w->offsets};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i]->size = 0;
    }
    w->n_characters = 0;
}

static void write_token_text(const writing *w, int32_t id, rg_buf *out) {
    char *bytes = NULL;
    size_t size = 0;
    raga_error err;
    const raga_tokenizer *tokenizer = raga_model_tokenizer(w->head.server->model);
    if (raga_detokenize_bytes(tokenizer, &id, 1, &bytes, &size, &err) != RAGA_OK) {
        size = 0;
    }
    rg_buf_json(out, (rg_str){bytes, size});
    raga_free(bytes);
}

static double json_safe(float logprob) {
    return logprob > -9999.0f ? (double)logprob : -9999.0; // JSON has no infinity
}

static void take_token(rg_job *job, const raga_step *step) {
    writing *w = job->writing;
    if (!w->has_logprobs || step->id < 0) {
        return;
    }
    const char *comma = w->tokens.size == 0 ? "" : ",";
    rg_buf_str(&w->tokens, rg_str_of(comma));
    write_token_text(w, step->id, &w->tokens);
    rg_buf_format(&w->token_logprobs, "%s%.6f", comma, json_safe(step->logprob));
    rg_buf_format(&w->offsets, "%s%zu", comma, w->n_characters);
    rg_buf_format(&w->top_logprobs, "%s{", comma);
    for (size_t i = 0; i < w->n_top && i < step->n_top; i++) {
        rg_buf_str(&w->top_logprobs, i == 0 ? RG_STR("") : RG_STR(","));
        write_token_text(w, step->top[i].id, &w->top_logprobs);
        rg_buf_format(&w->top_logprobs, ":%.6f", json_safe(step->top[i].logprob));
    }
    rg_buf_char(&w->top_logprobs, '}');
}

static void take_piece(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    rg_buf_put(&w->text, piece->text, piece->text_size);
    for (size_t i = 0; i < piece->text_size; i++) {
        w->n_characters += ((unsigned char)piece->text[i] & 0xC0) != 0x80;
    }
    if (job->is_stream && piece->text_size != 0) {
        send_choice(job, NULL);
    }
}

static void end_choice(rg_job *job, rg_finish finish) {
    writing *w = job->writing;
    if (job->is_stream) {
        send_choice(job, rg_openai_finish(finish));
    } else {
        rg_buf_str(&w->choices, w->choices.size == 0 ? RG_STR("") : RG_STR(","));
        write_choice(job, rg_openai_finish(finish), &w->choices);
    }
}

static void end(rg_job *job) {
    writing *w = job->writing;
    if (!job->is_stream || w->has_usage) {
        write_head(w);
        rg_buf_str(&w->line, rg_buf_view(&w->choices)); // empty in a stream
        rg_buf_str(&w->line, RG_STR("],\"usage\":"));
        rg_openai_usage(&job->usage, &w->line);
        rg_buf_char(&w->line, '}');
    }
    if (!job->is_stream) {
        rg_job_put(job, "", &w->line, "");
        return;
    }
    if (w->has_usage) {
        rg_openai_event(job, &w->line);
    }
    rg_openai_done(job);
}

static const rg_writer writer = {.begin = begin,
                                 .token = take_token,
                                 .piece = take_piece,
                                 .choice = end_choice,
                                 .end = end,
                                 .fail = rg_openai_fail,
                                 .free = rg_writing_free,
                                 .stream_type = "text/event-stream",
                                 .ping = ": ping\n\n"};

// ---- requests ----

static bool read_text(raga_server *s, rg_str text, rg_job *job, rg_fault *fault) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    // the client writes all of the prompt, special tokens too
    return raga_tokenize(raga_model_tokenizer(s->model), text.data == NULL ? "" : text.data,
                         text.size, RAGA_TOKENIZE_ADD_SPECIAL | RAGA_TOKENIZE_PARSE_SPECIAL, &ids,
                         &n, &err) == RAGA_OK
               ? rg_job_prompt(job, ids, n, fault)
               : rg_fault_of(fault, "prompt", &err);
}

// a text, a list of tokens, or a list with one of these
static bool read_prompt(raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    const rg_json *prompt = rg_field_find(root, "prompt");
    const bool is_list = prompt != NULL && prompt->kind == RG_JSON_ARRAY && prompt->n != 0 &&
                         prompt->items[0].kind != RG_JSON_NUMBER;
    rg_str text = {0};
    if (is_list && prompt->n > 1) {
        return rg_fault_set(fault, 400, "prompt",
                            "%zu prompts in one request, one is answered: send one request each",
                            prompt->n);
    }
    prompt = is_list ? &prompt->items[0] : prompt;
    if (rg_json_str(prompt, &text)) {
        if (!read_text(s, text, job, fault)) {
            return false;
        }
    } else if (prompt != NULL && prompt->kind == RG_JSON_ARRAY) {
        if (!rg_read_ids(s->model, &job->arena, prompt, "prompt", &job->ids, fault)) {
            return false;
        }
        job->n_ids = prompt->n;
    } else {
        return rg_fault_set(fault, 400, "prompt",
                            "\"prompt\" is neither text nor a list of tokens");
    }
    return job->n_ids != 0 || rg_fault_set(fault, 400, "prompt", "the prompt is empty");
}

bool rg_openai_text(raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    job->is_raw = true;
    return rg_openai_sampling(s, root, job, fault) && read_prompt(s, root, job, fault) &&
           rg_openai_hold(s, root, NULL, job, fault);
}

static bool read_rest(const rg_json *root, rg_job *job, writing *w, rg_fault *fault) {
    const rg_json *options = NULL;
    bool echoes = false;
    bool has = false;
    int64_t n = 0;
    if (!rg_field_bool(root, "echo", &echoes, fault) ||
        !rg_field_int(root, "best_of", 1, RG_JOB_CHOICES_MAX, &has, &n, fault)) {
        return false;
    }
    if (echoes || (has && (size_t)n != job->n_choices)) {
        return rg_fault_set(fault, 400, echoes ? "echo" : "best_of",
                            "\"%s\" cannot be honoured yet", echoes ? "echo" : "best_of");
    }
    if (!rg_field_int(root, "logprobs", 0, 5, &w->has_logprobs, &n, fault) ||
        !rg_field_of(root, "stream_options", RG_JSON_OBJECT, &options, fault)) {
        return false;
    }
    w->n_top = w->has_logprobs ? (size_t)n : 0;
    job->generate.n_logprobs = !w->has_logprobs ? 0 : n == 0 ? 1 : (uint32_t)n;
    return rg_field_bool(options, "include_usage", &w->has_usage, fault);
}

static bool read_request(raga_server *s, const rg_http_request *request, rg_job *job,
                         rg_fault *fault) {
    const rg_json *root = NULL;
    writing *w = rg_writing_new(s, sizeof *w, offsetof(writing, bufs),
                                sizeof w->bufs / sizeof *w->bufs, "cmpl-");
    if (w == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for the answer");
    }
    job->writer = &writer;
    job->writing = w;
    return rg_serve_parse(request, &job->scratch, &root, fault) &&
           rg_serve_is_model(s, root, fault) && rg_openai_refused(root, fault) &&
           rg_openai_text(s, root, job, fault) && read_rest(root, job, w, fault);
}

void rg_openai_completions(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_serve_read(arg, request, read_request, answer);
}
