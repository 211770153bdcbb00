/* What the syntaxes of calls share. */
#include "chat/call_body.h"

#include <stdio.h>

enum { TREE_BYTES_MAX = 64 * RG_CALL_BYTES_MAX, KEY_BYTES_MAX = 256 };

void rg_call_body_init(rg_call_body *b, const rg_mem *mem) {
    *b = (rg_call_body){0};
    rg_buf_init(&b->text, mem, RG_CALL_BYTES_MAX);
    rg_buf_init(&b->name, mem, 0);
    rg_buf_init(&b->id, mem, 0);
    rg_buf_init(&b->args, mem, 0);
}

void rg_call_body_reset(rg_call_body *b) {
    rg_buf *const bufs[] = {&b->text, &b->name, &b->id, &b->args};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        bufs[i]->size = 0;
        bufs[i]->is_failed = false;
        bufs[i]->is_over = false;
    }
    *b = (rg_call_body){
        .text = b->text, .name = b->name, .id = b->id, .args = b->args, .tools = b->tools};
}

void rg_call_body_clear(rg_call_body *b) {
    rg_buf_clear(&b->text);
    rg_buf_clear(&b->name);
    rg_buf_clear(&b->id);
    rg_buf_clear(&b->args);
}

rg_str rg_call_trim(rg_str text) {
    while (text.size != 0 && strchr(" \n\r\t", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    while (text.size != 0 && strchr(" \n\r\t", text.data[0]) != NULL) {
        text = rg_str_slice(text, 1, text.size);
    }
    return text;
}

const char *rg_call_check(rg_call_body *b) {
    rg_arena arena;
    const rg_json *json = NULL;
    if (b->name.size == 0) {
        return "the call has no name";
    }
    if (b->args.size == 0) {
        rg_buf_str(&b->args, RG_STR("{}"));
    }
    rg_arena_init(&arena, b->text.mem, TREE_BYTES_MAX);
    const bool is_object = rg_json_parse(&arena, rg_buf_view(&b->args), &json, NULL) == RG_OK &&
                           json->kind == RG_JSON_OBJECT;
    rg_arena_clear(&arena);
    return is_object ? NULL : "the arguments of the call are no object";
}

void rg_call_put_escaped(rg_buf *out, rg_str text) {
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\') {
            rg_buf_char(out, '\\');
            rg_buf_char(out, (char)c);
        } else if (c == '\n') {
            rg_buf_str(out, RG_STR("\\n"));
        } else if (c < ' ') {
            rg_buf_format(out, "\\u%04x", c);
        } else {
            rg_buf_char(out, (char)c);
        }
    }
}

void rg_call_put_value(rg_call_body *b, rg_str text, bool is_string) {
    rg_arena arena;
    const rg_json *json = NULL;
    rg_str trimmed = rg_call_trim(text);
    // templates let Python write these
    trimmed = rg_str_is(trimmed, "True")    ? RG_STR("true")
              : rg_str_is(trimmed, "False") ? RG_STR("false")
              : rg_str_is(trimmed, "None")  ? RG_STR("null")
                                            : trimmed;
    rg_arena_init(&arena, b->text.mem, TREE_BYTES_MAX);
    if (!is_string && rg_json_parse(&arena, trimmed, &json, NULL) == RG_OK) {
        rg_buf_str(&b->args, trimmed);
    } else {
        rg_buf_char(&b->args, '"');
        rg_call_put_escaped(&b->args, text);
        rg_buf_char(&b->args, '"');
    }
    rg_arena_clear(&arena);
}

bool rg_call_is_text(const rg_call_body *b, rg_str key) {
    const rg_str name = rg_buf_view(&b->name);
    for (size_t i = 0; b->tools != NULL && i < b->tools->n; i++) {
        const rg_json *tool = rg_json_at(b->tools, i);
        const rg_json *function = rg_json_find(tool, "function");
        rg_str own = RG_STR("");
        rg_str type = RG_STR("");
        function = function == NULL ? tool : function;
        if (!rg_json_str(rg_json_find(function, "name"), &own) || !rg_str_eq(own, name)) {
            continue;
        }
        const rg_json *properties =
            rg_json_find(rg_json_find(function, "parameters"), "properties");
        char word[KEY_BYTES_MAX];
        if (key.size >= sizeof word) {
            return false;
        }
        snprintf(word, sizeof word, "%.*s", RG_FMT(key));
        return rg_json_str(rg_json_find(rg_json_find(properties, word), "type"), &type) &&
               rg_str_is(type, "string");
    }
    return false;
}

// ---- a JSON object, byte by byte ----

static bool is_arguments(rg_str key) {
    return rg_str_is(key, "arguments") || rg_str_is(key, "parameters");
}

static rg_str part_of(const rg_call_body *b, rg_call_part part) {
    return rg_str_slice(rg_buf_view(&b->text), part.begin, part.end);
}

// a string ended: a key of the outermost object, or the value of its name
static void end_string(rg_call_body *b, size_t at) {
    b->is_quoted = false;
    b->string.end = at;
    b->string.is_whole = true;
    if (b->depth == 1 && b->is_key) {
        b->key = b->string;
    } else if (b->depth == 1 && rg_str_is(part_of(b, b->key), "name") && b->name.size == 0 &&
               !b->is_named) {
        const rg_str name = part_of(b, b->string);
        // a name that is spelled in escapes is told at the end
        if (name.size != 0 && memchr(name.data, '\\', name.size) == NULL) {
            rg_buf_str(&b->name, name);
            b->is_named = true;
        }
    }
}

static const char *take_quoted(rg_call_body *b, char c, size_t at) {
    if ((unsigned char)c < ' ') {
        return "a string of the call has a line break or another control character";
    }
    if (b->is_escaped) {
        b->is_escaped = false;
    } else if (c == '\\') {
        b->is_escaped = true;
    } else if (c == '"') {
        end_string(b, at);
    }
    return NULL;
}

static const char *open_bracket(rg_call_body *b, char c, size_t at) {
    if (b->depth == RG_CALL_DEPTH_MAX) {
        return "the call nests too deeply";
    }
    if (b->depth == 1 && c == '{' && b->key.is_whole && is_arguments(part_of(b, b->key)) &&
        !b->object.has_begun) {
        b->object = (rg_call_part){.begin = at, .has_begun = true};
    }
    b->brackets[b->depth++] = c;
    b->is_key = c == '{';
    return NULL;
}

static const char *close_bracket(rg_call_body *b, char c, size_t at) {
    if (b->depth == 0 || b->brackets[b->depth - 1] != (c == '}' ? '{' : '[')) {
        return "the brackets of the call do not match";
    }
    b->depth--;
    b->is_key = false;
    if (b->depth == 1 && b->object.has_begun && !b->object.is_whole) {
        b->object.end = at + 1;
        b->object.is_whole = true;
    }
    b->has_ended = b->depth == 0;
    return NULL;
}

const char *rg_call_scan(rg_call_body *b, char c) {
    const size_t at = b->text.size - 1;
    if (b->is_quoted) {
        return take_quoted(b, c, at);
    }
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        return NULL;
    }
    if (b->has_ended) {
        return "something stands behind the object of the call";
    }
    if (b->depth == 0 && c != '{') {
        return "the call is no JSON object";
    }
    switch (c) {
    case '"':
        b->is_quoted = true;
        b->string = (rg_call_part){.begin = at + 1, .has_begun = true};
        return NULL;
    case '{':
    case '[':
        return open_bracket(b, c, at);
    case '}':
    case ']':
        return close_bracket(b, c, at);
    case ',':
        b->is_key = b->depth != 0 && b->brackets[b->depth - 1] == '{';
        return NULL;
    case ':':
        b->is_key = false;
        return NULL;
    default:
        return NULL; // numbers and words, or nonsense: judged at the end
    }
}
