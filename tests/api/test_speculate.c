/* Text that is guessed ahead is the text that would have come anyway: greedy to the token, drawn in
 * its distribution, whoever guesses and however well. */
#include "api/api_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/mtp_models.h"

enum { TOKENS = 40, PROMPT = 9, CTX = 160, VOCAB = 320 };

static const int32_t prompt[PROMPT] = {17, 4, 250, 31, 99, 8, 201, 64, 5};
static char made[64]; // qwen3.5 with a head
static rg_source *made_of;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RAGA_OK) {                                                                   \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static const char *path_of(const char *folder) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folder);
    return folder == made ? made : path;
}

static raga_model *open_model(const char *folder, const char *speculate, unsigned n_threads) {
    raga_model *model = NULL;
    raga_error err = {0};
    const raga_model_options options = {.size = sizeof options,
                                        .path = path_of(folder),
                                        .n_threads = n_threads,
                                        .n_ctx = CTX,
                                        .n_slots = 3,
                                        .is_exact = true,
                                        .speculate = speculate};
    MUST(raga_model_open(&options, &model, &err));
    return model;
}

/** An answer as it comes. */
typedef struct answer {
    int32_t ids[CTX];
    size_t n;
    size_t most; // tokens, then it is stopped by hand; 0: never
    raga_result result;
} answer;

static bool keep(void *arg, const raga_step *step) {
    answer *a = arg;
    if (step->id >= 0) {
        a->ids[a->n++] = step->id;
    }
    return a->most == 0 || a->n < a->most;
}

/** A drafter that knows what comes, and says it `right` times of 4, by chance. */
typedef struct oracle {
    const answer *truth;
    size_t n_before; // tokens before the truth
    int right;
} oracle;

static size_t foretell(void *arg, const int32_t *ids, size_t n, int32_t next, int32_t *guesses,
                       size_t most) {
    const oracle *o = arg;
    const size_t at = n - o->n_before; // of `next` in the truth
    size_t made_here = 0;
    assert_int_equal(ids[0], prompt[0]);
    assert_int_equal(next, o->truth->ids[at]);
    for (; made_here < most && at + 1 + made_here < o->truth->n; made_here++) {
        const int32_t id = o->truth->ids[at + 1 + made_here];
        guesses[made_here] = rand() % 4 < o->right ? id : (id + 1) % VOCAB;
    }
    return made_here;
}

static raga_generate_options greedy(size_t most) {
    return (raga_generate_options){.size = sizeof(raga_generate_options),
                                   .max_tokens = most,
                                   .is_greedy = true,
                                   .ignore_end = true};
}

static raga_session *new_session(raga_model *model) {
    raga_session *s = NULL;
    raga_error err = {0};
    MUST(raga_session_new(model, &s, &err));
    return s;
}

static answer run_from(raga_session *s, const raga_generate_options *o, bool has_prompt) {
    answer a = {.result = {.size = sizeof a.result}};
    raga_error err = {0};
    MUST(raga_generate(s, prompt, has_prompt ? PROMPT : 0, o, keep, &a, &a.result, &err));
    return a;
}

static void same_text(const answer *got, const answer *want, const char *what) {
    if (got->n != want->n || memcmp(got->ids, want->ids, want->n * sizeof *want->ids) != 0) {
        fail_msg("%s: %zu tokens, of which not all are the %zu that come without guesses", what,
                 got->n, want->n);
    }
    assert_string_equal(got->result.stop, want->result.stop);
}

static void check_model(const char *folder, bool has_head, unsigned n_threads) {
    raga_model *model = open_model(folder, NULL, n_threads);
    raga_session *s = new_session(model);
    raga_generate_options o = greedy(TOKENS);
    const answer want = run_from(s, &o, true);
    assert_int_equal(want.n, TOKENS);
    assert_int_equal(want.result.n_steps, TOKENS - 1);
    assert_int_equal(want.result.n_guessed, 0);
    raga_session_free(s);
    raga_model_close(model);

    static const char *const how[] = {"ngram", "ngram:9", "mtp", "mtp:4"};
    for (size_t i = 0; i < (has_head ? 4 : 2); i++) {
        model = open_model(folder, how[i], n_threads);
        s = new_session(model);
        const answer got = run_from(s, &o, true);
        same_text(&got, &want, how[i]);
        assert_true(i < 2 || got.result.n_guessed >= TOKENS - 2);
        assert_int_equal(raga_session_count(s), PROMPT + TOKENS - 1);
        raga_session_free(s);

        // whoever guesses well needs fewer steps
        for (int right = 0; right <= 4; right++) {
            oracle teller = {&want, PROMPT, right};
            o.draft = foretell;
            o.draft_arg = &teller;
            s = new_session(model);
            const answer told = run_from(s, &o, true);
            same_text(&told, &want, "foretold");
            assert_int_equal(raga_session_count(s), PROMPT + TOKENS - 1);
            const raga_result *r = &told.result;
            assert_int_equal(r->n_steps + r->n_accepted, TOKENS - 1);
            assert_true(right < 4 || r->n_accepted == r->n_guessed);
            assert_true(right > 0 || r->n_accepted == 0);
            assert_true(right != 2 || (r->n_accepted > 0 && r->n_accepted < r->n_guessed));
            raga_session_free(s);
        }
        o.draft = NULL;
        raga_model_close(model);
    }
}

static void greedy_text_is_the_same(void **state) {
    (void)state;
    static const char *const levels[] = {"scalar", "avx2", "avx512"};
    rg_error err = {0};
    rg_cpu cpu;
    for (size_t i = 0; i < 3; i++) {
        setenv("RAGA_CPU", levels[i], 1);
        if (rg_cpu_choose(&cpu, &err) != RG_OK) {
            continue; // this machine has no such level
        }
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            check_model("deepseek-v3", true, n_threads);
            check_model(made, true, n_threads);
            check_model("kimi-linear", false, n_threads);
            check_model("qwen3", false, n_threads);
        }
    }
    unsetenv("RAGA_CPU");
}

// wherever an answer ends, it ends as without guesses, and so does the session
static void it_ends_where_it_would(void **state) {
    (void)state;
    raga_error err = {0};
    raga_model *plain = open_model(made, NULL, 1);
    raga_model *model = open_model(made, "mtp:5", 1);
    raga_session *s = new_session(plain);
    raga_generate_options o = greedy(TOKENS);
    const answer all = run_from(s, &o, true);
    raga_session_free(s);
    oracle teller = {&all, PROMPT, 3};
    for (size_t n = 1; n <= TOKENS; n++) {
        for (int way = 0; way < 2; way++) {
            answer want = all,
                   got = {.most = way == 0 ? 0 : n, .result = {.size = sizeof got.result}};
            raga_generate_options told = greedy(way == 0 ? n : TOKENS + 1);
            told.draft = foretell;
            told.draft_arg = &teller;
            want.n = n;
            want.result.stop = way == 0 ? "length" : "cancelled";
            s = new_session(model);
            MUST(raga_generate(s, prompt, PROMPT, &told, keep, &got, &got.result, &err));
            same_text(&got, &want, "cut short");
            assert_int_equal(raga_session_count(s), PROMPT + n - 1);
            assert_memory_equal(raga_session_ids(s) + PROMPT, all.ids, (n - 1) * sizeof *all.ids);
            raga_session_free(s);
        }
    }

    // the context is full in the midst of guesses
    o = greedy(CTX);
    s = new_session(plain);
    const answer full = run_from(s, &o, true);
    raga_session_free(s);
    assert_int_equal(full.n, CTX - PROMPT + 1); // of the last one the context has no need
    oracle longer = {&full, PROMPT, 4};
    o.draft = foretell;
    o.draft_arg = &longer;
    s = new_session(model);
    const answer got = run_from(s, &o, true);
    same_text(&got, &full, "a full context");
    raga_session_free(s);
    raga_model_close(model);
    raga_model_close(plain);
}

static void sessions_go_on_from_forks_and_files(void **state) {
    (void)state;
    raga_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/raga-test-speculate-%d", (int)getpid());
    raga_model *plain = open_model(made, NULL, 1);
    raga_model *model = open_model(made, "mtp:3", 2);
    raga_session *s = new_session(plain);
    raga_generate_options o = greedy(TOKENS);
    const answer want = run_from(s, &o, true);
    raga_session_free(s);

    s = new_session(model);
    o = greedy(TOKENS / 2);
    oracle teller = {&want, PROMPT, 2};
    o.draft = foretell;
    o.draft_arg = &teller;
    const answer first = run_from(s, &o, true);
    o.draft = NULL;
    for (int way = 0; way < 3; way++) {
        raga_session *other = NULL;
        if (way == 0) {
            MUST(raga_session_fork(s, &other, &err));
        } else {
            MUST(raga_session_save(s, path, &err));
            other = new_session(model);
            MUST(raga_session_restore(other, path, &err));
        }
        if (way == 2) {
            raga_session_truncate(other, PROMPT + 3);
            MUST(raga_session_eval(other, want.ids + 3, first.n - 4, NULL, NULL, &err));
        }
        MUST(raga_session_eval(other, &want.ids[first.n - 1], 1, NULL, NULL, &err));
        answer rest = {.result = {.size = sizeof rest.result}};
        MUST(raga_generate(other, NULL, 0, &o, keep, &rest, &rest.result, &err));
        assert_memory_equal(rest.ids, want.ids + first.n, rest.n * sizeof *want.ids);
        assert_true(rest.result.n_guessed > 0);
        raga_session_free(other);
    }
    raga_session_free(s);
    unlink(path);
    raga_model_close(model);
    raga_model_close(plain);
}

static void a_grammar_holds_guessed_text_too(void **state) {
    (void)state;
    raga_error err = {0};
    static const char pattern[] = "[a-m]{5,9} [n-z0-9]{12}[a-z]*";
    raga_model *models[] = {open_model("deepseek-v3", NULL, 1),
                            open_model("deepseek-v3", "mtp:3", 1)};
    answer answers[2];
    for (size_t i = 0; i < 2; i++) {
        raga_grammar *grammar = NULL;
        MUST(raga_grammar_of_regex(models[i], pattern, strlen(pattern), &grammar, &err));
        raga_generate_options o = greedy(TOKENS);
        raga_session *s = new_session(models[i]);
        o.grammar = grammar;
        answers[i] = run_from(s, &o, true);
        raga_session_free(s);
        raga_grammar_free(grammar);
    }
    same_text(&answers[1], &answers[0], "under a grammar");
    assert_true(answers[1].result.n_guessed > 0);
    raga_model_close(models[0]);
    raga_model_close(models[1]);
}

// ---- drawn text ----

enum { SEEDS = 2000, DRAWN = 4, LIKELY = 8 };

/** How often each token came in each place. */
typedef double tally[DRAWN][VOCAB];

static void count(raga_model *model, raga_generate_options *o, uint64_t first_seed, tally counts,
                  raga_result *sum) {
    raga_error err = {0};
    raga_session *s = new_session(model);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        answer a = {.result = {.size = sizeof a.result}};
        raga_session_truncate(s, 0);
        o->seed = first_seed + seed;
        MUST(raga_generate(s, prompt, PROMPT, o, keep, &a, &a.result, &err));
        assert_int_equal(a.n, DRAWN);
        for (size_t i = 0; i < DRAWN; i++) {
            counts[i][a.ids[i]]++;
        }
        sum->n_guessed += a.result.n_guessed;
        sum->n_accepted += a.result.n_accepted;
    }
    raga_session_free(s);
}

// two samples of one distribution over a few tokens: beyond 30 lies one of ten thousand with 7
// degrees of freedom
static void check_counts(tally a, tally b, const char *what) {
    for (size_t i = 0; i < DRAWN; i++) {
        double chi = 0;
        for (size_t id = 0; id < VOCAB; id++) {
            const double off = a[i][id] - b[i][id], both = a[i][id] + b[i][id];
            chi += both == 0 ? 0 : off * off / both;
        }
        if (chi > 30) {
            fail_msg("%s: place %zu has chi square %.1f", what, i, chi);
        }
    }
}

// one token after another, without doubt
static size_t insist(void *arg, const int32_t *ids, size_t n, int32_t next, int32_t *guesses,
                     size_t most) {
    (void)arg;
    (void)ids;
    for (size_t i = 0; i < most; i++) {
        guesses[i] = (int32_t)(11 + 29 * ((n + (size_t)next + i) % LIKELY));
    }
    return most;
}

static void drawn_text_keeps_its_distribution(void **state) {
    (void)state;
    static const char *const folders[] = {"deepseek-v3", made};
    for (size_t f = 0; f < 2; f++) {
        static tally plain[2], told[2];
        raga_result sum = {0};
        raga_bias bias[LIKELY]; // these come, nothing else
        for (size_t i = 0; i < LIKELY; i++) {
            bias[i] = (raga_bias){(int32_t)(11 + 29 * i), 60};
        }
        raga_generate_options o = {.size = sizeof o,
                                   .max_tokens = DRAWN,
                                   .has_temperature = true,
                                   .temperature = 1.5f,
                                   .top_k = LIKELY,
                                   .top_p = 1,
                                   .min_p = -1,
                                   .frequency_penalty = 0.5f,
                                   .bias = bias,
                                   .n_bias = LIKELY,
                                   .has_seed = true,
                                   .ignore_end = true};
        memset(plain, 0, sizeof plain);
        memset(told, 0, sizeof told);
        raga_model *model = open_model(folders[f], NULL, 1);
        count(model, &o, 0, plain[0], &sum);
        count(model, &o, 100000, plain[1], &sum);
        check_counts(plain[0], plain[1], "two samples without guesses");
        raga_model_close(model);

        model = open_model(folders[f], "mtp:3", 1);
        count(model, &o, 200000, told[0], &sum);
        check_counts(plain[0], told[0], "by the head");
        // with so few tokens, many guesses of a random head are kept
        assert_true(sum.n_accepted > sum.n_guessed / 4 && sum.n_accepted < sum.n_guessed);
        o.draft = insist;
        count(model, &o, 300000, told[1], &sum);
        check_counts(plain[0], told[1], "by somebody who insists");
        raga_model_close(model);
    }
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *folder;
        const char *speculate;
        const char *said;
    } cases[] = {
        {"qwen3.5", "mtp", "there is no head"},
        {"llama3", "mtp:2", "there is no head"},
        {"llama3", "ngram:0", "1 to 15"},
        {"llama3", "ngram:16", "1 to 15"},
        {"llama3", "ngram:", "1 to 15"},
        {"llama3", "ngram:2x", "1 to 15"},
        {"llama3", "mtpx", "is not possible"},
        {"llama3", "", "is not possible"},
        {"llama3", "ngram:99999999999999999999", "1 to 15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        raga_model *model = NULL;
        raga_error err = {0};
        const raga_model_options options = {.size = sizeof options,
                                            .path = path_of(cases[i].folder),
                                            .speculate = cases[i].speculate};
        assert_int_not_equal(raga_model_open(&options, &model, &err), RAGA_OK);
        assert_non_null(strstr(err.text, cases[i].said));
    }
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    srand(3);
    snprintf(made, sizeof made, "/tmp/raga-speculate-XXXXXX");
    if (mkdtemp(made) == NULL || !mtp_write_model("qwen3.5", made, &made_of)) {
        printf("no model can be written to %s\n", made);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_text_is_the_same),
        cmocka_unit_test(it_ends_where_it_would),
        cmocka_unit_test(sessions_go_on_from_forks_and_files),
        cmocka_unit_test(a_grammar_holds_guessed_text_too),
        cmocka_unit_test(drawn_text_keeps_its_distribution),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_source_close(made_of);
    mtp_remove_model(made);
    return failed;
}
