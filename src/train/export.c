#include "train/export.h"

#include "base/buf.h"
#include "format/gguf.h"
#include "format/safetensors_write.h"

#include <errno.h>
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

rg_status rg_export_weights(const rg_mem *mem, const char *path, const rg_params *params,
                            const float *const *values, rg_error *err) {
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    rg_tensor *list = rg_new_array(mem, params->n + 1, sizeof *list);
    if (list == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", params->n);
    }
    for (size_t i = 0; i < params->n; i++) {
        list[i] = rg_param_tensor(&params->list[i]);
        if (values != NULL) {
            list[i].data = values[i];
        }
    }
    const rg_status status =
        rg_safetensors_write(mem, path, list, params->n, &note, 1, NULL, NULL, err);
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

rg_status rg_export_peft(const rg_mem *mem, const char *dir, const rg_params *params, uint32_t rank,
                         float alpha, bool is_rslora, float dropout, const char *base,
                         rg_error *err) {
    rg_status status = RG_OK;
    char path[4096];
    rg_buf text;
    rg_buf_init(&text, mem, 0);
    rg_buf_str(&text, RG_STR("{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"CAUSAL_LM\",\n"
                             "  \"base_model_name_or_path\": "));
    rg_buf_json(&text, rg_str_of(base));
    rg_buf_format(&text,
                  ",\n  \"r\": %u,\n  \"lora_alpha\": %.9g,\n  \"lora_dropout\": %.9g,\n"
                  "  \"use_rslora\": %s,\n  \"target_modules\": [",
                  rank, (double)alpha, (double)dropout, is_rslora ? "true" : "false");
    put_targets(&text, params);
    rg_buf_str(&text, RG_STR("],\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n"
                             "  \"inference_mode\": true,\n  \"init_lora_weights\": true,\n"
                             "  \"modules_to_save\": null,\n  \"use_dora\": false\n}\n"));
    RG_TRY(rg_buf_check(&text, "adapter_config.json", err));
    RG_TRY(rg_make_dir(dir, err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("adapter_model.safetensors"), err));
    RG_TRY(rg_export_weights(mem, path, params, NULL, err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("adapter_config.json"), err));
    RG_TRY(rg_file_write(path, text.data, text.size, err));

done:
    rg_buf_clear(&text);
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
                                        "special_tokens.json"};
    rg_status status = RG_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && status == RG_OK; i++) {
        status = copy_file(mem, from_dir, files[i], to_dir, err);
    }
    return status;
}
