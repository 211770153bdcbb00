/* Oracles of hyper-connections and clamping, for test_gradient.c. */
#pragma once

enum { STREAMS = 4, FLOW = 5, SINKHORN = 6 };
static const double MIX_EPS = (double)1e-3f;
static const float LIMIT = 0.5f;

static const rg_op_params mix_params = {.eps = 1e-3f, .n_iter = SINKHORN};

// streams, logits, base, scale, what the sublayer adds to its input
static rg_val build_hyper(rg_graph *g, const rg_val *in) {
    const rg_val w = rg_hyper(g, in[1], in[2], in[3], &mix_params);
    return rg_hyper_out(g, in[0], rg_add(g, rg_hyper_in(g, in[0], w), in[4]), w);
}

static double squashed(double x) {
    return 1 / (1 + exp(-x));
}

static void normalize_lines(double c[STREAMS][STREAMS], bool by_column) {
    for (int a = 0; a < STREAMS; a++) {
        double sum = MIX_EPS;
        for (int b = 0; b < STREAMS; b++) {
            sum += by_column ? c[b][a] : c[a][b];
        }
        for (int b = 0; b < STREAMS; b++) {
            *(by_column ? &c[b][a] : &c[a][b]) /= sum;
        }
    }
}

static void oracle_hyper(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        const double *x = in[0] + t * STREAMS * FLOW;
        const double *m = in[1] + t * STREAMS * (2 + STREAMS);
        double pre[STREAMS], post[STREAMS], c[STREAMS][STREAMS];
        for (int j = 0; j < STREAMS; j++) {
            double sum = 0;
            pre[j] = squashed(m[j] * in[3][0] + in[2][j]) + MIX_EPS;
            post[j] = 2 * squashed(m[STREAMS + j] * in[3][1] + in[2][STREAMS + j]);
            for (int k = 0; k < STREAMS; k++) {
                const int at = (2 + j) * STREAMS + k;
                c[j][k] = exp(m[at] * in[3][2] + in[2][at]);
                sum += c[j][k];
            }
            for (int k = 0; k < STREAMS; k++) {
                c[j][k] = c[j][k] / sum + MIX_EPS;
            }
        }
        normalize_lines(c, true);
        for (int i = 1; i < SINKHORN; i++) {
            normalize_lines(c, false);
            normalize_lines(c, true);
        }
        for (int i = 0; i < FLOW; i++) {
            double y = in[4][t * FLOW + i];
            for (int j = 0; j < STREAMS; j++) {
                y += pre[j] * x[j * FLOW + i];
            }
            for (int k = 0; k < STREAMS; k++) {
                double *to = &out[(t * STREAMS + k) * FLOW + i];
                *to = post[k] * y;
                for (int j = 0; j < STREAMS; j++) {
                    *to += c[j][k] * x[j * FLOW + i];
                }
            }
        }
    }
}

// at the end: streams, logits, base, scale
static rg_val build_hyper_head(rg_graph *g, const rg_val *in) {
    return rg_hyper_in(g, in[0], rg_hyper(g, in[1], in[2], in[3], &mix_params));
}

static void oracle_hyper_head(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < FLOW; i++) {
            out[t * FLOW + i] = 0;
            for (int j = 0; j < STREAMS; j++) {
                const double pre = squashed(in[1][t * STREAMS + j] * in[3][0] + in[2][j]) + MIX_EPS;
                out[t * FLOW + i] += pre * in[0][(t * STREAMS + j) * FLOW + i];
            }
        }
    }
}

static rg_val build_clamp(rg_graph *g, const rg_val *in) {
    return rg_clamp(g, in[0], LIMIT, false);
}

static rg_val build_clamp_above(rg_graph *g, const rg_val *in) {
    return rg_clamp(g, in[0], LIMIT, true);
}

static void oracle_clamp(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = fmax(fmin(in[0][i], (double)LIMIT), -(double)LIMIT);
    }
}

static void oracle_clamp_above(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = fmin(in[0][i], (double)LIMIT);
    }
}
