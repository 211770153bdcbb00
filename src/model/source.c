#include "model/source_internal.h"

#include <stdio.h>

static rg_status new_source(const rg_mem *mem, const char *path, rg_source **out, rg_error *err) {
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof(*out)->path) {
        return rg_fail(err, RG_E_ARG, "a path of %zu bytes names no model", size);
    }
    rg_source *source = rg_new(mem, sizeof *source);
    if (source == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a model");
    }
    source->mem = mem;
    memcpy(source->path, path, size + 1);
    *out = source;
    return RG_OK;
}

rg_status rg_source_of_gguf(const rg_mem *mem, const char *name, rg_bytes file, rg_source **out,
                            rg_error *err) {
    rg_source *source = NULL;
    rg_status status = RG_OK;
    RG_TRY(new_source(mem, name, &source, err));
    status = rg_gguf_parse(mem, file, &source->gguf, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", name);
        goto done;
    }
    *out = source;
    source = NULL;

done:
    rg_source_close(source);
    return status;
}

rg_status rg_source_open(const rg_mem *mem, const char *path, rg_source **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_source *source = NULL;
    RG_TRY(new_source(mem, path, &source, err));
    switch (rg_file_kind_of(path)) {
    case RG_FILE_DIRECTORY:
        RG_TRY(rg_hf_dir_open(mem, path, &source->hf, err));
        break;
    case RG_FILE_REGULAR:
        if (rg_str_ends(rg_str_of(path), RG_STR(".safetensors"))) {
            status = rg_fail(err, RG_E_ARG,
                             "%s is the weights alone: give the directory that it lies in", path);
            goto done;
        }
        RG_TRY(rg_gguf_open(mem, path, &source->gguf, err));
        break;
    case RG_FILE_OTHER:
        status = rg_fail(err, RG_E_ARG, "%s is a device, FIFO or socket, not a model", path);
        goto done;
    case RG_FILE_NONE:
        status = rg_fail(err, RG_E_NOT_FOUND, "there is no file or directory %s", path);
        goto done;
    }
    *out = source;
    source = NULL;

done:
    rg_source_close(source);
    return status;
}

void rg_source_close(rg_source *source) {
    if (source == NULL) {
        return;
    }
    rg_gguf_close(source->gguf);
    rg_gguf_close(source->quantized);
    rg_hf_dir_close(source->hf);
    rg_free(source->mem, source);
}

rg_source_kind rg_source_get_kind(const rg_source *source) {
    return source->gguf != NULL ? RG_SOURCE_GGUF : RG_SOURCE_HF;
}

const char *rg_source_path(const rg_source *source) {
    return source->path;
}

const struct rg_gguf *rg_source_gguf(const rg_source *source) {
    return source->gguf;
}

const struct rg_hf_dir *rg_source_hf(const rg_source *source) {
    return source->hf;
}

const rg_json *rg_source_whole_config(const rg_source *source) {
    return source->hf == NULL ? NULL : source->hf->config;
}

const rg_json *rg_source_config(const rg_source *source) {
    if (source->hf == NULL) {
        return NULL;
    }
    const rg_json *text = rg_json_find(source->hf->config, "text_config");
    return text != NULL && text->kind == RG_JSON_OBJECT ? text : source->hf->config;
}

size_t rg_source_count(const rg_source *source) {
    return source->gguf != NULL ? rg_gguf_n_tensors(source->gguf)
                                : rg_safetensors_count(source->hf->weights);
}

const rg_tensor *rg_source_at(const rg_source *source, size_t i) {
    return source->gguf != NULL ? rg_gguf_tensor_at(source->gguf, i)
                                : rg_safetensors_at(source->hf->weights, i);
}

const rg_tensor *rg_source_find(const rg_source *source, rg_str name) {
    const rg_tensor *made =
        source->quantized == NULL ? NULL : rg_gguf_find(source->quantized, name);
    if (made != NULL) {
        return made;
    }
    return source->gguf != NULL ? rg_gguf_find(source->gguf, name)
                                : rg_safetensors_find(source->hf->weights, name);
}

size_t rg_source_index(const rg_source *source, rg_str name) {
    const rg_tensor *t = source->gguf != NULL ? rg_gguf_find(source->gguf, name)
                                              : rg_safetensors_find(source->hf->weights, name);
    return t == NULL ? rg_source_count(source) : (size_t)(t - rg_source_at(source, 0));
}

bool rg_source_is_intact(const rg_source *source) {
    if (source->quantized != NULL && !rg_gguf_is_intact(source->quantized)) {
        return false;
    }
    return source->gguf != NULL ? rg_gguf_is_intact(source->gguf)
                                : rg_safetensors_is_intact(source->hf->weights);
}

// every item of a per-layer array must be the same number; zeros are of layers that have no such
// thing
static rg_status number_of_array(const rg_gguf_pair *pair, double *out, rg_error *err) {
    if (pair->item_type == RG_GGUF_STRING || pair->n_items == 0) {
        return rg_fail(err, RG_E_FORMAT, "the key %.*s is no array of numbers", RG_FMT(pair->key));
    }
    *out = 0;
    for (uint64_t i = 0; i < pair->n_items; i++) {
        const double item = rg_gguf_item_f64(pair, i);
        *out = *out == 0 ? item : *out;
        if (item != 0 && item != *out) {
            return rg_fail(err, RG_E_UNSUPPORTED, "the key %.*s differs from layer to layer",
                           RG_FMT(pair->key));
        }
    }
    return RG_OK;
}

// a value by its name, which may be inside an object: "object.name"
static const rg_json *find_path(const rg_json *config, const char *path) {
    char object[64];
    const char *dot = strchr(path, '.');
    if (dot == NULL || (size_t)(dot - path) >= sizeof object) {
        return rg_json_find(config, path);
    }
    snprintf(object, sizeof object, "%.*s", (int)(dot - path), path);
    return rg_json_find(rg_json_find(config, object), dot + 1);
}

rg_status rg_source_number(const rg_source *source, const char *arch, const char *gguf_key,
                           const char *hf_key, bool *found, double *out, rg_error *err) {
    *found = false;
    if (source->gguf != NULL) {
        char key[128];
        snprintf(key, sizeof key, "%s.%s", arch, gguf_key);
        const rg_gguf_pair *pair = rg_gguf_find_pair(source->gguf, key);
        if (pair == NULL) {
            return RG_OK;
        }
        *found = true;
        if (pair->type == RG_GGUF_ARRAY) {
            return number_of_array(pair, out, err);
        }
        if (!rg_gguf_f64(source->gguf, key, out)) {
            return rg_fail(err, RG_E_FORMAT, "the key %s is no number", key);
        }
        return RG_OK;
    }
    const rg_json *json = find_path(rg_source_config(source), hf_key);
    bool truth = false;
    json = json == NULL ? find_path(rg_source_whole_config(source), hf_key) : json;
    if (json == NULL || json->kind == RG_JSON_NULL) {
        return RG_OK;
    }
    *found = true;
    if (rg_json_bool(json, &truth)) {
        *out = truth;
        return RG_OK;
    }
    if (!rg_json_f64(json, out)) {
        return rg_fail(err, RG_E_FORMAT, "config.json: %s is \"%.*s\", not a number", hf_key,
                       RG_FMT(json->text));
    }
    return RG_OK;
}
