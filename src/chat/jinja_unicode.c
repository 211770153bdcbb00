#include "chat/jinja_run.h"

#include "base/utf8.h"

#include <utf8proc.h>

bool rg_jchar_is_space(uint32_t cp) {
    return (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 ||
           cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool rg_jchar_is_line_end(uint32_t cp) {
    return (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 ||
           cp == 0x2029;
}

bool rg_jchar_is_printable(uint32_t cp) {
    if (cp < 0x7F) {
        return cp >= 0x20;
    }
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

bool rg_jchar_is_cased(uint32_t cp, bool *is_upper) {
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    *is_upper = category == UTF8PROC_CATEGORY_LU;
    return *is_upper || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

bool rg_jchar_is_alpha(uint32_t cp) {
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool rg_jchar_is_digit(uint32_t cp) {
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND || cp == 0xB2 ||
           cp == 0xB3 || cp == 0xB9 || cp == 0x2070 || (cp >= 0x2074 && cp <= 0x2079) ||
           (cp >= 0x2080 && cp <= 0x2089);
}

bool rg_jchar_is_numeric(uint32_t cp) {
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

// characters whose upper case is longer than one; Unicode SpecialCasing.txt, the Latin and Armenian
// part
static const struct {
    uint32_t cp;
    const char *upper;
    const char *title;
} longer[] = {
    {0x00DF, "SS", "Ss"},
    {0x0149, "\u02BCN", "\u02BCN"},
    {0x01F0, "J\u030C", "J\u030C"},
    {0x0390, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
    {0x03B0, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
    {0x0587, "\u0535\u0552", "\u0535\u0582"},
    {0xFB00, "FF", "Ff"},
    {0xFB01, "FI", "Fi"},
    {0xFB02, "FL", "Fl"},
    {0xFB03, "FFI", "Ffi"},
    {0xFB04, "FFL", "Ffl"},
    {0xFB05, "ST", "St"},
    {0xFB06, "ST", "St"},
};

static void put_upper(rg_jbuild *b, uint32_t cp, bool is_title, uint8_t origin) {
    if (cp >= 0x80) {
        for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
            if (longer[i].cp == cp) {
                const char *text = is_title ? longer[i].title : longer[i].upper;
                rg_jbuild_put(b, text, strlen(text), origin);
                return;
            }
        }
    }
    const utf8proc_int32_t c = (utf8proc_int32_t)cp;
    rg_jbuild_cp(b, (uint32_t)(is_title ? utf8proc_totitle(c) : utf8proc_toupper(c)), origin);
}

static bool is_letter_cased(uint32_t cp) {
    bool is_upper = false;
    return rg_jchar_is_cased(cp, &is_upper);
}

/* A capital sigma at the end of a word has its own small letter. */
static bool is_final_sigma(const rg_jstr *s, size_t at, size_t next) {
    uint32_t before = 0;
    uint32_t after = 0;
    size_t from = at;
    while (from > 0 && ((uint8_t)s->data[--from] & 0xC0) == 0x80) {
    }
    if (at > 0) {
        rg_utf8_decode((rg_str){s->data + from, at - from}, &before);
    }
    if (next < s->size) {
        rg_utf8_decode((rg_str){s->data + next, s->size - next}, &after);
    }
    return is_letter_cased(before) && !is_letter_cased(after);
}

static void put_lower(rg_jbuild *b, const rg_jstr *s, size_t at, size_t n, uint32_t cp,
                      uint8_t origin) {
    if (cp == 0x3A3) {
        rg_jbuild_cp(b, is_final_sigma(s, at, at + n) ? 0x3C2 : 0x3C3, origin);
    } else if (cp == 0x130) {
        rg_jbuild_put(b, "i\u0307", 3, origin);
    } else {
        rg_jbuild_cp(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), origin);
    }
}

const rg_jstr *rg_jstr_case(rg_jrun *run, const rg_jstr *s, rg_jcase how) {
    rg_jbuild b = {.run = run};
    bool in_word = false;
    rg_jsteps(run, s->size / 8);
    for (size_t i = 0; i < s->size && !rg_jfailed(run);) {
        uint32_t cp = 0;
        bool is_upper = false;
        const size_t n = rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        const uint8_t origin = s->marks == NULL ? s->origin : s->marks[i];
        const bool is_cased = rg_jchar_is_cased(cp, &is_upper);
        bool to_upper = how == RG_J_UPPER || (how == RG_J_CAPITAL && i == 0) ||
                        (how == RG_J_TITLE && !in_word) ||
                        (how == RG_J_SWAP && is_cased && !is_upper);
        if (to_upper) {
            put_upper(&b, cp, how == RG_J_CAPITAL || how == RG_J_TITLE, origin);
        } else {
            put_lower(&b, s, i, n, cp, origin);
        }
        in_word = is_cased;
        i += n;
    }
    return rg_jbuild_done(&b);
}

static bool is_stripped(uint32_t cp, const rg_jstr *chars) {
    if (chars == NULL) {
        return rg_jchar_is_space(cp);
    }
    for (size_t i = 0; i < chars->size;) {
        uint32_t other = 0;
        i += rg_utf8_decode((rg_str){chars->data + i, chars->size - i}, &other);
        if (cp == other) {
            return true;
        }
    }
    return false;
}

const rg_jstr *rg_jstr_strip(rg_jrun *run, const rg_jstr *s, const rg_jstr *chars, int sides) {
    const uint64_t cost = 1 + (chars == NULL ? 0 : chars->size / 4);
    size_t from = 0;
    size_t to = s->size;
    uint32_t cp = 0;
    while ((sides & 1) != 0 && from < to && !rg_jfailed(run)) {
        const size_t n = rg_utf8_decode((rg_str){s->data + from, to - from}, &cp);
        if (!is_stripped(cp, chars)) {
            break;
        }
        rg_jsteps(run, cost);
        from += n;
    }
    while ((sides & 2) != 0 && from < to && !rg_jfailed(run)) {
        size_t at = to - 1;
        while (at > from && ((uint8_t)s->data[at] & 0xC0) == 0x80) {
            at--;
        }
        rg_utf8_decode((rg_str){s->data + at, to - at}, &cp);
        if (!is_stripped(cp, chars)) {
            break;
        }
        rg_jsteps(run, cost);
        to = at;
    }
    return rg_jstr_part(run, s, from, to);
}
