/* "oneOf" is "anyOf" where no value is valid by two alternatives: told by their types, by their
 * literals, or by a required member whose literals differ. */
#include "sample/schema_internal.h"

enum { REFS_MAX = 32 };

// what a schema says, references followed
static rg_status look_through(rg_schema *s, const rg_json **json, rg_error *err) {
    for (int i = 0; i < REFS_MAX && rg_json_find(*json, "$ref") != NULL; i++) {
        const rg_status status = rg_schema_resolve(s, *json, json, err);
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

/** The literals of a schema. */
typedef struct literals {
    const rg_json *values;
    size_t n; // 0: it has none
} literals;

static literals literals_of(const rg_json *json) {
    const rg_json *one = rg_json_find(json, "const");
    const rg_json *list = rg_json_find(json, "enum");
    if (one != NULL) {
        return (literals){one, 1};
    }
    return list != NULL && list->kind == RG_JSON_ARRAY ? (literals){list->items, list->n}
                                                       : (literals){NULL, 0};
}

// certainly different: scalars of different kinds or content
static bool differ(const rg_json *a, const rg_json *b) {
    double x = 0;
    double y = 0;
    if (a->kind != b->kind) {
        return true;
    }
    if (a->kind == RG_JSON_NUMBER) {
        return rg_json_f64(a, &x) && rg_json_f64(b, &y) && (x < y || x > y);
    }
    return a->kind == RG_JSON_STRING ? !rg_str_eq(a->text, b->text)
           : a->kind == RG_JSON_BOOL ? a->is_true != b->is_true
                                     : false;
}

static bool are_apart(literals a, literals b) {
    enum { PAIRS_MAX = 1 << 20 };
    if (a.n == 0 || b.n == 0 || a.n > PAIRS_MAX / b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        for (size_t j = 0; j < b.n; j++) {
            if (!differ(&a.values[i], &b.values[j])) {
                return false;
            }
        }
    }
    return true;
}

static bool is_required(const rg_json *json, rg_str key) {
    const rg_json *list = rg_json_find(json, "required");
    for (size_t i = 0; rg_json_at(list, i) != NULL; i++) {
        if (list->items[i].kind == RG_JSON_STRING && rg_str_eq(list->items[i].text, key)) {
            return true;
        }
    }
    return false;
}

static const rg_json *find_property(const rg_json *json, rg_str key) {
    const rg_json *properties = rg_json_find(json, "properties");
    for (size_t i = 0; properties != NULL && i < properties->n; i++) {
        if (properties->kind == RG_JSON_OBJECT && rg_str_eq(properties->keys[i], key)) {
            return &properties->items[i];
        }
    }
    return NULL;
}

// a member that both demand, with literals of which none is the same
static bool have_tag(const rg_json *a, const rg_json *b) {
    const rg_json *properties = rg_json_find(a, "properties");
    for (size_t i = 0;
         properties != NULL && properties->kind == RG_JSON_OBJECT && i < properties->n; i++) {
        const rg_str key = properties->keys[i];
        const rg_json *other = find_property(b, key);
        if (other != NULL && is_required(a, key) && is_required(b, key) &&
            are_apart(literals_of(&properties->items[i]), literals_of(other))) {
            return true;
        }
    }
    return false;
}

// the types that may be valid, an integer being a number as well
static rg_status kinds_of(rg_schema *s, const rg_json *json, unsigned *kinds, rg_error *err) {
    const literals list = literals_of(json);
    rg_status status = RG_OK;
    *kinds = RG_TYPE_ANY;
    if (rg_json_find(json, "type") != NULL) {
        status = rg_schema_types(s, json, kinds, err);
    } else if (list.n != 0) {
        *kinds = 0;
        for (size_t i = 0; i < list.n; i++) {
            *kinds |= rg_schema_type_of(&list.values[i]);
        }
    }
    *kinds |= (*kinds & RG_TYPE_NUMBER) != 0 ? RG_TYPE_INTEGER : 0;
    return status;
}

static rg_status check_pair(rg_schema *s, const rg_json *json, const rg_json *list, size_t i,
                            size_t j, rg_error *err) {
    const rg_json *a = &list->items[i];
    const rg_json *b = &list->items[j];
    unsigned x = 0;
    unsigned y = 0;
    rg_status status = RG_OK;
    RG_TRY(look_through(s, &a, err));
    RG_TRY(look_through(s, &b, err));
    RG_TRY(kinds_of(s, a, &x, err));
    RG_TRY(kinds_of(s, b, &y, err));
    const bool are_objects = x == RG_TYPE_OBJECT && y == RG_TYPE_OBJECT;
    if ((x & y) != 0 && !are_apart(literals_of(a), literals_of(b)) &&
        !(are_objects && have_tag(a, b))) {
        status = rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                                "the keyword \"oneOf\" cannot be enforced: a value may be valid by "
                                "alternatives %zu and %zu",
                                i, j);
    }

done:
    return status;
}

rg_status rg_schema_one_of(rg_schema *s, const rg_json *json, const rg_json *list, rg_error *err) {
    enum { ALTERNATIVES_MAX = 256 };
    if (list->n > ALTERNATIVES_MAX) {
        return rg_schema_fail(s, json, err, RG_E_LIMIT, "\"oneOf\" of %zu schemas, limit %d",
                              list->n, ALTERNATIVES_MAX);
    }
    for (size_t i = 0; i < list->n; i++) {
        for (size_t j = i + 1; j < list->n; j++) {
            const rg_status status = check_pair(s, json, list, i, j, err);
            if (status != RG_OK) {
                return status;
            }
        }
    }
    return RG_OK;
}
