/* Templates against the reference vectors: every template, every conversation, every small program.
 */
#include "chat/template_line.h"
#include "support/shared.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static rg_template_clock fixed_clock(void) {
    rg_template_clock clock = {0};
    assert_int_equal(rg_template_clock_parse(RG_STR("2026-01-15T09:05:07Z"), &clock, NULL), RG_OK);
    return clock;
}

/* Whether what was written ({"rendered": ..} or {"error": ..}) is what the reference line says. */
static bool agrees(const rg_json *want, const rg_json *got) {
    rg_str expected, text, kind;
    if (rg_json_str(rg_json_find(want, "rendered"), &expected)) {
        return rg_json_str(rg_json_find(got, "rendered"), &text) && rg_str_eq(expected, text);
    }
    if (!rg_json_str(rg_json_find(got, "error"), &text) || text.size == 0 ||
        !rg_json_str(rg_json_find(want, "error_kind"), &kind)) {
        return false;
    }
    return !rg_str_is(kind, "raise_exception") ||
           (rg_json_str(rg_json_find(want, "error"), &expected) && rg_str_eq(expected, text));
}

static void check_line(const rg_template *tmpl, const char *name, size_t n, rg_str line,
                       rg_str input) {
    rg_arena arena;
    rg_buf out;
    rg_error err = {0};
    const rg_json *want = NULL;
    const rg_json *got = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(rg_json_parse(&arena, line, &want, &err), RG_OK);
    assert_int_equal(rg_template_line(tmpl, rg_mem_heap(), input, fixed_clock(), &out, &err),
                     RG_OK);
    assert_int_equal(rg_json_parse(&arena, rg_buf_view(&out), &got, &err), RG_OK);
    if (!agrees(want, got)) {
        fail_msg("%s line %zu: %.*s", name, n, RG_FMT(rg_buf_view(&out)));
    }
    rg_buf_clear(&out);
    rg_arena_clear(&arena);
}

static rg_str read_template(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "templates/files/%s.jinja", name);
    const rg_str text = shared_read(path);
    if (text.data != NULL) {
        return text;
    }
    snprintf(path, sizeof path, "templates/files/llama-licence/%s.jinja", name);
    return shared_read(path);
}

static size_t check_template(const char *name) {
    char path[512];
    size_t n = 0;
    rg_str line;
    rg_error err = {0};
    rg_template *tmpl = NULL;
    snprintf(path, sizeof path, "templates/vectors/%s.jsonl", name);
    const rg_str lines = shared_read(path);
    const rg_str source = read_template(name);
    assert_non_null(lines.data);
    assert_non_null(source.data);
    if (rg_template_new(rg_mem_heap(), source, &tmpl, &err) != RG_OK) {
        fail_msg("%s: %s", name, err.text);
    }
    for (size_t at = 0; shared_line(lines, &at, &line);) {
        check_line(tmpl, name, ++n, line, line);
    }
    rg_template_free(tmpl);
    rg_free(rg_mem_heap(), (void *)source.data);
    rg_free(rg_mem_heap(), (void *)lines.data);
    return n;
}

static void renders_every_vector(void **state) {
    (void)state;
    char path[512];
    size_t n_templates = 0;
    size_t n_lines = 0;
    snprintf(path, sizeof path, "%s/templates/vectors", shared_folder());
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[256];
        const rg_str file = rg_str_of(entry->d_name);
        if (rg_str_ends(file, RG_STR(".jsonl"))) {
            snprintf(name, sizeof name, "%.*s", (int)(file.size - 6), file.data);
            n_lines += check_template(name);
            n_templates++;
        }
    }
    closedir(folder);
    print_message("%zu lines of %zu templates\n", n_lines, n_templates);
    assert_true(n_templates >= 33);
    assert_true(n_lines >= 3296);
}

static void renders_every_snippet(void **state) {
    (void)state;
    const rg_str lines = shared_read("templates/snippets.jsonl");
    rg_str line;
    size_t n = 0;
    assert_non_null(lines.data);
    for (size_t at = 0; shared_line(lines, &at, &line);) {
        rg_arena arena;
        rg_error err = {0};
        const rg_json *json = NULL;
        rg_str source, kind = {0};
        rg_template *tmpl = NULL;
        n++;
        rg_arena_init(&arena, rg_mem_heap(), 0);
        assert_int_equal(rg_json_parse(&arena, line, &json, &err), RG_OK);
        assert_true(rg_json_str(rg_json_find(json, "source"), &source));

        // the line with its context under the name that the renderer knows
        static const char key[] = "\"context\":";
        char *input = rg_arena_copy(&arena, line.data, line.size);
        char *context = strstr(input, key);
        assert_non_null(context);
        memcpy(context, " \"kwargs\":", sizeof key - 1);

        rg_json_str(rg_json_find(json, "error_kind"), &kind);
        const rg_status status = rg_template_new(rg_mem_heap(), source, &tmpl, &err);
        if (rg_str_is(kind, "syntax")) {
            assert_int_equal(status, RG_E_FORMAT);
        } else if (status != RG_OK) {
            fail_msg("snippet %zu: %s", n, err.text);
        } else {
            check_line(tmpl, "snippets", n, line, (rg_str){input, line.size});
        }
        rg_template_free(tmpl);
        rg_arena_clear(&arena);
    }
    assert_true(n >= 70);
    rg_free(rg_mem_heap(), (void *)lines.data);
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_every_vector),
        cmocka_unit_test(renders_every_snippet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
