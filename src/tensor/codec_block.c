/* Block types of 16 to 128 values. */
#include "tensor/codec.h"
#include "tensor/half.h"

#include <math.h>

const int8_t rg_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
const int8_t rg_e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static float f16_at(const uint8_t *p) {
    return rg_f32_of_f16(rg_read_u16(p));
}

static void put_f16(uint8_t *p, float f) {
    const uint16_t h = rg_f16_of_f32(f);
    memcpy(p, &h, 2);
}

// ---- decode: b is one block, y its values ----

void rg_decode_q4_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 18) {
        const float d = f16_at(b);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)((b[2 + j] & 15) - 8);
            y[j + 16] = d * (float)((b[2 + j] >> 4) - 8);
        }
    }
}

void rg_decode_q4_1(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 20) {
        const float d = f16_at(b);
        const float m = f16_at(b + 2);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)(b[4 + j] & 15) + m;
            y[j + 16] = d * (float)(b[4 + j] >> 4) + m;
        }
    }
}

// fifth bits of the 32 values: bit j belongs to value j
static int fifth(uint32_t bits, int j) {
    return (int)(bits >> j & 1) << 4;
}

void rg_decode_q5_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 22) {
        const float d = f16_at(b);
        const uint32_t high = rg_read_u32(b + 2);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)(((b[6 + j] & 15) | fifth(high, j)) - 16);
            y[j + 16] = d * (float)(((b[6 + j] >> 4) | fifth(high, j + 16)) - 16);
        }
    }
}

void rg_decode_q5_1(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 24) {
        const float d = f16_at(b);
        const float m = f16_at(b + 2);
        const uint32_t high = rg_read_u32(b + 4);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)((b[8 + j] & 15) | fifth(high, j)) + m;
            y[j + 16] = d * (float)((b[8 + j] >> 4) | fifth(high, j + 16)) + m;
        }
    }
}

void rg_decode_q8_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 34) {
        const float d = f16_at(b);
        for (int j = 0; j < 32; j++) {
            y[j] = d * (float)(int8_t)b[2 + j];
        }
    }
}

void rg_decode_iq4_nl(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 18) {
        const float d = f16_at(b);
        for (int j = 0; j < 16; j++) {
            y[j] = d * rg_iq4_values[b[2 + j] & 15];
            y[j + 16] = d * rg_iq4_values[b[2 + j] >> 4];
        }
    }
}

void rg_decode_mxfp4(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 32, b += 17) {
        const float d = ldexpf(1.0f, b[0] - 128);
        for (int j = 0; j < 16; j++) {
            y[j] = d * rg_e2m1_doubled[b[1 + j] & 15];
            y[j + 16] = d * rg_e2m1_doubled[b[1 + j] >> 4];
        }
    }
}

// unsigned E4M3, halved because the table of values is doubled; 0x7f means zero here
static float ue4m3_half(uint8_t v) {
    const int e = v >> 3 & 15;
    const int m = v & 7;
    if (v == 0 || v == 0x7F) {
        return 0;
    }
    return 0.5f * (e == 0 ? ldexpf((float)m, -9) : ldexpf(1.0f + (float)m / 8.0f, e - 7));
}

void rg_decode_nvfp4(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 64, b += 36) {
        for (int s = 0; s < 4; s++) {
            const float d = ue4m3_half(b[s]);
            for (int j = 0; j < 8; j++) {
                const uint8_t q = b[4 + 8 * s + j];
                y[16 * s + j] = rg_e2m1_doubled[q & 15] * d;
                y[16 * s + 8 + j] = rg_e2m1_doubled[q >> 4] * d;
            }
        }
    }
}

void rg_decode_q1_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 128, b += 18) {
        const float d = f16_at(b);
        for (int j = 0; j < 128; j++) {
            y[j] = (b[2 + j / 8] >> j % 8 & 1) != 0 ? d : -d;
        }
    }
}

void rg_decode_q2_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 64, b += 18) {
        const float d = f16_at(b);
        for (int j = 0; j < 64; j++) {
            y[j] = d * (float)((b[2 + j / 4] >> 2 * (j % 4) & 3) - 1);
        }
    }
}

// ---- encode ----

// the value of largest magnitude, with its sign
static float extreme(const float *x, int n) {
    float top = 0;
    for (int i = 0; i < n; i++) {
        top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    }
    return top;
}

static void range(const float *x, int n, float *low, float *high) {
    *low = *high = x[0];
    for (int i = 1; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static int clamp(int v, int low, int high) {
    return v < low ? low : v > high ? high : v;
}

// nearest level of x / d + offset, 0 .. top
static int level(float x, float inverse, float offset, int top) {
    return clamp((int)lrintf(x * inverse + offset), 0, top);
}

static float inverse_of(float d) {
    return d == 0 ? 0 : 1 / d;
}

// symmetric 4 and 5 bits: the extreme value gets the one level that has no mirror image
void rg_encode_q4_0(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 18) {
        put_f16(b, extreme(x, 32) / -8);
        const float inverse = inverse_of(f16_at(b));
        for (int j = 0; j < 16; j++) {
            b[2 + j] =
                (uint8_t)(level(x[j], inverse, 8, 15) | level(x[j + 16], inverse, 8, 15) << 4);
        }
    }
}

void rg_encode_q4_1(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 20) {
        float low, high;
        range(x, 32, &low, &high);
        put_f16(b, (high - low) / 15);
        put_f16(b + 2, low);
        const float inverse = inverse_of(f16_at(b));
        const float offset = -f16_at(b + 2) * inverse;
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

void rg_encode_q5_0(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 22) {
        put_f16(b, extreme(x, 32) / -16);
        put_5bit(b + 2, b + 6, x, inverse_of(f16_at(b)), 16);
    }
}

void rg_encode_q5_1(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 24) {
        float low, high;
        range(x, 32, &low, &high);
        put_f16(b, (high - low) / 31);
        put_f16(b + 2, low);
        const float inverse = inverse_of(f16_at(b));
        put_5bit(b + 4, b + 8, x, inverse, -f16_at(b + 2) * inverse);
    }
}

void rg_encode_q8_0(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 34) {
        const float d = fabsf(extreme(x, 32)) / 127;
        put_f16(b, d);
        const float inverse = inverse_of(d);
        for (int j = 0; j < 32; j++) {
            b[2 + j] = (uint8_t)(int8_t)clamp((int)lrintf(x[j] * inverse), -127, 127);
        }
    }
}

static int nearest_iq4(float v) {
    int best = 0;
    for (int i = 1; i < 16; i++) {
        best = fabsf(v - rg_iq4_values[i]) < fabsf(v - rg_iq4_values[best]) ? i : best;
    }
    return best;
}

// the scale that fits best among some near the one that lets the extreme value reach the end of the
// table
void rg_encode_iq4_nl(void *dst, const float *src, size_t n) {
    uint8_t *b = dst;
    for (const float *x = src; x < src + n; x += 32, b += 18) {
        const float top = extreme(x, 32);
        float best_d = 0;
        double best_gain = -1;
        for (int step = -7; step <= 7 && top != 0; step++) {
            const float inverse = ((float)rg_iq4_values[0] + (float)step) / top;
            double xq = 0;
            double qq = 0;
            for (int j = 0; j < 32; j++) {
                const double q = rg_iq4_values[nearest_iq4(x[j] * inverse)];
                xq += q * x[j];
                qq += q * q;
            }
            // with the best d for these levels the error falls by (x.q)^2 / q.q
            if (qq > 0 && xq * xq / qq > best_gain) {
                best_gain = xq * xq / qq;
                best_d = (float)(xq / qq);
            }
        }
        put_f16(b, best_d);
        const float inverse = inverse_of(f16_at(b));
        for (int j = 0; j < 16; j++) {
            b[2 + j] =
                (uint8_t)(nearest_iq4(x[j] * inverse) | nearest_iq4(x[j + 16] * inverse) << 4);
        }
    }
}
