#include "chat/jinja_parse.h"

static void expect_block_end(rg_jparser *p) {
    if (p->token.kind != RG_JT_BLOCK_END) {
        rg_jparse_fail(p, RG_E_FORMAT, "expected the end of the tag, found '%.*s'",
                       RG_FMT(p->token.text));
        return;
    }
    rg_jparse_next(p);
}

/* A body up to one of the end words; the parser stands at that word, behind "{%". */
static void parse_block(rg_jparser *p, const char *const *ends) {
    expect_block_end(p);
    rg_jparse_body(p, ends);
}

static void open_scope(rg_jparser *p) {
    rg_jparse_emit(p, RG_JOP_SCOPE, 0, 0, 0);
    p->n_scopes++;
}

static void close_scope(rg_jparser *p) {
    rg_jparse_emit(p, RG_JOP_SCOPE_END, 0, 0, 0);
    p->n_scopes--;
}

static void open_capture(rg_jparser *p) {
    rg_jparse_emit(p, RG_JOP_CAPTURE, 0, 0, 0);
    p->n_captures++;
    open_scope(p);
}

static void close_capture(rg_jparser *p) {
    close_scope(p);
    rg_jparse_emit(p, RG_JOP_CAPTURE_END, 0, 0, 0);
    p->n_captures--;
}

/* Code that is parsed before it is due. Jumps out of it are not allowed: expressions and targets
 * have none. */
typedef struct clip {
    rg_jinsn *code;
    size_t n;
} clip;

/* Take the code from `start` on away. */
static clip cut(rg_jparser *p, size_t start) {
    clip kept = {0};
    if (p->status == RG_OK) {
        kept.n = p->tmpl->n_code - start;
        kept.code = rg_arena_alloc(&p->tmpl->arena, kept.n * sizeof *kept.code);
        if (kept.code == NULL) {
            rg_jparse_fail(p, RG_E_MEMORY, "no memory for %zu instructions", kept.n);
            return (clip){0};
        }
        if (kept.n != 0) {
            memcpy(kept.code, p->tmpl->code + start, kept.n * sizeof *kept.code);
        }
        p->tmpl->n_code = start;
    }
    return kept;
}

static void paste(rg_jparser *p, clip kept) {
    for (size_t i = 0; i < kept.n && p->status == RG_OK; i++) {
        const size_t at = rg_jparse_emit(p, RG_JOP_END, 0, 0, 0);
        if (p->status == RG_OK) {
            p->tmpl->code[at] = kept.code[i];
        }
    }
}

static void parse_if(rg_jparser *p) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    static const char *const last[] = {"endif", NULL};
    int64_t chain = -1; // jumps to the end, linked through b
    rg_jparse_next(p);
    for (bool more = true; more && p->status == RG_OK;) {
        rg_jparse_tuple(p, false);
        const size_t jump = rg_jparse_emit(p, RG_JOP_JUMP_FALSE, 0, 0, 0);
        parse_block(p, ends);
        more = rg_jparse_is_name(p, "elif");
        const bool has_else = rg_jparse_skip_name(p, "else");
        if (more || has_else) {
            chain = (int64_t)rg_jparse_emit(p, RG_JOP_JUMP, 0, (int32_t)chain, 0);
        }
        rg_jparse_land(p, jump);
        if (has_else) {
            parse_block(p, last);
        }
        rg_jparse_next(p);
    }
    rg_jparse_land_chain(p, chain);
}

/* From FOR_NEXT to FOR_END; the target's code is `target`. */
static void parse_rounds(rg_jparser *p, clip target, bool is_recursive) {
    static const char *const ends[] = {"endfor", "else", NULL};
    static const char *const last[] = {"endfor", NULL};
    rg_jfor loop = {.outer = p->loop, .breaks = -1, .continues = -1};
    const size_t begin = rg_jparse_emit(p, RG_JOP_FOR, 0, 0, 0);
    const size_t next = rg_jparse_emit(p, RG_JOP_FOR_NEXT, 0, 0, 0);
    paste(p, target);
    p->n_scopes++;
    const bool has_filter = rg_jparse_skip_name(p, "if");
    if (has_filter) {
        const size_t test = rg_jparse_emit(p, RG_JOP_FOR_TEST, 0, 0, 0);
        rg_jparse_expression(p, true);
        rg_jparse_jump_to(p, RG_JOP_FOR_KEEP, next);
        rg_jparse_land(p, test);
    }
    is_recursive = rg_jparse_skip_name(p, "recursive") || is_recursive;

    loop.n_scopes = p->n_scopes;
    loop.n_captures = p->n_captures;
    p->loop = &loop;
    parse_block(p, ends);
    p->loop = loop.outer;
    p->n_scopes--;
    rg_jparse_emit(p, RG_JOP_FOR_DONE, 0, 0, 0);
    rg_jparse_land_chain(p, loop.continues);
    rg_jparse_emit(p, RG_JOP_SCOPE_END, 0, 0, 0);
    rg_jparse_jump_to(p, RG_JOP_JUMP, next);
    rg_jparse_land(p, next);
    rg_jparse_land_chain(p, loop.breaks);
    const size_t end = rg_jparse_emit(p, RG_JOP_FOR_END, 0, 0, 0);
    if (rg_jparse_skip_name(p, "else")) {
        open_scope(p);
        parse_block(p, last);
        close_scope(p);
    }
    rg_jparse_land(p, end);
    if (p->status == RG_OK) {
        p->tmpl->code[begin].a = (uint16_t)((loop.reads_loop || is_recursive ? RG_J_FOR_LOOP : 0) |
                                            (has_filter ? RG_J_FOR_FILTER : 0) |
                                            (is_recursive ? RG_J_FOR_RECURSIVE : 0));
    }
    rg_jparse_next(p);
}

static size_t add_macro(rg_jparser *p, const rg_jstr *name) {
    rg_template *t = p->tmpl;
    if (!rg_jparse_grow(p, &t->macros, t->n_macros, &p->macros_capacity, sizeof *t->macros)) {
        return 0;
    }
    t->macros[t->n_macros] = (rg_jmacro_def){.name = name};
    return t->n_macros++;
}

/* Push the macro whose code begins at `entry`; the distance stays right when both move together. */
static void emit_macro(rg_jparser *p, size_t macro, size_t entry) {
    rg_jparse_emit(p, RG_JOP_MACRO, 0, (int32_t)macro, (uint32_t)(p->tmpl->n_code - entry));
}

/* What a macro's code must not see of the place where it stands. */
typedef struct surroundings {
    rg_jfor *loop;
    rg_jbody *body;
    size_t n_scopes;
    size_t n_captures;
} surroundings;

static surroundings enter_macro(rg_jparser *p, rg_jbody *body) {
    const surroundings outside = {p->loop, p->body, p->n_scopes, p->n_captures};
    p->loop = NULL;
    p->body = body;
    p->n_scopes = 0;
    p->n_captures = 0;
    return outside;
}

static void leave_macro(rg_jparser *p, surroundings outside) {
    rg_jparse_emit(p, RG_JOP_RETURN, 0, 0, 0);
    p->loop = outside.loop;
    p->body = outside.body;
    p->n_scopes = outside.n_scopes;
    p->n_captures = outside.n_captures;
}

/* The whole loop is a nameless macro of one parameter, the thing to go through. */
static void parse_recursive(rg_jparser *p, clip target) {
    rg_jbody body = {0};
    const size_t skip = rg_jparse_emit(p, RG_JOP_JUMP, 0, 0, 0);
    const size_t macro = add_macro(p, rg_jparse_str(p, RG_STR("loop")));
    const uint32_t param = rg_jparse_name(p, RG_STR("what a recursive loop goes through"));
    uint32_t *params = rg_arena_alloc(&p->tmpl->arena, sizeof *params);
    const surroundings outside = enter_macro(p, &body);
    if (params == NULL) {
        rg_jparse_fail(p, RG_E_MEMORY, "no memory for a loop");
    } else if (p->status == RG_OK) {
        *params = param;
        p->tmpl->macros[macro].params = params;
        p->tmpl->macros[macro].n_params = 1;
    }
    rg_jparse_emit(p, RG_JOP_LOAD, 0, (int32_t)param, 0);
    parse_rounds(p, target, true);
    leave_macro(p, outside);
    rg_jparse_land(p, skip);
    emit_macro(p, macro, skip + 1);
}

/* Whether the tag that begins here ends in "recursive": its loop is built otherwise. */
static bool ends_recursive(const rg_jparser *p) {
    rg_str rest = rg_str_slice(p->lexer.source, p->lexer.at, p->lexer.source.size);
    const char *end = rest.size == 0 ? NULL : memmem(rest.data, rest.size, "%}", 2);
    if (p->token.kind == RG_JT_BLOCK_END || end == NULL) {
        return false;
    }
    rest.size = (size_t)(end - rest.data);
    while (rest.size != 0 &&
           (rest.data[rest.size - 1] == ' ' || rest.data[rest.size - 1] == '-' ||
            rest.data[rest.size - 1] == '+' || rest.data[rest.size - 1] == '\n')) {
        rest.size--;
    }
    return rg_str_ends(rest, RG_STR("recursive")) || rg_jparse_is_name(p, "recursive");
}

static void parse_for(rg_jparser *p) {
    const size_t start = p->tmpl->n_code;
    rg_jparse_next(p);
    rg_jparse_target(p, false, true);

    const clip target = cut(p, start); // due after the expression
    if (!rg_jparse_skip_name(p, "in")) {
        rg_jparse_fail(p, RG_E_FORMAT, "expected 'in'");
    }
    rg_jparse_tuple(p, false);
    if (!ends_recursive(p)) {
        parse_rounds(p, target, false);
        return;
    }
    const clip value = cut(p, start);
    parse_recursive(p, target);
    paste(p, value);
    rg_jparse_emit(p, RG_JOP_CALL, 1, 0, 0);
    rg_jparse_emit(p, RG_JOP_PRINT, 0, 0, 0);
}

static void parse_leave(rg_jparser *p, bool is_break) {
    rg_jfor *loop = p->loop;
    if (loop == NULL) {
        rg_jparse_fail(p, RG_E_FORMAT, "'%s' outside of a loop", is_break ? "break" : "continue");
        return;
    }
    rg_jparse_next(p);
    const size_t n_scopes = p->n_scopes - loop->n_scopes + (is_break ? 1 : 0);
    const size_t n_captures = p->n_captures - loop->n_captures;
    if (n_scopes + n_captures != 0) {
        rg_jparse_emit(p, RG_JOP_UNWIND, 0, (int32_t)n_scopes, (uint32_t)n_captures);
    }
    int64_t *chain = is_break ? &loop->breaks : &loop->continues;
    *chain = (int64_t)rg_jparse_emit(p, RG_JOP_JUMP, 0, (int32_t)*chain, 0);
}

static void parse_set(rg_jparser *p) {
    static const char *const ends[] = {"endset", NULL};
    const size_t start = p->tmpl->n_code;
    rg_jparse_next(p);
    rg_jparse_target(p, true, true);
    const clip target = cut(p, start);
    if (rg_jparse_skip_op(p, '=')) {
        rg_jparse_tuple(p, true);
    } else {
        // {% set x | filter %} ... {% endset %}: the filters are due after the body
        rg_jparse_filters(p, false);
        const clip filters = cut(p, start);
        open_capture(p);
        parse_block(p, ends);
        close_capture(p);
        paste(p, filters);
        rg_jparse_next(p);
    }
    paste(p, target);
}

/* (a, b=1): names into the macro, defaults as code at its entry. */
static void parse_params(rg_jparser *p, size_t macro) {
    uint32_t params[RG_TEMPLATE_ARGS_MAX];
    uint32_t n = 0;
    rg_jparse_expect_op(p, '(');
    while (p->status == RG_OK && !rg_jparse_is_op(p, ')')) {
        if (n != 0) {
            rg_jparse_expect_op(p, ',');
        }
        if (n == RG_TEMPLATE_ARGS_MAX) {
            rg_jparse_fail(p, RG_E_LIMIT, "more than %u parameters (RG_TEMPLATE_ARGS_MAX)",
                           RG_TEMPLATE_ARGS_MAX);
            return;
        }
        const uint32_t name = rg_jparse_name(p, rg_jparse_expect_name(p));
        rg_jparse_define(p, name);
        const size_t skip = rg_jparse_emit(p, RG_JOP_DEFAULT, 0, 0, name);
        if (rg_jparse_skip_op(p, '=')) {
            rg_jparse_expression(p, true);
            rg_jparse_emit(p, RG_JOP_STORE, 0, (int32_t)name, 0);
        }
        rg_jparse_land(p, skip);
        params[n++] = name;
    }
    rg_jparse_expect_op(p, ')');
    uint32_t *kept = rg_arena_alloc(&p->tmpl->arena, n * sizeof *kept);
    if (kept == NULL) {
        rg_jparse_fail(p, RG_E_MEMORY, "no memory for %u parameters", n);
    }
    if (p->status == RG_OK) {
        memcpy(kept, params, n * sizeof *kept);
        p->tmpl->macros[macro].params = kept;
        p->tmpl->macros[macro].n_params = n;
    }
}

static void parse_macro(rg_jparser *p) {
    static const char *const ends[] = {"endmacro", NULL};
    rg_jbody body = {0};
    rg_jparse_next(p);
    const rg_str text = rg_jparse_expect_name(p);
    const uint32_t name = rg_jparse_name(p, text);
    rg_jparse_define(p, name);
    const size_t skip = rg_jparse_emit(p, RG_JOP_JUMP, 0, 0, 0);
    const size_t macro = add_macro(p, rg_jparse_str(p, text));
    const surroundings outside = enter_macro(p, &body);
    parse_params(p, macro);
    parse_block(p, ends);
    leave_macro(p, outside);
    if (p->status == RG_OK) {
        p->tmpl->macros[macro].has_varargs = body.has_varargs;
        p->tmpl->macros[macro].has_kwargs = body.has_kwargs;
    }
    rg_jparse_land(p, skip);
    emit_macro(p, macro, skip + 1);
    rg_jparse_emit(p, RG_JOP_STORE, 0, (int32_t)name, 0);
    rg_jparse_next(p);
}

/* Give the call just parsed one more argument, caller=macro, and print what it returns. */
static void add_caller(rg_jparser *p, uint32_t hidden) {
    rg_template *t = p->tmpl;
    const rg_jinsn call = p->status == RG_OK ? t->code[t->n_code - 1] : (rg_jinsn){0};
    if ((call.op != RG_JOP_CALL && call.op != RG_JOP_CALL_METHOD) || call.flags != 0) {
        rg_jparse_fail(p, RG_E_FORMAT, "a call block needs a plain call");
        return;
    }
    const rg_jval name = rg_jtext(rg_jparse_str(p, RG_STR("caller")));
    t->n_code--;
    rg_jparse_emit(p, RG_JOP_CONST, 0, (int32_t)rg_jparse_const(p, name), 0);
    rg_jparse_emit(p, RG_JOP_LOAD, 0, (int32_t)hidden, 0);
    rg_jparse_emit(p, call.op, call.a, call.b, call.c + 1);
    rg_jparse_emit(p, RG_JOP_PRINT, 0, 0, 0);
}

/* {% call(a) f(x) %} body {% endcall %}: the body is a macro that f gets as `caller`. */
static void parse_call(rg_jparser *p) {
    static const char *const ends[] = {"endcall", NULL};
    rg_jbody body = {0};
    rg_jparse_next(p);
    const uint32_t hidden = rg_jparse_name(p, RG_STR("the body of a call block"));
    const size_t skip = rg_jparse_emit(p, RG_JOP_JUMP, 0, 0, 0);
    const size_t macro = add_macro(p, rg_jparse_str(p, RG_STR("caller")));
    surroundings outside = enter_macro(p, &body);
    if (rg_jparse_is_op(p, '(')) {
        parse_params(p, macro);
    }

    // the call is due after the body
    p->loop = outside.loop;
    p->body = outside.body;
    const size_t start = p->tmpl->n_code;
    rg_jparse_emit(p, RG_JOP_STORE, 0, (int32_t)hidden, 0);
    rg_jparse_expression(p, true);
    add_caller(p, hidden);
    const clip call = cut(p, start);
    p->loop = NULL;
    p->body = &body;
    parse_block(p, ends);
    leave_macro(p, outside);
    if (p->status == RG_OK) {
        p->tmpl->macros[macro].has_varargs = body.has_varargs;
        p->tmpl->macros[macro].has_kwargs = body.has_kwargs;
    }
    rg_jparse_land(p, skip);
    emit_macro(p, macro, skip + 1);
    paste(p, call);
    rg_jparse_next(p);
}

static void parse_filter_block(rg_jparser *p) {
    static const char *const ends[] = {"endfilter", NULL};
    rg_jparse_next(p);
    const size_t start = p->tmpl->n_code;
    rg_jparse_filters(p, true);
    const clip filters = cut(p, start);
    open_capture(p);
    parse_block(p, ends);
    close_capture(p);
    paste(p, filters);
    rg_jparse_emit(p, RG_JOP_PRINT, 0, 0, 0);
    rg_jparse_next(p);
}

static void parse_with(rg_jparser *p) {
    static const char *const ends[] = {"endwith", NULL};
    uint32_t names[RG_TEMPLATE_TARGETS_MAX];
    size_t n = 0;
    rg_jparse_next(p);
    while (p->status == RG_OK && p->token.kind != RG_JT_BLOCK_END) {
        if (n != 0) {
            rg_jparse_expect_op(p, ',');
        }
        if (n == RG_TEMPLATE_TARGETS_MAX) {
            rg_jparse_fail(p, RG_E_LIMIT, "more than %u names in one assignment",
                           RG_TEMPLATE_TARGETS_MAX);
            return;
        }
        names[n] = rg_jparse_name(p, rg_jparse_expect_name(p));
        rg_jparse_define(p, names[n++]);
        rg_jparse_expect_op(p, '=');
        rg_jparse_expression(p, true);
    }
    open_scope(p);
    while (n > 0) {
        rg_jparse_emit(p, RG_JOP_STORE, 0, (int32_t)names[--n], 0);
    }
    parse_block(p, ends);
    close_scope(p);
    rg_jparse_next(p);
}

/* {% generation %} marks what an assistant says for training; rendering sees through it. */
static void parse_generation(rg_jparser *p) {
    static const char *const ends[] = {"endgeneration", NULL};
    rg_jparse_next(p);
    open_scope(p);
    parse_block(p, ends);
    close_scope(p);
    rg_jparse_next(p);
}

static void parse_do(rg_jparser *p) {
    rg_jparse_next(p);
    rg_jparse_tuple(p, true);
    rg_jparse_emit(p, RG_JOP_POP, 0, 0, 0);
}

static void parse_break(rg_jparser *p) {
    parse_leave(p, true);
}

static void parse_continue(rg_jparser *p) {
    parse_leave(p, false);
}

static void parse_tag(rg_jparser *p) {
    static const struct {
        const char *name;
        void (*parse)(rg_jparser *p);
    } tags[] = {
        {"break", parse_break},
        {"call", parse_call},
        {"continue", parse_continue},
        {"do", parse_do},
        {"filter", parse_filter_block},
        {"for", parse_for},
        {"generation", parse_generation},
        {"if", parse_if},
        {"macro", parse_macro},
        {"set", parse_set},
        {"with", parse_with},
    };
    static const char *const refused[] = {"autoescape", "block",  "extends",
                                          "from",       "import", "include"};
    if (p->n_tags >= RG_TEMPLATE_NEST_MAX) {
        rg_jparse_fail(p, RG_E_LIMIT, "tags nested deeper than %u (RG_TEMPLATE_NEST_MAX)",
                       RG_TEMPLATE_NEST_MAX);
    }
    for (size_t i = 0; i < sizeof tags / sizeof tags[0] && p->status == RG_OK; i++) {
        if (rg_jparse_is_name(p, tags[i].name)) {
            p->n_tags++;
            tags[i].parse(p);
            expect_block_end(p);
            p->n_tags--;
            return;
        }
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0] && p->status == RG_OK; i++) {
        if (rg_jparse_is_name(p, refused[i])) {
            rg_jparse_fail(p, RG_E_UNSUPPORTED, "the tag '%s' is not supported", refused[i]);
        }
    }
    rg_jparse_fail(p, RG_E_FORMAT, "unknown or misplaced tag '%.*s'", RG_FMT(p->token.text));
}

static void parse_text(rg_jparser *p) {
    if (p->token.text.size != 0) {
        const rg_jval text = rg_jtext(rg_jparse_str(p, p->token.text));
        rg_jparse_emit(p, RG_JOP_TEXT, 0, (int32_t)rg_jparse_const(p, text), 0);
    }
    rg_jparse_next(p);
}

void rg_jparse_body(rg_jparser *p, const char *const *ends) {
    const uint32_t line = p->token.line;
    while (p->status == RG_OK) {
        if (p->token.kind == RG_JT_TEXT) {
            parse_text(p);
        } else if (p->token.kind == RG_JT_PRINT) {
            rg_jparse_next(p);
            rg_jparse_tuple(p, true);
            rg_jparse_emit(p, RG_JOP_PRINT, 0, 0, 0);
            if (p->token.kind != RG_JT_PRINT_END) {
                rg_jparse_fail(p, RG_E_FORMAT, "expected '}}', found '%.*s'",
                               RG_FMT(p->token.text));
            }
            rg_jparse_next(p);
        } else if (p->token.kind == RG_JT_BLOCK) {
            rg_jparse_next(p);
            for (const char *const *end = ends; *end != NULL; end++) {
                if (rg_jparse_is_name(p, *end)) {
                    return;
                }
            }
            parse_tag(p);
        } else {
            // the end of the template
            if (ends[0] != NULL) {
                rg_jparse_fail(p, RG_E_FORMAT, "'%s' is missing for the tag of line %u", ends[0],
                               line);
            }
            return;
        }
    }
}
