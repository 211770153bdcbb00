/* Products in f32: every type that has a codec, exact or because its values are floats. */
#include "kernel/avx512/avx512.h"
#include "kernel/x86.h"

#define STEP(sum, w, x) _mm512_fmadd_ps(w, x, sum)
#include "kernel/avx512/avx512_tile.h"

// 16 f16 of each row at a time
static void transpose_f16(float *panel, const uint8_t *const row[16], size_t n,
                          const uint8_t *next) {
    for (size_t i = 0; i < n; i++) {
        rg_transpose_f16(panel + i * 256, row, i * 32);
        rg_prefetch_512(next + i * 512);
    }
}

static void bf16_to_float(float *dst, const void *src, size_t n) {
    const uint16_t *from = src;
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xFFFF;
        const __m512i h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + i));
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_castsi512_ps(_mm512_slli_epi32(h, 16)));
    }
}

static rg_to_float_fn *to_float_of(rg_dtype dtype) {
    switch (dtype) {
    case RG_DTYPE_F32:
    case RG_DTYPE_F16:
        return NULL;
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
                                .transpose = RG_DTYPE_##id == RG_DTYPE_F16 ? transpose_f16         \
                                                                           : rg_transpose_rows,    \
                                .part_words = RG_DTYPE_##id == RG_DTYPE_F16 ? 16 : 8,              \
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

void rg_avx512_set_float(rg_kernels *k) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        if (rg_dtype_get((rg_dtype)i)->to_float == NULL) {
            continue;
        }
        const rg_matmul_row row = {
            .form = RG_ACT_F32, .fn = functions[i], .note = "AVX-512 f32 panels"};
        k->matmul_exact[i] = row;
        if (k->matmul[i].form == RG_ACT_F32) {
            k->matmul[i] = row;
        }
    }
}
