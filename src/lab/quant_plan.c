/* Which tensors a quantized file gets, and of which types. */
#include "lab/quant_internal.h"
#include "model/rope.h"
#include "model/tower.h"

#include <stdio.h>

void rg_quant_plan_clear(rg_quant_plan *plan) {
    rg_model_free(plan->model);
    rg_free(plan->mem, plan->items);
    rg_arena_clear(&plan->arena);
}

// ---- tensors ----

static rg_status reserve(rg_quant_plan *plan, size_t n, rg_error *err) {
    plan->items = rg_new_array(plan->mem, n, sizeof *plan->items);
    return plan->items != NULL
               ? RG_OK
               : rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", n);
}

// heads whose rows are in another order in the file
static uint32_t turns_of(const rg_model *m, rg_role role) {
    const bool is_q = role == RG_ROLE_ATTN_Q || role == RG_ROLE_ATTN_Q_BIAS;
    const bool is_k = role == RG_ROLE_ATTN_K || role == RG_ROLE_ATTN_K_BIAS;
    return !m->arch->reorders_gguf ? 0 : is_q ? m->h.n_head : is_k ? m->h.n_kv_head : 0;
}

static rg_status add_weight(rg_quant_plan *plan, const rg_weight_rule *rule, uint32_t layer,
                            rg_error *err) {
    const rg_model *m = plan->model;
    const rg_tensor *weight = &m->weights[rg_model_slot(rule->role, layer)];
    char name[RG_WEIGHT_NAME_MAX];
    if (weight->data == NULL || rule->gguf == NULL) {
        return RG_OK;
    }
    rg_weight_name(rule->gguf, layer, 0, name);
    const char *copy = rg_arena_copy(&plan->arena, name, strlen(name));
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the name of a tensor");
    }
    rg_quant_item *item = &plan->items[plan->n_items++];
    *item = (rg_quant_item){.from = *weight, .n_turns = turns_of(m, rule->role)};
    item->from.name = rg_str_of(copy);
    return RG_OK;
}

// the scaling of llama3 has no key: it becomes divisors of the frequencies
static rg_status add_divisors(rg_quant_plan *plan, rg_error *err) {
    const rg_rope_params *rope = &plan->model->h.rope;
    const size_t n = rope->n_rot / 2;
    if (rope->scaling != RG_ROPE_LLAMA3) {
        return RG_OK;
    }
    float *divisors = rg_arena_alloc(&plan->arena, n * sizeof *divisors);
    if (divisors == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu divisors", n);
    }
    rg_rope_divisors(rope, divisors);
    plan->items[plan->n_items++].from = (rg_tensor){.name = RG_STR("rope_freqs.weight"),
                                                    .dtype = RG_DTYPE_F32,
                                                    .n_dims = 1,
                                                    .shape = {n},
                                                    .data = divisors,
                                                    .bytes = n * sizeof *divisors};
    return RG_OK;
}

static rg_status list_weights(rg_quant_plan *plan, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(rg_model_load(plan->mem, plan->source, &plan->model, err));
    const rg_model *m = plan->model;
    // GGUF holds it in another form, or with settings that are not written yet
    bool is_other = m->h.n_latent != 0 || m->h.n_stream != 0;
    for (uint32_t i = 0; i < m->h.n_layer; i++) {
        is_other = is_other || m->h.is_recurrent[i];
    }
    if (is_other) {
        status = rg_fail(err, RG_E_UNSUPPORTED,
                         "checkpoints of the family %s cannot be converted to GGUF; raga runs them "
                         "as they are, and quantizes them on load (--quant)",
                         m->arch->name);
        goto done;
    }
    rg_buf_str(&plan->report->notes, rg_buf_view(&m->warnings));
    if (rg_tower_is_there(plan->source)) {
        rg_buf_str(&plan->report->notes,
                   RG_STR("the part of the model that sees is not written: words are\n"));
    }
    RG_TRY(reserve(plan, m->n_weights + 1, err));
    // what exists once, then layer by layer
    for (uint32_t layer = 0; layer <= m->h.n_layer; layer++) {
        for (size_t i = 0; i < m->arch->n_weights; i++) {
            const rg_weight_rule *rule = &m->arch->weights[i];
            const bool is_layer = rule->role >= RG_ROLE_FIRST_LAYER;
            if (is_layer == (layer > 0)) {
                RG_TRY(add_weight(plan, rule, layer == 0 ? 0 : layer - 1, err));
            }
        }
        if (layer == 0) {
            RG_TRY(add_divisors(plan, err));
        }
    }

done:
    return status;
}

static rg_status list_tensors(rg_quant_plan *plan, rg_error *err) {
    const size_t n = rg_source_count(plan->source);
    const rg_status status = reserve(plan, n + 1, err);
    for (size_t i = 0; status == RG_OK && i < n; i++) {
        plan->items[plan->n_items++].from = *rg_source_at(plan->source, i);
    }
    return status;
}

// ---- types ----

// * stands for any text, ? for one byte; without either the pattern is looked for in the name
static bool matches(rg_str pattern, rg_str name) {
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;
    bool is_plain = true;
    for (size_t i = 0; i < pattern.size; i++) {
        is_plain = is_plain && pattern.data[i] != '*' && pattern.data[i] != '?';
    }
    for (size_t i = 0; is_plain && i + pattern.size <= name.size; i++) {
        if (rg_str_eq(rg_str_slice(name, i, i + pattern.size), pattern)) {
            return true;
        }
    }
    while (!is_plain && n < name.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.size &&
                   (pattern.data[p] == '?' || pattern.data[p] == name.data[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*') {
        p++;
    }
    return !is_plain && p == pattern.size;
}

static rg_status model_of(const rg_quant_plan *plan, rg_mix_model *out, rg_error *err) {
    *out = (rg_mix_model){.has_importance = plan->options->imatrix != NULL,
                          .output_type = plan->options->output_type,
                          .embed_type = plan->options->embed_type};
    for (size_t i = 0; i < plan->n_items; i++) {
        out->has_output = out->has_output || rg_str_is(plan->items[i].from.name, "output.weight");
    }
    if (plan->model != NULL) {
        out->family = rg_str_of(plan->model->arch->name);
        out->n_layer = plan->model->h.n_layer;
        out->n_head = plan->model->h.n_head;
        out->n_kv_head = plan->model->h.n_kv_head;
        out->n_expert = plan->model->h.n_expert;
        return RG_OK;
    }
    const rg_gguf *gguf = rg_source_gguf(plan->source);
    rg_str arch = {0};
    if (!rg_gguf_str(gguf, "general.architecture", &arch) || arch.size > 64) {
        return rg_fail(err, RG_E_FORMAT, "the key general.architecture is missing: no model");
    }
    out->family = arch;
    const struct {
        const char *name;
        uint32_t *out;
        bool is_needed;
    } keys[] = {{"block_count", &out->n_layer, true},
                {"attention.head_count", &out->n_head, false},
                {"attention.head_count_kv", &out->n_kv_head, false},
                {"expert_count", &out->n_expert, false}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[128];
        int64_t value = 0;
        snprintf(key, sizeof key, "%.*s.%s", RG_FMT(arch), keys[i].name);
        if (rg_gguf_i64(gguf, key, &value) && value >= 0 && value <= 1 << 20) {
            *keys[i].out = (uint32_t)value;
        } else if (keys[i].is_needed) {
            return rg_fail(err, RG_E_FORMAT, "the key %s is missing", key);
        }
    }
    out->n_kv_head = out->n_kv_head == 0 ? out->n_head : out->n_kv_head;
    return RG_OK;
}

static bool is_float(rg_dtype dtype) {
    return dtype == RG_DTYPE_F32 || dtype == RG_DTYPE_F16 || dtype == RG_DTYPE_BF16;
}

// what the user, or else the mix, wants of a matrix, and what its rows allow
static rg_status choose(rg_quant_plan *plan, const rg_mix_model *model, rg_quant_item *item,
                        bool *is_chosen, rg_error *err) {
    const rg_quant_options *o = plan->options;
    const rg_tensor *t = &item->from;
    const size_t cols = t->shape[t->n_dims - 1];
    rg_dtype wanted = rg_mix_type(o->mix, model, t);
    for (size_t i = 0; i < o->n_choices; i++) {
        if (matches(o->choices[i].pattern, t->name)) {
            wanted = o->choices[i].dtype;
            is_chosen[i] = true;
            break;
        }
    }
    item->to = rg_mix_fitting(wanted, cols);
    if (item->to != wanted) {
        plan->report->n_stand_ins++;
        rg_buf_format(&plan->report->notes,
                      "%.*s: rows of %zu are no multiple of %u, %s stands in for %s\n",
                      RG_FMT(t->name), cols, rg_dtype_get(wanted)->block,
                      rg_dtype_get(item->to)->name, rg_dtype_get(wanted)->name);
    }
    if (!is_float(t->dtype) && t->dtype != item->to && !o->may_requantize) {
        return rg_fail(err, RG_E_ARG,
                       "tensor %.*s is %s already: quantizing it again to %s loses twice; take the "
                       "original, or allow it (--requantize)",
                       RG_FMT(t->name), rg_dtype_get(t->dtype)->name, rg_dtype_get(item->to)->name);
    }
    if (t->dtype != item->to && rg_dtype_get(t->dtype)->to_float == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED, "tensor %.*s is %s, which cannot be read",
                       RG_FMT(t->name), rg_dtype_get(t->dtype)->name);
    }
    return RG_OK;
}

static rg_status find_importance(rg_quant_plan *plan, rg_quant_item *item, rg_error *err) {
    const rg_tensor *t = &item->from;
    if (plan->options->imatrix == NULL || rg_dtype_get(item->to)->from_float_by == NULL ||
        t->dtype == item->to) {
        return RG_OK;
    }
    const rg_imatrix_entry *entry = rg_imatrix_find(plan->options->imatrix, t->name);
    const size_t cols = t->shape[t->n_dims - 1];
    const size_t n_mats = t->n_dims == 3 ? t->shape[0] : 1;
    if (entry == NULL) {
        return RG_OK;
    }
    if (entry->n_cols != cols || entry->n_mats != n_mats) {
        return rg_fail(err, RG_E_ARG,
                       "%s has %zu x %zu values for tensor %.*s, which has %zu x %zu columns: is "
                       "it of another model?",
                       rg_imatrix_path(plan->options->imatrix), entry->n_mats, entry->n_cols,
                       RG_FMT(t->name), n_mats, cols);
    }
    item->importance = entry;
    plan->report->n_by_importance++;
    return RG_OK;
}

static void note_strangers(rg_quant_plan *plan) {
    enum { NAMED = 3 };
    const rg_imatrix *imatrix = plan->options->imatrix;
    size_t n = 0;
    for (size_t i = 0; imatrix != NULL && i < rg_imatrix_count(imatrix); i++) {
        const rg_str name = rg_imatrix_at(imatrix, i)->name;
        bool is_known = false;
        for (size_t k = 0; k < plan->n_items && !is_known; k++) {
            is_known = rg_str_eq(plan->items[k].from.name, name);
        }
        if (!is_known && n++ < NAMED) {
            rg_buf_format(&plan->report->notes, "the model has no tensor %.*s of the imatrix\n",
                          RG_FMT(name));
        }
    }
    if (n > NAMED) {
        rg_buf_format(&plan->report->notes, "nor %zu more\n", n - NAMED);
    }
}

rg_status rg_quant_plan_make(rg_quant_plan *plan, rg_error *err) {
    const rg_quant_options *o = plan->options;
    rg_status status = RG_OK;
    rg_mix_model model;
    bool is_chosen[RG_QUANT_CHOICES_MAX] = {false};
    rg_arena_init(&plan->arena, plan->mem, 0);
    if (rg_source_get_kind(plan->source) == RG_SOURCE_HF) {
        RG_TRY(list_weights(plan, err));
    } else {
        RG_TRY(list_tensors(plan, err));
    }
    RG_TRY(model_of(plan, &model, err));
    for (size_t i = 0; i < plan->n_items; i++) {
        rg_quant_item *item = &plan->items[i];
        item->to = plan->model != NULL ? RG_DTYPE_F32 : item->from.dtype;
        if (rg_mix_applies(&item->from)) {
            RG_TRY(choose(plan, &model, item, is_chosen, err));
            RG_TRY(find_importance(plan, item, err));
        }
    }
    for (size_t i = 0; i < o->n_choices; i++) {
        if (!is_chosen[i]) {
            status = rg_fail(err, RG_E_ARG,
                             "the pattern \"%.*s\" decides about no tensor that is quantized",
                             RG_FMT(o->choices[i].pattern));
            goto done;
        }
    }
    note_strangers(plan);

done:
    return status;
}
