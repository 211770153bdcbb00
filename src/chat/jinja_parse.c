#include "chat/jinja_parse.h"

#include "base/utf8.h"
#include "chat/jinja_run.h"

#include <stdio.h>

// recursive calls of the parser: a few for each bracket that is open
enum { CALLS_MAX = 4 * RG_TEMPLATE_NEST_MAX };

void rg_jparse_fail(rg_jparser *p, rg_status status, const char *format, ...) {
    if (p->status != RG_OK) {
        return;
    }
    char text[RG_ERROR_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->status = rg_fail(p->err, status, "template line %u: %s", p->token.line, text);
    p->token = (rg_jtoken){.kind = RG_JT_END, .line = p->token.line};
    p->has_ahead = false;
}

bool rg_jparse_enter(rg_jparser *p) {
    if (p->depth >= CALLS_MAX) {
        rg_jparse_fail(p, RG_E_LIMIT, "nested deeper than %u (RG_TEMPLATE_NEST_MAX)",
                       RG_TEMPLATE_NEST_MAX);
    }
    p->depth += p->status == RG_OK;
    return p->status == RG_OK;
}

static rg_jtoken fetch(rg_jparser *p) {
    if (p->status != RG_OK) {
        return (rg_jtoken){.kind = RG_JT_END, .line = p->token.line};
    }
    const rg_jtoken token = rg_jlexer_next(&p->lexer);
    p->status = p->lexer.status;
    return token;
}

void rg_jparse_next(rg_jparser *p) {
    p->token = p->has_ahead ? p->ahead : fetch(p);
    p->has_ahead = false;
}

rg_jtoken rg_jparse_ahead(rg_jparser *p) {
    if (!p->has_ahead) {
        p->ahead = fetch(p);
        p->has_ahead = true;
    }
    return p->ahead;
}

bool rg_jparse_is_name(const rg_jparser *p, const char *name) {
    return p->token.kind == RG_JT_NAME && rg_str_is(p->token.text, name);
}

bool rg_jparse_is_op(const rg_jparser *p, int op) {
    return p->token.kind == RG_JT_OPERATOR && p->token.op == op;
}

bool rg_jparse_skip_name(rg_jparser *p, const char *name) {
    const bool is_it = rg_jparse_is_name(p, name);
    if (is_it) {
        rg_jparse_next(p);
    }
    return is_it;
}

bool rg_jparse_skip_op(rg_jparser *p, int op) {
    const bool is_it = rg_jparse_is_op(p, op);
    if (is_it) {
        rg_jparse_next(p);
    }
    return is_it;
}

void rg_jparse_expect_op(rg_jparser *p, int op) {
    if (!rg_jparse_skip_op(p, op)) {
        rg_jparse_fail(p, RG_E_FORMAT, "expected '%c', found '%.*s'", op, RG_FMT(p->token.text));
    }
}

rg_str rg_jparse_expect_name(rg_jparser *p) {
    const rg_str name = p->token.text;
    if (p->token.kind != RG_JT_NAME) {
        rg_jparse_fail(p, RG_E_FORMAT, "expected a name, found '%.*s'", RG_FMT(name));
        return RG_STR("");
    }
    rg_jparse_next(p);
    return name;
}

bool rg_jparse_grow(rg_jparser *p, void *rows, size_t n, size_t *capacity, size_t size) {
    if (p->status != RG_OK || n < *capacity) {
        return p->status == RG_OK;
    }
    const size_t wanted = n < 32 ? 64 : n * 2;
    void **array = rows;
    void *grown = rg_new_array(p->tmpl->mem, wanted, size);
    if (grown == NULL) {
        rg_jparse_fail(p, RG_E_MEMORY, "no memory for a table of %zu rows", wanted);
        return false;
    }
    if (n != 0) {
        memcpy(grown, *array, n * size);
    }
    rg_free(p->tmpl->mem, *array);
    *array = grown;
    *capacity = wanted;
    return true;
}

size_t rg_jparse_emit(rg_jparser *p, rg_jop op, uint16_t a, int32_t b, uint32_t c) {
    rg_template *t = p->tmpl;
    if (t->n_code >= RG_TEMPLATE_OPS_MAX) {
        rg_jparse_fail(p, RG_E_LIMIT, "more than %u instructions (RG_TEMPLATE_OPS_MAX)",
                       RG_TEMPLATE_OPS_MAX);
    }
    if (!rg_jparse_grow(p, &t->code, t->n_code, &p->code_capacity, sizeof *t->code)) {
        return 0;
    }
    t->code[t->n_code] =
        (rg_jinsn){.op = (uint8_t)op, .a = a, .b = b, .c = c, .line = p->token.line};
    return t->n_code++;
}

void rg_jparse_land(rg_jparser *p, size_t at) {
    if (p->status == RG_OK) {
        p->tmpl->code[at].b = (int32_t)(p->tmpl->n_code - at);
    }
}

void rg_jparse_land_chain(rg_jparser *p, int64_t chain) {
    while (chain >= 0 && p->status == RG_OK) {
        const int32_t before = p->tmpl->code[chain].b;
        rg_jparse_land(p, (size_t)chain);
        chain = before;
    }
}

void rg_jparse_jump_to(rg_jparser *p, rg_jop op, size_t target) {
    const int32_t distance = (int32_t)((int64_t)target - (int64_t)p->tmpl->n_code);
    rg_jparse_emit(p, op, 0, distance, 0);
}

static void reverse(rg_jinsn *code, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        const rg_jinsn other = code[i];
        code[i] = code[n - 1 - i];
        code[n - 1 - i] = other;
    }
}

void rg_jparse_rotate(rg_jparser *p, size_t from, size_t middle) {
    if (p->status != RG_OK) {
        return;
    }
    // three reversals exchange two neighbors
    rg_jinsn *code = p->tmpl->code;
    reverse(code + from, middle - from);
    reverse(code + middle, p->tmpl->n_code - middle);
    reverse(code + from, p->tmpl->n_code - from);
}

uint32_t rg_jparse_const(rg_jparser *p, rg_jval v) {
    rg_template *t = p->tmpl;
    if (!rg_jparse_grow(p, &t->consts, t->n_consts, &p->consts_capacity, sizeof *t->consts)) {
        return 0;
    }
    t->consts[t->n_consts] = v;
    return (uint32_t)t->n_consts++;
}

const rg_jstr *rg_jparse_str(rg_jparser *p, rg_str text) {
    static const rg_jstr none = {.data = ""};
    rg_jstr *str = p->status != RG_OK ? NULL : rg_arena_alloc(&p->tmpl->arena, sizeof *str);
    char *data = str == NULL ? NULL : rg_arena_copy(&p->tmpl->arena, text.data, text.size);
    if (data == NULL) {
        rg_jparse_fail(p, RG_E_MEMORY, "no memory for a text of %zu bytes", text.size);
        return &none;
    }
    *str = (rg_jstr){.data = data, .size = text.size, .n_chars = rg_jcount_chars(text)};
    return str;
}

uint32_t rg_jparse_name(rg_jparser *p, rg_str name) {
    rg_template *t = p->tmpl;
    const uint32_t known = rg_map_find(&p->names, name);
    if (known != RG_MAP_NONE) {
        return known;
    }
    size_t capacity = p->names_capacity;
    if (!rg_jparse_grow(p, &p->is_defined, t->n_names, &capacity, sizeof *p->is_defined) ||
        !rg_jparse_grow(p, &t->names, t->n_names, &p->names_capacity, sizeof(rg_jstr *))) {
        return 0;
    }
    const rg_jstr *str = rg_jparse_str(p, name);
    if (p->status == RG_OK) {
        p->status = rg_map_add(&p->names, rg_jstr_str(str), (uint32_t)t->n_names, NULL, p->err);
    }
    if (p->status != RG_OK) {
        return 0;
    }
    t->names[t->n_names] = str;
    return (uint32_t)t->n_names++;
}

void rg_jparse_define(rg_jparser *p, uint32_t name) {
    if (p->status == RG_OK) {
        p->is_defined[name] = 1;
    }
}

/* A name that is called must be a function of ours, or something that the template makes. */
static void check_callees(rg_jparser *p) {
    for (size_t i = 0; i < p->n_callees && p->status == RG_OK; i++) {
        const uint32_t name = p->callees[i].name;
        const rg_str text = rg_jstr_str(p->tmpl->names[name]);
        if (!p->is_defined[name] && rg_jfunction_find(text) == RG_J_NO_ROW &&
            !rg_str_is(text, "caller") && !rg_str_is(text, "loop")) {
            p->token.line = p->callees[i].line;
            rg_jparse_fail(p, RG_E_FORMAT, "no function named '%.*s'", RG_FMT(text));
        }
    }
}

/* The source with \n for every line end, and without the last one; lives in the template's arena.
 */
static rg_status normalize(rg_template *t, rg_str source, rg_str *out, rg_error *err) {
    char *text = rg_arena_alloc(&t->arena, source.size + 1);
    if (text == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a template of %zu bytes", source.size);
    }
    size_t n = 0;
    for (size_t i = 0; i < source.size; i++) {
        const bool is_return = source.data[i] == '\r';
        if (is_return && i + 1 < source.size && source.data[i + 1] == '\n') {
            continue;
        }
        text[n++] = is_return ? '\n' : source.data[i];
    }
    n -= n != 0 && text[n - 1] == '\n';
    *out = (rg_str){text, n};
    return RG_OK;
}

static rg_status check_source(rg_str source, rg_error *err) {
    if (source.size > RG_TEMPLATE_SOURCE_BYTES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the template has %zu bytes, limit %u", source.size,
                       RG_TEMPLATE_SOURCE_BYTES_MAX);
    }
    const char *zero = source.size == 0 ? NULL : memchr(source.data, 0, source.size);
    if (zero != NULL) {
        return rg_fail(err, RG_E_FORMAT, "the template has a zero byte at %zu",
                       (size_t)(zero - source.data));
    }
    return rg_utf8_is_valid(source) ? RG_OK
                                    : rg_fail(err, RG_E_FORMAT, "the template is not UTF-8");
}

rg_status rg_template_new(const rg_mem *mem, rg_str source, rg_template **out, rg_error *err) {
    static const char *const no_ends[] = {NULL};
    static const char *const own_names[RG_J_N_NAMES] = {"loop", "caller", "varargs", "kwargs"};
    rg_status status = RG_OK;
    rg_template *tmpl = NULL;
    rg_jparser *p = NULL;

    RG_TRY(check_source(source, err));
    tmpl = rg_new(mem, sizeof *tmpl);
    p = tmpl == NULL ? NULL : rg_new(mem, sizeof *p);
    if (tmpl != NULL) {
        tmpl->mem = mem;
        rg_arena_init(&tmpl->arena, mem, 0);
    }
    if (p == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a template");
        goto done;
    }
    p->tmpl = tmpl;
    p->err = err;
    p->lexer = (rg_jlexer){.line = 1, .inside = RG_JT_TEXT, .err = err};
    rg_map_init(&p->names, mem);
    RG_TRY(normalize(tmpl, source, &p->lexer.source, err));

    for (size_t i = 0; i < RG_J_N_NAMES; i++) {
        rg_jparse_name(p, rg_str_of(own_names[i]));
    }
    rg_jparse_next(p);
    rg_jparse_body(p, no_ends);
    check_callees(p);
    rg_jparse_emit(p, RG_JOP_END, 0, 0, 0);
    RG_TRY(p->status);
    *out = tmpl;
    tmpl = NULL;

done:
    if (p != NULL) {
        if (p->names.mem != NULL) {
            rg_map_clear(&p->names);
        }
        rg_free(mem, p->is_defined);
        rg_free(mem, p->callees);
        rg_free(mem, p);
    }
    rg_template_free(tmpl);
    return status;
}

void rg_template_free(rg_template *tmpl) {
    if (tmpl == NULL) {
        return;
    }
    const rg_mem *mem = tmpl->mem;
    rg_free(mem, tmpl->code);
    rg_free(mem, tmpl->consts);
    rg_free(mem, tmpl->names);
    rg_free(mem, tmpl->macros);
    rg_arena_clear(&tmpl->arena);
    rg_free(mem, tmpl);
}

bool rg_template_reads(const rg_template *tmpl, const char *name) {
    for (size_t i = 0; i < tmpl->n_code; i++) {
        const rg_jinsn *insn = &tmpl->code[i];
        if (insn->op == RG_JOP_LOAD && rg_str_is(rg_jstr_str(tmpl->names[insn->b]), name)) {
            return true;
        }
    }
    return false;
}
