/* Arithmetic that has one version only, plain C. */
#pragma once

#include "tensor/dtype.h"

/**
 * cos and sin of position * inv_freq[i], times scale; the angle is rounded to f32 first, as the
 * references do. Shapes: inv_freq [n], out [2n]: n cosines, then n sines.
 */
void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale);

/** y[i] = x[i] * P(a normal number <= x[i]), by the error function. Shapes: [n]; y == x allowed. */
void rg_plain_gelu(float *y, const float *x, size_t n);
/** The gradient of x from that of y. is_tanh: of the formula with tanh. Shapes: [n]. */
void rg_plain_gelu_back(float *dx, const float *dy, const float *x, size_t n, bool is_tanh);

/** y[i] = x[i] * sigmoid(gate[i]), or of gate[0] alone when n_gate is 1. Shapes: x, y [n], y == x
 * allowed; gate [n_gate], n_gate n or 1. */
void rg_plain_gate(float *y, const float *x, const float *gate, size_t n, size_t n_gate);
/** Gradients of its x [n] and gate [n_gate] from that of y. */
void rg_plain_gate_back(float *dx, float *dgate, const float *dy, const float *x, const float *gate,
                        size_t n, size_t n_gate);
