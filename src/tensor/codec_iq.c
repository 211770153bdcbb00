/* IQ types: values from grids, signs apart. Groups of 32 values (k), each of four sub-groups of 8
 * (l). */
#include "tensor/codec.h"
#include "tensor/half.h"
#include "tensor/tables/iq_grids.h"

static float f16_at(const uint8_t *p) {
    return rg_f32_of_f16(rg_read_u16(p));
}

// eight signs from seven bits: the number of minus signs is even
static uint8_t even_signs(uint32_t bits) {
    const uint8_t seven = bits & 127;
    return (uint8_t)(seven | (__builtin_parity(seven) != 0 ? 128 : 0));
}

static void put(float *y, const int8_t *grid, int n, float scale, uint8_t signs) {
    for (int j = 0; j < n; j++) {
        const float v = scale * grid[j];
        y[j] = (signs >> j & 1) != 0 ? -v : v;
    }
}

void rg_decode_iq2_xxs(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 66) {
        for (int k = 0; k < 8; k++) {
            const uint8_t *a = b + 2 + 8 * k;
            const uint32_t w = rg_read_u32(a + 4);
            const float scale = f16_at(b) * (0.5f + (float)(w >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++) {
                put(y + 32 * k + 8 * l, rg_iq2xxs_grid[a[l]], 8, scale, even_signs(w >> 7 * l));
            }
        }
    }
}

void rg_decode_iq2_xs(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 74) {
        for (int k = 0; k < 8; k++) {
            for (int l = 0; l < 4; l++) {
                const uint16_t v = rg_read_u16(b + 2 + 2 * (4 * k + l));
                const int s = l < 2 ? b[66 + k] & 15 : b[66 + k] >> 4;
                put(y + 32 * k + 8 * l, rg_iq2xs_grid[v & 511], 8,
                    f16_at(b) * (0.5f + (float)s) * 0.25f, even_signs(v >> 9));
            }
        }
    }
}

void rg_decode_iq2_s(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 82) {
        for (int k = 0; k < 8; k++) {
            for (int l = 0; l < 4; l++) {
                const int index = b[2 + 4 * k + l] | (b[66 + k] >> 2 * l & 3) << 8;
                const int s = l < 2 ? b[74 + k] & 15 : b[74 + k] >> 4;
                put(y + 32 * k + 8 * l, rg_iq2s_grid[index], 8,
                    f16_at(b) * (0.5f + (float)s) * 0.25f, b[34 + 4 * k + l]);
            }
        }
    }
}

void rg_decode_iq3_xxs(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 98) {
        for (int k = 0; k < 8; k++) {
            const uint32_t w = rg_read_u32(b + 66 + 4 * k);
            const float scale = f16_at(b) * (0.5f + (float)(w >> 28)) * 0.5f;
            for (int l = 0; l < 4; l++) {
                const uint8_t *q = b + 2 + 8 * k + 2 * l;
                const uint8_t signs = even_signs(w >> 7 * l);
                put(y + 32 * k + 8 * l, rg_iq3xxs_grid[q[0]], 4, scale, signs);
                put(y + 32 * k + 8 * l + 4, rg_iq3xxs_grid[q[1]], 4, scale, (uint8_t)(signs >> 4));
            }
        }
    }
}

void rg_decode_iq3_s(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 110) {
        for (int k = 0; k < 8; k++) {
            const int nibble = b[106 + k / 2] >> 4 * (k % 2) & 15;
            const float scale = f16_at(b) * (float)(1 + 2 * nibble);
            for (int l = 0; l < 4; l++) {
                const uint8_t *q = b + 2 + 8 * k + 2 * l;
                const uint8_t high = b[66 + k];
                const uint8_t signs = b[74 + 4 * k + l];
                put(y + 32 * k + 8 * l, rg_iq3s_grid[q[0] | (high >> 2 * l & 1) << 8], 4, scale,
                    signs);
                put(y + 32 * k + 8 * l + 4, rg_iq3s_grid[q[1] | (high >> (2 * l + 1) & 1) << 8], 4,
                    scale, (uint8_t)(signs >> 4));
            }
        }
    }
}

static void put_iq1(float *y, int index, float scale, float delta) {
    for (int j = 0; j < 8; j++) {
        y[j] = scale * ((float)rg_iq1s_grid[index][j] + delta);
    }
}

void rg_decode_iq1_s(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 50) {
        for (int k = 0; k < 8; k++) {
            const uint16_t high = rg_read_u16(b + 34 + 2 * k);
            const float scale = f16_at(b) * (float)(2 * (high >> 12 & 7) + 1);
            const float delta = (high & 0x8000) != 0 ? -0.125f : 0.125f;
            for (int l = 0; l < 4; l++) {
                put_iq1(y + 32 * k + 8 * l, b[2 + 4 * k + l] | (high >> 3 * l & 7) << 8, scale,
                        delta);
            }
        }
    }
}

void rg_decode_iq1_m(float *dst, const void *src, size_t n) {
    const uint8_t *b = src;
    for (float *y = dst; y < dst + n; y += 256, b += 56) {
        uint16_t s[4];
        for (int i = 0; i < 4; i++) {
            s[i] = rg_read_u16(b + 48 + 2 * i);
        }
        const float d = rg_f32_of_f16(
            (uint16_t)((s[0] >> 12) | (s[1] >> 8 & 0xF0) | (s[2] >> 4 & 0xF00) | (s[3] & 0xF000)));
        for (int k = 0; k < 8; k++) {
            const int u = s[k / 2] >> 6 * (k % 2);
            for (int l = 0; l < 4; l++) {
                const uint8_t high = b[32 + 2 * k + l / 2] >> 4 * (l % 2) & 15;
                const int sub = l < 2 ? u & 7 : u >> 3 & 7;
                put_iq1(y + 32 * k + 8 * l, b[4 * k + l] | (high & 7) << 8,
                        d * (float)(2 * sub + 1), (high & 8) != 0 ? -0.125f : 0.125f);
            }
        }
    }
}
