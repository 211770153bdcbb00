/* A model's chat format: which template is used, with which variables. */
#include "chat/chat_format.h"
#include "chat/template_line.h"

#include "template_test.h"

static rg_arena arena;

static const rg_json *parse(const char *text) {
    const rg_json *json = NULL;
    rg_error err = {0};
    if (rg_json_parse(&arena, rg_str_of(text), &json, &err) != RG_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return json;
}

static int set_up(void **state) {
    (void)state;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    rg_arena_clear(&arena);
    return 0;
}

static rg_chat_format *open_format(const rg_chat_model *model) {
    rg_chat_format *format = NULL;
    rg_error err = {0};
    assert_int_equal(rg_chat_format_new(rg_mem_heap(), model, &format, &err), RG_OK);
    return format;
}

static void expect(const rg_chat_format *format, rg_chat_request request, const char *want) {
    rg_rendered out;
    rg_error err = {0};
    if (rg_chat_format_render(format, &request, &out, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(out.text.data, want);
    rg_rendered_clear(&out);
}

static void a_model_without_a_template_gets_chatml(void **state) {
    (void)state;
    rg_chat_format *format = open_format(&(rg_chat_model){0});
    assert_non_null(strstr(rg_chat_format_warning(format), "ChatML"));
    expect(format,
           (rg_chat_request){
               .messages =
                   parse("[{\"role\": \"user\", \"content\": \"hi\\n\"}, {\"role\": \"assistant\","
                         " \"content\": [{\"type\": \"text\", \"text\": \"yo\"}]}]"),
               .add_generation_prompt = true},
           "<|im_start|>user\nhi\n<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n<|im_start|>"
           "assistant\n");
    rg_chat_format_free(format);
}

static void roles_and_content_are_untrusted_tokens_are_not(void **state) {
    (void)state;
    const rg_chat_source source = {
        .text = RG_STR("{{ bos_token }}{{ messages[0].role }}{{ x }}{{ eos_token }}")};
    rg_chat_format *format = open_format(&(rg_chat_model){
        .sources = &source, .n_sources = 1, .bos = RG_STR("<s>"), .eos = RG_STR("</s>")});
    const rg_chat_request request = {.messages = parse("[{\"role\": \"<s>\"}]"),
                                     .kwargs = parse("{\"x\": \"</s>\"}")};
    rg_rendered out;
    assert_null(rg_chat_format_warning(format));
    assert_int_equal(rg_chat_format_render(format, &request, &out, NULL), RG_OK);
    assert_string_equal(out.text.data, "<s><s></s></s>");
    assert_int_equal(out.n_runs, 3);
    assert_true(out.runs[0].is_trusted && out.runs[0].end == 3);
    assert_true(!out.runs[1].is_trusted && out.runs[1].end == 10);
    assert_true(out.runs[2].is_trusted);
    rg_rendered_clear(&out);
    rg_chat_format_free(format);
}

static void the_config_may_hold_one_template_or_several(void **state) {
    (void)state;
    rg_chat_format *format = open_format(&(rg_chat_model){
        .config = parse(
            "{\"chat_template\": \"{{ bos_token }}!{{ eos_token }}{{ unk_token is defined }}\","
            " \"bos_token\": {\"content\": \"B\"}, \"eos_token\": \"E\"}")});
    expect(format, (rg_chat_request){.messages = parse("[]")}, "B!EFalse");
    rg_chat_format_free(format);

    format = open_format(&(rg_chat_model){
        .config = parse(
            "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain{{ documents }}\"},"
            " {\"name\": \"tool_use\", \"template\": \"tools {{ tools | length }}\"}]}")});
    expect(format, (rg_chat_request){.messages = parse("[]")}, "plainNone");
    expect(format, (rg_chat_request){.messages = parse("[]"), .tools = parse("[1, 2]")}, "tools 2");
    assert_true(rg_chat_format_reads(format, true, "tools"));
    assert_false(rg_chat_format_reads(format, false, "tools"));
    rg_chat_format_free(format);
}

static void sources_come_before_the_config(void **state) {
    (void)state;
    const rg_chat_source source = {.name = RG_STR("default"), .text = RG_STR("mine")};
    rg_chat_format *format = open_format(&(rg_chat_model){
        .sources = &source, .n_sources = 1, .config = parse("{\"chat_template\": \"theirs\"}")});
    expect(format, (rg_chat_request){.messages = parse("[]")}, "mine");
    rg_chat_format_free(format);
}

static void a_broken_template_is_replaced_and_named(void **state) {
    (void)state;
    const rg_chat_source source = {.text = RG_STR("{% if %}")};
    rg_chat_format *format = open_format(&(rg_chat_model){.sources = &source, .n_sources = 1});
    assert_non_null(strstr(rg_chat_format_warning(format), "line 1"));
    expect(format, (rg_chat_request){.messages = parse("[]"), .add_generation_prompt = true},
           "<|im_start|>assistant\n");
    rg_chat_format_free(format);

    char *huge = rg_new(rg_mem_heap(), 50 << 20);
    memset(huge, 'a', 50 << 20);
    const rg_chat_source big = {.text = {huge, 50 << 20}};
    format = open_format(&(rg_chat_model){.sources = &big, .n_sources = 1});
    assert_non_null(strstr(rg_chat_format_warning(format), "52428800 bytes, limit 1048576"));
    rg_chat_format_free(format);
    rg_free(rg_mem_heap(), huge);
}

static void requests_are_checked(void **state) {
    (void)state;
    rg_chat_format *format = open_format(&(rg_chat_model){0});
    rg_rendered out;
    rg_chat_request request = {.messages = parse("{}")};
    assert_int_equal(rg_chat_format_render(format, &request, &out, NULL), RG_E_ARG);
    rg_rendered_clear(&out);
    request = (rg_chat_request){.messages = parse("[]"), .kwargs = parse("[]")};
    assert_int_equal(rg_chat_format_render(format, &request, &out, NULL), RG_E_ARG);
    rg_rendered_clear(&out);
    rg_chat_format_free(format);
}

static void keywords_come_before_the_generation_prompt(void **state) {
    (void)state;
    const rg_chat_source source = {.text =
                                       RG_STR("{{ add_generation_prompt }}{{ enable_thinking }}")};
    rg_chat_format *format = open_format(&(rg_chat_model){.sources = &source, .n_sources = 1});
    expect(format, (rg_chat_request){.messages = parse("[]"), .add_generation_prompt = true},
           "True");
    expect(format,
           (rg_chat_request){
               .messages = parse("[]"),
               .add_generation_prompt = true,
               .kwargs = parse("{\"add_generation_prompt\": false, \"enable_thinking\": 1}")},
           "False1");
    rg_chat_format_free(format);
}

static void expect_line(const rg_template *tmpl, const char *line, const char *want) {
    rg_buf out;
    rg_error err = {0};
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(rg_template_line(tmpl, rg_mem_heap(), rg_str_of(line),
                                      (rg_template_clock){.is_fixed = true}, &out, &err),
                     RG_OK);
    assert_string_equal(rg_buf_cstr(&out), want);
    rg_buf_clear(&out);
}

static void every_line_gets_a_line(void **state) {
    (void)state;
    rg_template *tmpl = NULL;
    assert_int_equal(
        rg_template_new(rg_mem_heap(),
                        RG_STR("{{ messages[0].content }}{{ tools }}{{ k }}"
                               "{% if k == 2 %}{{ raise_exception('no \"two\"') }}{% endif %}"),
                        &tmpl, NULL),
        RG_OK);
    expect_line(tmpl, "{\"messages\": [{\"content\": \"a\\\"\\n\"}], \"kwargs\": {\"k\": 1}}",
                "{\"rendered\": \"a\\\"\\nNone1\"}");
    expect_line(tmpl, "{\"messages\": [{}], \"tools\": [], \"kwargs\": {\"k\": 2}}",
                "{\"error\": \"no \\\"two\\\"\"}");
    expect_line(tmpl, "{\"kwargs\": []}", "{\"error\": \"kwargs is no JSON object\"}");
    expect_line(tmpl, "[]", "{\"error\": \"the line is no JSON object\"}");
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(
        rg_template_line(tmpl, rg_mem_heap(), RG_STR("{"), (rg_template_clock){0}, &out, NULL),
        RG_OK);
    assert_true(rg_str_starts(rg_buf_view(&out), RG_STR("{\"error\": ")));
    rg_buf_clear(&out);
    rg_template_free(tmpl);
}

/* A whole life of a format, with every allocation from `mem`. */
static rg_status live(const rg_mem *mem, const rg_chat_model *model,
                      const rg_chat_request *request) {
    rg_chat_format *format = NULL;
    rg_error err = {0};
    rg_status status = rg_chat_format_new(mem, model, &format, &err);
    if (status == RG_OK) {
        rg_rendered out;
        status = rg_chat_format_render(format, request, &out, &err);
        rg_rendered_clear(&out);
    }
    rg_chat_format_free(format);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    const rg_chat_model model = {
        .config = parse("{\"chat_template\": [{\"name\": \"default\", \"template\": \"a\"},"
                        " {\"name\": \"tool_use\", \"template\": \"{{ bos_token }}{{ tools }}\"}],"
                        " \"bos_token\": \"B\"}")};
    const rg_chat_request request = {.messages = parse("[]"), .tools = parse("[{\"a\": \"b\"}]")};
    bool is_done = false;
    size_t fail_at = 0;
    for (; !is_done; fail_at++) {
        faulty f = {.mem = {faulty_alloc, faulty_free, &f}, .fail_at = fail_at};
        const rg_status status = live(&f.mem, &model, &request);
        is_done = f.n_calls <= fail_at;
        assert_int_equal(status, is_done ? RG_OK : RG_E_MEMORY);
        assert_int_equal(f.n_live, 0);
    }
    assert_true(fail_at > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_without_a_template_gets_chatml, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_and_content_are_untrusted_tokens_are_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_config_may_hold_one_template_or_several, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sources_come_before_the_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_template_is_replaced_and_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keywords_come_before_the_generation_prompt, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_line_gets_a_line, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
