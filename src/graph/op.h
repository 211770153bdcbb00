/* The rows of the op table: shape rule, cost, backward rule. */
#pragma once

#include "graph/graph.h"

/** Work of a node: multiply-adds count two, bytes are what must be read and written at least once.
 */
typedef struct rg_cost {
    double ops;
    double bytes;
} rg_cost;

/** Shapes of the outputs from the inputs; writes g->error and returns false when they do not fit.
 */
typedef bool rg_shape_fn(rg_graph *g, const rg_node *node, rg_value out[RG_NODE_OUT_MAX]);
typedef rg_cost rg_cost_fn(const rg_graph *g, const rg_node *node);
/**
 * Append the nodes of the gradients. dout[i]: gradient of output i or RG_VAL_NONE. din[i] receives
 * the gradient of input i, or stays RG_VAL_NONE where there is none or `wanted[i]` is false.
 */
typedef void rg_backward_fn(rg_graph *g, const rg_node *node, const rg_val *dout,
                            const bool *wanted, rg_val *din);

typedef struct rg_op_info {
    const char *name;
    uint8_t in_min;
    uint8_t in_max;
    uint8_t n_out;
    bool is_rowwise;
    rg_shape_fn *shape;
    rg_cost_fn *cost;
    rg_backward_fn
        *backward; // NULL: no gradient passes (tables, gradients themselves, lowered rows)
} rg_op_info;

/** The row of an op; never NULL for a value of the enum. */
const rg_op_info *rg_op_get(rg_op op);
/** Work of the whole graph. */
rg_cost rg_graph_cost(const rg_graph *g);

// shape rules in op_hyper.c and op_compressed.c
rg_shape_fn rg_shape_hyper, rg_shape_hyper_in, rg_shape_hyper_out, rg_shape_hyper_back,
    rg_shape_hyper_in_back, rg_shape_hyper_out_back, rg_shape_clamp, rg_shape_clamp_dx,
    rg_shape_compress, rg_shape_compress_mix, rg_shape_compress_mix_back,
    rg_shape_compressed_attention, rg_shape_compressed_back, rg_shape_route_listed;
// and backward rules
rg_backward_fn rg_back_hyper, rg_back_hyper_in, rg_back_hyper_out, rg_back_clamp,
    rg_back_compress_mix, rg_back_compressed_attention;

// backward rules, in backward_rules.c
rg_backward_fn rg_back_embed, rg_back_rmsnorm, rg_back_linear, rg_back_rope, rg_back_attention,
    rg_back_add, rg_back_swiglu, rg_back_gate, rg_back_columns, rg_back_scale_rows,
    rg_back_layernorm, rg_back_heads, rg_back_join, rg_back_conv, rg_back_decay, rg_back_delta,
    rg_back_select_rows, rg_back_scale, rg_back_dropout, rg_back_cross_entropy, rg_back_route,
    rg_back_experts, rg_back_combine, rg_back_gelu, rg_back_fold;
