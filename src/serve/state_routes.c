/* How the server is. */
#include "serve/server.h"

#include "raga/system.h"

void rg_state_health(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    (void)arg;
    (void)request;
    rg_buf_str(&answer->body, RG_STR("{\"status\":\"ok\"}"));
}

void rg_state_version(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    (void)arg;
    (void)request;
    rg_buf_format(&answer->body, "{\"version\":\"%s\"}", raga_version());
}

void rg_state_running(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    (void)arg;
    (void)request;
    answer->type = "text/plain; charset=utf-8";
    rg_buf_str(&answer->body, RG_STR("raga is running"));
}

/** One line of /metrics. */
typedef struct metric {
    const char *name;
    const char *kind;
    const char *help;
    double value;
} metric;

void rg_state_metrics(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    raga_server *s = arg;
    rg_counts c;
    (void)request;
    rg_jobs_count(s->jobs, &c);
    // clang-format off
    const metric metrics[] = {
        {"raga_slots", "gauge", "sessions that answer", (double)c.n_slots},
        {"raga_requests_running", "gauge", "requests that are answered now", (double)c.n_running},
        {"raga_requests_waiting", "gauge", "requests in the queue", (double)c.n_waiting},
        {"raga_connections", "gauge", "open connections", (double)rg_http_connections(s->http)},
        {"raga_context_tokens", "gauge", "most tokens of a request and its answer", (double)raga_model_ctx(s->model)},
        {"raga_requests_done_total", "counter", "requests answered", (double)c.n_done},
        {"raga_requests_failed_total", "counter", "requests that failed while they were answered", (double)c.n_failed},
        {"raga_requests_cancelled_total", "counter", "requests whose client left, or cut short at the end", (double)c.n_cancelled},
        {"raga_requests_rejected_total", "counter", "requests refused because the queue was full", (double)c.n_rejected},
        {"raga_prompt_tokens_total", "counter", "tokens of prompts", (double)c.n_prompt},
        {"raga_cached_tokens_total", "counter", "of these, not evaluated again", (double)c.n_cached},
        {"raga_generated_tokens_total", "counter", "tokens of answers", (double)c.n_generated},
        {"raga_queue_seconds_total", "counter", "time that requests waited", c.wait_s},
        {"raga_prompt_seconds_total", "counter", "time for prompts", c.prompt_s},
        {"raga_generate_seconds_total", "counter", "time for answers", c.generate_s},
    };
    // clang-format on
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        const metric *m = &metrics[i];
        rg_buf_format(&answer->body, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", m->name, m->help,
                      m->name, m->kind, m->name, m->value);
    }
}
