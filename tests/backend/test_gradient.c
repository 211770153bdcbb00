/*
 * Every op with a backward rule: its forward result against a double-precision oracle, its
 * gradients against central differences of that oracle, on every instruction set of this machine,
 * with one and two threads.
 */
#include "backend/exec.h"
#include "graph/backward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INPUTS_MAX = 6,
    SIZE_MAX_VALUES = 4096,
    T = 6,
    N_HEAD = 4,
    N_KV = 2,
    HEAD = 8,
    WINDOW = 3,
    CHUNK = 3
};

/** One input of a case. rows 0: a vector; is_weight: passed as a weight, else as an input; is_ids:
 * not differentiated. */
typedef struct input {
    size_t rows;
    size_t width;
    bool is_weight;
    bool is_ids;
    size_t n_stacked;    // matrices of a weight in one; 0: it is one
    const int32_t *list; // of ids; NULL: `ids`
} input;

typedef struct op_case {
    const char *name;
    size_t n_in;
    input in[INPUTS_MAX];
    size_t out_rows;
    size_t out_width;
    rg_val (*build)(rg_graph *g, const rg_val *in);
    void (*oracle)(double *const *in, double *out);
} op_case;

static const float EPS = 1e-5f;

// ---- oracles, written from the formulas, in double ----

static rg_val build_linear(rg_graph *g, const rg_val *in) {
    return rg_linear(g, in[0], in[1], in[2]);
}

static void oracle_linear(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int r = 0; r < 7; r++) {
            out[t * 7 + r] = in[2][r];
            for (int k = 0; k < 10; k++) {
                out[t * 7 + r] += in[0][t * 10 + k] * in[1][r * 10 + k];
            }
        }
    }
}

static rg_val build_rmsnorm(rg_graph *g, const rg_val *in) {
    return rg_rmsnorm(g, in[0], in[1], EPS);
}

// rows of 24 are three groups of 8, as heads are
static void oracle_rmsnorm(double *const *in, double *out) {
    for (int row = 0; row < T * 3; row++) {
        double sum = 0;
        for (int i = 0; i < 8; i++) {
            sum += in[0][row * 8 + i] * in[0][row * 8 + i];
        }
        const double r = 1 / sqrt(sum / 8 + EPS);
        for (int i = 0; i < 8; i++) {
            out[row * 8 + i] = in[0][row * 8 + i] * r * in[1][i];
        }
    }
}

static rg_val build_swiglu(rg_graph *g, const rg_val *in) {
    return rg_swiglu(g, in[0], in[1]);
}

static void oracle_swiglu(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] / (1 + exp(-in[0][i])) * in[1][i];
    }
}

static rg_val build_gelu(rg_graph *g, const rg_val *in) {
    return rg_gelu(g, in[0], false);
}

static void oracle_gelu(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] * 0.5 * erfc(-in[0][i] / sqrt(2));
    }
}

static rg_val build_gelu_tanh(rg_graph *g, const rg_val *in) {
    return rg_gelu(g, in[0], true);
}

static void oracle_gelu_tanh(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        const double x = in[0][i];
        out[i] = 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    }
}

// six rows become two, each column of them doubled on the way so that it is no mere copy
static rg_val build_fold(rg_graph *g, const rg_val *in) {
    return rg_scale(g, rg_fold(g, in[0], 2), 2);
}

static void oracle_fold(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = 2 * in[0][i];
    }
}

static rg_val build_gate(rg_graph *g, const rg_val *in) {
    return rg_gate(g, in[0], in[1]);
}

static void oracle_gate(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] / (1 + exp(-in[1][i]));
    }
}

// one gate a row
static void oracle_gate_row(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] / (1 + exp(-in[1][i / 9]));
    }
}

static rg_val build_layernorm(rg_graph *g, const rg_val *in) {
    return rg_layernorm(g, in[0], in[1], in[2], EPS);
}

static void oracle_layernorm(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        const double *x = in[0] + t * 9;
        double mean = 0, squares = 0;
        for (int i = 0; i < 9; i++) {
            mean += x[i] / 9;
        }
        for (int i = 0; i < 9; i++) {
            squares += (x[i] - mean) * (x[i] - mean) / 9;
        }
        for (int i = 0; i < 9; i++) {
            out[t * 9 + i] = (x[i] - mean) / sqrt(squares + EPS) * in[1][i] + in[2][i];
        }
    }
}

static rg_val build_scale_rows(rg_graph *g, const rg_val *in) {
    return rg_scale_rows(g, in[0], in[1]);
}

static void oracle_scale_rows(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] * in[1][i / 9];
    }
}

static rg_val build_add(rg_graph *g, const rg_val *in) {
    return rg_add(g, in[0], rg_add(g, in[1], in[0])); // one input twice: gradients add up
}

static void oracle_add(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = 2 * in[0][i] + in[1][i];
    }
}

static rg_val build_add_vector(rg_graph *g, const rg_val *in) {
    return rg_add(g, in[0], in[1]);
}

static void oracle_add_vector(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = in[0][i] + in[1][i % 9];
    }
}

static rg_val build_scale(rg_graph *g, const rg_val *in) {
    return rg_scale(g, in[0], -1.75f);
}

static void oracle_scale(double *const *in, double *out) {
    for (int i = 0; i < T * 9; i++) {
        out[i] = -1.75 * in[0][i];
    }
}

static const int32_t ids[T] = {3, 0, 4, 4, 1, 3};
static const int32_t parts[T] = {0, 1, 0, 1, 2, 0};
static const int32_t axes[T * 3] = {0, 5, 2, 1, 7, 3, 9, 9, 9, 2, 0, 4, 6, 1, 8, 3, 3, 1};

static rg_val build_embed(rg_graph *g, const rg_val *in) {
    return rg_embed(g, in[1], in[0]);
}

static void oracle_embed(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < 11; i++) {
            out[t * 11 + i] = in[0][ids[t] * 11 + i];
        }
    }
}

static rg_val build_select(rg_graph *g, const rg_val *in) {
    return rg_select_rows(g, in[0], in[1]);
}

static rg_val build_cross_entropy(rg_graph *g, const rg_val *in) {
    return rg_cross_entropy(g, in[0], in[1]);
}

static void oracle_cross_entropy(double *const *in, double *out) {
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int i = 0; i < 37; i++) {
            sum += exp(in[0][t * 37 + i]);
        }
        out[t] = log(sum) - in[0][t * 37 + ids[t]];
    }
}

static rg_val build_rope(rg_graph *g, const rg_val *in, uint32_t pairs) {
    const rg_op_params p = {.n_head = 3, .head_dim = HEAD, .n_rot = 6, .pairs = pairs};
    return rg_rope(g, in[0], rg_rope_table(g, in[1], in[2], 1.25f), &p);
}

// a position on each of three axes
static rg_val build_rope_axes(rg_graph *g, const rg_val *in, bool is_interleaved) {
    static const uint32_t sections[] = {2, 1, 1};
    const rg_op_params p = {.n_head = 3, .head_dim = HEAD, .n_rot = 8};
    return rg_rope(g, in[0], rg_rope_axes_table(g, in[1], in[2], 1.25f, sections, is_interleaved),
                   &p);
}

static rg_val build_rope_stretches(rg_graph *g, const rg_val *in) {
    return build_rope_axes(g, in, false);
}

static rg_val build_rope_interleaved(rg_graph *g, const rg_val *in) {
    return build_rope_axes(g, in, true);
}

static void oracle_rope_axes(double *const *in, double *out, const int axis[4]) {
    for (int row = 0; row < T * 3; row++) {
        const double *x = in[0] + row * HEAD;
        for (int i = 0; i < 4; i++) {
            const double angle = axes[row / 3 * 3 + axis[i]] * in[2][i];
            out[row * HEAD + i] = 1.25 * (x[i] * cos(angle) - x[i + 4] * sin(angle));
            out[row * HEAD + i + 4] = 1.25 * (x[i] * sin(angle) + x[i + 4] * cos(angle));
        }
    }
}

static void oracle_rope_stretches(double *const *in, double *out) {
    oracle_rope_axes(in, out, (const int[]){0, 0, 1, 2});
}

static void oracle_rope_interleaved(double *const *in, double *out) {
    oracle_rope_axes(in, out, (const int[]){0, 1, 2, 0});
}

static rg_val build_rope_half(rg_graph *g, const rg_val *in) {
    return build_rope(g, in, 0);
}

static rg_val build_rope_neighbor(rg_graph *g, const rg_val *in) {
    return build_rope(g, in, 1);
}

static void oracle_rope(double *const *in, double *out, bool is_neighbor) {
    for (int row = 0; row < T * 3; row++) {
        const double *x = in[0] + row * HEAD;
        double *y = out + row * HEAD;
        y[6] = x[6];
        y[7] = x[7];
        for (int i = 0; i < 3; i++) {
            const double angle = ids[row / 3] * in[2][i];
            const int a = is_neighbor ? 2 * i : i;
            const int b = is_neighbor ? 2 * i + 1 : i + 3;
            y[a] = 1.25 * (x[a] * cos(angle) - x[b] * sin(angle));
            y[b] = 1.25 * (x[a] * sin(angle) + x[b] * cos(angle));
        }
    }
}

static void oracle_rope_half(double *const *in, double *out) {
    oracle_rope(in, out, false);
}

static void oracle_rope_neighbor(double *const *in, double *out) {
    oracle_rope(in, out, true);
}

// in[3]: positions, where a part of the tokens see each other
static rg_val build_chunked(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {.n_head = N_HEAD,
                            .n_kv_head = N_KV,
                            .head_dim = HEAD,
                            .v_dim = HEAD,
                            .scale = 0.4f,
                            .chunk = CHUNK};
    return rg_attention(g, in[0], in[1], in[2], in[3], &p);
}

// both ways, within the parts that positions mark
static rg_val build_ahead(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {.n_head = N_HEAD,
                            .n_kv_head = N_KV,
                            .head_dim = HEAD,
                            .v_dim = HEAD,
                            .scale = 0.4f,
                            .sees_ahead = true};
    return rg_attention(g, in[0], in[1], in[2], in[3], &p);
}

static void oracle_ahead(double *const *in, double *out) {
    static const int first[T] = {0, 0, 2, 2, 2, 5}, end[T] = {2, 2, 5, 5, 5, 6};
    for (int t = 0; t < T; t++) {
        for (int h = 0; h < N_HEAD; h++) {
            double p[T], sum = 0;
            for (int j = first[t]; j < end[t]; j++) {
                double s = 0;
                for (int i = 0; i < HEAD; i++) {
                    s += in[0][(t * N_HEAD + h) * HEAD + i] *
                         in[1][(j * N_KV + h / (N_HEAD / N_KV)) * HEAD + i];
                }
                p[j] = exp(0.4f * s);
                sum += p[j];
            }
            for (int i = 0; i < HEAD; i++) {
                double *y = &out[(t * N_HEAD + h) * HEAD + i];
                *y = 0;
                for (int j = first[t]; j < end[t]; j++) {
                    *y += p[j] / sum * in[2][(j * N_KV + h / (N_HEAD / N_KV)) * HEAD + i];
                }
            }
        }
    }
}

static rg_val build_attention(rg_graph *g, const rg_val *in, size_t window, size_t seq_len) {
    const rg_op_params p = {.n_head = N_HEAD,
                            .n_kv_head = N_KV,
                            .head_dim = HEAD,
                            .v_dim = HEAD,
                            .scale = 0.4f,
                            .window = window,
                            .seq_len = seq_len};
    return rg_attention(g, in[0], in[1], in[2], RG_VAL_NONE, &p);
}

static rg_val build_causal(rg_graph *g, const rg_val *in) {
    return build_attention(g, in, 0, 0);
}

static rg_val build_windowed(rg_graph *g, const rg_val *in) {
    return build_attention(g, in, WINDOW, 0);
}

static rg_val build_sequences(rg_graph *g, const rg_val *in) {
    return build_attention(g, in, 0, T / 2);
}

static rg_val build_samples(rg_graph *g, const rg_val *in) {
    const rg_op_params p = {
        .n_head = N_HEAD, .n_kv_head = N_KV, .head_dim = HEAD, .v_dim = HEAD, .scale = 0.4f};
    return rg_attention(g, in[0], in[1], in[2], in[3], &p);
}

static void oracle_attention_of(double *const *in, double *out, int window, int seq_len, int chunk,
                                const int32_t *at) {
    for (int t = 0; t < T; t++) {
        for (int h = 0; h < N_HEAD; h++) {
            const int kv = h / (N_HEAD / N_KV);
            double p[T], sum = 0;
            // seq_len 0: a token's sample began as many tokens ago as its position says
            const int begin = seq_len != 0 ? t / seq_len * seq_len : at[t] <= t ? t - at[t] : 0;
            int from = window != 0 && t + 1 - begin > window ? t + 1 - window : begin;
            while (chunk != 0 && (from - begin) / chunk != (t - begin) / chunk) {
                from++;
            }
            for (int j = from; j <= t; j++) {
                double s = 0;
                for (int i = 0; i < HEAD; i++) {
                    s += in[0][(t * N_HEAD + h) * HEAD + i] * in[1][(j * N_KV + kv) * HEAD + i];
                }
                p[j] = exp((double)0.4f * s);
                sum += p[j];
            }
            for (int i = 0; i < HEAD; i++) {
                double v = 0;
                for (int j = from; j <= t; j++) {
                    v += p[j] / sum * in[2][(j * N_KV + kv) * HEAD + i];
                }
                out[(t * N_HEAD + h) * HEAD + i] = v;
            }
        }
    }
}

static void oracle_attention(double *const *in, double *out, int window, int seq_len) {
    oracle_attention_of(in, out, window, seq_len, 0, ids);
}

static void oracle_causal(double *const *in, double *out) {
    oracle_attention(in, out, 0, T);
}

static void oracle_samples(double *const *in, double *out) {
    oracle_attention(in, out, 0, 0);
}

static void oracle_windowed(double *const *in, double *out) {
    oracle_attention(in, out, WINDOW, T);
}

static void oracle_sequences(double *const *in, double *out) {
    oracle_attention(in, out, 0, T / 2);
}

#include "backend/oracles_experts.h"
#include "backend/oracles_hyper.h"
#include "backend/oracles_recurrent.h"

#include "backend/oracles_compressed.h" // has the samples of those before

static void oracle_chunked(double *const *in, double *out) {
    oracle_attention_of(in, out, 0, 0, CHUNK, positions);
}

// clang-format off
#define EXPERTS_IN 4, {{T, IN, false, false, 0, NULL}, {T, EXPERTS, false, false, 0, NULL}, {OUT, IN, true, false, EXPERTS, NULL}, {0, EXPERTS, true, true, 0, NULL}}, T, OUT

#define DELTA_IN 6, {{T, KEYS * K_DIM, false, false, 0, NULL}, {T, KEYS * K_DIM, false, false, 0, NULL}, {T, VALUES * V_DIM, false, false, 0, NULL}, \
                     {T, VALUES, false, false, 0, NULL}, {T, VALUES, false, false, 0, NULL}, {0, T, false, true, 0, positions}}, T, VALUES * V_DIM

static const op_case cases[] = {
    {"columns",  1, {{T, 9, false, false, 0, NULL}}, T, 16, build_columns, oracle_columns},
    {"parts",    3, {{T, 9, false, false, 0, NULL}, {T, 6, false, false, 0, NULL}, {T, 1, false, false, 0, NULL}}, T, 18, build_parts, oracle_parts},
    {"heads",    2, {{T, 12, false, false, 0, NULL}, {5, 4, true, false, 3, NULL}}, T, 15, build_heads, oracle_heads},
    {"conv",     3, {{T, 70, false, false, 0, NULL}, {70, KERNEL, true, false, 0, NULL}, {0, T, false, true, 0, positions}}, T, 70, build_conv, oracle_conv},
    {"decay",    3, {{T, 9, false, false, 0, NULL}, {0, 9, true, false, 0, NULL}, {0, 9, true, false, 0, NULL}}, T, 9, build_decay, oracle_decay},
    {"log decay", 3, {{T, 9, false, false, 0, NULL}, {0, 9, true, false, 0, NULL}, {0, 9, true, false, 0, NULL}}, T, 9, build_log_decay, oracle_log_decay},
    {"shared decay", 3, {{T, 9, false, false, 0, NULL}, {0, 3, true, false, 0, NULL}, {0, 9, true, false, 0, NULL}}, T, 9, build_log_decay, oracle_shared_decay},
    {"delta",    DELTA_IN, build_delta, oracle_delta},
    {"delta by row", 6, {{T, KEYS * K_DIM, false, false, 0, NULL}, {T, KEYS * K_DIM, false, false, 0, NULL}, {T, VALUES * V_DIM, false, false, 0, NULL},
                         {T, VALUES * K_DIM, false, false, 0, NULL}, {T, VALUES, false, false, 0, NULL}, {0, T, false, true, 0, positions}},
     T, VALUES * V_DIM, build_delta, oracle_delta_by_row},
    {"delta, tiled", DELTA_IN, build_tiled_delta, oracle_tiled_delta},
    {"experts, softmax", EXPERTS_IN, build_experts_0, oracle_experts_0},
    {"experts, softmax as it is", EXPERTS_IN, build_experts_1, oracle_experts_1},
    {"experts, sigmoid in groups", EXPERTS_IN, build_experts_2, oracle_experts_2},
    {"experts, softmax in groups", EXPERTS_IN, build_experts_3, oracle_experts_3},
    {"experts, square root of softplus", EXPERTS_IN, build_experts_4, oracle_experts_4},
    {"experts, listed", 5, {{T, IN, false, false, 0, NULL}, {T, EXPERTS, false, false, 0, NULL}, {OUT, IN, true, false, EXPERTS, NULL},
                            {LISTS, TOP, false, true, 0, lists}, {0, T, false, true, 0, listed_ids}}, T, OUT, build_listed, oracle_listed},
    {"hyper-connections", 5, {{T, STREAMS * FLOW, false, false, 0, NULL}, {T, RG_STREAM_WEIGHTS, false, false, 0, NULL}, {0, RG_STREAM_WEIGHTS, true, false, 0, NULL},
                              {0, 3, true, false, 0, NULL}, {T, FLOW, false, false, 0, NULL}}, T, STREAMS * FLOW, build_hyper, oracle_hyper},
    {"hyper-connections, at the end", 4, {{T, STREAMS * FLOW, false, false, 0, NULL}, {T, STREAMS, false, false, 0, NULL}, {0, STREAMS, true, false, 0, NULL},
                              {0, 1, true, false, 0, NULL}}, T, FLOW, build_hyper_head, oracle_hyper_head},
    {"compress", 4, {{T, ROW_DIM, false, false, 0, NULL}, {T, ROW_DIM, false, false, 0, NULL}, {RATIO, ROW_DIM, true, false, 0, NULL}, {0, T, false, true, 0, positions}},
     T, ROW_DIM, build_compress, oracle_compress},
    {"compress, overlapping", 4, {{T, 2 * ROW_DIM, false, false, 0, NULL}, {T, 2 * ROW_DIM, false, false, 0, NULL}, {RATIO, 2 * ROW_DIM, true, false, 0, NULL}, {0, T, false, true, 0, positions}},
     T, ROW_DIM, build_compress, oracle_overlapping},
    {"compressed attention", 5, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, HEAD, false, false, 0, NULL}, {0, N_HEAD, true, false, 0, NULL}, {0, T, false, true, 0, positions},
                                 {T, HEAD, false, false, 0, NULL}}, T, N_HEAD * HEAD, build_compressed, oracle_compressed},
    {"compressed attention, window alone", 4, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, HEAD, false, false, 0, NULL}, {0, N_HEAD, true, false, 0, NULL}, {0, T, false, true, 0, positions}},
     T, N_HEAD * HEAD, build_windowed_sinks, oracle_windowed_sinks},
    {"clamp",    1, {{T, 9, false, false, 0, NULL}}, T, 9, build_clamp, oracle_clamp},
    {"clamp, above alone", 1, {{T, 9, false, false, 0, NULL}}, T, 9, build_clamp_above, oracle_clamp_above},
    {"linear",   3, {{T, 10, false, false, 0, NULL}, {7, 10, true, false, 0, NULL}, {0, 7, true, false, 0, NULL}}, T, 7, build_linear, oracle_linear},
    {"rmsnorm",  2, {{T, 24, false, false, 0, NULL}, {0, 8, true, false, 0, NULL}}, T, 24, build_rmsnorm, oracle_rmsnorm},
    {"swiglu",   2, {{T, 9, false, false, 0, NULL}, {T, 9, false, false, 0, NULL}}, T, 9, build_swiglu, oracle_swiglu},
    {"gelu",     1, {{T, 9, false, false, 0, NULL}}, T, 9, build_gelu, oracle_gelu},
    {"gelu, tanh", 1, {{T, 9, false, false, 0, NULL}}, T, 9, build_gelu_tanh, oracle_gelu_tanh},
    {"fold",     1, {{T, 9, false, false, 0, NULL}}, 2, 27, build_fold, oracle_fold},
    {"gate",     2, {{T, 9, false, false, 0, NULL}, {T, 9, false, false, 0, NULL}}, T, 9, build_gate, oracle_gate},
    {"gate, one a row", 2, {{T, 9, false, false, 0, NULL}, {T, 1, false, false, 0, NULL}}, T, 9, build_gate, oracle_gate_row},
    {"layernorm", 3, {{T, 9, false, false, 0, NULL}, {0, 9, true, false, 0, NULL}, {0, 9, true, false, 0, NULL}}, T, 9, build_layernorm, oracle_layernorm},
    {"scale rows", 2, {{T, 9, false, false, 0, NULL}, {T, 1, false, false, 0, NULL}}, T, 9, build_scale_rows, oracle_scale_rows},
    {"add",      2, {{T, 9, false, false, 0, NULL}, {T, 9, false, false, 0, NULL}}, T, 9, build_add, oracle_add},
    {"add vector", 2, {{T, 9, false, false, 0, NULL}, {0, 9, true, false, 0, NULL}}, T, 9, build_add_vector, oracle_add_vector},
    {"scale",    1, {{T, 9, false, false, 0, NULL}}, T, 9, build_scale, oracle_scale},
    {"cross-entropy", 2, {{T, 37, false, false, 0, NULL}, {0, T, false, true, 0, NULL}}, T, 1, build_cross_entropy, oracle_cross_entropy},
    {"embed",    2, {{5, 11, true, false, 0, NULL}, {0, T, false, true, 0, NULL}}, T, 11, build_embed, oracle_embed},
    {"select",   2, {{5, 11, false, false, 0, NULL}, {0, T, false, true, 0, NULL}}, T, 11, build_select, oracle_embed},
    {"rope half",     3, {{T, 24, false, false, 0, NULL}, {0, T, false, true, 0, NULL}, {0, 3, true, true, 0, NULL}}, T, 24, build_rope_half, oracle_rope_half},
    {"rope neighbor", 3, {{T, 24, false, false, 0, NULL}, {0, T, false, true, 0, NULL}, {0, 3, true, true, 0, NULL}}, T, 24, build_rope_neighbor, oracle_rope_neighbor},
    {"rope, axes in stretches", 3, {{T, 24, false, false, 0, NULL}, {T, 3, false, true, 0, axes}, {0, 4, true, true, 0, NULL}}, T, 24, build_rope_stretches, oracle_rope_stretches},
    {"rope, axes in turn", 3, {{T, 24, false, false, 0, NULL}, {T, 3, false, true, 0, axes}, {0, 4, true, true, 0, NULL}}, T, 24, build_rope_interleaved, oracle_rope_interleaved},
    {"attention, both ways", 4, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {0, T, false, true, 0, parts}},
     T, N_HEAD * HEAD, build_ahead, oracle_ahead},
    {"attention",     3, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}},
     T, N_HEAD * HEAD, build_causal, oracle_causal},
    {"attention, two sequences", 3, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}},
     T, N_HEAD * HEAD, build_sequences, oracle_sequences},
    {"attention, samples in a row", 4, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {0, T, false, true, 0, NULL}},
     T, N_HEAD * HEAD, build_samples, oracle_samples},
    {"attention, in chunks", 4, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {0, T, false, true, 0, positions}},
     T, N_HEAD * HEAD, build_chunked, oracle_chunked},
    {"attention, windowed", 3, {{T, N_HEAD * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}, {T, N_KV * HEAD, false, false, 0, NULL}},
     T, N_HEAD * HEAD, build_windowed, oracle_windowed},
};
// clang-format on

// ---- running one case ----

typedef struct bench {
    const op_case *c;
    float values[INPUTS_MAX][SIZE_MAX_VALUES];
    double exact[INPUTS_MAX][SIZE_MAX_VALUES];
    float dout[SIZE_MAX_VALUES];
    rg_tensor weights[INPUTS_MAX];
    const void *inputs[INPUTS_MAX + 1];
} bench;

static size_t size_of(const input *in) {
    return (in->rows == 0 ? 1 : in->rows) * in->width * (in->n_stacked == 0 ? 1 : in->n_stacked);
}

static void fill(bench *b) {
    srand(7);
    for (size_t i = 0; i < b->c->n_in; i++) {
        for (size_t k = 0; k < size_of(&b->c->in[i]); k++) {
            b->values[i][k] = (float)rand() / (float)RAND_MAX * 2 - 1;
            b->exact[i][k] = b->values[i][k];
        }
    }
    for (size_t k = 0; k < b->c->out_rows * b->c->out_width; k++) {
        b->dout[k] = (float)rand() / (float)RAND_MAX * 2 - 1;
    }
}

static double loss(bench *b) {
    static double out[SIZE_MAX_VALUES];
    double *in[INPUTS_MAX];
    double sum = 0;
    for (size_t i = 0; i < b->c->n_in; i++) {
        in[i] = b->exact[i];
    }
    b->c->oracle(in, out);
    for (size_t k = 0; k < b->c->out_rows * b->c->out_width; k++) {
        sum += out[k] * b->dout[k];
    }
    return sum;
}

static bool is_index(const input *in) {
    return in->is_ids && !in->is_weight;
}

// the case as a graph: weights and inputs as the case says, the gradient of the output as one more
// input
static rg_val make_graph(bench *b, rg_graph *g, rg_val *in, rg_val *dout) {
    for (size_t i = 0; i < b->c->n_in; i++) {
        const input *spec = &b->c->in[i];
        if (spec->is_weight) {
            b->weights[i] = (rg_tensor){.dtype = RG_DTYPE_F32,
                                        .n_dims = spec->rows == 0 ? 1 : 2,
                                        .shape = {spec->rows == 0 ? spec->width : spec->rows,
                                                  spec->rows == 0 ? 0 : spec->width},
                                        .data = b->values[i],
                                        .bytes = size_of(spec) * sizeof(float)};
            if (spec->n_stacked != 0) {
                b->weights[i].n_dims = 3;
                b->weights[i].shape[0] = spec->n_stacked;
                b->weights[i].shape[1] = spec->rows;
                b->weights[i].shape[2] = spec->width;
            }
            in[i] = rg_graph_weight(g, (uint32_t)i, &b->weights[i]);
        } else {
            b->inputs[i] = !is_index(spec)      ? (const void *)b->values[i]
                           : spec->list != NULL ? spec->list
                                                : ids;
            in[i] = rg_graph_input(g, (uint32_t)i, is_index(spec) ? RG_DTYPE_I32 : RG_DTYPE_F32,
                                   spec->rows == 0 ? spec->width : spec->rows,
                                   spec->rows == 0 ? 0 : spec->width);
        }
    }
    b->inputs[INPUTS_MAX] = b->dout;
    *dout = rg_graph_input(g, INPUTS_MAX, RG_DTYPE_F32, b->c->out_rows, b->c->out_width);
    const rg_val out = b->c->build(g, in);
    rg_graph_keep(g, out);
    return out;
}

static void assert_near(const char *name, const char *what, size_t k, double got, double want) {
    if (!(fabs(got - want) <= 2e-5 * (1 + fabs(want)))) {
        fail_msg("%s: %s %zu is %.9g, the oracle has %.9g", name, what, k, got, want);
    }
}

static void check_forward(bench *b, const float *out) {
    static double want[SIZE_MAX_VALUES];
    double *in[INPUTS_MAX];
    for (size_t i = 0; i < b->c->n_in; i++) {
        in[i] = b->exact[i];
    }
    b->c->oracle(in, want);
    for (size_t k = 0; k < b->c->out_rows * b->c->out_width; k++) {
        assert_near(b->c->name, "output", k, out[k], want[k]);
    }
}

static void check_gradient(bench *b, size_t i, const float *grad) {
    const double h = 1e-5;
    for (size_t k = 0; k < size_of(&b->c->in[i]); k++) {
        const double kept = b->exact[i][k];
        b->exact[i][k] = kept + h;
        const double above = loss(b);
        b->exact[i][k] = kept - h;
        const double below = loss(b);
        b->exact[i][k] = kept;
        char what[64];
        snprintf(what, sizeof what, "gradient of input %zu,", i);
        assert_near(b->c->name, what, k, grad[k], (above - below) / (2 * h));
    }
}

static void run_case(const op_case *c, rg_cpu cpu, unsigned n_threads, bool is_training) {
    static bench b;
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    rg_val in[INPUTS_MAX], wanted[INPUTS_MAX], grads[INPUTS_MAX], dout;
    size_t n_wanted = 0;
    b.c = c;
    fill(&b);
    rg_kernels_select(&kernels, cpu);
    rg_graph_init(&g, rg_mem_heap());
    const rg_val out = make_graph(&b, &g, in, &dout);
    for (size_t i = 0; i < c->n_in; i++) {
        if (!c->in[i].is_ids) {
            wanted[n_wanted++] = in[i];
        }
    }
    rg_graph_backward(&g, out, dout, wanted, n_wanted, false, grads);
    if (rg_graph_check(&g, &err) != RG_OK) {
        fail_msg("%s: %s", c->name, err.text);
    }
    const rg_exec_options options = {.kernels = &kernels,
                                     .is_exact = !is_training,
                                     .is_training = is_training,
                                     .n_threads = n_threads};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), n_threads, &pool, &err), RG_OK);
    void *arena = rg_new(rg_mem_heap(), rg_exec_arena_bytes(exec));
    void *scratch = rg_new(rg_mem_heap(), rg_exec_scratch_bytes(n_threads));
    const rg_bindings bindings = {
        .pool = pool, .arena = arena, .scratch = scratch, .weights = b.weights, .inputs = b.inputs};
    assert_int_equal(rg_exec_run(exec, &bindings, &err), RG_OK);
    check_forward(&b, rg_exec_value(exec, arena, out));
    for (size_t i = 0, w = 0; i < c->n_in; i++) {
        if (!c->in[i].is_ids) {
            assert_int_not_equal(grads[w], RG_VAL_NONE);
            check_gradient(&b, i, grads[w] == dout ? b.dout : rg_exec_value(exec, arena, grads[w]));
            w++;
        }
    }
    rg_free(rg_mem_heap(), arena);
    rg_free(rg_mem_heap(), scratch);
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

static void every_gradient_matches_central_differences(void **state) {
    (void)state;
    const rg_cpu cpu = rg_cpu_detect();
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const rg_cpu masked = rg_cpu_mask(cpu, (rg_cpu_level)level);
                run_case(&cases[i], masked, n_threads, false);
                run_case(&cases[i], masked, n_threads, true);
            }
        }
    }
}

static void refuses_ids_outside_their_table(void **state) {
    (void)state;
    rg_error err = {0};
    rg_graph g;
    rg_kernels kernels;
    rg_exec *exec = NULL;
    rg_pool *pool = NULL;
    float table[2 * 4] = {0};
    float arena[256] __attribute__((aligned(64)));
    const rg_tensor w = {.dtype = RG_DTYPE_F32, .n_dims = 2, .shape = {2, 4}, .data = table};
    rg_kernels_select(&kernels, rg_cpu_detect());
    rg_graph_init(&g, rg_mem_heap());
    rg_graph_keep(
        &g, rg_embed(&g, rg_graph_input(&g, 0, RG_DTYPE_I32, 1, 0), rg_graph_weight(&g, 0, &w)));
    const rg_exec_options options = {.kernels = &kernels, .n_threads = 1};
    assert_int_equal(rg_exec_new(rg_mem_heap(), &g, &options, &exec, &err), RG_OK);
    assert_int_equal(rg_pool_new(rg_mem_heap(), 1, &pool, &err), RG_OK);
    assert_true(rg_exec_arena_bytes(exec) <= sizeof arena);
    static const int32_t bad[] = {-1, 2, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < 4; i++) {
        const void *inputs[] = {&bad[i]};
        const rg_bindings b = {.pool = pool, .arena = arena, .weights = &w, .inputs = inputs};
        assert_int_equal(rg_exec_run(exec, &b, &err), RG_E_ARG);
        assert_non_null(strstr(err.text, "token id"));
    }
    rg_pool_free(pool);
    rg_exec_free(exec);
    rg_graph_clear(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gradient_matches_central_differences),
        cmocka_unit_test(refuses_ids_outside_their_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
