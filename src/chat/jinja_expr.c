#include "chat/jinja_parse.h"

#include "base/utf8.h"
#include "chat/jinja_run.h"

#include <stdio.h>

static void parse_unary(rg_jparser *p, bool has_filter);

static void emit_const(rg_jparser *p, rg_jval v) {
    rg_jparse_emit(p, RG_JOP_CONST, 0, (int32_t)rg_jparse_const(p, v), 0);
}

/* One escape of a Python string; `at` stands behind the backslash. Unknown ones stay as they are.
 */
static size_t put_escape(rg_jparser *p, rg_buf *out, rg_str text, size_t at) {
    static const char *const plain = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";
    const char c = text.data[at];
    const char *known = c == '\0' ? NULL : plain;
    for (; known != NULL && *known != '\0'; known += 2) {
        if (*known == c) {
            rg_buf_char(out, known[1]);
            return at + 1;
        }
    }
    const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t cp = 0;
    size_t n = 0;
    if (c == '\n') {
        return at + 1;
    }
    if (width == 0 && (c < '0' || c > '7')) {
        rg_buf_char(out, '\\');
        return at;
    }
    for (; n < (width != 0 ? width : 3) && at + n + (width != 0) < text.size; n++) {
        const char d = text.data[at + n + (width != 0)];
        const int digit = d >= '0' && d <= '9'                     ? d - '0'
                          : (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10
                                                                   : 99;
        if (digit >= (width != 0 ? 16 : 8)) {
            break;
        }
        cp = cp * (width != 0 ? 16 : 8) + (uint32_t)digit;
    }
    if (n < width || cp > 0x10FFFF) {
        rg_jparse_fail(p, RG_E_FORMAT, "a string has a broken \\%c escape", c);
        return text.size;
    }
    // half of a surrogate pair is no character
    char utf8[4];
    cp = cp >= 0xD800 && cp < 0xE000 ? 0xFFFD : cp;
    rg_buf_put(out, utf8, rg_utf8_encode(cp, utf8));
    return at + n + (width != 0);
}

/* String literals beside each other are one. */
static void parse_string(rg_jparser *p) {
    rg_buf out;
    rg_buf_init(&out, p->tmpl->mem, 0);
    for (; p->token.kind == RG_JT_STRING; rg_jparse_next(p)) {
        const rg_str text = rg_str_slice(p->token.text, 1, p->token.text.size - 1);
        for (size_t i = 0; i < text.size && p->status == RG_OK;) {
            if (text.data[i] == '\\') {
                i = put_escape(p, &out, text, i + 1);
            } else {
                rg_buf_char(&out, text.data[i++]);
            }
        }
    }
    if (p->status == RG_OK) {
        p->status = rg_buf_check(&out, "a string of the template", p->err);
    }
    emit_const(p, rg_jtext(rg_jparse_str(p, rg_buf_view(&out))));
    rg_buf_clear(&out);
}

static void parse_int(rg_jparser *p) {
    const rg_str text = p->token.text;
    const int mark = text.size > 2 ? text.data[1] | 0x20 : 0;
    const unsigned base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    int64_t i64 = 0;
    bool fits = true;
    for (size_t i = base == 10 ? 0 : 2; i < text.size; i++) {
        const char c = text.data[i];
        if (c != '_') {
            const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
            fits = fits && !__builtin_mul_overflow(i64, (int64_t)base, &i64) &&
                   !__builtin_add_overflow(i64, (int64_t)digit, &i64);
        }
    }
    rg_jval v = rg_jint(i64);
    if (!fits && base != 10) {
        rg_jparse_fail(p, RG_E_LIMIT, "a number beyond 64 bits");
    } else if (!fits) {
        rg_buf digits;
        rg_buf_init(&digits, p->tmpl->mem, 0);
        for (size_t i = 0; i < text.size; i++) {
            if (text.data[i] != '_' && (digits.size != 0 || text.data[i] != '0')) {
                rg_buf_char(&digits, text.data[i]);
            }
        }
        v = (rg_jval){.kind = RG_J_BIG, .str = rg_jparse_str(p, rg_buf_view(&digits))};
        rg_buf_clear(&digits);
    }
    emit_const(p, v);
    rg_jparse_next(p);
}

static void parse_float(rg_jparser *p) {
    const rg_jstr text = {.data = p->token.text.data, .size = p->token.text.size};
    double f64 = 0;
    if (!rg_jval_parse_float(&text, &f64)) {
        rg_jparse_fail(p, RG_E_FORMAT, "'%.*s' is no number", RG_J_FMT(&text));
    }
    emit_const(p, rg_jfloat(f64));
    rg_jparse_next(p);
}

static void parse_name(rg_jparser *p) {
    static const struct {
        const char *name;
        rg_jval value;
    } constants[] = {
        {"true", {.kind = RG_J_BOOL, .is_true = true}},
        {"True", {.kind = RG_J_BOOL, .is_true = true}},
        {"false", {.kind = RG_J_BOOL}},
        {"False", {.kind = RG_J_BOOL}},
        {"none", {.kind = RG_J_NONE}},
        {"None", {.kind = RG_J_NONE}},
    };
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        if (rg_jparse_is_name(p, constants[i].name)) {
            emit_const(p, constants[i].value);
            rg_jparse_next(p);
            return;
        }
    }
    if (p->loop != NULL && rg_jparse_is_name(p, "loop")) {
        p->loop->reads_loop = true;
    }
    if (p->body != NULL) {
        p->body->has_varargs = p->body->has_varargs || rg_jparse_is_name(p, "varargs");
        p->body->has_kwargs = p->body->has_kwargs || rg_jparse_is_name(p, "kwargs");
    }
    const uint32_t name = rg_jparse_name(p, p->token.text);
    rg_jparse_emit(p, RG_JOP_LOAD, 0, (int32_t)name, 0);
    rg_jparse_next(p);
}

/* [a, b] and {k: v}; the opening bracket is taken. */
static void parse_items(rg_jparser *p, bool is_dict) {
    const int close = is_dict ? '}' : ']';
    int32_t n = 0;
    while (p->status == RG_OK && !rg_jparse_is_op(p, close)) {
        if (n > 0) {
            rg_jparse_expect_op(p, ',');
            if (rg_jparse_is_op(p, close)) {
                break;
            }
        }
        rg_jparse_expression(p, true);
        if (is_dict) {
            rg_jparse_expect_op(p, ':');
            rg_jparse_expression(p, true);
        }
        n++;
    }
    rg_jparse_expect_op(p, close);
    rg_jparse_emit(p, is_dict ? RG_JOP_DICT : RG_JOP_LIST, 0, n, 0);
}

static void parse_primary(rg_jparser *p) {
    switch (p->token.kind) {
    case RG_JT_NAME:
        parse_name(p);
        return;
    case RG_JT_STRING:
        parse_string(p);
        return;
    case RG_JT_INT:
        parse_int(p);
        return;
    case RG_JT_FLOAT:
        parse_float(p);
        return;
    default:
        break;
    }
    if (!rg_jparse_enter(p)) {
        return;
    }
    if (rg_jparse_skip_op(p, '(')) {
        if (rg_jparse_is_op(p, ')')) {
            rg_jparse_emit(p, RG_JOP_TUPLE, 0, 0, 0);
        } else {
            rg_jparse_tuple(p, true);
        }
        rg_jparse_expect_op(p, ')');
    } else if (rg_jparse_skip_op(p, '[')) {
        parse_items(p, false);
    } else if (rg_jparse_skip_op(p, '{')) {
        parse_items(p, true);
    } else {
        rg_jparse_fail(p, RG_E_FORMAT, "expected an expression, found '%.*s'",
                       RG_FMT(p->token.text));
    }
    p->depth--;
}

/* One part of [a:b:c, d]. */
static bool parse_subscript_part(rg_jparser *p) {
    const rg_jval none = {.kind = RG_J_NONE};
    if (!rg_jparse_is_op(p, ':')) {
        rg_jparse_expression(p, true);
        if (!rg_jparse_is_op(p, ':')) {
            return false;
        }
    } else {
        emit_const(p, none);
    }
    for (int i = 0; i < 2; i++) {
        const bool is_there = rg_jparse_skip_op(p, ':');
        if (!is_there || rg_jparse_is_op(p, ':') || rg_jparse_is_op(p, ']') ||
            rg_jparse_is_op(p, ',')) {
            emit_const(p, none);
        } else {
            rg_jparse_expression(p, true);
        }
    }
    return true;
}

/* The opening bracket is taken. */
static void parse_subscript(rg_jparser *p) {
    if (!rg_jparse_enter(p)) {
        return;
    }
    int32_t n = 0;
    bool is_slice = false;
    do {
        is_slice = parse_subscript_part(p);
        n++;
        if (is_slice && (n > 1 || rg_jparse_is_op(p, ','))) {
            rg_jparse_fail(p, RG_E_UNSUPPORTED, "a slice beside other indices");
        }
    } while (p->status == RG_OK && rg_jparse_skip_op(p, ','));
    rg_jparse_expect_op(p, ']');
    if (n > 1) {
        rg_jparse_emit(p, RG_JOP_TUPLE, 0, n, 0);
    }
    rg_jparse_emit(p, is_slice ? RG_JOP_SLICE : RG_JOP_ITEM, 0, 0, 0);
    p->depth--;
}

void rg_jparse_arguments(rg_jparser *p, rg_jinsn *call) {
    if (!rg_jparse_enter(p)) {
        return;
    }
    unsigned n_pos = 0;
    unsigned n_named = 0;
    rg_jparse_expect_op(p, '(');
    while (p->status == RG_OK && !rg_jparse_is_op(p, ')')) {
        if (n_pos + n_named + call->flags != 0) {
            rg_jparse_expect_op(p, ',');
            if (rg_jparse_is_op(p, ')')) {
                break;
            }
        }
        const rg_jtoken ahead = rg_jparse_ahead(p);
        bool is_ordered = true;
        if (rg_jparse_skip_op(p, RG_J_OP2('*', '*'))) {
            is_ordered = (call->flags & RG_J_STAR2) == 0;
            rg_jparse_expression(p, true);
            call->flags |= RG_J_STAR2;
        } else if (rg_jparse_skip_op(p, '*')) {
            is_ordered = call->flags == 0;
            rg_jparse_expression(p, true);
            call->flags |= RG_J_STAR;
        } else if (p->token.kind == RG_JT_NAME && ahead.kind == RG_JT_OPERATOR && ahead.op == '=') {
            is_ordered = call->flags == 0;
            emit_const(p, rg_jtext(rg_jparse_str(p, p->token.text)));
            rg_jparse_next(p);
            rg_jparse_next(p);
            rg_jparse_expression(p, true);
            n_named++;
        } else {
            is_ordered = call->flags == 0 && n_named == 0;
            rg_jparse_expression(p, true);
            n_pos++;
        }
        // on the stack they lie in this order: positional, named, *, **
        if (!is_ordered) {
            rg_jparse_fail(p, RG_E_FORMAT, "an argument stands behind a named or starred one");
        }
        call->a = (uint16_t)n_pos;
        call->c = n_named;
        if (n_pos + n_named > RG_TEMPLATE_ARGS_MAX) {
            rg_jparse_fail(p, RG_E_LIMIT, "more than %u arguments (RG_TEMPLATE_ARGS_MAX)",
                           RG_TEMPLATE_ARGS_MAX);
        }
    }
    rg_jparse_expect_op(p, ')');
    p->depth--;
}

static void emit_call(rg_jparser *p, rg_jinsn call) {
    const size_t at = rg_jparse_emit(p, call.op, call.a, call.b, call.c);
    if (p->status == RG_OK) {
        p->tmpl->code[at].flags = call.flags;
    }
}

/* A call of a plain name must have a chance: remember it for the end of the template. */
static void note_callee(rg_jparser *p) {
    if (p->status != RG_OK || p->tmpl->n_code == 0) {
        return;
    }
    const rg_jinsn *last = &p->tmpl->code[p->tmpl->n_code - 1];
    if (last->op != RG_JOP_LOAD) {
        return;
    }
    if (p->n_callees == p->callees_capacity) {
        const size_t capacity = p->n_callees < 16 ? 16 : p->n_callees * 2;
        rg_jcallee *grown = rg_new_array(p->tmpl->mem, capacity, sizeof *grown);
        if (grown == NULL) {
            rg_jparse_fail(p, RG_E_MEMORY, "no memory for %zu calls", capacity);
            return;
        }
        if (p->n_callees != 0) {
            memcpy(grown, p->callees, p->n_callees * sizeof *grown);
        }
        rg_free(p->tmpl->mem, p->callees);
        p->callees = grown;
        p->callees_capacity = capacity;
    }
    p->callees[p->n_callees++] = (rg_jcallee){.name = (uint32_t)last->b, .line = p->token.line};
}

static void parse_postfix(rg_jparser *p) {
    while (p->status == RG_OK) {
        if (rg_jparse_is_op(p, '(')) {
            rg_jinsn call = {.op = RG_JOP_CALL};
            note_callee(p);
            rg_jparse_arguments(p, &call);
            emit_call(p, call);
        } else if (rg_jparse_skip_op(p, '[')) {
            parse_subscript(p);
        } else if (rg_jparse_skip_op(p, '.')) {
            if (p->token.kind == RG_JT_INT) {
                parse_int(p);
                rg_jparse_emit(p, RG_JOP_ITEM, 0, 0, 0);
                continue;
            }
            const uint32_t name = rg_jparse_name(p, rg_jparse_expect_name(p));
            rg_jinsn call = {.op = RG_JOP_CALL_METHOD, .b = (int32_t)name};
            if (rg_jparse_is_op(p, '(')) {
                rg_jparse_arguments(p, &call);
                emit_call(p, call);
            } else {
                rg_jparse_emit(p, RG_JOP_ATTR, 0, (int32_t)name, 0);
            }
        } else {
            return;
        }
    }
}

void rg_jparse_filters(rg_jparser *p, bool is_bare) {
    while (p->status == RG_OK && (is_bare || rg_jparse_skip_op(p, '|'))) {
        is_bare = false;
        rg_str name = rg_jparse_expect_name(p);
        rg_jinsn call = {.op = RG_JOP_FILTER, .b = rg_jfilter_find(name)};
        if (call.b == RG_J_NO_ROW || rg_jparse_is_op(p, '.')) {
            rg_jparse_fail(p, RG_E_FORMAT, "no filter named '%.*s'", RG_FMT(name));
        }
        if (rg_jparse_is_op(p, '(')) {
            rg_jparse_arguments(p, &call);
        }
        emit_call(p, call);
    }
}

/* "is not name args"; `is` is taken. */
static void parse_test(rg_jparser *p) {
    const bool is_not = rg_jparse_skip_name(p, "not");
    const size_t n_code = p->tmpl->n_code;
    const rg_str name = rg_jparse_expect_name(p);
    rg_jinsn call = {.op = RG_JOP_TEST, .b = rg_jtest_find(name)};
    if (call.b == RG_J_NO_ROW) {
        rg_jparse_fail(p, RG_E_FORMAT, "no test named '%.*s'", RG_FMT(name));
        return;
    }
    // a name that is tested for being there may be called
    if ((rg_str_is(name, "defined") || rg_str_is(name, "undefined")) && n_code != 0 &&
        p->tmpl->code[n_code - 1].op == RG_JOP_LOAD) {
        rg_jparse_define(p, (uint32_t)p->tmpl->code[n_code - 1].b);
    }
    const rg_jtoken_kind kind = p->token.kind;
    const bool is_word =
        rg_jparse_is_name(p, "else") || rg_jparse_is_name(p, "or") || rg_jparse_is_name(p, "and");
    if (rg_jparse_is_op(p, '(')) {
        rg_jparse_arguments(p, &call);
    } else if ((kind == RG_JT_NAME && !is_word) || kind == RG_JT_STRING || kind == RG_JT_INT ||
               kind == RG_JT_FLOAT || rg_jparse_is_op(p, '[') || rg_jparse_is_op(p, '{')) {
        if (rg_jparse_is_name(p, "is")) {
            rg_jparse_fail(p, RG_E_FORMAT, "tests cannot be chained with 'is'");
        }
        parse_primary(p);
        parse_postfix(p);
        call.a = 1;
    }
    emit_call(p, call);
    if (is_not) {
        rg_jparse_emit(p, RG_JOP_NOT, 0, 0, 0);
    }
}

static void parse_unary(rg_jparser *p, bool has_filter) {
    if (!rg_jparse_enter(p)) {
        return;
    }
    const bool is_minus = rg_jparse_is_op(p, '-');
    if (is_minus || rg_jparse_is_op(p, '+')) {
        rg_jparse_next(p);
        parse_unary(p, false);
        rg_jparse_emit(p, RG_JOP_NEGATE, is_minus ? '-' : '+', 0, 0);
    } else {
        parse_primary(p);
    }
    parse_postfix(p);
    while (has_filter && p->status == RG_OK) {
        if (rg_jparse_is_op(p, '|')) {
            rg_jparse_filters(p, false);
        } else if (rg_jparse_skip_name(p, "is")) {
            parse_test(p);
        } else if (rg_jparse_is_op(p, '(')) {
            parse_postfix(p);
        } else {
            break;
        }
    }
    p->depth--;
}

/* Levels of binary operators, loosest first: + -, then ~, then * / // %, then **. */
static void parse_binary(rg_jparser *p, int level) {
    if (level == 4) {
        parse_unary(p, true);
        return;
    }
    parse_binary(p, level + 1);
    int32_t n_joined = 1;
    while (p->status == RG_OK && p->token.kind == RG_JT_OPERATOR) {
        const int op = p->token.op;
        const bool is_mine = level == 0   ? op == '+' || op == '-'
                             : level == 1 ? op == '~'
                             : level == 2
                                 ? op == '*' || op == '/' || op == '%' || op == RG_J_OP2('/', '/')
                                 : op == RG_J_OP2('*', '*');
        if (!is_mine) {
            break;
        }
        rg_jparse_next(p);
        parse_binary(p, level + 1);
        if (op == '~') {
            n_joined++;
        } else {
            const uint16_t code = op == RG_J_OP2('/', '/')   ? 'f'
                                  : op == RG_J_OP2('*', '*') ? 'p'
                                                             : (uint16_t)op;
            rg_jparse_emit(p, RG_JOP_MATH, code, 0, 0);
        }
    }
    if (n_joined > 1) {
        rg_jparse_emit(p, RG_JOP_CONCAT, 0, n_joined, 0);
    }
}

/* The comparison at the current token, taken; false: there is none. */
static bool take_comparison(rg_jparser *p, uint16_t *code) {
    static const struct {
        int op;
        uint16_t code;
    } ops[] = {
        {'<', RG_J_LT},
        {RG_J_OP2('<', '='), RG_J_LE},
        {'>', RG_J_GT},
        {RG_J_OP2('>', '='), RG_J_GE},
        {RG_J_OP2('=', '='), RG_J_EQ},
        {RG_J_OP2('!', '='), RG_J_NE},
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (rg_jparse_skip_op(p, ops[i].op)) {
            *code = ops[i].code;
            return true;
        }
    }
    *code = RG_J_IN;
    if (rg_jparse_skip_name(p, "in")) {
        return true;
    }
    const rg_jtoken ahead = rg_jparse_is_name(p, "not") ? rg_jparse_ahead(p) : (rg_jtoken){0};
    if (ahead.kind == RG_JT_NAME && rg_str_is(ahead.text, "in")) {
        rg_jparse_next(p);
        rg_jparse_next(p);
        *code = RG_J_NOT_IN;
        return true;
    }
    return false;
}

static void parse_compare(rg_jparser *p) {
    uint16_t code = 0;
    uint16_t next = 0;
    int64_t chain = -1;
    parse_binary(p, 0);
    bool more = take_comparison(p, &code);
    while (more && p->status == RG_OK) {
        parse_binary(p, 0);
        more = take_comparison(p, &next);
        const size_t at = rg_jparse_emit(p, more ? RG_JOP_COMPARE_CHAIN : RG_JOP_COMPARE, code,
                                         (int32_t)chain, 0);
        chain = more ? (int64_t)at : chain;
        code = next;
    }
    rg_jparse_land_chain(p, chain);
}

static void parse_not(rg_jparser *p) {
    unsigned n_not = 0;
    while (p->status == RG_OK && rg_jparse_skip_name(p, "not")) {
        n_not++;
    }
    parse_compare(p);
    for (; n_not > 0 && p->status == RG_OK; n_not--) {
        rg_jparse_emit(p, RG_JOP_NOT, 0, 0, 0);
    }
}

static void parse_and_or(rg_jparser *p, bool is_or) {
    const char *word = is_or ? "or" : "and";
    for (int64_t jump = -1; p->status == RG_OK;) {
        if (is_or) {
            parse_and_or(p, false);
        } else {
            parse_not(p);
        }
        if (jump >= 0) {
            rg_jparse_land(p, (size_t)jump);
        }
        if (!rg_jparse_skip_name(p, word)) {
            return;
        }
        // left to right: each result is the left side of the next
        jump = (int64_t)rg_jparse_emit(p, is_or ? RG_JOP_OR : RG_JOP_AND, 0, 0, 0);
    }
}

void rg_jparse_expression(rg_jparser *p, bool has_if) {
    if (!rg_jparse_enter(p)) {
        return;
    }
    const size_t start = p->tmpl->n_code;
    parse_and_or(p, true);
    while (has_if && p->status == RG_OK && rg_jparse_skip_name(p, "if")) {
        // value, condition -> condition, jump, value
        const size_t middle = p->tmpl->n_code;
        parse_and_or(p, true);
        rg_jparse_emit(p, RG_JOP_JUMP_FALSE, 0, 0, 0);
        rg_jparse_rotate(p, start, middle);
        if (p->status != RG_OK) {
            break;
        }
        const size_t jump = start + (p->tmpl->n_code - middle) - 1;
        const size_t skip = rg_jparse_emit(p, RG_JOP_JUMP, 0, 0, 0);
        rg_jparse_land(p, jump);
        if (rg_jparse_skip_name(p, "else")) {
            rg_jparse_expression(p, true);
        } else {
            const rg_str name = RG_STR("the inline if-expression without else");
            const uint32_t id = rg_jparse_name(p, name);
            rg_jparse_emit(p, RG_JOP_LOAD, 0, (int32_t)id, 0);
        }
        rg_jparse_land(p, skip);
    }
    p->depth--;
}

void rg_jparse_tuple(rg_jparser *p, bool has_if) {
    int32_t n = 0;
    bool is_tuple = false;
    do {
        // a comma may end the tuple
        const bool is_end = p->token.kind == RG_JT_BLOCK_END || p->token.kind == RG_JT_PRINT_END ||
                            rg_jparse_is_op(p, ')') || rg_jparse_is_name(p, "in");
        if (n > 0 && is_end) {
            break;
        }
        rg_jparse_expression(p, has_if);
        n++;
        is_tuple = is_tuple || rg_jparse_is_op(p, ',');
    } while (p->status == RG_OK && rg_jparse_skip_op(p, ','));
    if (is_tuple) {
        rg_jparse_emit(p, RG_JOP_TUPLE, 0, n, 0);
    }
}

static void parse_target_name(rg_jparser *p, bool has_attribute) {
    const rg_str text = rg_jparse_expect_name(p);
    static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (rg_str_is(text, reserved[i])) {
            rg_jparse_fail(p, RG_E_FORMAT, "cannot assign to '%s'", reserved[i]);
        }
    }
    const uint32_t name = rg_jparse_name(p, text);
    if (has_attribute && rg_jparse_skip_op(p, '.')) {
        const uint32_t attr = rg_jparse_name(p, rg_jparse_expect_name(p));
        rg_jparse_emit(p, RG_JOP_STORE_ATTR, 0, (int32_t)name, attr);
        return;
    }
    rg_jparse_define(p, name);
    rg_jparse_emit(p, RG_JOP_STORE, 0, (int32_t)name, 0);
}

void rg_jparse_target(rg_jparser *p, bool has_attribute, bool has_tuple) {
    if (!rg_jparse_enter(p)) {
        return;
    }
    const size_t unpack = rg_jparse_emit(p, RG_JOP_UNPACK, 0, 0, 0);
    int32_t n = 0;
    bool is_tuple = false;
    do {
        if (n > 0 && !rg_jparse_is_op(p, '(') && p->token.kind != RG_JT_NAME) {
            break;
        }
        if (n > 0 && rg_jparse_is_name(p, "in")) {
            break;
        }
        if (rg_jparse_skip_op(p, '(')) {
            rg_jparse_target(p, has_attribute, true);
            rg_jparse_expect_op(p, ')');
        } else {
            parse_target_name(p, has_attribute);
        }
        n++;
        is_tuple = is_tuple || rg_jparse_is_op(p, ',');
    } while (has_tuple && p->status == RG_OK && rg_jparse_skip_op(p, ','));
    if (p->status == RG_OK && (unsigned)n > RG_TEMPLATE_TARGETS_MAX) {
        rg_jparse_fail(p, RG_E_LIMIT, "%d names in one assignment, limit %u", n,
                       RG_TEMPLATE_TARGETS_MAX);
    }
    if (p->status == RG_OK && is_tuple) {
        p->tmpl->code[unpack].b = n;
    } else if (p->status == RG_OK) {
        rg_jinsn *code = p->tmpl->code + unpack;
        memmove(code, code + 1, (--p->tmpl->n_code - unpack) * sizeof *code);
    }
    p->depth--;
}
