#include "chat/jinja_run.h"

#include <stdio.h>

const char *rg_jval_type(rg_jval v) {
    static const char *const names[] = {
        [RG_J_MISSING] = "Undefined", [RG_J_UNDEFINED] = "Undefined",
        [RG_J_NONE] = "NoneType",     [RG_J_BOOL] = "bool",
        [RG_J_INT] = "int",           [RG_J_BIG] = "int",
        [RG_J_FLOAT] = "float",       [RG_J_STRING] = "str",
        [RG_J_LIST] = "list",         [RG_J_TUPLE] = "tuple",
        [RG_J_GROUP] = "tuple",       [RG_J_DICT] = "dict",
        [RG_J_RANGE] = "range",       [RG_J_ITERATOR] = "generator",
        [RG_J_VIEW] = "dict_view",    [RG_J_NAMESPACE] = "Namespace",
        [RG_J_MACRO] = "Macro",       [RG_J_FUNCTION] = "function",
        [RG_J_METHOD] = "method",     [RG_J_LOOP] = "LoopContext",
    };
    return v.kind == RG_J_VIEW ? v.iter->name : names[v.kind];
}

void rg_jfail_undefined(rg_jrun *run, rg_jval v) {
    const rg_jundefined *why = v.undefined;
    if (why->owner == NULL) {
        rg_jfail(run, RG_TEMPLATE_UNDEFINED, "'%.*s' is undefined", RG_J_FMT(why->name));
    } else if (why->is_element) {
        rg_jfail(run, RG_TEMPLATE_UNDEFINED, "%s has no element %.*s", why->owner,
                 RG_J_FMT(why->name));
    } else {
        rg_jfail(run, RG_TEMPLATE_UNDEFINED, "'%s' has no attribute '%.*s'", why->owner,
                 RG_J_FMT(why->name));
    }
}

/* The owner of a missing attribute, as jinja2 calls it. */
static const char *owner_name(rg_jval v) {
    switch (v.kind) {
    case RG_J_NONE:
        return "None";
    case RG_J_BOOL:
        return "bool object";
    case RG_J_INT:
    case RG_J_BIG:
        return "int object";
    case RG_J_FLOAT:
        return "float object";
    case RG_J_STRING:
        return "str object";
    case RG_J_LIST:
        return "list object";
    case RG_J_TUPLE:
        return "tuple object";
    case RG_J_DICT:
        return "dict object";
    default:
        return rg_jval_type(v);
    }
}

static rg_jval no_element(rg_jrun *run, rg_jval v, rg_jval key) {
    rg_jundefined *why = rg_jalloc(run, sizeof *why);
    if (why == NULL || key.kind == RG_J_STRING) {
        return rg_jundef(run, rg_jval_str(run, key), owner_name(v));
    }
    rg_jbuild text = {.run = run};
    rg_jtext_repr(&text, key);
    *why =
        (rg_jundefined){.name = rg_jbuild_done(&text), .owner = owner_name(v), .is_element = true};
    return (rg_jval){.kind = RG_J_UNDEFINED, .undefined = why};
}

int64_t rg_jval_int(rg_jrun *run, rg_jval v, const char *what) {
    if (v.kind == RG_J_INT || v.kind == RG_J_BOOL) {
        return v.kind == RG_J_INT ? v.i64 : v.is_true;
    }
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else {
        rg_jfail(run, RG_TEMPLATE_TYPE, "%s: '%s' is no integer", what, rg_jval_type(v));
    }
    return 0;
}

size_t rg_jval_length(rg_jrun *run, rg_jval v) {
    switch (v.kind) {
    case RG_J_UNDEFINED:
        return 0;
    case RG_J_STRING:
        return v.str->n_chars;
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
        return v.list->n;
    case RG_J_DICT:
        return v.dict->n;
    case RG_J_RANGE:
        return v.range->n;
    case RG_J_VIEW:
        return v.iter->items->n;
    case RG_J_LOOP:
        return v.loop->items->n;
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "object of type '%s' has no len()", rg_jval_type(v));
        return 0;
    }
}

static rg_jlist *chars_of(rg_jrun *run, const rg_jstr *s) {
    rg_jlist *list = rg_jlist_new(run, s->n_chars);
    for (size_t from = 0; from < s->size && !rg_jfailed(run);) {
        size_t to = from + 1;
        while (to < s->size && ((uint8_t)s->data[to] & 0xC0) == 0x80) {
            to++;
        }
        rg_jlist_push(run, list, rg_jtext(rg_jstr_part(run, s, from, to)));
        from = to;
    }
    return list;
}

rg_jlist *rg_jval_items(rg_jrun *run, rg_jval v) {
    switch (v.kind) {
    case RG_J_UNDEFINED:
        return rg_jlist_new(run, 0);
    case RG_J_STRING:
        return chars_of(run, v.str);
    case RG_J_LIST:
    case RG_J_TUPLE:
    case RG_J_GROUP:
        return v.list;
    case RG_J_VIEW:
        return v.iter->items;
    case RG_J_DICT:
        return rg_jdict_list(run, v.dict, 1);
    case RG_J_RANGE: {
        rg_jlist *list = rg_jlist_new(run, v.range->n);
        for (size_t i = 0; i < v.range->n && !rg_jfailed(run); i++) {
            rg_jlist_push(run, list, rg_jint(v.range->start + (int64_t)i * v.range->step));
        }
        return list;
    }
    case RG_J_ITERATOR: {
        // what was taken before is gone
        if (v.iter->at == 0) {
            v.iter->at = v.iter->items->n;
            return v.iter->items;
        }
        rg_jlist *list = rg_jlist_new(run, 0);
        for (; v.iter->at < v.iter->items->n && !rg_jfailed(run); v.iter->at++) {
            rg_jlist_push(run, list, v.iter->items->items[v.iter->at]);
        }
        return list;
    }
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "'%s' object is not iterable", rg_jval_type(v));
        return &run->dead_list;
    }
}

/* Python's index: from the end when negative; false when outside. */
static bool find_index(rg_jval key, size_t n, size_t *out) {
    int64_t i = key.kind == RG_J_BOOL ? key.is_true : key.i64;
    i += i < 0 ? (int64_t)n : 0;
    *out = (size_t)i;
    return i >= 0 && (size_t)i < n;
}

rg_jval rg_jval_item(rg_jrun *run, rg_jval v, rg_jval key) {
    size_t i = 0;
    const bool is_index = key.kind == RG_J_INT || key.kind == RG_J_BOOL;
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
        return rg_jnone();
    }
    if (is_index && rg_jval_is_seq(v) && find_index(key, v.list->n, &i)) {
        return v.list->items[i];
    }
    if (is_index && v.kind == RG_J_STRING && find_index(key, v.str->n_chars, &i)) {
        return rg_jtext(rg_jstr_char(run, v.str, i));
    }
    if (is_index && v.kind == RG_J_RANGE && find_index(key, v.range->n, &i)) {
        return rg_jint(v.range->start + (int64_t)i * v.range->step);
    }
    if (v.kind == RG_J_DICT) {
        const rg_jentry *entry = rg_jdict_find(run, v.dict, key);
        if (entry != NULL) {
            return entry->value;
        }
    }
    // an attribute may be written as an item
    if (key.kind == RG_J_STRING && v.kind != RG_J_DICT) {
        return rg_jval_attr(run, v, key.str);
    }
    const int row = key.kind == RG_J_STRING ? rg_jmethod_find(v.kind, key.str) : RG_J_NO_ROW;
    return row == RG_J_NO_ROW ? no_element(run, v, key) : rg_jval_attr(run, v, key.str);
}

rg_jval rg_jval_attr(rg_jrun *run, rg_jval v, const rg_jstr *name) {
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
        return rg_jnone();
    }
    const int row = rg_jmethod_find(v.kind, name);
    if (row != RG_J_NO_ROW) {
        rg_jmethod *method = rg_jalloc(run, sizeof *method);
        if (method == NULL) {
            return rg_jnone();
        }
        *method = (rg_jmethod){.self = v, .row = row};
        return (rg_jval){.kind = RG_J_METHOD, .method = method};
    }
    if (v.kind == RG_J_DICT || v.kind == RG_J_NAMESPACE) {
        const rg_jentry *entry = rg_jdict_find(run, v.dict, rg_jtext(name));
        if (entry != NULL) {
            return entry->value;
        }
    }
    if (v.kind == RG_J_GROUP && rg_str_is(rg_jstr_str(name), "grouper")) {
        return v.list->items[0];
    }
    if (v.kind == RG_J_GROUP && rg_str_is(rg_jstr_str(name), "list")) {
        return v.list->items[1];
    }
    if (v.kind == RG_J_MACRO && rg_str_is(rg_jstr_str(name), "name")) {
        return rg_jtext(v.macro->def->name);
    }
    if (v.kind == RG_J_LOOP) {
        const rg_jval part = rg_jloop_attr(run, v.loop, name);
        if (part.kind != RG_J_MISSING) {
            return part;
        }
    }
    return rg_jundef(run, name, owner_name(v));
}

/* The bounds of a Python slice over n items. */
static bool slice_bounds(rg_jrun *run, size_t size, rg_jval from, rg_jval to, rg_jval step,
                         int64_t *first, int64_t *stride, size_t *count) {
    const int64_t n = (int64_t)size;
    const int64_t by = step.kind == RG_J_NONE ? 1 : rg_jval_int(run, step, "slice step");
    if (by == 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "slice step cannot be zero");
    }
    // with a negative step the limits are -1 and n - 1
    const int64_t low = by < 0 ? -1 : 0;
    const int64_t high = by < 0 ? n - 1 : n;
    int64_t ends[2] = {by < 0 ? high : low, by < 0 ? low : high};
    const rg_jval given[2] = {from, to};
    for (int i = 0; i < 2; i++) {
        if (given[i].kind != RG_J_NONE) {
            int64_t at = rg_jval_int(run, given[i], "slice index");
            at += at < 0 ? n : 0;
            ends[i] = at < low ? low : at > high ? high : at;
        }
    }
    if (rg_jfailed(run)) {
        return false;
    }
    // steps as unsigned, so that the smallest step has an opposite
    const uint64_t span = by > 0 ? (uint64_t)(ends[1] - ends[0]) : (uint64_t)(ends[0] - ends[1]);
    const uint64_t width = by > 0 ? (uint64_t)by : 0 - (uint64_t)by;
    const bool is_empty = by > 0 ? ends[0] >= ends[1] : ends[0] <= ends[1];
    *count = is_empty ? 0 : (size_t)((span - 1) / width + 1);
    *first = ends[0];
    *stride = *count > 1 ? by : 1;
    return true;
}

static rg_jval slice_string(rg_jrun *run, const rg_jstr *s, int64_t first, int64_t step, size_t n) {
    if (n == 0) {
        return rg_jtext(rg_jstr_c(run, ""));
    }
    if (step == 1) {
        const size_t from = rg_jstr_offset(run, s, (size_t)first);
        return rg_jtext(rg_jstr_part(run, s, from, rg_jstr_offset(run, s, (size_t)first + n)));
    }
    const rg_jlist *chars = chars_of(run, s);
    rg_jbuild b = {.run = run};
    for (size_t i = 0; i < n && !rg_jfailed(run); i++) {
        rg_jbuild_str(&b, chars->items[first + (int64_t)i * step].str);
    }
    return rg_jtext(rg_jbuild_done(&b));
}

rg_jval rg_jval_slice(rg_jrun *run, rg_jval v, rg_jval from, rg_jval to, rg_jval step) {
    int64_t first = 0;
    int64_t stride = 0;
    size_t n = 0;
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else if (v.kind != RG_J_STRING && !rg_jval_is_seq(v) && v.kind != RG_J_RANGE) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "'%s' object cannot be sliced", rg_jval_type(v));
    }
    if (rg_jfailed(run) ||
        !slice_bounds(run, rg_jval_length(run, v), from, to, step, &first, &stride, &n)) {
        return rg_jnone();
    }
    if (v.kind == RG_J_STRING) {
        return slice_string(run, v.str, first, stride, n);
    }
    if (v.kind == RG_J_RANGE) {
        rg_jrange *range = rg_jalloc(run, sizeof *range);
        if (range == NULL) {
            return rg_jnone();
        }
        *range = (rg_jrange){.start = v.range->start + first * v.range->step,
                             .step = n > 1 ? v.range->step * stride : v.range->step,
                             .n = n};
        return (rg_jval){.kind = RG_J_RANGE, .range = range};
    }
    rg_jlist *list = rg_jlist_new(run, n);
    for (size_t i = 0; i < n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, list, v.list->items[first + (int64_t)i * stride]);
    }
    return rg_jseq(v.kind == RG_J_LIST ? RG_J_LIST : RG_J_TUPLE, list);
}
