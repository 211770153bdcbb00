/* PNG and JPEG files for tests: PNG by hand, so that every part can be wrong, JPEG by libjpeg. */
#pragma once

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

// ---- PNG ----

enum { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGBA = 6 };

static inline void put_big(rg_buf *out, uint32_t value, unsigned bytes) {
    while (bytes-- > 0) {
        rg_buf_char(out, (char)(value >> (8 * bytes)));
    }
}

static inline uint32_t png_crc(const uint8_t *data, size_t n) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

static inline void png_chunk(rg_buf *out, const char *type, const void *data, size_t n) {
    put_big(out, (uint32_t)n, 4);
    const size_t at = out->size;
    rg_buf_put(out, type, 4);
    rg_buf_put(out, data, n);
    put_big(out, png_crc((const uint8_t *)out->data + at, n + 4), 4);
}

static inline void png_head(rg_buf *out, uint32_t width, uint32_t height, unsigned depth,
                            unsigned color, bool is_interlaced) {
    uint8_t head[13] = {width >> 24,    width >> 16,    width >> 8,  width,
                        height >> 24,   height >> 16,   height >> 8, height,
                        (uint8_t)depth, (uint8_t)color, 0,           0,
                        is_interlaced};
    rg_buf_put(out, "\x89PNG\r\n\x1a\n", 8);
    png_chunk(out, "IHDR", head, sizeof head);
}

/** Rows with their filter bytes, at most 65535 bytes in all, as a zlib stream that stores them. */
static inline void png_rows(rg_buf *out, const void *rows, size_t n) {
    rg_buf z;
    const uint8_t *p = rows;
    uint32_t a = 1;
    uint32_t b = 0;
    rg_buf_init(&z, rg_mem_heap(), 0);
    const uint8_t head[7] = {0x78, 1, 1, n & 255, (uint8_t)(n >> 8), ~n & 255, (uint8_t)(~n >> 8)};
    rg_buf_put(&z, head, sizeof head);
    rg_buf_put(&z, rows, n);
    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_big(&z, b << 16 | a, 4);
    png_chunk(out, "IDAT", z.data, z.size);
    rg_buf_clear(&z);
}

static inline void png_end(rg_buf *out) {
    png_chunk(out, "IEND", NULL, 0);
}

static inline rg_bytes file_of(const rg_buf *buf) {
    return (rg_bytes){(const uint8_t *)buf->data, buf->size};
}

// ---- EXIF ----

/** TIFF of one directory with one entry; what an orientation looks like in either byte order. */
static inline void put_exif(rg_buf *out, bool is_big, unsigned orientation) {
    const uint8_t little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0};
    const uint8_t big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1};
    rg_buf_put(out, is_big ? big : little, sizeof big);
    put_big(out, is_big ? orientation << 16 : orientation << 24, 4);
    put_big(out, 0, 4);
}

// ---- JPEG ----

#ifdef RAGA_WITH_JPEG
#include <jpeglib.h>

typedef struct jpeg_options {
    J_COLOR_SPACE given;  // of the pixels; 0: RGB
    J_COLOR_SPACE stored; // 0: what libjpeg takes for it
    bool is_progressive;  // a pass for DC, one for AC
    unsigned restart_rows;
    const rg_buf *exif; // NULL: none
} jpeg_options;

/** Encode at quality 95 without subsampling. @param pixels  [height][width][colors] */
static inline void jpeg_file(rg_buf *out, const uint8_t *pixels, uint32_t width, uint32_t height,
                             jpeg_options o) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &size);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.in_color_space = o.given == 0 ? JCS_RGB : o.given;
    jpeg.input_components = o.given == JCS_GRAYSCALE ? 1 : o.given == JCS_CMYK ? 4 : 3;
    jpeg_set_defaults(&jpeg);
    if (o.stored != 0) {
        jpeg_set_colorspace(&jpeg, o.stored);
    }
    jpeg_set_quality(&jpeg, 95, TRUE);
    for (int c = 0; c < jpeg.num_components; c++) {
        jpeg.comp_info[c].h_samp_factor = 1;
        jpeg.comp_info[c].v_samp_factor = 1;
    }
    jpeg.restart_in_rows = (int)o.restart_rows;
    static const jpeg_scan_info passes[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    if (o.is_progressive && jpeg.num_components == 1) {
        jpeg.scan_info = passes;
        jpeg.num_scans = 2;
    } else if (o.is_progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    if (o.exif != NULL) {
        rg_buf marker;
        rg_buf_init(&marker, rg_mem_heap(), 0);
        rg_buf_put(&marker, "Exif\0", 6);
        rg_buf_put(&marker, o.exif->data, o.exif->size);
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, (const JOCTET *)marker.data, (unsigned)marker.size);
        rg_buf_clear(&marker);
    }
    while (jpeg.next_scanline < height) {
        JSAMPROW row =
            (JSAMPROW)pixels + (size_t)jpeg.next_scanline * width * (size_t)jpeg.input_components;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    rg_buf_put(out, data, size);
    free(data);
}

/** Where the marker of this kind lies, counted from the end or the start; the size if nowhere. */
static inline size_t jpeg_find(const rg_buf *file, uint8_t kind, bool is_last) {
    size_t found = file->size;
    for (size_t i = 2; i + 1 < file->size; i++) {
        if ((uint8_t)file->data[i] == 0xff && (uint8_t)file->data[i + 1] == kind) {
            found = i;
            if (!is_last) {
                return found;
            }
        }
    }
    return found;
}
#endif
