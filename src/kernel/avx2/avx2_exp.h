/* rg_exp of 8 values, the same bits. */
#pragma once

#include "kernel/exp.h"
#include "kernel/x86.h"

static inline __m256 rg_exp_8(__m256 x) {
    // min and max give back their second operand for a NaN
    x = _mm256_max_ps(_mm256_set1_ps(RG_EXP_MIN), x);
    x = _mm256_min_ps(_mm256_set1_ps(RG_EXP_MAX), x);
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(RG_EXP_LOG2E)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(n, _mm256_set1_ps(RG_EXP_LN2_A)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(n, _mm256_set1_ps(RG_EXP_LN2_B)));
    __m256 p = _mm256_set1_ps(RG_EXP_C6);
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(RG_EXP_C5));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(RG_EXP_C4));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(RG_EXP_C3));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(RG_EXP_C2));
    p = _mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    // two halves of the power of two, each of them a normal float
    const __m256i power = _mm256_cvtps_epi32(n);
    const __m256i a = _mm256_srai_epi32(power, 1);
    const __m256i b = _mm256_sub_epi32(power, a);
    const __m256i bias = _mm256_set1_epi32(127);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(a, bias), 23)));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(b, bias), 23)));
}
