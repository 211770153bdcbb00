#include "serve/anthropic.h"
#include "serve/writing.h"

#include <stdio.h>

/** An answer on its way out. Blocks are written as they come: in a stream as events, else into one
 * list. */
typedef struct writing {
    rg_writing head;
    union {
        struct {
            rg_buf line;   // the event that is made
            rg_buf blocks; // whole ones, commas between
            rg_buf text;   // of the block that is open
            rg_buf name;   // of the call that is
        };
        rg_buf bufs[4];
    };
    char call_id[64];
    enum { NOTHING, WORDS, THOUGHT, CALL } open;
    size_t n_blocks;    // that were opened
    bool is_dropped;    // a call is cut off: its text is no words
    const char *reason; // why it stopped
    const char *stop_string;
} writing;

_Static_assert(offsetof(writing, bufs) + sizeof((writing *)0)->bufs ==
                   offsetof(writing, name) + sizeof(rg_buf),
               "every buffer is counted");

static void send(rg_job *job, const char *event) {
    writing *w = job->writing;
    char before[64];
    snprintf(before, sizeof before, "event: %s\ndata: ", event);
    rg_job_put(job, before, &w->line, "\n\n");
}

// what is open comes to its end
static void close_block(rg_job *job) {
    writing *w = job->writing;
    if (w->open == NOTHING) {
        return;
    }
    if (job->is_stream) {
        if (w->open == THOUGHT) {
            // clients give it back with the thought; nothing here reads it
            rg_buf_format(&w->line,
                          "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":"
                          "\"signature_delta\",\"signature\":\"raga\"}}",
                          w->n_blocks - 1);
            send(job, "content_block_delta");
        }
        rg_buf_format(&w->line, "{\"type\":\"content_block_stop\",\"index\":%zu}", w->n_blocks - 1);
        send(job, "content_block_stop");
    } else {
        rg_buf *out = &w->blocks;
        rg_buf_str(out, out->size == 0 ? RG_STR("") : RG_STR(","));
        if (w->open == CALL) {
            rg_buf_str(out, RG_STR("{\"type\":\"tool_use\",\"id\":"));
            rg_buf_json(out, rg_str_of(w->call_id));
            rg_buf_str(out, RG_STR(",\"name\":"));
            rg_buf_json(out, rg_buf_view(&w->name));
            rg_buf_str(out, RG_STR(",\"input\":"));
            rg_buf_str(out, rg_buf_view(&w->text)); // valid JSON
            rg_buf_char(out, '}');
        } else {
            rg_buf_str(out, w->open == WORDS ? RG_STR("{\"type\":\"text\",\"text\":")
                                             : RG_STR("{\"type\":\"thinking\",\"thinking\":"));
            rg_buf_json(out, rg_buf_view(&w->text));
            rg_buf_str(out, w->open == WORDS ? RG_STR(",\"citations\":null}")
                                             : RG_STR(",\"signature\":\"raga\"}"));
        }
    }
    w->text.size = 0;
    w->open = NOTHING;
}

static void open_block(rg_job *job, int kind) {
    writing *w = job->writing;
    if ((int)w->open == kind && kind != CALL) {
        return;
    }
    close_block(job);
    w->open = kind;
    w->n_blocks++;
    if (!job->is_stream) {
        return;
    }
    rg_buf_format(&w->line, "{\"type\":\"content_block_start\",\"index\":%zu,\"content_block\":",
                  w->n_blocks - 1);
    if (kind == CALL) {
        rg_buf_str(&w->line, RG_STR("{\"type\":\"tool_use\",\"id\":"));
        rg_buf_json(&w->line, rg_str_of(w->call_id));
        rg_buf_str(&w->line, RG_STR(",\"name\":"));
        rg_buf_json(&w->line, rg_buf_view(&w->name));
        rg_buf_str(&w->line, RG_STR(",\"input\":{}}}"));
    } else {
        rg_buf_str(&w->line, kind == WORDS
                                 ? RG_STR("{\"type\":\"text\",\"text\":\"\"}}")
                                 : RG_STR("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
                                          "\"\"}}"));
    }
    send(job, "content_block_start");
}

static void add(rg_job *job, const char *type, const char *field, rg_str text) {
    writing *w = job->writing;
    if (text.size == 0) {
        return;
    }
    if (!job->is_stream) {
        rg_buf_str(&w->text, text);
        return;
    }
    rg_buf_format(&w->line,
                  "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":\"%s\","
                  "\"%s\":",
                  w->n_blocks - 1, type, field);
    rg_buf_json(&w->line, text);
    rg_buf_str(&w->line, RG_STR("}}"));
    send(job, "content_block_delta");
}

static void write_usage(const rg_usage *u, rg_buf *out) {
    rg_buf_format(out,
                  "{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,"
                  "\"cache_read_input_tokens\":%zu,\"output_tokens\":%zu}",
                  u->n_prompt - u->n_cached, u->n_cached, u->n_generated);
}

static void write_text_or_null(rg_buf *out, const char *text) {
    if (text == NULL) {
        rg_buf_str(out, RG_STR("null"));
    } else {
        rg_buf_json(out, rg_str_of(text));
    }
}

static void write_message(rg_job *job, rg_buf *out) {
    writing *w = job->writing;
    rg_buf_format(
        out, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", w->head.id);
    rg_buf_json(out, rg_str_of(w->head.server->names[0]));
    rg_buf_str(out, RG_STR(",\"content\":["));
    rg_buf_str(out, rg_buf_view(&w->blocks));
    rg_buf_str(out, RG_STR("],\"stop_reason\":"));
    write_text_or_null(out, w->reason);
    rg_buf_str(out, RG_STR(",\"stop_sequence\":"));
    write_text_or_null(out, w->stop_string);
    rg_buf_str(out, RG_STR(",\"usage\":"));
    write_usage(&job->usage, out);
    rg_buf_char(out, '}');
}

static void begin(rg_job *job) {
    writing *w = job->writing;
    if (job->is_stream) {
        rg_buf_str(&w->line, RG_STR("{\"type\":\"message_start\",\"message\":"));
        write_message(job, &w->line);
        rg_buf_char(&w->line, '}');
        send(job, "message_start");
    }
}

static void take_token(rg_job *job, const raga_step *step) {
    (void)job;
    (void)step;
}

static void begin_call(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    const rg_str id = {piece->id, piece->id_size};
    close_block(job);
    if (id.size != 0 && id.size < sizeof w->call_id) {
        snprintf(w->call_id, sizeof w->call_id, "%.*s", RG_FMT(id));
    } else {
        rg_serve_id("toolu_", w->call_id);
    }
    w->name.size = 0;
    rg_buf_put(&w->name, piece->text, piece->text_size);
    // one that may turn out to be none is told when it is whole
    if (job->is_stream && job->holds_calls) {
        open_block(job, CALL);
    }
}

static void end_call(rg_job *job, rg_str arguments) {
    const writing *w = job->writing;
    if (w->open != CALL) {
        open_block(job, CALL);
        add(job, "input_json_delta", "partial_json", arguments);
    }
    close_block(job);
}

static void take_piece(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    const rg_str text = {piece->text, piece->text_size};
    switch (piece->kind) {
    case RAGA_PIECE_TEXT:
        if (!w->is_dropped && text.size != 0) {
            open_block(job, WORDS);
            add(job, "text_delta", "text", text);
        }
        break;
    case RAGA_PIECE_REASONING:
        open_block(job, THOUGHT);
        add(job, "thinking_delta", "thinking", text);
        break;
    case RAGA_PIECE_CALL:
        begin_call(job, piece);
        break;
    case RAGA_PIECE_ARGUMENTS:
        if (w->open == CALL) {
            add(job, "input_json_delta", "partial_json", text);
        }
        break;
    case RAGA_PIECE_CALL_END:
        end_call(job, text);
        break;
    case RAGA_PIECE_BROKEN:
        w->is_dropped = w->open == CALL; // it was told already, as far as it went
        break;
    }
}

static void end_choice(rg_job *job, rg_finish finish) {
    static const char *const reasons[] = {"end_turn", "max_tokens", "tool_use"};
    writing *w = job->writing;
    close_block(job);
    w->stop_string = finish == RG_FINISH_STOP ? job->stop_string : NULL;
    w->reason = w->stop_string != NULL ? "stop_sequence" : reasons[finish];
}

static void end(rg_job *job) {
    writing *w = job->writing;
    if (!job->is_stream) {
        write_message(job, &w->line);
        rg_job_put(job, "", &w->line, "");
        return;
    }
    rg_buf_str(&w->line, RG_STR("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"));
    write_text_or_null(&w->line, w->reason);
    rg_buf_str(&w->line, RG_STR(",\"stop_sequence\":"));
    write_text_or_null(&w->line, w->stop_string);
    rg_buf_str(&w->line, RG_STR("},\"usage\":"));
    write_usage(&job->usage, &w->line);
    rg_buf_char(&w->line, '}');
    send(job, "message_delta");
    rg_buf_str(&w->line, RG_STR("{\"type\":\"message_stop\"}"));
    send(job, "message_stop");
}

static void fail(rg_job *job) {
    writing *w = job->writing;
    w->line.size = 0;
    rg_fault_write(&job->fault, RG_CLIENT_ANTHROPIC, "", &w->line);
    if (job->is_stream) {
        send(job, "error");
    } else {
        rg_job_put(job, "", &w->line, "");
    }
}

static const rg_writer writer = {.begin = begin,
                                 .token = take_token,
                                 .piece = take_piece,
                                 .choice = end_choice,
                                 .end = end,
                                 .fail = fail,
                                 .free = rg_writing_free,
                                 .stream_type = "text/event-stream",
                                 .ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n"};

bool rg_anthropic_writer(raga_server *s, rg_job *job, rg_fault *fault) {
    writing *w = rg_writing_new(s, sizeof *w, offsetof(writing, bufs),
                                sizeof w->bufs / sizeof *w->bufs, "msg_");
    if (w == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for the answer");
    }
    job->writer = &writer;
    job->writing = w;
    return true;
}
