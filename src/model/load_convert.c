/* Weights as a run needs them where a file has them otherwise, and those that no file has. */
#include "model/load_internal.h"
#include "model/rope.h"
#include "tensor/half.h"

#include <math.h>
#include <stdio.h>

rg_status rg_load_own(rg_loader *l, rg_tensor *weight, rg_dtype dtype, void **values) {
    rg_model *m = l->model;
    size_t bytes = 0;
    if (!rg_dtype_bytes(dtype, rg_tensor_count(weight), &bytes)) {
        return rg_fail(l->err, RG_E_LIMIT, "tensor %.*s is too large", RG_FMT(weight->name));
    }
    *values = rg_alloc(m->mem, bytes);
    if (*values == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for the %zu bytes of tensor %.*s", bytes,
                       RG_FMT(weight->name));
    }
    m->owned[m->n_owned++] = *values;
    m->owned_bytes += bytes;
    m->weight_bytes += bytes;
    weight->dtype = dtype;
    weight->data = *values;
    weight->bytes = bytes;
    return RG_OK;
}

// vectors (norms, biases) are multiplied and added as f32
rg_status rg_load_widen(rg_loader *l, rg_tensor *weight) {
    const rg_dtype_info *info = rg_dtype_get(weight->dtype);
    const void *data = weight->data;
    const size_t n = rg_tensor_count(weight);
    void *room = NULL;
    const bool is_aligned = (uintptr_t)data % sizeof(float) == 0;
    if (weight->dtype == RG_DTYPE_F32 && is_aligned) {
        return RG_OK;
    }
    const rg_status status = rg_load_own(l, weight, RG_DTYPE_F32, &room);
    if (status == RG_OK) {
        info->to_float(room, data, n);
    }
    return status;
}

/** A matrix of E4M3 and the factors beside it, one for each block of rows and columns. */
typedef struct fp8 {
    const rg_tensor *codes;
    const rg_tensor *scale;
    size_t block[2];
    size_t across; // blocks of a row
} fp8;

static rg_status find_factors(rg_loader *l, const rg_tensor *weight, fp8 *out) {
    char name[512];
    snprintf(name, sizeof name, "%.*s_scale_inv", RG_FMT(weight->name));
    const rg_tensor *scale = rg_source_find(l->source, rg_str_of(name));
    if (scale == NULL) {
        snprintf(name, sizeof name, "%.*s_scale", RG_FMT(weight->name));
        scale = rg_source_find(l->source, rg_str_of(name));
    }
    if (scale == NULL && rg_str_ends(weight->name, RG_STR(".weight"))) {
        snprintf(name, sizeof name, "%.*s.scale", (int)(weight->name.size - strlen(".weight")),
                 weight->name.data);
        scale = rg_source_find(l->source, rg_str_of(name));
    }
    if (scale == NULL || weight->n_dims != 2) {
        return rg_fail(l->err, RG_E_FORMAT, "tensor %.*s is FP8 without %s", RG_FMT(weight->name),
                       name);
    }
    const size_t rows = weight->shape[0];
    const size_t cols = weight->shape[1];
    // block sizes as config.json says; a scalar or one factor a row are blocks as well
    size_t block[2] = {128, 128};
    const rg_json *quant = rg_json_find(rg_source_whole_config(l->source), "quantization_config");
    quant =
        quant == NULL ? rg_json_find(rg_source_config(l->source), "quantization_config") : quant;
    const rg_json *sizes = rg_json_find(quant, "weight_block_size");
    for (size_t d = 0; sizes != NULL && sizes->kind == RG_JSON_ARRAY && d < 2; d++) {
        int64_t size = 0;
        if (!rg_json_i64(rg_json_at(sizes, d), &size) || size < 1) {
            return rg_fail(l->err, RG_E_FORMAT, "weight_block_size of config.json is no size");
        }
        block[d] = (size_t)size;
    }
    const bool is_blocks = scale->n_dims == 2 &&
                           scale->shape[0] == (rows + block[0] - 1) / block[0] &&
                           scale->shape[1] == (cols + block[1] - 1) / block[1];
    if (!is_blocks) {
        block[0] = rg_tensor_count(scale) == 1 ? rows : 1;
        block[1] = cols;
    }
    const size_t across = (cols + block[1] - 1) / block[1];
    const size_t down = (rows + block[0] - 1) / block[0];
    if (rg_tensor_count(scale) != across * down) {
        return rg_fail(l->err, RG_E_FORMAT, "tensor %s has %zu factors, %zu are needed", name,
                       rg_tensor_count(scale), across * down);
    }
    l->is_used[rg_source_index(l->source, scale->name)] = true;
    *out = (fp8){.codes = weight, .scale = scale, .block = {block[0], block[1]}, .across = across};
    return RG_OK;
}

static float factor_at(const fp8 *w, size_t r, size_t c) {
    const rg_dtype_info *info = rg_dtype_get(w->scale->dtype);
    const size_t i = r / w->block[0] * w->across + c / w->block[1];
    float factor;
    info->to_float(&factor, (const char *)w->scale->data + i * info->block_bytes, 1);
    return factor;
}

// groups of 32 with their factor, which hold the same numbers
static void pack_fp8(const fp8 *w, uint8_t *block) {
    enum { GROUP = 32 };
    const uint8_t *codes = w->codes->data;
    for (size_t r = 0; r < w->codes->shape[0]; r++) {
        for (size_t c = 0; c < w->codes->shape[1]; c += GROUP) {
            const float factor = factor_at(w, r, c);
            memcpy(block, &factor, sizeof factor);
            memcpy(block + sizeof factor, codes, GROUP);
            block += sizeof factor + GROUP;
            codes += GROUP;
        }
    }
}

static void expand_fp8(const fp8 *w, float *values) {
    const size_t cols = w->codes->shape[1];
    for (size_t r = 0; r < w->codes->shape[0]; r++, values += cols) {
        rg_dtype_get(w->codes->dtype)
            ->to_float(values, (const char *)w->codes->data + r * cols, cols);
        for (size_t c = 0; c < cols; c++) {
            values[c] *= factor_at(w, r, c);
        }
    }
}

rg_status rg_load_fp8(rg_loader *l, rg_tensor *weight, const rg_tensor *const *matrices, size_t n,
                      bool is_widened) {
    const size_t cols = matrices[0]->shape[matrices[0]->n_dims - 1];
    const size_t n_values = rg_tensor_count(weight) / n;
    rg_status status = RG_OK;
    void *room = NULL;
    size_t bytes = 0; // of one matrix
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        fp8 w = {0};
        status = find_factors(l, matrices[i], &w);
        const bool is_grouped = status == RG_OK && !is_widened && cols % 32 == 0 &&
                                (w.block[1] % 32 == 0 || w.block[1] >= cols);
        if (status == RG_OK && i == 0) {
            status = rg_load_own(l, weight, is_grouped ? RG_DTYPE_F8_32 : RG_DTYPE_F32, &room);
            (void)rg_dtype_bytes(weight->dtype, n_values, &bytes);
        }
        if (status == RG_OK && weight->dtype == RG_DTYPE_F8_32 && !is_grouped) {
            status = rg_fail(l->err, RG_E_UNSUPPORTED,
                             "tensor %.*s has factors of other blocks than the one before",
                             RG_FMT(matrices[i]->name));
        }
        if (status == RG_OK && weight->dtype == RG_DTYPE_F8_32) {
            pack_fp8(&w, (uint8_t *)room + i * bytes);
        } else if (status == RG_OK) {
            expand_fp8(&w, (float *)room + i * n_values);
        }
    }
    weight->slabs = NULL;
    return status;
}

rg_status rg_load_repack(rg_loader *l, const rg_packed *p, size_t rows, size_t columns, void *out) {
    enum { GROUP = 32, HALF = GROUP / 2, BLOCK_BYTES = 2 + HALF };
    const rg_dtype_info *info = rg_dtype_get(p->scales->dtype);
    const bool is_float = p->scales->dtype == RG_DTYPE_BF16 || p->scales->dtype == RG_DTYPE_F16 ||
                          p->scales->dtype == RG_DTYPE_F32;
    if (p->words->dtype != RG_DTYPE_I32 || !is_float || columns % GROUP != 0 ||
        p->words->n_dims != 2 || p->words->shape[0] != rows || p->words->shape[1] != columns / 8 ||
        p->scales->n_dims != 2 || p->scales->shape[0] != rows ||
        p->scales->shape[1] != columns / GROUP) {
        return rg_fail(l->err, RG_E_FORMAT,
                       "tensors %.*s and %.*s are no matrix of %zu x %zu 4-bit integers with a "
                       "scale for each 32",
                       RG_FMT(p->words->name), RG_FMT(p->scales->name), rows, columns);
    }
    const uint8_t *words = p->words->data; // two integers a byte, in order
    uint8_t *block = out;
    for (size_t g = 0; g < rows * columns / GROUP; g++, block += BLOCK_BYTES, words += HALF) {
        float scale;
        info->to_float(&scale, (const char *)p->scales->data + g * info->block_bytes, 1);
        const uint16_t half = rg_f16_of_f32(scale);
        if (!isfinite(rg_f32_of_f16(half))) {
            return rg_fail(l->err, RG_E_FORMAT, "scale %zu of tensor %.*s is %.9g, too large", g,
                           RG_FMT(p->scales->name), scale);
        }
        memcpy(block, &half, sizeof half);
        // value i and value i + 16 share a byte; both forms hold them plus 8
        for (size_t i = 0; i < HALF; i++) {
            const unsigned low = words[i / 2] >> (i % 2 * 4) & 15;
            const unsigned high = words[(i + HALF) / 2] >> (i % 2 * 4) & 15;
            block[2 + i] = (uint8_t)(low | high << 4);
        }
    }
    return RG_OK;
}

// a norm whose checkpoint holds what is added to 1
rg_status rg_load_add_one(rg_loader *l, rg_tensor *weight) {
    const rg_dtype_info *info = rg_dtype_get(weight->dtype);
    const void *data = weight->data;
    const size_t n = rg_tensor_count(weight);
    void *room = NULL;
    const rg_status status = rg_load_own(l, weight, RG_DTYPE_F32, &room);
    float *values = room;
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        info->to_float(&values[i], (const char *)data + i * info->block_bytes, 1);
        values[i] += 1;
    }
    return status;
}

rg_status rg_load_inv_freq(rg_loader *l, rg_role role, const rg_rope_params *rope) {
    rg_model *m = l->model;
    const uint32_t n = rope->n_rot / 2;
    rg_tensor *weight = &m->weights[role];
    void *room = NULL;
    *weight = (rg_tensor){.name = RG_STR("inv_freq"), .n_dims = 1, .shape = {n}};
    const rg_status status = rg_load_own(l, weight, RG_DTYPE_F32, &room);
    if (status == RG_OK) {
        rg_rope_inv_freq(rope, m->weights[RG_ROLE_ROPE_FREQS].data, room);
    }
    return status;
}

// values from the matrix before the last to be turned: `size` bytes each
static void turn(const char *from, char *to, size_t rows, size_t columns, size_t width,
                 size_t size) {
    enum { TILE = 64 }; // of the rows written, so that lines of the cache are used while they last
    for (size_t tile = 0; tile < rows; tile += TILE) {
        const size_t end = tile + TILE < rows ? tile + TILE : rows;
        for (size_t c = 0; c < columns; c++) {
            for (size_t r = tile; r < end; r++) {
                memcpy(to + (r * columns + c) * size, from + (c * width + r) * size, size);
            }
        }
    }
}

rg_status rg_load_turn(rg_loader *l, rg_tensor *weight, size_t from, size_t width) {
    const rg_dtype_info *info = rg_dtype_get(weight->dtype);
    const size_t n = weight->shape[0], rows = weight->shape[1], columns = weight->shape[2];
    const size_t size = info->block_bytes;
    const char *data = weight->data;
    if (info->block != 1) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s lies turned in blocks of %s, which cannot be turned back",
                       RG_FMT(weight->name), info->name);
    }
    void *room = NULL;
    const rg_status status = rg_load_own(l, weight, weight->dtype, &room);
    char *values = room;
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        turn(data + (i * columns * width + from) * size, values + i * rows * columns * size, rows,
             columns, width, size);
    }
    return status;
}

// a norm's weight that is the same number everywhere: no file has it
static rg_status make_norm(rg_loader *l, rg_role role, uint32_t n, double value) {
    rg_tensor *weight = &l->model->weights[role];
    void *room = NULL;
    if (n == 0) {
        return RG_OK;
    }
    *weight = (rg_tensor){.name = RG_STR("unit"), .n_dims = 1, .shape = {n}};
    const rg_status status = rg_load_own(l, weight, RG_DTYPE_F32, &room);
    float *values = room;
    for (uint32_t i = 0; status == RG_OK && i < n; i++) {
        values[i] = (float)value;
    }
    return status;
}

// of one layer, from the matrix of keys and values: values where they lie, keys turned around
static rg_status split_latent(rg_loader *l, uint32_t layer) {
    rg_model *m = l->model;
    const rg_hparams *h = &m->h;
    const rg_tensor *both = &m->weights[rg_model_slot(RG_ROLE_KV_B, layer)];
    const rg_dtype_info *info = rg_dtype_get(both->dtype);
    const size_t row = both->shape[1] / info->block * info->block_bytes;
    const size_t n_rows = h->n_still + h->v_head_dim;
    rg_tensor *v = &m->weights[rg_model_slot(RG_ROLE_V_B, layer)];
    rg_tensor *k = &m->weights[rg_model_slot(RG_ROLE_K_B, layer)];
    const void **slabs = rg_new_array(m->mem, h->n_head, sizeof *slabs);
    float *values = rg_new_array(m->mem, h->n_latent, sizeof *values);
    void *room = NULL;
    *k =
        (rg_tensor){.name = both->name, .n_dims = 3, .shape = {h->n_head, h->n_latent, h->n_still}};
    rg_status status =
        slabs == NULL || values == NULL
            ? rg_fail(l->err, RG_E_MEMORY, "no memory for a list of %u heads", h->n_head)
            : rg_load_own(l, k, RG_DTYPE_F32, &room);
    if (status != RG_OK) {
        rg_free(m->mem, slabs);
        rg_free(m->mem, values);
        return status;
    }
    float *turned = room;
    m->owned[m->n_owned++] = slabs;
    for (size_t head = 0; head < h->n_head; head++) {
        const char *rows = (const char *)both->data + head * n_rows * row;
        slabs[head] = rows + h->n_still * row;
        for (size_t d = 0; d < h->n_still; d++) {
            info->to_float(values, rows + d * row, h->n_latent);
            for (size_t i = 0; i < h->n_latent; i++) {
                turned[(head * h->n_latent + i) * h->n_still + d] = values[i];
            }
        }
    }
    rg_free(m->mem, values);
    *v = *both;
    v->n_dims = 3;
    v->shape[0] = h->n_head;
    v->shape[1] = h->v_head_dim;
    v->shape[2] = h->n_latent;
    v->bytes = (size_t)h->n_head * h->v_head_dim * row;
    v->data = slabs[0];
    v->slabs = slabs;
    return RG_OK;
}

static rg_status make_latent(rg_loader *l) {
    rg_model *m = l->model;
    rg_status status = RG_OK;
    for (uint32_t layer = 0; m->h.n_latent != 0 && layer < m->h.n_layer && status == RG_OK;
         layer++) {
        if (m->h.is_recurrent[layer]) {
            continue;
        }
        if (m->weights[rg_model_slot(RG_ROLE_KV_B, layer)].data != NULL) {
            status = split_latent(l, layer);
        } else if (m->weights[rg_model_slot(RG_ROLE_K_B, layer)].data == NULL ||
                   m->weights[rg_model_slot(RG_ROLE_V_B, layer)].data == NULL) {
            status = rg_fail(l->err, RG_E_FORMAT,
                             "layer %u has no matrices from the latent to keys and values", layer);
        }
        const rg_role q = m->h.n_latent_q == 0 ? RG_ROLE_ATTN_Q : RG_ROLE_Q_B;
        if (status == RG_OK && m->weights[rg_model_slot(q, layer)].data == NULL) {
            status = rg_fail(l->err, RG_E_FORMAT, "layer %u has no queries", layer);
        }
    }
    return status;
}

// of attention over compressed rows and of several residual streams
static rg_status make_compressed(rg_loader *l) {
    rg_model *m = l->model;
    const rg_hparams *h = &m->h;
    rg_status status = rg_load_inv_freq(l, RG_ROLE_INV_FREQ_COMPRESSED, &h->rope_compressed);
    status = status == RG_OK ? make_norm(l, RG_ROLE_HEAD_UNIT, h->head_dim, 1) : status;
    status =
        status == RG_OK ? make_norm(l, RG_ROLE_STREAMS_UNIT, h->n_stream * h->n_embd, 1) : status;
    for (uint32_t i = 0; i < h->n_layer && status == RG_OK; i++) {
        // the same rows, a matrix for each group
        rg_tensor *back = &m->weights[rg_model_slot(RG_ROLE_O_A, i)];
        back->n_dims = 3;
        back->shape[2] = back->shape[1];
        back->shape[1] = h->n_out_latent;
        back->shape[0] = h->n_out_group;
        const bool is_listed = m->weights[rg_model_slot(RG_ROLE_ROUTER_TABLE, i)].data != NULL;
        if (is_listed != (i < h->n_hash_layer)) {
            status = rg_fail(l->err, RG_E_FORMAT,
                             "layer %u has %s of experts by token, the settings list them in the "
                             "first %u layers",
                             i, is_listed ? "a table" : "no table", h->n_hash_layer);
        }
    }
    return status;
}

rg_status rg_load_make(rg_loader *l) {
    rg_status status = rg_load_inv_freq(l, RG_ROLE_INV_FREQ, &l->model->h.rope);
    const rg_hparams *h = &l->model->h;
    // RMS normalization with 1/sqrt(n) makes a vector one of length 1
    status = status == RG_OK
                 ? make_norm(l, RG_ROLE_DELTA_UNIT, h->delta_k_dim, 1 / sqrt(h->delta_k_dim))
                 : status;
    status = status == RG_OK && h->norms_turned ? make_norm(l, RG_ROLE_HEAD_UNIT, h->head_dim, 1)
                                                : status;
    status = status == RG_OK && l->model->arch->compresses ? make_compressed(l) : status;
    return status == RG_OK ? make_latent(l) : status;
}
