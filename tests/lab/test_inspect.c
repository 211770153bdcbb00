/* What an inspection says, against the model's own logits and against arithmetic in doubles. */
#include "lab/inspect.h"
#include "model/source.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 100, VOCAB = 281, N_LAYER = 2, N_HEAD = 4, N_KV = 2, HEAD = 8, EMBD = 32, TOP = 4 };

static rg_source *source;
static rg_model *model;
static int32_t ids[N];

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

/** What the model itself gives, without an inspection. */
typedef struct own {
    float logits[N][VOCAB];
    float q[N_LAYER][N * N_HEAD * HEAD];
    float k[N_LAYER][N * N_KV * HEAD];
    float attn[N_LAYER][N * EMBD];
    float ffn[N_LAYER][N * EMBD];
    float residual[N_LAYER][N * EMBD];
} own;

static own plain;

static rg_inspect_options options_of(bool is_exact, unsigned n_threads) {
    return (rg_inspect_options){.engine = {.cpu = rg_cpu_detect(),
                                           .n_threads = n_threads,
                                           .is_exact = is_exact,
                                           .kv_dtype = RG_DTYPE_F16},
                                .n_top = TOP,
                                .has_maps = true};
}

static void copy(float *to, const float *from, size_t pos, size_t n_tok, size_t width) {
    memcpy(to + pos * width, from, n_tok * width * sizeof *to);
}

static rg_status take_taps(void *arg, uint32_t layer, const float *const values[RG_TAPS],
                           size_t pos, size_t n_tok, rg_error *err) {
    own *o = arg;
    (void)err;
    copy(o->q[layer], values[RG_TAP_Q], pos, n_tok, N_HEAD * HEAD);
    copy(o->k[layer], values[RG_TAP_K], pos, n_tok, N_KV * HEAD);
    copy(o->attn[layer], values[RG_TAP_ATTN], pos, n_tok, EMBD);
    copy(o->ffn[layer], values[RG_TAP_FFN], pos, n_tok, EMBD);
    copy(o->residual[layer], values[RG_TAP_RESIDUAL], pos, n_tok, EMBD);
    return RG_OK;
}

static rg_status take_logits(void *arg, size_t pos, const float *logits, size_t n_vocab,
                             rg_error *err) {
    own *o = arg;
    (void)err;
    memcpy(o->logits[pos], logits, n_vocab * sizeof *logits);
    return RG_OK;
}

static void run_plain(bool is_exact) {
    rg_error err = {0};
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    rg_engine_options o = options_of(is_exact, 1).engine;
    o.n_ctx = N;
    o.taps = take_taps;
    o.taps_arg = &plain;
    MUST(rg_engine_new(rg_mem_heap(), model, source, &o, &engine, &err));
    MUST(rg_session_new(engine, &session, &err));
    MUST(rg_session_eval(session, ids, N, take_logits, &plain, &err));
    rg_session_free(session);
    rg_engine_free(engine);
}

static rg_inspection *inspect(const rg_inspect_options *o, size_t n) {
    rg_error err = {0};
    rg_inspection *seen = NULL;
    MUST(rg_inspect(rg_mem_heap(), model, source, o, ids, n, &seen, &err));
    return seen;
}

static double log_sum(const float *logits) {
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++) {
        sum += exp((double)logits[i]);
    }
    return log(sum);
}

static void surprisal_is_of_the_models_own_logits(void **state) {
    (void)state;
    run_plain(false);
    const rg_inspect_options o = options_of(false, 2);
    rg_inspection *seen = inspect(&o, N);
    double total = 0;
    assert_true(isnan(seen->bits[0]) && seen->rank[0] == 0);
    for (size_t t = 0; t < N; t++) {
        const float *logits = plain.logits[t];
        const double all = log_sum(logits);
        double entropy = 0;
        for (size_t i = 0; i < VOCAB; i++) {
            entropy -= exp(logits[i] - all) * (logits[i] - all) / log(2);
        }
        assert_true(fabs(entropy - (double)seen->entropy[t]) < 1e-4);
        // the most likely ones: no other token is above the last of them
        const rg_guess *top = seen->next + t * TOP;
        size_t n_above = 0;
        for (size_t i = 0; i < VOCAB; i++) {
            n_above += logits[i] > logits[top[TOP - 1].id];
        }
        assert_int_equal(n_above, TOP - 1);
        for (size_t i = 0; i < TOP; i++) {
            assert_true(fabs(exp(logits[top[i].id] - all) - (double)top[i].p) < 1e-6);
            assert_true(i == 0 || top[i].p <= top[i - 1].p);
        }
        if (t + 1 < N) {
            const double bits = (all - logits[ids[t + 1]]) / log(2);
            uint32_t rank = 1;
            for (size_t i = 0; i < VOCAB; i++) {
                rank += logits[i] > logits[ids[t + 1]];
            }
            assert_true(fabs(bits - (double)seen->bits[t + 1]) < 1e-4);
            assert_int_equal(rank, seen->rank[t + 1]);
            total += bits;
        }
    }
    assert_true(fabs(total / (N - 1) - rg_inspection_mean_bits(seen)) < 1e-4);
    rg_inspection_free(seen);
}

static void the_lens_at_the_last_layer_is_the_models_answer(void **state) {
    (void)state;
    for (size_t n = N; n > 0; n = n == 1 ? 0 : n == N ? 64 : 1) {
        const rg_inspect_options o = options_of(false, 2);
        rg_inspection *seen = inspect(&o, n);
        const size_t cell = (N_LAYER - 1) * n;
        assert_memory_equal(seen->lens + cell * TOP, seen->next, n * TOP * sizeof *seen->next);
        assert_memory_equal(seen->lens_bits + cell, seen->bits + 1, (n - 1) * sizeof(float));
        assert_true(isnan(seen->lens_bits[cell + n - 1]));
        // and the first layer's is another
        assert_memory_not_equal(seen->lens, seen->next, n * TOP * sizeof *seen->next);
        rg_inspection_free(seen);
    }
}

static void norms_are_lengths(void **state) {
    (void)state;
    run_plain(false);
    const rg_inspect_options o = options_of(false, 1);
    rg_inspection *seen = inspect(&o, N);
    for (size_t layer = 0; layer < N_LAYER; layer++) {
        const float *const of[RG_NORMS] = {plain.residual[layer], plain.attn[layer],
                                           plain.ffn[layer]};
        for (size_t which = 0; which < RG_NORMS; which++) {
            for (size_t t = 0; t < N; t++) {
                double sum = 0;
                for (size_t i = 0; i < EMBD; i++) {
                    sum += (double)of[which][t * EMBD + i] * of[which][t * EMBD + i];
                }
                const double got = seen->norms[(layer * RG_NORMS + which) * N + t];
                assert_true(fabs(got - sqrt(sum)) < 1e-5 * sqrt(sum));
            }
        }
    }
    rg_inspection_free(seen);
}

// softmax of q.k over the tokens up to t, in doubles
static void brute_row(size_t layer, size_t head, size_t t, double *row) {
    double sum = 0;
    for (size_t i = 0; i <= t; i++) {
        double s = 0;
        for (size_t d = 0; d < HEAD; d++) {
            s += (double)plain.q[layer][(t * N_HEAD + head) * HEAD + d] *
                 plain.k[layer][(i * N_KV + head / (N_HEAD / N_KV)) * HEAD + d];
        }
        row[i] = exp(s / sqrt(HEAD));
        sum += row[i];
    }
    for (size_t i = 0; i <= t; i++) {
        row[i] /= sum;
    }
}

static void attention_is_softmax_and_adds_up_to_one(void **state) {
    (void)state;
    run_plain(true);
    const rg_inspect_options o = options_of(true, 2);
    rg_inspection *seen = inspect(&o, N);
    for (size_t layer = 0; layer < N_LAYER; layer++) {
        for (size_t head = 0; head < N_HEAD; head++) {
            double first = 0, self = 0, previous = 0;
            for (size_t t = 0; t < N; t++) {
                double want[N], sum = 0;
                const float *got = rg_inspection_row(seen, layer, head, t);
                brute_row(layer, head, t, want);
                for (size_t i = 0; i <= t; i++) {
                    assert_true(fabs(want[i] - (double)got[i]) < 1e-5);
                    sum += got[i];
                }
                assert_true(fabs(sum - 1) < 1e-5);
                first += t == 0 ? 0 : want[0] / (N - 1);
                self += t == 0 ? 0 : want[t] / (N - 1);
                previous += t == 0 ? 0 : want[t - 1] / (N - 1);
            }
            const rg_head_view *v = &seen->heads[layer * N_HEAD + head];
            const float *last = rg_inspection_row(seen, layer, head, N - 1);
            assert_true(fabs(first - (double)v->first) < 1e-5);
            assert_true(fabs(self - (double)v->self) < 1e-5);
            assert_true(fabs(previous - (double)v->previous) < 1e-5);
            for (size_t i = 0; i < N; i++) {
                assert_true(last[i] <= v->looks[0].weight);
            }
            assert_true(last[v->looks[1].token] == v->looks[1].weight);
            assert_true(v->looks[0].weight >= v->looks[1].weight &&
                        v->looks[1].weight >= v->looks[2].weight && v->looks[2].weight > 0);
        }
    }
    rg_inspection_free(seen);
}

// row r of a weight matrix, times x
static double product(rg_role role, uint32_t layer, size_t r, const double *x) {
    const rg_tensor *w = &model->weights[rg_model_slot(role, layer)];
    float row[64];
    double sum = 0;
    const size_t n = w->n_dims == 2 ? w->shape[1] : w->shape[0];
    rg_dtype_get(w->dtype)->to_float(row, (const char *)w->data + r * (w->bytes / w->shape[0]), n);
    for (size_t i = 0; i < n; i++) {
        sum += row[i] * x[i];
    }
    return sum;
}

static void normalized(const float *x, double *out) {
    const rg_tensor *w = &model->weights[rg_model_slot(RG_ROLE_ATTN_NORM, 1)];
    float weight[EMBD];
    double sum = 0;
    rg_dtype_get(w->dtype)->to_float(weight, w->data, EMBD);
    for (size_t i = 0; i < EMBD; i++) {
        sum += (double)x[i] * x[i];
    }
    for (size_t i = 0; i < EMBD; i++) {
        out[i] = x[i] / sqrt(sum / EMBD + (double)model->h.norm_eps) * weight[i];
    }
}

// with these weights, what the model's attention adds comes out: they are the ones that it used
static void the_maps_explain_what_attention_adds(void **state) {
    (void)state;
    static double v[N][N_KV * HEAD];
    run_plain(true);
    const rg_inspect_options o = options_of(true, 1);
    rg_inspection *seen = inspect(&o, N);
    for (size_t t = 0; t < N; t++) {
        double x[EMBD], mixed[N_HEAD * HEAD] = {0};
        normalized(&plain.residual[0][t * EMBD], x);
        for (size_t i = 0; i < N_KV * HEAD; i++) {
            v[t][i] = product(RG_ROLE_ATTN_V, 1, i, x);
        }
        for (size_t head = 0; head < N_HEAD; head++) {
            const float *row = rg_inspection_row(seen, 1, head, t);
            for (size_t i = 0; i <= t; i++) {
                for (size_t d = 0; d < HEAD; d++) {
                    mixed[head * HEAD + d] += row[i] * v[i][head / (N_HEAD / N_KV) * HEAD + d];
                }
            }
        }
        for (size_t i = 0; i < EMBD; i++) {
            const double want = plain.attn[1][t * EMBD + i];
            assert_true(fabs(product(RG_ROLE_ATTN_O, 1, i, mixed) - want) <
                        1e-4 * (1 + fabs(want)));
        }
    }
    rg_inspection_free(seen);
}

static void chosen_layers_say_what_they_say_among_all(void **state) {
    (void)state;
    rg_inspect_options o = options_of(false, 1);
    rg_inspection *all = inspect(&o, N);
    o.layers = (uint32_t[]){1};
    o.n_layers = 1;
    rg_inspection *one = inspect(&o, N);
    const size_t cells = N_HEAD * (N * (N + 1) / 2);
    assert_int_equal(one->layers[0], 1);
    assert_memory_equal(one->maps, all->maps + cells, cells * sizeof(float));
    assert_memory_equal(one->lens, all->lens + N * TOP, N * TOP * sizeof *one->lens);
    assert_memory_equal(one->norms, all->norms + RG_NORMS * N, RG_NORMS * N * sizeof(float));
    assert_memory_equal(one->bits + 1, all->bits + 1, (N - 1) * sizeof(float));
    rg_inspection_free(all);
    rg_inspection_free(one);
}

static bool never(void *arg, double share, const char *what) {
    (void)arg;
    (void)what;
    return share < 0;
}

static void refuses_what_is_beyond_its_limits(void **state) {
    (void)state;
    static int32_t many[RG_INSPECT_TOKENS_MAX + 1];
    rg_error err = {0};
    rg_inspection *seen = NULL;
    rg_inspect_options o = options_of(false, 1);
    const rg_mem *mem = rg_mem_heap();
    assert_int_equal(rg_inspect(mem, model, source, &o, ids, 0, &seen, &err), RG_E_ARG);
    assert_int_equal(
        rg_inspect(mem, model, source, &o, many, RG_INSPECT_TOKENS_MAX + 1, &seen, &err),
        RG_E_LIMIT);
    assert_non_null(strstr(err.text, "1025 tokens, at most 1024"));
    o.n_top = RG_INSPECT_TOP_MAX + 1;
    assert_int_equal(rg_inspect(mem, model, source, &o, ids, N, &seen, &err), RG_E_ARG);
    o.n_top = 0;
    o.layers = (uint32_t[]){1, 0};
    o.n_layers = 2;
    assert_int_equal(rg_inspect(mem, model, source, &o, ids, N, &seen, &err), RG_E_ARG);
    o.layers = (uint32_t[]){N_LAYER};
    o.n_layers = 1;
    assert_int_equal(rg_inspect(mem, model, source, &o, ids, N, &seen, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "layers are 0 to 1"));
    o.n_layers = 0;
    // more heads than any map has room for: told before anything is taken
    rg_model wide = *model;
    wide.h.n_head = 64;
    assert_int_equal(rg_inspect(mem, &wide, source, &o, many, RG_INSPECT_TOKENS_MAX, &seen, &err),
                     RG_E_LIMIT);
    assert_non_null(strstr(err.text, "RG_INSPECT_CELLS_MAX"));
    const int32_t bad[] = {3, VOCAB};
    assert_int_equal(rg_inspect(mem, model, source, &o, bad, 2, &seen, &err), RG_E_ARG);
    o.progress = never;
    assert_int_equal(rg_inspect(mem, model, source, &o, ids, N, &seen, &err), RG_E_CANCELLED);
    assert_null(seen);
}

static void takes_the_longest_text(void **state) {
    (void)state;
    static int32_t many[RG_INSPECT_TOKENS_MAX];
    rg_error err = {0};
    rg_inspection *seen = NULL;
    rg_inspect_options o = options_of(false, 2);
    for (size_t i = 0; i < RG_INSPECT_TOKENS_MAX; i++) {
        many[i] = rand() % VOCAB;
    }
    MUST(rg_inspect(rg_mem_heap(), model, source, &o, many, RG_INSPECT_TOKENS_MAX, &seen, &err));
    const float *row = rg_inspection_row(seen, 1, 3, RG_INSPECT_TOKENS_MAX - 1);
    double sum = 0;
    for (size_t i = 0; i < RG_INSPECT_TOKENS_MAX; i++) {
        sum += row[i];
    }
    assert_true(fabs(sum - 1) < 1e-4);
    rg_inspection_free(seen);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_inspection *seen = NULL;
        rg_inspect_options o = options_of(false, 1);
        torture_init(&t, n);
        const rg_status status = rg_inspect(&t.mem, model, source, &o, ids, 20, &seen, &err);
        rg_inspection_free(seen);
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
    srand(3);
    for (int i = 0; i < N; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surprisal_is_of_the_models_own_logits),
        cmocka_unit_test(the_lens_at_the_last_layer_is_the_models_answer),
        cmocka_unit_test(norms_are_lengths),
        cmocka_unit_test(attention_is_softmax_and_adds_up_to_one),
        cmocka_unit_test(the_maps_explain_what_attention_adds),
        cmocka_unit_test(chosen_layers_say_what_they_say_among_all),
        cmocka_unit_test(refuses_what_is_beyond_its_limits),
        cmocka_unit_test(takes_the_longest_text),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_model_free(model);
    rg_source_close(source);
    return n_failed;
}
