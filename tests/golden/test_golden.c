/*
 * Whole models against the official implementations' numbers: every text case of the reference
 * folder, from safetensors and from GGUF, on every instruction set of this machine, with one and
 * two threads, in one piece and cut, and continued from a file where it was cut.
 */
#include "base/file.h"
#include "engine/engine.h"
#include "format/json.h"
#include "model/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOKENS_MAX = 4096, GREEDY_MAX = 64, FILE_MAX = 64 << 20 };

/** What golden.json says of one case. */
typedef struct golden {
    const char *folder;
    int32_t ids[TOKENS_MAX];
    size_t n_ids;
    size_t cut;
    size_t first_row;
    int32_t greedy[GREEDY_MAX];
    size_t n_greedy;
    double tolerance;
    bool is_seeing;
} golden;

static rg_arena arena;
static const rg_json *case_list;

static const char *shared_path(void) {
    const char *path = getenv("RAGA_SHARED");
    return path == NULL ? "../shared" : path;
}

static rg_str read_file(const char *folder, const char *name) {
    char path[1024];
    rg_bytes bytes = {0};
    rg_error err;
    snprintf(path, sizeof path, "%s/golden/%s/%s", shared_path(), folder, name);
    if (rg_file_read(rg_mem_heap(), path, FILE_MAX, &bytes, &err) != RG_OK) {
        return (rg_str){0};
    }
    char *copy = rg_arena_copy(&arena, (const char *)bytes.data, bytes.size);
    rg_free(rg_mem_heap(), (void *)bytes.data);
    return (rg_str){copy, bytes.size};
}

static const rg_json *read_tree(const char *folder, const char *name) {
    const rg_json *tree = NULL;
    rg_error err = {0};
    const rg_str text = read_file(folder, name);
    if (text.data == NULL || rg_json_parse(&arena, text, &tree, &err) != RG_OK) {
        fail_msg("%s/%s: %s", folder, name, err.text);
    }
    return tree;
}

static size_t read_ids(const rg_json *list, int32_t *ids, size_t most) {
    assert_non_null(list);
    assert_true(list->n <= most);
    for (size_t i = 0; i < list->n; i++) {
        int64_t id = -1;
        assert_true(rg_json_i64(rg_json_at(list, i), &id));
        ids[i] = (int32_t)id;
    }
    return list->n;
}

static const rg_json *read_golden(const char *folder, golden *g) {
    const rg_json *tree = read_tree(folder, "golden.json");
    int64_t n = 0;
    *g = (golden){.folder = folder};
    g->n_ids = read_ids(rg_json_find(tree, "tokens"), g->ids, TOKENS_MAX);
    g->n_greedy = read_ids(rg_json_find(tree, "greedy"), g->greedy, GREEDY_MAX);
    if (rg_json_i64(rg_json_at(rg_json_at(rg_json_find(tree, "chunks"), 0), 1), &n)) {
        g->cut = (size_t)n;
    }
    if (rg_json_i64(rg_json_find(tree, "logits_first_row"), &n)) {
        g->first_row = (size_t)n;
    }
    (void)rg_json_f64(rg_json_find(tree, "tolerance_max_abs"), &g->tolerance);
    // of models that see, what stands before the first picture; test_vision does the rest
    g->is_seeing = rg_json_find(tree, "grid_thw") != NULL;
    if (g->is_seeing) {
        assert_true(
            rg_json_i64(rg_json_find(read_tree(folder, "config.json"), "image_token_id"), &n));
        g->n_greedy = 0;
        for (size_t i = g->n_ids; i-- > 0;) {
            g->n_ids = g->ids[i] == n ? i : g->n_ids;
        }
        g->cut = g->n_ids / 2;
        assert_true(g->n_ids >= 4);
    }
    return tree;
}

// ---- running ----

/** How one run is made. */
typedef struct how {
    rg_cpu cpu;
    unsigned n_threads;
    size_t cut;       // 0: in one piece
    bool is_restored; // where it was cut, from a file
    bool is_exact;
} how;

/** Differences between the logits of a run and those expected. */
typedef struct difference {
    const float *want;
    size_t n_rows;
    size_t first_row;
    double worst;
    double squares[TOKENS_MAX]; // of each token, their mean
    size_t n;
} difference;

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

// An expert chosen otherwise, where two were nearly equal, gives another answer for that token, not
// a less exact one: of models with experts the worst tenth of the tokens is left out.
static double rms_of(difference *d, const rg_model *model) {
    const size_t n = model->h.n_expert == 0 ? d->n : d->n - d->n / 10;
    double sum = 0;
    qsort(d->squares, d->n, sizeof *d->squares, by_size);
    for (size_t i = 0; i < n; i++) {
        sum += d->squares[i];
    }
    return sqrt(sum / (double)n);
}

static rg_status compare(void *arg, size_t pos, const float *logits, size_t n_vocab,
                         rg_error *err) {
    (void)err;
    difference *d = arg;
    if (pos < d->first_row || pos - d->first_row >= d->n_rows) {
        return RG_OK;
    }
    const float *want = d->want + (pos - d->first_row) * n_vocab;
    double sum = 0;
    for (size_t i = 0; i < n_vocab; i++) {
        const double diff = fabs((double)logits[i] - want[i]);
        // a NaN must not pass for zero
        d->worst = diff <= d->worst ? d->worst : diff;
        sum += diff * diff;
    }
    d->squares[d->n++] = sum / (double)n_vocab;
    return RG_OK;
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

// the greedy continuation from where the session stands
static void check_greedy(rg_session *s, const int32_t *want, size_t n, size_t n_vocab,
                         const char *what) {
    rg_error err = {0};
    for (size_t i = 0; i < n; i++) {
        const float *logits = rg_session_logits(s);
        int32_t best = 0;
        for (size_t k = 1; k < n_vocab; k++) {
            best = logits[k] > logits[best] ? (int32_t)k : best;
        }
        if (best != want[i]) {
            fail_msg("%s: greedy token %zu is %d, the reference has %d", what, i, best, want[i]);
        }
        MUST(rg_session_eval(s, &best, 1, NULL, NULL, &err));
    }
}

// the same session, by way of a file
static rg_session *restore(rg_engine *engine, rg_session *session) {
    char path[] = "/tmp/raga-golden-XXXXXX";
    rg_error err = {0};
    rg_session *restored = NULL;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    MUST(rg_session_save(session, path, &err));
    rg_session_free(session);
    MUST(rg_session_new(engine, &restored, &err));
    MUST(rg_session_restore(restored, path, &err));
    unlink(path);
    return restored;
}

static void run(const golden *g, const rg_model *model, const rg_source *source, const how *h,
                const int32_t *greedy, difference *d, const char *what) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    const rg_engine_options options = {.cpu = h->cpu,
                                       .n_threads = h->n_threads,
                                       .n_ctx = g->n_ids + GREEDY_MAX,
                                       .is_exact = h->is_exact,
                                       .kv_dtype = RG_DTYPE_F16};
    MUST(rg_engine_new(rg_mem_heap(), model, source, &options, &engine, &err));
    MUST(rg_session_new(engine, &session, &err));
    if (h->cut != 0) {
        MUST(rg_session_eval(session, g->ids, h->cut, compare, d, &err));
        session = h->is_restored ? restore(engine, session) : session;
    }
    MUST(rg_session_eval(session, g->ids + h->cut, g->n_ids - h->cut, compare, d, &err));
    if (greedy != NULL) {
        check_greedy(session, greedy, g->n_greedy, model->h.n_vocab, what);
    }
    rg_session_free(session);
    rg_engine_free(engine);
}

// all the ways a file must give the same numbers
static void check_file(const golden *g, const char *path, rg_str logits, const int32_t *greedy,
                       double tolerance) {
    rg_error err = {0};
    rg_source *source = NULL;
    rg_model *model = NULL;
    MUST(rg_source_open(rg_mem_heap(), path, &source, &err));
    MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
    const size_t n_kept = logits.size / sizeof(float) / model->h.n_vocab;
    const size_t n_rows = g->is_seeing ? g->n_ids : n_kept;
    assert_true(g->is_seeing ? n_kept >= n_rows : n_rows + g->first_row == g->n_ids);
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            for (int is_cut = 0; is_cut <= 1; is_cut++) {
                const how h = {.cpu = rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level),
                               .n_threads = n_threads,
                               .cut = is_cut ? g->cut : 0,
                               .is_restored = n_threads == 2,
                               .is_exact = true};
                difference d = {.want = (const float *)(const void *)logits.data,
                                .n_rows = n_rows,
                                .first_row = g->first_row};
                run(g, model, source, &h, greedy, &d, path);
                assert_int_equal(d.n, n_rows);
                if (!(d.worst <= tolerance)) {
                    fail_msg("%s on %s, %u threads, %s: off by %g, tolerance %g", path,
                             rg_cpu_level_name(h.cpu), n_threads, is_cut ? "cut" : "whole", d.worst,
                             tolerance);
                }
            }
        }
    }
    rg_model_free(model);
    rg_source_close(source);
}

// ---- the cases ----

static bool is_quantized(const char *folder) {
    return strncmp(folder, "quant-", 6) == 0;
}

static bool is_supported(const char *folder) {
    rg_error err = {0};
    rg_str name = {0};
    const rg_json *config = read_tree(folder, "config.json");
    (void)err;
    return rg_json_str(rg_json_at(rg_json_find(config, "architectures"), 0), &name) &&
           rg_arch_find_hf(name) != NULL;
}

static const char *folder_of(size_t i) {
    rg_str dir = {0};
    rg_str kind = {0};
    const rg_json *entry = rg_json_at(case_list, i);
    if (!rg_json_str(rg_json_find(entry, "dir"), &dir)) {
        return NULL;
    }
    (void)rg_json_str(rg_json_find(entry, "kind"), &kind);
    return rg_arena_copy(&arena, dir.data, dir.size);
}

static bool has_file(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/%s/%s", shared_path(), folder, name);
    return rg_file_kind_of(path) == RG_FILE_REGULAR;
}

static void equals_the_official_logits_from_safetensors(void **state) {
    (void)state;
    static golden g;
    size_t n_checked = 0;
    for (size_t i = 0; i < case_list->n; i++) {
        const char *folder = folder_of(i);
        if (folder == NULL || is_quantized(folder) || !has_file(folder, "golden.json") ||
            !is_supported(folder)) {
            continue;
        }
        char path[1024];
        (void)read_golden(folder, &g);
        snprintf(path, sizeof path, "%s/golden/%s", shared_path(), folder);
        check_file(&g, path, read_file(folder, "logits.f32"), g.greedy, g.tolerance);
        n_checked++;
    }
    assert_true(n_checked >= 13);
}

static void equals_the_official_logits_from_gguf(void **state) {
    (void)state;
    static golden g;
    size_t n_checked = 0;
    for (size_t i = 0; i < case_list->n; i++) {
        const char *folder = folder_of(i);
        if (folder == NULL || is_quantized(folder) || !has_file(folder, "golden.json") ||
            !is_supported(folder)) {
            continue;
        }
        const rg_json *files = rg_json_find(read_golden(folder, &g), "gguf");
        for (size_t k = 0; files != NULL && k < files->n; k++) {
            rg_str name = {0};
            char path[1024];
            assert_true(rg_json_str(rg_json_find(rg_json_at(files, k), "file"), &name));
            snprintf(path, sizeof path, "%s/golden/%s/%.*s", shared_path(), folder, RG_FMT(name));
            check_file(&g, path, read_file(folder, "logits.f32"), g.greedy, g.tolerance);
            n_checked++;
        }
    }
    assert_true(n_checked >= 9);
}

// block types: exact against fully expanded weights, and the usual rounded path near enough to it
static void quantized_files_meet_their_own_logits(void **state) {
    (void)state;
    static golden g;
    size_t n_checked = 0;
    for (size_t i = 0; i < case_list->n; i++) {
        const char *folder = folder_of(i);
        if (folder == NULL || !is_quantized(folder) || !is_supported(folder)) {
            continue;
        }
        const rg_json *files = rg_json_find(read_golden(folder, &g), "gguf");
        for (size_t k = 0; files != NULL && k < files->n; k++) {
            const rg_json *file = rg_json_at(files, k);
            rg_str name = {0}, exact = {0};
            double tolerance = 0, peer_rms = 0;
            int32_t greedy[GREEDY_MAX];
            char path[1024], logits_name[256];
            rg_error err = {0};
            assert_true(rg_json_str(rg_json_find(file, "file"), &name));
            assert_true(rg_json_str(rg_json_find(file, "exact_logits_file"), &exact));
            assert_true(rg_json_f64(rg_json_find(file, "exact_tolerance_max_abs"), &tolerance));
            assert_true(rg_json_f64(rg_json_find(file, "peer_vs_exact_rms"), &peer_rms));
            g.n_greedy = read_ids(rg_json_find(file, "exact_greedy"), greedy, GREEDY_MAX);
            snprintf(path, sizeof path, "%s/golden/%s/%.*s", shared_path(), folder, RG_FMT(name));
            snprintf(logits_name, sizeof logits_name, "%.*s", RG_FMT(exact));
            const rg_str logits = read_file(folder, logits_name);
            check_file(&g, path, logits, greedy, tolerance);

            rg_source *source = NULL;
            rg_model *model = NULL;
            MUST(rg_source_open(rg_mem_heap(), path, &source, &err));
            MUST(rg_model_load(rg_mem_heap(), source, &model, &err));
            for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
                const how h = {.cpu = rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level),
                               .n_threads = 2};
                static difference d;
                d = (difference){.want = (const float *)(const void *)logits.data,
                                 .n_rows = g.n_ids};
                run(&g, model, source, &h, NULL, &d, path);
                const double rms = rms_of(&d, model);
                if (!(rms <= 2 * peer_rms)) {
                    fail_msg("%s on %s: rms %g, twice the peer's is %g", path,
                             rg_cpu_level_name(h.cpu), rms, 2 * peer_rms);
                }
            }
            rg_model_free(model);
            rg_source_close(source);
            n_checked++;
        }
    }
    assert_true(n_checked >= 3);
}

int main(void) {
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/index.json", shared_path());
    if (rg_file_kind_of(path) != RG_FILE_REGULAR) {
        printf("skipped: no reference folder at %s (set RAGA_SHARED)\n", shared_path());
        return 77;
    }
    rg_arena_init(&arena, rg_mem_heap(), 0);
    case_list = read_tree(".", "index.json");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_official_logits_from_safetensors),
        cmocka_unit_test(equals_the_official_logits_from_gguf),
        cmocka_unit_test(quantized_files_meet_their_own_logits),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_arena_clear(&arena);
    return n_failed;
}
