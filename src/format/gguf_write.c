#include "format/gguf.h"

enum { ALIGN = 32, SLICE_BYTES = 16 << 20 };

void rg_gguf_writer_init(rg_gguf_writer *w, const rg_mem *mem) {
    *w = (rg_gguf_writer){.mem = mem};
    rg_buf_init(&w->pairs, mem, 0);
    rg_buf_init(&w->tensors, mem, 0);
}

void rg_gguf_writer_clear(rg_gguf_writer *w) {
    rg_buf_clear(&w->pairs);
    rg_buf_clear(&w->tensors);
    w->n_pairs = 0;
}

static void put_u32(rg_buf *b, uint32_t v) {
    rg_buf_put(b, &v, sizeof v);
}

static void put_u64(rg_buf *b, uint64_t v) {
    rg_buf_put(b, &v, sizeof v);
}

static void put_str(rg_buf *b, rg_str s) {
    put_u64(b, s.size);
    rg_buf_str(b, s);
}

static void begin_pair(rg_gguf_writer *w, const char *key, rg_gguf_type type) {
    put_str(&w->pairs, rg_str_of(key));
    put_u32(&w->pairs, type);
    w->n_pairs++;
}

static void begin_array(rg_gguf_writer *w, const char *key, rg_gguf_type item, size_t n) {
    begin_pair(w, key, RG_GGUF_ARRAY);
    put_u32(&w->pairs, item);
    put_u64(&w->pairs, n);
}

void rg_gguf_put_u32(rg_gguf_writer *w, const char *key, uint32_t value) {
    begin_pair(w, key, RG_GGUF_U32);
    put_u32(&w->pairs, value);
}

void rg_gguf_put_f32(rg_gguf_writer *w, const char *key, float value) {
    begin_pair(w, key, RG_GGUF_F32);
    rg_buf_put(&w->pairs, &value, sizeof value);
}

void rg_gguf_put_bool(rg_gguf_writer *w, const char *key, bool value) {
    begin_pair(w, key, RG_GGUF_BOOL);
    rg_buf_char(&w->pairs, value ? 1 : 0);
}

void rg_gguf_put_str(rg_gguf_writer *w, const char *key, rg_str value) {
    begin_pair(w, key, RG_GGUF_STRING);
    put_str(&w->pairs, value);
}

void rg_gguf_put_strs(rg_gguf_writer *w, const char *key, const rg_str *values, size_t n) {
    begin_array(w, key, RG_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        put_str(&w->pairs, values[i]);
    }
}

void rg_gguf_put_i32s(rg_gguf_writer *w, const char *key, const int32_t *values, size_t n) {
    begin_array(w, key, RG_GGUF_I32, n);
    rg_buf_put(&w->pairs, values, n * sizeof *values);
}

void rg_gguf_put_f32s(rg_gguf_writer *w, const char *key, const float *values, size_t n) {
    begin_array(w, key, RG_GGUF_F32, n);
    rg_buf_put(&w->pairs, values, n * sizeof *values);
}

void rg_gguf_put_pair(rg_gguf_writer *w, const rg_gguf_pair *pair) {
    put_str(&w->pairs, pair->key);
    put_u32(&w->pairs, pair->type);
    if (pair->type == RG_GGUF_ARRAY) {
        put_u32(&w->pairs, pair->item_type);
        put_u64(&w->pairs, pair->n_items);
    } else if (pair->type == RG_GGUF_STRING) {
        put_u64(&w->pairs, pair->value.size);
    }
    rg_buf_put(&w->pairs, pair->value.data, pair->value.size);
    w->n_pairs++;
}

void rg_gguf_put_tensor(rg_gguf_writer *w, const rg_tensor *tensor) {
    rg_buf_put(&w->tensors, tensor, sizeof *tensor);
}

static rg_tensor tensor_at(const rg_gguf_writer *w, size_t i) {
    rg_tensor t;
    memcpy(&t, w->tensors.data + i * sizeof t, sizeof t);
    return t;
}

// header, metadata and tensor infos
static rg_status write_head(rg_gguf_writer *w, size_t n, rg_buf *head, rg_error *err) {
    rg_buf_str(head, RG_STR("GGUF"));
    put_u32(head, 3);
    put_u64(head, n);
    put_u64(head, w->n_pairs);
    rg_buf_str(head, rg_buf_view(&w->pairs));
    uint64_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const rg_tensor t = tensor_at(w, i);
        const int id = rg_dtype_get(t.dtype)->gguf_id;
        if (id < 0) {
            return rg_fail(err, RG_E_ARG, "tensor %.*s: GGUF has no type %s", RG_FMT(t.name),
                           rg_dtype_get(t.dtype)->name);
        }
        put_str(head, t.name);
        put_u32(head, t.n_dims);
        for (uint32_t d = t.n_dims; d-- > 0;) {
            put_u64(head, t.shape[d]);
        }
        put_u32(head, (uint32_t)id);
        put_u64(head, offset);
        offset += rg_round_up(t.bytes, ALIGN);
    }
    return rg_buf_check(head, "the head of a GGUF file", err);
}

// one tensor, from where it lies or from the one who makes it, some rows at a time
static rg_status write_tensor(const rg_gguf_writer *w, rg_file_writer *file, size_t i,
                              rg_gguf_fill_fn *fill, void *arg, rg_error *err) {
    const rg_tensor t = tensor_at(w, i);
    if (t.data != NULL || t.bytes == 0) {
        return rg_file_writer_put(file, t.data, t.bytes, err);
    }
    const size_t n_rows = rg_tensor_rows(&t);
    const size_t row_bytes = t.bytes / n_rows;
    const size_t fit = SLICE_BYTES / row_bytes;
    const size_t most = fit == 0 ? 1 : fit < n_rows ? fit : n_rows;
    void *data = fill == NULL ? NULL : rg_alloc(w->mem, most * row_bytes);
    if (data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu bytes of tensor %.*s", most * row_bytes,
                       RG_FMT(t.name));
    }
    rg_status status = RG_OK;
    for (size_t row = 0; row < n_rows && status == RG_OK; row += most) {
        const size_t n = n_rows - row < most ? n_rows - row : most;
        status = fill(arg, i, &t, row, n, data, err);
        if (status == RG_OK) {
            status = rg_file_writer_put(file, data, n * row_bytes, err);
        }
    }
    rg_free(w->mem, data);
    return status;
}

rg_status rg_gguf_write(rg_gguf_writer *w, const char *path, rg_gguf_fill_fn *fill, void *arg,
                        rg_error *err) {
    static const char zeros[ALIGN] = {0};
    const size_t n = w->tensors.size / sizeof(rg_tensor);
    rg_file_writer file = {.fd = -1};
    rg_buf head;
    rg_status status = RG_OK;
    rg_buf_init(&head, w->mem, 0);
    RG_TRY(rg_buf_check(&w->pairs, "metadata", err));
    RG_TRY(rg_buf_check(&w->tensors, "tensors", err));
    RG_TRY(write_head(w, n, &head, err));
    RG_TRY(rg_file_writer_open(&file, path, err));
    RG_TRY(rg_file_writer_put(&file, head.data, head.size, err));
    RG_TRY(rg_file_writer_put(&file, zeros, rg_round_up(head.size, ALIGN) - head.size, err));
    for (size_t i = 0; i < n; i++) {
        const rg_tensor t = tensor_at(w, i);
        RG_TRY(write_tensor(w, &file, i, fill, arg, err));
        RG_TRY(rg_file_writer_put(&file, zeros, rg_round_up(t.bytes, ALIGN) - t.bytes, err));
    }
    status = rg_file_writer_commit(&file, err);

done:
    rg_file_writer_abort(&file);
    rg_buf_clear(&head);
    return status;
}
