#include "lab/quant_internal.h"

#include "base/pool.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>

enum { CHUNK_ROWS = 16 }; // of one thread at a time

// the largest f16: scales of quantized blocks are of that type
static const float LARGEST_F16 = 65504;

/** A file being written. */
typedef struct writing {
    rg_quant_plan plan;
    rg_pool *pool;
    float *floats; // one row for each thread
    size_t n_floats;
    uint64_t done_bytes;
    uint64_t all_bytes;
    // of the rows at work
    const rg_quant_item *item;
    size_t first_row;
    size_t n_rows;
    uint8_t *out;
    _Atomic size_t bad_row; // one whose values cannot be written; SIZE_MAX: none
} writing;

// the row of the source that becomes row `to`: the two halves of a head's turning rows are
// interleaved
static size_t source_row(const writing *w, size_t to) {
    if (w->item->n_turns == 0) {
        return to;
    }
    const rg_hparams *h = &w->plan.model->h;
    const size_t head = to / h->head_dim;
    const size_t at = to % h->head_dim;
    const size_t half = h->rope.n_rot / 2;
    return at >= h->rope.n_rot ? to : head * h->head_dim + at % 2 * half + at / 2;
}

static bool is_writable(const float *row, size_t n, float largest) {
    bool is_fine = true;
    for (size_t i = 0; i < n; i++) {
        is_fine = is_fine && fabsf(row[i]) <= largest; // false for what is no number
    }
    return is_fine;
}

static void encode_row(writing *w, size_t r, float *row) {
    const rg_tensor *t = &w->item->from;
    const size_t n = t->shape[t->n_dims - 1];
    const rg_dtype_info *from = rg_dtype_get(t->dtype);
    const rg_dtype_info *to = rg_dtype_get(w->item->to);
    const size_t from_bytes = n / from->block * from->block_bytes;
    uint8_t *out = w->out + (r - w->first_row) * (n / to->block * to->block_bytes);
    const size_t slab_rows = t->n_dims == 3 ? t->shape[1] : SIZE_MAX;
    const uint8_t *in = t->slabs != NULL
                            ? (const uint8_t *)t->slabs[r / slab_rows] + r % slab_rows * from_bytes
                            : (const uint8_t *)t->data + source_row(w, r) * from_bytes;
    if (t->dtype == w->item->to) {
        memcpy(out, in, from_bytes);
        return;
    }
    from->to_float(row, in, n);
    const bool is_small = w->item->to == RG_DTYPE_F16 || to->from_float_by != NULL;
    if (!is_writable(row, n, is_small ? LARGEST_F16 : FLT_MAX)) {
        atomic_store_explicit(&w->bad_row, r, memory_order_relaxed);
    } else if (to->from_float_by != NULL) {
        const rg_imatrix_entry *by = w->item->importance;
        const size_t mat = by == NULL ? 0 : r / (rg_tensor_rows(t) / by->n_mats);
        to->from_float_by(out, row, by == NULL ? NULL : by->mean + mat * n, n);
    } else {
        to->from_float(out, row, n);
    }
}

static void encode_rows(void *arg, size_t chunk, unsigned thread) {
    writing *w = arg;
    const size_t first = w->first_row + chunk * CHUNK_ROWS;
    for (size_t r = first; r < first + CHUNK_ROWS && r < w->first_row + w->n_rows; r++) {
        encode_row(w, r, w->floats + thread * w->n_floats);
    }
}

// a vector is one row; where its values have another order (biases), they are moved one by one
static void encode_vector(writing *w) {
    const rg_tensor *t = &w->item->from;
    const rg_dtype_info *from = rg_dtype_get(t->dtype);
    float *out = (float *)(void *)w->out;
    for (size_t i = 0; i < t->shape[0]; i++) {
        from->to_float(&out[i], (const uint8_t *)t->data + source_row(w, i) * from->block_bytes, 1);
    }
}

// a damaged mapping reads as zeros: better no file than a wrong one
static rg_status check_source(const writing *w, rg_error *err) {
    return rg_source_is_intact(w->plan.source)
               ? RG_OK
               : rg_fail(err, RG_E_IO, "%s became shorter while being read",
                         rg_source_path(w->plan.source));
}

static rg_status fill(void *arg, size_t i, const rg_tensor *tensor, size_t row, size_t n, void *out,
                      rg_error *err) {
    writing *w = arg;
    const rg_quant_options *o = w->plan.options;
    w->item = &w->plan.items[i];
    w->first_row = row;
    w->n_rows = n;
    w->out = out;
    if (o->progress != NULL &&
        !o->progress(o->progress_arg, (double)w->done_bytes / (double)w->all_bytes, "quantizing")) {
        return rg_fail(err, RG_E_CANCELLED, "stopped on request");
    }
    atomic_store_explicit(&w->bad_row, SIZE_MAX, memory_order_relaxed);
    if (w->item->n_turns != 0 && tensor->n_dims == 1) {
        encode_vector(w);
    } else {
        rg_pool_run(w->pool, (n + CHUNK_ROWS - 1) / CHUNK_ROWS, encode_rows, w);
    }
    const rg_status status = check_source(w, err);
    if (status != RG_OK) {
        return status;
    }
    w->done_bytes += w->item->from.bytes / rg_tensor_rows(tensor) * n;
    const size_t bad = atomic_load_explicit(&w->bad_row, memory_order_relaxed);
    if (bad != SIZE_MAX) {
        return rg_fail(err, RG_E_NUMERIC,
                       "tensor %.*s has values in row %zu that are not finite, or too large for %s "
                       "(above %g)",
                       RG_FMT(tensor->name), bad, rg_dtype_get(w->item->to)->name,
                       (double)LARGEST_F16);
    }
    return RG_OK;
}

static rg_status put_tensors(writing *w, rg_gguf_writer *out, rg_error *err) {
    rg_quant_report *report = w->plan.report;
    for (size_t i = 0; i < w->plan.n_items; i++) {
        const rg_quant_item *item = &w->plan.items[i];
        rg_tensor t = item->from;
        const size_t n = rg_tensor_count(&t);
        if (rg_dtype_get(item->to)->from_float == NULL && t.dtype != item->to) {
            return rg_fail(err, RG_E_UNSUPPORTED, "tensor %.*s cannot be written as %s",
                           RG_FMT(t.name), rg_dtype_get(item->to)->name);
        }
        t.dtype = item->to;
        t.data = NULL;
        if (!rg_dtype_bytes(t.dtype, n, &t.bytes)) {
            return rg_fail(err, RG_E_FORMAT, "tensor %.*s has %zu values, no blocks of %s",
                           RG_FMT(t.name), n, rg_dtype_get(item->to)->name);
        }
        rg_gguf_put_tensor(out, &t);
        const size_t cols = t.n_dims == 0 ? 1 : t.shape[t.n_dims - 1];
        w->n_floats = cols > w->n_floats ? cols : w->n_floats;
        w->all_bytes += item->from.bytes;
        report->bytes_before += item->from.bytes;
        report->by_type[item->to].n_tensors++;
        report->by_type[item->to].n_values += n;
        report->by_type[item->to].bytes += t.bytes;
    }
    return RG_OK;
}

rg_status rg_quant_file(const rg_mem *mem, const rg_source *source, const rg_quant_options *options,
                        const char *path, rg_quant_report *report, rg_error *err) {
    rg_status status = RG_OK;
    rg_gguf_writer out;
    writing w = {.plan = {.mem = mem, .source = source, .options = options, .report = report}};
    *report = (rg_quant_report){0};
    rg_buf_init(&report->notes, mem, 0);
    rg_gguf_writer_init(&out, mem);
    RG_TRY(rg_quant_plan_make(&w.plan, err));
    RG_TRY(rg_quant_put_keys(&w.plan, &out, err));
    RG_TRY(put_tensors(&w, &out, err));
    RG_TRY(rg_buf_check(&report->notes, "notes", err));
    if (options->is_dry_run) {
        goto done;
    }
    if (rg_file_is_same(rg_source_path(source), path)) {
        status =
            rg_fail(err, RG_E_ARG, "%s is the model itself: the result needs another place", path);
        goto done;
    }
    RG_TRY(rg_pool_new(mem, options->n_threads, &w.pool, err));
    w.floats = rg_new_array(mem, options->n_threads, w.n_floats * sizeof *w.floats);
    if (w.floats == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for rows of %zu values", w.n_floats);
        goto done;
    }
    RG_TRY(rg_gguf_write(&out, path, fill, &w, err));
    if (options->progress != NULL) {
        (void)options->progress(options->progress_arg, 1, "quantizing");
    }

done:
    rg_free(mem, w.floats);
    rg_pool_free(w.pool);
    rg_gguf_writer_clear(&out);
    rg_quant_plan_clear(&w.plan);
    return status;
}
