#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_exp.h"
#include "kernel/delta_run.h"
#include "kernel/rows.h"
#include "kernel/rows_train.h"

static void f32_to_f16_8(uint16_t *dst, const float *src, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm_storeu_si128((__m128i *)(void *)(dst + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
    }
    for (; i < n; i++) {
        dst[i] = rg_f16_of_f32(src[i]);
    }
}

static void swiglu_8(float *y, const float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 g = _mm256_loadu_ps(gate + i);
        const __m256 e = rg_exp_8(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
        const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
    swiglu(y + i, gate + i, up + i, n - i);
}

static void gelu_tanh_8(float *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        const __m256 factor =
            _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(GELU_CUBIC), _mm256_mul_ps(v, v)),
                          _mm256_set1_ps(GELU_LINEAR));
        const __m256 e = rg_exp_8(_mm256_mul_ps(factor, v));
        _mm256_storeu_ps(y + i, _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1.0f), e)));
    }
    gelu_tanh(y + i, x + i, n - i);
}

static int32_t add_lanes(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(s) + _mm_extract_epi32(s, 1);
}

// as quantize() of rows.h
static float quantize_block(int8_t *q, int32_t sum[2], const float *x) {
    __m256i bits = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        const __m256i v = _mm256_castps_si256(_mm256_loadu_ps(x + 8 * i));
        bits = _mm256_max_epu32(bits, _mm256_and_si256(v, _mm256_set1_epi32(0x7FFFFFFF)));
    }
    __m128i most = _mm_max_epu32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    most = _mm_max_epu32(most, _mm_unpackhi_epi64(most, most));
    most = _mm_max_epu32(most, _mm_srli_epi64(most, 32));
    const uint32_t top_bits = (uint32_t)_mm_cvtsi128_si32(most);
    const float top = rg_f32_of_bits(top_bits);
    if (top_bits >= 0x7F800000) {
        memset(q, 0, 32);
        sum[0] = sum[1] = 0;
        return NAN;
    }
    const __m256 inverse = _mm256_set1_ps(top >= RG_ACT_TINY ? 127.0f / top : 0);
    __m256i v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), inverse));
    }
    sum[0] = add_lanes(_mm256_add_epi32(v[0], v[1]));
    sum[1] = add_lanes(_mm256_add_epi32(v[2], v[3]));
    // packs keep to halves: put the fours of bytes back in order
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)(void *)q, _mm256_permutevar8x32_epi32(bytes, order));
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

void rg_avx2_set_rows(rg_kernels *k) {
    set_rows(k);
    set_train_rows(k);
    set_delta(k);
    k->act_fill[RG_ACT_Q8] = fill_q8_blocks;
    k->swiglu = swiglu_8;
    k->gelu_tanh = gelu_tanh_8;
    k->f32_to_f16 = f32_to_f16_8;
}
