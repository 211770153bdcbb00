#include "base/utf8.h"

size_t rg_utf8_decode(rg_str text, uint32_t *cp) {
    const uint8_t *p = (const uint8_t *)text.data;
    const uint8_t lead = p[0];
    *cp = RG_UTF8_BAD;
    if (lead < 0x80) {
        *cp = lead;
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 1;
    }

    // the second byte's range is what excludes overlong forms, surrogates and values too large
    const size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    uint32_t value = lead & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (i >= text.size || p[i] < (i == 1 ? low : 0x80) || p[i] > (i == 1 ? high : 0xBF)) {
            return i;
        }
        value = value << 6 | (p[i] & 0x3Fu);
    }
    *cp = value;
    return n;
}

size_t rg_utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool rg_utf8_is_valid(rg_str text) {
    for (size_t i = 0; i < text.size;) {
        uint32_t cp = 0;
        i += rg_utf8_decode(rg_str_slice(text, i, text.size), &cp);
        if (cp == RG_UTF8_BAD) {
            return false;
        }
    }
    return true;
}

size_t rg_utf8_open_tail(rg_str text) {
    const size_t longest = text.size < 3 ? text.size : 3;
    for (size_t back = 1; back <= longest; back++) {
        const uint8_t lead = (uint8_t)text.data[text.size - back];
        if (lead < 0x80) {
            return 0;
        }
        if (lead >= 0xC0) {
            // open when the decoder took everything there is and still wants more
            const size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
            uint32_t cp = 0;
            const size_t n = rg_utf8_decode(rg_str_slice(text, text.size - back, text.size), &cp);
            return cp == RG_UTF8_BAD && n == back && back < need && lead >= 0xC2 && lead <= 0xF4
                       ? back
                       : 0;
        }
    }
    return 0;
}
