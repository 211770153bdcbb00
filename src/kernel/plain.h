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

/** What one position gives to a compressed row: [n] values, their scores, what is added to these by
 * its place in the row. */
typedef struct rg_slot {
    const float *value;
    const float *score;
    const float *place;
} rg_slot;

/**
 * The mean of slots, column by column, by softmax of score + place: out, top, sum [n]; the weight
 * of a slot is exp(score + place - top) / sum. Source: the DeepSeek-V4 model of the transformers
 * library (models/deepseek_v4).
 */
void rg_plain_compress(float *out, float *top, float *sum, const rg_slot *slots, size_t n_slots,
                       size_t n);
/**
 * Gradients of one slot's values and scores, which are also those of its place, from that of out;
 * out, top and sum are those of rg_plain_compress. dvalue, dscore [n].
 */
void rg_plain_compress_back(float *dvalue, float *dscore, const float *dout, const float *out,
                            const float *top, const float *sum, const rg_slot *slot, size_t n);
