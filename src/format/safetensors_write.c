#include "format/safetensors_write.h"

#include "base/buf.h"

enum { ALIGN = 8 }; // of the first tensor: spaces fill the header up

static bool has_word(rg_dtype dtype) {
    return dtype <= RG_DTYPE_F8_E8M0;
}

static rg_status put_header(rg_buf *head, const rg_tensor *tensors, size_t n,
                            const rg_safetensors_note *notes, size_t n_notes, rg_error *err) {
    size_t at = 0;
    rg_buf_char(head, '{');
    for (size_t i = 0; i < n_notes; i++) {
        rg_buf_str(head, i == 0 ? RG_STR("\"__metadata__\":{") : RG_STR(","));
        rg_buf_json(head, rg_str_of(notes[i].key));
        rg_buf_char(head, ':');
        rg_buf_json(head, notes[i].value);
    }
    rg_buf_str(head, n_notes > 0 ? RG_STR("}") : RG_STR(""));
    for (size_t i = 0; i < n; i++) {
        const rg_tensor *t = &tensors[i];
        if (!has_word(t->dtype)) {
            return rg_fail(err, RG_E_UNSUPPORTED, "safetensors has no type %s for tensor %.*s",
                           rg_dtype_get(t->dtype)->name, RG_FMT(t->name));
        }
        rg_buf_str(head, i > 0 || n_notes > 0 ? RG_STR(",") : RG_STR(""));
        rg_buf_json(head, t->name);
        rg_buf_format(head, ":{\"dtype\":\"%s\",\"shape\":[", rg_dtype_get(t->dtype)->name);
        for (uint32_t d = 0; d < t->n_dims; d++) {
            rg_buf_format(head, d == 0 ? "%zu" : ",%zu", t->shape[d]);
        }
        rg_buf_format(head, "],\"data_offsets\":[%zu,%zu]}", at, at + t->bytes);
        at += t->bytes;
    }
    rg_buf_char(head, '}');
    while (head->size % ALIGN != 0 && !head->is_failed) {
        rg_buf_char(head, ' ');
    }
    return rg_buf_check(head, "a safetensors header", err);
}

static rg_status put_filled(const rg_mem *mem, rg_file_writer *w, size_t i, const rg_tensor *t,
                            rg_safetensors_fill_fn *fill, void *arg, rg_error *err) {
    rg_status status = RG_OK;
    void *data = rg_alloc(mem, t->bytes);
    if (data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the %zu bytes of tensor %.*s", t->bytes,
                       RG_FMT(t->name));
    }
    RG_TRY(fill(arg, i, t, data, err));
    RG_TRY(rg_file_writer_put(w, data, t->bytes, err));

done:
    rg_free(mem, data);
    return status;
}

rg_status rg_safetensors_write(const rg_mem *mem, const char *path, const rg_tensor *tensors,
                               size_t n, const rg_safetensors_note *notes, size_t n_notes,
                               rg_safetensors_fill_fn *fill, void *arg, rg_error *err) {
    rg_status status = RG_OK;
    rg_buf head;
    rg_file_writer w;
    rg_buf_init(&head, mem, 0);
    RG_TRY(put_header(&head, tensors, n, notes, n_notes, err));
    RG_TRY(rg_file_writer_open(&w, path, err));
    const uint64_t size = head.size; // little-endian, as every machine that we run on
    status = rg_file_writer_put(&w, &size, sizeof size, err);
    if (status == RG_OK) {
        status = rg_file_writer_put(&w, head.data, head.size, err);
    }
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        status = tensors[i].data != NULL
                     ? rg_file_writer_put(&w, tensors[i].data, tensors[i].bytes, err)
                     : put_filled(mem, &w, i, &tensors[i], fill, arg, err);
    }
    if (status == RG_OK) {
        status = rg_file_writer_commit(&w, err);
    } else {
        rg_file_writer_abort(&w);
    }

done:
    rg_buf_clear(&head);
    return status;
}
