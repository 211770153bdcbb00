/* A call as one JSON object. */
#include "chat/call_body.h"

static const char *take(const rg_call_syntax *syntax, rg_call_body *b, char c) {
    (void)syntax;
    const rg_call_part before = b->object;
    const char *why = rg_call_scan(b, c);
    // of the arguments, their brackets included
    if (b->object.has_begun && !before.is_whole) {
        rg_buf_char(&b->args, c);
    }
    return why;
}

// arguments that are no object in their place: none, or a string that holds one
static const char *read_arguments(rg_call_body *b, const rg_json *json) {
    const rg_json *args = rg_json_find(json, "arguments");
    args = args == NULL ? rg_json_find(json, "parameters") : args;
    if (args != NULL && args->kind == RG_JSON_STRING) {
        rg_buf_str(&b->args, args->text);
    } else if (args != NULL && args->kind != RG_JSON_NULL && args->kind != RG_JSON_OBJECT) {
        return "the arguments of the call are no object";
    }
    return rg_call_check(b);
}

static const char *finish(const rg_call_syntax *syntax, rg_call_body *b) {
    enum { TREE_BYTES_MAX = 64 * RG_CALL_BYTES_MAX };
    rg_arena arena;
    const rg_json *json = NULL;
    rg_str name = {0};
    const char *why = NULL;
    (void)syntax;
    rg_arena_init(&arena, b->text.mem, TREE_BYTES_MAX);
    if (b->depth != 0 || b->is_quoted) {
        why = "the call ends before its object does";
    } else if (rg_json_parse(&arena, rg_str_slice(rg_buf_view(&b->text), b->mark, b->text.size),
                             &json, NULL) != RG_OK) {
        why = "the call is no JSON";
    } else if (!rg_json_str(rg_json_find(json, "name"), &name) || name.size == 0) {
        why = "the call has no name";
    } else {
        b->name.size = 0;
        rg_buf_str(&b->name, name);
        why = read_arguments(b, json);
    }
    rg_arena_clear(&arena);
    return why;
}

const rg_call_syntax rg_call_syntax_json = {.take = take, .finish = finish};
