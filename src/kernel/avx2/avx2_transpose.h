/* Transposition and masked stores of AVX2. */
#pragma once

#include "kernel/x86.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// v[j] = double word j of 8 rows, from row i in v[i]
static inline void transpose_8(__m256i v[8]) {
    __m256i t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    __m256i u[8]; // halves: words j and j + 4 of rows 0..3 (u[0..3]) and 4..7 (u[4..7])
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int j = 0; j < 4; j++) {
        v[j] = _mm256_permute2x128_si256(u[j], u[j + 4], 0x20);
        v[j + 4] = _mm256_permute2x128_si256(u[j], u[j + 4], 0x31);
    }
}

// n times 32 bytes of 16 rows side by side, asking for as many bytes at next
static inline void transpose(float *panel, const uint8_t *const row[16], size_t n,
                             const uint8_t *next) {
    for (size_t i = 0; i < n; i++) {
        for (size_t half = 0; half < 2; half++) {
            __m256i v[8];
            for (size_t j = 0; j < 8; j++) {
                v[j] =
                    _mm256_loadu_si256((const __m256i *)(const void *)(row[8 * half + j] + 32 * i));
            }
            transpose_8(v);
            for (size_t j = 0; j < 8; j++) {
                _mm256_storeu_si256((__m256i *)(void *)(panel + (8 * i + j) * 16 + 8 * half), v[j]);
            }
            for (size_t j = 0; j < 4; j++) {
                _mm_prefetch((const char *)next + 512 * i + 256 * half + 64 * j, _MM_HINT_T1);
            }
        }
    }
}

// all ones in the lanes whose bits are set
static inline __m256i lane_mask(uint32_t bits) {
    const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lanes), lanes);
}

// y = v or y += v, in the lanes whose bits are set
static inline void store_lanes(float *y, __m256 v, uint32_t bits, bool is_first) {
    const __m256i mask = lane_mask(bits);
    if (!is_first) {
        v = _mm256_add_ps(_mm256_maskload_ps(y, mask), v);
    }
    _mm256_maskstore_ps(y, mask, v);
}
