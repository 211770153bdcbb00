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
