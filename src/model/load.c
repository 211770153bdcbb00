/* From a container to a model: every tensor accounted for, every shape checked, few converted. */
#include "model/load_internal.h"
#include "model/settings.h"

#include "graph/state.h"

#include <stdio.h>

// ---- shapes ----

// one factor of a shape: "vocab", "head", ...
static bool factor_of(const rg_hparams *h, rg_str word, size_t *out) {
    const struct {
        const char *name;
        size_t value;
    } words[] = {
        {"vocab", h->n_vocab},
        {"embd", h->n_embd},
        {"head", h->n_head},
        {"kv", h->n_kv_head},
        {"hdim", h->head_dim},
        {"ff", h->n_ff},
        {"rot2", h->rope.n_rot / 2},
        {"exp", h->n_expert},
        {"ffx", h->n_ff_expert},
        {"ffs", h->n_ff_shared},
        {"dqkv",
         2 * (size_t)h->n_delta_key * h->delta_k_dim + (size_t)h->n_delta_head * h->delta_v_dim},
        {"dqkvz", 2 * (size_t)h->n_delta_key * h->delta_k_dim +
                      2 * (size_t)h->n_delta_head * h->delta_v_dim},
        {"lat", h->n_latent},
        {"latq", h->n_latent_q},
        {"latkv", (size_t)h->n_latent + h->n_turning},
        {"still", h->n_still},
        {"ih", h->n_index_head},
        {"idim", h->index_dim},
        {"vhd", h->v_head_dim},
        {"kvb", (size_t)h->n_still + h->v_head_dim},
        {"dval", (size_t)h->n_delta_head * h->delta_v_dim},
        {"vh", h->n_delta_head},
        {"vdim", h->delta_v_dim},
        {"conv", h->conv_kernel},
        {"pix", h->sight.n_pixel},
        {"place", h->sight.n_places},
        {"cell", h->sight.n_cell},
        {"sight", h->sight.n_out},
        {"og", h->n_out_group},
        {"olat", h->n_out_latent},
        {"ogw", h->n_out_group == 0 ? 0 : (size_t)h->n_head * h->head_dim / h->n_out_group},
        {"used", h->n_expert_used},
        {"2", 2},
        {"1", 1},
        {"3", 3},
        {"4", 4},
        {"24", 24},
        {"128", 128},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (rg_str_is(word, words[i].name)) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

// the factors are small enough for their products to fit
uint32_t rg_weight_shape(const rg_hparams *h, const char *text, size_t shape[RG_DIMS_MAX]) {
    uint32_t n_dims = 0;
    const char *p = text;
    while (*p != '\0' && n_dims < RG_DIMS_MAX) {
        size_t product = 1;
        for (;;) {
            const size_t n = strcspn(p, "* ");
            size_t factor = 0;
            if (factor_of(h, (rg_str){p, n}, &factor)) {
                product *= factor;
            }
            p += n;
            if (*p != '*') {
                break;
            }
            p++;
        }
        shape[n_dims++] = product;
        p += *p == ' ';
    }
    return n_dims;
}

static void print_shape(char *text, size_t size, const size_t *shape, uint32_t n_dims) {
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t d = 0; d < n_dims && at < size; d++) {
        at += (size_t)snprintf(text + at, size - at, d == 0 ? "%zu" : " x %zu", shape[d]);
    }
}

// one matrix of many where `is_one`: then the first dimension is not in the file
static rg_status check_shape(rg_loader *l, rg_tensor *t, const char *rule, bool is_one) {
    size_t want[RG_DIMS_MAX] = {0};
    uint32_t n_dims = rg_weight_shape(&l->model->h, rule, want);
    for (uint32_t d = 1; is_one && d < RG_DIMS_MAX; d++) {
        want[d - 1] = want[d];
    }
    n_dims -= is_one;
    // dimensions of one value that some files add: of convolutions, of vectors
    for (uint32_t d = 0; d < t->n_dims && t->n_dims > n_dims;) {
        if (t->shape[d] != 1) {
            d++;
            continue;
        }
        for (uint32_t k = d + 1; k < t->n_dims; k++) {
            t->shape[k - 1] = t->shape[k];
        }
        t->n_dims--;
    }
    for (; n_dims == 2 && t->n_dims > 2; t->n_dims--) {
        t->shape[t->n_dims - 2] *= t->shape[t->n_dims - 1]; // the kernel of a convolution is a row
    }
    if (t->n_dims == 1 && n_dims == 2 && want[0] == 1) {
        // a single row is a vector in some files
        t->n_dims = 2;
        t->shape[1] = t->shape[0];
        t->shape[0] = 1;
    }
    bool is_right = t->n_dims == n_dims;
    for (uint32_t d = 0; is_right && d < n_dims; d++) {
        is_right = t->shape[d] == want[d];
    }
    if (!is_right) {
        char has[96], needs[96];
        print_shape(has, sizeof has, t->shape, t->n_dims);
        print_shape(needs, sizeof needs, want, n_dims);
        return rg_fail(l->err, RG_E_FORMAT, "tensor %.*s is %s, the settings need %s (%s)",
                       RG_FMT(t->name), has, needs, rule);
    }
    return RG_OK;
}

static bool is_number_type(rg_dtype dtype) {
    switch (dtype) {
    case RG_DTYPE_I8:
    case RG_DTYPE_I16:
    case RG_DTYPE_I32:
    case RG_DTYPE_I64:
    case RG_DTYPE_U8:
    case RG_DTYPE_BOOL:
    case RG_DTYPE_F8_E8M0:
    case RG_DTYPE_F64:
        return false;
    default:
        return rg_dtype_get(dtype)->to_float != NULL;
    }
}

static rg_status check_type(rg_loader *l, const rg_tensor *t) {
    if (!is_number_type(t->dtype)) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s is of type %s, which holds no weights", RG_FMT(t->name),
                       rg_dtype_get(t->dtype)->name);
    }
    l->is_used[rg_source_index(l->source, t->name)] = true;
    l->model->weight_bytes += t->bytes;
    return RG_OK;
}

bool rg_load_is_widened(rg_role role) {
    switch (role) {
    case RG_ROLE_ROUTER:
    case RG_ROLE_SHARED_ROUTER:
    case RG_ROLE_INDEX_WEIGHTS:
    case RG_ROLE_DELTA_A:
    case RG_ROLE_DELTA_B:
    case RG_ROLE_DELTA_BA:
    case RG_ROLE_DELTA_CONV:
    case RG_ROLE_KDA_CONV_K:
    case RG_ROLE_KDA_CONV_V:
    case RG_ROLE_KDA_F_A:
    case RG_ROLE_KDA_F_B:
    case RG_ROLE_HYPER_HEAD_FN:
    case RG_ROLE_HYPER_ATTN_FN:
    case RG_ROLE_HYPER_FFN_FN:
    case RG_ROLE_COMPRESS_APE:
    case RG_ROLE_INDEX_COMPRESS_APE:
        return true;
    default:
        return false;
    }
}

static rg_status take(rg_loader *l, const rg_weight_rule *rule, uint32_t layer,
                      const rg_tensor *t) {
    rg_tensor *weight = &l->model->weights[rg_model_slot(rule->role, layer)];
    rg_tensor shaped = *t;
    rg_status status = check_shape(l, &shaped, rule->shape, false);
    if (status == RG_OK && rule->role == RG_ROLE_ROUTER_TABLE) {
        l->is_used[rg_source_index(l->source, t->name)] = true;
        *weight = shaped;
        return rg_load_table(l, weight);
    }
    if (status == RG_OK) {
        status = check_type(l, t);
    }
    if (status != RG_OK) {
        return status;
    }
    *weight = shaped;
    if (t->dtype == RG_DTYPE_F8_E4M3) {
        status = rg_load_fp8(l, weight, &t, 1, rg_load_is_widened(rule->role));
    } else if (rg_model_is_from_one(l->model, rg_model_slot(rule->role, layer)) &&
               rg_source_get_kind(l->source) == RG_SOURCE_HF) {
        status = rg_load_add_one(l, weight);
    } else if (weight->n_dims == 1 || rg_load_is_widened(rule->role)) {
        status = rg_load_widen(l, weight);
    }
    return status;
}

// a tensor by the name that a rule gives it; models that see as well have their language in a part
static const rg_tensor *find_tensor(const rg_loader *l, const char *pattern, uint32_t layer,
                                    uint32_t expert) {
    char name[RG_WEIGHT_NAME_MAX];
    rg_weight_name(pattern, layer, expert, name);
    const rg_tensor *t = rg_source_find(l->source, rg_str_of(name));
    for (rg_part part = RG_PART_INSIDE; t == NULL && part <= RG_PART_BARE; part++) {
        rg_weight_name(pattern, layer, expert, name);
        t = rg_weight_name_of_part(part, name) ? rg_source_find(l->source, rg_str_of(name)) : NULL;
        l->model->part = t != NULL ? part : l->model->part;
    }
    return t;
}

// experts of FP8, one after another
static rg_status take_fp8_experts(rg_loader *l, const char *pattern, uint32_t layer,
                                  rg_tensor *weight) {
    const size_t n = weight->shape[0];
    const rg_tensor **matrices = rg_new_array(l->model->mem, n, sizeof *matrices);
    if (matrices == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for a list of %zu experts", n);
    }
    for (uint32_t e = 0; e < n; e++) {
        matrices[e] = find_tensor(l, pattern, layer, e);
    }
    const rg_status status = rg_load_fp8(l, weight, matrices, n, false);
    rg_free(l->model->mem, matrices);
    return status;
}

// the matrices of a layer's experts where they lie, one tensor each
static rg_status take_experts(rg_loader *l, const rg_weight_rule *rule, uint32_t layer,
                              const char *pattern) {
    rg_model *m = l->model;
    const uint32_t n = m->h.n_expert;
    const void **slabs = rg_new_array(m->mem, n, sizeof *slabs);
    rg_tensor *weight = &m->weights[rg_model_slot(rule->role, layer)];
    if (slabs == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for a list of %u experts", n);
    }
    m->owned[m->n_owned++] = slabs;
    rg_tensor all = {.n_dims = 3, .slabs = slabs};
    for (uint32_t e = 0; e < n; e++) {
        const rg_tensor *t = find_tensor(l, pattern, layer, e);
        if (t == NULL) {
            char name[RG_WEIGHT_NAME_MAX];
            rg_weight_name(pattern, layer, e, name);
            return rg_fail(l->err, RG_E_FORMAT, "tensor %s is missing", name);
        }
        rg_tensor shaped = *t;
        rg_status status = check_shape(l, &shaped, rule->shape, true);
        if (status == RG_OK) {
            status = check_type(l, t);
        }
        if (status != RG_OK) {
            return status;
        }
        all.dtype = e == 0 ? t->dtype : all.dtype;
        if (t->dtype != all.dtype) {
            return rg_fail(l->err, RG_E_UNSUPPORTED,
                           "tensor %.*s is %s: experts of types that differ are not supported",
                           RG_FMT(t->name), rg_dtype_get(t->dtype)->name);
        }
        all.name = e == 0 ? t->name : all.name;
        all.shape[1] = shaped.shape[0];
        all.shape[2] = shaped.shape[1];
        all.bytes += t->bytes;
        slabs[e] = t->data;
    }
    all.data = slabs[0];
    all.shape[0] = n;
    *weight = all;
    return all.dtype == RG_DTYPE_F8_E4M3 ? take_fp8_experts(l, pattern, layer, weight) : RG_OK;
}

// a tensor beside a weight, as quantizers name them: "...weight_scale"
static const rg_tensor *find_beside(rg_loader *l, const char *pattern, const char *end,
                                    uint32_t layer, uint32_t expert) {
    char name[RG_WEIGHT_NAME_MAX];
    snprintf(name, sizeof name, "%s%s", pattern, end);
    const rg_tensor *t = find_tensor(l, name, layer, expert);
    if (t != NULL) {
        l->is_used[rg_source_index(l->source, t->name)] = true;
    }
    return t;
}

// 4-bit integers with a scale for each group: a matrix, or those of a layer's experts
static rg_status take_packed(rg_loader *l, const rg_weight_rule *rule, uint32_t layer,
                             const char *pattern) {
    rg_tensor *weight = &l->model->weights[rg_model_slot(rule->role, layer)];
    rg_tensor all = {.name = find_beside(l, pattern, "_packed", layer, 0)->name};
    void *room = NULL;
    all.n_dims = rg_weight_shape(&l->model->h, rule->shape, all.shape);
    const size_t n = all.n_dims == 3 ? all.shape[0] : 1;
    const size_t rows = all.shape[all.n_dims - 2], columns = all.shape[all.n_dims - 1];
    size_t bytes = 0; // of one matrix
    if (all.n_dims < 2 || rg_load_is_widened(rule->role) || columns % 32 != 0 ||
        !rg_dtype_bytes(RG_DTYPE_Q4_0, rows * columns, &bytes)) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s: packed integers are supported in matrices whose columns are "
                       "a multiple of 32",
                       RG_FMT(all.name));
    }
    rg_status status = rg_load_own(l, &all, RG_DTYPE_Q4_0, &room);
    for (uint32_t e = 0; e < n && status == RG_OK; e++) {
        const rg_packed p = {.words = find_beside(l, pattern, "_packed", layer, e),
                             .scales = find_beside(l, pattern, "_scale", layer, e)};
        (void)find_beside(l, pattern, "_shape", layer, e); // what the rule says
        if (p.words == NULL || p.scales == NULL) {
            char name[RG_WEIGHT_NAME_MAX];
            rg_weight_name(pattern, layer, e, name);
            status = rg_fail(l->err, RG_E_FORMAT, "tensor %s_%s is missing", name,
                             p.words == NULL ? "packed" : "scale");
        } else if (find_beside(l, pattern, "_zero_point", layer, e) != NULL) {
            status = rg_fail(l->err, RG_E_UNSUPPORTED,
                             "tensor %.*s has zero points beside it, which are not supported",
                             RG_FMT(p.words->name));
        } else {
            status = rg_load_repack(l, &p, rows, columns, (char *)room + e * bytes);
        }
    }
    *weight = all;
    return status;
}

// the factors beside a weight: "...w1.weight" has "...w1.scale"
static const rg_tensor *find_factors(rg_loader *l, const char *pattern, uint32_t layer,
                                     uint32_t expert) {
    char stem[RG_WEIGHT_NAME_MAX];
    const char *end = strstr(pattern, ".weight");
    if (end == NULL || (size_t)(end - pattern) >= sizeof stem) {
        return NULL;
    }
    snprintf(stem, sizeof stem, "%.*s", (int)(end - pattern), pattern);
    return find_beside(l, stem, ".scale", layer, expert);
}

// 4-bit floats with a power of two for each 32, of a layer's experts
static rg_status take_fp4(rg_loader *l, const rg_weight_rule *rule, uint32_t layer,
                          const char *pattern) {
    rg_tensor *weight = &l->model->weights[rg_model_slot(rule->role, layer)];
    rg_tensor all = {.name = find_tensor(l, pattern, layer, 0)->name};
    void *room = NULL;
    size_t bytes = 0; // of one matrix
    all.n_dims = rg_weight_shape(&l->model->h, rule->shape, all.shape);
    const size_t rows = all.shape[1], columns = all.shape[2];
    if (columns % 32 != 0 || !rg_dtype_bytes(RG_DTYPE_MXFP4, rows * columns, &bytes)) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s: packed floats are supported in matrices whose columns are a "
                       "multiple of 32",
                       RG_FMT(all.name));
    }
    rg_status status = rg_load_own(l, &all, RG_DTYPE_MXFP4, &room);
    for (uint32_t e = 0; e < all.shape[0] && status == RG_OK; e++) {
        const rg_packed p = {.words = find_beside(l, pattern, "", layer, e),
                             .scales = find_factors(l, pattern, layer, e)};
        if (p.words == NULL || p.scales == NULL) {
            char name[RG_WEIGHT_NAME_MAX];
            rg_weight_name(pattern, layer, e, name);
            status = rg_fail(l->err, RG_E_FORMAT, "%s %s is missing",
                             p.words == NULL ? "tensor" : "the .scale of tensor", name);
        } else {
            status = rg_load_repack_fp4(l, &p, rows, columns, (char *)room + e * bytes);
        }
    }
    *weight = all;
    return status;
}

// all experts of a layer in one tensor, of which this weight may be one half of the rows
static rg_status take_fused(rg_loader *l, const rg_weight_rule *rule, const rg_fused_rule *fused,
                            uint32_t layer, const rg_tensor *t) {
    rg_model *m = l->model;
    size_t want[RG_DIMS_MAX] = {0};
    const size_t n = m->h.n_expert;
    const size_t n_halves = fused->half == 0 ? 1 : 2;
    const size_t rows = fused->is_turned ? 2 : 1; // dimensions of a matrix
    const size_t columns = fused->is_turned ? 1 : 2;
    rg_tensor *weight = &m->weights[rg_model_slot(rule->role, layer)];
    (void)rg_weight_shape(&m->h, rule->shape, want);
    if (t->n_dims != 3 || t->shape[0] != n || t->shape[rows] != n_halves * want[1] ||
        t->shape[columns] != want[2]) {
        char has[96];
        print_shape(has, sizeof has, t->shape, t->n_dims);
        return rg_fail(l->err, RG_E_FORMAT,
                       "tensor %.*s is %s, the settings need %zu experts of %zu rows and %zu "
                       "columns",
                       RG_FMT(t->name), has, n, n_halves * want[1], want[2]);
    }
    if (t->dtype == RG_DTYPE_F8_E4M3) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tensor %.*s holds all experts of a layer as FP8, which is not supported; "
                       "one tensor for each expert is",
                       RG_FMT(t->name));
    }
    if (!l->is_used[rg_source_index(l->source, t->name)]) {
        const rg_status status = check_type(l, t);
        if (status != RG_OK) {
            return status;
        }
    }
    m->has_fused_experts = true;
    if (fused->is_turned) {
        *weight = *t;
        weight->shape[1] = want[1];
        weight->shape[2] = want[2];
        return rg_load_turn(l, weight, fused->half == 2 ? want[1] : 0, n_halves * want[1]);
    }
    const void **slabs = rg_new_array(m->mem, n, sizeof *slabs);
    if (slabs == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for a list of %zu experts", n);
    }
    m->owned[m->n_owned++] = slabs;
    const size_t bytes = t->bytes / n / n_halves; // of one matrix
    for (size_t e = 0; e < n; e++) {
        slabs[e] = (const char *)t->data + e * n_halves * bytes + (fused->half == 2 ? bytes : 0);
    }
    *weight = *t;
    weight->shape[1] = want[1];
    weight->bytes = n * bytes;
    weight->data = slabs[0];
    weight->slabs = slabs;
    return RG_OK;
}

// is a weight that is not there missed by this layer?
static bool is_missed(const rg_hparams *h, const rg_weight_rule *rule, uint32_t layer) {
    const bool is_sparse = h->is_sparse[layer];
    switch (rule->need) {
    case RG_NEEDED:
        return true;
    case RG_OPTIONAL:
        return false;
    case RG_IN_DENSE:
        return !is_sparse;
    case RG_IN_SPARSE:
        return is_sparse;
    case RG_IN_SHARED:
        return is_sparse && h->n_ff_shared != 0;
    case RG_IN_ATTENTION:
        return !h->is_recurrent[layer];
    case RG_IN_RECURRENT:
        return h->is_recurrent[layer];
    case RG_IN_DEEP:
        return layer < h->sight.n_deep;
    case RG_IN_OVERLAPPING:
        return h->ratio[layer] == RG_OVERLAPPING_RATIO;
    case RG_IN_COMPRESSED:
        return h->ratio[layer] != 0 && h->ratio[layer] != RG_OVERLAPPING_RATIO;
    }
    return true;
}

// is it a weight of some kind of layers alone? Others have another meaning for its name
static bool is_of_kind(rg_need need) {
    switch (need) {
    case RG_IN_ATTENTION:
    case RG_IN_RECURRENT:
    case RG_IN_OVERLAPPING:
    case RG_IN_COMPRESSED:
        return true;
    default:
        return false;
    }
}

static rg_status load_weight(rg_loader *l, const rg_weight_rule *rule, uint32_t layer) {
    const bool is_gguf = rg_source_get_kind(l->source) == RG_SOURCE_GGUF;
    const char *pattern = is_gguf ? rule->gguf : rule->hf;
    const bool is_missing_bad = is_missed(&l->model->h, rule, layer);
    if (pattern == NULL || (!is_missing_bad && is_of_kind(rule->need))) {
        return RG_OK;
    }
    const rg_tensor *t = find_tensor(l, pattern, layer, 0);
    if (t != NULL && !rg_weight_is_split(pattern)) {
        return take(l, rule, layer, t);
    }
    for (size_t i = 0; t == NULL && i < RG_FUSED_EXPERTS; i++) {
        const rg_fused_rule *fused = &rg_fused_experts[i];
        const char *name = is_gguf ? fused->gguf : fused->hf;
        const rg_tensor *all =
            fused->role != rule->role || name == NULL ? NULL : find_tensor(l, name, layer, 0);
        if (all != NULL) {
            return take_fused(l, rule, fused, layer, all);
        }
    }
    if (t == NULL && find_beside(l, pattern, "_packed", layer, 0) != NULL) {
        return take_packed(l, rule, layer, pattern);
    }
    if (!is_missing_bad) {
        return RG_OK;
    }
    if (rg_weight_is_split(pattern)) {
        const bool is_fp4 = t != NULL && (t->dtype == RG_DTYPE_I8 || t->dtype == RG_DTYPE_U8);
        return is_fp4 ? take_fp4(l, rule, layer, pattern) : take_experts(l, rule, layer, pattern);
    }
    char name[RG_WEIGHT_NAME_MAX];
    char needs[96];
    size_t want[RG_DIMS_MAX] = {0};
    rg_weight_name(pattern, layer, 0, name);
    print_shape(needs, sizeof needs, want, rg_weight_shape(&l->model->h, rule->shape, want));
    return rg_fail(l->err, RG_E_FORMAT, "tensor %s (%s) is missing", name, needs);
}

// which layers have a weight of this role: what a layer is follows from its tensors
static void find_layers(const rg_loader *l, rg_role role, bool *has) {
    const bool is_gguf = rg_source_get_kind(l->source) == RG_SOURCE_GGUF;
    for (size_t i = 0; i < l->model->arch->n_weights; i++) {
        const rg_weight_rule *rule = &l->model->arch->weights[i];
        for (uint32_t layer = 0; rule->role == role && layer < l->model->h.n_layer; layer++) {
            has[layer] = find_tensor(l, is_gguf ? rule->gguf : rule->hf, layer, 0) != NULL;
        }
    }
}

static rg_status find_kinds(rg_loader *l) {
    rg_hparams *h = &l->model->h;
    find_layers(l, RG_ROLE_ROUTER, h->is_sparse);
    find_layers(l, RG_ROLE_DELTA_CONV, h->is_recurrent);
    bool sees_back = false;
    bool has_experts = false;
    for (uint32_t i = 0; i < h->n_layer; i++) {
        sees_back = sees_back || !h->is_recurrent[i];
        has_experts = has_experts || h->is_sparse[i];
    }
    if (!sees_back) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "none of the %u layers has attention: such models are not supported",
                       h->n_layer);
    }
    if (has_experts && (h->n_expert == 0 || h->n_expert_used == 0)) {
        return rg_fail(l->err, RG_E_FORMAT,
                       "there are routers, but a token uses %u of %u experts by the settings",
                       h->n_expert_used, h->n_expert);
    }
    return h->n_expert_used <= h->n_expert
               ? RG_OK
               : rg_fail(l->err, RG_E_FORMAT, "a token uses %u experts, but there are %u",
                         h->n_expert_used, h->n_expert);
}

rg_status rg_load_weights(rg_loader *l) {
    const rg_arch *arch = l->model->arch;
    for (size_t i = 0; i < arch->n_weights; i++) {
        const rg_weight_rule *rule = &arch->weights[i];
        const uint32_t n = rule->role < RG_ROLE_FIRST_LAYER ? 1 : l->model->h.n_layer;
        for (uint32_t layer = 0; layer < n; layer++) {
            const rg_status status = load_weight(l, rule, layer);
            if (status != RG_OK) {
                return status;
            }
        }
    }
    return RG_OK;
}

// the vocabulary's size follows from the embedding where the settings leave it out
static rg_status size_vocab(rg_loader *l) {
    const bool is_gguf = rg_source_get_kind(l->source) == RG_SOURCE_GGUF;
    for (size_t i = 0; i < l->model->arch->n_weights && l->model->h.n_vocab == 0; i++) {
        const rg_weight_rule *rule = &l->model->arch->weights[i];
        const char *name = is_gguf ? rule->gguf : rule->hf;
        const rg_tensor *t = rule->role == RG_ROLE_EMBED ? find_tensor(l, name, 0, 0) : NULL;
        if (t != NULL && t->n_dims == 2 && t->shape[0] <= INT32_MAX) {
            l->model->h.n_vocab = (uint32_t)t->shape[0];
        }
    }
    return l->model->h.n_vocab != 0
               ? RG_OK
               : rg_fail(l->err, RG_E_FORMAT,
                         "neither settings nor tensors tell the vocabulary's size");
}

// is a tensor of the layers at the end that predict further tokens?
static bool is_predictor(const rg_hparams *h, rg_str name) {
    static const char *const marks[] = {"blk.", "layers."};
    uint32_t layer = 0;
    if (rg_str_starts(name, RG_STR("mtp."))) {
        return true;
    }
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at = memmem(name.data, name.size, marks[i], strlen(marks[i]));
        const char *end = name.data + name.size;
        at = at == NULL ? end : at + strlen(marks[i]);
        for (; at < end && *at >= '0' && *at <= '9' && layer <= RG_LAYERS_MAX; at++) {
            layer = 10 * layer + (uint32_t)(*at - '0');
        }
    }
    return layer >= h->n_layer;
}

bool rg_weight_is_of_tower(rg_str name) {
    static const char *const starts[] = {"visual.", "model.visual.", "vision_tower.",
                                         "vision_model."};
    bool is_one = false;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        is_one = is_one || rg_str_starts(name, rg_str_of(starts[i]));
    }
    return is_one;
}

static void note_unused(rg_loader *l) {
    enum { NAMED = 3 };
    size_t n = 0;
    for (size_t i = 0; i < l->n_tensors; i++) {
        const rg_str name = rg_source_at(l->source, i)->name;
        if (!l->is_used[i] && !rg_weight_is_of_tower(name) && !is_predictor(&l->model->h, name)) {
            if (n < NAMED) {
                rg_buf_format(&l->model->warnings, "tensor %.*s is not used\n",
                              RG_FMT(rg_source_at(l->source, i)->name));
            }
            n++;
        }
    }
    if (n > NAMED) {
        rg_buf_format(&l->model->warnings, "%zu more tensors are not used\n", n - NAMED);
    }
}

rg_status rg_load_begin(rg_loader *l) {
    rg_model *m = l->model;
    m->n_weights = RG_ROLE_FIRST_LAYER + (size_t)m->h.n_layer * RG_LAYER_ROLES;
    m->weights = rg_new_array(m->mem, m->n_weights, sizeof *m->weights);
    m->owned = rg_new_array(m->mem, 2 * m->n_weights, sizeof *m->owned);
    l->is_used = rg_new_array(m->mem, l->n_tensors + 1, sizeof *l->is_used);
    return m->weights != NULL && m->owned != NULL && l->is_used != NULL
               ? RG_OK
               : rg_fail(l->err, RG_E_MEMORY, "no memory for the table of %zu weights",
                         m->n_weights);
}

rg_status rg_model_load(const rg_mem *mem, const rg_source *source, rg_model **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_model *m = rg_new(mem, sizeof *m);
    rg_loader l = {.model = m, .source = source, .n_tensors = rg_source_count(source), .err = err};
    if (m == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a model");
    }
    m->mem = mem;
    rg_buf_init(&m->warnings, mem, 1 << 16);
    RG_TRY(rg_settings_read(source, &m->arch, &m->h, err));
    RG_TRY(size_vocab(&l));
    RG_TRY(rg_load_begin(&l));
    RG_TRY(find_kinds(&l));
    RG_TRY(rg_load_weights(&l));
    if (m->h.is_tied) {
        // a tied checkpoint may carry a copy of its embedding as head: the settings decide
        m->weights[RG_ROLE_OUTPUT].data = NULL;
    }
    RG_TRY(rg_load_make(&l));
    note_unused(&l);
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

void rg_model_free(rg_model *model) {
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->n_owned; i++) {
        rg_free(model->mem, model->owned[i]);
    }
    rg_free(model->mem, model->owned);
    rg_free(model->mem, model->weights);
    rg_buf_clear(&model->warnings);
    rg_free(model->mem, model);
}
