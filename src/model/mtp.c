/* The graph of a head that predicts a token further: one decoder layer on what the model knows of a
 * position and the token that follows it. */
#include "model/block/block.h"
#include "model/rope.h"

static rg_val either(rg_build *b, rg_role role, rg_role otherwise) {
    const rg_val own = rg_build_weight(b, role, 0);
    return own == RG_VAL_NONE ? rg_build_weight(b, otherwise, 0) : own;
}

rg_outputs rg_model_mtp_graph(const rg_model *model, rg_graph *g, size_t n_tok, bool wants_logits) {
    const rg_hparams *h = &model->h;
    const uint32_t layer = h->n_layer;
    rg_build b = {.model = model,
                  .g = g,
                  .seed = RG_VAL_NONE,
                  .temperature = RG_VAL_NONE,
                  .purpose = n_tok == 1 ? RG_PURPOSE_DECODE : RG_PURPOSE_PREFILL};
    rg_outputs out = {RG_VAL_NONE, RG_VAL_NONE};
    const rg_val ids = rg_graph_input(g, RG_INPUT_IDS, RG_DTYPE_I32, n_tok, 0);
    const rg_val before = rg_graph_input(g, RG_INPUT_HIDDEN, RG_DTYPE_F32, n_tok, h->n_embd);
    b.positions = rg_graph_input(g, RG_INPUT_POSITIONS, RG_DTYPE_I32, n_tok, 0);
    b.rope_table = rg_rope_table(g, b.positions, rg_build_weight(&b, RG_ROLE_INV_FREQ, 0),
                                 rg_rope_attn_factor(&h->rope));

    const rg_val token = rg_embed(g, ids, either(&b, RG_ROLE_MTP_EMBED, RG_ROLE_EMBED));
    const rg_val both = rg_join(g, rg_build_norm(&b, RG_ROLE_MTP_EMBED_NORM, 0, token),
                                rg_build_norm(&b, RG_ROLE_MTP_HIDDEN_NORM, 0, before), RG_VAL_NONE);
    const rg_val x = rg_linear(g, both, rg_build_weight(&b, RG_ROLE_MTP_PROJ, 0), RG_VAL_NONE);
    if (!wants_logits) {
        (void)rg_build_mix(&b, layer, rg_build_norm(&b, RG_ROLE_ATTN_NORM, layer, x));
        return out;
    }
    const rg_val row = rg_graph_input(g, RG_INPUT_OUT_ROWS, RG_DTYPE_I32, 1, 0);
    const rg_val y = rg_select_rows(g, rg_build_layer(&b, layer, x, RG_VAL_NONE), row);
    const rg_val head = either(&b, RG_ROLE_MTP_OUTPUT, RG_ROLE_OUTPUT);
    out.hidden = rg_rmsnorm(g, y, either(&b, RG_ROLE_MTP_NORM, RG_ROLE_OUTPUT_NORM), h->norm_eps);
    out.logits =
        rg_linear(g, out.hidden, head == RG_VAL_NONE ? rg_build_weight(&b, RG_ROLE_EMBED, 0) : head,
                  RG_VAL_NONE);
    rg_graph_keep(g, out.hidden);
    rg_graph_keep(g, out.logits);
    return out;
}
