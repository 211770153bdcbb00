/* safetensors and JSON: good files, and every bad one refused by name. */
#include "format/hf_dir.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static rg_status parse(const char *header, size_t header_size, uint64_t claimed, size_t data_size,
                       rg_error *err) {
    torture t;
    rg_safetensors *st = NULL;
    const size_t size = 8 + header_size + data_size;
    uint8_t *file = rg_new(rg_mem_heap(), size);
    memcpy(file, &claimed, 8);
    memcpy(file + 8, header, header_size);
    torture_init(&t, 0);
    const rg_status status = rg_safetensors_parse(&t.mem, (rg_bytes){file, size}, &st, err);
    rg_safetensors_close(st);
    rg_free(rg_mem_heap(), file);
    assert_int_equal(t.n_live, 0);
    return status;
}

static void refuse(const char *header, size_t data_size, rg_status want, const char *named) {
    rg_error err = {0};
    const rg_status status = parse(header, strlen(header), strlen(header), data_size, &err);
    if (status != want || strstr(err.text, named) == NULL) {
        fail_msg("%s: %s \"%s\", wanted %s naming \"%s\"", header, rg_status_name(status), err.text,
                 rg_status_name(want), named);
    }
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void accepts_a_good_file(void **state) {
    (void)state;
    rg_error err = {0};
    const char *header = "{\"__metadata__\":{\"a\":\"b\"}," T("x", "F32", "[2,3]", "[0,24]") "," T(
        "y", "BF16", "[4]", "[24,32]") "," T("z", "F32", "[0]", "[32,32]") "}   ";
    assert_int_equal(parse(header, strlen(header), strlen(header), 32, &err), RG_OK);
}

static void s01_refuses_header_lengths(void **state) {
    (void)state;
    rg_error err = {0};
    const uint64_t bad[] = {0, 1, 3, 1000, UINT64_MAX, (uint64_t)1 << 63, 100000001};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(parse("{}", 2, bad[i], 0, &err), RG_OK);
    }
    assert_int_equal(parse("{}", 2, 100000001, 0, &err), RG_E_LIMIT);
    assert_int_equal(parse("{}", 2, 2, 0, &err), RG_OK);
}

static void s02_refuses_header_text(void **state) {
    (void)state;
    refuse("[]", 0, RG_E_FORMAT, "begin with {");
    refuse(" {}", 0, RG_E_FORMAT, "begin with {");
    refuse("{}\n", 0, RG_E_FORMAT, "end with }");
    refuse("{\"a\xff\":1}", 0, RG_E_FORMAT, "UTF-8");
    refuse("{" T("x", "F32", "[1]", "[0,4]") "," T("x", "F32", "[1]", "[0,4]") "}", 4, RG_E_FORMAT,
           "twice");
}

static void s03_refuses_deep_and_huge_headers(void **state) {
    (void)state;
    enum { DEEP = 100000 };
    rg_error err = {0};
    char *header = rg_alloc(rg_mem_heap(), 2 * DEEP + 8);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', DEEP);
    memset(header + 5 + DEEP, ']', DEEP);
    header[5 + 2 * DEEP] = '}';
    assert_int_equal(parse(header, 6 + 2 * DEEP, 6 + 2 * DEEP, 0, &err), RG_E_LIMIT);
    assert_non_null(strstr(err.text, "RG_JSON_DEPTH_MAX"));
    rg_free(rg_mem_heap(), header);
}

static void s04_refuses_offsets(void **state) {
    (void)state;
    refuse("{" T("x", "F32", "[1]", "[4,0]") "}", 4, RG_E_FORMAT, "tensor x");
    refuse("{" T("x", "F32", "[1]", "[0,8]") "}", 4, RG_E_FORMAT, "tensor x");
    refuse("{" T("x", "F32", "[2]", "[0,4]") "}", 4, RG_E_FORMAT, "needs 8 bytes");
    refuse("{" T("x", "F32", "[1]", "[0,4]") "}", 8, RG_E_FORMAT, "byte 4");
    refuse("{" T("x", "F32", "[1]", "[4,8]") "}", 8, RG_E_FORMAT, "byte 0");
    refuse("{" T("x", "F32", "[2]", "[0,8]") "," T("y", "F32", "[1]", "[4,8]") "}", 8, RG_E_FORMAT,
           "overlap");
    refuse("{" T("x", "F32", "[1]", "[0,4]") "," T("y", "F32", "[1]", "[0,4]") "}", 4, RG_E_FORMAT,
           "overlap");
    refuse("{" T("x", "F32", "[4611686018427387904,4]", "[0,0]") "}", 0, RG_E_FORMAT, "overflows");
    refuse("{" T("x", "F32", "[4611686018427387904]", "[0,0]") "}", 0, RG_E_FORMAT, "tensor x");
}

static void folds_dimensions_beyond_five(void **state) {
    (void)state;
    static const char header[] = "{" T("x", "F32", "[1,2,1,1,3,2]", "[0,48]") "}";
    enum { TEXT = sizeof header - 1, DATA = 48 };
    const uint64_t size = TEXT;
    rg_safetensors *st = NULL;
    rg_error err = {0};
    uint8_t file[8 + TEXT + DATA] = {0};
    memcpy(file, &size, 8);
    memcpy(file + 8, header, TEXT);
    assert_int_equal(rg_safetensors_parse(rg_mem_heap(), (rg_bytes){file, sizeof file}, &st, &err),
                     RG_OK);
    const rg_tensor *x = rg_safetensors_at(st, 0);
    assert_int_equal(x->n_dims, 5);
    assert_int_equal(x->shape[1], 2);
    assert_int_equal(x->shape[4], 6);
    rg_safetensors_close(st);
    // zero is no excuse for an overflow
    refuse("{" T("x", "F32", "[0,1,1,1,4611686018427387904,4]", "[0,0]") "}", 0, RG_E_FORMAT,
           "overflows");
}

static void s05_refuses_types_and_shapes(void **state) {
    (void)state;
    refuse("{" T("x", "Q4_0", "[32]", "[0,18]") "}", 18, RG_E_UNSUPPORTED, "Q4_0");
    refuse("{" T("x", "F33", "[1]", "[0,4]") "}", 4, RG_E_UNSUPPORTED, "F33");
    const char *shapes[] = {"1e3", "-1", "1.5", "18446744073709551616", "\"1\"", "null"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char header[256];
        snprintf(header, sizeof header,
                 "{\"x\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[0,4]}}", shapes[i]);
        refuse(header, 4, RG_E_FORMAT, "tensor x: shape");
    }
    refuse("{" T("x", "F32", "[1,1,1,1,1,1,1]", "[0,4]") "}", 4, RG_E_FORMAT, "dimensions");
    refuse("{" T("x", "F32", "7", "[0,4]") "}", 4, RG_E_FORMAT, "shape");
    refuse("{\"x\":5}", 0, RG_E_FORMAT, "dtype is missing");
}

// ---- directories ----

static char dir[256];

static void put_file(const char *name, const void *data, size_t size) {
    char path[512];
    rg_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(rg_file_write(path, data, size, &err), RG_OK);
}

static void put_text(const char *name, const char *text) {
    put_file(name, text, strlen(text));
}

static void drop(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

static void put_shard(const char *name, const char *tensor) {
    char file[256];
    char header[128];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", tensor);
    const uint64_t n = strlen(header);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    memset(file + 8 + n, 0, 4);
    put_file(name, file, 12 + n);
}

static rg_status open_dir(rg_error *err) {
    rg_hf_dir *d = NULL;
    const rg_status status = rg_hf_dir_open(rg_mem_heap(), dir, &d, err);
    rg_hf_dir_close(d);
    return status;
}

static void s06_s07_s08_directories(void **state) {
    (void)state;
    rg_error err = {0};
    snprintf(dir, sizeof dir, "/tmp/raga-test-%d", (int)getpid());
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(open_dir(&err), RG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "config.json"));
    put_text("config.json", "{\"auto_map\":{\"AutoModel\":\"evil.Model\"}}");
    put_text("pytorch_model.bin", "\x80\x02");
    assert_int_equal(open_dir(&err), RG_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "pickle"));
    put_shard("a.safetensors", "x");
    put_shard("b.safetensors", "y");
    const struct {
        const char *index;
        rg_status status;
        const char *named;
    } rows[] = {
        {"{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"b.safetensors\"}}", RG_OK, ""},
        {"{\"weight_map\":{\"x\":\"../a.safetensors\"}}", RG_E_FORMAT, "not a file name"},
        {"{\"weight_map\":{\"x\":\"/etc/a.safetensors\"}}", RG_E_FORMAT, "not a file name"},
        {"{\"weight_map\":{\"x\":\"a.bin\"}}", RG_E_FORMAT, "not a file name"},
        {"{\"weight_map\":{\"x\":\"c.safetensors\"}}", RG_E_NOT_FOUND, "c.safetensors"},
        {"{\"weight_map\":{\"x\":\"b.safetensors\"}}", RG_E_FORMAT, "x is not in b"},
        {"{\"weight_map\":{\"x\":\"b.safetensors\",\"y\":\"a.safetensors\"}}", RG_E_FORMAT,
         "is not in"},
        {"{\"weight_map\":{}}", RG_E_FORMAT, "weight_map"},
        {"[]", RG_E_FORMAT, "weight_map"},
        {"{", RG_E_FORMAT, "line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_text("model.safetensors.index.json", rows[i].index);
        err = (rg_error){0};
        const rg_status status = open_dir(&err);
        if (status != rows[i].status || strstr(err.text, rows[i].named) == NULL) {
            fail_msg("%s: %s \"%s\"", rows[i].index, rg_status_name(status), err.text);
        }
    }
    put_text("config.json", "[1]");
    assert_int_equal(open_dir(&err), RG_E_FORMAT);
    drop("model.safetensors.index.json");
    drop("a.safetensors");
    drop("b.safetensors");
    drop("pytorch_model.bin");
    drop("config.json");
    rmdir(dir);
}

// ---- JSON ----

static rg_status parse_json(const char *text, const rg_json **out, rg_arena *arena, rg_error *err) {
    rg_arena_init(arena, rg_mem_heap(), 1 << 24);
    return rg_json_parse(arena, rg_str_of(text), out, err);
}

static void json_reads_what_is_valid(void **state) {
    (void)state;
    rg_arena arena;
    rg_error err = {0};
    const rg_json *json = NULL;
    int64_t i = 0;
    rg_str s;
    assert_int_equal(parse_json(" {\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\ud83d\\ude00\\n\"], "
                                "\"b\": {}, \"big\": 123456789012345678901234567890} ",
                                &json, &arena, &err),
                     RG_OK);
    const rg_json *a = rg_json_find(json, "a");
    assert_int_equal(a->n, 5);
    assert_true(rg_json_i64(rg_json_at(a, 0), &i) && i == 1);
    assert_true(rg_json_i64(rg_json_at(a, 1), &i) && i == -2500);
    assert_true(rg_json_str(rg_json_at(a, 4), &s));
    assert_true(rg_str_is(s, "x\xC3\xA9\xF0\x9F\x98\x80\n"));
    assert_false(rg_json_i64(rg_json_find(json, "big"), &i));
    assert_int_equal(rg_json_find(json, "big")->text.size, 30);
    assert_null(rg_json_find(json, "c"));
    rg_arena_clear(&arena);
    // T05: a lone surrogate is U+FFFD
    assert_int_equal(parse_json("\"\\ud800x\"", &json, &arena, &err), RG_OK);
    assert_true(rg_str_is(json->text, "\xEF\xBF\xBDx"));
    rg_arena_clear(&arena);
}

static void json_refuses_what_is_not(void **state) {
    (void)state;
    const char *const bad[] = {"",
                               "{",
                               "[1,]",
                               "{\"a\":1,}",
                               "{a:1}",
                               "[1 2]",
                               "01",
                               "1.",
                               "1e",
                               "+1",
                               ".5",
                               "nul",
                               "NaN",
                               "Infinity",
                               "\"\\x\"",
                               "\"\\u12\"",
                               "\"a",
                               "\"\n\"",
                               "[1]x",
                               "{\"a\"}",
                               "{\"a\":}",
                               "\"\xff\"",
                               "\"\xed\xa0\x80\"",
                               "{\"a\":1,\"a\":2}",
                               "tru",
                               "//x\n1",
                               "'a'",
                               "[1]]",
                               "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rg_arena arena;
        rg_error err = {0};
        const rg_json *json = NULL;
        if (parse_json(bad[i], &json, &arena, &err) != RG_E_FORMAT) {
            fail_msg("\"%s\" was not refused", bad[i]);
        }
        rg_arena_clear(&arena);
    }
    // both sides of the depth limit
    for (int extra = 0; extra <= 1; extra++) {
        char text[2 * RG_JSON_DEPTH_MAX + 8];
        rg_arena arena;
        rg_error err = {0};
        const rg_json *json = NULL;
        const size_t n = RG_JSON_DEPTH_MAX + (size_t)extra;
        memset(text, '[', n);
        memset(text + n, ']', n);
        text[2 * n] = '\0';
        assert_int_equal(parse_json(text, &json, &arena, &err), extra ? RG_E_LIMIT : RG_OK);
        rg_arena_clear(&arena);
    }
}

static void json_writes_what_it_read(void **state) {
    (void)state;
    const char *text = "{\"a\":[1,2.50,[],{\"b\":null}],\"c\":\"\\\"x\\n\",\"d\":true}";
    rg_arena arena;
    rg_error err = {0};
    const rg_json *json = NULL;
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(parse_json(text, &json, &arena, &err), RG_OK);
    rg_json_write(&out, json);
    assert_string_equal(rg_buf_cstr(&out), text);
    rg_buf_clear(&out);
    rg_arena_clear(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_good_file),
        cmocka_unit_test(s01_refuses_header_lengths),
        cmocka_unit_test(s02_refuses_header_text),
        cmocka_unit_test(s03_refuses_deep_and_huge_headers),
        cmocka_unit_test(s04_refuses_offsets),
        cmocka_unit_test(folds_dimensions_beyond_five),
        cmocka_unit_test(s05_refuses_types_and_shapes),
        cmocka_unit_test(s06_s07_s08_directories),
        cmocka_unit_test(json_reads_what_is_valid),
        cmocka_unit_test(json_refuses_what_is_not),
        cmocka_unit_test(json_writes_what_it_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
