/* Scales and minimums at the heads of blocks, of 16 rows side by side. */
#pragma once

#include "kernel/avx512/avx512_transpose.h"

#include <string.h>

static inline __m512i rg_masked(__m512i v, uint32_t mask) {
    return _mm512_and_si512(v, _mm512_set1_epi32((int)mask));
}

// the f16 at row[i] + at of 16 rows
static inline __m256i rg_gather_f16(const uint8_t *const row[16], size_t at) {
    uint16_t h[16];
    RG_UNROLL(16)
    for (int i = 0; i < 16; i++) {
        memcpy(&h[i], row[i] + at, sizeof h[i]);
    }
    return _mm256_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4],
                             (short)h[5], (short)h[6], (short)h[7], (short)h[8], (short)h[9],
                             (short)h[10], (short)h[11], (short)h[12], (short)h[13], (short)h[14],
                             (short)h[15]);
}

// four bytes of each of 16 rows, times d: four groups
static inline void rg_store_bytes(float *out, __m512i bytes, __m512 d) {
    for (int g = 0; g < 4; g++) {
        const __m512i one = rg_masked(_mm512_srli_epi32(bytes, (unsigned)(8 * g)), 0xFF);
        _mm512_storeu_ps(out + 16 * g, _mm512_mul_ps(_mm512_cvtepi32_ps(one), d));
    }
}

// d, dmin and the 6-bit scales and minimums at the head of Q4_K and Q5_K
static inline void rg_heads_k(float *scale, float *min, const uint8_t *const row[16], size_t at) {
    __m512i v[4];
    rg_transpose_16(v, row, at);
    const __m512 d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v[0]));
    const __m512 dmin = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v[0], 16)));
    rg_store_bytes(scale, rg_masked(v[1], 0x3F3F3F3F), d);
    rg_store_bytes(min, rg_masked(v[2], 0x3F3F3F3F), dmin);
    const __m512i scale_top = rg_masked(_mm512_srli_epi32(v[1], 2), 0x30303030);
    const __m512i min_top = rg_masked(_mm512_srli_epi32(v[2], 2), 0x30303030);
    rg_store_bytes(scale + 64, _mm512_or_si512(rg_masked(v[3], 0x0F0F0F0F), scale_top), d);
    rg_store_bytes(min + 64,
                   _mm512_or_si512(rg_masked(_mm512_srli_epi32(v[3], 4), 0x0F0F0F0F), min_top),
                   dmin);
}

// 16 signed scales of each row, times d
static inline void rg_heads_q6(float *scale, const uint8_t *const row[16], size_t at) {
    __m512i v[4];
    rg_transpose_16(v, row, at);
    const __m512 d = _mm512_cvtph_ps(rg_gather_f16(row, at + 16));
    for (int g = 0; g < 16; g++) {
        const __m512i top = _mm512_slli_epi32(v[g / 4], (unsigned)(24 - g % 4 * 8));
        const __m512 f = _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
        _mm512_storeu_ps(scale + 16 * g, _mm512_mul_ps(f, d));
    }
}
