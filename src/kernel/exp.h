/*
 * The exponential of softmax and silu, in steps that every instruction set can repeat bit for bit:
 * no fused steps, one polynomial. Error: under 1.5 ulp. Powers below the smallest float become
 * subnormal, then zero.
 */
#pragma once

#include "tensor/half.h"

#include <math.h>

#define RG_EXP_MIN   (-104.0f) // below: zero
#define RG_EXP_MAX   89.0f     // above: infinity
#define RG_EXP_LOG2E 0x1.715476p+0f
#define RG_EXP_LN2_A 0x1.63p-1f // nine bits, so that its product with a whole number is exact
#define RG_EXP_LN2_B (-0x1.bd0106p-13f)
// exp(r) = 1 + r + r^2 (C2 + C3 r + ... C6 r^4) for |r| <= ln(2)/2, interpolated at Chebyshev
// points
#define RG_EXP_C2 0x1.0p-1f
#define RG_EXP_C3 0x1.5554dcp-3f
#define RG_EXP_C4 0x1.55551ap-5f
#define RG_EXP_C5 0x1.120ba2p-7f
#define RG_EXP_C6 0x1.6d113cp-10f

static inline float rg_exp(float x) {
    if (isnan(x)) {
        return x;
    }
    x = x < RG_EXP_MIN ? RG_EXP_MIN : x;
    x = x > RG_EXP_MAX ? RG_EXP_MAX : x;
    const float n = rintf(x * RG_EXP_LOG2E);
    const float r = (x - n * RG_EXP_LN2_A) - n * RG_EXP_LN2_B;
    float p = RG_EXP_C6;
    p = p * r + RG_EXP_C5;
    p = p * r + RG_EXP_C4;
    p = p * r + RG_EXP_C3;
    p = p * r + RG_EXP_C2;
    p = (p * (r * r) + r) + 1.0f;
    // two halves of the power of two, each of them a normal float
    const int32_t a = (int32_t)n >> 1;
    const int32_t b = (int32_t)n - a;
    return p * rg_f32_of_bits((uint32_t)(a + 127) << 23) *
           rg_f32_of_bits((uint32_t)(b + 127) << 23);
}
