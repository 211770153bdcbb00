/* The tree, built from the events with an explicit stack. */
#include "format/json.h"

#include "base/map.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// objects of more keys than this are checked for duplicates with a hash map instead of pairwise
enum { PAIRWISE_KEYS = 16 };

/** A container under construction: its items wait on the shared stack. */
typedef struct frame {
    rg_json_kind kind;
    size_t first; // of its items on the stack
} frame;

typedef struct builder {
    rg_arena *arena;
    const rg_mem *mem;
    rg_json_reader reader;
    rg_buf items; // rg_json, of all open containers
    rg_buf keys;  // rg_str, in step with items
    frame frames[RG_JSON_DEPTH_MAX];
    size_t n_frames;
    rg_str key; // of the value to come
} builder;

// a string that lives in the scratch buffer moves to the arena; others stay in the text
static rg_status keep(builder *b, rg_str *out, rg_error *err) {
    const rg_str value = b->reader.value;
    if (value.data != b->reader.scratch.data) {
        *out = value;
        return RG_OK;
    }
    const char *copy = rg_arena_copy(b->arena, value.data, value.size);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a JSON string of %zu bytes", value.size);
    }
    *out = (rg_str){copy, value.size};
    return RG_OK;
}

static rg_status push(builder *b, const rg_json *value, rg_error *err) {
    rg_buf_put(&b->items, value, sizeof *value);
    rg_buf_put(&b->keys, &b->key, sizeof b->key);
    b->key = (rg_str){0};
    rg_status status = rg_buf_check(&b->items, "a JSON tree", err);
    return status == RG_OK ? rg_buf_check(&b->keys, "a JSON tree", err) : status;
}

static rg_status check_keys(const builder *b, const rg_str *keys, size_t n, rg_error *err) {
    rg_status status = RG_OK;
    if (n <= PAIRWISE_KEYS) {
        for (size_t i = 1; i < n; i++) {
            for (size_t j = 0; j < i; j++) {
                if (rg_str_eq(keys[i], keys[j])) {
                    return rg_fail(err, RG_E_FORMAT, "JSON: the key \"%.*s\" is there twice",
                                   RG_FMT(keys[i]));
                }
            }
        }
        return RG_OK;
    }
    rg_map map;
    rg_map_init(&map, b->mem);
    RG_TRY(rg_map_reserve(&map, n, err));
    for (size_t i = 0; i < n; i++) {
        uint32_t old = RG_MAP_NONE;
        RG_TRY(rg_map_add(&map, keys[i], 0, &old, err));
        if (old != RG_MAP_NONE) {
            status =
                rg_fail(err, RG_E_FORMAT, "JSON: the key \"%.*s\" is there twice", RG_FMT(keys[i]));
            goto done;
        }
    }

done:
    rg_map_clear(&map);
    return status;
}

// the innermost container is complete: its items move to the arena and become one value of the next
static rg_status close_frame(builder *b, rg_error *err) {
    const frame *f = &b->frames[--b->n_frames];
    const size_t n = b->items.size / sizeof(rg_json) - f->first;
    rg_json value = {.kind = f->kind, .n = n};
    if (n != 0) {
        rg_json *items = rg_arena_alloc(b->arena, n * sizeof *items);
        if (items == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for %zu JSON values", n);
        }
        memcpy(items, b->items.data + f->first * sizeof *items, n * sizeof *items);
        value.items = items;
        if (f->kind == RG_JSON_OBJECT) {
            rg_str *keys = rg_arena_alloc(b->arena, n * sizeof *keys);
            if (keys == NULL) {
                return rg_fail(err, RG_E_MEMORY, "no memory for %zu JSON keys", n);
            }
            memcpy(keys, b->keys.data + f->first * sizeof *keys, n * sizeof *keys);
            value.keys = keys;
            const rg_status status = check_keys(b, keys, n, err);
            if (status != RG_OK) {
                return status;
            }
        }
    }
    b->items.size = f->first * sizeof(rg_json);
    b->keys.size = f->first * sizeof(rg_str);
    // the key of the container itself was pushed as a placeholder's when it was opened
    memcpy(&b->key, b->keys.data + (f->first - 1) * sizeof b->key, sizeof b->key);
    b->items.size -= sizeof(rg_json);
    b->keys.size -= sizeof(rg_str);
    return push(b, &value, err);
}

static rg_status open_frame(builder *b, rg_json_kind kind, rg_error *err) {
    const rg_json placeholder = {.kind = kind};
    const rg_status status = push(b, &placeholder, err);
    b->frames[b->n_frames++] = (frame){kind, b->items.size / sizeof(rg_json)};
    return status;
}

static rg_status build(builder *b, rg_error *err) {
    rg_status status = RG_OK;
    for (;;) {
        rg_json_event event;
        rg_json value = {0};
        RG_TRY(rg_json_next(&b->reader, &event, err));
        switch (event) {
        case RG_JSON_EV_END:
            return RG_OK;
        case RG_JSON_EV_KEY:
            RG_TRY(keep(b, &b->key, err));
            continue;
        case RG_JSON_EV_ARRAY:
        case RG_JSON_EV_OBJECT:
            RG_TRY(open_frame(b, event == RG_JSON_EV_ARRAY ? RG_JSON_ARRAY : RG_JSON_OBJECT, err));
            continue;
        case RG_JSON_EV_ARRAY_END:
        case RG_JSON_EV_OBJECT_END:
            RG_TRY(close_frame(b, err));
            continue;
        case RG_JSON_EV_NULL:
            value.kind = RG_JSON_NULL;
            break;
        case RG_JSON_EV_BOOL:
            value.kind = RG_JSON_BOOL;
            value.is_true = b->reader.is_true;
            break;
        case RG_JSON_EV_NUMBER:
            value.kind = RG_JSON_NUMBER;
            value.text = b->reader.value;
            break;
        case RG_JSON_EV_STRING:
            value.kind = RG_JSON_STRING;
            RG_TRY(keep(b, &value.text, err));
            break;
        }
        RG_TRY(push(b, &value, err));
    }

done:
    return status;
}

rg_status rg_json_parse(rg_arena *arena, rg_str text, const rg_json **out, rg_error *err) {
    builder b = {.arena = arena, .mem = arena->mem};
    rg_json_reader_init(&b.reader, b.mem, text);
    rg_buf_init(&b.items, b.mem, arena->limit_bytes);
    rg_buf_init(&b.keys, b.mem, arena->limit_bytes);
    rg_status status = build(&b, err);
    if (status == RG_OK) {
        rg_json *root = rg_arena_alloc(arena, sizeof *root);
        if (root == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for a JSON tree");
        } else {
            memcpy(root, b.items.data, sizeof *root);
            *out = root;
        }
    }
    rg_json_reader_clear(&b.reader);
    rg_buf_clear(&b.items);
    rg_buf_clear(&b.keys);
    return status;
}

const rg_json *rg_json_find(const rg_json *json, const char *key) {
    if (json == NULL || json->kind != RG_JSON_OBJECT) {
        return NULL;
    }
    for (size_t i = 0; i < json->n; i++) {
        if (rg_str_is(json->keys[i], key)) {
            return &json->items[i];
        }
    }
    return NULL;
}

const rg_json *rg_json_at(const rg_json *json, size_t i) {
    return json != NULL && json->kind == RG_JSON_ARRAY && i < json->n ? &json->items[i] : NULL;
}

bool rg_json_f64(const rg_json *json, double *out) {
    char text[512];
    if (json == NULL || json->kind != RG_JSON_NUMBER || json->text.size >= sizeof text) {
        return false;
    }
    memcpy(text, json->text.data, json->text.size);
    text[json->text.size] = '\0';
    const double value = strtod(text, NULL);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool rg_json_i64(const rg_json *json, int64_t *out) {
    if (json == NULL || json->kind != RG_JSON_NUMBER) {
        return false;
    }
    bool is_plain = true;
    for (size_t i = 0; i < json->text.size; i++) {
        const char c = json->text.data[i];
        is_plain = is_plain && (c == '-' || (c >= '0' && c <= '9'));
    }
    if (!is_plain) {
        double value = 0;
        if (!rg_json_f64(json, &value) || value != floor(value) || fabs(value) > 0x1p53) {
            return false;
        }
        *out = (int64_t)value;
        return true;
    }
    char text[32];
    if (json->text.size >= sizeof text) {
        return false;
    }
    memcpy(text, json->text.data, json->text.size);
    text[json->text.size] = '\0';
    errno = 0;
    const long long value = strtoll(text, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *out = value;
    return true;
}

bool rg_json_str(const rg_json *json, rg_str *out) {
    if (json == NULL || json->kind != RG_JSON_STRING) {
        return false;
    }
    *out = json->text;
    return true;
}

bool rg_json_bool(const rg_json *json, bool *out) {
    if (json == NULL || json->kind != RG_JSON_BOOL) {
        return false;
    }
    *out = json->is_true;
    return true;
}
