#include "kernel/plain.h"

#include <math.h>

void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale) {
    for (size_t i = 0; i < n; i++) {
        const float angle = (float)position * inv_freq[i];
        out[i] = cosf(angle) * scale;
        out[n + i] = sinf(angle) * scale;
    }
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

void rg_plain_gelu(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * (float)M_SQRT1_2));
    }
}

void rg_plain_gelu_back(float *dx, const float *dy, const float *x, size_t n, bool is_tanh) {
    const float linear = 0.7978845608f; // sqrt(2 / pi)
    const float cubic = 0.044715f;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i];
        if (is_tanh) {
            const float t = tanhf(linear * (v + cubic * v * v * v));
            const float slope = linear * (1.0f + 3.0f * cubic * v * v);
            dx[i] = dy[i] * (0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * slope);
        } else {
            const float share = 0.5f * (1.0f + erff(v * (float)M_SQRT1_2));
            const float density = 0.5f * linear * expf(-0.5f * v * v); // 1 / sqrt(2 pi) ...
            dx[i] = dy[i] * (share + v * density);
        }
    }
}

void rg_plain_gate(float *y, const float *x, const float *gate, size_t n, size_t n_gate) {
    float share = sigmoid(gate[0]);
    for (size_t i = 0; i < n; i++) {
        share = n_gate == 1 ? share : sigmoid(gate[i]);
        y[i] = x[i] * share;
    }
}

void rg_plain_gate_back(float *dx, float *dgate, const float *dy, const float *x, const float *gate,
                        size_t n, size_t n_gate) {
    double sum = 0; // of the one gate
    float share = sigmoid(gate[0]);
    for (size_t i = 0; i < n; i++) {
        share = n_gate == 1 ? share : sigmoid(gate[i]);
        const double slope = (double)dy[i] * x[i] * share * (1 - share);
        dx[i] = dy[i] * share;
        if (n_gate == 1) {
            sum += slope;
        } else {
            dgate[i] = (float)slope;
        }
    }
    if (n_gate == 1) {
        dgate[0] = (float)sum;
    }
}

void rg_plain_compress(float *out, float *top, float *sum, const rg_slot *slots, size_t n_slots,
                       size_t n) {
    for (size_t i = 0; i < n; i++) {
        top[i] = -INFINITY;
        sum[i] = out[i] = 0;
    }
    for (const rg_slot *slot = slots; slot < slots + n_slots; slot++) {
        for (size_t i = 0; i < n; i++) {
            const float s = slot->score[i] + slot->place[i];
            top[i] = s > top[i] ? s : top[i];
        }
    }
    for (const rg_slot *slot = slots; slot < slots + n_slots; slot++) {
        for (size_t i = 0; i < n; i++) {
            const float weight = expf(slot->score[i] + slot->place[i] - top[i]);
            sum[i] += weight;
            out[i] += weight * slot->value[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        out[i] /= sum[i];
    }
}

void rg_plain_compress_back(float *dvalue, float *dscore, const float *dout, const float *out,
                            const float *top, const float *sum, const rg_slot *slot, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float weight = expf(slot->score[i] + slot->place[i] - top[i]) / sum[i];
        dvalue[i] = weight * dout[i];
        dscore[i] = dvalue[i] * (slot->value[i] - out[i]);
    }
}
