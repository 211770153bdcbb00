/* POST /v1/chat/completions */
#include "serve/openai.h"
#include "serve/writing.h"

#include "raga/system.h"

#include <stdio.h>

/** A token whose text is not out yet. */
typedef struct drawn {
    size_t at; // of its log-probabilities in `pending`
    size_t n_bytes;
} drawn;

/** An answer on its way out, as one object or as events. */
typedef struct writing {
    rg_writing head;
    bool has_usage, has_logprobs;
    size_t n_top;
    union {
        struct {
            rg_buf line;                                // the event that is made
            rg_buf choices;                             // whole ones, commas between
            rg_buf content, reasoning, calls, logprobs; // of the choice that is made
            rg_buf pending; // log-probabilities of these, a comma before each
            rg_buf drawn;   // tokens whose text is not out yet
            rg_buf name;    // of a call whose end is waited for
        };
        rg_buf bufs[9];
    };
    char call_id[64];
    size_t n_calls; // begun
    bool has_content, has_reasoning;
    bool is_open;    // a call was begun in a stream
    bool is_dropped; // a call that was begun is cut off: its text is no content
    bool is_words;   // what came last
} writing;

_Static_assert(offsetof(writing, bufs) + sizeof((writing *)0)->bufs ==
                   offsetof(writing, name) + sizeof(rg_buf),
               "every buffer is counted");

// what begins every event and the whole answer alike
static void write_head(const writing *w, const char *object, rg_buf *out) {
    rg_buf_format(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", w->head.id,
                  object, w->head.created);
    rg_buf_json(out, rg_str_of(w->head.server->names[0]));
    rg_buf_format(out, ",\"system_fingerprint\":\"raga-%s\",\"choices\":[", raga_version());
}

// ---- events ----

static rg_buf *begin_delta(rg_job *job) {
    writing *w = job->writing;
    write_head(w, "chat.completion.chunk", &w->line);
    rg_buf_format(&w->line, "{\"index\":%zu,\"delta\":{", job->at_choice);
    return &w->line;
}

static void end_delta(rg_job *job, const char *finish) {
    writing *w = job->writing;
    rg_buf_char(&w->line, '}');
    if (w->has_logprobs && w->logprobs.size != 0) {
        rg_buf_str(&w->line, RG_STR(",\"logprobs\":{\"content\":["));
        rg_buf_str(&w->line, rg_buf_view(&w->logprobs));
        rg_buf_str(&w->line, RG_STR("],\"refusal\":null}"));
        w->logprobs.size = 0;
    } else {
        rg_buf_str(&w->line, RG_STR(",\"logprobs\":null"));
    }
    rg_buf_format(&w->line, ",\"finish_reason\":%s%s%s}]", finish == NULL ? "" : "\"",
                  finish == NULL ? "null" : finish, finish == NULL ? "" : "\"");
    rg_buf_str(&w->line, w->has_usage ? RG_STR(",\"usage\":null}") : RG_STR("}"));
    rg_openai_event(job, &w->line);
}

static void send_text(rg_job *job, const char *field, rg_str text) {
    rg_buf *line = begin_delta(job);
    rg_buf_format(line, "\"%s\":", field);
    rg_buf_json(line, text);
    end_delta(job, NULL);
}

// the first delta of a call has all but its arguments
static void send_call(rg_job *job, rg_str name) {
    writing *w = job->writing;
    rg_buf *line = begin_delta(job);
    rg_buf_format(line, "\"tool_calls\":[{\"index\":%zu,\"id\":", w->n_calls - 1);
    rg_buf_json(line, rg_str_of(w->call_id));
    rg_buf_str(line, RG_STR(",\"type\":\"function\",\"function\":{\"name\":"));
    rg_buf_json(line, name);
    rg_buf_str(line, RG_STR(",\"arguments\":\"\"}}]"));
    end_delta(job, NULL);
}

static void send_arguments(rg_job *job, rg_str text) {
    const writing *w = job->writing;
    rg_buf *line = begin_delta(job);
    rg_buf_format(line,
                  "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", w->n_calls - 1);
    rg_buf_json(line, text);
    rg_buf_str(line, RG_STR("}}]"));
    end_delta(job, NULL);
}

// ---- pieces ----

static void begin(rg_job *job) {
    writing *w = job->writing;
    rg_buf *bufs[] = {&w->content, &w->reasoning, &w->calls, &w->logprobs, &w->pending, &w->drawn};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        bufs[i]->size = 0;
    }
    w->n_calls = 0;
    w->has_content = w->has_reasoning = w->is_open = w->is_dropped = false;
    w->is_words = true;
    if (job->is_stream) {
        rg_buf *line = begin_delta(job);
        rg_buf_str(line, RG_STR("\"role\":\"assistant\",\"content\":\"\""));
        end_delta(job, NULL);
    }
}

static void take_token(rg_job *job, const raga_step *step) {
    writing *w = job->writing;
    if (w->has_logprobs && step->id >= 0) {
        drawn d = {.at = w->pending.size};
        rg_buf_char(&w->pending, ',');
        d.n_bytes = rg_openai_logprob(w->head.server->model, step, w->n_top, &w->pending);
        rg_buf_put(&w->drawn, &d, sizeof d);
    }
}

// log-probabilities are those of the reply: what was drawn for anything else is forgotten
static void settle_logprobs(writing *w, bool is_words, size_t n_bytes) {
    const drawn *d = (const drawn *)(const void *)w->drawn.data;
    size_t first = w->drawn.size / sizeof *d;
    if (w->is_words) {
        first = 0;
    } else {
        // behind something else the words have begun, with as many tokens as their bytes take
        for (size_t n = 0; first > 0 && n < n_bytes; first--) {
            n += d[first - 1].n_bytes;
        }
    }
    if (is_words && first < w->drawn.size / sizeof *d) {
        const size_t from = d[first].at + (w->logprobs.size == 0); // without the first comma
        rg_buf_str(&w->logprobs, rg_str_slice(rg_buf_view(&w->pending), from, w->pending.size));
    }
    w->is_words = is_words;
    w->pending.size = 0;
    w->drawn.size = 0;
}

static void begin_call(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    const rg_str id = {piece->id, piece->id_size};
    w->n_calls++;
    if (id.size != 0 && id.size < sizeof w->call_id) {
        snprintf(w->call_id, sizeof w->call_id, "%.*s", RG_FMT(id));
    } else {
        rg_serve_id("call_", w->call_id);
    }
    w->name.size = 0;
    rg_buf_put(&w->name, piece->text, piece->text_size);
    if (job->is_stream && job->holds_calls) {
        send_call(job, rg_buf_view(&w->name));
        w->is_open = true;
    }
}

static void end_call(rg_job *job, rg_str arguments) {
    writing *w = job->writing;
    if (job->is_stream && !w->is_open) {
        send_call(job, rg_buf_view(&w->name));
        send_arguments(job, arguments);
    }
    w->is_open = false;
    rg_buf_str(&w->calls, w->calls.size == 0 ? RG_STR("{\"id\":") : RG_STR(",{\"id\":"));
    rg_buf_json(&w->calls, rg_str_of(w->call_id));
    rg_buf_str(&w->calls, RG_STR(",\"type\":\"function\",\"function\":{\"name\":"));
    rg_buf_json(&w->calls, rg_buf_view(&w->name));
    rg_buf_str(&w->calls, RG_STR(",\"arguments\":"));
    rg_buf_json(&w->calls, arguments);
    rg_buf_str(&w->calls, RG_STR("}}"));
}

static void say(rg_job *job, rg_str text) {
    writing *w = job->writing;
    if (w->is_dropped || text.size == 0) {
        return;
    }
    w->has_content = true;
    settle_logprobs(w, true, text.size);
    if (job->is_stream) {
        send_text(job, "content", text);
    } else {
        rg_buf_str(&w->content, text);
    }
}

static void take_piece(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    const rg_str text = {piece->text, piece->text_size};
    switch (piece->kind) {
    case RAGA_PIECE_TEXT:
        say(job, text);
        break;
    case RAGA_PIECE_REASONING:
        settle_logprobs(w, false, 0);
        w->has_reasoning = true;
        if (job->is_stream) {
            send_text(job, "reasoning_content", text);
        } else {
            rg_buf_str(&w->reasoning, text);
        }
        break;
    case RAGA_PIECE_CALL:
        settle_logprobs(w, false, 0);
        begin_call(job, piece);
        break;
    case RAGA_PIECE_ARGUMENTS:
        if (w->is_open) {
            send_arguments(job, text);
        }
        break;
    case RAGA_PIECE_CALL_END:
        settle_logprobs(w, false, 0);
        end_call(job, text);
        break;
    case RAGA_PIECE_BROKEN:
        w->is_dropped = w->is_open; // it was told already, as far as it went
        w->n_calls -= !w->is_open && w->n_calls != 0;
        break;
    }
}

static void write_message(writing *w, rg_buf *out) {
    rg_buf_str(out, RG_STR("{\"role\":\"assistant\",\"content\":"));
    if (w->has_content || w->calls.size == 0) {
        rg_buf_json(out, rg_buf_view(&w->content));
    } else {
        rg_buf_str(out, RG_STR("null"));
    }
    rg_buf_str(out, RG_STR(",\"refusal\":null"));
    if (w->has_reasoning) {
        rg_buf_str(out, RG_STR(",\"reasoning_content\":"));
        rg_buf_json(out, rg_buf_view(&w->reasoning));
    }
    if (w->calls.size != 0) {
        rg_buf_str(out, RG_STR(",\"tool_calls\":["));
        rg_buf_str(out, rg_buf_view(&w->calls));
        rg_buf_char(out, ']');
    }
    rg_buf_char(out, '}');
}

static void end_choice(rg_job *job, rg_finish finish) {
    writing *w = job->writing;
    settle_logprobs(w, w->is_words, 0);
    if (job->is_stream) {
        (void)begin_delta(job);
        end_delta(job, rg_openai_finish(finish));
    } else {
        rg_buf *out = &w->choices;
        rg_buf_format(out, "%s{\"index\":%zu,\"message\":", job->at_choice == 0 ? "" : ",",
                      job->at_choice);
        write_message(w, out);
        if (w->has_logprobs) {
            rg_buf_str(out, RG_STR(",\"logprobs\":{\"content\":["));
            rg_buf_str(out, rg_buf_view(&w->logprobs));
            rg_buf_str(out, RG_STR("],\"refusal\":null}"));
        } else {
            rg_buf_str(out, RG_STR(",\"logprobs\":null"));
        }
        rg_buf_format(out, ",\"finish_reason\":\"%s\"}", rg_openai_finish(finish));
    }
}

static void end(rg_job *job) {
    writing *w = job->writing;
    rg_buf *line = &w->line;
    if (job->is_stream) {
        if (w->has_usage) {
            write_head(w, "chat.completion.chunk", line);
            rg_buf_str(line, RG_STR("],\"usage\":"));
            rg_openai_usage(&job->usage, line);
            rg_buf_char(line, '}');
            rg_openai_event(job, line);
        }
        rg_openai_done(job);
        return;
    }
    write_head(w, "chat.completion", line);
    rg_buf_str(line, rg_buf_view(&w->choices));
    rg_buf_str(line, RG_STR("],\"usage\":"));
    rg_openai_usage(&job->usage, line);
    rg_buf_char(line, '}');
    rg_job_put(job, "", line, "");
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

static writing *new_writing(raga_server *s) {
    writing *w = rg_writing_new(s, sizeof *w, offsetof(writing, bufs),
                                sizeof w->bufs / sizeof *w->bufs, "chatcmpl-");
    if (w == NULL) {
        return NULL;
    }
    return w;
}

static bool read_logprobs(const rg_json *root, rg_job *job, writing *w, rg_fault *fault) {
    bool has = false;
    int64_t n_top = 0;
    if (!rg_field_bool(root, "logprobs", &w->has_logprobs, fault) ||
        !rg_field_int(root, "top_logprobs", 0, 20, &has, &n_top, fault)) {
        return false;
    }
    if (has && n_top != 0 && !w->has_logprobs) {
        return rg_fault_set(fault, 400, "top_logprobs",
                            "\"top_logprobs\" wants \"logprobs\": true");
    }
    w->n_top = (size_t)n_top;
    // one is asked for at least: without any the chosen token's own is not computed
    job->generate.n_logprobs = !w->has_logprobs ? 0 : n_top == 0 ? 1 : (uint32_t)n_top;
    return true;
}

static bool read_stream_options(const rg_json *root, writing *w, rg_fault *fault) {
    const rg_json *options = NULL;
    return rg_field_of(root, "stream_options", RG_JSON_OBJECT, &options, fault) &&
           rg_field_bool(options, "include_usage", &w->has_usage, fault);
}

static bool read_request(raga_server *s, const rg_http_request *request, rg_job *job,
                         rg_fault *fault) {
    const rg_json *root = NULL;
    writing *w = new_writing(s);
    if (w == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for the answer");
    }
    job->writer = &writer;
    job->writing = w;
    return rg_serve_parse(request, &job->scratch, &root, fault) &&
           rg_serve_is_model(s, root, fault) && rg_openai_refused(root, fault) &&
           read_logprobs(root, job, w, fault) && read_stream_options(root, w, fault) &&
           rg_openai_conversation(s, root, job, fault);
}

void rg_openai_chat(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_serve_read(arg, request, read_request, answer);
}
