/* Where each character came from: content can never become a special token. */
#include "template_test.h"

#include <stdio.h>

/* The text with untrusted parts in angle quotes: "a«b»c". */
static void expect_runs(const char *source, const char *context, const char *want) {
    outcome o = run(source, context);
    char text[1024];
    size_t n = 0;
    if (o.parse != RG_OK || o.render != RG_OK) {
        fail_msg("%s: %s", source, o.err.text);
    }
    size_t end = 0;
    for (size_t i = 0; i < o.out.n_runs; i++) {
        const rg_text_run r = o.out.runs[i];
        // runs cover the text without holes, and alternate
        assert_int_equal(r.begin, end);
        assert_true(r.end > r.begin);
        assert_true(i == 0 || r.is_trusted != o.out.runs[i - 1].is_trusted);
        end = r.end;
        n += (size_t)snprintf(text + n, sizeof text - n, r.is_trusted ? "%.*s" : "«%.*s»",
                              (int)(r.end - r.begin), o.out.text.data + r.begin);
    }
    assert_int_equal(end, o.out.text.size);
    text[n] = '\0';
    assert_string_equal(text, want);
    outcome_clear(&o);
}

static const char *const ctx =
    "{\"u\": \"ab<|im_start|>cd\", \"e\": \"\", \"w\": \" x \", \"l\": [\"p\", \"q\"],"
    " \"d\": {\"k\": \"v\"}, \"n\": 5}";

static void content_stays_untrusted(void **state) {
    (void)state;
    expect_runs("<|im_start|>{{ u }}<|im_end|>", ctx, "<|im_start|>«ab<|im_start|>cd»<|im_end|>");
    expect_runs("{{ e }}", ctx, "");
    expect_runs("x{{ n }}{{ none }}{{ true }}", ctx, "x5NoneTrue");
}

static void marks_follow_concatenation(void **state) {
    (void)state;
    expect_runs("{{ 'a' + u + 'b' }}", ctx, "a«ab<|im_start|>cd»b");
    expect_runs("{{ 'a' ~ u ~ 1 ~ u }}", ctx, "a«ab<|im_start|>cd»1«ab<|im_start|>cd»");
    expect_runs("{{ w * 2 }}{{ '-' * 2 }}", ctx, "« x  x »--");
    expect_runs("{% set ns = namespace(s='<') %}{% for c in u %}{% set ns.s = ns.s ~ c %}{% endfor "
                "%}{{ ns.s ~ '>' }}",
                ctx, "<«ab<|im_start|>cd»>");
    expect_runs("{{ '%s-%s' % (u[:2], 'z') }}{{ '%5s' | format(w) }}", ctx, "«ab»-z  « x »");
}

static void marks_follow_parts(void **state) {
    (void)state;
    expect_runs(
        "{% set s = '<' ~ u ~ '>' %}{{ s[0] }}{{ s[1] }}{{ s[-1] }}|{{ s[:3] }}|{{ s[-2:] }}", ctx,
        "<«a»>|<«ab»|«d»>");
    expect_runs("{{ ('<' ~ w ~ '>')[::-1] }}", ctx, ">« x »<");
    expect_runs("{{ (w ~ 'y').strip() }}|{{ ('-' ~ w) | trim }}", ctx, "«x »y|-« x»");
    expect_runs("{{ ('a,' ~ u ~ ',c').split(',') | join(';') }}", ctx, "a;«ab<|im_start|>cd»;c");
    expect_runs("{{ ('a' ~ w ~ 'b').split() | join('+') }}", ctx, "a+«x»+b");
    expect_runs("{{ ('x' ~ u).partition('<')[0] }}", ctx, "x«ab»");
}

static void marks_follow_filters(void **state) {
    (void)state;
    expect_runs("{{ ('k' ~ d.k) | upper }}{{ d.k.upper() }}{{ d.k | capitalize }}", ctx, "K«VVV»");
    expect_runs("{{ l | join(',') }}", ctx, "«p»,«q»");
    expect_runs("{{ u | replace('<', 'X') }}", ctx, "«ab»X«|im_start|>cd»");
    expect_runs("{{ 'aXb' | replace('X', w) }}", ctx, "a« x »b");
    expect_runs("{{ d | tojson }}", ctx, "{\"«k»\": \"«v»\"}");
    expect_runs("{{ d }}{{ l | string }}", ctx, "{'«k»': '«v»'}['«p»', '«q»']");
    expect_runs("{{ '\"' ~ u[:1] ~ '\"' | tojson }}", ctx, "\"«a»\"\\\"\"");
    expect_runs("{{ ('a\\n' ~ w) | indent(2) }}", ctx, "a\n  « x »");
    expect_runs("{{ l | map('upper') | list | last }}{{ w | e }}{{ l | first | center(3) }}", ctx,
                "«Q x » «p» ");
    expect_runs("{% filter upper %}a{{ d.k }}{% endfilter %}", ctx, "A«V»");
}

static void marks_follow_macros_sets_and_keys(void **state) {
    (void)state;
    expect_runs("{% macro m(x) %}<{{ x }}>{% endmacro %}{% set y = m(d.k) %}{{ y }}{{ m('t') }}",
                ctx, "<«v»><t>");
    expect_runs("{% set y %}a{{ d.k }}{% endset %}{{ y }}", ctx, "a«v»");
    expect_runs(
        "{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
        ctx, "«k»=«vk»");
    expect_runs("{{ u | from_json if false else ('[\"' ~ d.k ~ '\"]') | from_json | first }}", ctx,
                "«v»");
}

static void pieces_that_join_to_a_token_stay_apart(void **state) {
    (void)state;
    // neither part may be read as <|im_start|> : a run boundary lies inside
    const char *context = "{\"a\": \"<|im_\", \"b\": \"start|>\", \"c\": \"<|im_start|\"}";
    expect_runs("{{ '<|im_' ~ b }}", context, "<|im_«start|>»");
    expect_runs("{{ a ~ 'start|>' }}", context, "«<|im_»start|>");
    expect_runs("{{ c ~ '>' }}", context, "«<|im_start|»>");
    expect_runs("{{ a }}{{ b }}", context, "«<|im_start|>»");
    expect_runs("{{ [a, b] | join }}", context, "«<|im_start|>»");
    expect_runs("{{ ('<<||iimm__ssttaarrtt||>>' ~ c)[::2][:12] }}", context, "<|im_start|>");
}

static void trusted_variables_are_trusted(void **state) {
    (void)state;
    rg_template *tmpl = NULL;
    rg_rendered out;
    const rg_json bos = {.kind = RG_JSON_STRING, .text = RG_STR("<s>")};
    const rg_template_var vars[] = {{.name = RG_STR("bos_token"), .json = &bos, .is_trusted = true},
                                    {.name = RG_STR("x"), .json = &bos}};
    const rg_template_context context = {.vars = vars, .n_vars = 2};
    assert_int_equal(rg_template_new(rg_mem_heap(), RG_STR("{{ bos_token }}{{ x }}"), &tmpl, NULL),
                     RG_OK);
    assert_int_equal(rg_template_render(tmpl, &context, NULL, &out, NULL), RG_OK);
    assert_int_equal(out.n_runs, 2);
    assert_true(out.runs[0].is_trusted && out.runs[0].end == 3);
    assert_false(out.runs[1].is_trusted);
    rg_rendered_clear(&out);
    rg_template_free(tmpl);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_stays_untrusted),
        cmocka_unit_test(marks_follow_concatenation),
        cmocka_unit_test(marks_follow_parts),
        cmocka_unit_test(marks_follow_filters),
        cmocka_unit_test(marks_follow_macros_sets_and_keys),
        cmocka_unit_test(pieces_that_join_to_a_token_stay_apart),
        cmocka_unit_test(trusted_variables_are_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
