/* Compressed attention, and experts listed by token: shapes, builders, backward rules. */
#include "graph/op_shapes.h"

#include <string.h>

static bool is_state(const rg_value *v) {
    return v->kind == RG_VAL_STATE;
}

// c, s [T, n], ape [ratio, n]; n is dim or, where rows overlap, 2 dim
static bool are_features(const rg_value *c, const rg_value *s, const rg_value *ape,
                         const rg_op_params *p) {
    const size_t n_slots = c->shape[1] == p->head_dim ? p->ratio : 2 * (size_t)p->ratio;
    return is_same(c, s) && is_matrix(ape) && p->ratio != 0 && n_slots <= RG_SLOTS_MAX &&
           ape->shape[0] == p->ratio && ape->shape[1] == c->shape[1] && p->head_dim != 0 &&
           p->head_dim <= RG_COMPRESSED_DIM_MAX &&
           (c->shape[1] == p->head_dim || c->shape[1] == 2 * (size_t)p->head_dim);
}

static bool are_positions(const rg_value *v, size_t n_tok, size_t seq_len) {
    return is_ids(v) && v->shape[0] == n_tok && (seq_len == 0 || n_tok % seq_len == 0);
}

// the features, norm [dim], inv_freq [n_rot / 2], state
bool rg_shape_compress(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    (void)out;
    return are_features(input(g, node, 0), input(g, node, 1), input(g, node, 2), p) &&
           is_vector(input(g, node, 3), p->head_dim) && p->n_rot % 2 == 0 &&
           p->n_rot <= p->head_dim && p->n_rot <= 2 * RG_ROPE_HALF_MAX &&
           is_vector(input(g, node, 4), p->n_rot / 2) && is_state(input(g, node, 5));
}

// the features, positions [T] -> [T, dim]
bool rg_shape_compress_mix(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *c = input(g, node, 0);
    set_matrix(out, c->shape[0], node->p.head_dim);
    return are_features(c, input(g, node, 1), input(g, node, 2), &node->p) &&
           are_positions(input(g, node, 3), c->shape[0], node->p.seq_len);
}

// dout [T, dim], the features, positions -> gradients of c, s, ape
bool rg_shape_compress_mix_back(rg_graph *g, const rg_node *node, rg_value *out) {
    for (size_t i = 0; i < 3; i++) {
        const rg_value *of = input(g, node, i + 1);
        set_matrix(&out[i], of->shape[0], of->shape[1]);
    }
    return is_matrix(input(g, node, 0)) && is_ids(input(g, node, 4));
}

// state, chosen [T, n_top]; or positions [T], rows [T, dim]
static bool are_beside(rg_graph *g, const rg_node *node, size_t n_tok) {
    const rg_op_params *p = &node->p;
    const rg_value *beside = input(g, node, 3);
    const rg_value *last = node->n_in == 5 ? input(g, node, 4) : NULL;
    if (is_state(beside)) {
        return last == NULL || (p->ratio != 0 && is_choice(last, n_tok));
    }
    return are_positions(beside, n_tok, p->seq_len) && (last == NULL) == (p->ratio == 0) &&
           (last == NULL || is_heads(last, n_tok, 1, p->head_dim));
}

// q [T, heads * dim], kv [T, dim], sinks [heads], beside -> as q
bool rg_shape_compressed_attention(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const rg_value *q = input(g, node, 0);
    set_matrix(out, q->shape[0], q->shape[1]);
    return p->n_head != 0 && p->n_head <= RG_COMPRESSED_HEADS_MAX && p->head_dim != 0 &&
           p->head_dim <= RG_COMPRESSED_DIM_MAX && p->window != 0 &&
           is_heads(q, q->shape[0], p->n_head, p->head_dim) &&
           is_heads(input(g, node, 1), q->shape[0], 1, p->head_dim) &&
           is_vector(input(g, node, 2), p->n_head) && are_beside(g, node, q->shape[0]);
}

// dout, q, kv, sinks, positions, rows -> gradients of q, kv, the sinks at each token, rows
bool rg_shape_compressed_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *q = input(g, node, 1);
    const rg_value *kv = input(g, node, 2);
    set_matrix(&out[0], q->shape[0], q->shape[1]);
    set_matrix(&out[1], kv->shape[0], kv->shape[1]);
    set_matrix(&out[2], q->shape[0], node->p.n_head);
    set_matrix(&out[3], kv->shape[0], kv->shape[1]);
    return is_same(input(g, node, 0), q) && is_ids(input(g, node, 4));
}

// logits [T, E], table [V, n_top], ids [T] -> weights [T, n_top], chosen [T, n_top]
bool rg_shape_route_listed(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *logits = input(g, node, 0);
    const rg_value *table = input(g, node, 1);
    const rg_value *ids = input(g, node, 2);
    set_matrix(&out[0], logits->shape[0], node->p.n_top);
    out[1] = out[0];
    out[1].dtype = RG_DTYPE_I32;
    return is_matrix(logits) && logits->shape[1] <= RG_EXPERTS_MAX && node->p.n_top != 0 &&
           table->dtype == RG_DTYPE_I32 && table->n_dims == 2 && table->shape[1] == node->p.n_top &&
           is_ids(ids) && ids->shape[0] == logits->shape[0];
}

void rg_compress(rg_graph *g, const rg_val in[5], rg_val state, const rg_op_params *p) {
    (void)rg_graph_node(g, RG_OP_COMPRESS, (rg_val[]){in[0], in[1], in[2], in[3], in[4], state}, 6,
                        p);
}

rg_val rg_choose(rg_graph *g, rg_val q, rg_val w, rg_val state, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_CHOOSE, (rg_val[]){q, w, state}, 3, p);
}

rg_val rg_compress_mix(rg_graph *g, const rg_val in[3], rg_val positions, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_COMPRESS_MIX, (rg_val[]){in[0], in[1], in[2], positions}, 4, p);
}

rg_val rg_compressed_attention(rg_graph *g, const rg_val in[3], rg_val beside, rg_val rows,
                               const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_COMPRESSED_ATTENTION,
                         (rg_val[]){in[0], in[1], in[2], beside, rows}, 5, p);
}

// ---- backward rules ----

void rg_back_compress_mix(rg_graph *g, const rg_node *node, const rg_val *dout, const bool *wanted,
                          rg_val *din) {
    const rg_val in[] = {dout[0], node->in[0], node->in[1], node->in[2], node->in[3]};
    (void)wanted;
    if (rg_graph_node(g, RG_OP_COMPRESS_MIX_BACK, in, 5, &node->p) != RG_VAL_NONE) {
        memcpy(din, g->nodes[g->n_nodes - 1].out, 3 * sizeof *din);
    }
}

void rg_back_compressed_attention(rg_graph *g, const rg_node *node, const rg_val *dout,
                                  const bool *wanted, rg_val *din) {
    rg_val in[RG_NODE_IN_MAX] = {dout[0]};
    if (is_state(input(g, node, 3))) {
        rg_fail(&g->error, RG_E_UNSUPPORTED,
                "compressed attention with a state has no backward rule");
        return;
    }
    memcpy(in + 1, node->in, node->n_in * sizeof *in);
    if (rg_graph_node(g, RG_OP_COMPRESSED_ATTENTION_BACK, in, node->n_in + 1U, &node->p) ==
        RG_VAL_NONE) {
        return;
    }
    const rg_node made = g->nodes[g->n_nodes - 1]; // a copy: the array may move
    din[0] = made.out[0];
    din[1] = made.out[1];
    din[2] = wanted[2] ? rg_graph_node(g, RG_OP_COLUMN_SUM, &made.out[2], 1, NULL) : RG_VAL_NONE;
    din[4] = node->n_in == 5 ? made.out[3] : RG_VAL_NONE;
}
