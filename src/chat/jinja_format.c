#include "chat/jinja_run.h"

#include <stdio.h>

/* One %-placeholder: "%(name)-08.3f". */
typedef struct placeholder {
    size_t name;     // where the name begins
    size_t name_end; // 0: no name
    bool is_left;
    bool has_zero;
    char sign; // '+', ' ' or none
    bool is_alternate;
    int64_t width;
    int64_t precision; // -1: none
    char kind;
} placeholder;

// widths and precisions beyond these are cut: the memory limit refuses the text anyway
enum { WIDTH_MAX = 1000000000, PRECISION_MAX = 300 };

static size_t take_digits(const rg_jstr *s, size_t at, int64_t *out) {
    for (*out = 0; at < s->size && s->data[at] >= '0' && s->data[at] <= '9'; at++) {
        *out = *out >= WIDTH_MAX ? WIDTH_MAX : *out * 10 + (s->data[at] - '0');
    }
    return at;
}

/* `at` stands behind the percent sign; returns where the placeholder ends. */
static size_t parse(rg_jrun *run, const rg_jstr *s, size_t at, placeholder *p) {
    *p = (placeholder){.precision = -1};
    if (at < s->size && s->data[at] == '(') {
        const char *end = memchr(s->data + at, ')', s->size - at);
        if (end != NULL) {
            p->name = at + 1;
            p->name_end = (size_t)(end - s->data);
            at = p->name_end + 1;
        }
    }
    for (; at < s->size && s->data[at] != '\0' && strchr("-0+ #", s->data[at]) != NULL; at++) {
        const char c = s->data[at];
        p->is_left = p->is_left || c == '-';
        p->has_zero = p->has_zero || c == '0';
        p->is_alternate = p->is_alternate || c == '#';
        p->sign = c == '+' || (c == ' ' && p->sign == '\0') ? c : p->sign;
    }
    at = take_digits(s, at, &p->width);
    if (at < s->size && s->data[at] == '.') {
        at = take_digits(s, at + 1, &p->precision);
    }
    while (at < s->size && s->data[at] != '\0' && strchr("hlL", s->data[at]) != NULL) {
        at++;
    }
    if (at >= s->size || s->data[at] == '\0' || strchr("srdiuxXofFeEgGc%", s->data[at]) == NULL) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "unsupported or incomplete format character");
        return s->size;
    }
    p->kind = s->data[at];
    return at + 1;
}

/* Digits of an integer or float, without padding. */
static const rg_jstr *number_text(rg_jrun *run, const placeholder *p, rg_jval v) {
    char text[512];
    int n = 0;
    const char *sign = p->sign == '+' ? "+" : p->sign == ' ' ? " " : "";
    const bool is_float = strchr("fFeEgG", p->kind) != NULL;
    if (!rg_jval_is_number(v) && !(v.kind == RG_J_BIG && !is_float)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "%%%c format: a number is required, not %s", p->kind,
                 rg_jval_type(v));
        return rg_jstr_c(run, "");
    }
    if (v.kind == RG_J_BIG) {
        return v.str;
    }
    if (is_float) {
        char format[16];
        const int places = p->precision < 0               ? 6
                           : p->precision > PRECISION_MAX ? PRECISION_MAX
                                                          : (int)p->precision;
        snprintf(format, sizeof format, "%%%s%s.*%c", sign, p->is_alternate ? "#" : "", p->kind);
        char long_text[1024];
        n = snprintf(long_text, sizeof long_text, format, places, rg_jval_f64(v));
        return rg_jstr_copy(run, (rg_str){long_text, (size_t)n}, 0);
    }
    if (v.kind == RG_J_FLOAT && (v.f64 >= 0x1p63 || v.f64 < -0x1p63 || v.f64 != v.f64)) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "an integer beyond 64 bits");
        return rg_jstr_c(run, "");
    }
    const int64_t i64 = v.kind == RG_J_INT    ? v.i64
                        : v.kind == RG_J_BOOL ? v.is_true
                                              : (int64_t)v.f64;
    const uint64_t size = i64 < 0 ? 0 - (uint64_t)i64 : (uint64_t)i64;
    sign = i64 < 0 ? "-" : sign;
    const bool is_hex = p->kind == 'x' || p->kind == 'X';
    const char *prefix = !p->is_alternate ? ""
                         : p->kind == 'x' ? "0x"
                         : p->kind == 'X' ? "0X"
                         : p->kind == 'o' ? "0o"
                                          : "";
    const int places = p->precision < 0               ? 1
                       : p->precision > PRECISION_MAX ? PRECISION_MAX
                                                      : (int)p->precision;
    const char *body = is_hex ? (p->kind == 'x' ? "%s%s%.*llx" : "%s%s%.*llX")
                              : (p->kind == 'o' ? "%s%s%.*llo" : "%s%s%.*llu");
    n = snprintf(text, sizeof text, body, sign, prefix, places, (unsigned long long)size);
    return rg_jstr_copy(run, (rg_str){text, (size_t)n}, 0);
}

static const rg_jstr *placeholder_text(rg_jrun *run, const placeholder *p, rg_jval v) {
    if (p->kind == 'c') {
        if (v.kind != RG_J_STRING || v.str->n_chars != 1) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "%%c requires one character");
        }
        return rg_jval_str(run, v);
    }
    if (p->kind != 's' && p->kind != 'r') {
        return number_text(run, p, v);
    }
    rg_jbuild b = {.run = run};
    if (p->kind == 'r') {
        rg_jtext_repr(&b, v);
    } else {
        rg_jtext_str(&b, v);
    }
    const rg_jstr *s = rg_jbuild_done(&b);
    if (p->precision >= 0 && (uint64_t)p->precision < s->n_chars) {
        s = rg_jstr_part(run, s, 0, rg_jstr_offset(run, s, (size_t)p->precision));
    }
    return s;
}

static void put_padded(rg_jbuild *b, const placeholder *p, const rg_jstr *s) {
    const size_t n = (uint64_t)p->width > s->n_chars ? (size_t)p->width - s->n_chars : 0;
    const bool is_number = strchr("src", p->kind) == NULL;
    if (p->is_left) {
        rg_jbuild_str(b, s);
        rg_jbuild_fill(b, ' ', n, 0);
    } else if (p->has_zero && is_number) {
        const size_t sign = s->size != 0 && strchr("+- ", s->data[0]) != NULL;
        rg_jbuild_part(b, s, 0, sign);
        rg_jbuild_fill(b, '0', n, 0);
        rg_jbuild_part(b, s, sign, s->size);
    } else {
        rg_jbuild_fill(b, ' ', n, 0);
        rg_jbuild_str(b, s);
    }
}

rg_jval rg_jformat(rg_jrun *run, const rg_jstr *format, rg_jval values) {
    const bool is_tuple = values.kind == RG_J_TUPLE || values.kind == RG_J_GROUP;
    rg_jbuild b = {.run = run};
    size_t n_used = 0;
    size_t done = 0;
    for (size_t i = 0; i < format->size && !rg_jfailed(run);) {
        const char *sign = memchr(format->data + i, '%', format->size - i);
        if (sign == NULL) {
            break;
        }
        const size_t at = (size_t)(sign - format->data);
        placeholder p;
        rg_jbuild_part(&b, format, done, at);
        done = i = parse(run, format, at + 1, &p);
        if (rg_jfailed(run) || p.kind == '%') {
            rg_jbuild_c(&b, "%");
            continue;
        }
        rg_jval v = values;
        if (p.name_end != 0) {
            const rg_jstr *name = rg_jstr_part(run, format, p.name, p.name_end);
            const rg_jentry *entry =
                values.kind == RG_J_DICT ? rg_jdict_find(run, values.dict, rg_jtext(name)) : NULL;
            if (entry == NULL) {
                rg_jfail(run, RG_TEMPLATE_TYPE, "format: no value named '%.*s'", RG_J_FMT(name));
                break;
            }
            v = entry->value;
        } else if (n_used >= (is_tuple ? values.list->n : 1)) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "not enough arguments for format string");
            break;
        } else if (is_tuple) {
            v = values.list->items[n_used];
        }
        n_used++;
        put_padded(&b, &p, placeholder_text(run, &p, v));
    }
    rg_jbuild_part(&b, format, done, format->size);
    // Python does not complain about a value that might be a mapping
    const bool may_be_map =
        values.kind == RG_J_DICT || values.kind == RG_J_LIST || values.kind == RG_J_UNDEFINED;
    const bool is_over = is_tuple ? n_used < values.list->n : n_used == 0 && !may_be_map;
    if (is_over) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "not all arguments converted during string formatting");
    }
    return rg_jtext(rg_jbuild_done(&b));
}
