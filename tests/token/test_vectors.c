/* Tokenizers against the reference vectors: every family, every mode, every line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tokenizers.h"
#include "token/nfc.h"

/** Calls fn for each line of a file, parsed. Returns the number of lines. */
static size_t each_line(const char *name, void (*fn)(void *arg, const rg_json *line, size_t n),
                        void *arg) {
    const rg_str text = shared_read(name);
    rg_str line;
    size_t n = 0;
    assert_non_null(text.data);
    for (size_t at = 0; shared_line(text, &at, &line);) {
        rg_arena arena;
        rg_error err = {0};
        const rg_json *json = NULL;
        rg_arena_init(&arena, rg_mem_heap(), 0);
        n++;
        if (rg_json_parse(&arena, line, &json, &err) != RG_OK) {
            fail_msg("%s line %zu: %s", name, n, err.text);
        }
        fn(arg, json, n);
        rg_arena_clear(&arena);
    }
    rg_free(rg_mem_heap(), (void *)text.data);
    return n;
}

static void check_ids(const rg_tokenizer *tok, rg_str text, unsigned flags, const rg_json *want,
                      size_t n, const char *mode) {
    rg_ids ids;
    rg_error err = {0};
    rg_ids_init(&ids, rg_mem_heap());
    if (rg_tokenizer_encode(tok, text, flags, &ids, &err) != RG_OK) {
        fail_msg("line %zu, %s: %s", n, mode, err.text);
    }
    if (rg_ids_count(&ids) != want->n) {
        fail_msg("line %zu, %s: %zu ids, the reference has %zu", n, mode, rg_ids_count(&ids),
                 want->n);
    }
    for (size_t i = 0; i < want->n; i++) {
        int64_t id = -1;
        assert_true(rg_json_i64(rg_json_at(want, i), &id));
        if (rg_ids_data(&ids)[i] != id) {
            fail_msg("line %zu, %s: id %zu is %d, the reference has %lld", n, mode, i,
                     rg_ids_data(&ids)[i], (long long)id);
        }
    }
    rg_ids_clear(&ids);
}

static void check_encode_line(void *arg, const rg_json *line, size_t n) {
    const rg_tokenizer *tok = arg;
    rg_str text;
    assert_true(rg_json_str(rg_json_find(line, "text"), &text));
    const rg_json *ids = rg_json_find(line, "ids");
    const rg_json *plain = rg_json_find(line, "ids_no_special");
    const rg_json *added = rg_json_find(line, "ids_add_special");
    check_ids(tok, text, RG_ENCODE_PARSE_SPECIAL, ids, n, "parsed");
    check_ids(tok, text, 0, plain != NULL ? plain : ids, n, "plain");
    check_ids(tok, text, RG_ENCODE_PARSE_SPECIAL | RG_ENCODE_ADD_SPECIAL,
              added != NULL ? added : ids, n, "with BOS");
}

static int32_t *ids_of(const rg_json *list) {
    int32_t *ids = rg_new_array(rg_mem_heap(), list->n + 1, sizeof *ids);
    for (size_t i = 0; i < list->n; i++) {
        int64_t id = -1;
        assert_true(rg_json_i64(rg_json_at(list, i), &id));
        ids[i] = (int32_t)id;
    }
    return ids;
}

static void check_text(rg_buf *got, rg_str want, size_t n, const char *what) {
    if (!rg_str_eq(rg_buf_view(got), want)) {
        fail_msg("line %zu, %s: \"%.*s\", the reference has \"%.*s\"", n, what,
                 RG_FMT(rg_buf_view(got)), RG_FMT(want));
    }
    got->size = 0;
}

// what encode.jsonl says of decoding its own ids
static void check_round_trip_line(void *arg, const rg_json *line, size_t n) {
    const rg_tokenizer *tok = arg;
    const rg_json *list = rg_json_find(line, "ids");
    rg_str want;
    rg_buf out;
    int32_t *ids = ids_of(list);
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_true(rg_json_str(rg_json_find(line, "text"), &want));
    (void)rg_json_str(rg_json_find(line, "decoded"), &want);
    rg_tokenizer_decode(tok, ids, list->n, false, &out);
    check_text(&out, want, n, "decoded");
    (void)rg_json_str(rg_json_find(line, "decoded_skip_special"), &want);
    rg_tokenizer_decode(tok, ids, list->n, true, &out);
    check_text(&out, want, n, "decoded without special tokens");
    rg_buf_clear(&out);
    rg_free(rg_mem_heap(), ids);
}

static void check_decode_line(void *arg, const rg_json *line, size_t n) {
    const rg_tokenizer *tok = arg;
    const rg_json *list = rg_json_find(line, "ids");
    rg_str want;
    rg_buf out, hex;
    int32_t *ids = ids_of(list);
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_buf_init(&hex, rg_mem_heap(), 0);
    rg_tokenizer_join(tok, ids, list->n, &out);
    for (size_t i = 0; i < out.size; i++) {
        rg_buf_format(&hex, "%02x", (unsigned char)out.data[i]);
    }
    if (list->n != 0) {
        assert_true(rg_json_str(rg_json_find(line, "bytes_hex"), &want));
        check_text(&hex, want, n, "bytes");
    }
    // the byte-fallback families' reference repairs ill-formed runs byte by byte: there the bytes
    // are what counts
    if (rg_str_is(rg_str_of(rg_tokenizer_kind(tok)), "sentencepiece")) {
        goto done;
    }
    out.size = 0;
    assert_true(rg_json_str(rg_json_find(line, "decoded"), &want));
    rg_tokenizer_decode(tok, ids, list->n, false, &out);
    check_text(&out, want, n, "decoded");

done:
    rg_buf_clear(&out);
    rg_buf_clear(&hex);
    rg_free(rg_mem_heap(), ids);
}

static void check_family(const char *family, size_t n_lines) {
    char name[256];
    rg_tokenizer *tok = open_family(family);
    snprintf(name, sizeof name, "tokenizers/%s/encode.jsonl", family);
    assert_int_equal(each_line(name, check_encode_line, tok), n_lines);
    each_line(name, check_round_trip_line, tok);
    snprintf(name, sizeof name, "tokenizers/%s/decode.jsonl", family);
    assert_true(each_line(name, check_decode_line, tok) > 0);
    rg_tokenizer_free(tok);
}

static void qwen2_5_equals_the_reference(void **state) {
    (void)state;
    check_family("qwen2.5", 647);
}

static void qwen3_equals_the_reference(void **state) {
    (void)state;
    check_family("qwen3", 647);
}

static void deepseek_v3_equals_the_reference(void **state) {
    (void)state;
    check_family("deepseek-v3", 647);
}

static void kimi_k2_equals_the_reference(void **state) {
    (void)state;
    check_family("kimi-k2", 647);
}

static void mistral_equals_the_reference(void **state) {
    (void)state;
    check_family("mistral-7b", 647);
}

// the deepseek-v3 file with two ids renamed
static void deepseek_r1_equals_the_reference(void **state) {
    (void)state;
    rg_tokenizer *tok = open_deepseek_r1();
    assert_int_equal(rg_tokenizer_find(tok, RG_STR("<think>")), 128798);
    assert_int_equal(each_line("tokenizers/deepseek-r1/encode.jsonl", check_encode_line, tok), 58);
    rg_tokenizer_free(tok);
}

// ---- the steps before merging ----

static void check_pieces_line(void *arg, const rg_json *line, size_t n) {
    const rg_pretok kind = *(const rg_pretok *)arg;
    const rg_json *pieces = rg_json_find(line, "pieces");
    rg_str text;
    rg_buf normal;
    size_t at = 0;
    rg_buf_init(&normal, rg_mem_heap(), 0);
    assert_true(rg_json_str(rg_json_find(line, "text"), &text));
    if (kind == RG_PRETOK_QWEN2) {
        rg_nfc(&normal, text);
        text = rg_buf_view(&normal);
    }
    for (size_t i = 0; i < pieces->n; i++) {
        rg_str want;
        assert_true(rg_json_str(rg_json_at(pieces, i), &want));
        assert_true(at < text.size);
        const size_t end = rg_pretok_next(kind, text, at);
        if (!rg_str_eq(rg_str_slice(text, at, end), want)) {
            fail_msg("line %zu: piece %zu is \"%.*s\", the reference has \"%.*s\"", n, i,
                     RG_FMT(rg_str_slice(text, at, end)), RG_FMT(want));
        }
        at = end;
    }
    assert_int_equal(at, text.size);
    rg_buf_clear(&normal);
}

static void pieces_equal_the_reference(void **state) {
    (void)state;
    rg_pretok qwen = RG_PRETOK_QWEN2, llama = RG_PRETOK_LLAMA3, deepseek = RG_PRETOK_DEEPSEEK,
              kimi = RG_PRETOK_KIMI;
    assert_true(each_line("tokenizers/qwen3/pretok.jsonl", check_pieces_line, &qwen) > 500);
    assert_true(each_line("tokenizers/llama3/pretok.jsonl", check_pieces_line, &llama) > 500);
    assert_true(each_line("tokenizers/deepseek-v3/pretok.jsonl", check_pieces_line, &deepseek) >
                500);
    assert_true(each_line("tokenizers/kimi-k2/pretok.jsonl", check_pieces_line, &kimi) > 500);
}

static void check_nfc_line(void *arg, const rg_json *line, size_t n) {
    (void)arg;
    rg_str text, want;
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_true(rg_json_str(rg_json_find(line, "text"), &text));
    assert_true(rg_json_str(rg_json_find(line, "nfc"), &want));
    rg_nfc(&out, text);
    check_text(&out, want, n, "NFC");
    rg_buf_clear(&out);
}

static void nfc_equals_the_reference(void **state) {
    (void)state;
    assert_true(each_line("tokenizers/nfc.jsonl", check_nfc_line, NULL) > 1000);
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qwen2_5_equals_the_reference),
        cmocka_unit_test(qwen3_equals_the_reference),
        cmocka_unit_test(deepseek_v3_equals_the_reference),
        cmocka_unit_test(deepseek_r1_equals_the_reference),
        cmocka_unit_test(kimi_k2_equals_the_reference),
        cmocka_unit_test(mistral_equals_the_reference),
        cmocka_unit_test(pieces_equal_the_reference),
        cmocka_unit_test(nfc_equals_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
