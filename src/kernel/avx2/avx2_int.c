/* Whole-number panels of AVX2: bytes times bytes to 16 bits, pairs of those to 32. */
#include "base/mem.h"
#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_transpose.h"
#include "kernel/avx2/avx2_unpack.h"

#define INLINE static inline __attribute__((always_inline))

// rows unpacked one by one, then laid side by side
INLINE void unpack(rg_panel *panel, const uint8_t *const row[16], size_t n, const uint8_t *next,
                   rg_unpack_row_fn *unpack_row, size_t group) {
    uint8_t q[16][RG_CHUNK];
    float scale[16][RG_CHUNK / 16] = {{0}};
    float min[16][RG_CHUNK / 16] = {{0}};
    const uint8_t *q_row[16];
    const uint8_t *scale_row[16];
    const uint8_t *min_row[16];
    for (size_t i = 0; i < 16; i++) {
        unpack_row(q[i], scale[i], min[i], row[i], n);
        q_row[i] = q[i];
        scale_row[i] = (const uint8_t *)scale[i];
        min_row[i] = (const uint8_t *)min[i];
    }
    // four bytes travel like one float
    transpose((float *)(void *)panel->q, q_row, n / 32, next);
    const size_t n_parts = rg_round_up(n / group, 8) / 8;
    transpose(panel->scale, scale_row, n_parts, next);
    transpose(panel->min, min_row, n_parts, next);
}

#define UNPACK(id, name, group, offset, has_min, is_wide)                                          \
    static void unpack_##name(rg_panel *panel, const uint8_t *const row[16], size_t n,             \
                              const uint8_t *next) {                                               \
        unpack(panel, row, n, next, rg_unpack_##name, group);                                      \
    }
RG_INT_TYPES(UNPACK)
#undef UNPACK

// a wide type is used as signed bytes, so it has no offset here
static const rg_int_type types[RG_DTYPE_COUNT] = {
#define ROW(id, name, group_, offset_, min_, wide_)                                                \
    [RG_DTYPE_##id] = {.unpack = unpack_##name,                                                    \
                       .group = group_,                                                            \
                       .offset = (wide_) ? 0 : (offset_),                                          \
                       .has_min = min_,                                                            \
                       .is_wide = wide_},
    RG_INT_TYPES(ROW)
#undef ROW
};

INLINE __m256i load_step(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

// s += products of 4 * n_steps values from byte j on
INLINE void dot_group(__m256i s[RG_TILE_TOKENS], const rg_int_tile *tile, const uint8_t *q,
                      size_t j, int n_steps, bool is_wide, int n_tok) {
    const __m256i ones = _mm256_set1_epi16(1);
    const int8_t *x = tile->x + j;
    q += j * RG_PANEL_ROWS;
    for (int i = 0; i < n_steps; i += 2) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(q + 64 * i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(q + 64 * i + 64));
        __m256i sign_a = a;
        __m256i sign_b = b;
        if (is_wide) {
            sign_a = _mm256_xor_si256(a, _mm256_set1_epi8((char)0x80));
            sign_b = _mm256_xor_si256(b, _mm256_set1_epi8((char)0x80));
            a = _mm256_abs_epi8(sign_a);
            b = _mm256_abs_epi8(sign_b);
        }
        RG_UNROLL(6)
        for (int t = 0; t < n_tok; t++) {
            const int8_t *at = x + (size_t)t * tile->x_stride + 4 * i;
            __m256i u = load_step(at);
            __m256i v = load_step(at + 4);
            if (is_wide) {
                // 2 * 128 * 127 fits in 16 bits, twice that does not
                u = _mm256_maddubs_epi16(a, _mm256_sign_epi8(u, sign_a));
                v = _mm256_maddubs_epi16(b, _mm256_sign_epi8(v, sign_b));
                u = _mm256_add_epi32(_mm256_madd_epi16(u, ones), _mm256_madd_epi16(v, ones));
            } else {
                // 4 * 63 * 127 fits in 16 bits
                u = _mm256_add_epi16(_mm256_maddubs_epi16(a, u), _mm256_maddubs_epi16(b, v));
                u = _mm256_madd_epi16(u, ones);
            }
            s[t] = _mm256_add_epi32(s[t], u);
        }
    }
}

// eight rows of panel p
INLINE void multiply_half(const rg_int_tile *tile, size_t p, size_t half, int group, bool has_min,
                          bool is_wide, int n_tok) {
    const rg_panel *panel = &tile->panels[p];
    const uint8_t *q = panel->q + 32 * half;
    const size_t x_scale_stride = tile->x_stride / 32;
    __m256 sum[RG_TILE_TOKENS];
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        sum[t] = _mm256_setzero_ps();
    }
    for (size_t b = 0; b < tile->n / 32; b++) {
        __m256 f[RG_TILE_TOKENS];
        for (int part = 0; part < 32 / group; part++) {
            const size_t g = b * (32 / (size_t)group) + (size_t)part;
            __m256i s[RG_TILE_TOKENS];
            RG_UNROLL(6)
            for (int t = 0; t < n_tok; t++) {
                s[t] = _mm256_set1_epi32(tile->start[t][g]);
            }
            dot_group(s, tile, q, b * 32 + 16 * (size_t)part, group / 4, is_wide, n_tok);
            const __m256 scale = _mm256_loadu_ps(panel->scale + 16 * g + 8 * half);
            const __m256 min = _mm256_loadu_ps(panel->min + 16 * g + 8 * half);
            RG_UNROLL(6)
            for (int t = 0; t < n_tok; t++) {
                const __m256 v = _mm256_cvtepi32_ps(s[t]);
                f[t] = part == 0 ? _mm256_mul_ps(v, scale) : _mm256_fmadd_ps(v, scale, f[t]);
                if (has_min) {
                    sum[t] = _mm256_fnmadd_ps(min, _mm256_set1_ps(tile->x_min[t][g]), sum[t]);
                }
            }
        }
        RG_UNROLL(6)
        for (int t = 0; t < n_tok; t++) {
            const float x = tile->x_scale[(size_t)t * x_scale_stride + b];
            sum[t] = _mm256_fmadd_ps(f[t], _mm256_set1_ps(x), sum[t]);
        }
    }
    const size_t row = 16 * p + 8 * half;
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        store_lanes(tile->y + (size_t)t * tile->ldy + row, sum[t], tile->row_mask >> row & 0xFF,
                    tile->is_first);
    }
}

// few tokens are done in a tile of their own number, one function for each kind of type
#define TILES(name, group, has_min, is_wide)                                                       \
    static void name(const rg_int_tile *tile, size_t p, size_t half, size_t n_tok) {               \
        switch (n_tok) {                                                                           \
        case 1:                                                                                    \
            multiply_half(tile, p, half, group, has_min, is_wide, 1);                              \
            break;                                                                                 \
        case 2:                                                                                    \
            multiply_half(tile, p, half, group, has_min, is_wide, 2);                              \
            break;                                                                                 \
        case 3:                                                                                    \
            multiply_half(tile, p, half, group, has_min, is_wide, 3);                              \
            break;                                                                                 \
        case 4:                                                                                    \
            multiply_half(tile, p, half, group, has_min, is_wide, 4);                              \
            break;                                                                                 \
        case 5:                                                                                    \
            multiply_half(tile, p, half, group, has_min, is_wide, 5);                              \
            break;                                                                                 \
        default:                                                                                   \
            multiply_half(tile, p, half, group, has_min, is_wide, 6);                              \
            break;                                                                                 \
        }                                                                                          \
    }
TILES(tile_32, 32, false, false)
TILES(tile_32_wide, 32, false, true)
TILES(tile_32_min, 32, true, false)
TILES(tile_16, 16, false, false)
TILES(tile_16_min, 16, true, false)

static void multiply_int(const rg_int_tile *tile, const rg_int_type *type, size_t n_tok) {
    for (size_t i = 0; i < 4; i++) {
        if ((tile->row_mask >> 8 * i & 0xFF) == 0) {
            continue;
        }
        if (type->group == 16) {
            (type->has_min ? tile_16_min : tile_16)(tile, i / 2, i % 2, n_tok);
        } else if (type->has_min) {
            tile_32_min(tile, i / 2, i % 2, n_tok);
        } else {
            (type->is_wide ? tile_32_wide : tile_32)(tile, i / 2, i % 2, n_tok);
        }
    }
}

#define MATMUL(id, name, gguf, block, bytes)                                                       \
    static void matmul_##id(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x, \
                            size_t row, size_t row_end, void *scratch) {                           \
        rg_int_product(&types[RG_DTYPE_##id], multiply_int, block, bytes, y, ldy, w, w_stride, x,  \
                       row, row_end, scratch);                                                     \
    }
RG_DTYPE_LIST(MATMUL)
#undef MATMUL

static rg_matmul_fn *const functions[RG_DTYPE_COUNT] = {
#define MATMUL(id, name, gguf, block, bytes) [RG_DTYPE_##id] = matmul_##id,
    RG_DTYPE_LIST(MATMUL)
#undef MATMUL
};

void rg_avx2_set_int(rg_kernels *k) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        if (types[i].unpack != NULL) {
            k->matmul[i] =
                (rg_matmul_row){.form = RG_ACT_Q8, .fn = functions[i], .note = "AVX2 panels"};
        }
    }
}
