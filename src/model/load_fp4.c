/* What checkpoints with 4-bit floats have otherwise: the floats, and tables of experts. */
#include "model/load_internal.h"

#include <string.h>

rg_status rg_load_repack_fp4(rg_loader *l, const rg_packed *p, size_t rows, size_t columns,
                             void *out) {
    enum { GROUP = 32, HALF = GROUP / 2, BLOCK_BYTES = 1 + HALF, NO_NUMBER = 0xFF };
    const bool is_bytes = p->words->dtype == RG_DTYPE_I8 || p->words->dtype == RG_DTYPE_U8;
    if (!is_bytes || p->scales->dtype != RG_DTYPE_F8_E8M0 || columns % GROUP != 0 ||
        p->words->n_dims != 2 || p->words->shape[0] != rows || p->words->shape[1] != columns / 2 ||
        p->scales->n_dims != 2 || p->scales->shape[0] != rows ||
        p->scales->shape[1] != columns / GROUP) {
        return rg_fail(l->err, RG_E_FORMAT,
                       "tensors %.*s and %.*s are no matrix of %zu x %zu 4-bit floats with a power "
                       "of two for each 32",
                       RG_FMT(p->words->name), RG_FMT(p->scales->name), rows, columns);
    }
    const uint8_t *words = p->words->data;
    const uint8_t *factors = p->scales->data;
    uint8_t *block = out;
    for (size_t g = 0; g < rows * columns / GROUP; g++, block += BLOCK_BYTES, words += HALF) {
        if (factors[g] == NO_NUMBER) {
            return rg_fail(l->err, RG_E_FORMAT, "factor %zu of tensor %.*s is no number", g,
                           RG_FMT(p->scales->name));
        }
        block[0] = factors[g];
        // value i and value i + 16 share a byte here, neighbors there
        for (size_t i = 0; i < HALF; i++) {
            const unsigned low = words[i / 2] >> (i % 2 * 4) & 15;
            const unsigned high = words[(i + HALF) / 2] >> (i % 2 * 4) & 15;
            block[1 + i] = (uint8_t)(low | high << 4);
        }
    }
    return RG_OK;
}

rg_status rg_load_table(rg_loader *l, rg_tensor *weight) {
    const rg_dtype dtype = weight->dtype;
    const char *from = weight->data;
    const size_t n = rg_tensor_count(weight);
    void *room = NULL;
    if (dtype != RG_DTYPE_I32 && dtype != RG_DTYPE_I64) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s is of type %s: a table of experts is of I32 or I64",
                       RG_FMT(weight->name), rg_dtype_get(dtype)->name);
    }
    // a copy: what was checked must not change with the file
    const rg_status status = rg_load_own(l, weight, RG_DTYPE_I32, &room);
    int32_t *experts = room;
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        int64_t wide = 0;
        int32_t narrow = 0;
        if (dtype == RG_DTYPE_I64) {
            memcpy(&wide, from + i * sizeof wide, sizeof wide);
        } else {
            memcpy(&narrow, from + i * sizeof narrow, sizeof narrow);
            wide = narrow;
        }
        if (wide < 0 || wide >= (int64_t)l->model->h.n_expert) {
            return rg_fail(l->err, RG_E_FORMAT,
                           "entry %zu of tensor %.*s is expert %lld, valid are 0 to %u", i,
                           RG_FMT(weight->name), (long long)wide, l->model->h.n_expert - 1);
        }
        experts[i] = (int32_t)wide;
    }
    return status;
}
