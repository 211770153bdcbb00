/*
 * Kernels that work row by row, in plain C. scalar/ compiles them as they are; the other folders
 * compile the same lines with their instruction set, and since no step is fused or reordered they
 * give the same bits.
 */
#pragma once

#include "kernel/exp.h"
#include "kernel/kernels.h"

#include <string.h>

static void fill_f32(rg_act *act, const float *x, size_t ldx, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        memcpy((float *)act->data + t * act->k, x + t * ldx, act->k * sizeof *x);
    }
}

static void fill_bf16(rg_act *act, const float *x, size_t ldx, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        uint16_t *data = (uint16_t *)act->data + t * act->k;
        for (size_t i = 0; i < act->k; i++) {
            data[i] = rg_bf16_of_f32(x[t * ldx + i]);
        }
    }
}

// one block of 32
static float quantize(int8_t *q, int32_t sum[2], const float *x) {
    // as whole numbers, so that infinities and NaNs are the largest
    uint32_t top_bits = 0;
    for (size_t i = 0; i < 32; i++) {
        const uint32_t bits = rg_f32_bits(x[i]) & 0x7FFFFFFF;
        top_bits = bits > top_bits ? bits : top_bits;
    }
    const float top = rg_f32_of_bits(top_bits);
    const bool is_finite = top_bits < 0x7F800000;
    // a block whose values have no finite inverse scale is zero
    const float inverse = is_finite && top >= RG_ACT_TINY ? 127.0f / top : 0;
    sum[0] = sum[1] = 0;
    for (size_t i = 0; i < 32; i++) {
        q[i] = is_finite ? (int8_t)rintf(x[i] * inverse) : 0;
        sum[i / 16] += q[i];
    }
    return is_finite ? top / 127.0f : NAN;
}

static void fill_q8(rg_act *act, const float *x, size_t ldx, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        for (size_t i = 0; i < act->k; i += 32) {
            const size_t at = t * act->k + i;
            act->scale[at / 32] =
                quantize((int8_t *)act->data + at, act->sum + at / 16, x + t * ldx + i);
        }
    }
}

static void rmsnorm(float *y, size_t ldy, const float *x, size_t ldx, const float *w, size_t rows,
                    size_t n, float eps) {
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * ldx;
        float *out = y + r * ldy;
        float lane[16] = {0};
        size_t at = 0;
        for (; at + 16 <= n; at += 16) {
            for (size_t i = 0; i < 16; i++) {
                lane[i] += in[at + i] * in[at + i];
            }
        }
        for (size_t i = 0; at + i < n; i++) {
            lane[i] += in[at + i] * in[at + i];
        }
        for (size_t width = 8; width > 0; width /= 2) {
            for (size_t i = 0; i < width; i++) {
                lane[i] += lane[i + width];
            }
        }
        const float scale = 1.0f / sqrtf(lane[0] / (float)n + eps);
        if (w == NULL) {
            for (size_t i = 0; i < n; i++) {
                out[i] = in[i] * scale;
            }
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            out[i] = in[i] * scale * w[i];
        }
    }
}

static void swiglu(float *y, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] = gate[i] / (1.0f + rg_exp(-gate[i])) * up[i];
    }
}

// -2 sqrt(2 / pi), and 0.044715 of it
#define GELU_LINEAR (-1.5957691216f)
#define GELU_CUBIC  (-0.0713548163f)

static void gelu_tanh(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float v = x[i];
        const float u = (GELU_CUBIC * (v * v) + GELU_LINEAR) * v;
        y[i] = v / (1.0f + rg_exp(u));
    }
}

static void add(float *y, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] = a[i] + b[i];
    }
}

static void rope(float *y, const float *x, size_t n_head, size_t head_dim, size_t n_rot,
                 rg_rope_pairs pairs, const float *cos, const float *sin) {
    const size_t half = n_rot / 2;
    const size_t step = pairs == RG_ROPE_HALF ? 1 : 2;     // from a pair to the next
    const size_t apart = pairs == RG_ROPE_HALF ? half : 1; // the two of a pair
    for (size_t h = 0; h < n_head; h++) {
        const float *in = x + h * head_dim;
        float *out = y + h * head_dim;
        for (size_t i = 0; i < half; i++) {
            const float u = in[i * step];
            const float v = in[i * step + apart];
            out[i * step] = u * cos[i] - v * sin[i];
            out[i * step + apart] = u * sin[i] + v * cos[i];
        }
        for (size_t i = 2 * half; i < head_dim; i++) {
            out[i] = in[i];
        }
    }
}

// every entry that this header has
static inline void set_rows(rg_kernels *k) {
    k->act_fill[RG_ACT_F32] = fill_f32;
    k->act_fill[RG_ACT_BF16] = fill_bf16;
    k->act_fill[RG_ACT_Q8] = fill_q8;
    k->rmsnorm = rmsnorm;
    k->swiglu = swiglu;
    k->gelu_tanh = gelu_tanh;
    k->add = add;
    k->rope = rope;
}
