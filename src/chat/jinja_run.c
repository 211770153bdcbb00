#include "chat/jinja_run.h"

#include "base/clock.h"

#include <stdio.h>

// steps between two looks at the clock
enum { LOOK_STEPS = 4096 };

void rg_jfail(rg_jrun *run, rg_template_failure failure, const char *format, ...) {
    if (run->status != RG_OK) {
        return;
    }
    run->failure = failure;
    run->status = failure == RG_TEMPLATE_RAISED   ? RG_E_ARG
                  : failure == RG_TEMPLATE_LIMIT  ? RG_E_LIMIT
                  : failure == RG_TEMPLATE_MEMORY ? RG_E_MEMORY
                                                  : RG_E_FORMAT;
    char text[RG_ERROR_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (failure == RG_TEMPLATE_RAISED) {
        rg_fail(&run->error, run->status, "%s", text);
        return;
    }
    const uint32_t line = run->at == 0 ? 1 : run->tmpl->code[run->at - 1].line;
    rg_fail(&run->error, run->status, "template line %u: %s", line, text);
}

void rg_jsteps(rg_jrun *run, uint64_t n) {
    run->n_steps += n;
    if (run->n_steps < run->next_look || run->status != RG_OK) {
        return;
    }
    if (run->n_steps > run->limits.steps) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "more than %llu steps (RG_TEMPLATE_STEPS_MAX)",
                 (unsigned long long)run->limits.steps);
        return;
    }
    if (rg_clock_ns() - run->start_ns > run->limits.time_ms * UINT64_C(1000000)) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "more than %u ms (RG_TEMPLATE_TIME_MS_MAX)",
                 run->limits.time_ms);
        return;
    }
    run->next_look = run->n_steps + LOOK_STEPS;
    if (run->next_look > run->limits.steps) {
        run->next_look = run->limits.steps + 1;
    }
}

void *rg_jalloc(rg_jrun *run, size_t bytes) {
    if (run->status != RG_OK) {
        return NULL;
    }
    rg_jsteps(run, bytes / 256);
    void *data = rg_arena_alloc(&run->arena, bytes);
    if (data != NULL) {
        return data;
    }
    const size_t left = run->arena.limit_bytes - run->arena.used_bytes;
    if (bytes > left || left - bytes < 16) {
        rg_jfail(run, RG_TEMPLATE_LIMIT,
                 "more than %zu bytes of values (RG_TEMPLATE_MEMORY_BYTES_MAX)",
                 run->limits.memory_bytes);
    } else {
        rg_jfail(run, RG_TEMPLATE_MEMORY, "no memory for a value of %zu bytes", bytes);
    }
    return NULL;
}

/* Room for one more row of a growing array; false after a failure. */
static bool grow(rg_jrun *run, void *rows, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) {
        return true;
    }
    void **array = rows;
    const size_t wanted = n < 8 ? 16 : n * 2;
    void *grown = rg_jalloc(run, wanted * size);
    if (grown == NULL) {
        return false;
    }
    if (n != 0) {
        memcpy(grown, *array, n * size);
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

void rg_jpush(rg_jrun *run, rg_jval v) {
    if (run->n_stack >= RG_TEMPLATE_STACK_MAX) {
        rg_jfail(run, RG_TEMPLATE_LIMIT,
                 "an expression holds more than %u values (RG_TEMPLATE_STACK_MAX)",
                 RG_TEMPLATE_STACK_MAX);
        return;
    }
    if (grow(run, &run->stack, run->n_stack, &run->stack_capacity, sizeof v)) {
        run->stack[run->n_stack++] = v;
    }
}

static rg_jval pop(rg_jrun *run) {
    return run->stack[--run->n_stack];
}

// scopes

static void open_scope(rg_jrun *run, rg_jscope *parent) {
    rg_jscope *scope = run->free_scopes;
    if (scope != NULL) {
        run->free_scopes = scope->parent;
    } else {
        scope = rg_jalloc(run, sizeof *scope);
        if (scope == NULL) {
            return;
        }
    }
    *scope = (rg_jscope){.parent = parent};
    run->scope = scope;
}

static void close_scope(rg_jrun *run) {
    rg_jscope *scope = run->scope;
    run->scope = scope->parent;
    if (scope->is_kept) {
        return;
    }
    while (scope->vars != NULL) {
        rg_jvar *var = scope->vars;
        scope->vars = var->next;
        var->next = run->free_vars;
        run->free_vars = var;
    }
    scope->parent = run->free_scopes;
    run->free_scopes = scope;
}

static rg_jval *find_var(rg_jrun *run, uint32_t name) {
    for (const rg_jscope *scope = run->scope; scope != NULL; scope = scope->parent) {
        rg_jsteps(run, 1);
        for (rg_jvar *var = scope->vars; var != NULL; var = var->next) {
            if (var->name == name) {
                return &var->value;
            }
        }
    }
    return run->globals[name].kind == RG_J_MISSING ? NULL : &run->globals[name];
}

void rg_jstore(rg_jrun *run, uint32_t name, rg_jval v) {
    if (run->scope == NULL) {
        run->globals[name] = v;
        return;
    }
    for (rg_jvar *var = run->scope->vars; var != NULL; var = var->next) {
        if (var->name == name) {
            var->value = v;
            return;
        }
    }
    rg_jvar *var = run->free_vars;
    if (var != NULL) {
        run->free_vars = var->next;
    } else {
        var = rg_jalloc(run, sizeof *var);
        if (var == NULL) {
            return;
        }
    }
    *var = (rg_jvar){.next = run->scope->vars, .name = name, .value = v};
    run->scope->vars = var;
}

static rg_jval load(rg_jrun *run, uint32_t name) {
    const rg_jval *var = find_var(run, name);
    if (var != NULL && var->kind != RG_J_MISSING) {
        return *var;
    }
    const rg_jstr *text = run->tmpl->names[name];
    const int row = rg_jfunction_find(rg_jstr_str(text));
    if (var == NULL && row != RG_J_NO_ROW) {
        return (rg_jval){.kind = RG_J_FUNCTION, .function = (unsigned)row};
    }
    return rg_jundef(run, text, NULL);
}

static void store_attr(rg_jrun *run, const rg_jinsn *insn) {
    const rg_jval v = pop(run);
    const rg_jval space = load(run, (uint32_t)insn->b);
    if (space.kind != RG_J_NAMESPACE) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "cannot assign attribute on non-namespace object '%.*s'",
                 RG_J_FMT(run->tmpl->names[insn->b]));
        return;
    }
    rg_jdict_set(run, space.dict, rg_jtext(run->tmpl->names[insn->c]), v);
}

static void unpack(rg_jrun *run, size_t n) {
    const rg_jval v = pop(run);
    const rg_jlist *items = rg_jval_items(run, v);
    if (rg_jfailed(run)) {
        return;
    }
    if (items->n != n) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "%zu values to unpack into %zu names", items->n, n);
        return;
    }
    for (size_t i = n; i > 0; i--) {
        rg_jpush(run, items->items[i - 1]);
    }
}

// what an expression builds

static void build_list(rg_jrun *run, rg_jkind kind, size_t n) {
    rg_jlist *list = rg_jlist_new(run, n);
    for (size_t i = 0; i < n; i++) {
        rg_jlist_push(run, list, run->stack[run->n_stack - n + i]);
    }
    run->n_stack -= n;
    rg_jpush(run, rg_jseq(kind, list));
}

static void build_dict(rg_jrun *run, size_t n) {
    rg_jdict *dict = rg_jdict_new(run);
    // an empty one may come before the stack has any memory
    const rg_jval *pairs = n == 0 ? NULL : run->stack + (run->n_stack - 2 * n);
    for (size_t i = 0; i < n && !rg_jfailed(run); i++) {
        rg_jdict_set(run, dict, pairs[2 * i], pairs[2 * i + 1]);
    }
    run->n_stack -= 2 * n;
    rg_jpush(run, rg_jmap(dict));
}

static void concat(rg_jrun *run, size_t n) {
    const rg_jval *parts = run->stack + (run->n_stack - n);
    const rg_jstr *text = rg_jval_str(run, parts[0]);
    if (n == 2) {
        text = rg_jstr_join(run, text, rg_jval_str(run, parts[1]));
    } else {
        rg_jbuild b = {.run = run};
        for (size_t i = 1; i < n; i++) {
            rg_jtext_str(&b, parts[i]);
        }
        text = rg_jstr_join(run, text, rg_jbuild_done(&b));
    }
    run->n_stack -= n;
    rg_jpush(run, rg_jtext(text));
}

static void compare(rg_jrun *run, const rg_jinsn *insn) {
    const rg_jval b = pop(run);
    const rg_jval a = pop(run);
    const bool is_true = rg_jval_compare(run, insn->a, a, b);
    if (insn->op == RG_JOP_COMPARE_CHAIN && is_true) {
        rg_jpush(run, b);
        return;
    }
    rg_jpush(run, rg_jbool(is_true));
    if (insn->op == RG_JOP_COMPARE_CHAIN) {
        run->at += (uint32_t)(insn->b - 1);
    }
}

static void slice(rg_jrun *run) {
    const rg_jval step = pop(run);
    const rg_jval to = pop(run);
    const rg_jval from = pop(run);
    const rg_jval v = pop(run);
    rg_jpush(run, rg_jval_slice(run, v, from, to, step));
}

// output

static void write_value(rg_jrun *run, rg_jval v) {
    rg_jbuild *out = &run->outputs[run->n_outputs - 1];
    rg_jtext_str(out, v);
    if (run->n_outputs == 1 && out->size > run->limits.output_bytes) {
        rg_jfail(run, RG_TEMPLATE_LIMIT,
                 "more than %zu bytes of output (RG_TEMPLATE_OUTPUT_BYTES_MAX)",
                 run->limits.output_bytes);
    }
}

static void begin_capture(rg_jrun *run) {
    if (grow(run, &run->outputs, run->n_outputs, &run->outputs_capacity, sizeof(rg_jbuild))) {
        run->outputs[run->n_outputs++] = (rg_jbuild){.run = run};
    }
}

static rg_jval end_capture(rg_jrun *run) {
    return rg_jtext(rg_jbuild_done(&run->outputs[--run->n_outputs]));
}

// loops

static void begin_loop(rg_jrun *run, const rg_jinsn *insn) {
    const rg_jframe *frame = &run->frames[run->n_frames - 1];
    rg_jlist *items = rg_jval_items(run, pop(run));
    rg_jloop *loop = rg_jalloc(run, sizeof *loop);
    if (loop == NULL ||
        !grow(run, &run->loops, run->n_loops, &run->loops_capacity, sizeof(rg_jloop *))) {
        return;
    }
    *loop = (rg_jloop){
        .items = items,
        .has_loop = (insn->a & RG_J_FOR_LOOP) != 0,
        .again = (insn->a & RG_J_FOR_RECURSIVE) != 0 ? frame->macro : NULL,
        .depth0 = frame->loop_depth,
    };
    if (loop->has_loop && (insn->a & RG_J_FOR_FILTER) != 0) {
        loop->kept = rg_jlist_new(run, 0);
    }
    run->loops[run->n_loops++] = loop;
}

static void next_round(rg_jrun *run, const rg_jinsn *insn) {
    rg_jloop *loop = run->loops[run->n_loops - 1];
    if (loop->at >= loop->items->n && loop->kept != NULL && !loop->is_filtered) {
        // the filter has seen all items: now the body sees those that passed
        loop->items = loop->kept;
        loop->at = 0;
        loop->is_filtered = true;
    }
    if (loop->at >= loop->items->n) {
        run->at += (uint32_t)(insn->b - 1);
        return;
    }
    const rg_jval item = loop->items->items[loop->at++];
    open_scope(run, run->scope);
    if (loop->has_loop && (loop->kept == NULL || loop->is_filtered) && !rg_jfailed(run)) {
        rg_jstore(run, RG_J_NAME_LOOP, (rg_jval){.kind = RG_J_LOOP, .loop = loop});
    }
    rg_jpush(run, item);
}

static void keep_item(rg_jrun *run, const rg_jinsn *insn) {
    rg_jloop *loop = run->loops[run->n_loops - 1];
    const bool passes = rg_jval_is_true(pop(run));
    if (passes && loop->kept == NULL) {
        return;
    }
    if (passes) {
        rg_jlist_push(run, loop->kept, loop->items->items[loop->at - 1]);
    }
    close_scope(run);
    run->at += (uint32_t)(insn->b - 1);
}

// calls

/* The arguments on top of the stack, starred ones spread out. */
static rg_jargs take_args(rg_jrun *run, const rg_jinsn *insn) {
    rg_jval star[2] = {{0}};
    if ((insn->flags & RG_J_STAR2) != 0) {
        star[1] = pop(run);
    }
    if ((insn->flags & RG_J_STAR) != 0) {
        star[0] = pop(run);
    }
    const size_t n_pos = insn->a;
    const size_t n_named = insn->c;
    run->n_stack -= n_pos + 2 * n_named;
    const rg_jval *base = run->stack + run->n_stack;
    rg_jargs args = {base, n_pos, base + n_pos, n_named};
    if (insn->flags == 0) {
        return args;
    }
    rg_jlist *pos = rg_jlist_new(run, 0);
    rg_jlist *named = rg_jlist_new(run, 0);
    for (size_t i = 0; i < n_pos; i++) {
        rg_jlist_push(run, pos, args.pos[i]);
    }
    for (size_t i = 0; i < 2 * n_named; i++) {
        rg_jlist_push(run, named, args.named[i]);
    }
    if (star[0].kind != RG_J_MISSING) {
        const rg_jlist *more = rg_jval_items(run, star[0]);
        for (size_t i = 0; i < more->n && !rg_jfailed(run); i++) {
            rg_jlist_push(run, pos, more->items[i]);
        }
    }
    if (star[1].kind != RG_J_MISSING && star[1].kind != RG_J_DICT) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the argument after ** must be a mapping, not %s",
                 rg_jval_type(star[1]));
    } else if (star[1].kind == RG_J_DICT) {
        for (size_t i = 0; i < star[1].dict->n && !rg_jfailed(run); i++) {
            if (star[1].dict->entries[i].key.kind != RG_J_STRING) {
                rg_jfail(run, RG_TEMPLATE_TYPE, "keywords must be strings");
            }
            rg_jlist_push(run, named, star[1].dict->entries[i].key);
            rg_jlist_push(run, named, star[1].dict->entries[i].value);
        }
    }
    return (rg_jargs){pos->items, pos->n, named->items, named->n / 2};
}

static void enter_macro(rg_jrun *run, rg_jmacro *macro, const rg_jargs *args, unsigned loop_depth) {
    if (run->n_frames > run->limits.depth) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "macros called deeper than %u (RG_TEMPLATE_DEPTH_MAX)",
                 run->limits.depth);
        return;
    }
    if (!grow(run, &run->frames, run->n_frames, &run->frames_capacity, sizeof(rg_jframe))) {
        return;
    }
    run->frames[run->n_frames++] = (rg_jframe){
        .return_at = run->at, .scope = run->scope, .macro = macro, .loop_depth = loop_depth};
    open_scope(run, macro->scope);
    begin_capture(run);
    if (!rg_jfailed(run)) {
        rg_jmacro_bind(run, macro->def, args);
        run->at = macro->entry;
    }
}

static void leave_macro(rg_jrun *run) {
    const rg_jframe frame = run->frames[run->n_frames - 1];
    const rg_jval text = end_capture(run);
    close_scope(run);
    run->n_frames--;
    run->scope = frame.scope;
    run->at = frame.return_at;
    rg_jpush(run, text);
}

static void call(rg_jrun *run, rg_jval callee, const rg_jargs *args) {
    switch (callee.kind) {
    case RG_J_MACRO:
        enter_macro(run, callee.macro, args, 0);
        return;
    case RG_J_FUNCTION:
        rg_jpush(run, rg_jfunction_call(run, (int)callee.function, args));
        return;
    case RG_J_METHOD:
        rg_jpush(run, rg_jmethod_call(run, callee.method->row, callee.method->self, args));
        return;
    case RG_J_LOOP:
        if (callee.loop->again == NULL) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "the loop is not marked 'recursive'");
            return;
        }
        enter_macro(run, callee.loop->again, args, callee.loop->depth0 + 1);
        return;
    case RG_J_UNDEFINED:
        rg_jfail_undefined(run, callee);
        return;
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "'%s' object is not callable", rg_jval_type(callee));
    }
}

static void call_method(rg_jrun *run, const rg_jinsn *insn) {
    const rg_jargs args = take_args(run, insn);
    if (rg_jfailed(run)) {
        return;
    }
    const rg_jval self = pop(run);
    const rg_jstr *name = run->tmpl->names[insn->b];
    const int row = rg_jmethod_find(self.kind, name);
    if (row != RG_J_NO_ROW) {
        rg_jpush(run, rg_jmethod_call(run, row, self, &args));
        return;
    }
    rg_jval result = rg_jnone();
    if (self.kind == RG_J_LOOP && rg_jloop_call(run, self.loop, name, &args, &result)) {
        rg_jpush(run, result);
        return;
    }
    const rg_jval callee = rg_jval_attr(run, self, name);
    if (!rg_jfailed(run)) {
        call(run, callee, &args);
    }
}

/* Keep the scopes that a macro can see for as long as it may be called. */
static void push_macro(rg_jrun *run, const rg_jinsn *insn) {
    rg_jmacro *macro = rg_jalloc(run, sizeof *macro);
    if (macro == NULL) {
        return;
    }
    *macro = (rg_jmacro){
        .def = &run->tmpl->macros[insn->b], .entry = run->at - 1 - insn->c, .scope = run->scope};
    for (rg_jscope *scope = run->scope; scope != NULL && !scope->is_kept; scope = scope->parent) {
        scope->is_kept = true;
    }
    rg_jpush(run, (rg_jval){.kind = RG_J_MACRO, .macro = macro});
}

static void unwind(rg_jrun *run, size_t n_scopes, size_t n_captures) {
    for (; n_scopes > 0; n_scopes--) {
        close_scope(run);
    }
    run->n_outputs -= n_captures;
}

static void jump(rg_jrun *run, const rg_jinsn *insn) {
    run->at += (uint32_t)(insn->b - 1);
}

/* Instructions about control, calls, scopes. */
static void run_control(rg_jrun *run, const rg_jinsn *insn) {
    rg_jval *top = run->n_stack == 0 ? NULL : &run->stack[run->n_stack - 1];
    switch ((rg_jop)insn->op) {
    case RG_JOP_JUMP:
        jump(run, insn);
        return;
    case RG_JOP_JUMP_FALSE:
        if (!rg_jval_is_true(pop(run))) {
            jump(run, insn);
        }
        return;
    case RG_JOP_AND:
    case RG_JOP_OR:
        if (rg_jval_is_true(*top) == (insn->op == RG_JOP_OR)) {
            jump(run, insn);
        } else {
            run->n_stack--;
        }
        return;
    case RG_JOP_CALL: {
        const rg_jargs args = take_args(run, insn);
        if (!rg_jfailed(run)) {
            call(run, pop(run), &args);
        }
        return;
    }
    case RG_JOP_CALL_METHOD:
        call_method(run, insn);
        return;
    case RG_JOP_FILTER: {
        const rg_jargs args = take_args(run, insn);
        if (!rg_jfailed(run)) {
            rg_jpush(run, rg_jfilter_call(run, insn->b, pop(run), &args));
        }
        return;
    }
    case RG_JOP_TEST: {
        const rg_jargs args = take_args(run, insn);
        if (!rg_jfailed(run)) {
            rg_jpush(run, rg_jbool(rg_jtest_call(run, insn->b, pop(run), &args)));
        }
        return;
    }
    case RG_JOP_MACRO:
        push_macro(run, insn);
        return;
    case RG_JOP_DEFAULT: {
        rg_jval *var = find_var(run, insn->c);
        if (var != NULL && var->kind != RG_J_MISSING) {
            jump(run, insn);
        } else if (insn->b == 1 && var != NULL) {
            *var = rg_jundef(run, run->tmpl->names[insn->c], NULL); // no default
        }
        return;
    }
    case RG_JOP_RETURN:
        leave_macro(run);
        return;
    case RG_JOP_FOR:
        begin_loop(run, insn);
        return;
    case RG_JOP_FOR_NEXT:
        next_round(run, insn);
        return;
    case RG_JOP_FOR_TEST:
        if (run->loops[run->n_loops - 1]->is_filtered) {
            jump(run, insn);
        }
        return;
    case RG_JOP_FOR_KEEP:
        keep_item(run, insn);
        return;
    case RG_JOP_FOR_DONE:
        run->loops[run->n_loops - 1]->is_whole = true;
        return;
    case RG_JOP_FOR_END:
        if (run->loops[--run->n_loops]->is_whole) {
            jump(run, insn);
        }
        return;
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "instruction %u", insn->op);
    }
}

static void run_one(rg_jrun *run, const rg_jinsn *insn) {
    const size_t b = (size_t)(uint32_t)insn->b;
    switch ((rg_jop)insn->op) {
    case RG_JOP_CONST:
        rg_jpush(run, run->tmpl->consts[b]);
        return;
    case RG_JOP_LOAD:
        rg_jpush(run, load(run, (uint32_t)b));
        return;
    case RG_JOP_STORE:
        rg_jstore(run, (uint32_t)b, pop(run));
        return;
    case RG_JOP_STORE_ATTR:
        store_attr(run, insn);
        return;
    case RG_JOP_UNPACK:
        unpack(run, b);
        return;
    case RG_JOP_LIST:
        build_list(run, RG_J_LIST, b);
        return;
    case RG_JOP_TUPLE:
        build_list(run, RG_J_TUPLE, b);
        return;
    case RG_JOP_DICT:
        build_dict(run, b);
        return;
    case RG_JOP_ATTR:
        rg_jpush(run, rg_jval_attr(run, pop(run), run->tmpl->names[b]));
        return;
    case RG_JOP_ITEM: {
        const rg_jval key = pop(run);
        rg_jpush(run, rg_jval_item(run, pop(run), key));
        return;
    }
    case RG_JOP_SLICE:
        slice(run);
        return;
    case RG_JOP_MATH: {
        const rg_jval right = pop(run);
        rg_jpush(run, rg_jval_math(run, (char)insn->a, pop(run), right));
        return;
    }
    case RG_JOP_NEGATE:
        rg_jpush(run, rg_jval_negate(run, pop(run), insn->a == '-'));
        return;
    case RG_JOP_NOT:
        rg_jpush(run, rg_jbool(!rg_jval_is_true(pop(run))));
        return;
    case RG_JOP_CONCAT:
        concat(run, b);
        return;
    case RG_JOP_COMPARE:
    case RG_JOP_COMPARE_CHAIN:
        compare(run, insn);
        return;
    case RG_JOP_POP:
        run->n_stack--;
        return;
    case RG_JOP_TEXT:
        write_value(run, run->tmpl->consts[b]);
        return;
    case RG_JOP_PRINT:
        write_value(run, pop(run));
        return;
    case RG_JOP_CAPTURE:
        begin_capture(run);
        return;
    case RG_JOP_CAPTURE_END:
        rg_jpush(run, end_capture(run));
        return;
    case RG_JOP_SCOPE:
        open_scope(run, run->scope);
        return;
    case RG_JOP_SCOPE_END:
        close_scope(run);
        return;
    case RG_JOP_UNWIND:
        unwind(run, b, insn->c);
        return;
    default:
        run_control(run, insn);
    }
}

void rg_jrun_all(rg_jrun *run) {
    if (!grow(run, &run->frames, 0, &run->frames_capacity, sizeof(rg_jframe))) {
        return;
    }
    run->frames[run->n_frames++] = (rg_jframe){0};
    begin_capture(run);
    while (!rg_jfailed(run)) {
        const rg_jinsn *insn = &run->tmpl->code[run->at++];
        rg_jsteps(run, 1);
        if (insn->op == RG_JOP_END) {
            return;
        }
        run_one(run, insn);
    }
}
