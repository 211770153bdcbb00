#include "train/export.h"

#include "base/buf.h"
#include "format/gguf.h"
#include "format/safetensors_write.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

rg_status rg_make_dir(const char *path, rg_error *err) {
    char part[4096];
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof part) {
        return rg_fail(err, RG_E_LIMIT, "a path of %zu bytes is not possible", size);
    }
    for (size_t i = 1; i <= size; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0777) != 0 && errno != EEXIST) {
                return rg_fail(err, RG_E_IO, "cannot make directory %s: %s", part, strerror(errno));
            }
        }
    }
    return RG_OK;
}

// the values as a checkpoint holds them
static rg_status take_base(const rg_mem *mem, const rg_param *p, void **out, rg_error *err) {
    float *copy = rg_new_array(mem, p->n, sizeof *copy);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for tensor %s", p->name);
    }
    for (size_t i = 0; i < p->n; i++) {
        copy[i] = p->w[i] - p->base;
    }
    *out = copy;
    return RG_OK;
}

// a convolution as frameworks keep it: [channels, 1, kernel]
static void shape_as_in_file(rg_tensor *t, uint32_t slot) {
    switch (rg_model_role(slot)) {
    case RG_ROLE_DELTA_CONV:
    case RG_ROLE_KDA_CONV_K:
    case RG_ROLE_KDA_CONV_V:
        t->n_dims = 3;
        t->shape[2] = t->shape[1];
        t->shape[1] = 1;
        break;
    default:
        break;
    }
}

rg_status rg_export_weights(const rg_mem *mem, const char *path, const rg_params *params,
                            const float *const *values, const rg_source *source, rg_error *err) {
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    rg_status status = RG_OK;
    const size_t n_beside = source == NULL ? 0 : rg_source_count(source);
    rg_tensor *list = rg_new_array(mem, params->n + n_beside + 1, sizeof *list);
    void **copies = rg_new_array(mem, params->n + 1, sizeof *copies);
    if (list == NULL || copies == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", params->n);
        goto done;
    }
    size_t n = 0;
    for (size_t i = 0; i < params->n; i++) {
        const rg_param *p = &params->list[i];
        if (values != NULL && p->is_fixed) {
            continue;
        }
        list[n] = rg_param_tensor(p);
        shape_as_in_file(&list[n], p->slot);
        if (values != NULL) {
            list[n].data = values[i];
        } else if (p->base != 0) {
            RG_TRY(take_base(mem, p, &copies[i], err));
            list[n].data = copies[i];
        }
        n++;
    }
    for (size_t i = 0; i < n_beside; i++) {
        const rg_tensor *t = rg_source_at(source, i);
        if (rg_weight_is_of_tower(t->name)) {
            list[n++] = *t;
        }
    }
    status = rg_safetensors_write(mem, path, list, n, &note, 1, NULL, NULL, err);

done:
    for (size_t i = 0; copies != NULL && i < params->n; i++) {
        rg_free(mem, copies[i]);
    }
    rg_free(mem, copies);
    rg_free(mem, list);
    return status;
}

// the last word of a module's name: "q_proj" of "...self_attn.q_proj.lora_A.weight"
static rg_str module_word(const char *name) {
    const char *end = strstr(name, ".lora_");
    const char *begin = end;
    while (begin != NULL && begin > name && begin[-1] != '.') {
        begin--;
    }
    return begin == NULL ? rg_str_of(name) : (rg_str){begin, (size_t)(end - begin)};
}

// each word once, in the order of the parameters
static void put_targets(rg_buf *out, const rg_params *params) {
    rg_str seen[64];
    size_t n = 0;
    for (size_t i = 0; i < params->n; i++) {
        const rg_str word = module_word(params->list[i].name);
        bool is_new = n < sizeof seen / sizeof *seen;
        for (size_t k = 0; k < n; k++) {
            is_new = is_new && !rg_str_eq(seen[k], word);
        }
        if (is_new) {
            rg_buf_str(out, n == 0 ? RG_STR("") : RG_STR(", "));
            rg_buf_json(out, word);
            seen[n++] = word;
        }
    }
}

// the parameters of an adapter as a container names and orders them; names and copies are owned
typedef struct pages {
    const rg_mem *mem;
    rg_tensor *list;
    char (*names)[RG_WEIGHT_NAME_MAX];
    void **copies;
    size_t n;
} pages;

static void clear_pages(pages *p) {
    for (size_t i = 0; p->copies != NULL && i < p->n; i++) {
        rg_free(p->mem, p->copies[i]);
    }
    rg_free(p->mem, p->copies);
    rg_free(p->mem, p->names);
    rg_free(p->mem, p->list);
}

// B of a matrix whose rows the model has in the other container's order
static rg_status turn_rows(pages *p, size_t i, uint32_t n_heads, bool to_gguf, rg_error *err) {
    rg_tensor *b = &p->list[i];
    p->copies[i] = rg_alloc(p->mem, b->bytes);
    if (p->copies[i] == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for tensor %.*s", RG_FMT(b->name));
    }
    rg_adapter_turn(p->copies[i], b->data, b->shape[0], b->bytes / b->shape[0], n_heads, to_gguf);
    b->data = p->copies[i];
    return RG_OK;
}

static rg_status make_pages(const rg_mem *mem, const rg_adapter_export *a, bool is_gguf, pages *p,
                            rg_error *err) {
    *p = (pages){.mem = mem, .n = a->params->n};
    p->list = rg_new_array(mem, p->n + 1, sizeof *p->list);
    p->names = rg_new_array(mem, p->n + 1, sizeof *p->names);
    p->copies = rg_new_array(mem, p->n + 1, sizeof *p->copies);
    if (p->list == NULL || p->names == NULL || p->copies == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", p->n);
    }
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t slot = a->loras[i / 2].slot;
        const bool is_a = i % 2 == 0;
        p->list[i] = rg_param_tensor(&a->params->list[i]);
        if (is_gguf) {
            char matrix[RG_WEIGHT_NAME_MAX - 8];
            if (!rg_adapter_gguf_name(a->model, slot, matrix, sizeof matrix)) {
                return rg_fail(err, RG_E_UNSUPPORTED, "GGUF has no name for %s",
                               a->params->list[i].name);
            }
            snprintf(p->names[i], sizeof p->names[i], "%s.lora_%c", matrix, is_a ? 'a' : 'b');
            p->list[i].name = rg_str_of(p->names[i]);
        }
        const uint32_t n_heads = is_a ? 0 : rg_adapter_turned_heads(a->model, slot);
        if (n_heads != 0 && is_gguf != (a->kind == RG_SOURCE_GGUF)) {
            const rg_status status = turn_rows(p, i, n_heads, is_gguf, err);
            if (status != RG_OK) {
                return status;
            }
        }
    }
    return RG_OK;
}

static rg_status write_config(const rg_mem *mem, const char *dir, const rg_adapter_export *a,
                              rg_error *err) {
    rg_status status = RG_OK;
    char path[4096];
    rg_buf text;
    rg_buf_init(&text, mem, 0);
    rg_buf_str(&text, RG_STR("{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"CAUSAL_LM\",\n"
                             "  \"base_model_name_or_path\": "));
    rg_buf_json(&text, rg_str_of(a->base));
    rg_buf_format(&text,
                  ",\n  \"r\": %u,\n  \"lora_alpha\": %.9g,\n  \"lora_dropout\": %.9g,\n"
                  "  \"use_rslora\": %s,\n  \"target_modules\": [",
                  a->rank, (double)a->alpha, (double)a->dropout, a->is_rslora ? "true" : "false");
    put_targets(&text, a->params);
    rg_buf_str(&text, RG_STR("],\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n"
                             "  \"inference_mode\": true,\n  \"init_lora_weights\": true,\n"
                             "  \"modules_to_save\": null,\n  \"use_dora\": false\n}\n"));
    RG_TRY(rg_buf_check(&text, "adapter_config.json", err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("adapter_config.json"), err));
    RG_TRY(rg_file_write(path, text.data, text.size, err));

done:
    rg_buf_clear(&text);
    return status;
}

rg_status rg_export_peft(const rg_mem *mem, const char *dir, const rg_adapter_export *a,
                         rg_error *err) {
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    rg_status status = RG_OK;
    char path[4096];
    pages p;
    RG_TRY(make_pages(mem, a, false, &p, err));
    RG_TRY(rg_make_dir(dir, err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("adapter_model.safetensors"), err));
    RG_TRY(rg_safetensors_write(mem, path, p.list, p.n, &note, 1, NULL, NULL, err));
    RG_TRY(write_config(mem, dir, a, err));

done:
    clear_pages(&p);
    return status;
}

rg_status rg_export_gguf(const rg_mem *mem, const char *path, const rg_adapter_export *a,
                         rg_error *err) {
    rg_status status = RG_OK;
    rg_gguf_writer w;
    pages p;
    rg_gguf_writer_init(&w, mem);
    RG_TRY(make_pages(mem, a, true, &p, err));
    // readers divide alpha by the rank, whatever it was divided by before
    const double root = a->is_rslora ? sqrt((double)a->rank) : 1;
    rg_gguf_put_str(&w, "general.architecture", rg_str_of(a->model->arch->name));
    rg_gguf_put_str(&w, "general.type", RG_STR("adapter"));
    rg_gguf_put_str(&w, "adapter.type", RG_STR("lora"));
    rg_gguf_put_f32(&w, "adapter.lora.alpha", (float)(a->alpha * root));
    for (size_t i = 0; i < p.n; i++) {
        rg_gguf_put_tensor(&w, &p.list[i]);
    }
    RG_TRY(rg_gguf_write(&w, path, NULL, NULL, err));

done:
    clear_pages(&p);
    rg_gguf_writer_clear(&w);
    return status;
}

static rg_status copy_file(const rg_mem *mem, const char *from_dir, const char *name,
                           const char *to_dir, rg_error *err) {
    char from[4096];
    char to[4096];
    rg_bytes bytes = {0};
    rg_status status = RG_OK;
    RG_TRY(rg_path_join(from, sizeof from, from_dir, rg_str_of(name), err));
    RG_TRY(rg_path_join(to, sizeof to, to_dir, rg_str_of(name), err));
    if (rg_file_kind_of(from) != RG_FILE_REGULAR) {
        return RG_OK;
    }
    RG_TRY(rg_file_read(mem, from, RG_SETTINGS_FILE_MAX, &bytes, err));
    RG_TRY(rg_file_write(to, bytes.data, bytes.size, err));

done:
    rg_free(mem, (void *)bytes.data);
    return status;
}

rg_status rg_copy_settings(const rg_mem *mem, const char *from_dir, const char *to_dir,
                           rg_error *err) {
    static const char *const files[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "chat_template.jinja",
                                        "special_tokens_map.json",
                                        "tokenizer_config.json",
                                        "tokenizer.model",
                                        "vocab.json",
                                        "merges.txt",
                                        "added_tokens.json",
                                        "tiktoken.model",
                                        "special_tokens.json",
                                        "preprocessor_config.json",
                                        "processor_config.json"};
    rg_status status = RG_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && status == RG_OK; i++) {
        status = copy_file(mem, from_dir, files[i], to_dir, err);
    }
    return status;
}
