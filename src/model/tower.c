#include "model/tower.h"

#include "model/block/block.h"
#include "model/load_internal.h"
#include "model/settings.h"

#include <math.h>

// ---- numbers ----

// layers by a list of the settings, ascending; the most that fit
static rg_status read_layers(const rg_source *source, const char *key, uint32_t n_layer,
                             uint32_t most, uint32_t *out, uint32_t *n, rg_error *err) {
    const rg_json *list =
        rg_json_find(rg_json_find(rg_source_whole_config(source), "vision_config"), key);
    *n = 0;
    if (list == NULL || list->kind != RG_JSON_ARRAY) {
        return RG_OK;
    }
    for (size_t i = 0; i < list->n; i++) {
        int64_t layer = -1;
        if (i >= most || !rg_json_i64(rg_json_at(list, i), &layer) || layer < 0 ||
            layer >= n_layer || (i > 0 && (uint32_t)layer <= out[i - 1])) {
            return rg_fail(err, RG_E_FORMAT,
                           "vision_config.%s of config.json must be at most %u of the %u layers, "
                           "ascending",
                           key, most, n_layer);
        }
        out[i] = (uint32_t)layer;
        *n = (uint32_t)i + 1;
    }
    return RG_OK;
}

static bool has_role(const rg_arch *arch, rg_role role) {
    bool is_there = false;
    for (size_t i = 0; i < arch->n_weights && !is_there; i++) {
        is_there = arch->weights[i].role == role;
    }
    return is_there;
}

// settings that belong to another way of seeing
static rg_status check_kind(const rg_arch *arch, const rg_sight_params *s, rg_error *err) {
    const char *wrong = NULL;
    if (s->n_deep != 0 && !has_role(arch, RG_ROLE_DEEP_NORM)) {
        wrong = "no deepstack_visual_indexes";
    } else if (s->n_places == 0 && has_role(arch, RG_ROLE_PLACES)) {
        wrong = "num_position_embeddings";
    } else if (s->window != 0 && has_role(arch, RG_ROLE_PLACES)) {
        wrong = "no window_size"; // values for layers of words would be in the windows' order
    }
    return wrong == NULL
               ? RG_OK
               : rg_fail(err, RG_E_FORMAT, "vision_config of a %s must have %s", arch->name, wrong);
}

static rg_status check_numbers(const rg_hparams *h, const rg_hparams *words, rg_error *err) {
    const rg_sight_params *s = &h->sight;
    const uint32_t side = (uint32_t)sqrt(s->n_places);
    if (h->n_embd % h->n_head != 0 || h->head_dim % 4 != 0 || h->head_dim > 2 * RG_ROPE_HALF_MAX) {
        return rg_fail(err, RG_E_FORMAT,
                       "vision_config: %u heads of a hidden size of %u are not possible", h->n_head,
                       h->n_embd);
    }
    if (side * side != s->n_places) {
        return rg_fail(err, RG_E_FORMAT, "vision_config: %u position embeddings are no square",
                       s->n_places);
    }
    if (s->window != 0 && s->window / s->patch / s->merge == 0) {
        return rg_fail(err, RG_E_FORMAT,
                       "vision_config: a window of %u pixels has no room for %u patches of %u",
                       s->window, s->merge, s->patch);
    }
    if (s->n_out != words->n_embd || s->n_deep > words->n_layer) {
        return rg_fail(err, RG_E_FORMAT,
                       "vision_config: pictures of %u values for %u layers do not fit words of %u "
                       "values in %u",
                       s->n_out, s->n_deep, words->n_embd, words->n_layer);
    }
    return words->rope.sections[0] + words->rope.sections[1] + words->rope.sections[2] != 0
               ? RG_OK
               : rg_fail(err, RG_E_FORMAT,
                         "config.json has a vision_config, but no mrope_section for its words");
}

static rg_status read_numbers(const rg_source *source, const rg_arch *arch, const rg_hparams *words,
                              rg_hparams *h, rg_error *err) {
    rg_sight_params *s = &h->sight;
    rg_status status = RG_OK;
    uint32_t whole[RG_LAYERS_MAX];
    uint32_t n_whole = 0;
    int64_t pad = -1;
    *h = (rg_hparams){.norm_eps = 1e-6F, .sight.n_channels = 3};
    for (size_t i = 0; i < arch->n_keys; i++) {
        RG_TRY(rg_settings_key(source, arch, &arch->keys[i], h, err));
    }
    RG_TRY(read_layers(source, "deepstack_visual_indexes", h->n_layer, RG_DEEP_MAX, s->deep_at,
                       &s->n_deep, err));
    RG_TRY(read_layers(source, "fullatt_block_indexes", h->n_layer, RG_LAYERS_MAX, whole, &n_whole,
                       err));
    for (uint32_t i = 0, k = 0; s->window != 0 && i < h->n_layer; i++) {
        h->slides[i] = k == n_whole || whole[k] != i;
        k += !h->slides[i];
    }
    h->head_dim = h->n_embd / h->n_head;
    h->n_kv_head = h->n_head;
    s->n_pixel = s->n_channels * s->n_frames * s->patch * s->patch;
    s->n_cell = s->merge * s->merge * h->n_embd;
    (void)rg_json_i64(rg_json_find(rg_source_whole_config(source), "image_token_id"), &pad);
    s->pad = pad >= 0 && pad < words->n_vocab ? (int32_t)pad : -1;
    // half of a head's frequencies turn by the row, half by the column; both begin at 1
    h->rope = (rg_rope_params){
        .base = 10000, .n_rot = h->head_dim, .sections = {h->head_dim / 4, h->head_dim / 4}};
    RG_TRY(check_numbers(h, words, err));
    status = check_kind(arch, s, err);

done:
    return status;
}

// ---- weights ----

static rg_status make_freqs(rg_loader *l) {
    const rg_status status = rg_load_inv_freq(l, RG_ROLE_INV_FREQ, &l->model->h.rope);
    if (status == RG_OK) {
        const uint32_t n = l->model->h.head_dim / 4;
        float *freqs = (float *)l->model->weights[RG_ROLE_INV_FREQ].data;
        for (uint32_t i = 0; i < n; i++) {
            freqs[i] = freqs[n + i] = (float)pow(l->model->h.rope.base, -1.0 * i / n);
        }
    }
    return status;
}

bool rg_tower_is_there(const rg_source *source) {
    bool is_there = false;
    for (size_t i = 0; i < rg_source_count(source) && !is_there; i++) {
        is_there = rg_weight_is_of_tower(rg_source_at(source, i)->name);
    }
    return is_there;
}

rg_status rg_tower_load(const rg_mem *mem, const rg_source *source, const rg_model *words,
                        rg_model **out, rg_error *err) {
    rg_str name = {0};
    rg_status status = RG_OK;
    const rg_json *config = rg_source_whole_config(source);
    (void)rg_json_str(rg_json_at(rg_json_find(config, "architectures"), 0), &name);
    const rg_arch *arch = rg_tower_find(name);
    *out = NULL;
    if (rg_source_get_kind(source) != RG_SOURCE_HF || arch == NULL || !rg_tower_is_there(source)) {
        return RG_OK;
    }
    rg_model *m = rg_new(mem, sizeof *m);
    rg_loader l = {.model = m, .source = source, .n_tensors = rg_source_count(source), .err = err};
    if (m == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a tower");
    }
    m->mem = mem;
    m->arch = arch;
    rg_buf_init(&m->warnings, mem, 1 << 16);
    RG_TRY(read_numbers(source, arch, &words->h, &m->h, err));
    RG_TRY(rg_load_begin(&l));
    RG_TRY(rg_load_weights(&l));
    RG_TRY(make_freqs(&l));
    for (size_t i = 0; i < l.n_tensors; i++) {
        const rg_str tensor = rg_source_at(source, i)->name;
        if (!l.is_used[i] && rg_weight_is_of_tower(tensor)) {
            rg_buf_format(&m->warnings, "tensor %.*s is not used\n", RG_FMT(tensor));
        }
    }
    *out = m;
    m = NULL;

done:
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", rg_source_path(source));
    }
    rg_free(mem, l.is_used);
    rg_model_free(m);
    return status;
}

// ---- graph ----

// layer norm where there is something to add, else by the mean square alone
static rg_val normalize(rg_build *b, uint32_t layer, rg_val x, rg_role role, rg_role bias) {
    const float eps = b->model->h.norm_eps;
    const rg_val w = rg_build_weight(b, role, layer);
    const rg_val add = rg_build_weight(b, bias, layer);
    return add == RG_VAL_NONE ? rg_rmsnorm(b->g, x, w, eps) : rg_layernorm(b->g, x, w, add, eps);
}

// the table of places is of another size than the picture: what is between its rows is weighed
static rg_val add_places(rg_build *b, rg_val x, rg_val places, size_t n) {
    for (uint32_t i = 0; i < 4; i++) {
        const rg_val rows = rg_graph_input(b->g, RG_TOWER_CORNERS + i, RG_DTYPE_I32, n, 0);
        const rg_val share = rg_graph_input(b->g, RG_TOWER_SHARES + i, RG_DTYPE_F32, n, 1);
        x = rg_add(b->g, x, rg_scale_rows(b->g, rg_embed(b->g, rows, places), share));
    }
    return x;
}

// every patch of a frame, or of a window, sees every other
static rg_val attend(rg_build *b, uint32_t layer, rg_val x, rg_val positions) {
    const rg_hparams *h = &b->model->h;
    const rg_op_params turn = {.n_head = h->n_head, .head_dim = h->head_dim, .n_rot = h->head_dim};
    const rg_op_params p = {.n_head = h->n_head,
                            .n_kv_head = h->n_head,
                            .head_dim = h->head_dim,
                            .v_dim = h->head_dim,
                            .scale = (float)(1 / sqrt(h->head_dim)),
                            .sees_ahead = true};
    const rg_val qkv = rg_build_linear(b, layer, x, RG_ROLE_ATTN_QKV, RG_ROLE_ATTN_QKV_BIAS);
    const rg_val q = rg_columns(b->g, qkv, 1, 0, h->n_embd);
    const rg_val k = rg_columns(b->g, qkv, 1, h->n_embd, h->n_embd);
    const rg_val v = rg_columns(b->g, qkv, 1, 2 * h->n_embd, h->n_embd);
    const rg_val mix = rg_attention(b->g, rg_rope(b->g, q, b->rope_table, &turn),
                                    rg_rope(b->g, k, b->rope_table, &turn), v, positions, &p);
    return rg_build_linear(b, layer, mix, RG_ROLE_ATTN_O, RG_ROLE_ATTN_O_BIAS);
}

static rg_val feed(rg_build *b, uint32_t layer, rg_val x) {
    if (rg_build_weight(b, RG_ROLE_FFN_GATE, layer) != RG_VAL_NONE) {
        return rg_block_swiglu(b, layer, x);
    }
    const rg_val up = rg_build_linear(b, layer, x, RG_ROLE_FFN_UP, RG_ROLE_FFN_UP_BIAS);
    return rg_build_linear(b, layer, rg_gelu(b->g, up, true), RG_ROLE_FFN_DOWN,
                           RG_ROLE_FFN_DOWN_BIAS);
}

// the patches of a cell become one token of the words
static rg_val merge(rg_build *b, rg_val x, size_t n_cells, rg_val back) {
    x = normalize(b, 0, x, RG_ROLE_MERGE_NORM, RG_ROLE_MERGE_NORM_BIAS);
    x = rg_build_linear(b, 0, rg_fold(b->g, x, n_cells), RG_ROLE_MERGE_UP, RG_ROLE_MERGE_UP_BIAS);
    x = rg_build_linear(b, 0, rg_gelu(b->g, x, false), RG_ROLE_MERGE_DOWN, RG_ROLE_MERGE_DOWN_BIAS);
    return back == RG_VAL_NONE ? x : rg_select_rows(b->g, x, back);
}

// the same of an earlier layer, normalized once the patches are one
static rg_val merge_deep(rg_build *b, uint32_t k, rg_val x, size_t n_cells) {
    x = normalize(b, k, rg_fold(b->g, x, n_cells), RG_ROLE_DEEP_NORM, RG_ROLE_DEEP_NORM_BIAS);
    x = rg_build_linear(b, k, x, RG_ROLE_DEEP_UP, RG_ROLE_DEEP_UP_BIAS);
    return rg_build_linear(b, k, rg_gelu(b->g, x, false), RG_ROLE_DEEP_DOWN,
                           RG_ROLE_DEEP_DOWN_BIAS);
}

rg_val rg_tower_graph(const rg_model *tower, rg_graph *g, size_t n_patches) {
    const rg_hparams *h = &tower->h;
    const rg_sight_params *s = &h->sight;
    rg_build b = {.model = tower, .g = g, .seed = RG_VAL_NONE, .purpose = RG_PURPOSE_TRAIN};
    const rg_val axes = rg_graph_input(g, RG_TOWER_AXES, RG_DTYPE_I32, n_patches, 2);
    const rg_val frames = rg_graph_input(g, RG_TOWER_FRAMES, RG_DTYPE_I32, n_patches, 0);
    const rg_val places = rg_build_weight(&b, RG_ROLE_PLACES, 0);
    const size_t n_cells = n_patches / ((size_t)s->merge * s->merge);
    rg_val windows = RG_VAL_NONE, back = RG_VAL_NONE;
    rg_val x = rg_graph_input(g, RG_TOWER_PATCHES, RG_DTYPE_F32, n_patches, s->n_pixel);
    x = rg_build_linear(&b, 0, x, RG_ROLE_PATCH, RG_ROLE_PATCH_BIAS);
    if (places != RG_VAL_NONE) {
        x = add_places(&b, x, places, n_patches);
    }
    if (s->window != 0) {
        const rg_val order = rg_graph_input(g, RG_TOWER_ORDER, RG_DTYPE_I32, n_patches, 0);
        windows = rg_graph_input(g, RG_TOWER_WINDOWS, RG_DTYPE_I32, n_patches, 0);
        back = rg_graph_input(g, RG_TOWER_BACK, RG_DTYPE_I32, n_cells, 0);
        x = rg_select_rows(g, x, order);
    }
    b.rope_table = rg_rope_axes_table(g, axes, rg_build_weight(&b, RG_ROLE_INV_FREQ, 0), 1,
                                      h->rope.sections, false);
    rg_val deep[RG_DEEP_MAX];
    uint32_t n_deep = 0;
    for (uint32_t layer = 0; layer < h->n_layer; layer++) {
        rg_val n = normalize(&b, layer, x, RG_ROLE_ATTN_NORM, RG_ROLE_ATTN_NORM_BIAS);
        x = rg_add(g, x, attend(&b, layer, n, h->slides[layer] ? windows : frames));
        n = normalize(&b, layer, x, RG_ROLE_FFN_NORM, RG_ROLE_FFN_NORM_BIAS);
        x = rg_add(g, x, feed(&b, layer, n));
        if (n_deep < s->n_deep && s->deep_at[n_deep] == layer) {
            deep[n_deep] = merge_deep(&b, n_deep, x, n_cells);
            n_deep++;
        }
    }
    rg_val out = merge(&b, x, n_cells, back);
    for (uint32_t k = 0; k < n_deep; k++) {
        out = rg_join_parts(g, out, deep[k], 1, false);
    }
    rg_graph_keep(g, out);
    return out;
}
