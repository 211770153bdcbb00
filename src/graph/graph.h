/*
 * graph/ holds the one table of tensor operations and the graphs written in it: shapes, costs,
 * backward rules, and the plan that puts every buffer into one arena before anything is allocated.
 * It relies on base/ and tensor/ and computes nothing: backend/ does.
 *
 * graph.h: values, nodes, and the builder. A graph is in static single assignment order: a node
 * reads only values made before it.
 */
#pragma once

#include "base/mem.h"
#include "tensor/tensor.h"

typedef uint32_t rg_val; // a value, by number in its graph
#define RG_VAL_NONE UINT32_MAX

#define RG_ROPE_HALF_MAX    512 // turning pairs of a head: heads of up to 1,024 values
#define RG_GRADIENT_ROW_MAX ((size_t)1 << 16) // width of a norm that has gradients
#define RG_INDEX_TOP_MAX    4096              // positions that a token looks at by an index
#define RG_INDEX_HEADS_MAX  256               // of an index
#define RG_INDEX_DIM_MAX    512               // of its keys
#define RG_ROPE_AXES_MAX    3                 // positions that a token has
#define RG_NODE_IN_MAX      7
#define RG_NODE_OUT_MAX     6
#define RG_EXPERTS_MAX      1024 // of one layer
#define RG_CONV_KERNEL_MAX  16   // rows that a convolution sees
#define RG_DELTA_DIM_MAX    256  // values of a head of the delta rule
#define RG_DELTA_STRETCH    32   // tokens between the matrices that its gradient keeps

#define RG_STREAMS              4 // residual streams of hyper-connections
#define RG_STREAM_WEIGHTS       (RG_STREAMS * (2 + RG_STREAMS)) // that one mix takes
#define RG_SINKHORN_MAX         64   // steps of Sinkhorn's normalization, rows and columns each
#define RG_COMPRESSED_HEADS_MAX 256  // of compressed attention
#define RG_COMPRESSED_DIM_MAX   1024 // of its rows
#define RG_SLOTS_MAX            128  // positions that a compressed row is made of

typedef enum rg_val_kind {
    RG_VAL_TEMP,   // made by a node, lives in the plan's arena
    RG_VAL_WEIGHT, // slot: index into the table of weights given to a run
    RG_VAL_INPUT,  // slot: index into the table of inputs given to a run
    RG_VAL_STATE,  // slot: a layer's number among those with a state of this kind; opaque here
} rg_val_kind;

/** A tensor of the graph. Row-major, slowest dimension first; dimension 0 of activations is the
 * token. */
typedef struct rg_value {
    rg_val_kind kind;
    rg_dtype dtype;
    uint32_t n_dims;
    size_t shape[RG_DIMS_MAX];
    uint32_t slot;
    size_t bytes;   // of a TEMP
    bool is_output; // a TEMP that must survive until the end of the run
} rg_value;

// The op table: name, least and most inputs, outputs, is row-wise (token t of the output needs only
// token t of the inputs, so that neighbors can share one parallel section). Rows after
// FIRST_LOWERED are made by backends only.
// clang-format off
#define RG_OP_LIST(X)                                         \
    X(EMBED,           "embed",           2, 2, 1, true)      \
    X(ROPE_TABLE,      "rope_table",      2, 2, 1, true)      \
    X(RMSNORM,         "rmsnorm",         2, 2, 1, true)      \
    X(LINEAR,          "linear",          2, 3, 1, false)     \
    X(ROPE,            "rope",            2, 2, 1, true)      \
    X(INDEX,           "index",           4, 4, 1, false)     \
    X(ATTENTION,       "attention",       3, 5, 1, false)     \
    X(ADD,             "add",             2, 2, 1, true)      \
    X(SWIGLU,          "swiglu",          2, 2, 1, true)      \
    X(GATE,            "gate",            2, 2, 1, true)      \
    X(COLUMNS,         "columns",         1, 1, 1, true)      \
    X(JOIN,            "join",            2, 3, 1, true)      \
    X(LAYERNORM,       "layernorm",       3, 3, 1, true)      \
    X(SCALE_ROWS,      "scale_rows",      2, 2, 1, true)      \
    X(TEMPERATURE,     "temperature",     1, 1, 1, true)      \
    X(PART_SUM,        "part_sum",        1, 1, 1, true)      \
    X(HEADS,           "heads",           2, 2, 1, false)     \
    X(CONV,            "conv",            3, 3, 1, false)     \
    X(DECAY,           "decay",           3, 3, 1, true)      \
    X(DELTA,           "delta",           6, 6, 1, false)     \
    X(SELECT_ROWS,     "select_rows",     2, 2, 1, false)     \
    X(SCALE,           "scale",           1, 1, 1, true)      \
    X(GELU,            "gelu",            1, 1, 1, true)      \
    X(FOLD,            "fold",            1, 1, 1, false)     \
    X(DROPOUT,         "dropout",         2, 2, 1, true)      \
    X(HYPER,           "hyper",           3, 3, 1, true)      \
    X(HYPER_IN,        "hyper_in",        2, 2, 1, true)      \
    X(HYPER_OUT,       "hyper_out",       3, 3, 1, true)      \
    X(CLAMP,           "clamp",           1, 1, 1, true)      \
    X(COMPRESS,        "compress",        6, 6, 0, false)     \
    X(COMPRESS_MIX,    "compress_mix",    4, 4, 1, false)     \
    X(COMPRESSED_ATTENTION, "compressed_attention", 4, 5, 1, false) \
    X(ROUTE,           "route",           1, 2, 2, true)      \
    X(ROUTE_LISTED,    "route_listed",    3, 3, 2, true)      \
    X(DISPATCH,        "dispatch",        1, 1, 3, false)     \
    X(EXPERTS,         "experts",         3, 3, 1, false)     \
    X(COMBINE,         "combine",         3, 3, 1, false)     \
    X(CROSS_ENTROPY,   "cross_entropy",   2, 2, 1, true)      \
    X(EMBED_DW,        "embed_dw",        2, 2, 1, false)     \
    X(RMSNORM_DX,      "rmsnorm_dx",      3, 3, 1, true)      \
    X(RMSNORM_DW,      "rmsnorm_dw",      2, 2, 1, false)     \
    X(LINEAR_DX,       "linear_dx",       2, 2, 1, false)     \
    X(LINEAR_DW,       "linear_dw",       2, 2, 1, false)     \
    X(COLUMN_SUM,      "column_sum",      1, 1, 1, false)     \
    X(SWIGLU_BACK,     "swiglu_back",     3, 3, 2, true)      \
    X(GATE_BACK,       "gate_back",       3, 3, 2, true)      \
    X(GELU_BACK,       "gelu_back",       2, 2, 1, true)      \
    X(COLUMNS_DX,      "columns_dx",      1, 1, 1, true)      \
    X(SCALE_ROWS_BACK, "scale_rows_back", 3, 3, 2, true)      \
    X(LAYERNORM_BACK,  "layernorm_back",  3, 3, 3, false)     \
    X(HEADS_DX,        "heads_dx",        2, 2, 1, false)     \
    X(HEADS_DW,        "heads_dw",        2, 2, 1, false)     \
    X(CONV_BACK,       "conv_back",       4, 4, 2, false)     \
    X(DECAY_BACK,      "decay_back",      4, 4, 3, false)     \
    X(DELTA_BACK,      "delta_back",      7, 7, 6, false)     \
    X(ATTENTION_BACK,  "attention_back",  4, 5, 3, false)     \
    X(SELECT_ROWS_DX,  "select_rows_dx",  2, 2, 1, false)     \
    X(CROSS_ENTROPY_DX, "cross_entropy_dx", 3, 3, 1, true)    \
    X(HYPER_BACK,      "hyper_back",      4, 4, 3, false)     \
    X(HYPER_IN_BACK,   "hyper_in_back",   3, 3, 2, true)      \
    X(HYPER_OUT_BACK,  "hyper_out_back",  4, 4, 3, true)      \
    X(COMPRESS_MIX_BACK, "compress_mix_back", 5, 5, 3, false) \
    X(COMPRESSED_ATTENTION_BACK, "compressed_attention_back", 5, 6, 4, false) \
    X(CLAMP_DX,        "clamp_dx",        2, 2, 1, true)      \
    X(ROUTE_DX,        "route_dx",        3, 3, 1, true)      \
    X(EXPERTS_DX,      "experts_dx",      3, 3, 1, false)     \
    X(EXPERTS_DW,      "experts_dw",      3, 3, 1, false)     \
    X(COMBINE_BACK,    "combine_back",    4, 4, 2, false)     \
    X(ACT_PREP,        "act_prep",        1, 1, 1, true)      \
    X(KV_STORE,        "kv_store",        3, 3, 0, true)      \
    X(INDEX_STORE,     "index_store",     2, 2, 0, true)      \
    X(CANDIDATES,      "candidates",      3, 3, 1, false)     \
    X(CHOOSE,          "choose",          3, 4, 1, false)     \
    X(ATTEND,          "attend",          2, 3, 1, false)
// clang-format on

typedef enum rg_op {
#define RG_OP_ENUM(id, name, in_min, in_max, n_out, is_rowwise) RG_OP_##id,
    RG_OP_LIST(RG_OP_ENUM)
#undef RG_OP_ENUM
        RG_OP_COUNT
} rg_op;

/** How a router's logit becomes the score that experts are chosen and weighted by. */
typedef enum rg_router_score {
    RG_ROUTER_SOFTMAX,
    RG_ROUTER_SIGMOID,
    RG_ROUTER_SQRT_SOFTPLUS,
} rg_router_score;

/** What an op needs beside its inputs. A node uses the fields that its row names; the others are
 * zero. */
typedef struct rg_op_params {
    float eps;   // RMSNORM*: added to the mean square
    float scale; // ATTENTION*: of q.k; ROPE_TABLE: of cos and sin; SCALE: of x; ROUTE*: of weights
    float drop;  // DROPOUT: share of values that become zero, [0, 1)
    uint32_t stream; // DROPOUT: tells the draws of one node from those of another
    uint32_t n_head; // ROPE, ATTENTION*: heads of x or q
    uint32_t n_kv_head;
    uint32_t head_dim; // ROPE: of x; ATTENTION*, DELTA*: of q and k
    uint32_t v_dim;    // ATTENTION*, DELTA*
    bool is_tiled;     // DELTA*: value head j goes with key head j % n_kv_head, else in shares
    bool is_log;       // DECAY*: the factor is -exp(a)
    uint32_t n_part;   // COLUMNS*, JOIN, PART_SUM, ACT_PREP: equal parts that a row has; 0 is 1;
                       // CANDIDATES, CHOOSE: stretches of positions
    uint32_t from;     // COLUMNS*, PART_SUM: first column of each part; CONV: of the state;
                       // ROPE_TABLE: what positions are less
    uint32_t width;    // COLUMNS*, PART_SUM: columns of each part; CONV: of the state, 0: as x
    bool is_shared;    // JOIN: the last input is one part that goes to all
    uint32_t n_rot;    // ROPE: values of a head that turn
    uint32_t pairs;    // ROPE: 0 half-split, 1 neighbors
    bool is_inverse;   // ROPE: turn back (its own backward rule)
    uint32_t sections[RG_ROPE_AXES_MAX]; // ROPE_TABLE of several axes: frequencies of each
    bool is_interleaved; // ROPE_TABLE: frequencies take their axes in turn, else in stretches
    bool is_tanh;        // GELU*: by the formula with tanh, else by the error function
    bool sees_ahead;     // ATTENTION* without a state: tokens see all of their sequence
    size_t window;       // ATTENTION*: 0 none
    size_t chunk;   // ATTENTION*: positions that see each other end where a multiple of it begins
    size_t seq_len; // ATTENTION* without a state: tokens of one sequence; 0: all are one
    uint32_t form;  // ACT_PREP, products of a plan: the rg_act_form
    size_t n_rows;  // TEMPERATURE (positions of a step), EMBED_DW, SELECT_ROWS_DX, DISPATCH
                    // (experts), FOLD: rows of the result; COLUMNS_DX: its width
    rg_router_score score; // ROUTE*
    uint32_t n_top;        // ROUTE*: experts of a token; INDEX, CHOOSE: positions of a token
    uint32_t n_group;      // ROUTE: equal groups of experts; 0: one
    uint32_t n_group_used; // ROUTE: groups that a token may choose from
    bool is_group_by_two;  // ROUTE: a group's score is the sum of its two best, else the best
    bool is_renormed;      // ROUTE*: weights of a token add up to `scale`

    uint32_t n_iter; // HYPER*: Sinkhorn's steps
    float limit;     // CLAMP*
    bool is_above;   // CLAMP*: only what is above the limit is cut, else what is below -limit too
    uint32_t ratio;  // COMPRESS*, CHOOSE: positions of a compressed row; CHOOSE: 0: one
    bool is_index;   // COMPRESS: keys of the index, else rows of attention
} rg_op_params;

typedef struct rg_node {
    rg_op op;
    uint8_t n_in;
    uint8_t n_out;
    rg_val in[RG_NODE_IN_MAX];
    rg_val out[RG_NODE_OUT_MAX];
    rg_op_params p;
} rg_node;

/**
 * A graph under construction or finished. Fields may be read. A failed builder call (shapes that do
 * not fit, memory) keeps the first error; later calls return RG_VAL_NONE: build freely, check once
 * with rg_graph_check. Threads: one at a time per object.
 */
typedef struct rg_graph {
    const rg_mem *mem;
    rg_value *values;
    rg_node *nodes;
    size_t n_values;
    size_t n_nodes;
    size_t values_cap;
    size_t nodes_cap;
    uint32_t *marks; // nodes at which a part begins that may be computed again, ascending
    size_t n_marks;
    size_t marks_cap;
    rg_error error;
} rg_graph;

void rg_graph_init(rg_graph *g, const rg_mem *mem);
void rg_graph_clear(rg_graph *g);
/** RG_OK, or the first error of the construction. */
rg_status rg_graph_check(const rg_graph *g, rg_error *err) RG_MUST_CHECK;

/** A value that a run brings along. Shape slowest first, n_dims of them. */
rg_val rg_graph_weight(rg_graph *g, uint32_t slot, const rg_tensor *weight);
rg_val rg_graph_input(rg_graph *g, uint32_t slot, rg_dtype dtype, size_t rows, size_t width);
rg_val rg_graph_state(rg_graph *g, uint32_t layer);
/**
 * The nodes that follow, up to the next mark, are one part: a backward pass may compute it again
 * instead of keeping its values. What comes before the first mark and after the last is always
 * kept.
 */
void rg_graph_mark(rg_graph *g);
/** Keep a value until the end of the run. */
void rg_graph_keep(rg_graph *g, rg_val v);

/** Append a node; its first output, or RG_VAL_NONE (also when the op has none). */
rg_val rg_graph_node(rg_graph *g, rg_op op, const rg_val *in, size_t n_in, const rg_op_params *p);
/** Append a TEMP of given bytes, for rows that backends make. */
rg_val rg_graph_temp(rg_graph *g, rg_dtype dtype, size_t rows, size_t width, size_t bytes);

// The ops that families are written in. Shapes: x [n_tok, n] f32; see op.c for each rule.
rg_val rg_embed(rg_graph *g, rg_val ids, rg_val w);
/** [n_tok, n_rot]: cosines then sines of position * inv_freq[i], times scale. */
rg_val rg_rope_table(rg_graph *g, rg_val positions, rg_val inv_freq, float scale);
/** The same of positions `back` before. */
rg_val rg_rope_table_back(rg_graph *g, rg_val positions, rg_val inv_freq, uint32_t back);
/**
 * The same of tokens with a position on each of several axes, of which every frequency takes one.
 * @param positions  i32 [n_tok, axes]
 * @param sections   axes of them; in stretches: the first sections[0] frequencies take axis 0, and
 *                   so on; interleaved: frequency i takes axis i % 3 while i < 3 sections[i % 3],
 *                   else axis 0
 * Source: Qwen2-VL 2024, arXiv 2409.12191; Qwen3-VL 2025, arXiv 2511.21631.
 */
rg_val rg_rope_axes_table(rg_graph *g, rg_val positions, rg_val inv_freq, float scale,
                          const uint32_t *sections, bool is_interleaved);
/** Rows of the norm are as long as w: a w of head_dim normalizes each head. */
rg_val rg_rmsnorm(rg_graph *g, rg_val x, rg_val w, float eps);
/** x w^T + bias; bias may be RG_VAL_NONE. */
rg_val rg_linear(rg_graph *g, rg_val x, rg_val w, rg_val bias);
rg_val rg_rope(rg_graph *g, rg_val x, rg_val table, const rg_op_params *p);
/**
 * `beside` is the state that keys and values join; or, as in training, positions i32 [n_tok]: a
 * token then sees the tokens of the graph that began with its own sequence, position 0; or
 * RG_VAL_NONE: each sequence of p->seq_len tokens is one.
 */
rg_val rg_attention(rg_graph *g, rg_val q, rg_val k, rg_val v, rg_val beside,
                    const rg_op_params *p);
/** a + b; b may be a vector, which is added to each row. */
/**
 * Normalize rows to mean 0 and variance 1, then w and b: x [n_tok, n], w and b f32 [n].
 * Source: Ba et al. 2016, arXiv 1607.06450.
 */
rg_val rg_layernorm(rg_graph *g, rg_val x, rg_val w, rg_val b, float eps);
/**
 * The positions that each token looks at: those before it, and its own, with the highest
 * sum over heads of w_h relu(q_h . k). Keys are kept in the state.
 * @param q  [n_tok, n_head * head_dim]; k [n_tok, head_dim]; w [n_tok, n_head]
 * @param p  n_head, head_dim, n_top
 * @return   i32 [n_tok, n_top], ascending; tokens that see no more than n_top positions look at all
 *           of them, and their rows mean nothing. No gradient.
 * Source: DeepSeek-V3.2 2025, arXiv 2512.02556.
 */
rg_val rg_index(rg_graph *g, rg_val q, rg_val k, rg_val w, rg_val state, const rg_op_params *p);
/** Attention over a state, of the positions that rg_index gave. */
rg_val rg_attention_of(rg_graph *g, const rg_val qkv[3], rg_val state, rg_val chosen,
                       const rg_op_params *p);
/**
 * The compressed rows that each token looks at, as rg_index: row w of `ratio` positions is seen
 * from its last one on. Keys come from rg_compress.
 * @param p  n_head, head_dim, n_top, ratio
 */
rg_val rg_choose(rg_graph *g, rg_val q, rg_val w, rg_val state, const rg_op_params *p);
/**
 * Compress: each `ratio` positions become one row in the state, the mean of their features c by
 * softmax of s + ape, column by column; then it is normalized and its last n_rot values turn,
 * neighbors, by the first of the positions. Where ape has 2 * head_dim columns rows overlap: the
 * first half of the columns is what a position gives to the row after its own, the second half what
 * it gives to its own.
 * Shapes: c, s [n_tok, n]; ape [ratio, n], norm [head_dim], inv_freq [n_rot / 2] f32; n head_dim or
 * twice that. No result: the rows are in the state, features of rows to come beside them.
 * @param in  c, s, ape, norm, inv_freq
 * @param p   head_dim, n_rot, ratio, eps, is_index
 * Source: the DeepSeek-V4 model of the transformers library (models/deepseek_v4).
 */
void rg_compress(rg_graph *g, const rg_val in[5], rg_val state, const rg_op_params *p);
/**
 * The same mean without a state: rows as wide as the keys, [n_tok, head_dim], each where its last
 * position is, zeros elsewhere; neither normalized nor turned.
 * @param in         c, s, ape
 * @param positions  i32 [n_tok]: each run from 0 on is one sample
 * @param p          head_dim, ratio, seq_len
 */
rg_val rg_compress_mix(rg_graph *g, const rg_val in[3], rg_val positions, const rg_op_params *p);
/**
 * Attention of all heads on the same rows, which are keys and values at once: the last p->window
 * positions, and the compressed rows (rg_compress) that are complete, of these those chosen
 * (rg_choose; RG_VAL_NONE: all). The softmax has one more logit a head, its sink, without a value.
 * Shapes: q, result [n_tok, n_head * head_dim]; kv [n_tok, head_dim]; sinks [n_head].
 * @param in      q, kv, sinks
 * @param beside  a state; or, as in training, positions i32 [n_tok]: each run from 0 on is one
 * sample
 * @param rows    with a state i32, the rows chosen; else f32 [n_tok, head_dim], all of them, each
 *                where its last position is (rg_compress_mix), or RG_VAL_NONE where ratio is 0
 * @param p       n_head, head_dim, scale, window, ratio (0: nothing is compressed), seq_len
 */
rg_val rg_compressed_attention(rg_graph *g, const rg_val in[3], rg_val beside, rg_val rows,
                               const rg_op_params *p);
/**
 * The weights by which RG_STREAMS residual streams are mixed around one sublayer, from logits m:
 *     pre  = sigmoid(m[0..n) scale[0] + base) + eps           of each stream, into the sublayer
 *     post = 2 sigmoid(m[n..2n) scale[1] + base)              of the sublayer's result, to each
 *     C    = Sinkhorn(softmax by row(m[2n..) scale[2] + base) + eps)   from stream (row) to stream
 * Sinkhorn: columns are divided by their sum + eps, then p->n_iter - 1 times rows and columns.
 * Shapes: m, result [n_tok, RG_STREAM_WEIGHTS], base as wide, scale [3]; or pre alone: m [n_tok,
 * RG_STREAMS], scale [1].
 * @param p  eps, n_iter
 * Source: Zhu et al. 2024, arXiv 2409.19606; DeepSeek 2025, mHC, arXiv 2512.24880.
 */
rg_val rg_hyper(rg_graph *g, rg_val m, rg_val base, rg_val scale, const rg_op_params *p);
/** sum over streams of pre_i X_i: X [n_tok, RG_STREAMS * n], weights of rg_hyper -> [n_tok, n]. */
rg_val rg_hyper_in(rg_graph *g, rg_val x, rg_val weights);
/** Each stream k becomes post_k y + sum_j C[j][k] X_j. Shapes: x as above, y [n_tok, n]. */
rg_val rg_hyper_out(rg_graph *g, rg_val x, rg_val y, rg_val weights);
/** x within [-limit, limit], or below limit alone; what is no number stays. */
rg_val rg_clamp(rg_graph *g, rg_val x, float limit, bool is_above);
rg_val rg_add(rg_graph *g, rg_val a, rg_val b);
rg_val rg_swiglu(rg_graph *g, rg_val gate, rg_val up);
/** x * P(a normal number <= x): by the error function, or by the formula with tanh. Source:
 * Hendrycks, Gimpel 2016, arXiv 1606.08415. */
rg_val rg_gelu(rg_graph *g, rg_val x, bool is_tanh);
/** The same values in n_rows rows: neighbors become one, or one several. */
rg_val rg_fold(rg_graph *g, rg_val x, size_t n_rows);
/** x * sigmoid(gate); a gate of one column counts for the whole row. */
rg_val rg_gate(rg_graph *g, rg_val x, rg_val gate);
/** Columns [from, from + width) of each of n_part equal parts of x, side by side. */
rg_val rg_columns(rg_graph *g, rg_val x, uint32_t n_part, uint32_t from, uint32_t width);
/** The columns of a, b and perhaps c, side by side. */
rg_val rg_join(rg_graph *g, rg_val a, rg_val b, rg_val c);
/** The same of each of n_part parts; is_shared: b is one part that goes to all of them. */
rg_val rg_join_parts(rg_graph *g, rg_val a, rg_val b, uint32_t n_part, bool is_shared);
/** Each of the parts of x times a matrix of its own: w [n_part, rows, k], x [n_tok, n_part * k] ->
 * [n_tok, n_part * rows]. */
rg_val rg_heads(rg_graph *g, rg_val x, rg_val w);
/**
 * silu of a causal convolution of each column: y[t][c] = silu(sum_j w[c][j] x[t - K + 1 + j][c]).
 * Shapes: x [n_tok, n], w [n, K].
 * @param beside  the state that holds the K - 1 rows before; or positions i32 [n_tok], as in
 *                rg_attention: rows before a sequence's first count as zero
 */
rg_val rg_conv(rg_graph *g, rg_val x, rg_val w, rg_val beside);
/** The same of columns [from, from + n) of a state that has `width` of them for several. */
rg_val rg_conv_part(rg_graph *g, rg_val x, rg_val w, rg_val beside, uint32_t from, uint32_t width);
/** log of the decay: a * softplus(x + dt), or -exp(a) * ... Shapes: x [n_tok, n], dt [n], a of n or
 * of a divisor of it: each value for as many columns. */
rg_val rg_decay(rg_graph *g, rg_val x, rg_val a, rg_val dt, bool is_log);
/**
 * The gated delta rule of p->n_head value heads, a matrix S [head_dim, v_dim] each:
 *     S <- exp(decay) S;  S <- S + k (sigmoid(beta) (v - S^T k))^T;  y = S^T q
 * Shapes: q, k [n_tok, n_kv_head * head_dim]; v, y [n_tok, n_head * v_dim]; beta [n_tok, n_head];
 * decay likewise, or [n_tok, n_head * head_dim], one for each row of S.
 * @param in      q, k, v, decay, beta
 * @param beside  the state that holds S; or positions: S is zero before a sequence's first token
 * Source: Yang et al. 2024, arXiv 2412.06464.
 */
rg_val rg_delta(rg_graph *g, const rg_val in[5], rg_val beside, const rg_op_params *p);
/** Each row times its own factor: x [n_tok, n], factors [n_tok, 1]. */
rg_val rg_scale_rows(rg_graph *g, rg_val x, rg_val factors);
/** [n_tok, 1]: 1 + scale * log(1 + floor((position + 1) / every)). */
rg_val rg_temperature(rg_graph *g, rg_val positions, float scale, size_t every);
rg_val rg_select_rows(rg_graph *g, rg_val x, rg_val rows);
/** Experts chosen for each token, and everything that follows from the choice. */
typedef struct rg_routing {
    rg_val weights; // f32 [n_tok, n_top]
    rg_val tokens;  // i32 [n_tok * n_top]: tokens ordered by the expert that they go to
    rg_val places;  // i32 [n_tok * n_top]: where choice k of token t stands in that order
    rg_val starts;  // i32 [n_expert + 1]: where each expert's tokens begin
} rg_routing;

/**
 * The n_top experts of highest score; equal scores: the lower number first.
 * @param logits  [n_tok, n_expert]
 * @param bias    [n_expert] or RG_VAL_NONE: added to scores where experts are chosen, never to
 *                their weights
 * Source: Shazeer et al. 2017, arXiv 1701.06538; groups and bias: DeepSeek-V3, arXiv 2412.19437.
 */
rg_routing rg_route(rg_graph *g, rg_val logits, rg_val bias, const rg_op_params *p);
/**
 * Experts that a table lists for each token, weighted by the router all the same.
 * @param table  i32 [n_vocab, n_top] of expert numbers, which whoever brings it has checked
 * @param ids    i32 [n_tok]
 */
rg_routing rg_route_listed(rg_graph *g, rg_val logits, rg_val table, rg_val ids,
                           const rg_op_params *p);
/** Row r of x times the matrix of the expert that r stands with: x [n, k], w [n_expert, rows, k] ->
 * [n, rows]. */
rg_val rg_experts(rg_graph *g, rg_val x, rg_val w, rg_val starts);
/** Each token's rows of y, weighted and added up: y [n_tok * n_top, n] -> [n_tok, n]. */
rg_val rg_combine(rg_graph *g, rg_val y, const rg_routing *r);
/** x times a constant. */
rg_val rg_scale(rg_graph *g, rg_val x, float scale);
/**
 * x with a share `drop` of its values zero and the others divided by 1 - drop. Which ones follows
 * from seed (i32 [2]: the run's seed, its step), stream, row and column alone.
 * Source: Srivastava et al. 2014.
 */
rg_val rg_dropout(rg_graph *g, rg_val x, rg_val seed, float drop, uint32_t stream);
/**
 * -log softmax(logits)[target] of each row, [n_tok, 1]. A negative target is not counted: 0, and no
 * gradient.
 */
rg_val rg_cross_entropy(rg_graph *g, rg_val logits, rg_val targets);
