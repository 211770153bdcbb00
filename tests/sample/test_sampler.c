/* Samplers against exact distributions, and stop strings against every way a text can arrive. */
#include "sample/sampler.h"
#include "sample/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

enum { N = 8, DRAWS = 40000 };

static const float logits[N] = {2.0f, 1.5f, 1.5f, 0.5f, 0.0f, -1.0f, -2.0f, -30.0f};

static rg_sampler *sampler_of(const rg_sampler_params *p, size_t n) {
    rg_error err = {0};
    rg_sampler *s = NULL;
    if (rg_sampler_new(rg_mem_heap(), p, n, &s, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    return s;
}

// frequencies of many draws against the exact probabilities: chi-square, far beyond its 99.99 %
// point fails
static void check_distribution(const rg_sampler_params *p, const double *want) {
    rg_sampler *s = sampler_of(p, N);
    rg_error err = {0};
    size_t counts[N] = {0};
    double chi = 0;
    for (int i = 0; i < DRAWS; i++) {
        int32_t id = -1;
        assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
        counts[id]++;
    }
    for (size_t i = 0; i < N; i++) {
        if (want[i] < 1e-9) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        const double expected = want[i] * DRAWS;
        chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    }
    assert_true(chi < 32);
    rg_sampler_free(s);
}

static void exact(double *p, float temperature, const bool *kept) {
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        p[i] = kept[i] ? exp(logits[i] / temperature) : 0;
        sum += p[i];
    }
    for (size_t i = 0; i < N; i++) {
        p[i] /= sum;
    }
}

static const bool all[N] = {true, true, true, true, true, true, true, true};

static void temperature_shapes_the_distribution(void **state) {
    (void)state;
    const float temperatures[] = {0.5f, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        rg_sampler_params p = rg_sampler_params_off();
        double want[N];
        p.temperature = temperatures[i];
        exact(want, temperatures[i], all);
        check_distribution(&p, want);
    }
}

static void top_k_top_p_and_min_p_keep_the_best(void **state) {
    (void)state;
    double want[N];
    const bool three[N] = {true, true, true};
    const bool four[N] = {true, true, true, true};
    rg_sampler_params p = rg_sampler_params_off();
    p.top_k = 3;
    exact(want, 1, three);
    check_distribution(&p, want);
    p = rg_sampler_params_off();
    p.top_p = 0.8f; // 0.38 + 0.23 + 0.23 reaches it with three
    exact(want, 1, three);
    check_distribution(&p, want);
    p.top_p = 0.9f; // three are 0.84, four 0.92
    exact(want, 1, four);
    check_distribution(&p, want);
    p = rg_sampler_params_off();
    p.min_p = 0.2f; // e^-1.5 = 0.223 of the best stays, e^-2 = 0.135 goes
    exact(want, 1, four);
    check_distribution(&p, want);
}

static void typical_keeps_the_expected_surprise(void **state) {
    (void)state;
    // entropy is nearest to the surprise of the two tokens at 1.5
    const bool two[N] = {false, true, true};
    rg_sampler_params p = rg_sampler_params_off();
    double want[N];
    p.typical_p = 0.3f;
    exact(want, 1, two);
    check_distribution(&p, want);
}

static void greedy_takes_the_first_of_the_best(void **state) {
    (void)state;
    rg_error err = {0};
    rg_sampler_params p = rg_sampler_params_off();
    p.temperature = 0;
    rg_sampler *s = sampler_of(&p, N);
    int32_t id = -1;
    const float ties[N] = {0, 3, 3, 1};
    assert_int_equal(rg_sampler_draw(s, ties, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 1);
    rg_sampler_free(s);
}

static void penalties_and_bias_move_logits(void **state) {
    (void)state;
    rg_error err = {0};
    int32_t id = -1;
    const rg_bias bias[] = {{0, -100}, {3, 1.2f}};
    rg_sampler_params p = rg_sampler_params_off();
    p.temperature = 0;
    p.bias = bias;
    p.n_bias = 2;
    rg_sampler *s = sampler_of(&p, N);
    assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 3); // 0 is barred, 3 is lifted to 1.7
    rg_sampler_free(s);

    p = rg_sampler_params_off();
    p.temperature = 0;
    p.repetition_penalty = 1.4f;
    p.last_n = 2;
    s = sampler_of(&p, N);
    rg_sampler_accept(s, 0);
    assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 1); // 2 / 1.4 < 1.5
    rg_sampler_accept(s, 6);
    rg_sampler_accept(s, 6); // 0 has left the window
    assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 0);
    rg_sampler_free(s);

    p = rg_sampler_params_off();
    p.temperature = 0;
    p.frequency_penalty = 0.3f;
    s = sampler_of(&p, N);
    rg_sampler_accept(s, 0);
    assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 0); // 2 - 0.3
    rg_sampler_accept(s, 0);
    assert_int_equal(rg_sampler_draw(s, logits, NULL, &id, &err), RG_OK);
    assert_int_equal(id, 1); // 2 - 0.6
    rg_sampler_free(s);
}

static void the_seed_decides(void **state) {
    (void)state;
    rg_error err = {0};
    rg_sampler_params p = rg_sampler_params_off();
    p.seed = 42;
    rg_sampler *a = sampler_of(&p, N);
    rg_sampler *b = sampler_of(&p, N);
    for (int i = 0; i < 100; i++) {
        int32_t x = -1, y = -2;
        assert_int_equal(rg_sampler_draw(a, logits, NULL, &x, &err), RG_OK);
        assert_int_equal(rg_sampler_draw(b, logits, NULL, &y, &err), RG_OK);
        assert_int_equal(x, y);
    }
    rg_sampler_free(a);
    rg_sampler_free(b);
}

static void refuses_parameters_out_of_range(void **state) {
    (void)state;
    const struct {
        size_t offset;
        float value;
        const char *name;
    } rows[] = {{offsetof(rg_sampler_params, temperature), -0.1f, "temperature"},
                {offsetof(rg_sampler_params, temperature), NAN, "temperature"},
                {offsetof(rg_sampler_params, temperature), INFINITY, "temperature"},
                {offsetof(rg_sampler_params, top_p), 1.01f, "top_p"},
                {offsetof(rg_sampler_params, min_p), -0.01f, "min_p"},
                {offsetof(rg_sampler_params, typical_p), NAN, "typical_p"},
                {offsetof(rg_sampler_params, repetition_penalty), 0, "repetition_penalty"},
                {offsetof(rg_sampler_params, presence_penalty), 101, "presence_penalty"},
                {offsetof(rg_sampler_params, frequency_penalty), -101, "frequency_penalty"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_sampler_params p = rg_sampler_params_off();
        rg_sampler *s = NULL;
        rg_error err = {0};
        memcpy((char *)&p + rows[i].offset, &rows[i].value, sizeof(float));
        assert_int_equal(rg_sampler_new(rg_mem_heap(), &p, N, &s, &err), RG_E_ARG);
        assert_non_null(strstr(err.text, rows[i].name));
    }
    const rg_bias bad[] = {{N, 1}};
    rg_sampler_params p = rg_sampler_params_off();
    rg_sampler *s = NULL;
    rg_error err = {0};
    p.bias = bad;
    p.n_bias = 1;
    assert_int_equal(rg_sampler_new(rg_mem_heap(), &p, N, &s, &err), RG_E_ARG);
}

// G24: garbage in a file's scales must not become text
static void refuses_logits_that_are_not_finite(void **state) {
    (void)state;
    rg_sampler_params p = rg_sampler_params_off();
    rg_sampler *s = sampler_of(&p, N);
    const float bad[] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        float values[N] = {0};
        int32_t id = -1;
        rg_error err = {0};
        values[5] = bad[i];
        assert_int_equal(rg_sampler_draw(s, values, NULL, &id, &err), RG_E_NUMERIC);
        assert_non_null(strstr(err.text, "non-finite logits"));
    }
    rg_sampler_free(s);
}

static void log_probabilities_are_exact(void **state) {
    (void)state;
    double whole[N];
    rg_logprob top[3];
    exact(whole, 1, all);
    const float own = rg_logprobs(logits, N, 4, top, 3);
    assert_true(fabs(own - log(whole[4])) < 1e-5);
    assert_int_equal(top[0].id, 0);
    assert_int_equal(top[1].id, 1); // ties: lower id first
    assert_int_equal(top[2].id, 2);
    assert_true(fabs(top[2].logprob - log(whole[2])) < 1e-5);
}

// ---- stop strings ----

// the text cut into every two and three pieces, and byte by byte, gives the same
static void check_stop(const char *const *strings, size_t n, const char *text, const char *want,
                       bool want_hit) {
    const size_t size = strlen(text);
    for (size_t a = 0; a <= size; a++) {
        for (size_t b = a; b <= size; b++) {
            rg_stop stop;
            rg_buf out;
            rg_error err = {0};
            bool hit = false;
            const size_t cuts[] = {0, a, b, size};
            rg_buf_init(&out, rg_mem_heap(), 0);
            assert_int_equal(rg_stop_init(&stop, rg_mem_heap(), strings, n, &err), RG_OK);
            for (size_t i = 0; i < 3 && !hit; i++) {
                assert_int_equal(rg_stop_feed(&stop,
                                              (rg_str){text + cuts[i], cuts[i + 1] - cuts[i]}, &out,
                                              &hit, &err),
                                 RG_OK);
                // nothing that belongs to a stop string has leaked
                assert_true(rg_str_starts(rg_str_of(want), rg_buf_view(&out)));
            }
            if (!hit) {
                rg_stop_flush(&stop, &out);
            }
            assert_int_equal(hit, want_hit);
            assert_string_equal(rg_buf_cstr(&out), want);
            rg_stop_clear(&stop);
            rg_buf_clear(&out);
        }
    }
}

static void stop_strings_span_pieces_and_never_leak(void **state) {
    (void)state;
    const char *one[] = {"stop"};
    const char *several[] = {"abcX", "bc", "\n\n"};
    const char *overlap[] = {"aab"};
    check_stop(one, 1, "go on and stop here", "go on and ", true);
    check_stop(one, 1, "sto sto sto", "sto sto sto", false);
    check_stop(several, 3, "xxabcX", "xxa", true);
    check_stop(several, 3, "one\ntwo\n\nthree", "one\ntwo", true);
    check_stop(overlap, 1, "aaaab", "aa", true);
    check_stop(NULL, 0, "anything", "anything", false);
}

static void refuses_bad_stop_strings(void **state) {
    (void)state;
    rg_stop stop;
    rg_error err = {0};
    const char *empty[] = {"x", ""};
    assert_int_equal(rg_stop_init(&stop, rg_mem_heap(), empty, 2, &err), RG_E_ARG);
    const char *many[RG_STOP_STRINGS_MAX + 1];
    for (size_t i = 0; i < RG_STOP_STRINGS_MAX + 1; i++) {
        many[i] = "x";
    }
    assert_int_equal(rg_stop_init(&stop, rg_mem_heap(), many, RG_STOP_STRINGS_MAX + 1, &err),
                     RG_E_LIMIT);
    assert_int_equal(rg_stop_init(&stop, rg_mem_heap(), many, RG_STOP_STRINGS_MAX, &err), RG_OK);
    rg_stop_clear(&stop);
}

// a guess drawn from other logits, judged: the distribution stays, and the guess as often as can be
static void check_judged(const rg_sampler_params *p, const double *want, const float *others) {
    rg_sampler *s = sampler_of(p, N);
    rg_error err = {0};
    rg_odds odds[N];
    size_t counts[N] = {0}, n = 0, n_kept = 0;
    double chi = 0, overlap = 0;
    for (int i = 0; i < DRAWS; i++) {
        int32_t guess = -1, id = -1;
        assert_int_equal(rg_sampler_guess(s, others, odds, &n, &guess, &err), RG_OK);
        assert_int_equal(rg_sampler_judge(s, logits, guess, odds, n, &id, &err), RG_OK);
        counts[id]++;
        n_kept += id == guess;
    }
    for (size_t i = 0; i < N; i++) {
        double q = 0;
        for (size_t k = 0; k < n; k++) {
            q = odds[k].id == (int32_t)i ? (double)odds[k].p : q;
        }
        overlap += fmin(q, want[i]);
        if (want[i] < 1e-9) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        const double expected = want[i] * DRAWS;
        chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    }
    assert_true(chi < 32);
    // more than five standard deviations off would be another rule; drawn again, a guess may come
    // only where it is likelier here than there, and then it was kept at once
    assert_true(fabs((double)n_kept / DRAWS - overlap) < 5 * 0.5 / sqrt(DRAWS));
    rg_sampler_free(s);
}

static void guesses_leave_the_distribution_as_it_is(void **state) {
    (void)state;
    static const float others[][N] = {
        {2.0f, 1.5f, 1.5f, 0.5f, 0.0f, -1.0f, -2.0f, -30.0f}, // the same
        {1.0f, 2.0f, 1.0f, 0.0f, 1.0f, -1.0f, -1.0f, -3.0f},  // near
        {-2.0f, -1.0f, 0.0f, 0.5f, 1.0f, 2.0f, 3.0f, 3.0f},   // far
        {-30.0f, -30.0f, -30.0f, -30.0f, 5.0f, 2.0f, 3.0f, 3.0f},
    };
    const bool three[N] = {true, true, true};
    const bool four[N] = {true, true, true, true};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double want[N];
        rg_sampler_params p = rg_sampler_params_off();
        exact(want, 1, all);
        check_judged(&p, want, others[i]);
        p.temperature = 2;
        exact(want, 2, all);
        check_judged(&p, want, others[i]);
        p.top_k = 3;
        exact(want, 2, three);
        check_judged(&p, want, others[i]);
        p = rg_sampler_params_off();
        p.min_p = 0.2f;
        exact(want, 1, four);
        check_judged(&p, want, others[i]);
    }
}

// what comes next does not depend on a guess that left nothing to chance, nor on whether there is
// one
static void certain_guesses_change_no_draw(void **state) {
    (void)state;
    rg_error err = {0};
    rg_sampler_params p = rg_sampler_params_off();
    p.seed = 3;
    rg_sampler *a = sampler_of(&p, N);
    rg_sampler *b = sampler_of(&p, N);
    for (int i = 0; i < 200; i++) {
        int32_t want = -1, got = -1;
        assert_int_equal(rg_sampler_draw(a, logits, NULL, &want, &err), RG_OK);
        assert_int_equal(rg_sampler_judge(b, logits, i % N, NULL, 0, &got, &err), RG_OK);
        assert_int_equal(got, want);
    }
    rg_sampler_free(a);
    rg_sampler_free(b);
    p.temperature = 0;
    a = sampler_of(&p, N);
    rg_odds odds[N];
    size_t n = 9;
    int32_t id = -1;
    assert_int_equal(rg_sampler_guess(a, logits, odds, &n, &id, &err), RG_OK);
    assert_int_equal(n, 0);
    assert_int_equal(id, 0);
    assert_int_equal(rg_sampler_judge(a, logits, 5, odds, 0, &id, &err), RG_OK);
    assert_int_equal(id, 0);
    rg_sampler_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature_shapes_the_distribution),
        cmocka_unit_test(top_k_top_p_and_min_p_keep_the_best),
        cmocka_unit_test(typical_keeps_the_expected_surprise),
        cmocka_unit_test(greedy_takes_the_first_of_the_best),
        cmocka_unit_test(penalties_and_bias_move_logits),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(refuses_parameters_out_of_range),
        cmocka_unit_test(refuses_logits_that_are_not_finite),
        cmocka_unit_test(log_probabilities_are_exact),
        cmocka_unit_test(stop_strings_span_pieces_and_never_leak),
        cmocka_unit_test(refuses_bad_stop_strings),
        cmocka_unit_test(guesses_leave_the_distribution_as_it_is),
        cmocka_unit_test(certain_guesses_change_no_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
