#include "tensor/dtype.h"

#include "base/mem.h"
#include "tensor/codec.h"

#include <ctype.h>

// encoding where all columns are equal
#define ENCODE(type)                                                                               \
    static void encode_##type(void *dst, const float *src, size_t n) {                             \
        rg_encode_##type##_by(dst, src, NULL, n);                                                  \
    }
ENCODE(q4_0)
ENCODE(q4_1)
ENCODE(q5_0)
ENCODE(q5_1)
ENCODE(q8_0)
ENCODE(q2_k)
ENCODE(q3_k)
ENCODE(q4_k)
ENCODE(q5_k)
ENCODE(q6_k)
ENCODE(iq4_nl)
ENCODE(iq4_xs)
ENCODE(mxfp4)
#undef ENCODE

// the codecs of each row: to float, from float, from float by importance
// clang-format off
#define CODEC_F32      rg_decode_f32,      rg_encode_f32, NULL
#define CODEC_F16      rg_decode_f16,      rg_encode_f16, NULL
#define CODEC_BF16     rg_decode_bf16,     rg_encode_bf16, NULL
#define CODEC_F64      rg_decode_f64,      NULL, NULL
#define CODEC_I8       rg_decode_i8,       NULL, NULL
#define CODEC_I16      rg_decode_i16,      NULL, NULL
#define CODEC_I32      rg_decode_i32,      NULL, NULL
#define CODEC_I64      rg_decode_i64,      NULL, NULL
#define CODEC_U8       rg_decode_u8,       NULL, NULL
#define CODEC_BOOL     rg_decode_u8,       NULL, NULL
#define CODEC_F8_E4M3  rg_decode_f8_e4m3,  NULL, NULL
#define CODEC_F8_E5M2  rg_decode_f8_e5m2,  NULL, NULL
#define CODEC_F8_E8M0  rg_decode_f8_e8m0,  NULL, NULL
#define CODEC_F8_32    rg_decode_f8_32,    NULL, NULL
#define CODEC_Q4_0     rg_decode_q4_0,     encode_q4_0, rg_encode_q4_0_by
#define CODEC_Q4_1     rg_decode_q4_1,     encode_q4_1, rg_encode_q4_1_by
#define CODEC_Q5_0     rg_decode_q5_0,     encode_q5_0, rg_encode_q5_0_by
#define CODEC_Q5_1     rg_decode_q5_1,     encode_q5_1, rg_encode_q5_1_by
#define CODEC_Q8_0     rg_decode_q8_0,     encode_q8_0, rg_encode_q8_0_by
#define CODEC_Q2_K     rg_decode_q2_k,     encode_q2_k, rg_encode_q2_k_by
#define CODEC_Q3_K     rg_decode_q3_k,     encode_q3_k, rg_encode_q3_k_by
#define CODEC_Q4_K     rg_decode_q4_k,     encode_q4_k, rg_encode_q4_k_by
#define CODEC_Q5_K     rg_decode_q5_k,     encode_q5_k, rg_encode_q5_k_by
#define CODEC_Q6_K     rg_decode_q6_k,     encode_q6_k, rg_encode_q6_k_by
#define CODEC_IQ2_XXS  rg_decode_iq2_xxs,  NULL, NULL
#define CODEC_IQ2_XS   rg_decode_iq2_xs,   NULL, NULL
#define CODEC_IQ3_XXS  rg_decode_iq3_xxs,  NULL, NULL
#define CODEC_IQ1_S    rg_decode_iq1_s,    NULL, NULL
#define CODEC_IQ4_NL   rg_decode_iq4_nl,   encode_iq4_nl, rg_encode_iq4_nl_by
#define CODEC_IQ3_S    rg_decode_iq3_s,    NULL, NULL
#define CODEC_IQ2_S    rg_decode_iq2_s,    NULL, NULL
#define CODEC_IQ4_XS   rg_decode_iq4_xs,   encode_iq4_xs, rg_encode_iq4_xs_by
#define CODEC_IQ1_M    rg_decode_iq1_m,    NULL, NULL
#define CODEC_TQ1_0    rg_decode_tq1_0,    NULL, NULL
#define CODEC_TQ2_0    rg_decode_tq2_0,    NULL, NULL
#define CODEC_MXFP4    rg_decode_mxfp4,    encode_mxfp4, rg_encode_mxfp4_by
#define CODEC_NVFP4    rg_decode_nvfp4,    NULL, NULL
#define CODEC_Q1_0     rg_decode_q1_0,     NULL, NULL
#define CODEC_Q2_0     rg_decode_q2_0,     NULL, NULL
// clang-format on

static const rg_dtype_info table[RG_DTYPE_COUNT] = {
#define RG_DTYPE_ROW(id, name, gguf, block, bytes)                                                 \
    [RG_DTYPE_##id] = {name, gguf, block, bytes, CODEC_##id},
    RG_DTYPE_LIST(RG_DTYPE_ROW)
#undef RG_DTYPE_ROW
};

const rg_dtype_info *rg_dtype_get(rg_dtype dtype) {
    return &table[dtype];
}

rg_dtype rg_dtype_of_gguf(uint32_t gguf_id) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        if (table[i].gguf_id >= 0 && (uint32_t)table[i].gguf_id == gguf_id) {
            return (rg_dtype)i;
        }
    }
    return RG_DTYPE_COUNT;
}

rg_dtype rg_dtype_of_name(rg_str name) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        const char *known = table[i].name;
        size_t k = 0;
        while (k < name.size && known[k] != '\0' &&
               toupper((unsigned char)name.data[k]) == known[k]) {
            k++;
        }
        if (k == name.size && known[k] == '\0') {
            return (rg_dtype)i;
        }
    }
    return RG_DTYPE_COUNT;
}

bool rg_dtype_bytes(rg_dtype dtype, size_t n, size_t *bytes) {
    const rg_dtype_info *info = &table[dtype];
    return n % info->block == 0 && rg_mul_size(n / info->block, info->block_bytes, bytes);
}
