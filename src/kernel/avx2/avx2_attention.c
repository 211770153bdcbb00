#include "kernel/attention.h"
#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_exp.h"
#include "kernel/avx2/avx2_tile.h"
#include "kernel/scalar/scalar.h"

#define FEW 0 // no way of its own for few queries

// eight values as f32; `left` of them exist
static inline __m256 load_eight(const uint8_t *row, size_t at, size_t left, bool is_f16) {
    float eight[8] = {0};
    uint16_t halves[8] = {0};
    if (is_f16) {
        const void *from = row + 2 * at;
        if (left < 8) {
            from = memcpy(halves, from, 2 * left);
        }
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
    }
    const void *from = row + 4 * at;
    if (left < 8) {
        from = memcpy(eight, from, 4 * left);
    }
    return _mm256_loadu_ps((const float *)from);
}

// 16 keys side by side, asking for those of the next tile
static void key_panel(float *panel, const uint8_t *const key[16], const uint8_t *const next[],
                      size_t n_next, size_t dim, bool is_f16) {
    for (size_t at = 0; at < dim; at += 8) {
        for (size_t i = 0; at % (is_f16 ? 32 : 16) == 0 && i < n_next; i++) {
            _mm_prefetch((const char *)next[i] + at * (is_f16 ? 2 : 4), _MM_HINT_T1);
        }
        for (size_t half = 0; half < 2; half++) {
            __m256i v[8];
            for (size_t i = 0; i < 8; i++) {
                v[i] = _mm256_castps_si256(load_eight(key[8 * half + i], at, dim - at, is_f16));
            }
            transpose_8(v);
            for (size_t i = 0; i < 8; i++) {
                _mm256_storeu_si256((__m256i *)(void *)(panel + (at + i) * 16 + 8 * half), v[i]);
            }
        }
    }
}

static void value_panels(const rg_attn_block *b, bool is_f16) {
    const size_t dim = b->a->v_dim;
    for (size_t j = 0; j < b->n_pos; j++) {
        for (size_t d = 0; d < dim; d += 8) {
            if (j < b->n_next && d % (is_f16 ? 32 : 16) == 0) {
                _mm_prefetch((const char *)b->v_next[j] + d * (is_f16 ? 2 : 4), _MM_HINT_T1);
            }
            _mm256_storeu_ps(b->v_panels + (d / 16 * RG_ATTN_TILE + j) * 16 + d % 16,
                             load_eight(b->v_row[j], d, dim - d, is_f16));
        }
    }
}

// scores of one query to weights, its earlier sums to the new top
static void soften(const rg_attn_block *b, size_t i, size_t lo, size_t hi) {
    float *p = b->p + i * RG_ATTN_TILE;
    float top = b->top[i];
    for (size_t j = lo; j < hi; j++) {
        top = p[j] > top ? p[j] : top;
    }
    const float base = top == -INFINITY ? 0 : top;
    const float keep = rg_exp(b->top[i] - base);
    for (size_t j = 0; j < RG_ATTN_TILE; j++) {
        p[j] = j >= lo && j < hi ? p[j] : -INFINITY;
    }
    __m256 sum = _mm256_setzero_ps();
    for (size_t j = 0; j < RG_ATTN_TILE; j += 8) {
        const __m256 e = rg_exp_8(_mm256_sub_ps(_mm256_loadu_ps(p + j), _mm256_set1_ps(base)));
        _mm256_storeu_ps(p + j, e);
        sum = _mm256_add_ps(sum, e);
    }
    float lane[8];
    _mm256_storeu_ps(lane, sum);
    b->sum[i] = b->sum[i] * keep + (((lane[0] + lane[4]) + (lane[2] + lane[6])) +
                                    ((lane[1] + lane[5]) + (lane[3] + lane[7])));
    b->top[i] = top;
    float *out = b->out + i * b->a->v_dim;
    for (size_t d = 0; d < b->a->v_dim && keep != 1.0f; d++) {
        out[d] *= keep;
    }
}

#include "kernel/attention_tile.h"

void rg_avx2_attention(const rg_attn *a, uint32_t kv_head, size_t tok, size_t tok_end,
                       void *scratch) {
    if (a->k_dim > RG_ATTN_DIM_MAX || a->v_dim > RG_ATTN_DIM_MAX) {
        rg_scalar_attention(a, kv_head, tok, tok_end, scratch);
        return;
    }
    rg_attn_run(a, kv_head, tok, tok_end, run_tile, scratch);
}
