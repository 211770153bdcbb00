/* The codecs behind the table of dtype.c: rg_decode_TYPE and rg_encode_TYPE, or
 * rg_encode_TYPE_by where the importance of columns counts. Blocks may lie at any
 * address. */
#pragma once

#include "tensor/dtype.h"

// clang-format off
rg_to_float_fn rg_decode_f32, rg_decode_f16, rg_decode_bf16, rg_decode_f64, rg_decode_i8, rg_decode_i16, rg_decode_i32,
    rg_decode_i64, rg_decode_u8, rg_decode_f8_e4m3, rg_decode_f8_e5m2, rg_decode_f8_e8m0, rg_decode_f8_32;
rg_to_float_fn rg_decode_q4_0, rg_decode_q4_1, rg_decode_q5_0, rg_decode_q5_1, rg_decode_q8_0, rg_decode_iq4_nl, rg_decode_mxfp4,
    rg_decode_nvfp4, rg_decode_q1_0, rg_decode_q2_0;
rg_to_float_fn rg_decode_q2_k, rg_decode_q3_k, rg_decode_q4_k, rg_decode_q5_k, rg_decode_q6_k, rg_decode_iq4_xs, rg_decode_tq1_0,
    rg_decode_tq2_0;
rg_to_float_fn rg_decode_iq2_xxs, rg_decode_iq2_xs, rg_decode_iq2_s, rg_decode_iq3_xxs, rg_decode_iq3_s, rg_decode_iq1_s,
    rg_decode_iq1_m;
rg_from_float_fn rg_encode_f32, rg_encode_f16, rg_encode_bf16;
rg_from_float_by_fn rg_encode_q4_0_by, rg_encode_q4_1_by, rg_encode_q5_0_by, rg_encode_q5_1_by, rg_encode_q8_0_by,
    rg_encode_q2_k_by, rg_encode_q3_k_by, rg_encode_q4_k_by, rg_encode_q5_k_by, rg_encode_q6_k_by, rg_encode_iq4_nl_by,
    rg_encode_iq4_xs_by, rg_encode_mxfp4_by;
// clang-format on

/** The 16 values of IQ4_NL and IQ4_XS; the doubled E2M1 values of MXFP4 and NVFP4. */
extern const int8_t rg_iq4_values[16];
extern const int8_t rg_e2m1_doubled[16];

/** 6-bit scale and minimum of group g (0..7) of a Q4_K or Q5_K block. */
static inline void rg_k4_scale_min(const uint8_t *s, int g, int *scale, int *min) {
    if (g < 4) {
        *scale = s[g] & 63;
        *min = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
        *min = (s[g + 4] >> 4) | (s[g] >> 6) << 4;
    }
}

/** 6-bit scale of group g (0..15) of a Q3_K block, still with its offset of 32. */
static inline int rg_q3k_scale(const uint8_t *s, int g) {
    const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
    return low | ((s[8 + g % 4] >> (2 * (g / 4))) & 3) << 4;
}

static inline uint16_t rg_read_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t rg_read_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
