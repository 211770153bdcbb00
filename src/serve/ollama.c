/* /api/chat, /api/generate, and what there is to run. */
#include "serve/ollama.h"

static bool read_request(raga_server *s, const rg_http_request *request, bool is_chat, rg_job *job,
                         rg_fault *fault) {
    const rg_json *root = NULL;
    if (!rg_ollama_writer(s, is_chat, job, fault) ||
        !rg_openai_translated(request, is_chat ? rg_ollama_of_chat : rg_ollama_of_prompt, job,
                              &root, fault) ||
        !rg_serve_is_model(s, root, fault)) {
        return false;
    }
    return rg_field_find(root, "prompt") != NULL ? rg_openai_text(s, root, job, fault)
                                                 : rg_openai_conversation(s, root, job, fault);
}

static bool read_chat(raga_server *s, const rg_http_request *request, rg_job *job,
                      rg_fault *fault) {
    return read_request(s, request, true, job, fault);
}

static bool read_generate(raga_server *s, const rg_http_request *request, rg_job *job,
                          rg_fault *fault) {
    return read_request(s, request, false, job, fault);
}

void rg_ollama_chat(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_serve_read(arg, request, read_chat, answer);
}

void rg_ollama_generate(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    rg_serve_read(arg, request, read_generate, answer);
}

static void write_details(const raga_server *s, rg_buf *out) {
    rg_buf_str(out, RG_STR("\"details\":{\"parent_model\":\"\",\"format\":"));
    rg_buf_json(out, rg_str_of(s->facts.container));
    rg_buf_str(out, RG_STR(",\"family\":"));
    rg_buf_json(out, rg_str_of(s->facts.family));
    rg_buf_str(out, RG_STR(",\"families\":["));
    rg_buf_json(out, rg_str_of(s->facts.family));
    rg_buf_format(out, "],\"parameter_size\":\"%.1f%s\",\"quantization_level\":",
                  (double)s->facts.n_params / (s->facts.n_params < 1000000000 ? 1e6 : 1e9),
                  s->facts.n_params < 1000000000 ? "M" : "B");
    rg_buf_json(out, rg_str_of(s->facts.file_type));
    rg_buf_char(out, '}');
}

static void write_models(const raga_server *s, bool is_loaded, rg_buf *out) {
    rg_buf_str(out, RG_STR("{\"models\":[{\"name\":"));
    rg_buf_json(out, rg_str_of(s->names[0]));
    rg_buf_str(out, RG_STR(",\"model\":"));
    rg_buf_json(out, rg_str_of(s->names[0]));
    rg_buf_format(out, ",\"size\":%llu,\"digest\":\"\",", (unsigned long long)s->facts.file_bytes);
    rg_buf_str(out,
               is_loaded ? RG_STR("\"size_vram\":0,\"expires_at\":") : RG_STR("\"modified_at\":"));
    rg_ollama_time(s->started, out);
    rg_buf_char(out, ',');
    write_details(s, out);
    rg_buf_str(out, RG_STR("}]}"));
}

void rg_ollama_tags(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    (void)request;
    write_models(arg, false, &answer->body);
}

void rg_ollama_ps(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    (void)request;
    write_models(arg, true, &answer->body);
}

void rg_ollama_show(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    raga_server *s = arg;
    rg_arena arena;
    rg_fault fault = {0};
    const rg_json *root = NULL;
    rg_buf *out = &answer->body;
    rg_serve_enter(s, request);
    rg_arena_init(&arena, s->mem, RG_HTTP_BODY_MAX);
    if (rg_serve_parse(request, &arena, &root, &fault) && rg_serve_is_model(s, root, &fault)) {
        rg_buf_char(out, '{');
        write_details(s, out);
        rg_buf_format(out, ",\"template\":\"\",\"parameters\":\"\",\"modified_at\":");
        rg_ollama_time(s->started, out);
        rg_buf_str(out, RG_STR(",\"model_info\":{\"general.architecture\":"));
        rg_buf_json(out, rg_str_of(s->facts.family));
        rg_buf_format(out,
                      ",\"general.parameter_count\":%llu,\"%s.context_length\":%zu,"
                      "\"%s.embedding_length\":%u,\"%s.block_count\":%u},",
                      (unsigned long long)s->facts.n_params, s->facts.family,
                      raga_model_ctx(s->model), s->facts.family, s->facts.n_embd, s->facts.family,
                      s->facts.n_layer);
        rg_buf_format(out, "\"capabilities\":[\"completion\",\"tools\"%s]}",
                      s->facts.sees ? ",\"vision\"" : "");
    }
    if (fault.status != 0) {
        rg_http_refuse(answer, &fault, request->path, request->id);
    }
    rg_arena_clear(&arena);
    rg_serve_leave(s, request);
}
