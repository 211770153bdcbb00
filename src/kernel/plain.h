/*
 * Arithmetic that has one version only, plain C: rope angles, and the gradients. Training turns the
 * heavy ones into the products of kernels.h when speed asks for it.
 */
#pragma once

#include "tensor/dtype.h"

/**
 * cos and sin of position * inv_freq[i], times scale; the angle is rounded to f32 first, as the
 * references do. Shapes: inv_freq [n], out [2n]: n cosines, then n sines.
 */
void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale);

/**
 * Gradient of one row of rmsnorm: dx = r*(w*dy) - x * r^3/n * sum(w*dy*x), r =
 * 1/sqrt(mean(x^2)+eps). Shapes: dx, dy, x, w [n]; sums in f64.
 */
void rg_plain_rmsnorm_dx(float *dx, const float *dy, const float *x, const float *w, size_t n,
                         float eps);
/** dw += dy * x * r of one row; dw [n] f64 accumulators. */
void rg_plain_rmsnorm_dw(double *dw, const float *dy, const float *x, size_t n, float eps);

/** Gradients of silu(gate)*up: dgate, dup [n]. */
void rg_plain_swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                          const float *up, size_t n);

/** One query head and its key-value head, all [n_tok][...] with the given token strides (floats).
 */
typedef struct rg_plain_attn {
    const float *q;
    const float *k;
    const float *v;
    const float *dy;
    size_t q_stride;
    size_t kv_stride_k;
    size_t kv_stride_v;
    size_t y_stride;
    size_t n_tok;
    size_t k_dim;
    size_t v_dim;
    size_t window; // 0: none
    float scale;
    float *dq; // [n_tok] strided as q, overwritten
    float *dk; // added to, strided as k
    float *dv; // added to, strided as v
} rg_plain_attn;

/**
 * Gradient of causal softmax attention of one query head, recomputing the probabilities row by row.
 * @param row  scratch of 2 * n_tok floats
 * Source: Dao et al. 2022, arXiv 2205.14135, appendix B.
 */
void rg_plain_attention_back(const rg_plain_attn *a, float *row);
