/* Sixteen rows side by side: double words of rows become double words of a panel. */
#pragma once

#include "kernel/x86.h"

#include <stddef.h>
#include <stdint.h>

// out[j] = double word j of 16 rows, from 32 bytes of each row
static inline void rg_transpose_32(__m512i out[8], const uint8_t *const row[16], size_t at) {
    __m512i half[2][4]; // two rows to a vector: i and i + 4, from row 0 and row 8 on
    for (int h = 0; h < 2; h++) {
        __m512i z[4];
        for (int i = 0; i < 4; i++) {
            const __m256i a =
                _mm256_loadu_si256((const __m256i *)(const void *)(row[8 * h + i] + at));
            const __m256i b =
                _mm256_loadu_si256((const __m256i *)(const void *)(row[8 * h + i + 4] + at));
            z[i] = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
        }
        const __m512i t0 = _mm512_unpacklo_epi32(z[0], z[1]);
        const __m512i t1 = _mm512_unpackhi_epi32(z[0], z[1]);
        const __m512i t2 = _mm512_unpacklo_epi32(z[2], z[3]);
        const __m512i t3 = _mm512_unpackhi_epi32(z[2], z[3]);
        // quarters: word j of rows 0..3, word j + 4 of rows 0..3, the same of rows 4..7
        half[h][0] = _mm512_unpacklo_epi64(t0, t2);
        half[h][1] = _mm512_unpackhi_epi64(t0, t2);
        half[h][2] = _mm512_unpacklo_epi64(t1, t3);
        half[h][3] = _mm512_unpackhi_epi64(t1, t3);
    }
    for (int j = 0; j < 4; j++) {
        out[j] = _mm512_shuffle_i32x4(half[0][j], half[1][j], 0x88);
        out[j + 4] = _mm512_shuffle_i32x4(half[0][j], half[1][j], 0xDD);
    }
}

// out[j] = double word j of 16 rows, from 16 bytes of each row
static inline void rg_transpose_16(__m512i out[4], const uint8_t *const row[16], size_t at) {
    __m512i z[4];
    for (int i = 0; i < 4; i++) {
        __m512i v =
            _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)(row[i] + at)));
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(row[i + 4] + at)),
                               1);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(row[i + 8] + at)),
                               2);
        z[i] = _mm512_inserti32x4(
            v, _mm_loadu_si128((const __m128i *)(const void *)(row[i + 12] + at)), 3);
    }
    const __m512i t0 = _mm512_unpacklo_epi32(z[0], z[1]);
    const __m512i t1 = _mm512_unpackhi_epi32(z[0], z[1]);
    const __m512i t2 = _mm512_unpacklo_epi32(z[2], z[3]);
    const __m512i t3 = _mm512_unpackhi_epi32(z[2], z[3]);
    out[0] = _mm512_unpacklo_epi64(t0, t2);
    out[1] = _mm512_unpackhi_epi64(t0, t2);
    out[2] = _mm512_unpacklo_epi64(t1, t3);
    out[3] = _mm512_unpackhi_epi64(t1, t3);
}

// ask for 512 bytes: what 16 rows of 32 take
static inline void rg_prefetch_512(const uint8_t *p) {
    RG_UNROLL(8)
    for (int i = 0; i < 8; i++) {
        _mm_prefetch((const char *)p + 64 * i, _MM_HINT_T1);
    }
}

// n times 32 bytes of 16 rows side by side, asking for as many bytes at next
static inline void rg_transpose_rows(float *panel, const uint8_t *const row[16], size_t n,
                                     const uint8_t *next) {
    for (size_t i = 0; i < n; i++) {
        __m512i v[8];
        rg_transpose_32(v, row, i * 32);
        rg_prefetch_512(next + i * 512);
        for (size_t j = 0; j < 8; j++) {
            _mm512_storeu_si512(panel + (i * 8 + j) * 16, v[j]);
        }
    }
}

// 16 f16 of each of 16 rows, from byte `at` on: out[d * 16 + row]
static inline void rg_transpose_f16(float *out, const uint8_t *const row[16], size_t at) {
    __m512i z[8]; // rows i and i + 8, two quarters each
    for (int i = 0; i < 8; i++) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(row[i] + at));
        const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(row[i + 8] + at));
        z[i] = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
    }
    __m512i a[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_epi16(z[i], z[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi16(z[i], z[i + 1]);
    }
    __m512i b[8];
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi32(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi32(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 8; i++) {
        // quarters: value i of rows 0..7, value i + 8 of rows 0..7, the same of rows 8..15
        const __m512i v = i % 2 == 0 ? _mm512_unpacklo_epi64(b[i / 2], b[i / 2 + 4])
                                     : _mm512_unpackhi_epi64(b[i / 2], b[i / 2 + 4]);
        const __m512i w = _mm512_shuffle_i32x4(v, v, 0xD8);
        _mm512_storeu_ps(out + 16 * i, _mm512_cvtph_ps(_mm512_castsi512_si256(w)));
        _mm512_storeu_ps(out + 16 * (i + 8), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(w, 1)));
    }
}
