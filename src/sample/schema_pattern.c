/*
 * "pattern": regular expressions over the content of a string, which is matched as JSON spells it.
 * Atoms are rules, so a repetition costs one call a time. Groups are kept on a stack of their own.
 * What looks around or back is refused.
 */
#include "base/utf8.h"
#include "sample/schema_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    GROUPS_MAX = 32,  // within each other
    RANGES_MAX = 256, // of one class
    POINT_MAX = 0x10FFFF,
};

typedef struct points {
    struct {
        uint32_t from, to;
    } ranges[RANGES_MAX];
    size_t n;
} points;

/** A group that is open: its ways so far, and the one being written. */
typedef struct group {
    uint32_t rule;
    rg_way ways;
    rg_way begin;   // of this way
    rg_way tail;    // a hole: where it goes on
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
    points set;
    rg_error *err;
} parser;

static rg_status refuse(const parser *p, const char *what) {
    return rg_schema_fail(p->s, p->json, p->err, RG_E_UNSUPPORTED,
                          "the keyword \"pattern\" cannot be enforced: %s at byte %zu of it", what,
                          p->at);
}

// ---- classes ----

static bool put(points *set, uint32_t from, uint32_t to) {
    if (set->n == RANGES_MAX) {
        return false;
    }
    set->ranges[set->n].from = from;
    set->ranges[set->n++].to = to;
    return true;
}

static int compare_ranges(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void invert(points *set) {
    points out = {.n = 0};
    uint32_t next = 0;
    qsort(set->ranges, set->n, sizeof set->ranges[0], compare_ranges);
    for (size_t i = 0; i < set->n; i++) {
        if (set->ranges[i].from > next) {
            (void)put(&out, next, set->ranges[i].from - 1);
        }
        next = set->ranges[i].to + 1 > next ? set->ranges[i].to + 1 : next;
    }
    if (next <= POINT_MAX) {
        (void)put(&out, next, POINT_MAX);
    }
    *set = out;
}

// \d \w \s and their opposites, added to a set; false for any other letter
static bool put_named(points *set, char name) {
    points one = {.n = 0};
    switch (name | 32) {
    case 'd':
        (void)put(&one, '0', '9');
        break;
    case 'w':
        (void)put(&one, '0', '9');
        (void)put(&one, 'A', 'Z');
        (void)put(&one, '_', '_');
        (void)put(&one, 'a', 'z');
        break;
    case 's':
        (void)put(&one, 9, 13);
        (void)put(&one, ' ', ' ');
        (void)put(&one, 0xA0, 0xA0);
        (void)put(&one, 0x1680, 0x1680);
        (void)put(&one, 0x2000, 0x200A);
        (void)put(&one, 0x2028, 0x2029);
        (void)put(&one, 0x202F, 0x202F);
        (void)put(&one, 0x205F, 0x205F);
        (void)put(&one, 0x3000, 0x3000);
        (void)put(&one, 0xFEFF, 0xFEFF);
        break;
    default:
        return false;
    }
    if ((name & 32) == 0) {
        invert(&one);
    }
    bool has_room = true;
    for (size_t i = 0; i < one.n; i++) {
        has_room = has_room && put(set, one.ranges[i].from, one.ranges[i].to);
    }
    return has_room;
}

// one code point of a set as JSON spells it in a string
static uint32_t class_rule(parser *p, const points *set) {
    rg_grammar *g = p->s->g;
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
        static const uint32_t plain[3][2] = {{' ', '!'}, {'#', '['}, {']', POINT_MAX}};
        for (int k = 0; k < 3; k++) {
            const uint32_t a = from > plain[k][0] ? from : plain[k][0];
            const uint32_t b = to < plain[k][1] ? to : plain[k][1];
            node = a <= b ? rg_grammar_either(g, rg_schema_utf8(g, a, b, end), node) : node;
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
static rg_status read_point(parser *p, points *set, uint32_t *point) {
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
        if (from != UINT32_MAX && !put(&p->set, from, to)) {
            return refuse(p, "too many ranges");
        }
    }
    if (p->at == p->text.size) {
        return refuse(p, "[ without ]");
    }
    p->at++;
    if (is_inverted) {
        invert(&p->set);
    }
    return RG_OK;
}

// ---- sequences ----

static void append(parser *p, group *top, uint32_t rule, size_t min, size_t max) {
    rg_grammar *g = p->s->g;
    for (size_t i = 0; i < min && !rg_grammar_is_failed(g); i++) {
        const rg_way next = rg_grammar_hole(g);
        rg_grammar_fill(g, top->tail, rg_grammar_call(g, rule, next), RG_WAY_NONE);
        top->tail = next;
    }
    const rg_way exit = rg_grammar_hole(g);
    if (max == SIZE_MAX) {
        rg_grammar_fill(g, top->tail, rg_grammar_call(g, rule, top->tail), exit);
        top->tail = exit;
        return;
    }
    for (size_t i = min; i < max && !rg_grammar_is_failed(g); i++) {
        const rg_way next = rg_grammar_hole(g);
        rg_grammar_fill(g, top->tail, rg_grammar_call(g, rule, next), exit);
        top->tail = next;
    }
    rg_grammar_fill(g, top->tail, exit, RG_WAY_NONE);
    top->tail = exit;
}

static uint32_t any_rule(parser *p) {
    if (p->any == 0) {
        p->any = rg_schema_common_rule(p->s, RG_COMMON_CHAR) + 1;
    }
    return p->any - 1;
}

// a new way of the innermost group; of the whole pattern it may begin anywhere
static void open_way(parser *p) {
    group *top = &p->groups[p->depth - 1];
    top->begin = top->tail = rg_grammar_hole(p->s->g);
    top->is_closed = false;
    if (p->depth == 1) {
        if (p->at < p->text.size && p->text.data[p->at] == '^') {
            p->at++;
        } else {
            append(p, top, any_rule(p), 0, SIZE_MAX);
        }
    }
}

static void close_way(parser *p) {
    group *top = &p->groups[p->depth - 1];
    if (p->depth == 1 && !top->is_closed) {
        append(p, top, any_rule(p), 0, SIZE_MAX);
    }
    rg_grammar_fill(p->s->g, top->tail, rg_grammar_end(p->s->g), RG_WAY_NONE);
    top->ways = rg_grammar_either(p->s->g, top->begin, top->ways);
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
    p->groups[p->depth++] = (group){.rule = rg_grammar_rule(p->s->g), .ways = RG_WAY_NONE};
    open_way(p);
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
        rg_grammar_set(p->s->g, top->rule, top->ways);
        *rule = top->rule + 1;
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
        (void)put(&p->set, '\n', '\n');
        (void)put(&p->set, '\r', '\r');
        (void)put(&p->set, 0x2028, 0x2029);
        invert(&p->set);
    } else {
        uint32_t point = 0;
        status = read_point(p, &p->set, &point);
        if (status == RG_OK && point != UINT32_MAX) {
            (void)put(&p->set, point, point);
        }
    }
    if (status == RG_OK) {
        *rule = class_rule(p, &p->set) + 1;
    }
    return status;
}

rg_status rg_schema_pattern(rg_schema *s, const rg_json *json, rg_str pattern, rg_way next,
                            rg_way *entry, rg_error *err) {
    rg_status status = RG_OK;
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
    p->groups[p->depth++] = (group){.rule = rg_grammar_rule(s->g), .ways = RG_WAY_NONE};
    open_way(p);
    while (p->at < pattern.size && status == RG_OK && !rg_grammar_is_failed(s->g)) {
        uint32_t rule = 0;
        size_t min = 1;
        size_t max = 1;
        RG_TRY(read_atom(p, &rule));
        if (rule != 0) {
            RG_TRY(read_times(p, &min, &max));
            append(p, &p->groups[p->depth - 1], rule - 1, min, max);
        }
    }
    if (p->depth != 1) {
        status = refuse(p, "( without )");
        goto done;
    }
    close_way(p);
    rg_grammar_set(s->g, p->groups[0].rule, p->groups[0].ways);
    *entry = rg_grammar_call(s->g, p->groups[0].rule, next);

done:
    rg_free(s->mem, p);
    return status;
}
