#include "model/block/block.h"

#include <math.h>

static rg_val normalize_heads(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    const rg_val w = rg_build_weight(b, role, layer);
    return w == RG_VAL_NONE ? x : rg_rmsnorm(b->g, x, w, b->model->h.norm_eps);
}

static rg_val turn(rg_build *b, uint32_t layer, rg_val x, uint32_t n_head) {
    const rg_hparams *h = &b->model->h;
    if (h->is_still[layer]) {
        return x;
    }
    const rg_op_params p = {.n_head = n_head,
                            .head_dim = h->head_dim,
                            .n_rot = h->rope.n_rot,
                            .pairs = h->rope.is_neighbor ? 1 : 0};
    const rg_val turned = rg_rope(b->g, x, b->rope_table, &p);
    return h->norms_turned
               ? rg_rmsnorm(b->g, turned, rg_build_weight(b, RG_ROLE_HEAD_UNIT, 0), h->norm_eps)
               : turned;
}

uint32_t rg_model_state(const rg_model *model, uint32_t layer) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < layer; i++) {
        n += model->h.is_recurrent[i] == model->h.is_recurrent[layer];
    }
    return n;
}

rg_op_params rg_model_attention(const rg_model *model, uint32_t layer) {
    const rg_hparams *h = &model->h;
    if (h->n_latent != 0) {
        return rg_latent_attention(h);
    }
    if (model->arch->compresses) {
        return rg_compressed_params(h, layer);
    }
    return (rg_op_params){.n_head = h->n_head,
                          .n_kv_head = h->n_kv_head,
                          .head_dim = h->head_dim,
                          .v_dim = h->head_dim,
                          .scale = (float)(1 / sqrt(h->head_dim)),
                          .window = h->slides[layer] ? h->window : 0,
                          .chunk = h->is_still[layer] ? 0 : h->chunk};
}

rg_val rg_block_attention(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    rg_val q = rg_build_linear(b, layer, x, RG_ROLE_ATTN_Q, RG_ROLE_ATTN_Q_BIAS);
    rg_val gate = RG_VAL_NONE; // beside the queries of each head
    if (h->gates_attention) {
        gate = rg_columns(b->g, q, h->n_head, h->head_dim, h->head_dim);
        q = rg_columns(b->g, q, h->n_head, 0, h->head_dim);
    }
    rg_val k = rg_build_linear(b, layer, x, RG_ROLE_ATTN_K, RG_ROLE_ATTN_K_BIAS);
    const rg_val v = rg_build_linear(b, layer, x, RG_ROLE_ATTN_V, RG_ROLE_ATTN_V_BIAS);
    q = turn(b, layer, normalize_heads(b, layer, q, RG_ROLE_ATTN_Q_NORM), h->n_head);
    k = turn(b, layer, normalize_heads(b, layer, k, RG_ROLE_ATTN_K_NORM), h->n_kv_head);
    if (h->is_still[layer] && b->temperature != RG_VAL_NONE) {
        q = rg_scale_rows(b->g, q, b->temperature);
    }
    rg_build_tap(b, layer, RG_TAP_Q, q);
    rg_build_tap(b, layer, RG_TAP_K, k);

    rg_op_params p = rg_model_attention(b->model, layer);
    p.seq_len = b->extras.seq_len;
    const rg_val state = b->purpose == RG_PURPOSE_TRAIN
                             ? b->positions
                             : rg_graph_state(b->g, rg_model_state(b->model, layer));
    rg_val mix = rg_attention(b->g, q, k, v, state, &p);
    if (gate != RG_VAL_NONE) {
        mix = rg_gate(b->g, mix, gate);
    }
    rg_build_tap(b, layer, RG_TAP_ATTN_MIX, mix);
    return rg_build_linear(b, layer, mix, RG_ROLE_ATTN_O, RG_ROLE_ATTN_O_BIAS);
}
