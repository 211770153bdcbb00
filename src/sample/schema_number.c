/*
 * Numbers by their bounds. A number is compared digit by digit while it is written: "at least" is
 * still open while its digits equal those of the bound, and the same for "at most"; once both are
 * decided, any digits do. Lengths before the point are told apart, because a longer number without
 * leading zeros is a larger one.
 */
#include "sample/schema_internal.h"

#include <stdlib.h>

enum { DIGITS = RG_SCHEMA_DIGITS_MAX };

/** A bound on the absolute value, in digits. */
typedef struct bound {
    bool is_there;
    bool is_negative;
    bool is_open; // the bound itself is not valid
    size_t n_before;
    size_t n_after;
    uint8_t before[DIGITS]; // no leading zeros but for 0 itself
    uint8_t after[DIGITS];  // no trailing zeros
} bound;

// the digits of a JSON number, its exponent worked in; false when they are too many
static bool read_digits(rg_str text, bound *out) {
    uint8_t digits[256];
    size_t n = 0;
    size_t i = 0;
    long point = -1; // digits before the point
    long exponent = 0;
    if (i < text.size && text.data[i] == '-') {
        out->is_negative = true;
        i++;
    }
    for (; i < text.size && (text.data[i] | 32) != 'e'; i++) {
        if (text.data[i] == '.') {
            point = (long)n;
        } else if (n == sizeof digits) {
            return false;
        } else {
            digits[n++] = (uint8_t)(text.data[i] - '0');
        }
    }
    point = point < 0 ? (long)n : point;
    if (i < text.size) {
        char copy[16] = {0};
        const rg_str part = rg_str_slice(text, i + 1, text.size);
        if (part.size >= sizeof copy) {
            return false;
        }
        memcpy(copy, part.data, part.size);
        exponent = strtol(copy, NULL, 10);
    }
    if (exponent > 1000 || exponent < -1000) {
        return false;
    }
    point += exponent;
    // the first and the last digit that count
    long from = 0;
    long to = (long)n;
    while (from < to && digits[from] == 0) {
        from++;
    }
    while (to > from && digits[to - 1] == 0) {
        to--;
    }
    if (from == to) {
        out->is_negative = false;
        out->n_before = 1;
        out->before[0] = 0;
        return true;
    }
    if (point - from > DIGITS || to - point > DIGITS) {
        return false;
    }
    for (long k = from < point ? from : point; k < point; k++) {
        out->before[out->n_before++] = k >= from && k < to ? digits[k] : 0;
    }
    for (long k = point; k < to; k++) {
        out->after[out->n_after++] = k >= from ? digits[k] : 0;
    }
    if (out->n_before == 0) {
        out->before[out->n_before++] = 0;
    }
    return true;
}

// -1, 0, 1 by value
static int compare(const bound *a, const bound *b) {
    const int sign = a->is_negative ? -1 : 1;
    if (a->is_negative != b->is_negative) {
        return sign;
    }
    if (a->n_before != b->n_before) {
        return a->n_before > b->n_before ? sign : -sign;
    }
    int order = memcmp(a->before, b->before, a->n_before);
    for (size_t i = 0; order == 0 && i < DIGITS; i++) {
        const int x = i < a->n_after ? a->after[i] : 0;
        const int y = i < b->n_after ? b->after[i] : 0;
        order = x - y;
    }
    return order == 0 ? 0 : order > 0 ? sign : -sign;
}

static const bound above_zero = {.is_there = true, .is_open = true, .n_before = 1};

/** Absolute values between two bounds, as nodes. */
typedef struct range {
    rg_grammar *g;
    rg_way next;
    bool is_integer;
    const bound *least; // at least; NULL: decided from the start
    const bound *most;
    rg_way after[DIGITS + 1][2][2]; // by digits behind the point, is least open, is most open
    rg_way free[DIGITS + 1];        // by digits to come before the point, nothing open
} range;

// the number may end after n digits behind the point
static bool may_end(const range *r, size_t n, bool is_low, bool is_high) {
    bool is_low_met = !is_low || !r->least->is_open;
    for (size_t i = n; is_low && i < r->least->n_after; i++) {
        is_low_met = false; // what is left of the bound is above nothing
    }
    return is_low_met && (!is_high || !r->most->is_open || n < r->most->n_after);
}

static rg_way digits_to(range *r, const rg_way *targets) {
    rg_way node = RG_WAY_NONE;
    for (unsigned d = 0; d < 10; d++) {
        rg_byte_set set = {{0}};
        bool is_new = targets[d] != RG_WAY_NONE;
        for (unsigned e = 0; e < d; e++) {
            is_new = is_new && targets[e] != targets[d];
        }
        for (unsigned e = d; e < 10 && is_new; e++) {
            if (targets[e] == targets[d]) {
                rg_byte_set_add(&set, '0' + e, '0' + e);
            }
        }
        node =
            is_new ? rg_grammar_either(r->g, rg_grammar_bytes(r->g, &set, targets[d]), node) : node;
    }
    return node;
}

/** What digit d does to what is open: false when it breaks a bound. */
static bool take(unsigned d, unsigned least, unsigned most, bool *is_low, bool *is_high) {
    if ((*is_low && d < least) || (*is_high && d > most)) {
        return false;
    }
    *is_low = *is_low && d == least;
    *is_high = *is_high && d == most;
    return true;
}

static rg_way end_or(const range *r, size_t n, bool is_low, bool is_high, rg_way more) {
    return may_end(r, n, is_low, is_high) ? rg_grammar_either(r->g, r->next, more) : more;
}

// behind the point, from the last digit to the first
static void make_after(range *r) {
    for (size_t n = DIGITS; n-- > 0;) {
        for (int open = 0; open < 4; open++) {
            const bool low = (open & 1) != 0;
            const bool high = (open & 2) != 0;
            rg_way targets[10];
            if ((low && r->least == NULL) || (high && r->most == NULL)) {
                continue;
            }
            for (unsigned d = 0; d < 10; d++) {
                bool is_low = low;
                bool is_high = high;
                const unsigned least = low && n < r->least->n_after ? r->least->after[n] : 0;
                const unsigned most = high && n < r->most->n_after ? r->most->after[n] : 0;
                targets[d] = !take(d, least, most, &is_low, &is_high) ? RG_WAY_NONE
                             : n + 1 == DIGITS ? end_or(r, n + 1, is_low, is_high, RG_WAY_NONE)
                                               : r->after[n + 1][is_low][is_high];
            }
            rg_way node = digits_to(r, targets);
            // all but the first may also be left out
            r->after[n][low][high] = n == 0 ? node : end_or(r, n, low, high, node);
        }
    }
}

static rg_way after_point(const range *r, bool is_low, bool is_high) {
    const rg_way fraction = r->is_integer
                                ? RG_WAY_NONE
                                : rg_grammar_range(r->g, '.', '.', r->after[0][is_low][is_high]);
    return end_or(r, 0, is_low, is_high, fraction);
}

// numbers of n digits before the point
static rg_way make_length(range *r, size_t n) {
    const bool has_low = r->least != NULL && r->least->n_before == n;
    const bool has_high = r->most != NULL && r->most->n_before == n;
    rg_way later[2][2];
    if ((r->least != NULL && r->least->n_before > n) ||
        (r->most != NULL && r->most->n_before < n)) {
        return RG_WAY_NONE;
    }
    for (int open = 0; open < 4; open++) {
        const bool low = (open & 1) != 0;
        const bool high = (open & 2) != 0;
        later[low][high] = (low && !has_low) || (high && !has_high) ? RG_WAY_NONE
                           : open == 0                              ? r->free[0]
                                                                    : after_point(r, low, high);
    }
    for (size_t at = n; at-- > 0;) {
        rg_way here[2][2] = {{RG_WAY_NONE, RG_WAY_NONE}, {RG_WAY_NONE, RG_WAY_NONE}};
        for (int open = 0; open < 4; open++) {
            const bool low = (open & 1) != 0;
            const bool high = (open & 2) != 0;
            // the first digit is compared with the bounds, all of them
            if ((low && !has_low) || (high && !has_high) ||
                (at == 0 && (low != has_low || high != has_high))) {
                continue;
            }
            if (open == 0 && at != 0) {
                here[0][0] = r->free[n - at];
                continue;
            }
            rg_way targets[10];
            for (unsigned d = 0; d < 10; d++) {
                bool is_low = low;
                bool is_high = high;
                const bool fits = (d != 0 || at != 0 || n == 1) &&
                                  take(d, low ? r->least->before[at] : 0,
                                       high ? r->most->before[at] : 0, &is_low, &is_high);
                targets[d] = fits ? later[is_low][is_high] : RG_WAY_NONE;
            }
            here[low][high] = digits_to(r, targets);
        }
        memcpy(later, here, sizeof later);
    }
    return later[has_low][has_high];
}

// absolute values from least to most, without an exponent
static rg_way magnitudes(rg_schema *s, const bound *least, const bound *most, bool is_integer,
                         rg_way next) {
    range r = {.g = s->g, .next = next, .is_integer = is_integer, .least = least, .most = most};
    rg_way node = RG_WAY_NONE;
    make_after(&r);
    r.free[0] = after_point(&r, false, false);
    for (size_t i = 1; i <= DIGITS; i++) {
        r.free[i] = rg_grammar_range(s->g, '0', '9', r.free[i - 1]);
    }
    for (size_t n = 1; n <= DIGITS && !rg_grammar_is_failed(s->g); n++) {
        node = rg_grammar_either(s->g, make_length(&r, n), node);
    }
    return node;
}

// any number: also with an exponent, which is short enough for the value to stay finite
static rg_way any_number(rg_schema *s, bool is_integer, rg_way next) {
    rg_grammar *g = s->g;
    rg_way end = next;
    if (!is_integer) {
        rg_byte_set e = {{0}};
        rg_byte_set sign = {{0}};
        rg_byte_set_add(&e, 'e', 'e');
        rg_byte_set_add(&e, 'E', 'E');
        rg_byte_set_add(&sign, '+', '+');
        rg_byte_set_add(&sign, '-', '-');
        const rg_way last = rg_grammar_either(g, rg_grammar_range(g, '0', '9', next), next);
        const rg_way digits = rg_grammar_range(g, '0', '9', last);
        const rg_way power = rg_grammar_either(g, rg_grammar_bytes(g, &sign, digits), digits);
        end = rg_grammar_either(g, rg_grammar_bytes(g, &e, power), next);
    }
    const rg_way value = magnitudes(s, NULL, NULL, is_integer, end);
    const rg_way below = magnitudes(s, &above_zero, NULL, is_integer, end);
    return rg_grammar_either(g, rg_grammar_range(g, '-', '-', below), value);
}

static rg_status read_bound(const rg_schema *s, const rg_json *json, const char *keyword,
                            bool is_open, bool is_least, bound *out, rg_error *err) {
    const rg_json *value = rg_json_find(json, keyword);
    bound b = {.is_there = true, .is_open = is_open};
    if (value == NULL) {
        return RG_OK;
    }
    if (value->kind != RG_JSON_NUMBER) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"%s\" is no number", keyword);
    }
    if (!read_digits(value->text, &b)) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "\"%s\" %.*s cannot be enforced: %d digits on each side of the point "
                              "can",
                              keyword, (int)(value->text.size > 40 ? 40 : value->text.size),
                              value->text.data, DIGITS);
    }
    // of two bounds on one side the stricter one counts
    const int order = out->is_there ? compare(&b, out) : 0;
    if (!out->is_there || (is_least ? order > 0 : order < 0) || (order == 0 && is_open)) {
        *out = b;
    }
    return RG_OK;
}

rg_status rg_schema_number(rg_schema *s, const rg_json *json, bool is_integer, rg_way next,
                           rg_way *entry, rg_error *err) {
    rg_grammar *g = s->g;
    bound least = {0};
    bound most = {0};
    rg_status status = RG_OK;
    RG_TRY(read_bound(s, json, "minimum", false, true, &least, err));
    RG_TRY(read_bound(s, json, "exclusiveMinimum", true, true, &least, err));
    RG_TRY(read_bound(s, json, "maximum", false, false, &most, err));
    RG_TRY(read_bound(s, json, "exclusiveMaximum", true, false, &most, err));
    if (!least.is_there && !most.is_there) {
        *entry = any_number(s, is_integer, next);
        return RG_OK;
    }
    const int order = least.is_there && most.is_there ? compare(&least, &most) : -1;
    if (order > 0 || (order == 0 && (least.is_open || most.is_open))) {
        return rg_schema_fail(s, json, err, RG_E_ARG,
                              "the least value is above the greatest: unsatisfiable");
    }
    // without a sign: from zero or the least value; with one: the bounds change places, and there
    // is no -0
    *entry = RG_WAY_NONE;
    if (!most.is_there || !most.is_negative) {
        const bool from_zero = !least.is_there || least.is_negative;
        *entry = magnitudes(s, from_zero ? NULL : &least, most.is_there ? &most : NULL, is_integer,
                            next);
    }
    if (!least.is_there || least.is_negative) {
        const bound *from = most.is_there && most.is_negative ? &most : &above_zero;
        const rg_way value = magnitudes(s, from, least.is_there ? &least : NULL, is_integer, next);
        *entry = rg_grammar_either(g, rg_grammar_range(g, '-', '-', value), *entry);
    }

done:
    return status;
}
