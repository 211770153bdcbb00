#include "kernel/attention.h"
#include "kernel/avx512/avx512.h"
#include "kernel/avx512/avx512_exp.h"
#include "kernel/scalar/scalar.h"

#define STEP(sum, w, x) _mm512_fmadd_ps(w, x, sum)
#include "kernel/avx512/avx512_tile.h"

#define FEW 4 // queries that take values straight from the cache

// 32 bytes of 16 keys side by side
static inline void transpose_part(float *panel, const uint8_t *const row[16], size_t at,
                                  bool is_f16) {
    if (is_f16) {
        rg_transpose_f16(panel, row, at);
    } else {
        __m512i v[8];
        rg_transpose_32(v, row, at);
        memcpy(panel, v, sizeof v);
    }
}

// 16 keys side by side, asking for those of the next tile
static void key_panel(float *panel, const uint8_t *const key[16], const uint8_t *const next[],
                      size_t n_next, size_t dim, bool is_f16) {
    const size_t size = is_f16 ? 2 : 4;
    const size_t whole = dim * size / 32 * 32;
    for (size_t at = 0; at < whole; at += 32) {
        transpose_part(panel + at / size * 16, key, at, is_f16);
        for (size_t i = 0; at % 64 == 0 && i < n_next; i++) {
            _mm_prefetch((const char *)next[i] + at, _MM_HINT_T1);
        }
    }
    if (whole < dim * size) {
        // the rest through a copy with zeros
        uint8_t tail[16][32] = {{0}};
        const uint8_t *row[16];
        for (size_t i = 0; i < 16; i++) {
            row[i] = memcpy(tail[i], key[i] + whole, dim * size - whole);
        }
        transpose_part(panel + whole / size * 16, row, 0, is_f16);
    }
}

static inline __m512 load_value(const uint8_t *row, size_t at, __mmask16 mask, bool is_f16) {
    return is_f16 ? _mm512_cvtph_ps(
                        _mm256_maskz_loadu_epi16(mask, (const uint16_t *)(const void *)row + at))
                  : _mm512_maskz_loadu_ps(mask, (const float *)(const void *)row + at);
}

static inline __mmask16 rest_mask(size_t left) {
    return left < 16 ? (__mmask16)((1u << left) - 1) : 0xFFFF;
}

static void value_panels(const rg_attn_block *b, bool is_f16) {
    for (size_t d = 0; d < b->a->v_dim; d += 16) {
        const __mmask16 mask = rest_mask(b->a->v_dim - d);
        for (size_t j = 0; j < b->n_pos; j++) {
            if (j < b->n_next && d % (is_f16 ? 32 : 16) == 0) {
                _mm_prefetch((const char *)b->v_next[j] + d * (is_f16 ? 2 : 4), _MM_HINT_T1);
            }
            _mm512_storeu_ps(b->v_panels + (d / 16 * RG_ATTN_TILE + j) * 16,
                             load_value(b->v_row[j], d, mask, is_f16));
        }
    }
}

// scores of one query to weights, its earlier sums to the new top
static void soften(const rg_attn_block *b, size_t i, size_t lo, size_t hi) {
    float *p = b->p + i * RG_ATTN_TILE;
    const uint64_t visible = (hi == 64 ? ~0ull : (1ull << hi) - 1) & ~((1ull << lo) - 1);
    const __m512 lowest = _mm512_set1_ps(-INFINITY);
    __m512 s[4];
    __m512 most = lowest;
    for (int j = 0; j < 4; j++) {
        s[j] = _mm512_mask_loadu_ps(lowest, (__mmask16)(visible >> 16 * j), p + 16 * j);
        most = _mm512_max_ps(s[j], most);
    }
    float top = _mm512_reduce_max_ps(most);
    top = top > b->top[i] ? top : b->top[i];
    const float base = top == -INFINITY ? 0 : top;
    const float keep = rg_exp(b->top[i] - base);
    __m512 sum = _mm512_setzero_ps();
    for (int j = 0; j < 4; j++) {
        const __m512 e = _mm512_maskz_mov_ps((__mmask16)(visible >> 16 * j),
                                             rg_exp_16(_mm512_sub_ps(s[j], _mm512_set1_ps(base))));
        sum = _mm512_add_ps(sum, e);
        _mm512_storeu_ps(p + 16 * j, e);
    }
    b->sum[i] = b->sum[i] * keep + _mm512_reduce_add_ps(sum);
    b->top[i] = top;
    if (keep != 1.0f) {
        float *out = b->out + i * b->a->v_dim;
        for (size_t d = 0; d < b->a->v_dim; d += 16) {
            const __mmask16 mask = rest_mask(b->a->v_dim - d);
            const __m512 v = _mm512_maskz_loadu_ps(mask, out + d);
            _mm512_mask_storeu_ps(out + d, mask, _mm512_mul_ps(v, _mm512_set1_ps(keep)));
        }
    }
}

// the same for few queries, straight from the cache: the same sums in the same order
static inline __attribute__((always_inline)) void
add_values_of(const rg_attn_block *b, size_t query, int n, size_t lo, size_t hi, bool is_f16) {
    const size_t dim = b->a->v_dim;
    for (size_t d = 0; d < dim; d += 64) {
        __mmask16 mask[4];
        __m512 sum[FEW][4];
        RG_UNROLL(4)
        for (int v = 0; v < 4; v++) {
            const size_t at = d + 16 * (size_t)v;
            mask[v] = at < dim ? rest_mask(dim - at) : 0;
            RG_UNROLL(4)
            for (int i = 0; i < n; i++) {
                sum[i][v] = _mm512_setzero_ps();
            }
        }
        for (size_t j = lo; j < hi; j++) {
            if (j < b->n_next) {
                _mm_prefetch((const char *)b->v_next[j] + d * (is_f16 ? 2 : 4), _MM_HINT_T1);
                _mm_prefetch((const char *)b->v_next[j] + d * (is_f16 ? 2 : 4) + 64, _MM_HINT_T1);
            }
            __m512 value[4];
            RG_UNROLL(4)
            for (int v = 0; v < 4; v++) {
                value[v] = load_value(b->v_row[j], d + 16 * (size_t)v, mask[v], is_f16);
            }
            RG_UNROLL(4)
            for (int i = 0; i < n; i++) {
                const __m512 w = _mm512_set1_ps(b->p[(query + (size_t)i) * RG_ATTN_TILE + j]);
                RG_UNROLL(4)
                for (int v = 0; v < 4; v++) {
                    sum[i][v] = _mm512_fmadd_ps(value[v], w, sum[i][v]);
                }
            }
        }
        RG_UNROLL(4)
        for (int i = 0; i < n; i++) {
            float *out = b->out + (query + (size_t)i) * dim + d;
            RG_UNROLL(4)
            for (int v = 0; v < 4; v++) {
                const __m512 old = _mm512_maskz_loadu_ps(mask[v], out + 16 * v);
                _mm512_mask_storeu_ps(out + 16 * v, mask[v], _mm512_add_ps(old, sum[i][v]));
            }
        }
    }
}

static void add_values_few(const rg_attn_block *b, size_t i, size_t n, size_t lo, size_t hi) {
    const bool is_f16 = b->a->kv_dtype == RG_DTYPE_F16;
    switch (n) {
#define CASE(count)                                                                                \
    case count:                                                                                    \
        if (is_f16) {                                                                              \
            add_values_of(b, i, count, lo, hi, true);                                              \
        } else {                                                                                   \
            add_values_of(b, i, count, lo, hi, false);                                             \
        }                                                                                          \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#undef CASE
    default:
        break;
    }
}

#include "kernel/attention_tile.h"

void rg_avx512_attention(const rg_attn *a, uint32_t kv_head, size_t tok, size_t tok_end,
                         void *scratch) {
    if (a->k_dim > RG_ATTN_DIM_MAX || a->v_dim > RG_ATTN_DIM_MAX) {
        rg_scalar_attention(a, kv_head, tok, tok_end, scratch);
        return;
    }
    rg_attn_run(a, kv_head, tok, tok_end, run_tile, scratch);
}
