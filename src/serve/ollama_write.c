#include "serve/ollama.h"
#include "serve/writing.h"

#include "base/clock.h"

/** An answer on its way out, as one object or as a line for each part. */
typedef struct writing {
    rg_writing head;
    bool is_chat;
    union {
        struct {
            rg_buf line; // that is made
            rg_buf words, thought, calls;
            rg_buf name; // of the call whose end is waited for
        };
        rg_buf bufs[5];
    };
    rg_finish finish;
} writing;

_Static_assert(offsetof(writing, bufs) + sizeof((writing *)0)->bufs ==
                   offsetof(writing, name) + sizeof(rg_buf),
               "every buffer is counted");

void rg_ollama_time(time_t at, rg_buf *out) {
    char text[40];
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    rg_buf_format(out, "\"%s\"", text);
}

// what there is so far, and the place for what is left of the object
static void write_part(writing *w) {
    rg_buf *out = &w->line;
    rg_buf_str(out, RG_STR("{\"model\":"));
    rg_buf_json(out, rg_str_of(w->head.server->names[0]));
    rg_buf_str(out, RG_STR(",\"created_at\":"));
    rg_ollama_time(time(NULL), out);
    rg_buf_str(out, w->is_chat ? RG_STR(",\"message\":{\"role\":\"assistant\",\"content\":")
                               : RG_STR(",\"response\":"));
    rg_buf_json(out, rg_buf_view(&w->words));
    if (w->thought.size != 0) {
        rg_buf_str(out, RG_STR(",\"thinking\":"));
        rg_buf_json(out, rg_buf_view(&w->thought));
    }
    if (w->calls.size != 0) {
        rg_buf_str(out, RG_STR(",\"tool_calls\":["));
        rg_buf_str(out, rg_buf_view(&w->calls));
        rg_buf_char(out, ']');
    }
    rg_buf_str(out, w->is_chat ? RG_STR("},\"done\":") : RG_STR(",\"done\":"));
    w->words.size = w->thought.size = w->calls.size = 0;
}

static void begin(rg_job *job) {
    (void)job;
}

static void take_token(rg_job *job, const raga_step *step) {
    (void)job;
    (void)step;
}

static void take_piece(rg_job *job, const raga_piece *piece) {
    writing *w = job->writing;
    const rg_str text = {piece->text, piece->text_size};
    switch (piece->kind) {
    case RAGA_PIECE_TEXT:
        rg_buf_str(&w->words, text);
        break;
    case RAGA_PIECE_REASONING:
        rg_buf_str(&w->thought, text);
        break;
    case RAGA_PIECE_CALL:
        w->name.size = 0;
        rg_buf_str(&w->name, text);
        return;
    case RAGA_PIECE_CALL_END:
        rg_buf_str(&w->calls, w->calls.size == 0 ? RG_STR("{\"function\":{\"name\":")
                                                 : RG_STR(",{\"function\":{\"name\":"));
        rg_buf_json(&w->calls, rg_buf_view(&w->name));
        rg_buf_str(&w->calls, RG_STR(",\"arguments\":"));
        rg_buf_str(&w->calls, text); // valid JSON
        rg_buf_str(&w->calls, RG_STR("}}"));
        break;
    case RAGA_PIECE_ARGUMENTS:
    case RAGA_PIECE_BROKEN:
        return;
    }
    if (job->is_stream && (text.size != 0 || piece->kind == RAGA_PIECE_CALL_END)) {
        write_part(w);
        rg_buf_str(&w->line, RG_STR("false}"));
        rg_job_put(job, "", &w->line, "\n");
    }
}

static void end_choice(rg_job *job, rg_finish finish) {
    writing *w = job->writing;
    w->finish = finish;
}

static void end(rg_job *job) {
    writing *w = job->writing;
    write_part(w);
    rg_buf_format(&w->line,
                  "true,\"done_reason\":\"%s\",\"total_duration\":%llu,\"load_duration\":0,"
                  "\"prompt_eval_count\":%zu,\"prompt_eval_duration\":%llu,\"eval_count\":%zu,"
                  "\"eval_duration\":%llu}",
                  w->finish == RG_FINISH_LENGTH ? "length" : "stop",
                  (unsigned long long)(rg_clock_ns() - job->asked_ns), job->usage.n_prompt,
                  (unsigned long long)(job->usage.prompt_s * 1e9), job->usage.n_generated,
                  (unsigned long long)(job->usage.generate_s * 1e9));
    rg_job_put(job, "", &w->line, job->is_stream ? "\n" : "");
}

static void fail(rg_job *job) {
    writing *w = job->writing;
    w->line.size = 0;
    rg_fault_write(&job->fault, RG_CLIENT_OLLAMA, "", &w->line);
    rg_job_put(job, "", &w->line, job->is_stream ? "\n" : "");
}

static const rg_writer writer = {.begin = begin,
                                 .token = take_token,
                                 .piece = take_piece,
                                 .choice = end_choice,
                                 .end = end,
                                 .fail = fail,
                                 .free = rg_writing_free,
                                 .stream_type = "application/x-ndjson"};

bool rg_ollama_writer(raga_server *s, bool is_chat, rg_job *job, rg_fault *fault) {
    writing *w = rg_writing_new(s, sizeof *w, offsetof(writing, bufs),
                                sizeof w->bufs / sizeof *w->bufs, NULL);
    if (w == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for the answer");
    }
    w->is_chat = is_chat;
    job->writer = &writer;
    job->writing = w;
    return true;
}
