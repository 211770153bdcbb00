/* Names of models: what each means, what none may hold; which files of a listing are wanted. */
#include "hub/hub_listing.h"
#include "hub/hub_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void names_are_taken_apart(void **state) {
    (void)state;
    // clang-format off
    static const struct {
        const char *text;
        rg_hub_kind kind;
        const char *owner, *repo, *pick, *revision, *full;
    } rows[] = {
        {"hf:Qwen/Qwen3-0.6B", RG_HUB_HF, "Qwen", "Qwen3-0.6B", "", "", "hf:Qwen/Qwen3-0.6B"},
        {"hf:a/b:Q4_K_M", RG_HUB_HF, "a", "b", "Q4_K_M", "", "hf:a/b:Q4_K_M"},
        {"hf:a/b:sub/x.gguf@v1.0", RG_HUB_HF, "a", "b", "sub/x.gguf", "v1.0", "hf:a/b:sub/x.gguf@v1.0"},
        {"hf:a/b@refs/pr/3", RG_HUB_HF, "a", "b", "", "refs/pr/3", "hf:a/b@refs/pr/3"},
        {"ms:a/b:x y.gguf", RG_HUB_MS, "a", "b", "x y.gguf", "", "ms:a/b:x y.gguf"},
        {"ollama:qwen3", RG_HUB_OLLAMA, "library", "qwen3", "latest", "", "ollama:qwen3:latest"},
        {"ollama:me/mine:7b-q4_0", RG_HUB_OLLAMA, "me", "mine", "7b-q4_0", "", "ollama:me/mine:7b-q4_0"},
        {"ollama:library/qwen3", RG_HUB_OLLAMA, "library", "qwen3", "latest", "", "ollama:qwen3:latest"},
        {"https://huggingface.co/a/b", RG_HUB_HF, "a", "b", "", "", "hf:a/b"},
        {"https://huggingface.co/a/b/", RG_HUB_HF, "a", "b", "", "", "hf:a/b"},
        {"https://huggingface.co/a/b/blob/main/s/x.gguf", RG_HUB_HF, "a", "b", "s/x.gguf", "main", "hf:a/b:s/x.gguf@main"},
        {"https://huggingface.co/a/b/resolve/main/x.gguf?download=true", RG_HUB_HF, "a", "b", "x.gguf", "main", "hf:a/b:x.gguf@main"},
        {"https://huggingface.co/a/b/tree/v2", RG_HUB_HF, "a", "b", "", "v2", "hf:a/b@v2"},
        {"https://modelscope.cn/models/a/b", RG_HUB_MS, "a", "b", "", "", "ms:a/b"},
        {"https://ollama.com/library/qwen3:4b", RG_HUB_OLLAMA, "library", "qwen3", "4b", "", "ollama:qwen3:4b"},
        {"https://example.org/x.gguf", RG_HUB_URL, "", "", "", "", "https://example.org/x.gguf"},
        {"http://127.0.0.1:81/x.gguf", RG_HUB_URL, "", "", "", "", "http://127.0.0.1:81/x.gguf"},
        {"http://[::1]:81/x.gguf", RG_HUB_URL, "", "", "", "", "http://[::1]:81/x.gguf"},
        {"qwen3-0.6b", RG_HUB_HF, "Qwen", "Qwen3-0.6B", "", "", "hf:Qwen/Qwen3-0.6B"},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_hub_name n;
        rg_error err = {0};
        assert_int_equal(rg_hub_name_parse(rows[i].text, &n, &err), RG_OK);
        assert_int_equal(n.kind, rows[i].kind);
        assert_string_equal(n.owner, rows[i].owner);
        assert_string_equal(n.repo, rows[i].repo);
        assert_string_equal(n.pick, rows[i].pick);
        assert_string_equal(n.revision, rows[i].revision);
        assert_string_equal(n.text, rows[i].full);
        assert_true(rg_hub_name_is(rows[i].text));
        // what a name is in full means the same
        rg_hub_name again;
        assert_int_equal(rg_hub_name_parse(n.text, &again, NULL), RG_OK);
        assert_string_equal(again.text, n.text);
    }
}

static void an_address_brings_its_hash(void **state) {
    (void)state;
    char text[256];
    rg_hub_name n;
    snprintf(text, sizeof text, "https://example.org/x.gguf#sha256=%064d", 7);
    assert_int_equal(rg_hub_name_parse(text, &n, NULL), RG_OK);
    assert_string_equal(n.url, "https://example.org/x.gguf");
    assert_int_equal(strlen(n.sha256), 64);
    assert_string_equal(n.text, text);
    assert_int_equal(rg_hub_name_parse("https://example.org/x#sha256=12", &n, NULL), RG_E_ARG);
    assert_int_equal(rg_hub_name_parse("https://example.org/x#part", &n, NULL), RG_E_ARG);
}

static void hostile_names_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"",
                                        "hf:",
                                        "hf:a",
                                        "hf:/b",
                                        "hf:a/",
                                        "hf:../b",
                                        "hf:a/..",
                                        "hf:a/b/c",
                                        "hf:.a/b",
                                        "hf:-a/b",
                                        "hf:a..b/c",
                                        "hf:a/b@",
                                        "hf:a/b:",
                                        "hf:a/b@..",
                                        "hf:a/b@/x",
                                        "hf:a/b@a..b",
                                        "hf:a/b@x y",
                                        "hf:a/b:/etc/passwd",
                                        "hf:a/b:../x",
                                        "hf:a/b:x/../y",
                                        "hf:a/b:x//y",
                                        "hf:a/b:./x",
                                        "hf:a/b:x\\y",
                                        "hf:a/b:x\ny",
                                        "hf:a/b:x\x1by",
                                        "hf:a/b:\xff",
                                        "hf:a/b:\xc2\x9b",
                                        "hf:\xc3\xa4/b",
                                        "hf:a/\xc3\xa4",
                                        "hf:a\x01/b",
                                        "hf:a b/c",
                                        "hf:a%2fb/c",
                                        "hf:a/%2e%2e",
                                        "hf:a\\b/c",
                                        "ollama:",
                                        "ollama:a/b/c",
                                        "ollama:../a",
                                        "ollama:a:",
                                        "ollama:a:b:c",
                                        "ollama:a:b/c",
                                        "ollama:a:..",
                                        "hg:a/b",
                                        "http://example.org/x",
                                        "https://",
                                        "https:///x",
                                        "https://h",
                                        "https://h/",
                                        "https://u:p@h/x",
                                        "https://h/x y",
                                        "https://h/\x7f",
                                        "https://h/\xc3\xa4",
                                        "https://h/<x>",
                                        "file:///etc/passwd",
                                        "/etc/passwd",
                                        "a/b",
                                        "http://localhost.example.org/x",
                                        "http://127.0.0.1.example.org/x",
                                        "http://localhost@h/x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rg_hub_name n = {.owner = "untouched"};
        rg_error err = {0};
        const rg_status status = rg_hub_name_parse(names[i], &n, &err);
        if (status == RG_OK) {
            fail_msg("\"%s\" is taken", names[i]);
        }
        assert_string_equal(n.owner, "untouched");
        for (const char *p = err.text; *p != '\0'; p++) {
            assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7F);
        }
        assert_true(err.text[0] != '\0');
    }
}

// both sides of each limit
static void long_names_are_refused(void **state) {
    (void)state;
    static char text[3 * RG_HUB_NAME_MAX];
    static const struct {
        const char *before, *after;
        size_t limit;
    } rows[] = {{"hf:", "/b", RG_HUB_OWNER_MAX},      {"hf:a/", "", RG_HUB_OWNER_MAX},
                {"hf:a/b@", "", RG_HUB_REVISION_MAX}, {"ollama:a:", "", RG_HUB_OWNER_MAX},
                {"hf:a/b:s/", ".gguf", 255 - 5},      {"https://h/", "", RG_HUB_NAME_MAX - 10}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t more = 0; more < 2; more++) {
            rg_hub_name n;
            const size_t size = rows[i].limit + more;
            const size_t at = strlen(rows[i].before);
            memcpy(text, rows[i].before, at);
            memset(text + at, 'x', size);
            memcpy(text + at + size, rows[i].after, strlen(rows[i].after) + 1);
            assert_int_equal(rg_hub_name_parse(text, &n, NULL) == RG_OK, more == 0);
        }
    }
}

static void every_short_name_is_one(void **state) {
    (void)state;
    for (size_t i = 0; rg_hub_known_at(i) != NULL; i++) {
        rg_hub_name n;
        assert_int_equal(rg_hub_name_parse(rg_hub_known_at(i)->name, &n, NULL), RG_OK);
        assert_string_equal(n.text, rg_hub_known_at(i)->target);
    }
}

static void any_bytes_do_no_harm(void **state) {
    (void)state;
    uint32_t seed = 1;
    static const char *const heads[] = {
        "hf:", "ms:", "ollama:", "https://", "https://huggingface.co/", ""};
    static const char common[] = "ab/:@.%#?-_ \\\x01\xc3\xa4[]";
    for (size_t round = 0; round < 200000; round++) {
        char text[64];
        rg_hub_name n;
        const char *head = heads[round % 6];
        size_t size = strlen(head);
        memcpy(text, head, size);
        for (size_t i = 0; i < round % 24; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[size++] = common[(seed >> 16) % (sizeof common - 1)];
        }
        text[size] = '\0';
        if (rg_hub_name_parse(text, &n, NULL) == RG_OK && n.kind != RG_HUB_URL) {
            assert_null(strstr(n.text, ".."));
            assert_null(strchr(n.owner, '/'));
            assert_null(strchr(n.repo, '/'));
        }
    }
}

// ---- listings ----

static void fill(rg_hub_listing *l, const char *paths) {
    while (*paths != '\0') {
        rg_hub_file *f = NULL;
        const size_t n = strcspn(paths, " ");
        assert_int_equal(rg_hub_listing_add(l, (rg_str){paths, n}, &f, NULL), RG_OK);
        paths += n + (paths[n] == ' ');
    }
}

static void check_choice(const char *name, const char *paths, const char *wanted) {
    rg_hub_listing l;
    rg_hub_name n;
    rg_error err = {0};
    char chosen[1024] = "";
    rg_hub_listing_init(&l, rg_mem_heap());
    assert_int_equal(rg_hub_name_parse(name, &n, &err), RG_OK);
    fill(&l, paths);
    const rg_status status = rg_hub_choose(&l, &n, &err);
    for (size_t i = 0; status == RG_OK && i < l.n; i++) {
        if (l.files[i].is_chosen) {
            const size_t used = strlen(chosen);
            snprintf(chosen + used, sizeof chosen - used, "%s%s", used == 0 ? "" : " ",
                     l.files[i].path.data);
        }
    }
    if (wanted == NULL) {
        assert_int_not_equal(status, RG_OK);
        assert_true(err.text[0] != '\0');
    } else {
        assert_int_equal(status, RG_OK);
        assert_string_equal(chosen, wanted);
    }
    rg_hub_listing_clear(&l);
}

static void the_right_files_are_chosen(void **state) {
    (void)state;
    static const char checkpoint[] =
        "config.json model.safetensors tokenizer.json README.md LICENSE chat_template.jinja "
        "pytorch_model.bin tokenizer.model onnx/model.onnx original/params.json";
    check_choice(
        "hf:a/b", checkpoint,
        "config.json model.safetensors tokenizer.json LICENSE chat_template.jinja tokenizer.model");
    check_choice("hf:a/b",
                 "config.json model.safetensors.index.json model-00001-of-00002.safetensors "
                 "model-00002-of-00002.safetensors consolidated.safetensors model.safetensors",
                 "config.json model.safetensors.index.json model-00001-of-00002.safetensors "
                 "model-00002-of-00002.safetensors");
    check_choice("hf:a/b", "m-Q8_0.gguf m-Q4_K_M.gguf m-Q4_K_S.gguf", "m-Q4_K_M.gguf");
    check_choice("hf:a/b", "m-q8_0.gguf m-q6_k.gguf m-f16.gguf", "m-q6_k.gguf");
    check_choice("hf:a/b", "m-F16.gguf mmproj-F16.gguf m.imatrix.gguf", "m-F16.gguf");
    check_choice("hf:a/b", "only.gguf", "only.gguf");
    // a quantization is a part of its own, not a piece of another one
    check_choice("hf:a/b:Q4_K", "m-Q4_K_M.gguf m-Q4_K_S.gguf", NULL);
    check_choice("hf:a/b:K_M", "m-Q8_0.gguf m-Q5_K_S.gguf", NULL);
    check_choice("hf:a/b:F16", "m-BF16.gguf m-F16.gguf", "m-F16.gguf");
    check_choice("hf:a/b:q4_k_m", "m.Q4_K_M.gguf m.Q8_0.gguf", "m.Q4_K_M.gguf");
    check_choice("hf:a/b:Q8_0", "x-Q8_0.gguf y-Q8_0.gguf", NULL);
    check_choice("hf:a/b:Q6_K",
                 "Q6_K/m-Q6_K-00001-of-00002.gguf Q6_K/m-Q6_K-00002-of-00002.gguf m-Q4_0.gguf",
                 "Q6_K/m-Q6_K-00001-of-00002.gguf Q6_K/m-Q6_K-00002-of-00002.gguf");
    check_choice("hf:a/b:m-00002-of-00002.gguf", "m-00001-of-00002.gguf m-00002-of-00002.gguf",
                 "m-00001-of-00002.gguf m-00002-of-00002.gguf");
    check_choice("hf:a/b:Q4_0", "config.json model.safetensors m-Q4_0.gguf", "m-Q4_0.gguf");
    check_choice("hf:a/b", "config.json model.safetensors m-Q4_0.gguf",
                 "config.json model.safetensors");
    check_choice("hf:a/b:extra.txt", "config.json model.safetensors extra.txt", "extra.txt");
    check_choice("hf:a/b", "pytorch_model.bin config.json", NULL);
    check_choice("hf:a/b", "README.md", NULL);
    check_choice("hf:a/b", ".gguf", NULL);
    check_choice("hf:a/b", "", NULL);
}

static void an_index_names_its_shards(void **state) {
    (void)state;
    rg_hub_listing l;
    rg_hub_name n;
    rg_hub_listing_init(&l, rg_mem_heap());
    assert_int_equal(rg_hub_name_parse("hf:a/b", &n, NULL), RG_OK);
    fill(&l, "config.json model.safetensors.index.json x-1-of-2.safetensors x-2-of-2.safetensors "
             "other.safetensors");
    assert_int_equal(rg_hub_choose(&l, &n, NULL), RG_OK);
    assert_non_null(rg_hub_chosen_index(&l));
    assert_int_equal(rg_hub_choose_shards(&l,
                                          RG_STR("{\"weight_map\":{\"a\":\"x-1-of-2.safetensors\","
                                                 "\"b\":\"x-2-of-2.safetensors\"}}"),
                                          NULL),
                     RG_OK);
    assert_true(rg_hub_listing_find(&l, RG_STR("x-2-of-2.safetensors"))->is_chosen);
    assert_false(rg_hub_listing_find(&l, RG_STR("other.safetensors"))->is_chosen);
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"weight_map\":[]}",
                                      "{\"weight_map\":{\"a\":1}}",
                                      "{\"weight_map\":{\"a\":\"../x\"}}",
                                      "{\"weight_map\":{\"a\":\"none\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rg_hub_choose_shards(&l, rg_str_of(bad[i]), NULL), RG_E_FORMAT);
    }
    rg_hub_listing_clear(&l);
}

static void hostile_answers_are_refused(void **state) {
    (void)state;
    // clang-format off
    static const struct { char hub; const char *json; } rows[] = {
        {'h', "{}"}, {'h', "[{}]"}, {'h', "[{\"type\":\"file\",\"path\":\"a\"}]"},
        {'h', "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1}]"}, {'h', "[{\"type\":\"file\",\"path\":\"a\",\"size\":1e30}]"},
        {'h', "[{\"type\":\"file\",\"path\":\"../a\",\"size\":1}]"}, {'h', "[{\"type\":\"file\",\"path\":\"a\\u0000b\",\"size\":1}]"},
        {'h', "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"lfs\":{\"size\":1,\"oid\":\"xyz\"}}]"},
        {'h', "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"lfs\":{\"oid\":\"xyz\"}}]"},
        {'m', "[]"}, {'m', "{\"Code\":404}"}, {'m', "{\"Data\":{\"Files\":[{\"Path\":\"a\",\"Size\":\"1\"}]}}"},
        {'m', "{\"Data\":{\"Files\":[{\"Path\":\"/a\",\"Size\":1}]}}"},
        {'m', "{\"Data\":{\"Files\":[{\"Path\":\"a\",\"Size\":1,\"Sha256\":\"AB\"}]}}"},
        {'o', "[]"}, {'o', "{\"layers\":{}}"}, {'o', "{\"layers\":[]}"}, {'o', "{\"layers\":[{\"digest\":\"sha256:../../x\"}]}"},
        {'o', "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\",\"size\":1,\"digest\":\"md5:0\"}]}"},
    };
    // clang-format on
    rg_hub_name n;
    assert_int_equal(rg_hub_name_parse("ollama:x", &n, NULL), RG_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_hub_listing l;
        rg_error err = {0};
        const rg_str json = rg_str_of(rows[i].json);
        rg_hub_listing_init(&l, rg_mem_heap());
        const rg_status status = rows[i].hub == 'h' ? rg_hub_listing_of_hf(&l, json, &err)
                                 : rows[i].hub == 'm'
                                     ? rg_hub_listing_of_ms(&l, json, &err)
                                     : rg_hub_listing_of_ollama(&l, &n, json, &err);
        assert_int_not_equal(status, RG_OK);
        assert_true(err.text[0] != '\0');
        rg_hub_listing_clear(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_apart),       cmocka_unit_test(an_address_brings_its_hash),
        cmocka_unit_test(hostile_names_are_refused),   cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(every_short_name_is_one),     cmocka_unit_test(any_bytes_do_no_harm),
        cmocka_unit_test(the_right_files_are_chosen),  cmocka_unit_test(an_index_names_its_shards),
        cmocka_unit_test(hostile_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
