#include "model/faults.h"

#include <math.h>

static bool is_gguf(const rg_source *source) {
    return rg_source_get_kind(source) == RG_SOURCE_GGUF;
}

// Llama 3.1 and later: config.json says how frequencies are divided, a GGUF has the divisors
static void find_rope_factors(const rg_model *m, const rg_source *source, rg_buf *lines) {
    enum { BASE = 500000, PLAIN_CTX = 8192 };
    const rg_hparams *h = &m->h;
    if (is_gguf(source) && m->arch->reorders_gguf && h->rope.base == BASE &&
        h->n_ctx_train > PLAIN_CTX && h->rope.scaling == RG_ROPE_PLAIN &&
        m->weights[RG_ROLE_ROPE_FREQS].data == NULL) {
        rg_buf_format(lines,
                      "rope_freqs.weight is missing in a model for %u tokens: prompts beyond %d go "
                      "wrong; convert again with a converter from after July 2024\n",
                      h->n_ctx_train, PLAIN_CTX);
    }
}

// yarn corrects the scale of latent attention by a key that came later than the family
static void find_yarn_scale(const rg_model *m, const rg_source *source, rg_buf *lines) {
    const rg_rope_params *r = &m->h.rope;
    if (is_gguf(source) && m->h.n_latent != 0 && r->scaling == RG_ROPE_YARN &&
        r->mscale_all_dim == 0) {
        rg_buf_format(lines,
                      "%s.rope.scaling.yarn_log_multiplier is missing: attention is sharper than "
                      "the model was trained with; convert again\n",
                      m->arch->name);
    }
}

static double mean_of(const rg_tensor *w) {
    const float *values = w->data;
    const size_t n = rg_tensor_count(w);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
    }
    return sum / (double)n;
}

// norms of some families are stored as what is added to 1, which converters must do
static void find_norms_from_one(const rg_model *m, const rg_source *source, rg_buf *lines) {
    const double near = 0.25;
    double sum = 0;
    for (uint32_t i = 0; i < m->h.n_layer; i++) {
        sum += fabs(mean_of(&m->weights[rg_model_slot(RG_ROLE_ATTN_NORM, i)]));
    }
    if (is_gguf(source) && m->arch->norms_from_one && sum / m->h.n_layer < near) {
        rg_buf_str(lines,
                   RG_STR("the norms of attention are near 0: the converter did not add 1 to "
                          "them; convert again\n"));
    }
}

static void find_values(const rg_model *m, rg_buf *lines) {
    for (size_t slot = 0; slot < m->n_weights; slot++) {
        const rg_tensor *w = &m->weights[slot];
        if (w->data == NULL || w->n_dims != 1 || w->dtype != RG_DTYPE_F32) {
            continue;
        }
        const float *values = w->data;
        const size_t n = rg_tensor_count(w);
        size_t n_zero = 0, n_bad = 0;
        for (size_t i = 0; i < n; i++) {
            n_zero += values[i] == 0;
            n_bad += !isfinite(values[i]);
        }
        const bool is_norm = rg_model_role((uint32_t)slot) == RG_ROLE_ATTN_NORM ||
                             rg_model_role((uint32_t)slot) == RG_ROLE_FFN_NORM ||
                             slot == RG_ROLE_OUTPUT_NORM;
        if (n_bad != 0) {
            rg_buf_format(lines, "%zu of the %zu values of tensor %.*s are no numbers\n", n_bad, n,
                          RG_FMT(w->name));
        } else if (is_norm && n_zero == n) {
            rg_buf_format(lines, "tensor %.*s is zero everywhere: nothing passes through it\n",
                          RG_FMT(w->name));
        }
    }
}

void rg_model_faults(const rg_model *model, const rg_source *source, rg_buf *lines) {
    find_rope_factors(model, source, lines);
    find_yarn_scale(model, source, lines);
    find_norms_from_one(model, source, lines);
    find_values(model, lines);
}
