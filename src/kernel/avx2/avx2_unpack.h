/*
 * Rows of whole-number blocks to bytes: value = scale * (q - offset) - min. AVX2 is enough, and
 * AVX-512 uses them too. Every function takes n values, whole blocks, and writes q [n], scale and
 * min [n / group]. The layouts are those of tensor/codec_block.c and codec_k.c, in bytes.
 */
#pragma once

#include "kernel/integer.h"
#include "kernel/x86.h"

static inline float rg_load_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

static inline uint32_t rg_load_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __m128i rg_load_16(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m256i rg_load_32(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void rg_store_32(uint8_t *q, __m256i v) {
    _mm256_storeu_si256((__m256i *)(void *)q, v);
}

// bits [at, at + width) of every byte
static inline __m256i rg_bits(__m256i v, int at, int mask) {
    return _mm256_and_si256(_mm256_srli_epi16(v, at), _mm256_set1_epi8((char)mask));
}

// 16 bytes to 32 nibbles: low ones first
static inline __m256i rg_nibbles(const uint8_t *p) {
    const __m128i v = rg_load_16(p);
    const __m256i both =
        _mm256_inserti128_si256(_mm256_castsi128_si256(v), _mm_srli_epi16(v, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// bit j of `bits` becomes 16 in byte j
static inline __m256i rg_fifth_bits(uint32_t bits) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                            2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i one = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    const __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), spread);
    const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(v, one), one);
    return _mm256_and_si256(is_set, _mm256_set1_epi8(16));
}

// eight bytes times d
static inline __m256 rg_scale_bytes(__m128i bytes, float d) {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_set1_ps(d));
}

// offset 128
static inline void rg_unpack_q8_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 34, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_store_32(q, _mm256_xor_si256(rg_load_32(p + 2), _mm256_set1_epi8((char)0x80)));
    }
}

// offset 8
static inline void rg_unpack_q4_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_store_32(q, rg_nibbles(p + 2));
    }
}

static inline void rg_unpack_q4_1(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 32; b++, p += 20, q += 32) {
        scale[b] = rg_load_f16(p);
        min[b] = -rg_load_f16(p + 2);
        rg_store_32(q, rg_nibbles(p + 4));
    }
}

// offset 16
static inline void rg_unpack_q5_0(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 22, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_store_32(q, _mm256_or_si256(rg_nibbles(p + 6), rg_fifth_bits(rg_load_u32(p + 2))));
    }
}

static inline void rg_unpack_q5_1(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 32; b++, p += 24, q += 32) {
        scale[b] = rg_load_f16(p);
        min[b] = -rg_load_f16(p + 2);
        rg_store_32(q, _mm256_or_si256(rg_nibbles(p + 8), rg_fifth_bits(rg_load_u32(p + 4))));
    }
}

// the table of IQ4_NL and IQ4_XS, plus 128
#define RG_IQ4_TABLE                                                                               \
    _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,     \
                  (char)181, (char)197, (char)217, (char)241)
// the doubled E2M1 values of MXFP4, plus 12
#define RG_E2M1_TABLE _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0)

static inline void rg_unpack_table(uint8_t *q, const uint8_t *p, __m128i table) {
    rg_store_32(q, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), rg_nibbles(p)));
}

// offset 128
static inline void rg_unpack_iq4_nl(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                    size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
        scale[b] = rg_load_f16(p);
        rg_unpack_table(q, p + 2, RG_IQ4_TABLE);
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
            rg_unpack_table(q + 32 * g, p + 8 + 16 * g, RG_IQ4_TABLE);
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
        rg_unpack_table(q, p + 1, RG_E2M1_TABLE);
    }
}

// groups of 16
static inline void rg_unpack_q2_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 84, q += 256, scale += 16, min += 16) {
        const float d = rg_load_f16(p + 80);
        const float dmin = rg_load_f16(p + 82);
        const __m128i heads = rg_load_16(p);
        const __m128i low = _mm_and_si128(heads, _mm_set1_epi8(15));
        const __m128i high = _mm_and_si128(_mm_srli_epi16(heads, 4), _mm_set1_epi8(15));
        _mm256_storeu_ps(scale, rg_scale_bytes(low, d));
        _mm256_storeu_ps(scale + 8, rg_scale_bytes(_mm_srli_si128(low, 8), d));
        _mm256_storeu_ps(min, rg_scale_bytes(high, dmin));
        _mm256_storeu_ps(min + 8, rg_scale_bytes(_mm_srli_si128(high, 8), dmin));
        for (int i = 0; i < 8; i++) {
            rg_store_32(q + 32 * i, rg_bits(rg_load_32(p + 16 + i / 4 * 32), 2 * (i % 4), 3));
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
        const __m256i top = rg_load_32(p);
        for (int i = 0; i < 8; i++) {
            const __m256i low = rg_bits(rg_load_32(p + 32 + i / 4 * 32), 2 * (i % 4), 3);
            const __m256i high = _mm256_slli_epi16(rg_bits(top, i, 1), 2);
            rg_store_32(q + 32 * i, _mm256_or_si256(low, high));
        }
    }
}

// the 6-bit scales and minimums of Q4_K and Q5_K
static inline void rg_unpack_scales_k(float *scale, float *min, const uint8_t *p) {
    const uint32_t s[3] = {rg_load_u32(p + 4), rg_load_u32(p + 8), rg_load_u32(p + 12)};
    const uint64_t scales =
        (s[0] & 0x3F3F3F3Fu) | (uint64_t)((s[2] & 0x0F0F0F0Fu) | (s[0] >> 2 & 0x30303030u)) << 32;
    const uint64_t mins = (s[1] & 0x3F3F3F3Fu) |
                          (uint64_t)((s[2] >> 4 & 0x0F0F0F0Fu) | (s[1] >> 2 & 0x30303030u)) << 32;
    _mm256_storeu_ps(scale, rg_scale_bytes(_mm_cvtsi64_si128((long long)scales), rg_load_f16(p)));
    _mm256_storeu_ps(min, rg_scale_bytes(_mm_cvtsi64_si128((long long)mins), rg_load_f16(p + 2)));
}

static inline void rg_unpack_q4_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 144, q += 256, scale += 8, min += 8) {
        rg_unpack_scales_k(scale, min, p);
        for (int i = 0; i < 4; i++) {
            const __m256i v = rg_load_32(p + 16 + 32 * i);
            rg_store_32(q + 64 * i, rg_bits(v, 0, 15));
            rg_store_32(q + 64 * i + 32, rg_bits(v, 4, 15));
        }
    }
}

static inline void rg_unpack_q5_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    for (size_t b = 0; b < n / 256; b++, p += 176, q += 256, scale += 8, min += 8) {
        rg_unpack_scales_k(scale, min, p);
        const __m256i high = rg_load_32(p + 16);
        for (int i = 0; i < 4; i++) {
            const __m256i v = rg_load_32(p + 48 + 32 * i);
            const __m256i h0 = _mm256_slli_epi16(rg_bits(high, 2 * i, 1), 4);
            const __m256i h1 = _mm256_slli_epi16(rg_bits(high, 2 * i + 1, 1), 4);
            rg_store_32(q + 64 * i, _mm256_or_si256(rg_bits(v, 0, 15), h0));
            rg_store_32(q + 64 * i + 32, _mm256_or_si256(rg_bits(v, 4, 15), h1));
        }
    }
}

// groups of 16, offset 32
static inline void rg_unpack_q6_k(uint8_t *q, float *scale, float *min, const uint8_t *p,
                                  size_t n) {
    (void)min;
    for (size_t b = 0; b < n / 256; b++, p += 210, q += 256, scale += 16) {
        const __m256 d = _mm256_set1_ps(rg_load_f16(p + 208));
        const __m128i s = rg_load_16(p + 192);
        const __m256i s0 = _mm256_cvtepi8_epi32(s);
        const __m256i s1 = _mm256_cvtepi8_epi32(_mm_srli_si128(s, 8));
        _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_cvtepi32_ps(s0), d));
        _mm256_storeu_ps(scale + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(s1), d));
        for (int i = 0; i < 2; i++) {
            const __m256i low = rg_load_32(p + 64 * i);
            const __m256i next = rg_load_32(p + 64 * i + 32);
            const __m256i high = rg_load_32(p + 128 + 32 * i);
            const __m256i h[4] = {_mm256_slli_epi16(rg_bits(high, 0, 3), 4),
                                  _mm256_slli_epi16(rg_bits(high, 2, 3), 4),
                                  _mm256_slli_epi16(rg_bits(high, 4, 3), 4),
                                  _mm256_slli_epi16(rg_bits(high, 6, 3), 4)};
            rg_store_32(q + 128 * i, _mm256_or_si256(rg_bits(low, 0, 15), h[0]));
            rg_store_32(q + 128 * i + 32, _mm256_or_si256(rg_bits(next, 0, 15), h[1]));
            rg_store_32(q + 128 * i + 64, _mm256_or_si256(rg_bits(low, 4, 15), h[2]));
            rg_store_32(q + 128 * i + 96, _mm256_or_si256(rg_bits(next, 4, 15), h[3]));
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
