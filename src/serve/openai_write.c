#include "serve/openai.h"

void rg_openai_event(rg_job *job, rg_buf *line) {
    rg_job_put(job, "data: ", line, "\n\n");
}

void rg_openai_done(rg_job *job) {
    (void)rg_feed_put(&job->out, RG_STR("data: [DONE]\n\n"));
}

void rg_openai_fail(rg_job *job) {
    rg_buf line;
    rg_buf_init(&line, job->arena.mem, 0);
    rg_fault_write(&job->fault, RG_CLIENT_OPENAI, "", &line);
    if (job->is_stream) {
        rg_openai_event(job, &line);
        rg_openai_done(job);
    } else {
        rg_job_put(job, "", &line, "");
    }
    rg_buf_clear(&line);
}

const char *rg_openai_finish(rg_finish finish) {
    static const char *const names[] = {"stop", "length", "tool_calls"};
    return names[finish];
}

void rg_openai_usage(const rg_usage *u, rg_buf *out) {
    rg_buf_format(out,
                  "{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%zu},"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":%zu}}",
                  u->n_prompt, u->n_generated, u->n_prompt + u->n_generated, u->n_cached,
                  u->n_reasoning);
}

// {"token", "logprob", "bytes"} without the end: a token need not be whole characters
static size_t write_token(const raga_model *model, int32_t id, float logprob, rg_buf *out) {
    char *bytes = NULL;
    size_t size = 0;
    raga_error err;
    if (raga_detokenize_bytes(raga_model_tokenizer(model), &id, 1, &bytes, &size, &err) !=
        RAGA_OK) {
        size = 0;
    }
    rg_buf_str(out, RG_STR("{\"token\":"));
    rg_buf_json(out, (rg_str){bytes, size});
    rg_buf_format(out, ",\"logprob\":%.6f,\"bytes\":[",
                  (double)(logprob > -9999.0f ? logprob : -9999.0f)); // JSON has no infinity
    for (size_t i = 0; i < size; i++) {
        rg_buf_format(out, i == 0 ? "%u" : ",%u", (unsigned)(unsigned char)bytes[i]);
    }
    rg_buf_char(out, ']');
    raga_free(bytes);
    return size;
}

size_t rg_openai_logprob(const raga_model *model, const raga_step *step, size_t n_top,
                         rg_buf *out) {
    const size_t size = write_token(model, step->id, step->logprob, out);
    rg_buf_str(out, RG_STR(",\"top_logprobs\":["));
    for (size_t i = 0; i < n_top && i < step->n_top; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(","));
        (void)write_token(model, step->top[i].id, step->top[i].logprob, out);
        rg_buf_char(out, '}');
    }
    rg_buf_str(out, RG_STR("]}"));
    return size;
}
