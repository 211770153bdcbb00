/* The BPE trainer against a trainer that counts everything again for each merge; its files; limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/torture.h"
#include "train/bpe_train.h"

#include <unistd.h>

#define MERGES_MAX 512

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

// ---- the naive trainer: words as lists of byte strings, all pairs counted for every merge ----

typedef struct naive_word {
    int32_t ids[64];
    size_t n;
    uint64_t count;
} naive_word;

typedef struct naive {
    naive_word words[512];
    size_t n_words;
    char tokens[256 + MERGES_MAX][300];
    size_t sizes[256 + MERGES_MAX];
    size_t n_tokens;
    rg_bpe_merge merges[MERGES_MAX];
    size_t n_merges;
} naive;

static int32_t naive_token(naive *n, const char *bytes, size_t size) {
    for (size_t i = 0; i < n->n_tokens; i++) {
        if (n->sizes[i] == size && memcmp(n->tokens[i], bytes, size) == 0) {
            return (int32_t)i;
        }
    }
    memcpy(n->tokens[n->n_tokens], bytes, size);
    n->sizes[n->n_tokens] = size;
    return (int32_t)n->n_tokens++;
}

static void naive_count(naive *n, rg_str word) {
    naive_word w = {.n = word.size, .count = 1};
    assert_true(word.size <= 64);
    for (size_t i = 0; i < word.size; i++) {
        w.ids[i] = naive_token(n, word.data + i, 1);
    }
    for (size_t i = 0; i < n->n_words; i++) {
        if (n->words[i].n == w.n && memcmp(n->words[i].ids, w.ids, w.n * sizeof *w.ids) == 0) {
            n->words[i].count++;
            return;
        }
    }
    assert_true(n->n_words < 512);
    n->words[n->n_words++] = w;
}

static int naive_compare(const naive *n, int32_t a, int32_t b) {
    const size_t size = n->sizes[a] < n->sizes[b] ? n->sizes[a] : n->sizes[b];
    const int order = memcmp(n->tokens[a], n->tokens[b], size);
    return order != 0 ? order : (n->sizes[a] > n->sizes[b]) - (n->sizes[a] < n->sizes[b]);
}

static uint64_t naive_count_pair(const naive *n, rg_bpe_merge pair) {
    uint64_t count = 0;
    for (size_t w = 0; w < n->n_words; w++) {
        for (size_t i = 0; i + 1 < n->words[w].n; i++) {
            if (n->words[w].ids[i] == pair.left && n->words[w].ids[i + 1] == pair.right) {
                count += n->words[w].count;
            }
        }
    }
    return count;
}

static bool naive_step(naive *n) {
    rg_bpe_merge best = {0, 0};
    uint64_t best_count = 1;
    for (size_t w = 0; w < n->n_words; w++) {
        for (size_t i = 0; i + 1 < n->words[w].n; i++) {
            const rg_bpe_merge pair = {n->words[w].ids[i], n->words[w].ids[i + 1]};
            const uint64_t count = naive_count_pair(n, pair);
            const int left = naive_compare(n, pair.left, best.left);
            const int right = naive_compare(n, pair.right, best.right);
            if (n->sizes[pair.left] + n->sizes[pair.right] <= RG_BPE_TOKEN_BYTES_MAX &&
                (count > best_count ||
                 (count == best_count && count > 1 && (left < 0 || (left == 0 && right < 0))))) {
                best = pair;
                best_count = count;
            }
        }
    }
    if (best_count < 2) {
        return false;
    }
    char bytes[300];
    memcpy(bytes, n->tokens[best.left], n->sizes[best.left]);
    memcpy(bytes + n->sizes[best.left], n->tokens[best.right], n->sizes[best.right]);
    const int32_t joined = naive_token(n, bytes, n->sizes[best.left] + n->sizes[best.right]);
    n->merges[n->n_merges++] = best;
    for (size_t w = 0; w < n->n_words; w++) {
        naive_word *word = &n->words[w];
        size_t to = 0;
        for (size_t i = 0; i < word->n; i++) {
            const bool is_here =
                i + 1 < word->n && word->ids[i] == best.left && word->ids[i + 1] == best.right;
            word->ids[to++] = is_here ? joined : word->ids[i];
            i += is_here;
        }
        word->n = to;
    }
    return true;
}

static void check_against_naive(const char *text, size_t size, size_t n_vocab) {
    naive *n = calloc(1, sizeof *n);
    rg_bpe_trainer *t = NULL;
    rg_error err = {0};
    const rg_bpe_options options = {.pretok = RG_PRETOK_GPT2, .n_vocab = n_vocab};
    assert_non_null(n);
    assert_int_equal(rg_bpe_trainer_new(rg_mem_heap(), &options, &t, &err), RG_OK);
    // the same ids for bytes
    for (int32_t i = 0; i < 256; i++) {
        const rg_str byte = rg_bpe_trainer_token(t, i);
        assert_int_equal(byte.size, 1);
        assert_int_equal(naive_token(n, byte.data, 1), i);
    }
    const rg_str whole = {text, size};
    for (size_t at = 0; at < size;) {
        const size_t end = rg_pretok_next(RG_PRETOK_GPT2, whole, at);
        naive_count(n, rg_str_slice(whole, at, end));
        at = end;
    }
    while (n->n_tokens < n_vocab && naive_step(n)) {
    }
    assert_int_equal(rg_bpe_trainer_add(t, whole, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_OK);
    size_t n_merges = 0;
    const rg_bpe_merge *merges = rg_bpe_trainer_merges(t, &n_merges);
    assert_int_equal(n_merges, n->n_merges);
    for (size_t i = 0; i < n_merges; i++) {
        assert_int_equal(merges[i].left, n->merges[i].left);
        assert_int_equal(merges[i].right, n->merges[i].right);
    }
    assert_int_equal(rg_bpe_trainer_vocab(t), n->n_tokens);
    rg_bpe_trainer_free(t);
    free(n);
}

static void has_the_merges_of_a_naive_trainer(void **state) {
    (void)state;
    static const char words[] = "low low low lower lowest newest newest widest banana bananas "
                                "aaaa aaa aaaaa abababab babab mississippi  12 123 1234 !!! !!";
    check_against_naive(words, sizeof words - 1, 256 + 200);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        char text[600];
        uint64_t random = seed;
        size_t run = 0; // letters since the last space: the naive trainer wants short words
        const uint32_t n_letters = 1 + (uint32_t)seed % 4;
        for (size_t i = 0; i < sizeof text; i++) {
            const bool is_space = run == 40 || next_random(&random) % 9 == 0;
            text[i] = is_space ? ' ' : (char)('a' + next_random(&random) % n_letters);
            run = is_space ? 0 : run + 1;
        }
        check_against_naive(text, sizeof text, 256 + 1 + next_random(&random) % 200);
    }
}

// ---- files ----

static const rg_bpe_special specials[] = {{RG_STR("<|endoftext|>"), true},
                                          {RG_STR("<|im_start|>"), true},
                                          {RG_STR("<|im_end|>"), true},
                                          {RG_STR("<tool_call>"), false}};

static const char corpus[] =
    "<|im_start|>user\nWalk two metres forward, then turn left.<|im_end|>\n"
    "<|im_start|>assistant\n<tool_call>{\"name\": \"walk\"}<|im_end|>\n"
    "Berjalan dua meter ke depan, lalu belok kiri. \xE5\x90\x91\xE5\x89\x8D\xE8\xB5\xB0\xE4\xB8\xA4"
    "\xE7\xB1\xB3\xEF\xBC\x8C\xE7\x84\xB6\xE5\x90\x8E\xE5\xB7\xA6\xE8\xBD\xAC\xE3\x80\x82 "
    "walking walked turns turning left left left \xF0\x9F\x98\x80\xF0\x9F\x98\x80";

static void remove_dir(const char *dir) {
    char path[256];
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    unlink(path);
    rmdir(dir);
}

static void assert_round_trip(const rg_tokenizer *tok, rg_str text) {
    rg_ids ids;
    rg_buf joined;
    rg_error err = {0};
    rg_ids_init(&ids, rg_mem_heap());
    rg_buf_init(&joined, rg_mem_heap(), 0);
    assert_int_equal(rg_tokenizer_encode(tok, text, RG_ENCODE_PARSE_SPECIAL, &ids, &err), RG_OK);
    rg_tokenizer_join(tok, rg_ids_data(&ids), rg_ids_count(&ids), &joined);
    assert_int_equal(joined.size, text.size);
    assert_memory_equal(joined.data, text.data, text.size);
    rg_ids_clear(&ids);
    rg_buf_clear(&joined);
}

static void loads_in_the_runtime_and_round_trips(void **state) {
    (void)state;
    static const rg_pretok kinds[] = {RG_PRETOK_GPT2,   RG_PRETOK_LLAMA3, RG_PRETOK_QWEN2,
                                      RG_PRETOK_QWEN35, RG_PRETOK_GPT4O,  RG_PRETOK_KIMI};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char dir[] = "/tmp/raga-bpe-XXXXXX";
        rg_error err = {0};
        rg_bpe_trainer *t = NULL;
        rg_tokenizer *tok = NULL;
        const rg_bpe_options options = {
            .pretok = kinds[k], .n_vocab = 400, .specials = specials, .n_specials = 4};
        const rg_bpe_files files = {.chat_template = RG_STR("{{ messages }}\"\n"),
                                    .eos = RG_STR("<|im_end|>")};
        assert_non_null(mkdtemp(dir));
        assert_int_equal(rg_bpe_trainer_new(rg_mem_heap(), &options, &t, &err), RG_OK);
        assert_int_equal(rg_bpe_trainer_add(t, rg_str_of(corpus), &err), RG_OK);
        assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_OK);
        assert_int_equal(rg_bpe_trainer_save(t, dir, &files, &err), RG_OK);
        if (rg_tokenizer_open(rg_mem_heap(), dir, &tok, &err) != RG_OK) {
            fail_msg("%s: %s", rg_pretok_name(kinds[k]), err.text);
        }
        assert_int_equal(rg_tokenizer_pretok(tok), kinds[k]);
        assert_int_equal(rg_tokenizer_vocab(tok), rg_bpe_trainer_vocab(t));
        const int32_t end = rg_tokenizer_find(tok, RG_STR("<|im_end|>"));
        assert_int_equal(end, (int32_t)rg_bpe_trainer_vocab(t) - 2);
        assert_int_equal(rg_tokenizer_eos(tok), end);
        assert_int_equal(rg_tokenizer_type(tok, end), RG_TOKEN_CONTROL);
        assert_int_equal(rg_tokenizer_type(tok, end + 1), RG_TOKEN_USER);
        assert_round_trip(tok, rg_str_of(corpus));
        assert_round_trip(tok, RG_STR("\xFF\xFE bytes \x01\x7F of no character"));
        // every merged token is found again as one token
        for (int32_t id = 256; id < end - 2; id++) {
            assert_true(rg_str_eq(rg_tokenizer_bytes(tok, id), rg_bpe_trainer_token(t, id)));
        }
        rg_tokenizer_free(tok);
        rg_bpe_trainer_free(t);
        remove_dir(dir);
    }
}

static void special_tokens_are_never_merged(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bpe_trainer *t = NULL;
    const rg_bpe_options options = {
        .pretok = RG_PRETOK_QWEN2, .n_vocab = 300, .specials = specials, .n_specials = 4};
    assert_int_equal(rg_bpe_trainer_new(rg_mem_heap(), &options, &t, &err), RG_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rg_bpe_trainer_add(t, RG_STR("<|im_end|><tool_call><|im_end|>x"), &err),
                         RG_OK);
    }
    assert_int_equal(rg_bpe_trainer_words(t), 1);
    assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_vocab(t), 256 + 4);
    rg_bpe_trainer_free(t);
}

// ---- limits ----

static rg_status try_new(rg_bpe_options options, rg_error *err) {
    rg_bpe_trainer *t = NULL;
    const rg_status status = rg_bpe_trainer_new(rg_mem_heap(), &options, &t, err);
    rg_bpe_trainer_free(t);
    return status;
}

static void refuses_options_that_cannot_work(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bpe_options o = {
        .pretok = RG_PRETOK_QWEN2, .n_vocab = 260, .specials = specials, .n_specials = 4};
    assert_int_equal(try_new(o, &err), RG_OK);
    o.n_vocab = 259;
    assert_int_equal(try_new(o, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "259"));
    o.n_vocab = RG_TOKENIZER_VOCAB_MAX;
    assert_int_equal(try_new(o, &err), RG_OK);
    o.n_vocab = RG_TOKENIZER_VOCAB_MAX + 1;
    assert_int_equal(try_new(o, &err), RG_E_ARG);
    o.n_vocab = 1000;
    o.pretok = RG_PRETOK_DEEPSEEK;
    assert_int_equal(try_new(o, &err), RG_E_UNSUPPORTED);
    o.pretok = RG_PRETOK_NONE;
    assert_int_equal(try_new(o, &err), RG_E_UNSUPPORTED);
    o.pretok = RG_PRETOK_QWEN2;
    const rg_bpe_special twice[] = {specials[0], specials[0]};
    o.specials = twice;
    o.n_specials = 2;
    assert_int_equal(try_new(o, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "twice"));
    const rg_bpe_special bad[] = {{RG_STR("x"), true}, {RG_STR("\xFF\xFF"), true}};
    o.specials = &bad[0];
    o.n_specials = 1;
    assert_int_equal(try_new(o, &err), RG_E_ARG);
    o.specials = &bad[1];
    assert_int_equal(try_new(o, &err), RG_E_ARG);
    o.n_specials = RG_BPE_SPECIALS_MAX + 1;
    o.n_vocab = 5000;
    assert_int_equal(try_new(o, &err), RG_E_LIMIT);
}

static void bounds_the_distinct_pieces(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bpe_trainer *t = NULL;
    const rg_bpe_options options = {.pretok = RG_PRETOK_GPT2, .n_vocab = 300, .word_bytes_max = 8};
    assert_int_equal(rg_bpe_trainer_new(rg_mem_heap(), &options, &t, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_add(t, RG_STR("abcd efg"), &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_add(t, RG_STR("abcd efg"), &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_add(t, RG_STR("h"), &err), RG_E_LIMIT);
    assert_non_null(strstr(err.text, "8 bytes"));
    assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_E_STATE);
    assert_int_equal(rg_bpe_trainer_add(t, RG_STR("a"), &err), RG_E_STATE);
    const rg_bpe_files files = {.eos = RG_STR("<eos>")};
    assert_int_equal(rg_bpe_trainer_save(t, "/tmp/raga-not-made", &files, &err), RG_E_ARG);
    rg_bpe_trainer_free(t);
}

static bool stop(void *arg, double share, const char *what) {
    (void)what;
    assert_true(share >= 0.0 && share <= 1.0);
    return ++*(int *)arg < 2;
}

static void stops_when_asked_to(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bpe_trainer *t = NULL;
    int n_calls = 0;
    const rg_bpe_options options = {.pretok = RG_PRETOK_GPT2, .n_vocab = 600};
    char text[4000];
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i % 7 == 0 ? ' ' : 'a' + next_random(&random) % 6);
    }
    assert_int_equal(rg_bpe_trainer_new(rg_mem_heap(), &options, &t, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_add(t, (rg_str){text, sizeof text}, &err), RG_OK);
    assert_int_equal(rg_bpe_trainer_run(t, stop, &n_calls, &err), RG_E_CANCELLED);
    assert_int_equal(n_calls, 2);
    rg_bpe_trainer_free(t);
}

// one letter, then noise without a space: quadratic time would run into ctest's limit
static void long_words_stay_linear(void **state) {
    (void)state;
    const size_t size = (size_t)1 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    for (int round = 0; round < 2; round++) {
        torture counter;
        rg_error err = {0};
        rg_bpe_trainer *t = NULL;
        uint64_t random = 7;
        const rg_bpe_options options = {.pretok = RG_PRETOK_GPT2, .n_vocab = 2000};
        for (size_t i = 0; i < size; i++) {
            text[i] = (char)('a' + (round == 0 ? 0 : next_random(&random) % 26));
        }
        torture_init(&counter, 0);
        assert_int_equal(rg_bpe_trainer_new(&counter.mem, &options, &t, &err), RG_OK);
        assert_int_equal(rg_bpe_trainer_add(t, (rg_str){text, size}, &err), RG_OK);
        assert_int_equal(rg_bpe_trainer_run(t, NULL, NULL, &err), RG_OK);
        size_t n = 0;
        (void)rg_bpe_trainer_merges(t, &n);
        assert_true(round == 0 ? n == 8 : n == 2000 - 256); // 2, 4, ... 256 letters
        rg_bpe_trainer_free(t);
        assert_int_equal(counter.n_live, 0);
    }
    free(text);
}

static void survives_each_failing_allocation(void **state) {
    (void)state;
    bool is_done = false;
    for (size_t fail_at = 1; !is_done; fail_at++) {
        char dir[] = "/tmp/raga-bpe-XXXXXX";
        torture tort;
        rg_error err = {0};
        rg_bpe_trainer *t = NULL;
        const rg_bpe_options options = {
            .pretok = RG_PRETOK_QWEN2, .n_vocab = 320, .specials = specials, .n_specials = 4};
        const rg_bpe_files files = {.eos = RG_STR("<|im_end|>")};
        assert_non_null(mkdtemp(dir));
        torture_init(&tort, fail_at);
        rg_status status = rg_bpe_trainer_new(&tort.mem, &options, &t, &err);
        status = status == RG_OK ? rg_bpe_trainer_add(t, rg_str_of(corpus), &err) : status;
        status = status == RG_OK ? rg_bpe_trainer_run(t, NULL, NULL, &err) : status;
        status = status == RG_OK ? rg_bpe_trainer_save(t, dir, &files, &err) : status;
        rg_bpe_trainer_free(t);
        assert_true(status == RG_OK || status == RG_E_MEMORY);
        assert_int_equal(tort.n_live, 0);
        is_done = status == RG_OK;
        remove_dir(dir);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_merges_of_a_naive_trainer),
        cmocka_unit_test(loads_in_the_runtime_and_round_trips),
        cmocka_unit_test(special_tokens_are_never_merged),
        cmocka_unit_test(refuses_options_that_cannot_work),
        cmocka_unit_test(bounds_the_distinct_pieces),
        cmocka_unit_test(stops_when_asked_to),
        cmocka_unit_test(long_words_stay_linear),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
