/* rg_exp of 16 values, the same bits. */
#pragma once

#include "kernel/exp.h"
#include "kernel/x86.h"

static inline __m512 rg_exp_16(__m512 x) {
    // min and max give back their second operand for a NaN
    x = _mm512_max_ps(_mm512_set1_ps(RG_EXP_MIN), x);
    x = _mm512_min_ps(_mm512_set1_ps(RG_EXP_MAX), x);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(RG_EXP_LOG2E)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(n, _mm512_set1_ps(RG_EXP_LN2_A)));
    r = _mm512_sub_ps(r, _mm512_mul_ps(n, _mm512_set1_ps(RG_EXP_LN2_B)));
    __m512 p = _mm512_set1_ps(RG_EXP_C6);
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(RG_EXP_C5));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(RG_EXP_C4));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(RG_EXP_C3));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(RG_EXP_C2));
    p = _mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r);
    return _mm512_scalef_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), n);
}
