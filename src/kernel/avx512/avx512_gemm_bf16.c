/* Products of training whose operands are rounded to bf16, two neighbors along k to a word. */
#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define STEP(sum, b, a)                                                                            \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(b), (__m512bh)_mm512_castps_si512(a))
#include "kernel/avx512/avx512_gemm_tile.h"

// one bit for each of the first n of 16
static inline __mmask16 first(size_t n) {
    return (__mmask16)(n >= 16 ? 0xFFFF : (1u << n) - 1);
}

static void narrow(float *words, const float *from, size_t n) {
    size_t l = 0;
    for (; l + 32 <= n; l += 32, words += 16) {
        const __m512 low = _mm512_loadu_ps(from + l);
        const __m512 high = _mm512_loadu_ps(from + l + 16);
        _mm512_storeu_si512(words, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    if (l < n) {
        const size_t left = n - l;
        const __m512 low = _mm512_maskz_loadu_ps(first(left), from + l);
        const __m512 high = _mm512_maskz_loadu_ps(first(left > 16 ? left - 16 : 0), from + l + 16);
        _mm512_mask_storeu_epi32(words, first((left + 1) / 2),
                                 (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

// 16 words, the values of `even` below those of `odd`
static inline __m512i join_16(const float *even, const float *odd, __mmask16 mask) {
    const __m256i low = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, even));
    __m512i words = _mm512_cvtepu16_epi32(low);
    if (odd != NULL) {
        const __m256i high = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, odd));
        words = _mm512_or_si512(words, _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
    }
    return words;
}

static inline void join(float *words, const float *even, const float *odd, size_t n, size_t width) {
    for (size_t i = 0; i < width; i += 16) {
        const __m512i v = join_16(even + i, odd == NULL ? NULL : odd + i, first(n > i ? n - i : 0));
        _mm512_mask_storeu_epi32(words + i, first(width - i), v);
    }
}

void rg_avx512_gemm_bf16(const rg_gemm *g, void *scratch) {
    static const rg_gemm_way way = {.k = RG_GEMM_K_BF16,
                                    .word_values = 2,
                                    .mr = MR,
                                    .nr = NR,
                                    .lanes = LANES,
                                    .multiply = multiply,
                                    .turn = turn,
                                    .narrow = narrow,
                                    .join = join};
    rg_gemm_walk(&way, g, scratch);
}
