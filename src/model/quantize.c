/* Quantizing a model directory on load, once, into the user's cache. */
#include "model/load_internal.h"
#include "model/source_internal.h"

#include "base/file.h"
#include "base/pool.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECIPE_VERSION = 3, CHUNK_ROWS = 64 };

typedef struct work {
    const rg_source *source;
    rg_pool *pool;
    rg_progress_fn *progress;
    void *arg;
    size_t done_bytes;
    size_t all_bytes;
    // of the tensor at work
    const rg_tensor *from;
    const rg_tensor *to;
    size_t first_row; // of the rows at work
    size_t n_rows;
    uint8_t *out;
    float *rows;           // CHUNK_ROWS rows of floats for each thread
    atomic_size_t bad_row; // one with values that blocks cannot hold; SIZE_MAX: none
} work;

// of the scales, which are f16
static const float LARGEST = 65504;

// does a name follow a pattern, in which %u and %e are numbers?
static bool follows(rg_str name, const char *pattern) {
    size_t i = 0;
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '%' && (p[1] == 'u' || p[1] == 'e')) {
            const size_t from = i;
            while (i < name.size && isdigit((unsigned char)name.data[i])) {
                i++;
            }
            if (i == from) {
                return false;
            }
            p++;
        } else if (i == name.size || name.data[i++] != *p) {
            return false;
        }
    }
    return i == name.size;
}

// the name of a weight of this pattern, in one of the parts that a model may be
static bool is_named(rg_str name, const char *pattern) {
    bool is_same = false;
    char part[RG_WEIGHT_NAME_MAX];
    for (rg_part k = RG_PART_ALL; pattern != NULL && k <= RG_PART_BARE && !is_same; k++) {
        snprintf(part, sizeof part, "%s", pattern);
        is_same = (k == RG_PART_ALL || rg_weight_name_of_part(k, part)) && follows(name, part);
    }
    return is_same;
}

// weights that a model needs as they are: small ones that decide, and those that lie turned
static bool stays(const rg_arch *arch, rg_str name) {
    if (rg_weight_is_of_tower(name)) {
        return true; // a small part, to which pictures owe their details
    }
    for (size_t i = 0; arch != NULL && i < arch->n_weights; i++) {
        if (rg_load_is_widened(arch->weights[i].role) && is_named(name, arch->weights[i].hf)) {
            return true;
        }
    }
    for (size_t i = 0; i < RG_FUSED_EXPERTS; i++) {
        if (rg_fused_experts[i].is_turned && is_named(name, rg_fused_experts[i].hf)) {
            return true;
        }
    }
    return false;
}

static size_t columns_of(const rg_tensor *t) {
    return t->shape[t->n_dims - 1];
}

// what a matrix becomes: the type asked for, Q8_0 where its blocks do not divide a row, itself
// where neither does
static rg_dtype target(const rg_arch *arch, const rg_tensor *t, rg_dtype wanted) {
    const bool is_float =
        t->dtype == RG_DTYPE_F32 || t->dtype == RG_DTYPE_F16 || t->dtype == RG_DTYPE_BF16;
    if (!is_float || t->n_dims < 2 || t->n_dims > 3 || stays(arch, t->name)) {
        return t->dtype;
    }
    const size_t n = columns_of(t);
    return n % rg_dtype_get(wanted)->block == 0          ? wanted
           : n % rg_dtype_get(RG_DTYPE_Q8_0)->block == 0 ? RG_DTYPE_Q8_0
                                                         : t->dtype;
}

static void encode_rows(void *arg, size_t chunk, unsigned thread) {
    work *w = arg;
    const size_t n = columns_of(w->from);
    const rg_dtype_info *from = rg_dtype_get(w->from->dtype);
    const rg_dtype_info *to = rg_dtype_get(w->to->dtype);
    const size_t from_bytes = n * from->block_bytes;
    const size_t to_bytes = n / to->block * to->block_bytes;
    float *row = w->rows + thread * n;
    const size_t first = chunk * CHUNK_ROWS;
    for (size_t r = first; r < first + CHUNK_ROWS && r < w->n_rows; r++) {
        from->to_float(row, (const char *)w->from->data + (w->first_row + r) * from_bytes, n);
        bool is_fine = true;
        for (size_t i = 0; i < n && to->block > 1; i++) {
            is_fine = is_fine && fabsf(row[i]) <= LARGEST; // false for what is no number
        }
        if (is_fine) {
            to->from_float(w->out + r * to_bytes, row, n);
        } else {
            atomic_store_explicit(&w->bad_row, w->first_row + r, memory_order_relaxed);
        }
    }
}

static rg_status fill(void *arg, size_t i, const rg_tensor *tensor, size_t row, size_t n, void *out,
                      rg_error *err) {
    (void)i;
    work *w = arg;
    w->from = rg_safetensors_find(w->source->hf->weights, tensor->name);
    w->to = tensor;
    w->first_row = row;
    w->n_rows = n;
    w->out = out;
    if (w->progress != NULL &&
        !w->progress(w->arg, (double)w->done_bytes / (double)w->all_bytes, "quantizing")) {
        return rg_fail(err, RG_E_CANCELLED, "stopped on request");
    }
    w->rows =
        rg_new_array(w->source->mem, rg_pool_threads(w->pool), columns_of(w->from) * sizeof(float));
    if (w->rows == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory to quantize %.*s", RG_FMT(tensor->name));
    }
    atomic_store_explicit(&w->bad_row, SIZE_MAX, memory_order_relaxed);
    rg_pool_run(w->pool, (n + CHUNK_ROWS - 1) / CHUNK_ROWS, encode_rows, w);
    rg_free(w->source->mem, w->rows);
    const size_t bad = atomic_load_explicit(&w->bad_row, memory_order_relaxed);
    if (bad != SIZE_MAX) {
        return rg_fail(err, RG_E_NUMERIC,
                       "tensor %.*s has values in row %zu that are not finite, or too large for %s",
                       RG_FMT(tensor->name), bad, rg_dtype_get(tensor->dtype)->name);
    }
    w->done_bytes += n * columns_of(w->from) * rg_dtype_get(w->from->dtype)->block_bytes;
    return RG_OK;
}

static rg_status cache_path(const rg_source *source, rg_dtype dtype, char *path, size_t size,
                            rg_error *err) {
    const char *own = getenv("RAGA_CACHE_DIR");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const unsigned long long hash =
        (unsigned long long)rg_safetensors_hash(source->hf->weights) + RECIPE_VERSION;
    const char *type = rg_dtype_get(dtype)->name;
    int n = -1;
    if (own != NULL && own[0] != '\0') {
        n = snprintf(path, size, "%s/quant/%016llx-%s.gguf", own, hash, type);
    } else if (xdg != NULL && xdg[0] != '\0') {
        n = snprintf(path, size, "%s/raga/quant/%016llx-%s.gguf", xdg, hash, type);
    } else if (home != NULL && home[0] != '\0') {
        n = snprintf(path, size, "%s/.cache/raga/quant/%016llx-%s.gguf", home, hash, type);
    }
    if (n < 0 || (size_t)n >= size) {
        return rg_fail(err, RG_E_IO, "no place for the cache: set RAGA_CACHE_DIR or HOME");
    }
    rg_file_make_folders(path);
    return RG_OK;
}

static rg_status make(const rg_source *source, rg_dtype dtype, unsigned n_threads,
                      rg_progress_fn *progress, void *arg, const char *path, rg_error *err) {
    work w = {.source = source, .progress = progress, .arg = arg};
    rg_gguf_writer writer;
    rg_status status = RG_OK;
    rg_str name = RG_STR("");
    (void)rg_json_str(rg_json_at(rg_json_find(source->hf->config, "architectures"), 0), &name);
    const rg_arch *arch = rg_arch_find_hf(name);
    rg_gguf_writer_init(&writer, source->mem);
    rg_gguf_put_str(&writer, "general.type", RG_STR("cache"));
    rg_gguf_put_str(&writer, "raga.source", rg_str_of(source->path));
    for (size_t i = 0; i < rg_safetensors_count(source->hf->weights); i++) {
        rg_tensor t = *rg_safetensors_at(source->hf->weights, i);
        const rg_dtype to = target(arch, &t, dtype);
        if (to != t.dtype) {
            w.all_bytes += t.bytes;
            t.dtype = to;
            t.data = NULL;
            (void)rg_dtype_bytes(to, rg_tensor_count(&t), &t.bytes);
            rg_gguf_put_tensor(&writer, &t);
        }
    }
    RG_TRY(rg_pool_new(source->mem, n_threads, &w.pool, err));
    RG_TRY(rg_gguf_write(&writer, path, fill, &w, err));
    if (progress != NULL) {
        (void)progress(arg, 1, "quantizing");
    }

done:
    rg_pool_free(w.pool);
    rg_gguf_writer_clear(&writer);
    return status;
}

rg_status rg_source_quantize(rg_source *source, rg_dtype dtype, unsigned n_threads,
                             rg_progress_fn *progress, void *arg, rg_error *err) {
    char path[4096];
    rg_error ignored;
    if (source->hf == NULL) {
        return rg_fail(err, RG_E_ARG, "%s is a GGUF: its weights are quantized as they are",
                       source->path);
    }
    if (rg_dtype_get(dtype)->from_float == NULL) {
        return rg_fail(err, RG_E_ARG, "weights cannot be quantized to %s",
                       rg_dtype_get(dtype)->name);
    }
    rg_status status = cache_path(source, dtype, path, sizeof path, err);
    // a cache that is damaged is made again
    if (status == RG_OK && rg_gguf_open(source->mem, path, &source->quantized, &ignored) != RG_OK) {
        status = make(source, dtype, n_threads, progress, arg, path, err);
        if (status == RG_OK) {
            status = rg_gguf_open(source->mem, path, &source->quantized, err);
        }
    }
    return status;
}
