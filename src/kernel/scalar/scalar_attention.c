#include "kernel/exp.h"
#include "kernel/scalar/scalar.h"

#include <string.h>

enum { TILE = 32 }; // positions whose scores are kept at a time

// value i of an array of f16 or f32
static float value(const void *data, rg_dtype dtype, size_t i) {
    return dtype == RG_DTYPE_F16 ? rg_f32_of_f16(((const uint16_t *)data)[i])
                                 : ((const float *)data)[i];
}

// q.k of one position
static float score(const rg_attn *a, const float *q, uint32_t kv_head, size_t pos) {
    const void *page = a->k_pages[pos / a->page_len];
    const size_t from = (kv_head * a->page_len + pos % a->page_len) * a->k_dim;
    float sum = 0;
    for (size_t i = 0; i < a->k_dim; i++) {
        sum += q[i] * value(page, a->kv_dtype, from + i);
    }
    return sum * a->scale;
}

// out += weight * v of one position
static void add_value(const rg_attn *a, float *out, uint32_t kv_head, size_t pos, float weight) {
    const void *page = a->v_pages[pos / a->page_len];
    const size_t from = (kv_head * a->page_len + pos % a->page_len) * a->v_stride;
    for (size_t i = 0; i < a->v_dim; i++) {
        out[i] += weight * value(page, a->kv_dtype, from + i);
    }
}

static void attend_one(const rg_attn *a, uint32_t kv_head, const float *q, size_t pos, float *out) {
    const size_t end = pos + 1;
    float top = -INFINITY;
    float sum = 0;
    memset(out, 0, a->v_dim * sizeof *out);
    for (size_t from = rg_attn_first(a, pos); from < end; from += TILE) {
        const size_t n = end - from < TILE ? end - from : TILE;
        float p[TILE];
        float new_top = top;
        for (size_t j = 0; j < n; j++) {
            p[j] = score(a, q, kv_head, from + j);
            new_top = p[j] > new_top ? p[j] : new_top;
        }
        // what was summed so far was relative to a lower top; nothing is relative to minus infinity
        const float base = new_top == -INFINITY ? 0 : new_top;
        const float keep = rg_exp(top - base);
        sum *= keep;
        for (size_t i = 0; i < a->v_dim; i++) {
            out[i] *= keep;
        }
        for (size_t j = 0; j < n; j++) {
            const float weight = rg_exp(p[j] - base);
            sum += weight;
            add_value(a, out, kv_head, from + j, weight);
        }
        top = new_top;
    }
    for (size_t i = 0; i < a->v_dim; i++) {
        out[i] /= sum;
    }
}

void rg_scalar_attention(const rg_attn *a, uint32_t kv_head, size_t tok, size_t tok_end,
                         void *scratch) {
    (void)scratch;
    const uint32_t group = a->n_head / a->n_kv_head;
    for (size_t t = tok; t < tok_end; t++) {
        for (uint32_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
            attend_one(a, kv_head, a->q + t * a->q_stride + (size_t)h * a->k_dim, a->pos + t,
                       a->out + t * a->out_stride + (size_t)h * a->v_dim);
        }
    }
}
