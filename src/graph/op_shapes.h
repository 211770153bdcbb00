/* What the shape rules of ops ask again and again. */
#pragma once

#include "graph/op.h"

static inline const rg_value *input(const rg_graph *g, const rg_node *node, size_t i) {
    return &g->values[node->in[i]];
}

static inline bool is_matrix(const rg_value *v) {
    return v->n_dims == 2 && v->dtype == RG_DTYPE_F32;
}

static inline bool is_same(const rg_value *a, const rg_value *b) {
    return is_matrix(a) && is_matrix(b) && a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1];
}

static inline bool is_vector(const rg_value *v, size_t n) {
    return v->n_dims == 1 && v->dtype == RG_DTYPE_F32 && v->shape[0] == n;
}

static inline bool is_ids(const rg_value *v) {
    return v->dtype == RG_DTYPE_I32 && v->n_dims == 1;
}

static inline void set_matrix(rg_value *out, size_t rows, size_t width) {
    out->dtype = RG_DTYPE_F32;
    out->n_dims = 2;
    out->shape[0] = rows;
    out->shape[1] = width;
}

static inline bool is_heads(const rg_value *v, size_t n_tok, size_t n_head, size_t dim) {
    return is_matrix(v) && v->shape[0] == n_tok && v->shape[1] == n_head * dim;
}

// positions of tokens [T, n_top]
static inline bool is_choice(const rg_value *v, size_t n_tok) {
    return v->dtype == RG_DTYPE_I32 && v->n_dims == 2 && v->shape[0] == n_tok;
}

static inline void set_ids(rg_value *out, size_t n) {
    out->dtype = RG_DTYPE_I32;
    out->n_dims = 1;
    out->shape[0] = n;
}
