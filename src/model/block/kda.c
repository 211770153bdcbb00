#include "model/block/block.h"

#include <math.h>

static rg_val project(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_build_linear(b, layer, x, role, RG_ROLE_NONE);
}

rg_val rg_block_kda(rg_build *b, uint32_t layer, rg_val x) {
    static const rg_role projections[] = {RG_ROLE_KDA_Q, RG_ROLE_KDA_K, RG_ROLE_KDA_V};
    static const rg_role convolutions[] = {RG_ROLE_DELTA_CONV, RG_ROLE_KDA_CONV_K,
                                           RG_ROLE_KDA_CONV_V};
    const rg_hparams *h = &b->model->h;
    const uint32_t n = h->n_delta_head * h->delta_k_dim;
    const rg_op_params p = {.n_head = h->n_delta_head,
                            .n_kv_head = h->n_delta_head,
                            .head_dim = h->delta_k_dim,
                            .v_dim = h->delta_v_dim};
    const rg_val beside = b->purpose == RG_PURPOSE_TRAIN
                              ? b->positions
                              : rg_graph_state(b->g, rg_model_state(b->model, layer));
    rg_val qkv[3];
    for (uint32_t i = 0; i < 3; i++) {
        qkv[i] = rg_conv_part(b->g, project(b, layer, x, projections[i]),
                              rg_build_weight(b, convolutions[i], layer), beside, i * n, 3 * n);
    }
    const rg_val q = rg_scale(b->g, rg_build_unit(b, qkv[0]), (float)(1 / sqrt(h->delta_k_dim)));
    const rg_val k = rg_build_unit(b, qkv[1]);
    const rg_val f = project(b, layer, project(b, layer, x, RG_ROLE_KDA_F_A), RG_ROLE_KDA_F_B);
    const rg_val decay = rg_decay(b->g, f, rg_build_weight(b, RG_ROLE_DELTA_DECAY, layer),
                                  rg_build_weight(b, RG_ROLE_DELTA_DT, layer), h->is_decay_log);
    const rg_val beta = project(b, layer, x, RG_ROLE_DELTA_B);
    const rg_val y = rg_delta(b->g, (rg_val[]){q, k, qkv[2], decay, beta}, beside, &p);
    const rg_val norm =
        rg_rmsnorm(b->g, y, rg_build_weight(b, RG_ROLE_DELTA_NORM, layer), h->norm_eps);
    const rg_val gate = project(b, layer, project(b, layer, x, RG_ROLE_KDA_G_A), RG_ROLE_KDA_G_B);
    return project(b, layer, rg_gate(b->g, norm, gate), RG_ROLE_DELTA_O);
}
