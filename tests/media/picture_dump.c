/* What media/ makes of a file, for scripts that compare it with other programs.
 * usage: picture_dump FILE pixels | resize HEIGHT WIDTH | patches (qwen2|qwen3)
 * Prints a line of sizes, then the values as they lie in memory. */
#include "base/file.h"
#include "media/patches.h"

#include <stdio.h>
#include <stdlib.h>

static rg_status dump_patches(const rg_picture *picture, bool is_qwen2, rg_error *err) {
    rg_picture_settings settings;
    rg_patches patches = {0};
    rg_picture_settings_init(&settings, is_qwen2 ? RG_PICTURE_QWEN2 : RG_PICTURE_QWEN3);
    const rg_status status = rg_patches_make(rg_mem_heap(), picture, &settings, &patches, err);
    if (status == RG_OK) {
        printf("%u %u %u %zu\n", patches.grid_t, patches.grid_h, patches.grid_w, patches.n_values);
        fwrite(patches.values, sizeof *patches.values, patches.n_patches * patches.n_values,
               stdout);
    }
    rg_patches_clear(&patches);
    return status;
}

static void dump_pixels(const rg_picture *picture) {
    printf("%u %u\n", picture->height, picture->width);
    fwrite(picture->pixels, 3, (size_t)picture->height * picture->width, stdout);
}

int main(int argc, char **argv) {
    rg_status status = RG_OK;
    rg_error err = {0};
    rg_bytes file = {0};
    rg_picture picture = {0};
    rg_picture resized = {0};
    const char *what = argc >= 3 ? argv[2] : "";
    if (argc < 3) {
        fprintf(stderr, "usage: picture_dump FILE pixels|resize HEIGHT WIDTH|patches FAMILY\n");
        return 2;
    }
    RG_TRY(rg_file_read(rg_mem_heap(), argv[1], RG_PICTURE_FILE_MAX, &file, &err));
    RG_TRY(rg_picture_read(rg_mem_heap(), file, &picture, &err));
    if (rg_str_is(rg_str_of(what), "resize") && argc == 5) {
        RG_TRY(rg_picture_resize(rg_mem_heap(), &picture, (uint32_t)strtoul(argv[3], NULL, 10),
                                 (uint32_t)strtoul(argv[4], NULL, 10), &resized, &err));
        dump_pixels(&resized);
    } else if (rg_str_is(rg_str_of(what), "patches") && argc == 4) {
        RG_TRY(dump_patches(&picture, rg_str_is(rg_str_of(argv[3]), "qwen2"), &err));
    } else {
        dump_pixels(&picture);
    }

done:
    if (status != RG_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    rg_picture_clear(&resized);
    rg_picture_clear(&picture);
    rg_free(rg_mem_heap(), (void *)file.data);
    return status == RG_OK ? 0 : 1;
}
