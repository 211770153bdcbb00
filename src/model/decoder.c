/* The graph of a pre-norm decoder: embedding, layers of attention and feed-forward on a residual
 * stream, head. */
#include "model/block/block.h"
#include "model/rope.h"

#include <stdio.h>
#include <string.h>

rg_val rg_build_weight(rg_build *b, rg_role role, uint32_t layer) {
    if (role == RG_ROLE_NONE) {
        return RG_VAL_NONE;
    }
    const uint32_t slot = rg_model_slot(role, layer);
    const rg_tensor *w = &b->model->weights[slot];
    return w->data == NULL ? RG_VAL_NONE : rg_graph_weight(b->g, slot, w);
}

// y + scaling * B (A x) of one pair
static rg_val add_lora(rg_build *b, size_t i, rg_val x, rg_val y) {
    const rg_lora *lora = &b->extras.loras[i];
    const uint32_t slot = (uint32_t)(b->model->n_weights + 2 * i);
    if (b->seed != RG_VAL_NONE) {
        x = rg_dropout(b->g, x, b->seed, b->extras.lora_drop, (uint32_t)i);
    }
    const rg_val a = rg_linear(b->g, x, rg_graph_weight(b->g, slot, &lora->a), RG_VAL_NONE);
    const rg_val low = rg_scale(b->g, a, lora->scaling);
    return rg_add(b->g, y,
                  rg_linear(b->g, low, rg_graph_weight(b->g, slot + 1, &lora->b), RG_VAL_NONE));
}

rg_val rg_build_linear(rg_build *b, uint32_t layer, rg_val x, rg_role weight, rg_role bias) {
    const uint32_t slot = rg_model_slot(weight, layer);
    rg_val y =
        rg_linear(b->g, x, rg_build_weight(b, weight, layer), rg_build_weight(b, bias, layer));
    for (size_t i = 0; i < b->extras.n_loras; i++) {
        if (b->extras.loras[i].slot == slot) {
            y = add_lora(b, i, x, y);
        }
    }
    return y;
}

bool rg_weight_is_split(const char *pattern) {
    return strstr(pattern, "%e") != NULL;
}

void rg_weight_name(const char *pattern, uint32_t layer, uint32_t expert,
                    char out[RG_WEIGHT_NAME_MAX]) {
    size_t n = 0;
    for (const char *p = pattern; *p != '\0' && n + 1 < RG_WEIGHT_NAME_MAX;) {
        if (p[0] == '%' && (p[1] == 'u' || p[1] == 'e')) {
            n += (size_t)snprintf(out + n, RG_WEIGHT_NAME_MAX - n, "%u",
                                  p[1] == 'u' ? layer : expert);
            n = n < RG_WEIGHT_NAME_MAX ? n : RG_WEIGHT_NAME_MAX - 1;
            p += 2;
        } else {
            out[n++] = *p++;
        }
    }
    out[n] = '\0';
}

bool rg_weight_name_of_part(rg_part part, char name[RG_WEIGHT_NAME_MAX]) {
    static const char whole[] = "model.";
    static const char inner[] = "language_model.";
    const bool is_inside = part == RG_PART_INSIDE;
    if (part == RG_PART_BARE) {
        const bool has_whole = strncmp(name, whole, strlen(whole)) == 0;
        if (has_whole) {
            memmove(name, name + strlen(whole), strlen(name + strlen(whole)) + 1);
        }
        return has_whole;
    }
    const size_t at = is_inside ? strlen(whole) : 0;
    if (part == RG_PART_ALL || (is_inside && strncmp(name, whole, at) != 0) ||
        strlen(name) + strlen(inner) >= RG_WEIGHT_NAME_MAX) {
        return false;
    }
    memmove(name + at + strlen(inner), name + at, strlen(name + at) + 1);
    memcpy(name + at, inner, strlen(inner));
    return true;
}

bool rg_model_is_from_one(const rg_model *model, uint32_t slot) {
    switch (rg_model_role(slot)) {
    case RG_ROLE_OUTPUT_NORM:
    case RG_ROLE_ATTN_NORM:
    case RG_ROLE_ATTN_Q_NORM:
    case RG_ROLE_ATTN_K_NORM:
    case RG_ROLE_FFN_NORM:
    case RG_ROLE_MTP_EMBED_NORM:
    case RG_ROLE_MTP_HIDDEN_NORM:
    case RG_ROLE_MTP_NORM:
        return model->arch->norms_from_one;
    default:
        return false;
    }
}

// the pattern of a slot's name in a checkpoint, and its layer; NULL: it has none
static const char *hf_pattern(const rg_model *model, uint32_t slot, uint32_t *layer) {
    *layer = slot >= RG_ROLE_FIRST_LAYER ? (slot - RG_ROLE_FIRST_LAYER) / RG_LAYER_ROLES : 0;
    for (size_t i = 0; i < model->arch->n_weights; i++) {
        const rg_weight_rule *rule = &model->arch->weights[i];
        if (rule->hf != NULL && rg_model_slot(rule->role, *layer) == slot) {
            return rule->hf;
        }
    }
    return NULL;
}

uint32_t rg_model_weight_parts(const rg_model *model, uint32_t slot) {
    uint32_t layer = 0;
    const char *pattern = hf_pattern(model, slot, &layer);
    return pattern == NULL ? 0 : rg_weight_is_split(pattern) ? model->h.n_expert : 1;
}

bool rg_model_weight_name(const rg_model *model, uint32_t slot, uint32_t part,
                          char out[RG_WEIGHT_NAME_MAX]) {
    uint32_t layer = 0;
    const char *pattern = hf_pattern(model, slot, &layer);
    if (pattern == NULL) {
        return false;
    }
    rg_weight_name(pattern, layer, part, out);
    (void)rg_weight_name_of_part(model->part, out); // some heads are outside
    return true;
}

rg_status rg_model_table(const rg_model *model, const rg_graph_extras *extras, rg_tensor **out,
                         rg_error *err) {
    const size_t n_before = model->n_weights + 2 * extras->n_loras;
    const size_t n_steers = extras->steers == NULL ? 0 : model->h.n_layer;
    rg_tensor *table = rg_new_array(model->mem, n_before + n_steers, sizeof *table);
    if (table == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a table of weights");
    }
    memcpy(table, model->weights, model->n_weights * sizeof *table);
    for (size_t i = 0; i < extras->n_loras; i++) {
        table[model->n_weights + 2 * i] = extras->loras[i].a;
        table[model->n_weights + 2 * i + 1] = extras->loras[i].b;
    }
    for (size_t i = 0; i < n_steers; i++) {
        table[n_before + i] = extras->steers[i];
    }
    *out = table;
    return RG_OK;
}

rg_val rg_build_norm(rg_build *b, rg_role role, uint32_t layer, rg_val x) {
    return rg_rmsnorm(b->g, x, rg_build_weight(b, role, layer), b->model->h.norm_eps);
}

void rg_build_tap(rg_build *b, uint32_t layer, rg_tap tap, rg_val v) {
    if (b->extras.taps != NULL) {
        const unsigned set = b->extras.tap_set == 0 ? RG_TAPS_SHOWN : b->extras.tap_set;
        const bool is_kept = (set & RG_TAP_BIT(tap)) != 0;
        if (is_kept) {
            rg_graph_keep(b->g, v);
        }
        b->extras.taps[(size_t)layer * RG_TAPS + tap] = is_kept ? v : RG_VAL_NONE;
    }
}

// what is left for the rest of the model; of several streams as the head would see them
static void tap_residual(rg_build *b, uint32_t layer, rg_val x) {
    const unsigned set = b->extras.tap_set == 0 ? RG_TAPS_SHOWN : b->extras.tap_set;
    if (b->extras.taps != NULL && (set & RG_TAP_BIT(RG_TAP_RESIDUAL)) != 0) {
        rg_build_tap(b, layer, RG_TAP_RESIDUAL, rg_build_streams_head(b, x));
    }
}

static rg_val add_steer(rg_build *b, uint32_t layer, rg_val x) {
    if (b->extras.steers == NULL || b->extras.steers[layer].data == NULL) {
        return x;
    }
    if (b->model->h.n_stream != 0) {
        rg_fail(&b->g->error, RG_E_UNSUPPORTED,
                "models of several residual streams cannot be steered");
        return RG_VAL_NONE;
    }
    const size_t slot = b->model->n_weights + 2 * b->extras.n_loras + layer;
    return rg_add(b->g, x, rg_graph_weight(b->g, (uint32_t)slot, &b->extras.steers[layer]));
}

// rows: those that have logits; RG_VAL_NONE: all
static rg_outputs add_head(rg_build *b, rg_val embed, rg_val x, rg_val rows) {
    rg_outputs out;
    const rg_val head = rg_build_weight(b, RG_ROLE_OUTPUT, 0);
    out.hidden = rg_build_norm(b, RG_ROLE_OUTPUT_NORM, 0, x);
    out.logits =
        rg_linear(b->g, rows == RG_VAL_NONE ? out.hidden : rg_select_rows(b->g, out.hidden, rows),
                  head == RG_VAL_NONE ? embed : head, RG_VAL_NONE);
    rg_graph_keep(b->g, out.hidden);
    rg_graph_keep(b->g, out.logits);
    return out;
}

rg_outputs rg_model_head_graph(const rg_model *model, rg_graph *g, size_t n_rows) {
    rg_build b = {.model = model, .g = g, .seed = RG_VAL_NONE};
    return add_head(&b, rg_build_weight(&b, RG_ROLE_EMBED, 0),
                    rg_graph_input(g, 0, RG_DTYPE_F32, n_rows, model->h.n_embd), RG_VAL_NONE);
}

rg_val rg_build_mix(rg_build *b, uint32_t layer, rg_val x) {
    const rg_model *m = b->model;
    if (m->h.is_recurrent[layer]) {
        const bool is_kda = m->weights[rg_model_slot(RG_ROLE_KDA_Q, layer)].data != NULL;
        return is_kda ? rg_block_kda(b, layer, x) : rg_block_delta(b, layer, x);
    }
    if (m->arch->compresses) {
        return rg_block_compressed(b, layer, x);
    }
    return m->h.n_latent != 0 ? rg_block_latent(b, layer, x) : rg_block_attention(b, layer, x);
}

// the embedding, in which tokens of pictures have what their tower gave
static rg_val embed_all(rg_build *b, rg_val ids, rg_val embed, rg_val pictures, size_t n_tok) {
    const rg_val x = rg_embed(b->g, ids, embed);
    if (pictures == RG_VAL_NONE) {
        return x;
    }
    const rg_val words = rg_graph_input(b->g, RG_INPUT_WORDS, RG_DTYPE_F32, n_tok, 1);
    return rg_add(b->g, rg_scale_rows(b->g, x, words),
                  rg_columns(b->g, pictures, 1, 0, b->model->h.n_embd));
}

static rg_val rope_table(rg_build *b, rg_val pictures, size_t n_tok) {
    const rg_rope_params *r = &b->model->h.rope;
    const rg_val freqs = rg_build_weight(b, RG_ROLE_INV_FREQ, 0);
    if (pictures == RG_VAL_NONE) {
        return rg_rope_table(b->g, b->positions, freqs, rg_rope_attn_factor(r));
    }
    const rg_val axes = rg_graph_input(b->g, RG_INPUT_AXES, RG_DTYPE_I32, n_tok, 3);
    return rg_rope_axes_table(b->g, axes, freqs, rg_rope_attn_factor(r), r->sections,
                              r->is_interleaved);
}

rg_val rg_build_layer(rg_build *b, uint32_t layer, rg_val x, rg_val beside) {
    rg_val w; // how streams are mixed, where there are several
    const rg_val to_attn = rg_build_streams_in(b, layer, x, RG_ROLE_HYPER_ATTN_FN, &w);
    const rg_val a = rg_build_norm(b, RG_ROLE_ATTN_NORM, layer, to_attn);
    const rg_val attn = rg_build_mix(b, layer, a);
    x = rg_build_streams_out(b, x, attn, w);
    const rg_val to_ffn = rg_build_streams_in(b, layer, x, RG_ROLE_HYPER_FFN_FN, &w);
    const rg_val f = rg_build_norm(b, RG_ROLE_FFN_NORM, layer, to_ffn);
    const rg_val ffn =
        b->model->h.is_sparse[layer] ? rg_block_experts(b, layer, f) : rg_block_swiglu(b, layer, f);
    x = add_steer(b, layer, rg_build_streams_out(b, x, ffn, w));
    x = beside == RG_VAL_NONE ? x : rg_add(b->g, x, beside);
    rg_build_tap(b, layer, RG_TAP_ATTN_IN, a);
    rg_build_tap(b, layer, RG_TAP_FFN_IN, f);
    rg_build_tap(b, layer, RG_TAP_ATTN, attn);
    rg_build_tap(b, layer, RG_TAP_FFN, ffn);
    tap_residual(b, layer, x);
    return x;
}

rg_outputs rg_model_graph(const rg_model *model, rg_graph *g, rg_purpose purpose,
                          const rg_graph_extras *extras, size_t n_tok, size_t n_out) {
    rg_build b = {.model = model, .g = g, .seed = RG_VAL_NONE, .purpose = purpose};
    if (extras != NULL) {
        b.extras = *extras;
    }
    for (size_t i = 0; b.extras.taps != NULL && i < (size_t)model->h.n_layer * RG_TAPS; i++) {
        b.extras.taps[i] = RG_VAL_NONE; // of what this model does not have
    }
    if (b.extras.lora_drop > 0) {
        b.seed = rg_graph_input(g, RG_INPUT_SEED, RG_DTYPE_I32, 2, 0);
    }
    const rg_val ids = rg_graph_input(g, RG_INPUT_IDS, RG_DTYPE_I32, n_tok, 0);
    const rg_val positions = rg_graph_input(g, RG_INPUT_POSITIONS, RG_DTYPE_I32, n_tok, 0);
    b.positions = positions;
    const rg_val out_rows = rg_graph_input(g, RG_INPUT_OUT_ROWS, RG_DTYPE_I32, n_out, 0);
    const rg_val embed = rg_build_weight(&b, RG_ROLE_EMBED, 0);
    const uint32_t levels = b.extras.picture_levels;
    const uint32_t n_embd = model->h.n_embd;
    const rg_val pictures =
        levels == 0 ? RG_VAL_NONE
                    : rg_graph_input(g, RG_INPUT_PICTURES, RG_DTYPE_F32, n_tok, levels * n_embd);
    b.rope_table = rope_table(&b, pictures, n_tok);
    b.ids = ids;
    const rg_val compressed_freq = rg_build_weight(&b, RG_ROLE_INV_FREQ_COMPRESSED, 0);
    b.compressed_table = compressed_freq == RG_VAL_NONE
                             ? RG_VAL_NONE
                             : rg_rope_table(g, positions, compressed_freq,
                                             rg_rope_attn_factor(&model->h.rope_compressed));
    b.temperature = model->h.temper_scale > 0
                        ? rg_temperature(g, positions, model->h.temper_scale, model->h.temper_every)
                        : RG_VAL_NONE;

    rg_val x = rg_build_streams(&b, embed_all(&b, ids, embed, pictures, n_tok));
    for (uint32_t layer = 0; layer < model->h.n_layer; layer++) {
        rg_graph_mark(g);
        const rg_val beside = layer + 1 < levels
                                  ? rg_columns(g, pictures, 1, (layer + 1) * n_embd, n_embd)
                                  : RG_VAL_NONE;
        x = rg_build_layer(&b, layer, x, beside);
    }

    rg_graph_mark(g);

    // only the rows that are asked for go through the head
    return b.extras.keeps_hidden
               ? add_head(&b, embed, rg_build_streams_head(&b, x), out_rows)
               : add_head(&b, embed, rg_build_streams_head(&b, rg_select_rows(g, x, out_rows)),
                          RG_VAL_NONE);
}
