#include "kernel/scalar/scalar.h"

#include "tensor/half.h"

enum {
    CHUNK = 256, // values expanded at a time: whole blocks of every type
    LANES = 8,   // partial sums
};

// sum of w[i] * x[i]
static float dot(const float *w, const float *x, size_t n) {
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        lane[i % LANES] += w[i] * x[i];
    }
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// values [k, k + n) of token t, times the weights that belong to them
static float dot_act(const rg_act *x, size_t t, size_t k, const float *w, size_t n) {
    float values[CHUNK];
    float sum = 0;
    switch (x->form) {
    case RG_ACT_BF16: {
        const uint16_t *data = (const uint16_t *)x->data + t * x->k + k;
        for (size_t i = 0; i < n; i++) {
            values[i] = rg_f32_of_bf16(data[i]);
        }
        return dot(w, values, n);
    }
    case RG_ACT_Q8: {
        const int8_t *data = (const int8_t *)x->data + t * x->k + k;
        const float *scale = x->scale + (t * x->k + k) / 32;
        for (size_t i = 0; i < n; i++) {
            values[i] = (float)data[i];
        }
        for (size_t i = 0; i < n; i += 32) {
            sum += scale[i / 32] * dot(w + i, values + i, 32);
        }
        return sum;
    }
    default:
        return dot(w, (const float *)x->data + t * x->k + k, n);
    }
}

static void matmul(rg_dtype dtype, float *y, size_t ldy, const void *w, size_t w_stride,
                   const rg_act *x, size_t row, size_t row_end) {
    const rg_dtype_info *info = rg_dtype_get(dtype);
    float values[CHUNK];
    for (size_t r = row; r < row_end; r++) {
        const char *packed = (const char *)w + r * w_stride;
        for (size_t t = 0; t < x->n_tok; t++) {
            y[t * ldy + r] = 0;
        }
        for (size_t k = 0; k < x->k; k += CHUNK) {
            const size_t n = x->k - k < CHUNK ? x->k - k : CHUNK;
            info->to_float(values, packed + k / info->block * info->block_bytes, n);
            for (size_t t = 0; t < x->n_tok; t++) {
                y[t * ldy + r] += dot_act(x, t, k, values, n);
            }
        }
    }
}

// a function for each type
#define MATMUL(id, name, gguf, block, bytes)                                                       \
    static void matmul_##id(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x, \
                            size_t row, size_t row_end, void *scratch) {                           \
        (void)scratch;                                                                             \
        matmul(RG_DTYPE_##id, y, ldy, w, w_stride, x, row, row_end);                               \
    }
RG_DTYPE_LIST(MATMUL)
#undef MATMUL

static rg_matmul_fn *const functions[RG_DTYPE_COUNT] = {
#define MATMUL(id, name, gguf, block, bytes) [RG_DTYPE_##id] = matmul_##id,
    RG_DTYPE_LIST(MATMUL)
#undef MATMUL
};

// types whose values are a scale times a small whole number: 8-bit activations lose little beside
// them
static bool is_whole_numbers(rg_dtype dtype) {
    switch (dtype) {
    case RG_DTYPE_Q4_0:
    case RG_DTYPE_Q4_1:
    case RG_DTYPE_Q5_0:
    case RG_DTYPE_Q5_1:
    case RG_DTYPE_Q8_0:
    case RG_DTYPE_Q2_K:
    case RG_DTYPE_Q3_K:
    case RG_DTYPE_Q4_K:
    case RG_DTYPE_Q5_K:
    case RG_DTYPE_Q6_K:
    case RG_DTYPE_IQ4_NL:
    case RG_DTYPE_IQ4_XS:
    case RG_DTYPE_MXFP4:
        return true;
    default:
        return false;
    }
}

void rg_scalar_set_matmul(rg_kernels *k) {
    for (int i = 0; i < RG_DTYPE_COUNT; i++) {
        const rg_act_form form = is_whole_numbers((rg_dtype)i) ? RG_ACT_Q8 : RG_ACT_F32;
        rg_matmul_fn *fn = rg_dtype_get((rg_dtype)i)->to_float == NULL ? NULL : functions[i];
        k->matmul[i] = (rg_matmul_row){.form = form, .fn = fn, .note = "scalar"};
        k->matmul_exact[i] = (rg_matmul_row){.form = RG_ACT_F32, .fn = fn, .note = "scalar"};
    }
}
