/* Blocks: pieces of a network that families share. Each appends its nodes to the graph under
 * construction. */
#pragma once

#include "model/model.h"

/** A graph under construction, and what all layers share. */
typedef struct rg_build {
    const rg_model *model;
    rg_graph *g;
    rg_val positions;        // i32 [n_tok]
    rg_val ids;              // i32 [n_tok]
    rg_val rope_table;       // [n_tok, n_rot]
    rg_val compressed_table; // the same for layers that compress; RG_VAL_NONE: there are none
    rg_val
        temperature; // [n_tok, 1] of queries that do not turn; RG_VAL_NONE: they stay as they are
    rg_val seed;     // of dropout; RG_VAL_NONE: nothing is dropped
    rg_purpose purpose;
    rg_graph_extras extras;
} rg_build;

/** The weight of a role as a value of the graph; RG_VAL_NONE for RG_ROLE_NONE, and when the model
 * has none. */
rg_val rg_build_weight(rg_build *b, rg_role role, uint32_t layer);
/** x W^T + bias, with what the extras add to W. `bias` may be a role that the model lacks. */
rg_val rg_build_linear(rg_build *b, uint32_t layer, rg_val x, rg_role weight, rg_role bias);

/** Keep a value of a layer where somebody looks at it. */
void rg_build_tap(rg_build *b, uint32_t layer, rg_tap tap, rg_val v);

/**
 * Grouped-query attention of one layer: project, normalize heads where the model has norms for it,
 * turn, attend, project back. Shapes: x [n_tok, n_embd] (already normalized) -> [n_tok, n_embd].
 * Source: Ainslie et al. 2023, arXiv 2305.13245.
 */
rg_val rg_block_attention(rg_build *b, uint32_t layer, rg_val x);

/**
 * Latent attention of one layer: keys and values of all heads come from one latent vector a token,
 * which is all that the state keeps. Where there is a state queries are brought to the latent
 * (absorbed), else keys and values to the heads. Shapes as above.
 * Source: DeepSeek-V2 2024, arXiv 2405.04434.
 */
rg_val rg_block_latent(rg_build *b, uint32_t layer, rg_val x);
/** Its attention in numbers, with a state. */
rg_op_params rg_latent_attention(const rg_hparams *h);

/**
 * Compressed attention of one layer: one key-value row a token for all heads, of which the last few
 * are kept, and rows that stretches of tokens are compressed to, of which an index chooses where
 * there are many. Results turn back, and groups of heads are projected back through a few values.
 * Shapes as above. Source: transformers, models/deepseek_v4.
 */
rg_val rg_block_compressed(rg_build *b, uint32_t layer, rg_val x);
/** Its attention in numbers. */
rg_op_params rg_compressed_params(const rg_hparams *h, uint32_t layer);

/**
 * Residual streams, where the model has several: x is [n_tok, n_stream * n_embd], else all of these
 * leave what they are given, and out adds.
 * streams: from the embedding, which all of them begin as.
 * in:      what a sublayer sees; fn is the first of the three roles of its mix, `weights` receives
 *          what rg_build_streams_out needs.
 * head:    what the last norm sees.
 * Source: DeepSeek 2025, mHC, arXiv 2512.24880.
 */
rg_val rg_build_streams(rg_build *b, rg_val x);
rg_val rg_build_streams_in(rg_build *b, uint32_t layer, rg_val x, rg_role fn, rg_val *weights);
rg_val rg_build_streams_out(rg_build *b, rg_val x, rg_val y, rg_val weights);
rg_val rg_build_streams_head(rg_build *b, rg_val x);

/** silu(gate) * up; limit > 0: of gate at most it, of up between it and its negative. */
rg_val rg_build_swiglu(rg_build *b, rg_val gate, rg_val up, float limit);

/**
 * The gated delta rule of one layer: project, mix neighbors by a short convolution, let the rule
 * run, normalize each head, gate, project back. Shapes as above. Source: Yang et al. 2024, arXiv
 * 2412.06464.
 */
rg_val rg_block_delta(rg_build *b, uint32_t layer, rg_val x);

/**
 * The delta rule of one layer with a decay for each key channel, a convolution each for queries,
 * keys and values, and a gate of low rank. Shapes as above. Source: Kimi Linear 2025, arXiv
 * 2510.26692.
 */
rg_val rg_block_kda(rg_build *b, uint32_t layer, rg_val x);
/** Each key head of the delta rule brought to length 1. */
rg_val rg_build_unit(rg_build *b, rg_val x);

/**
 * Gated feed-forward of one layer: down(silu(gate x) * up x).
 * Source: Shazeer 2020, arXiv 2002.05202.
 */
rg_val rg_block_swiglu(rg_build *b, uint32_t layer, rg_val x);

/**
 * Experts of one layer: each token goes through those that the router chooses for it, and where the
 * model has one through the expert of all tokens.
 * Source: Shazeer et al. 2017, arXiv 1701.06538; Fedus et al. 2021, arXiv 2101.03961.
 */
rg_val rg_block_experts(rg_build *b, uint32_t layer, rg_val x);
