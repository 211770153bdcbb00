/* Shared by the files that make an inspection. */
#pragma once

#include "lab/inspect.h"

/** Keys of the tokens so far, and what attention is computed with. */
typedef struct rg_inspect_keys {
    float *k; // [n_layers][n_tok][n_kv_head * head_dim], as the cache rounds them
    bool is_f16;
} rg_inspect_keys;

/**
 * Keep the keys of tokens [pos, pos + n) of a layer, and see where their queries look.
 * @param at     number of the layer in `seen`
 * @param q, k   [n, heads * head_dim]
 * @param rows   [n_head][n_tok] scratch
 */
void rg_inspect_attention(rg_inspection *seen, const rg_op_params *p, rg_inspect_keys *keys,
                          rg_pool *pool, size_t at, size_t pos, size_t n, const float *q,
                          const float *k, float *rows);

/** Where rows of logits are read into. */
typedef struct rg_inspect_reading {
    rg_guess *top;         // [n][n_top]
    float *bits;           // [n] of the tokens that follow, or NULL
    uint32_t *rank;        // [n] likewise, or NULL
    float *entropy;        // [n], or NULL
    const int32_t *target; // [n] the tokens that follow; -1: none
} rg_inspect_reading;

/** Read n rows of logits, in parallel. False: row `*bad` is not finite. */
bool rg_inspect_read(rg_pool *pool, const float *logits, size_t n, size_t n_vocab, size_t n_top,
                     const rg_inspect_reading *to, size_t *bad);
