/* What every schema may need: white space, strings, numbers, any value; arrays and objects. */
#include "sample/schema_internal.h"

rg_way rg_schema_spaced(rg_schema *s, rg_way next) {
    return rg_grammar_call(s->g, rg_schema_common_rule(s, RG_COMMON_SPACE), next);
}

uint32_t rg_schema_space(rg_schema *s) {
    return rg_schema_common_rule(s, RG_COMMON_SPACE);
}

rg_way rg_schema_repeat(rg_schema *s, uint32_t rule, size_t min, size_t max, rg_way next) {
    rg_way node = next;
    if (min > max || next == RG_WAY_NONE) {
        return RG_WAY_NONE;
    }
    if (max == SIZE_MAX) {
        const rg_way loop = rg_grammar_hole(s->g);
        if (loop == RG_WAY_NONE) {
            return loop;
        }
        rg_grammar_fill(s->g, loop, rg_grammar_call(s->g, rule, loop), next);
        node = loop;
    } else {
        for (size_t i = min; i < max && !rg_grammar_is_failed(s->g); i++) {
            node = rg_grammar_either(s->g, rg_grammar_call(s->g, rule, node), next);
        }
    }
    for (size_t i = 0; i < min && !rg_grammar_is_failed(s->g); i++) {
        node = rg_grammar_call(s->g, rule, node);
    }
    return node;
}

// nothing, a space, or a line break and its indent
static rg_way space(rg_grammar *g, rg_way end) {
    rg_way indent = end;
    for (int i = 0; i < RG_SCHEMA_INDENT_MAX; i++) {
        indent = rg_grammar_either(g, rg_grammar_range(g, ' ', ' ', indent), end);
    }
    const rg_way some = rg_grammar_either(g, rg_grammar_range(g, ' ', ' ', end),
                                          rg_grammar_range(g, '\n', '\n', indent));
    return rg_grammar_either(g, some, end);
}

static rg_way hex(rg_grammar *g, const char *digits, rg_way next) {
    rg_byte_set set = {{0}};
    for (; *digits != '\0'; digits++) {
        rg_byte_set_add(&set, (uint8_t)*digits, (uint8_t)*digits);
    }
    return rg_grammar_bytes(g, &set, next);
}

// \uXXXX: a character of the basic plane, or a pair of surrogates, never half of one
static rg_way unicode_escape(rg_grammar *g, rg_way end) {
    static const char all[] = "0123456789abcdefABCDEF";
    const rg_way two = hex(g, all, hex(g, all, end));
    const rg_way low = rg_grammar_text(g, RG_STR("\\u"), hex(g, "dD", hex(g, "cdefCDEF", two)));
    const rg_way high = hex(g, "dD", hex(g, "89abAB", hex(g, all, hex(g, all, low))));
    const rg_way plain = rg_grammar_either(g, hex(g, "0123456789abcefABCEF", hex(g, all, two)),
                                           hex(g, "dD", hex(g, "01234567", two)));
    return rg_grammar_either(g, high, plain);
}

// one code point of a string: itself, or escaped where it must or may be
static rg_way character(rg_grammar *g, rg_way end) {
    rg_byte_set plain = {{0}};
    rg_byte_set_add(&plain, 0x20, 0x21);
    rg_byte_set_add(&plain, 0x23, 0x5B);
    rg_byte_set_add(&plain, 0x5D, 0x7F);
    const rg_way letter = hex(g, "\"\\/bfnrt", end);
    const rg_way code = rg_grammar_range(g, 'u', 'u', unicode_escape(g, end));
    const rg_way escape = rg_grammar_range(g, '\\', '\\', rg_grammar_either(g, letter, code));
    const rg_way wide = rg_points_utf8(g, 0x80, 0x10FFFF, end);
    return rg_grammar_either(g, rg_grammar_either(g, rg_grammar_bytes(g, &plain, end), escape),
                             wide);
}

static rg_way list_of(rg_schema *s, uint32_t item, const char *brackets, rg_way end) {
    rg_grammar *g = s->g;
    const uint8_t open = (uint8_t)brackets[0];
    const uint8_t close = (uint8_t)brackets[1];
    const rg_way done = rg_grammar_range(g, close, close, end);
    const rg_way more = rg_grammar_hole(g);
    const rg_way one = rg_grammar_call(g, item, more);
    if (more == RG_WAY_NONE) {
        return more;
    }
    rg_grammar_fill(g, more, rg_grammar_range(g, ',', ',', rg_schema_spaced(s, one)),
                    rg_schema_spaced(s, done));
    return rg_grammar_range(g, open, open, rg_schema_spaced(s, rg_grammar_either(g, one, done)));
}

static rg_way member(rg_schema *s, rg_way end) {
    const rg_way value = rg_grammar_call(s->g, rg_schema_common_rule(s, RG_COMMON_VALUE), end);
    return rg_grammar_call(s->g, rg_schema_common_rule(s, RG_COMMON_STRING),
                           rg_grammar_range(s->g, ':', ':', rg_schema_spaced(s, value)));
}

static rg_way any_value(rg_schema *s, rg_way end) {
    static const rg_schema_common kinds[] = {RG_COMMON_STRING, RG_COMMON_NUMBER, RG_COMMON_ARRAY,
                                             RG_COMMON_OBJECT};
    static const char *const words[] = {"true", "false", "null"};
    rg_way node = RG_WAY_NONE;
    for (size_t i = 0; i < 4; i++) {
        node = rg_grammar_either(
            s->g, rg_grammar_call(s->g, rg_schema_common_rule(s, kinds[i]), end), node);
    }
    for (size_t i = 0; i < 3; i++) {
        node = rg_grammar_either(s->g, rg_grammar_text(s->g, rg_str_of(words[i]), end), node);
    }
    return node;
}

uint32_t rg_schema_common_rule(rg_schema *s, rg_schema_common which) {
    static const rg_json nothing = {.kind = RG_JSON_OBJECT};
    rg_error unused;
    rg_grammar *g = s->g;
    if (s->common[which] != 0) {
        return s->common[which] - 1;
    }
    const uint32_t rule = rg_grammar_rule(g);
    const rg_way end = rg_grammar_end(g);
    rg_way entry = RG_WAY_NONE;
    s->common[which] = rule + 1; // first, because values hold values
    switch (which) {
    case RG_COMMON_SPACE:
        entry = space(g, end);
        break;
    case RG_COMMON_CHAR:
        entry = character(g, end);
        break;
    case RG_COMMON_STRING:
        (void)rg_schema_string(s, &nothing, end, &entry, &unused); // cannot fail without keywords
        break;
    case RG_COMMON_NUMBER:
    case RG_COMMON_INTEGER:
        (void)rg_schema_number(s, &nothing, which == RG_COMMON_INTEGER, end, &entry, &unused);
        break;
    case RG_COMMON_VALUE:
        entry = any_value(s, end);
        break;
    case RG_COMMON_ARRAY:
        entry = list_of(s, rg_schema_common_rule(s, RG_COMMON_VALUE), "[]", end);
        break;
    default: {
        const uint32_t pair = rg_grammar_rule(g);
        rg_grammar_set(g, pair, member(s, end));
        entry = list_of(s, pair, "{}", end);
    }
    }
    rg_grammar_set(g, rule, entry);
    return rule;
}
