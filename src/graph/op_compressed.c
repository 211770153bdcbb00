/* Compressed attention, and experts listed by token: shapes and builders. */
#include "graph/op_shapes.h"

static bool is_state(const rg_value *v) {
    return v->kind == RG_VAL_STATE;
}

// c, s [T, n], ape [ratio, n], norm [dim], inv_freq [n_rot / 2], state; n is dim or 2 dim
bool rg_shape_compress(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const rg_value *c = input(g, node, 0);
    const rg_value *ape = input(g, node, 2);
    (void)out;
    return is_same(c, input(g, node, 1)) && is_matrix(ape) && p->ratio != 0 &&
           ape->shape[0] == p->ratio && ape->shape[1] == c->shape[1] && p->head_dim != 0 &&
           p->head_dim <= RG_COMPRESSED_DIM_MAX &&
           (c->shape[1] == p->head_dim || c->shape[1] == 2 * (size_t)p->head_dim) &&
           is_vector(input(g, node, 3), p->head_dim) && p->n_rot % 2 == 0 &&
           p->n_rot <= p->head_dim && p->n_rot <= 2 * RG_ROPE_HALF_MAX &&
           is_vector(input(g, node, 4), p->n_rot / 2) && is_state(input(g, node, 5));
}

// q [T, heads * dim], kv [T, dim], sinks [heads], state, chosen [T, n_top] -> as q
bool rg_shape_compressed_attention(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const rg_value *q = input(g, node, 0);
    set_matrix(out, q->shape[0], q->shape[1]);
    return p->n_head != 0 && p->n_head <= RG_COMPRESSED_HEADS_MAX && p->head_dim != 0 &&
           p->head_dim <= RG_COMPRESSED_DIM_MAX && p->window != 0 &&
           is_heads(q, q->shape[0], p->n_head, p->head_dim) &&
           is_heads(input(g, node, 1), q->shape[0], 1, p->head_dim) &&
           is_vector(input(g, node, 2), p->n_head) && is_state(input(g, node, 3)) &&
           (node->n_in == 4 || (p->ratio != 0 && is_choice(input(g, node, 4), q->shape[0])));
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

rg_val rg_compressed_attention(rg_graph *g, const rg_val in[3], rg_val state, rg_val chosen,
                               const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_COMPRESSED_ATTENTION,
                         (rg_val[]){in[0], in[1], in[2], state, chosen}, 5, p);
}
