/*
 * Models that see, against the official implementations' numbers: what the tower makes of patches,
 * the positions of tokens, the logits of words and pictures together and the greedy continuation;
 * on every instruction set of this machine, with one and two threads, in one piece and cut within a
 * picture; and the session that has pictures saved, forked and rolled back.
 */
#include "engine/engine_internal.h"
#include "model/source.h"
#include "support/shared.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <unistd.h>

enum { TOKENS_MAX = 256, GREEDY_MAX = 32, PICTURES_MAX = 4 };

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s: %s", folder, err.text);                                                  \
        }                                                                                          \
    } while (0)

static const char *folder; // of the case at work

/** What golden.json says of a case. */
typedef struct golden {
    rg_arena arena;
    rg_str text;
    const rg_json *tree;
    int32_t ids[TOKENS_MAX];
    size_t n_ids;
    int32_t greedy[GREEDY_MAX];
    size_t n_greedy;
    uint32_t grids[PICTURES_MAX][3];
    size_t at[PICTURES_MAX]; // first tokens of the pictures
    size_t n_pictures;
    rg_str pixels;
    rg_str vision;
    rg_str deepstack;
    rg_str logits;
    double tolerance;
    double vision_tolerance;
} golden;

static rg_str read_file(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "golden/%s/%s", folder, name);
    return shared_read(path);
}

static int64_t number_at(const rg_json *list, size_t i) {
    int64_t n = -1;
    assert_true(rg_json_i64(rg_json_at(list, i), &n));
    return n;
}

static size_t read_ids(const rg_json *list, int32_t *ids, size_t most) {
    assert_true(list != NULL && list->n <= most);
    for (size_t i = 0; i < list->n; i++) {
        ids[i] = (int32_t)number_at(list, i);
    }
    return list->n;
}

static void read_golden(golden *g, const rg_model *tower) {
    rg_error err = {0};
    memset(g, 0, sizeof *g);
    rg_arena_init(&g->arena, rg_mem_heap(), 64 << 20);
    g->text = read_file("golden.json"); // the tree points into it
    MUST(rg_json_parse(&g->arena, g->text, &g->tree, &err));
    g->n_ids = read_ids(rg_json_find(g->tree, "tokens"), g->ids, TOKENS_MAX);
    g->n_greedy = read_ids(rg_json_find(g->tree, "greedy"), g->greedy, GREEDY_MAX);
    assert_true(rg_json_f64(rg_json_find(g->tree, "tolerance_max_abs"), &g->tolerance));
    assert_true(
        rg_json_f64(rg_json_find(g->tree, "vision_tolerance_max_abs"), &g->vision_tolerance));
    const rg_json *grids = rg_json_find(g->tree, "grid_thw");
    g->n_pictures = grids->n;
    assert_true(g->n_pictures >= 2 && g->n_pictures <= PICTURES_MAX);
    size_t at = 0;
    for (size_t i = 0; i < grids->n; i++) {
        for (size_t k = 0; k < 3; k++) {
            g->grids[i][k] = (uint32_t)number_at(rg_json_at(grids, i), k);
        }
        while (at < g->n_ids && g->ids[at] != tower->h.sight.pad) {
            at++;
        }
        g->at[i] = at;
        while (at < g->n_ids && g->ids[at] == tower->h.sight.pad) {
            at++;
        }
    }
    g->pixels = read_file("pixel_values.f32");
    g->vision = read_file("vision.f32");
    g->logits = read_file("logits.f32");
    if (rg_json_find(g->tree, "deepstack_file") != NULL) {
        g->deepstack = read_file("deepstack.f32");
    }
}

static void clear_golden(golden *g) {
    rg_arena_clear(&g->arena);
    rg_free(rg_mem_heap(), (void *)g->text.data);
    rg_free(rg_mem_heap(), (void *)g->pixels.data);
    rg_free(rg_mem_heap(), (void *)g->vision.data);
    rg_free(rg_mem_heap(), (void *)g->deepstack.data);
    rg_free(rg_mem_heap(), (void *)g->logits.data);
}

// ---- running ----

/** A model, its tower, and an engine that runs them. */
typedef struct rig {
    rg_source *source;
    rg_model *model;
    rg_model *tower;
    rg_engine *engine;
    rg_sight *sights[PICTURES_MAX];
} rig;

static void open_engine(rig *r, const golden *g, rg_cpu cpu, unsigned n_threads) {
    rg_error err = {0};
    const rg_engine_options options = {.cpu = cpu,
                                       .n_threads = n_threads,
                                       .n_ctx = g->n_ids + GREEDY_MAX,
                                       .n_slots = 3,
                                       .is_exact = true,
                                       .tower = r->tower};
    MUST(rg_engine_new(rg_mem_heap(), r->model, r->source, &options, &r->engine, &err));
    const float *pixels = (const float *)(const void *)g->pixels.data;
    for (size_t i = 0; i < g->n_pictures; i++) {
        const uint32_t *grid = g->grids[i];
        MUST(rg_sight_new(r->engine, pixels, grid, &r->sights[i], &err));
        pixels += (size_t)grid[0] * grid[1] * grid[2] * r->tower->h.sight.n_pixel;
    }
    assert_ptr_equal(pixels, g->pixels.data + g->pixels.size);
}

static void close_engine(rig *r, const golden *g) {
    for (size_t i = 0; i < g->n_pictures; i++) {
        rg_sight_free(r->sights[i]);
    }
    rg_engine_free(r->engine);
}

static double worse(double worst, double diff) {
    return diff <= worst ? worst : diff; // a NaN must not pass for zero
}

static double check_sights(const rig *r, const golden *g) {
    const size_t n_embd = r->model->h.n_embd;
    const size_t levels = rg_tower_levels(r->tower);
    const size_t n_all = g->vision.size / sizeof(float) / n_embd;
    const float *vision = (const float *)(const void *)g->vision.data;
    const float *deep = (const float *)(const void *)g->deepstack.data;
    double worst = 0;
    size_t row = 0;
    assert_int_equal(g->deepstack.size, (levels - 1) * g->vision.size);
    for (size_t i = 0; i < g->n_pictures; i++) {
        const float *got = rg_sight_values(r->sights[i]);
        for (size_t t = 0; t < rg_sight_count(r->sights[i]); t++, row++) {
            for (size_t k = 0; k < levels * n_embd; k++) {
                const size_t level = k / n_embd;
                const float want = level == 0
                                       ? vision[row * n_embd + k]
                                       : deep[((level - 1) * n_all + row) * n_embd + k % n_embd];
                worst = worse(worst, fabs((double)got[t * levels * n_embd + k] - want));
            }
        }
    }
    assert_int_equal(row, n_all);
    return worst;
}

typedef struct difference {
    const float *want;
    double worst;
    size_t n;
} difference;

static rg_status compare(void *arg, size_t pos, const float *logits, size_t n_vocab,
                         rg_error *err) {
    (void)err;
    difference *d = arg;
    for (size_t i = 0; i < n_vocab; i++) {
        d->worst = worse(d->worst, fabs((double)logits[i] - d->want[pos * n_vocab + i]));
    }
    d->n++;
    return RG_OK;
}

static rg_session *new_session(const rig *r, const golden *g) {
    rg_error err = {0};
    rg_session *s = NULL;
    MUST(rg_session_new(r->engine, &s, &err));
    for (size_t i = 0; i < g->n_pictures; i++) {
        MUST(rg_session_show(s, r->sights[i], g->at[i], &err));
    }
    return s;
}

static void check_positions(const rg_session *s, const golden *g) {
    const rg_json *want = rg_json_find(g->tree, "positions_thw");
    for (size_t t = 0; t < g->n_ids; t++) {
        int32_t axes[3];
        (void)rg_session_axes(s, t, axes);
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(axes[k], number_at(rg_json_at(want, k), t));
        }
    }
}

static void check_greedy(rg_session *s, const golden *g, size_t n_vocab) {
    rg_error err = {0};
    for (size_t i = 0; i < g->n_greedy; i++) {
        const float *logits = rg_session_logits(s);
        int32_t best = 0;
        for (size_t k = 1; k < n_vocab; k++) {
            best = logits[k] > logits[best] ? (int32_t)k : best;
        }
        assert_int_equal(best, g->greedy[i]);
        MUST(rg_session_eval(s, &best, 1, NULL, NULL, &err));
    }
}

// the whole prompt, in pieces that end at `cuts`
static double check_logits(const rig *r, const golden *g, const size_t *cuts, size_t n_cuts) {
    rg_error err = {0};
    difference d = {.want = (const float *)(const void *)g->logits.data};
    rg_session *s = new_session(r, g);
    size_t at = 0;
    check_positions(s, g);
    for (size_t i = 0; i <= n_cuts; i++) {
        const size_t end = i < n_cuts ? cuts[i] : g->n_ids;
        MUST(rg_session_eval(s, g->ids + at, end - at, compare, &d, &err));
        at = end;
    }
    assert_int_equal(d.n, g->n_ids);
    check_greedy(s, g, r->model->h.n_vocab);
    rg_session_free(s);
    return d.worst;
}

// ---- the session's contract ----

// to be continued from a file, in a copy, and after going back into a picture
static void check_session(const rig *r, const golden *g) {
    char path[] = "/tmp/raga-vision-XXXXXX";
    rg_error err = {0};
    rg_session *restored = NULL, *copy = NULL;
    const size_t n_vocab = r->model->h.n_vocab;
    const size_t cut = g->at[0] + 3; // within the first picture
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    rg_session *s = new_session(r, g);
    MUST(rg_session_eval(s, g->ids, cut, NULL, NULL, &err));
    MUST(rg_session_save(s, path, &err));
    MUST(rg_session_fork(s, &copy, &err));
    MUST(rg_session_new(r->engine, &restored, &err));
    MUST(rg_session_restore(restored, path, &err));
    rg_session *const all[] = {s, restored, copy};
    for (size_t i = 0; i < 3; i++) {
        difference d = {.want = (const float *)(const void *)g->logits.data};
        MUST(rg_session_eval(all[i], g->ids + cut, g->n_ids - cut, compare, &d, &err));
        assert_true(d.worst <= g->tolerance);
        check_greedy(all[i], g, n_vocab);
    }
    // back into the second picture: the first stays, the second is to be shown again
    difference d = {.want = (const float *)(const void *)g->logits.data};
    rg_session_truncate(s, g->at[1]);
    MUST(rg_session_show(s, r->sights[1], g->at[1], &err));
    MUST(rg_session_eval(s, g->ids + g->at[1], g->n_ids - g->at[1], compare, &d, &err));
    assert_true(d.worst <= g->tolerance);
    check_greedy(s, g, n_vocab);
    for (size_t i = 0; i < 3; i++) {
        rg_session_free(all[i]);
    }
    // a damaged file is refused, wherever the damage is
    FILE *file = fopen(path, "r+be");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    for (long at = 0; at < size; at += at < size - 2000 ? 997 : 41) {
        rg_session *empty = NULL;
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        const int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        fputc(byte ^ 0x55, file);
        fflush(file);
        MUST(rg_session_new(r->engine, &empty, &err));
        assert_int_not_equal(rg_session_restore(empty, path, &err), RG_OK);
        assert_int_equal(rg_session_count(empty), 0);
        rg_session_free(empty);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        fputc(byte, file);
        fflush(file);
    }
    fclose(file);
    unlink(path);
}

static void check_refusals(const rig *r, const golden *g) {
    rg_error err = {0};
    rg_sight *none = NULL;
    const float *pixels = (const float *)(const void *)g->pixels.data;
    static const uint32_t bad[][3] = {{0, 2, 2},
                                      {1, 0, 2},
                                      {1, 2, 0},
                                      {1, 3, 2},
                                      {1, 2, 3},
                                      {1, 1 << 16, 1 << 16},
                                      {UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(rg_sight_new(r->engine, pixels, bad[i], &none, &err), RG_OK);
        assert_null(none);
    }
    rg_session *s = NULL;
    MUST(rg_session_new(r->engine, &s, &err));
    MUST(rg_session_eval(s, g->ids, 4, NULL, NULL, &err));
    assert_int_equal(rg_session_show(s, r->sights[0], 3, &err), RG_E_ARG);
    MUST(rg_session_show(s, r->sights[0], 4, &err));
    assert_int_equal(rg_session_show(s, r->sights[1], 5, &err), RG_E_ARG);
    assert_int_equal(rg_session_show(s, r->sights[1], SIZE_MAX - 1, &err), RG_E_LIMIT);
    rg_session_free(s);
}

static void check_case(const char *name) {
    static golden g;
    rg_error err = {0};
    rig r = {0};
    char path[1024];
    folder = name;
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folder);
    MUST(rg_source_open(rg_mem_heap(), path, &r.source, &err));
    MUST(rg_model_load(rg_mem_heap(), r.source, &r.model, &err));
    assert_int_equal(r.model->warnings.size, 0);
    MUST(rg_tower_load(rg_mem_heap(), r.source, r.model, &r.tower, &err));
    assert_non_null(r.tower);
    assert_int_equal(r.tower->warnings.size, 0);
    read_golden(&g, r.tower);
    double seen = 0, said = 0;
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        const rg_cpu cpu = rg_cpu_mask(rg_cpu_detect(), (rg_cpu_level)level);
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            const size_t cuts[] = {3, g.at[0] + 5, g.at[1] + 1};
            open_engine(&r, &g, cpu, n_threads);
            seen = worse(seen, check_sights(&r, &g));
            said = worse(said, check_logits(&r, &g, NULL, 0));
            said = worse(said, check_logits(&r, &g, cuts, 3));
            if (n_threads == 2) {
                check_session(&r, &g);
            }
            check_refusals(&r, &g);
            close_engine(&r, &g);
        }
    }
    printf("%-12s tower differs by at most %.2g (tolerance %.2g), logits %.2g (%.2g)\n", folder,
           seen, g.vision_tolerance, said, g.tolerance);
    assert_true(seen <= g.vision_tolerance);
    assert_true(said <= g.tolerance);
    clear_golden(&g);
    rg_model_free(r.tower);
    rg_model_free(r.model);
    rg_source_close(r.source);
}

static void qwen25_sees_as_the_official_one(void **state) {
    (void)state;
    check_case("qwen2.5-vl");
}

static void qwen3_sees_as_the_official_one(void **state) {
    (void)state;
    check_case("qwen3-vl");
}

// a picture looked at, shown, read, and the session copied; every n-th allocation fails in turn
static void survive(const char *name) {
    static golden g;
    char path[1024];
    rg_status status = RG_E_MEMORY;
    folder = name;
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folder);
    for (size_t n = 1; status != RG_OK; n++) {
        torture t;
        rg_error err = {0};
        rig r = {0};
        rg_session *s = NULL, *copy = NULL;
        torture_init(&t, n);
        status = rg_source_open(&t.mem, path, &r.source, &err);
        status = status != RG_OK ? status : rg_model_load(&t.mem, r.source, &r.model, &err);
        status =
            status != RG_OK ? status : rg_tower_load(&t.mem, r.source, r.model, &r.tower, &err);
        if (status == RG_OK && g.n_ids == 0) {
            read_golden(&g, r.tower);
        }
        const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                           .n_threads = 1,
                                           .n_ctx = g.n_ids + 1,
                                           .n_slots = 2,
                                           .chunk_tokens = 16,
                                           .tower = r.tower};
        status = status != RG_OK
                     ? status
                     : rg_engine_new(&t.mem, r.model, r.source, &options, &r.engine, &err);
        status = status != RG_OK
                     ? status
                     : rg_sight_new(r.engine, (const float *)(const void *)g.pixels.data,
                                    g.grids[0], &r.sights[0], &err);
        status = status != RG_OK ? status : rg_session_new(r.engine, &s, &err);
        status = status != RG_OK ? status : rg_session_show(s, r.sights[0], g.at[0], &err);
        status = status != RG_OK ? status : rg_session_eval(s, g.ids, g.at[1], NULL, NULL, &err);
        status = status != RG_OK ? status : rg_session_fork(s, &copy, &err);
        rg_session_free(copy);
        rg_session_free(s);
        rg_sight_free(r.sights[0]);
        rg_engine_free(r.engine);
        rg_model_free(r.tower);
        rg_model_free(r.model);
        rg_source_close(r.source);
        assert_int_equal(t.n_live, 0);
        assert_true(status == RG_OK || status == RG_E_MEMORY);
    }
    clear_golden(&g);
    memset(&g, 0, sizeof g);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    survive("qwen2.5-vl");
    survive("qwen3-vl");
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(qwen25_sees_as_the_official_one),
                                       cmocka_unit_test(qwen3_sees_as_the_official_one),
                                       cmocka_unit_test(survives_every_failed_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
