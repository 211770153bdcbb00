#include "model/block/block.h"

#include "graph/state.h"

#include <math.h>

rg_op_params rg_compressed_params(const rg_hparams *h, uint32_t layer) {
    return (rg_op_params){.n_head = h->n_head,
                          .n_kv_head = 1,
                          .head_dim = h->head_dim,
                          .v_dim = h->head_dim,
                          .scale = (float)(1 / sqrt(h->head_dim)),
                          .window = h->window,
                          .ratio = h->ratio[layer]};
}

static rg_val project(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_build_linear(b, layer, x, role, RG_ROLE_NONE);
}

static rg_val normalize(rg_build *b, uint32_t layer, rg_val x, rg_role role) {
    return rg_rmsnorm(b->g, x, rg_build_weight(b, role, layer), b->model->h.norm_eps);
}

// the last values of each head turn, or turn back
static rg_val turn(rg_build *b, rg_val table, rg_val x, uint32_t n_head, uint32_t dim,
                   bool is_inverse) {
    const rg_hparams *h = &b->model->h;
    const uint32_t n_still = dim - h->n_turning;
    const rg_op_params p = {.n_head = n_head,
                            .head_dim = h->n_turning,
                            .n_rot = h->n_turning,
                            .pairs = h->rope.is_neighbor ? 1 : 0,
                            .is_inverse = is_inverse};
    const rg_val turning =
        rg_rope(b->g, rg_columns(b->g, x, n_head, n_still, h->n_turning), table, &p);
    return rg_join_parts(b->g, rg_columns(b->g, x, n_head, 0, n_still), turning, n_head, false);
}

// of the positions of tokens
static rg_val table_of(const rg_build *b, uint32_t layer) {
    return b->model->h.ratio[layer] == 0 ? b->rope_table : b->compressed_table;
}

// rows of attention for passes that keep nothing; each turns by the first of its positions
static rg_val compressed_rows(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {
        .head_dim = h->head_dim, .ratio = h->ratio[layer], .seq_len = b->extras.seq_len};
    const rg_val in[] = {project(b, layer, x, RG_ROLE_COMPRESS_KV),
                         project(b, layer, x, RG_ROLE_COMPRESS_GATE),
                         rg_build_weight(b, RG_ROLE_COMPRESS_APE, layer)};
    const rg_val rows =
        normalize(b, layer, rg_compress_mix(b->g, in, b->positions, &p), RG_ROLE_COMPRESS_NORM);
    const rg_val table = rg_rope_table_back(
        b->g, b->positions, rg_build_weight(b, RG_ROLE_INV_FREQ_COMPRESSED, 0), p.ratio - 1);
    return turn(b, table, rows, 1, h->head_dim, false);
}

// rows of attention, or keys of the index
static void compress(rg_build *b, uint32_t layer, rg_val x, rg_val state, bool is_index) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {.head_dim = is_index ? h->index_dim : h->head_dim,
                            .n_rot = h->n_turning,
                            .ratio = h->ratio[layer],
                            .eps = h->norm_eps,
                            .is_index = is_index};
    const rg_role kv = is_index ? RG_ROLE_INDEX_COMPRESS_KV : RG_ROLE_COMPRESS_KV;
    const rg_role gate = is_index ? RG_ROLE_INDEX_COMPRESS_GATE : RG_ROLE_COMPRESS_GATE;
    const rg_role ape = is_index ? RG_ROLE_INDEX_COMPRESS_APE : RG_ROLE_COMPRESS_APE;
    const rg_role norm = is_index ? RG_ROLE_INDEX_COMPRESS_NORM : RG_ROLE_COMPRESS_NORM;
    const rg_val in[] = {project(b, layer, x, kv), project(b, layer, x, gate),
                         rg_build_weight(b, ape, layer), rg_build_weight(b, norm, layer),
                         rg_build_weight(b, RG_ROLE_INV_FREQ_COMPRESSED, 0)};
    rg_compress(b->g, in, state, &p);
}

// the compressed rows that each token looks at
static rg_val choose(rg_build *b, uint32_t layer, rg_val x, rg_val q_low, rg_val state) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params p = {.n_head = h->n_index_head,
                            .head_dim = h->index_dim,
                            .n_top = h->n_index_top,
                            .ratio = h->ratio[layer]};
    const rg_val q = turn(b, table_of(b, layer), project(b, layer, q_low, RG_ROLE_INDEX_Q),
                          h->n_index_head, h->index_dim, false);
    const rg_val w = rg_scale(b->g, project(b, layer, x, RG_ROLE_INDEX_WEIGHTS),
                              (float)(1 / sqrt((double)h->n_index_head * h->index_dim)));
    return rg_choose(b->g, q, w, state, &p);
}

rg_val rg_block_compressed(rg_build *b, uint32_t layer, rg_val x) {
    const rg_hparams *h = &b->model->h;
    const bool is_training = b->purpose == RG_PURPOSE_TRAIN;
    const rg_val table = table_of(b, layer);
    rg_op_params p = rg_compressed_params(h, layer);
    p.seq_len = b->extras.seq_len;
    const rg_val beside =
        is_training ? b->positions : rg_graph_state(b->g, rg_model_state(b->model, layer));
    const rg_val q_low = normalize(b, layer, project(b, layer, x, RG_ROLE_Q_A), RG_ROLE_Q_A_NORM);
    const rg_val heads = rg_rmsnorm(b->g, project(b, layer, q_low, RG_ROLE_Q_B),
                                    rg_build_weight(b, RG_ROLE_HEAD_UNIT, 0), h->norm_eps);
    const rg_val q = turn(b, table, heads, h->n_head, h->head_dim, false);
    const rg_val row = normalize(b, layer, project(b, layer, x, RG_ROLE_KV_A), RG_ROLE_KV_A_NORM);
    const rg_val kv = turn(b, table, row, 1, h->head_dim, false);
    rg_val rows = RG_VAL_NONE; // compressed ones: those chosen, or in training, which sees all
    if (p.ratio != 0 && is_training) {
        rows = compressed_rows(b, layer, x);
    } else if (p.ratio != 0) {
        compress(b, layer, x, beside, false);
    }
    if (p.ratio == RG_OVERLAPPING_RATIO && !is_training) {
        compress(b, layer, x, beside, true);
        rows = choose(b, layer, x, q_low, beside);
    }
    const rg_val in[] = {q, kv, rg_build_weight(b, RG_ROLE_ATTN_SINKS, layer)};
    // keys are values: turned back, a value depends on how far it is alone
    const rg_val mix = turn(b, table, rg_compressed_attention(b->g, in, beside, rows, &p),
                            h->n_head, h->head_dim, true);
    rg_build_tap(b, layer, RG_TAP_ATTN_MIX, mix);
    return project(b, layer, rg_heads(b->g, mix, rg_build_weight(b, RG_ROLE_O_A, layer)),
                   RG_ROLE_O_B);
}
