/* Oracles of compressed attention without a state, for test_gradient.c: two samples, the second
 * with two rows. */
#pragma once

enum { RATIO = 2, ROW_DIM = 5, SEEN = 2 };

static rg_val build_compress(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {.head_dim = ROW_DIM, .ratio = RATIO};
    return rg_compress_mix(g, in, in[3], &p);
}

// rows of `width` columns of features, of which a position gives the last to its own row
static void oracle_compress_of(double *const *in, double *out, int width) {
    memset(out, 0, T * ROW_DIM * sizeof *out);
    for (int t = 0; t < T; t++) {
        if ((positions[t] + 1) % RATIO != 0) {
            continue;
        }
        const int n_before = width > ROW_DIM && positions[t] >= RATIO ? RATIO : 0;
        for (int i = 0; i < ROW_DIM; i++) {
            double sum = 0, mean = 0;
            for (int at = t + 1 - RATIO - n_before; at <= t; at++) {
                const int column = i + (at > t - RATIO ? width - ROW_DIM : 0);
                const double weight =
                    exp(in[1][at * width + column] + in[2][positions[at] % RATIO * width + column]);
                sum += weight;
                mean += weight * in[0][at * width + column];
            }
            out[t * ROW_DIM + i] = mean / sum;
        }
    }
}

static void oracle_compress(double *const *in, double *out) {
    oracle_compress_of(in, out, ROW_DIM);
}

static void oracle_overlapping(double *const *in, double *out) {
    oracle_compress_of(in, out, 2 * ROW_DIM);
}

// q, kv, sinks, positions, rows
static rg_val build_compressed(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {
        .n_head = N_HEAD, .head_dim = HEAD, .scale = 0.4f, .window = SEEN, .ratio = RATIO};
    return rg_compressed_attention(g, in, in[3], in[4], &p);
}

static rg_val build_windowed_sinks(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {.n_head = N_HEAD, .head_dim = HEAD, .scale = 0.4f, .window = WINDOW};
    return rg_compressed_attention(g, in, in[3], RG_VAL_NONE, &p);
}

static void oracle_compressed_of(double *const *in, double *out, int window, int ratio) {
    memset(out, 0, T * N_HEAD * HEAD * sizeof *out);
    for (int t = 0; t < T; t++) {
        const int start = t - positions[t];
        for (int h = 0; h < N_HEAD; h++) {
            const double *q = in[0] + (t * N_HEAD + h) * HEAD;
            double *y = out + (t * N_HEAD + h) * HEAD;
            double sum = exp(in[2][h]);
            for (int j = start; j <= t; j++) {
                // a position of the window, and where a row ends the row
                for (int kind = 0; kind < 2; kind++) {
                    const bool is_seen =
                        kind == 0 ? t - j < window : ratio != 0 && (j - start + 1) % ratio == 0;
                    const double *row = (kind == 0 ? in[1] : in[4]) + j * HEAD;
                    double s = 0;
                    for (int i = 0; i < HEAD && is_seen; i++) {
                        s += q[i] * row[i];
                    }
                    const double weight = exp((double)0.4f * s);
                    sum += is_seen ? weight : 0;
                    for (int i = 0; i < HEAD && is_seen; i++) {
                        y[i] += weight * row[i];
                    }
                }
            }
            for (int i = 0; i < HEAD; i++) {
                y[i] /= sum;
            }
        }
    }
}

static void oracle_compressed(double *const *in, double *out) {
    oracle_compressed_of(in, out, SEEN, RATIO);
}

static void oracle_windowed_sinks(double *const *in, double *out) {
    double *const with[] = {in[0], in[1], in[2], in[3], in[1]}; // no rows
    oracle_compressed_of(with, out, WINDOW, 0);
}
