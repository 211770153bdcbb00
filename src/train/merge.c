#include "train/merge.h"

#include "base/file.h"
#include "format/safetensors_write.h"
#include "train/export.h"

#include <stdlib.h>

/** A merge under way. */
typedef struct merge {
    const rg_mem *mem;
    const rg_source *source;
    const rg_model *model;
    const rg_lora *loras;
    size_t n_loras;
    const rg_tensor **from; // by tensor of the result: the source's
    uint32_t *slot;         // and its slot, UINT32_MAX where no adapter touches it
} merge;

// row r of B A, added to a row of W
static void add_row(const rg_lora *lora, size_t r, float *row, float *low, float *wide) {
    const rg_dtype_info *a = rg_dtype_get(lora->a.dtype);
    const rg_dtype_info *b = rg_dtype_get(lora->b.dtype);
    const size_t rank = lora->a.shape[0];
    const size_t n = lora->a.shape[1];
    b->to_float(low, (const char *)lora->b.data + r * rank * b->block_bytes, rank);
    for (size_t k = 0; k < rank; k++) {
        a->to_float(wide, (const char *)lora->a.data + k * n * a->block_bytes, n);
        const float s = lora->scaling * low[k];
        for (size_t i = 0; i < n; i++) {
            row[i] += s * wide[i];
        }
    }
}

static rg_status fill(void *arg, size_t i, const rg_tensor *t, void *out, rg_error *err) {
    const merge *m = arg;
    const rg_tensor *from = m->from[i];
    const rg_dtype_info *info = rg_dtype_get(t->dtype);
    const size_t n = t->shape[1];
    const size_t row_bytes = n * info->block_bytes;
    float *row = rg_new_array(m->mem, 2 * n + RG_LORA_RANK_MAX, sizeof *row);
    if (row == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a row of %zu values", n);
    }
    for (size_t r = 0; r < t->shape[0]; r++) {
        info->to_float(row, (const char *)from->data + r * row_bytes, n);
        for (size_t k = 0; k < m->n_loras; k++) {
            if (m->loras[k].slot == m->slot[i]) {
                add_row(&m->loras[k], r, row, row + 2 * n, row + n);
            }
        }
        info->from_float((char *)out + r * row_bytes, row, n);
    }
    rg_free(m->mem, row);
    return RG_OK;
}

static uint32_t slot_of(const merge *m, const rg_tensor *t) {
    for (size_t k = 0; k < m->n_loras; k++) {
        char name[RG_WEIGHT_NAME_MAX];
        if (rg_model_weight_name(m->model, m->loras[k].slot, 0, name) && rg_str_is(t->name, name)) {
            return m->loras[k].slot;
        }
    }
    return UINT32_MAX;
}

static bool is_same_dir(const char *a, const char *b) {
    char *x = realpath(a, NULL);
    char *y = realpath(b, NULL);
    const bool is_same = x != NULL && y != NULL && strcmp(x, y) == 0;
    free(x);
    free(y);
    return is_same;
}

static rg_status write_weights(merge *m, const char *out_dir, rg_error *err) {
    rg_status status = RG_OK;
    char path[4096];
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    const size_t n = rg_source_count(m->source);
    rg_tensor *tensors = rg_new_array(m->mem, n + 1, sizeof *tensors);
    m->from = rg_new_array(m->mem, n + 1, sizeof *m->from);
    m->slot = rg_new_array(m->mem, n + 1, sizeof *m->slot);
    if (tensors == NULL || m->from == NULL || m->slot == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        m->from[i] = rg_source_at(m->source, i);
        tensors[i] = *m->from[i];
        m->slot[i] = slot_of(m, &tensors[i]);
        if (m->slot[i] == UINT32_MAX) {
            continue;
        }
        tensors[i].data = NULL;
        const rg_dtype type = tensors[i].dtype;
        if (type != RG_DTYPE_F32 && type != RG_DTYPE_F16 && type != RG_DTYPE_BF16) {
            status = rg_fail(err, RG_E_UNSUPPORTED,
                             "tensor %.*s is %s; adapters are merged into F32, F16 and BF16",
                             RG_FMT(tensors[i].name), rg_dtype_get(type)->name);
            goto done;
        }
    }
    RG_TRY(rg_path_join(path, sizeof path, out_dir, RG_STR("model.safetensors"), err));
    RG_TRY(rg_safetensors_write(m->mem, path, tensors, n, &note, 1, fill, m, err));

done:
    rg_free(m->mem, tensors);
    rg_free(m->mem, m->from);
    rg_free(m->mem, m->slot);
    return status;
}

rg_status rg_merge(const rg_mem *mem, const rg_source *source, const rg_model *model,
                   const rg_lora *loras, size_t n_loras, const char *out_dir, rg_error *err) {
    rg_status status = RG_OK;
    merge m = {.mem = mem, .source = source, .model = model, .loras = loras, .n_loras = n_loras};
    if (rg_source_get_kind(source) != RG_SOURCE_HF) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "%s is a GGUF: adapters are merged into Hugging Face directories; a GGUF "
                       "takes them with --adapter",
                       rg_source_path(source));
    }
    if (is_same_dir(rg_source_path(source), out_dir)) {
        return rg_fail(err, RG_E_ARG, "%s is the model itself: the result needs another place",
                       out_dir);
    }
    RG_TRY(rg_make_dir(out_dir, err));
    RG_TRY(write_weights(&m, out_dir, err));
    RG_TRY(rg_copy_settings(mem, rg_source_path(source), out_dir, err));

done:
    return status;
}
