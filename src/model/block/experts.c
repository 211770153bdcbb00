#include "model/block/block.h"

// the expert of all tokens, as much as its router says where it has one
static rg_val add_shared(rg_build *b, uint32_t layer, rg_val x, rg_val y) {
    const rg_val gate = rg_build_linear(b, layer, x, RG_ROLE_SHARED_GATE, RG_ROLE_NONE);
    const rg_val up = rg_build_linear(b, layer, x, RG_ROLE_SHARED_UP, RG_ROLE_NONE);
    const rg_val shared =
        rg_build_linear(b, layer, rg_build_swiglu(b, gate, up, b->model->h.swiglu_limit_shared),
                        RG_ROLE_SHARED_DOWN, RG_ROLE_NONE);
    if (b->model->weights[rg_model_slot(RG_ROLE_SHARED_ROUTER, layer)].data == NULL) {
        return rg_add(b->g, y, shared);
    }
    const rg_val share = rg_build_linear(b, layer, x, RG_ROLE_SHARED_ROUTER, RG_ROLE_NONE);
    return rg_add(b->g, y, rg_gate(b->g, shared, share));
}

static rg_router_score score_of(const rg_hparams *h) {
    switch (h->router_kind) {
    case 2:
        return RG_ROUTER_SIGMOID;
    case 4:
        return RG_ROUTER_SQRT_SOFTPLUS;
    default:
        return RG_ROUTER_SOFTMAX;
    }
}

// which experts each token goes to: by its router, or as a table says
static rg_routing route(rg_build *b, uint32_t layer, rg_val logits, const rg_op_params *p) {
    const rg_val table = rg_build_weight(b, RG_ROLE_ROUTER_TABLE, layer);
    return table == RG_VAL_NONE
               ? rg_route(b->g, logits, rg_build_weight(b, RG_ROLE_ROUTER_BIAS, layer), p)
               : rg_route_listed(b->g, logits, table, b->ids, p);
}

rg_val rg_block_experts(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {.n_top = h->n_expert_used,
                            .scale = h->expert_scale,
                            .score = score_of(h),
                            .n_group = h->n_group,
                            .n_group_used = h->n_group_used,
                            .is_group_by_two = h->router_kind == 2,
                            .is_renormed = h->renorms_experts};
    const rg_val logits = rg_build_linear(b, layer, x, RG_ROLE_ROUTER, RG_ROLE_NONE);
    const rg_routing r = route(b, layer, logits, &p);
    const rg_val seen = h->weighs_inputs ? rg_scale_rows(b->g, x, r.weights) : x;
    const rg_val rows = rg_select_rows(b->g, seen, r.tokens);
    const rg_val gate =
        rg_experts(b->g, rows, rg_build_weight(b, RG_ROLE_EXPERT_GATE, layer), r.starts);
    const rg_val up =
        rg_experts(b->g, rows, rg_build_weight(b, RG_ROLE_EXPERT_UP, layer), r.starts);
    const rg_val mix = rg_build_swiglu(b, gate, up, h->swiglu_limit);
    const rg_val down =
        rg_experts(b->g, mix, rg_build_weight(b, RG_ROLE_EXPERT_DOWN, layer), r.starts);
    const rg_val y =
        h->weighs_inputs ? rg_select_rows(b->g, down, r.places) : rg_combine(b->g, down, &r);
    return h->n_ff_shared == 0 ? y : add_shared(b, layer, x, y);
}
