/* Reading importance matrices. */
#include "lab/imatrix.h"

#include "format/gguf.h"

#include <math.h>
#include <stdio.h>

struct rg_imatrix {
    const rg_mem *mem;
    rg_arena arena; // names, values
    rg_imatrix_entry *entries;
    size_t n;
    char path[4096];
    rg_str text;
    uint32_t n_chunks;
};

static const rg_str SUMS = {".in_sum2", 8};
static const rg_str COUNTS = {".counts", 7};

// the values of a tensor of floats: where they lie is any address
static float value_at(const rg_tensor *t, size_t i) {
    float v;
    memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
    return v;
}

static rg_status find_counts(const rg_gguf *gguf, rg_str weight, const rg_tensor *sums,
                             const rg_tensor **out, rg_error *err) {
    char name[RG_GGUF_NAME_MAX + 16];
    snprintf(name, sizeof name, "%.*s%.*s", RG_FMT(weight), RG_FMT(COUNTS));
    const rg_tensor *counts = rg_gguf_find(gguf, rg_str_of(name));
    if (counts == NULL) {
        return rg_fail(err, RG_E_FORMAT, "tensor %s is missing", name);
    }
    if (sums->dtype != RG_DTYPE_F32 || counts->dtype != RG_DTYPE_F32) {
        return rg_fail(
            err, RG_E_FORMAT, "%s of %.*s is %s, F32 is needed",
            counts->dtype != RG_DTYPE_F32 ? "counts" : "in_sum2", RG_FMT(weight),
            rg_dtype_get(counts->dtype != RG_DTYPE_F32 ? counts->dtype : sums->dtype)->name);
    }
    if (rg_tensor_count(counts) != rg_tensor_rows(sums) || rg_tensor_count(sums) == 0) {
        return rg_fail(err, RG_E_FORMAT, "tensor %s has %zu counts, %zu are needed", name,
                       rg_tensor_count(counts), rg_tensor_rows(sums));
    }
    *out = counts;
    return RG_OK;
}

// means of one matrix; an expert that no token reached has none: its columns are equal
static rg_status take_matrix(const rg_imatrix_entry *e, const rg_tensor *sums, float count,
                             size_t mat, rg_error *err) {
    if (!isfinite(count) || count < 0 || (count == 0 && e->n_mats == 1)) {
        return rg_fail(err, RG_E_FORMAT, "%.*s was counted %g times", RG_FMT(e->name),
                       (double)count);
    }
    for (size_t i = mat * e->n_cols; i < (mat + 1) * e->n_cols; i++) {
        const float sum = value_at(sums, i);
        const float mean = count == 0 ? 0 : sum / count;
        if (!isfinite(sum) || sum < 0 || !isfinite(mean)) {
            return rg_fail(err, RG_E_FORMAT,
                           "the sum of squares %zu of %.*s is %g, counted %g times", i,
                           RG_FMT(e->name), (double)sum, (double)count);
        }
        e->mean[i] = mean;
    }
    return RG_OK;
}

static rg_status take_entry(rg_imatrix *m, const rg_gguf *gguf, const rg_tensor *sums,
                            rg_error *err) {
    const rg_str weight = rg_str_slice(sums->name, 0, sums->name.size - SUMS.size);
    const rg_tensor *counts = NULL;
    rg_status status = RG_OK;
    RG_TRY(find_counts(gguf, weight, sums, &counts, err));
    rg_imatrix_entry *e = &m->entries[m->n];
    const char *name = rg_arena_copy(&m->arena, weight.data, weight.size);
    e->mean = rg_arena_alloc(&m->arena, rg_tensor_count(sums) * sizeof *e->mean);
    if (name == NULL || e->mean == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the importance of %.*s", RG_FMT(weight));
        goto done;
    }
    e->name = (rg_str){name, weight.size};
    e->n_mats = rg_tensor_rows(sums);
    e->n_cols = rg_tensor_count(sums) / e->n_mats;
    for (size_t mat = 0; mat < e->n_mats; mat++) {
        RG_TRY(take_matrix(e, sums, value_at(counts, mat), mat, err));
    }
    m->n++;

done:
    return status;
}

static rg_status take_facts(rg_imatrix *m, const rg_gguf *gguf, rg_error *err) {
    rg_str type = {0};
    rg_str text = {0};
    size_t at = 0;
    int64_t n_chunks = 0;
    if (!rg_gguf_str(gguf, "general.type", &type) || !rg_str_is(type, "imatrix")) {
        return rg_fail(err, RG_E_FORMAT, "general.type is \"%.*s\": no importance matrix",
                       RG_FMT(type));
    }
    const rg_gguf_pair *texts = rg_gguf_find_pair(gguf, "imatrix.datasets");
    if (texts != NULL && texts->type == RG_GGUF_ARRAY && texts->item_type == RG_GGUF_STRING &&
        rg_gguf_next_str(texts, &at, &text)) {
        const char *copy = rg_arena_copy(&m->arena, text.data, text.size);
        if (copy == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for the name of a text");
        }
        m->text = (rg_str){copy, text.size};
    }
    if (rg_gguf_i64(gguf, "imatrix.chunk_count", &n_chunks) && n_chunks >= 0 &&
        n_chunks <= UINT32_MAX) {
        m->n_chunks = (uint32_t)n_chunks;
    }
    return RG_OK;
}

rg_status rg_imatrix_open(const rg_mem *mem, const char *path, rg_imatrix **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_gguf *gguf = NULL;
    rg_imatrix *m = rg_new(mem, sizeof *m);
    if (m == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for an importance matrix");
    }
    m->mem = mem;
    rg_arena_init(&m->arena, mem, 0);
    snprintf(m->path, sizeof m->path, "%s", path);
    RG_TRY(rg_gguf_open(mem, path, &gguf, err));
    status = take_facts(m, gguf, err);
    m->entries = rg_new_array(mem, rg_gguf_n_tensors(gguf) + 1, sizeof *m->entries);
    if (status == RG_OK && m->entries == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for an importance matrix");
    }
    for (size_t i = 0; status == RG_OK && i < rg_gguf_n_tensors(gguf); i++) {
        const rg_tensor *t = rg_gguf_tensor_at(gguf, i);
        if (rg_str_ends(t->name, SUMS) && t->n_dims >= 1) {
            status = take_entry(m, gguf, t, err);
        }
    }
    if (status == RG_OK && m->n == 0) {
        status = rg_fail(err, RG_E_FORMAT, "it holds no sums of squares (NAME.in_sum2)");
    }
    if (status == RG_OK && !rg_gguf_is_intact(gguf)) {
        status = rg_fail(err, RG_E_IO, "it became shorter while being read");
    }
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
        goto done;
    }
    *out = m;
    m = NULL;

done:
    rg_gguf_close(gguf);
    rg_imatrix_close(m);
    return status;
}

void rg_imatrix_close(rg_imatrix *imatrix) {
    if (imatrix == NULL) {
        return;
    }
    rg_arena_clear(&imatrix->arena);
    rg_free(imatrix->mem, imatrix->entries);
    rg_free(imatrix->mem, imatrix);
}

size_t rg_imatrix_count(const rg_imatrix *imatrix) {
    return imatrix->n;
}

const rg_imatrix_entry *rg_imatrix_at(const rg_imatrix *imatrix, size_t i) {
    return &imatrix->entries[i];
}

const rg_imatrix_entry *rg_imatrix_find(const rg_imatrix *imatrix, rg_str name) {
    for (size_t i = 0; i < imatrix->n; i++) {
        if (rg_str_eq(imatrix->entries[i].name, name)) {
            return &imatrix->entries[i];
        }
    }
    return NULL;
}

const char *rg_imatrix_path(const rg_imatrix *imatrix) {
    return imatrix->path;
}

rg_str rg_imatrix_text(const rg_imatrix *imatrix) {
    return imatrix->text;
}

uint32_t rg_imatrix_chunks(const rg_imatrix *imatrix) {
    return imatrix->n_chunks;
}
