/*
 * media/ makes of a picture's file what a vision tower takes: JPEG and PNG are decoded (libjpeg,
 * libpng), turned upright, brought to the model's size and cut into patches. Video and sound are
 * not here. It relies on base/ alone; what a model wants of its pictures is handed to it as
 * settings.
 *
 * picture.h: files to pixels.
 */
#pragma once

#include "base/mem.h"
#include "base/view.h"

// checked before anything is decoded
#define RG_PICTURE_FILE_MAX   (256u << 20) // bytes of a file
#define RG_PICTURE_SIDE_MAX   65535u       // pixels of a side
#define RG_PICTURE_PIXELS_MAX (1u << 26)   // pixels of a picture
#define RG_PICTURE_ASPECT_MAX 200u         // longer side by shorter side, as the reference has it
// while decoding
#define RG_PICTURE_SCANS_MAX 100          // passes of a progressive JPEG
#define RG_PICTURE_JPEG_MAX  (640L << 20) // bytes that libjpeg keeps of a progressive JPEG
#define RG_PICTURE_CHUNK_MAX (1u << 20)   // bytes of a PNG chunk that is kept

/** 8-bit sRGB, as most files have it. Zero it to begin. */
typedef struct rg_picture {
    const rg_mem *mem;
    uint8_t *pixels; // [height][width][3], red first; NULL: none
    uint32_t height;
    uint32_t width;
} rg_picture;

/**
 * Decode a JPEG or PNG, told apart by their first bytes; what follows the picture in the file is
 * not looked at. Pixels come out as Pillow's convert("RGB") has them after exif_transpose(), which
 * is how the reference reads pictures: JPEG: baseline, progressive, arithmetic; gray, YCbCr, RGB;
 * CMYK and YCCK inverted, as Adobe writes them. The EXIF orientation is applied (not that of XMP).
 *   PNG:  any depth, palettes, interlaced; of 16 bits the upper 8 count, for gray too, which the
 *         reference clips to white; alpha and transparent colors are dropped, not blended; what
 *         a palette lacks is black; of an animation the still picture. An eXIf orientation is
 *         applied.
 * Color profiles and gamma change nothing.
 *
 * Memory: pixels, once more while they are turned, and what the libraries need: libpng's comes from
 * `mem`, libjpeg's from the process heap (it offers no other way), bounded by RG_PICTURE_JPEG_MAX.
 * @param mem   allocator, borrowed for the life of the picture
 * @param file  the whole file, borrowed during the call
 * @param out   receives the picture, owned by the caller: rg_picture_clear(); untouched on failure
 * Errors:  RG_E_UNSUPPORTED (another format, named; a kind of JPEG that libjpeg cannot read; a
 * build without the library), RG_E_FORMAT (no picture; damaged or cut short, even after the last
 *          pixel), RG_E_LIMIT, RG_E_MEMORY.
 * Threads: any thread.
 */
RG_MUST_CHECK rg_status rg_picture_read(const rg_mem *mem, rg_bytes file, rg_picture *out,
                                        rg_error *err);

/** Give the pixels back; the picture is as zeroed. */
void rg_picture_clear(rg_picture *picture);
