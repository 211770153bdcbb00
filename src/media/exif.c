#include "media/picture_internal.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

static uint32_t read_number(const uint8_t *p, unsigned n, bool is_big) {
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++) {
        value = value << 8 | p[is_big ? i : n - 1 - i];
    }
    return value;
}

unsigned rg_exif_orientation(rg_bytes tiff) {
    // byte order, 42, where the first directory lies: a count of 2 bytes, entries of 12
    if (tiff.size < 8) {
        return 1;
    }
    const bool is_big = tiff.data[0] == 'M';
    if (tiff.data[0] != tiff.data[1] || (tiff.data[0] != 'I' && !is_big) ||
        read_number(tiff.data + 2, 2, is_big) != 42) {
        return 1;
    }
    const size_t at = read_number(tiff.data + 4, 4, is_big);
    if (at > tiff.size - 2) {
        return 1;
    }
    const size_t n_entries = read_number(tiff.data + at, 2, is_big);
    const size_t n_there = (tiff.size - at - 2) / ENTRY_BYTES;

    for (size_t i = 0; i < n_entries && i < n_there; i++) {
        const uint8_t *entry = tiff.data + at + 2 + i * ENTRY_BYTES;
        if (read_number(entry, 2, is_big) != TAG_ORIENTATION) {
            continue;
        }
        const uint32_t type = read_number(entry + 2, 2, is_big);
        if ((type != TYPE_SHORT && type != TYPE_LONG) || read_number(entry + 4, 4, is_big) != 1) {
            return 1;
        }
        const uint32_t value = read_number(entry + 8, type == TYPE_SHORT ? 2 : 4, is_big);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}
