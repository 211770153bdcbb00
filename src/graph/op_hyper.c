/* Hyper-connections and clamping: shapes, builders, backward rules. */
#include "graph/op_shapes.h"

#include <string.h>

// pre, post and C, or pre alone
static bool is_mix(const rg_value *m, bool may_be_pre) {
    return is_matrix(m) &&
           (m->shape[1] == RG_STREAM_WEIGHTS || (may_be_pre && m->shape[1] == RG_STREAMS));
}

// m [T, n], base [n], scale [3] or, of pre alone, [1] -> [T, n]
bool rg_shape_hyper(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *m = input(g, node, 0);
    set_matrix(out, m->shape[0], m->shape[1]);
    return is_mix(m, true) && is_vector(input(g, node, 1), m->shape[1]) &&
           is_vector(input(g, node, 2), m->shape[1] == RG_STREAMS ? 1 : 3) && node->p.n_iter >= 1 &&
           node->p.n_iter <= RG_SINKHORN_MAX;
}

// x [T, streams * n], weights -> [T, n]
bool rg_shape_hyper_in(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, x->shape[0], x->shape[1] / RG_STREAMS);
    return is_matrix(x) && x->shape[1] % RG_STREAMS == 0 && is_mix(w, true) &&
           w->shape[0] == x->shape[0];
}

// x [T, streams * n], y [T, n], weights -> as x
bool rg_shape_hyper_out(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 2);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && x->shape[1] % RG_STREAMS == 0 &&
           is_heads(input(g, node, 1), x->shape[0], 1, x->shape[1] / RG_STREAMS) &&
           is_mix(w, false) && w->shape[0] == x->shape[0];
}

// gradients of all inputs but the first, which is that of the result
static void set_as_inputs(const rg_graph *g, const rg_node *node, rg_value *out) {
    for (size_t i = 1; i < node->n_in; i++) {
        const rg_value *of = input(g, node, i);
        out[i - 1].dtype = RG_DTYPE_F32;
        out[i - 1].n_dims = of->n_dims;
        memcpy(out[i - 1].shape, of->shape, sizeof of->shape);
    }
}

// dweights, m, base, scale
bool rg_shape_hyper_back(rg_graph *g, const rg_node *node, rg_value *out) {
    set_as_inputs(g, node, out);
    return is_same(input(g, node, 0), input(g, node, 1)) && is_mix(input(g, node, 1), true);
}

// du, x, weights
bool rg_shape_hyper_in_back(rg_graph *g, const rg_node *node, rg_value *out) {
    set_as_inputs(g, node, out);
    return is_matrix(input(g, node, 0)) && is_matrix(input(g, node, 1)) &&
           is_mix(input(g, node, 2), true);
}

// dx of the result, x, y, weights
bool rg_shape_hyper_out_back(rg_graph *g, const rg_node *node, rg_value *out) {
    set_as_inputs(g, node, out);
    return is_same(input(g, node, 0), input(g, node, 1)) && is_mix(input(g, node, 3), false);
}

bool rg_shape_clamp(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && node->p.limit > 0;
}

// dy, x
bool rg_shape_clamp_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    return rg_shape_clamp(g, node, out) && is_same(input(g, node, 0), input(g, node, 1));
}

// ---- builders ----

rg_val rg_hyper(rg_graph *g, rg_val m, rg_val base, rg_val scale, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_HYPER, (rg_val[]){m, base, scale}, 3, p);
}

rg_val rg_hyper_in(rg_graph *g, rg_val x, rg_val weights) {
    return rg_graph_node(g, RG_OP_HYPER_IN, (rg_val[]){x, weights}, 2, NULL);
}

rg_val rg_hyper_out(rg_graph *g, rg_val x, rg_val y, rg_val weights) {
    return rg_graph_node(g, RG_OP_HYPER_OUT, (rg_val[]){x, y, weights}, 3, NULL);
}

rg_val rg_clamp(rg_graph *g, rg_val x, float limit, bool is_above) {
    const rg_op_params p = {.limit = limit, .is_above = is_above};
    return rg_graph_node(g, RG_OP_CLAMP, &x, 1, &p);
}

// ---- backward rules: the gradients of all inputs are the outputs of one node ----

static void go_back(rg_graph *g, rg_op op, const rg_node *node, rg_val dout, rg_val *din) {
    rg_val in[RG_NODE_IN_MAX] = {dout};
    memcpy(in + 1, node->in, node->n_in * sizeof *in);
    if (rg_graph_node(g, op, in, node->n_in + 1U, &node->p) != RG_VAL_NONE) {
        memcpy(din, g->nodes[g->n_nodes - 1].out, node->n_in * sizeof *din);
    }
}

void rg_back_hyper(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    (void)wanted;
    go_back(g, RG_OP_HYPER_BACK, node, dout[0], din);
}

void rg_back_hyper_in(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                      rg_val *din) {
    (void)wanted;
    go_back(g, RG_OP_HYPER_IN_BACK, node, dout[0], din);
}

void rg_back_hyper_out(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                       rg_val *din) {
    (void)wanted;
    go_back(g, RG_OP_HYPER_OUT_BACK, node, dout[0], din);
}

void rg_back_clamp(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    (void)wanted;
    go_back(g, RG_OP_CLAMP_DX, node, dout[0], din);
}
