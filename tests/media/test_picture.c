/* Decoding: what comes out of each kind of file, and what becomes of bad ones (M01 to M03 of the
 * catalogue of bad input: sizes and bombs, damage and odd kinds, other formats). */
#include "media/picture.h"
#include "media/picture_files.h"
#include "media/picture_internal.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

// ---- helpers ----

enum { W = 5, H = 3 };

static rg_status read_file(const rg_buf *file, rg_picture *out, rg_error *err) {
    return rg_picture_read(rg_mem_heap(), file_of(file), out, err);
}

// what is refused gives this code, a sentence with this word, and no pixels
static void refuses(rg_bytes file, rg_status expected, const char *word) {
    rg_error err = {0};
    rg_picture picture = {0};
    const rg_status status = rg_picture_read(rg_mem_heap(), file, &picture, &err);
    if (status != expected || strstr(err.text, word) == NULL) {
        fail_msg("status %s, \"%s\" for %s", rg_status_name(status), err.text, word);
    }
    assert_null(picture.pixels);
}

static void reads_as(const rg_buf *file, uint32_t height, uint32_t width, const uint8_t *rgb,
                     int most) {
    rg_error err = {0};
    rg_picture picture = {0};
    if (read_file(file, &picture, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(picture.height, height);
    assert_int_equal(picture.width, width);
    for (size_t i = 0; i < (size_t)height * width * 3; i++) {
        if (abs(picture.pixels[i] - rgb[i]) > most) {
            fail_msg("value %zu is %d, not %d", i, picture.pixels[i], rgb[i]);
        }
    }
    rg_picture_clear(&picture);
    assert_null(picture.pixels);
}

static bool has_png(void) {
#ifdef RAGA_WITH_PNG
    return true;
#else
    print_message("skipped: built without libpng\n");
    return false;
#endif
}

static bool has_jpeg(void) {
#ifdef RAGA_WITH_JPEG
    return true;
#else
    print_message("skipped: built without libjpeg\n");
    return false;
#endif
}

static void formats_that_are_not_built_in_are_named(void **state) {
    (void)state;
#ifndef RAGA_WITH_PNG
    refuses((rg_bytes){(const uint8_t *)"\x89PNG", 4}, RG_E_UNSUPPORTED, "cannot read PNG");
#endif
#ifndef RAGA_WITH_JPEG
    refuses((rg_bytes){(const uint8_t *)"\xff\xd8\xff", 3}, RG_E_UNSUPPORTED, "cannot read JPEG");
#endif
}

// ---- PNG ----

// any picture: W x H values of n_channels * depth bits, all different
static void fill_rows(uint8_t *rows, size_t row_bytes) {
    for (size_t y = 0; y < H; y++) {
        rows[y * (row_bytes + 1)] = 0; // no filter
        for (size_t i = 0; i < row_bytes; i++) {
            rows[y * (row_bytes + 1) + 1 + i] = (uint8_t)(y * 83 + i * 7 + 11);
        }
    }
}

static void small_png(rg_buf *out, const char *extra, const void *data, size_t n) {
    uint8_t rows[H * (3 * W + 1)];
    fill_rows(rows, 3 * W);
    rg_buf_init(out, rg_mem_heap(), 0);
    png_head(out, W, H, 8, PNG_RGB, false);
    if (extra != NULL) {
        png_chunk(out, extra, data, n);
    }
    png_rows(out, rows, sizeof rows);
    png_end(out);
}

static void small_rgb(uint8_t *rgb) {
    uint8_t rows[H * (3 * W + 1)];
    fill_rows(rows, 3 * W);
    for (size_t y = 0; y < H; y++) {
        memcpy(rgb + y * 3 * W, rows + y * (3 * W + 1) + 1, 3 * W);
    }
}

static void m02_png_of_all_depths_and_colors(void **state) {
    (void)state;
    static const struct {
        unsigned color, depth, n_channels;
    } kinds[] = {{PNG_GRAY, 8, 1},  {PNG_GRAY_ALPHA, 8, 2},  {PNG_RGB, 8, 3},  {PNG_RGBA, 8, 4},
                 {PNG_GRAY, 16, 1}, {PNG_GRAY_ALPHA, 16, 2}, {PNG_RGB, 16, 3}, {PNG_RGBA, 16, 4}};
    if (!has_png()) {
        skip();
    }
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        // alpha is dropped, the lower byte of 16 bits too
        const size_t step = kinds[k].depth / 8;
        const size_t row_bytes = W * kinds[k].n_channels * step;
        uint8_t rows[H * (8 * W + 1)];
        uint8_t rgb[H * W * 3];
        rg_buf file;
        fill_rows(rows, row_bytes);
        for (size_t i = 0; i < H * W * 3; i++) {
            const size_t c = kinds[k].n_channels < 3 ? 0 : i % 3;
            const size_t x = i / 3 % W;
            rgb[i] = rows[i / 3 / W * (row_bytes + 1) + 1 + (x * kinds[k].n_channels + c) * step];
        }
        rg_buf_init(&file, rg_mem_heap(), 0);
        png_head(&file, W, H, kinds[k].depth, kinds[k].color, false);
        png_rows(&file, rows, H * (row_bytes + 1));
        png_end(&file);
        reads_as(&file, H, W, rgb, 0);
        rg_buf_clear(&file);
    }
}

static void m02_png_of_few_bits_and_palettes(void **state) {
    (void)state;
    static const uint8_t palette[] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3};
    static const uint8_t alphas[] = {0, 128};
    if (!has_png()) {
        skip();
    }
    for (unsigned depth = 1; depth <= 4; depth *= 2) {
        // one row of four values 0, 1, ... as gray: the largest is white
        const unsigned most = (1u << depth) - 1;
        uint8_t row[3] = {0};
        uint8_t rgb[12];
        rg_buf file;
        for (unsigned x = 0; x < 4; x++) {
            const unsigned value = x & most;
            row[1 + x * depth / 8] |= (uint8_t)(value << (8 - depth - x * depth % 8));
            memset(rgb + (size_t)3 * x, (int)(value * 255 / most), 3);
        }
        rg_buf_init(&file, rg_mem_heap(), 0);
        png_head(&file, 4, 1, depth, PNG_GRAY, false);
        png_rows(&file, row, 1 + (4 * depth + 7) / 8);
        png_end(&file);
        reads_as(&file, 1, 4, rgb, 0);
        rg_buf_clear(&file);

        // the same as places in a palette, some of them transparent
        for (size_t x = 0; x < 4; x++) {
            memcpy(rgb + 3 * x, palette + 3 * (x & most), 3);
        }
        rg_buf_init(&file, rg_mem_heap(), 0);
        png_head(&file, 4, 1, depth, PNG_PALETTE, false);
        png_chunk(&file, "PLTE", palette, depth == 1 ? 6 : sizeof palette);
        png_chunk(&file, "tRNS", alphas, sizeof alphas);
        png_rows(&file, row, 1 + (4 * depth + 7) / 8);
        png_end(&file);
        reads_as(&file, 1, 4, rgb, 0);
        rg_buf_clear(&file);
    }
    // a palette of three has no fourth color
    static const uint8_t with_black[] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0};
    rg_buf file;
    rg_buf_init(&file, rg_mem_heap(), 0);
    png_head(&file, 4, 1, 8, PNG_PALETTE, false);
    png_chunk(&file, "PLTE", palette, 9);
    png_rows(&file, "\0\0\1\2\3", 5);
    png_end(&file);
    reads_as(&file, 1, 4, with_black, 0);
    rg_buf_clear(&file);
}

static void m02_png_interlaced(void **state) {
    (void)state;
    // first row, rows between; first column, columns between: of the seven passes
    static const uint8_t passes[7][4] = {{0, 8, 0, 8}, {0, 8, 4, 8}, {4, 8, 0, 4}, {0, 4, 2, 4},
                                         {2, 4, 0, 2}, {0, 2, 1, 2}, {1, 2, 0, 1}};
    enum { SIDE = 11 };
    uint8_t rgb[SIDE * SIDE * 3];
    rg_buf rows;
    rg_buf file;
    if (!has_png()) {
        skip();
    }
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)(i * 31 + i / 100);
    }
    rg_buf_init(&rows, rg_mem_heap(), 0);
    for (size_t p = 0; p < 7; p++) {
        for (size_t y = passes[p][0]; y < SIDE; y += passes[p][1]) {
            rg_buf_char(&rows, 0);
            for (size_t x = passes[p][2]; x < SIDE; x += passes[p][3]) {
                rg_buf_put(&rows, rgb + (y * SIDE + x) * 3, 3);
            }
        }
    }
    rg_buf_init(&file, rg_mem_heap(), 0);
    png_head(&file, SIDE, SIDE, 8, PNG_RGB, true);
    png_rows(&file, rows.data, rows.size);
    png_end(&file);
    reads_as(&file, SIDE, SIDE, rgb, 0);
    rg_buf_clear(&file);
    rg_buf_clear(&rows);
}

// profiles and texts may unpack to gigabytes: nobody looks at them
static void m02_png_profiles_are_not_unpacked(void **state) {
    (void)state;
    static const char *const types[] = {"iCCP", "zTXt", "iTXt", "sPLT", "gAMA", "acTL", "tRNS"};
    uint8_t rgb[H * W * 3];
    uint8_t *data = NULL;
    if (!has_png()) {
        skip();
    }
    small_rgb(rgb);
    data = rg_new(rg_mem_heap(), 3 << 20);
    assert_non_null(data);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        rg_buf file;
        torture counted;
        rg_picture picture = {0};
        torture_init(&counted, 0);
        small_png(&file, types[t], data, t % 2 == 0 ? 3 << 20 : 20);
        reads_as(&file, H, W, rgb, 0);
        assert_int_equal(rg_picture_read(&counted.mem, file_of(&file), &picture, NULL), RG_OK);
        assert_true(counted.largest < 1 << 17);
        rg_picture_clear(&picture);
        assert_int_equal(counted.n_live, 0);
        rg_buf_clear(&file);
    }
    rg_free(rg_mem_heap(), data);
}

// ---- JPEG ----

#ifdef RAGA_WITH_JPEG
enum { JW = 37, JH = 26 };

static void gradient(uint8_t *pixels, size_t n_colors) {
    for (size_t y = 0; y < JH; y++) {
        for (size_t x = 0; x < JW; x++) {
            for (size_t c = 0; c < n_colors; c++) {
                pixels[(y * JW + x) * n_colors + c] = (uint8_t)(c == 0   ? 20 + 6 * x
                                                                : c == 1 ? 20 + 8 * y
                                                                         : 230 - 2 * x - 3 * y);
            }
        }
    }
}

static void small_jpeg(rg_buf *out, jpeg_options options) {
    uint8_t pixels[JH * JW * 4];
    const size_t n_colors = options.given == JCS_GRAYSCALE ? 1 : options.given == JCS_CMYK ? 4 : 3;
    gradient(pixels, n_colors);
    rg_buf_init(out, rg_mem_heap(), 0);
    jpeg_file(out, pixels, JW, JH, options);
}
#endif

static void m02_jpeg_of_all_kinds(void **state) {
    (void)state;
    if (!has_jpeg()) {
        skip();
    }
#ifdef RAGA_WITH_JPEG
    uint8_t rgb[JH * JW * 3];
    rg_buf file;
    gradient(rgb, 3);
    const jpeg_options kinds[] = {
        {0}, {.is_progressive = true}, {.restart_rows = 1}, {.given = JCS_RGB, .stored = JCS_RGB}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        small_jpeg(&file, kinds[k]);
        reads_as(&file, JH, JW, rgb, 8);
        rg_buf_clear(&file);
    }

    uint8_t gray[JH * JW];
    gradient(gray, 1);
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = gray[i / 3];
    }
    for (int progressive = 0; progressive < 2; progressive++) {
        small_jpeg(&file, (jpeg_options){.given = JCS_GRAYSCALE, .is_progressive = progressive});
        reads_as(&file, JH, JW, rgb, 8);
        rg_buf_clear(&file);
    }

    // four inks, stored inverted: what is 255 in the file is no ink
    uint8_t inks[JH * JW * 4];
    gradient(inks, 4);
    for (size_t i = 0; i < sizeof rgb; i++) {
        rgb[i] = (uint8_t)(inks[i / 3 * 4 + i % 3] * inks[i / 3 * 4 + 3] / 255.0 + 0.5);
    }
    for (int stored = 0; stored < 2; stored++) {
        small_jpeg(&file,
                   (jpeg_options){.given = JCS_CMYK, .stored = stored == 0 ? JCS_CMYK : JCS_YCCK});
        reads_as(&file, JH, JW, rgb, 10);
        rg_buf_clear(&file);
    }
#endif
}

static void m02_jpeg_with_too_many_passes(void **state) {
    (void)state;
    if (!has_jpeg()) {
        skip();
    }
#ifdef RAGA_WITH_JPEG
    rg_buf file;
    small_jpeg(&file, (jpeg_options){.given = JCS_GRAYSCALE, .is_progressive = true});
    const size_t at = jpeg_find(&file, 0xda, true);
    const size_t end = file.size - 2; // of the last pass
    for (int n_passes = 100; n_passes <= 101; n_passes++) {
        rg_buf bomb;
        rg_picture picture = {0};
        rg_error err = {0};
        rg_buf_init(&bomb, rg_mem_heap(), 0);
        rg_buf_put(&bomb, file.data, at);
        for (int pass = 1; pass < n_passes; pass++) {
            rg_buf_put(&bomb, file.data + at, end - at);
        }
        rg_buf_put(&bomb, "\xff\xd9", 2);
        if (n_passes <= RG_PICTURE_SCANS_MAX) {
            assert_int_equal(read_file(&bomb, &picture, &err), RG_OK);
            rg_picture_clear(&picture);
        } else {
            refuses(file_of(&bomb), RG_E_LIMIT, "more than 100 passes");
        }
        rg_buf_clear(&bomb);
    }
    rg_buf_clear(&file);
#endif
}

static void m02_jpeg_that_libjpeg_cannot_read(void **state) {
    (void)state;
    if (!has_jpeg()) {
        skip();
    }
#ifdef RAGA_WITH_JPEG
    rg_buf file;
    small_jpeg(&file, (jpeg_options){0});
    const size_t at = jpeg_find(&file, 0xc0, false);
    file.data[at + 4] = 12; // bits of a value
    refuses(file_of(&file), RG_E_UNSUPPORTED, "12");
    file.data[at + 4] = 8;
    file.data[at + 1] = (char)0xc3; // lossless
    refuses(file_of(&file), RG_E_UNSUPPORTED, "JPEG");
    rg_buf_clear(&file);
#endif
}

// ---- orientation ----

static void m02_orientations_turn_the_picture(void **state) {
    (void)state;
    // 1 2 3 over 4 5 6 is stored; what is seen, by orientation: "height width rows"
    static const char *const seen[] = {"",         "23123456", "23321654", "23654321", "23456123",
                                       "32142536", "32415263", "32635241", "32362514"};
    if (!has_png()) {
        skip();
    }
    for (unsigned o = 0; o <= 9; o++) {
        rg_buf exif;
        rg_buf file;
        const char *expected = seen[o >= 1 && o <= 8 ? o : 1];
        uint8_t rgb[18];
        for (size_t i = 0; i < sizeof rgb; i++) {
            rgb[i] = (uint8_t)expected[2 + i / 3];
        }
        rg_buf_init(&exif, rg_mem_heap(), 0);
        rg_buf_init(&file, rg_mem_heap(), 0);
        put_exif(&exif, o % 2 == 0, o);
        png_head(&file, 3, 2, 8, PNG_GRAY, false);
        // before the pixels or after them
        if (o % 3 == 0) {
            png_chunk(&file, "eXIf", exif.data, exif.size);
        }
        png_rows(&file,
                 "\0"
                 "123"
                 "\0"
                 "456",
                 8);
        if (o % 3 != 0) {
            png_chunk(&file, "eXIf", exif.data, exif.size);
        }
        png_end(&file);
        reads_as(&file, (uint32_t)(expected[0] - '0'), (uint32_t)(expected[1] - '0'), rgb, 0);
        rg_buf_clear(&file);
        rg_buf_clear(&exif);
    }
}

static void m02_orientations_of_jpeg(void **state) {
    (void)state;
    if (!has_jpeg()) {
        skip();
    }
#ifdef RAGA_WITH_JPEG
    uint8_t stored[JH * JW * 3];
    uint8_t rgb[JH * JW * 3];
    rg_buf exif;
    rg_buf file;
    gradient(stored, 3);
    for (size_t y = 0; y < JW; y++) {
        for (size_t x = 0; x < JH; x++) { // 6: a quarter turn clockwise
            memcpy(rgb + (y * JH + x) * 3, stored + ((JH - 1 - x) * JW + y) * 3, 3);
        }
    }
    rg_buf_init(&exif, rg_mem_heap(), 0);
    put_exif(&exif, true, 6);
    small_jpeg(&file, (jpeg_options){.exif = &exif});
    reads_as(&file, JW, JH, rgb, 8);
    rg_buf_clear(&file);
    rg_buf_clear(&exif);
#endif
}

static void m02_exif_of_any_bytes_is_harmless(void **state) {
    (void)state;
    rg_buf exif;
    rg_buf_init(&exif, rg_mem_heap(), 0);
    put_exif(&exif, false, 8);
    assert_int_equal(rg_exif_orientation(file_of(&exif)), 8);
    for (size_t n = 0; n < exif.size; n++) {
        // the entry must be there whole, the link to the next directory need not
        uint8_t *copy = rg_new(rg_mem_heap(), n);
        assert_non_null(copy);
        memcpy(copy, exif.data, n);
        assert_int_equal(rg_exif_orientation((rg_bytes){copy, n}), n < 22 ? 1 : 8);
        rg_free(rg_mem_heap(), copy);
    }
    for (size_t i = 0; i < exif.size; i++) {
        for (int value = 0; value < 256; value++) {
            const char kept = exif.data[i];
            exif.data[i] = (char)value;
            const unsigned o = rg_exif_orientation(file_of(&exif));
            assert_true(o >= 1 && o <= 8);
            exif.data[i] = kept;
        }
    }
    rg_buf_clear(&exif);
}

// ---- sizes ----

static void m01_png_sizes_are_refused_before_decoding(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        rg_status status;
        const char *word;
    } sizes[] = {{65535, 1, RG_E_LIMIT, "at most 200 times"},
                 {1, 65535, RG_E_LIMIT, "at most 200 times"},
                 {201, 1, RG_E_LIMIT, "201 x 1 pixels"},
                 {46368, 46368, RG_E_LIMIT, "at most 67108864 in all"},
                 {8193, 8192, RG_E_LIMIT, "in all"},
                 {65536, 400, RG_E_LIMIT, "65535 on a side"},
                 {0x7fffffff, 0x7fffffff, RG_E_LIMIT, "on a side"},
                 {0x80000000, 1, RG_E_FORMAT, "PNG"},
                 {0, 1, RG_E_FORMAT, "PNG"},
                 {1, 0, RG_E_FORMAT, "PNG"}};
    if (!has_png()) {
        skip();
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rg_buf file;
        torture counted;
        rg_picture picture = {0};
        torture_init(&counted, 0);
        rg_buf_init(&file, rg_mem_heap(), 0);
        png_head(&file, sizes[i].width, sizes[i].height, 8, PNG_RGB, false);
        png_rows(&file, "", 1);
        png_end(&file);
        refuses(file_of(&file), sizes[i].status, sizes[i].word);
        assert_int_equal(rg_picture_read(&counted.mem, file_of(&file), &picture, NULL),
                         sizes[i].status);
        assert_true(counted.largest < 1 << 17);
        assert_int_equal(counted.n_live, 0);
        rg_buf_clear(&file);
    }
    // the largest of each kind are decoded, and found short
    for (int i = 0; i < 2; i++) {
        rg_buf file;
        rg_buf_init(&file, rg_mem_heap(), 0);
        png_head(&file, i == 0 ? 8192 : 200, i == 0 ? 8192 : 1, 8, PNG_RGB, false);
        png_rows(&file, "", 1);
        png_end(&file);
        refuses(file_of(&file), RG_E_FORMAT, "PNG");
        rg_buf_clear(&file);
    }
}

static void m01_jpeg_sizes_are_refused_before_decoding(void **state) {
    (void)state;
    if (!has_jpeg()) {
        skip();
    }
#ifdef RAGA_WITH_JPEG
    static const struct {
        unsigned width, height;
        rg_status status;
        const char *word;
    } sizes[] = {{65500, 1, RG_E_LIMIT, "at most 200 times"},
                 {1, 65500, RG_E_LIMIT, "at most 200 times"},
                 {46368, 46368, RG_E_LIMIT, "in all"},
                 {8193, 8192, RG_E_LIMIT, "in all"},
                 {65535, 65535, RG_E_LIMIT, "65500"}, // libjpeg's own limit
                 {0, 5, RG_E_FORMAT, "JPEG"},
                 {8192, 8192, RG_E_FORMAT, "JPEG"}}; // decoded, and found short
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rg_buf file;
        small_jpeg(&file, (jpeg_options){0});
        char *size = file.data + jpeg_find(&file, 0xc0, false) + 5;
        size[0] = (char)(sizes[i].height >> 8);
        size[1] = (char)sizes[i].height;
        size[2] = (char)(sizes[i].width >> 8);
        size[3] = (char)sizes[i].width;
        refuses(file_of(&file), sizes[i].status, sizes[i].word);
        rg_buf_clear(&file);
    }
#endif
}

static void m01_files_that_are_too_large(void **state) {
    (void)state;
    static const uint8_t head[8] = "\xff\xd8\xff";
    refuses((rg_bytes){head, (size_t)RG_PICTURE_FILE_MAX + 1}, RG_E_LIMIT, "at most 268435456");
}

// ---- damage ----

// every beginning of the file, in memory that ends where it ends
static void refuses_every_truncation_of(const rg_buf *file) {
    for (size_t n = 0; n < file->size; n++) {
        rg_error err = {0};
        rg_picture picture = {0};
        uint8_t *copy = rg_new(rg_mem_heap(), n);
        assert_non_null(copy);
        if (n > 0) {
            memcpy(copy, file->data, n);
        }
        const rg_status status =
            rg_picture_read(rg_mem_heap(), (rg_bytes){copy, n}, &picture, &err);
        if (status != RG_E_FORMAT) {
            fail_msg("%zu of %zu bytes give %s", n, file->size, rg_status_name(status));
        }
        rg_free(rg_mem_heap(), copy);
    }
}

static void m02_refuses_every_truncation(void **state) {
    (void)state;
    rg_buf file;
    if (has_png()) {
        small_png(&file, NULL, NULL, 0);
        refuses_every_truncation_of(&file);
        rg_buf_clear(&file);
    }
#ifdef RAGA_WITH_JPEG
    for (int progressive = 0; progressive < 2; progressive++) {
        small_jpeg(&file, (jpeg_options){.is_progressive = progressive});
        refuses_every_truncation_of(&file);
        rg_buf_clear(&file);
    }
#endif
}

static void m02_damaged_bytes_are_harmless(void **state) {
    (void)state;
    rg_buf files[3];
    size_t n_files = 0;
    if (has_png()) {
        small_png(&files[n_files++], NULL, NULL, 0);
    }
#ifdef RAGA_WITH_JPEG
    small_jpeg(&files[n_files++], (jpeg_options){0});
    small_jpeg(&files[n_files++], (jpeg_options){.is_progressive = true, .given = JCS_CMYK});
#endif
    for (size_t f = 0; f < n_files; f++) {
        size_t n_refused = 0;
        for (size_t i = 0; i < files[f].size; i++) {
            rg_picture picture = {0};
            files[f].data[i] ^= (char)(1 << (i % 8));
            n_refused += read_file(&files[f], &picture, NULL) != RG_OK;
            files[f].data[i] ^= (char)(1 << (i % 8));
            rg_picture_clear(&picture);
        }
        assert_true(n_refused > 0);
        // a PNG guards its pixels: nothing but the head of a chunk nobody needs may be wrong
        assert_true(f > 0 || !has_png() || n_refused == files[f].size);
        rg_buf_clear(&files[f]);
    }
}

// ---- other formats ----

static void m03_other_formats_are_named(void **state) {
    (void)state;
    static const struct {
        rg_str head;
        const char *name;
    } files[] = {{RG_STR("GIF89a\1\0\1\0"), "GIF"},
                 {RG_STR("RIFF\0\0\0\0WEBPVP8 "), "WebP"},
                 {RG_STR("\0\0\0\x18"
                         "ftypheic\0\0\0\0"),
                  "HEIC"},
                 {RG_STR("\0\0\0\x18"
                         "ftypavif\0\0\0\0"),
                  "AVIF"},
                 {RG_STR("\0\0\0\x18"
                         "ftypisom\0\0\0\0"),
                  "video"},
                 {RG_STR("BM\0\0\0\0\0\0\0\0"), "BMP"},
                 {RG_STR("II*\0\0\0\0\0"), "TIFF"},
                 {RG_STR("MM\0*\0\0\0\0"), "TIFF"},
                 {RG_STR("%PDF-1.7\n"), "PDF"},
                 {RG_STR("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "SVG"},
                 {RG_STR("<?xml version=\"1.0\"?><svg/>"), "SVG"},
                 {RG_STR("<!DOCTYPE html>"), "HTML"},
                 {RG_STR("PK\3\4"), "ZIP"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        refuses((rg_bytes){(const uint8_t *)files[i].head.data, files[i].head.size},
                RG_E_UNSUPPORTED, files[i].name);
    }
    refuses((rg_bytes){NULL, 0}, RG_E_FORMAT, "0 bytes");
    refuses((rg_bytes){(const uint8_t *)"hello", 5}, RG_E_FORMAT, "68 65 6c 6c 6f");
}

// what a file is called does not count, and what follows the picture is not read
static void m03_more_after_the_picture_is_ignored(void **state) {
    (void)state;
    if (!has_png()) {
        skip();
    }
    uint8_t rgb[H * W * 3];
    rg_buf file;
    small_rgb(rgb);
    small_png(&file, NULL, NULL, 0);
    rg_buf_str(&file, RG_STR("PK\3\4<html>%PDF"));
    reads_as(&file, H, W, rgb, 0);
    rg_buf_clear(&file);
}

// ---- the house's rules ----

static void every_allocation_may_fail(void **state) {
    (void)state;
    rg_buf files[3];
    rg_buf exif;
    size_t n_files = 0;
    rg_buf_init(&exif, rg_mem_heap(), 0);
    put_exif(&exif, false, 5);
    if (has_png()) {
        small_png(&files[n_files++], "eXIf", exif.data, exif.size);
    }
#ifdef RAGA_WITH_JPEG
    small_jpeg(&files[n_files++], (jpeg_options){.exif = &exif});
    small_jpeg(&files[n_files++], (jpeg_options){.given = JCS_CMYK});
#endif
    for (size_t f = 0; f < n_files; f++) {
        rg_status status = RG_E_MEMORY;
        size_t fail_at = 1;
        for (; status != RG_OK; fail_at++) {
            torture t;
            rg_picture picture = {0};
            torture_init(&t, fail_at);
            status = rg_picture_read(&t.mem, file_of(&files[f]), &picture, NULL);
            assert_true(status == RG_OK || status == RG_E_MEMORY);
            assert_true((status == RG_OK) == (picture.pixels != NULL));
            rg_picture_clear(&picture);
            assert_int_equal(t.n_live, 0);
            assert_true(fail_at < 1000);
        }
        assert_true(fail_at > 2);
        rg_buf_clear(&files[f]);
    }
    rg_buf_clear(&exif);
}

static void *read_on_small_stack(void *arg) {
    rg_picture picture = {0};
    const rg_status status = read_file(arg, &picture, NULL);
    rg_picture_clear(&picture);
    return (void *)(uintptr_t)status;
}

static void a_small_stack_is_enough(void **state) {
    (void)state;
    rg_buf files[2];
    size_t n_files = 0;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    if (has_png()) {
        small_png(&files[n_files++], NULL, NULL, 0);
    }
#ifdef RAGA_WITH_JPEG
    small_jpeg(&files[n_files++], (jpeg_options){.is_progressive = true});
#endif
    for (size_t f = 0; f < n_files; f++) {
        pthread_t thread;
        void *status = NULL;
        assert_int_equal(pthread_create(&thread, &attr, read_on_small_stack, &files[f]), 0);
        pthread_join(thread, &status);
        assert_null(status);
        rg_buf_clear(&files[f]);
    }
    pthread_attr_destroy(&attr);
}

// the libraries would print what they think of a file
static void nothing_is_printed(void **state) {
    (void)state;
    FILE *shown = tmpfile();
    const int kept = dup(STDERR_FILENO);
    rg_buf file;
    rg_picture picture = {0};
    assert_non_null(shown);
    fflush(stderr);
    dup2(fileno(shown), STDERR_FILENO);
    small_png(&file, "pHYs", "wrong", 5);
    for (size_t n = 0; n <= file.size; n += 3) {
        if (rg_picture_read(rg_mem_heap(), (rg_bytes){(uint8_t *)file.data, n}, &picture, NULL) ==
            RG_OK) {
            rg_picture_clear(&picture);
        }
    }
    rg_buf_clear(&file);
#ifdef RAGA_WITH_JPEG
    small_jpeg(&file, (jpeg_options){0});
    for (size_t n = 0; n <= file.size; n += 3) {
        if (rg_picture_read(rg_mem_heap(), (rg_bytes){(uint8_t *)file.data, n}, &picture, NULL) ==
            RG_OK) {
            rg_picture_clear(&picture);
        }
    }
    rg_buf_clear(&file);
#endif
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(lseek(fileno(shown), 0, SEEK_END), 0);
    fclose(shown);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_that_are_not_built_in_are_named),
        cmocka_unit_test(m01_png_sizes_are_refused_before_decoding),
        cmocka_unit_test(m01_jpeg_sizes_are_refused_before_decoding),
        cmocka_unit_test(m01_files_that_are_too_large),
        cmocka_unit_test(m02_png_of_all_depths_and_colors),
        cmocka_unit_test(m02_png_of_few_bits_and_palettes),
        cmocka_unit_test(m02_png_interlaced),
        cmocka_unit_test(m02_png_profiles_are_not_unpacked),
        cmocka_unit_test(m02_jpeg_of_all_kinds),
        cmocka_unit_test(m02_jpeg_with_too_many_passes),
        cmocka_unit_test(m02_jpeg_that_libjpeg_cannot_read),
        cmocka_unit_test(m02_orientations_turn_the_picture),
        cmocka_unit_test(m02_orientations_of_jpeg),
        cmocka_unit_test(m02_exif_of_any_bytes_is_harmless),
        cmocka_unit_test(m02_refuses_every_truncation),
        cmocka_unit_test(m02_damaged_bytes_are_harmless),
        cmocka_unit_test(m03_other_formats_are_named),
        cmocka_unit_test(m03_more_after_the_picture_is_ignored),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_small_stack_is_enough),
        cmocka_unit_test(nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
