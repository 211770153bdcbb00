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

static double inverse_rms(const float *x, size_t n, float eps) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * x[i];
    }
    return 1.0 / sqrt(sum / (double)n + eps);
}

void rg_plain_rmsnorm_dx(float *dx, const float *dy, const float *x, const float *w, size_t n,
                         float eps) {
    const double r = inverse_rms(x, n, eps);
    double dot = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)w[i] * dy[i] * x[i];
    }
    const double c = r * r * r * dot / (double)n;
    for (size_t i = 0; i < n; i++) {
        dx[i] = (float)(r * w[i] * dy[i] - c * x[i]);
    }
}

void rg_plain_rmsnorm_dw(double *dw, const float *dy, const float *x, size_t n, float eps) {
    const double r = inverse_rms(x, n, eps);
    for (size_t i = 0; i < n; i++) {
        dw[i] += (double)dy[i] * x[i] * r;
    }
}

void rg_plain_swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                          const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float s = 1.0f / (1.0f + expf(-gate[i]));
        dup[i] = dy[i] * gate[i] * s;
        dgate[i] = dy[i] * up[i] * s * (1.0f + gate[i] * (1.0f - s));
    }
}
