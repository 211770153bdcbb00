/* A prediction head in double precision, written after the formulas: all positions at once, nothing
 * kept. Source: DeepSeek-V3 2024, arXiv 2412.19437, section 2.2; what the blocks compute: the
 * modelling files of Qwen3.5 and DeepSeek V3. */
#pragma once

#include "model/source.h"

#include <math.h>
#include <stdlib.h>

enum { TWIN_EMBD = 64, TWIN_VOCAB = 320, TWIN_TOKENS_MAX = 32, TWIN_WIDE = 512 };

typedef double twin_rows[TWIN_TOKENS_MAX][TWIN_WIDE];

typedef struct twin {
    const rg_source *source;
    bool is_qwen;
    double eps;
    size_t n; // tokens
} twin;

/** Values of a tensor; free() them. */
static double *twin_values(const twin *t, const char *name, size_t *columns) {
    const rg_tensor *w = rg_source_find(t->source, rg_str_of(name));
    if (w == NULL) {
        fail_msg("the twin misses %s", name);
        abort();
    }
    const size_t n = rg_tensor_count(w);
    float *from = calloc(n, sizeof *from);
    double *values = calloc(n, sizeof *values);
    rg_dtype_get(w->dtype)->to_float(from, w->data, n);
    for (size_t i = 0; i < n; i++) {
        values[i] = from[i];
    }
    free(from);
    *columns = w->shape[w->n_dims - 1];
    return values;
}

static const char *twin_name(const char *format, const char *part, int number) {
    static char names[4][160];
    static int next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], format, part, number);
    return name;
}

// rows of x times the matrix; how many columns come out
static size_t twin_linear(const twin *t, const char *name, twin_rows x, twin_rows y) {
    size_t n_in = 0;
    const rg_tensor *shape = rg_source_find(t->source, rg_str_of(name));
    double *w = twin_values(t, name, &n_in);
    const size_t n_out = rg_tensor_count(shape) / n_in;
    for (size_t r = 0; r < t->n; r++) {
        for (size_t o = 0; o < n_out; o++) {
            double sum = 0;
            for (size_t i = 0; i < n_in; i++) {
                sum += w[o * n_in + i] * x[r][i];
            }
            y[r][o] = sum;
        }
    }
    free(w);
    return n_out;
}

// each stretch of the weight's length, from column `from` on, n_parts of them
static void twin_norm(const twin *t, const char *name, twin_rows x, size_t from, size_t n_parts,
                      double eps, twin_rows y) {
    size_t n = 0;
    double *w = twin_values(t, name, &n);
    for (size_t r = 0; r < t->n; r++) {
        for (size_t p = 0; p < n_parts; p++) {
            double sum = 0;
            const double *in = x[r] + from + p * n;
            double *out = y[r] + from + p * n;
            for (size_t i = 0; i < n; i++) {
                sum += in[i] * in[i];
            }
            const double scale = 1 / sqrt(sum / (double)n + eps);
            for (size_t i = 0; i < n; i++) {
                out[i] = in[i] * scale * (w[i] + t->is_qwen);
            }
        }
    }
    free(w);
}

// two values turn by an angle
static void twin_turn(double *a, double *b, double angle) {
    const double x = *a, y = *b;
    *a = x * cos(angle) - y * sin(angle);
    *b = x * sin(angle) + y * cos(angle);
}

static double twin_silu(double x) {
    return x / (1 + exp(-x));
}

static void twin_add(const twin *t, twin_rows x, twin_rows y) {
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < TWIN_EMBD; i++) {
            x[r][i] += y[r][i];
        }
    }
}

// softmax over the scores of tokens 0 .. r, in place
static void twin_softmax(double *s, size_t r) {
    double top = s[0], sum = 0;
    for (size_t k = 1; k <= r; k++) {
        top = fmax(top, s[k]);
    }
    for (size_t k = 0; k <= r; k++) {
        s[k] = exp(s[k] - top);
        sum += s[k];
    }
    for (size_t k = 0; k <= r; k++) {
        s[k] /= sum;
    }
}

static void twin_mlp(const twin *t, const char *prefix, twin_rows x, twin_rows y) {
    static twin_rows gate, up;
    const size_t n = twin_linear(t, twin_name("%sgate_proj.weight", prefix, 0), x, gate);
    (void)twin_linear(t, twin_name("%sup_proj.weight", prefix, 0), x, up);
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < n; i++) {
            gate[r][i] = twin_silu(gate[r][i]) * up[r][i];
        }
    }
    (void)twin_linear(t, twin_name("%sdown_proj.weight", prefix, 0), gate, y);
}

// ---- Qwen3.5: gated attention of 4 heads on 2, of 32 values, of which 8 turn ----

static void twin_attend_qwen(const twin *t, twin_rows x, twin_rows y) {
    enum { HEADS = 4, SHARE = 2, DIM = 32, TURNING = 8 };
    static twin_rows both, q, k, v, mix;
    (void)twin_linear(t, "mtp.layers.0.self_attn.q_proj.weight", x, both);
    (void)twin_linear(t, "mtp.layers.0.self_attn.k_proj.weight", x, k);
    (void)twin_linear(t, "mtp.layers.0.self_attn.v_proj.weight", x, v);
    for (size_t r = 0; r < t->n; r++) {
        for (size_t h = 0; h < HEADS; h++) {
            memcpy(q[r] + h * DIM, both[r] + 2 * h * DIM, DIM * sizeof **q);
        }
    }
    twin_norm(t, "mtp.layers.0.self_attn.q_norm.weight", q, 0, HEADS, t->eps, q);
    twin_norm(t, "mtp.layers.0.self_attn.k_norm.weight", k, 0, HEADS / SHARE, t->eps, k);
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < TURNING / 2; i++) {
            const double angle = (double)r * pow(1e7, -2.0 * (double)i / TURNING);
            for (size_t h = 0; h < HEADS; h++) {
                twin_turn(&q[r][h * DIM + i], &q[r][h * DIM + i + TURNING / 2], angle);
            }
            for (size_t h = 0; h < HEADS / SHARE; h++) {
                twin_turn(&k[r][h * DIM + i], &k[r][h * DIM + i + TURNING / 2], angle);
            }
        }
    }
    for (size_t r = 0; r < t->n; r++) {
        for (size_t h = 0; h < HEADS; h++) {
            double s[TWIN_TOKENS_MAX];
            const size_t kv = h / SHARE * DIM;
            for (size_t j = 0; j <= r; j++) {
                s[j] = 0;
                for (size_t i = 0; i < DIM; i++) {
                    s[j] += q[r][h * DIM + i] * k[j][kv + i] / sqrt(DIM);
                }
            }
            twin_softmax(s, r);
            for (size_t i = 0; i < DIM; i++) {
                double sum = 0;
                for (size_t j = 0; j <= r; j++) {
                    sum += s[j] * v[j][kv + i];
                }
                mix[r][h * DIM + i] = sum / (1 + exp(-both[r][(2 * h + 1) * DIM + i]));
            }
        }
    }
    (void)twin_linear(t, "mtp.layers.0.self_attn.o_proj.weight", mix, y);
}

// ---- DeepSeek V3: latent attention of 4 heads, 16 experts in 4 groups ----

#define TWIN_BLOCK "model.layers.3."

// yarn: factor 40 beyond 4096 positions, betas 32 and 1
static double twin_yarn(size_t i, size_t n_rot) {
    const double freq = pow(1e4, -2.0 * (double)i / (double)n_rot);
    const double low = floor((double)n_rot * log(4096 / (32 * 2 * M_PI)) / (2 * log(1e4)));
    const double high = ceil((double)n_rot * log(4096 / (2 * M_PI)) / (2 * log(1e4)));
    const double ramp = fmin(1, fmax(0, ((double)i - fmax(0, low)) / (high - fmax(0, low))));
    return freq / 40 * ramp + freq * (1 - ramp);
}

static void twin_attend_deepseek(const twin *t, twin_rows x, twin_rows y) {
    enum { HEADS = 4, STILL = 16, TURNING = 16, VALUES = 24, LATENT = 32, DIM = STILL + TURNING };
    static twin_rows low, q, kv, both, mix;
    const double m = 0.1 * log(40) + 1;
    (void)twin_linear(t, TWIN_BLOCK "self_attn.q_a_proj.weight", x, low);
    twin_norm(t, TWIN_BLOCK "self_attn.q_a_layernorm.weight", low, 0, 1, 1e-6, low);
    (void)twin_linear(t, TWIN_BLOCK "self_attn.q_b_proj.weight", low, q);
    (void)twin_linear(t, TWIN_BLOCK "self_attn.kv_a_proj_with_mqa.weight", x, kv);
    twin_norm(t, TWIN_BLOCK "self_attn.kv_a_layernorm.weight", kv, 0, 1, 1e-6, kv);
    (void)twin_linear(t, TWIN_BLOCK "self_attn.kv_b_proj.weight", kv, both);
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < TURNING / 2; i++) {
            const double angle = (double)r * twin_yarn(i, TURNING);
            twin_turn(&kv[r][LATENT + 2 * i], &kv[r][LATENT + 2 * i + 1], angle);
            for (size_t h = 0; h < HEADS; h++) {
                double *pair = &q[r][h * DIM + STILL + 2 * i];
                twin_turn(pair, pair + 1, angle);
            }
        }
    }
    for (size_t r = 0; r < t->n; r++) {
        for (size_t h = 0; h < HEADS; h++) {
            double s[TWIN_TOKENS_MAX];
            for (size_t j = 0; j <= r; j++) {
                const double *k = both[j] + h * (STILL + VALUES);
                s[j] = 0;
                for (size_t i = 0; i < STILL; i++) {
                    s[j] += q[r][h * DIM + i] * k[i];
                }
                for (size_t i = 0; i < TURNING; i++) {
                    s[j] += q[r][h * DIM + STILL + i] * kv[j][LATENT + i];
                }
                s[j] *= m * m / sqrt(DIM);
            }
            twin_softmax(s, r);
            for (size_t i = 0; i < VALUES; i++) {
                mix[r][h * VALUES + i] = 0;
                for (size_t j = 0; j <= r; j++) {
                    mix[r][h * VALUES + i] += s[j] * both[j][h * (STILL + VALUES) + STILL + i];
                }
            }
        }
    }
    (void)twin_linear(t, TWIN_BLOCK "self_attn.o_proj.weight", mix, y);
}

enum { TWIN_EXPERTS = 16, TWIN_GROUPS = 4, TWIN_GROUPS_USED = 2, TWIN_USED = 4 };

// weights of the experts of one token; those not used are 0
static void twin_route(const double *logits, const double *bias, double *weights) {
    enum { EACH = TWIN_EXPERTS / TWIN_GROUPS };
    double biased[TWIN_EXPERTS], group[TWIN_GROUPS], sum = 0;
    for (size_t g = 0; g < TWIN_GROUPS; g++) {
        double best = -INFINITY, second = -INFINITY;
        for (size_t e = g * EACH; e < (g + 1) * EACH; e++) {
            weights[e] = 0;
            biased[e] = 1 / (1 + exp(-logits[e])) + bias[e];
            second = fmax(second, fmin(best, biased[e]));
            best = fmax(best, biased[e]);
        }
        group[g] = best + second;
    }
    for (size_t k = 0; k < TWIN_GROUPS - TWIN_GROUPS_USED; k++) { // the worst go
        size_t worst = 0;
        for (size_t g = 1; g < TWIN_GROUPS; g++) {
            worst = group[g] < group[worst] ? g : worst;
        }
        group[worst] = INFINITY;
        for (size_t e = worst * EACH; e < (worst + 1) * EACH; e++) {
            biased[e] = -INFINITY;
        }
    }
    for (size_t k = 0; k < TWIN_USED; k++) {
        size_t best = 0;
        for (size_t e = 1; e < TWIN_EXPERTS; e++) {
            best = biased[e] > biased[best] ? e : best;
        }
        biased[best] = -INFINITY;
        weights[best] = 1 / (1 + exp(-logits[best]));
        sum += weights[best];
    }
    for (size_t e = 0; e < TWIN_EXPERTS; e++) {
        weights[e] *= 2.5 / sum;
    }
}

static void twin_experts(const twin *t, twin_rows x, twin_rows y) {
    static twin_rows logits, one;
    static double weights[TWIN_TOKENS_MAX][TWIN_EXPERTS];
    size_t n = 0;
    double *bias = twin_values(t, TWIN_BLOCK "mlp.gate.e_score_correction_bias", &n);
    (void)twin_linear(t, TWIN_BLOCK "mlp.gate.weight", x, logits);
    for (size_t r = 0; r < t->n; r++) {
        twin_route(logits[r], bias, weights[r]);
    }
    twin_mlp(t, TWIN_BLOCK "mlp.shared_experts.", x, y);
    for (int e = 0; e < TWIN_EXPERTS; e++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, TWIN_BLOCK "mlp.experts.%d.", e);
        twin_mlp(t, prefix, x, one);
        for (size_t r = 0; r < t->n; r++) {
            for (size_t i = 0; i < TWIN_EMBD; i++) {
                y[r][i] += weights[r][e] * one[r][i];
            }
        }
    }
    free(bias);
}

// ---- the head ----

/**
 * @param next    [n] token t + 1 of each position t
 * @param hidden  [n] hidden values of the positions, after the model's last norm
 * @param out     [n] the head's own, after its norm
 */
static void twin_head(const twin *t, const int32_t *next, twin_rows hidden, twin_rows out,
                      twin_rows logits) {
    static twin_rows both, x, a, part;
    const bool q = t->is_qwen;
    size_t n = 0;
    double *embed = twin_values(
        t, q ? "model.language_model.embed_tokens.weight" : TWIN_BLOCK "embed_tokens.weight", &n);
    for (size_t r = 0; r < t->n; r++) {
        memcpy(x[r], embed + (size_t)next[r] * n, n * sizeof *embed);
    }
    free(embed);
    twin_norm(t, q ? "mtp.pre_fc_norm_embedding.weight" : TWIN_BLOCK "enorm.weight", x, 0, 1,
              t->eps, x);
    twin_norm(t, q ? "mtp.pre_fc_norm_hidden.weight" : TWIN_BLOCK "hnorm.weight", hidden, 0, 1,
              t->eps, a);
    for (size_t r = 0; r < t->n; r++) {
        memcpy(both[r], x[r], TWIN_EMBD * sizeof **x);
        memcpy(both[r] + TWIN_EMBD, a[r], TWIN_EMBD * sizeof **x);
    }
    (void)twin_linear(t, q ? "mtp.fc.weight" : TWIN_BLOCK "eh_proj.weight", both, x);
    twin_norm(t, q ? "mtp.layers.0.input_layernorm.weight" : TWIN_BLOCK "input_layernorm.weight", x,
              0, 1, t->eps, a);
    if (q) {
        twin_attend_qwen(t, a, part);
    } else {
        twin_attend_deepseek(t, a, part);
    }
    twin_add(t, x, part);
    twin_norm(t,
              q ? "mtp.layers.0.post_attention_layernorm.weight"
                : TWIN_BLOCK "post_attention_layernorm.weight",
              x, 0, 1, t->eps, a);
    if (q) {
        twin_mlp(t, "mtp.layers.0.mlp.", a, part);
    } else {
        twin_experts(t, a, part);
    }
    twin_add(t, x, part);
    twin_norm(t, q ? "mtp.norm.weight" : TWIN_BLOCK "shared_head.norm.weight", x, 0, 1, t->eps,
              out);
    (void)twin_linear(t, q ? "lm_head.weight" : TWIN_BLOCK "shared_head.head.weight", out, logits);
}
