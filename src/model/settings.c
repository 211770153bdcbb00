#include "model/settings.h"

#include <math.h>
#include <stdio.h>

#include "format/gguf.h"
#include "graph/graph.h"

// the name of a key as the user finds it in the file
static const char *key_name(const rg_source *source, const rg_arch *arch, const rg_key_rule *rule,
                            char *text, size_t size) {
    if (rg_source_get_kind(source) == RG_SOURCE_GGUF) {
        snprintf(text, size, "%s.%s", arch->name, rule->gguf);
        return text;
    }
    return rule->hf;
}

rg_status rg_settings_key(const rg_source *source, const rg_arch *arch, const rg_key_rule *rule,
                          rg_hparams *h, rg_error *err) {
    char text[128];
    bool found = false;
    double value = 0;
    const char *stored = rg_source_get_kind(source) == RG_SOURCE_GGUF ? rule->gguf : rule->hf;
    if (stored == NULL) {
        return RG_OK;
    }
    const rg_status status =
        rg_source_number(source, arch->name, rule->gguf, rule->hf, &found, &value, err);
    if (status != RG_OK) {
        return status;
    }
    const char *name = key_name(source, arch, rule, text, sizeof text);
    if (!found) {
        return rule->is_required ? rg_fail(err, RG_E_FORMAT, "the key %s is missing", name) : RG_OK;
    }
    if (!(value >= rule->min && value <= rule->max) ||
        (rule->kind != RG_KEY_F32 && value != floor(value))) {
        return rg_fail(err, RG_E_FORMAT, "the key %s is %.9g, valid are %.9g to %.9g", name, value,
                       rule->min, rule->max);
    }
    char *field = (char *)h + rule->offset;
    switch (rule->kind) {
    case RG_KEY_U32:
        *(uint32_t *)(void *)field = (uint32_t)value;
        break;
    case RG_KEY_F32:
        *(float *)(void *)field = (float)value;
        break;
    case RG_KEY_BOOL:
        *(bool *)field = value != 0;
        break;
    }
    return RG_OK;
}

// ---- rope ----

// a number of one object of the settings; keeps *out when it is absent or null
static rg_status rope_number(const rg_json *rope, const char *key, double min, double max,
                             double *out, rg_error *err) {
    const rg_json *json = rg_json_find(rope, key);
    double value = 0;
    if (json == NULL || json->kind == RG_JSON_NULL) {
        return RG_OK;
    }
    if (!rg_json_f64(json, &value) || !(value >= min && value <= max)) {
        return rg_fail(err, RG_E_FORMAT, "rope setting %s is \"%.*s\", valid are %g to %g", key,
                       RG_FMT(json->text), min, max);
    }
    *out = value;
    return RG_OK;
}

static rg_status scaling_of(rg_str type, rg_rope_scaling *out, rg_error *err) {
    static const struct {
        const char *name;
        rg_rope_scaling scaling;
    } types[] = {
        {"default", RG_ROPE_PLAIN}, {"none", RG_ROPE_PLAIN},    {"", RG_ROPE_PLAIN},
        {"mrope", RG_ROPE_PLAIN},   {"linear", RG_ROPE_LINEAR}, {"llama3", RG_ROPE_LLAMA3},
        {"yarn", RG_ROPE_YARN},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (rg_str_is(type, types[i].name)) {
            *out = types[i].scaling;
            return RG_OK;
        }
    }
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "rope scaling \"%.*s\" is not supported; linear, llama3 and yarn are",
                   RG_FMT(type));
}

// how many frequencies each axis of a token in a picture takes
static rg_status read_sections(const rg_json *rope, double n_freq, rg_rope_params *r,
                               rg_error *err) {
    const rg_json *list = rg_json_find(rope, "mrope_section");
    int64_t n = 0, sum = 0;
    if (list == NULL || list->kind != RG_JSON_ARRAY) {
        return RG_OK;
    }
    for (size_t i = 0; i < 3; i++) {
        if (list->n != 3 || !rg_json_i64(rg_json_at(list, i), &n) || n < 0 || n > n_freq) {
            return rg_fail(err, RG_E_FORMAT,
                           "mrope_section of config.json must be three numbers of frequencies, %g "
                           "together",
                           n_freq);
        }
        r->sections[i] = (uint32_t)n;
        sum += n;
    }
    (void)rg_json_bool(rg_json_find(rope, "mrope_interleaved"), &r->is_interleaved);
    return (double)sum == floor(n_freq)
               ? RG_OK
               : rg_fail(err, RG_E_FORMAT,
                         "mrope_section of config.json has %d frequencies, %g are needed", (int)sum,
                         n_freq);
}

// "rope_scaling" of older files, "rope_parameters" of newer ones, which also hold theta
static rg_status read_rope_hf(const rg_json *config, rg_hparams *h, rg_error *err) {
    rg_rope_params *r = &h->rope;
    rg_status status = RG_OK;
    double share = 1;
    rg_str type = RG_STR("");
    const rg_json *rope = rg_json_find(config, "rope_parameters");
    if (rope == NULL || rope->kind != RG_JSON_OBJECT) {
        rope = rg_json_find(config, "rope_scaling");
    }
    RG_TRY(rope_number(config, "rope_theta", 1e-3, 1e15, &r->base, err));
    RG_TRY(rope_number(rope, "rope_theta", 1e-3, 1e15, &r->base, err));
    RG_TRY(rope_number(config, "partial_rotary_factor", 0, 1, &share, err));
    RG_TRY(rope_number(rope, "partial_rotary_factor", 0, 1, &share, err));
    if (!rg_json_str(rg_json_find(rope, "rope_type"), &type)) {
        (void)rg_json_str(rg_json_find(rope, "type"), &type);
    }
    RG_TRY(scaling_of(type, &r->scaling, err));
    RG_TRY(rope_number(rope, "factor", 1e-3, 1e6, &r->factor, err));
    RG_TRY(rope_number(rope, "low_freq_factor", 1e-6, 1e6, &r->low_freq_factor, err));
    RG_TRY(rope_number(rope, "high_freq_factor", 1e-6, 1e6, &r->high_freq_factor, err));
    RG_TRY(rope_number(config, "original_max_position_embeddings", 1, 1e12, &r->orig_ctx, err));
    RG_TRY(rope_number(rope, "original_max_position_embeddings", 1, 1e12, &r->orig_ctx, err));
    RG_TRY(rope_number(rope, "beta_fast", 1e-6, 1e6, &r->beta_fast, err));
    RG_TRY(rope_number(rope, "beta_slow", 1e-6, 1e6, &r->beta_slow, err));
    RG_TRY(rope_number(rope, "attention_factor", 1e-6, 1e6, &r->attn_factor, err));
    RG_TRY(rope_number(rope, "mscale", 0, 1e6, &r->mscale, err));
    RG_TRY(rope_number(rope, "mscale_all_dim", 0, 1e6, &r->mscale_all_dim, err));
    RG_TRY(read_sections(rope, h->head_dim * share / 2, r, err));
    bool is_truncated = true;
    (void)rg_json_bool(rg_json_find(rope, "truncate"), &is_truncated);
    r->is_untruncated = !is_truncated;
    r->n_rot = (uint32_t)(h->head_dim * share);

done:
    return status;
}

static rg_status gguf_number(const rg_source *source, const rg_arch *arch, const char *key,
                             double min, double max, double *out, rg_error *err) {
    bool found = false;
    double value = 0;
    const rg_status status = rg_source_number(source, arch->name, key, NULL, &found, &value, err);
    if (status != RG_OK || !found) {
        return status;
    }
    if (!(value >= min && value <= max)) {
        return rg_fail(err, RG_E_FORMAT, "the key %s.%s is %.9g, valid are %g to %g", arch->name,
                       key, value, min, max);
    }
    *out = value;
    return RG_OK;
}

static rg_status read_rope_gguf(const rg_source *source, const rg_arch *arch, rg_hparams *h,
                                rg_error *err) {
    rg_rope_params *r = &h->rope;
    rg_status status = RG_OK;
    double n_rot = h->head_dim;
    double linear = 0;
    double attn = 1;
    char key[128];
    rg_str type = RG_STR("");
    RG_TRY(gguf_number(source, arch, "rope.freq_base", 1e-3, 1e15, &r->base, err));
    RG_TRY(gguf_number(source, arch, "rope.dimension_count", 2, h->head_dim, &n_rot, err));
    RG_TRY(gguf_number(source, arch, "rope.scale_linear", 1e-3, 1e6, &linear, err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.factor", 0, 1e6, &r->factor, err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.original_context_length", 1, 1e12, &r->orig_ctx,
                       err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.yarn_beta_fast", 1e-6, 1e6, &r->beta_fast, err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.yarn_beta_slow", 1e-6, 1e6, &r->beta_slow, err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.attn_factor", 1e-6, 1e6, &attn, err));
    RG_TRY(gguf_number(source, arch, "rope.scaling.yarn_attn_factor", 1e-6, 1e6, &attn, err));
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch->name);
    (void)rg_gguf_str(rg_source_gguf(source), key, &type);
    RG_TRY(scaling_of(type, &r->scaling, err));
    if (linear > 0 && r->scaling == RG_ROPE_PLAIN && linear != 1) {
        r->scaling = RG_ROPE_LINEAR; // very old files have this key alone
        r->factor = linear;
    }
    if (r->factor == 0) {
        r->factor = 1;
    }
    if (r->scaling == RG_ROPE_YARN && h->n_latent != 0) {
        // latent attention scales q.k, not cos and sin
        double log_multiplier = 0;
        RG_TRY(gguf_number(source, arch, "rope.scaling.yarn_log_multiplier", 0, 1e3,
                           &log_multiplier, err));
        r->mscale_all_dim = 10 * log_multiplier;
        r->attn_factor = 1;
    } else if (r->scaling == RG_ROPE_YARN) {
        // the file's factor multiplies the usual one
        r->attn_factor = attn * (r->factor <= 1 ? 1 : 0.1 * log(r->factor) + 1);
    }
    r->n_rot = (uint32_t)n_rot;

done:
    return status;
}

static rg_status read_rope(const rg_source *source, const rg_arch *arch, rg_hparams *h,
                           rg_error *err) {
    const bool is_gguf = rg_source_get_kind(source) == RG_SOURCE_GGUF;
    h->rope =
        (rg_rope_params){.is_neighbor = arch->is_rope_neighbor || (is_gguf && arch->reorders_gguf),
                         .base = 10000,
                         .factor = 1,
                         .low_freq_factor = 1,
                         .high_freq_factor = 4,
                         .orig_ctx = h->n_ctx_train,
                         .beta_fast = 32,
                         .beta_slow = 1};
    const rg_status status = is_gguf ? read_rope_gguf(source, arch, h, err)
                                     : read_rope_hf(rg_source_config(source), h, err);
    if (status != RG_OK) {
        return status;
    }
    if (h->n_turning != 0) {
        h->rope.n_rot = h->n_turning;
    }
    if (h->rope.n_rot < 2 || h->rope.n_rot % 2 != 0 || h->rope.n_rot > h->head_dim) {
        return rg_fail(err, RG_E_FORMAT, "rope turns %u of the %u values of a head", h->rope.n_rot,
                       h->head_dim);
    }
    return RG_OK;
}

// ---- sliding windows ----

static rg_status read_windows(const rg_source *source, const rg_arch *arch, rg_hparams *h,
                              rg_error *err) {
    if (!arch->uses_window && !h->is_windowed) {
        h->window = 0; // the file has one and says that it is off
    }
    if (h->window == 0) {
        return RG_OK;
    }
    const rg_json *types = rg_json_find(rg_source_config(source), "layer_types");
    const bool is_listed = types != NULL && types->kind == RG_JSON_ARRAY;
    if (is_listed && types->n != h->n_layer) {
        return rg_fail(err, RG_E_FORMAT, "layer_types lists %zu layers, the model has %u", types->n,
                       h->n_layer);
    }
    const uint32_t from = h->is_windowed ? h->window_from : 0;
    for (uint32_t i = 0; i < h->n_layer; i++) {
        rg_str type = RG_STR("");
        (void)rg_json_str(rg_json_at(types, i), &type);
        h->slides[i] = is_listed ? rg_str_is(type, "sliding_attention") : i >= from;
    }
    return RG_OK;
}

// ---- layers without rope ----

static rg_status read_still(const rg_source *source, const rg_arch *arch, rg_hparams *h,
                            rg_error *err) {
    const rg_json *turns = rg_json_find(rg_source_config(source), "no_rope_layers"); // 1: it turns
    const bool is_listed = turns != NULL && turns->kind == RG_JSON_ARRAY && turns->n != 0;
    if (is_listed && turns->n != h->n_layer) {
        return rg_fail(err, RG_E_FORMAT, "no_rope_layers lists %zu layers, the model has %u",
                       turns->n, h->n_layer);
    }
    for (uint32_t i = 0; i < h->n_layer; i++) {
        int64_t does_turn = 1;
        const bool is_last = h->still_every != 0 && (i + 1) % h->still_every == 0;
        (void)rg_json_i64(rg_json_at(turns, i), &does_turn);
        h->is_still[i] = arch->turns_nothing || (is_listed ? does_turn == 0 : is_last);
    }
    return RG_OK;
}

// ---- the whole ----

static rg_status find_arch(const rg_source *source, const rg_arch **arch, rg_error *err) {
    rg_str name = RG_STR("");
    if (rg_source_get_kind(source) == RG_SOURCE_GGUF) {
        if (!rg_gguf_str(rg_source_gguf(source), "general.architecture", &name)) {
            return rg_fail(err, RG_E_FORMAT, "the key general.architecture is missing");
        }
        *arch = rg_arch_find_gguf(name);
    } else {
        const rg_json *config = rg_source_whole_config(source);
        if (!rg_json_str(rg_json_at(rg_json_find(config, "architectures"), 0), &name) &&
            !rg_json_str(rg_json_find(config, "model_type"), &name)) {
            return rg_fail(err, RG_E_FORMAT,
                           "config.json names no architecture (\"architectures\" is missing)");
        }
        *arch = rg_arch_find_hf(name);
    }
    if (*arch == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "models of the family \"%.*s\" are not supported; the nearest that is: %s",
                       RG_FMT(name), rg_arch_nearest(name));
    }
    return RG_OK;
}

static rg_status check_together(const rg_hparams *h, rg_error *err) {
    if (h->n_ff == 0 && h->n_expert == 0) {
        return rg_fail(err, RG_E_FORMAT, "the width of the feed-forward layers is missing");
    }
    if (h->n_delta_head != 0 && (h->n_delta_head % h->n_delta_key != 0 || h->delta_v_dim == 0 ||
                                 h->delta_v_dim > RG_DELTA_DIM_MAX)) {
        return rg_fail(err, RG_E_FORMAT, "%u value heads of %u values cannot share %u key heads",
                       h->n_delta_head, h->delta_v_dim, h->n_delta_key);
    }
    if (h->n_kv_head > h->n_head || h->n_head % h->n_kv_head != 0) {
        return rg_fail(err, RG_E_FORMAT, "%u query heads cannot share %u key-value heads",
                       h->n_head, h->n_kv_head);
    }
    return RG_OK;
}

// is config.json of a class? Some name their kind alone
static bool is_class(const rg_source *source, const char *class_name, const char *kind) {
    const rg_json *config = rg_source_whole_config(source);
    rg_str name = RG_STR("");
    if (rg_json_str(rg_json_at(rg_json_find(config, "architectures"), 0), &name)) {
        return rg_str_is(name, class_name);
    }
    return rg_json_str(rg_json_find(config, "model_type"), &name) && rg_str_is(name, kind);
}

// how experts are chosen, in words
static rg_status read_router(const rg_source *source, rg_hparams *h, rg_error *err) {
    rg_str method = RG_STR("");
    rg_str score = is_class(source, "DeepseekV2ForCausalLM", "deepseek_v2") ? RG_STR("softmax")
                                                                            : RG_STR("sigmoid");
    const rg_json *config = rg_source_config(source);
    (void)rg_json_str(rg_json_find(config, "topk_method"), &method);
    if (!rg_json_str(rg_json_find(config, "scoring_func"), &score)) {
        (void)rg_json_str(rg_json_find(config, "moe_router_activation_func"), &score);
    }
    if (!rg_str_is(score, "softmax") && !rg_str_is(score, "sigmoid")) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "scoring_func \"%.*s\" of config.json is not supported; softmax and sigmoid "
                       "are",
                       RG_FMT(score));
    }
    h->router_kind = rg_str_is(score, "sigmoid") ? 2 : 1;
    if (rg_str_is(method, "greedy")) {
        h->n_group = h->n_group_used = 0; // written down, and not used
    }
    return RG_OK;
}

static rg_status complete_latent(const rg_source *source, const rg_arch *arch, rg_hparams *h,
                                 rg_error *err) {
    rg_status status = RG_OK;
    if (rg_source_get_kind(source) == RG_SOURCE_GGUF) {
        double k = h->head_dim, v = h->v_head_dim;
        if (h->head_dim == 0) { // files from before the latent was kept: these are of whole heads
            RG_TRY(gguf_number(source, arch, "attention.key_length", 1, 1 << 12, &k, err));
            RG_TRY(gguf_number(source, arch, "attention.value_length", 1, 1 << 12, &v, err));
        }
        h->head_dim = (uint32_t)k;
        h->v_head_dim = (uint32_t)v;
        h->n_still = h->head_dim > h->n_turning ? h->head_dim - h->n_turning : 0;
        // converters once left the kind out, when there were two
        h->router_kind = h->router_kind != 0 ? h->router_kind : h->n_expert == 256 ? 2 : 1;
    } else {
        RG_TRY(read_router(source, h, err));
        h->head_dim = h->n_still + h->n_turning;
    }
    h->n_kv_head = h->n_head;
    h->n_ff_shared = h->n_shared * h->n_ff_expert;
    if (h->n_still == 0 || h->v_head_dim == 0) {
        status = rg_fail(err, RG_E_FORMAT, "heads of %u values, of which %u turn, and values of %u",
                         h->head_dim, h->n_turning, h->v_head_dim);
        goto done;
    }
    if (h->n_group <= 1) {
        h->n_group = h->n_group_used = 0; // one group is none
    }
    if (h->n_index_head != 0 && (h->n_latent_q == 0 || h->index_dim < h->n_turning)) {
        status =
            rg_fail(err, RG_E_FORMAT,
                    "an index of %u values a key, of which %u turn, on queries of %u values is "
                    "not possible",
                    h->index_dim, h->n_turning, h->n_latent_q);
        goto done;
    }
    const uint32_t n_group = h->n_group == 0 ? 1 : h->n_group;
    if (h->n_expert != 0 &&
        (h->n_ff_expert == 0 || h->n_expert % n_group != 0 || h->n_group_used > n_group ||
         h->n_expert_used == 0 || (h->n_group != 0 && h->n_group_used == 0) ||
         (h->n_group > 1 && h->n_expert_used > h->n_expert / n_group * h->n_group_used))) {
        status = rg_fail(err, RG_E_FORMAT,
                         "%u experts in %u groups, of which %u in %u groups are used, are not "
                         "possible",
                         h->n_expert, n_group, h->n_expert_used, h->n_group_used);
    }

done:
    return status;
}

rg_status rg_settings_read(const rg_source *source, const rg_arch **arch, rg_hparams *h,
                           rg_error *err) {
    rg_status status = RG_OK;
    *h = (rg_hparams){0};
    RG_TRY(find_arch(source, arch, err));
    const bool is_gguf = rg_source_get_kind(source) == RG_SOURCE_GGUF;
    h->renorms_experts = is_gguf ? (*arch)->renorms_experts : (*arch)->renorms_experts_hf;
    if (!is_gguf && is_class(source, "DeepseekV3ForCausalLM", "deepseek_v3")) {
        h->renorms_experts = true;
    }
    h->gates_attention = (*arch)->gates_attention;
    h->tiles_heads = is_gguf && (*arch)->tiles_heads_gguf;
    h->is_decay_log = !is_gguf;
    if ((*arch)->weighs_inputs) {
        // what files of Llama 4 leave out
        h->still_every = 4;
        h->chunk = h->temper_every = 8192;
        h->temper_scale = 0.1F;
        h->is_tempered = h->norms_turned = true;
    }
    for (size_t i = 0; i < (*arch)->n_keys; i++) {
        RG_TRY(rg_settings_key(source, *arch, &(*arch)->keys[i], h, err));
    }

    // a GGUF counts the layers that predict further tokens
    h->n_layer -= h->n_predict < h->n_layer ? h->n_predict : 0;

    // what is left out follows from the rest
    if (h->n_latent != 0) {
        RG_TRY(complete_latent(source, *arch, h, err));
    }
    if ((*arch)->compresses) {
        RG_TRY(rg_settings_compressed(source, (*arch)->name, h, err));
    }
    h->expert_scale = h->expert_scale == 0 ? 1 : h->expert_scale;
    if ((*arch)->weighs_inputs) {
        if (h->n_expert_used != 1) {
            status = rg_fail(err, RG_E_UNSUPPORTED,
                             "%u experts of each token, whose inputs are weighed, are not "
                             "supported; one is",
                             h->n_expert_used);
            goto done;
        }
        h->weighs_inputs = true;
        h->router_kind = 2;
        h->n_ff_shared = h->n_ff_expert;
        h->temper_scale = h->is_tempered ? h->temper_scale : 0;
        h->norms_turned = h->norms_turned && !(is_gguf && h->n_expert == 128); // of Maverick
    }
    if (h->delta_k_dim != 0) {
        h->n_delta_head = h->n_delta_head == 0 ? h->n_head : h->n_delta_head;
        h->n_delta_key = h->n_delta_key == 0 ? h->n_delta_head : h->n_delta_key;
        h->delta_v_dim = h->delta_v_dim != 0     ? h->delta_v_dim
                         : h->n_delta_inner != 0 ? h->n_delta_inner / h->n_delta_head
                                                 : h->delta_k_dim;
    }
    if (h->n_kv_head == 0) {
        h->n_kv_head = h->n_head;
    }
    if (h->head_dim == 0) {
        if (h->n_embd % h->n_head != 0) {
            status = rg_fail(err, RG_E_FORMAT,
                             "%u heads do not divide the hidden size %u, and no head size is given",
                             h->n_head, h->n_embd);
            goto done;
        }
        h->head_dim = h->n_embd / h->n_head;
    }
    RG_TRY(check_together(h, err));
    RG_TRY(read_rope(source, *arch, h, err));
    if ((*arch)->compresses) {
        rg_settings_compressed_rope(h);
    }
    RG_TRY(read_still(source, *arch, h, err));
    RG_TRY(read_windows(source, *arch, h, err));

done:
    return status;
}
