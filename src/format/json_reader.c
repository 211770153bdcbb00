/* The event reader: one pass, strings checked as UTF-8 while they are scanned. */
#include "base/utf8.h"
#include "format/json.h"

void rg_json_reader_init(rg_json_reader *r, const rg_mem *mem, rg_str text) {
    *r = (rg_json_reader){.text = text};
    rg_buf_init(&r->scratch, mem, 0);
}

void rg_json_reader_clear(rg_json_reader *r) {
    rg_buf_clear(&r->scratch);
}

// the sentence, with line and column of where the reader stands
static rg_status fail_at(const rg_json_reader *r, rg_error *err, rg_status status,
                         const char *what) {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < r->at && i < r->text.size; i++) {
        column++;
        if (r->text.data[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return rg_fail(err, status, "JSON line %zu column %zu: %s", line, column, what);
}

static rg_status bad(const rg_json_reader *r, rg_error *err, const char *what) {
    return fail_at(r, err, RG_E_FORMAT, what);
}

static int peek(const rg_json_reader *r) {
    return r->at < r->text.size ? (unsigned char)r->text.data[r->at] : -1;
}

static void skip_space(rg_json_reader *r) {
    while (r->at < r->text.size) {
        const char c = r->text.data[r->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return;
        }
        r->at++;
    }
}

static int hex_digit(int c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// four hex digits after \u
static rg_status read_unit(rg_json_reader *r, uint32_t *unit, rg_error *err) {
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(peek(r));
        if (digit < 0) {
            return bad(r, err, "\\u needs four hex digits");
        }
        *unit = *unit << 4 | (uint32_t)digit;
        r->at++;
    }
    return RG_OK;
}

// \uXXXX, a pair of surrogates as one character, a lone one as U+FFFD
static rg_status read_unicode(rg_json_reader *r, rg_error *err) {
    uint32_t cp = 0;
    rg_status status = read_unit(r, &cp, err);
    if (status != RG_OK) {
        return status;
    }
    if (cp >= 0xD800 && cp < 0xDC00 && r->at + 1 < r->text.size && r->text.data[r->at] == '\\' &&
        r->text.data[r->at + 1] == 'u') {
        const size_t back = r->at;
        uint32_t low = 0;
        r->at += 2;
        status = read_unit(r, &low, err);
        if (status != RG_OK) {
            return status;
        }
        if (low >= 0xDC00 && low < 0xE000) {
            cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        } else {
            r->at = back; // another escape of its own
        }
    }
    char out[4];
    const size_t n = rg_utf8_encode(cp >= 0xD800 && cp < 0xE000 ? 0xFFFD : cp, out);
    rg_buf_put(&r->scratch, out, n);
    return RG_OK;
}

static rg_status read_escape(rg_json_reader *r, rg_error *err) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const int c = peek(r);
    r->at++;
    if (c == 'u') {
        return read_unicode(r, err);
    }
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (found == NULL) {
        r->at--;
        return bad(r, err, "unknown escape in a string");
    }
    rg_buf_char(&r->scratch, to[found - from]);
    return RG_OK;
}

// Bytes up to the next quote, escape or fault. Characters beyond ASCII are decoded to check them.
static rg_status scan_plain(rg_json_reader *r, rg_error *err) {
    const char *p = r->text.data;
    while (r->at < r->text.size) {
        const unsigned char c = (unsigned char)p[r->at];
        if (c == '"' || c == '\\') {
            return RG_OK;
        }
        if (c < 0x20) {
            return bad(r, err, "control character in a string");
        }
        if (c < 0x80) {
            r->at++;
            continue;
        }
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode(rg_str_slice(r->text, r->at, r->at + 4), &cp);
        if (cp == RG_UTF8_BAD) {
            return bad(r, err, "a string is not UTF-8");
        }
        r->at += n;
    }
    return bad(r, err, "a string has no end");
}

// a string without escapes stays where it is; others are built in the scratch buffer
static rg_status read_string(rg_json_reader *r, rg_error *err) {
    const size_t begin = ++r->at;
    rg_status status = scan_plain(r, err);
    if (status != RG_OK) {
        return status;
    }
    if (r->text.data[r->at] == '"') {
        r->value = rg_str_slice(r->text, begin, r->at++);
        return RG_OK;
    }
    r->scratch.size = 0;
    rg_buf_put(&r->scratch, r->text.data + begin, r->at - begin);
    while (r->text.data[r->at] != '"') {
        r->at++;
        status = read_escape(r, err);
        const size_t from = r->at;
        if (status == RG_OK) {
            status = scan_plain(r, err);
        }
        if (status != RG_OK) {
            return status;
        }
        rg_buf_put(&r->scratch, r->text.data + from, r->at - from);
    }
    r->at++;
    r->value = (rg_str){r->scratch.data == NULL ? "" : r->scratch.data, r->scratch.size};
    return rg_buf_check(&r->scratch, "a JSON string", err);
}

static size_t skip_digits(rg_json_reader *r) {
    const size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9') {
        r->at++;
    }
    return r->at - from;
}

static rg_status read_number(rg_json_reader *r, rg_error *err) {
    const size_t begin = r->at;
    if (peek(r) == '-') {
        r->at++;
    }
    const bool is_zero = peek(r) == '0';
    const size_t n = skip_digits(r);
    if (n == 0 || (is_zero && n > 1)) {
        return bad(r, err, "not a value");
    }
    if (peek(r) == '.') {
        r->at++;
        if (skip_digits(r) == 0) {
            return bad(r, err, "a number needs digits after its point");
        }
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') {
            r->at++;
        }
        if (skip_digits(r) == 0) {
            return bad(r, err, "a number needs digits in its exponent");
        }
    }
    r->value = rg_str_slice(r->text, begin, r->at);
    return RG_OK;
}

static bool take_word(rg_json_reader *r, rg_str word) {
    if (!rg_str_starts(rg_str_slice(r->text, r->at, r->text.size), word)) {
        return false;
    }
    r->at += word.size;
    return true;
}

static rg_status open_container(rg_json_reader *r, uint8_t kind, rg_error *err) {
    if (r->depth == RG_JSON_DEPTH_MAX) {
        return fail_at(r, err, RG_E_LIMIT, "nested deeper than RG_JSON_DEPTH_MAX (128)");
    }
    r->stack[r->depth++] = kind;
    r->is_first = true;
    r->at++;
    return RG_OK;
}

static void value_done(rg_json_reader *r) {
    r->is_first = false;
    r->wants_value = false;
    r->is_done = r->depth == 0;
}

static rg_status read_value(rg_json_reader *r, rg_json_event *event, rg_error *err) {
    rg_status status = RG_OK;
    const int c = peek(r);
    if (c == '[' || c == '{') {
        *event = c == '[' ? RG_JSON_EV_ARRAY : RG_JSON_EV_OBJECT;
        r->wants_value = false;
        return open_container(r, (uint8_t)c, err);
    }
    if (c == '"') {
        *event = RG_JSON_EV_STRING;
        status = read_string(r, err);
    } else if (take_word(r, RG_STR("true"))) {
        *event = RG_JSON_EV_BOOL;
        r->is_true = true;
    } else if (take_word(r, RG_STR("false"))) {
        *event = RG_JSON_EV_BOOL;
        r->is_true = false;
    } else if (take_word(r, RG_STR("null"))) {
        *event = RG_JSON_EV_NULL;
    } else if (c < 0) {
        return bad(r, err, "the text ends where a value should be");
    } else {
        *event = RG_JSON_EV_NUMBER;
        status = read_number(r, err);
    }
    value_done(r);
    return status;
}

rg_status rg_json_next(rg_json_reader *r, rg_json_event *event, rg_error *err) {
    skip_space(r);
    if (r->is_done) {
        if (peek(r) >= 0) {
            return bad(r, err, "text after the end of the value");
        }
        *event = RG_JSON_EV_END;
        return RG_OK;
    }
    if (r->depth == 0 || r->wants_value) {
        return read_value(r, event, err);
    }

    // inside a container: its end, or a comma before all items but the first
    const bool is_object = r->stack[r->depth - 1] == '{';
    if (peek(r) == (is_object ? '}' : ']')) {
        r->at++;
        r->depth--;
        *event = is_object ? RG_JSON_EV_OBJECT_END : RG_JSON_EV_ARRAY_END;
        value_done(r);
        return RG_OK;
    }
    if (!r->is_first) {
        if (peek(r) != ',') {
            return bad(r, err, is_object ? "expected , or }" : "expected , or ]");
        }
        r->at++;
        skip_space(r);
    }
    if (!is_object) {
        return read_value(r, event, err);
    }
    if (peek(r) != '"') {
        return bad(r, err, "expected a key in quotes");
    }
    *event = RG_JSON_EV_KEY;
    const rg_status status = read_string(r, err);
    if (status != RG_OK) {
        return status;
    }
    skip_space(r);
    if (peek(r) != ':') {
        return bad(r, err, "expected : after a key");
    }
    r->at++;
    r->is_first = false;
    r->wants_value = true;
    return RG_OK;
}

rg_status rg_json_skip(rg_json_reader *r, rg_error *err) {
    const unsigned depth = r->depth;
    do {
        rg_json_event event;
        const rg_status status = rg_json_next(r, &event, err);
        if (status != RG_OK) {
            return status;
        }
    } while (r->depth > depth || r->wants_value);
    return RG_OK;
}
