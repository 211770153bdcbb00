/* Super-blocks of 256 values: K types, IQ4_XS and the ternary types. */
#include "tensor/codec.h"
#include "tensor/half.h"

static float f16_at(const uint8_t *p) {
    return rg_f32_of_f16(rg_read_u16(p));
}

void rg_decode_q2_k(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 84) {
        const float d = f16_at(b + 80);
        const float dmin = f16_at(b + 82);
        for (int i = 0; i < 256; i++) {
            const int half = i / 128;
            const int j = i % 128 / 32;
            const int l = i % 32;
            const uint8_t s = b[8 * half + 2 * j + l / 16];
            const int q = b[16 + 32 * half + l] >> 2 * j & 3;
            y[i] = d * (float)(s & 15) * (float)q - dmin * (float)(s >> 4);
        }
    }
}

void rg_decode_q3_k(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 110) {
        const float d = f16_at(b + 108);
        for (int i = 0; i < 256; i++) {
            const int half = i / 128;
            const int j = i % 128 / 32;
            const int l = i % 32;
            const int low = b[32 + 32 * half + l] >> 2 * j & 3;
            const int high = b[l] >> (4 * half + j) & 1;
            const int scale = rg_q3k_scale(b + 96, 8 * half + 2 * j + l / 16) - 32;
            y[i] = d * (float)scale * (float)(low - (high != 0 ? 0 : 4));
        }
    }
}

void rg_decode_q4_k(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 144) {
        const float d = f16_at(b);
        const float dmin = f16_at(b + 2);
        for (int g = 0; g < 8; g++) {
            int scale, min;
            rg_k4_scale_min(b + 4, g, &scale, &min);
            const float ds = d * (float)scale;
            const float m = dmin * (float)min;
            for (int l = 0; l < 32; l++) {
                const uint8_t q = b[16 + 32 * (g / 2) + l];
                y[32 * g + l] = ds * (float)(g % 2 == 0 ? q & 15 : q >> 4) - m;
            }
        }
    }
}

void rg_decode_q5_k(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 176) {
        const float d = f16_at(b);
        const float dmin = f16_at(b + 2);
        for (int g = 0; g < 8; g++) {
            int scale, min;
            rg_k4_scale_min(b + 4, g, &scale, &min);
            const float ds = d * (float)scale;
            const float m = dmin * (float)min;
            for (int l = 0; l < 32; l++) {
                const uint8_t q = b[48 + 32 * (g / 2) + l];
                const int low = g % 2 == 0 ? q & 15 : q >> 4;
                y[32 * g + l] = ds * (float)(low | (b[16 + l] >> g & 1) << 4) - m;
            }
        }
    }
}

void rg_decode_q6_k(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 210) {
        const float d = f16_at(b + 208);
        for (int i = 0; i < 256; i++) {
            const int half = i / 128;
            const int part = i % 128 / 32;
            const int l = i % 32;
            const uint8_t low = b[64 * half + 32 * (part % 2) + l];
            const int high = b[128 + 32 * half + l] >> 2 * part & 3;
            const int q = ((part < 2 ? low & 15 : low >> 4) | high << 4) - 32;
            const int8_t scale = (int8_t)b[192 + 8 * half + 2 * part + l / 16];
            y[i] = d * (float)scale * (float)q;
        }
    }
}

void rg_decode_iq4_xs(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 136) {
        const float d = f16_at(b);
        const uint16_t scales_h = rg_read_u16(b + 2);
        for (int k = 0; k < 8; k++) {
            const int low = b[4 + k / 2] >> 4 * (k % 2) & 15;
            const float scale = d * (float)((low | (scales_h >> 2 * k & 3) << 4) - 32);
            for (int j = 0; j < 16; j++) {
                const uint8_t q = b[8 + 16 * k + j];
                y[32 * k + j] = scale * rg_iq4_values[q & 15];
                y[32 * k + 16 + j] = scale * rg_iq4_values[q >> 4];
            }
        }
    }
}

void rg_decode_tq2_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 66) {
        const float d = f16_at(b + 64);
        for (int i = 0; i < 256; i++) {
            const int q = b[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3;
            y[i] = d * (float)(q - 1);
        }
    }
}

// digit `place` of a byte that holds a base-3 fraction
static int ternary_digit(uint8_t byte, int place) {
    static const uint8_t powers[] = {1, 3, 9, 27, 81};
    const uint8_t t = (uint8_t)(byte * powers[place]);
    return (t * 3 >> 8) - 1;
}

void rg_decode_tq1_0(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 54) {
        const float d = f16_at(b + 52);
        for (int i = 0; i < 160; i++) {
            y[i] = d * (float)ternary_digit(b[i % 32], i / 32);
        }
        for (int i = 0; i < 80; i++) {
            y[160 + i] = d * (float)ternary_digit(b[32 + i % 16], i / 16);
        }
        for (int i = 0; i < 16; i++) {
            y[240 + i] = d * (float)ternary_digit(b[48 + i % 4], i / 4);
        }
    }
}
