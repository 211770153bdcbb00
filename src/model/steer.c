#include "model/steer.h"

#include "format/gguf.h"

#include <math.h>

rg_status rg_steer_new(const rg_mem *mem, const rg_model *model, rg_steer **out, rg_error *err) {
    const rg_hparams *h = &model->h;
    rg_steer *steer = rg_new(mem, sizeof *steer);
    if (steer != NULL) {
        *steer = (rg_steer){.mem = mem, .model = model};
        steer->layers = rg_new_array(mem, h->n_layer, sizeof *steer->layers);
        steer->values = rg_new_array(mem, (size_t)h->n_layer * h->n_embd, sizeof *steer->values);
    }
    if (steer == NULL || steer->layers == NULL || steer->values == NULL) {
        rg_steer_free(steer);
        return rg_fail(err, RG_E_MEMORY, "no memory for directions of %u layers", h->n_layer);
    }
    *out = steer;
    return RG_OK;
}

void rg_steer_free(rg_steer *steer) {
    if (steer != NULL) {
        rg_free(steer->mem, steer->layers);
        rg_free(steer->mem, steer->values);
        rg_free(steer->mem, steer);
    }
}

// "direction.12"; false: not such a name
static bool read_layer(rg_str name, uint64_t *layer) {
    const rg_str head = RG_STR("direction.");
    *layer = 0;
    if (!rg_str_starts(name, head) || name.size == head.size || name.size > head.size + 9 ||
        (name.data[head.size] == '0' && name.size > head.size + 1)) {
        return false;
    }
    for (size_t i = head.size; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') {
            return false;
        }
        *layer = *layer * 10 + (uint64_t)(name.data[i] - '0');
    }
    return true;
}

static rg_status check_head(const rg_steer *steer, const rg_gguf *gguf, rg_error *err) {
    rg_str word = {0};
    if (!rg_gguf_str(gguf, "general.architecture", &word) || !rg_str_is(word, "controlvector")) {
        return rg_fail(err, RG_E_FORMAT,
                       "no control vector: general.architecture is \"%.*s\", \"controlvector\" is "
                       "needed",
                       RG_FMT(word));
    }
    // names of families differ between programs, so only one of ours that is another is wrong
    if (rg_gguf_str(gguf, "controlvector.model_hint", &word) && rg_arch_find_gguf(word) != NULL &&
        rg_arch_find_gguf(word) != steer->model->arch) {
        return rg_fail(err, RG_E_FORMAT,
                       "the control vector was made for a model of family %.*s, this one is %s",
                       RG_FMT(word), steer->model->arch->name);
    }
    if (rg_gguf_n_tensors(gguf) == 0) {
        return rg_fail(err, RG_E_FORMAT, "the control vector has no direction");
    }
    return RG_OK;
}

static rg_status check_direction(const rg_steer *steer, const rg_tensor *t, uint32_t *layer,
                                 rg_error *err) {
    const rg_hparams *h = &steer->model->h;
    uint64_t n = 0;
    if (!read_layer(t->name, &n)) {
        return rg_fail(err, RG_E_FORMAT, "tensor \"%.*s\" is no direction.N", RG_FMT(t->name));
    }
    if (n == 0 || n >= h->n_layer) {
        return rg_fail(
            err, RG_E_FORMAT,
            "%.*s: this model has directions for layers 1 to %u (was it made for another "
            "model?)",
            RG_FMT(t->name), h->n_layer - 1);
    }
    if (t->dtype != RG_DTYPE_F32) {
        return rg_fail(err, RG_E_UNSUPPORTED, "%.*s is %s, F32 is read", RG_FMT(t->name),
                       rg_dtype_get(t->dtype)->name);
    }
    if (t->n_dims != 1 || t->shape[0] != h->n_embd) {
        return rg_fail(err, RG_E_FORMAT,
                       "%.*s has %zu values in %u dimensions, this model's residual has %u (was it "
                       "made for another model?)",
                       RG_FMT(t->name), rg_tensor_count(t), t->n_dims, h->n_embd);
    }
    for (size_t i = 0; i < h->n_embd; i++) {
        float value;
        memcpy(&value, (const char *)t->data + i * sizeof value, sizeof value);
        if (!isfinite(value)) {
            return rg_fail(err, RG_E_FORMAT, "value %zu of %.*s is not finite", i, RG_FMT(t->name));
        }
    }
    *layer = (uint32_t)n;
    return RG_OK;
}

static bool is_wanted(uint32_t layer, const uint32_t *layers, size_t n_layers) {
    for (size_t i = 0; i < n_layers; i++) {
        if (layers[i] == layer) {
            return true;
        }
    }
    return n_layers == 0;
}

static rg_status add_direction(const rg_steer *steer, const rg_tensor *t, float scale, float *sum,
                               rg_error *err) {
    for (size_t i = 0; i < steer->model->h.n_embd; i++) {
        float value;
        memcpy(&value, (const char *)t->data + i * sizeof value, sizeof value);
        sum[i] += scale * value;
        if (!isfinite(sum[i])) {
            return rg_fail(err, RG_E_ARG, "%g times value %zu of %.*s is too large", (double)scale,
                           i, RG_FMT(t->name));
        }
    }
    return RG_OK;
}

// layers to which nothing but zeros is added have no node in the graph
static void set_layers(rg_steer *steer) {
    const size_t n = steer->model->h.n_embd;
    for (uint32_t layer = 0; layer < steer->model->h.n_layer; layer++) {
        const float *sum = steer->values + layer * n;
        bool is_zero = true;
        for (size_t i = 0; i < n; i++) {
            is_zero = is_zero && sum[i] == 0;
        }
        steer->layers[layer] = (rg_tensor){.dtype = RG_DTYPE_F32,
                                           .n_dims = 1,
                                           .shape = {n},
                                           .data = is_zero ? NULL : sum,
                                           .bytes = n * sizeof *sum};
    }
}

static rg_status add_all(const rg_steer *steer, const rg_gguf *gguf, float scale,
                         const uint32_t *layers, size_t n_layers, float *sums, rg_error *err) {
    rg_status status = RG_OK;
    size_t n_added = 0;
    RG_TRY(check_head(steer, gguf, err));
    for (size_t i = 0; i < rg_gguf_n_tensors(gguf); i++) {
        const rg_tensor *t = rg_gguf_tensor_at(gguf, i);
        uint32_t layer = 0;
        RG_TRY(check_direction(steer, t, &layer, err));
        if (is_wanted(layer, layers, n_layers)) {
            RG_TRY(
                add_direction(steer, t, scale, sums + (size_t)layer * steer->model->h.n_embd, err));
            n_added++;
        }
    }
    if (n_added == 0) {
        status = rg_fail(err, RG_E_ARG, "none of its %zu directions is of a layer asked for",
                         rg_gguf_n_tensors(gguf));
    }

done:
    return status;
}

rg_status rg_steer_add(rg_steer *steer, const char *path, float scale, const uint32_t *layers,
                       size_t n_layers, rg_error *err) {
    rg_status status = RG_OK;
    rg_gguf *gguf = NULL;
    const size_t bytes =
        (size_t)steer->model->h.n_layer * steer->model->h.n_embd * sizeof *steer->values;
    float *sums = rg_alloc(steer->mem, bytes);
    if (sums == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for directions of %u layers",
                       steer->model->h.n_layer);
    }
    memcpy(sums, steer->values, bytes);
    if (!isfinite(scale)) {
        status = rg_fail(err, RG_E_ARG, "the scale of %s is not finite", path);
        goto done;
    }
    RG_TRY(rg_gguf_open(steer->mem, path, &gguf, err));
    status = add_all(steer, gguf, scale, layers, n_layers, sums, err);
    if (status == RG_OK && !rg_gguf_is_intact(gguf)) {
        status = rg_fail(err, RG_E_IO, "the file was cut short while it was read");
    }
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
        goto done;
    }
    memcpy(steer->values, sums, bytes);
    set_layers(steer);

done:
    rg_gguf_close(gguf);
    rg_free(steer->mem, sums);
    return status;
}
