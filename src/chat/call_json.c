/* A call as one JSON object. */
#include "chat/call_body.h"

#include "format/json.h"

void rg_call_body_init(rg_call_body *body, const rg_mem *mem) {
    *body = (rg_call_body){0};
    rg_buf_init(&body->text, mem, RG_CALL_BYTES_MAX);
}

void rg_call_body_reset(rg_call_body *body) {
    const rg_buf text = body->text;
    *body = (rg_call_body){.text = text};
    body->text.size = 0;
    body->text.is_failed = false;
    body->text.is_over = false;
}

void rg_call_body_clear(rg_call_body *body) {
    rg_buf_clear(&body->text);
}

static rg_str part_of(const rg_call_body *b, rg_call_part part) {
    return rg_str_slice(rg_buf_view(&b->text), part.begin, part.end);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_arguments(rg_str key) {
    return rg_str_is(key, "arguments") || rg_str_is(key, "parameters");
}

// a string ended: a key of the outermost object, or the value of its name
static void end_string(rg_call_body *b, size_t at) {
    b->is_quoted = false;
    b->string.end = at;
    b->string.is_whole = true;
    if (b->depth == 1 && b->is_key) {
        b->key = b->string;
    } else if (b->depth == 1 && rg_str_is(part_of(b, b->key), "name") && !b->name.has_begun) {
        const rg_str name = part_of(b, b->string);
        b->name = b->string;
        // a name that is spelled in escapes is told at the end
        b->name.is_whole = name.size != 0 && memchr(name.data, '\\', name.size) == NULL;
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
        !b->args.has_begun) {
        b->args = (rg_call_part){.begin = at, .has_begun = true};
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
    if (b->depth == 1 && b->args.has_begun && !b->args.is_whole) {
        b->args.end = at + 1;
        b->args.is_whole = true;
    }
    b->has_ended = b->depth == 0;
    return NULL;
}

static const char *take(rg_call_body *b, char c) {
    const size_t at = b->text.size - 1;
    if (b->is_quoted) {
        return take_quoted(b, c, at);
    }
    if (is_blank(c)) {
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

static const char *read_arguments(const rg_call_body *b, const rg_json *json, rg_arena *arena,
                                  rg_buf *out) {
    const rg_json *args = rg_json_find(json, "arguments");
    const rg_json *inner = NULL;
    args = args == NULL ? rg_json_find(json, "parameters") : args;
    if (args == NULL || args->kind == RG_JSON_NULL) {
        rg_buf_str(out, RG_STR("{}"));
        return NULL;
    }
    if (args->kind == RG_JSON_OBJECT) {
        rg_buf_str(out, part_of(b, b->args));
        return NULL;
    }
    if (args->kind == RG_JSON_STRING && rg_json_parse(arena, args->text, &inner, NULL) == RG_OK &&
        inner->kind == RG_JSON_OBJECT) {
        rg_buf_str(out, args->text);
        return NULL;
    }
    return "the arguments of the call are no object";
}

static const char *finish(rg_call_body *b, rg_call *out) {
    enum { TREE_BYTES_MAX = 64 * RG_CALL_BYTES_MAX };
    rg_arena arena;
    const rg_json *json = NULL;
    rg_str name = {0};
    const char *why = NULL;
    out->name.size = 0;
    out->args.size = 0;
    rg_arena_init(&arena, b->text.mem, TREE_BYTES_MAX);
    if (b->depth != 0 || b->is_quoted) {
        why = "the call ends before its object does";
    } else if (rg_json_parse(&arena, rg_buf_view(&b->text), &json, NULL) != RG_OK) {
        why = "the call is no JSON";
    } else if (!rg_json_str(rg_json_find(json, "name"), &name) || name.size == 0) {
        why = "the call has no name";
    } else {
        rg_buf_str(&out->name, name);
        why = read_arguments(b, json, &arena, &out->args);
    }
    rg_arena_clear(&arena);
    return why;
}

const rg_call_syntax rg_call_syntax_json = {take, finish};
