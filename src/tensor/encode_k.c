/*
 * Quantizers of the K types. Scales are found by trying some near the obvious one and keeping the
 * one with the least weighted squared error; large values weigh more, because they matter more in
 * products.
 */
#include "tensor/codec.h"
#include "tensor/half.h"

#include <math.h>

static float f16_at(const uint8_t *p) {
    return rg_f32_of_f16(rg_read_u16(p));
}

static void put_f16(uint8_t *p, float f) {
    const uint16_t h = rg_f16_of_f32(f);
    memcpy(p, &h, 2);
}

static int clamp(int v, int low, int high) {
    return v < low ? low : v > high ? high : v;
}

static float rms(const float *x, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    return sqrtf(sum / (float)n);
}

/** What a group becomes: x ~ scale * q - min with q in 0 .. top; min >= 0. */
typedef struct fit {
    float scale;
    float min;
} fit;

// least squares for given levels: minimize sum w (scale q + offset - x)^2, offset kept at most 0
static double solve(const float *x, const float *w, const uint8_t *q, int n, fit *out) {
    double sw = 0, sq = 0, sqq = 0, sx = 0, sqx = 0, sxx = 0;
    for (int i = 0; i < n; i++) {
        sw += w[i];
        sq += (double)w[i] * q[i];
        sqq += (double)w[i] * q[i] * q[i];
        sx += (double)w[i] * x[i];
        sqx += (double)w[i] * q[i] * x[i];
        sxx += (double)w[i] * x[i] * x[i];
    }
    const double det = sw * sqq - sq * sq;
    double scale = det > 0 ? (sw * sqx - sq * sx) / det : 0;
    double offset = det > 0 ? (sqq * sx - sq * sqx) / det : 0;
    if (det <= 0 || offset > 0) {
        offset = 0;
        scale = sqq > 0 ? sqx / sqq : 0;
    }
    out->scale = (float)scale;
    out->min = (float)-offset;
    return sxx + scale * scale * sqq + offset * offset * sw + 2 * scale * offset * sq -
           2 * scale * sqx - 2 * offset * sx;
}

static fit fit_group(const float *x, int n, int top) {
    float weight[32];
    uint8_t q[32];
    float low = 0;
    float high = x[0];
    const float base = rms(x, n);
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        weight[i] = base + fabsf(x[i]);
    }
    fit best = {0, -low};
    if (high == low) {
        return best;
    }
    double best_error = INFINITY;
    for (int step = -4; step <= 15; step++) {
        const float inverse = ((float)top + 0.1f * (float)step) / (high - low);
        for (int i = 0; i < n; i++) {
            q[i] = (uint8_t)clamp((int)lrintf(inverse * (x[i] - low)), 0, top);
        }
        fit tried;
        const double error = solve(x, weight, q, n, &tried);
        if (error < best_error && tried.scale > 0) {
            best_error = error;
            best = tried;
        }
    }
    return best;
}

static int level(float x, float scale, float min, int top) {
    return scale == 0 ? 0 : clamp((int)lrintf((x + min) / scale), 0, top);
}

// the largest value of `n` floats, at least 0
static float largest(const float *v, int n) {
    float top = 0;
    for (int i = 0; i < n; i++) {
        top = v[i] > top ? v[i] : top;
    }
    return top;
}

static int ratio(float v, float unit, int top) {
    return unit == 0 ? 0 : clamp((int)lrintf(v / unit), 0, top);
}

// scales and minima of the 8 groups of a Q4_K or Q5_K block, 6 bits each, in their 12 bytes
static void put_k4_scales(uint8_t *b, const fit *fits) {
    float scales[8], mins[8];
    for (int g = 0; g < 8; g++) {
        scales[g] = fits[g].scale;
        mins[g] = fits[g].min;
    }
    put_f16(b, largest(scales, 8) / 63);
    put_f16(b + 2, largest(mins, 8) / 63);
    const float d = f16_at(b);
    const float dmin = f16_at(b + 2);
    uint8_t *s = b + 4;
    memset(s, 0, 12);
    for (int g = 0; g < 8; g++) {
        const int scale = ratio(scales[g], d, 63);
        const int min = ratio(mins[g], dmin, 63);
        if (g < 4) {
            s[g] = (uint8_t)(s[g] | scale);
            s[g + 4] = (uint8_t)(s[g + 4] | min);
        } else {
            s[g + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
            s[g - 4] = (uint8_t)(s[g - 4] | scale >> 4 << 6);
            s[g] = (uint8_t)(s[g] | min >> 4 << 6);
        }
    }
}

// the levels of group g with the scales as they were stored
static void k4_levels(const uint8_t *b, const float *x, int g, int top, uint8_t *q) {
    int scale, min;
    rg_k4_scale_min(b + 4, g, &scale, &min);
    for (int l = 0; l < 32; l++) {
        q[l] = (uint8_t)level(x[32 * g + l], f16_at(b) * (float)scale, f16_at(b + 2) * (float)min,
                              top);
    }
}

void rg_encode_q4_k(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 256, b += 144) {
        fit fits[8];
        for (int g = 0; g < 8; g++) {
            fits[g] = fit_group(x + 32 * g, 32, 15);
        }
        put_k4_scales(b, fits);
        for (int p = 0; p < 4; p++) {
            uint8_t low[32], high[32];
            k4_levels(b, x, 2 * p, 15, low);
            k4_levels(b, x, 2 * p + 1, 15, high);
            for (int l = 0; l < 32; l++) {
                b[16 + 32 * p + l] = (uint8_t)(low[l] | high[l] << 4);
            }
        }
    }
}

void rg_encode_q5_k(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 256, b += 176) {
        fit fits[8];
        for (int g = 0; g < 8; g++) {
            fits[g] = fit_group(x + 32 * g, 32, 31);
        }
        put_k4_scales(b, fits);
        memset(b + 16, 0, 32);
        for (int p = 0; p < 4; p++) {
            uint8_t low[32], high[32];
            k4_levels(b, x, 2 * p, 31, low);
            k4_levels(b, x, 2 * p + 1, 31, high);
            for (int l = 0; l < 32; l++) {
                b[48 + 32 * p + l] = (uint8_t)((low[l] & 15) | (high[l] & 15) << 4);
                b[16 + l] =
                    (uint8_t)(b[16 + l] | low[l] >> 4 << 2 * p | high[l] >> 4 << (2 * p + 1));
            }
        }
    }
}

void rg_encode_q2_k(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 256, b += 84) {
        float scales[16], mins[16];
        for (int g = 0; g < 16; g++) {
            const fit f = fit_group(x + 16 * g, 16, 3);
            scales[g] = f.scale;
            mins[g] = f.min;
        }
        put_f16(b + 80, largest(scales, 16) / 15);
        put_f16(b + 82, largest(mins, 16) / 15);
        const float d = f16_at(b + 80);
        const float dmin = f16_at(b + 82);
        memset(b + 16, 0, 64);
        for (int g = 0; g < 16; g++) {
            b[g] = (uint8_t)(ratio(scales[g], d, 15) | ratio(mins[g], dmin, 15) << 4);
            for (int i = 16 * g; i < 16 * g + 16; i++) {
                const int q = level(x[i], d * (float)(b[g] & 15), dmin * (float)(b[g] >> 4), 3);
                uint8_t *byte = &b[16 + 32 * (i / 128) + i % 32];
                *byte = (uint8_t)(*byte | q << 2 * (i % 128 / 32));
            }
        }
    }
}

// symmetric group: x ~ scale * q with q in -top-1 .. top; the scale may be negative
static float fit_symmetric(const float *x, int n, int top) {
    float extreme = 0;
    for (int i = 0; i < n; i++) {
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    }
    float best = 0;
    double best_gain = -1;
    for (int step = -9; step <= 9 && extreme != 0; step++) {
        const float inverse = -((float)top + 1 + 0.1f * (float)step) / extreme;
        double xq = 0;
        double qq = 0;
        for (int i = 0; i < n; i++) {
            const double w = (double)x[i] * x[i];
            const double q = clamp((int)lrintf(x[i] * inverse), -top - 1, top);
            xq += w * q * x[i];
            qq += w * q * q;
        }
        if (qq > 0 && xq * xq / qq > best_gain) {
            best_gain = xq * xq / qq;
            best = (float)(xq / qq);
        }
    }
    return best;
}

static float largest_magnitude(const float *v, int n) {
    float top = 0;
    for (int i = 0; i < n; i++) {
        top = fabsf(v[i]) > fabsf(top) ? v[i] : top;
    }
    return top;
}

void rg_encode_q3_k(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 256, b += 110) {
        float scales[16];
        for (int g = 0; g < 16; g++) {
            scales[g] = fit_symmetric(x + 16 * g, 16, 3);
        }
        put_f16(b + 108, largest_magnitude(scales, 16) / -32);
        const float d = f16_at(b + 108);
        memset(b, 0, 108);
        for (int g = 0; g < 16; g++) {
            const int s = d == 0 ? 32 : clamp((int)lrintf(scales[g] / d), -32, 31) + 32;
            uint8_t *low = &b[96 + g % 8];
            *low = (uint8_t)(*low | (s & 15) << (g < 8 ? 0 : 4));
            b[104 + g % 4] = (uint8_t)(b[104 + g % 4] | s >> 4 << 2 * (g / 4));
            const float scale = d * (float)(s - 32);
            for (int i = 16 * g; i < 16 * g + 16; i++) {
                const int q = (scale == 0 ? 0 : clamp((int)lrintf(x[i] / scale), -4, 3)) + 4;
                const int part = i % 128 / 32;
                uint8_t *byte = &b[32 + 32 * (i / 128) + i % 32];
                *byte = (uint8_t)(*byte | (q & 3) << 2 * part);
                b[i % 32] = (uint8_t)(b[i % 32] | q >> 2 << (4 * (i / 128) + part));
            }
        }
    }
}

void rg_encode_q6_k(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 256, b += 210) {
        float scales[16];
        for (int g = 0; g < 16; g++) {
            scales[g] = fit_symmetric(x + 16 * g, 16, 31);
        }
        put_f16(b + 208, largest_magnitude(scales, 16) / -128);
        const float d = f16_at(b + 208);
        memset(b, 0, 208);
        for (int g = 0; g < 16; g++) {
            const int s = d == 0 ? 0 : clamp((int)lrintf(scales[g] / d), -128, 127);
            b[192 + g] = (uint8_t)(int8_t)s;
            const float scale = d * (float)s;
            for (int i = 16 * g; i < 16 * g + 16; i++) {
                const int q = (scale == 0 ? 0 : clamp((int)lrintf(x[i] / scale), -32, 31)) + 32;
                const int half = i / 128;
                const int part = i % 128 / 32;
                const int l = i % 32;
                uint8_t *low = &b[64 * half + 32 * (part % 2) + l];
                *low = (uint8_t)(*low | (q & 15) << (part < 2 ? 0 : 4));
                b[128 + 32 * half + l] = (uint8_t)(b[128 + 32 * half + l] | q >> 4 << 2 * part);
            }
        }
    }
}
