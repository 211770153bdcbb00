/* Arrays and objects by their keywords. */
#include "sample/schema_internal.h"

#include <stdlib.h>

rg_status rg_schema_array(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                          rg_error *err) {
    const rg_json *items = rg_json_find(json, "items");
    rg_grammar *g = s->g;
    size_t min = 0;
    size_t max = SIZE_MAX;
    rg_status status = RG_OK;
    RG_TRY(rg_schema_count(s, json, "minItems", 0, &min, err));
    RG_TRY(rg_schema_count(s, json, "maxItems", SIZE_MAX, &max, err));
    if (items != NULL && items->kind == RG_JSON_BOOL && !items->is_true) {
        max = 0;
        items = NULL;
    }
    if (min > max) {
        return rg_schema_fail(s, json, err, RG_E_ARG,
                              "at least %zu items and at most %zu: unsatisfiable", min, max);
    }
    const uint32_t item = items == NULL ? rg_schema_common_rule(s, RG_COMMON_VALUE)
                                        : rg_schema_later(s, items, false);
    const uint32_t more = rg_grammar_rule(g); // a comma and an item
    const rg_way one = rg_grammar_call(g, item, rg_grammar_end(g));
    rg_grammar_set(g, more, rg_grammar_range(g, ',', ',', rg_schema_spaced(s, one)));
    const rg_way close = rg_grammar_range(g, ']', ']', next);
    rg_way inside = min == 0 ? close : RG_WAY_NONE;
    if (max != 0) {
        const rg_way rest =
            rg_schema_repeat(s, more, min == 0 ? 0 : min - 1, max == SIZE_MAX ? SIZE_MAX : max - 1,
                             rg_schema_spaced(s, close));
        inside = rg_grammar_either(g, rg_grammar_call(g, item, rest), inside);
    }
    *entry = rg_grammar_range(g, '[', '[', rg_schema_spaced(s, inside));

done:
    return status;
}

/** A member that the schema names. */
typedef struct property {
    rg_str key;
    const rg_json *schema; // NULL: any value
    bool is_required;
} property;

/** What "additionalProperties" comes to. */
typedef struct others {
    bool are_allowed;      // generated
    bool are_refused;      // false: whoever requires one asks for the impossible
    const rg_json *schema; // NULL: any value
} others;

static others read_others(const rg_json *json, const rg_json *properties) {
    const rg_json *more = rg_json_find(json, "additionalProperties");
    const bool is_bool = more != NULL && more->kind == RG_JSON_BOOL;
    if (is_bool && !more->is_true) {
        return (others){.are_refused = true};
    }
    return (others){.are_allowed = more != NULL || properties == NULL,
                    .schema = more == NULL || is_bool ? NULL : more};
}

// the named members in order, those that are only required behind
static rg_status read_properties(rg_schema *s, const rg_json *json, const others *more,
                                 property **out, size_t *n_out, rg_error *err) {
    const rg_json *properties = rg_json_find(json, "properties");
    const rg_json *required = rg_json_find(json, "required");
    const size_t n_named = properties == NULL ? 0 : properties->n;
    if ((properties != NULL && properties->kind != RG_JSON_OBJECT) ||
        (required != NULL && required->kind != RG_JSON_ARRAY)) {
        return rg_schema_fail(s, json, err, RG_E_ARG,
                              "\"properties\" is no object, or \"required\" no list");
    }
    const size_t n_most = n_named + (required == NULL ? 0 : required->n);
    property *list = rg_arena_alloc(&s->arena, (n_most + 1) * sizeof *list);
    if (list == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu properties", n_most);
    }
    for (size_t i = 0; i < n_named; i++) {
        list[i] = (property){.key = properties->keys[i], .schema = &properties->items[i]};
    }
    size_t n = n_named;
    for (size_t i = 0; required != NULL && i < required->n; i++) {
        rg_str key = {0};
        size_t at = 0;
        if (!rg_json_str(&required->items[i], &key)) {
            return rg_schema_fail(s, json, err, RG_E_ARG, "\"required\" holds more than names");
        }
        while (at < n && !rg_str_eq(list[at].key, key)) {
            at++;
        }
        if (at == n && more->are_refused) {
            return rg_schema_fail(s, json, err, RG_E_ARG,
                                  "\"%.*s\" is required and no property: unsatisfiable",
                                  (int)(key.size > 64 ? 64 : key.size), key.data);
        }
        if (at == n) {
            list[n++] = (property){.key = key, .schema = more->schema};
        }
        list[at].is_required = true;
    }
    *out = list;
    *n_out = n;
    return RG_OK;
}

static uint32_t value_rule(rg_schema *s, const rg_json *schema) {
    return schema == NULL ? rg_schema_common_rule(s, RG_COMMON_VALUE)
                          : rg_schema_later(s, schema, false);
}

static rg_way colon_value(rg_schema *s, const rg_json *schema, rg_way next) {
    const rg_way value = rg_grammar_call(s->g, value_rule(s, schema), next);
    return rg_grammar_range(s->g, ':', ':', rg_schema_spaced(s, value));
}

static rg_way named_member(rg_schema *s, const property *p, rg_way next) {
    rg_buf key;
    rg_buf_init(&key, s->mem, 0);
    rg_buf_json(&key, p->key);
    const rg_way node = rg_grammar_text(s->g, rg_buf_view(&key), colon_value(s, p->schema, next));
    rg_buf_clear(&key);
    return node;
}

/** A place in the tree of names: bytes that lead on to other names. */
typedef struct prefix {
    uint8_t byte;
    bool is_name;
    rg_way inside;     // ways on among the names
    rg_byte_set taken; // their first bytes
} prefix;

// the closing of a prefix: into another name, off the names, or an end where no name ends
static rg_way close_prefix(rg_grammar *g, prefix *p, rg_way apart, const rg_way *wide,
                           rg_way value) {
    rg_byte_set off = {{0}};
    bool has_wide = false;
    for (unsigned b = 0x20; b < 0x80; b++) {
        if (b != '"' && b != '\\' && !rg_byte_set_has(&p->taken, b)) {
            rg_byte_set_add(&off, b, b);
        }
    }
    for (unsigned b = 0x80; b < 256; b++) {
        has_wide |= rg_byte_set_has(&p->taken, b);
    }
    rg_way node = rg_grammar_either(g, rg_grammar_bytes(g, &off, apart), p->inside);
    node = has_wide ? node : rg_grammar_either(g, *wide, node);
    return p->is_name ? node : rg_grammar_either(g, rg_grammar_range(g, '"', '"', value), node);
}

static int compare_keys(const void *a, const void *b) {
    const rg_str x = *(const rg_str *)a;
    const rg_str y = *(const rg_str *)b;
    const size_t n = x.size < y.size ? x.size : y.size;
    const int order = n == 0 ? 0 : memcmp(x.data, y.data, n);
    return order != 0 ? order : x.size < y.size ? -1 : x.size > y.size;
}

// A member whose key is none of the names. Keys without escapes, so that no name comes in disguise:
// along the tree of names, off it at a byte that no name has there, or ending between two names.
static rg_way other_member(rg_schema *s, const property *list, size_t n, const rg_json *schema,
                           rg_way next) {
    rg_grammar *g = s->g;
    const rg_way value = colon_value(s, schema, next);
    // once off the names, anything up to the quote
    rg_byte_set plain = {{0}};
    rg_byte_set_add(&plain, 0x20, 0x21);
    rg_byte_set_add(&plain, 0x23, 0x5B);
    rg_byte_set_add(&plain, 0x5D, 0x7F);
    const rg_way apart = rg_grammar_hole(g);
    if (apart == RG_WAY_NONE) {
        return apart;
    }
    const rg_way wide = rg_points_utf8(g, 0x80, 0x10FFFF, apart);
    rg_grammar_fill(g, apart, rg_grammar_range(g, '"', '"', value),
                    rg_grammar_either(g, rg_grammar_bytes(g, &plain, apart), wide));
    size_t longest = 0;
    rg_str *keys = rg_arena_alloc(&s->arena, (n + 1) * sizeof *keys);
    for (size_t i = 0; i < n && keys != NULL; i++) {
        keys[i] = list[i].key;
        longest = keys[i].size > longest ? keys[i].size : longest;
    }
    prefix *path = rg_arena_alloc(&s->arena, (longest + 1) * sizeof *path);
    if (keys == NULL || path == NULL) {
        return RG_WAY_NONE;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    size_t depth = 0;
    path[0] = (prefix){.inside = RG_WAY_NONE};
    for (size_t i = 0; i <= n && !rg_grammar_is_failed(g); i++) {
        const rg_str key = i < n ? keys[i] : (rg_str){0};
        size_t shared = 0;
        while (shared < depth && shared < key.size &&
               path[shared + 1].byte == (uint8_t)key.data[shared]) {
            shared++;
        }
        for (; depth > shared; depth--) {
            const prefix *p = &path[depth];
            const rg_way below = close_prefix(g, &path[depth], apart, &wide, value);
            rg_byte_set_add(&path[depth - 1].taken, p->byte, p->byte);
            path[depth - 1].inside = rg_grammar_either(
                g, rg_grammar_range(g, p->byte, p->byte, below), path[depth - 1].inside);
        }
        for (; depth < key.size; depth++) {
            path[depth + 1] = (prefix){.byte = (uint8_t)key.data[depth], .inside = RG_WAY_NONE};
        }
        path[depth].is_name |= i < n;
    }
    return rg_grammar_range(g, '"', '"', close_prefix(g, &path[0], apart, &wide, value));
}

rg_status rg_schema_object(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                           rg_error *err) {
    rg_grammar *g = s->g;
    property *list = NULL;
    size_t n = 0;
    const others more = read_others(json, rg_json_find(json, "properties"));
    rg_status status = read_properties(s, json, &more, &list, &n, err);
    if (status != RG_OK) {
        return status;
    }
    // after at least one member, and before any
    const rg_way close = rg_grammar_range(g, '}', '}', next);
    rg_way rest = rg_schema_spaced(s, close);
    rg_way first = close;
    if (more.are_allowed) {
        const rg_way loop = rg_grammar_hole(g);
        if (loop != RG_WAY_NONE) {
            const rg_way other = other_member(s, list, n, more.schema, loop);
            rg_grammar_fill(g, loop, rg_grammar_range(g, ',', ',', rg_schema_spaced(s, other)),
                            rest);
            first = rg_grammar_either(g, other, first);
            rest = loop;
        }
    }
    for (size_t i = n; i-- > 0 && !rg_grammar_is_failed(g);) {
        const rg_way member = named_member(s, &list[i], rest);
        const rg_way comma = rg_grammar_range(g, ',', ',', rg_schema_spaced(s, member));
        first = list[i].is_required ? member : rg_grammar_either(g, member, first);
        rest = list[i].is_required ? comma : rg_grammar_either(g, comma, rest);
    }
    *entry = rg_grammar_range(g, '{', '{', rg_schema_spaced(s, first));
    return RG_OK;
}
