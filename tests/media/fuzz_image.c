/* Any bytes as a picture: read or refused, and what is read becomes patches of the promised sizes.
 * A PNG is read a second time with the checksums of its chunks made right, so that what lies behind
 * them is reached too. Memory is bounded: what is large is known to be refused from there on. */
#include "media/patches.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAX = 8 << 20 };

static void must(bool fact) {
    if (!fact) {
        __builtin_trap();
    }
}

static void *give(void *self, size_t bytes) {
    (void)self;
    return bytes > MEMORY_MAX ? NULL : rg_alloc(rg_mem_heap(), bytes);
}

static void take_back(void *self, void *block) {
    (void)self;
    rg_free(rg_mem_heap(), block);
}

static void read_picture(rg_bytes file) {
    static const rg_mem mem = {give, take_back, NULL};
    rg_error err = {0};
    rg_picture picture = {0};
    rg_picture_settings settings;
    rg_patches patches = {0};
    if (rg_picture_read(&mem, file, &picture, &err) != RG_OK) {
        must(picture.pixels == NULL && err.text[0] != '\0');
        return;
    }
    must(picture.height > 0 && picture.width > 0);
    rg_picture_settings_init(&settings, RG_PICTURE_QWEN2);
    settings.max_pixels = 1 << 16;
    if (rg_patches_make(&mem, &picture, &settings, &patches, &err) == RG_OK) {
        must(patches.n_tokens * 4 == patches.n_patches);
        for (size_t i = 0; i < patches.n_patches * patches.n_values; i++) {
            must(fabsf(patches.values[i]) < 3);
        }
    } else {
        must(patches.values == NULL && err.status == RG_E_MEMORY);
    }
    rg_patches_clear(&patches);
    rg_picture_clear(&picture);
}

static uint32_t crc_of(const uint8_t *data, size_t n) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

// after the signature: length, type, data, checksum of type and data
static void repair(uint8_t *png, size_t size) {
    size_t at = 8;
    while (size >= 12 && at <= size - 12) {
        const uint8_t *p = png + at;
        const size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (n > size - 12 - at) {
            return;
        }
        const uint32_t crc = crc_of(png + at + 4, n + 4);
        for (size_t i = 0; i < 4; i++) {
            png[at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
        }
        at += n + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_picture((rg_bytes){data, size});
    if (size > 8 && memcmp(data, "\x89PNG", 4) == 0) {
        uint8_t *copy = rg_alloc(rg_mem_heap(), size);
        must(copy != NULL);
        memcpy(copy, data, size);
        repair(copy, size);
        read_picture((rg_bytes){copy, size});
        rg_free(rg_mem_heap(), copy);
    }
    return 0;
}
