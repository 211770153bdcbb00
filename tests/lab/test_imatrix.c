/* Importance matrices: what is measured against sums taken by hand, the way through the file, files
 * that are refused; and quantizing by one, with each allocation failing in turn. */
#include "format/gguf.h"
#include "lab/quant_file.h"
#include "model/source.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { EMBD = 32, CHUNK = 40, N_IDS = 2 * CHUNK + 7 };

static rg_source *source;
static rg_model *model;
static char path[64], made[64];
static int32_t ids[N_IDS];

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

static int begin(void **state) {
    rg_error err = {0};
    (void)state;
    snprintf(path, sizeof path, "/tmp/raga_imatrix_%d.gguf", (int)getpid());
    snprintf(made, sizeof made, "/tmp/raga_quant_%d.gguf", (int)getpid());
    MUST(rg_source_open(rg_mem_heap(), "tests/data/tiny", &source, &err));
    MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
    for (int i = 0; i < N_IDS; i++) {
        ids[i] = (i * i * 7 + 3 * i) % 250;
    }
    return 0;
}

static int end(void **state) {
    (void)state;
    unlink(path);
    unlink(made);
    rg_model_free(model);
    rg_source_close(source);
    return 0;
}

static rg_imatrix_job job_of(void) {
    static const rg_str text = {"calibration.txt", 15};
    return (rg_imatrix_job){.engine = {.cpu = rg_cpu_detect(), .n_threads = 2, .is_exact = true},
                            .ids = ids,
                            .n = N_IDS,
                            .bos = -1,
                            .chunk_tokens = CHUNK,
                            .texts = &text,
                            .n_texts = 1};
}

static void measure(const rg_imatrix_job *job, rg_imatrix_facts *facts) {
    rg_error err = {0};
    MUST(rg_imatrix_make(rg_mem_heap(), model, source, job, path, facts, &err));
}

// mean of squares of the normalized embeddings: what q, k and v of layer 0 are multiplied with
static void by_hand(const int32_t *tokens, size_t n, double *mean) {
    const rg_tensor *embed = &model->weights[RG_ROLE_EMBED];
    const float *norm = model->weights[rg_model_slot(RG_ROLE_ATTN_NORM, 0)].data;
    const rg_dtype_info *info = rg_dtype_get(embed->dtype);
    for (size_t i = 0; i < EMBD; i++) {
        mean[i] = 0;
    }
    for (size_t t = 0; t < n; t++) {
        float x[EMBD];
        double sum = 0;
        info->to_float(x, (const char *)embed->data + (size_t)tokens[t] * EMBD * info->block_bytes,
                       EMBD);
        for (size_t i = 0; i < EMBD; i++) {
            sum += (double)x[i] * x[i] / EMBD;
        }
        for (size_t i = 0; i < EMBD; i++) {
            const double y = norm[i] * x[i] / sqrt(sum + model->h.norm_eps);
            mean[i] += y * y / (double)n;
        }
    }
}

static void measures_what_matrices_are_multiplied_with(void **state) {
    (void)state;
    rg_error err = {0};
    rg_imatrix_facts facts;
    rg_imatrix *m = NULL;
    double want[EMBD];
    const rg_imatrix_job job = job_of();
    measure(&job, &facts);
    assert_int_equal(facts.n_chunks, 2);
    assert_int_equal(facts.n_entries, 14);
    MUST(rg_imatrix_open(rg_mem_heap(), path, &m, &err));
    assert_int_equal(rg_imatrix_count(m), 14);
    assert_int_equal(rg_imatrix_chunks(m), 2);
    assert_true(rg_str_is(rg_imatrix_text(m), "calibration.txt"));
    by_hand(ids, 2 * CHUNK, want);
    static const char *const same[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight",
                                       "blk.0.attn_v.weight"};
    for (size_t i = 0; i < 3; i++) {
        const rg_imatrix_entry *e = rg_imatrix_find(m, rg_str_of(same[i]));
        assert_non_null(e);
        assert_int_equal(e->n_cols, EMBD);
        assert_int_equal(e->n_mats, 1);
        for (size_t k = 0; k < EMBD; k++) {
            assert_true(fabs(e->mean[k] - want[k]) <= 1e-5 * want[k]);
        }
    }
    assert_int_equal(rg_imatrix_find(m, RG_STR("blk.1.ffn_down.weight"))->n_cols, 64);
    assert_null(rg_imatrix_find(m, RG_STR("output.weight")));
    rg_imatrix_close(m);
}

static void a_beginning_token_takes_the_place_of_the_first(void **state) {
    (void)state;
    rg_error err = {0};
    rg_imatrix_facts facts;
    rg_imatrix *m = NULL;
    double want[EMBD];
    int32_t with[CHUNK];
    rg_imatrix_job job = job_of();
    job.bos = 11;
    job.n_chunks = 1;
    measure(&job, &facts);
    assert_int_equal(facts.n_chunks, 1);
    memcpy(with, ids, sizeof with);
    with[0] = 11;
    by_hand(with, CHUNK, want);
    MUST(rg_imatrix_open(rg_mem_heap(), path, &m, &err));
    for (size_t k = 0; k < EMBD; k++) {
        const double got = rg_imatrix_find(m, RG_STR("blk.0.attn_q.weight"))->mean[k];
        assert_true(fabs(got - want[k]) <= 1e-5 * want[k]);
    }
    rg_imatrix_close(m);
}

static void refuses_texts_that_are_too_short(void **state) {
    (void)state;
    rg_error err = {0};
    rg_imatrix_facts facts;
    rg_imatrix_job job = job_of();
    job.n = CHUNK - 1;
    unlink(path);
    assert_int_equal(rg_imatrix_make(rg_mem_heap(), model, source, &job, path, &facts, &err),
                     RG_E_ARG);
    assert_non_null(strstr(err.text, "39 tokens, one chunk takes 40"));
    assert_int_equal(rg_file_kind_of(path), RG_FILE_NONE);
}

// ---- files ----

static void write_imatrix(const char *type, const char *name, const float *sums, size_t n,
                          const float *counts, size_t n_counts) {
    rg_error err = {0};
    rg_gguf_writer w;
    char sums_name[64], counts_name[64];
    snprintf(sums_name, sizeof sums_name, "%s.in_sum2", name);
    snprintf(counts_name, sizeof counts_name, "%s.counts", name);
    rg_gguf_writer_init(&w, rg_mem_heap());
    rg_gguf_put_str(&w, "general.type", rg_str_of(type));
    rg_gguf_put_tensor(&w, &(rg_tensor){.name = rg_str_of(sums_name),
                                        .n_dims = 2,
                                        .shape = {1, n},
                                        .data = sums,
                                        .bytes = n * sizeof *sums});
    if (n_counts != 0) {
        rg_gguf_put_tensor(&w, &(rg_tensor){.name = rg_str_of(counts_name),
                                            .n_dims = 2,
                                            .shape = {n_counts, 1},
                                            .data = counts,
                                            .bytes = n_counts * sizeof *counts});
    }
    MUST(rg_gguf_write(&w, path, NULL, NULL, &err));
    rg_gguf_writer_clear(&w);
}

static void expect_refusal(const char *words) {
    rg_error err = {0};
    rg_imatrix *m = NULL;
    assert_int_equal(rg_imatrix_open(rg_mem_heap(), path, &m, &err), RG_E_FORMAT);
    if (strstr(err.text, words) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    }
}

static void refuses_bad_files(void **state) {
    (void)state;
    static const float good[4] = {1, 2, 3, 4};
    static const float negative[4] = {1, -2, 3, 4};
    const float not_finite[4] = {1, NAN, 3, 4};
    const float infinite[4] = {1, 2, 3, INFINITY};
    static const float counts[2] = {8, 8};
    static const float none = 0;
    const float odd = NAN;
    static const float tiny = 1e-39f; // by which the sums divide to infinity
    write_imatrix("imatrix", "a.weight", good, 4, &none, 1);
    expect_refusal("a.weight was counted 0 times");
    write_imatrix("imatrix", "a.weight", good, 4, &odd, 1);
    expect_refusal("counted nan times");
    write_imatrix("imatrix", "a.weight", good, 4, &tiny, 1);
    expect_refusal("the sum of squares 0 of a.weight is 1, counted 1e-39 times");
    write_imatrix("imatrix", "a.weight", negative, 4, counts, 1);
    expect_refusal("the sum of squares 1 of a.weight is -2");
    write_imatrix("imatrix", "a.weight", not_finite, 4, counts, 1);
    expect_refusal("is nan");
    write_imatrix("imatrix", "a.weight", infinite, 4, counts, 1);
    expect_refusal("the sum of squares 3 of a.weight is inf");
    write_imatrix("imatrix", "a.weight", good, 4, counts, 2);
    expect_refusal("2 counts, 1 are needed");
    write_imatrix("imatrix", "a.weight", good, 4, NULL, 0);
    expect_refusal("a.weight.counts is missing");
    write_imatrix("model", "a.weight", good, 4, counts, 1);
    expect_refusal("general.type is \"model\"");
}

// ---- quantizing by one ----

static rg_status quantize(const rg_mem *mem, const rg_imatrix *by, rg_quant_report *report,
                          rg_error *err) {
    const rg_quant_options o = {.mix = rg_mix_find(RG_STR("q4_0")),
                                .imatrix = by,
                                .output_type = RG_DTYPE_COUNT,
                                .embed_type = RG_DTYPE_COUNT,
                                .n_threads = 1};
    return rg_quant_file(mem, source, &o, made, report, err);
}

static void sizes_must_fit_and_strangers_are_noted(void **state) {
    (void)state;
    rg_error err = {0};
    rg_quant_report report = {0};
    rg_imatrix *m = NULL;
    static const float sums[16] = {1};
    static const float count = 1;
    write_imatrix("imatrix", "blk.0.attn_q.weight", sums, 16, &count, 1);
    MUST(rg_imatrix_open(rg_mem_heap(), path, &m, &err));
    unlink(made);
    assert_int_equal(quantize(rg_mem_heap(), m, &report, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "1 x 16 values for tensor blk.0.attn_q.weight"));
    assert_int_equal(rg_file_kind_of(made), RG_FILE_NONE);
    rg_buf_clear(&report.notes);
    rg_imatrix_close(m);
    write_imatrix("imatrix", "blk.9.attn_q.weight", sums, 16, &count, 1);
    MUST(rg_imatrix_open(rg_mem_heap(), path, &m, &err));
    MUST(quantize(rg_mem_heap(), m, &report, &err));
    assert_int_equal(report.n_by_importance, 0);
    assert_non_null(strstr(rg_buf_cstr(&report.notes), "no tensor blk.9.attn_q.weight"));
    rg_buf_clear(&report.notes);
    rg_imatrix_close(m);
}

static double weighted_error(const rg_imatrix *by) {
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.1.ffn_down.weight"};
    static const rg_role roles[] = {RG_ROLE_ATTN_Q, RG_ROLE_FFN_DOWN};
    rg_error err = {0};
    rg_gguf *gguf = NULL;
    double sum = 0;
    MUST(rg_gguf_open(rg_mem_heap(), made, &gguf, &err));
    for (uint32_t i = 0; i < 2; i++) {
        const rg_tensor *t = rg_gguf_find(gguf, rg_str_of(names[i]));
        const rg_tensor *from = &model->weights[rg_model_slot(roles[i], i)];
        const rg_imatrix_entry *e = rg_imatrix_find(by, rg_str_of(names[i]));
        float got[64], want[64];
        for (size_t r = 0; r < t->shape[0]; r++) {
            const size_t n = t->shape[1];
            rg_dtype_get(t->dtype)->to_float(
                got, (const char *)t->data + r * (t->bytes / t->shape[0]), n);
            rg_dtype_get(from->dtype)
                ->to_float(want, (const char *)from->data + r * (from->bytes / t->shape[0]), n);
            for (size_t k = 0; k < n; k++) {
                sum += e->mean[k] * ((double)got[k] - want[k]) * ((double)got[k] - want[k]);
            }
        }
    }
    rg_gguf_close(gguf);
    return sum;
}

static void importance_lowers_the_error_that_counts(void **state) {
    (void)state;
    rg_error err = {0};
    rg_quant_report report = {0};
    rg_imatrix_facts facts;
    rg_imatrix *m = NULL;
    const rg_imatrix_job job = job_of();
    measure(&job, &facts);
    MUST(rg_imatrix_open(rg_mem_heap(), path, &m, &err));
    MUST(quantize(rg_mem_heap(), NULL, &report, &err));
    const double blind = weighted_error(m);
    rg_buf_clear(&report.notes);
    MUST(quantize(rg_mem_heap(), m, &report, &err));
    assert_int_equal(report.n_by_importance, 14);
    rg_buf_clear(&report.notes);
    const double aware = weighted_error(m);
    if (!(aware < 0.95 * blind)) {
        fail_msg("weighted error %g with importance, %g without", aware, blind);
    }
    rg_imatrix_close(m);
}

static void survives_every_failing_allocation(void **state) {
    (void)state;
    rg_status status = RG_E_MEMORY;
    size_t n_failed = 0;
    unlink(made);
    for (size_t at = 1; status != RG_OK; at++) {
        torture t;
        rg_error err = {0};
        rg_imatrix *m = NULL;
        rg_quant_report report = {0};
        torture_init(&t, at);
        status = rg_imatrix_open(&t.mem, path, &m, &err);
        if (status == RG_OK) {
            status = quantize(&t.mem, m, &report, &err);
            rg_buf_clear(&report.notes);
        }
        rg_imatrix_close(m);
        assert_int_equal(t.n_live, 0);
        n_failed += status != RG_OK;
        assert_true(status == RG_OK || status == RG_E_MEMORY);
        assert_int_equal(rg_file_kind_of(made), status == RG_OK ? RG_FILE_REGULAR : RG_FILE_NONE);
    }
    assert_in_range(n_failed, 21, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_what_matrices_are_multiplied_with),
        cmocka_unit_test(a_beginning_token_takes_the_place_of_the_first),
        cmocka_unit_test(refuses_texts_that_are_too_short),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(sizes_must_fit_and_strangers_are_noted),
        cmocka_unit_test(importance_lowers_the_error_that_counts),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
