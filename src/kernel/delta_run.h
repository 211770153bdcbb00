/*
 * The gated delta rule and the short convolution in plain C. As rows.h: the folders compile the
 * same lines with their instruction sets, no step is fused or reordered, and the bits are the same.
 *
 * Columns of S do not see each other. A block of them is copied out of S, so that its rows lie side
 * by side in the first cache, and goes through a stretch of tokens:
 *
 *      block [k_dim][64]   held = k block, out = q block: sums over the rows, from first to last
 */
#pragma once

#include "kernel/kernels.h"

#include <math.h>
#include <string.h>

#define RG_DELTA_COLUMNS 64 // of S that go together
#define RG_DELTA_TOKENS  16 // whose decays are worked out at a time

/** What a stretch of tokens does to all columns. */
typedef struct rg_delta_stretch {
    size_t first;
    size_t n;
    float keep[RG_DELTA_TOKENS][RG_DELTA_ROWS_MAX]; // of each row of S
    float share[RG_DELTA_TOKENS];                   // of what is new
} rg_delta_stretch;

static inline float rg_delta_sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

static inline void rg_delta_prepare(const rg_delta_head *h, rg_delta_stretch *st) {
    for (size_t t = 0; t < st->n; t++) {
        const float *decay = h->decay + (st->first + t) * h->decay_stride;
        float *keep = st->keep[t];
        st->share[t] = rg_delta_sigmoid(h->beta[(st->first + t) * h->gate_stride]);
        keep[0] = expf(decay[0]);
        for (size_t i = 1; i < h->k_dim; i++) {
            keep[i] = h->n_decay == 1 ? keep[0] : expf(decay[i]);
        }
    }
}

// one token and one block: v and y [64]
static inline void rg_delta_step(float (*restrict s)[RG_DELTA_COLUMNS], size_t k_dim,
                                 const float *restrict keep, const float *restrict k,
                                 const float *restrict q, float share, const float *restrict v,
                                 float *restrict y) {
    float fresh[RG_DELTA_COLUMNS];
    float held[RG_DELTA_COLUMNS] = {0};
    float out[RG_DELTA_COLUMNS] = {0};
    for (size_t i = 0; i < k_dim; i++) {
        for (size_t j = 0; j < RG_DELTA_COLUMNS; j++) {
            s[i][j] *= keep[i];
            held[j] += k[i] * s[i][j];
        }
    }
    for (size_t j = 0; j < RG_DELTA_COLUMNS; j++) {
        fresh[j] = share * (v[j] - held[j]);
    }
    for (size_t i = 0; i < k_dim; i++) {
        for (size_t j = 0; j < RG_DELTA_COLUMNS; j++) {
            s[i][j] += k[i] * fresh[j];
            out[j] += q[i] * s[i][j];
        }
    }
    memcpy(y, out, sizeof out);
}

// columns [from, from + n) through a stretch of tokens
static inline void rg_delta_columns(const rg_delta_head *h, const rg_delta_stretch *st, size_t from,
                                    size_t n, float *s, float *y) {
    float block[RG_DELTA_ROWS_MAX][RG_DELTA_COLUMNS];
    float v[RG_DELTA_COLUMNS] = {0};
    float out[RG_DELTA_COLUMNS];
    for (size_t i = 0; i < h->k_dim; i++) {
        memset(block[i], 0, sizeof block[i]);
        memcpy(block[i], s + i * h->v_dim + from, n * sizeof *s);
    }
    for (size_t t = 0; t < st->n; t++) {
        const size_t at = st->first + t;
        if (h->positions != NULL && h->positions[at] == 0) {
            memset(block, 0, h->k_dim * sizeof *block);
        }
        memcpy(v, h->v + at * h->v_stride + from, n * sizeof *v);
        rg_delta_step(block, h->k_dim, st->keep[t], h->k + at * h->k_stride,
                      h->q + at * h->k_stride, st->share[t], v, out);
        memcpy(y + at * h->v_stride + from, out, n * sizeof *y);
    }
    for (size_t i = 0; i < h->k_dim; i++) {
        memcpy(s + i * h->v_dim + from, block[i], n * sizeof *s);
    }
}

static void delta_run(const rg_delta_head *h, float *s, float *y) {
    rg_delta_stretch st;
    for (st.first = 0; st.first < h->n_tok; st.first += st.n) {
        const size_t left = h->n_tok - st.first;
        st.n = left < RG_DELTA_TOKENS ? left : RG_DELTA_TOKENS;
        rg_delta_prepare(h, &st);
        for (size_t from = 0; from < h->v_dim; from += RG_DELTA_COLUMNS) {
            const size_t n = h->v_dim - from;
            rg_delta_columns(h, &st, from, n < RG_DELTA_COLUMNS ? n : RG_DELTA_COLUMNS, s, y);
        }
    }
}

// ---- convolution ----

// row t - back of x, or what stands for it; NULL: zeros
static inline const float *rg_conv_row(const rg_conv_columns *c, size_t t, size_t back) {
    if (c->positions != NULL && back > (size_t)c->positions[t]) {
        return NULL;
    }
    if (back <= t) {
        return c->x + (t - back) * c->x_stride;
    }
    return c->before == NULL ? NULL : c->before + (c->kernel - 1 + t - back) * c->before_stride;
}

static void conv_sums(const rg_conv_columns *c, float *y) {
    float w[RG_CONV_ROWS_MAX][RG_DELTA_COLUMNS]; // side by side as the columns are
    float sum[RG_DELTA_COLUMNS];
    for (size_t from = 0; from < c->n; from += RG_DELTA_COLUMNS) {
        const size_t n = c->n - from < RG_DELTA_COLUMNS ? c->n - from : RG_DELTA_COLUMNS;
        for (size_t i = 0; i < n * c->kernel; i++) {
            w[i % c->kernel][i / c->kernel] = c->w[from * c->kernel + i];
        }
        for (size_t t = 0; t < c->n_tok; t++) {
            memset(sum, 0, sizeof sum);
            for (size_t j = 0; j < c->kernel; j++) {
                const float *row = rg_conv_row(c, t, c->kernel - 1 - j);
                for (size_t i = 0; row != NULL && i < n; i++) {
                    sum[i] += w[j][i] * row[from + i];
                }
            }
            memcpy(y + t * c->x_stride + from, sum, n * sizeof *y);
        }
    }
}

static inline void set_delta(rg_kernels *k) {
    k->delta_run = delta_run;
    k->conv_sums = conv_sums;
}
