#include "chat/jinja_run.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>

// longest text of a float that is read; more digits say nothing a double can hold
enum { FLOAT_BYTES_MAX = 1024 };

static rg_str trimmed(const rg_jstr *s) {
    rg_str t = rg_jstr_str(s);
    while (t.size != 0 && rg_jchar_is_space((uint8_t)t.data[0]) && (uint8_t)t.data[0] < 0x80) {
        t = rg_str_slice(t, 1, t.size);
    }
    while (t.size != 0 && (uint8_t)t.data[t.size - 1] < 0x80 &&
           rg_jchar_is_space((uint8_t)t.data[t.size - 1])) {
        t.size--;
    }
    return t;
}

static int digit_of(char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                    : 99;
}

bool rg_jval_parse_int(rg_jrun *run, const rg_jstr *s, int base, rg_jval *out) {
    rg_str t = trimmed(s);
    const bool is_minus = t.size != 0 && t.data[0] == '-';
    if (t.size != 0 && (t.data[0] == '-' || t.data[0] == '+')) {
        t = rg_str_slice(t, 1, t.size);
    }
    if (t.size > 2 && t.data[0] == '0') {
        const int mark = t.data[1] | 0x20;
        if ((mark == 'x' && base == 16) || (mark == 'o' && base == 8) ||
            (mark == 'b' && base == 2)) {
            t = rg_str_slice(t, t.data[2] == '_' ? 3 : 2, t.size);
        }
    }
    int64_t i64 = 0;
    bool fits = true;
    size_t zeros = 0;
    bool after_digit = false;
    for (size_t i = 0; i < t.size; i++) {
        if (t.data[i] == '_' && after_digit && i + 1 < t.size) {
            after_digit = false;
            continue;
        }
        const int digit = digit_of(t.data[i]);
        if (digit >= base) {
            return false;
        }
        zeros += zeros == i && digit == 0;
        // downwards, so that the smallest integer is reached
        fits = fits && !__builtin_mul_overflow(i64, (int64_t)base, &i64) &&
               !__builtin_sub_overflow(i64, (int64_t)digit, &i64);
        after_digit = true;
    }
    if (!after_digit) {
        return false;
    }
    if (fits && (is_minus || i64 != INT64_MIN)) {
        *out = rg_jint(is_minus ? i64 : -i64);
        return true;
    }
    if (base != 10 || memchr(t.data, '_', t.size) != NULL) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "an integer beyond 64 bits");
        return true;
    }
    rg_jbuild b = {.run = run};
    rg_jbuild_c(&b, is_minus ? "-" : "");
    rg_jbuild_put(&b, t.data + zeros, t.size - zeros, 0);
    *out = (rg_jval){.kind = RG_J_BIG, .str = rg_jbuild_done(&b)};
    return true;
}

bool rg_jval_parse_float(const rg_jstr *s, double *out) {
    const rg_str t = trimmed(s);
    char text[FLOAT_BYTES_MAX + 1];
    size_t n = 0;
    if (t.size == 0 || t.size > FLOAT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < t.size; i++) {
        const char c = t.data[i];
        const bool joins = c == '_' && i > 0 && i + 1 < t.size && digit_of(t.data[i - 1]) < 10 &&
                           digit_of(t.data[i + 1]) < 10;
        // no hexadecimal floats, no zero bytes
        if (c == '\0' || (c | 0x20) == 'x' || c == '(' || (c == '_' && !joins)) {
            return false;
        }
        if (c != '_') {
            text[n++] = c;
        }
    }
    text[n] = '\0';
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end = NULL;
    *out = strtod_l(text, &end, plain);
    freelocale(plain);
    return end == text + n && rg_jchar_is_printable((uint8_t)text[0]) && text[0] != ' ';
}

static rg_jval int_of_float(rg_jrun *run, double f64, rg_jval fallback) {
    if (!isfinite(f64)) {
        return fallback;
    }
    if (f64 >= 0x1p63 || f64 < -0x1p63) {
        char text[400];
        const int n = snprintf(text, sizeof text, "%.0f", trunc(f64));
        return (rg_jval){.kind = RG_J_BIG, .str = rg_jstr_copy(run, (rg_str){text, (size_t)n}, 0)};
    }
    return rg_jint((int64_t)f64);
}

static rg_jval filter_int(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jval fallback = arg[0].kind == RG_J_MISSING ? rg_jint(0) : arg[0];
    const int64_t base = arg[1].kind == RG_J_MISSING ? 10 : rg_jval_int(run, arg[1], "int(): base");
    rg_jval out = rg_jint(0);
    double f64 = 0;
    if (base < 2 || base > 36) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "int(): base %lld", (long long)base);
        return rg_jnone();
    }
    switch (v.kind) {
    case RG_J_BOOL:
        return rg_jint(v.is_true);
    case RG_J_INT:
    case RG_J_BIG:
        return v;
    case RG_J_FLOAT:
        return int_of_float(run, v.f64, fallback);
    case RG_J_STRING:
        if (rg_jval_parse_int(run, v.str, (int)base, &out)) {
            return out;
        }
        return rg_jval_parse_float(v.str, &f64) ? int_of_float(run, f64, fallback) : fallback;
    case RG_J_UNDEFINED:
        rg_jfail_undefined(run, v);
        return fallback;
    default:
        return fallback;
    }
}

static rg_jval filter_float(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jval fallback = arg[0].kind == RG_J_MISSING ? rg_jfloat(0) : arg[0];
    double f64 = 0;
    if (rg_jval_is_number(v)) {
        return rg_jfloat(rg_jval_f64(v));
    }
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    }
    const bool is_text = v.kind == RG_J_STRING || v.kind == RG_J_BIG;
    return is_text && rg_jval_parse_float(v.str, &f64) ? rg_jfloat(f64) : fallback;
}

static rg_jval filter_abs(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_FLOAT) {
        return rg_jfloat(fabs(v.f64));
    }
    const bool is_minus =
        (v.kind == RG_J_INT && v.i64 < 0) || (v.kind == RG_J_BIG && v.str->data[0] == '-');
    return rg_jval_negate(run, v, is_minus);
}

/* An integer rounded to tens, hundreds, ...; halves go to the even neighbor. */
static rg_jval round_int(rg_jrun *run, int64_t i64, int64_t places) {
    int64_t unit = 1;
    for (; places < 0; places++) {
        if (__builtin_mul_overflow(unit, (int64_t)10, &unit)) {
            return rg_jint(0);
        }
    }
    int64_t rest = i64 % unit;
    rest += rest < 0 ? unit : 0;
    const int64_t low = i64 - rest;
    const bool is_odd = (low / unit) % 2 != 0;
    const bool goes_up = rest > unit - rest || (rest == unit - rest && unit > 1 && is_odd);
    return goes_up ? rg_jval_math(run, '+', rg_jint(low), rg_jint(unit)) : rg_jint(low);
}

static rg_jval filter_round(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const int64_t places =
        arg[0].kind == RG_J_MISSING ? 0 : rg_jval_int(run, arg[0], "round(): precision");
    const rg_str how = arg[1].kind == RG_J_STRING ? rg_jstr_str(arg[1].str) : RG_STR("common");
    const bool is_common = rg_str_is(how, "common");
    if (!is_common && !rg_str_is(how, "ceil") && !rg_str_is(how, "floor")) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "round(): method must be common, ceil or floor");
    }
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else if (!rg_jval_is_number(v)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "round() of %s", rg_jval_type(v));
    }
    if (rg_jfailed(run)) {
        return rg_jnone();
    }
    if (!is_common) {
        const double scale = pow(10, (double)places);
        const double scaled = rg_jval_f64(v) * scale;
        return rg_jfloat((how.data[0] == 'c' ? ceil(scaled) : floor(scaled)) / scale);
    }
    if (v.kind != RG_J_FLOAT) {
        const int64_t i64 = v.kind == RG_J_BOOL ? v.is_true : v.i64;
        return places >= 0 ? rg_jint(i64) : round_int(run, i64, places < -19 ? -19 : places);
    }
    if (!isfinite(v.f64) || places > 300) {
        return v;
    }
    if (places < 0) {
        const double scale = pow(10, (double)-places);
        return rg_jfloat(isfinite(scale) ? rint(v.f64 / scale) * scale : 0.0);
    }
    // printf rounds the exact value, as Python does
    char text[800];
    snprintf(text, sizeof text, "%.*f", (int)places, v.f64);
    return rg_jfloat(strtod(text, NULL));
}

const rg_jfilter rg_jnumber_filters[] = {
    {"abs", filter_abs, "", 0},
    {"float", filter_float, "default", 0},
    {"int", filter_int, "default base", 0},
    {"round", filter_round, "precision method", 0},
};
const size_t rg_jnumber_n_filters = sizeof rg_jnumber_filters / sizeof rg_jnumber_filters[0];
