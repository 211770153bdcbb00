#include "media/picture_internal.h"

// ---- which format ----

typedef struct signature {
    const char *name;
    rg_str head;
    size_t at; // of the head in the file
} signature;

// clang-format off
static const signature signatures[] = {
    {"JPEG",                  RG_STR("\xff\xd8\xff"),                        0},
    {"PNG",                   RG_STR("\x89PNG"),                             0},
    {"GIF",                   RG_STR("GIF8"),                                0},
    {"WebP",                  RG_STR("WEBP"),                                8},
    {"AVIF",                  RG_STR("ftypavi"),                             4},
    {"HEIC",                  RG_STR("ftyphei"),                             4},
    {"HEIC",                  RG_STR("ftyphev"),                             4},
    {"HEIC",                  RG_STR("ftypmif1"),                            4},
    {"HEIC",                  RG_STR("ftypmsf1"),                            4},
    {"a video (MP4 or MOV)",  RG_STR("ftyp"),                                4},
    {"a video (Matroska)",    RG_STR("\x1a\x45\xdf\xa3"),                    0},
    {"JPEG XL",               RG_STR("\xff\x0a"),                            0},
    {"JPEG XL",               RG_STR("\0\0\0\x0cJXL "),                      0},
    {"JPEG 2000",             RG_STR("\0\0\0\x0cjP  "),                      0},
    {"JPEG 2000",             RG_STR("\xff\x4f\xff\x51"),                    0},
    {"TIFF",                  RG_STR("II*\0"),                               0},
    {"TIFF",                  RG_STR("MM\0*"),                               0},
    {"BMP",                   RG_STR("BM"),                                  0},
    {"ICO",                   RG_STR("\0\0\1\0"),                            0},
    {"PSD",                   RG_STR("8BPS"),                                0},
    {"QOI",                   RG_STR("qoif"),                                0},
    {"OpenEXR",               RG_STR("\x76\x2f\x31\x01"),                    0},
    {"PDF",                   RG_STR("%PDF"),                                0},
    {"PostScript",            RG_STR("%!PS"),                                0},
    {"ZIP",                   RG_STR("PK\3\4"),                              0},
    {"gzip",                  RG_STR("\x1f\x8b"),                            0},
    {"SVG",                   RG_STR("<svg"),                                0},
    {"SVG or other XML",      RG_STR("<?xml"),                               0},
    {"HTML",                  RG_STR("<!DOCTYPE html"),                      0},
    {"HTML",                  RG_STR("<!doctype html"),                      0},
    {"HTML",                  RG_STR("<html"),                               0},
};
// clang-format on

enum { SIGNATURE_JPEG, SIGNATURE_PNG, N_SIGNATURES = sizeof signatures / sizeof *signatures };

static size_t find_signature(rg_bytes file) {
    size_t i = 0;
    const rg_str text = {(const char *)file.data, file.size};
    while (i < N_SIGNATURES &&
           !rg_str_starts(rg_str_slice(text, signatures[i].at, text.size), signatures[i].head)) {
        i++;
    }
    return i;
}

static rg_status refuse_unknown(rg_bytes file, rg_error *err) {
    enum { SHOWN = 8 };
    char shown[3 * SHOWN + 1] = "";
    if (file.size == 0) {
        return rg_fail(err, RG_E_FORMAT, "a picture of 0 bytes");
    }
    for (size_t i = 0; i < SHOWN && i < file.size; i++) {
        snprintf(shown + 3 * i, 4, " %02x", file.data[i]);
    }
    return rg_fail(err, RG_E_FORMAT,
                   "this is no picture that raga knows (JPEG and PNG are): it begins with%s",
                   shown);
}

// ---- sizes ----

rg_status rg_picture_check_size(const char *what, uint32_t height, uint32_t width, rg_error *err) {
    const uint32_t longer = height > width ? height : width;
    const uint32_t shorter = height > width ? width : height;
    if (shorter == 0) {
        return rg_fail(err, RG_E_FORMAT, "%s: %u x %u pixels", what, width, height);
    }
    if (longer > RG_PICTURE_SIDE_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%s: %u x %u pixels, at most %u on a side", what, width,
                       height, RG_PICTURE_SIDE_MAX);
    }
    if ((uint64_t)height * width > RG_PICTURE_PIXELS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%s: %u x %u pixels, at most %u in all", what, width,
                       height, RG_PICTURE_PIXELS_MAX);
    }
    if (longer > (uint64_t)RG_PICTURE_ASPECT_MAX * shorter) {
        return rg_fail(err, RG_E_LIMIT,
                       "%s: %u x %u pixels, one side may be at most %u times the other", what,
                       width, height, RG_PICTURE_ASPECT_MAX);
    }
    return RG_OK;
}

rg_status rg_picture_new(const rg_mem *mem, uint32_t height, uint32_t width, rg_picture *out,
                         rg_error *err) {
    size_t bytes = 0;
    uint8_t *pixels = rg_mul_size((size_t)width * 3, height, &bytes) ? rg_alloc(mem, bytes) : NULL;
    if (pixels == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a picture of %u x %u pixels", width,
                       height);
    }
    *out = (rg_picture){.mem = mem, .pixels = pixels, .height = height, .width = width};
    return RG_OK;
}

void rg_picture_clear(rg_picture *picture) {
    if (picture->pixels != NULL) {
        rg_free(picture->mem, picture->pixels);
    }
    *picture = (rg_picture){0};
}

// ---- orientation ----

// bring a picture upright: what is row y, column x then is taken from where it lies now
static rg_status turn(unsigned orientation, rg_picture *picture, rg_error *err) {
    const bool is_swapped = orientation >= 5; // rows become columns
    const bool is_bottom_first =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const bool is_right_first =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const uint32_t height = is_swapped ? picture->width : picture->height;
    const uint32_t width = is_swapped ? picture->height : picture->width;
    rg_picture upright = {0};
    if (orientation == 1) {
        return RG_OK;
    }
    const rg_status status = rg_picture_new(picture->mem, height, width, &upright, err);
    if (status != RG_OK) {
        return status;
    }
    uint8_t *to = upright.pixels;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint32_t row = is_swapped ? x : y;
            uint32_t column = is_swapped ? y : x;
            row = is_bottom_first ? picture->height - 1 - row : row;
            column = is_right_first ? picture->width - 1 - column : column;
            memcpy(to, picture->pixels + ((size_t)row * picture->width + column) * 3, 3);
            to += 3;
        }
    }
    rg_picture_clear(picture);
    *picture = upright;
    return RG_OK;
}

rg_status rg_picture_read(const rg_mem *mem, rg_bytes file, rg_picture *out, rg_error *err) {
    rg_status status = RG_OK;
    rg_picture picture = {0};
    unsigned orientation = 1;
    const size_t format = find_signature(file);
    if (file.size > RG_PICTURE_FILE_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "a picture of %zu bytes, at most %u", file.size,
                         RG_PICTURE_FILE_MAX);
        goto done;
    }
    switch (format) {
    case SIGNATURE_JPEG:
        RG_TRY(rg_jpeg_read(mem, file, &picture, &orientation, err));
        break;
    case SIGNATURE_PNG:
        RG_TRY(rg_png_read(mem, file, &picture, &orientation, err));
        break;
    case N_SIGNATURES:
        status = refuse_unknown(file, err);
        goto done;
    default:
        status = rg_fail(err, RG_E_UNSUPPORTED, "raga reads JPEG and PNG; this picture is %s",
                         signatures[format].name);
        goto done;
    }
    RG_TRY(turn(orientation, &picture, err));
    *out = picture;
    picture = (rg_picture){0};

done:
    rg_picture_clear(&picture);
    return status;
}
