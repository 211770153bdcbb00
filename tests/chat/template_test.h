/* One template, one context in JSON, one call: what most template tests need. */
#pragma once

#include "chat/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/** What became of a template. Clear with outcome_clear. */
typedef struct outcome {
    rg_status parse;
    rg_status render;
    rg_error err;
    rg_rendered out;
} outcome;

/** Parse and render `source` with the members of the JSON object `context`, all untrusted. */
static inline outcome run_with(const rg_mem *mem, rg_str source, const char *context,
                               const rg_template_limits *limits) {
    outcome o = {.render = RG_OK};
    rg_arena arena;
    const rg_json *json = NULL;
    rg_template *tmpl = NULL;
    rg_template_var vars[32];
    rg_arena_init(&arena, rg_mem_heap(), 0);
    assert_int_equal(rg_json_parse(&arena, rg_str_of(context), &json, NULL), RG_OK);
    for (size_t i = 0; i < json->n; i++) {
        vars[i] = (rg_template_var){.name = json->keys[i], .json = &json->items[i]};
    }
    const rg_template_context ctx = {
        .vars = vars, .n_vars = json->n, .clock = {.is_fixed = true, .unix_s = 1768467907}};
    o.parse = rg_template_new(mem, source, &tmpl, &o.err);
    if (o.parse == RG_OK) {
        o.render = rg_template_render(tmpl, &ctx, limits, &o.out, &o.err);
    }
    rg_template_free(tmpl);
    rg_arena_clear(&arena);
    return o;
}

static inline outcome run(const char *source, const char *context) {
    return run_with(rg_mem_heap(), rg_str_of(source), context, NULL);
}

static inline void outcome_clear(outcome *o) {
    rg_rendered_clear(&o->out);
}

/** The template renders to exactly this text. */
#define EXPECT(source, context, text) expect_text(source, context, text, __FILE__, __LINE__)
static inline void expect_text(const char *source, const char *context, const char *text,
                               const char *file, int line) {
    outcome o = run(source, context);
    if (o.parse != RG_OK || o.render != RG_OK) {
        print_error("%s: %s\n", source, o.err.text);
        _fail(file, line);
    }
    if (!rg_str_is(o.out.text, text)) {
        print_error("%s gives '%s', wanted '%s'\n", source, o.out.text.data, text);
        _fail(file, line);
    }
    outcome_clear(&o);
}

/** The template is refused when it is parsed, with this status and these words. */
#define EXPECT_REFUSED(source, status, words)                                                      \
    expect_refused(source, status, words, __FILE__, __LINE__)
static inline void expect_refused(const char *source, rg_status status, const char *words,
                                  const char *file, int line) {
    outcome o = run(source, "{}");
    if (o.parse != status || strstr(o.err.text, words) == NULL) {
        print_error("%s: status %d, '%s', wanted '%s'\n", source, (int)o.parse, o.err.text, words);
        _fail(file, line);
    }
    outcome_clear(&o);
}

/** Rendering fails in this way, with these words. */
#define EXPECT_FAILURE(source, context, kind, words)                                               \
    expect_failure(source, context, kind, words, __FILE__, __LINE__)
static inline void expect_failure(const char *source, const char *context, rg_template_failure kind,
                                  const char *words, const char *file, int line) {
    outcome o = run(source, context);
    if (o.parse != RG_OK || o.render == RG_OK || o.out.failure != kind ||
        strstr(o.err.text, words) == NULL) {
        print_error("%s: status %d %d, failure %d, '%s', wanted '%s'\n", source, (int)o.parse,
                    (int)o.render, (int)o.out.failure, o.err.text, words);
        _fail(file, line);
    }
    outcome_clear(&o);
}

/* An allocator whose n-th call fails, and that counts what is still out. */
typedef struct faulty {
    rg_mem mem;
    size_t n_calls;
    size_t fail_at;
    size_t n_live;
} faulty;

static inline void *faulty_alloc(void *self, size_t bytes) {
    faulty *f = self;
    if (f->n_calls++ == f->fail_at) {
        return NULL;
    }
    void *block = rg_alloc(rg_mem_heap(), bytes);
    f->n_live += block != NULL;
    return block;
}

static inline void faulty_free(void *self, void *block) {
    ((faulty *)self)->n_live--;
    rg_free(rg_mem_heap(), block);
}
