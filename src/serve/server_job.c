/* From a job to an answer. */
#include "serve/server.h"

#include "serve/fields.h"

#include <stdio.h>
#include <sys/random.h>

enum {
    LOOK_MS = 100,            // between two looks at whether the client is still there
    STREAM_WAIT_MS = 5000,    // a failure before then has its own status
    READING_BYTES = 16 << 20, // of bodies that are trees at once; one of more is alone
    WHOLE_WAIT_MS = 60000,    // afterwards the answer begins, with blanks, so that nobody gives up
};

void rg_serve_id(const char *prefix, char out[40]) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";
    unsigned char bytes[24];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        memset(bytes, 0, sizeof bytes);
    }
    int n = snprintf(out, 40, "%.12s", prefix);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[n++] = letters[bytes[i] & 63];
    }
    out[n] = '\0';
}

void rg_serve_enter(raga_server *s, const rg_http_request *request) {
    pthread_mutex_lock(&s->reading_lock);
    while (s->n_reading != 0 && s->n_reading + request->body.size > READING_BYTES) {
        pthread_cond_wait(&s->reading_less, &s->reading_lock);
    }
    s->n_reading += request->body.size;
    pthread_mutex_unlock(&s->reading_lock);
}

void rg_serve_leave(raga_server *s, const rg_http_request *request) {
    pthread_mutex_lock(&s->reading_lock);
    s->n_reading -= request->body.size;
    pthread_cond_broadcast(&s->reading_less);
    pthread_mutex_unlock(&s->reading_lock);
}

bool rg_serve_parse(const rg_http_request *request, rg_arena *arena, const rg_json **root,
                    rg_fault *fault) {
    rg_error err = {0};
    if (rg_json_parse(arena, request->body, root, &err) != RG_OK) {
        return rg_fault_set(fault, 400, NULL, "the body is no JSON: %s", err.text);
    }
    return (*root)->kind == RG_JSON_OBJECT ||
           rg_fault_set(fault, 400, NULL, "the body is %s, it must be an object",
                        rg_json_kind_name((*root)->kind));
}

bool rg_serve_is_named(const raga_server *s, rg_str name) {
    // clients of one interface add it to names without a tag
    if (rg_str_ends(name, RG_STR(":latest"))) {
        name.size -= sizeof ":latest" - 1;
    }
    for (size_t i = 0; i < s->n_names; i++) {
        if (rg_str_is(name, s->names[i]) || strcmp(s->names[i], "*") == 0) {
            return true;
        }
    }
    return false;
}

bool rg_serve_is_model(const raga_server *s, const rg_json *root, rg_fault *fault) {
    bool has = false;
    rg_str name = {0};
    if (!rg_field_text(root, "model", &has, &name, fault)) {
        return false;
    }
    if (!has || rg_serve_is_named(s, name)) {
        return true;
    }
    rg_fault_set(fault, 404, "model", "there is no model \"%.*s\" here, there is \"%s\"",
                 (int)(name.size > 128 ? 128 : name.size), name.data, s->names[0]);
    fault->code = "model_not_found";
    return false;
}

// ---- waiting ----

/** A job whose answer is read bit by bit. */
typedef struct following {
    raga_server *server;
    rg_job *job;
} following;

static size_t read_job(void *arg, char *out, size_t max, unsigned wait_ms, bool *is_end) {
    following *f = arg;
    return rg_feed_take(&f->job->out, out, max, wait_ms, is_end);
}

static void give_up(raga_server *s, rg_job *job) {
    rg_feed_leave(&job->out);
    rg_jobs_cancel(s->jobs, job);
    rg_job_release(job);
}

static void close_job(void *arg, bool has_left) {
    following *f = arg;
    if (has_left) {
        give_up(f->server, f->job);
    } else {
        rg_job_release(f->job);
    }
    rg_free(f->server->mem, f);
}

// @param job  taken
static void follow(raga_server *s, rg_job *job, rg_http_answer *answer) {
    following *f = rg_new(s->mem, sizeof *f);
    if (f == NULL) {
        answer->body.is_failed = true; // told as such
        give_up(s, job);
        return;
    }
    *f = (following){s, job};
    answer->source = (rg_http_source){.read = read_job, .close = close_job, .arg = f};
    answer->source.ping = job->is_stream ? job->writer->ping : " ";
    if (job->is_stream) {
        answer->type = job->writer->stream_type;
    }
}

// false: the client is gone
static bool wait(rg_job *job, const rg_http_request *request, bool for_end, unsigned most_ms,
                 bool *is_ready) {
    *is_ready = false;
    for (unsigned ms = 0; ms < most_ms && !*is_ready; ms += LOOK_MS) {
        *is_ready = rg_feed_wait(&job->out, for_end, LOOK_MS);
        if (!*is_ready && rg_http_has_left(request)) {
            return false;
        }
    }
    return true;
}

static void take_whole(rg_job *job, rg_http_answer *answer) {
    char part[4096];
    bool is_end = false;
    while (!is_end) {
        const size_t n = rg_feed_take(&job->out, part, sizeof part, 0, &is_end);
        rg_buf_put(&answer->body, part, n);
    }
}

// @param job  taken
static void serve_job(raga_server *s, rg_job *job, const rg_http_request *request,
                      rg_http_answer *answer) {
    rg_fault fault = {0};
    bool is_ready = false;
    if (!rg_jobs_submit(s->jobs, job, &fault)) {
        rg_http_refuse(answer, &fault, request->path, request->id);
        rg_job_release(job);
        return;
    }
    if (!wait(job, request, !job->is_stream, job->is_stream ? STREAM_WAIT_MS : WHOLE_WAIT_MS,
              &is_ready)) {
        rg_fault_set(&fault, 408, NULL, "the client left");
        rg_http_refuse(answer, &fault, request->path, request->id);
        give_up(s, job);
    } else if (is_ready && !job->has_begun) {
        // the feed's lock orders this read behind the write
        rg_http_refuse(answer, &job->fault, request->path, request->id);
        rg_job_release(job);
    } else if (is_ready && !job->is_stream) {
        if (job->fault.status != 0) {
            rg_http_refuse(answer, &job->fault, request->path, request->id);
        } else {
            take_whole(job, answer);
        }
        rg_job_release(job);
    } else {
        follow(s, job, answer);
    }
}

void rg_serve_read(raga_server *s, const rg_http_request *request, rg_job_reader *reader,
                   rg_http_answer *answer) {
    rg_fault fault = {0};
    rg_job *job = rg_job_new(s->mem, request->key);
    if (job == NULL) {
        rg_fault_set(&fault, 500, NULL, "no memory for the request");
    } else {
        rg_serve_enter(s, request);
        const bool is_read = reader(s, request, job, &fault);
        rg_arena_clear(&job->scratch);
        rg_serve_leave(s, request);
        if (is_read) {
            serve_job(s, job, request, answer);
            return;
        }
    }
    rg_http_refuse(answer, &fault, request->path, request->id);
    rg_job_release(job);
}
