#include "chat/jinja_lex.h"

#include "base/utf8.h"
#include "chat/jinja_value.h"

#include <utf8proc.h>

static void fail(rg_jlexer *lx, rg_status status, const char *what) {
    if (lx->status == RG_OK) {
        lx->status = rg_fail(lx->err, status, "template line %u: %s", lx->line, what);
    }
}

static int peek(const rg_jlexer *lx, size_t ahead) {
    return ahead < lx->source.size - lx->at ? (uint8_t)lx->source.data[lx->at + ahead] : -1;
}

static bool is_at(const rg_jlexer *lx, const char *text) {
    return rg_str_starts(rg_str_slice(lx->source, lx->at, lx->source.size), rg_str_of(text));
}

static void advance(rg_jlexer *lx, size_t n) {
    for (size_t i = 0; i < n; i++) {
        lx->line += lx->source.data[lx->at + i] == '\n';
    }
    lx->at += n;
}

/* Bytes of white space at the front of a text. */
static size_t count_space(rg_str text) {
    size_t n = 0;
    while (n < text.size) {
        uint32_t cp = 0;
        const size_t step = rg_utf8_decode(rg_str_slice(text, n, text.size), &cp);
        if (!rg_jchar_is_space(cp)) {
            break;
        }
        n += step;
    }
    return n;
}

static void skip_space(rg_jlexer *lx) {
    advance(lx, count_space(rg_str_slice(lx->source, lx->at, lx->source.size)));
}

/* The text without white space at its end. */
static rg_str strip_end(rg_str text) {
    while (text.size != 0) {
        size_t at = text.size - 1;
        while (at > 0 && ((uint8_t)text.data[at] & 0xC0) == 0x80) {
            at--;
        }
        uint32_t cp = 0;
        rg_utf8_decode(rg_str_slice(text, at, text.size), &cp);
        if (!rg_jchar_is_space(cp)) {
            break;
        }
        text.size = at;
    }
    return text;
}

/* What is left of the text before a tag: '-' strips it, and a block tag alone on its line takes the
 * indent. */
static rg_str text_before(const rg_jlexer *lx, size_t start, size_t end, char sign, bool is_print) {
    const rg_str text = rg_str_slice(lx->source, start, end);
    if (sign == '-') {
        return strip_end(text);
    }
    if (sign == '+' || is_print) {
        return text;
    }
    size_t line = text.size;
    while (line > 0 && text.data[line - 1] != '\n') {
        line--;
    }
    const bool is_line_start = line > 0 || start == 0 || lx->source.data[start - 1] == '\n';
    const rg_str indent = rg_str_slice(text, line, text.size);
    return is_line_start && count_space(indent) == indent.size ? rg_str_slice(text, 0, line) : text;
}

/* Behind a tag: "-%}" takes white space, "%}" one line end, "+%}" nothing. False: no end here. */
static bool take_end(rg_jlexer *lx, const char *end, bool trims_line) {
    const int sign = peek(lx, 0);
    const size_t skip = sign == '-' || (sign == '+' && trims_line) ? 1 : 0;
    if (peek(lx, skip) != end[0] || peek(lx, skip + 1) != end[1]) {
        return false;
    }
    advance(lx, skip + 2);
    if (skip == 1 && sign == '-') {
        skip_space(lx);
    } else if (skip == 0 && trims_line && peek(lx, 0) == '\n') {
        advance(lx, 1);
    }
    return true;
}

/* "{%- raw -%}" at the lexer: the length of sign, name and spaces, without the end; 0: something
 * else. */
static size_t match_word_tag(const rg_jlexer *lx, const char *word) {
    rg_str rest = rg_str_slice(lx->source, lx->at + 2, lx->source.size);
    size_t n = rest.size != 0 && (rest.data[0] == '-' || rest.data[0] == '+') ? 1 : 0;
    n += count_space(rg_str_slice(rest, n, rest.size));
    if (!rg_str_starts(rg_str_slice(rest, n, rest.size), rg_str_of(word))) {
        return 0;
    }
    n += strlen(word);
    n += count_space(rg_str_slice(rest, n, rest.size));
    rest = rg_str_slice(rest, n, rest.size);
    const bool is_end = rg_str_starts(rest, RG_STR("%}")) || rg_str_starts(rest, RG_STR("-%}")) ||
                        (word[0] == 'e' && rg_str_starts(rest, RG_STR("+%}")));
    return is_end ? n + 2 : 0;
}

static void skip_comment(rg_jlexer *lx) {
    advance(lx, 2);
    const char *end = lx->at == lx->source.size
                          ? NULL
                          : memmem(lx->source.data + lx->at, lx->source.size - lx->at, "#}", 2);
    if (end == NULL) {
        fail(lx, RG_E_FORMAT, "a comment has no end");
        return;
    }
    size_t n = (size_t)(end - lx->source.data) - lx->at;
    if (n > 0 && (end[-1] == '-' || end[-1] == '+')) {
        n--;
    }
    advance(lx, n);
    take_end(lx, "#}", true);
}

/* The text of {% raw %} ... {% endraw %}; the lexer stands at its opening tag. */
static rg_jtoken take_raw(rg_jlexer *lx, size_t tag) {
    const uint32_t line = lx->line;
    advance(lx, tag);
    take_end(lx, "%}", peek(lx, 0) == '-'); // a plain end keeps the line end after it
    const size_t start = lx->at;
    for (;;) {
        const char *open = lx->at >= lx->source.size ? NULL
                                                     : memmem(lx->source.data + lx->at,
                                                              lx->source.size - lx->at, "{%", 2);
        if (open == NULL) {
            fail(lx, RG_E_FORMAT, "raw has no endraw");
            return (rg_jtoken){.kind = RG_JT_END, .line = line};
        }
        advance(lx, (size_t)(open - lx->source.data) - lx->at);
        const size_t n = match_word_tag(lx, "endraw");
        if (n != 0) {
            const rg_str text = text_before(lx, start, lx->at, lx->source.data[lx->at + 2], false);
            advance(lx, n);
            take_end(lx, "%}", true);
            return (rg_jtoken){.kind = RG_JT_TEXT, .text = text, .line = line};
        }
        advance(lx, 2);
    }
}

/* Text up to the next tag; a tag that follows is left in `begin`. */
static rg_jtoken next_text(rg_jlexer *lx) {
    while (lx->status == RG_OK && lx->at < lx->source.size) {
        const size_t start = lx->at;
        const uint32_t line = lx->line;
        size_t end = start;
        int second = 0;
        // the next "{{", "{%" or "{#"
        for (;; end++) {
            const char *p = memchr(lx->source.data + end, '{', lx->source.size - end);
            end = p == NULL ? lx->source.size : (size_t)(p - lx->source.data);
            second = end + 1 < lx->source.size ? lx->source.data[end + 1] : 0;
            if (end >= lx->source.size || second == '{' || second == '%' || second == '#') {
                break;
            }
        }
        advance(lx, end - start);
        rg_jtoken text = {.kind = RG_JT_TEXT, .line = line};
        if (end == lx->source.size) {
            text.text = rg_str_slice(lx->source, start, end);
            return text;
        }

        const char sign = end + 2 < lx->source.size ? lx->source.data[end + 2] : '\0';
        text.text = text_before(lx, start, end, sign, second == '{');
        const size_t raw = second == '%' ? match_word_tag(lx, "raw") : 0;
        if (raw != 0 && text.text.size == 0) {
            text = take_raw(lx, raw);
        } else if (raw != 0) {
            lx->begin = RG_JT_TEXT; // raw text next
        } else if (second == '#') {
            skip_comment(lx);
        } else {
            lx->begin = second == '%' ? RG_JT_BLOCK : RG_JT_PRINT;
        }
        if (text.text.size != 0 || lx->begin != RG_JT_END) {
            return text;
        }
    }
    return (rg_jtoken){.kind = RG_JT_END, .line = lx->line};
}

static bool is_word(uint32_t cp) {
    if (cp < 0x80) {
        return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || (cp >= '0' && cp <= '9') ||
               cp == '_';
    }
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || c == UTF8PROC_CATEGORY_MN ||
           c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ND;
}

static size_t count_digits(const rg_jlexer *lx, size_t from, int base) {
    // digits with single underscores between them
    size_t n = 0;
    for (;; n++) {
        const int c = peek(lx, from + n) | 0x20;
        const int raw = peek(lx, from + n);
        const bool is_digit = base == 16 ? (raw >= '0' && raw <= '9') || (c >= 'a' && c <= 'f')
                                         : raw >= '0' && raw < '0' + base;
        const bool joins = raw == '_' && n > 0 && peek(lx, from + n - 1) != '_';
        if (!is_digit && !joins) {
            break;
        }
    }
    return n > 0 && peek(lx, from + n - 1) == '_' ? n - 1 : n;
}

static rg_jtoken take_number(rg_jlexer *lx) {
    rg_jtoken token = {.kind = RG_JT_INT, .line = lx->line};
    const int mark = peek(lx, 1) | 0x20;
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    size_t n = 0;
    if (peek(lx, 0) == '0' && base != 10) {
        const size_t skip = peek(lx, 2) == '_' ? 3 : 2;
        n = count_digits(lx, skip, base);
        n += n != 0 ? skip : 1;
    } else {
        n = count_digits(lx, 0, 10);
        // after a dot a number is an index, never a fraction
        const bool after_dot = lx->at > 0 && lx->source.data[lx->at - 1] == '.';
        const size_t fraction = peek(lx, n) == '.' ? count_digits(lx, n + 1, 10) : 0;
        size_t whole = n + (fraction != 0 ? fraction + 1 : 0);
        if ((peek(lx, whole) | 0x20) == 'e') {
            const int sign = peek(lx, whole + 1);
            const size_t skip = sign == '+' || sign == '-' ? 2 : 1;
            const size_t digits = count_digits(lx, whole + skip, 10);
            whole += digits != 0 ? skip + digits : 0;
        }
        if (whole != n && !after_dot) {
            token.kind = RG_JT_FLOAT;
            n = whole;
        }
    }
    token.text = rg_str_slice(lx->source, lx->at, lx->at + n);
    advance(lx, n);
    return token;
}

static rg_jtoken take_string(rg_jlexer *lx) {
    const int quote = peek(lx, 0);
    rg_jtoken token = {.kind = RG_JT_STRING, .line = lx->line};
    size_t n = 1;
    while (peek(lx, n) != quote) {
        n += peek(lx, n) == '\\' ? 2 : 1;
        if (peek(lx, n) < 0) {
            fail(lx, RG_E_FORMAT, "a string has no end");
            return (rg_jtoken){.kind = RG_JT_END, .line = lx->line};
        }
    }
    token.text = rg_str_slice(lx->source, lx->at, lx->at + n + 1);
    advance(lx, n + 1);
    return token;
}

static void watch_brackets(rg_jlexer *lx, int c) {
    if (c == '(' || c == '[' || c == '{') {
        if (lx->n_open == RG_TEMPLATE_NEST_MAX) {
            fail(lx, RG_E_LIMIT, "brackets nested deeper than 128 (RG_TEMPLATE_NEST_MAX)");
            return;
        }
        lx->open[lx->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (lx->n_open == 0 || lx->open[lx->n_open - 1] != c) {
            fail(lx, RG_E_FORMAT, "a closing bracket without its opening one");
            return;
        }
        lx->n_open--;
    }
}

static rg_jtoken take_operator(rg_jlexer *lx) {
    static const char *const twos[] = {"//", "**", "==", "!=", ">=", "<="};
    rg_jtoken token = {.kind = RG_JT_OPERATOR, .line = lx->line};
    for (size_t i = 0; i < sizeof twos / sizeof twos[0]; i++) {
        if (is_at(lx, twos[i])) {
            token.op = RG_J_OP2(twos[i][0], twos[i][1]);
            token.text = rg_str_of(twos[i]);
            lx->at += 2;
            return token;
        }
    }
    const int c = peek(lx, 0);
    if (c <= 0 || strchr("+-/*%~[](){}><=.:|,;", c) == NULL) {
        fail(lx, RG_E_FORMAT, c < 0 ? "the template ends inside a tag" : "an unexpected character");
        return (rg_jtoken){.kind = RG_JT_END, .line = lx->line};
    }
    watch_brackets(lx, c);
    token.op = c;
    token.text = rg_str_slice(lx->source, lx->at, lx->at + 1);
    lx->at++;
    return token;
}

static rg_jtoken next_in_tag(rg_jlexer *lx) {
    skip_space(lx);
    const uint32_t line = lx->line;
    const bool is_block = lx->inside == RG_JT_BLOCK;
    if (lx->n_open == 0 && take_end(lx, is_block ? "%}" : "}}", is_block)) {
        lx->inside = RG_JT_TEXT;
        return (rg_jtoken){.kind = is_block ? RG_JT_BLOCK_END : RG_JT_PRINT_END, .line = line};
    }
    const int c = peek(lx, 0);
    if (c >= '0' && c <= '9') {
        return take_number(lx);
    }
    if (c == '\'' || c == '"') {
        return take_string(lx);
    }
    size_t n = 0;
    while (lx->at + n < lx->source.size) {
        uint32_t cp = 0;
        const size_t step =
            rg_utf8_decode(rg_str_slice(lx->source, lx->at + n, lx->source.size), &cp);
        if (!is_word(cp)) {
            break;
        }
        n += step;
    }
    if (n == 0) {
        return take_operator(lx);
    }
    lx->at += n;
    return (rg_jtoken){
        .kind = RG_JT_NAME, .text = rg_str_slice(lx->source, lx->at - n, lx->at), .line = line};
}

rg_jtoken rg_jlexer_next(rg_jlexer *lx) {
    rg_jtoken token = {.kind = RG_JT_END, .line = lx->line};
    if (lx->status != RG_OK) {
        return token;
    }
    if (lx->begin == RG_JT_TEXT) {
        lx->begin = RG_JT_END;
        token = take_raw(lx, match_word_tag(lx, "raw"));
    } else if (lx->begin != RG_JT_END) {
        // the opening brackets and their sign
        const int sign = peek(lx, 2);
        token.kind = lx->begin;
        lx->inside = lx->begin;
        lx->begin = RG_JT_END;
        advance(lx, sign == '-' || sign == '+' ? 3 : 2);
    } else if (lx->inside == RG_JT_TEXT) {
        token = next_text(lx);
        // text that was stripped away: the tag behind it is what comes
        if (lx->status == RG_OK && token.kind == RG_JT_TEXT && token.text.size == 0) {
            return lx->begin == RG_JT_END ? token : rg_jlexer_next(lx);
        }
    } else {
        token = next_in_tag(lx);
    }
    return lx->status == RG_OK ? token : (rg_jtoken){.kind = RG_JT_END, .line = lx->line};
}
