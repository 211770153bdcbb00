#include "base/base64.h"

static int value_of(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool rg_base64_decode(rg_str text, char *out, size_t *n) {
    uint32_t bits = 0;
    unsigned n_bits = 0;
    *n = 0;
    for (unsigned i = 0; i < 2 && text.size != 0 && text.data[text.size - 1] == '='; i++) {
        text.size--;
    }
    for (size_t i = 0; i < text.size; i++) {
        const int value = value_of(text.data[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[(*n)++] = (char)(bits >> n_bits & 0xFF);
        }
    }
    return text.size % 4 != 1;
}
