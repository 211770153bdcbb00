/* Scalar conversions of the small float types, exact in both directions where they can be. */
#pragma once

#include <stdint.h>
#include <string.h>

static inline float rg_f32_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t rg_f32_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

static inline float rg_f32_of_bf16(uint16_t h) {
    return rg_f32_of_bits((uint32_t)h << 16);
}

/** Round to nearest even; a NaN stays a (quiet) NaN. */
static inline uint16_t rg_bf16_of_f32(float f) {
    const uint32_t bits = rg_f32_bits(f);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
        return (uint16_t)(bits >> 16 | 0x40);
    }
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline float rg_f32_of_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t rest = h & 0x7FFF;
    if (rest >= 0x7C00) {
        return rg_f32_of_bits(sign | 0x7F800000u | (rest & 0x3FF) << 13);
    }
    if (rest < 0x0400) {
        // zero and subnormals: rest * 2^-24, exact
        const float f = (float)rest * 0x1p-24f;
        return sign != 0 ? -f : f;
    }
    return rg_f32_of_bits(sign | ((rest << 13) + (112u << 23)));
}

/** Round to nearest even; too large becomes infinity; a NaN stays a NaN. */
static inline uint16_t rg_f16_of_f32(float f) {
    const uint32_t bits = rg_f32_bits(f);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t rest = bits & 0x7FFFFFFFu;
    if (rest > 0x7F800000u) {
        return sign | 0x7E00;
    }
    if (rest >= 0x477FF000u) {
        return sign | 0x7C00; // 65520 and above
    }
    if (rest < 0x38800000u) {
        // subnormal: adding 0.5 leaves the rounded count of 2^-24 in the low bits
        const float g = rg_f32_of_bits(rest) + 0.5f;
        return (uint16_t)(sign | (rg_f32_bits(g) - 0x3F000000u));
    }
    return (uint16_t)(sign | ((rest + 0xFFF + (rest >> 13 & 1) - (112u << 23)) >> 13));
}
