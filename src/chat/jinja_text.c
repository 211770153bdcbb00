#include "chat/jinja_run.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>

size_t rg_jtext_float(double f64, char out[32]) {
    if (!isfinite(f64)) {
        return (size_t)snprintf(out, 32, "%s", isnan(f64) ? "nan" : f64 < 0 ? "-inf" : "inf");
    }
    // the fewest digits that read back as the same number
    char text[40];
    for (int n_digits = 0; n_digits < 17; n_digits++) {
        snprintf(text, sizeof text, "%.*e", n_digits, f64);
        if (strtod(text, NULL) == f64) {
            break;
        }
    }
    char digits[24];
    int n = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9') {
            digits[n++] = *p;
        }
    }
    const int exponent = (int)strtol(p + 1, NULL, 10);
    char *to = out;
    if (text[0] == '-') {
        *to++ = '-';
    }

    // d.ddde+xx for very small and very large numbers, as Python does
    if (exponent < -4 || exponent >= 16) {
        *to++ = digits[0];
        if (n > 1) {
            *to++ = '.';
            memcpy(to, digits + 1, (size_t)n - 1);
            to += n - 1;
        }
        to += snprintf(to, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return (size_t)(to - out);
    }
    if (exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = -1; i > exponent; i--) {
            *to++ = '0';
        }
        memcpy(to, digits, (size_t)n);
        return (size_t)(to + n - out);
    }
    for (int i = 0; i <= exponent || i < n; i++) {
        if (i == exponent + 1) {
            *to++ = '.';
        }
        *to++ = i < n ? digits[i] : '0';
    }
    if (n <= exponent + 1) {
        *to++ = '.';
        *to++ = '0';
    }
    return (size_t)(to - out);
}

static void put_int(rg_jbuild *b, int64_t i64) {
    char text[24];
    const int n = snprintf(text, sizeof text, "%lld", (long long)i64);
    rg_jbuild_put(b, text, (size_t)n, 0);
}

static void put_float(rg_jbuild *b, double f64) {
    char text[32];
    rg_jbuild_put(b, text, rg_jtext_float(f64, text), 0);
}

/* One level deeper into nested values; false (and failed) at the limit. */
static bool enter(rg_jbuild *b) {
    rg_jrun *run = b->run;
    rg_jsteps(run, 1);
    if (run->value_depth >= RG_TEMPLATE_VALUE_DEPTH_MAX) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "values nested deeper than %u",
                 RG_TEMPLATE_VALUE_DEPTH_MAX);
    }
    run->value_depth += !rg_jfailed(run);
    return !rg_jfailed(run);
}

static uint8_t mark_at(const rg_jstr *s, size_t at) {
    return s->marks == NULL ? s->origin : s->marks[at];
}

/* A string as Python writes it in source. */
static void repr_string(rg_jbuild *b, const rg_jstr *s) {
    const bool has_single = s->size != 0 && memchr(s->data, '\'', s->size) != NULL;
    const bool has_double = s->size != 0 && memchr(s->data, '"', s->size) != NULL;
    const char quote = has_single && !has_double ? '"' : '\'';
    rg_jbuild_put(b, &quote, 1, 0);
    size_t done = 0;
    for (size_t i = 0; i < s->size && !rg_jfailed(b->run);) {
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        char escape[16] = "";
        if (cp == (uint32_t)quote || cp == '\\') {
            snprintf(escape, sizeof escape, "\\%c", (char)cp);
        } else if (cp == '\n' || cp == '\r' || cp == '\t') {
            snprintf(escape, sizeof escape, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        } else if (!rg_jchar_is_printable(cp)) {
            snprintf(escape, sizeof escape,
                     cp < 0x100     ? "\\x%02x"
                     : cp < 0x10000 ? "\\u%04x"
                                    : "\\U%08x",
                     (unsigned)cp);
        }
        if (escape[0] != '\0') {
            rg_jbuild_part(b, s, done, i);
            rg_jbuild_put(b, escape, strlen(escape), mark_at(s, i));
            done = i + n;
        }
        i += n;
    }
    rg_jbuild_part(b, s, done, s->size);
    rg_jbuild_put(b, &quote, 1, 0);
}

static void repr_items(rg_jbuild *b, const rg_jlist *list) {
    for (size_t i = 0; i < list->n && !rg_jfailed(b->run); i++) {
        if (i != 0) {
            rg_jbuild_c(b, ", ");
        }
        rg_jtext_repr(b, list->items[i]);
    }
}

static void repr_dict(rg_jbuild *b, const rg_jdict *dict) {
    rg_jbuild_c(b, "{");
    for (size_t i = 0; i < dict->n && !rg_jfailed(b->run); i++) {
        if (i != 0) {
            rg_jbuild_c(b, ", ");
        }
        rg_jtext_repr(b, dict->entries[i].key);
        rg_jbuild_c(b, ": ");
        rg_jtext_repr(b, dict->entries[i].value);
    }
    rg_jbuild_c(b, "}");
}

static void repr_range(rg_jbuild *b, const rg_jrange *range) {
    rg_jbuild_c(b, "range(");
    put_int(b, range->start);
    rg_jbuild_c(b, ", ");
    put_int(b, range->start + (int64_t)range->n * range->step);
    if (range->step != 1) {
        rg_jbuild_c(b, ", ");
        put_int(b, range->step);
    }
    rg_jbuild_c(b, ")");
}

static void repr_nested(rg_jbuild *b, rg_jval v) {
    switch (v.kind) {
    case RG_J_LIST:
        rg_jbuild_c(b, "[");
        repr_items(b, v.list);
        rg_jbuild_c(b, "]");
        return;
    case RG_J_TUPLE:
    case RG_J_GROUP:
        rg_jbuild_c(b, "(");
        repr_items(b, v.list);
        rg_jbuild_c(b, v.list->n == 1 ? ",)" : ")");
        return;
    case RG_J_VIEW:
        rg_jbuild_c(b, v.iter->name);
        rg_jbuild_c(b, "([");
        repr_items(b, v.iter->items);
        rg_jbuild_c(b, "])");
        return;
    case RG_J_NAMESPACE:
        rg_jbuild_c(b, "<Namespace ");
        repr_dict(b, v.dict);
        rg_jbuild_c(b, ">");
        return;
    default:
        repr_dict(b, v.dict);
    }
}

void rg_jtext_repr(rg_jbuild *b, rg_jval v) {
    switch (v.kind) {
    case RG_J_MISSING:
    case RG_J_UNDEFINED:
        rg_jbuild_c(b, "Undefined");
        return;
    case RG_J_NONE:
        rg_jbuild_c(b, "None");
        return;
    case RG_J_BOOL:
        rg_jbuild_c(b, v.is_true ? "True" : "False");
        return;
    case RG_J_INT:
        put_int(b, v.i64);
        return;
    case RG_J_BIG:
        rg_jbuild_str(b, v.str);
        return;
    case RG_J_FLOAT:
        put_float(b, v.f64);
        return;
    case RG_J_STRING:
        repr_string(b, v.str);
        return;
    case RG_J_RANGE:
        repr_range(b, v.range);
        return;
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
    case RG_J_DICT:
    case RG_J_VIEW:
    case RG_J_NAMESPACE:
        if (enter(b)) {
            repr_nested(b, v);
            b->run->value_depth--;
        }
        return;
    case RG_J_MACRO:
        rg_jbuild_c(b, "<Macro ");
        repr_string(b, v.macro->def->name);
        rg_jbuild_c(b, ">");
        return;
    default:
        rg_jbuild_c(b, "<");
        rg_jbuild_c(b, rg_jval_type(v));
        rg_jbuild_c(b, " object>");
    }
}

void rg_jtext_str(rg_jbuild *b, rg_jval v) {
    if (v.kind == RG_J_STRING) {
        rg_jbuild_str(b, v.str);
    } else if (v.kind != RG_J_UNDEFINED && v.kind != RG_J_MISSING) {
        rg_jtext_repr(b, v);
    }
}

const rg_jstr *rg_jval_str(rg_jrun *run, rg_jval v) {
    if (v.kind == RG_J_STRING) {
        return v.str;
    }
    rg_jbuild b = {.run = run};
    rg_jtext_str(&b, v);
    return rg_jbuild_done(&b);
}

/* What json.dumps writes for one character, or "" for itself. */
static void escape_json(uint32_t cp, bool is_ascii, char out[16]) {
    static const char short_names[] = "btn\0fr"; // 8 ... 13, no 11
    out[0] = '\0';
    if (cp == '"' || cp == '\\') {
        snprintf(out, 16, "\\%c", (char)cp);
    } else if (cp >= 8 && cp <= 13 && cp != 11) {
        snprintf(out, 16, "\\%c", short_names[cp - 8]);
    } else if (cp < 0x20 || (is_ascii && cp > 0x7E && cp < 0x10000 && cp != 0x7F)) {
        snprintf(out, 16, "\\u%04x", (unsigned)cp);
    } else if (is_ascii && cp >= 0x10000) {
        snprintf(out, 16, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xDC00 + ((cp - 0x10000) & 0x3FF)));
    }
}

static void json_string(rg_jbuild *b, const rg_jstr *s, bool is_ascii) {
    rg_jbuild_c(b, "\"");
    size_t done = 0;
    for (size_t i = 0; i < s->size && !rg_jfailed(b->run);) {
        const uint8_t byte = (uint8_t)s->data[i];
        // most bytes stand for themselves
        if (byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x80 || !is_ascii)) {
            i++;
            continue;
        }
        uint32_t cp = 0;
        char escape[16];
        const size_t n = rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        escape_json(cp, is_ascii, escape);
        if (escape[0] != '\0') {
            rg_jbuild_part(b, s, done, i);
            rg_jbuild_put(b, escape, strlen(escape), mark_at(s, i));
            done = i + n;
        }
        i += n;
    }
    rg_jbuild_part(b, s, done, s->size);
    rg_jbuild_c(b, "\"");
}

static void json_key(rg_jbuild *b, rg_jval key, const rg_jjson_options *options) {
    switch (key.kind) {
    case RG_J_STRING:
        json_string(b, key.str, options->is_ascii);
        return;
    case RG_J_NONE:
    case RG_J_BOOL:
    case RG_J_INT:
    case RG_J_BIG:
    case RG_J_FLOAT:
        rg_jbuild_c(b, "\"");
        rg_jtext_json(b, key, options);
        rg_jbuild_c(b, "\"");
        return;
    default:
        rg_jfail(b->run, RG_TEMPLATE_TYPE, "keys must be str, int, float, bool or None, not %s",
                 rg_jval_type(key));
    }
}

static void json_line(rg_jbuild *b, const rg_jjson_options *options, unsigned depth) {
    if (options->indent != NULL) {
        rg_jbuild_c(b, "\n");
        for (unsigned i = 0; i < depth && !rg_jfailed(b->run); i++) {
            rg_jbuild_str(b, options->indent);
        }
    }
}

/* A list or dict that has something in it. `depth` counts from the outermost value of this text. */
static void json_nested(rg_jbuild *b, rg_jval v, const rg_jjson_options *options, unsigned depth);

static void json_value(rg_jbuild *b, rg_jval v, const rg_jjson_options *options, unsigned depth) {
    switch (v.kind) {
    case RG_J_NONE:
        rg_jbuild_c(b, "null");
        return;
    case RG_J_BOOL:
        rg_jbuild_c(b, v.is_true ? "true" : "false");
        return;
    case RG_J_INT:
        put_int(b, v.i64);
        return;
    case RG_J_BIG:
        rg_jbuild_str(b, v.str);
        return;
    case RG_J_FLOAT:
        if (isfinite(v.f64)) {
            put_float(b, v.f64);
        } else {
            rg_jbuild_c(b, isnan(v.f64) ? "NaN" : v.f64 < 0 ? "-Infinity" : "Infinity");
        }
        return;
    case RG_J_STRING:
        json_string(b, v.str, options->is_ascii);
        return;
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
    case RG_J_DICT:
        if (v.kind == RG_J_DICT ? v.dict->n == 0 : v.list->n == 0) {
            rg_jbuild_c(b, v.kind == RG_J_DICT ? "{}" : "[]");
        } else if (enter(b)) {
            json_nested(b, v, options, depth + 1);
            b->run->value_depth--;
        }
        return;
    default:
        rg_jfail(b->run, RG_TEMPLATE_TYPE, "Object of type %s is not JSON serializable",
                 rg_jval_type(v));
    }
}

static void json_nested(rg_jbuild *b, rg_jval v, const rg_jjson_options *options, unsigned depth) {
    const bool is_dict = v.kind == RG_J_DICT;
    const rg_jlist *pairs = NULL;
    if (is_dict && options->is_sorted) {
        pairs = rg_jlist_sorted(b->run, rg_jdict_list(b->run, v.dict, 0),
                                rg_jdict_list(b->run, v.dict, 1), false);
    }
    const size_t n = is_dict ? v.dict->n : v.list->n;
    rg_jbuild_c(b, is_dict ? "{" : "[");
    for (size_t i = 0; i < n && !rg_jfailed(b->run); i++) {
        if (i != 0) {
            rg_jbuild_str(b, options->comma);
        }
        json_line(b, options, depth);
        if (!is_dict) {
            json_value(b, v.list->items[i], options, depth);
            continue;
        }
        const rg_jval *pair = pairs == NULL ? NULL : pairs->items[i].list->items;
        json_key(b, pair == NULL ? v.dict->entries[i].key : pair[0], options);
        rg_jbuild_str(b, options->colon);
        json_value(b, pair == NULL ? v.dict->entries[i].value : pair[1], options, depth);
    }
    json_line(b, options, depth - 1);
    rg_jbuild_c(b, is_dict ? "}" : "]");
}

void rg_jtext_json(rg_jbuild *b, rg_jval v, const rg_jjson_options *options) {
    json_value(b, v, options, 0);
}
