/* A call as tags: one for the function, one for each argument. */
#include "chat/call_body.h"

enum { SPELLINGS = 2 };

/** How the tags are spelled; empty: there is no such tag. */
typedef struct tags {
    rg_str head; // before the name of the function
    rg_str head_end;
    rg_str key[SPELLINGS]; // before the name of an argument
    rg_str key_end;
    rg_str value_end[SPELLINGS];
    rg_str end;      // behind the last argument
    rg_str text_key; // behind a key whose value is text, in place of a schema
    rg_str data_key; // ... is JSON
    bool pads;       // a line break on both sides of a value belongs to the tags
} tags;

enum { HEAD, NAME, BETWEEN, KEY, VALUE, END };

static rg_str since(const rg_call_body *b) {
    return rg_str_slice(rg_buf_view(&b->text), b->mark, b->text.size);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void go(rg_call_body *b, unsigned step) {
    b->step = step;
    b->mark = b->text.size;
}

// a tag that the text since the mark is, or may become
static const rg_str *spelled(const rg_str *spellings, size_t n, rg_str text, bool *may_be) {
    for (size_t i = 0; i < n; i++) {
        if (spellings[i].size != 0 && rg_str_eq(spellings[i], text)) {
            return &spellings[i];
        }
        *may_be = *may_be || (spellings[i].size != 0 && rg_str_starts(spellings[i], text));
    }
    return NULL;
}

static const char *take_head(const tags *form, rg_call_body *b, char c) {
    bool may_be = false;
    if (b->mark + 1 == b->text.size && is_blank(c)) {
        b->mark++;
    } else if (spelled(&form->head, 1, since(b), &may_be) != NULL) {
        go(b, NAME);
    } else if (!may_be) {
        return "the call does not begin with the name of a function";
    }
    return NULL;
}

static const char *take_name(const tags *form, rg_call_body *b) {
    if (!rg_str_ends(since(b), form->head_end)) {
        return NULL;
    }
    const rg_str all = since(b);
    rg_buf_str(&b->name, rg_call_trim(rg_str_slice(all, 0, all.size - form->head_end.size)));
    b->is_named = b->name.size != 0;
    go(b, BETWEEN);
    return b->is_named ? NULL : "the call has no name";
}

static const char *take_between(const tags *form, rg_call_body *b, char c) {
    bool may_be = false;
    if (b->mark + 1 == b->text.size && is_blank(c)) {
        b->mark++;
        return NULL;
    }
    if (spelled(form->key, SPELLINGS, since(b), &may_be) != NULL) {
        go(b, KEY);
        return NULL;
    }
    if (spelled(&form->end, 1, since(b), &may_be) != NULL) {
        go(b, END);
        return NULL;
    }
    return may_be ? NULL : "something stands between the arguments of the call";
}

static const char *take_key(const tags *form, rg_call_body *b) {
    const rg_str all = since(b);
    if (!rg_str_ends(all, form->key_end)) {
        return NULL;
    }
    rg_str key = rg_str_slice(all, 0, all.size - form->key_end.size);
    bool is_text = false;
    if (form->text_key.size != 0) {
        is_text = rg_str_ends(key, form->text_key);
        if (!is_text && !rg_str_ends(key, form->data_key)) {
            return "an argument of the call does not say whether it is text";
        }
        key.size -= is_text ? form->text_key.size : form->data_key.size;
    } else {
        is_text = rg_call_is_text(b, key);
    }
    rg_buf_str(&b->args, b->n_args++ == 0 ? RG_STR("{") : RG_STR(", "));
    rg_buf_char(&b->args, '"');
    rg_call_put_escaped(&b->args, key);
    rg_buf_str(&b->args, is_text ? RG_STR("\": \"") : RG_STR("\": "));
    b->is_string = is_text;
    b->is_quoted = true;
    b->n_taken = 0;
    go(b, VALUE);
    return NULL;
}

// of a text value, what is certain by now: all but what may be the closing tag
static void put_text(const tags *form, rg_call_body *b, size_t end) {
    const rg_str all = since(b);
    if (form->pads && b->n_taken == 0 && end != 0 && all.data[0] == '\n') {
        b->n_taken = 1;
    }
    if (end > b->n_taken) {
        rg_call_put_escaped(&b->args, rg_str_slice(all, b->n_taken, end));
        b->n_taken = end;
    }
}

static void end_value(const tags *form, rg_call_body *b, size_t end) {
    const rg_str all = since(b);
    if (form->pads && end != 0 && all.data[end - 1] == '\n') {
        end--;
    }
    if (b->is_string) {
        put_text(form, b, end);
        rg_buf_char(&b->args, '"');
    } else {
        const size_t from = form->pads && end != 0 && all.data[0] == '\n';
        rg_call_put_value(b, rg_str_slice(all, from, end), false);
    }
    b->is_quoted = false;
    go(b, BETWEEN);
}

static const char *take_value(const tags *form, rg_call_body *b) {
    const rg_str all = since(b);
    size_t longest = 0;
    for (size_t i = 0; i < SPELLINGS; i++) {
        const rg_str end = form->value_end[i];
        longest = end.size > longest ? end.size : longest;
        if (end.size != 0 && rg_str_ends(all, end)) {
            end_value(form, b, all.size - end.size);
            return NULL;
        }
    }
    const size_t kept = longest + form->pads;
    if (b->is_string && all.size > kept) {
        put_text(form, b, all.size - kept);
    }
    return NULL;
}

static const char *take(const rg_call_syntax *syntax, rg_call_body *b, char c) {
    const tags *form = syntax->form;
    switch (b->step) {
    case HEAD:
        return take_head(form, b, c);
    case NAME:
        return take_name(form, b);
    case BETWEEN:
        return take_between(form, b, c);
    case KEY:
        return take_key(form, b);
    case VALUE:
        return take_value(form, b);
    default:
        return is_blank(c) ? NULL : "something stands behind the arguments of the call";
    }
}

static const char *finish(const rg_call_syntax *syntax, rg_call_body *b) {
    const tags *form = syntax->form;
    const unsigned last = form->end.size != 0 ? END : BETWEEN;
    if (b->step != last || (last == BETWEEN && b->mark != b->text.size)) {
        return "the call ends before its arguments do";
    }
    rg_buf_str(&b->args, b->n_args == 0 ? RG_STR("{}") : RG_STR("}"));
    return rg_call_check(b);
}

static const tags qwen = {.head = {"<function=", 10},
                          .head_end = {">", 1},
                          .key = {{"<parameter=", 11}},
                          .key_end = {">", 1},
                          .value_end = {{"</parameter>", 12}},
                          .end = {"</function>", 11},
                          .pads = true};

#define TAG(text)                                                                                  \
    { text, sizeof(text) - 1 }

static const tags dsml = {
    .head = TAG("name=\""),
    .head_end = TAG("\">"),
    .key = {TAG("<｜DSML｜parameter name=\""), TAG("<｜DSML｜ parameter name=\"")},
    .key_end = TAG("\">"),
    .value_end = {TAG("</｜DSML｜parameter>"), TAG("</｜DSML｜ parameter>")},
    .text_key = TAG("\" string=\"true"),
    .data_key = TAG("\" string=\"false")};

const rg_call_syntax rg_call_syntax_qwen = {.take = take, .finish = finish, .form = &qwen};
const rg_call_syntax rg_call_syntax_dsml = {.take = take, .finish = finish, .form = &dsml};
