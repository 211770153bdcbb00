/* A call as a head that names the function, and a JSON object of arguments behind a separator. */
#include "chat/call_body.h"

typedef struct heads {
    rg_str separator;
    bool has_fence; // the head may be a type: then the name follows, and the object in a fence
    bool is_id;     // the head is the id of the call: functions.NAME:INDEX
} heads;

enum { HEAD, BEHIND, NAME, FENCE, TEXT, OBJECT, TAIL };

static rg_str since(const rg_call_body *b) {
    return rg_str_slice(rg_buf_view(&b->text), b->mark, b->text.size);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// "functions.walk:0": the id, and the name within
static void read_id(rg_call_body *b, rg_str head) {
    static const char kind[] = "functions.";
    rg_str name = head;
    rg_buf_str(&b->id, head);
    if (rg_str_starts(name, rg_str_of(kind))) {
        name = rg_str_slice(name, strlen(kind), name.size);
    }
    const char *colon = name.size == 0 ? NULL : memrchr(name.data, ':', name.size);
    name.size = colon == NULL ? name.size : (size_t)(colon - name.data);
    rg_buf_str(&b->name, name);
}

static const char *take_object(rg_call_body *b, char c) {
    if (b->step == OBJECT && b->has_ended) {
        b->step = TAIL;
    }
    if (b->step == TAIL) {
        return is_blank(c) || c == '`' ? NULL : "something stands behind the object of the call";
    }
    const char *why = rg_call_scan(b, c);
    if (b->depth != 0 || b->has_ended) {
        rg_buf_char(&b->args, c);
    }
    return why;
}

// arguments in a string, that holds the object
static const char *take_text(rg_call_body *b, char c) {
    if (b->step == TEXT && b->is_escaped) {
        b->is_escaped = false;
    } else if (c == '\\') {
        b->is_escaped = true;
    } else if (c == '"') {
        b->is_quoted = false;
        b->step = TAIL;
        b->has_ended = true;
        b->object.end = b->text.size;
    }
    return NULL;
}

static const char *begin_object(rg_call_body *b, char c) {
    if (c == '"') {
        b->step = TEXT;
        b->is_quoted = true;
        b->object = (rg_call_part){.begin = b->text.size - 1, .has_begun = true};
        return NULL;
    }
    b->step = OBJECT;
    return take_object(b, c);
}

static const char *take(const rg_call_syntax *syntax, rg_call_body *b, char c) {
    const heads *form = syntax->form;
    const rg_str all = since(b);
    switch (b->step) {
    case HEAD:
        if (rg_str_ends(all, form->separator)) {
            const rg_str head = rg_call_trim(rg_str_slice(all, 0, all.size - form->separator.size));
            if (form->is_id) {
                read_id(b, head);
            } else {
                rg_buf_str(&b->name, head);
            }
            b->is_named = form->is_id;
            b->step = BEHIND;
            b->mark = b->text.size;
            return b->name.size != 0 ? NULL : "the call has no name";
        }
        return NULL;
    case BEHIND:
        if (is_blank(c)) {
            return NULL;
        }
        b->mark = b->text.size - 1;
        if (c == '{' || c == '"' || !form->has_fence) {
            b->is_named = true;
            return begin_object(b, c);
        }
        b->name.size = 0;
        b->step = NAME;
        return NULL;
    case NAME:
        if (c == '\n') {
            rg_buf_str(&b->name, rg_call_trim(all));
            b->is_named = b->name.size != 0;
            b->step = FENCE;
            b->mark = b->text.size;
            return b->is_named ? NULL : "the call has no name";
        }
        return NULL;
    case FENCE: // ```json
        return c == '{'                                               ? begin_object(b, c)
               : is_blank(c) || c == '`' || strchr("json", c) != NULL ? NULL
                                                                      : "the call has no object";
    case TEXT:
        return take_text(b, c);
    default:
        return take_object(b, c);
    }
}

// the object that a string of the call holds
static const char *read_text(rg_call_body *b) {
    enum { TREE_BYTES_MAX = 64 * RG_CALL_BYTES_MAX };
    rg_arena arena;
    const rg_json *json = NULL;
    rg_str text = {0};
    const rg_str all = rg_buf_view(&b->text);
    rg_arena_init(&arena, b->text.mem, TREE_BYTES_MAX);
    const bool is_good = rg_json_parse(&arena, rg_str_slice(all, b->object.begin, b->object.end),
                                       &json, NULL) == RG_OK &&
                         rg_json_str(json, &text);
    if (is_good) {
        rg_buf_str(&b->args, text);
    }
    rg_arena_clear(&arena);
    return is_good ? rg_call_check(b) : "the arguments of the call are no object";
}

static const char *finish(const rg_call_syntax *syntax, rg_call_body *b) {
    (void)syntax;
    if (b->step < OBJECT && b->step != BEHIND) {
        return "the call ends before its arguments";
    }
    if (b->depth != 0 || b->is_quoted) {
        return "the call ends before its object does";
    }
    return b->object.has_begun && b->args.size == 0 ? read_text(b) : rg_call_check(b);
}

#define TAG(text)                                                                                  \
    { text, sizeof(text) - 1 }

static const heads deepseek = {.separator = TAG("<｜tool▁sep｜>"), .has_fence = true};
static const heads kimi = {.separator = TAG("<|tool_call_argument_begin|>"), .is_id = true};

const rg_call_syntax rg_call_syntax_deepseek = {.take = take, .finish = finish, .form = &deepseek};
const rg_call_syntax rg_call_syntax_kimi = {.take = take, .finish = finish, .form = &kimi};
