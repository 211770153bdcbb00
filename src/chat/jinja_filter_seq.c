#include "chat/jinja_run.h"

typedef struct pair {
    rg_jval key;
    rg_jval value;
} pair;

/* Merge the sorted halves [0, middle) and [middle, n) of from into to; equal ones keep their order.
 */
static void merge(rg_jrun *run, const pair *from, pair *to, size_t middle, size_t n, bool reverse) {
    size_t a = 0;
    size_t b = middle;
    for (size_t i = 0; i < n; i++) {
        bool takes_b = a >= middle;
        if (a < middle && b < n && !rg_jfailed(run)) {
            rg_jsteps(run, 1);
            const int order = rg_jval_order(run, from[b].key, from[a].key, "<");
            takes_b = order != RG_J_UNORDERED && (reverse ? order > 0 : order < 0);
        }
        to[i] = takes_b ? from[b++] : from[a++];
    }
}

rg_jlist *rg_jlist_sorted(rg_jrun *run, const rg_jlist *list, const rg_jlist *keys,
                          bool is_reverse) {
    const size_t n = list->n;
    rg_jlist *out = rg_jlist_new(run, n);
    pair *pairs = rg_jalloc(run, n * sizeof *pairs);
    pair *other = rg_jalloc(run, n * sizeof *other);
    if (rg_jfailed(run) || keys->n != n) {
        return &run->dead_list;
    }
    for (size_t i = 0; i < n; i++) {
        pairs[i] = (pair){keys->items[i], list->items[i]};
    }
    for (size_t width = 1; width < n && !rg_jfailed(run); width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            const size_t left = n - from;
            const size_t size = left < 2 * width ? left : 2 * width;
            merge(run, pairs + from, other + from, width < size ? width : size, size, is_reverse);
        }
        pair *swap = pairs;
        pairs = other;
        other = swap;
    }
    for (size_t i = 0; i < n; i++) {
        rg_jlist_push(run, out, pairs[i].value);
    }
    return out;
}

static bool is_digits(rg_str s) {
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
    }
    return s.size > 0 && s.size < 10;
}

/* v's part at "a.b.0", or at a number; `fallback` where that is undefined. */
static rg_jval get_path(rg_jrun *run, rg_jval v, rg_jval path, rg_jval fallback) {
    if (path.kind == RG_J_INT || path.kind == RG_J_BOOL) {
        v = rg_jval_item(run, v, path);
    } else if (path.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "an attribute is a text or a number, not %s",
                 rg_jval_type(path));
    } else {
        const rg_jstr *s = path.str;
        for (size_t from = 0; from <= s->size && !rg_jfailed(run);) {
            const char *dot = s->size == from ? NULL : memchr(s->data + from, '.', s->size - from);
            const size_t to = dot == NULL ? s->size : (size_t)(dot - s->data);
            const rg_jstr *part = rg_jstr_part(run, s, from, to);
            rg_jval key = rg_jtext(part);
            if (is_digits(rg_jstr_str(part))) {
                rg_jval_parse_int(run, part, 10, &key);
            }
            v = rg_jval_item(run, v, key);
            if (v.kind == RG_J_UNDEFINED && fallback.kind != RG_J_MISSING) {
                v = fallback;
            }
            from = to + 1;
        }
    }
    return v;
}

static const rg_jval missing = {.kind = RG_J_MISSING};

static bool is_given(rg_jval v) {
    return v.kind != RG_J_MISSING && v.kind != RG_J_NONE;
}

/* The key of an item: itself or its attribute, small letters unless is_exact. */
static rg_jval key_of(rg_jrun *run, rg_jval v, rg_jval path, rg_jval fallback, bool is_exact) {
    if (is_given(path)) {
        v = get_path(run, v, path, fallback);
    }
    if (v.kind == RG_J_STRING && !is_exact) {
        v = rg_jtext(rg_jstr_case(run, v.str, RG_J_LOWER));
    }
    return v;
}

/* One key for each item. */
static rg_jlist *keys_of(rg_jrun *run, const rg_jlist *items, rg_jval path, rg_jval fallback,
                         bool is_exact) {
    rg_jlist *keys = rg_jlist_new(run, items->n);
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, keys, key_of(run, items->items[i], path, fallback, is_exact));
    }
    return keys;
}

/* For sort: each key is a list, one part for each attribute of "a,b". Lists with equal parts need
 * no order, so that a list of nones can be sorted. */
static rg_jlist *list_keys_of(rg_jrun *run, const rg_jlist *items, rg_jval paths, bool is_exact) {
    rg_jlist *keys = rg_jlist_new(run, items->n);
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        rg_jlist *parts = rg_jlist_new(run, 1);
        rg_jlist_push(run, keys, rg_jseq(RG_J_LIST, parts));
        if (paths.kind != RG_J_STRING) {
            rg_jlist_push(run, parts, key_of(run, items->items[i], paths, missing, is_exact));
            continue;
        }
        const rg_jstr *s = paths.str;
        for (size_t from = 0; from <= s->size && !rg_jfailed(run);) {
            const char *comma =
                s->size == from ? NULL : memchr(s->data + from, ',', s->size - from);
            const size_t to = comma == NULL ? s->size : (size_t)(comma - s->data);
            const rg_jval path = rg_jtext(rg_jstr_part(run, s, from, to));
            rg_jlist_push(run, parts, key_of(run, items->items[i], path, missing, is_exact));
            from = to + 1;
        }
    }
    return keys;
}

rg_jval rg_jf_sort(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    const rg_jlist *keys = list_keys_of(run, items, arg[2], rg_jval_is_true(arg[1]));
    return rg_jseq(RG_J_LIST, rg_jlist_sorted(run, items, keys, rg_jval_is_true(arg[0])));
}

rg_jval rg_jf_dictsort(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    bool by_value = false;
    if (arg[1].kind == RG_J_STRING) {
        by_value = rg_str_is(rg_jstr_str(arg[1].str), "value");
    }
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else if (v.kind != RG_J_DICT) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "'%s' object has no attribute 'items'", rg_jval_type(v));
    }
    if (rg_jfailed(run)) {
        return rg_jnone();
    }
    const rg_jlist *keys = keys_of(run, rg_jdict_list(run, v.dict, by_value ? 2 : 1), missing,
                                   missing, rg_jval_is_true(arg[0]));
    return rg_jseq(RG_J_LIST, rg_jlist_sorted(run, rg_jdict_list(run, v.dict, 0), keys,
                                              rg_jval_is_true(arg[2])));
}

static rg_jval extreme(rg_jrun *run, rg_jval v, const rg_jval *arg, bool wants_max) {
    const rg_jlist *items = rg_jval_items(run, v);
    const rg_jlist *keys = keys_of(run, items, arg[1], missing, rg_jval_is_true(arg[0]));
    size_t best = 0;
    for (size_t i = 1; i < items->n && !rg_jfailed(run); i++) {
        const int order =
            rg_jval_order(run, keys->items[i], keys->items[best], wants_max ? ">" : "<");
        best = order != RG_J_UNORDERED && (wants_max ? order > 0 : order < 0) ? i : best;
    }
    if (rg_jfailed(run) || items->n == 0) {
        return rg_jundef(run, rg_jstr_c(run, "the extreme of an empty sequence"), NULL);
    }
    return items->items[best];
}

rg_jval rg_jf_max(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    return extreme(run, v, arg, true);
}

rg_jval rg_jf_min(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    return extreme(run, v, arg, false);
}

rg_jval rg_jf_sum(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    rg_jval sum = arg[1].kind == RG_J_MISSING ? rg_jint(0) : arg[1];
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        const rg_jval item = key_of(run, items->items[i], arg[0], missing, true);
        sum = rg_jval_math(run, '+', sum, item);
    }
    return sum;
}

rg_jval rg_jf_unique(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    const rg_jlist *keys = keys_of(run, items, arg[1], missing, rg_jval_is_true(arg[0]));
    rg_jlist *out = rg_jlist_new(run, 0);
    rg_jdict *seen = rg_jdict_new(run);
    for (size_t i = 0; i < items->n && i < keys->n && !rg_jfailed(run); i++) {
        const size_t n = seen->n;
        rg_jdict_set(run, seen, keys->items[i], rg_jnone());
        if (seen->n != n) {
            rg_jlist_push(run, out, items->items[i]);
        }
    }
    return rg_jgenerator(run, out);
}

rg_jval rg_jf_groupby(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const bool is_exact = rg_jval_is_true(arg[2]);
    const rg_jlist *items = rg_jval_items(run, v);
    const rg_jlist *keys = keys_of(run, items, arg[0], arg[1], is_exact);
    const rg_jlist *sorted = rg_jlist_sorted(run, items, keys, false);
    const rg_jlist *sorted_keys = rg_jlist_sorted(run, keys, keys, false);
    rg_jlist *groups = rg_jlist_new(run, 0);
    rg_jlist *members = NULL;
    for (size_t i = 0; i < sorted->n && !rg_jfailed(run); i++) {
        if (i == 0 || !rg_jval_equal(run, sorted_keys->items[i], sorted_keys->items[i - 1])) {
            rg_jlist *group = rg_jlist_new(run, 2);
            members = rg_jlist_new(run, 0);
            rg_jlist_push(run, group, key_of(run, sorted->items[i], arg[0], arg[1], true));
            rg_jlist_push(run, group, rg_jseq(RG_J_LIST, members));
            rg_jlist_push(run, groups, rg_jseq(RG_J_GROUP, group));
        }
        rg_jlist_push(run, members, sorted->items[i]);
    }
    return rg_jseq(RG_J_LIST, groups);
}

rg_jval rg_jf_list(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    rg_jlist *out = rg_jlist_new(run, items->n);
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, out, items->items[i]);
    }
    return rg_jseq(RG_J_LIST, out);
}

rg_jval rg_jf_reverse(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_STRING) {
        return rg_jval_slice(run, v, rg_jnone(), rg_jnone(), rg_jint(-1));
    }
    const rg_jlist *items = rg_jval_items(run, v);
    rg_jlist *out = rg_jlist_new(run, items->n);
    for (size_t i = items->n; i > 0 && !rg_jfailed(run); i--) {
        rg_jlist_push(run, out, items->items[i - 1]);
    }
    return rg_jgenerator(run, out);
}

rg_jval rg_jf_first(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_STRING && v.str->size != 0) {
        return rg_jtext(rg_jstr_char(run, v.str, 0));
    }
    if (v.kind == RG_J_ITERATOR && v.iter->at < v.iter->items->n) {
        return v.iter->items->items[v.iter->at++];
    }
    const rg_jlist *items = rg_jval_items(run, v);
    return items->n != 0 ? items->items[0]
                         : rg_jundef(run, rg_jstr_c(run, "the first item of nothing"), NULL);
}

rg_jval rg_jf_last(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_STRING && v.str->size != 0) {
        return rg_jtext(rg_jstr_char(run, v.str, v.str->n_chars - 1));
    }
    const rg_jlist *items = rg_jval_items(run, v);
    return items->n != 0 ? items->items[items->n - 1]
                         : rg_jundef(run, rg_jstr_c(run, "the last item of nothing"), NULL);
}

rg_jval rg_jf_items(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_UNDEFINED) {
        return rg_jgenerator(run, rg_jlist_new(run, 0));
    }
    if (v.kind != RG_J_DICT) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "Can only get item pairs from a mapping.");
        return rg_jnone();
    }
    return rg_jgenerator(run, rg_jdict_list(run, v.dict, 0));
}

rg_jval rg_jf_join(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    const rg_jstr *between = rg_jval_str(run, arg[0]);
    rg_jbuild b = {.run = run};
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        if (i != 0) {
            rg_jbuild_str(&b, between);
        }
        rg_jtext_str(&b, key_of(run, items->items[i], arg[1], missing, true));
    }
    return rg_jtext(rg_jbuild_done(&b));
}

rg_jval rg_jf_batch(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    const int64_t width = rg_jval_int(run, arg[0], "batch()");
    rg_jlist *out = rg_jlist_new(run, 0);
    rg_jlist *row = NULL;
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        if (row == NULL || (int64_t)row->n == width) {
            row = rg_jlist_new(run, 0);
            rg_jlist_push(run, out, rg_jseq(RG_J_LIST, row));
        }
        rg_jlist_push(run, row, items->items[i]);
    }
    while (row != NULL && is_given(arg[1]) && (int64_t)row->n < width && !rg_jfailed(run)) {
        rg_jlist_push(run, row, arg[1]);
    }
    return rg_jgenerator(run, out);
}

rg_jval rg_jf_slice(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jlist *items = rg_jval_items(run, v);
    const int64_t n_slices = rg_jval_int(run, arg[0], "slice()");
    if (n_slices <= 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "slice() into %lld parts", (long long)n_slices);
    }
    rg_jlist *out = rg_jlist_new(run, 0);
    size_t at = 0;
    for (int64_t i = 0; i < n_slices && !rg_jfailed(run); i++) {
        // the first parts take one more each
        const size_t rest = items->n % (size_t)n_slices;
        const size_t size = items->n / (size_t)n_slices + ((size_t)i < rest);
        rg_jlist *part = rg_jlist_new(run, size);
        for (size_t k = 0; k < size; k++) {
            rg_jlist_push(run, part, items->items[at++]);
        }
        if (is_given(arg[1]) && (size_t)i >= rest && rest != 0) {
            rg_jlist_push(run, part, arg[1]);
        }
        rg_jlist_push(run, out, rg_jseq(RG_J_LIST, part));
    }
    return rg_jgenerator(run, out);
}

/* The name that map, select and their kin get as an argument. */
static int find_row(rg_jrun *run, rg_jval name, int (*find)(rg_str), const char *what) {
    if (name.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the name of a %s is a text, not %s", what,
                 rg_jval_type(name));
        return RG_J_NO_ROW;
    }
    const int row = find(rg_jstr_str(name.str));
    if (row == RG_J_NO_ROW) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "no %s named '%.*s'", what, RG_J_FMT(name.str));
    }
    return row;
}

/* map and select go through nothing at all where the value is false, whatever it is. */
static const rg_jlist *items_unless_false(rg_jrun *run, rg_jval v) {
    return rg_jval_is_true(v) ? rg_jval_items(run, v) : rg_jlist_new(run, 0);
}

rg_jval rg_jf_map(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    const rg_jlist *items = items_unless_false(run, v);
    rg_jlist *out = rg_jlist_new(run, items->n);
    rg_jval by[RG_J_PARAMS_MAX] = {{0}};
    int row = RG_J_NO_ROW;
    rg_jargs rest = *raw;
    if (raw->n_pos == 0) {
        rg_jargs_bind(run, "map", "attribute default", 1, raw, by);
    } else {
        row = find_row(run, raw->pos[0], rg_jfilter_find, "filter");
        rest.pos++;
        rest.n_pos--;
    }
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, out,
                      row == RG_J_NO_ROW ? get_path(run, items->items[i], by[0], by[1])
                                         : rg_jfilter_call(run, row, items->items[i], &rest));
    }
    return rg_jgenerator(run, out);
}

/* select, reject and their attr forms. */
static rg_jval choose(rg_jrun *run, rg_jval v, const rg_jargs *raw, bool has_attr, bool wants) {
    const rg_jlist *items = items_unless_false(run, v);
    rg_jlist *out = rg_jlist_new(run, 0);
    rg_jargs rest = *raw;
    rg_jval path = missing;
    int row = RG_J_NO_ROW;
    if (has_attr && rest.n_pos == 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the name of an attribute is missing");
        return rg_jnone();
    }
    if (has_attr) {
        path = *rest.pos++;
        rest.n_pos--;
    }
    if (rest.n_pos != 0) {
        row = find_row(run, *rest.pos++, rg_jtest_find, "test");
        rest.n_pos--;
    }
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        const rg_jval item = items->items[i];
        const rg_jval tested = has_attr ? get_path(run, item, path, missing) : item;
        if (rg_jfailed(run)) {
            break;
        }
        const bool passes =
            row == RG_J_NO_ROW ? rg_jval_is_true(tested) : rg_jtest_call(run, row, tested, &rest);
        if (passes == wants) {
            rg_jlist_push(run, out, item);
        }
    }
    return rg_jgenerator(run, out);
}

rg_jval rg_jf_select(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    return choose(run, v, raw, false, true);
}
rg_jval rg_jf_reject(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    return choose(run, v, raw, false, false);
}
rg_jval rg_jf_selectattr(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    return choose(run, v, raw, true, true);
}
rg_jval rg_jf_rejectattr(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    return choose(run, v, raw, true, false);
}
