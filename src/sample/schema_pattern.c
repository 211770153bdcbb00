/*
 * Regular expressions: of a whole text, or "pattern", over the content of a string, which is
 * matched as JSON spells it. Atoms are rules, so a repetition costs one call a time. Groups are
 * kept on a stack of their own. What looks around or back is refused.
 */
#include "base/utf8.h"
#include "sample/regex.h"
#include "sample/schema_internal.h"

#include <stdio.h>

enum {
    GROUPS_MAX = 32, // within each other
};

/** A group that is open. */
typedef struct group {
    rg_sequence ways;
    bool is_closed; // "$" was seen
} group;

typedef struct parser {
    rg_schema *s;
    const rg_json *json;
    rg_str text;
    size_t at;
    group groups[GROUPS_MAX];
    size_t depth;
    uint32_t any; // rule of any character + 1
    rg_points set;
    bool is_text; // the pattern is of a whole text, not of the content of a string
    rg_error *err;
} parser;

static rg_status refuse(const parser *p, const char *what) {
    if (p->is_text) {
        return rg_fail(p->err, RG_E_UNSUPPORTED,
                       "the regular expression cannot be enforced: %s at byte %zu", what, p->at);
    }
    return rg_schema_fail(p->s, p->json, p->err, RG_E_UNSUPPORTED,
                          "the keyword \"pattern\" cannot be enforced: %s at byte %zu of it", what,
                          p->at);
}

// ---- classes ----

// \d \w \s and their opposites, added to a set; false for any other letter
static bool put_named(rg_points *set, char name) {
    rg_points one = {.n = 0};
    switch (name | 32) {
    case 'd':
        (void)rg_points_put(&one, '0', '9');
        break;
    case 'w':
        (void)rg_points_put(&one, '0', '9');
        (void)rg_points_put(&one, 'A', 'Z');
        (void)rg_points_put(&one, '_', '_');
        (void)rg_points_put(&one, 'a', 'z');
        break;
    case 's':
        (void)rg_points_put(&one, 9, 13);
        (void)rg_points_put(&one, ' ', ' ');
        (void)rg_points_put(&one, 0xA0, 0xA0);
        (void)rg_points_put(&one, 0x1680, 0x1680);
        (void)rg_points_put(&one, 0x2000, 0x200A);
        (void)rg_points_put(&one, 0x2028, 0x2029);
        (void)rg_points_put(&one, 0x202F, 0x202F);
        (void)rg_points_put(&one, 0x205F, 0x205F);
        (void)rg_points_put(&one, 0x3000, 0x3000);
        (void)rg_points_put(&one, 0xFEFF, 0xFEFF);
        break;
    default:
        return false;
    }
    if ((name & 32) == 0) {
        rg_points_invert(&one);
    }
    bool has_room = true;
    for (size_t i = 0; i < one.n; i++) {
        has_room = has_room && rg_points_put(set, one.ranges[i].from, one.ranges[i].to);
    }
    return has_room;
}

// one code point of a set, in a string as JSON spells it
static uint32_t class_rule(parser *p, const rg_points *set) {
    rg_grammar *g = p->s->g;
    if (p->is_text) {
        return rg_points_rule(g, set);
    }
    const uint32_t rule = rg_grammar_rule(g);
    const rg_way end = rg_grammar_end(g);
    rg_way node = RG_WAY_NONE;
    for (size_t i = 0; i < set->n; i++) {
        const uint32_t from = set->ranges[i].from;
        const uint32_t to = set->ranges[i].to;
        for (uint32_t c = from; c <= to && c <= '\\'; c++) {
            if (c >= ' ' && c != '"' && c != '\\') {
                continue;
            }
            static const char letters[] = "btnvfr"; // from 8 on; \v has none in JSON
            char text[8];
            if (c >= ' ' || (c >= 8 && c <= 13 && c != 11)) {
                snprintf(text, sizeof text, "\\%c", c >= ' ' ? (int)c : letters[c - 8]);
            } else {
                snprintf(text, sizeof text, "\\u%04x", c);
            }
            node = rg_grammar_either(g, rg_grammar_text(g, rg_str_of(text), end), node);
        }
        static const uint32_t plain[3][2] = {{' ', '!'}, {'#', '['}, {']', RG_POINT_LAST}};
        for (int k = 0; k < 3; k++) {
            const uint32_t a = from > plain[k][0] ? from : plain[k][0];
            const uint32_t b = to < plain[k][1] ? to : plain[k][1];
            node = a <= b ? rg_grammar_either(g, rg_points_utf8(g, a, b, end), node) : node;
        }
    }
    rg_grammar_set(g, rule, node);
    return rule;
}

static bool read_hex(parser *p, size_t n, uint32_t *out) {
    *out = 0;
    for (size_t i = 0; i < n; i++, p->at++) {
        const char c = p->at < p->text.size ? p->text.data[p->at] : 'x';
        const char *digits = "0123456789abcdef";
        const char *at = c == '\0' ? NULL : strchr(digits, c | 32);
        if (at == NULL || (c < '0')) {
            return false;
        }
        *out = *out * 16 + (uint32_t)(at - digits);
    }
    return true;
}

// a character, escaped or not; or a named set, then *point is UINT32_MAX
static rg_status read_point(parser *p, rg_points *set, uint32_t *point) {
    const size_t n = rg_utf8_decode(rg_str_slice(p->text, p->at, p->text.size), point);
    p->at += n;
    if (*point != '\\') {
        return RG_OK;
    }
    if (p->at == p->text.size) {
        return refuse(p, "a lone \\");
    }
    const char c = p->text.data[p->at++];
    static const char letters[] = "nrtfv";
    static const char values[] = "\n\r\t\f\v";
    const char *at = strchr(letters, c);
    if (c != '\0' && strchr("dDwWsS", c) != NULL) {
        *point = UINT32_MAX;
        return put_named(set, c) ? RG_OK : refuse(p, "too many ranges");
    }
    if (c != '\0' && at != NULL) {
        *point = (uint32_t)values[at - letters];
        return RG_OK;
    }
    if ((c == 'x' || c == 'u') && read_hex(p, c == 'x' ? 2 : 4, point)) {
        return RG_OK;
    }
    *point = (uint8_t)c;
    return c > ' ' && c != 0x7F && strchr("/.^$|()[]{}*+?-\\\"'#&,:;<>=!@%_~`", c) != NULL
               ? RG_OK
               : refuse(p, "an escape that is not known");
}

static rg_status read_class(parser *p) {
    p->set.n = 0;
    const bool is_inverted = p->at < p->text.size && p->text.data[p->at] == '^';
    p->at += is_inverted;
    while (p->at < p->text.size && p->text.data[p->at] != ']') {
        uint32_t from = 0;
        uint32_t to = 0;
        rg_status status = read_point(p, &p->set, &from);
        if (status != RG_OK) {
            return status;
        }
        to = from;
        const bool is_range = from != UINT32_MAX && p->at + 1 < p->text.size &&
                              p->text.data[p->at] == '-' && p->text.data[p->at + 1] != ']';
        if (is_range) {
            p->at++;
            status = read_point(p, &p->set, &to);
            if (status != RG_OK) {
                return status;
            }
            if (to == UINT32_MAX || to < from) {
                return refuse(p, "a range that runs backward");
            }
        }
        if (from != UINT32_MAX && !rg_points_put(&p->set, from, to)) {
            return refuse(p, "too many ranges");
        }
    }
    if (p->at == p->text.size) {
        return refuse(p, "[ without ]");
    }
    p->at++;
    if (is_inverted) {
        rg_points_invert(&p->set);
    }
    return RG_OK;
}

// ---- sequences ----

static uint32_t any_rule(parser *p) {
    if (p->any == 0) {
        p->any = rg_schema_common_rule(p->s, RG_COMMON_CHAR) + 1;
    }
    return p->any - 1;
}

// a way of the whole pattern may begin anywhere in a string, and is all of a text
static void anchor(parser *p) {
    if (p->depth != 1) {
        return;
    }
    if (p->at < p->text.size && p->text.data[p->at] == '^') {
        p->at++;
    } else if (!p->is_text) {
        rg_sequence_append(p->s->g, &p->groups[0].ways, any_rule(p), 0, SIZE_MAX);
    }
}

// a new way of the innermost group
static void open_way(parser *p) {
    group *top = &p->groups[p->depth - 1];
    rg_sequence_next(p->s->g, &top->ways);
    top->is_closed = false;
    anchor(p);
}

static void close_way(parser *p) {
    group *top = &p->groups[p->depth - 1];
    if (p->depth == 1 && !top->is_closed && !p->is_text) {
        rg_sequence_append(p->s->g, &top->ways, any_rule(p), 0, SIZE_MAX);
    }
    rg_sequence_end(p->s->g, &top->ways);
}

static bool read_number(parser *p, size_t *out) {
    const size_t from = p->at;
    *out = 0;
    for (; p->at < p->text.size && p->text.data[p->at] >= '0' && p->text.data[p->at] <= '9' &&
           p->at - from < 6;
         p->at++) {
        *out = *out * 10 + (size_t)(p->text.data[p->at] - '0');
    }
    return p->at != from;
}

static char peek(const parser *p) {
    return p->at < p->text.size ? p->text.data[p->at] : '\0';
}

static rg_status read_times(parser *p, size_t *min, size_t *max) {
    const char c = peek(p);
    *min = c == '*' || c == '?' ? 0 : 1;
    *max = c == '*' || c == '+' ? SIZE_MAX : 1;
    if (c == '{') {
        p->at++;
        if (!read_number(p, min)) {
            return refuse(p, "{ without a number");
        }
        *max = *min;
        if (peek(p) == ',') {
            p->at++;
            *max = SIZE_MAX;
            (void)(peek(p) != '}' && read_number(p, max));
        }
        if (peek(p) != '}') {
            return refuse(p, "{ without }");
        }
        if (*min > RG_SCHEMA_REPEAT_MAX || (*max != SIZE_MAX && *max > RG_SCHEMA_REPEAT_MAX) ||
            *min > *max) {
            return refuse(p, "a repetition that is too long, or none");
        }
    }
    p->at += c == '*' || c == '?' || c == '+' || c == '{';
    // lazy or not, the texts are the same
    p->at += (c == '*' || c == '?' || c == '+' || c == '{') && peek(p) == '?';
    return RG_OK;
}

static void begin_group(parser *p) {
    group *top = &p->groups[p->depth++];
    *top = (group){.is_closed = false};
    rg_sequence_open(p->s->g, &top->ways, rg_grammar_rule(p->s->g));
    anchor(p);
}

static rg_status open_group(parser *p) {
    if (p->depth == GROUPS_MAX) {
        return refuse(p, "groups within each other beyond 32");
    }
    if (peek(p) == '?') {
        const rg_str rest = rg_str_slice(p->text, p->at, p->text.size);
        const char *name = memchr(rest.data, '>', rest.size);
        if (rg_str_starts(rest, RG_STR("?:"))) {
            p->at += 2;
        } else if (rest.size > 2 && rest.data[1] == '<' && rest.data[2] != '=' &&
                   rest.data[2] != '!' && name != NULL) {
            p->at += (size_t)(name - rest.data) + 1;
        } else {
            return refuse(p, "looking around");
        }
    }
    begin_group(p);
    return RG_OK;
}

// the next thing of a sequence: a character, a class or a group that closes; *rule + 1, or 0 when
// it was none of these
static rg_status read_atom(parser *p, uint32_t *rule) {
    const char c = p->text.data[p->at];
    group *top = &p->groups[p->depth - 1];
    *rule = 0;
    if (top->is_closed && c != '|') {
        return refuse(p, "something after $");
    }
    switch (c) {
    case '(':
        p->at++;
        return open_group(p);
    case '|':
        p->at++;
        close_way(p);
        open_way(p);
        return RG_OK;
    case ')':
        p->at++;
        if (p->depth == 1) {
            return refuse(p, ") without (");
        }
        close_way(p);
        rg_sequence_close(p->s->g, &top->ways);
        *rule = top->ways.rule + 1;
        p->depth--;
        return RG_OK;
    case '$':
        p->at++;
        top->is_closed = true;
        return p->depth == 1 ? RG_OK : refuse(p, "$ within a group");
    case '^':
    case '*':
    case '+':
    case '?':
    case '{':
        return refuse(p, "a character that needs another place");
    default:
        break;
    }
    rg_status status = RG_OK;
    p->set.n = 0;
    if (c == '[') {
        p->at++;
        status = read_class(p);
    } else if (c == '.') {
        p->at++;
        (void)rg_points_put(&p->set, '\n', '\n');
        (void)rg_points_put(&p->set, '\r', '\r');
        (void)rg_points_put(&p->set, 0x2028, 0x2029);
        rg_points_invert(&p->set);
    } else {
        uint32_t point = 0;
        status = read_point(p, &p->set, &point);
        if (status == RG_OK && point != UINT32_MAX) {
            (void)rg_points_put(&p->set, point, point);
        }
    }
    if (status == RG_OK) {
        *rule = class_rule(p, &p->set) + 1;
    }
    return status;
}

// the whole pattern, into the rule of the first group
static rg_status read_pattern(parser *p) {
    rg_status status = RG_OK;
    begin_group(p);
    while (p->at < p->text.size && status == RG_OK && !rg_grammar_is_failed(p->s->g)) {
        uint32_t rule = 0;
        size_t min = 1;
        size_t max = 1;
        RG_TRY(read_atom(p, &rule));
        if (rule != 0) {
            RG_TRY(read_times(p, &min, &max));
            rg_sequence_append(p->s->g, &p->groups[p->depth - 1].ways, rule - 1, min, max);
        }
    }
    if (status == RG_OK && p->depth != 1) {
        status = refuse(p, "( without )");
    }
    if (status == RG_OK) {
        close_way(p);
        rg_sequence_close(p->s->g, &p->groups[0].ways);
    }

done:
    return status;
}

rg_status rg_schema_pattern(rg_schema *s, const rg_json *json, rg_str pattern, rg_way next,
                            rg_way *entry, rg_error *err) {
    if (pattern.size > RG_SCHEMA_PATTERN_MAX) {
        return rg_schema_fail(s, json, err, RG_E_LIMIT, "\"pattern\" has %zu bytes, limit %d",
                              pattern.size, RG_SCHEMA_PATTERN_MAX);
    }
    parser *p = rg_new(s->mem, sizeof *p);
    if (p == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a pattern");
    }
    p->s = s;
    p->json = json;
    p->text = pattern;
    p->err = err;
    const rg_status status = read_pattern(p);
    *entry = rg_grammar_call(s->g, p->groups[0].ways.rule, next);
    rg_free(s->mem, p);
    return status;
}

rg_status rg_regex_grammar(const rg_mem *mem, rg_str pattern, rg_grammar **out, rg_error *err) {
    static const rg_json nothing = {.kind = RG_JSON_OBJECT};
    rg_grammar *g = NULL;
    rg_schema *s = NULL;
    uint32_t bad = 0;
    rg_status status = RG_OK;
    parser *p = rg_new(mem, sizeof *p);
    if (p == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a regular expression");
    }
    if (pattern.size > RG_SCHEMA_PATTERN_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "a regular expression has %zu bytes, limit %d",
                         pattern.size, RG_SCHEMA_PATTERN_MAX);
        goto done;
    }
    RG_TRY(rg_grammar_new(mem, &g, err));
    RG_TRY(rg_schema_new(g, &nothing, &s, err));
    p->s = s;
    p->text = pattern;
    p->is_text = true;
    p->err = err;
    RG_TRY(read_pattern(p));
    RG_TRY(rg_grammar_finish(g, p->groups[0].ways.rule, &bad, err));
    *out = g;
    g = NULL;

done:
    rg_schema_free(s);
    rg_grammar_free(g);
    rg_free(mem, p);
    return status;
}
