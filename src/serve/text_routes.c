/* Text to ids and back, and a conversation as the model's template writes it. */
#include "serve/server.h"

#include "serve/conversation.h"
#include "serve/fields.h"

enum { REQUEST_BYTES_MAX = 512 << 20 };

/** Reads the body, fills the answer; false with a fault. */
typedef bool text_fn(raga_server *server, rg_arena *arena, const rg_json *root, rg_buf *out,
                     rg_fault *fault);

static void serve_text(raga_server *s, const rg_http_request *request, rg_http_answer *answer,
                       text_fn *fn) {
    rg_arena arena;
    rg_fault fault = {0};
    const rg_json *root = NULL;
    rg_serve_enter(s, request);
    rg_arena_init(&arena, s->mem, REQUEST_BYTES_MAX);
    if (!rg_serve_parse(request, &arena, &root, &fault) ||
        !fn(s, &arena, root, &answer->body, &fault)) {
        rg_http_refuse(answer, &fault, request->path, request->id);
    }
    rg_arena_clear(&arena);
    rg_serve_leave(s, request);
}

static bool tokenize(raga_server *s, rg_arena *arena, const rg_json *root, rg_buf *out,
                     rg_fault *fault) {
    raga_error err = {0};
    bool has = false;
    bool adds = false;
    bool parses = true; // as llama.cpp's route does
    rg_str text = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    (void)arena;
    if (!rg_field_text(root, "content", &has, &text, fault) ||
        !rg_field_bool(root, "add_special", &adds, fault) ||
        !rg_field_bool(root, "parse_special", &parses, fault)) {
        return false;
    }
    if (!has) {
        return rg_fault_set(fault, 400, "content", "there is no \"content\" to tokenize");
    }
    if (raga_tokenize(raga_model_tokenizer(s->model), text.data == NULL ? "" : text.data, text.size,
                      (adds ? RAGA_TOKENIZE_ADD_SPECIAL : 0u) |
                          (parses ? RAGA_TOKENIZE_PARSE_SPECIAL : 0u),
                      &ids, &n, &err) != RAGA_OK) {
        return rg_fault_of(fault, "content", &err);
    }
    rg_buf_str(out, RG_STR("{\"tokens\":["));
    for (size_t i = 0; i < n; i++) {
        rg_buf_format(out, i == 0 ? "%d" : ",%d", ids[i]);
    }
    rg_buf_str(out, RG_STR("]}"));
    raga_free(ids);
    return true;
}

static bool detokenize(raga_server *s, rg_arena *arena, const rg_json *root, rg_buf *out,
                       rg_fault *fault) {
    raga_error err = {0};
    const rg_json *tokens = NULL;
    const int32_t *ids = NULL;
    char *text = NULL;
    size_t size = 0;
    if (!rg_field_of(root, "tokens", RG_JSON_ARRAY, &tokens, fault)) {
        return false;
    }
    if (tokens == NULL) {
        return rg_fault_set(fault, 400, "tokens", "there are no \"tokens\"");
    }
    if (!rg_read_ids(s->model, arena, tokens, "tokens", &ids, fault)) {
        return false;
    }
    if (raga_detokenize(raga_model_tokenizer(s->model), ids, tokens->n, false, &text, &size,
                        &err) != RAGA_OK) {
        return rg_fault_of(fault, "tokens", &err);
    }
    rg_buf_str(out, RG_STR("{\"content\":"));
    rg_buf_json(out, (rg_str){text, size});
    rg_buf_char(out, '}');
    raga_free(text);
    return true;
}

static bool apply(raga_server *s, rg_arena *arena, const rg_json *root, rg_buf *out,
                  rg_fault *fault) {
    raga_error err = {0};
    rg_conversation c;
    char *text = NULL;
    size_t size = 0;
    rg_conversation_init(&c, s->model, arena);
    bool is_fine = rg_conversation_read(&c, root, fault);
    if (is_fine && raga_chat_text(s->model, rg_buf_cstr(&c.text), c.text.size, &text, &size,
                                  &err) != RAGA_OK) {
        is_fine = rg_fault_of(fault, "messages", &err);
    }
    if (is_fine) {
        rg_buf_str(out, RG_STR("{\"prompt\":"));
        rg_buf_json(out, (rg_str){text, size});
        rg_buf_char(out, '}');
    }
    raga_free(text);
    rg_conversation_clear(&c);
    return is_fine;
}

void rg_text_tokenize(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    serve_text(arg, request, answer, tokenize);
}

void rg_text_detokenize(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    serve_text(arg, request, answer, detokenize);
}

void rg_text_template(void *arg, const rg_http_request *request, rg_http_answer *answer) {
    serve_text(arg, request, answer, apply);
}
