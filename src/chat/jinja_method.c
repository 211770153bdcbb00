#include "chat/jinja_method.h"

#include <stdio.h>

/* A Python index for insert and pop: from the end when negative. */
static int64_t from_end(int64_t at, size_t n) {
    return at < 0 ? at + (int64_t)n : at;
}

static rg_jval list_append(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    rg_jlist_push(run, self.list, arg[0]);
    return rg_jnone();
}

static rg_jval list_extend(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jlist *more = rg_jval_items(run, arg[0]);
    const size_t n = more->n; // the list may be its own argument
    for (size_t i = 0; i < n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, self.list, more->items[i]);
    }
    return rg_jnone();
}

static rg_jval list_insert(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const int64_t at = from_end(rg_jval_int(run, arg[0], "insert()"), self.list->n);
    const size_t n = self.list->n;
    rg_jlist_insert(run, self.list, at < 0 ? 0 : (size_t)at > n ? n : (size_t)at, arg[1]);
    return rg_jnone();
}

static rg_jval list_pop(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const int64_t given = arg[0].kind == RG_J_MISSING ? -1 : rg_jval_int(run, arg[0], "pop()");
    const int64_t at = from_end(given, self.list->n);
    if (at < 0 || (size_t)at >= self.list->n || rg_jfailed(run)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "pop index out of range");
        return rg_jnone();
    }
    const rg_jval v = self.list->items[at];
    rg_jsteps(run, (self.list->n - (size_t)at) / 32);
    rg_jlist_remove(self.list, (size_t)at);
    return v;
}

static rg_jval list_index(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    for (size_t i = 0; i < self.list->n && !rg_jfailed(run); i++) {
        if (rg_jval_equal(run, self.list->items[i], arg[0])) {
            return rg_jint((int64_t)i);
        }
    }
    rg_jfail(run, RG_TEMPLATE_TYPE, "the value is not in the list");
    return rg_jnone();
}

static rg_jval list_remove(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jval at = list_index(run, self, arg);
    if (!rg_jfailed(run)) {
        rg_jlist_remove(self.list, (size_t)at.i64);
    }
    return rg_jnone();
}

static rg_jval list_count(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    int64_t n = 0;
    for (size_t i = 0; i < self.list->n && !rg_jfailed(run); i++) {
        n += rg_jval_equal(run, self.list->items[i], arg[0]);
    }
    return rg_jint(n);
}

static rg_jlist *copy_list(rg_jrun *run, const rg_jlist *list) {
    rg_jlist *copy = rg_jlist_new(run, list->n);
    for (size_t i = 0; i < list->n && !rg_jfailed(run); i++) {
        rg_jlist_push(run, copy, list->items[i]);
    }
    return copy;
}

static rg_jval list_copy(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return rg_jseq(RG_J_LIST, copy_list(run, self.list));
}

static rg_jval list_clear(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)run;
    (void)arg;
    self.list->n = 0;
    return rg_jnone();
}

static rg_jval list_reverse(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    rg_jsteps(run, self.list->n / 8);
    for (size_t i = 0; i < self.list->n / 2; i++) {
        rg_jval *a = &self.list->items[i];
        rg_jval *b = &self.list->items[self.list->n - 1 - i];
        const rg_jval v = *a;
        *a = *b;
        *b = v;
    }
    return rg_jnone();
}

static rg_jval list_sort(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jlist *sorted = rg_jlist_sorted(run, self.list, self.list, rg_jval_is_true(arg[0]));
    if (!rg_jfailed(run) && sorted->n != 0) {
        memcpy(self.list->items, sorted->items, sorted->n * sizeof *sorted->items);
    }
    return rg_jnone();
}

static rg_jval make_view(rg_jrun *run, rg_jval self, int what, const char *name) {
    rg_jiter *iter = rg_jalloc(run, sizeof *iter);
    if (iter == NULL) {
        return rg_jnone();
    }
    *iter = (rg_jiter){.items = rg_jdict_list(run, self.dict, what), .name = name};
    return (rg_jval){.kind = RG_J_VIEW, .iter = iter};
}

static rg_jval dict_items(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return make_view(run, self, 0, "dict_items");
}

static rg_jval dict_keys(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return make_view(run, self, 1, "dict_keys");
}

static rg_jval dict_values(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return make_view(run, self, 2, "dict_values");
}

/* The entry of a key, which must be hashable. */
static rg_jentry *find_entry(rg_jrun *run, rg_jval self, rg_jval key) {
    if (!rg_jval_is_hashable(run, key)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "unhashable type: '%s'", rg_jval_type(key));
        return NULL;
    }
    return rg_jdict_find(run, self.dict, key);
}

static rg_jval dict_get(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jentry *entry = find_entry(run, self, arg[0]);
    if (entry != NULL) {
        return entry->value;
    }
    return arg[1].kind == RG_J_MISSING ? rg_jnone() : arg[1];
}

static rg_jval dict_pop(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    rg_jentry *entry = find_entry(run, self, arg[0]);
    if (entry != NULL) {
        const rg_jval v = entry->value;
        rg_jdict_remove(run, self.dict, entry);
        return v;
    }
    if (arg[1].kind == RG_J_MISSING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "pop(): no such key");
    }
    return arg[1];
}

static rg_jval dict_setdefault(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jentry *entry = find_entry(run, self, arg[0]);
    if (entry != NULL) {
        return entry->value;
    }
    const rg_jval v = arg[1].kind == RG_J_MISSING ? rg_jnone() : arg[1];
    rg_jdict_set(run, self.dict, arg[0], v);
    return v;
}

static rg_jval dict_copy(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return rg_jmap(rg_jdict_copy(run, self.dict));
}

static rg_jval dict_clear(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)run;
    (void)arg;
    *self.dict = (rg_jdict){0};
    return rg_jnone();
}

static const rg_jmethod_row rows[] = {
    {RG_J_LIST, "append", list_append, "object", 1},
    {RG_J_LIST, "clear", list_clear, "", 0},
    {RG_J_LIST, "copy", list_copy, "", 0},
    {RG_J_LIST, "count", list_count, "value", 1},
    {RG_J_LIST, "extend", list_extend, "iterable", 1},
    {RG_J_LIST, "index", list_index, "value", 1},
    {RG_J_LIST, "insert", list_insert, "index object", 2},
    {RG_J_LIST, "pop", list_pop, "index", 0},
    {RG_J_LIST, "remove", list_remove, "value", 1},
    {RG_J_LIST, "reverse", list_reverse, "", 0},
    {RG_J_LIST, "sort", list_sort, "reverse", 0},
    {RG_J_TUPLE, "count", list_count, "value", 1},
    {RG_J_TUPLE, "index", list_index, "value", 1},
    {RG_J_DICT, "clear", dict_clear, "", 0},
    {RG_J_DICT, "copy", dict_copy, "", 0},
    {RG_J_DICT, "get", dict_get, "key default", 1},
    {RG_J_DICT, "items", dict_items, "", 0},
    {RG_J_DICT, "keys", dict_keys, "", 0},
    {RG_J_DICT, "pop", dict_pop, "key default", 1},
    {RG_J_DICT, "setdefault", dict_setdefault, "key default", 1},
    {RG_J_DICT, "update", NULL, NULL, 0},
    {RG_J_DICT, "values", dict_values, "", 0},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const rg_jmethod_row *row_at(int row) {
    return row < N_ROWS ? &rows[row] : &rg_jstr_methods[row - N_ROWS];
}

int rg_jmethod_find(rg_jkind kind, const rg_jstr *name) {
    if (kind == RG_J_STRING) {
        for (size_t i = 0; i < rg_jstr_n_methods; i++) {
            if (rg_str_is(rg_jstr_str(name), rg_jstr_methods[i].name)) {
                return N_ROWS + (int)i;
            }
        }
        return RG_J_NO_ROW;
    }
    for (int i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == kind && rg_str_is(rg_jstr_str(name), rows[i].name)) {
            return i;
        }
    }
    return RG_J_NO_ROW;
}

/* update({..}, a=1) */
static rg_jval dict_update(rg_jrun *run, rg_jval self, const rg_jargs *args) {
    const int as_dict = rg_jfunction_find(RG_STR("dict"));
    const rg_jval more = rg_jfunction_call(run, as_dict, args);
    for (size_t i = 0; !rg_jfailed(run) && i < more.dict->n; i++) {
        rg_jdict_set(run, self.dict, more.dict->entries[i].key, more.dict->entries[i].value);
    }
    return rg_jnone();
}

rg_jval rg_jmethod_call(rg_jrun *run, int row, rg_jval self, const rg_jargs *args) {
    const rg_jmethod_row *method = row_at(row);
    rg_jval arg[RG_J_PARAMS_MAX];
    if (method->fn == NULL && method->kind == RG_J_DICT) {
        return dict_update(run, self, args);
    }
    if (method->fn == NULL) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the method %s() is not supported", method->name);
        return rg_jnone();
    }
    if (!rg_jargs_bind(run, method->name, method->params, method->n_required, args, arg)) {
        return rg_jnone();
    }
    return method->fn(run, self, arg);
}
