/* A tensor where it lies: type, shape, borrowed bytes. */
#pragma once

#include "tensor/dtype.h"

#define RG_DIMS_MAX 5 // the kernel of a convolution over frames

/**
 * Row-major; shape[0] is the slowest dimension, shape[n_dims-1] is contiguous (GGUF lists them the
 * other way round). Rows of the last dimension are whole blocks. n_dims 0 is a scalar of one value.
 */
typedef struct rg_tensor {
    rg_str name;
    rg_dtype dtype;
    uint32_t n_dims;
    size_t shape[RG_DIMS_MAX];
    const void *data; // any alignment
    size_t bytes;
    /** Where dimension 0 does not lie in one piece, as the experts of a checkpoint: shape[0]
     * pointers, and data is the first of them. NULL: it does. Borrowed like data. */
    const void *const *slabs;
} rg_tensor;

/** Product of the shape. It fits: whoever made the tensor checked. */
static inline size_t rg_tensor_count(const rg_tensor *t) {
    size_t n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        n *= t->shape[i];
    }
    return n;
}

/** Element i of dimension 0. */
static inline const void *rg_tensor_slab(const rg_tensor *t, size_t i) {
    return t->slabs != NULL ? t->slabs[i] : (const char *)t->data + t->bytes / t->shape[0] * i;
}

/** Rows of the last dimension; a vector is one. */
static inline size_t rg_tensor_rows(const rg_tensor *t) {
    size_t n = 1;
    for (uint32_t i = 0; i + 1 < t->n_dims; i++) {
        n *= t->shape[i];
    }
    return n;
}
