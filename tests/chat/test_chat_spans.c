/* What an assistant says in a rendered conversation: published templates, and made-up awkward ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/chat_spans.h"
#include "support/shared.h"
#include "support/torture.h"

#include <dirent.h>

static const rg_str ends[] = {RG_STR("<|im_end|>"), RG_STR("<|eot_id|>"), RG_STR("<|eom_id|>"),
                              RG_STR("</s>"),
                              RG_STR("<\xEF\xBD\x9C"
                                     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>")};

enum { N_ENDS = sizeof ends / sizeof *ends };

/** The spans of a conversation as text: what is learnt between « and ». */
static rg_status mark(const rg_mem *mem, rg_str source, const char *json, rg_buf *out,
                      rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    rg_buf spans;
    rg_rendered rendered = {0};
    rg_chat_format *format = NULL;
    const rg_json *root = NULL;
    const rg_chat_source sources[] = {{RG_STR("default"), source}};
    const rg_chat_model model = {
        .sources = sources, .n_sources = 1, .bos = RG_STR("<s>"), .eos = RG_STR("</s>")};
    rg_arena_init(&arena, mem, 0);
    rg_buf_init(&spans, mem, 0);
    RG_TRY(rg_chat_format_new(mem, &model, &format, err));
    RG_TRY(rg_json_parse(&arena, rg_str_of(json), &root, err));
    const rg_chat_request request = {.messages = rg_json_find(root, "messages"),
                                     .tools = rg_json_find(root, "tools"),
                                     .clock = {true, 0}};
    RG_TRY(rg_chat_format_spans(format, mem, &request, ends, N_ENDS, &rendered, &spans, err));
    const rg_chat_span *list = (const rg_chat_span *)(const void *)spans.data;
    size_t at = 0;
    for (size_t i = 0; i < spans.size / sizeof *list; i++) {
        assert_true(list[i].begin >= at && list[i].end > list[i].begin);
        assert_true(list[i].end <= rendered.text.size);
        rg_buf_str(out, rg_str_slice(rendered.text, at, list[i].begin));
        rg_buf_str(out, RG_STR("\xC2\xAB"));
        rg_buf_str(out, rg_str_slice(rendered.text, list[i].begin, list[i].end));
        rg_buf_str(out, RG_STR("\xC2\xBB"));
        at = list[i].end;
    }
    rg_buf_str(out, rg_str_slice(rendered.text, at, rendered.text.size));
    status = rg_buf_check(out, "marked text", err);

done:
    rg_rendered_clear(&rendered);
    rg_chat_format_free(format);
    rg_buf_clear(&spans);
    rg_arena_clear(&arena);
    return status;
}

static void assert_marked(rg_str source, const char *json, const char *want) {
    rg_buf out;
    rg_error err = {0};
    rg_buf_init(&out, rg_mem_heap(), 0);
    if (mark(rg_mem_heap(), source, json, &out, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(rg_buf_cstr(&out), want);
    rg_buf_clear(&out);
}

/** The learnt parts alone, each in « and ». */
static void assert_learnt(const char *name, const char *json, const char *want) {
    char path[256];
    rg_buf out;
    rg_buf parts;
    rg_error err = {0};
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_buf_init(&parts, rg_mem_heap(), 0);
    snprintf(path, sizeof path, "templates/files/%s.jinja", name);
    const rg_str source = shared_read(path);
    assert_non_null(source.data);
    if (mark(rg_mem_heap(), source, json, &out, &err) != RG_OK) {
        fail_msg("%s: %s", name, err.text);
    }
    const char *at = rg_buf_cstr(&out);
    for (;;) {
        const char *begin = strstr(at, "\xC2\xAB");
        const char *end = begin == NULL ? NULL : strstr(begin, "\xC2\xBB");
        if (end == NULL) {
            break;
        }
        rg_buf_put(&parts, begin, (size_t)(end + 2 - begin));
        at = end + 2;
    }
    const char *got = rg_buf_cstr(&parts);
    if (strcmp(got, want) != 0) {
        fail_msg("%s:\n got %s\nwant %s\n in %s", name, got, want, rg_buf_cstr(&out));
    }
    rg_buf_clear(&out);
    rg_buf_clear(&parts);
    rg_free(rg_mem_heap(), (void *)source.data);
}

static const char two_turns[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi <|im_end|></s>\"},"
    "{\"role\":\"assistant\",\"content\":\"Hello <|im_end|></s> there\"},"
    "{\"role\":\"user\",\"content\":\"Bye\"},{\"role\":\"assistant\",\"content\":\"See you\"}]}";

static const char calls[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Walk 2 m\"},"
    "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"abcdefghi\","
    "\"type\":\"function\",\"function\":{\"name\":\"walk\",\"arguments\":{\"distance\":2}}}]},"
    "{\"role\":\"tool\",\"tool_call_id\":\"abcdefghi\",\"name\":\"walk\",\"content\":\"done\"},"
    "{\"role\":\"assistant\",\"content\":\"I am there\"}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"walk\",\"description\":\"go\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"distance\":{\"type\":\"number\","
    "\"description\":\"metres\"}},\"required\":[\"distance\"]}}}]}";

static void published_templates_teach_the_assistants_words(void **state) {
    (void)state;
#define DS_END                                                                                     \
    "<\xEF\xBD\x9C"                                                                                \
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"
    static const struct {
        const char *name;
        const char *want;
    } rows[] = {
        {"Qwen-Qwen3-0.6B", "\xC2\xABHello <|im_end|></s> there<|im_end|>\xC2\xBB"
                            "\xC2\xAB<think>\n\n</think>\n\nSee you<|im_end|>\xC2\xBB"},
        {"Qwen-Qwen2.5-7B-Instruct", "\xC2\xABHello <|im_end|></s> there<|im_end|>\xC2\xBB"
                                     "\xC2\xABSee you<|im_end|>\xC2\xBB"},
        {"llama-licence/meta-llama-Llama-3-8B-Instruct",
         "\xC2\xABHello <|im_end|></s> there<|eot_id|>\xC2\xBB\xC2\xABSee you<|eot_id|>\xC2\xBB"},
        {"llama-licence/meta-llama-Llama-3.1-8B-Instruct",
         "\xC2\xABHello <|im_end|></s> there<|eot_id|>\xC2\xBB\xC2\xABSee you<|eot_id|>\xC2\xBB"},
        {"deepseek-ai-DeepSeek-V3",
         "\xC2\xABHello <|im_end|></s> there" DS_END "\xC2\xBB\xC2\xABSee you" DS_END "\xC2\xBB"},
        {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
         "\xC2\xABHello <|im_end|></s> there" DS_END "\xC2\xBB\xC2\xABSee you" DS_END "\xC2\xBB"},
        {"mistralai-Mistral-Nemo-Instruct-2407",
         "\xC2\xABHello <|im_end|></s> there</s>\xC2\xBB\xC2\xABSee you</s>\xC2\xBB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_learnt(rows[i].name, two_turns, rows[i].want);
    }
}

static void published_templates_teach_calls(void **state) {
    (void)state;
    assert_learnt("Qwen-Qwen3-0.6B", calls,
                  "\xC2\xAB<tool_call>\n{\"name\": \"walk\", \"arguments\": "
                  "{\"distance\": 2}}\n</tool_call><|im_end|>\xC2\xBB"
                  "\xC2\xAB<think>\n\n</think>\n\nI am there<|im_end|>\xC2\xBB");
    assert_learnt("Qwen-Qwen2.5-7B-Instruct", calls,
                  "\xC2\xAB<tool_call>\n{\"name\": \"walk\", \"arguments\": "
                  "{\"distance\": 2}}\n</tool_call><|im_end|>\xC2\xBB"
                  "\xC2\xABI am there<|im_end|>\xC2\xBB");
    assert_learnt(
        "llama-licence/meta-llama-Llama-3.1-8B-Instruct", calls,
        "\xC2\xAB{\"name\": \"walk\", \"parameters\": {\"distance\": 2}}<|eot_id|>\xC2\xBB"
        "\xC2\xABI am there<|eot_id|>\xC2\xBB");
    assert_learnt("mistralai-Mistral-Nemo-Instruct-2407", calls,
                  "\xC2\xAB[TOOL_CALLS][{\"name\": \"walk\", \"arguments\": {\"distance\": 2}, "
                  "\"id\": \"abcdefghi\"}]</s>\xC2\xBB\xC2\xABI am there</s>\xC2\xBB");
}

// every template of the collection: both answers learnt, neither question
static void no_template_teaches_the_users_words(void **state) {
    (void)state;
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/templates/files", shared_folder());
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (!rg_str_ends(rg_str_of(entry->d_name), RG_STR(".jinja"))) {
            continue;
        }
        rg_buf out;
        rg_error err = {0};
        rg_buf_init(&out, rg_mem_heap(), 0);
        snprintf(path, sizeof path, "templates/files/%s", entry->d_name);
        const rg_str source = shared_read(path);
        if (mark(rg_mem_heap(), source, two_turns, &out, &err) != RG_OK) {
            fail_msg("%s: %s", entry->d_name, err.text);
        }
        const char *text = rg_buf_cstr(&out);
        const char *learnt[2];
        const char *end[2];
        for (int i = 0; i < 2; i++) {
            learnt[i] = strstr(i == 0 ? text : end[0], "\xC2\xAB");
            end[i] = learnt[i] == NULL ? NULL : strstr(learnt[i], "\xC2\xBB");
            if (end[i] == NULL) {
                fail_msg("%s: fewer than two answers in %s", entry->d_name, text);
            }
        }
        const char *hello = strstr(text, "</s> there");
        const char *bye = strstr(text, "Bye");
        const char *see = strstr(text, "See you");
        if (!(learnt[0] < hello && hello < end[0] && end[0] < bye && bye < learnt[1] &&
              learnt[1] < see && see < end[1]) ||
            (strstr(learnt[0], "Hi <|im") != NULL && strstr(learnt[0], "Hi <|im") < end[0])) {
            fail_msg("%s: wrong parts in %s", entry->d_name, text);
        }
        rg_buf_clear(&out);
        rg_free(rg_mem_heap(), (void *)source.data);
        n++;
    }
    closedir(dir);
    assert_true(n >= 20);
}

#define LOOP(body) "{% for m in messages %}" body "{% endfor %}"

static void awkward_templates_are_told_apart_or_refused(void **state) {
    (void)state;
    // no end token at all: a turn ends as it does when nothing follows
    assert_marked(RG_STR(LOOP("{{ m.role }}: {{ m.content }}\n\n") "{% if add_generation_prompt "
                                                                   "%}assistant:{% endif %}"),
                  two_turns,
                  "user: Hi <|im_end|></s>\n\nassistant:\xC2\xAB Hello <|im_end|></s> "
                  "there\n\n\xC2\xBBuser: Bye\n\nassistant:\xC2\xAB See you\n\n\xC2\xBB");
    // asks with an opened thought, writes history without
    assert_marked(
        RG_STR(LOOP(
            "<|im_start|>{{ m.role }}>{{ m.content }}<|im_end|>") "{% if add_generation_prompt "
                                                                  "%}<|im_start|>assistant><think>"
                                                                  "\n{% endif %}"),
        two_turns,
        "<|im_start|>user>Hi <|im_end|></s><|im_end|><|im_start|>assistant>\xC2\xABHello "
        "<|im_end|></s> there<|im_end|>\xC2\xBB<|im_start|>user>Bye<|im_end|>"
        "<|im_start|>assistant>\xC2\xABSee you<|im_end|>\xC2\xBB");
    // asks in one way, writes in another
    rg_buf out;
    rg_error err = {0};
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(
        mark(rg_mem_heap(),
             RG_STR(LOOP("[{{ m.role }}]{{ m.content }}</s>") "{% if add_generation_prompt "
                                                              "%}ANSWER>{% endif %}"),
             two_turns, &out, &err),
        RG_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "messages[1]"));
    // a template that drops the assistant leaves nothing to learn
    out.size = 0;
    assert_int_equal(
        mark(rg_mem_heap(), RG_STR("{{ messages[0].content }}"), two_turns, &out, &err), RG_OK);
    assert_string_equal(rg_buf_cstr(&out), "Hi <|im_end|></s>");
    rg_buf_clear(&out);
}

static void many_turns_keep_apart(void **state) {
    (void)state;
    // more turns than there are numbers for sources
    for (int n = 1023; n <= 1025; n++) {
        rg_buf json, want, out;
        rg_error err = {0};
        rg_buf_init(&json, rg_mem_heap(), 0);
        rg_buf_init(&want, rg_mem_heap(), 0);
        rg_buf_init(&out, rg_mem_heap(), 0);
        rg_buf_str(&json, RG_STR("{\"messages\":["));
        for (int i = 0; i < n; i++) {
            rg_buf_format(&json,
                          "%s{\"role\":\"user\",\"content\":\"q\"},"
                          "{\"role\":\"assistant\",\"content\":\"a%d\"}",
                          i == 0 ? "" : ",", i);
            rg_buf_format(&want,
                          "user>q</s>assistant>\xC2\xAB"
                          "a%d</s>\xC2\xBB",
                          i);
        }
        rg_buf_str(&json, RG_STR("]}"));
        const rg_status status =
            mark(rg_mem_heap(),
                 RG_STR(LOOP("{{ m.role }}>{{ m.content }}</s>") "{% if add_generation_prompt "
                                                                 "%}assistant>{% endif %}"),
                 rg_buf_cstr(&json), &out, &err);
        assert_int_equal(status, n <= 1024 ? RG_OK : RG_E_LIMIT);
        if (status == RG_OK) {
            assert_string_equal(rg_buf_cstr(&out), rg_buf_cstr(&want));
        }
        rg_buf_clear(&json);
        rg_buf_clear(&want);
        rg_buf_clear(&out);
    }
}

static void bad_conversations_are_named(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *word;
    } rows[] = {{"{}", "no array"},
                {"{\"messages\":[]}", "empty"},
                {"{\"messages\":\"x\"}", "no array"},
                {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},3]}", "messages[1]"},
                {"{\"messages\":[{\"content\":\"x\"}]}", "messages[0]"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_buf out;
        rg_error err = {0};
        rg_buf_init(&out, rg_mem_heap(), 0);
        assert_int_equal(
            mark(rg_mem_heap(), RG_STR(LOOP("{{ m.content }}")), rows[i].json, &out, &err),
            RG_E_ARG);
        assert_non_null(strstr(err.text, rows[i].word));
        rg_buf_clear(&out);
    }
}

static void survives_each_failing_allocation(void **state) {
    (void)state;
    bool is_done = false;
    for (size_t fail_at = 1; !is_done; fail_at++) {
        torture t;
        rg_buf out;
        rg_error err = {0};
        rg_buf_init(&out, rg_mem_heap(), 0);
        torture_init(&t, fail_at);
        const rg_status status =
            mark(&t.mem,
                 RG_STR(LOOP("{{ m.role }}: {{ m.content }}\n\n") "{% if add_generation_prompt "
                                                                  "%}assistant:{% endif %}"),
                 two_turns, &out, &err);
        assert_true(status == RG_OK || status == RG_E_MEMORY);
        assert_int_equal(t.n_live, 0);
        is_done = status == RG_OK;
        rg_buf_clear(&out);
    }
}

int main(void) {
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(awkward_templates_are_told_apart_or_refused),
        cmocka_unit_test(many_turns_keep_apart),
        cmocka_unit_test(bad_conversations_are_named),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    const struct CMUnitTest shared[] = {
        cmocka_unit_test(published_templates_teach_the_assistants_words),
        cmocka_unit_test(published_templates_teach_calls),
        cmocka_unit_test(no_template_teaches_the_users_words),
    };
    const int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (!shared_is_there()) {
        return failed != 0 ? failed : 77;
    }
    return failed + cmocka_run_group_tests(shared, NULL, NULL);
}
