/* What a template means: syntax, scopes, loops, macros, methods, failures. */
#include "template_test.h"

static const char *const ctx =
    "{\"s\": \"Hello, World\", \"n\": 7, \"f\": 2.5, \"l\": [3, 1, 2], \"z\": null, \"t\": true,"
    " \"d\": {\"b\": 1, \"a\": 2, \"items\": 3}, \"u\": \"h\\u00e9 \\u4f60\", \"big\": "
    "12345678901234567890}";

static void white_space_is_trimmed_as_jinja_does(void **state) {
    (void)state;
    EXPECT("a\n", "{}", "a");
    EXPECT("a\n\n", "{}", "a\n");
    EXPECT("a\r\nb\rc\r\n", "{}", "a\nb\nc");
    EXPECT("{% if true %}\nx\n  {% endif %}\ny", "{}", "x\ny");
    EXPECT("{% if true +%}\nx{%+ endif %}", "{}", "\nx");
    EXPECT("  {%+ if true %}x{% endif %}", "{}", "  x");
    EXPECT("a {#- c -#} b {# d #}\nc", "{}", "ab c");
    EXPECT("{{ 1 }}\n{{ 2 }}", "{}", "1\n2");
    EXPECT("a \xE2\x80\x83{{- 1 -}}\xC2\xA0 b", "{}", "a1b");
    EXPECT("{% raw %}\n{{ x }}{% y %}{% endraw %}\nz", "{}", "\n{{ x }}{% y %}z");
    EXPECT("{%- raw -%} {{ {%- endraw -%} z", "{}", "{{z");
}

static void scopes_are_those_of_jinja(void **state) {
    (void)state;
    EXPECT("{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", ctx,
           "1311121");
    EXPECT("{% if t %}{% set y = 5 %}{% endif %}{{ y }}", ctx, "5");
    EXPECT("{% with a = 1, b = n %}{{ a }}{{ b }}{% set a = 2 %}{% endwith %}{{ a is defined }}",
           ctx, "17False");
    EXPECT(
        "{% macro m() %}{{ x }}{% set x = 9 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}",
        ctx, "191");
    EXPECT("{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}{{ b is defined }}", ctx, "1False");
    EXPECT("{% set a | upper | replace('X', n) %}x{% endset %}{{ a }}", ctx, "7");
    EXPECT("{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", ctx, "312");
    EXPECT("{% set (a, b), c = (1, 2), 3 %}{{ a }}{{ b }}{{ c }}", ctx, "123");
    EXPECT("{% set ns = namespace({'a': 1}, b=2) %}{% set ns.c = ns.a + ns.b %}{{ ns.c }}", ctx,
           "3");
}

static void loops_do_what_jinja_loops_do(void **state) {
    (void)state;
    EXPECT("{% for x in l if x > 1 %}{{ loop.index }}{{ loop.length }}{{ x }} {% else %}no{% "
           "endfor %}",
           ctx, "123 222 ");
    EXPECT("{% set ns = namespace(go=true) %}{% for x in l if ns.go %}{{ x }}{% set ns.go = x != 1 "
           "%}{% endfor %}",
           ctx, "31");
    EXPECT("{% for x in [] %}x{% else %}e{% endfor %}", ctx, "e");
    EXPECT("{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}e{% endfor %}",
           ctx, "3");
    // jinja2 runs else when no round came to its end
    EXPECT("{% for x in l %}{% break %}{% else %}e{% endfor %}", ctx, "e");
    EXPECT("{% for x in l %}{% set y %}a{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endset "
           "%}{{ y }}{% endfor %}",
           ctx, "a3a2");
    EXPECT("{% for x in l %}{% with q = x %}{% if q == 1 %}{% break %}{% endif %}{{ q }}{% endwith "
           "%}{% endfor %}{{ q }}",
           ctx, "3");
    EXPECT("{% for k, v in d | dictsort %}{{ k }}{{ v }}{% endfor %}", ctx, "a2b1items3");
    EXPECT("{% for x in l %}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{% endfor %}", ctx,
           "TrueFalse3FalseFalse2FalseTrue1");
    EXPECT("{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else "
           "%}{{ x }}"
           "{{ loop.depth }}{% endif %}{% endfor %}",
           ctx, "11<22<33>>");
    EXPECT("{% for x in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }} {% endfor %}",
           ctx, "aTrue bFalse aTrue ");
    EXPECT("{% for c in u %}{{ c }}.{% endfor %}", ctx, "h.é. .你.");
    EXPECT("{% for x in range(3) if x % 2 == 0 %}{{ x }}{% endfor %}", ctx, "02");
}

static void macros_take_arguments_as_jinja_macros(void **state) {
    (void)state;
    EXPECT("{% macro m(a, b=a ~ 'x', c='d') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ "
           "m(1, 2, c=3) }}"
           "{{ m(c=1, a=2) }}",
           ctx, "11xd;123;22x1;");
    EXPECT("{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}", ctx,
           "(1,){'x': 2}");
    EXPECT("{% macro m(a) %}[{{ caller(a) }}]{% endmacro %}{% call(x) m(4) %}{{ x }}{{ n }}{% "
           "endcall %}",
           ctx, "[47]");
    EXPECT("{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'b': 3, 'a': "
           "4}) }}",
           ctx, "1243");
    EXPECT_FAILURE("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", ctx, RG_TEMPLATE_TYPE,
                   "not more than 1");
    EXPECT_FAILURE("{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", ctx, RG_TEMPLATE_TYPE, "'b'");
}

static void numbers_print_as_in_python(void **state) {
    (void)state;
    EXPECT("{{ 1e16 }} {{ 1e15 }} {{ 123456789.125 }} {{ 1e-4 }} {{ 1e-5 }} {{ -0.0 }} {{ 1e308 * "
           "10 }}",
           "{}", "1e+16 1000000000000000.0 123456789.125 0.0001 1e-05 -0.0 inf");
    EXPECT("{{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 0.1 + 0.2 }} {{ 2 / 3 }}", "{}",
           "5e-324 1.7976931348623157e+308 0.30000000000000004 0.6666666666666666");
    EXPECT("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** -1 }} "
           "{{ -2 ** 2 }}",
           "{}", "-4 2 -2 -4.0 0.5 0.5 4");
    EXPECT("{{ big }} {{ big > n }} {{ -big }} {{ big == big }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} "
           "{{ 1_000 }}",
           ctx, "12345678901234567890 True -12345678901234567890 True 31 5 15 1000");
    EXPECT("{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 7 | round }} {{ 15 | "
           "round(-1) }}"
           " {{ 2.1 | round(0, 'ceil') }}",
           "{}", "2.0 4.0 2.67 7 20 3.0");
    EXPECT("{{ '%05.1f|%-4d|%x|%s|%r|%%' % (2.55, 7, 255, 'a', 'b') }}", "{}",
           "002.5|7   |ff|a|'b'|%");
    EXPECT_FAILURE("{{ 9223372036854775807 + 1 }}", "{}", RG_TEMPLATE_LIMIT, "64 bits");
    EXPECT_FAILURE("{{ 1 // 0 }}", "{}", RG_TEMPLATE_TYPE, "division by zero");
}

static void texts_print_as_in_python(void **state) {
    (void)state;
    EXPECT("{{ ['a\\'b', 'a\"b', 'a\\'\"', '\\n\\\\', '\\x00', '\\u200b', u] }}", ctx,
           "[\"a'b\", 'a\"b', 'a\\'\"', '\\n\\\\', '\\x00', '\\u200b', 'hé 你']");
    EXPECT("{{ u | tojson(ensure_ascii=true) }}{{ '\\x7f\\u2028<&\\b' | tojson }}", ctx,
           "\"h\\u00e9 \\u4f60\"\"\x7f\xE2\x80\xA8<&\\b\"");
    EXPECT("{{ 'straße' | upper }}{{ 'ΑΣ' | lower }}{{ 'iİ' | lower }}{{ \"it's a\" | title }}{{ "
           "\"it's a\".title() }}",
           ctx, "STRASSEαςii̇It's AIt'S A");
    EXPECT("{{ {'a': [1, {}], 1: none, none: true} | tojson(indent=1) }}", ctx,
           "{\n \"a\": [\n  1,\n  {}\n ],\n \"1\": null,\n \"null\": true\n}");
    EXPECT("{{ (1,) }}{{ () }}{{ range(2) }}{{ d.keys() }}{{ namespace(a=1) }}", ctx,
           "(1,)()range(0, 2)dict_keys(['b', 'a', 'items'])<Namespace {'a': 1}>");
}

static void methods_come_before_members(void **state) {
    (void)state;
    EXPECT("{% for k, v in d.items() %}{{ k }}{% endfor %}{{ d['items'] }}{{ d.b }}", ctx,
           "baitems31");
    EXPECT("{{ s.foo is defined }}{{ s.upper is defined }}{{ d.nope is defined }}{{ d['get'] is "
           "defined }}",
           ctx, "FalseTrueFalseTrue");
    EXPECT("{{ l.append(9) }}{{ l.pop(0) }}{{ l }}{{ l.index(2) }}{{ l.insert(0, 5) }}{{ l }}", ctx,
           "None3[1, 2, 9]1None[5, 1, 2, 9]");
    EXPECT("{{ d.pop('a') }}{{ d.update({'q': 1}, r=2) }}{{ d }}{{ d.setdefault('b', 7) }}", ctx,
           "2None{'b': 1, 'items': 3, 'q': 1, 'r': 2}1");
    EXPECT("{{ 'a,b,c'.rsplit(',', 1) }}{{ ' a b '.rsplit() }}{{ 'aXbX'.rpartition('X') }}{{ "
           "'abc'.rfind('c') }}",
           ctx, "['a,b', 'c']['a', 'b']('aXb', 'X', '')2");
    EXPECT("{{ 'a\\r\\nb\\u2028c\\n'.splitlines() }}{{ 'é你'.find('你') }}{{ 'ab'.center(5, '*') "
           "}}{{ '-5'.zfill(4) }}",
           ctx, "['a', 'b', 'c']1**ab*-005");
    EXPECT("{{ 'aaa'.replace('a', 'b', 2) }}{{ 'ab'.replace('', '-') }}{{ 'xx'.count('x') }}{{ "
           "'-'.join(['a', 'b']) }}",
           ctx, "bba-a-b-2a-b");
}

static void operators_bind_as_in_jinja(void **state) {
    (void)state;
    EXPECT("{{ -5 | abs }}{{ '2' + 3 ~ 4 * 5 }}{{ not 1 == 2 }}{{ 1 if 0 else 2 if 0 else 3 }}",
           "{}",
           "5"
           "2320"
           "True"
           "3");
    EXPECT("{{ 1 < 2 < 3 }}{{ 3 > 2 > 2 }}{{ 1 in [1] in [[1]] }}{{ 'a' not in 'b' }}", "{}",
           "TrueFalseTrueTrue");
    EXPECT("{{ 'x' if n is defined and n is not none else 'y' }}{{ n is divisibleby 7 }}{{ n is in "
           "[7] }}",
           ctx, "xTrueTrue");
    EXPECT("{{ [1, 2,] | length }}{{ {'a': 1,}.a }}{{ l[-1] }}{{ l[1:][0] }}{{ 'abc'[::-1] }}{{ "
           "l.0 }}",
           ctx, "2121cba3");
    EXPECT("{{ 1, 2 }}{{ (1) }}{{ 'a' 'b' }}{{ true and 'x' or 'y' }}{{ 'é'|length }}", ctx,
           "(1, 2)1abx1");
    EXPECT("{{ {'}}': '%}'}['}}'] }}", "{}", "%}");
}

static void filters_do_what_jinja_filters_do(void **state) {
    (void)state;
    EXPECT("{{ 'a b/c' | urlencode }}{{ {'k l': 'm/n'} | urlencode }}{{ [] | urlencode }}", "{}",
           "a%20b/ck+l=m%2Fn");
    EXPECT("{{ [none, none] | sort }}{{ ['b', 'A'] | sort }}{{ ['b', 'A'] | "
           "sort(case_sensitive=true) }}",
           "{}", "[None, None]['A', 'b']['A', 'b']");
    EXPECT(
        "{{ none | map('upper') | list }}{{ 0 | select | list }}{{ [1, none, 2] | select | list }}",
        "{}", "[][][1, 2]");
    EXPECT("{{ 'foo bar baz qux' | truncate(9) }}|{{ 'foo bar baz qux' | truncate(9, true) }}|"
           "{{ 'foo bar' | truncate(5, leeway=2) }}",
           "{}", "foo...|foo ba...|foo bar");
    EXPECT("{{ range(5) | batch(2, 0) | list }}{{ range(5) | slice(2) | list }}{{ [3, 1] | min }}"
           "{{ 'aB' | max }}{{ [1, 2] | sum(start=3) }}",
           "{}", "[[0, 1], [2, 3], [4, 0]][[0, 1, 2], [3, 4]]1B6");
    EXPECT("{{ 'x'.split() | first }}{{ [] | first is defined }}{{ {'b': 1, 'a': 2} | "
           "dictsort(by='value') }}"
           "{{ '{\"a\": [1.50, null]}' | from_json }}",
           "{}", "xFalse[('b', 1), ('a', 2)]{'a': [1.5, None]}");
    EXPECT_FAILURE("{{ 5 | indent }}", "{}", RG_TEMPLATE_TYPE, "indent() of int");
    EXPECT_FAILURE("{{ '{' | from_json }}", "{}", RG_TEMPLATE_TYPE, "from_json()");
    EXPECT_FAILURE("{{ 1 | upper(2) }}", "{}", RG_TEMPLATE_TYPE, "upper() takes 0 arguments");
    EXPECT_FAILURE("{{ 1 | indent(size=2) }}", "{}", RG_TEMPLATE_TYPE, "'size'");
}

static void failures_say_what_and_where(void **state) {
    (void)state;
    EXPECT_FAILURE("a\n{{ missing.x }}", ctx, RG_TEMPLATE_UNDEFINED,
                   "line 2: 'missing' is undefined");
    EXPECT_FAILURE("{{ d.nope.deep }}", ctx, RG_TEMPLATE_UNDEFINED,
                   "'dict object' has no attribute 'nope'");
    EXPECT_FAILURE("{{ l[9].x }}", ctx, RG_TEMPLATE_UNDEFINED, "list object has no element 9");
    EXPECT_FAILURE("{{ missing + 1 }}", ctx, RG_TEMPLATE_UNDEFINED, "'missing'");
    EXPECT_FAILURE("{{ 'a' + 1 }}", ctx, RG_TEMPLATE_TYPE,
                   "can only concatenate str (not \"int\") to str");
    EXPECT_FAILURE("{{ l | map('upper') | tojson }}", ctx, RG_TEMPLATE_TYPE,
                   "generator is not JSON serializable");
    EXPECT_FAILURE("{{ {[]: 1} }}", ctx, RG_TEMPLATE_TYPE, "unhashable");
    EXPECT_FAILURE("{% for a, b in [[1]] %}{% endfor %}", ctx, RG_TEMPLATE_TYPE, "unpack");
    EXPECT_FAILURE("{% set s.x = 1 %}", ctx, RG_TEMPLATE_TYPE, "non-namespace");
    EXPECT_FAILURE("{{ [1, 'a'] | sort }}", ctx, RG_TEMPLATE_TYPE, "'<' not supported");
    EXPECT_FAILURE("{% set n = 1 %}{{ n() }}", ctx, RG_TEMPLATE_TYPE,
                   "'int' object is not callable");
}

static void a_template_can_refuse_with_its_own_text(void **state) {
    (void)state;
    outcome o = run(
        "{{ 'a' }}{{ raise_exception('Conversation roles must alternate: ' ~ n ~ '\\n') }}", ctx);
    assert_int_equal(o.render, RG_E_ARG);
    assert_int_equal(o.out.failure, RG_TEMPLATE_RAISED);
    assert_true(rg_str_is(o.out.raised, "Conversation roles must alternate: 7\n"));
    assert_int_equal(o.out.text.size, 0);
    outcome_clear(&o);

    // also a text longer than any error sentence
    o = run("{{ raise_exception('x' * 5000) }}", ctx);
    assert_int_equal(o.out.raised.size, 5000);
    outcome_clear(&o);
}

static void unknown_names_are_found_when_loading(void **state) {
    (void)state;
    EXPECT_REFUSED("a\nb{% if false %}{{ x | nosuch }}{% endif %}", RG_E_FORMAT,
                   "line 2: no filter named 'nosuch'");
    EXPECT_REFUSED("{{ x is\n\nnosuch }}", RG_E_FORMAT, "no test named 'nosuch'");
    EXPECT_REFUSED("\n{{ lipsum() }}", RG_E_FORMAT, "line 2: no function named 'lipsum'");
    EXPECT_REFUSED("{% include 'x' %}", RG_E_UNSUPPORTED, "'include'");
    EXPECT_REFUSED("{% nosuch %}", RG_E_FORMAT, "'nosuch'");
    // a guarded function that does not exist is fine
    EXPECT("{% if lipsum is defined %}{{ lipsum() }}{% endif %}ok", ctx, "ok");
}

static void broken_templates_are_refused(void **state) {
    (void)state;
    static const char *const broken[] = {
        "{% if a %}",
        "{% for x in y %}{% endif %}",
        "{{ a",
        "{{ a }",
        "{% set %}",
        "{% endif %}",
        "{# a",
        "{% raw %}",
        "{{ 'a }}",
        "{{ (a }}",
        "{{ a) }}",
        "{{ }}",
        "{{ a b }}",
        "{{ a. }}",
        "{{ a | }}",
        "{{ a[ }}",
        "{{ {1} }}",
        "{% break %}",
        "{% for in x %}{% endfor %}",
        "{% macro m( %}{% endmacro %}",
        "{{ 'a\\xZ' }}",
        "{% set true = 1 %}",
        "{{ f(a=1, 2) }}",
        "{{ a ! b }}",
        "{% if a %}{% else %}{% elif b %}{% endif %}",
        "{% call x %}{% endcall %}",
        "{{ 1 +",
        "{%",
        "{{ a is b is c }}",
        "{{ a if }}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        outcome o = run(broken[i], "{}");
        if (o.parse != RG_E_FORMAT || strstr(o.err.text, "line") == NULL) {
            fail_msg("%s: %d %s", broken[i], (int)o.parse, o.err.text);
        }
        outcome_clear(&o);
    }
}

static void there_are_no_objects_to_walk_into(void **state) {
    (void)state;
    EXPECT("{{ s.__class__ is defined }}{{ ''.__class__ }}{{ d.__init__ }}{{ l['__len__'] }}", ctx,
           "False");
    EXPECT_FAILURE("{{ s.__class__.__mro__ }}", ctx, RG_TEMPLATE_UNDEFINED, "__class__");
    EXPECT_FAILURE("{{ cycler.__init__ }}", ctx, RG_TEMPLATE_UNDEFINED, "cycler");
    EXPECT("{{ namespace.__globals__ }}{{ range.x }}", ctx, "");
}

static void content_is_never_a_template(void **state) {
    (void)state;
    EXPECT("{{ a }}{{ a | upper }}{% set b %}{{ a }}{% endset %}{{ b }}",
           "{\"a\": \"{{ 7 * 7 }}{% if %}\"}",
           "{{ 7 * 7 }}{% if %}{{ 7 * 7 }}{% IF %}{{ 7 * 7 }}{% if %}");
}

static void the_clock_can_be_fixed(void **state) {
    (void)state;
    rg_template_clock clock = {0};
    EXPECT("{{ strftime_now('%d %b %Y %H:%M:%S %A %j') }}", "{}",
           "15 Jan 2026 09:05:07 Thursday 015");
    assert_int_equal(rg_template_clock_parse(RG_STR("2026-01-15T09:05:07Z"), &clock, NULL), RG_OK);
    assert_int_equal(clock.unix_s, 1768467907);
    assert_int_equal(rg_template_clock_parse(RG_STR("2026-01-15 09:05:07"), &clock, NULL),
                     RG_E_ARG);
    assert_int_equal(rg_template_clock_parse(RG_STR("2026-13-15T09:05:07Z"), &clock, NULL),
                     RG_E_ARG);
}

static void a_template_tells_what_it_reads(void **state) {
    (void)state;
    rg_template *tmpl = NULL;
    assert_int_equal(
        rg_template_new(rg_mem_heap(), RG_STR("{% if enable_thinking %}{% endif %}"), &tmpl, NULL),
        RG_OK);
    assert_true(rg_template_reads(tmpl, "enable_thinking"));
    assert_false(rg_template_reads(tmpl, "tools"));
    rg_template_free(tmpl);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_trimmed_as_jinja_does),
        cmocka_unit_test(scopes_are_those_of_jinja),
        cmocka_unit_test(loops_do_what_jinja_loops_do),
        cmocka_unit_test(macros_take_arguments_as_jinja_macros),
        cmocka_unit_test(numbers_print_as_in_python),
        cmocka_unit_test(texts_print_as_in_python),
        cmocka_unit_test(methods_come_before_members),
        cmocka_unit_test(operators_bind_as_in_jinja),
        cmocka_unit_test(filters_do_what_jinja_filters_do),
        cmocka_unit_test(failures_say_what_and_where),
        cmocka_unit_test(a_template_can_refuse_with_its_own_text),
        cmocka_unit_test(unknown_names_are_found_when_loading),
        cmocka_unit_test(broken_templates_are_refused),
        cmocka_unit_test(there_are_no_objects_to_walk_into),
        cmocka_unit_test(content_is_never_a_template),
        cmocka_unit_test(the_clock_can_be_fixed),
        cmocka_unit_test(a_template_tells_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
