#include "api/api_internal.h"

enum { TREE_BYTES_MAX = 512 << 20 };

raga_status raga_template_new(const char *source, size_t size, raga_template **out,
                              raga_error *error) {
    rg_error err = {0};
    if (source == NULL || out == NULL) {
        return api_bad(error, "no template or no place for it");
    }
    raga_template *t = rg_new(rg_mem_heap(), sizeof *t);
    if (t == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a template"), &err);
    }
    const rg_status status = rg_template_new(rg_mem_heap(), (rg_str){source, size}, &t->tpl, &err);
    if (status != RG_OK) {
        raga_template_free(t);
        return api_fail(error, status, &err);
    }
    *out = t;
    return RAGA_OK;
}

void raga_template_free(raga_template *t) {
    if (t != NULL) {
        rg_template_free(t->tpl);
        rg_free(rg_mem_heap(), t);
    }
}

const raga_template *raga_model_template(const raga_model *m) {
    return m->tpl.tpl == NULL ? NULL : &m->tpl;
}

raga_status raga_template_json_line(const raga_template *t, const char *line, size_t size,
                                    const char *clock, char **out, size_t *out_size,
                                    raga_error *error) {
    rg_error err = {0};
    rg_template_clock at = {0};
    rg_buf answer;
    if (t == NULL || (line == NULL && size != 0) || out == NULL || out_size == NULL) {
        return api_bad(error, "no template, no line or no place for the answer");
    }
    rg_buf_init(&answer, rg_mem_heap(), 0);
    rg_status status = RG_OK;
    if (clock != NULL) {
        status = rg_template_clock_parse(rg_str_of(clock), &at, &err);
    }
    if (status == RG_OK) {
        status = rg_template_line(t->tpl, rg_mem_heap(), (rg_str){line, size}, at, &answer, &err);
    }
    if (status != RG_OK) {
        rg_buf_clear(&answer);
        return api_fail(error, status, &err);
    }
    return api_hand_over(&answer, out, out_size, error);
}

// ---- a conversation as ids ----

static void read_request(const rg_json *root, rg_chat_request *request) {
    request->messages = rg_json_find(root, "messages");
    request->tools = rg_json_find(root, "tools");
    if (request->tools != NULL && request->tools->kind == RG_JSON_NULL) {
        request->tools = NULL;
    }
    request->kwargs = rg_json_find(root, "kwargs");
    request->add_generation_prompt = true;
    (void)rg_json_bool(rg_json_find(request->kwargs, "add_generation_prompt"),
                       &request->add_generation_prompt);
}

static rg_status render(const raga_model *m, const rg_chat_request *request, rg_rendered *out,
                        rg_error *err) {
    if (m->chat == NULL) {
        return rg_fail(err, RG_E_ARG, "this model has no tokenizer: give token ids (--ids)");
    }
    const rg_status status = rg_chat_format_render(m->chat, request, out, err);
    if (status != RG_OK && out->failure == RG_TEMPLATE_RAISED) {
        rg_fail(err, status, "%.*s", RG_FMT(out->raised)); // the template's own words
    }
    return status;
}

rg_status api_chat_ids(const raga_model *m, const rg_chat_request *request, rg_ids *ids,
                       rg_error *err) {
    rg_rendered rendered = {0};
    rg_status status = render(m, request, &rendered, err);
    if (status == RG_OK) {
        status = rg_tokenizer_encode_chat(m->tokenizer.tokenizer, rendered.text, rendered.runs,
                                          rendered.n_runs, NULL, 0, ids, err);
    }
    rg_rendered_clear(&rendered);
    return status;
}

raga_status raga_chat_ids(const raga_model *m, const char *json, size_t size, int32_t **ids,
                          size_t *n, raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    rg_chat_request request = {0};
    rg_ids list;
    const rg_json *root = NULL;
    size_t bytes = 0;
    rg_status status = RG_OK;
    if (m == NULL || json == NULL || ids == NULL || n == NULL) {
        return api_bad(error, "no model, no messages or no place for the ids");
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    rg_ids_init(&list, rg_mem_heap());
    RG_TRY(rg_json_parse(&arena, (rg_str){json, size}, &root, &err));
    read_request(root, &request);
    status = api_chat_ids(m, &request, &list, &err);

done:
    rg_arena_clear(&arena);
    if (status != RG_OK) {
        rg_ids_clear(&list);
        return api_fail(error, status, &err);
    }
    rg_buf_reserve(&list.buf, 1);
    *ids = (int32_t *)(void *)rg_buf_take(&list.buf, &bytes);
    *n = bytes / sizeof **ids;
    return RAGA_OK;
}

raga_status raga_chat_text(const raga_model *m, const char *json, size_t size, char **text,
                           size_t *n, raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    rg_chat_request request = {0};
    rg_rendered rendered = {0};
    rg_buf out;
    const rg_json *root = NULL;
    rg_status status = RG_OK;
    if (m == NULL || json == NULL || text == NULL || n == NULL) {
        return api_bad(error, "no model, no messages or no place for the text");
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    rg_buf_init(&out, rg_mem_heap(), 0);
    RG_TRY(rg_json_parse(&arena, (rg_str){json, size}, &root, &err));
    read_request(root, &request);
    RG_TRY(render(m, &request, &rendered, &err));
    rg_buf_str(&out, rendered.text);

done:
    rg_rendered_clear(&rendered);
    rg_arena_clear(&arena);
    if (status != RG_OK) {
        rg_buf_clear(&out);
        return api_fail(error, status, &err);
    }
    return api_hand_over(&out, text, n, error);
}
