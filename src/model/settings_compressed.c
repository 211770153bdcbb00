/* Numbers of models with compressed attention and several residual streams. */
#include "model/settings.h"

#include "format/gguf.h"
#include "graph/state.h"

#include <stdio.h>

enum { RATIO = 128 }; // of layers whose compressed rows do not overlap

static rg_status take_ratio(rg_hparams *h, uint32_t layer, double ratio, rg_error *err) {
    if (ratio != 0 && ratio != RG_OVERLAPPING_RATIO && ratio != RATIO) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "compress_ratios: layer %u compresses by %.10g; 0, %d and %d are supported",
                       layer, ratio, RG_OVERLAPPING_RATIO, RATIO);
    }
    h->ratio[layer] = (uint32_t)ratio;
    return RG_OK;
}

static rg_status no_ratios(const rg_hparams *h, size_t n, rg_error *err) {
    return rg_fail(err, RG_E_FORMAT, "compress_ratios lists %zu layers, the model has %u", n,
                   h->n_layer);
}

// one number a layer; more are of layers that predict further tokens
static rg_status read_ratios(const rg_source *source, const char *name, rg_hparams *h,
                             rg_error *err) {
    rg_status status = RG_OK;
    if (rg_source_get_kind(source) == RG_SOURCE_GGUF) {
        char key[128];
        snprintf(key, sizeof key, "%s.attention.compress_ratios", name);
        const rg_gguf_pair *pair = rg_gguf_find_pair(rg_source_gguf(source), key);
        const bool is_list = pair != NULL && pair->type == RG_GGUF_ARRAY &&
                             pair->item_type != RG_GGUF_STRING && pair->item_type != RG_GGUF_ARRAY;
        if (!is_list || pair->n_items < h->n_layer) {
            return no_ratios(h, is_list ? pair->n_items : 0, err);
        }
        for (uint32_t i = 0; i < h->n_layer && status == RG_OK; i++) {
            status = take_ratio(h, i, rg_gguf_item_f64(pair, i), err);
        }
        return status;
    }
    const rg_json *list = rg_json_find(rg_source_config(source), "compress_ratios");
    const bool is_list = list != NULL && list->kind == RG_JSON_ARRAY;
    if (!is_list || list->n < h->n_layer) {
        return no_ratios(h, is_list ? list->n : 0, err);
    }
    for (uint32_t i = 0; i < h->n_layer && status == RG_OK; i++) {
        double ratio = -1;
        (void)rg_json_f64(rg_json_at(list, i), &ratio);
        status = take_ratio(h, i, ratio, err);
    }
    return status;
}

rg_status rg_settings_compressed(const rg_source *source, const char *name, rg_hparams *h,
                                 rg_error *err) {
    rg_str score = RG_STR("sqrtsoftplus");
    (void)rg_json_str(rg_json_find(rg_source_config(source), "scoring_func"), &score);
    if (!rg_str_is(score, "sqrtsoftplus")) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "scoring_func \"%.*s\" of config.json is not supported; sqrtsoftplus is",
                       RG_FMT(score));
    }
    const rg_status status = read_ratios(source, name, h, err);
    if (status != RG_OK) {
        return status;
    }
    if (h->n_turning % 2 != 0 || h->n_turning >= h->head_dim || h->n_turning >= h->index_dim) {
        return rg_fail(err, RG_E_FORMAT,
                       "rope turns %u values of heads of %u and of keys of an index of %u: an even "
                       "number of them, and not all, can turn",
                       h->n_turning, h->head_dim, h->index_dim);
    }
    if (h->n_head % h->n_out_group != 0) {
        return rg_fail(err, RG_E_FORMAT, "%u heads cannot be projected back in %u groups",
                       h->n_head, h->n_out_group);
    }
    if (h->n_hash_layer > h->n_layer) {
        return rg_fail(err, RG_E_FORMAT,
                       "experts are listed by token in %u layers, the model has %u",
                       h->n_hash_layer, h->n_layer);
    }
    h->n_still = h->head_dim - h->n_turning;
    h->n_kv_head = 1;
    h->v_head_dim = h->head_dim;
    h->router_kind = 4;
    h->n_ff_shared = h->n_shared * h->n_ff_expert;
    return RG_OK;
}

// layers that compress have another base and the scaling, the others neither; cos and sin stay
void rg_settings_compressed_rope(rg_hparams *h) {
    h->rope_compressed = h->rope;
    h->rope_compressed.base = (double)h->compressed_base;
    h->rope_compressed.attn_factor = 1;
    h->rope.scaling = RG_ROPE_PLAIN;
    h->rope.factor = 1;
}
