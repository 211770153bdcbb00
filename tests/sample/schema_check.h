/* A second opinion on JSON Schema: a plain validator over parsed values, for tests. It knows
 * nothing of grammars. Include after cmocka. */
#pragma once

#include "base/utf8.h"
#include "format/json.h"

#include <math.h>

static inline size_t check_length(rg_str text) {
    size_t n = 0;
    for (size_t i = 0; i < text.size; n++) {
        uint32_t point = 0;
        i += rg_utf8_decode(rg_str_slice(text, i, text.size), &point);
    }
    return n;
}

static inline bool check_same(const rg_json *a, const rg_json *b) {
    double x = 0;
    double y = 0;
    if (a->kind != b->kind || (a->kind != RG_JSON_STRING && a->n != b->n)) {
        return false;
    }
    switch (a->kind) {
    case RG_JSON_BOOL:
        return a->is_true == b->is_true;
    case RG_JSON_NUMBER:
        return rg_json_f64(a, &x) && rg_json_f64(b, &y) && x >= y && x <= y;
    case RG_JSON_STRING:
        return rg_str_eq(a->text, b->text);
    case RG_JSON_NULL:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!check_same(&a->items[i], &b->items[i]) ||
            (a->kind == RG_JSON_OBJECT && !rg_str_eq(a->keys[i], b->keys[i]))) {
            return false;
        }
    }
    return true;
}

static inline bool check_type(const rg_json *name, const rg_json *value) {
    static const char *const kinds[] = {"null", "boolean", "number", "string", "array", "object"};
    double x = 0;
    if (rg_str_is(name->text, "integer")) {
        return rg_json_f64(value, &x) && x >= floor(x) && x <= floor(x);
    }
    return rg_str_is(name->text, kinds[value->kind]);
}

static inline const rg_json *check_follow(const rg_json *root, rg_str ref) {
    const rg_json *at = root;
    size_t i = 1;
    while (i < ref.size && at != NULL) {
        char key[64];
        size_t n = 0;
        for (i++; i < ref.size && ref.data[i] != '/'; i++) {
            key[n++] = ref.data[i];
        }
        key[n] = '\0';
        at = rg_json_find(at, key);
    }
    return at;
}

static inline bool check_valid(const rg_json *root, const rg_json *schema, const rg_json *value);

static inline bool check_object(const rg_json *root, const rg_json *schema, const rg_json *value) {
    const rg_json *properties = rg_json_find(schema, "properties");
    const rg_json *required = rg_json_find(schema, "required");
    const rg_json *more = rg_json_find(schema, "additionalProperties");
    for (size_t i = 0; required != NULL && i < required->n; i++) {
        bool is_there = false;
        for (size_t k = 0; k < value->n; k++) {
            is_there |= rg_str_eq(value->keys[k], required->items[i].text);
        }
        if (!is_there) {
            return false;
        }
    }
    for (size_t k = 0; k < value->n; k++) {
        const rg_json *inner = NULL;
        for (size_t i = 0; properties != NULL && i < properties->n; i++) {
            inner = rg_str_eq(properties->keys[i], value->keys[k]) ? &properties->items[i] : inner;
        }
        inner = inner == NULL ? more : inner;
        if (inner != NULL && !check_valid(root, inner, &value->items[k])) {
            return false;
        }
    }
    return true;
}

static inline bool check_number(const rg_json *schema, const rg_json *value) {
    static const char *const names[] = {"minimum", "exclusiveMinimum", "maximum",
                                        "exclusiveMaximum"};
    double x = 0;
    double bound = 0;
    if (!rg_json_f64(value, &x)) {
        return true;
    }
    for (int i = 0; i < 4; i++) {
        if (rg_json_f64(rg_json_find(schema, names[i]), &bound) && !(i == 0   ? x >= bound
                                                                     : i == 1 ? x > bound
                                                                     : i == 2 ? x <= bound
                                                                              : x < bound)) {
            return false;
        }
    }
    return true;
}

static inline bool check_size(const rg_json *schema, const char *min, const char *max, size_t n) {
    int64_t bound = 0;
    if (rg_json_i64(rg_json_find(schema, min), &bound) && (int64_t)n < bound) {
        return false;
    }
    return !rg_json_i64(rg_json_find(schema, max), &bound) || (int64_t)n <= bound;
}

static inline bool check_choices(const rg_json *root, const rg_json *schema, const rg_json *value) {
    static const char *const names[] = {"anyOf", "oneOf", "allOf"};
    for (int i = 0; i < 3; i++) {
        const rg_json *list = rg_json_find(schema, names[i]);
        size_t n = 0;
        for (size_t k = 0; list != NULL && k < list->n; k++) {
            n += check_valid(root, &list->items[k], value);
        }
        if (list != NULL && !(i == 0 ? n >= 1 : i == 1 ? n == 1 : n == list->n)) {
            return false;
        }
    }
    return true;
}

static inline bool check_valid(const rg_json *root, const rg_json *schema, const rg_json *value) {
    if (schema->kind == RG_JSON_BOOL) {
        return schema->is_true;
    }
    const rg_json *ref = rg_json_find(schema, "$ref");
    if (ref != NULL && !check_valid(root, check_follow(root, ref->text), value)) {
        return false;
    }
    const rg_json *type = rg_json_find(schema, "type");
    bool is_typed = type == NULL || (type->kind == RG_JSON_STRING && check_type(type, value));
    for (size_t i = 0; type != NULL && type->kind == RG_JSON_ARRAY && i < type->n; i++) {
        is_typed |= check_type(&type->items[i], value);
    }
    const rg_json *one = rg_json_find(schema, "const");
    const rg_json *list = rg_json_find(schema, "enum");
    bool is_listed = list == NULL;
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        is_listed |= check_same(&list->items[i], value);
    }
    if (!is_typed || !is_listed || (one != NULL && !check_same(one, value)) ||
        !check_choices(root, schema, value)) {
        return false;
    }
    if (value->kind == RG_JSON_NUMBER) {
        return check_number(schema, value);
    }
    if (value->kind == RG_JSON_STRING) {
        return check_size(schema, "minLength", "maxLength", check_length(value->text));
    }
    if (value->kind == RG_JSON_OBJECT) {
        return check_object(root, schema, value);
    }
    const rg_json *items = rg_json_find(schema, "items");
    for (size_t i = 0; value->kind == RG_JSON_ARRAY && items != NULL && i < value->n; i++) {
        if (!check_valid(root, items, &value->items[i])) {
            return false;
        }
    }
    return value->kind != RG_JSON_ARRAY || check_size(schema, "minItems", "maxItems", value->n);
}
