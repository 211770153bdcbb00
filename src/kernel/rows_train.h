/*
 * Kernels that only training uses, in plain C, row by row: as in rows.h, every folder compiles the
 * same lines and gets the same bits.
 */
#pragma once

#include "kernel/exp.h"
#include "kernel/kernels.h"

#define RG_XENT_BLOCK 1024 // values that are added up in f32 before their sum joins in f64

// sum of exp(x - top); y, where wanted, receives the terms
static double sum_exp(float *y, const float *x, size_t n, float top) {
    double total = 0;
    for (size_t from = 0; from < n; from += RG_XENT_BLOCK) {
        const size_t end = from + RG_XENT_BLOCK < n ? from + RG_XENT_BLOCK : n;
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
        for (size_t width = 8; width > 0; width /= 2) {
            for (size_t i = 0; i < width; i++) {
                lane[i] += lane[i + width];
            }
        }
        total += lane[0];
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
    k->softmax_xent = softmax_xent;
    k->adamw = adamw;
}
