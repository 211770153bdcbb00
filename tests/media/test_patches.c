/* Sizes, resized pixels and patches against what transformers, Pillow 9.4 and numpy give. */
#include "media/patches.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

// ---- helpers ----

static void fill(rg_picture *picture, uint32_t height, uint32_t width) {
    uint32_t v = 12345;
    const size_t n = (size_t)height * width * 3;
    *picture = (rg_picture){
        .mem = rg_mem_heap(), .pixels = rg_new(rg_mem_heap(), n), .height = height, .width = width};
    assert_non_null(picture->pixels);
    for (size_t i = 0; i < n; i++) {
        v = v * 1664525 + 1013904223;
        picture->pixels[i] = (uint8_t)(v >> 24);
    }
}

static uint64_t hash_of(const rg_picture *picture) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < (size_t)picture->height * picture->width * 3; i++) {
        hash = (hash ^ picture->pixels[i]) * 0x100000001b3;
    }
    return hash;
}

// ---- sizes ----

static void sizes_are_the_references(void **state) {
    (void)state;
    // clang-format off
    static const struct {
        uint32_t height, width, factor, min_pixels, max_pixels, to_height, to_width;
    } known[] = {
        // halves to even: 1.5, 2.5, 3.5, 4.5 factors
        {42, 70, 28, 3136, 12845056, 56, 56},
        {98, 126, 28, 3136, 12845056, 112, 112},
        {240, 272, 32, 65536, 16777216, 256, 256},
        // within the area, above it, below it
        {480, 640, 28, 3136, 12845056, 476, 644},
        {1080, 1920, 28, 3136, 12845056, 1092, 1932},
        {300, 300, 32, 65536, 16777216, 288, 288},
        {256, 256, 32, 65536, 16777216, 256, 256},
        {8000, 8000, 28, 3136, 12845056, 3584, 3584},
        {4032, 3024, 28, 3136, 1003520, 1148, 840},
        {1080, 1920, 28, 3136, 1003520, 728, 1316},
        {6000, 4000, 32, 65536, 16777216, 4992, 3328},
        {1, 1, 28, 3136, 12845056, 56, 56},
        {48, 80, 32, 65536, 16777216, 224, 352},
        // long and narrow
        {10, 2000, 28, 3136, 12845056, 28, 812},
        {2000, 10, 28, 3136, 12845056, 812, 28},
        {1, 200, 32, 65536, 16777216, 32, 3648},
        {7, 1400, 28, 3136, 3200, 28, 812},
        {200, 40000, 28, 3136, 1003520, 56, 14140},
        {13107, 65535, 32, 65536, 16777216, 1824, 9152},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t height = 0;
        uint32_t width = 0;
        rg_error err = {0};
        const rg_status status =
            rg_picture_fit(known[i].height, known[i].width, known[i].factor, known[i].min_pixels,
                           known[i].max_pixels, &height, &width, &err);
        if (status != RG_OK || height != known[i].to_height || width != known[i].to_width) {
            fail_msg("%u x %u becomes %u x %u: %s", known[i].height, known[i].width, height, width,
                     err.text);
        }
    }
}

static void m01_sizes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    uint32_t height = 7;
    uint32_t width = 8;
    rg_error err = {0};
    assert_int_equal(rg_picture_fit(1, 201, 28, 3136, 9999, &height, &width, &err), RG_E_LIMIT);
    assert_non_null(strstr(err.text, "201 x 1 pixels"));
    assert_int_equal(rg_picture_fit(201, 1, 28, 3136, 9999, &height, &width, &err), RG_E_LIMIT);
    assert_int_equal(rg_picture_fit(0, 5, 28, 3136, 9999, &height, &width, &err), RG_E_ARG);
    assert_int_equal(rg_picture_fit(5, 0, 28, 3136, 9999, &height, &width, &err), RG_E_ARG);
    assert_int_equal(
        rg_picture_fit(UINT32_MAX, UINT32_MAX, 28, 3136, 1u << 31, &height, &width, &err),
        RG_E_LIMIT);
    assert_int_equal(height, 7);
    assert_int_equal(width, 8);
    assert_int_equal(
        rg_picture_fit(UINT32_MAX, UINT32_MAX, 28, 3136, 12845056, &height, &width, &err), RG_OK);
    assert_int_equal(height, 3584);
}

// ---- resized pixels ----

static void resized_pixels_are_pillows(void **state) {
    (void)state;
    static const struct {
        uint32_t height, width, to_height, to_width;
        uint64_t hash;
    } known[] = {
        {7, 5, 7, 5, 0xde2f7ecc162c6fe2},     {7, 5, 14, 15, 0x727caa73de056e2b},
        {33, 61, 9, 8, 0x1ae67b100af490da},   {64, 48, 28, 84, 0x0e42fbe379f7d757},
        {1, 1, 3, 4, 0xf3ea291795295225},     {2, 300, 28, 28, 0x5ed4b72d57a34e27},
        {100, 3, 101, 3, 0x4b4a87bacde8c1c3}, {50, 50, 50, 20, 0x8e12a399049ea8b6},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        rg_picture in = {0};
        rg_picture out = {0};
        fill(&in, known[i].height, known[i].width);
        assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, known[i].to_height,
                                           known[i].to_width, &out, NULL),
                         RG_OK);
        assert_int_equal(out.height, known[i].to_height);
        assert_int_equal(out.width, known[i].to_width);
        assert_true(hash_of(&out) == known[i].hash);
        rg_picture_clear(&in);
        rg_picture_clear(&out);
    }
}

static void black_and_white_stay_so(void **state) {
    (void)state;
    rg_picture in = {0};
    fill(&in, 31, 17);
    for (int value = 0; value < 256; value += 255) {
        memset(in.pixels, value, 31 * 17 * 3);
        for (uint32_t side = 1; side < 70; side += 4) {
            rg_picture out = {0};
            assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, side, 2 * side, &out, NULL),
                             RG_OK);
            for (size_t i = 0; i < (size_t)side * side * 6; i++) {
                assert_int_equal(out.pixels[i], value);
            }
            rg_picture_clear(&out);
        }
    }
    rg_picture_clear(&in);
}

static void m01_sizes_to_resize_to_are_checked(void **state) {
    (void)state;
    rg_error err = {0};
    rg_picture in = {0};
    rg_picture out = {0};
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, 5, 5, &out, &err), RG_E_ARG);
    fill(&in, 2, 2);
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, 0, 5, &out, &err), RG_E_ARG);
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, 5, 0, &out, &err), RG_E_ARG);
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, 8193, 8192, &out, &err), RG_E_LIMIT);
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &in, UINT32_MAX, UINT32_MAX, &out, &err),
                     RG_E_LIMIT);
    assert_null(out.pixels);
    rg_picture_clear(&in);
}

// ---- settings ----

static void the_families_settings_are_right(void **state) {
    (void)state;
    for (int family = 0; family < RG_PICTURE_FAMILIES; family++) {
        rg_picture_settings s;
        rg_picture_settings_init(&s, (rg_picture_family)family);
        assert_int_equal(rg_picture_settings_check(&s, NULL), RG_OK);
    }
}

static void settings_refused(const rg_picture_settings *s, rg_status expected, const char *text) {
    rg_error err = {0};
    rg_picture picture = {0};
    rg_patches patches = {0};
    const rg_status status = rg_picture_settings_check(s, &err);
    if (status != expected || strstr(err.text, text) == NULL) {
        fail_msg("status %s, \"%s\", not %s", rg_status_name(status), err.text, text);
    }
    fill(&picture, 56, 56);
    assert_int_equal(rg_patches_make(rg_mem_heap(), &picture, s, &patches, NULL), expected);
    assert_null(patches.values);
    rg_picture_clear(&picture);
}

static void settings_that_cannot_be_are_named(void **state) {
    (void)state;
    rg_picture_settings s;
    // one change at a time
#define WRONG(field, value, status, text)                                                          \
    rg_picture_settings_init(&s, RG_PICTURE_QWEN2);                                                \
    s.field = (value);                                                                             \
    settings_refused(&s, status, text)
    WRONG(patch, 0, RG_E_ARG, "patch_size is 0");
    WRONG(patch, 65, RG_E_LIMIT, "patch_size is 65, at most 64");
    WRONG(merge, 0, RG_E_ARG, "merge_size is 0");
    WRONG(merge, 9, RG_E_LIMIT, "merge_size is 9, at most 8");
    WRONG(temporal, 0, RG_E_ARG, "temporal_patch_size is 0");
    WRONG(temporal, 9, RG_E_LIMIT, "temporal_patch_size is 9, at most 8");
    WRONG(resample, 2, RG_E_UNSUPPORTED, "resample is 2");
    WRONG(min_pixels, 0, RG_E_ARG, "min_pixels is 0");
    WRONG(min_pixels, 12845057, RG_E_ARG, "min_pixels is 12845057, max_pixels 12845056");
    WRONG(max_pixels, (1u << 26) + 1, RG_E_LIMIT, "max_pixels is 67108865, at most 67108864");
    WRONG(max_pixels, UINT64_MAX, RG_E_LIMIT, "max_pixels is 18446744073709551615");
    WRONG(rescale, 0, RG_E_ARG, "rescale_factor is 0");
    WRONG(rescale, NAN, RG_E_ARG, "rescale_factor is ");
    WRONG(mean[1], INFINITY, RG_E_ARG, "image_mean[1] is inf");
    WRONG(std[2], 0, RG_E_ARG, "image_std[2] is 0");
    WRONG(std[0], -1, RG_E_ARG, "image_std[0] is -1");
#undef WRONG
}

// ---- patches ----

// the reference's reshape and transpose, a value at a time: patch p, value v come from where?
static float value_of(const rg_picture *picture, const rg_picture_settings *s, size_t p, size_t v) {
    const size_t across = picture->width / s->patch / s->merge; // tokens
    const size_t x = v % s->patch;
    const size_t y = v / s->patch % s->patch;
    const size_t c = v / s->patch / s->patch / s->temporal;
    const size_t merge_x = p % s->merge;
    const size_t merge_y = p / s->merge % s->merge;
    const size_t token_x = p / s->merge / s->merge % across;
    const size_t token_y = p / s->merge / s->merge / across;
    const size_t row = (token_y * s->merge + merge_y) * s->patch + y;
    const size_t column = (token_x * s->merge + merge_x) * s->patch + x;
    const float scaled =
        (float)(picture->pixels[(row * picture->width + column) * 3 + c] * (1 / 255.0));
    return (scaled - s->mean[c]) / s->std[c];
}

static void patches_lie_in_the_references_order(void **state) {
    (void)state;
    static const struct {
        uint32_t patch, merge, temporal;
    } kinds[] = {{14, 2, 2}, {16, 2, 2}, {4, 3, 1}, {5, 1, 3}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        rg_picture_settings s;
        rg_picture picture = {0};
        rg_patches patches = {0};
        rg_error err = {0};
        rg_picture_settings_init(&s, RG_PICTURE_QWEN2);
        s.patch = kinds[k].patch;
        s.merge = kinds[k].merge;
        s.temporal = kinds[k].temporal;
        s.min_pixels = 1;
        const uint32_t factor = s.patch * s.merge;
        fill(&picture, 2 * factor, 3 * factor);
        if (rg_patches_make(rg_mem_heap(), &picture, &s, &patches, &err) != RG_OK) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(patches.grid_t, 1);
        assert_int_equal(patches.grid_h, 2 * s.merge);
        assert_int_equal(patches.grid_w, 3 * s.merge);
        assert_int_equal(patches.n_tokens, 6);
        assert_int_equal(patches.n_patches, 6 * s.merge * s.merge);
        assert_int_equal(patches.n_values, 3 * s.temporal * s.patch * s.patch);
        for (size_t p = 0; p < patches.n_patches; p++) {
            for (size_t v = 0; v < patches.n_values; v++) {
                assert_true(patches.values[p * patches.n_values + v] ==
                            value_of(&picture, &s, p, v));
            }
        }
        rg_patches_clear(&patches);
        assert_null(patches.values);
        rg_picture_clear(&picture);
    }
}

static void pictures_are_fitted_first(void **state) {
    (void)state;
    rg_picture_settings s;
    rg_picture picture = {0};
    rg_picture fitted = {0};
    rg_patches patches = {0};
    rg_picture_settings_init(&s, RG_PICTURE_QWEN3);
    fill(&picture, 100, 300);
    assert_int_equal(rg_patches_make(rg_mem_heap(), &picture, &s, &patches, NULL), RG_OK);
    assert_int_equal(patches.grid_h, 10);
    assert_int_equal(patches.grid_w, 28);
    assert_int_equal(patches.n_tokens, 70);
    assert_int_equal(rg_picture_resize(rg_mem_heap(), &picture, 160, 448, &fitted, NULL), RG_OK);
    for (size_t v = 0; v < patches.n_values; v++) {
        assert_true(patches.values[55 * patches.n_values + v] == value_of(&fitted, &s, 55, v));
    }
    rg_patches_clear(&patches);

    // or they must fit
    rg_error err = {0};
    s.is_resized = false;
    assert_int_equal(rg_patches_make(rg_mem_heap(), &picture, &s, &patches, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "multiples of 32"));
    assert_int_equal(rg_patches_make(rg_mem_heap(), &fitted, &s, &patches, &err), RG_OK);
    assert_int_equal(patches.n_tokens, 70);
    rg_patches_clear(&patches);
    rg_picture_clear(&fitted);
    rg_picture_clear(&picture);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    rg_picture picture = {0};
    rg_picture_settings s;
    rg_status status = RG_E_MEMORY;
    size_t fail_at = 1;
    rg_picture_settings_init(&s, RG_PICTURE_QWEN2);
    fill(&picture, 33, 90);
    for (; status != RG_OK; fail_at++) {
        torture t;
        rg_patches patches = {0};
        torture_init(&t, fail_at);
        status = rg_patches_make(&t.mem, &picture, &s, &patches, NULL);
        assert_true(status == RG_OK || status == RG_E_MEMORY);
        assert_true((status == RG_OK) == (patches.values != NULL));
        rg_patches_clear(&patches);
        assert_int_equal(t.n_live, 0);
    }
    assert_true(fail_at > 10);
    rg_picture_clear(&picture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_the_references),
        cmocka_unit_test(m01_sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(resized_pixels_are_pillows),
        cmocka_unit_test(black_and_white_stay_so),
        cmocka_unit_test(m01_sizes_to_resize_to_are_checked),
        cmocka_unit_test(the_families_settings_are_right),
        cmocka_unit_test(settings_that_cannot_be_are_named),
        cmocka_unit_test(patches_lie_in_the_references_order),
        cmocka_unit_test(pictures_are_fitted_first),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
