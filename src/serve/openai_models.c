/* GET /v1/models, and what is not built. */
#include "serve/openai.h"

// one object for both kinds of clients that ask at this path
static void write_model(const raga_server *s, rg_buf *out) {
    char at[40];
    struct tm tm;
    gmtime_r(&s->started, &tm);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    rg_buf_str(out, RG_STR("{\"id\":"));
    rg_buf_json(out, rg_str_of(s->names[0]));
    rg_buf_format(out,
                  ",\"object\":\"model\",\"type\":\"model\",\"created\":%lld,\"created_at\":"
                  "\"%s\",\"owned_by\":\"raga\",\"display_name\":",
                  (long long)s->started, at);
    rg_buf_json(out, rg_str_of(s->names[0]));
    rg_buf_format(out,
                  ",\"max_context_length\":%zu,\"meta\":{\"n_ctx\":%zu,\"n_ctx_train\":%u,"
                  "\"n_params\":%llu,\"size\":%llu,\"n_vocab\":%u,\"n_embd\":%u},"
                  "\"architecture\":{\"input_modalities\":[\"text\"%s],"
                  "\"output_modalities\":[\"text\"]}}",
                  raga_model_ctx(s->model), raga_model_ctx(s->model), s->facts.n_ctx_train,
                  (unsigned long long)s->facts.n_params, (unsigned long long)s->facts.file_bytes,
                  s->facts.n_vocab, s->facts.n_embd, s->facts.sees ? ",\"image\"" : "");
}

void rg_openai_models(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    const raga_server *s = arg;
    (void)request;
    rg_buf_str(&answer->body, RG_STR("{\"object\":\"list\",\"data\":["));
    write_model(s, &answer->body);
    rg_buf_str(&answer->body, RG_STR("],\"has_more\":false,\"first_id\":"));
    rg_buf_json(&answer->body, rg_str_of(s->names[0]));
    rg_buf_str(&answer->body, RG_STR(",\"last_id\":"));
    rg_buf_json(&answer->body, rg_str_of(s->names[0]));
    rg_buf_char(&answer->body, '}');
}

void rg_openai_model(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    static const char route[] = "/v1/models/";
    const raga_server *s = arg;
    const rg_str name = rg_str_of(request->path + sizeof route - 1);
    rg_fault fault = {0};
    if (rg_serve_is_named(s, name)) {
        write_model(s, &answer->body);
        return;
    }
    rg_fault_set(&fault, 404, "model", "there is no model of this name here, there is \"%s\"",
                 s->names[0]);
    fault.code = "model_not_found";
    rg_http_refuse(answer, &fault, request->path, request->id);
}

void rg_openai_none(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_fault fault = {0};
    (void)arg;
    rg_fault_set(&fault, 501, NULL, "%.128s is not built yet", request->path);
    rg_http_refuse(answer, &fault, request->path, request->id);
}

void rg_openai_embeddings(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_fault fault = {0};
    (void)arg;
    rg_fault_set(&fault, 501, NULL,
                 "embeddings are not built yet: this server answers with words only");
    rg_http_refuse(answer, &fault, request->path, request->id);
}
