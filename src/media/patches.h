/* Pixels to patches, as the image processor of Qwen2-VL, Qwen2.5-VL and Qwen3-VL makes them
 * (transformers: Qwen2VLImageProcessor). */
#pragma once

#include "media/picture.h"

#define RG_PATCH_SIDE_MAX  64u // pixels
#define RG_PATCH_MERGE_MAX 8u  // patches of a side that become one token
#define RG_PATCH_TIME_MAX  8u  // frames of a patch

/** What a model wants of its pictures: preprocessor_config.json. Whoever reads that file begins
 * with rg_picture_settings_init and ends with rg_picture_settings_check. */
typedef struct rg_picture_settings {
    uint32_t patch;    // patch_size: pixels of a side
    uint32_t merge;    // merge_size: patches of a side that become one token
    uint32_t temporal; // temporal_patch_size: frames of a patch
    bool is_resized;   // do_resize; without it the sides must fit already
    uint32_t resample; // as Pillow numbers filters; 3, bicubic, is the only one there is here
    uint64_t
        min_pixels; // min_pixels, or shortest_edge of size, which in spite of its name is an area
    uint64_t max_pixels; // max_pixels, or longest_edge of size
    double rescale;      // rescale_factor; 1 where do_rescale is false
    float mean[3];       // image_mean, red first; 0 where do_normalize is false
    float std[3];        // image_std; 1 where do_normalize is false
} rg_picture_settings;

typedef enum rg_picture_family {
    RG_PICTURE_CLASS, // what a key means that preprocessor_config.json has not
    RG_PICTURE_QWEN2, // as published with Qwen2-VL and Qwen2.5-VL
    RG_PICTURE_QWEN3, // as published with Qwen3-VL and the Qwen3.5 models
    RG_PICTURE_FAMILIES
} rg_picture_family;

void rg_picture_settings_init(rg_picture_settings *out, rg_picture_family family);

/** Errors: RG_E_ARG, RG_E_LIMIT, RG_E_UNSUPPORTED (the resample), naming key and value. */
RG_MUST_CHECK rg_status rg_picture_settings_check(const rg_picture_settings *settings,
                                                  rg_error *err);

/**
 * The size that a picture is brought to: sides are multiples of `factor`, the area is between
 * min_pixels and max_pixels, the aspect stays about as it is. The area may end above max_pixels,
 * for a side has at least one factor, and a picture that must grow is rounded up.
 *
 * Exact:  double precision in the reference's order, halves to even, so sizes agree always.
 * Domain: factor, min_pixels at least 1.
 * Errors: RG_E_ARG (a side of 0), RG_E_LIMIT (one side more than RG_PICTURE_ASPECT_MAX times the
 *         other, or a result above RG_PICTURE_PIXELS_MAX): out_* are untouched.
 * Source: smart_resize of transformers' image_processing_qwen2_vl.py.
 */
RG_MUST_CHECK rg_status rg_picture_fit(uint32_t height, uint32_t width, uint32_t factor,
                                       uint64_t min_pixels, uint64_t max_pixels,
                                       uint32_t *out_height, uint32_t *out_width, rg_error *err);

/**
 * Resize: bicubic (a = -0.5), the filter widened by the scale when shrinking; first across, then
 * down, each rounded to 8 bits.
 *
 * Exact:  weights in fixed point with 22 fractional bits: bit for bit what Pillow's resize gives,
 *         and so the reference's processor on Pillow. On torchvision it rounds otherwise: a resize
 *         in floats is off by 1 of 255 in a fifth of the values, by more at hard edges, where
 * Pillow cuts off between the passes what overshoots.
 * @param out  receives the picture, owned by the caller: rg_picture_clear(); untouched on failure
 * Errors: RG_E_ARG (no pixels in or out), RG_E_LIMIT, RG_E_MEMORY.
 * Source: Keys 1981; fixed point and rounding from Pillow's libImaging/Resample.c.
 */
RG_MUST_CHECK rg_status rg_picture_resize(const rg_mem *mem, const rg_picture *in, uint32_t height,
                                          uint32_t width, rg_picture *out, rg_error *err);

/** A picture in patches. Zero it to begin. */
typedef struct rg_patches {
    const rg_mem *mem;
    float *values;    // [n_patches][n_values]
    size_t n_patches; // grid_t * grid_h * grid_w
    size_t n_values;  // 3 * temporal * patch * patch: colors slowest, then frames, rows, columns
    uint32_t grid_t;  // in patches; the "grid_thw" of the reference
    uint32_t grid_h;
    uint32_t grid_w;
    size_t n_tokens; // that they become: n_patches / (merge * merge)
} rg_patches;

/**
 * Fit, resize, scale, normalize and cut. A still picture fills all frames of its patches.
 *
 * Order of patches: blocks of merge x merge patches row by row, rows within a block, so that those
 * of one token stay together:
 *
 *      0  1 |  4  5        for a grid of 4 x 4, merge 2
 *      2  3 |  6  7
 *     ------+------
 *      8  9 | 12 13
 *     10 11 | 14 15
 *
 * Exact:  a value is pixel * rescale in double, rounded to f32, minus mean, by std in f32: the bits
 *         of the reference on Pillow; on torchvision it folds rescale into mean and std, which
 *         differs by less than 1e-6.
 * @param out  receives the patches, owned by the caller: rg_patches_clear(); untouched on failure
 * Errors: as rg_picture_settings_check, rg_picture_fit and rg_picture_resize; RG_E_ARG (sides that
 * do not fit where is_resized is false). Threads: any thread.
 */
RG_MUST_CHECK rg_status rg_patches_make(const rg_mem *mem, const rg_picture *picture,
                                        const rg_picture_settings *settings, rg_patches *out,
                                        rg_error *err);

void rg_patches_clear(rg_patches *patches);
