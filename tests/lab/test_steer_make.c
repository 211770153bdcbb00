/* Directions from contrasting prompts, against residuals taken by hand; and the way back through
 * their file onto the model. */
#include "lab/steer_make.h"
#include "model/source.h"
#include "model/steer.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EMBD = 32, N_PAIRS = 5, LENGTH = 90 };

static rg_source *source;
static rg_model *model;
static char path[64];
static int32_t ids[2 * N_PAIRS][LENGTH];
static rg_steer_prompt prompts[2 * N_PAIRS];
static double rows[2 * N_PAIRS][EMBD]; // of layer 1

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static rg_steer_job job_of(rg_steer_method method, bool is_mean) {
    return (rg_steer_job){
        .engine = {.cpu = rg_cpu_detect(), .n_threads = 2, .kv_dtype = RG_DTYPE_F16},
        .positive = prompts,
        .n_positive = N_PAIRS,
        .negative = prompts + N_PAIRS,
        .n_negative = N_PAIRS,
        .method = method,
        .is_mean = is_mean};
}

/** Residuals of one prompt, by hand. */
typedef struct taking {
    double *row;
    size_t n;
    bool is_mean;
} taking;

static rg_status take(void *arg, uint32_t layer, const float *const values[RG_TAPS], size_t pos,
                      size_t n_tok, rg_error *err) {
    const taking *t = arg;
    (void)err;
    for (size_t i = 0; layer == 1 && i < n_tok; i++) {
        for (size_t k = 0; k < EMBD; k++) {
            const double x = values[RG_TAP_RESIDUAL][i * EMBD + k];
            t->row[k] += t->is_mean ? x / (double)t->n : pos + i + 1 == t->n ? x : 0;
        }
    }
    return RG_OK;
}

static void take_rows(bool is_mean) {
    rg_error err = {0};
    memset(rows, 0, sizeof rows);
    for (size_t p = 0; p < 2 * N_PAIRS; p++) {
        rg_engine *engine = NULL;
        rg_session *session = NULL;
        taking t = {rows[p], prompts[p].n, is_mean};
        rg_engine_options o = job_of(RG_STEER_MEAN, false).engine;
        o.n_ctx = LENGTH;
        o.taps = take;
        o.taps_arg = &t;
        MUST(rg_engine_new(rg_mem_heap(), model, source, &o, &engine, &err));
        MUST(rg_session_new(engine, &session, &err));
        MUST(rg_session_eval(session, prompts[p].ids, prompts[p].n, NULL, NULL, &err));
        rg_session_free(session);
        rg_engine_free(engine);
    }
}

static void mean_of_rows(double *out) {
    for (size_t i = 0; i < EMBD; i++) {
        out[i] = 0;
        for (size_t p = 0; p < N_PAIRS; p++) {
            out[i] += (rows[p][i] - rows[N_PAIRS + p][i]) / N_PAIRS;
        }
    }
}

// what the file adds to layer 1 at scale 1
static rg_steer *read_back(void) {
    rg_error err = {0};
    rg_steer *steer = NULL;
    MUST(rg_steer_new(rg_mem_heap(), model, &steer, &err));
    MUST(rg_steer_add(steer, path, 1, NULL, 0, &err));
    assert_null(steer->layers[0].data);
    assert_non_null(steer->layers[1].data);
    return steer;
}

static void make(const rg_steer_job *job, rg_steer_fact *fact) {
    rg_error err = {0};
    rg_steer_fact *facts = NULL;
    size_t n = 0;
    MUST(rg_steer_make(rg_mem_heap(), model, source, job, path, &facts, &n, &err));
    assert_int_equal(n, 1);
    *fact = facts[0];
    rg_free(rg_mem_heap(), facts);
}

static void the_difference_of_means_is_one(void **state) {
    (void)state;
    for (int is_mean = 0; is_mean <= 1; is_mean++) {
        double want[EMBD], norm = 0;
        rg_steer_fact fact;
        const rg_steer_job job = job_of(RG_STEER_MEAN, is_mean);
        take_rows(is_mean);
        mean_of_rows(want);
        make(&job, &fact);
        rg_steer *steer = read_back();
        const float *got = steer->layers[1].data;
        for (size_t i = 0; i < EMBD; i++) {
            assert_true(fabs(want[i] - (double)got[i]) < 1e-5);
            norm += want[i] * want[i];
        }
        assert_int_equal(fact.layer, 1);
        assert_true(fabs(fact.norm - sqrt(norm)) < 1e-4);
        assert_true(fact.separated >= 0.5 && fact.separated <= 1);
        rg_steer_free(steer);
    }
}

static double along(const float *axis, double length, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < EMBD; i++) {
        sum += axis[i] / length * (a[i] - b[i]);
    }
    return sum;
}

static void the_main_axis_has_the_most_of_the_differences(void **state) {
    (void)state;
    rg_steer_fact fact;
    const rg_steer_job job = job_of(RG_STEER_PCA, false);
    take_rows(false);
    make(&job, &fact);
    rg_steer *steer = read_back();
    const float *axis = steer->layers[1].data;
    double most = 0, mean = 0;
    for (size_t p = 0; p < N_PAIRS; p++) {
        const double a = along(axis, fact.norm, rows[p], rows[N_PAIRS + p]);
        most += a * a;
        mean += a / N_PAIRS;
    }
    // as long as the mean difference along it, and pointing to the positive ones
    assert_true(mean > 0 && fabs(mean - fact.norm) < 1e-4);
    // any axis nearby has less
    srand(8);
    for (int trial = 0; trial < 200; trial++) {
        float other[EMBD];
        double norm = 0, sum = 0;
        for (size_t i = 0; i < EMBD; i++) {
            const double nudge = 0.3 * fact.norm * ((double)rand() / RAND_MAX - 0.5);
            other[i] = axis[i] + (float)nudge;
            norm += (double)other[i] * other[i];
        }
        for (size_t p = 0; p < N_PAIRS; p++) {
            const double a = along(other, sqrt(norm), rows[p], rows[N_PAIRS + p]);
            sum += a * a;
        }
        assert_true(sum < most);
    }
    rg_steer_free(steer);
}

static void one_pair_has_one_direction(void **state) {
    (void)state;
    rg_steer_fact fact;
    rg_steer_job job = job_of(RG_STEER_PCA, false);
    job.n_positive = 1;
    job.n_negative = 1;
    take_rows(false);
    make(&job, &fact);
    rg_steer *steer = read_back();
    for (size_t i = 0; i < EMBD; i++) {
        const double want = rows[0][i] - rows[N_PAIRS][i];
        assert_true(fabs(want - (double)((const float *)steer->layers[1].data)[i]) < 1e-4);
    }
    assert_true(fact.separated == 1);
    rg_steer_free(steer);
}

static void assert_refused(const rg_steer_job *job, rg_status want, const char *sentence) {
    rg_error err = {0};
    rg_steer_fact *facts = NULL;
    size_t n = 0;
    unlink(path);
    assert_int_equal(rg_steer_make(rg_mem_heap(), model, source, job, path, &facts, &n, &err),
                     want);
    if (strstr(err.text, sentence) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
    }
    assert_null(facts);
    assert_int_equal(access(path, F_OK), -1);
}

static bool never(void *arg, double share, const char *what) {
    (void)arg;
    (void)what;
    return share < 0;
}

static void refuses_what_gives_no_direction(void **state) {
    (void)state;
    rg_steer_job job = job_of(RG_STEER_MEAN, false);
    job.n_positive = 0;
    assert_refused(&job, RG_E_ARG, "0 positive prompts");
    job.n_positive = RG_STEER_PROMPTS_MAX + 1;
    assert_refused(&job, RG_E_LIMIT, "RG_STEER_PROMPTS_MAX");
    job = job_of(RG_STEER_PCA, false);
    job.n_negative--;
    assert_refused(&job, RG_E_ARG, "needs pairs");
    job = job_of(RG_STEER_MEAN, false);
    job.negative = job.positive;
    assert_refused(&job, RG_E_NUMERIC, "do the prompts differ?");
    job.method = RG_STEER_PCA;
    assert_refused(&job, RG_E_NUMERIC, "do the prompts differ?");
    job = job_of(RG_STEER_MEAN, false);
    job.layers = (uint32_t[]){0};
    job.n_layers = 1;
    assert_refused(&job, RG_E_ARG, "layers 1 to 1");
    job.layers = (uint32_t[]){2};
    assert_refused(&job, RG_E_ARG, "layer 2");
    job = job_of(RG_STEER_MEAN, false);
    job.progress = never;
    assert_refused(&job, RG_E_CANCELLED, "stopped");
    const rg_steer_prompt empty = {ids[0], 0};
    job = job_of(RG_STEER_MEAN, false);
    job.negative = &empty;
    job.n_negative = 1;
    assert_refused(&job, RG_E_ARG, "negative prompt 1 has 0 tokens");
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_steer_fact *facts = NULL;
        size_t n_facts = 0;
        rg_steer_job job = job_of(RG_STEER_PCA, false);
        job.engine.n_threads = 1;
        job.n_positive = 1;
        job.n_negative = 1;
        torture_init(&t, n);
        const rg_status status =
            rg_steer_make(&t.mem, model, source, &job, path, &facts, &n_facts, &err);
        rg_free(&t.mem, facts);
        assert_int_equal(t.n_live, 0);
        if (status == RG_OK) {
            assert_true(n > 30);
            return;
        }
        assert_int_equal(status, RG_E_MEMORY);
    }
}

int main(void) {
    rg_error err = {0};
    if (rg_source_open(rg_mem_heap(), "tests/data/tiny", &source, &err) != RG_OK ||
        rg_model_load(rg_mem_heap(), source, &model, &err) != RG_OK) {
        printf("%s\n", err.text);
        return 1;
    }
    snprintf(path, sizeof path, "/tmp/raga-test-steer-make-%d.gguf", (int)getpid());
    srand(4);
    for (size_t p = 0; p < 2 * N_PAIRS; p++) {
        for (size_t i = 0; i < LENGTH; i++) {
            ids[p][i] = rand() % 281;
        }
        prompts[p] = (rg_steer_prompt){ids[p], LENGTH - 13 * (p % N_PAIRS)};
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_difference_of_means_is_one),
        cmocka_unit_test(the_main_axis_has_the_most_of_the_differences),
        cmocka_unit_test(one_pair_has_one_direction),
        cmocka_unit_test(refuses_what_gives_no_direction),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rg_model_free(model);
    rg_source_close(source);
    return n_failed;
}
