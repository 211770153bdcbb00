#include "kernel/plain.h"

#include <math.h>

void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale) {
    for (size_t i = 0; i < n; i++) {
        const float angle = (float)position * inv_freq[i];
        out[i] = cosf(angle) * scale;
        out[n + i] = sinf(angle) * scale;
    }
}

static double inverse_rms(const float *x, size_t n, float eps) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * x[i];
    }
    return 1.0 / sqrt(sum / (double)n + eps);
}

void rg_plain_rmsnorm_dx(float *dx, const float *dy, const float *x, const float *w, size_t n,
                         float eps) {
    const double r = inverse_rms(x, n, eps);
    double dot = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)w[i] * dy[i] * x[i];
    }
    const double c = r * r * r * dot / (double)n;
    for (size_t i = 0; i < n; i++) {
        dx[i] = (float)(r * w[i] * dy[i] - c * x[i]);
    }
}

void rg_plain_rmsnorm_dw(double *dw, const float *dy, const float *x, size_t n, float eps) {
    const double r = inverse_rms(x, n, eps);
    for (size_t i = 0; i < n; i++) {
        dw[i] += (double)dy[i] * x[i] * r;
    }
}

void rg_plain_swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                          const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = 1.0f / (1.0f + expf(-gate[i]));
        dup[i] = dy[i] * gate[i] * s;
        dgate[i] = dy[i] * up[i] * s * (1.0f + gate[i] * (1.0f - s));
    }
}

static float dot(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void add_scaled(float *y, const float *x, float s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] += s * x[i];
    }
}

void rg_plain_attention_back(const rg_plain_attn *a, float *row) {
    float *p = row;             // probabilities of one query
    float *dp = row + a->n_tok; // their gradients
    for (size_t t = 0; t < a->n_tok; t++) {
        const float *q = a->q + t * a->q_stride;
        const float *dy = a->dy + t * a->y_stride;
        float *dq = a->dq + t * a->q_stride;
        const size_t from = a->window != 0 && t + 1 > a->window ? t + 1 - a->window : 0;

        float top = -INFINITY;
        for (size_t j = from; j <= t; j++) {
            p[j] = a->scale * dot(q, a->k + j * a->kv_stride_k, a->k_dim);
            top = p[j] > top ? p[j] : top;
        }
        double sum = 0;
        for (size_t j = from; j <= t; j++) {
            p[j] = expf(p[j] - top);
            sum += p[j];
        }

        // softmax: ds_j = p_j (dp_j - sum_i p_i dp_i)
        double mean = 0;
        for (size_t j = from; j <= t; j++) {
            p[j] = (float)(p[j] / sum);
            dp[j] = dot(dy, a->v + j * a->kv_stride_v, a->v_dim);
            mean += (double)p[j] * dp[j];
        }
        for (size_t i = 0; i < a->k_dim; i++) {
            dq[i] = 0;
        }
        for (size_t j = from; j <= t; j++) {
            const float ds = a->scale * p[j] * (float)(dp[j] - mean);
            add_scaled(dq, a->k + j * a->kv_stride_k, ds, a->k_dim);
            add_scaled(a->dk + j * a->kv_stride_k, q, ds, a->k_dim);
            add_scaled(a->dv + j * a->kv_stride_v, dy, p[j], a->v_dim);
        }
    }
}
