/* Oracles of recurrences, for test_gradient.c: columns, convolution, decay, the gated delta rule.
 */
#pragma once

// ---- recurrences: two sequences, the second longer than what the convolution sees ----

enum { KERNEL = 3, KEYS = 2, VALUES = 4, K_DIM = 3, V_DIM = 5 };
static const int32_t positions[T] = {0, 1, 0, 1, 2, 3};

static rg_val build_columns(rg_graph *g, const rg_val *in) {
    return rg_join(g, rg_columns(g, in[0], 3, 1, 2), in[0], rg_columns(g, in[0], 1, 4, 1));
}

static void oracle_columns(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        const double *x = in[0] + t * 9;
        const double y[] = {x[1], x[2], x[4], x[5], x[7], x[8], x[0], x[1],
                            x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[4]};
        memcpy(out + t * 16, y, sizeof y);
    }
}

// three parts of three columns, two of two, and one of one that all three get
static rg_val build_parts(rg_graph *g, const rg_val *in) {
    return rg_join_parts(g, rg_join_parts(g, in[0], in[1], 3, false), in[2], 3, true);
}

static void oracle_parts(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int part = 0; part < 3; part++) {
            double *y = out + t * 18 + part * 6;
            memcpy(y, in[0] + t * 9 + part * 3, 3 * sizeof *y);
            memcpy(y + 3, in[1] + t * 6 + part * 2, 2 * sizeof *y);
            y[5] = in[2][t];
        }
    }
}

static rg_val build_heads(rg_graph *g, const rg_val *in) {
    return rg_heads(g, in[0], in[1]);
}

static void oracle_heads(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int r = 0; r < 3 * 5; r++) {
            out[t * 15 + r] = 0;
            for (int k = 0; k < 4; k++) {
                out[t * 15 + r] += in[0][t * 12 + r / 5 * 4 + k] * in[1][r * 4 + k];
            }
        }
    }
}

static rg_val build_conv(rg_graph *g, const rg_val *in) {
    return rg_conv(g, in[0], in[1], in[2]);
}

static void oracle_conv(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int c = 0; c < 70; c++) {
            double z = 0;
            for (int j = 0; j < KERNEL; j++) {
                const int back = KERNEL - 1 - j;
                z += back > positions[t] ? 0 : in[1][c * KERNEL + j] * in[0][(t - back) * 70 + c];
            }
            out[t * 70 + c] = z / (1 + exp(-z));
        }
    }
}

static rg_val build_decay(rg_graph *g, const rg_val *in) {
    return rg_decay(g, in[0], in[1], in[2], false);
}

static rg_val build_log_decay(rg_graph *g, const rg_val *in) {
    return rg_decay(g, in[0], in[1], in[2], true);
}

static void oracle_decay(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[1][i % 9] * log1p(exp(in[0][i] + in[2][i % 9]));
    }
}

static void oracle_log_decay(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = -exp(in[1][i % 9]) * log1p(exp(in[0][i] + in[2][i % 9]));
    }
}

static rg_val build_delta_heads(rg_graph *g, const rg_val *in, bool is_tiled) {
    const rg_op_params p = {.n_head = VALUES,
                            .n_kv_head = KEYS,
                            .head_dim = K_DIM,
                            .v_dim = V_DIM,
                            .is_tiled = is_tiled};
    return rg_delta(g, in, in[5], &p);
}

static rg_val build_delta(rg_graph *g, const rg_val *in) {
    return build_delta_heads(g, in, false);
}

static rg_val build_tiled_delta(rg_graph *g, const rg_val *in) {
    return build_delta_heads(g, in, true);
}

static void oracle_delta_heads(double *const *in, double *out, bool is_tiled, int n_decay) {
    for (int h = 0; h < VALUES; h++) {
        const int key = is_tiled ? h % KEYS : h / (VALUES / KEYS);
        double s[K_DIM][V_DIM] = {{0}};
        for (int t = 0; t < T; t++) {
            const double *q = in[0] + (t * KEYS + key) * K_DIM;
            const double *k = in[1] + (t * KEYS + key) * K_DIM;
            const double *v = in[2] + (t * VALUES + h) * V_DIM;
            const double beta = 1 / (1 + exp(-in[4][t * VALUES + h]));
            for (int j = 0; j < V_DIM; j++) {
                double held = 0, y = 0;
                for (int i = 0; i < K_DIM; i++) {
                    const int at = (t * VALUES + h) * n_decay + (n_decay == 1 ? 0 : i);
                    s[i][j] *= positions[t] == 0 ? 0 : exp(in[3][at]);
                    held += k[i] * s[i][j];
                }
                for (int i = 0; i < K_DIM; i++) {
                    s[i][j] += k[i] * beta * (v[j] - held);
                    y += q[i] * s[i][j];
                }
                out[(t * VALUES + h) * V_DIM + j] = y;
            }
        }
    }
}

static void oracle_delta(double *const *in, double *out) {
    oracle_delta_heads(in, out, false, 1);
}

static void oracle_tiled_delta(double *const *in, double *out) {
    oracle_delta_heads(in, out, true, 1);
}

static void oracle_delta_by_row(double *const *in, double *out) {
    oracle_delta_heads(in, out, false, K_DIM);
}

// each of three factors for three columns
static void oracle_shared_decay(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = -exp(in[1][i % 9 / 3]) * log1p(exp(in[0][i] + in[2][i % 9]));
    }
}
