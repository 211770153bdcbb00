#include "chat/jinja_run.h"

#include "base/map.h"

// dicts of up to this many entries are searched one by one
enum { INDEX_MIN = 8 };

rg_jval rg_jundef(rg_jrun *run, const rg_jstr *name, const char *owner) {
    static const rg_jstr no_name = {.data = ""};
    static const rg_jundefined unknown = {.name = &no_name};
    rg_jundefined *why = rg_jalloc(run, sizeof *why);
    if (why != NULL) {
        *why = (rg_jundefined){.name = name, .owner = owner};
    }
    return (rg_jval){.kind = RG_J_UNDEFINED, .undefined = why == NULL ? &unknown : why};
}

rg_jval rg_jgenerator(rg_jrun *run, rg_jlist *items) {
    rg_jiter *iter = rg_jalloc(run, sizeof *iter);
    if (iter == NULL) {
        iter = &run->dead_iter;
        items = &run->dead_list;
    }
    *iter = (rg_jiter){.items = items};
    return (rg_jval){.kind = RG_J_ITERATOR, .iter = iter};
}

rg_jlist *rg_jlist_new(rg_jrun *run, size_t capacity) {
    size_t bytes = 0;
    rg_jlist *list = rg_jalloc(run, sizeof *list);
    if (list == NULL) {
        return &run->dead_list;
    }
    if (!rg_mul_size(capacity, sizeof *list->items, &bytes)) {
        rg_jfail(run, RG_TEMPLATE_MEMORY, "a list of %zu items fits no memory", capacity);
        return &run->dead_list;
    }
    list->items = capacity == 0 ? NULL : rg_jalloc(run, bytes);
    list->capacity = list->items == NULL ? 0 : capacity;
    return rg_jfailed(run) ? &run->dead_list : list;
}

void rg_jlist_push(rg_jrun *run, rg_jlist *list, rg_jval v) {
    rg_jlist_insert(run, list, list->n, v);
}

void rg_jlist_insert(rg_jrun *run, rg_jlist *list, size_t at, rg_jval v) {
    rg_jsteps(run, 1 + (list->n - at) / 32);
    if (rg_jfailed(run)) {
        return;
    }
    if (list->n == list->capacity) {
        const size_t capacity = list->n < 4 ? 4 : list->n * 2;
        rg_jval *items = rg_jalloc(run, capacity * sizeof *items);
        if (items == NULL) {
            return;
        }
        if (list->n != 0) {
            memcpy(items, list->items, list->n * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    memmove(list->items + at + 1, list->items + at, (list->n - at) * sizeof v);
    list->items[at] = v;
    list->n++;
}

void rg_jlist_remove(rg_jlist *list, size_t at) {
    memmove(list->items + at, list->items + at + 1, (list->n - at - 1) * sizeof *list->items);
    list->n--;
}

bool rg_jval_is_hashable(rg_jrun *run, rg_jval v) {
    if (v.kind == RG_J_TUPLE || v.kind == RG_J_GROUP) {
        if (run->value_depth >= RG_TEMPLATE_VALUE_DEPTH_MAX) {
            return false;
        }
        run->value_depth++;
        bool is_hashable = true;
        for (size_t i = 0; i < v.list->n && is_hashable; i++) {
            rg_jsteps(run, 1);
            is_hashable = !rg_jfailed(run) && rg_jval_is_hashable(run, v.list->items[i]);
        }
        run->value_depth--;
        return is_hashable;
    }
    return v.kind != RG_J_LIST && v.kind != RG_J_DICT && v.kind != RG_J_VIEW;
}

/* Of a hashable value; equal values have equal hashes, also 1, 1.0 and true. */
static uint64_t hash_of(rg_jrun *run, rg_jval v) {
    switch (v.kind) {
    case RG_J_STRING:
    case RG_J_BIG:
        rg_jsteps(run, v.str->size / 32);
        return rg_hash(v.str->data, v.str->size, run->seed);
    case RG_J_TUPLE:
    case RG_J_GROUP: {
        uint64_t h = run->seed;
        for (size_t i = 0; i < v.list->n; i++) {
            const uint64_t item = hash_of(run, v.list->items[i]);
            h = rg_hash(&item, sizeof item, h);
        }
        return h;
    }
    case RG_J_BOOL:
    case RG_J_INT:
    case RG_J_FLOAT: {
        double f64 = rg_jval_f64(v) + 0.0;
        return rg_hash(&f64, sizeof f64, run->seed);
    }
    default:
        return v.kind;
    }
}

rg_jdict *rg_jdict_new(rg_jrun *run) {
    rg_jdict *dict = rg_jalloc(run, sizeof *dict);
    return dict == NULL ? &run->dead_dict : dict;
}

static void add_to_index(rg_jdict *dict, size_t entry) {
    size_t slot = dict->entries[entry].hash & (dict->n_index - 1);
    while (dict->index[slot] != 0) {
        slot = (slot + 1) & (dict->n_index - 1);
    }
    dict->index[slot] = (uint32_t)entry + 1;
}

static void build_index(rg_jrun *run, rg_jdict *dict) {
    size_t n_index = 4 * INDEX_MIN;
    while (n_index < dict->n * 4) {
        n_index *= 2;
    }
    uint32_t *index = rg_jalloc(run, n_index * sizeof *index);
    if (index == NULL) {
        return;
    }
    rg_jsteps(run, dict->n);
    dict->index = index;
    dict->n_index = n_index;
    for (size_t i = 0; i < dict->n; i++) {
        add_to_index(dict, i);
    }
}

static rg_jentry *find_hashed(rg_jrun *run, const rg_jdict *dict, rg_jval key, uint64_t hash) {
    if (dict->n_index == 0) {
        for (size_t i = 0; i < dict->n; i++) {
            rg_jentry *entry = &dict->entries[i];
            if (entry->hash == hash && rg_jval_equal(run, entry->key, key)) {
                return entry;
            }
        }
        return NULL;
    }
    size_t slot = hash & (dict->n_index - 1);
    for (; dict->index[slot] != 0; slot = (slot + 1) & (dict->n_index - 1)) {
        rg_jentry *entry = &dict->entries[dict->index[slot] - 1];
        rg_jsteps(run, 1);
        if (entry->hash == hash && rg_jval_equal(run, entry->key, key)) {
            return entry;
        }
    }
    return NULL;
}

rg_jentry *rg_jdict_find(rg_jrun *run, const rg_jdict *dict, rg_jval key) {
    if (dict->n == 0 || !rg_jval_is_hashable(run, key)) {
        return NULL;
    }
    return find_hashed(run, dict, key, hash_of(run, key));
}

void rg_jdict_set(rg_jrun *run, rg_jdict *dict, rg_jval key, rg_jval value) {
    if (!rg_jval_is_hashable(run, key)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "unhashable type: '%s'", rg_jval_type(key));
        return;
    }
    const uint64_t hash = hash_of(run, key);
    rg_jentry *old = find_hashed(run, dict, key, hash);
    rg_jsteps(run, 1);
    if (rg_jfailed(run)) {
        return;
    }
    if (old != NULL) {
        old->value = value;
        return;
    }
    if (dict->n == dict->capacity) {
        const size_t capacity = dict->n < 4 ? 4 : dict->n * 2;
        rg_jentry *entries = rg_jalloc(run, capacity * sizeof *entries);
        if (entries == NULL) {
            return;
        }
        if (dict->n != 0) {
            memcpy(entries, dict->entries, dict->n * sizeof *entries);
        }
        dict->entries = entries;
        dict->capacity = capacity;
    }
    dict->entries[dict->n++] = (rg_jentry){.key = key, .value = value, .hash = hash};
    if (dict->n > INDEX_MIN && dict->n * 2 > dict->n_index) {
        build_index(run, dict);
    } else if (dict->n_index != 0) {
        add_to_index(dict, dict->n - 1);
    }
}

void rg_jdict_remove(rg_jrun *run, rg_jdict *dict, rg_jentry *entry) {
    const size_t at = (size_t)(entry - dict->entries);
    memmove(entry, entry + 1, (dict->n - at - 1) * sizeof *entry);
    dict->n--;
    if (dict->n_index != 0) {
        memset(dict->index, 0, dict->n_index * sizeof *dict->index);
        rg_jsteps(run, dict->n_index);
        for (size_t i = 0; i < dict->n; i++) {
            add_to_index(dict, i);
        }
    }
}

rg_jdict *rg_jdict_copy(rg_jrun *run, const rg_jdict *dict) {
    rg_jdict *copy = rg_jdict_new(run);
    for (size_t i = 0; i < dict->n && !rg_jfailed(run); i++) {
        rg_jdict_set(run, copy, dict->entries[i].key, dict->entries[i].value);
    }
    return copy;
}

rg_jlist *rg_jdict_list(rg_jrun *run, const rg_jdict *dict, int what) {
    rg_jlist *list = rg_jlist_new(run, dict->n);
    for (size_t i = 0; i < dict->n && !rg_jfailed(run); i++) {
        const rg_jentry *entry = &dict->entries[i];
        if (what == 0) {
            rg_jlist *pair = rg_jlist_new(run, 2);
            rg_jlist_push(run, pair, entry->key);
            rg_jlist_push(run, pair, entry->value);
            rg_jlist_push(run, list, rg_jseq(RG_J_TUPLE, pair));
        } else {
            rg_jlist_push(run, list, what == 1 ? entry->key : entry->value);
        }
    }
    return list;
}

static rg_jval number_from_json(rg_jrun *run, const rg_json *json) {
    const rg_str text = json->text;
    bool is_integer = true;
    for (size_t i = 0; i < text.size; i++) {
        is_integer =
            is_integer && text.data[i] != '.' && text.data[i] != 'e' && text.data[i] != 'E';
    }
    rg_jval v = rg_jint(0);
    if (is_integer) {
        const rg_jstr *str = rg_jstr_view(run, text, 0);
        if (!rg_jval_parse_int(run, str, 10, &v)) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "'%.*s' is no integer", RG_J_FMT(str));
        }
        return v;
    }
    double f64 = 0;
    const rg_jstr str = {.data = text.data, .size = text.size};
    if (!rg_jval_parse_float(&str, &f64)) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "'%.*s' is no number", RG_J_FMT(&str));
    }
    return rg_jfloat(f64);
}

/* Recursion here follows a tree that the JSON reader has bounded: RG_JSON_DEPTH_MAX. */
rg_jval rg_jval_from_json(rg_jrun *run, const rg_json *json, uint8_t origin) {
    if (json == NULL || rg_jfailed(run)) {
        return rg_jnone();
    }
    switch (json->kind) {
    case RG_JSON_NULL:
        return rg_jnone();
    case RG_JSON_BOOL:
        return rg_jbool(json->is_true);
    case RG_JSON_NUMBER:
        return number_from_json(run, json);
    case RG_JSON_STRING:
        return rg_jtext(rg_jstr_view(run, json->text, origin));
    case RG_JSON_ARRAY: {
        rg_jlist *list = rg_jlist_new(run, json->n);
        for (size_t i = 0; i < json->n && !rg_jfailed(run); i++) {
            rg_jlist_push(run, list, rg_jval_from_json(run, &json->items[i], origin));
        }
        return rg_jseq(RG_J_LIST, list);
    }
    case RG_JSON_OBJECT: {
        rg_jdict *dict = rg_jdict_new(run);
        for (size_t i = 0; i < json->n && !rg_jfailed(run); i++) {
            const rg_jval value = rg_jval_from_json(run, &json->items[i], origin);
            rg_jdict_set(run, dict, rg_jtext(rg_jstr_view(run, json->keys[i], origin)), value);
        }
        return rg_jmap(dict);
    }
    }
    return rg_jnone();
}
