#include "api/api_internal.h"

static rg_status open_builtin(rg_tokenizer **out, rg_error *err) {
    rg_bytes file = {0};
    rg_gguf *gguf = NULL;
    rg_status status = RG_OK;
    RG_TRY(api_builtin_bytes(&file, err));
    RG_TRY(rg_gguf_parse(rg_mem_heap(), file, &gguf, err));
    // what its tokens point into lasts as long as the program
    RG_TRY(rg_tokenizer_of_gguf(rg_mem_heap(), gguf, out, err));

done:
    rg_gguf_close(gguf);
    return status;
}

static rg_status open_tokenizer(const char *path, rg_tokenizer **out, rg_error *err) {
    return api_is_builtin(path) ? open_builtin(out, err)
                                : rg_tokenizer_open(rg_mem_heap(), path, out, err);
}

raga_status raga_tokenizer_open(const char *path, raga_tokenizer **out, raga_error *error) {
    rg_error err = {0};
    if (path == NULL || out == NULL) {
        return api_bad(error, "no path or no place for the tokenizer");
    }
    raga_tokenizer *t = rg_new(rg_mem_heap(), sizeof *t);
    if (t == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a tokenizer"), &err);
    }
    const rg_status status = open_tokenizer(path, &t->tokenizer, &err);
    if (status != RG_OK) {
        raga_tokenizer_close(t);
        return api_fail(error, status, &err);
    }
    *out = t;
    return RAGA_OK;
}

void raga_tokenizer_close(raga_tokenizer *t) {
    if (t != NULL) {
        rg_tokenizer_free(t->tokenizer);
        rg_free(rg_mem_heap(), t);
    }
}

bool raga_model_is_end(const raga_model *m, int32_t id) {
    return api_is_end(m, id);
}

const raga_tokenizer *raga_model_tokenizer(const raga_model *m) {
    return m->tokenizer.tokenizer == NULL ? NULL : &m->tokenizer;
}

_Static_assert((int)RAGA_TOKENIZE_PARSE_SPECIAL == (int)RG_ENCODE_PARSE_SPECIAL &&
                   (int)RAGA_TOKENIZE_ADD_SPECIAL == (int)RG_ENCODE_ADD_SPECIAL,
               "flags are handed over as they are");

raga_status raga_tokenize(const raga_tokenizer *t, const char *text, size_t size, unsigned flags,
                          int32_t **ids, size_t *n, raga_error *error) {
    rg_error err = {0};
    rg_ids list;
    size_t bytes = 0;
    if (t == NULL || (text == NULL && size != 0) || ids == NULL || n == NULL) {
        return api_bad(error, "no tokenizer, no text or no place for the ids");
    }
    rg_ids_init(&list, rg_mem_heap());
    rg_buf_reserve(&list.buf, 1); // so that no ids are an array as well
    const rg_status status =
        rg_tokenizer_encode(t->tokenizer, (rg_str){text, size}, flags, &list, &err);
    if (status != RG_OK) {
        rg_ids_clear(&list);
        return api_fail(error, status, &err);
    }
    *ids = (int32_t *)(void *)rg_buf_take(&list.buf, &bytes);
    *n = bytes / sizeof **ids;
    return RAGA_OK;
}

raga_status raga_detokenize_bytes(const raga_tokenizer *t, const int32_t *ids, size_t n,
                                  char **bytes, size_t *size, raga_error *error) {
    rg_buf out;
    if (t == NULL || (ids == NULL && n != 0) || bytes == NULL || size == NULL) {
        return api_bad(error, "no tokenizer, no ids or no place for the bytes");
    }
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_tokenizer_join(t->tokenizer, ids, n, &out);
    return api_hand_over(&out, bytes, size, error);
}

raga_status raga_detokenize(const raga_tokenizer *t, const int32_t *ids, size_t n,
                            bool skip_special, char **text, size_t *size, raga_error *error) {
    rg_buf out;
    if (t == NULL || (ids == NULL && n != 0) || text == NULL || size == NULL) {
        return api_bad(error, "no tokenizer, no ids or no place for the text");
    }
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_tokenizer_decode(t->tokenizer, ids, n, skip_special, &out);
    return api_hand_over(&out, text, size, error);
}

size_t raga_tokenizer_vocab(const raga_tokenizer *t) {
    return rg_tokenizer_vocab(t->tokenizer);
}

bool raga_tokenizer_is_end(const raga_tokenizer *t, int32_t id) {
    return rg_tokenizer_is_end(t->tokenizer, id);
}

// ---- one line of JSON ----

static rg_status encode_line(const raga_tokenizer *t, rg_str text, unsigned flags, rg_buf *out,
                             rg_error *err) {
    rg_ids ids;
    rg_ids_init(&ids, rg_mem_heap());
    const rg_status status = rg_tokenizer_encode(t->tokenizer, text, flags, &ids, err);
    if (status == RG_OK) {
        rg_buf_str(out, RG_STR("{\"ids\":["));
        for (size_t i = 0; i < rg_ids_count(&ids); i++) {
            rg_buf_format(out, i == 0 ? "%d" : ",%d", rg_ids_data(&ids)[i]);
        }
        rg_buf_str(out, RG_STR("]}"));
    }
    rg_ids_clear(&ids);
    return status;
}

static rg_status decode_line(const raga_tokenizer *t, const rg_json *list, rg_buf *out,
                             rg_error *err) {
    rg_status status = RG_OK;
    const int64_t n_vocab = (int64_t)rg_tokenizer_vocab(t->tokenizer);
    rg_buf bytes;
    rg_buf_init(&bytes, rg_mem_heap(), 0);
    for (size_t i = 0; i < list->n && status == RG_OK; i++) {
        int64_t id = -1;
        if (!rg_json_i64(rg_json_at(list, i), &id) || id < 0 || id >= n_vocab) {
            status = rg_fail(err, RG_E_ARG, "id %zu is \"%.*s\", valid are 0 to %lld", i,
                             RG_FMT(list->items[i].text), (long long)n_vocab - 1);
        } else {
            const int32_t one = (int32_t)id;
            rg_tokenizer_join(t->tokenizer, &one, 1, &bytes);
        }
    }
    if (status == RG_OK) {
        rg_buf_str(out, RG_STR("{\"text\":"));
        rg_buf_json(out, rg_buf_view(&bytes));
        rg_buf_str(out, RG_STR(",\"bytes_hex\":\""));
        for (size_t i = 0; i < bytes.size; i++) {
            rg_buf_format(out, "%02x", (unsigned char)bytes.data[i]);
        }
        rg_buf_str(out, RG_STR("\"}"));
        status = rg_buf_check(&bytes, "a text", err);
    }
    rg_buf_clear(&bytes);
    return status;
}

raga_status raga_tokenize_json_line(const raga_tokenizer *t, const char *line, size_t size,
                                    unsigned flags, char **out, size_t *out_size,
                                    raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    rg_buf answer;
    const rg_json *root = NULL;
    rg_str text;
    if (t == NULL || (line == NULL && size != 0) || out == NULL || out_size == NULL) {
        return api_bad(error, "no tokenizer, no line or no place for the answer");
    }
    rg_arena_init(&arena, rg_mem_heap(), 0);
    rg_buf_init(&answer, rg_mem_heap(), 0);
    rg_status status = rg_json_parse(&arena, (rg_str){line, size}, &root, &err);
    if (status == RG_OK) {
        const rg_json *ids = rg_json_find(root, "ids");
        if (rg_json_str(rg_json_find(root, "text"), &text)) {
            status = encode_line(t, text, flags, &answer, &err);
        } else if (ids != NULL && ids->kind == RG_JSON_ARRAY) {
            status = decode_line(t, ids, &answer, &err);
        } else {
            status = rg_fail(&err, RG_E_FORMAT, "the line has neither a \"text\" nor \"ids\"");
        }
    }
    if (status != RG_OK) {
        answer.size = 0;
        rg_buf_str(&answer, RG_STR("{\"error\":"));
        rg_buf_json(&answer, rg_str_of(err.text));
        rg_buf_char(&answer, '}');
    }
    rg_arena_clear(&arena);
    return api_hand_over(&answer, out, out_size, error);
}
