/* Types of one value a block. */
#include "tensor/codec.h"
#include "tensor/half.h"

#include <math.h>

void rg_decode_f32(float *dst, const void *src, size_t n) {
    memcpy(dst, src, n * sizeof *dst);
}

void rg_encode_f32(void *dst, const float *src, size_t n) {
    memcpy(dst, src, n * sizeof *src);
}

// one loop for every type: read a value of type T at any address, convert it
#define DECODE(name, T, expression)                                                                \
    void rg_decode_##name(float *dst, const void *src, size_t n) {                                 \
        const char *p = src;                                                                       \
        for (size_t i = 0; i < n; i++) {                                                           \
            T v;                                                                                   \
            memcpy(&v, p + i * sizeof v, sizeof v);                                                \
            dst[i] = expression;                                                                   \
        }                                                                                          \
    }

// the small floats: 4 exponent bits of bias 7 without infinity, 5 of bias 15, 8 and nothing else
static float e4m3(uint8_t v) {
    const int e = v >> 3 & 15;
    const int m = v & 7;
    const float sign = (v & 0x80) != 0 ? -1.0f : 1.0f;
    if ((v & 0x7F) == 0x7F) {
        return NAN;
    }
    return sign * (e == 0 ? ldexpf((float)m, -9) : ldexpf(1.0f + (float)m / 8.0f, e - 7));
}

static float e8m0(uint8_t v) {
    return v == 0xFF ? NAN : ldexpf(1.0f, v - 127);
}

DECODE(f16, uint16_t, rg_f32_of_f16(v))
DECODE(bf16, uint16_t, rg_f32_of_bf16(v))
DECODE(f64, double, (float)v)
DECODE(i8, int8_t, (float)v)
DECODE(i16, int16_t, (float)v)
DECODE(i32, int32_t, (float)v)
DECODE(i64, int64_t, (float)v)
DECODE(u8, uint8_t, (float)v)
DECODE(f8_e4m3, uint8_t, e4m3(v))
DECODE(f8_e5m2, uint8_t, rg_f32_of_f16((uint16_t)(v << 8)))
DECODE(f8_e8m0, uint8_t, e8m0(v))

// as e4m3() times the factor, without branches: what is no number comes back as one of its own
void rg_decode_f8_32(float *dst, const void *src, size_t n) {
    enum { GROUP = 32, BLOCK_BYTES = 36 };
    const uint8_t *block = src;
    for (size_t at = 0; at < n; at += GROUP, block += BLOCK_BYTES) {
        float factor;
        memcpy(&factor, block, sizeof factor);
        const uint8_t *codes = block + sizeof factor;
        for (size_t i = 0; i < GROUP; i++) {
            const uint32_t magnitude = codes[i] & 0x7FU;
            const uint32_t sign = (codes[i] & 0x80U) << 24;
            const float small = (float)(int32_t)magnitude * 0x1p-9f;
            const float large = rg_f32_of_bits((magnitude << 20) + (120U << 23));
            const float value = magnitude < 8 ? small : large;
            const uint32_t bits = magnitude == 0x7F ? 0x7FC00000U : rg_f32_bits(value);
            dst[at + i] = rg_f32_of_bits(bits | sign) * factor;
        }
    }
}

void rg_encode_f16(void *dst, const float *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = rg_f16_of_f32(src[i]);
        memcpy((char *)dst + 2 * i, &h, 2);
    }
}

void rg_encode_bf16(void *dst, const float *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = rg_bf16_of_f32(src[i]);
        memcpy((char *)dst + 2 * i, &h, 2);
    }
}
