/* The gated delta rule and the short convolution before it. What has one version only, plain C, is
 * declared as a function; the rest are entries of the table of kernels.
 * Source: Yang et al. 2024, arXiv 2412.06464. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RG_DELTA_ROWS_MAX 256 // of S, and its columns
#define RG_CONV_ROWS_MAX  16  // that a convolution sees

/** One value head: pointers to its values of the first token, and how far those of the next are. */
typedef struct rg_delta_head {
    size_t n_tok;
    size_t k_dim;
    size_t v_dim;
    const float *q; // [k_dim]
    const float *k; // [k_dim]
    size_t k_stride;
    const float *v; // [v_dim]
    size_t v_stride;
    const float *decay; // [n_decay] the log of what S is multiplied by, each row of it where
                        // n_decay is k_dim and not 1
    size_t n_decay;
    size_t decay_stride;
    const float *beta; // before the sigmoid
    size_t gate_stride;
    const int32_t *positions; // S is zero before a token of position 0; NULL: never
} rg_delta_head;

/**
 * y of all tokens, S going along.
 * Shapes: S [k_dim, v_dim], both at most RG_DELTA_ROWS_MAX; y [v_dim] a token, v_stride apart.
 * Exact:  sums over the rows of S go from the first to the last, none is fused: the same bits on
 *         every path, however a prompt is cut.
 */
typedef void rg_delta_run_fn(const rg_delta_head *h, float *s, float *y);

/** Gradients of one head, laid out as what they are of. */
typedef struct rg_delta_gradient {
    const float *dy; // as v
    float *dq;       // added to: value heads share it
    float *dk;       // added to
    float *dv;
    float *ddecay; // as decay
    float *dbeta;
} rg_delta_gradient;

/**
 * @param kept  scratch, [n_kept][k_dim * v_dim]: n_kept = ceil(n_tok / stretch) + stretch + 1
 */
void rg_delta_gradients(const rg_delta_head *h, const rg_delta_gradient *d, size_t stretch,
                        float *kept);

/** Columns [0, n) of a causal convolution. */
typedef struct rg_conv_columns {
    size_t n;
    size_t n_tok;
    size_t kernel;       // rows that it sees, the present one last; at most RG_CONV_ROWS_MAX
    const float *x;      // [n_tok] rows, x_stride apart
    size_t x_stride;     // of y as well
    const float *w;      // [n, kernel]
    const float *before; // [kernel - 1] rows, before_stride apart: what came before; NULL: zeros
    size_t before_stride;
    const int32_t *positions; // rows before a sequence's first are zeros; NULL: there are none
} rg_conv_columns;

/** y = the sums, before their silu. Shapes: y as x. The same bits on every path. */
typedef void rg_conv_sums_fn(const rg_conv_columns *c, float *y);
/** Gradients of silu(sums): dx as x, dw [n, kernel]. */
void rg_conv_gradients(const rg_conv_columns *c, const float *dy, float *dx, float *dw);

/** log of the decay: out[i] = a * softplus(x[i] + dt), a = -exp(a) where is_log. */
float rg_delta_decay(float x, float a, float dt, int is_log);
/** Its gradients times dy, added to *dx, *da, *ddt. */
void rg_delta_decay_gradient(float dy, float x, float a, float dt, int is_log, double *dx,
                             double *da, double *ddt);
