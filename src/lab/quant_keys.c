/* Metadata of a quantized file. */
#include "lab/quant_internal.h"
#include "model/rope.h"
#include "token/tokenizer.h"

#include <math.h>
#include <stdio.h>

enum { KEY_BYTES = 128, QUANTIZATION_VERSION = 2 };

// keys that speak of the file as it was
static const char *const stale[] = {"general.alignment",
                                    "general.file_type",
                                    "general.quantization_version",
                                    "split.no",
                                    "split.count",
                                    "split.tensors.count",
                                    "quantize.imatrix.file",
                                    "quantize.imatrix.dataset",
                                    "quantize.imatrix.entries_count",
                                    "quantize.imatrix.chunks_count"};

static void copy_keys(const rg_gguf *gguf, rg_gguf_writer *w) {
    for (size_t i = 0; i < rg_gguf_n_pairs(gguf); i++) {
        const rg_gguf_pair *pair = rg_gguf_pair_at(gguf, i);
        bool is_stale = false;
        for (size_t k = 0; k < sizeof stale / sizeof *stale; k++) {
            is_stale = is_stale || rg_str_is(pair->key, stale[k]);
        }
        if (!is_stale) {
            rg_gguf_put_pair(w, pair);
        }
    }
}

// ---- of a Hugging Face directory ----

static void put_f32(rg_gguf_writer *w, const char *arch, const char *name, double value) {
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    rg_gguf_put_f32(w, key, (float)value);
}

static void put_u32(rg_gguf_writer *w, const char *arch, const char *name, uint32_t value) {
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    rg_gguf_put_u32(w, key, value);
}

static void put_number(rg_gguf_writer *w, const char *arch, const rg_key_rule *rule,
                       const char *field) {
    const uint32_t n = rule->kind == RG_KEY_U32 ? *(const uint32_t *)(const void *)field : 0;
    char key[KEY_BYTES];
    switch (rule->kind) {
    case RG_KEY_F32:
        put_f32(w, arch, rule->gguf, *(const float *)(const void *)field);
        break;
    case RG_KEY_U32:
        if (n != 0 || rule->is_required) { // 0: the model has no such thing
            put_u32(w, arch, rule->gguf, n);
        }
        break;
    case RG_KEY_BOOL:
        snprintf(key, sizeof key, "%s.%s", arch, rule->gguf);
        rg_gguf_put_bool(w, key, *(const bool *)field);
        break;
    }
}

static void put_numbers(const rg_model *m, rg_gguf_writer *w) {
    for (size_t i = 0; i < m->arch->n_keys; i++) {
        const rg_key_rule *rule = &m->arch->keys[i];
        const char *field = (const char *)&m->h + rule->offset;
        if (rule->gguf != NULL) {
            put_number(w, m->arch->name, rule, field);
        }
    }
    put_u32(w, m->arch->name, "attention.value_length", m->h.head_dim);
}

// llama3's scaling goes into the divisors beside the weights
static rg_status put_rope(const rg_model *m, rg_gguf_writer *w, rg_error *err) {
    const rg_rope_params *r = &m->h.rope;
    const char *arch = m->arch->name;
    char key[KEY_BYTES];
    put_f32(w, arch, "rope.freq_base", r->base);
    put_u32(w, arch, "rope.dimension_count", r->n_rot);
    if (r->scaling != RG_ROPE_LINEAR && r->scaling != RG_ROPE_YARN) {
        return RG_OK;
    }
    if (r->scaling == RG_ROPE_YARN && r->is_untruncated) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "rope setting \"truncate\": false has no key in GGUF");
    }
    if (r->scaling == RG_ROPE_YARN && r->orig_ctx > UINT32_MAX) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "an original context of %.0f tokens has no room in GGUF", r->orig_ctx);
    }
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    rg_gguf_put_str(w, key, r->scaling == RG_ROPE_YARN ? RG_STR("yarn") : RG_STR("linear"));
    put_f32(w, arch, "rope.scaling.factor", r->factor);
    if (r->scaling == RG_ROPE_YARN) {
        const double usual = r->factor <= 1 ? 1 : 0.1 * log(r->factor) + 1;
        put_u32(w, arch, "rope.scaling.original_context_length", (uint32_t)r->orig_ctx);
        put_f32(w, arch, "rope.scaling.yarn_beta_fast", r->beta_fast);
        put_f32(w, arch, "rope.scaling.yarn_beta_slow", r->beta_slow);
        put_f32(w, arch, "rope.scaling.attn_factor", rg_rope_attn_factor(r) / usual);
    }
    return RG_OK;
}

// settings that the file cannot state must be those that it implies
static rg_status check_windows(const rg_model *m, rg_error *err) {
    const rg_hparams *h = &m->h;
    for (uint32_t i = 0; i < h->n_layer && h->window != 0; i++) {
        if (!m->arch->uses_window || !h->slides[i]) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "the window of %u tokens is used by some layers alone: GGUF has no key "
                           "for that in the family %s",
                           h->window, m->arch->name);
        }
    }
    return RG_OK;
}

// of Llama 4, likewise: readers know all but where the experts are
static rg_status put_llama4(const rg_model *m, rg_gguf_writer *w, rg_error *err) {
    const rg_hparams *h = &m->h;
    uint32_t step = 1;
    while (step < h->n_layer && !h->is_sparse[step - 1]) {
        step++;
    }
    bool is_implied = h->is_tempered && h->temper_every == 8192 && h->temper_scale == 0.1F &&
                      h->norms_turned == (h->n_expert != 128);
    for (uint32_t i = 0; i < h->n_layer; i++) {
        is_implied = is_implied && h->is_still[i] == ((i + 1) % 4 == 0) &&
                     h->is_sparse[i] == ((i + 1) % step == 0);
    }
    if (!is_implied) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "GGUF has no keys for the settings of this model of the family %s: layers "
                       "without rope or with experts, query scales or norms are not the usual ones",
                       m->arch->name);
    }
    put_u32(w, m->arch->name, "interleave_moe_layer_step", step);
    return RG_OK;
}

static void put_sampling(const rg_json *config, rg_gguf_writer *w) {
    static const struct {
        const char *hf;
        const char *gguf;
    } keys[] = {{"temperature", "general.sampling.temp"},
                {"top_p", "general.sampling.top_p"},
                {"min_p", "general.sampling.min_p"},
                {"repetition_penalty", "general.sampling.penalty_repeat"}};
    bool does_sample = true;
    double value = 0;
    (void)rg_json_bool(rg_json_find(config, "do_sample"), &does_sample);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const bool is_greedy = i == 0 && !does_sample;
        if (rg_json_f64(rg_json_find(config, keys[i].hf), &value) || is_greedy) {
            rg_gguf_put_f32(w, keys[i].gguf, is_greedy ? 0 : (float)value);
        }
    }
    int64_t top_k = -1;
    if (rg_json_i64(rg_json_find(config, "top_k"), &top_k) && top_k >= 0 && top_k < INT32_MAX) {
        rg_gguf_put_u32(w, "general.sampling.top_k", (uint32_t)top_k);
    }
}

// the folder's name
static rg_str name_of(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') {
        begin--;
    }
    return (rg_str){path + begin, end - begin};
}

static rg_status put_tokenizer(const rg_quant_plan *plan, rg_gguf_writer *w, rg_error *err) {
    rg_tokenizer *tok = NULL;
    rg_error missing = {0};
    const char *path = rg_source_path(plan->source);
    const rg_str tpl = rg_source_hf(plan->source)->chat_template;
    rg_status status = rg_tokenizer_open(plan->mem, path, &tok, &missing);
    if (status == RG_E_NOT_FOUND) {
        rg_buf_format(&plan->report->notes, "the file has no tokenizer: %s\n", missing.text);
        rg_gguf_put_str(w, "tokenizer.ggml.model", RG_STR("none"));
        return RG_OK;
    }
    if (status != RG_OK) {
        return rg_fail(err, status, "%s", missing.text);
    }
    status = rg_tokenizer_put_gguf(tok, plan->model->h.n_vocab, w, err);
    if (tpl.size != 0) {
        rg_gguf_put_str(w, "tokenizer.chat_template", tpl);
    }
    rg_tokenizer_free(tok);
    return status;
}

static rg_status make_keys(const rg_quant_plan *plan, rg_gguf_writer *w, rg_error *err) {
    rg_status status = RG_OK;
    rg_gguf_put_str(w, "general.architecture", rg_str_of(plan->model->arch->name));
    rg_gguf_put_str(w, "general.type", RG_STR("model"));
    rg_gguf_put_str(w, "general.name", name_of(rg_source_path(plan->source)));
    put_sampling(rg_source_hf(plan->source)->generation_config, w);
    RG_TRY(check_windows(plan->model, err));
    put_numbers(plan->model, w);
    if (plan->model->h.weighs_inputs) {
        RG_TRY(put_llama4(plan->model, w, err));
    }
    RG_TRY(put_rope(plan->model, w, err));
    RG_TRY(put_tokenizer(plan, w, err));

done:
    return status;
}

// ---- the whole ----

rg_status rg_quant_put_keys(const rg_quant_plan *plan, rg_gguf_writer *w, rg_error *err) {
    const rg_imatrix *imatrix = plan->options->imatrix;
    rg_status status = RG_OK;
    if (plan->model == NULL) {
        copy_keys(rg_source_gguf(plan->source), w);
    } else {
        RG_TRY(make_keys(plan, w, err));
    }
    rg_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    rg_gguf_put_u32(w, "general.file_type", plan->options->mix->file_type);
    if (imatrix != NULL) {
        rg_gguf_put_str(w, "quantize.imatrix.file", rg_str_of(rg_imatrix_path(imatrix)));
        if (rg_imatrix_text(imatrix).size != 0) {
            rg_gguf_put_str(w, "quantize.imatrix.dataset", rg_imatrix_text(imatrix));
        }
        rg_gguf_put_u32(w, "quantize.imatrix.entries_count", (uint32_t)rg_imatrix_count(imatrix));
        rg_gguf_put_u32(w, "quantize.imatrix.chunks_count", rg_imatrix_chunks(imatrix));
    }

done:
    return status;
}
