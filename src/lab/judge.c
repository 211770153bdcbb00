#include "lab/judge.h"

#include "base/utf8.h"

#include <math.h>
#include <utf8proc.h>

#define TOLERANCE 1e-6 // of the larger number

// ---- JSON ----

static bool same_number(const rg_json *a, const rg_json *b) {
    double x = 0;
    double y = 0;
    if (rg_str_eq(a->text, b->text)) {
        return true; // also what no double holds
    }
    return rg_json_f64(a, &x) && rg_json_f64(b, &y) &&
           fabs(x - y) <= TOLERANCE * fmax(fabs(x), fabs(y));
}

// the value itself, without what is inside it
static bool same_shape(const rg_json *a, const rg_json *b) {
    if (a == NULL || b == NULL || a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case RG_JSON_BOOL:
        return a->is_true == b->is_true;
    case RG_JSON_NUMBER:
        return same_number(a, b);
    case RG_JSON_STRING:
        return rg_str_eq(a->text, b->text);
    case RG_JSON_ARRAY:
    case RG_JSON_OBJECT:
        return a->n == b->n;
    case RG_JSON_NULL:
        break;
    }
    return true;
}

static const rg_json *member(const rg_json *object, rg_str key) {
    for (size_t i = 0; i < object->n; i++) {
        if (rg_str_eq(object->keys[i], key)) {
            return &object->items[i];
        }
    }
    return NULL;
}

bool rg_judge_json(const rg_json *a, const rg_json *b) {
    struct {
        const rg_json *a;
        const rg_json *b;
        size_t next;
    } stack[RG_JSON_DEPTH_MAX + 1];
    size_t depth = 0;
    if (!same_shape(a, b)) {
        return false;
    }
    stack[depth].a = a;
    stack[depth].b = b;
    stack[depth++].next = 0;
    while (depth > 0) {
        const rg_json *x = stack[depth - 1].a;
        const rg_json *y = stack[depth - 1].b;
        const bool has_items = x->kind == RG_JSON_ARRAY || x->kind == RG_JSON_OBJECT;
        if (!has_items || stack[depth - 1].next == x->n) {
            depth--;
            continue;
        }
        const size_t i = stack[depth - 1].next++;
        const rg_json *inner = &x->items[i];
        const rg_json *other = x->kind == RG_JSON_ARRAY ? &y->items[i] : member(y, x->keys[i]);
        if (!same_shape(inner, other) || depth > RG_JSON_DEPTH_MAX) {
            return false;
        }
        stack[depth].a = inner;
        stack[depth].b = other;
        stack[depth++].next = 0;
    }
    return true;
}

bool rg_judge_calls(const rg_json *calls, const rg_json *expected) {
    static const rg_json nothing = {.kind = RG_JSON_OBJECT};
    if (calls == NULL || expected == NULL || calls->kind != RG_JSON_ARRAY ||
        expected->kind != RG_JSON_ARRAY || calls->n != expected->n) {
        return false;
    }
    for (size_t i = 0; i < calls->n; i++) {
        rg_str name = {0};
        rg_str wanted = {0};
        const rg_json *given = rg_json_find(&calls->items[i], "arguments");
        const rg_json *right = rg_json_find(&expected->items[i], "arguments");
        if (!rg_json_str(rg_json_find(&calls->items[i], "name"), &name) ||
            !rg_json_str(rg_json_find(&expected->items[i], "name"), &wanted) ||
            !rg_str_eq(name, wanted) ||
            !rg_judge_json(given == NULL ? &nothing : given, right == NULL ? &nothing : right)) {
            return false;
        }
    }
    return true;
}

// ---- text ----

static rg_str trim(rg_str text) {
    while (text.size > 0 && strchr(" \n\r\t", text.data[0]) != NULL) {
        text = rg_str_slice(text, 1, text.size);
    }
    while (text.size > 0 && strchr(" \n\r\t", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    return text;
}

static void fold(rg_buf *out, rg_str text) {
    text = trim(text);
    while (text.size > 0) {
        uint32_t cp = 0;
        char bytes[4];
        const size_t n = rg_utf8_decode(text, &cp);
        if (cp == RG_UTF8_BAD) {
            rg_buf_put(out, text.data, n);
        } else {
            rg_buf_put(out, bytes, rg_utf8_encode((uint32_t)utf8proc_tolower((int32_t)cp), bytes));
        }
        text = rg_str_slice(text, n, text.size);
    }
}

rg_status rg_judge_text(const rg_mem *mem, rg_str a, rg_str b, bool *is_same, rg_error *err) {
    rg_buf x;
    rg_buf y;
    rg_status status = RG_OK;
    rg_buf_init(&x, mem, 0);
    rg_buf_init(&y, mem, 0);
    fold(&x, a);
    fold(&y, b);
    RG_TRY(rg_buf_check(&x, "an answer", err));
    RG_TRY(rg_buf_check(&y, "an answer", err));
    *is_same = rg_str_eq(rg_buf_view(&x), rg_buf_view(&y));

done:
    rg_buf_clear(&x);
    rg_buf_clear(&y);
    return status;
}

rg_str rg_judge_unwrap(rg_str answer) {
    rg_str text = trim(answer);
    if (!rg_str_starts(text, RG_STR("```")) || !rg_str_ends(text, RG_STR("```")) || text.size < 6) {
        return text;
    }
    const char *end = memchr(text.data, '\n', text.size);
    if (end == NULL) {
        return text;
    }
    return trim(rg_str_slice(text, (size_t)(end - text.data), text.size - 3));
}
