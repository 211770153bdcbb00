#include "kernel/delta_run.h"
#include "kernel/scalar/scalar.h"

#include <math.h>
#include <string.h>

enum { DIM_MAX = RG_DELTA_ROWS_MAX };

void rg_scalar_set_delta(rg_kernels *k) {
    set_delta(k);
}

// what each token brings
typedef struct token {
    const float *q;
    const float *k;
    const float *v;
    const float *decay; // log of what S is multiplied by
    size_t n_decay;
    float share; // of what is new
} token;

static float decay_of(const token *x, size_t row) {
    return expf(x->decay[x->n_decay == 1 ? 0 : row]);
}

static token token_at(const rg_delta_head *h, size_t t) {
    return (token){.q = h->q + t * h->k_stride,
                   .k = h->k + t * h->k_stride,
                   .v = h->v + t * h->v_stride,
                   .decay = h->decay + t * h->decay_stride,
                   .n_decay = h->n_decay,
                   .share = rg_delta_sigmoid(h->beta[t * h->gate_stride])};
}

static int is_first(const rg_delta_head *h, size_t t) {
    return h->positions != NULL && h->positions[t] == 0;
}

// S decays, and what it holds for k goes to `held`
static void decay_and_read(const rg_delta_head *h, const token *x, float *s, float *held) {
    float keep = decay_of(x, 0);
    memset(held, 0, h->v_dim * sizeof *held);
    for (size_t i = 0; i < h->k_dim; i++) {
        float *row = s + i * h->v_dim;
        keep = x->n_decay == 1 ? keep : decay_of(x, i);
        for (size_t j = 0; j < h->v_dim; j++) {
            row[j] *= keep;
            held[j] += x->k[i] * row[j];
        }
    }
}

// one token, S alone
static void step(const rg_delta_head *h, const token *x, float *s) {
    float fresh[DIM_MAX];
    decay_and_read(h, x, s, fresh);
    for (size_t j = 0; j < h->v_dim; j++) {
        fresh[j] = x->share * (x->v[j] - fresh[j]);
    }
    for (size_t i = 0; i < h->k_dim; i++) {
        float *row = s + i * h->v_dim;
        for (size_t j = 0; j < h->v_dim; j++) {
            row[j] += x->k[i] * fresh[j];
        }
    }
}

// ---- gradients ----

// from the gradient ds of S after token t to that before it; s is S before it, and decays
static void step_back(const rg_delta_head *h, const rg_delta_gradient *d, size_t t, float *s,
                      float *ds) {
    const token x = token_at(h, t);
    const float *dy = d->dy + t * h->v_stride;
    float *dq = d->dq + t * h->k_stride;
    float *dk = d->dk + t * h->k_stride;
    float held[DIM_MAX], fresh[DIM_MAX], dfresh[DIM_MAX];
    decay_and_read(h, &x, s, held);
    double fresh_dy = 0;
    for (size_t j = 0; j < h->v_dim; j++) {
        fresh[j] = x.share * (x.v[j] - held[j]);
        fresh_dy += (double)fresh[j] * dy[j];
        dfresh[j] = 0;
    }
    for (size_t i = 0; i < h->k_dim; i++) {
        const float *row = s + i * h->v_dim;
        float *drow = ds + i * h->v_dim;
        double to_q = x.k[i] * fresh_dy;
        double to_k = 0;
        for (size_t j = 0; j < h->v_dim; j++) {
            to_q += (double)row[j] * dy[j];
            drow[j] += x.q[i] * dy[j];
            to_k += (double)drow[j] * fresh[j];
            dfresh[j] += drow[j] * x.k[i];
        }
        dq[i] += (float)to_q;
        dk[i] += (float)to_k;
    }
    double dshare = 0;
    for (size_t j = 0; j < h->v_dim; j++) {
        dshare += (double)dfresh[j] * (x.v[j] - held[j]);
        d->dv[t * h->v_stride + j] = x.share * dfresh[j];
    }
    d->dbeta[t * h->gate_stride] = (float)(dshare * x.share * (1 - x.share));
    float *ddecay = d->ddecay + t * h->decay_stride;
    double all = 0;
    for (size_t i = 0; i < h->k_dim; i++) {
        const float *row = s + i * h->v_dim;
        float *drow = ds + i * h->v_dim;
        const float keep = decay_of(&x, i);
        double to_k = 0;
        double to_row = 0;
        for (size_t j = 0; j < h->v_dim; j++) {
            const float dheld = -x.share * dfresh[j];
            to_k += (double)row[j] * dheld;
            drow[j] += x.k[i] * dheld;
            to_row += (double)drow[j] * row[j];
            drow[j] *= keep;
        }
        dk[i] += (float)to_k;
        all += to_row;
        if (h->n_decay != 1) {
            ddecay[i] = (float)to_row;
        }
    }
    if (h->n_decay == 1) {
        ddecay[0] = (float)all;
    }
}

void rg_delta_gradients(const rg_delta_head *h, const rg_delta_gradient *d, size_t stretch,
                        float *kept) {
    const size_t n = h->k_dim * h->v_dim;
    const size_t n_stretches = (h->n_tok + stretch - 1) / stretch;
    float *inner = kept + n_stretches * n; // S before each token of one stretch
    float *ds = inner + stretch * n;
    memset(inner, 0, n * sizeof *inner);
    for (size_t t = 0; t < h->n_tok; t++) {
        if (t % stretch == 0) {
            memcpy(kept + t / stretch * n, inner, n * sizeof *inner);
        }
        const token x = token_at(h, t);
        if (is_first(h, t)) {
            memset(inner, 0, n * sizeof *inner);
        }
        step(h, &x, inner);
    }
    memset(ds, 0, n * sizeof *ds);
    for (size_t part = n_stretches; part-- > 0;) {
        const size_t from = part * stretch;
        const size_t left = h->n_tok - from;
        const size_t n_here = left < stretch ? left : stretch;
        memcpy(inner, kept + part * n, n * sizeof *inner);
        for (size_t i = 0; i < n_here; i++) {
            float *s = inner + i * n;
            if (is_first(h, from + i)) {
                memset(s, 0, n * sizeof *s);
            }
            if (i + 1 < n_here) {
                const token x = token_at(h, from + i);
                memcpy(s + n, s, n * sizeof *s);
                step(h, &x, s + n);
            }
        }
        for (size_t i = n_here; i-- > 0;) {
            step_back(h, d, from + i, inner + i * n, ds);
            if (is_first(h, from + i)) {
                memset(ds, 0, n * sizeof *ds);
            }
        }
    }
}

float rg_delta_decay(float x, float a, float dt, int is_log) {
    const float z = x + dt;
    return (is_log ? -expf(a) : a) * (z > 20 ? z : log1pf(expf(z)));
}

void rg_delta_decay_gradient(float dy, float x, float a, float dt, int is_log, double *dx,
                             double *da, double *ddt) {
    const float z = x + dt;
    const double soft = z > 20 ? z : log1p(exp((double)z));
    const double factor = is_log ? -exp((double)a) : a;
    const double slope = dy * factor * rg_delta_sigmoid(z);
    *dx += slope;
    *ddt += slope;
    *da += dy * soft * (is_log ? factor : 1);
}

// ---- convolution ----

void rg_conv_gradients(const rg_conv_columns *c, const float *dy, float *dx, float *dw) {
    memset(dw, 0, c->n * c->kernel * sizeof *dw);
    for (size_t t = 0; t < c->n_tok; t++) {
        memset(dx + t * c->x_stride, 0, c->n * sizeof *dx);
    }
    for (size_t t = 0; t < c->n_tok; t++) {
        // dx of this row holds what later rows have sent back; the sums come after it
        for (size_t i = 0; i < c->n; i++) {
            double z = 0;
            for (size_t j = 0; j < c->kernel; j++) {
                const float *row = rg_conv_row(c, t, c->kernel - 1 - j);
                z += row == NULL ? 0 : (double)c->w[i * c->kernel + j] * row[i];
            }
            const double s = 1 / (1 + exp(-z));
            const double dz = dy[t * c->x_stride + i] * s * (1 + z * (1 - s));
            for (size_t j = 0; j < c->kernel; j++) {
                const size_t back = c->kernel - 1 - j;
                const float *row = rg_conv_row(c, t, back);
                if (row != NULL) {
                    dw[i * c->kernel + j] += (float)(dz * row[i]);
                    dx[(t - back) * c->x_stride + i] += (float)(dz * c->w[i * c->kernel + j]);
                }
            }
        }
    }
}
