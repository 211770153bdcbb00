/*
 * Shared by the encoders: scales of groups and blocks, searched near the obvious ones and solved by
 * weighted least squares.
 */
#pragma once

#include "tensor/codec.h"
#include "tensor/half.h"

enum { RG_FIT_VALUES = 256, RG_FIT_GROUPS = 16 }; // of a block, at most

static inline float rg_read_f16(const uint8_t *p) {
    return rg_f32_of_f16(rg_read_u16(p));
}

static inline void rg_put_f16(uint8_t *p, float f) {
    const uint16_t h = rg_f16_of_f32(f);
    memcpy(p, &h, 2);
}

static inline int rg_clamp_int(int v, int low, int high) {
    return v < low ? low : v > high ? high : v;
}

/** The level of IQ4 values, or of any table of 16 ascending ones, that is nearest to v. */
int rg_fit_nearest16(const int8_t table[16], float v);

/**
 * What an error in each value counts: the importance of its column, times the value's own size
 * above the block's usual one.
 * @param importance  [n], not negative; NULL: columns are equal
 * @return  false when importance says nothing (NULL, or all zero); w is untouched then
 */
bool rg_fit_weights(float *w, const float *x, const float *importance, size_t n);

/** x ~ scale * q - min with q in 0 .. top; min >= 0 unless it is free. */
typedef struct rg_fit {
    float scale;
    float min;
} rg_fit;

/** A group of n <= 32 values with a minimum. */
rg_fit rg_fit_group(const float *x, const float *w, int n, int top, bool is_min_free);

/**
 * A group of n <= 32 values without one: x ~ scale * q, q in -top-1 .. top, or of the table. The
 * scale may be negative.
 */
float rg_fit_symmetric(const float *x, const float *w, int n, int top, const int8_t *table);

/** How a block of 256 values is cut, and what its integers may be. */
typedef struct rg_block_form {
    int n_groups;
    int top;       // of a value's level: 0 .. top, or -top-1 .. top
    int scale_top; // of a group's scale and minimum: 0 .. scale_top, or -scale_top-1 .. scale_top
    const int8_t *table; // symmetric blocks only: the 16 values; NULL: the levels themselves
} rg_block_form;

/** A block in integers: x ~ d * scale[g] * q - dmin * min[g]. */
typedef struct rg_block {
    uint16_t d; // f16
    uint16_t dmin;
    int scale[RG_FIT_GROUPS];
    int min[RG_FIT_GROUPS];
    int8_t q[RG_FIT_VALUES]; // levels; with a table: its values
} rg_block;

/** Blocks with minima (Q2_K, Q4_K, Q5_K). */
void rg_fit_block(const rg_block_form *form, const float *x, const float *w, rg_block *out);
/** Blocks without (Q3_K, Q6_K, IQ4_XS). */
void rg_fit_block_symmetric(const rg_block_form *form, const float *x, const float *w,
                            rg_block *out);
