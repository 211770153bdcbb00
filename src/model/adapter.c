#include "model/adapter.h"

#include "base/file.h"
#include "format/gguf.h"
#include "format/json.h"
#include "format/safetensors.h"

#include <math.h>
#include <stdio.h>

/** An adapter being read. */
typedef struct reader {
    rg_adapter *adapter;
    const rg_model *model;
    rg_source_kind kind; // of the model
    float scaling;       // of PEFT, by config; GGUF: alpha
    bool is_root;        // rsLoRA: divided by the root of the rank
    bool has_scaling;
    float scale;
    size_t n_used;
    rg_error *err;
} reader;

bool rg_adapter_module(const rg_model *model, uint32_t slot, char *out, size_t size) {
    char name[RG_WEIGHT_NAME_MAX];
    if (!rg_model_weight_name(model, slot, 0, name)) {
        return false;
    }
    const rg_str s = rg_str_of(name);
    const size_t n = rg_str_ends(s, RG_STR(".weight")) ? s.size - 7 : s.size;
    snprintf(out, size, "base_model.model.%.*s", (int)n, name);
    return true;
}

static const rg_tensor *find(const reader *r, const char *name) {
    return r->adapter->gguf != NULL ? rg_gguf_find(r->adapter->gguf, rg_str_of(name))
                                    : rg_safetensors_find(r->adapter->safetensors, rg_str_of(name));
}

static rg_status check_values(const reader *r, const rg_tensor *t) {
    float row[1024];
    const rg_dtype_info *info = rg_dtype_get(t->dtype);
    const size_t n = rg_tensor_count(t);
    if (t->dtype != RG_DTYPE_F32 && t->dtype != RG_DTYPE_F16 && t->dtype != RG_DTYPE_BF16) {
        return rg_fail(r->err, RG_E_UNSUPPORTED, "tensor %.*s is %s; F32, F16 and BF16 are read",
                       RG_FMT(t->name), info->name);
    }
    for (size_t at = 0; at < n; at += 1024) {
        const size_t part = n - at < 1024 ? n - at : 1024;
        info->to_float(row, (const char *)t->data + at * info->block_bytes, part);
        for (size_t i = 0; i < part; i++) {
            if (!isfinite(row[i])) {
                return rg_fail(r->err, RG_E_FORMAT, "value %zu of tensor %.*s is not finite",
                               at + i, RG_FMT(t->name));
            }
        }
    }
    return RG_OK;
}

// the rule that a slot follows, and its layer; NULL: none
static const rg_weight_rule *rule_of(const rg_model *model, uint32_t slot, uint32_t *layer) {
    *layer = slot >= RG_ROLE_FIRST_LAYER ? (slot - RG_ROLE_FIRST_LAYER) / RG_LAYER_ROLES : 0;
    for (size_t i = 0; i < model->arch->n_weights; i++) {
        if (rg_model_slot(model->arch->weights[i].role, *layer) == slot) {
            return &model->arch->weights[i];
        }
    }
    return NULL;
}

static bool put_gguf_name(const rg_weight_rule *rule, uint32_t layer, char *out, size_t size) {
    const char *mark = rule == NULL || rule->gguf == NULL ? NULL : strstr(rule->gguf, "%u");
    if (mark != NULL) {
        snprintf(out, size, "%.*s%u%s", (int)(mark - rule->gguf), rule->gguf, layer, mark + 2);
    }
    return mark != NULL;
}

bool rg_adapter_takes(const rg_model *model, uint32_t slot) {
    const rg_tensor *w = &model->weights[slot];
    if (slot < RG_ROLE_FIRST_LAYER || w->data == NULL || w->n_dims != 2) {
        return false;
    }
    switch (rg_model_role(slot)) {
    case RG_ROLE_DELTA_CONV:
    case RG_ROLE_KDA_CONV_K:
    case RG_ROLE_KDA_CONV_V:
    case RG_ROLE_KV_B:
    case RG_ROLE_INDEX_Q: // chooses, and has no gradient
    case RG_ROLE_INDEX_K:
    case RG_ROLE_INDEX_WEIGHTS:
    case RG_ROLE_INDEX_COMPRESS_KV:
    case RG_ROLE_INDEX_COMPRESS_GATE:
    case RG_ROLE_INDEX_COMPRESS_APE:
    case RG_ROLE_ROUTER_TABLE: // not multiplied: added, or looked up
    case RG_ROLE_COMPRESS_APE:
    case RG_ROLE_HYPER_ATTN_FN: // no linear layers where they come from
    case RG_ROLE_HYPER_FFN_FN:
        return false;
    default:
        return true;
    }
}

// GGUF has the value heads of some recurrent layers in another order, which reaches into rows and
// columns
static bool is_reordered(const rg_model *model, uint32_t slot) {
    switch (rg_model_role(slot)) {
    case RG_ROLE_DELTA_QKV:
    case RG_ROLE_DELTA_Z:
    case RG_ROLE_DELTA_B:
    case RG_ROLE_DELTA_A:
    case RG_ROLE_DELTA_O:
        return model->arch->tiles_heads_gguf;
    default:
        return false;
    }
}

bool rg_adapter_crosses(const rg_model *model, uint32_t slot) {
    char name[RG_WEIGHT_NAME_MAX];
    return !is_reordered(model, slot) && rg_model_weight_name(model, slot, 0, name) &&
           rg_adapter_gguf_name(model, slot, name, sizeof name);
}

bool rg_adapter_gguf_name(const rg_model *model, uint32_t slot, char *out, size_t size) {
    uint32_t layer = 0;
    const rg_weight_rule *rule = rule_of(model, slot, &layer);
    return put_gguf_name(rule, layer, out, size);
}

uint32_t rg_adapter_turned_heads(const rg_model *model, uint32_t slot) {
    uint32_t layer = 0;
    const rg_weight_rule *rule = rule_of(model, slot, &layer);
    if (rule == NULL || !model->arch->reorders_gguf) {
        return 0;
    }
    return rule->role == RG_ROLE_ATTN_Q   ? model->h.n_head
           : rule->role == RG_ROLE_ATTN_K ? model->h.n_kv_head
                                          : 0;
}

// value pair (i, i + half) of a head becomes (2 i, 2 i + 1)
void rg_adapter_turn(void *to, const void *from, size_t n_rows, size_t row_bytes, uint32_t n_heads,
                     bool to_gguf) {
    const size_t head_dim = n_rows / n_heads;
    const size_t half = head_dim / 2;
    for (size_t h = 0; h < n_heads; h++) {
        for (size_t i = 0; i < head_dim; i++) {
            const size_t neighbor = i < half ? 2 * i : 2 * (i - half) + 1;
            const size_t source = h * head_dim + (to_gguf ? i : neighbor);
            const size_t target = h * head_dim + (to_gguf ? neighbor : i);
            memcpy((char *)to + target * row_bytes, (const char *)from + source * row_bytes,
                   row_bytes);
        }
    }
}

static rg_status reorder_rows(reader *r, rg_tensor *b, uint32_t n_heads, bool to_gguf) {
    rg_adapter *a = r->adapter;
    char *copy = rg_alloc(a->mem, b->bytes);
    if (copy == NULL) {
        return rg_fail(r->err, RG_E_MEMORY, "no memory for tensor %.*s", RG_FMT(b->name));
    }
    a->owned[a->n_owned++] = copy;
    rg_adapter_turn(copy, b->data, b->shape[0], b->bytes / b->shape[0], n_heads, to_gguf);
    b->data = copy;
    return RG_OK;
}

static rg_status add_pair(reader *r, uint32_t slot, const rg_tensor *a, const rg_tensor *b) {
    rg_status status = RG_OK;
    const rg_tensor *w = &r->model->weights[slot];
    rg_lora *lora = &r->adapter->loras[r->adapter->n_loras];
    const size_t rank = a->n_dims == 2 ? a->shape[0] : 0;
    const size_t most = rg_lora_rank_most(w);
    if (rank == 0 || rank > most || b->n_dims != 2 || b->shape[1] != rank ||
        a->shape[1] != w->shape[1] || b->shape[0] != w->shape[0]) {
        return rg_fail(r->err, RG_E_FORMAT,
                       "tensors %.*s and %.*s do not fit the model's matrix of %zu x %zu with a "
                       "rank of 1 to %zu",
                       RG_FMT(a->name), RG_FMT(b->name), w->shape[0], w->shape[1], most);
    }
    RG_TRY(check_values(r, a));
    RG_TRY(check_values(r, b));
    *lora = (rg_lora){.slot = slot, .a = *a, .b = *b};
    const double divisor = r->is_root ? sqrt((double)rank) : (double)rank;
    lora->scaling = (float)(r->scale * (r->has_scaling ? r->scaling / divisor : 1.0));
    const uint32_t n_turned = rg_adapter_turned_heads(r->model, slot);
    const bool is_gguf = r->adapter->gguf != NULL;
    if (is_gguf != (r->kind == RG_SOURCE_GGUF) && is_reordered(r->model, slot)) {
        status =
            rg_fail(r->err, RG_E_UNSUPPORTED,
                    "tensor %.*s belongs to a recurrent layer, whose heads GGUF has in another "
                    "order: use the adapter with the container that it was made on",
                    RG_FMT(a->name));
        goto done;
    }
    if (n_turned != 0 && is_gguf != (r->kind == RG_SOURCE_GGUF)) {
        RG_TRY(reorder_rows(r, &lora->b, n_turned, !is_gguf));
    }
    r->adapter->n_loras++;
    r->n_used += 2;

done:
    return status;
}

static void name_of(const reader *r, const rg_weight_rule *rule, uint32_t layer, bool is_a,
                    char *out, size_t size) {
    char module[384];
    if (r->adapter->gguf != NULL) {
        if (put_gguf_name(rule, layer, module, sizeof module)) {
            snprintf(out, size, "%s.lora_%c", module, is_a ? 'a' : 'b');
        }
    } else if (rg_adapter_module(r->model, rg_model_slot(rule->role, layer), module,
                                 sizeof module)) {
        snprintf(out, size, "%s.lora_%c.weight", module, is_a ? 'A' : 'B');
    }
}

static rg_status add_matrix(reader *r, const rg_weight_rule *rule, uint32_t layer) {
    char name_a[512] = "";
    char name_b[512] = "";
    uint32_t at = 0;
    const uint32_t slot = rg_model_slot(rule->role, layer);
    if ((r->adapter->gguf != NULL ? rule->gguf : rule->hf) == NULL ||
        !rg_adapter_takes(r->model, slot) || rule_of(r->model, slot, &at) != rule) {
        return RG_OK;
    }
    name_of(r, rule, layer, true, name_a, sizeof name_a);
    name_of(r, rule, layer, false, name_b, sizeof name_b);
    const rg_tensor *a = find(r, name_a);
    const rg_tensor *b = find(r, name_b);
    if ((a == NULL) != (b == NULL)) {
        return rg_fail(r->err, RG_E_FORMAT, "tensor %s is missing", a == NULL ? name_a : name_b);
    }
    return a == NULL ? RG_OK : add_pair(r, slot, a, b);
}

static rg_status add_all(reader *r) {
    rg_status status = RG_OK;
    const rg_arch *arch = r->model->arch;
    const size_t n = r->adapter->gguf != NULL ? rg_gguf_n_tensors(r->adapter->gguf)
                                              : rg_safetensors_count(r->adapter->safetensors);
    r->adapter->loras = rg_new_array(r->adapter->mem, n + 1, sizeof *r->adapter->loras);
    r->adapter->owned = rg_new_array(r->adapter->mem, n + 1, sizeof *r->adapter->owned);
    if (r->adapter->loras == NULL || r->adapter->owned == NULL) {
        return rg_fail(r->err, RG_E_MEMORY, "no memory for an adapter of %zu tensors", n);
    }
    for (size_t i = 0; i < arch->n_weights; i++) {
        for (uint32_t layer = 0;
             layer < r->model->h.n_layer && arch->weights[i].role >= RG_ROLE_FIRST_LAYER; layer++) {
            RG_TRY(add_matrix(r, &arch->weights[i], layer));
        }
    }
    if (r->n_used != n || n == 0) {
        status =
            rg_fail(r->err, RG_E_FORMAT,
                    "%zu of the adapter's %zu tensors belong to matrices of this model: it was "
                    "made for another one",
                    r->n_used, n);
    }

done:
    return status;
}

// ---- what the two containers say beside their tensors ----

static rg_status refuse_unless_empty(const reader *r, const rg_json *config, const char *key) {
    const rg_json *v = rg_json_find(config, key);
    const bool is_empty = v == NULL || v->kind == RG_JSON_NULL ||
                          (v->kind == RG_JSON_BOOL && !v->is_true) ||
                          ((v->kind == RG_JSON_OBJECT || v->kind == RG_JSON_ARRAY) && v->n == 0);
    return is_empty ? RG_OK
                    : rg_fail(r->err, RG_E_UNSUPPORTED,
                              "adapter_config.json asks for \"%s\", which is not supported", key);
}

static rg_status read_config(reader *r, const char *dir) {
    rg_status status = RG_OK;
    char path[4096];
    rg_bytes text = {0};
    rg_arena arena;
    const rg_json *config = NULL;
    double alpha = 0;
    rg_str word = {0};
    bool flag = false;
    const char *const refused[] = {"use_dora",      "modules_to_save", "rank_pattern",
                                   "alpha_pattern", "fan_in_fan_out",  "layer_replication"};
    rg_arena_init(&arena, r->adapter->mem, 16 << 20);
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("adapter_config.json"), r->err));
    RG_TRY(rg_file_read(r->adapter->mem, path, RG_ADAPTER_CONFIG_MAX, &text, r->err));
    status = rg_json_parse(&arena, (rg_str){(const char *)text.data, text.size}, &config, r->err);
    if (status != RG_OK) {
        rg_error_prefix(r->err, "%s", path);
        goto done;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        RG_TRY(refuse_unless_empty(r, config, refused[i]));
    }
    if (rg_json_str(rg_json_find(config, "peft_type"), &word) && !rg_str_is(word, "LORA")) {
        status = rg_fail(r->err, RG_E_UNSUPPORTED, "%s: peft_type %.*s is not supported, LORA is",
                         path, RG_FMT(word));
        goto done;
    }
    if (rg_json_str(rg_json_find(config, "bias"), &word) && !rg_str_is(word, "none")) {
        status = rg_fail(r->err, RG_E_UNSUPPORTED, "%s: bias \"%.*s\" is not supported", path,
                         RG_FMT(word));
        goto done;
    }
    if (!rg_json_f64(rg_json_find(config, "lora_alpha"), &alpha) || !isfinite(alpha)) {
        status = rg_fail(r->err, RG_E_FORMAT, "%s: lora_alpha is missing or no number", path);
        goto done;
    }
    r->is_root = rg_json_bool(rg_json_find(config, "use_rslora"), &flag) && flag;
    r->scaling = (float)alpha;
    r->has_scaling = true;

done:
    rg_free(r->adapter->mem, (void *)text.data);
    rg_arena_clear(&arena);
    return status;
}

static rg_status open_gguf(reader *r, const char *path) {
    rg_str word = {0};
    double alpha = 0;
    rg_status status = rg_gguf_open(r->adapter->mem, path, &r->adapter->gguf, r->err);
    if (status != RG_OK) {
        return status;
    }
    if (!rg_gguf_str(r->adapter->gguf, "general.type", &word) || !rg_str_is(word, "adapter") ||
        !rg_gguf_str(r->adapter->gguf, "adapter.type", &word) || !rg_str_is(word, "lora")) {
        return rg_fail(r->err, RG_E_FORMAT,
                       "%s is no LoRA adapter: general.type \"adapter\" and adapter.type \"lora\" "
                       "are needed",
                       path);
    }
    // an adapter may leave out whose it is
    if (rg_gguf_str(r->adapter->gguf, "general.architecture", &word) &&
        !rg_str_is(word, r->model->arch->name)) {
        return rg_fail(r->err, RG_E_FORMAT,
                       "%s: general.architecture is \"%.*s\": the adapter is for another family "
                       "than this model's %s",
                       path, RG_FMT(word), r->model->arch->name);
    }
    r->has_scaling = rg_gguf_f64(r->adapter->gguf, "adapter.lora.alpha", &alpha) && alpha != 0;
    r->scaling = (float)alpha;
    return isfinite(alpha)
               ? RG_OK
               : rg_fail(r->err, RG_E_FORMAT, "%s: adapter.lora.alpha is not finite", path);
}

static rg_status open_peft(reader *r, const char *path) {
    char file[4096];
    char dir[4096];
    rg_status status = RG_OK;
    if (rg_file_kind_of(path) == RG_FILE_DIRECTORY) {
        RG_TRY(rg_path_join(dir, sizeof dir, path, RG_STR(""), r->err));
        RG_TRY(rg_path_join(file, sizeof file, path, RG_STR("adapter_model.safetensors"), r->err));
    } else {
        const char *slash = strrchr(path, '/');
        snprintf(file, sizeof file, "%s", path);
        snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - path),
                 slash == NULL ? "." : path);
    }
    RG_TRY(read_config(r, dir));
    RG_TRY(rg_safetensors_open(r->adapter->mem, file, &r->adapter->safetensors, r->err));

done:
    return status;
}

rg_status rg_adapter_open(const rg_mem *mem, const char *path, const rg_model *model,
                          rg_source_kind kind, float scale, rg_adapter **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_adapter *adapter = rg_new(mem, sizeof *adapter);
    reader r = {.adapter = adapter, .model = model, .kind = kind, .scale = scale, .err = err};
    if (adapter == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for an adapter");
    }
    adapter->mem = mem;
    if (!isfinite(scale)) {
        status = rg_fail(err, RG_E_ARG, "the scale of adapter %s is not finite", path);
        goto done;
    }
    switch (rg_file_kind_of(path)) {
    case RG_FILE_NONE:
        status = rg_fail(err, RG_E_NOT_FOUND, "there is no adapter %s", path);
        goto done;
    case RG_FILE_REGULAR:
        if (!rg_str_ends(rg_str_of(path), RG_STR(".safetensors"))) {
            RG_TRY(open_gguf(&r, path));
            break;
        }
        RG_TRY(open_peft(&r, path));
        break;
    default:
        RG_TRY(open_peft(&r, path));
        break;
    }
    status = add_all(&r);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
        goto done;
    }
    *out = adapter;
    adapter = NULL;

done:
    rg_adapter_free(adapter);
    return status;
}

void rg_adapter_free(rg_adapter *adapter) {
    if (adapter == NULL) {
        return;
    }
    for (size_t i = 0; i < adapter->n_owned; i++) {
        rg_free(adapter->mem, adapter->owned[i]);
    }
    rg_free(adapter->mem, adapter->owned);
    rg_free(adapter->mem, adapter->loras);
    rg_safetensors_close(adapter->safetensors);
    rg_gguf_close(adapter->gguf);
    rg_free(adapter->mem, adapter);
}
