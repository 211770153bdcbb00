/*
 * Products of one token: every row is read once from its first byte to its last, the order in
 * which memory is fastest. First the whole-number sums of each group of a row, then the f32 steps
 * of 16 rows side by side, in the order of the tile of avx512_int.c: the same bits. No plain loop
 * over bytes may be written in this file: see avx512_unpack.c.
 */
#include "base/mem.h"
#include "kernel/avx512/avx512.h"
#include "kernel/avx512/avx512_heads.h"
#include "kernel/avx512/avx512_transpose.h"

#define INLINE static inline __attribute__((always_inline))

// how a row is read: through bytes, or straight from the file
typedef enum row_way { WAY_BYTES, WAY_Q4_0, WAY_Q5_0, WAY_Q8_0, WAY_Q4_K, WAY_Q6_K } row_way;

// Bytes from what is read to what is asked for. The processor looks ahead no further than a page.
#define AHEAD 8192

// sums, scales and minimums of 16 rows, by group
typedef struct sheet {
    size_t stride; // groups of a row, rounded up
    float *scale;  // [16][stride]
    float *min;    // [16][stride]
    int32_t *sum;  // [16][stride]
} sheet;

// z[i] = dot products in fours of bytes [64 i, 64 i + 64): to sums of 32, or of 16, of all eight in
// order
INLINE void store_sums(int32_t *sum, const __m512i z[8], int group) {
    __m512i t[4];
    __m512i u[2]; // quarter j: sums of quarter j of four vectors
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(z[2 * i], z[2 * i + 1]),
                                _mm512_unpackhi_epi32(z[2 * i], z[2 * i + 1]));
    }
    for (int i = 0; i < 2; i++) {
        u[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]),
                                _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
    }
    if (group == 16) {
        const __m512i order =
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_storeu_si512(sum, _mm512_permutexvar_epi32(order, u[0]));
        _mm512_storeu_si512(sum + 16, _mm512_permutexvar_epi32(order, u[1]));
        return;
    }
    const __m512i v = _mm512_add_epi32(_mm512_shuffle_i32x4(u[0], u[1], 0x88),
                                       _mm512_shuffle_i32x4(u[0], u[1], 0xDD));
    const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    _mm512_storeu_si512(sum, _mm512_permutexvar_epi32(order, v));
}

// 64 bytes of a token, fewer at the end of a chunk
INLINE __m512i load_x(const int8_t *x, size_t at, size_t n, bool is_whole) {
    if (is_whole) {
        return _mm512_loadu_si512(x + at);
    }
    const __mmask64 mask = at >= n ? 0 : n - at >= 64 ? ~0ull : (1ull << (n - at)) - 1;
    return _mm512_maskz_loadu_epi8(mask, x + at);
}

// a chunk of unpacked bytes; those behind n may be anything
INLINE void dot_bytes(int32_t *sum, const uint8_t *q, const int8_t *x, size_t n, bool is_whole,
                      int group) {
    __m512i z[8];
    RG_UNROLL(8)
    for (size_t i = 0; i < 8; i++) {
        z[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(q + 64 * i),
                                   load_x(x, 64 * i, n, is_whole));
    }
    store_sums(sum, z, group);
}

// two neighbouring blocks of Q8_0 as unsigned bytes
INLINE __m512i load_q8_0(const uint8_t *p) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(p + 2));
    const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 36));
    return _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1),
                            _mm512_set1_epi8((char)0x80));
}

// the nibbles of two neighbouring blocks, 16 bytes each
INLINE __m512i load_nibbles(const uint8_t *a, const uint8_t *b) {
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(x)),
                                            _mm256_broadcastsi128_si256(y), 1);
    const __m512i shift = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    return rg_masked(_mm512_srlv_epi64(both, shift), 0x0F0F0F0F);
}

// two neighbouring blocks of Q5_0: the fifth bits of all values are one mask
INLINE __m512i load_q5_0(const uint8_t *p) {
    const __m512i v = load_nibbles(p + 6, p + 28);
    uint32_t fifth[2];
    memcpy(&fifth[0], p + 2, 4);
    memcpy(&fifth[1], p + 24, 4);
    return _mm512_mask_add_epi8(v, fifth[0] | (uint64_t)fifth[1] << 32, v, _mm512_set1_epi8(16));
}

INLINE size_t block_bytes_of(row_way way) {
    return way == WAY_Q8_0 ? 34 : way == WAY_Q5_0 ? 22 : 18;
}

// pairs of blocks of Q8_0, Q5_0 or Q4_0 straight from the file: n values, a multiple of 64
INLINE void dot_pairs(int32_t *sum, row_way way, const uint8_t *p, const int8_t *x, size_t n) {
    __m512i z[8];
    RG_UNROLL(8)
    for (size_t i = 0; i < 8; i++) {
        z[i] = _mm512_setzero_si512();
        if (64 * i < n) {
            const uint8_t *at = p + 2 * i * block_bytes_of(way);
            const __m512i q = way == WAY_Q8_0   ? load_q8_0(at)
                              : way == WAY_Q5_0 ? load_q5_0(at)
                                                : load_nibbles(at + 2, at + 20);
            z[i] = _mm512_dpbusd_epi32(z[i], q, _mm512_loadu_si512(x + 64 * i));
        }
    }
    store_sums(sum, z, 32);
}

// words [at, at + 32) of n
INLINE __m512i load_words(const uint8_t *p, size_t at, size_t n) {
    const __mmask32 mask = at >= n ? 0 : n - at >= 32 ? ~0u : (1u << (n - at)) - 1;
    return _mm512_maskz_loadu_epi16(mask, p + 2 * at);
}

// the scales at the head of n blocks, at most 16: as many at a time as begin within 64 words
INLINE void heads_f16(float *scale, row_way way, const uint8_t *p, size_t n) {
    static const int16_t where[][16] = {
        [WAY_Q4_0] = {0, 9, 18, 27, 36, 45, 54, 63, 0, 9, 18, 27, 36, 45, 54, 63},
        [WAY_Q5_0] = {0, 11, 22, 33, 44, 55, 0, 11, 22, 33, 44, 55, 0, 11, 22, 33},
        [WAY_Q8_0] = {0, 17, 34, 51, 0, 17, 34, 51, 0, 17, 34, 51, 0, 17, 34, 51}};
    const size_t words = block_bytes_of(way) / 2;
    const size_t share = 63 / words + 1;
    const __m512i order =
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)where[way]));
    __m512i v = _mm512_setzero_si512();
    RG_UNROLL(4)
    for (size_t i = 0; i < 16; i += share) {
        const __m512i low = load_words(p, i * words, n * words);
        const __m512i high = load_words(p, i * words + 32, n * words);
        const __mmask32 lanes = (((1u << share) - 1) << i) & 0xFFFF;
        v = _mm512_or_si512(v, _mm512_maskz_permutex2var_epi16(lanes, low, order, high));
    }
    _mm512_storeu_ps(scale, _mm512_cvtph_ps(_mm512_castsi512_si256(v)));
}

// super-blocks of a chunk of Q4_K, straight from the file
INLINE void dot_q4_k(int32_t *sum, const uint8_t *p, const int8_t *x, size_t n_blocks) {
    const __m512i shift = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
    __m512i z[8];
    RG_UNROLL(8)
    for (size_t i = 0; i < 8; i++) {
        z[i] = _mm512_setzero_si512();
        if (i / 4 < n_blocks) {
            const uint8_t *at = p + 144 * (i / 4) + 16 + 32 * (i % 4);
            const __m512i v =
                _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)at));
            z[i] = _mm512_dpbusd_epi32(z[i], rg_masked(_mm512_srlv_epi64(v, shift), 0x0F0F0F0F),
                                       _mm512_loadu_si512(x + 64 * i));
        }
    }
    store_sums(sum, z, 32);
}

// super-blocks of a chunk of Q6_K, straight from the file
INLINE void dot_q6_k(int32_t *sum, const uint8_t *p, const int8_t *x, size_t n_blocks) {
    const __m512i left = _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2);
    const __m512i right = _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2);
    __m512i z[8];
    RG_UNROLL(4)
    for (size_t i = 0; i < 4; i++) {
        z[2 * i] = z[2 * i + 1] = _mm512_setzero_si512();
        if (i / 2 < n_blocks) {
            const uint8_t *at = p + 210 * (i / 2);
            const __m512i low = _mm512_loadu_si512(at + 64 * (i % 2));
            const __m512i high = _mm512_broadcast_i64x4(
                _mm256_loadu_si256((const __m256i *)(const void *)(at + 128 + 32 * (i % 2))));
            const __m512i a = _mm512_or_si512(rg_masked(low, 0x0F0F0F0F),
                                              rg_masked(_mm512_sllv_epi64(high, left), 0x30303030));
            const __m512i b =
                _mm512_or_si512(rg_masked(_mm512_srli_epi32(low, 4), 0x0F0F0F0F),
                                rg_masked(_mm512_srlv_epi64(high, right), 0x30303030));
            z[2 * i] = _mm512_dpbusd_epi32(z[2 * i], a, _mm512_loadu_si512(x + 128 * i));
            z[2 * i + 1] =
                _mm512_dpbusd_epi32(z[2 * i + 1], b, _mm512_loadu_si512(x + 128 * i + 64));
        }
    }
    store_sums(sum, z, 16);
}

// one row: scales, minimums and sums of all its groups
INLINE void sum_row(const sheet *s, size_t i, const rg_int_type *type, row_way way, int group,
                    size_t chunk_bytes, const uint8_t *row, const rg_act *x) {
    uint8_t q[RG_CHUNK] __attribute__((aligned(64)));
    for (size_t k = 0; k < x->k; k += RG_CHUNK, row += chunk_bytes) {
        const size_t n = x->k - k < RG_CHUNK ? x->k - k : RG_CHUNK;
        const size_t at = i * s->stride + k / (size_t)group;
        const int8_t *data = (const int8_t *)x->data + k;
        for (size_t b = 0; b < chunk_bytes; b += 64) {
            _mm_prefetch((const char *)row + AHEAD + b, _MM_HINT_T1);
        }
        if (way == WAY_Q4_K || way == WAY_Q6_K) {
            // the scales follow, 16 rows at once
            if (n == RG_CHUNK) {
                way == WAY_Q4_K ? dot_q4_k(s->sum + at, row, data, 2)
                                : dot_q6_k(s->sum + at, row, data, 2);
            } else {
                way == WAY_Q4_K ? dot_q4_k(s->sum + at, row, data, 1)
                                : dot_q6_k(s->sum + at, row, data, 1);
            }
            continue;
        }
        if (way != WAY_BYTES && n % 64 == 0) {
            if (n == RG_CHUNK) {
                dot_pairs(s->sum + at, way, row, data, RG_CHUNK);
                heads_f16(s->scale + at, way, row, 16);
            } else {
                dot_pairs(s->sum + at, way, row, data, n);
                heads_f16(s->scale + at, way, row, n / 32);
            }
            continue;
        }
        type->unpack_row(q, s->scale + at, s->min + at, row, n);
        if (n == RG_CHUNK) {
            dot_bytes(s->sum + at, q, data, n, true, group);
        } else {
            dot_bytes(s->sum + at, q, data, n, false, group);
        }
    }
}

// groups [g, g + 8) of 16 rows side by side
INLINE void side_by_side(__m512i out[8], const void *rows, size_t stride, size_t g) {
    const uint8_t *row[16];
    for (size_t i = 0; i < 16; i++) {
        row[i] = (const uint8_t *)rows + (i * stride + g) * 4;
    }
    rg_transpose_32(out, row, 0);
}

// the f32 steps of one chunk of 16 rows; row: where the chunk starts in each
INLINE __m512 add_groups(const sheet *s, const rg_int_type *type, row_way way, int group,
                         const rg_act *x, size_t k, size_t n, const uint8_t *const row[16]) {
    float head_scale[RG_CHUNK] __attribute__((aligned(64))); // [groups][16]
    float head_min[RG_CHUNK] __attribute__((aligned(64)));
    for (size_t b = 0; b < n / 256; b++) {
        if (way == WAY_Q4_K) {
            rg_heads_k(head_scale + 128 * b, head_min + 128 * b, row, 144 * b);
        } else if (way == WAY_Q6_K) {
            rg_heads_q6(head_scale + 256 * b, row, 210 * b + 192);
        }
    }
    const size_t first = k / (size_t)group;
    const size_t n_groups = n / (size_t)group;
    const int32_t *x_sum = x->sum + k / 16;
    const float *x_scale = x->scale + k / 32;
    __m512 total = _mm512_setzero_ps();
    __m512 f = _mm512_setzero_ps();
    for (size_t g = 0; g < n_groups; g += 8) {
        __m512i sum[8];
        __m512i scale[8];
        __m512i min[8] = {_mm512_setzero_si512()};
        side_by_side(sum, s->sum, s->stride, first + g);
        if (way == WAY_Q4_K || way == WAY_Q6_K) {
            memcpy(scale, head_scale + 16 * g, sizeof scale);
            if (way == WAY_Q4_K) {
                memcpy(min, head_min + 16 * g, sizeof min);
            }
        } else {
            side_by_side(scale, s->scale, s->stride, first + g);
            if (type->has_min) {
                side_by_side(min, s->min, s->stride, first + g);
            }
        }
        for (size_t j = 0; j < 8 && g + j < n_groups; j++) {
            const size_t b = (g + j) * (size_t)group / 32;
            const int32_t all =
                group == 16 ? x_sum[g + j] : x_sum[2 * (g + j)] + x_sum[2 * (g + j) + 1];
            __m512i v = sum[j];
            if (type->has_min) {
                const __m512 part = _mm512_set1_ps(x_scale[b] * (float)all);
                total = _mm512_fnmadd_ps(_mm512_castsi512_ps(min[j]), part, total);
            } else {
                v = _mm512_add_epi32(v, _mm512_set1_epi32(-(int32_t)type->offset * all));
            }
            const __m512 w = _mm512_castsi512_ps(scale[j]);
            f = group == 16 && j % 2 == 1 ? _mm512_fmadd_ps(_mm512_cvtepi32_ps(v), w, f)
                                          : _mm512_mul_ps(_mm512_cvtepi32_ps(v), w);
            if (group == 32 || j % 2 == 1) {
                total = _mm512_fmadd_ps(f, _mm512_set1_ps(x_scale[b]), total);
            }
        }
    }
    return total;
}

INLINE void product(const rg_int_type *type, row_way way, int group, size_t chunk_bytes, float *y,
                    const uint8_t *w, size_t w_stride, const rg_act *x, size_t row, size_t row_end,
                    void *scratch) {
    sheet s = {.stride = rg_round_up(x->k / 16, 32)};
    s.scale = scratch;
    s.min = s.scale + 16 * s.stride;
    s.sum = (int32_t *)(void *)(s.min + 16 * s.stride);
    for (size_t r = row; r < row_end; r += 16) {
        const size_t n_rows = row_end - r < 16 ? row_end - r : 16;
        const __mmask16 mask = (__mmask16)((1u << n_rows) - 1);
        for (size_t i = 0; i < n_rows; i++) {
            sum_row(&s, i, type, way, group, chunk_bytes, w + (r + i) * w_stride, x);
        }
        const uint8_t *rows[16];
        for (size_t i = 0; i < 16; i++) {
            rows[i] = w + (r + (i < n_rows ? i : n_rows - 1)) * w_stride;
        }
        __m512 total = _mm512_setzero_ps();
        for (size_t k = 0; k < x->k; k += RG_CHUNK) {
            const size_t n = x->k - k < RG_CHUNK ? x->k - k : RG_CHUNK;
            const __m512 part = add_groups(&s, type, way, group, x, k, n, rows);
            total = k == 0 ? part : _mm512_add_ps(total, part);
            for (size_t i = 0; i < 16; i++) {
                rows[i] += n == RG_CHUNK ? chunk_bytes : 0;
            }
        }
        _mm512_mask_storeu_ps(y + r, mask, total);
    }
}

bool rg_avx512_one_fits(const rg_act *x) {
    const size_t row_bytes = rg_round_up(x->k / 16, 32) * sizeof(float);
    return x->n_tok == 1 && row_bytes * 16 * 3 <= RG_SCRATCH_BYTES;
}

void rg_avx512_one(rg_dtype dtype, float *y, const void *w, size_t w_stride, const rg_act *x,
                   size_t row, size_t row_end, void *scratch) {
    const rg_int_type *type = &rg_avx512_int_types[dtype];
    const rg_dtype_info *info = rg_dtype_get(dtype);
    const size_t chunk_bytes = RG_CHUNK / info->block * info->block_bytes;
    if (dtype == RG_DTYPE_Q4_0) {
        product(type, WAY_Q4_0, 32, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else if (dtype == RG_DTYPE_Q5_0) {
        product(type, WAY_Q5_0, 32, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else if (dtype == RG_DTYPE_Q8_0) {
        product(type, WAY_Q8_0, 32, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else if (dtype == RG_DTYPE_Q4_K) {
        product(type, WAY_Q4_K, 32, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else if (dtype == RG_DTYPE_Q6_K) {
        product(type, WAY_Q6_K, 16, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else if (type->group == 32) {
        product(type, WAY_BYTES, 32, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    } else {
        product(type, WAY_BYTES, 16, chunk_bytes, y, w, w_stride, x, row, row_end, scratch);
    }
}
