/*
 * Rows of whole-number blocks to bytes, in plain C that compilers turn into vectors: value = scale
 * * (q - offset) - min. Every function takes n values, whole blocks, and writes q [n], scale and
 * min [n / group]. Source of the layouts: tensor/codec_block.c and codec_k.c say the same in
 * floats.
 */
#pragma once

#include "kernel/integer.h"

typedef void rg_unpack_row_fn(uint8_t *q, float *scale, float *min, const uint8_t *p, size_t n);

static inline float rg_load_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
#ifdef __F16C__
    return _cvtsh_ss(h);
#else
    return rg_f32_of_f16(h);
#endif
}

static inline uint32_t rg_load_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

// 16 bytes to 32 nibbles: low ones first
static inline void rg_unpack_nibbles(uint8_t *q, const uint8_t *p) {
    for (size_t j = 0; j < 16; j++) {
        q[j] = p[j] & 15;
        q[j + 16] = p[j] >> 4;
    }
}

// a fifth bit for each of 32 values
static inline void rg_unpack_fifth(uint8_t *q, uint32_t bits) {
    for (size_t j = 0; j < 32; j++) {
        q[j] |= (uint8_t)((bits >> j & 1) << 4);
    }
}

// offset 128
static inline void rg_unpack_q8_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 34, q += 32) {
        scale[b] = rg_load_f16(p);
        for (size_t j = 0; j < 32; j++) {
            q[j] = p[2 + j] ^ 0x80;
        }
    }
}

// offset 8
static inline void rg_unpack_q4_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_unpack_nibbles(q, p + 2);
    }
}

static inline void rg_unpack_q4_1(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 32; b++, p += 20, q += 32) {
        scale[b] = rg_load_f16(p);
        min[b] = -rg_load_f16(p + 2);
        rg_unpack_nibbles(q, p + 4);
    }
}

// offset 16
static inline void rg_unpack_q5_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 22, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_unpack_nibbles(q, p + 6);
        rg_unpack_fifth(q, rg_load_u32(p + 2));
    }
}

static inline void rg_unpack_q5_1(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 32; b++, p += 24, q += 32) {
        scale[b] = rg_load_f16(p);
        min[b] = -rg_load_f16(p + 2);
        rg_unpack_nibbles(q, p + 8);
        rg_unpack_fifth(q, rg_load_u32(p + 4));
    }
}

// the table of IQ4_NL and IQ4_XS, plus 128
static const uint8_t rg_iq4_table[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                         129, 141, 153, 166, 181, 197, 217, 241};
// the doubled E2M1 values of MXFP4, plus 12
static const uint8_t rg_e2m1_table[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                          12, 11, 10, 9,  8,  6,  4,  0};

static inline void rg_unpack_table(uint8_t *q, const uint8_t *p, const uint8_t table[16]) {
    for (size_t j = 0; j < 16; j++) {
        q[j] = table[p[j] & 15];
        q[j + 16] = table[p[j] >> 4];
    }
}

// offset 128
static inline void rg_unpack_iq4_nl(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                    size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_unpack_table(q, p + 2, rg_iq4_table);
    }
}

// offset 128
static inline void rg_unpack_iq4_xs(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                    size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 256; b++, p += 136, q += 256, scale += 8) {
        const float d = rg_load_f16(p);
        const uint32_t high = (uint32_t)p[2] | (uint32_t)p[3] << 8;
        for (size_t g = 0; g < 8; g++) {
            const uint32_t low = p[4 + g / 2] >> (g % 2 * 4) & 15;
            scale[g] = d * (float)((int32_t)(low | (high >> 2 * g & 3) << 4) - 32);
            rg_unpack_table(q + 32 * g, p + 8 + 16 * g, rg_iq4_table);
        }
    }
}

// offset 12
static inline void rg_unpack_mxfp4(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                   size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 17, q += 32) {
        // 2^(e - 128): subnormal for the two smallest e
        scale[b] = p[0] < 2 ? rg_f32_of_bits(0x200000u << p[0])
                            : rg_f32_of_bits((uint32_t)(p[0] - 1) << 23);
        rg_unpack_table(q, p + 1, rg_e2m1_table);
    }
}

// groups of 16
static inline void rg_unpack_q2_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 84, q += 256, scale += 16, min += 16) {
        const float d = rg_load_f16(p + 80);
        const float dmin = rg_load_f16(p + 82);
        for (size_t g = 0; g < 16; g++) {
            scale[g] = d * (float)(p[g] & 15);
            min[g] = dmin * (float)(p[g] >> 4);
        }
        for (size_t i = 0; i < 8; i++) {
            for (size_t l = 0; l < 32; l++) {
                q[32 * i + l] = p[16 + i / 4 * 32 + l] >> 2 * (i % 4) & 3;
            }
        }
    }
}

// groups of 16, offset 4
static inline void rg_unpack_q3_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 256; b++, p += 110, q += 256, scale += 16) {
        const float d = rg_load_f16(p + 108);
        const uint8_t *s = p + 96;
        for (size_t g = 0; g < 16; g++) {
            const int32_t low = s[g % 8] >> g / 8 * 4 & 15;
            const int32_t high = s[8 + g % 4] >> 2 * (g / 4) & 3;
            scale[g] = d * (float)((low | high << 4) - 32);
        }
        for (size_t i = 0; i < 8; i++) {
            for (size_t l = 0; l < 32; l++) {
                q[32 * i + l] =
                    (uint8_t)((p[32 + i / 4 * 32 + l] >> 2 * (i % 4) & 3) | (p[l] >> i & 1) << 2);
            }
        }
    }
}

// the 6-bit scales and minimums of Q4_K and Q5_K
static inline void rg_unpack_scales_k(float *scale, float *min, const uint8_t *p) {
    const float d = rg_load_f16(p);
    const float dmin = rg_load_f16(p + 2);
    const uint8_t *s = p + 4;
    for (size_t g = 0; g < 4; g++) {
        scale[g] = d * (float)(s[g] & 63);
        min[g] = dmin * (float)(s[g + 4] & 63);
        scale[g + 4] = d * (float)((s[g + 8] & 15) | (s[g] >> 6) << 4);
        min[g + 4] = dmin * (float)((s[g + 8] >> 4) | (s[g + 4] >> 6) << 4);
    }
}

static inline void rg_unpack_q4_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 144, q += 256, scale += 8, min += 8) {
        rg_unpack_scales_k(scale, min, p);
        for (size_t i = 0; i < 4; i++) {
            for (size_t l = 0; l < 32; l++) {
                q[64 * i + l] = p[16 + 32 * i + l] & 15;
                q[64 * i + 32 + l] = p[16 + 32 * i + l] >> 4;
            }
        }
    }
}

static inline void rg_unpack_q5_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 176, q += 256, scale += 8, min += 8) {
        rg_unpack_scales_k(scale, min, p);
        for (size_t i = 0; i < 4; i++) {
            for (size_t l = 0; l < 32; l++) {
                const uint8_t byte = p[48 + 32 * i + l];
                const uint8_t high = p[16 + l];
                q[64 * i + l] = (uint8_t)((byte & 15) | (high >> 2 * i & 1) << 4);
                q[64 * i + 32 + l] = (uint8_t)(byte >> 4 | (high >> (2 * i + 1) & 1) << 4);
            }
        }
    }
}

// groups of 16, offset 32
static inline void rg_unpack_q6_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 256; b++, p += 210, q += 256, scale += 16) {
        const float d = rg_load_f16(p + 208);
        for (size_t g = 0; g < 16; g++) {
            scale[g] = d * (float)(int8_t)p[192 + g];
        }
        for (size_t i = 0; i < 2; i++) {
            const uint8_t *low = p + 64 * i;
            const uint8_t *high = p + 128 + 32 * i;
            for (size_t l = 0; l < 32; l++) {
                q[128 * i + l] = (uint8_t)((low[l] & 15) | (high[l] & 3) << 4);
                q[128 * i + 32 + l] = (uint8_t)((low[l + 32] & 15) | (high[l] >> 2 & 3) << 4);
                q[128 * i + 64 + l] = (uint8_t)(low[l] >> 4 | (high[l] >> 4 & 3) << 4);
                q[128 * i + 96 + l] = (uint8_t)(low[l + 32] >> 4 | (high[l] >> 6) << 4);
            }
        }
    }
}

// type, row unpacker, group, offset, has_min, is_wide
// clang-format off
#define RG_INT_TYPES(X)                     \
    X(Q4_0,   q4_0,   32,   8, false, false) \
    X(Q4_1,   q4_1,   32,   0, true,  false) \
    X(Q5_0,   q5_0,   32,  16, false, false) \
    X(Q5_1,   q5_1,   32,   0, true,  false) \
    X(Q8_0,   q8_0,   32, 128, false, true)  \
    X(Q2_K,   q2_k,   16,   0, true,  false) \
    X(Q3_K,   q3_k,   16,   4, false, false) \
    X(Q4_K,   q4_k,   32,   0, true,  false) \
    X(Q5_K,   q5_k,   32,   0, true,  false) \
    X(Q6_K,   q6_k,   16,  32, false, false) \
    X(IQ4_NL, iq4_nl, 32, 128, false, true)  \
    X(IQ4_XS, iq4_xs, 32, 128, false, true)  \
    X(MXFP4,  mxfp4,  32,  12, false, false)
// clang-format on
