#include "model/create.h"

#include "base/buf.h"
#include "base/rng.h"
#include "format/safetensors_write.h"

#include <math.h>
#include <stdio.h>

#define DEVIATION 0.02

/** Weights being made. */
typedef struct maker {
    const rg_mem *mem;
    const rg_arch *arch;
    rg_hparams h;
    rg_rng rng;
    rg_tensor *tensors;
    char (*names)[RG_WEIGHT_NAME_MAX];
    size_t n;
    float *values; // all of them
    size_t used;
} maker;

static rg_status check_plan(const rg_model_plan *p, const rg_arch **arch, rg_hparams *h,
                            rg_error *err) {
    *arch = rg_arch_find_gguf(rg_str_of(p->family));
    if (*arch == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "models of the family \"%s\" are not supported; the nearest that is: %s",
                       p->family, rg_arch_nearest(rg_str_of(p->family)));
    }
    for (size_t i = 0; i < (*arch)->n_weights; i++) {
        if ((*arch)->weights[i].need == RG_IN_SPARSE) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "models of the family \"%s\" have experts and cannot be made from "
                           "nothing; llama, qwen2 and qwen3 can",
                           p->family);
        }
    }
    *h = (rg_hparams){.n_layer = p->n_layer,
                      .n_embd = p->n_embd,
                      .n_head = p->n_head,
                      .n_kv_head = p->n_kv_head == 0 ? p->n_head : p->n_kv_head,
                      .head_dim = p->head_dim,
                      .n_ff = p->n_ff,
                      .n_vocab = p->n_vocab,
                      .is_tied = p->is_tied};
    if (h->head_dim == 0 && h->n_head != 0) {
        h->head_dim = h->n_embd / h->n_head;
    }
    const struct {
        const char *name;
        uint32_t value;
        uint32_t most;
    } sizes[] = {{"layers", h->n_layer, RG_LAYERS_MAX},   {"hidden size", h->n_embd, 1 << 16},
                 {"heads", h->n_head, 1 << 12},           {"head size", h->head_dim, 1 << 10},
                 {"feed-forward size", h->n_ff, 1 << 18}, {"vocabulary", h->n_vocab, 1 << 22},
                 {"context", p->n_ctx, 1 << 24}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].value == 0 || sizes[i].value > sizes[i].most) {
            return rg_fail(err, RG_E_ARG, "a model with %s %u is not possible; 1 to %u are",
                           sizes[i].name, sizes[i].value, sizes[i].most);
        }
    }
    if (h->n_head % h->n_kv_head != 0 || h->head_dim % 2 != 0) {
        return rg_fail(err, RG_E_ARG,
                       "%u heads of %u values cannot share %u key-value heads: the heads must be a "
                       "multiple, their size even",
                       h->n_head, h->head_dim, h->n_kv_head);
    }
    return RG_OK;
}

static bool is_made(const maker *m, const rg_weight_rule *rule) {
    if (rule->hf == NULL) {
        return false;
    }
    return rule->role == RG_ROLE_OUTPUT ? !m->h.is_tied : rule->need != RG_OPTIONAL;
}

static void fill(maker *m, const rg_weight_rule *rule, rg_tensor *t) {
    const size_t n = rg_tensor_count(t);
    float *values = m->values + m->used;
    t->data = values;
    m->used += n;
    if (t->n_dims == 1) {
        const bool is_bias = rg_str_ends(rg_str_of(rule->hf), RG_STR(".bias"));
        for (size_t i = 0; i < n; i++) {
            values[i] = is_bias ? 0 : 1;
        }
        return;
    }
    const bool is_residual = rule->role == RG_ROLE_ATTN_O || rule->role == RG_ROLE_FFN_DOWN;
    const double deviation = is_residual ? DEVIATION / sqrt(2.0 * m->h.n_layer) : DEVIATION;
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)(rg_rng_normal(&m->rng) * deviation);
    }
}

// names and shapes of all tensors; what their values come to
static rg_status list_tensors(maker *m, size_t *n_values, rg_error *err) {
    for (size_t pass = 0; pass < 2; pass++) {
        m->n = 0;
        for (size_t i = 0; i < m->arch->n_weights; i++) {
            const rg_weight_rule *rule = &m->arch->weights[i];
            const uint32_t n = rule->role < RG_ROLE_FIRST_LAYER ? 1 : m->h.n_layer;
            if (!is_made(m, rule)) {
                continue;
            }
            for (uint32_t layer = 0; layer < n; layer++, m->n++) {
                if (pass == 0) {
                    continue;
                }
                rg_tensor *t = &m->tensors[m->n];
                const char *mark = strstr(rule->hf, "%u");
                snprintf(m->names[m->n], sizeof m->names[0], mark == NULL ? "%.*s" : "%.*s%u%s",
                         mark == NULL ? (int)strlen(rule->hf) : (int)(mark - rule->hf), rule->hf,
                         layer, mark == NULL ? "" : mark + 2);
                t->name = rg_str_of(m->names[m->n]);
                t->dtype = RG_DTYPE_F32;
                t->n_dims = rg_weight_shape(&m->h, rule->shape, t->shape);
                t->bytes = rg_tensor_count(t) * sizeof(float);
                *n_values += rg_tensor_count(t);
            }
        }
        if (pass == 0) {
            m->tensors = rg_new_array(m->mem, m->n, sizeof *m->tensors);
            m->names = rg_new_array(m->mem, m->n, sizeof *m->names);
            if (m->tensors == NULL || m->names == NULL) {
                return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", m->n);
            }
        }
    }
    return RG_OK;
}

static void fill_all(maker *m) {
    size_t at = 0;
    for (size_t i = 0; i < m->arch->n_weights; i++) {
        const rg_weight_rule *rule = &m->arch->weights[i];
        const uint32_t n = rule->role < RG_ROLE_FIRST_LAYER ? 1 : m->h.n_layer;
        for (uint32_t layer = 0; is_made(m, rule) && layer < n; layer++) {
            fill(m, rule, &m->tensors[at++]);
        }
    }
}

static void put_config(rg_buf *out, const maker *m, const rg_model_plan *p) {
    const rg_hparams *h = &m->h;
    rg_buf_format(out, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"%s\",\n",
                  m->arch->hf_classes[0], m->arch->name);
    rg_buf_format(out,
                  "  \"hidden_size\": %u,\n  \"num_hidden_layers\": %u,\n"
                  "  \"num_attention_heads\": %u,\n  \"num_key_value_heads\": %u,\n"
                  "  \"head_dim\": %u,\n  \"intermediate_size\": %u,\n  \"vocab_size\": %u,\n"
                  "  \"max_position_embeddings\": %u,\n",
                  h->n_embd, h->n_layer, h->n_head, h->n_kv_head, h->head_dim, h->n_ff, h->n_vocab,
                  p->n_ctx);
    rg_buf_format(out,
                  "  \"rope_theta\": %.9g,\n  \"rms_norm_eps\": %.9g,\n"
                  "  \"tie_word_embeddings\": %s,\n  \"hidden_act\": \"silu\",\n"
                  "  \"attention_bias\": false,\n  \"torch_dtype\": \"float32\"",
                  p->rope_base == 0 ? 1e4 : p->rope_base, p->norm_eps == 0 ? 1e-6 : p->norm_eps,
                  p->is_tied ? "true" : "false");
    if (p->bos >= 0) {
        rg_buf_format(out, ",\n  \"bos_token_id\": %d", p->bos);
    }
    if (p->eos >= 0) {
        rg_buf_format(out, ",\n  \"eos_token_id\": %d", p->eos);
    }
    rg_buf_str(out, RG_STR("\n}\n"));
}

rg_status rg_model_create(const rg_mem *mem, const rg_model_plan *plan, const char *dir,
                          rg_error *err) {
    rg_status status = RG_OK;
    char path[4096];
    rg_buf config;
    maker m = {.mem = mem};
    size_t n_values = 0;
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    rg_buf_init(&config, mem, 0);
    RG_TRY(check_plan(plan, &m.arch, &m.h, err));
    RG_TRY(list_tensors(&m, &n_values, err));
    m.values = rg_new_array(mem, n_values, sizeof *m.values);
    if (m.values == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a model of %zu parameters", n_values);
        goto done;
    }
    rg_rng_init(&m.rng, plan->seed);
    fill_all(&m);
    put_config(&config, &m, plan);
    RG_TRY(rg_buf_check(&config, "config.json", err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("model.safetensors"), err));
    RG_TRY(rg_safetensors_write(mem, path, m.tensors, m.n, &note, 1, NULL, NULL, err));
    RG_TRY(rg_path_join(path, sizeof path, dir, RG_STR("config.json"), err));
    RG_TRY(rg_file_write(path, config.data, config.size, err));

done:
    rg_buf_clear(&config);
    rg_free(mem, m.tensors);
    rg_free(mem, m.names);
    rg_free(mem, m.values);
    return status;
}
