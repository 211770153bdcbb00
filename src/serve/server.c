#include "serve/server.h"

#include "serve/http_guard.h"

#include <errno.h>
#include <stdio.h>

enum { PORT = 8080, QUEUE = 64, GRACE_MS = 5000 };

// what is asked for where; the first row that matches counts, "*" stands for the rest of a path
static const rg_route routes[] = {
    {"GET", "/health", rg_state_health, true},
    {"GET", "/v1/health", rg_state_health, true},
    {"GET", "/livez", rg_state_health, true},
    {"GET", "/readyz", rg_state_health, true},
    {"GET", "/metrics", rg_state_metrics, false},
    {"GET", "/version", rg_state_version, false},
    {"GET", "/v1/models", rg_openai_models, false},
    {"GET", "/v1/models/*", rg_openai_model, false},
    {"POST", "/v1/chat/completions", rg_openai_chat, false},
    {"POST", "/v1/completions", rg_openai_completions, false},
    {"POST", "/v1/messages", rg_anthropic_messages, false},
    {"POST", "/v1/messages/count_tokens", rg_anthropic_count, false},
    {"POST", "/v1/embeddings", rg_openai_embeddings, false},
    {"POST", "/v1/responses", rg_openai_none, false},
    {"POST", "/v1/audio/*", rg_openai_none, false},
    {"POST", "/v1/images/*", rg_openai_none, false},
    {"POST", "/v1/files", rg_openai_none, false},
    {"POST", "/v1/batches", rg_openai_none, false},
    {"POST", "/v1/fine_tuning/*", rg_openai_none, false},
    {"POST", "/v1/moderations", rg_openai_none, false},
    {"POST", "/v1/rerank", rg_openai_none, false},
    {"POST", "/api/chat", rg_ollama_chat, false},
    {"POST", "/api/generate", rg_ollama_generate, false},
    {"GET", "/api/tags", rg_ollama_tags, false},
    {"GET", "/api/ps", rg_ollama_ps, false},
    {"POST", "/api/show", rg_ollama_show, false},
    {"GET", "/api/version", rg_state_version, false},
    {"POST", "/api/embed", rg_openai_none, false},
    {"POST", "/api/embeddings", rg_openai_none, false},
    {"POST", "/api/pull", rg_openai_none, false},
    {"POST", "/api/push", rg_openai_none, false},
    {"POST", "/api/create", rg_openai_none, false},
    {"POST", "/api/copy", rg_openai_none, false},
    {"DELETE", "/api/delete", rg_openai_none, false},
    {"GET", "/", rg_state_running, true},
    {"POST", "/tokenize", rg_text_tokenize, false},
    {"POST", "/detokenize", rg_text_detokenize, false},
    {"POST", "/apply-template", rg_text_template, false},
    {0},
};

/** The options with defaults, their texts in the server's arena. */
typedef struct wishes {
    raga_server_options o;
    const char *const *keys, *const *origins, *const *hosts;
} wishes;

static rg_status copy_texts(raga_server *s, const char *const *texts, size_t n,
                            const char *const **out, rg_error *err) {
    size_t bytes = 0;
    char **copy = NULL;
    if (rg_mul_size(n + 1, sizeof *copy, &bytes)) {
        copy = rg_arena_alloc(&s->arena, bytes);
    }
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a server");
    }
    for (size_t i = 0; i < n; i++) {
        if (texts[i] == NULL || texts[i][0] == '\0') {
            return rg_fail(err, RG_E_ARG, "a name, a key or an origin is empty");
        }
        copy[i] = rg_arena_copy(&s->arena, texts[i], strlen(texts[i]));
        if (copy[i] == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a server");
        }
    }
    *out = (const char *const *)copy;
    return RG_OK;
}

static rg_status read_options(raga_server *s, const raga_server_options *given, wishes *w,
                              rg_error *err) {
    rg_status status = RG_OK;
    raga_server_options *o = &w->o;
    const char *const *host = NULL;
    if (given != NULL) {
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    if (o->port < -1 || o->port > 65535) {
        return rg_fail(err, RG_E_ARG, "port %d, there are 1 to 65535", o->port);
    }
    o->host = o->host == NULL ? "127.0.0.1" : o->host;
    o->port = o->port == 0 ? PORT : o->port == -1 ? 0 : o->port;
    o->n_slots = o->n_slots == 0 ? 1 : o->n_slots;
    o->n_queue = o->n_queue == 0 ? QUEUE : o->n_queue;
    o->body_bytes = o->body_bytes == 0 ? RG_HTTP_BODY_MAX : o->body_bytes;
    o->n_connections = o->n_connections == 0 ? RG_HTTP_CONNS_MAX : o->n_connections;
    s->grace_ms = o->grace_ms == 0 ? GRACE_MS : o->grace_ms;
    const char *own = s->facts.name == NULL ? s->facts.family : s->facts.name;
    RG_TRY(copy_texts(s, &o->host, 1, &host, err));
    o->host = host[0];
    RG_TRY(copy_texts(s, o->n_names == 0 ? &own : o->names, o->n_names == 0 ? 1 : o->n_names,
                      &s->names, err));
    s->n_names = o->n_names == 0 ? 1 : o->n_names;
    RG_TRY(copy_texts(s, o->api_keys, o->n_api_keys, &w->keys, err));
    RG_TRY(copy_texts(s, o->origins, o->n_origins, &w->origins, err));
    RG_TRY(copy_texts(s, o->hosts, o->n_hosts, &w->hosts, err));

done:
    return status;
}

static rg_status start(raga_server *s, raga_model *model, const raga_server_options *given,
                       rg_error *err) {
    rg_status status = RG_OK;
    wishes w = {.o = {.size = sizeof w.o}};
    s->model = model;
    s->facts.size = sizeof s->facts;
    raga_model_get_facts(model, &s->facts);
    s->started = time(NULL);
    RG_TRY(read_options(s, given, &w, err));
    if (raga_model_tokenizer(model) == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED, "this model has no tokenizer, so it serves no text");
    }
    const rg_jobs_options jobs = {.n_slots = w.o.n_slots, .n_queue = w.o.n_queue};
    RG_TRY(rg_jobs_new(s->mem, model, &jobs, &s->jobs, err));
    const rg_http_options http = {.host = w.o.host,
                                  .port = (uint16_t)w.o.port,
                                  .routes = routes,
                                  .arg = s,
                                  .body_max = w.o.body_bytes,
                                  .n_connections = w.o.n_connections,
                                  .keys = w.keys,
                                  .n_keys = w.o.n_api_keys,
                                  .origins = w.origins,
                                  .n_origins = w.o.n_origins,
                                  .names = w.hosts,
                                  .n_names = w.o.n_hosts};
    RG_TRY(rg_http_start(s->mem, &http, &s->http, err));
    snprintf(s->url, sizeof s->url,
             strchr(w.o.host, ':') == NULL ? "http://%s:%u" : "http://[%s]:%u", w.o.host,
             rg_http_port(s->http));

done:
    return status;
}

raga_status raga_server_start(raga_model *model, const raga_server_options *options,
                              raga_server **out, raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    raga_server *s = NULL;
    if (model == NULL || out == NULL || (options != NULL && options->size < sizeof options->size)) {
        status = rg_fail(&err, RG_E_ARG,
                         "no model, no place for the server, or options without "
                         "their size");
        goto done;
    }
    s = rg_new(rg_mem_heap(), sizeof *s);
    if (s == NULL) {
        status = rg_fail(&err, RG_E_MEMORY, "no memory for a server");
        goto done;
    }
    s->mem = rg_mem_heap();
    rg_arena_init(&s->arena, s->mem, 0);
    rg_shelf_init(&s->shelf, s->mem);
    sem_init(&s->stop, 0, 0);
    pthread_mutex_init(&s->reading_lock, NULL);
    pthread_cond_init(&s->reading_less, NULL);
    RG_TRY(start(s, model, options, &err));
    *out = s;
    s = NULL;

done:
    raga_server_stop(s);
    if (status != RG_OK && error != NULL) {
        error->status = (raga_status)status;
        snprintf(error->text, sizeof error->text, "%s", err.text);
    }
    return (raga_status)status;
}

const char *raga_server_url(const raga_server *s) {
    return s->url;
}

const char *raga_server_model_name(const raga_server *s) {
    return s->names[0];
}

void raga_server_wait(raga_server *s) {
    while (sem_wait(&s->stop) != 0 && errno == EINTR) {
    }
}

void raga_server_interrupt(raga_server *s) {
    sem_post(&s->stop);
}

void raga_server_stop(raga_server *s) {
    if (s == NULL) {
        return;
    }
    if (s->http != NULL) {
        rg_http_quiesce(s->http);
        rg_jobs_drain(s->jobs, s->grace_ms);
        rg_http_stop(s->http);
    }
    rg_jobs_free(s->jobs);
    rg_shelf_clear(&s->shelf);
    pthread_cond_destroy(&s->reading_less);
    pthread_mutex_destroy(&s->reading_lock);
    sem_destroy(&s->stop);
    rg_arena_clear(&s->arena);
    rg_free(s->mem, s);
}
