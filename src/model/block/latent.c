#include "model/block/block.h"

#include <math.h>

#define INNER_EPS 1e-6f // of the norms of latents, whatever the model's other norms have

// of q.k: yarn stretches it with the context
static float scale_of(const rg_hparams *h) {
    const rg_rope_params *r = &h->rope;
    const bool is_stretched = r->scaling == RG_ROPE_YARN && r->factor > 1 && r->mscale_all_dim != 0;
    const double m = is_stretched ? 0.1 * r->mscale_all_dim * log(r->factor) + 1 : 1;
    return (float)(m * m / sqrt(h->head_dim));
}

rg_op_params rg_latent_attention(const rg_hparams *h) {
    return (rg_op_params){.n_head = h->n_head,
                          .n_kv_head = 1,
                          .head_dim = h->n_latent + h->n_turning,
                          .v_dim = h->n_latent,
                          .scale = scale_of(h)};
}

static rg_val project(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_build_linear(b, layer, x, role, RG_ROLE_NONE);
}

static rg_val normalize(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_rmsnorm(b->g, x, rg_build_weight(b, role, layer), INNER_EPS);
}

static rg_val turn(rg_build *b, uint32_t layer, rg_val x, uint32_t n_head) {
    const rg_hparams *h = &b->model->h;
    if (h->is_still[layer]) {
        return x;
    }
    const rg_op_params p = {.n_head = n_head,
                            .head_dim = h->n_turning,
                            .n_rot = h->n_turning,
                            .pairs = h->rope.is_neighbor ? 1 : 0};
    return rg_rope(b->g, x, b->rope_table, &p);
}

// keys and values of every head, for passes that keep nothing
static rg_val attend_expanded(rg_build *b, uint32_t layer, rg_val q, rg_val latent,
                              rg_val turning) {
    const rg_hparams *h = &b->model->h;
    const rg_val both = project(b, layer, latent, RG_ROLE_KV_B);
    const rg_val still = rg_columns(b->g, both, h->n_head, 0, h->n_still);
    const rg_val v = rg_columns(b->g, both, h->n_head, h->n_still, h->v_head_dim);
    const rg_val k = rg_join_parts(b->g, still, turning, h->n_head, true);
    const rg_op_params p = {.n_head = h->n_head,
                            .n_kv_head = h->n_head,
                            .head_dim = h->head_dim,
                            .v_dim = h->v_head_dim,
                            .scale = scale_of(h),
                            .seq_len = b->extras.seq_len};
    return rg_attention(b->g, q, k, v, b->positions, &p);
}

// the positions that each token looks at; queries come from the same few values
static rg_val choose(rg_build *b, uint32_t layer, rg_val x, rg_val q_low, rg_val state) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {
        .n_head = h->n_index_head, .head_dim = h->index_dim, .n_top = h->n_index_top};
    // its pairs are halves, whatever those of the heads are
    rg_op_params rope = {
        .head_dim = h->index_dim, .n_rot = h->n_turning, .n_head = h->n_index_head};
    const rg_val q = rg_rope(b->g, project(b, layer, q_low, RG_ROLE_INDEX_Q), b->rope_table, &rope);
    rope.n_head = 1;
    const rg_val k = rg_layernorm(b->g, project(b, layer, x, RG_ROLE_INDEX_K),
                                  rg_build_weight(b, RG_ROLE_INDEX_NORM, layer),
                                  rg_build_weight(b, RG_ROLE_INDEX_NORM_BIAS, layer), INNER_EPS);
    const rg_val w = rg_scale(b->g, project(b, layer, x, RG_ROLE_INDEX_WEIGHTS),
                              (float)(1 / sqrt((double)h->n_index_head * h->index_dim)));
    return rg_index(b->g, q, rg_rope(b->g, k, b->rope_table, &rope), w, state, &p);
}

static rg_val attend_absorbed(rg_build *b, uint32_t layer, rg_val still, rg_val q_turning,
                              rg_val latent, rg_val turning, rg_val state, rg_val chosen) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = rg_latent_attention(h);
    const rg_val q = rg_heads(b->g, still, rg_build_weight(b, RG_ROLE_K_B, layer));
    const rg_val qkv[] = {rg_join_parts(b->g, q, q_turning, h->n_head, false),
                          rg_join(b->g, latent, turning, RG_VAL_NONE), latent};
    const rg_val mix = chosen == RG_VAL_NONE ? rg_attention(b->g, qkv[0], qkv[1], qkv[2], state, &p)
                                             : rg_attention_of(b->g, qkv, state, chosen, &p);
    return rg_heads(b->g, mix, rg_build_weight(b, RG_ROLE_V_B, layer));
}

rg_val rg_block_latent(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const bool is_training = b->purpose == RG_PURPOSE_TRAIN;
    const rg_val state =
        is_training ? RG_VAL_NONE : rg_graph_state(b->g, rg_model_state(b->model, layer));
    rg_val chosen = RG_VAL_NONE; // all positions
    rg_val q;
    if (h->n_latent_q == 0) {
        q = project(b, layer, x, RG_ROLE_ATTN_Q);
    } else {
        q = normalize(b, layer, project(b, layer, x, RG_ROLE_Q_A), RG_ROLE_Q_A_NORM);
        if (h->n_index_head != 0 && !is_training) {
            chosen = choose(b, layer, x, q, state);
        }
        q = project(b, layer, q, RG_ROLE_Q_B);
    }
    const rg_val still = rg_columns(b->g, q, h->n_head, 0, h->n_still);
    const rg_val q_turning =
        turn(b, layer, rg_columns(b->g, q, h->n_head, h->n_still, h->n_turning), h->n_head);
    const rg_val kv = project(b, layer, x, RG_ROLE_KV_A);
    const rg_val latent =
        normalize(b, layer, rg_columns(b->g, kv, 1, 0, h->n_latent), RG_ROLE_KV_A_NORM);
    const rg_val turning = turn(b, layer, rg_columns(b->g, kv, 1, h->n_latent, h->n_turning), 1);
    const rg_val mix =
        is_training
            ? attend_expanded(b, layer, rg_join_parts(b->g, still, q_turning, h->n_head, false),
                              latent, turning)
            : attend_absorbed(b, layer, still, q_turning, latent, turning, state, chosen);
    rg_build_tap(b, layer, RG_TAP_ATTN_MIX, mix);
    return project(b, layer, mix, RG_ROLE_ATTN_O);
}
