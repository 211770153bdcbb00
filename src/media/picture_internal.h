/* What the files of this room share. */
#pragma once

#include "media/picture.h"

/** The decoders: pixels as they lie in the file, and the EXIF orientation, 1 to 8 (1: upright).
 * They fill `out` as they go, which the caller clears on failure too. */
RG_MUST_CHECK rg_status rg_jpeg_read(const rg_mem *mem, rg_bytes file, rg_picture *out,
                                     unsigned *orientation, rg_error *err);
RG_MUST_CHECK rg_status rg_png_read(const rg_mem *mem, rg_bytes file, rg_picture *out,
                                    unsigned *orientation, rg_error *err);

/**
 * May a picture of this size be decoded?
 * @param what  for the sentence: "JPEG"
 * Errors: RG_E_FORMAT (no pixels), RG_E_LIMIT.
 */
RG_MUST_CHECK rg_status rg_picture_check_size(const char *what, uint32_t height, uint32_t width,
                                              rg_error *err);

/** Room for height x width pixels, each at least 1, not cleared. Errors: RG_E_MEMORY. */
RG_MUST_CHECK rg_status rg_picture_new(const rg_mem *mem, uint32_t height, uint32_t width,
                                       rg_picture *out, rg_error *err);

/**
 * The orientation that EXIF data tells: what must be done to see the picture upright.
 * @param tiff  from "II" or "MM" on; any bytes
 * @return  1 to 8; 1 when there is none or the data make no sense, as nothing depends on them
 * Source: CIPA DC-008 (Exif 2.32), tag 0x0112 of TIFF's first directory.
 */
unsigned rg_exif_orientation(rg_bytes tiff);
