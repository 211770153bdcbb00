/* Budgets of parsing and rendering, on both sides of each; and every allocation failing in turn. */
#include "template_test.h"

#include <pthread.h>
#include <stdlib.h>

/* `n` times `part`, between `before` and `after`; owned by the caller. */
static rg_str repeated(const char *before, const char *part, size_t n, const char *after) {
    const size_t step = strlen(part);
    char *text = malloc(strlen(before) + n * step + strlen(after) + 1);
    char *to = stpcpy(text, before);
    for (size_t i = 0; i < n; i++) {
        memcpy(to, part, step);
        to += step;
    }
    to = stpcpy(to, after);
    return (rg_str){text, (size_t)(to - text)};
}

static void expect_parse(rg_str source, rg_status status, const char *words) {
    outcome o = run_with(rg_mem_heap(), source, "{}", NULL);
    if (o.parse != status || (status != RG_OK && strstr(o.err.text, words) == NULL)) {
        fail_msg("%.40s...: %d '%s', wanted %d '%s'", source.data, (int)o.parse, o.err.text,
                 (int)status, words);
    }
    outcome_clear(&o);
    free((char *)source.data);
}

static void the_source_has_a_limit(void **state) {
    (void)state;
    expect_parse(repeated("", "a", RG_TEMPLATE_SOURCE_BYTES_MAX, ""), RG_OK, "");
    expect_parse(repeated("", "a", RG_TEMPLATE_SOURCE_BYTES_MAX + 1, ""), RG_E_LIMIT,
                 "1048577 bytes, limit 1048576");
    outcome o = run_with(rg_mem_heap(), (rg_str){"a\0b", 3}, "{}", NULL);
    assert_int_equal(o.parse, RG_E_FORMAT);
    assert_non_null(strstr(o.err.text, "zero byte at 1"));
    o = run_with(rg_mem_heap(), RG_STR("a\xFF"), "{}", NULL);
    assert_int_equal(o.parse, RG_E_FORMAT);
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    expect_parse(repeated("", "{% if a %}", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ ", "(", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ ", "[", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ ", "{1:", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ a", "[a", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ range", "(range", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ ", "-", 100000, "1 }}"), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{{ ", "1 if 1 else ", 50000, "1 }}"), RG_E_LIMIT,
                 "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("{% set ", "(", 100000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("", "{% for a in b %}", 60000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("", "{% macro a() %}", 60000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
    expect_parse(repeated("", "{% set a %}", 60000, ""), RG_E_LIMIT, "RG_TEMPLATE_NEST_MAX");
}

static void nesting_below_the_limit_is_fine(void **state) {
    (void)state;
    rg_str open = repeated("", "{% if true %}", RG_TEMPLATE_NEST_MAX, "x");
    rg_str all = repeated(open.data, "{% endif %}", RG_TEMPLATE_NEST_MAX, "");
    outcome o = run_with(rg_mem_heap(), all, "{}", NULL);
    assert_int_equal(o.parse, RG_OK);
    assert_true(rg_str_is(o.out.text, "x"));
    outcome_clear(&o);
    free((char *)open.data);
    free((char *)all.data);

    open = repeated("{{ ", "(", 100, "7");
    all = repeated(open.data, ")", 100, " }}");
    o = run_with(rg_mem_heap(), all, "{}", NULL);
    assert_int_equal(o.parse, RG_OK);
    assert_true(rg_str_is(o.out.text, "7"));
    outcome_clear(&o);
    free((char *)open.data);
    free((char *)all.data);

    // chains are no nesting
    expect_parse(repeated("{{ 1", " + 1", 20000, " }}"), RG_OK, "");
    expect_parse(repeated("{{ 1", " and not not 1", 20000, " }}"), RG_OK, "");
    expect_parse(repeated("{% if a %}", "{% elif b %}", 20000, "{% endif %}"), RG_OK, "");
    expect_parse(repeated("{{ a", " | string", 20000, " }}"), RG_OK, "");
}

static void expect_limit(const char *source, rg_template_limits limits, const char *words) {
    outcome o = run_with(rg_mem_heap(), rg_str_of(source), "{\"l\": [1, 2, 3]}", &limits);
    if (o.render != RG_E_LIMIT || o.out.failure != RG_TEMPLATE_LIMIT ||
        strstr(o.err.text, words) == NULL) {
        fail_msg("%s: %d %d '%s', wanted '%s'", source, (int)o.parse, (int)o.render, o.err.text,
                 words);
    }
    outcome_clear(&o);
}

static void steps_have_a_limit(void **state) {
    (void)state;
    const rg_template_limits few = {.steps = 100000};
    expect_limit("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                 few, "RG_TEMPLATE_STEPS_MAX");
    expect_limit("{% for a in l %}{{ l.append(a) or '' }}{% endfor %}", few,
                 "RG_TEMPLATE_STEPS_MAX");
    expect_limit("{% set x = 'ab' * 100000 %}{% for a in range(1000) %}{% set y = x | upper | "
                 "replace('a', 'bb') %}{% endfor %}",
                 few, "RG_TEMPLATE_STEPS_MAX");
    expect_limit("{{ range(1000000000) }}", (rg_template_limits){0}, "RG_TEMPLATE_RANGE_MAX");
    expect_limit("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                 (rg_template_limits){.time_ms = 1, .steps = UINT64_MAX / 2},
                 "RG_TEMPLATE_TIME_MS_MAX");
    outcome o = run("{% for a in range(100000) %}{% endfor %}ok", "{}");
    assert_true(rg_str_is(o.out.text, "ok"));
    outcome_clear(&o);
}

static void output_has_a_limit(void **state) {
    (void)state;
    const rg_template_limits ten = {.output_bytes = 10};
    expect_limit("{{ 'x' * 11 }}", ten,
                 "more than 10 bytes of output (RG_TEMPLATE_OUTPUT_BYTES_MAX)");
    expect_limit("12345678901", ten, "RG_TEMPLATE_OUTPUT_BYTES_MAX");
    outcome o = run_with(rg_mem_heap(), RG_STR("{{ 'x' * 10 }}"), "{}", &ten);
    assert_int_equal(o.render, RG_OK);
    outcome_clear(&o);
}

static void memory_has_a_limit(void **state) {
    (void)state;
    const rg_template_limits some = {.memory_bytes = 4 << 20};
    expect_limit("{{ 'x' * 1000000000 }}", some, "RG_TEMPLATE_MEMORY_BYTES_MAX");
    expect_limit("{{ [1] * 1000000000 }}", some, "RG_TEMPLATE_MEMORY_BYTES_MAX");
    expect_limit("{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a "
                 "%}{% endfor %}",
                 some, "RG_TEMPLATE_MEMORY_BYTES_MAX");
    expect_limit("{% set ns = namespace(a='x') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a "
                 "%}{% endfor %}",
                 some, "RG_TEMPLATE_MEMORY_BYTES_MAX");
    expect_limit("{{ '%1000000000d' % 5 }}", some, "RG_TEMPLATE_MEMORY_BYTES_MAX");
    expect_limit("{{ 'a'.center(1000000000) }}{{ 'a' | indent(1000000000, true) }}", some,
                 "RG_TEMPLATE_MEMORY_BYTES_MAX");
    outcome o = run_with(rg_mem_heap(), RG_STR("{{ ('x' * 100000) | length }}"), "{}", &some);
    assert_true(rg_str_is(o.out.text, "100000"));
    outcome_clear(&o);
}

static void depth_has_a_limit(void **state) {
    (void)state;
    const rg_template_limits none = {0};
    expect_limit("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", none, "RG_TEMPLATE_DEPTH_MAX");
    expect_limit("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
                 (rg_template_limits){.depth = 3}, "deeper than 3");
    outcome o = run_with(
        rg_mem_heap(),
        RG_STR("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(2) }}k"),
        "{}", &(rg_template_limits){.depth = 3});
    assert_true(rg_str_is(o.out.text, "k"));
    outcome_clear(&o);
    // values that hold each other, or themselves
    expect_limit("{% set ns = namespace(a=[]) %}{% for i in range(9999) %}{% set ns.a = [ns.a] "
                 "%}{% endfor %}{{ ns.a }}",
                 none, "values nested deeper than 200");
    expect_limit("{% set a = [] %}{{ a.append(a) }}{{ a | tojson }}", none,
                 "values nested deeper than 200");
    expect_limit("{% set a = [] %}{% set b = [a] %}{{ a.append(b) }}{{ a == b }}", none,
                 "values nested deeper than 200");
    // a list literal longer than the stack
    const rg_str wide = repeated("{{ [", "1,", RG_TEMPLATE_STACK_MAX + 1, "] | length }}");
    o = run_with(rg_mem_heap(), wide, "{}", NULL);
    assert_int_equal(o.render, RG_E_LIMIT);
    assert_non_null(strstr(o.err.text, "RG_TEMPLATE_STACK_MAX"));
    outcome_clear(&o);
    free((char *)wide.data);
}

static void *run_deep(void *arg) {
    (void)arg;
    rg_str open = repeated("{{ ", "[(", 50, "1");
    const rg_str all = repeated(open.data, ")]", 50, " }}");
    outcome o = run_with(rg_mem_heap(), all, "{}", NULL);
    bool is_fine = o.render == RG_OK;
    outcome_clear(&o);
    free((char *)open.data);
    free((char *)all.data);

    // as deep as the parser goes, then one too many
    open = repeated("", "{% macro m(a) %}{% for x in y %}", 60, "{{ ");
    const rg_str deep = repeated(open.data, "a[not -1 if 1 else (", RG_TEMPLATE_NEST_MAX / 2, "(");
    o = run_with(rg_mem_heap(), deep, "{}", NULL);
    is_fine = is_fine && o.parse == RG_E_LIMIT;
    outcome_clear(&o);
    free((char *)open.data);
    free((char *)deep.data);
    o = run("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(200) }}"
            "{% set ns = namespace(a=[]) %}{% for i in range(190) %}{% set ns.a = [ns.a] %}{% "
            "endfor %}{{ ns.a | tojson }}"
            "{{ ns.a }}{{ ns.a == [ns.a] }}",
            "{}");
    const bool is_deep = o.render == RG_OK;
    outcome_clear(&o);
    return is_fine && is_deep ? arg : NULL;
}

static void a_thread_of_one_mebibyte_is_enough(void **state) {
    (void)state;
    pthread_attr_t attr;
    pthread_t thread;
    void *result = NULL;
    int token = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    assert_int_equal(pthread_create(&thread, &attr, run_deep, &token), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    pthread_attr_destroy(&attr);
    assert_ptr_equal(result, &token);
}

static const char torture[] = "{% macro m(a, b='x') %}{{ a }}{{ b | upper }}{% endmacro %}{% set "
                              "ns = namespace(t='', l=[]) %}"
                              "{% for x in l if x > 1 %}{{ m(x) }}{% set ns.t = ns.t ~ s ~ "
                              "loop.index %}{% set _ = ns.l.append({'k': x}) %}{% endfor %}"
                              "{% for k, v in d.items() %}{{ k }}{{ v | tojson(indent=2) }}{% "
                              "endfor %}{{ ns.t | replace('a', 'bb') }}"
                              "{{ l | sort | join(',') }}{{ (s ~ 'é')[::-1] }}{{ ns.l | "
                              "map(attribute='k') | list }}{{ s.split('l') }}{{ '%5s' % s }}"
                              "{% call(q) m(1) %}{{ q }}{% endcall %}{% filter trim %} a {% "
                              "endfilter %}{{ l | groupby('real') if false }}{{ s * 3000 }}";

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char *const context =
        "{\"l\": [3, 1, 2], \"s\": \"Hello\", \"d\": {\"a\": [1, \"b\"], \"c\": {\"e\": 5}}}";
    bool is_done = false;
    size_t fail_at = 0;
    for (; !is_done; fail_at++) {
        faulty f = {.mem = {faulty_alloc, faulty_free, &f}, .fail_at = fail_at};
        outcome o = run_with(&f.mem, rg_str_of(torture), context, NULL);
        const rg_status status = o.parse != RG_OK ? o.parse : o.render;
        is_done = f.n_calls <= fail_at;
        if (status != (is_done ? RG_OK : RG_E_MEMORY)) {
            fail_msg("allocation %zu: %d %s", fail_at, (int)status, o.err.text);
        }
        outcome_clear(&o);
        assert_int_equal(f.n_live, 0);
    }
    assert_true(fail_at > 30);
}

static void a_long_conversation_takes_little_memory(void **state) {
    (void)state;
    // appending to one text is linear: 20000 pieces of 100 bytes within 64 MiB
    const rg_template_limits some = {.memory_bytes = 64 << 20};
    outcome o = run_with(rg_mem_heap(),
                         RG_STR("{% set ns = namespace(t='') %}{% for i in range(20000) %}"
                                "{% set ns.t = ns.t ~ s * 10 %}{% endfor %}{{ ns.t | length }}"),
                         "{\"s\": \"0123456789\"}", &some);
    assert_int_equal(o.render, RG_OK);
    assert_true(rg_str_is(o.out.text, "2000000"));
    outcome_clear(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_source_has_a_limit),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(nesting_below_the_limit_is_fine),
        cmocka_unit_test(steps_have_a_limit),
        cmocka_unit_test(output_has_a_limit),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(a_thread_of_one_mebibyte_is_enough),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_long_conversation_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
