/* Calls of Llama: a JSON object that is the answer; behind a tag such an object, a call as Python
 * spells it, or code; a list of calls as Python spells them. */
#include "chat/call_body.h"

enum { START, JSON, CALL, CODE };
enum { LITERAL_DEPTH_MAX = 32 };

// ---- values as Python spells them ----

typedef struct reader {
    const char *at;
    const char *end;
    rg_buf *out;
} reader;

static void skip_blanks(reader *r) {
    while (r->at < r->end && strchr(" \n\r\t", *r->at) != NULL && *r->at != '\0') {
        r->at++;
    }
}

static bool skip(reader *r, char c) {
    skip_blanks(r);
    const bool is_there = r->at < r->end && *r->at == c;
    r->at += is_there;
    return is_there;
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static rg_str read_name(reader *r, bool has_dots) {
    skip_blanks(r);
    const char *from = r->at;
    while (r->at < r->end && (is_name_byte(*r->at) || (has_dots && *r->at == '.'))) {
        r->at++;
    }
    return (rg_str){from, (size_t)(r->at - from)};
}

static bool read_string(reader *r) {
    const char quote = *r->at++;
    rg_buf_char(r->out, '"');
    for (; r->at < r->end && *r->at != quote; r->at++) {
        const bool is_escape = *r->at == '\\' && r->at + 1 < r->end;
        r->at += is_escape;
        const char c = !is_escape      ? *r->at
                       : *r->at == 'n' ? '\n'
                       : *r->at == 't' ? '\t'
                       : *r->at == 'r' ? '\r'
                                       : *r->at;
        rg_call_put_escaped(r->out, (rg_str){&c, 1});
    }
    rg_buf_char(r->out, '"');
    return r->at < r->end && *r->at++ == quote;
}

static bool read_literal(reader *r, unsigned depth);

// members up to the closing bracket, which is taken
static bool read_members(reader *r, char close, unsigned depth) {
    for (size_t n = 0; !skip(r, close); n++) {
        if (n != 0 && !skip(r, ',')) {
            return false;
        }
        if (n != 0 && skip(r, close)) {
            return true;
        }
        rg_buf_str(r->out, n != 0 ? RG_STR(", ") : RG_STR(""));
        if (!read_literal(r, depth + 1)) {
            return false;
        }
        if (close == '}') {
            if (!skip(r, ':')) {
                return false;
            }
            rg_buf_str(r->out, RG_STR(": "));
            if (!read_literal(r, depth + 1)) {
                return false;
            }
        }
    }
    return true;
}

// one value as JSON; what it may be is judged by the parser of the whole
static bool read_literal(reader *r, unsigned depth) {
    static const struct {
        const char *python;
        const char *json;
    } words[] = {{"True", "true"}, {"False", "false"}, {"None", "null"},
                 {"true", "true"}, {"false", "false"}, {"null", "null"}};
    skip_blanks(r);
    if (r->at == r->end || depth > LITERAL_DEPTH_MAX) {
        return false;
    }
    if (*r->at == '"' || *r->at == '\'') {
        return read_string(r);
    }
    if (*r->at == '[' || *r->at == '{') {
        const char close = *r->at == '[' ? ']' : '}';
        rg_buf_char(r->out, *r->at++);
        const bool is_good = read_members(r, close, depth);
        rg_buf_char(r->out, close);
        return is_good;
    }
    const char *from = r->at;
    while (r->at < r->end && (is_name_byte(*r->at) || strchr("+-.", *r->at) != NULL)) {
        r->at++;
    }
    const rg_str word = {from, (size_t)(r->at - from)};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (rg_str_is(word, words[i].python)) {
            rg_buf_str(r->out, rg_str_of(words[i].json));
            return true;
        }
    }
    rg_buf_str(r->out, word);
    return word.size != 0 && (word.data[0] == '-' || (word.data[0] >= '0' && word.data[0] <= '9'));
}

// NAME(key=value, ..), and NAME.call(..), up to the end of the text
static bool read_call(rg_call_body *b, rg_str text) {
    reader r = {.at = text.data, .end = text.data + text.size, .out = &b->args};
    rg_str name = read_name(&r, true);
    if (name.size == 0 || !skip(&r, '(')) {
        return false;
    }
    if (rg_str_ends(name, RG_STR(".call"))) {
        name.size -= strlen(".call");
    }
    rg_buf_char(r.out, '{');
    for (size_t n = 0; !skip(&r, ')'); n++) {
        if (n != 0 && !skip(&r, ',')) {
            return false;
        }
        const rg_str key = read_name(&r, false);
        if (key.size == 0 || !skip(&r, '=')) {
            return false;
        }
        rg_buf_str(r.out, n != 0 ? RG_STR(", \"") : RG_STR("\""));
        rg_buf_str(r.out, key);
        rg_buf_str(r.out, RG_STR("\": "));
        if (!read_literal(&r, 0)) {
            return false;
        }
    }
    rg_buf_char(r.out, '}');
    skip_blanks(&r);
    rg_buf_str(&b->name, name);
    return r.at == r.end && name.size != 0;
}

// ---- as it comes ----

static const char *take_json(rg_call_body *b, char c) {
    const char *why = rg_call_syntax_json.take(&rg_call_syntax_json, b, c);
    // an answer may be JSON and no call: both must be there before it counts as one
    b->is_named = b->name.size != 0 && b->object.has_begun;
    b->is_closed = b->has_ended;
    return why;
}

// a call as Python spells it ends with its bracket
static const char *take_call(rg_call_body *b, char c) {
    const char open = b->depth == 0 ? '\0' : b->brackets[b->depth - 1];
    if (b->is_quoted) {
        b->is_quoted = b->is_escaped || c != b->quote;
        b->is_escaped = !b->is_escaped && c == '\\';
    } else if (b->depth != 0 && (c == '"' || c == '\'')) {
        b->is_quoted = true;
        b->quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
        if (b->depth == RG_CALL_DEPTH_MAX) {
            return "the call nests too deeply";
        }
        b->brackets[b->depth++] = c;
    } else if (c == ')' || c == ']' || c == '}') {
        if (open != (c == ')' ? '(' : c == ']' ? '[' : '{')) {
            return "the brackets of the call do not match";
        }
        b->is_closed = --b->depth == 0;
    } else if (b->depth == 0 && !is_name_byte(c) && c != '.') {
        return "the answer is no call";
    }
    return NULL;
}

static const char *take(const rg_call_syntax *syntax, rg_call_body *b, char c) {
    (void)syntax;
    if (b->step == START) {
        if (strchr(" \n\r\t;,[", c) != NULL && c != '\0') {
            b->is_list = b->is_list || c == '[';
            return NULL;
        }
        b->mark = b->text.size - 1;
        b->step = c == '{' ? JSON : b->is_list ? CALL : CODE;
    }
    switch (b->step) {
    case JSON:
        return take_json(b, c);
    case CALL:
        return take_call(b, c);
    default:
        return NULL;
    }
}

static const char *finish(const rg_call_syntax *syntax, rg_call_body *b) {
    const rg_str text = rg_str_slice(rg_buf_view(&b->text), b->mark, b->text.size);
    (void)syntax;
    if (b->step == JSON) {
        const char *why = rg_call_syntax_json.finish(&rg_call_syntax_json, b);
        const bool has_args = b->object.has_begun || b->args.size > strlen("{}"); // or in a string
        return why == NULL && !has_args ? "the call has no parameters" : why;
    }
    if (b->step == START || (b->step == CALL && !b->is_closed)) {
        return "the call ends before its arguments do";
    }
    if (!read_call(b, rg_call_trim(text))) {
        if (b->step == CALL) {
            return "the arguments of the call are no values";
        }
        b->name.size = b->args.size = 0;
        rg_buf_str(&b->name, RG_STR("code_interpreter"));
        rg_buf_str(&b->args, RG_STR("{\"code\": \""));
        rg_call_put_escaped(&b->args, rg_call_trim(text));
        rg_buf_str(&b->args, RG_STR("\"}"));
    }
    return rg_call_check(b);
}

const rg_call_syntax rg_call_syntax_llama = {
    .take = take, .finish = finish, .ends_with_answer = true};
