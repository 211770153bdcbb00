/* POST /v1/messages, and counting what one would be. */
#include "serve/anthropic.h"

static bool read_request(raga_server *s, const rg_http_request *request, rg_job *job,
                         rg_fault *fault) {
    const rg_json *root = NULL;
    if (!rg_anthropic_writer(s, job, fault) ||
        !rg_openai_translated(request, rg_anthropic_translate, job, &root, fault) ||
        !rg_serve_is_model(s, root, fault)) {
        return false;
    }
    if (rg_field_find(root, "max_tokens") == NULL) {
        return rg_fault_set(fault, 400, "max_tokens", "there is no \"max_tokens\"");
    }
    return rg_openai_conversation(s, root, job, fault);
}

void rg_anthropic_messages(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_serve_read(arg, request, read_request, answer);
}

void rg_anthropic_count(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    raga_server *s = arg;
    rg_fault fault = {0};
    const rg_json *root = NULL;
    rg_job *job = rg_job_new(s->mem, request->key);
    rg_serve_enter(s, request);
    if (job == NULL) {
        rg_fault_set(&fault, 500, NULL, "no memory for the request");
    } else if (rg_openai_translated(request, rg_anthropic_translate, job, &root, &fault) &&
               rg_serve_is_model(s, root, &fault) && rg_openai_prompt(s, root, NULL, job, &fault)) {
        size_t n = job->n_ids;
        for (size_t i = 0; i < job->n_pictures; i++) {
            n += raga_picture_tokens(job->pictures[i]) - 1; // one stands for all of them
        }
        rg_buf_format(&answer->body, "{\"input_tokens\":%zu}", n);
    }
    if (fault.status != 0) {
        rg_http_refuse(answer, &fault, request->path, request->id);
    }
    rg_job_release(job);
    rg_serve_leave(s, request);
}
