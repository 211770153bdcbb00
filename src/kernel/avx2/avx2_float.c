/* Products in f32: every type that has a codec, exact or because its values are floats. */
#include "kernel/avx2/avx2.h"
#include "kernel/avx2/avx2_tile.h"
#include "tensor/half.h"

static void f16_to_float(float *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(from + 2 * i));
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
    }
    for (; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, sizeof h);
        dst[i] = _cvtsh_ss(h);
    }
}

static void bf16_to_float(float *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, sizeof h);
        dst[i] = rg_f32_of_bf16(h);
    }
}

static rg_to_float_fn *to_float_of(rg_dtype dtype) {
    switch (dtype) {
    case RG_DTYPE_F32:
        return NULL;
    case RG_DTYPE_F16:
        return f16_to_float;
    case RG_DTYPE_BF16:
        return bf16_to_float;
    default:
        return rg_dtype_get(dtype)->to_float;
    }
}

#define MATMUL(id, name, gguf, block_, bytes)                                                      \
    static void matmul_##id(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x, \
                            size_t row, size_t row_end, void *scratch) {                           \
        const rg_dense dense = {.to_float = to_float_of(RG_DTYPE_##id),                            \
                                .transpose = transpose,                                            \
                                .part_words = 8,                                                   \
                                .multiply = multiply,                                              \
                                .n_tok_max = TILE_TOKENS,                                          \
                                .word_values = 1,                                                  \
                                .block = block_,                                                   \
                                .block_bytes = bytes};                                             \
        rg_dense_product(&dense, y, ldy, w, w_stride, x, row, row_end, scratch);                   \
    }
RG_DTYPE_LIST(MATMUL)
#undef MATMUL

static rg_matmul_fn *const functions[RG_DTYPE_COUNT] = {
#define MATMUL(id, name, gguf, block, bytes) [RG_DTYPE_##id] = matmul_##id,
    RG_DTYPE_LIST(MATMUL)
#undef MATMUL
};

void rg_avx2_set_float(rg_kernels *k) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        if (rg_dtype_get((rg_dtype)i)->to_float == NULL) {
            continue;
        }
        const rg_matmul_row row = {
            .form = RG_ACT_F32, .fn = functions[i], .note = "AVX2 f32 panels"};
        k->matmul_exact[i] = row;
        if (k->matmul[i].form == RG_ACT_F32) {
            k->matmul[i] = row;
        }
    }
}
