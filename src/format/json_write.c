#include "format/json.h"

/** A container whose items are being written. */
typedef struct frame {
    const rg_json *json;
    size_t next;
} frame;

static void put_scalar(rg_buf *out, const rg_json *json) {
    if (json == NULL || json->kind == RG_JSON_NULL) {
        rg_buf_str(out, RG_STR("null"));
    } else if (json->kind == RG_JSON_BOOL) {
        rg_buf_str(out, json->is_true ? RG_STR("true") : RG_STR("false"));
    } else if (json->kind == RG_JSON_NUMBER) {
        rg_buf_str(out, json->text);
    } else {
        rg_buf_json(out, json->text);
    }
}

static bool is_container(const rg_json *json) {
    return json != NULL && (json->kind == RG_JSON_ARRAY || json->kind == RG_JSON_OBJECT);
}

static void write(rg_buf *out, const rg_json *json, const char *comma, const char *colon) {
    // trees come from the reader, so they are no deeper than it allows
    frame stack[RG_JSON_DEPTH_MAX];
    size_t depth = 0;
    const rg_json *value = json;
    for (;;) {
        if (is_container(value) && depth < RG_JSON_DEPTH_MAX) {
            stack[depth++] = (frame){value, 0};
            rg_buf_char(out, value->kind == RG_JSON_OBJECT ? '{' : '[');
        } else {
            put_scalar(out, is_container(value) ? NULL : value);
        }
        // close what is complete, then on to the next item
        while (depth != 0 && stack[depth - 1].next == stack[depth - 1].json->n) {
            rg_buf_char(out, stack[--depth].json->kind == RG_JSON_OBJECT ? '}' : ']');
        }
        if (depth == 0) {
            return;
        }
        frame *top = &stack[depth - 1];
        if (top->next != 0) {
            rg_buf_str(out, rg_str_of(comma));
        }
        if (top->json->kind == RG_JSON_OBJECT) {
            rg_buf_json(out, top->json->keys[top->next]);
            rg_buf_str(out, rg_str_of(colon));
        }
        value = &top->json->items[top->next++];
    }
}

void rg_json_write(rg_buf *out, const rg_json *json) {
    write(out, json, ",", ":");
}

void rg_json_write_spaced(rg_buf *out, const rg_json *json) {
    write(out, json, ", ", ": ");
}
