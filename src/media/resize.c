#include "media/patches.h"
#include "media/picture_internal.h"

#include <math.h>

enum { FRACTION_BITS = 22 }; // two bits stay for sums beyond 255 and below 0, one for the sign

// ---- weights ----

/** For each place of the result the stretch of the source that it is made of, and its weights. */
typedef struct taps {
    uint32_t *first;  // [n]
    uint32_t *count;  // [n]
    int32_t *weights; // [n][stride] in units of 2^-22; `count` of a row are there
    size_t stride;
} taps;

static void clear_taps(const rg_mem *mem, taps *t) {
    rg_free(mem, t->first);
    rg_free(mem, t->count);
    rg_free(mem, t->weights);
}

static double cubic(double x) {
    x = fabs(x);
    if (x < 1) {
        return (1.5 * x - 2.5) * x * x + 1;
    }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

static int32_t to_fixed(double weight) {
    return (int32_t)(weight * (1 << FRACTION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

static rg_status make_taps(const rg_mem *mem, uint32_t n_in, uint32_t n_out, taps *t,
                           rg_error *err) {
    const double scale = (double)n_in / n_out;
    const double width = scale < 1 ? 1 : scale; // of the filter, in source pixels
    const double reach = 2 * width;
    t->stride = (size_t)ceil(reach) * 2 + 1;
    double *exact = rg_new_array(mem, t->stride, sizeof *exact);
    t->first = rg_new_array(mem, n_out, sizeof *t->first);
    t->count = rg_new_array(mem, n_out, sizeof *t->count);
    t->weights = rg_new_array(mem, n_out, t->stride * sizeof *t->weights);
    if (exact == NULL || t->first == NULL || t->count == NULL || t->weights == NULL) {
        rg_free(mem, exact);
        return rg_fail(err, RG_E_MEMORY, "no memory to resize a picture from %u to %u pixels", n_in,
                       n_out);
    }
    for (uint32_t i = 0; i < n_out; i++) {
        // pixels whose centers the filter reaches
        const double center = (i + 0.5) * scale;
        const double low = center - reach + 0.5;
        const double high = center + reach + 0.5;
        const uint32_t first = low < 0 ? 0 : (uint32_t)low;
        const uint32_t end = high > n_in ? n_in : (uint32_t)high;
        double sum = 0;
        for (uint32_t k = first; k < end; k++) {
            exact[k - first] = cubic((k - center + 0.5) * (1 / width));
            sum += exact[k - first];
        }
        // they sum up to 1 at the edges too
        for (uint32_t k = 0; k < end - first; k++) {
            t->weights[i * t->stride + k] = to_fixed(sum == 0 ? exact[k] : exact[k] / sum);
        }
        t->first[i] = first;
        t->count[i] = end - first;
    }
    rg_free(mem, exact);
    return RG_OK;
}

// ---- the two passes ----

static uint8_t to_pixel(int32_t sum) {
    const int32_t value = sum < 0 ? 0 : sum >> FRACTION_BITS;
    return (uint8_t)(value > 255 ? 255 : value);
}

static void resize_rows(const rg_picture *in, const taps *t, rg_picture *out) {
    for (uint32_t y = 0; y < out->height; y++) {
        const uint8_t *from = in->pixels + (size_t)y * in->width * 3;
        uint8_t *to = out->pixels + (size_t)y * out->width * 3;
        for (uint32_t x = 0; x < out->width; x++) {
            const uint8_t *p = from + (size_t)t->first[x] * 3;
            const int32_t *weights = t->weights + x * t->stride;
            int32_t sums[3] = {1 << (FRACTION_BITS - 1), 1 << (FRACTION_BITS - 1),
                               1 << (FRACTION_BITS - 1)};
            for (uint32_t k = 0; k < t->count[x]; k++) {
                for (size_t c = 0; c < 3; c++) {
                    sums[c] += p[3 * k + c] * weights[k];
                }
            }
            for (size_t c = 0; c < 3; c++) {
                to[3 * x + c] = to_pixel(sums[c]);
            }
        }
    }
}

// @param sums  [width * 3]
static void resize_columns(const rg_picture *in, const taps *t, int32_t *sums, rg_picture *out) {
    const size_t n = (size_t)out->width * 3;
    for (uint32_t y = 0; y < out->height; y++) {
        uint8_t *to = out->pixels + y * n;
        for (size_t i = 0; i < n; i++) {
            sums[i] = 1 << (FRACTION_BITS - 1);
        }
        for (uint32_t k = 0; k < t->count[y]; k++) {
            const uint8_t *from = in->pixels + (t->first[y] + k) * n;
            const int32_t weight = t->weights[y * t->stride + k];
            for (size_t i = 0; i < n; i++) {
                sums[i] += from[i] * weight;
            }
        }
        for (size_t i = 0; i < n; i++) {
            to[i] = to_pixel(sums[i]);
        }
    }
}

rg_status rg_picture_resize(const rg_mem *mem, const rg_picture *in, uint32_t height,
                            uint32_t width, rg_picture *out, rg_error *err) {
    rg_status status = RG_OK;
    rg_picture across = {0};
    rg_picture down = {0};
    taps columns = {0};
    taps rows = {0};
    int32_t *sums = NULL;
    if (in->pixels == NULL || height == 0 || width == 0) {
        return rg_fail(err, RG_E_ARG, "a picture of %u x %u pixels resized to %u x %u", in->width,
                       in->height, width, height);
    }
    if ((uint64_t)height * width > RG_PICTURE_PIXELS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a picture resized to %u x %u pixels, at most %u in all",
                       width, height, RG_PICTURE_PIXELS_MAX);
    }
    RG_TRY(rg_picture_new(mem, height, width, &down, err));
    RG_TRY(rg_picture_new(mem, in->height, width, &across, err));
    RG_TRY(make_taps(mem, in->width, width, &columns, err));
    RG_TRY(make_taps(mem, in->height, height, &rows, err));
    sums = rg_new_array(mem, (size_t)width * 3, sizeof *sums);
    if (sums == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a row of %u pixels", width);
        goto done;
    }
    resize_rows(in, &columns, &across);
    resize_columns(&across, &rows, sums, &down);
    *out = down;
    down = (rg_picture){0};

done:
    rg_free(mem, sums);
    clear_taps(mem, &rows);
    clear_taps(mem, &columns);
    rg_picture_clear(&across);
    rg_picture_clear(&down);
    return status;
}
