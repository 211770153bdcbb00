/* Looking into a container that need not hold a model. */
#include "api/api_internal.h"

#include "base/map.h"

#include <math.h>

struct raga_container {
    rg_source *source;
    rg_buf warnings;
};

raga_status raga_container_open(const char *path, raga_container **out, raga_error *error) {
    rg_error err = {0};
    if (path == NULL || out == NULL) {
        return api_bad(error, "no path or no place for the container");
    }
    raga_container *c = rg_new(rg_mem_heap(), sizeof *c);
    if (c == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a container"), &err);
    }
    rg_buf_init(&c->warnings, rg_mem_heap(), 0);
    const rg_status status = api_source_open(path, &c->source, &err);
    if (status != RG_OK) {
        raga_container_close(c);
        return api_fail(error, status, &err);
    }
    *out = c;
    return RAGA_OK;
}

void raga_container_close(raga_container *c) {
    if (c != NULL) {
        rg_source_close(c->source);
        rg_buf_clear(&c->warnings);
        rg_free(rg_mem_heap(), c);
    }
}

const char *raga_container_kind(const raga_container *c) {
    return rg_source_get_kind(c->source) == RG_SOURCE_GGUF ? "gguf" : "safetensors";
}

const char *raga_container_warnings(const raga_container *c) {
    const rg_gguf *gguf = rg_source_gguf(c->source);
    return gguf == NULL ? "" : rg_gguf_warnings(gguf);
}

size_t raga_container_tensors(const raga_container *c) {
    return rg_source_count(c->source);
}

// names are views into the file: a terminated copy lives in a small ring beside the last answers
static const char *terminated(rg_str name) {
    enum { RING = 8 };
    static _Thread_local char ring[RING][RG_GGUF_NAME_MAX + 1];
    static _Thread_local unsigned next;
    char *text = ring[next++ % RING];
    const size_t n = name.size < RG_GGUF_NAME_MAX ? name.size : RG_GGUF_NAME_MAX;
    memcpy(text, name.data, n);
    text[n] = '\0';
    return text;
}

void raga_container_tensor(const raga_container *c, size_t i, raga_tensor_facts *facts) {
    const rg_tensor *t = rg_source_at(c->source, i);
    facts->name = terminated(t->name);
    facts->dtype = rg_dtype_get(t->dtype)->name;
    facts->n_dims = t->n_dims;
    facts->bytes = t->bytes;
    _Static_assert(sizeof facts->shape / sizeof *facts->shape == RG_DIMS_MAX, "room for all");
    for (uint32_t d = 0; d < RG_DIMS_MAX; d++) {
        facts->shape[d] = d < t->n_dims ? t->shape[d] : 0;
    }
}

raga_status raga_container_read(const raga_container *c, const char *name, float **out, size_t *n,
                                raga_error *error) {
    rg_error err = {0};
    if (name == NULL || out == NULL || n == NULL) {
        return api_bad(error, "no tensor name or no place for its values");
    }
    const rg_tensor *t = rg_source_find(c->source, rg_str_of(name));
    if (t == NULL) {
        const rg_status status =
            rg_fail(&err, RG_E_NOT_FOUND, "there is no tensor %s; --tensors lists them", name);
        return api_fail(error, status, &err);
    }
    const size_t count = rg_tensor_count(t);
    float *values = rg_new_array(rg_mem_heap(), count + 1, sizeof *values);
    if (values == NULL) {
        const rg_status status =
            rg_fail(&err, RG_E_MEMORY, "no memory for the %zu values of %s", count, name);
        return api_fail(error, status, &err);
    }
    rg_dtype_get(t->dtype)->to_float(values, t->data, count);
    *out = values;
    *n = count;
    return RAGA_OK;
}

// ---- metadata as JSON ----

enum { ITEMS_SHOWN = 16 };

static void put_number(rg_buf *out, double v) {
    if (!isfinite(v)) {
        rg_buf_str(out, RG_STR("null"));
    } else {
        rg_buf_format(out, v == floor(v) && fabs(v) < 1e15 ? "%.0f" : "%.9g", v);
    }
}

static void put_pair(rg_buf *out, const rg_gguf *gguf, const rg_gguf_pair *pair) {
    char key[RG_GGUF_NAME_MAX];
    double real = 0;
    bool truth = false;
    if (pair->key.size >= sizeof key) {
        rg_buf_str(out, RG_STR("null"));
        return;
    }
    memcpy(key, pair->key.data, pair->key.size);
    key[pair->key.size] = '\0';
    if (pair->type == RG_GGUF_STRING) {
        rg_buf_json(out, (rg_str){(const char *)pair->value.data, pair->value.size});
    } else if (rg_gguf_bool(gguf, key, &truth)) {
        rg_buf_str(out, truth ? RG_STR("true") : RG_STR("false"));
    } else if (pair->type != RG_GGUF_ARRAY) {
        (void)rg_gguf_f64(gguf, key, &real);
        put_number(out, real);
    } else {
        // long arrays are vocabularies: the first items and the count
        size_t at = 0;
        rg_str text;
        rg_buf_format(out, "{\"count\":%llu,\"first\":[", (unsigned long long)pair->n_items);
        for (uint64_t i = 0; i < pair->n_items && i < ITEMS_SHOWN; i++) {
            rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(","));
            if (pair->item_type != RG_GGUF_STRING) {
                put_number(out, rg_gguf_item_f64(pair, i));
            } else if (rg_gguf_next_str(pair, &at, &text)) {
                rg_buf_json(out, text);
            }
        }
        rg_buf_str(out, RG_STR("]}"));
    }
}

static void put_gguf(rg_buf *out, const rg_gguf *gguf) {
    rg_buf_char(out, '{');
    for (size_t i = 0; i < rg_gguf_n_pairs(gguf); i++) {
        const rg_gguf_pair *pair = rg_gguf_pair_at(gguf, i);
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(","));
        rg_buf_json(out, pair->key);
        rg_buf_char(out, ':');
        put_pair(out, gguf, pair);
    }
    rg_buf_char(out, '}');
}

raga_status raga_container_metadata(const raga_container *c, char **json, raga_error *error) {
    rg_buf out;
    size_t size = 0;
    if (json == NULL) {
        return api_bad(error, "no place for the metadata");
    }
    rg_buf_init(&out, rg_mem_heap(), 0);
    const rg_gguf *gguf = rg_source_gguf(c->source);
    if (gguf != NULL) {
        put_gguf(&out, gguf);
    } else {
        rg_json_write(&out, rg_source_hf(c->source)->config);
    }
    return api_hand_over(&out, json, &size, error);
}
