/* JPEG through libjpeg. It reports errors by a function that must not return: decode() is left by
 * longjmp for guard() then, so everything that outlives a failure lies in `jpeg_reader`. */
#include "media/picture_internal.h"

#include <setjmp.h>

#include <jpeglib.h>
// after jpeglib.h
#include <jerror.h>

typedef struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    rg_picture *out;
    uint8_t *row; // [width][4], of a picture of four colors
    rg_status status;
    char text[JMSG_LENGTH_MAX];
} jpeg_reader;

// ---- what libjpeg calls ----

static rg_status status_of(int code) {
    switch (code) {
    case JERR_OUT_OF_MEMORY:
        return RG_E_MEMORY;
    case JERR_IMAGE_TOO_BIG:
    case JERR_NO_BACKING_STORE: // it would go on in a file
        return RG_E_LIMIT;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
        return RG_E_UNSUPPORTED;
    default:
        return RG_E_FORMAT;
    }
}

static void leave(j_common_ptr jpeg) {
    jpeg_reader *r = jpeg->client_data;
    r->status = status_of(jpeg->err->msg_code);
    jpeg->err->format_message(jpeg, r->text);
    longjmp(r->failed, 1);
}

// warnings: what tells of lost picture data is an error, oddities that change no pixel are not
static void judge_message(j_common_ptr jpeg, int level) {
    if (level >= 0) {
        return; // a trace
    }
    switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA: // between markers; some cameras fill up so
    case JWRN_JFIF_MAJOR:
        return;
    default:
        leave(jpeg);
    }
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

// each pass takes time by the size of the picture, however few bytes it has
static void count_scans(j_common_ptr jpeg) {
    jpeg_reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number > RG_PICTURE_SCANS_MAX) {
        r->status = RG_E_LIMIT;
        snprintf(r->text, sizeof r->text, "more than %d passes over the picture",
                 RG_PICTURE_SCANS_MAX);
        longjmp(r->failed, 1);
    }
}

// ---- decoding ----

static unsigned find_orientation(const struct jpeg_decompress_struct *jpeg) {
    static const char head[6] = "Exif\0";
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m != NULL; m = m->next) {
        if (m->data_length >= sizeof head && memcmp(m->data, head, sizeof head) == 0) {
            return rg_exif_orientation(
                (rg_bytes){m->data + sizeof head, m->data_length - sizeof head});
        }
    }
    return 1;
}

// the product of two shares of 255, rounded
static uint8_t product_255(unsigned a, unsigned b) {
    const unsigned p = a * b + 128;
    return (uint8_t)((p + (p >> 8)) >> 8);
}

// four inverted inks to light, as Pillow has it: whatever the file says, Adobe's inversion is meant
static void light_of_inks(const uint8_t *inks, size_t n, uint8_t *rgb) {
    for (size_t i = 0; i < n; i++) {
        const unsigned black = inks[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            rgb[3 * i + c] = (uint8_t)(black - product_255(255u - inks[4 * i + c], black));
        }
    }
}

// a function of its own, so that nothing of the frame that longjmp comes back to has changed
__attribute__((noinline)) static rg_status decode(jpeg_reader *r, const rg_mem *mem, rg_bytes file,
                                                  unsigned *orientation, rg_error *err) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->mem->max_memory_to_use = RG_PICTURE_JPEG_MAX;
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, file.data, (unsigned long)file.size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);

    // the head, its size, room for the pixels, then the work
    jpeg_read_header(jpeg, TRUE);
    rg_status status = rg_picture_check_size("JPEG", jpeg->image_height, jpeg->image_width, err);
    if (status != RG_OK) {
        return status;
    }
    status = rg_picture_new(mem, jpeg->image_height, jpeg->image_width, r->out, err);
    if (status != RG_OK) {
        return status;
    }
    *orientation = find_orientation(jpeg);
    const bool is_inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    if (is_inks) {
        r->row = rg_alloc(mem, (size_t)jpeg->image_width * 4);
        if (r->row == NULL) {
            return rg_fail(err, RG_E_MEMORY, "JPEG: no memory for a row of %u pixels",
                           jpeg->image_width);
        }
    }
    jpeg->out_color_space = is_inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *to = r->out->pixels + (size_t)jpeg->output_scanline * jpeg->image_width * 3;
        JSAMPROW row = is_inks ? r->row : to;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (is_inks) {
            light_of_inks(r->row, jpeg->image_width, to);
        }
    }
    // the end of the file is looked for too: without it something is missing
    jpeg_finish_decompress(jpeg);
    return RG_OK;
}

static rg_status guard(jpeg_reader *r, const rg_mem *mem, rg_bytes file, unsigned *orientation,
                       rg_error *err) {
    if (setjmp(r->failed) != 0) {
        return rg_fail(err, r->status, "JPEG: %s", r->text);
    }
    return decode(r, mem, file, orientation, err);
}

rg_status rg_jpeg_read(const rg_mem *mem, rg_bytes file, rg_picture *out, unsigned *orientation,
                       rg_error *err) {
    jpeg_reader r = {.out = out};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = leave;
    r.errors.emit_message = judge_message;
    r.errors.output_message = say_nothing;
    r.progress.progress_monitor = count_scans;
    const rg_status status = guard(&r, mem, file, orientation, err);
    jpeg_destroy_decompress(&r.jpeg);
    rg_free(mem, r.row);
    return status;
}
