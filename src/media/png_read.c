/* PNG through libpng. It reports errors by a function that must not return: decode() is left by
 * longjmp for guard() then, so everything that outlives a failure lies in `png_reader`. */
#include "media/picture_internal.h"

#include <setjmp.h>

#include <png.h>

typedef struct png_reader {
    const rg_mem *mem;
    png_structp png;
    png_infop info;
    jmp_buf failed;
    rg_bytes rest; // of the file
    rg_picture *out;
    bool is_short_of_memory;
    char text[128];
} png_reader;

// ---- what libpng calls ----

static void leave(png_structp png, png_const_charp text) {
    png_reader *r = png_get_error_ptr(png);
    snprintf(r->text, sizeof r->text, "%s", text);
    longjmp(r->failed, 1);
}

// they are about chunks that are not looked at; damage to pixels is an error
static void say_nothing(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void take(png_structp png, png_bytep to, size_t n) {
    png_reader *r = png_get_io_ptr(png);
    if (n > r->rest.size) {
        png_error(png, "the file ends too early");
    }
    memcpy(to, r->rest.data, n);
    r->rest = (rg_bytes){r->rest.data + n, r->rest.size - n};
}

static png_voidp give_memory(png_structp png, png_alloc_size_t bytes) {
    png_reader *r = png_get_mem_ptr(png);
    void *block = rg_alloc(r->mem, bytes);
    r->is_short_of_memory |= block == NULL;
    return block;
}

static void take_memory_back(png_structp png, png_voidp block) {
    const png_reader *r = png_get_mem_ptr(png);
    rg_free(r->mem, block);
}

// ---- decoding ----

// what does not change pixels is skipped unread: profiles and texts that unpack to gigabytes as
// well
static void skip_extras(png_structp png) {
    static const png_byte transparent[] = "tRNS";
    static const png_byte exif[] = "eXIf";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, transparent, 1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
    png_set_chunk_malloc_max(png, RG_PICTURE_CHUNK_MAX);
}

static void ask_for_rgb(png_structp png, png_infop info) {
    png_set_palette_to_rgb(png);
    if ((png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) == 0) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    png_set_strip_16(png);
    png_set_strip_alpha(png);
}

// a function of its own, so that nothing of the frame that longjmp comes back to has changed
__attribute__((noinline)) static rg_status decode(png_reader *r, unsigned *orientation,
                                                  rg_error *err) {
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, leave, say_nothing, r, give_memory,
                                      take_memory_back);
    r->info = r->png == NULL ? NULL : png_create_info_struct(r->png);
    if (r->info == NULL) {
        return rg_fail(err, r->is_short_of_memory ? RG_E_MEMORY : RG_E_UNSUPPORTED,
                       "PNG: libpng %s does not start", PNG_LIBPNG_VER_STRING);
    }
    png_set_read_fn(r->png, r, take);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // ours are below
    skip_extras(r->png);

    // the head, its size, room for the pixels, then the work
    png_read_info(r->png, r->info);
    const uint32_t height = png_get_image_height(r->png, r->info);
    const uint32_t width = png_get_image_width(r->png, r->info);
    rg_status status = rg_picture_check_size("PNG", height, width, err);
    if (status != RG_OK) {
        return status;
    }
    status = rg_picture_new(r->mem, height, width, r->out, err);
    if (status != RG_OK) {
        return status;
    }
    const int n_passes = png_set_interlace_handling(r->png);
    ask_for_rgb(r->png, r->info);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != (size_t)width * 3) {
        return rg_fail(err, RG_E_INTERNAL, "PNG: rows of %zu bytes for %u pixels",
                       (size_t)png_get_rowbytes(r->png, r->info), width);
    }
    for (int pass = 0; pass < n_passes; pass++) {
        for (uint32_t y = 0; y < height; y++) {
            png_read_row(r->png, r->out->pixels + (size_t)y * width * 3, NULL);
        }
    }
    // the end of the file is looked for too: without it something is missing
    png_read_end(r->png, r->info);
    png_bytep exif = NULL;
    png_uint_32 n_exif = 0;
    if (png_get_eXIf_1(r->png, r->info, &n_exif, &exif) != 0) {
        *orientation = rg_exif_orientation((rg_bytes){exif, n_exif});
    }
    return RG_OK;
}

static rg_status guard(png_reader *r, unsigned *orientation, rg_error *err) {
    if (setjmp(r->failed) != 0) {
        return rg_fail(err, r->is_short_of_memory ? RG_E_MEMORY : RG_E_FORMAT, "PNG: %s", r->text);
    }
    return decode(r, orientation, err);
}

rg_status rg_png_read(const rg_mem *mem, rg_bytes file, rg_picture *out, unsigned *orientation,
                      rg_error *err) {
    png_reader r = {.mem = mem, .rest = file, .out = out};
    rg_status status = guard(&r, orientation, err);
    if (r.png != NULL) {
        png_destroy_read_struct(&r.png, &r.info, NULL);
    }
    if (status == RG_OK && r.is_short_of_memory) {
        // an extra was given up for it, such as the orientation
        status = rg_fail(err, RG_E_MEMORY, "PNG: no memory");
    }
    return status;
}
