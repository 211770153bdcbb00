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

/** Characters under normalization. */
typedef struct points {
    int32_t *data;
    size_t n;
} points;

static uint8_t class_of(int32_t cp) {
    return (uint8_t)utf8proc_get_property(cp)->combining_class;
}

// Marks in the order of their classes, equals as they came: counting sort, because a hostile text
// brings them by the million.
static void sort_marks(int32_t *marks, int32_t *sorted, size_t n) {
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++) {
        start[class_of(marks[i]) + 1]++;
    }
    for (size_t c = 1; c < 257; c++) {
        start[c] += start[c - 1];
    }
    for (size_t i = 0; i < n; i++) {
        sorted[start[class_of(marks[i])]++] = marks[i];
    }
    memcpy(marks, sorted, n * sizeof *marks);
}

static void sort_runs(points *p, int32_t *spare) {
    for (size_t i = 0; i < p->n;) {
        size_t end = i;
        while (end < p->n && class_of(p->data[end]) != 0) {
            end++;
        }
        if (end - i > 1) {
            sort_marks(p->data + i, spare, end - i);
        }
        i = end + 1;
    }
}

// Normalize one stretch of known characters: decompose, order, compose.
static void put_stretch(rg_buf *out, rg_str text) {
    enum { LONGEST = 4 }; // code points that one of canonical decomposition becomes
    const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    points p = {.n = 0};
    p.data = rg_new_array(out->mem, 2 * LONGEST * (text.size + 1), sizeof *p.data);
    if (p.data == NULL) {
        out->is_failed = true;
        return;
    }
    for (size_t i = 0; i < text.size;) {
        uint32_t cp = 0;
        int boundary = 0;
        i += rg_utf8_decode(rg_str_slice(text, i, i + 4), &cp);
        const utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)cp, p.data + p.n, LONGEST, how, &boundary);
        p.n += n > 0 && n <= LONGEST ? (size_t)n : 0;
    }
    sort_runs(&p, p.data + LONGEST * (text.size + 1));
    const utf8proc_ssize_t n = utf8proc_normalize_utf32(p.data, (utf8proc_ssize_t)p.n, how);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char bytes[4];
        rg_buf_put(out, bytes, rg_utf8_encode((uint32_t)p.data[i], bytes));
    }
    rg_free(out->mem, p.data);
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
