/* The graph of a pre-norm decoder: embedding, layers of attention and feed-forward on a residual
 * stream, head. */
#include "model/block/block.h"
#include "model/rope.h"

rg_val rg_build_weight(rg_build *b, rg_role role, uint32_t layer) {
    const uint32_t slot = rg_model_slot(role, layer);
    const rg_tensor *w = &b->model->weights[slot];
    return w->data == NULL ? RG_VAL_NONE : rg_graph_weight(b->g, slot, w);
}

static rg_val normalize(rg_build *b, rg_role role, uint32_t layer, rg_val x) {
    return rg_rmsnorm(b->g, x, rg_build_weight(b, role, layer), b->model->h.norm_eps);
}

rg_outputs rg_model_graph(const rg_model *model, rg_graph *g, rg_purpose purpose, size_t n_tok,
                          size_t n_out) {
    rg_build b = {.model = model, .g = g, .purpose = purpose};
    const rg_val ids = rg_graph_input(g, RG_INPUT_IDS, RG_DTYPE_I32, n_tok, 0);
    const rg_val positions = rg_graph_input(g, RG_INPUT_POSITIONS, RG_DTYPE_I32, n_tok, 0);
    const rg_val out_rows = rg_graph_input(g, RG_INPUT_OUT_ROWS, RG_DTYPE_I32, n_out, 0);
    const rg_val embed = rg_build_weight(&b, RG_ROLE_EMBED, 0);
    b.rope_table = rg_rope_table(g, positions, rg_build_weight(&b, RG_ROLE_INV_FREQ, 0),
                                 rg_rope_attn_factor(&model->h.rope));

    rg_val x = rg_embed(g, ids, embed);
    for (uint32_t layer = 0; layer < model->h.n_layer; layer++) {
        const rg_val a = normalize(&b, RG_ROLE_ATTN_NORM, layer, x);
        x = rg_add(g, x, rg_block_attention(&b, layer, a));
        const rg_val f = normalize(&b, RG_ROLE_FFN_NORM, layer, x);
        x = rg_add(g, x, rg_block_swiglu(&b, layer, f));
    }

    // only the rows that are asked for go through the head
    const rg_val head = rg_build_weight(&b, RG_ROLE_OUTPUT, 0);
    rg_outputs out;
    out.hidden = normalize(&b, RG_ROLE_OUTPUT_NORM, 0, rg_select_rows(g, x, out_rows));
    out.logits = rg_linear(g, out.hidden, head == RG_VAL_NONE ? embed : head, RG_VAL_NONE);
    rg_graph_keep(g, out.hidden);
    rg_graph_keep(g, out.logits);
    return out;
}
