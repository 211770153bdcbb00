#include "token/char_class.h"

#include "token/tables/unicode_ranges.h"

_Static_assert((int)RG_CLASS_L == (int)RG_CHAR_L && (int)RG_CLASS_HAN == (int)RG_CHAR_HAN &&
                   (int)RG_CLASS_SPACE == (int)RG_CHAR_SPACE && (int)RG_CLASS_LO == (int)RG_CHAR_LO,
               "the bits of the header are those of the table");

unsigned rg_char_class(uint32_t cp) {
    size_t low = 0;
    size_t high = sizeof rg_char_ranges / sizeof *rg_char_ranges;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (cp > rg_char_ranges[mid].last) {
            low = mid + 1;
        } else if (cp < rg_char_ranges[mid].first) {
            high = mid;
        } else {
            return rg_char_ranges[mid].classes;
        }
    }
    return 0;
}
