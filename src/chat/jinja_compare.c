#include "chat/jinja_run.h"

#include <math.h>

bool rg_jval_is_true(rg_jval v) {
    switch (v.kind) {
    case RG_J_MISSING:
    case RG_J_UNDEFINED:
    case RG_J_NONE:
        return false;
    case RG_J_BOOL:
        return v.is_true;
    case RG_J_INT:
        return v.i64 != 0;
    case RG_J_FLOAT:
        return v.f64 != 0;
    case RG_J_STRING:
        return v.str->size != 0;
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
        return v.list->n != 0;
    case RG_J_DICT:
        return v.dict->n != 0;
    case RG_J_RANGE:
        return v.range->n != 0;
    case RG_J_VIEW:
        return v.iter->items->n != 0;
    default:
        return true;
    }
}

double rg_jval_f64(rg_jval v) {
    return v.kind == RG_J_FLOAT ? v.f64 : v.kind == RG_J_BOOL ? v.is_true : (double)v.i64;
}

static int order_i64(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int order_int_float(int64_t i, double f) {
    if (isnan(f)) {
        return RG_J_UNORDERED;
    }
    if (f >= 0x1p63) {
        return -1;
    }
    if (f < -0x1p63) {
        return 1;
    }
    // exactly, also where a double cannot hold the integer
    const int64_t whole = (int64_t)f;
    const double rest = f - (double)whole;
    const int order = order_i64(i, whole);
    return order != 0 ? order : rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int flip(int order) {
    return order == RG_J_UNORDERED ? order : -order;
}

static int order_numbers(rg_jval a, rg_jval b) {
    if (a.kind == RG_J_FLOAT && b.kind == RG_J_FLOAT) {
        if (isnan(a.f64) || isnan(b.f64)) {
            return RG_J_UNORDERED;
        }
        return (a.f64 > b.f64) - (a.f64 < b.f64);
    }
    const int64_t i = a.kind == RG_J_BOOL ? a.is_true : a.i64;
    const int64_t j = b.kind == RG_J_BOOL ? b.is_true : b.i64;
    if (b.kind == RG_J_FLOAT) {
        return order_int_float(i, b.f64);
    }
    return a.kind == RG_J_FLOAT ? flip(order_int_float(j, a.f64)) : order_i64(i, j);
}

static int order_strings(rg_jrun *run, const rg_jstr *a, const rg_jstr *b) {
    const size_t n = a->size < b->size ? a->size : b->size;
    rg_jsteps(run, n / 32);
    const int order = n == 0 ? 0 : memcmp(a->data, b->data, n);
    return order != 0 ? (order > 0) - (order < 0) : (a->size > b->size) - (a->size < b->size);
}

/* A BIG with another integer: sign, then length, then digits. */
static int order_big(rg_jrun *run, rg_jval a, rg_jval b) {
    const bool a_minus = a.kind == RG_J_BIG && a.str->data[0] == '-';
    const bool b_minus = b.kind == RG_J_BIG && b.str->data[0] == '-';
    if (a.kind != b.kind) {
        return a.kind == RG_J_BIG ? (a_minus ? -1 : 1) : (b_minus ? 1 : -1);
    }
    if (a_minus != b_minus) {
        return a_minus ? -1 : 1;
    }
    int order = (a.str->size > b.str->size) - (a.str->size < b.str->size);
    order = order != 0 ? order : order_strings(run, a.str, b.str);
    return a_minus ? -order : order;
}

/* One level deeper into nested values; false (and failed) at the limit. */
static bool enter(rg_jrun *run) {
    rg_jsteps(run, 1);
    if (run->value_depth >= RG_TEMPLATE_VALUE_DEPTH_MAX) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "values nested deeper than %u",
                 RG_TEMPLATE_VALUE_DEPTH_MAX);
    }
    run->value_depth += !rg_jfailed(run);
    return !rg_jfailed(run);
}

static bool equal_lists(rg_jrun *run, const rg_jlist *a, const rg_jlist *b) {
    if (a->n != b->n || !enter(run)) {
        return false;
    }
    bool is_equal = true;
    for (size_t i = 0; i < a->n && is_equal; i++) {
        is_equal = rg_jval_equal(run, a->items[i], b->items[i]);
    }
    run->value_depth--;
    return is_equal;
}

static bool equal_dicts(rg_jrun *run, const rg_jdict *a, const rg_jdict *b) {
    if (a->n != b->n || !enter(run)) {
        return false;
    }
    bool is_equal = true;
    for (size_t i = 0; i < a->n && is_equal; i++) {
        const rg_jentry *entry = rg_jdict_find(run, b, a->entries[i].key);
        is_equal = entry != NULL && rg_jval_equal(run, a->entries[i].value, entry->value);
    }
    run->value_depth--;
    return is_equal;
}

static bool is_tuple(rg_jval v) {
    return v.kind == RG_J_TUPLE || v.kind == RG_J_GROUP;
}

bool rg_jval_equal(rg_jrun *run, rg_jval a, rg_jval b) {
    if (rg_jfailed(run)) {
        return false;
    }
    rg_jsteps(run, 1);
    if (rg_jval_is_number(a) && rg_jval_is_number(b)) {
        return order_numbers(a, b) == 0;
    }
    if (is_tuple(a) && is_tuple(b)) {
        return equal_lists(run, a.list, b.list);
    }
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case RG_J_MISSING:
    case RG_J_UNDEFINED:
    case RG_J_NONE:
        return true;
    case RG_J_STRING:
    case RG_J_BIG:
        rg_jsteps(run, a.str->size / 32);
        return rg_str_eq(rg_jstr_str(a.str), rg_jstr_str(b.str));
    case RG_J_LIST:
        return a.list == b.list || equal_lists(run, a.list, b.list);
    case RG_J_DICT:
        return a.dict == b.dict || equal_dicts(run, a.dict, b.dict);
    case RG_J_RANGE:
        return a.range->n == b.range->n && (a.range->n == 0 || a.range->start == b.range->start) &&
               (a.range->n < 2 || a.range->step == b.range->step);
    case RG_J_FUNCTION:
        return a.function == b.function;
    case RG_J_METHOD:
        return a.method->row == b.method->row && a.method->self.str == b.method->self.str;
    default:
        return a.list == b.list; // the same object
    }
}

int rg_jval_order(rg_jrun *run, rg_jval a, rg_jval b, const char *op) {
    if (rg_jfailed(run)) {
        return 0;
    }
    if (rg_jval_is_number(a) && rg_jval_is_number(b)) {
        return order_numbers(a, b);
    }
    const bool a_whole = a.kind == RG_J_INT || a.kind == RG_J_BOOL || a.kind == RG_J_BIG;
    const bool b_whole = b.kind == RG_J_INT || b.kind == RG_J_BOOL || b.kind == RG_J_BIG;
    if (a_whole && b_whole) {
        return order_big(run, a, b);
    }
    if (a.kind == RG_J_STRING && b.kind == RG_J_STRING) {
        return order_strings(run, a.str, b.str);
    }
    if ((a.kind == RG_J_LIST && b.kind == RG_J_LIST) || (is_tuple(a) && is_tuple(b))) {
        const size_t n = a.list->n < b.list->n ? a.list->n : b.list->n;
        int order = 0;
        size_t i = 0;
        if (!enter(run)) {
            return 0;
        }
        while (i < n && rg_jval_equal(run, a.list->items[i], b.list->items[i])) {
            i++;
        }
        if (i < n && !rg_jfailed(run)) {
            order = rg_jval_order(run, a.list->items[i], b.list->items[i], op);
        } else {
            order = (a.list->n > b.list->n) - (a.list->n < b.list->n);
        }
        run->value_depth--;
        return order;
    }
    if (a.kind == RG_J_UNDEFINED || b.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, a.kind == RG_J_UNDEFINED ? a : b);
        return 0;
    }
    rg_jfail(run, RG_TEMPLATE_TYPE, "'%s' not supported between instances of '%s' and '%s'", op,
             rg_jval_type(a), rg_jval_type(b));
    return 0;
}

static bool list_has(rg_jrun *run, const rg_jlist *list, rg_jval item) {
    for (size_t i = 0; i < list->n; i++) {
        if (rg_jval_equal(run, list->items[i], item)) {
            return true;
        }
    }
    return false;
}

bool rg_jval_contains(rg_jrun *run, rg_jval container, rg_jval item) {
    switch (container.kind) {
    case RG_J_STRING:
        if (item.kind != RG_J_STRING) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "'in <string>' requires string as left operand, not %s",
                     rg_jval_type(item));
            return false;
        }
        rg_jsteps(run, container.str->size / 32);
        return item.str->size == 0 ||
               (container.str->size != 0 && memmem(container.str->data, container.str->size,
                                                   item.str->data, item.str->size) != NULL);
    case RG_J_DICT:
        if (!rg_jval_is_hashable(run, item)) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "unhashable type: '%s'", rg_jval_type(item));
            return false;
        }
        return rg_jdict_find(run, container.dict, item) != NULL;
    case RG_J_RANGE: {
        const rg_jrange *range = container.range;
        for (size_t i = 0; i < range->n && !rg_jfailed(run); i++) {
            if (rg_jval_equal(run, rg_jint(range->start + (int64_t)i * range->step), item)) {
                return true;
            }
        }
        return false;
    }
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
    case RG_J_VIEW:
    case RG_J_ITERATOR:
    case RG_J_UNDEFINED:
        return list_has(run, rg_jval_items(run, container), item);
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "argument of type '%s' is not iterable",
                 rg_jval_type(container));
        return false;
    }
}

bool rg_jval_compare(rg_jrun *run, unsigned op, rg_jval a, rg_jval b) {
    static const char *const names[] = {"<", "<=", ">", ">="};
    switch (op) {
    case RG_J_EQ:
        return rg_jval_equal(run, a, b);
    case RG_J_NE:
        return !rg_jval_equal(run, a, b);
    case RG_J_IN:
        return rg_jval_contains(run, b, a);
    case RG_J_NOT_IN:
        return !rg_jval_contains(run, b, a);
    default: {
        const int order = rg_jval_order(run, a, b, names[op]);
        return order != RG_J_UNORDERED && (op == RG_J_LT   ? order < 0
                                           : op == RG_J_LE ? order <= 0
                                           : op == RG_J_GT ? order > 0
                                                           : order >= 0);
    }
    }
}
