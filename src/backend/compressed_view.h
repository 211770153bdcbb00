/* What a token of compressed attention looks at: rows of two kinds, from where they lie. */
#pragma once

#include "backend/exec_internal.h"

/** Compressed rows, then positions of the window. */
typedef struct rg_view {
    const rg_op_params *p;
    size_t n_compressed;
    size_t n;        // rows in all
    size_t first;    // position of the window's first row
    const float *kv; // [dim] of position `at` and those after it
    size_t at;
    // with a state
    const rg_kv_layout *layout;
    const rg_kv_row *row;
    rg_compressed_place place;
    const int32_t *chosen; // compressed rows; NULL: all
    // without: compressed rows where their last position is, [dim] of position 0 and those after it
    const float *rows;
} rg_view;

/** The view of token t. With a state: in[1] kv, in[3] state, in[4] the rows chosen. */
rg_view rg_view_of_state(const rg_task *task, const rg_node *node, size_t t);
/** Without: in[at + 1] kv, in[at + 3] positions, in[at + 4] the rows. */
rg_view rg_view_of_graph(const rg_task *task, const rg_node *node, size_t at, size_t t);
/** Rows [from, from + n) of a view into out [n, dim]. */
void rg_view_gather(const rg_view *v, size_t from, size_t n, float *out);

/** The first token of the sample that token t is in: a position that its row of the batch cannot
 * have hides nothing, it is the caller's to exclude. */
static inline size_t rg_sample_start(const int32_t *positions, size_t seq_len, size_t t) {
    const size_t begin = seq_len == 0 ? 0 : t / seq_len * seq_len;
    const size_t back = (uint32_t)positions[t];
    return back <= t - begin ? t - back : begin;
}
