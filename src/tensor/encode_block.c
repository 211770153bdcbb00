/*
 * Quantizers of the types with blocks of 32. Without importance of the columns the extreme value
 * decides the scale, as everywhere; with it the scale is searched.
 */
#include "tensor/encode_fit.h"

#include <math.h>

enum { N = 32 };

// the value of largest magnitude, with its sign
static float extreme(const float *x) {
    float top = 0;
    for (int i = 0; i < N; i++) {
        top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    }
    return top;
}

static void range(const float *x, float *low, float *high) {
    *low = *high = x[0];
    for (int i = 1; i < N; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

// nearest level of x / d + offset, 0 .. top
static int level(float x, float inverse, float offset, int top) {
    return rg_clamp_int((int)lrintf(fminf(fmaxf(x * inverse + offset, -1), 1000)), 0, top);
}

static float inverse_of(float d) {
    return d == 0 ? 0 : 1 / d;
}

static const float *block_of(const float *importance, size_t at) {
    return importance == NULL ? NULL : importance + at;
}

// the scale of a symmetric block with levels -top-1 .. top
static float scale_of(const float *x, const float *importance, int top) {
    float w[N];
    return rg_fit_weights(w, x, importance, N) ? rg_fit_symmetric(x, w, N, top, NULL)
                                               : extreme(x) / (float)(-top - 1);
}

// scale and offset of a block with levels 0 .. top
static rg_fit scale_min_of(const float *x, const float *importance, int top) {
    float w[N];
    float low, high;
    if (rg_fit_weights(w, x, importance, N)) {
        return rg_fit_group(x, w, N, top, true);
    }
    range(x, &low, &high);
    return (rg_fit){(high - low) / (float)top, -low};
}

void rg_encode_q4_0_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 18) {
        const float *x = src + at;
        rg_put_f16(b, scale_of(x, block_of(importance, at), 7));
        const float inverse = inverse_of(rg_read_f16(b));
        for (int j = 0; j < 16; j++) {
            b[2 + j] =
                (uint8_t)(level(x[j], inverse, 8, 15) | level(x[j + 16], inverse, 8, 15) << 4);
        }
    }
}

void rg_encode_q4_1_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 20) {
        const float *x = src + at;
        const rg_fit fit = scale_min_of(x, block_of(importance, at), 15);
        rg_put_f16(b, fit.scale);
        rg_put_f16(b + 2, -fit.min);
        const float inverse = inverse_of(rg_read_f16(b));
        const float offset = -rg_read_f16(b + 2) * inverse;
        for (int j = 0; j < 16; j++) {
            b[4 + j] = (uint8_t)(level(x[j], inverse, offset, 15) |
                                 level(x[j + 16], inverse, offset, 15) << 4);
        }
    }
}

// low four bits to `low`, the fifth ones to the 32 bits at `high`
static void put_5bit(uint8_t *high, uint8_t *low, const float *x, float inverse, float offset) {
    uint32_t bits = 0;
    for (int j = 0; j < 16; j++) {
        const int a = level(x[j], inverse, offset, 31);
        const int c = level(x[j + 16], inverse, offset, 31);
        low[j] = (uint8_t)((a & 15) | (c & 15) << 4);
        bits |= (uint32_t)(a >> 4) << j | (uint32_t)(c >> 4) << (j + 16);
    }
    memcpy(high, &bits, 4);
}

void rg_encode_q5_0_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 22) {
        rg_put_f16(b, scale_of(src + at, block_of(importance, at), 15));
        put_5bit(b + 2, b + 6, src + at, inverse_of(rg_read_f16(b)), 16);
    }
}

void rg_encode_q5_1_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 24) {
        const rg_fit fit = scale_min_of(src + at, block_of(importance, at), 31);
        rg_put_f16(b, fit.scale);
        rg_put_f16(b + 2, -fit.min);
        const float inverse = inverse_of(rg_read_f16(b));
        put_5bit(b + 4, b + 8, src + at, inverse, -rg_read_f16(b + 2) * inverse);
    }
}

// eight bits leave so little error that its place does not matter: importance is not used
void rg_encode_q8_0_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    (void)importance;
    for (const float *x = src; x < src + n; x += N, b += 34) {
        const float d = fabsf(extreme(x)) / 127;
        rg_put_f16(b, d);
        const float inverse = inverse_of(d);
        for (int j = 0; j < N; j++) {
            b[2 + j] = (uint8_t)(int8_t)rg_clamp_int((int)lrintf(x[j] * inverse), -127, 127);
        }
    }
}

void rg_encode_iq4_nl_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 18) {
        const float *x = src + at;
        float w[N];
        if (!rg_fit_weights(w, x, block_of(importance, at), N)) {
            for (int j = 0; j < N; j++) {
                w[j] = 1;
            }
        }
        rg_put_f16(b, rg_fit_symmetric(x, w, N, 0, rg_iq4_values));
        const float inverse = inverse_of(rg_read_f16(b));
        for (int j = 0; j < 16; j++) {
            b[2 + j] = (uint8_t)(rg_fit_nearest16(rg_iq4_values, x[j] * inverse) |
                                 rg_fit_nearest16(rg_iq4_values, x[j + 16] * inverse) << 4);
        }
    }
}

// ---- powers of two as scales ----

static int nearest_e2m1(float v) {
    const float magnitude = fabsf(v);
    int best = 0;
    for (int i = 1; i < 8; i++) {
        // of two that are equally near the even one, as the format rounds
        const float now = fabsf(magnitude - rg_e2m1_doubled[i]);
        const float before = fabsf(magnitude - rg_e2m1_doubled[best]);
        best = now < before || (now == before && i % 2 == 0) ? i : best;
    }
    return best != 0 && v < 0 ? best + 8 : best;
}

static double mxfp4_error(const float *x, const float *w, int e, uint8_t *qs) {
    const float d = ldexpf(1.0f, e - 128);
    const float inverse = ldexpf(1.0f, 128 - e);
    double error = 0;
    for (int j = 0; j < N; j++) {
        const int q = nearest_e2m1(x[j] * inverse);
        const float off = d * rg_e2m1_doubled[q] - x[j];
        error += (double)w[j] * off * off;
        qs[j % 16] = (uint8_t)(j < 16 ? q : qs[j % 16] | q << 4);
    }
    return error;
}

void rg_encode_mxfp4_by(void *dst, const float *src, const float *importance, size_t n) {
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += N, b += 17) {
        const float *x = src + at;
        const float top = fabsf(extreme(x));
        float w[N];
        if (!rg_fit_weights(w, x, block_of(importance, at), N)) {
            for (int j = 0; j < N; j++) {
                w[j] = 1;
            }
        }
        // 2^3 is the power of the largest doubled value: the usual exponent, and those beside it.
        // 1 / d must be finite, so the two smallest exponents are left to zeros
        const int usual = top == 0 || !isfinite(top) ? 0 : ilogbf(top) - 3 + 128;
        double best = INFINITY;
        memset(b, 0, 17);
        for (int e = usual - 1; e <= usual + 1 && top != 0; e++) {
            uint8_t qs[16];
            if (e < 2 || e > 254) {
                continue;
            }
            const double error = mxfp4_error(x, w, e, qs);
            if (error < best) {
                best = error;
                b[0] = (uint8_t)e;
                memcpy(b + 1, qs, 16);
            }
        }
    }
}
