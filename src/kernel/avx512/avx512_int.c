/*
 * Whole-number tiles by VNNI.
 * No plain loop over bytes may be written in this file: see avx512_unpack.c.
 */
#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define INLINE static inline __attribute__((always_inline))

// s += four products each of panel bytes and one token's bytes, the same four for all rows
INLINE __m512i dot_step(__m512i s, __m512i w, __m512i x) {
    return _mm512_dpbusd_epi32(s, w, x);
}

INLINE __m512i load_step(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

// sums of one group of 4 * n_steps values, from byte j on
INLINE void dot_group(__m512i s[2][RG_TILE_TOKENS], const rg_int_tile *tile, size_t j, int n_steps,
                      int n_tok) {
    const uint8_t *q0 = tile->panels[0].q + j * RG_PANEL_ROWS;
    const uint8_t *q1 = tile->panels[1].q + j * RG_PANEL_ROWS;
    const int8_t *x = tile->x + j;
    RG_UNROLL(8)
    for (int i = 0; i < n_steps; i++) {
        const __m512i w0 = _mm512_loadu_si512(q0 + 64 * i);
        const __m512i w1 = _mm512_loadu_si512(q1 + 64 * i);
        RG_UNROLL(6)
        for (int t = 0; t < n_tok; t++) {
            const __m512i v = load_step(x + (size_t)t * tile->x_stride + 4 * i);
            s[0][t] = dot_step(s[0][t], w0, v);
            s[1][t] = dot_step(s[1][t], w1, v);
        }
    }
}

INLINE void start_group(__m512i s[2][RG_TILE_TOKENS], const rg_int_tile *tile, size_t g,
                        bool has_min, int n_tok) {
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        s[0][t] = has_min ? _mm512_setzero_si512() : _mm512_set1_epi32(tile->start[t][g]);
        s[1][t] = s[0][t];
    }
}

INLINE void store(const rg_int_tile *tile, __m512 sum[2][RG_TILE_TOKENS], int n_tok) {
    const __mmask16 mask[2] = {(__mmask16)tile->row_mask, (__mmask16)(tile->row_mask >> 16)};
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        RG_UNROLL(2)
        for (int p = 0; p < 2; p++) {
            float *y = tile->y + (size_t)t * tile->ldy + 16 * p;
            __m512 v = sum[p][t];
            if (!tile->is_first) {
                v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[p], y), v);
            }
            _mm512_mask_storeu_ps(y, mask[p], v);
        }
    }
}

INLINE void multiply(const rg_int_tile *tile, int group, bool has_min, int n_tok) {
    const rg_panel *panels = tile->panels;
    const size_t x_scale_stride = tile->x_stride / 32;
    __m512 sum[2][RG_TILE_TOKENS];
    RG_UNROLL(6)
    for (int t = 0; t < n_tok; t++) {
        sum[0][t] = sum[1][t] = _mm512_setzero_ps();
    }
    for (size_t b = 0; b < tile->n / 32; b++) {
        __m512 f[2][RG_TILE_TOKENS];
        for (int half = 0; half < 32 / group; half++) {
            const size_t g = b * (32 / (size_t)group) + (size_t)half;
            __m512i s[2][RG_TILE_TOKENS];
            start_group(s, tile, g, has_min, n_tok);
            dot_group(s, tile, b * 32 + 16 * (size_t)half, group / 4, n_tok);
            RG_UNROLL(2)
            for (int p = 0; p < 2; p++) {
                const __m512 scale = _mm512_loadu_ps(panels[p].scale + 16 * g);
                RG_UNROLL(6)
                for (int t = 0; t < n_tok; t++) {
                    const __m512 v = _mm512_cvtepi32_ps(s[p][t]);
                    f[p][t] =
                        half == 0 ? _mm512_mul_ps(v, scale) : _mm512_fmadd_ps(v, scale, f[p][t]);
                }
                if (has_min) {
                    const __m512 min = _mm512_loadu_ps(panels[p].min + 16 * g);
                    RG_UNROLL(6)
                    for (int t = 0; t < n_tok; t++) {
                        sum[p][t] =
                            _mm512_fnmadd_ps(min, _mm512_set1_ps(tile->x_min[t][g]), sum[p][t]);
                    }
                }
            }
        }
        RG_UNROLL(6)
        for (int t = 0; t < n_tok; t++) {
            const __m512 x = _mm512_set1_ps(tile->x_scale[(size_t)t * x_scale_stride + b]);
            sum[0][t] = _mm512_fmadd_ps(f[0][t], x, sum[0][t]);
            sum[1][t] = _mm512_fmadd_ps(f[1][t], x, sum[1][t]);
        }
    }
    store(tile, sum, n_tok);
}

// one function for each number of tokens, by kind of type
#define TILES(name, group, has_min)                                                                \
    static void name(const rg_int_tile *tile, size_t n_tok) {                                      \
        switch (n_tok) {                                                                           \
        case 1:                                                                                    \
            multiply(tile, group, has_min, 1);                                                     \
            break;                                                                                 \
        case 2:                                                                                    \
            multiply(tile, group, has_min, 2);                                                     \
            break;                                                                                 \
        case 3:                                                                                    \
            multiply(tile, group, has_min, 3);                                                     \
            break;                                                                                 \
        case 4:                                                                                    \
            multiply(tile, group, has_min, 4);                                                     \
            break;                                                                                 \
        case 5:                                                                                    \
            multiply(tile, group, has_min, 5);                                                     \
            break;                                                                                 \
        default:                                                                                   \
            multiply(tile, group, has_min, 6);                                                     \
            break;                                                                                 \
        }                                                                                          \
    }
TILES(tile_32, 32, false)
TILES(tile_32_min, 32, true)
TILES(tile_16, 16, false)
TILES(tile_16_min, 16, true)

void rg_avx512_int_tile(const rg_int_tile *tile, const rg_int_type *type, size_t n_tok) {
    if (type->group == 32) {
        (type->has_min ? tile_32_min : tile_32)(tile, n_tok);
    } else {
        (type->has_min ? tile_16_min : tile_16)(tile, n_tok);
    }
}

// whether one token is faster row by row than by panels, as measured on Zen 4
static bool is_row_faster(rg_dtype dtype) {
    return dtype != RG_DTYPE_Q5_K;
}

#define MATMUL(id, name, gguf, block, bytes)                                                       \
    static void matmul_##id(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x, \
                            size_t row, size_t row_end, void *scratch) {                           \
        const rg_int_type *type = &rg_avx512_int_types[RG_DTYPE_##id];                             \
        if (is_row_faster(RG_DTYPE_##id) && rg_avx512_one_fits(x)) {                         \
            rg_avx512_one(RG_DTYPE_##id, y, w, w_stride, x, row, row_end, scratch);                \
            return;                                                                                \
        }                                                                                          \
        rg_int_product(type, rg_avx512_int_tile, block, bytes, y, ldy, w, w_stride, x, row,        \
                       row_end, scratch);                                                          \
    }
RG_DTYPE_LIST(MATMUL)
#undef MATMUL

static rg_matmul_fn *const functions[RG_DTYPE_COUNT] = {
#define MATMUL(id, name, gguf, block, bytes) [RG_DTYPE_##id] = matmul_##id,
    RG_DTYPE_LIST(MATMUL)
#undef MATMUL
};

void rg_avx512_set_int(rg_kernels *k) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        if (rg_avx512_int_types[i].unpack != NULL) {
            k->matmul[i] = (rg_matmul_row){
                .form = RG_ACT_Q8, .fn = functions[i], .note = "AVX-512 VNNI panels"};
        }
    }
}
