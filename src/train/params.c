#include "train/params.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>

// ---- storage ----

// list, then one block for all values, 64-byte aligned each
static rg_status allocate(rg_params *p, rg_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < p->n; i++) {
        rg_param *param = &p->list[i];
        param->n = 1;
        for (uint32_t d = 0; d < param->n_dims; d++) {
            param->n *= param->shape[d]; // fits: the model's own tensor has as many values
        }
        p->n_values += param->n;
        if (!rg_add_size(total, rg_round_up(param->n, 16), &total)) {
            return rg_fail(err, RG_E_LIMIT, "more values than memory can number");
        }
    }
    size_t bytes = 0;
    if (!rg_mul_size(total, 3 * sizeof(float), &bytes)) {
        return rg_fail(err, RG_E_LIMIT, "%zu values to train do not fit in memory", total);
    }
    p->block = rg_new(p->mem, bytes);
    if (p->block == NULL) {
        return rg_fail(err, RG_E_MEMORY,
                       "no memory for %zu MiB of trained values and their moments", bytes >> 20);
    }
    float *at = p->block;
    for (size_t i = 0; i < p->n; i++) {
        rg_param *param = &p->list[i];
        const size_t n = rg_round_up(param->n, 16);
        param->w = at;
        param->m = at + n;
        param->v = at + 2 * n;
        at += 3 * n;
    }
    return RG_OK;
}

void rg_params_clear(rg_params *params) {
    if (params->mem != NULL) {
        rg_free(params->mem, params->list);
        rg_free(params->mem, params->block);
    }
    *params = (rg_params){0};
}

rg_tensor rg_param_tensor(const rg_param *param) {
    rg_tensor t = {.name = rg_str_of(param->name),
                   .dtype = RG_DTYPE_F32,
                   .n_dims = param->n_dims,
                   .data = param->w,
                   .bytes = param->n * sizeof(float)};
    memcpy(t.shape, param->shape, sizeof t.shape);
    return t;
}

static void set_param(rg_param *param, const rg_model *model, uint32_t slot, uint32_t part,
                      uint32_t n_parts) {
    const rg_tensor *w = &model->weights[slot];
    const uint32_t skip = n_parts > 1 ? 1 : 0; // the dimension that the parts make
    (void)rg_model_weight_name(model, slot, part, param->name);
    param->slot = slot;
    param->part = part;
    param->n_parts = n_parts;
    param->n_dims = w->n_dims - skip;
    memcpy(param->shape, w->shape + skip, param->n_dims * sizeof *param->shape);
    param->base = rg_model_is_from_one(model, slot) ? 1 : 0;
    param->is_fixed = rg_model_role(slot) == RG_ROLE_ROUTER_BIAS; // decides, adds nothing
    param->decays = param->n_dims > 1;
    param->is_inner = param->n_dims == 2 && slot >= RG_ROLE_FIRST_LAYER;
}

rg_status rg_params_of_model(const rg_mem *mem, const rg_model *model, rg_params *out,
                             rg_error *err) {
    rg_status status = RG_OK;
    rg_params p = {.mem = mem};
    size_t n_most = 0;
    if (model->has_fused_experts) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "the experts of this model lie in one tensor a layer: its weights cannot "
                       "all be trained, low-rank additions can");
    }
    if (model->h.n_stream != 0) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "weights of models with several residual streams cannot all be trained yet, "
                       "low-rank additions can");
    }
    for (uint32_t slot = 0; slot < model->n_weights; slot++) {
        n_most += rg_model_weight_parts(model, slot);
    }
    p.list = rg_new_array(mem, n_most + 1, sizeof *p.list);
    if (p.list == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", n_most);
    }
    for (uint32_t slot = 0; slot < model->n_weights; slot++) {
        const uint32_t n_parts = rg_model_weight_parts(model, slot);
        for (uint32_t part = 0; model->weights[slot].data != NULL && part < n_parts; part++) {
            set_param(&p.list[p.n++], model, slot, part, n_parts);
        }
    }
    RG_TRY(allocate(&p, err));
    for (size_t i = 0; i < p.n; i++) {
        const rg_param *param = &p.list[i];
        const rg_tensor *w = &model->weights[param->slot];
        rg_dtype_get(w->dtype)->to_float(
            param->w, param->n_parts > 1 ? rg_tensor_slab(w, param->part) : w->data, param->n);
    }
    *out = p;
    p = (rg_params){0};

done:
    rg_params_clear(&p);
    return status;
}

// ---- low-rank additions ----

// is the last word of a module's name among the targets?
static bool is_target(const char *targets, const char *module) {
    const char *dot = strrchr(module, '.');
    const rg_str last = rg_str_of(dot == NULL ? module : dot + 1);
    if (strcmp(targets, "all-linear") == 0) {
        return true;
    }
    for (const char *p = targets; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        if (rg_str_eq(last, (rg_str){p, n})) {
            return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

static void name_pair(rg_param *a, rg_param *b, const char *module) {
    snprintf(a->name, sizeof a->name, "%.200s.lora_A.weight", module);
    snprintf(b->name, sizeof b->name, "%.200s.lora_B.weight", module);
}

// the two parameters of addition i, their values not yet there
static void set_pair(rg_params *p, const rg_model *model, size_t i, uint32_t slot, size_t rank) {
    char module[RG_WEIGHT_NAME_MAX] = "";
    rg_param *a = &p->list[2 * i];
    rg_param *b = a + 1;
    const rg_tensor *w = &model->weights[slot];
    (void)rg_adapter_module(model, slot, module, sizeof module);
    *a = (rg_param){.slot = (uint32_t)(model->n_weights + 2 * i),
                    .n_parts = 1,
                    .n_dims = 2,
                    .shape = {rank, w->shape[1]},
                    .decays = true};
    *b = (rg_param){.slot = a->slot + 1,
                    .n_parts = 1,
                    .n_dims = 2,
                    .shape = {w->shape[0], rank},
                    .decays = true};
    name_pair(a, b, module);
}

static rg_status begin_loras(const rg_mem *mem, size_t n, rg_params *p, rg_lora **loras,
                             rg_error *err) {
    *p = (rg_params){.mem = mem, .n = 2 * n};
    p->list = rg_new_array(mem, 2 * n + 1, sizeof *p->list);
    *loras = rg_new_array(mem, n + 1, sizeof **loras);
    return p->list == NULL || *loras == NULL
               ? rg_fail(err, RG_E_MEMORY, "no memory for %zu low-rank additions", n)
               : RG_OK;
}

static void point_loras(const rg_params *p, rg_lora *loras, size_t n) {
    for (size_t i = 0; i < n; i++) {
        loras[i].a = rg_param_tensor(&p->list[2 * i]);
        loras[i].b = rg_param_tensor(&p->list[2 * i + 1]);
    }
}

// slots of the matrices that are meant, ascending; their number
static size_t find_targets(const rg_model *model, const char *targets, uint32_t *slots) {
    size_t n = 0;
    for (uint32_t slot = RG_ROLE_FIRST_LAYER; slot < model->n_weights; slot++) {
        char module[RG_WEIGHT_NAME_MAX];
        if (rg_adapter_takes(model, slot) &&
            rg_adapter_module(model, slot, module, sizeof module) && is_target(targets, module)) {
            slots[n++] = slot;
        }
    }
    return n;
}

rg_status rg_params_new_lora(const rg_mem *mem, const rg_model *model,
                             const rg_lora_options *options, rg_params *out, rg_lora **loras,
                             size_t *n_loras, rg_error *err) {
    rg_status status = RG_OK;
    rg_params p = {0};
    rg_lora *list = NULL;
    rg_rng rng;
    uint32_t *slots = rg_new_array(mem, model->n_weights, sizeof *slots);
    if (slots == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", model->n_weights);
    }
    if (options->rank == 0 || options->rank > RG_LORA_RANK_MAX) {
        status = rg_fail(err, RG_E_ARG, "a rank of %u is not possible, 1 to %d are", options->rank,
                         RG_LORA_RANK_MAX);
        goto done;
    }
    const size_t n = find_targets(model, options->targets, slots);
    if (n == 0) {
        status = rg_fail(err, RG_E_ARG,
                         "no matrix of this model is named \"%s\"; \"all-linear\" takes all, or "
                         "name some: q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj",
                         options->targets);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const rg_tensor *w = &model->weights[slots[i]];
        if (options->rank > rg_lora_rank_most(w)) {
            status =
                rg_fail(err, RG_E_ARG, "a rank of %u is more than a matrix of %zu x %zu can use",
                        options->rank, w->shape[0], w->shape[1]);
            goto done;
        }
    }
    RG_TRY(begin_loras(mem, n, &p, &list, err));
    for (size_t i = 0; i < n; i++) {
        set_pair(&p, model, i, slots[i], options->rank);
        const double rank = options->rank;
        list[i] = (rg_lora){.slot = slots[i],
                            .scaling =
                                (float)(options->alpha / (options->is_rslora ? sqrt(rank) : rank))};
    }
    RG_TRY(allocate(&p, err));
    rg_rng_init(&rng, options->seed);
    for (size_t i = 0; i < n; i++) {
        rg_param *a = &p.list[2 * i];
        const double bound = 1 / sqrt((double)a->shape[1]);
        for (size_t k = 0; k < a->n; k++) {
            a->w[k] = (float)((2 * rg_rng_uniform(&rng) - 1) * bound);
        }
    }
    point_loras(&p, list, n);
    *out = p;
    *loras = list;
    *n_loras = n;
    p = (rg_params){0};
    list = NULL;

done:
    rg_free(mem, slots);
    rg_free(mem, list);
    rg_params_clear(&p);
    return status;
}

rg_status rg_params_of_adapter(const rg_mem *mem, const rg_model *model, const rg_adapter *adapter,
                               rg_params *out, rg_lora **loras, size_t *n_loras, rg_error *err) {
    rg_status status = RG_OK;
    rg_params p = {0};
    rg_lora *list = NULL;
    RG_TRY(begin_loras(mem, adapter->n_loras, &p, &list, err));
    for (size_t i = 0; i < adapter->n_loras; i++) {
        list[i] = adapter->loras[i];
        set_pair(&p, model, i, list[i].slot, list[i].a.shape[0]);
    }
    RG_TRY(allocate(&p, err));
    for (size_t i = 0; i < adapter->n_loras; i++) {
        const rg_lora *from = &adapter->loras[i];
        rg_dtype_get(from->a.dtype)->to_float(p.list[2 * i].w, from->a.data, p.list[2 * i].n);
        rg_dtype_get(from->b.dtype)
            ->to_float(p.list[2 * i + 1].w, from->b.data, p.list[2 * i + 1].n);
    }
    point_loras(&p, list, adapter->n_loras);
    *out = p;
    *loras = list;
    *n_loras = adapter->n_loras;
    p = (rg_params){0};
    list = NULL;

done:
    rg_free(mem, list);
    rg_params_clear(&p);
    return status;
}
