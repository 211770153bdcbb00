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
