#include "kernel/avx512/avx512.h"
#include "kernel/avx512/avx512_exp.h"
#include "kernel/delta_run.h"
#include "kernel/rows.h"
#include "kernel/rows_train.h"

static void f32_to_f16(uint16_t *dst, const float *src, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xFFFF;
        const __m512 v = _mm512_maskz_loadu_ps(mask, src + i);
        _mm256_mask_storeu_epi16(dst + i, mask, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
}

// as quantize() of rows.h
static float quantize_block(int8_t *q, int32_t sum[2], const float *x) {
    const __m512 a = _mm512_loadu_ps(x);
    const __m512 b = _mm512_loadu_ps(x + 16);
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    const uint32_t top_bits = _mm512_reduce_max_epu32(
        _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                         _mm512_and_si512(_mm512_castps_si512(b), magnitude)));
    const float top = rg_f32_of_bits(top_bits);
    if (top_bits >= 0x7F800000) {
        memset(q, 0, 32);
        sum[0] = sum[1] = 0;
        return NAN;
    }
    const __m512 inverse = _mm512_set1_ps(top >= RG_ACT_TINY ? 127.0f / top : 0);
    const __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
    const __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
    _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(void *)(q + 16), _mm512_cvtepi32_epi8(qb));
    sum[0] = _mm512_reduce_add_epi32(qa);
    sum[1] = _mm512_reduce_add_epi32(qb);
    return top / 127.0f;
}

static void fill_q8_blocks(rg_act *act, const float *x, size_t ldx, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        for (size_t i = 0; i < act->k; i += 32) {
            const size_t at = t * act->k + i;
            act->scale[at / 32] =
                quantize_block((int8_t *)act->data + at, act->sum + at / 16, x + t * ldx + i);
        }
    }
}

// as rg_bf16_of_f32
static void fill_bf16_rows(rg_act *act, const float *x, size_t ldx, size_t from, size_t to) {
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    for (size_t t = from; t < to; t++) {
        uint16_t *data = (uint16_t *)act->data + t * act->k;
        for (size_t i = 0; i < act->k; i += 16) {
            const __mmask16 mask = act->k - i < 16 ? (__mmask16)((1u << (act->k - i)) - 1) : 0xFFFF;
            const __m512i bits = _mm512_maskz_loadu_epi32(mask, x + t * ldx + i);
            const __mmask16 is_nan = _mm512_cmpgt_epu32_mask(_mm512_and_si512(bits, magnitude),
                                                             _mm512_set1_epi32(0x7F800000));
            const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
            const __m512i sum =
                _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF));
            const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
            const __m512i h = _mm512_srli_epi32(_mm512_mask_mov_epi32(sum, is_nan, quiet), 16);
            _mm512_mask_cvtepi32_storeu_epi16(data + i, mask, h);
        }
    }
}

static void swiglu_16(float *y, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xFFFF;
        const __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
        const __m512 u = _mm512_maskz_loadu_ps(mask, up + i);
        const __m512 e = rg_exp_16(_mm512_xor_ps(g, _mm512_set1_ps(-0.0f)));
        const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(silu, u));
    }
}

static void gelu_tanh_16(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xFFFF;
        const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        const __m512 factor =
            _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(GELU_CUBIC), _mm512_mul_ps(v, v)),
                          _mm512_set1_ps(GELU_LINEAR));
        const __m512 e = rg_exp_16(_mm512_mul_ps(factor, v));
        _mm512_mask_storeu_ps(y + i, mask,
                              _mm512_div_ps(v, _mm512_add_ps(_mm512_set1_ps(1.0f), e)));
    }
}

void rg_avx512_set_rows(rg_kernels *k) {
    set_rows(k);
    set_train_rows(k);
    set_delta(k);
    k->act_fill[RG_ACT_BF16] = fill_bf16_rows;
    k->act_fill[RG_ACT_Q8] = fill_q8_blocks;
    k->swiglu = swiglu_16;
    k->gelu_tanh = gelu_tanh_16;
    k->f32_to_f16 = f32_to_f16;
}
