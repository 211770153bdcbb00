#include "token/nfc.h"

#include "base/utf8.h"
#include "token/tables/nfc_new_marks.h"

#include <utf8proc.h>

// U+105D2..U+105DA and such: compositions and marks that came with Unicode 15 and 16, newer than
// the table's source
static const uint32_t newest[][2] = {{0x105C9, 0x105E4}, {0x11382, 0x113C9}, {0x16121, 0x16128},
                                     {0x16D63, 0x16D6A}, {0x00897, 0x00897}, {0x10D69, 0x10D6D},
                                     {0x10EFC, 0x10EFF}, {0x113CE, 0x113D0}, {0x113E1, 0x113E2},
                                     {0x11F41, 0x11F42}, {0x1612F, 0x1612F}, {0x1E5EE, 0x1E5EF}};

static bool is_in(uint32_t cp, const uint32_t (*ranges)[2], size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (cp >= ranges[i][0] && cp <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

// a character without a place in the old tables: it neither moves nor combines
static bool is_unknown(uint32_t cp) {
    return cp == RG_UTF8_BAD ||
           (cp >= 0x300 &&
            (is_in(cp, rg_nfc_new_marks, sizeof rg_nfc_new_marks / sizeof *rg_nfc_new_marks) ||
             is_in(cp, newest, sizeof newest / sizeof *newest)));
}

// Normalize one stretch of known characters.
static void put_stretch(rg_buf *out, rg_str text) {
    utf8proc_uint8_t *normal = NULL;
    const utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, &normal,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) {
        out->is_failed = true; // no memory: text and options are valid
    } else {
        rg_buf_put(out, normal, (size_t)n);
    }
    (free)(normal);
}

// ASCII and Latin-1 letters without marks behind them are normal already
static size_t plain_run(rg_str text) {
    size_t at = 0;
    while (at < text.size && (unsigned char)text.data[at] < 0x80) {
        at++;
    }
    // the last one may combine with what follows
    return at == text.size || at == 0 ? at : at - 1;
}

void rg_nfc(rg_buf *out, rg_str text) {
    size_t at = 0;
    while (at < text.size) {
        const size_t run = plain_run(rg_str_slice(text, at, text.size));
        rg_buf_put(out, text.data + at, run);
        at += run;

        // up to the next unknown character, or the next long plain run
        size_t end = at;
        uint32_t cp = 0;
        size_t n = 0;
        size_t n_plain = 0;
        while (end < text.size && n_plain < 16) {
            n = rg_utf8_decode(rg_str_slice(text, end, text.size), &cp);
            if (is_unknown(cp)) {
                break;
            }
            n_plain = cp < 0x80 ? n_plain + 1 : 0;
            end += n;
        }
        end -= n_plain >= 2 ? n_plain - 1 : 0;
        if (end > at) {
            put_stretch(out, rg_str_slice(text, at, end));
            at = end;
        } else if (at < text.size) {
            rg_buf_put(out, text.data + at, n);
            at += n;
        }
    }
}
