#include "sample/gbnf.h"

#include "base/utf8.h"
#include "sample/sequence.h"

/** A rule by its name. */
typedef struct named {
    rg_str name;
    uint32_t rule;
    size_t line; // where it is defined, or first asked for
    bool is_defined;
} named;

typedef struct parser {
    const rg_mem *mem;
    rg_grammar *g;
    rg_str text;
    size_t at;
    size_t line;
    named *names;
    size_t n_names;
    rg_sequence groups[RG_GBNF_NEST_MAX];
    size_t depth;
    rg_points set;
    rg_error *err;
} parser;

static rg_status refuse(const parser *p, const char *what) {
    return rg_fail(p->err, RG_E_FORMAT, "line %zu of the grammar: %s", p->line, what);
}

static char peek(const parser *p) {
    return p->at < p->text.size ? p->text.data[p->at] : '\0';
}

// white space and comments; over the end of a line where that means nothing
static void skip(parser *p, bool over_lines) {
    for (; p->at < p->text.size; p->at++) {
        const char c = p->text.data[p->at];
        if (c == '#') {
            while (p->at + 1 < p->text.size && p->text.data[p->at + 1] != '\n') {
                p->at++;
            }
        } else if (c == '\n' && over_lines) {
            p->line++;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static rg_str read_name(parser *p) {
    const size_t from = p->at;
    while (is_name_byte(peek(p))) {
        p->at++;
    }
    return rg_str_slice(p->text, from, p->at);
}

// the entry of a name, made when it is met first; NULL: too many
static named *find(parser *p, rg_str name) {
    for (size_t i = 0; i < p->n_names; i++) {
        if (rg_str_eq(p->names[i].name, name)) {
            return &p->names[i];
        }
    }
    if (p->n_names == RG_GBNF_NAMES_MAX) {
        return NULL;
    }
    named *entry = &p->names[p->n_names++];
    *entry = (named){.name = name, .rule = rg_grammar_rule(p->g), .line = p->line};
    return entry;
}

// ---- characters ----

static rg_status read_hex(parser *p, size_t n, uint32_t *out) {
    *out = 0;
    for (size_t i = 0; i < n; i++, p->at++) {
        static const char digits[] = "0123456789abcdef";
        const char c = peek(p);
        const char *at = c < '0' ? NULL : strchr(digits, c | 32);
        if (at == NULL) {
            return refuse(p, "an escape needs more hexadecimal digits");
        }
        *out = *out * 16 + (uint32_t)(at - digits);
    }
    return *out <= RG_POINT_LAST && (*out < 0xD800 || *out > 0xDFFF)
               ? RG_OK
               : refuse(p, "an escape is no character");
}

static rg_status read_point(parser *p, uint32_t *point) {
    p->at += rg_utf8_decode(rg_str_slice(p->text, p->at, p->text.size), point);
    p->line += *point == '\n';
    if (*point != '\\') {
        return RG_OK;
    }
    const char c = peek(p);
    p->at += p->at < p->text.size;
    switch (c) {
    case 'n':
        *point = '\n';
        return RG_OK;
    case 'r':
        *point = '\r';
        return RG_OK;
    case 't':
        *point = '\t';
        return RG_OK;
    case 'x':
        return read_hex(p, 2, point);
    case 'u':
        return read_hex(p, 4, point);
    case 'U':
        return read_hex(p, 8, point);
    default:
        *point = (uint8_t)c;
        return c > ' ' && strchr("\\\"'[]^-/.", c) != NULL ? RG_OK : refuse(p, "an unknown escape");
    }
}

// "text" behind its quote, as a rule of its own
static rg_status read_literal(parser *p, uint32_t *rule) {
    rg_status status = RG_OK;
    rg_buf text;
    rg_buf_init(&text, p->mem, RG_GBNF_BYTES_MAX);
    while (peek(p) != '"') {
        uint32_t point = 0;
        char bytes[4];
        if (p->at == p->text.size) {
            status = refuse(p, "\" without another");
            goto done;
        }
        RG_TRY(read_point(p, &point));
        rg_buf_str(&text, (rg_str){bytes, rg_utf8_encode(point, bytes)});
    }
    p->at++;
    RG_TRY(rg_buf_check(&text, "a literal of the grammar", p->err));
    *rule = rg_grammar_rule(p->g);
    rg_grammar_set(p->g, *rule, rg_grammar_text(p->g, rg_buf_view(&text), rg_grammar_end(p->g)));

done:
    rg_buf_clear(&text);
    return status;
}

static rg_status read_class(parser *p, uint32_t *rule) {
    const bool is_inverted = peek(p) == '^';
    p->at += is_inverted;
    p->set.n = 0;
    while (peek(p) != ']') {
        uint32_t from = 0, to = 0;
        if (p->at == p->text.size) {
            return refuse(p, "[ without ]");
        }
        rg_status status = read_point(p, &from);
        to = from;
        if (status == RG_OK && peek(p) == '-' && p->at + 1 < p->text.size &&
            p->text.data[p->at + 1] != ']') {
            p->at++;
            status = read_point(p, &to);
        }
        if (status != RG_OK) {
            return status;
        }
        if (to < from || !rg_points_put(&p->set, from, to)) {
            return refuse(p, to < from ? "a range runs backward" : "a class has too many ranges");
        }
    }
    p->at++;
    if (is_inverted) {
        rg_points_invert(&p->set);
    }
    *rule = rg_points_rule(p->g, &p->set);
    return RG_OK;
}

// ---- sequences ----

static bool read_number(parser *p, size_t *out) {
    const size_t from = p->at;
    *out = 0;
    for (; peek(p) >= '0' && peek(p) <= '9' && p->at - from < 6; p->at++) {
        *out = *out * 10 + (size_t)(peek(p) - '0');
    }
    return p->at != from;
}

static rg_status read_times(parser *p, size_t *min, size_t *max) {
    const char c = peek(p);
    *min = c == '*' || c == '?' ? 0 : 1;
    *max = c == '*' || c == '+' ? SIZE_MAX : 1;
    p->at += c == '*' || c == '+' || c == '?' || c == '{';
    if (c != '{') {
        return RG_OK;
    }
    const bool has_min = read_number(p, min);
    *min = has_min ? *min : 0;
    *max = *min;
    if (peek(p) == ',') {
        p->at++;
        if (!read_number(p, max)) {
            *max = SIZE_MAX;
        }
    } else if (!has_min) {
        return refuse(p, "{ without a number");
    }
    if (peek(p) != '}') {
        return refuse(p, "{ without }");
    }
    p->at++;
    return *min <= RG_REPEAT_MAX && (*max == SIZE_MAX || *max <= RG_REPEAT_MAX) && *min <= *max
               ? RG_OK
               : refuse(p, "a repetition is too long, or of no times");
}

// one thing of a sequence; *has_rule false where a group began
static rg_status read_item(parser *p, uint32_t *rule, bool *has_rule) {
    const char c = peek(p);
    *has_rule = true;
    if (is_name_byte(c)) {
        const named *entry = find(p, read_name(p));
        *rule = entry == NULL ? 0 : entry->rule;
        return entry == NULL ? refuse(p, "too many rules") : RG_OK;
    }
    p->at++;
    switch (c) {
    case '"':
        return read_literal(p, rule);
    case '[':
        return read_class(p, rule);
    case '.':
        p->set.n = 0;
        (void)rg_points_put(&p->set, 0, RG_POINT_LAST);
        *rule = rg_points_rule(p->g, &p->set);
        return RG_OK;
    case '(':
        *has_rule = false;
        if (p->depth == RG_GBNF_NEST_MAX) {
            return refuse(p, "groups nest too deeply");
        }
        rg_sequence_open(p->g, &p->groups[p->depth++], rg_grammar_rule(p->g));
        return RG_OK;
    case ')':
        if (p->depth == 1) {
            return refuse(p, ") without (");
        }
        rg_sequence_end(p->g, &p->groups[p->depth - 1]);
        rg_sequence_close(p->g, &p->groups[p->depth - 1]);
        *rule = p->groups[--p->depth].rule;
        return RG_OK;
    default:
        return refuse(p, "a character that stands for nothing here");
    }
}

// does another rule begin, or the text end? Alternatives may go on in the next line
static bool is_over(parser *p) {
    skip(p, p->depth > 1);
    if (p->at < p->text.size && peek(p) != '\n') {
        return false;
    }
    const size_t at = p->at;
    const size_t line = p->line;
    skip(p, true);
    if (p->depth == 1 && peek(p) != '|') {
        p->at = at;
        p->line = line;
        return true;
    }
    return p->at == p->text.size;
}

// what is behind "::=", up to the next rule
static rg_status read_rule(parser *p, uint32_t rule) {
    rg_status status = RG_OK;
    p->depth = 0;
    rg_sequence_open(p->g, &p->groups[p->depth++], rule);
    skip(p, true);
    while (!is_over(p) && !rg_grammar_is_failed(p->g)) {
        uint32_t item = 0;
        bool has_rule = false;
        size_t min = 1, max = 1;
        if (peek(p) == '|') {
            p->at++;
            rg_sequence_end(p->g, &p->groups[p->depth - 1]);
            rg_sequence_next(p->g, &p->groups[p->depth - 1]);
            skip(p, true);
            continue;
        }
        RG_TRY(read_item(p, &item, &has_rule));
        if (has_rule) {
            RG_TRY(read_times(p, &min, &max));
            rg_sequence_append(p->g, &p->groups[p->depth - 1], item, min, max);
        }
    }
    if (p->depth != 1) {
        status = refuse(p, "( without )");
        goto done;
    }
    rg_sequence_end(p->g, &p->groups[0]);
    rg_sequence_close(p->g, &p->groups[0]);

done:
    return status;
}

static rg_status read_all(parser *p) {
    for (skip(p, true); p->at < p->text.size; skip(p, true)) {
        const rg_str name = read_name(p);
        if (name.size == 0) {
            return refuse(p, "a rule begins with its name");
        }
        named *entry = find(p, name);
        if (entry == NULL) {
            return refuse(p, "too many rules");
        }
        skip(p, false);
        if (!rg_str_starts(rg_str_slice(p->text, p->at, p->text.size), RG_STR("::="))) {
            return refuse(p, "::= is missing behind the name of a rule");
        }
        p->at += 3;
        if (entry->is_defined) {
            return rg_fail(p->err, RG_E_FORMAT,
                           "line %zu of the grammar: rule %.*s is defined twice", p->line,
                           RG_FMT(name));
        }
        entry->is_defined = true;
        const rg_status status = read_rule(p, entry->rule);
        if (status != RG_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < p->n_names; i++) {
        if (!p->names[i].is_defined) {
            return rg_fail(p->err, RG_E_FORMAT, "line %zu of the grammar: there is no rule %.*s",
                           p->names[i].line, RG_FMT(p->names[i].name));
        }
    }
    return RG_OK;
}

rg_status rg_gbnf_grammar(const rg_mem *mem, rg_str text, rg_grammar **out, rg_error *err) {
    rg_status status = RG_OK;
    uint32_t bad = UINT32_MAX;
    parser *p = NULL;
    if (text.size > RG_GBNF_BYTES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a grammar has %zu bytes, limit %d", text.size,
                       RG_GBNF_BYTES_MAX);
    }
    p = rg_new(mem, sizeof *p);
    if (p == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a grammar");
    }
    p->mem = mem;
    p->text = text;
    p->line = 1;
    p->err = err;
    p->names = rg_new_array(mem, RG_GBNF_NAMES_MAX, sizeof *p->names);
    if (p->names == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the rules of a grammar");
        goto done;
    }
    RG_TRY(rg_grammar_new(mem, &p->g, err));
    RG_TRY(read_all(p));
    const size_t n_before = p->n_names;
    const named *root = find(p, RG_STR("root"));
    if (root == NULL || p->n_names != n_before) {
        status = rg_fail(err, RG_E_FORMAT, "the grammar has no rule root");
        goto done;
    }
    status = rg_grammar_finish(p->g, root->rule, &bad, err);
    for (size_t i = 0; status == RG_E_ARG && i < p->n_names; i++) {
        if (p->names[i].rule == bad) {
            rg_error_prefix(err, "rule %.*s", RG_FMT(p->names[i].name));
        }
    }
    if (status == RG_OK) {
        *out = p->g;
        p->g = NULL;
    }

done:
    rg_grammar_free(p->g);
    rg_free(mem, p->names);
    rg_free(mem, p);
    return status;
}
