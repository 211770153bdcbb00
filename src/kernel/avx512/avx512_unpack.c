/*
 * Unpackers of whole-number panels. No VNNI flags here: with them gcc 12 turns plain products of
 * unsigned and signed bytes into dot products that are wrong.
 */
#include "kernel/avx2/avx2_unpack.h"
#include "kernel/avx512/avx512.h"
#include "kernel/avx512/avx512_heads.h"
#include "kernel/avx512/avx512_transpose.h"

// ask for the lines of `bytes` at p
static inline void prefetch(const uint8_t *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
    }
}

// the scales at the head of blocks
static inline void unpack_heads(float *scale, const uint8_t *const row[16], size_t n_blocks,
                                size_t block_bytes) {
    for (size_t b = 0; b < n_blocks; b++) {
        _mm512_storeu_ps(scale + 16 * b, _mm512_cvtph_ps(rg_gather_f16(row, b * block_bytes)));
    }
}

static void unpack_q8_0(rg_panel *panel, const uint8_t *const row[16], size_t n,
                        const uint8_t *next) {
    __m512i *q = (__m512i *)(void *)panel->q;
    for (size_t b = 0; b < n / 32; b++, q += 8) {
        __m512i v[8];
        rg_transpose_32(v, row, 34 * b + 2);
        prefetch(next + 544 * b, 544);
        for (int j = 0; j < 8; j++) {
            _mm512_storeu_si512(q + j, _mm512_xor_si512(v[j], _mm512_set1_epi8((char)0x80)));
        }
    }
    unpack_heads(panel->scale, row, n / 32, 34);
}

static void unpack_q4_0(rg_panel *panel, const uint8_t *const row[16], size_t n,
                        const uint8_t *next) {
    __m512i *q = (__m512i *)(void *)panel->q;
    for (size_t b = 0; b < n / 32; b++, q += 8) {
        __m512i v[4];
        rg_transpose_16(v, row, 18 * b + 2);
        prefetch(next + 288 * b, 288);
        for (int j = 0; j < 4; j++) {
            _mm512_storeu_si512(q + j, rg_masked(v[j], 0x0F0F0F0F));
            _mm512_storeu_si512(q + j + 4, rg_masked(_mm512_srli_epi32(v[j], 4), 0x0F0F0F0F));
        }
    }
    unpack_heads(panel->scale, row, n / 32, 18);
}

static void unpack_q4_k(rg_panel *panel, const uint8_t *const row[16], size_t n,
                        const uint8_t *next) {
    __m512i *q = (__m512i *)(void *)panel->q;
    for (size_t b = 0; b < n / 256; b++) {
        rg_heads_k(panel->scale + 128 * b, panel->min + 128 * b, row, 144 * b);
        for (size_t p = 0; p < 4; p++, q += 16) {
            __m512i v[8];
            rg_transpose_32(v, row, 144 * b + 16 + 32 * p);
            prefetch(next + (4 * b + p) * 576, 576);
            for (int j = 0; j < 8; j++) {
                _mm512_storeu_si512(q + j, rg_masked(v[j], 0x0F0F0F0F));
                _mm512_storeu_si512(q + j + 8, rg_masked(_mm512_srli_epi32(v[j], 4), 0x0F0F0F0F));
            }
        }
    }
}

static void unpack_q5_k(rg_panel *panel, const uint8_t *const row[16], size_t n,
                        const uint8_t *next) {
    __m512i *q = (__m512i *)(void *)panel->q;
    for (size_t b = 0; b < n / 256; b++) {
        rg_heads_k(panel->scale + 128 * b, panel->min + 128 * b, row, 176 * b);
        __m512i high[8];
        rg_transpose_32(high, row, 176 * b + 16);
        for (size_t p = 0; p < 4; p++, q += 16) {
            __m512i v[8];
            rg_transpose_32(v, row, 176 * b + 48 + 32 * p);
            prefetch(next + (4 * b + p) * 704, 704);
            for (int j = 0; j < 8; j++) {
                // the next two fifth bits, moved to bit 4
                const __m512i a = rg_masked(_mm512_slli_epi32(high[j], 4), 0x10101010);
                const __m512i c = rg_masked(_mm512_slli_epi32(high[j], 3), 0x10101010);
                high[j] = _mm512_srli_epi32(high[j], 2);
                _mm512_storeu_si512(q + j, _mm512_or_si512(rg_masked(v[j], 0x0F0F0F0F), a));
                _mm512_storeu_si512(
                    q + j + 8,
                    _mm512_or_si512(rg_masked(_mm512_srli_epi32(v[j], 4), 0x0F0F0F0F), c));
            }
        }
    }
}

static void unpack_q6_k(rg_panel *panel, const uint8_t *const row[16], size_t n,
                        const uint8_t *next) {
    __m512i *q = (__m512i *)(void *)panel->q;
    for (size_t b = 0; b < n / 256; b++) {
        for (size_t i = 0; i < 2; i++, q += 32) {
            __m512i high[8];
            rg_transpose_32(high, row, 210 * b + 128 + 32 * i);
            for (size_t half = 0; half < 2; half++) {
                __m512i v[8];
                rg_transpose_32(v, row, 210 * b + 64 * i + 32 * half);
                for (int j = 0; j < 8; j++) {
                    prefetch(next + ((4 * b + 2 * i + half) * 8 + (size_t)j) * 105, 105);
                    // low nibbles take bits 0-1 (second half: 2-3) of high, high nibbles bits 4-5
                    // (6-7)
                    const __m512i h =
                        half == 0 ? _mm512_slli_epi32(high[j], 4) : _mm512_slli_epi32(high[j], 2);
                    const __m512i g = half == 0 ? high[j] : _mm512_srli_epi32(high[j], 2);
                    _mm512_storeu_si512(
                        q + 8 * half + j,
                        _mm512_or_si512(rg_masked(v[j], 0x0F0F0F0F), rg_masked(h, 0x30303030)));
                    _mm512_storeu_si512(
                        q + 16 + 8 * half + j,
                        _mm512_or_si512(rg_masked(_mm512_srli_epi32(v[j], 4), 0x0F0F0F0F),
                                        rg_masked(g, 0x30303030)));
                }
            }
        }
        rg_heads_q6(panel->scale + 256 * b, row, 210 * b + 192);
    }
}

// rows unpacked one by one, then laid side by side
static inline void unpack_plain(rg_panel *panel, const uint8_t *const row[16], size_t n,
                                const uint8_t *next, rg_unpack_row_fn *unpack_row, size_t group,
                                size_t n_bytes) {
    static const size_t floats = RG_CHUNK / 16;
    uint8_t q[16][RG_CHUNK];
    float scale[16][RG_CHUNK / 16] = {{0}};
    float min[16][RG_CHUNK / 16] = {{0}};
    const uint8_t *q_row[16];
    const uint8_t *scale_row[16];
    const uint8_t *min_row[16];
    for (size_t i = 0; i < 16; i++) {
        unpack_row(q[i], scale[i], min[i], row[i], n);
        prefetch(next + i * n_bytes, n_bytes);
        q_row[i] = q[i];
        scale_row[i] = (const uint8_t *)scale[i];
        min_row[i] = (const uint8_t *)min[i];
    }
    __m512i v[8];
    for (size_t b = 0; b < n / 32; b++) {
        rg_transpose_32(v, q_row, 32 * b);
        memcpy(panel->q + b * sizeof v, v, sizeof v);
    }
    for (size_t g = 0; g < n / group && g < floats; g += 8) {
        rg_transpose_32(v, scale_row, g * sizeof(float));
        memcpy(panel->scale + 16 * g, v, sizeof v);
        rg_transpose_32(v, min_row, g * sizeof(float));
        memcpy(panel->min + 16 * g, v, sizeof v);
    }
}

#define PLAIN(name, group, block, bytes)                                                           \
    static void unpack_##name(rg_panel *panel, const uint8_t *const row[16], size_t n,             \
                              const uint8_t *next) {                                               \
        unpack_plain(panel, row, n, next, rg_unpack_##name, group, n / block * bytes);             \
    }
PLAIN(q4_1, 32, 32, 20)
PLAIN(q5_0, 32, 32, 22)
PLAIN(q5_1, 32, 32, 24)
PLAIN(q2_k, 16, 256, 84)
PLAIN(q3_k, 16, 256, 110)
PLAIN(iq4_nl, 32, 32, 18)
PLAIN(iq4_xs, 32, 256, 136)
PLAIN(mxfp4, 32, 32, 17)
#undef PLAIN

const rg_int_type rg_avx512_int_types[RG_DTYPE_COUNT] = {
#define ROW(id, name, group_, offset_, min_, wide_)                                                \
    [RG_DTYPE_##id] = {.unpack = unpack_##name,                                                    \
                       .unpack_row = rg_unpack_##name,                                             \
                       .group = group_,                                                            \
                       .offset = offset_,                                                          \
                       .has_min = min_,                                                            \
                       .is_wide = wide_},
    RG_INT_TYPES(ROW)
#undef ROW
};
