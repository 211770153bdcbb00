/* The server: one model, its jobs, its connections; and what route handlers share. */
#pragma once

#include "format/json.h"
#include "raga/serve.h"
#include "serve/http.h"
#include "serve/job.h"

#include <semaphore.h>
#include <time.h>

struct raga_server {
    const rg_mem *mem;
    rg_arena arena; // of the options' texts
    raga_model *model;
    raga_model_facts facts;
    const char *const *names; // the model goes by these, the first one is told; "*": by any
    size_t n_names;
    time_t started;
    unsigned grace_ms;
    rg_jobs *jobs;
    rg_shelf shelf;
    rg_http *http;
    pthread_mutex_t reading_lock;
    pthread_cond_t reading_less;
    size_t n_reading; // bytes of bodies that are trees now; guarded by reading_lock
    char url[160];
    sem_t stop; // posted by those who want it to end
};

/** A request is read between these two, a few large ones at a time: a tree of JSON is many times
 * its text. */
void rg_serve_enter(raga_server *server, const rg_http_request *request);
void rg_serve_leave(raga_server *server, const rg_http_request *request);
/** Parse a body that is one JSON object; false: the answer says what is wrong with it.
 * @param arena  cleared by the caller in any case */
bool rg_serve_parse(const rg_http_request *request, rg_arena *arena, const rg_json **root,
                    rg_fault *fault);
/** Is this what the model is called? Absent means yes. */
bool rg_serve_is_model(const raga_server *server, const rg_json *root, rg_fault *fault);
bool rg_serve_is_named(const raga_server *server, rg_str name);
/** Makes a job of a request: its prompt, its options, its writer; false with a fault. */
typedef bool rg_job_reader(raga_server *server, const rg_http_request *request, rg_job *job,
                           rg_fault *fault);
/** Read a request, have its job done, and make the answer of it: whole, or as a source where it is
 * a stream or takes long. */
void rg_serve_read(raga_server *server, const rg_http_request *request, rg_job_reader *reader,
                   rg_http_answer *answer);
/** "PREFIX" and 24 random letters, for those who must not guess it. */
void rg_serve_id(const char *prefix, char out[40]);

// handlers, one file an interface; arg is the raga_server
rg_http_handler rg_openai_chat, rg_openai_completions, rg_openai_embeddings, rg_openai_models,
    rg_openai_model, rg_openai_none, rg_anthropic_messages, rg_anthropic_count, rg_ollama_chat,
    rg_ollama_generate, rg_ollama_tags, rg_ollama_ps, rg_ollama_show, rg_text_tokenize,
    rg_text_detokenize, rg_text_template, rg_state_health, rg_state_metrics, rg_state_version,
    rg_state_running;
