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

#define RG_OVERLAPPING_RATIO 4 // of compressed layers whose rows overlap and have an index

/**
 * Layers of compressed attention. A page has one row, and where rows overlap one key of an index,
 * for each `ratio` positions, in the page of the last of them. What is bounded lies beside, f32,
 * after the recurrent layers, and is read and written as their state is:
 *
 *   page:  layer 0 [ rows: page_len / ratio (at least 1) x dim | keys: as many x index_dim ]  ...
 *   state: layer 0 [ window: window x dim | features of rows to come: ring x 2 columns (c, s)
 *          | likewise of keys ]  layer 1 [ ... ] ...
 *
 * Position p is in slot p % window, p % ring; ring is `ratio`, twice that where rows overlap.
 *
 * Of DeepSeek V4-Flash (rows of 512, keys of 128, a window of 128) that is 160 values a token in
 * each layer of ratio 4, and 8 in each of ratio 128, where every page has room for a row and every
 * second one has it: 7 KB a token in f16. Beside: 23.5 MB a session, and as much for each mark.
 */
typedef struct rg_compressed_layout {
    uint32_t n_layer;      // 0: no layer is of this kind, else all are
    uint32_t window;       // positions
    uint32_t dim;          // of a row
    uint32_t index_dim;    // of a key
    const uint32_t *ratio; // by layer; 0: nothing is compressed. Borrowed of the model
} rg_compressed_layout;

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
    rg_compressed_layout compressed;
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
} rg_kv_row;

/** What a run is given for its states. Rows are ascending in `first` and cover all tokens. */
typedef struct rg_kv_batch {
    const rg_kv_layout *layout;
    size_t n_rows;
    const rg_kv_row *rows;
} rg_kv_batch;

/** Where a layer of compressed attention has its parts: bytes from the beginning of a page, and
 * floats from that of the session's state. */
typedef struct rg_compressed_place {
    size_t rows;
    size_t keys;
    size_t window;
    size_t features;     // of rows
    size_t key_features; // of keys of the index
    uint32_t ring;       // positions whose features are kept
} rg_compressed_place;

/** The place of a layer; of the one after the last: the sizes of all, `rows` and `window`. */
rg_compressed_place rg_kv_compressed(const rg_kv_layout *layout, uint32_t layer);

/** Bytes of what a session keeps beside its pages: of recurrent and of compressed layers. */
size_t rg_kv_state_bytes(const rg_kv_layout *layout);

/** Which row of its page holds what the positions up to `last`, `ratio` of them, were compressed
 * to. */
static inline size_t rg_kv_compressed_slot(const rg_kv_layout *layout, uint32_t ratio,
                                           size_t last) {
    return last % layout->page_len / ratio;
}

/** Offset of a layer's keys in a page; its values follow at + k_bytes. */
static inline size_t rg_kv_offset(const rg_kv_layout *layout, uint32_t layer) {
    return layer * (layout->k_bytes + layout->v_bytes + layout->index_bytes);
}
