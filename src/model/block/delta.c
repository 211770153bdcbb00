#include "model/block/block.h"

#include <math.h>

#define LENGTH_EPS 1e-6 // added to the sum of squares of a key head

/** What the projections give. */
typedef struct parts {
    rg_val qkv; // queries, keys, values, side by side
    rg_val z;
    rg_val b;
    rg_val a;
} parts;

static rg_val project(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_build_linear(b, layer, x, role, RG_ROLE_NONE);
}

static bool has(const rg_build *b, rg_role role, uint32_t layer) {
    return b->model->weights[rg_model_slot(role, layer)].data != NULL;
}

// joint projections have their parts key head by key head
static parts project_all(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const uint32_t n_key = h->n_delta_key;
    const uint32_t share = h->n_delta_head / n_key; // value heads of a key head
    const uint32_t k = h->delta_k_dim;
    const uint32_t v = share * h->delta_v_dim;
    parts p;
    if (has(b, RG_ROLE_DELTA_QKVZ, layer)) {
        const rg_val all = project(b, layer, x, RG_ROLE_DELTA_QKVZ);
        p.qkv = rg_join(b->g, rg_columns(b->g, all, n_key, 0, k),
                        rg_columns(b->g, all, n_key, k, k), rg_columns(b->g, all, n_key, 2 * k, v));
        p.z = rg_columns(b->g, all, n_key, 2 * k + v, v);
    } else {
        p.qkv = project(b, layer, x, RG_ROLE_DELTA_QKV);
        p.z = project(b, layer, x, RG_ROLE_DELTA_Z);
    }
    if (has(b, RG_ROLE_DELTA_BA, layer)) {
        const rg_val both = project(b, layer, x, RG_ROLE_DELTA_BA);
        p.b = rg_columns(b->g, both, n_key, 0, share);
        p.a = rg_columns(b->g, both, n_key, share, share);
    } else {
        p.b = project(b, layer, x, RG_ROLE_DELTA_B);
        p.a = project(b, layer, x, RG_ROLE_DELTA_A);
    }
    return p;
}

rg_val rg_build_unit(rg_build *b, rg_val x) {
    const double n = b->model->h.delta_k_dim;
    return rg_rmsnorm(b->g, x, rg_build_weight(b, RG_ROLE_DELTA_UNIT, 0), (float)(LENGTH_EPS / n));
}

rg_val rg_block_delta(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const uint32_t n_k = h->n_delta_key * h->delta_k_dim;
    const rg_op_params p = {.n_head = h->n_delta_head,
                            .n_kv_head = h->n_delta_key,
                            .head_dim = h->delta_k_dim,
                            .v_dim = h->delta_v_dim,
                            .is_tiled = h->tiles_heads};
    const rg_val beside = b->purpose == RG_PURPOSE_TRAIN
                              ? b->positions
                              : rg_graph_state(b->g, rg_model_state(b->model, layer));
    const parts in = project_all(b, layer, x);
    const rg_val mixed =
        rg_conv(b->g, in.qkv, rg_build_weight(b, RG_ROLE_DELTA_CONV, layer), beside);
    const rg_val q = rg_build_unit(b, rg_columns(b->g, mixed, 1, 0, n_k));
    const rg_val k = rg_build_unit(b, rg_columns(b->g, mixed, 1, n_k, n_k));
    const rg_val v = rg_columns(b->g, mixed, 1, 2 * n_k, h->n_delta_head * h->delta_v_dim);
    const rg_val decay = rg_decay(b->g, in.a, rg_build_weight(b, RG_ROLE_DELTA_DECAY, layer),
                                  rg_build_weight(b, RG_ROLE_DELTA_DT, layer), h->is_decay_log);
    const rg_val y = rg_delta(
        b->g, (rg_val[]){rg_scale(b->g, q, (float)(1 / sqrt(h->delta_k_dim))), k, v, decay, in.b},
        beside, &p);
    const rg_val norm =
        rg_rmsnorm(b->g, y, rg_build_weight(b, RG_ROLE_DELTA_NORM, layer), h->norm_eps);
    return project(b, layer, rg_swiglu(b->g, in.z, norm), RG_ROLE_DELTA_O);
}
