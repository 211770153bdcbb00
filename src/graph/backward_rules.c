/* One backward rule an op: the nodes that carry a gradient from its outputs to its inputs. */
#include "graph/op.h"

#include <string.h>

static rg_val node2(rg_graph *g, rg_op op, rg_val a, rg_val b, const rg_op_params *p) {
    return rg_graph_node(g, op, (rg_val[]){a, b}, 2, p);
}

// the gradients of the first inputs are the first outputs of one node
static void take_outputs(rg_graph *g, rg_op op, const rg_val *in, size_t n_in,
                         const rg_op_params *p, rg_val *din, size_t n) {
    if (rg_graph_node(g, op, in, n_in, p) != RG_VAL_NONE) {
        memcpy(din, g->nodes[g->n_nodes - 1].out, n * sizeof *din);
    }
}

// a weight of a block type is a constant: no gradient of its own
static bool is_trainable(const rg_graph *g, rg_val w) {
    return g->values[w].dtype == RG_DTYPE_F32;
}

void rg_back_embed(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    if (wanted[1] && is_trainable(g, node->in[1])) {
        const rg_op_params p = {.n_rows = g->values[node->in[1]].shape[0]};
        din[1] = node2(g, RG_OP_EMBED_DW, dout[0], node->in[0], &p);
    }
}

void rg_back_rmsnorm(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                     rg_val *din) {
    if (wanted[0]) {
        din[0] = rg_graph_node(g, RG_OP_RMSNORM_DX, (rg_val[]){dout[0], node->in[0], node->in[1]},
                               3, &node->p);
    }
    if (wanted[1]) {
        rg_op_params p = node->p;
        p.n_rows = g->values[node->in[1]].shape[0];
        din[1] = node2(g, RG_OP_RMSNORM_DW, dout[0], node->in[0], &p);
    }
}

void rg_back_linear(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                    rg_val *din) {
    if (wanted[0]) {
        din[0] = node2(g, RG_OP_LINEAR_DX, dout[0], node->in[1], NULL);
    }
    if (wanted[1] && is_trainable(g, node->in[1])) {
        din[1] = node2(g, RG_OP_LINEAR_DW, dout[0], node->in[0], NULL);
    }
    if (node->n_in == 3 && wanted[2]) {
        din[2] = rg_graph_node(g, RG_OP_COLUMN_SUM, dout, 1, NULL);
    }
}

// a rotation's transpose is the rotation back
void rg_back_rope(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    if (wanted[0]) {
        rg_op_params p = node->p;
        p.is_inverse = !p.is_inverse;
        din[0] = rg_rope(g, dout[0], node->in[1], &p);
    }
}

// keys and values that lie in a state came from earlier steps: no gradient reaches them
void rg_back_attention(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                       rg_val *din) {
    (void)wanted;
    const rg_val beside = node->n_in == 4 ? node->in[3] : RG_VAL_NONE;
    if (beside != RG_VAL_NONE && g->values[beside].kind == RG_VAL_STATE) {
        rg_fail(&g->error, RG_E_UNSUPPORTED, "attention with a state has no backward rule");
        return;
    }
    const rg_val in[] = {dout[0], node->in[0], node->in[1], node->in[2], beside};
    take_outputs(g, RG_OP_ATTENTION_BACK, in, 5, &node->p, din, 3);
}

void rg_back_add(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                 rg_val *din) {
    din[0] = wanted[0] ? dout[0] : RG_VAL_NONE;
    if (wanted[1]) {
        const bool is_vector = g->values[node->in[1]].n_dims == 1;
        din[1] = is_vector ? rg_graph_node(g, RG_OP_COLUMN_SUM, dout, 1, NULL) : dout[0];
    }
}

void rg_back_swiglu(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                    rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1]};
    take_outputs(g, RG_OP_SWIGLU_BACK, in, 3, NULL, din, 2);
}

void rg_back_gelu(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    if (wanted[0]) {
        din[0] = node2(g, RG_OP_GELU_BACK, dout[0], node->in[0], &node->p);
    }
}

void rg_back_fold(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    if (wanted[0]) {
        din[0] = rg_fold(g, dout[0], g->values[node->in[0]].shape[0]);
    }
}

void rg_back_gate(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1]};
    take_outputs(g, RG_OP_GATE_BACK, in, 3, NULL, din, 2);
}

void rg_back_select_rows(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                         rg_val *din) {
    if (wanted[0]) {
        const rg_op_params p = {.n_rows = g->values[node->in[0]].shape[0]};
        din[0] = node2(g, RG_OP_SELECT_ROWS_DX, dout[0], node->in[1], &p);
    }
}

void rg_back_scale(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    if (wanted[0]) {
        din[0] = rg_scale(g, dout[0], node->p.scale);
    }
}

// the same values are dropped on the way back
void rg_back_dropout(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                     rg_val *din) {
    if (wanted[0]) {
        din[0] = rg_dropout(g, dout[0], node->in[1], node->p.drop, node->p.stream);
    }
}

void rg_back_cross_entropy(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                           rg_val *din) {
    if (wanted[0]) {
        const rg_val in[] = {dout[0], node->in[0], node->in[1]};
        din[0] = rg_graph_node(g, RG_OP_CROSS_ENTROPY_DX, in, 3, NULL);
    }
}

// the choice itself has no gradient: only the weights of those chosen
void rg_back_route(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    if (wanted[0] && dout[0] != RG_VAL_NONE) {
        const rg_val in[] = {dout[0], node->in[0], node->out[1]};
        din[0] = rg_graph_node(g, RG_OP_ROUTE_DX, in, 3, &node->p);
    }
}

void rg_back_experts(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                     rg_val *din) {
    const rg_val starts = node->in[2];
    if (wanted[0]) {
        din[0] =
            rg_graph_node(g, RG_OP_EXPERTS_DX, (rg_val[]){dout[0], node->in[1], starts}, 3, NULL);
    }
    if (wanted[1] && is_trainable(g, node->in[1])) {
        din[1] =
            rg_graph_node(g, RG_OP_EXPERTS_DW, (rg_val[]){dout[0], node->in[0], starts}, 3, NULL);
    }
}

void rg_back_combine(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                     rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1], node->in[2]};
    take_outputs(g, RG_OP_COMBINE_BACK, in, 4, NULL, din, 2);
}

void rg_back_scale_rows(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                        rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1]};
    take_outputs(g, RG_OP_SCALE_ROWS_BACK, in, 3, NULL, din, 2);
}

void rg_back_layernorm(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                       rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1]};
    take_outputs(g, RG_OP_LAYERNORM_BACK, in, 3, &node->p, din, 3);
}

void rg_back_columns(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                     rg_val *din) {
    if (wanted[0]) {
        rg_op_params p = node->p;
        p.n_rows = g->values[node->in[0]].shape[1];
        din[0] = rg_graph_node(g, RG_OP_COLUMNS_DX, dout, 1, &p);
    }
}

void rg_back_join(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    rg_op_params p = {.n_part = node->p.n_part == 0 ? 1 : node->p.n_part};
    for (size_t i = 0; i < node->n_in; i++) {
        const bool is_one = node->p.is_shared && i + 1 == node->n_in;
        p.width = (uint32_t)g->values[node->in[i]].shape[1] / (is_one ? 1 : p.n_part);
        if (wanted[i]) {
            din[i] = rg_graph_node(g, is_one ? RG_OP_PART_SUM : RG_OP_COLUMNS, dout, 1, &p);
        }
        p.from += p.width;
    }
}

void rg_back_heads(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    if (wanted[0]) {
        din[0] = node2(g, RG_OP_HEADS_DX, dout[0], node->in[1], NULL);
    }
    if (wanted[1] && is_trainable(g, node->in[1])) {
        const rg_op_params p = {.n_part = (uint32_t)g->values[node->in[1]].shape[0]};
        din[1] = node2(g, RG_OP_HEADS_DW, dout[0], node->in[0], &p);
    }
}

// what lies in a state came from earlier steps: no gradient reaches it
static bool has_positions(rg_graph *g, const rg_node *node, rg_val beside) {
    if (g->values[beside].kind == RG_VAL_STATE) {
        rg_fail(&g->error, RG_E_UNSUPPORTED, "%s with a state has no backward rule",
                rg_op_get(node->op)->name);
        return false;
    }
    return true;
}

void rg_back_conv(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                  rg_val *din) {
    (void)wanted;
    if (has_positions(g, node, node->in[2])) {
        const rg_val in[] = {dout[0], node->in[0], node->in[1], node->in[2]};
        take_outputs(g, RG_OP_CONV_BACK, in, 4, NULL, din, 2);
    }
}

void rg_back_decay(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    (void)wanted;
    const rg_val in[] = {dout[0], node->in[0], node->in[1], node->in[2]};
    take_outputs(g, RG_OP_DECAY_BACK, in, 4, &node->p, din, 3);
}

void rg_back_delta(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                   rg_val *din) {
    (void)wanted;
    if (has_positions(g, node, node->in[5])) {
        const rg_val in[] = {dout[0],     node->in[0], node->in[1], node->in[2],
                             node->in[3], node->in[4], node->in[5]};
        take_outputs(g, RG_OP_DELTA_BACK, in, 7, &node->p, din, 5);
    }
}
