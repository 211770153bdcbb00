#include "media/patches.h"

#include <math.h>

// ---- settings ----

enum { COLORS = 3, BICUBIC = 3 };

void rg_picture_settings_init(rg_picture_settings *out, rg_picture_family family) {
    // clang-format off
    // of OpenAI's CLIP; of what maps 0..1 to -1..1
#define CLIP {0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}
#define HALF {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}
    static const rg_picture_settings known[RG_PICTURE_FAMILIES] = {
        //                  patch merge frames resized filter   min_pixels max_pixels       rescale  mean, std
        [RG_PICTURE_CLASS] = {14, 2,    2,     true,   BICUBIC, 56 * 56,   28 * 28 * 1280,  1 / 255.0, CLIP},
        [RG_PICTURE_QWEN2] = {14, 2,    2,     true,   BICUBIC, 56 * 56,   28 * 28 * 16384, 1 / 255.0, CLIP},
        [RG_PICTURE_QWEN3] = {16, 2,    2,     true,   BICUBIC, 256 * 256, 4096 * 4096,     1 / 255.0, HALF},
    };
#undef CLIP
#undef HALF
    // clang-format on
    RG_ASSERT((unsigned)family < RG_PICTURE_FAMILIES);
    *out = known[family];
}

static rg_status check_count(const char *key, uint32_t value, uint32_t most, rg_error *err) {
    if (value == 0) {
        return rg_fail(err, RG_E_ARG, "%s is 0", key);
    }
    if (value > most) {
        return rg_fail(err, RG_E_LIMIT, "%s is %u, at most %u", key, value, most);
    }
    return RG_OK;
}

rg_status rg_picture_settings_check(const rg_picture_settings *s, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(check_count("patch_size", s->patch, RG_PATCH_SIDE_MAX, err));
    RG_TRY(check_count("merge_size", s->merge, RG_PATCH_MERGE_MAX, err));
    RG_TRY(check_count("temporal_patch_size", s->temporal, RG_PATCH_TIME_MAX, err));
    if (s->is_resized && s->resample != BICUBIC) {
        return rg_fail(err, RG_E_UNSUPPORTED, "resample is %u; only %d, bicubic, can be done",
                       s->resample, BICUBIC);
    }
    if (s->min_pixels == 0 || s->min_pixels > s->max_pixels) {
        return rg_fail(err, RG_E_ARG, "min_pixels is %llu, max_pixels %llu",
                       (unsigned long long)s->min_pixels, (unsigned long long)s->max_pixels);
    }
    if (s->max_pixels > RG_PICTURE_PIXELS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "max_pixels is %llu, at most %u",
                       (unsigned long long)s->max_pixels, RG_PICTURE_PIXELS_MAX);
    }
    if (!(isfinite(s->rescale) && s->rescale > 0)) {
        return rg_fail(err, RG_E_ARG, "rescale_factor is %g", s->rescale);
    }
    for (int c = 0; c < COLORS; c++) {
        if (!isfinite(s->mean[c])) {
            return rg_fail(err, RG_E_ARG, "image_mean[%d] is %g", c, (double)s->mean[c]);
        }
        if (!(isfinite(s->std[c]) && s->std[c] > 0)) {
            return rg_fail(err, RG_E_ARG, "image_std[%d] is %g", c, (double)s->std[c]);
        }
    }

done:
    return status;
}

// ---- sizes ----

rg_status rg_picture_fit(uint32_t height, uint32_t width, uint32_t factor, uint64_t min_pixels,
                         uint64_t max_pixels, uint32_t *out_height, uint32_t *out_width,
                         rg_error *err) {
    const uint32_t longer = height > width ? height : width;
    const uint32_t shorter = height > width ? width : height;
    RG_ASSERT(factor > 0 && min_pixels > 0);
    if (shorter == 0) {
        return rg_fail(err, RG_E_ARG, "a picture of %u x %u pixels", width, height);
    }
    if (longer > (uint64_t)RG_PICTURE_ASPECT_MAX * shorter) {
        return rg_fail(err, RG_E_LIMIT,
                       "a picture of %u x %u pixels, one side may be at most %u times the other",
                       width, height, RG_PICTURE_ASPECT_MAX);
    }
    const double area = (double)((uint64_t)height * width);
    double h = rint((double)height / factor) * factor;
    double w = rint((double)width / factor) * factor;
    if (h * w > (double)max_pixels) {
        const double shrink = sqrt(area / (double)max_pixels);
        h = fmax(factor, floor(height / shrink / factor) * factor);
        w = fmax(factor, floor(width / shrink / factor) * factor);
    } else if (h * w < (double)min_pixels) {
        const double grow = sqrt((double)min_pixels / area);
        h = ceil(height * grow / factor) * factor;
        w = ceil(width * grow / factor) * factor;
    }
    if (h * w > RG_PICTURE_PIXELS_MAX) {
        return rg_fail(err, RG_E_LIMIT,
                       "a picture resized to %.0f x %.0f pixels, at most %u in all", w, h,
                       RG_PICTURE_PIXELS_MAX);
    }
    *out_height = (uint32_t)h;
    *out_width = (uint32_t)w;
    return RG_OK;
}

// ---- patches ----

// one patch: each color, each frame (they are alike), rows
static void cut(const rg_picture *picture, const rg_picture_settings *s, const float table[][256],
                uint32_t row, uint32_t column, float *to) {
    for (size_t c = 0; c < COLORS; c++) {
        for (uint32_t frame = 0; frame < s->temporal; frame++) {
            for (uint32_t y = 0; y < s->patch; y++) {
                const uint8_t *from =
                    picture->pixels + ((size_t)(row + y) * picture->width + column) * COLORS + c;
                for (uint32_t x = 0; x < s->patch; x++) {
                    *to++ = table[c][from[COLORS * x]];
                }
            }
        }
    }
}

static rg_status cut_all(const rg_mem *mem, const rg_picture *picture, const rg_picture_settings *s,
                         rg_patches *out, rg_error *err) {
    float table[COLORS][256];
    for (int c = 0; c < COLORS; c++) {
        for (int value = 0; value < 256; value++) {
            table[c][value] = ((float)(value * s->rescale) - s->mean[c]) / s->std[c];
        }
    }
    rg_patches made = {.mem = mem, .grid_t = 1};
    made.grid_h = picture->height / s->patch;
    made.grid_w = picture->width / s->patch;
    made.n_patches = (size_t)made.grid_h * made.grid_w;
    made.n_values = (size_t)COLORS * s->temporal * s->patch * s->patch;
    made.n_tokens = made.n_patches / ((size_t)s->merge * s->merge);
    size_t n = 0;
    size_t bytes = 0;
    made.values = rg_mul_size(made.n_patches, made.n_values, &n) &&
                          rg_mul_size(n, sizeof *made.values, &bytes)
                      ? rg_alloc(mem, bytes)
                      : NULL;
    if (made.values == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu patches of %zu values", made.n_patches,
                       made.n_values);
    }
    float *to = made.values;
    for (uint32_t row = 0; row < made.grid_h; row += s->merge) {
        for (uint32_t column = 0; column < made.grid_w; column += s->merge) {
            for (uint32_t i = 0; i < s->merge * s->merge; i++) {
                cut(picture, s, table, (row + i / s->merge) * s->patch,
                    (column + i % s->merge) * s->patch, to);
                to += made.n_values;
            }
        }
    }
    *out = made;
    return RG_OK;
}

rg_status rg_patches_make(const rg_mem *mem, const rg_picture *picture,
                          const rg_picture_settings *settings, rg_patches *out, rg_error *err) {
    rg_status status = RG_OK;
    rg_picture resized = {0};
    uint32_t height = picture->height;
    uint32_t width = picture->width;
    RG_TRY(rg_picture_settings_check(settings, err));
    const uint32_t factor = settings->patch * settings->merge;
    if (settings->is_resized) {
        RG_TRY(rg_picture_fit(height, width, factor, settings->min_pixels, settings->max_pixels,
                              &height, &width, err));
    } else if (height == 0 || width == 0 || height % factor != 0 || width % factor != 0) {
        status = rg_fail(err, RG_E_ARG,
                         "a picture of %u x %u pixels; do_resize is false, so sides must be "
                         "multiples of %u",
                         width, height, factor);
        goto done;
    }
    if (height == picture->height && width == picture->width) {
        RG_TRY(cut_all(mem, picture, settings, out, err));
    } else {
        RG_TRY(rg_picture_resize(mem, picture, height, width, &resized, err));
        RG_TRY(cut_all(mem, &resized, settings, out, err));
    }

done:
    rg_picture_clear(&resized);
    return status;
}

void rg_patches_clear(rg_patches *patches) {
    if (patches->values != NULL) {
        rg_free(patches->mem, patches->values);
    }
    *patches = (rg_patches){0};
}
