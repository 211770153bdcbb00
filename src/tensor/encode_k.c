/*
 * Quantizers of the types with blocks of 256. Large values weigh more, because they matter more in
 * products; how much more is a guess where the importance of the columns is not known.
 */
#include "tensor/encode_fit.h"

#include <math.h>

// of a group's usual size in what an error counts: with less the many small values drift, with more
// the large ones, on a trained model both cost more divergence
static const float USUAL_SHARE = 0.25f;

// what an error counts where columns are equal: mostly the value's own size
static void weigh_by_size(float *w, const float *x, int n_groups) {
    const int n = RG_FIT_VALUES / n_groups;
    for (int g = 0; g < n_groups; g++) {
        float sum = 0;
        for (int i = g * n; i < g * n + n; i++) {
            sum += x[i] * x[i];
        }
        const float usual = sqrtf(sum / (float)n);
        for (int i = g * n; i < g * n + n; i++) {
            w[i] = USUAL_SHARE * usual + fabsf(x[i]);
        }
    }
}

// the importance of the block that begins at `at`, or NULL
static const float *block_of(const float *importance, size_t at) {
    return importance == NULL ? NULL : importance + at;
}

static void fit_with_min(const rg_block_form *form, const float *x, const float *importance,
                         rg_block *out) {
    float w[RG_FIT_VALUES];
    if (!rg_fit_weights(w, x, importance, RG_FIT_VALUES)) {
        weigh_by_size(w, x, form->n_groups);
    }
    rg_fit_block(form, x, w, out);
}

static void fit_symmetric(const rg_block_form *form, const float *x, const float *importance,
                          rg_block *out) {
    float w[RG_FIT_VALUES];
    if (!rg_fit_weights(w, x, importance, RG_FIT_VALUES)) {
        weigh_by_size(w, x, form->n_groups);
    }
    rg_fit_block_symmetric(form, x, w, out);
}

// scale, minimum and integers of a Q4_K or Q5_K block: its first 16 bytes
static void put_k4_head(uint8_t *b, const rg_block *block) {
    uint8_t *s = b + 4;
    memcpy(b, &block->d, 2);
    memcpy(b + 2, &block->dmin, 2);
    memset(s, 0, 12);
    for (int g = 0; g < 8; g++) {
        const int scale = block->scale[g];
        const int min = block->min[g];
        if (g < 4) {
            s[g] = (uint8_t)(s[g] | scale);
            s[g + 4] = (uint8_t)(s[g + 4] | min);
        } else {
            s[g + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
            s[g - 4] = (uint8_t)(s[g - 4] | scale >> 4 << 6);
            s[g] = (uint8_t)(s[g] | min >> 4 << 6);
        }
    }
}

void rg_encode_q4_k_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 8, .top = 15, .scale_top = 63};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 144) {
        rg_block block;
        fit_with_min(&form, src + at, block_of(importance, at), &block);
        put_k4_head(b, &block);
        for (int i = 0; i < 128; i++) {
            const int8_t *q = block.q + i / 32 * 64 + i % 32;
            b[16 + i] = (uint8_t)(q[0] | q[32] << 4);
        }
    }
}

void rg_encode_q5_k_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 8, .top = 31, .scale_top = 63};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 176) {
        rg_block block;
        fit_with_min(&form, src + at, block_of(importance, at), &block);
        put_k4_head(b, &block);
        memset(b + 16, 0, 32);
        for (int i = 0; i < 128; i++) {
            const int8_t *q = block.q + i / 32 * 64 + i % 32;
            uint8_t *high = &b[16 + i % 32];
            b[48 + i] = (uint8_t)((q[0] & 15) | (q[32] & 15) << 4);
            *high = (uint8_t)(*high | q[0] >> 4 << 2 * (i / 32) | q[32] >> 4 << (2 * (i / 32) + 1));
        }
    }
}

void rg_encode_q2_k_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 16, .top = 3, .scale_top = 15};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 84) {
        rg_block block;
        fit_with_min(&form, src + at, block_of(importance, at), &block);
        for (int g = 0; g < 16; g++) {
            b[g] = (uint8_t)(block.scale[g] | block.min[g] << 4);
        }
        memset(b + 16, 0, 64);
        for (int i = 0; i < 256; i++) {
            uint8_t *byte = &b[16 + 32 * (i / 128) + i % 32];
            *byte = (uint8_t)(*byte | block.q[i] << 2 * (i % 128 / 32));
        }
        memcpy(b + 80, &block.d, 2);
        memcpy(b + 82, &block.dmin, 2);
    }
}

void rg_encode_q3_k_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 16, .top = 3, .scale_top = 31};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 110) {
        rg_block block;
        fit_symmetric(&form, src + at, block_of(importance, at), &block);
        memset(b, 0, 108);
        memcpy(b + 108, &block.d, 2);
        for (int g = 0; g < 16; g++) {
            const int s = block.scale[g] + 32;
            uint8_t *low = &b[96 + g % 8];
            *low = (uint8_t)(*low | (s & 15) << (g < 8 ? 0 : 4));
            b[104 + g % 4] = (uint8_t)(b[104 + g % 4] | s >> 4 << 2 * (g / 4));
        }
        for (int i = 0; i < 256; i++) {
            const int q = block.q[i] + 4;
            const int part = i % 128 / 32;
            uint8_t *byte = &b[32 + 32 * (i / 128) + i % 32];
            *byte = (uint8_t)(*byte | (q & 3) << 2 * part);
            b[i % 32] = (uint8_t)(b[i % 32] | q >> 2 << (4 * (i / 128) + part));
        }
    }
}

void rg_encode_q6_k_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 16, .top = 31, .scale_top = 127};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 210) {
        rg_block block;
        fit_symmetric(&form, src + at, block_of(importance, at), &block);
        memset(b, 0, 192);
        memcpy(b + 208, &block.d, 2);
        for (int g = 0; g < 16; g++) {
            b[192 + g] = (uint8_t)(int8_t)block.scale[g];
        }
        for (int i = 0; i < 256; i++) {
            const int q = block.q[i] + 32;
            const int half = i / 128;
            const int part = i % 128 / 32;
            uint8_t *low = &b[64 * half + 32 * (part % 2) + i % 32];
            uint8_t *high = &b[128 + 32 * half + i % 32];
            *low = (uint8_t)(*low | (q & 15) << (part < 2 ? 0 : 4));
            *high = (uint8_t)(*high | q >> 4 << 2 * part);
        }
    }
}

void rg_encode_iq4_xs_by(void *dst, const float *src, const float *importance, size_t n) {
    static const rg_block_form form = {.n_groups = 8, .scale_top = 31, .table = rg_iq4_values};
    uint8_t *b = dst;
    for (size_t at = 0; at < n; at += 256, b += 136) {
        rg_block block;
        unsigned high = 0;
        fit_symmetric(&form, src + at, block_of(importance, at), &block);
        memcpy(b, &block.d, 2);
        memset(b + 4, 0, 4);
        for (int g = 0; g < 8; g++) {
            const unsigned s = (unsigned)(block.scale[g] + 32);
            b[4 + g / 2] = (uint8_t)(b[4 + g / 2] | (s & 15) << 4 * (g % 2));
            high |= s >> 4 << 2 * g;
        }
        b[2] = (uint8_t)(high & 255);
        b[3] = (uint8_t)(high >> 8);
        for (int i = 0; i < 128; i++) {
            const int8_t *q = block.q + i / 16 * 32 + i % 16;
            b[8 + i] = (uint8_t)(rg_fit_nearest16(rg_iq4_values, q[0]) |
                                 rg_fit_nearest16(rg_iq4_values, q[16]) << 4);
        }
    }
}
