#include "model/block/block.h"

rg_val rg_build_streams(rg_build *b, rg_val x) {
    if (b->model->h.n_stream == 0) {
        return x;
    }
    const rg_val two = rg_join(b->g, x, x, RG_VAL_NONE);
    return rg_join(b->g, two, two, RG_VAL_NONE);
}

// the weights of a mix, from all streams together; its parameters are three roles in a row
static rg_val weights_of(rg_build *b, uint32_t layer, rg_val x, rg_role fn) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {.eps = h->stream_eps, .n_iter = h->n_sinkhorn};
    const rg_val norm =
        rg_rmsnorm(b->g, x, rg_build_weight(b, RG_ROLE_STREAMS_UNIT, 0), h->norm_eps);
    return rg_hyper(b->g, rg_build_linear(b, layer, norm, fn, RG_ROLE_NONE),
                    rg_build_weight(b, fn + 1, layer), rg_build_weight(b, fn + 2, layer), &p);
}

rg_val rg_build_streams_in(rg_build *b, uint32_t layer, rg_val x, rg_role fn, rg_val *weights) {
    *weights = RG_VAL_NONE;
    if (b->model->h.n_stream == 0) {
        return x;
    }
    *weights = weights_of(b, layer, x, fn);
    return rg_hyper_in(b->g, x, *weights);
}

rg_val rg_build_streams_out(rg_build *b, rg_val x, rg_val y, rg_val weights) {
    return b->model->h.n_stream == 0 ? rg_add(b->g, x, y) : rg_hyper_out(b->g, x, y, weights);
}

rg_val rg_build_streams_head(rg_build *b, rg_val x) {
    rg_val weights;
    return rg_build_streams_in(b, 0, x, RG_ROLE_HYPER_HEAD_FN, &weights);
}
