/*
 * Kernels that only training uses, in plain C, row by row: as in rows.h, every folder compiles the
 * same lines and gets the same bits.
 */
#pragma once

#include "kernel/exp.h"
#include "kernel/kernels.h"

#define RG_SUM_BLOCK 1024 // values that are added up in f32 before their sum joins in f64

// lanes to one, in a fixed tree
static inline float fold(float lane[16]) {
    for (size_t width = 8; width > 0; width /= 2) {
        for (size_t i = 0; i < width; i++) {
            lane[i] += lane[i + width];
        }
    }
    return lane[0];
}

// sum of exp(x - top); y, where wanted, receives the terms
static double sum_exp(float *y, const float *x, size_t n, float top) {
    double total = 0;
    for (size_t from = 0; from < n; from += RG_SUM_BLOCK) {
        const size_t end = from + RG_SUM_BLOCK < n ? from + RG_SUM_BLOCK : n;
        float lane[16] = {0};
        size_t at = from;
        for (; at + 16 <= end; at += 16) {
            float e[16];
            for (size_t i = 0; i < 16; i++) {
                e[i] = rg_exp(x[at + i] - top);
                lane[i] += e[i];
            }
            if (y != NULL) {
                memcpy(y + at, e, sizeof e);
            }
        }
        for (size_t i = 0; at + i < end; i++) {
            const float e = rg_exp(x[at + i] - top);
            lane[i] += e;
            if (y != NULL) {
                y[at + i] = e;
            }
        }
        total += fold(lane);
    }
    return total;
}

static float softmax_xent(float *dx, const float *x, size_t n, size_t target, float scale) {
    float lane[16];
    float top = x[0];
    for (size_t i = 0; i < 16; i++) {
        lane[i] = x[0];
    }
    size_t at = 0;
    for (; at + 16 <= n; at += 16) {
        for (size_t i = 0; i < 16; i++) {
            lane[i] = x[at + i] > lane[i] ? x[at + i] : lane[i];
        }
    }
    for (; at < n; at++) {
        lane[0] = x[at] > lane[0] ? x[at] : lane[0];
    }
    for (size_t i = 0; i < 16; i++) {
        top = lane[i] > top ? lane[i] : top;
    }
    const float x_target = x[target];
    const double sum = sum_exp(dx, x, n, top);
    if (dx != NULL) {
        const float factor = (float)(scale / sum);
        for (size_t i = 0; i < n; i++) {
            dx[i] *= factor;
        }
        dx[target] -= scale;
    }
    return (float)(log(sum) + (double)top - (double)x_target);
}

static void softmax_take(rg_softmax_row *row, const float *s, const float *dp, size_t n,
                         float scale) {
    float lane[16];
    float sums[16] = {0};
    float means[16] = {0};
    for (size_t i = 0; i < 16; i++) {
        lane[i] = -INFINITY;
    }
    size_t at = 0;
    for (; at + 16 <= n; at += 16) {
        for (size_t i = 0; i < 16; i++) {
            const float v = s[at + i] * scale;
            lane[i] = v > lane[i] ? v : lane[i];
        }
    }
    for (; at < n; at++) {
        lane[0] = s[at] * scale > lane[0] ? s[at] * scale : lane[0];
    }
    float top = row->top;
    for (size_t i = 0; i < 16; i++) {
        top = lane[i] > top ? lane[i] : top;
    }
    if (top > row->top) {
        const double factor = rg_exp(row->top - top);
        row->sum *= factor;
        row->mean *= factor;
        row->top = top;
    }
    for (at = 0; at + 16 <= n; at += 16) {
        float e[16];
        for (size_t i = 0; i < 16; i++) {
            e[i] = rg_exp(s[at + i] * scale - top);
            sums[i] += e[i];
        }
        for (size_t i = 0; dp != NULL && i < 16; i++) {
            means[i] += e[i] * dp[at + i];
        }
    }
    for (size_t i = 0; at + i < n; i++) {
        const float e = rg_exp(s[at + i] * scale - top);
        sums[i] += e;
        means[i] += dp == NULL ? 0 : e * dp[at + i];
    }
    row->sum += fold(sums);
    row->mean += fold(means);
}

static void softmax_back(const rg_softmax_row *row, float *s, float *dp, size_t n, float scale) {
    const float inverse = (float)(1 / row->sum);
    const float mean = (float)(row->mean / row->sum);
    for (size_t i = 0; i < n; i++) {
        s[i] = rg_exp(s[i] * scale - row->top) * inverse;
    }
    for (size_t i = 0; dp != NULL && i < n; i++) {
        dp[i] = scale * s[i] * (dp[i] - mean);
    }
}

// sum of x[i]^2, and where dy is not NULL of w[i] dy[i] x[i]
static double squares(const float *x, const float *w, const float *dy, size_t n, double *dot) {
    double total = 0;
    for (size_t from = 0; from < n; from += RG_SUM_BLOCK) {
        const size_t end = from + RG_SUM_BLOCK < n ? from + RG_SUM_BLOCK : n;
        float lane[16] = {0};
        float dots[16] = {0};
        size_t at = from;
        for (; at + 16 <= end; at += 16) {
            for (size_t i = 0; i < 16; i++) {
                lane[i] += x[at + i] * x[at + i];
            }
            for (size_t i = 0; i < 16 && dy != NULL; i++) {
                dots[i] += w[at + i] * dy[at + i] * x[at + i];
            }
        }
        for (size_t i = 0; at + i < end; i++) {
            lane[i] += x[at + i] * x[at + i];
            dots[i] += dy != NULL ? w[at + i] * dy[at + i] * x[at + i] : 0;
        }
        total += fold(lane);
        *dot += fold(dots);
    }
    return total;
}

static void rmsnorm_dx(float *dx, const float *dy, const float *x, const float *w, size_t n,
                       float eps) {
    double dot = 0;
    const double mean = squares(x, w, dy, n, &dot) / (double)n;
    const double r = 1 / sqrt(mean + (double)eps);
    const float scale = (float)r;
    const float share = (float)(r * r * r * dot / (double)n);
    for (size_t i = 0; i < n; i++) {
        dx[i] = scale * (w[i] * dy[i]) - share * x[i];
    }
}

static void rmsnorm_dw(double *dw, float *part, const float *dy, const float *x, size_t rows,
                       size_t n, float eps) {
    for (size_t from = 0; from < rows; from += RG_RMSNORM_DW_ROWS) {
        const size_t end = from + RG_RMSNORM_DW_ROWS < rows ? from + RG_RMSNORM_DW_ROWS : rows;
        memset(part, 0, n * sizeof *part);
        for (size_t r = from; r < end; r++) {
            double dot = 0;
            const double mean = squares(x + r * n, NULL, NULL, n, &dot) / (double)n;
            const float scale = (float)(1 / sqrt(mean + (double)eps));
            for (size_t i = 0; i < n; i++) {
                part[i] += dy[r * n + i] * (x[r * n + i] * scale);
            }
        }
        for (size_t i = 0; i < n; i++) {
            dw[i] += (double)part[i];
        }
    }
}

static void swiglu_back(float *restrict dgate, float *restrict dup, const float *dy,
                        const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = 1.0f / (1.0f + rg_exp(-gate[i]));
        const float silu = gate[i] * s;
        dup[i] = dy[i] * silu;
        dgate[i] = dy[i] * up[i] * (s + silu * (1.0f - s));
    }
}

static void adamw(float *w, float *m, float *v, const float *g, size_t n, const rg_adamw *a) {
    for (size_t i = 0; i < n; i++) {
        const float gi = g[i] * a->grad_scale;
        m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * gi;
        v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * (gi * gi);
        const float step = m[i] * a->bias1 / (sqrtf(v[i] * a->bias2) + a->eps);
        w[i] = w[i] * (1.0f - a->lr * a->decay) - a->lr * step;
    }
}

static inline void set_train_rows(rg_kernels *k) {
    k->rmsnorm_dx = rmsnorm_dx;
    k->rmsnorm_dw = rmsnorm_dw;
    k->swiglu_back = swiglu_back;
    k->softmax_xent = softmax_xent;
    k->softmax_take = softmax_take;
    k->softmax_back = softmax_back;
    k->adamw = adamw;
}
