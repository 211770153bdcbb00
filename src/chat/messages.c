#include "chat/messages.h"

#include <string.h>

enum {
    ARGUMENTS_DEPTH_MAX = RG_JSON_DEPTH_MAX / 2
}; // of a text: it comes to lie deeper in the tree

static rg_status no_memory(rg_error *err) {
    return rg_fail(err, RG_E_MEMORY, "no memory for messages");
}

// a copy whose items may be changed
static rg_status copy_items(rg_arena *arena, const rg_json *json, rg_json **items, rg_error *err) {
    *items = rg_arena_alloc(arena, (json->n + 1) * sizeof **items);
    if (*items == NULL) {
        return no_memory(err);
    }
    if (json->n != 0) {
        memcpy(*items, json->items, json->n * sizeof **items);
    }
    return RG_OK;
}

static rg_json *find_in(const rg_json *object, rg_json *items, const char *key) {
    const rg_json *found = rg_json_find(object, key);
    return found == NULL ? NULL : items + (found - object->items);
}

// ---- content ----

static bool is_texts(const rg_json *json) {
    rg_str text;
    for (size_t i = 0; json->kind == RG_JSON_ARRAY && i < json->n; i++) {
        if (!rg_json_str(rg_json_find(&json->items[i], "text"), &text)) {
            return false;
        }
    }
    return json->kind == RG_JSON_ARRAY && json->n != 0;
}

static rg_status set_text(rg_arena *arena, rg_buf *text, rg_json *out, rg_error *err) {
    const char *copy = text->is_failed ? NULL : rg_arena_copy(arena, rg_buf_cstr(text), text->size);
    if (copy == NULL) {
        return no_memory(err);
    }
    *out = (rg_json){.kind = RG_JSON_STRING, .text = {copy, text->size}};
    return RG_OK;
}

static rg_status tidy_content(rg_arena *arena, rg_json *content, bool is_tool, rg_error *err) {
    rg_buf text;
    rg_status status = RG_OK;
    rg_buf_init(&text, arena->mem, 0);
    if (is_texts(content)) {
        for (size_t i = 0; i < content->n; i++) {
            rg_buf_str(&text, rg_json_find(&content->items[i], "text")->text);
        }
        status = set_text(arena, &text, content, err);
    } else if (is_tool && content->kind != RG_JSON_STRING && content->kind != RG_JSON_NULL) {
        rg_json_write_spaced(&text, content);
        status = set_text(arena, &text, content, err);
    }
    rg_buf_clear(&text);
    return status;
}

// ---- calls ----

// brackets within brackets, those in strings apart
static bool is_shallow(rg_str text) {
    size_t depth = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < text.size && depth <= ARGUMENTS_DEPTH_MAX; i++) {
        const char c = text.data[i];
        if (is_quoted) {
            i += c == '\\';
            is_quoted = c != '"';
        } else {
            is_quoted = c == '"';
            depth += c == '{' || c == '[';
            depth -= (c == '}' || c == ']') && depth != 0;
        }
    }
    return depth <= ARGUMENTS_DEPTH_MAX;
}

// {"name", "arguments"}, with arguments that are an object where their text holds one
static rg_status tidy_function(rg_arena *arena, const rg_json *given, rg_json *out, rg_error *err) {
    rg_json *items = NULL;
    const rg_json *parsed = NULL;
    rg_status status = RG_OK;
    RG_TRY(copy_items(arena, given, &items, err));
    rg_json *args = find_in(given, items, "arguments");
    if (args != NULL && args->kind == RG_JSON_STRING && is_shallow(args->text)) {
        status = rg_json_parse(arena, args->text, &parsed, NULL);
        if (status == RG_E_MEMORY) {
            return no_memory(err);
        }
        // a text that holds no object stays what it is
        *args = status == RG_OK && parsed->kind == RG_JSON_OBJECT ? *parsed : *args;
        status = RG_OK;
    }
    *out = *given;
    out->items = items;

done:
    return status;
}

static rg_status tidy_call(rg_arena *arena, rg_json *call, rg_error *err) {
    rg_json *items = NULL;
    rg_status status = RG_OK;
    if (call->kind != RG_JSON_OBJECT) {
        return RG_OK;
    }
    RG_TRY(copy_items(arena, call, &items, err));
    rg_json *function = find_in(call, items, "function");
    if (function != NULL) {
        if (function->kind == RG_JSON_OBJECT) {
            RG_TRY(tidy_function(arena, function, function, err));
        }
        call->items = items;
    } else if (rg_json_find(call, "name") != NULL) {
        // the whole call is the function; its id stays beside it
        const rg_json *id = rg_json_find(call, "id");
        rg_json *pair = rg_arena_alloc(arena, 3 * sizeof *pair);
        rg_str *keys = rg_arena_alloc(arena, 3 * sizeof *keys);
        if (pair == NULL || keys == NULL) {
            return no_memory(err);
        }
        keys[0] = RG_STR("type");
        pair[0] = (rg_json){.kind = RG_JSON_STRING, .text = RG_STR("function")};
        keys[1] = RG_STR("function");
        RG_TRY(tidy_function(arena, call, &pair[1], err));
        keys[2] = RG_STR("id");
        pair[2] = id == NULL ? (rg_json){0} : *id;
        *call =
            (rg_json){.kind = RG_JSON_OBJECT, .n = id == NULL ? 2 : 3, .items = pair, .keys = keys};
    }

done:
    return status;
}

static rg_status tidy_calls(rg_arena *arena, rg_json *calls, rg_error *err) {
    rg_json *items = NULL;
    rg_status status = RG_OK;
    if (calls->kind != RG_JSON_ARRAY) {
        return RG_OK;
    }
    RG_TRY(copy_items(arena, calls, &items, err));
    for (size_t i = 0; i < calls->n; i++) {
        RG_TRY(tidy_call(arena, &items[i], err));
    }
    calls->items = items;

done:
    return status;
}

static rg_status tidy_message(rg_arena *arena, rg_json *message, rg_error *err) {
    rg_json *items = NULL;
    rg_str role = {0};
    rg_status status = RG_OK;
    if (message->kind != RG_JSON_OBJECT) {
        return RG_OK;
    }
    RG_TRY(copy_items(arena, message, &items, err));
    (void)rg_json_str(rg_json_find(message, "role"), &role);
    rg_json *content = find_in(message, items, "content");
    if (content != NULL) {
        RG_TRY(tidy_content(arena, content, rg_str_is(role, "tool"), err));
    }
    rg_json *calls = find_in(message, items, "tool_calls");
    if (calls != NULL) {
        RG_TRY(tidy_calls(arena, calls, err));
    }
    message->items = items;

done:
    return status;
}

rg_status rg_messages_tidy(rg_arena *arena, const rg_json *messages, const rg_json **out,
                           rg_error *err) {
    rg_json *items = NULL;
    rg_status status = RG_OK;
    *out = messages;
    if (messages == NULL || messages->kind != RG_JSON_ARRAY) {
        return RG_OK;
    }
    rg_json *list = rg_arena_alloc(arena, sizeof *list);
    if (list == NULL) {
        return no_memory(err);
    }
    RG_TRY(copy_items(arena, messages, &items, err));
    for (size_t i = 0; i < messages->n; i++) {
        RG_TRY(tidy_message(arena, &items[i], err));
    }
    *list = *messages;
    list->items = items;
    *out = list;

done:
    return status;
}
