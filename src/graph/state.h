/*
 * Key-value state of sessions, as graphs see it: pages of page_len positions. One page holds all
 * layers of its positions, so sharing, dropping or saving a stretch of a session is a matter of
 * whole pages.
 *
 *   page:  layer 0 [ k: n_kv_head x page_len x k_dim | v: n_kv_head x page_len x v_dim | index:
 *          page_len x index_dim ]  layer 1 [ ... ] ...
 */
#pragma once

#include "tensor/dtype.h"

typedef struct rg_kv_layout {
    rg_dtype dtype; // F16 or F32
    uint32_t n_layer;
    uint32_t page_len; // positions
    uint32_t n_kv_head;
    uint32_t k_dim;
    uint32_t v_dim;
    bool has_values; // apart from the keys; else a value is the first v_dim of its key
    size_t k_bytes;  // of one layer's keys in a page
    size_t v_bytes;
    uint32_t index_dim; // keys of an index beside them, one a position; 0: there is no index
    size_t index_bytes;
    size_t page_bytes; // of a whole page, all layers
    // of recurrent layers, which keep one state however many tokens there were: f32,
    //   layer 0 [ convolution: kernel - 1 rows | S: v_head x k_dim x v_dim ]  layer 1 [ ... ] ...
    uint32_t n_recurrent;
    size_t conv_bytes;
    size_t recurrent_bytes; // of one layer
} rg_kv_layout;

/** The tokens of one session in a batch: tokens [first, first + n_tok) of the graph, at positions
 * pos, pos + 1, ... */
typedef struct rg_kv_row {
    size_t first;
    size_t n_tok;
    size_t pos;
    uint8_t *const *pages;    // by position / page_len; all that positions below pos + n_tok need
    const uint8_t *recurrent; // before the first token: a run that fails leaves it as it was
    uint8_t *recurrent_next;  // after the last one
    uint8_t *const *recurrent_each; // after each, [n_tok], in place of recurrent_next; NULL: no
} rg_kv_row;

/** What a run is given for its states. Rows are ascending in `first` and cover all tokens. */
typedef struct rg_kv_batch {
    const rg_kv_layout *layout;
    size_t n_rows;
    const rg_kv_row *rows;
} rg_kv_batch;

/** Offset of a layer's keys in a page; its values follow at + k_bytes. */
static inline size_t rg_kv_offset(const rg_kv_layout *layout, uint32_t layer) {
    return layer * (layout->k_bytes + layout->v_bytes + layout->index_bytes);
}
