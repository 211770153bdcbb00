/* Prediction heads, and steps that try guesses: the head computes what its formulas say; whatever
 * is done to a session, it and its head go on as a session that never did any of it. */
#include "base/file.h"
#include "engine/draft.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/mtp_models.h"

#include "engine/mtp_twin.h"

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != RG_OK) {                                                                     \
            fail_msg("%s", err.text);                                                              \
        }                                                                                          \
    } while (0)

enum { VOCAB = TWIN_VOCAB, EMBD = TWIN_EMBD, CTX = 320, CHUNK = 24, GUESSES = 5 };

// those of Qwen and V3.2 get a head of random weights; the last three have none
static const char *const folders[] = {"qwen3.5",       "qwen3.5-moe", "qwen3-next",  "deepseek-v3",
                                      "deepseek-v3.2", "kimi-linear", "deepseek-v4", "llama3"};
enum { N_FOLDERS = sizeof folders / sizeof *folders, N_HEADS = 5 };

typedef struct bench {
    char dir[64]; // made here; "": a reference folder
    rg_source *from;
    rg_source *source;
    rg_model *model;
    rg_engine *engine;
    twin_rows *residual; // receives the last layer's, where it is not NULL
    rg_cpu_level level;
    unsigned n_threads;
    bool is_rounded; // the usual path
} bench;

static int32_t ids[CTX];

static rg_status take_residual(void *arg, uint32_t layer, const float *const values[RG_TAPS],
                               size_t pos, size_t n_tok, rg_error *err) {
    bench *b = arg;
    (void)err;
    for (size_t t = 0; layer + 1 == b->model->h.n_layer && t < n_tok; t++) {
        for (size_t i = 0; i < EMBD; i++) {
            (*b->residual)[pos + t][i] = (double)values[RG_TAP_RESIDUAL][t * EMBD + i];
        }
    }
    return RG_OK;
}

static void open_engine(bench *b) {
    rg_error err = {0};
    const rg_engine_options options = {.cpu = rg_cpu_mask(rg_cpu_detect(), b->level),
                                       .n_threads = b->n_threads == 0 ? 2 : b->n_threads,
                                       .n_ctx = CTX,
                                       .n_slots = 6,
                                       .chunk_tokens = CHUNK,
                                       .is_exact = !b->is_rounded,
                                       .kv_dtype = RG_DTYPE_F16,
                                       .n_guesses = GUESSES,
                                       .taps = b->residual == NULL ? NULL : take_residual,
                                       .taps_arg = b};
    MUST(rg_engine_new(rg_mem_heap(), b->model, b->source, &options, &b->engine, &err));
}

static void open_bench(bench *b, size_t i) {
    rg_error err = {0};
    char path[1024];
    const bool has_head = i < N_HEADS;
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folders[i]);
    if (has_head && strcmp(folders[i], "deepseek-v3") != 0) {
        snprintf(b->dir, sizeof b->dir, "/tmp/raga-mtp-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        assert_true(mtp_write_model(folders[i], b->dir, &b->from));
        snprintf(path, sizeof path, "%s", b->dir);
    }
    MUST(rg_source_open(rg_mem_heap(), path, &b->source, &err));
    MUST(has_head ? rg_model_load_with_mtp(rg_mem_heap(), b->source, &b->model, &err)
                  : rg_model_load(rg_mem_heap(), b->source, &b->model, &err));
    assert_int_equal(b->model->warnings.size, 0);
    open_engine(b);
}

static void close_bench(bench *b) {
    rg_engine_free(b->engine);
    rg_model_free(b->model);
    rg_source_close(b->source);
    rg_source_close(b->from);
    if (b->dir[0] != '\0') {
        mtp_remove_model(b->dir);
    }
}

static rg_session *session_of(const bench *b, const int32_t *list, size_t n) {
    rg_error err = {0};
    rg_session *s = NULL;
    MUST(rg_session_new(b->engine, &s, &err));
    if (n != 0) {
        MUST(rg_session_eval(s, list, n, NULL, NULL, &err));
    }
    return s;
}

static void same(const float *got, const float *want, const char *folder, const char *what) {
    assert_non_null(got);
    for (size_t k = 0; k < VOCAB; k++) {
        if (!(fabsf(got[k] - want[k]) <= 3e-4f * (1 + fabsf(want[k])))) {
            fail_msg("%s, %s: logit %zu is %g, a new session has %g", folder, what, k,
                     (double)got[k], (double)want[k]);
        }
    }
}

// ---- the head against its twin ----

static void check_twin(const float *got, const double *want, const char *what, size_t n) {
    for (size_t k = 0; k < VOCAB; k++) {
        if (!(fabs((double)got[k] - want[k]) <= 2e-4)) {
            fail_msg("%s after %zu tokens: logit %zu is %.6f, the twin's %.6f", what, n, k,
                     (double)got[k], want[k]);
        }
    }
}

// a prompt in pieces of `part` tokens; what the head expects after it, and after what it expects
static void compare_to_twin(bench *b, size_t n, size_t part) {
    static twin_rows hidden, out, logits;
    rg_error err = {0};
    const bool is_qwen = b->model->h.n_latent == 0;
    twin t = {.source = b->source, .is_qwen = is_qwen, .eps = (double)b->model->h.norm_eps};
    rg_session *s = session_of(b, ids, part);
    for (size_t at = part; at < n; at += part) {
        MUST(rg_session_eval(s, ids + at, at + part < n ? part : n - at, NULL, NULL, &err));
    }
    t.n = n;
    twin_norm(&t, is_qwen ? "model.language_model.norm.weight" : "model.norm.weight", *b->residual,
              0, 1, t.eps, hidden);
    for (size_t i = 0; i < 3; i++) {
        t.n = n + i;
        MUST(rg_session_predict(s, i, ids[n + i], &err));
        twin_head(&t, ids + 1, hidden, out, logits);
        check_twin(rg_session_prediction(s), logits[n + i - 1], is_qwen ? "qwen3.5" : "deepseek-v3",
                   n + i);
        memcpy(hidden[n + i], out[n + i - 1], sizeof *out);
    }
    rg_session_free(s);
}

static void heads_compute_what_their_formulas_say(void **state) {
    (void)state;
    static twin_rows residual;
    for (size_t i = 0; i < N_HEADS; i++) {
        if (strcmp(folders[i], "qwen3.5") != 0 && strcmp(folders[i], "deepseek-v3") != 0) {
            continue;
        }
        bench b = {.residual = &residual};
        open_bench(&b, i);
        for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
            for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
                rg_engine_free(b.engine);
                b.level = (rg_cpu_level)level;
                b.n_threads = n_threads;
                open_engine(&b);
                compare_to_twin(&b, 1, 1);
                compare_to_twin(&b, 14, 14);
                compare_to_twin(&b, 14, 5);
                compare_to_twin(&b, 27, 1);
            }
        }
        close_bench(&b);
    }
}

// ---- GGUF ----

typedef struct renamed {
    const char *gguf;
    const char *hf;
} renamed;

static const renamed names[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
    {"nextn.enorm.weight", "enorm.weight"},
    {"nextn.hnorm.weight", "hnorm.weight"},
    {"nextn.eh_proj.weight", "eh_proj.weight"},
    {"nextn.embed_tokens.weight", "embed_tokens.weight"},
    {"nextn.shared_head_norm.weight", "shared_head.norm.weight"},
    {"nextn.shared_head_head.weight", "shared_head.head.weight"},
};

enum { N_NAMES = sizeof names / sizeof *names };

// the experts of a layer side by side, as GGUF has them
static rg_tensor joined(const rg_source *hf, const char *which) {
    rg_tensor all = {.n_dims = 3};
    char *data = NULL;
    for (size_t e = 0; e < TWIN_EXPERTS; e++) {
        char name[128];
        snprintf(name, sizeof name, TWIN_BLOCK "mlp.experts.%zu.%s_proj.weight", e, which);
        const rg_tensor *t = rg_source_find(hf, rg_str_of(name));
        assert_non_null(t);
        data = data == NULL ? calloc(TWIN_EXPERTS, t->bytes) : data;
        memcpy(data + e * t->bytes, t->data, t->bytes);
        all.dtype = t->dtype;
        all.shape[1] = t->shape[0];
        all.shape[2] = t->shape[1];
        all.bytes += t->bytes;
    }
    all.shape[0] = TWIN_EXPERTS;
    all.data = data;
    return all;
}

// a reference file with one block more, the head's
static void write_gguf(const rg_source *hf, const char *path) {
    rg_error err = {0};
    rg_gguf *from = NULL;
    rg_gguf_writer w;
    char old[1024];
    char texts[N_NAMES][64];
    static const char *const experts[] = {"gate", "up", "down"};
    char expert_names[3][64];
    snprintf(old, sizeof old, "%s/golden/deepseek-v3/model-bf16.gguf", shared_folder());
    MUST(rg_gguf_open(rg_mem_heap(), old, &from, &err));
    rg_gguf_writer_init(&w, rg_mem_heap());
    for (size_t i = 0; i < rg_gguf_n_pairs(from); i++) {
        const rg_gguf_pair *pair = rg_gguf_pair_at(from, i);
        if (!rg_str_is(pair->key, "deepseek2.block_count")) {
            rg_gguf_put_pair(&w, pair);
        }
    }
    rg_gguf_put_u32(&w, "deepseek2.block_count", 4);
    rg_gguf_put_u32(&w, "deepseek2.nextn_predict_layers", 1);
    for (size_t i = 0; i < rg_gguf_n_tensors(from); i++) {
        rg_gguf_put_tensor(&w, rg_gguf_tensor_at(from, i));
    }
    for (size_t i = 0; i < N_NAMES; i++) {
        char name[128];
        snprintf(name, sizeof name, TWIN_BLOCK "%s", names[i].hf);
        rg_tensor t = *rg_source_find(hf, rg_str_of(name));
        snprintf(texts[i], sizeof texts[i], "blk.3.%s", names[i].gguf);
        t.name = rg_str_of(texts[i]);
        rg_gguf_put_tensor(&w, &t);
    }
    rg_tensor all[3];
    for (size_t i = 0; i < 3; i++) {
        all[i] = joined(hf, experts[i]);
        snprintf(expert_names[i], sizeof expert_names[i], "blk.3.ffn_%s_exps.weight", experts[i]);
        all[i].name = rg_str_of(expert_names[i]);
        rg_gguf_put_tensor(&w, &all[i]);
    }
    MUST(rg_gguf_write(&w, path, NULL, NULL, &err));
    for (size_t i = 0; i < 3; i++) {
        free((void *)all[i].data);
    }
    rg_gguf_writer_clear(&w);
    rg_gguf_close(from);
}

static void a_gguf_has_the_same_head(void **state) {
    (void)state;
    rg_error err = {0};
    char path[64];
    bench hf = {0}, gguf = {0};
    rg_model *plain = NULL;
    open_bench(&hf, 3);
    snprintf(path, sizeof path, "/tmp/raga-mtp-%d.gguf", (int)getpid());
    write_gguf(hf.source, path);
    MUST(rg_source_open(rg_mem_heap(), path, &gguf.source, &err));
    // not asked for: nothing of it is loaded, and nobody is told
    MUST(rg_model_load(rg_mem_heap(), gguf.source, &plain, &err));
    assert_int_equal(plain->h.n_layer, 3);
    assert_int_equal(plain->warnings.size, 0);
    MUST(rg_model_load_with_mtp(rg_mem_heap(), gguf.source, &gguf.model, &err));
    assert_int_equal(gguf.model->h.n_layer, 3);
    assert_true(gguf.model->weight_bytes > plain->weight_bytes);
    open_engine(&gguf);
    rg_session *a = session_of(&hf, ids, 40);
    rg_session *b = session_of(&gguf, ids, 40);
    same(rg_session_logits(b), rg_session_logits(a), path, "the model");
    for (size_t i = 0; i < 3; i++) {
        MUST(rg_session_predict(a, i, ids[40 + i], &err));
        MUST(rg_session_predict(b, i, ids[40 + i], &err));
        same(rg_session_prediction(b), rg_session_prediction(a), path, "the head");
    }
    rg_session_free(a);
    rg_session_free(b);
    rg_model_free(plain);
    close_bench(&hf);
    close_bench(&gguf);
    unlink(path);
}

static void a_head_that_is_not_there_is_refused(void **state) {
    (void)state;
    static const char *const without[] = {"qwen3.5", "kimi-k2", "llama3"};
    for (size_t i = 0; i < 3; i++) {
        char path[1024];
        rg_error err = {0};
        rg_source *source = NULL;
        rg_model *model = NULL;
        snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), without[i]);
        MUST(rg_source_open(rg_mem_heap(), path, &source, &err));
        assert_int_equal(rg_model_load_with_mtp(rg_mem_heap(), source, &model, &err),
                         RG_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "there is no head"));
        assert_null(model);
        rg_source_close(source);
    }
}

// ---- sessions ----

// everything about a session is that of a new one with the same tokens
static void check(const bench *b, rg_session *s, const char *folder, const char *what) {
    rg_error err = {0};
    rg_session *fresh = session_of(b, rg_session_ids(s), rg_session_count(s));
    same(rg_session_logits(s), rg_session_logits(fresh), folder, what);
    for (size_t i = 0; b->model->has_mtp && i < 2; i++) {
        MUST(rg_session_predict(s, i, ids[i], &err));
        MUST(rg_session_predict(fresh, i, ids[i], &err));
        same(rg_session_prediction(s), rg_session_prediction(fresh), folder, what);
    }
    rg_session_free(fresh);
}

// a step of n guesses of which the first `right` are taken
static void guess(rg_session *s, size_t n, size_t right, size_t from) {
    rg_error err = {0};
    const size_t before = rg_session_count(s);
    MUST(rg_session_guess(s, ids + from, n + 1, &err));
    assert_int_equal(rg_session_count(s), before + 1);
    for (size_t i = 0; i < right; i++) {
        assert_true(rg_session_accept(s));
    }
    assert_int_equal(rg_session_count(s), before + 1 + right);
    assert_memory_equal(rg_session_ids(s) + before, ids + from, (1 + right) * sizeof *ids);
    assert_true(right < n || !rg_session_accept(s));
}

static void accepted_guesses_are_as_if_told(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FOLDERS; i++) {
        bench b = {0};
        open_bench(&b, i);
        for (size_t n = 1; n <= GUESSES; n++) {
            for (size_t right = 0; right <= n; right++) {
                rg_session *s = session_of(&b, ids, 61); // guesses cross a page
                guess(s, n, right, 80);
                check(&b, s, folders[i], "after guesses");
                guess(s, n, n - right, 90);
                check(&b, s, folders[i], "after guesses, twice");
                rg_session_free(s);
            }
        }
        close_bench(&b);
    }
}

// one of the things that happen to sessions, by chance; `s` may become another one
static const char *change(const bench *b, rg_session **s, const char *path) {
    rg_error err = {0};
    rg_session *other = NULL;
    const size_t n = rg_session_count(*s);
    const size_t at = (size_t)rand() % 200;
    switch (rand() % 8) {
    case 0:
        MUST(rg_session_eval(*s, ids + at, 1 + (size_t)rand() % 40, NULL, NULL, &err));
        return "a prompt";
    case 1:
        rg_session_truncate(*s, n - (size_t)rand() % (n < 30 ? n : 30));
        MUST(rg_session_eval(*s, ids + at, 1, NULL, NULL, &err));
        return "cut";
    case 2:
        rg_session_truncate(*s, n - 1);
        rg_session_truncate(*s, n < 3 ? 1 : n - 2);
        MUST(rg_session_eval(*s, ids + at, 2, NULL, NULL, &err));
        return "cut twice";
    case 3: // both go on, one stays
        MUST(rg_session_fork(*s, &other, &err));
        guess(rand() % 2 ? *s : other, 3, 1, at);
        MUST(rg_session_eval(*s, ids + at, 1, NULL, NULL, &err));
        MUST(rg_session_eval(other, ids + at + 1, 1, NULL, NULL, &err));
        if (b->model->has_mtp) {
            MUST(rg_session_predict(*s, 0, 5, &err));
        }
        check(b, *s, "fork", "the other");
        rg_session_free(*s);
        *s = other;
        return "forked";
    case 4:
        MUST(rg_session_save(*s, path, &err));
        other = session_of(b, ids, 0);
        MUST(rg_session_restore(other, path, &err));
        rg_session_free(*s);
        *s = other;
        MUST(rg_session_eval(*s, ids + at, 1, NULL, NULL, &err));
        return "saved and restored";
    case 5:
        if (b->model->has_mtp) { // an expectation that came true, or not
            MUST(rg_session_predict(*s, 0, ids[at], &err));
            MUST(rg_session_predict(*s, 1, ids[at + 1], &err));
        }
        guess(*s, 4, (size_t)rand() % 5, at + (size_t)rand() % 2);
        return "predicted and guessed";
    case 6: {
        other = session_of(b, ids + at, 3);
        const rg_batch_item items[] = {{*s, ids + at, 3}, {other, ids + at + 1, 2}};
        MUST(rg_engine_step(b->engine, items, 2, &err));
        check(b, other, "batch", "the other");
        rg_session_free(other);
        return "in a batch";
    }
    default:
        guess(*s, GUESSES, (size_t)rand() % (GUESSES + 1), at);
        return "guessed";
    }
}

static void every_way_of_changing_a_session_is_exact(void **state) {
    (void)state;
    enum { STEPS = 60 };
    char path[64];
    snprintf(path, sizeof path, "/tmp/raga-test-mtp-%d", (int)getpid());
    for (size_t i = 0; i < N_FOLDERS; i++) {
        bench b = {0};
        open_bench(&b, i);
        rg_session *s = session_of(&b, ids, 20);
        const char *what = "";
        for (int k = 0; k < STEPS; k++) {
            what = change(&b, &s, path);
            if (k % 3 == 0) {
                check(&b, s, folders[i], what);
            }
            if (rg_session_count(s) > CTX - 120) {
                rg_session_truncate(s, 30);
                rg_error err = {0};
                MUST(rg_session_eval(s, ids, 1, NULL, NULL, &err));
            }
        }
        check(&b, s, folders[i], what);
        rg_session_free(s);
        close_bench(&b);
    }
    unlink(path);
}

// the head's last position lies in a page that both have, and is another one's for each
static void forks_expect_apart(void **state) {
    (void)state;
    for (size_t i = 0; i < N_HEADS; i++) {
        rg_error err = {0};
        rg_session *other = NULL;
        bench b = {0};
        open_bench(&b, i);
        rg_session *s = session_of(&b, ids, RG_PAGE_LEN);
        rg_session_cancel(s); // what was stopped before stops no copy
        MUST(rg_session_fork(s, &other, &err));
        MUST(rg_session_eval(s, ids + 99, 1, NULL, NULL, &err));
        rg_session_truncate(s, RG_PAGE_LEN);
        MUST(rg_session_predict(s, 0, ids[100], &err));
        MUST(rg_session_predict(other, 0, ids[110], &err));
        MUST(rg_session_eval(s, ids + 100, 1, NULL, NULL, &err));
        MUST(rg_session_eval(other, ids + 110, 1, NULL, NULL, &err));
        check(&b, s, folders[i], "forked at the end of a page");
        check(&b, other, folders[i], "its fork");
        rg_session_free(s);
        rg_session_free(other);
        close_bench(&b);
    }
}

static void what_is_out_of_order_is_refused(void **state) {
    (void)state;
    rg_error err = {0};
    bench b = {0};
    open_bench(&b, 3);
    rg_session *s = session_of(&b, ids, 0);
    assert_int_equal(rg_session_predict(s, 0, 1, &err), RG_E_ARG); // nothing to go on from
    MUST(rg_session_eval(s, ids, 10, NULL, NULL, &err));
    assert_int_equal(rg_session_predict(s, 1, 1, &err), RG_E_ARG);
    assert_int_equal(rg_session_predict(s, 0, VOCAB, &err), RG_E_ARG);
    assert_int_equal(rg_session_predict(s, 0, -1, &err), RG_E_ARG);
    MUST(rg_session_predict(s, 0, 1, &err));
    MUST(rg_session_predict(s, 1, 1, &err));
    assert_int_equal(rg_session_predict(s, 1, 1, &err), RG_E_ARG);
    assert_int_equal(rg_session_guess(s, ids, GUESSES + 2, &err), RG_E_LIMIT);
    const int32_t bad[] = {3, VOCAB};
    assert_int_equal(rg_session_guess(s, bad, 2, &err), RG_E_ARG);
    assert_false(rg_session_accept(s));
    check(&b, s, folders[3], "after refusals");

    // up to the end of the context, and not beyond
    while (rg_session_count(s) < CTX - 3) {
        MUST(rg_session_eval(s, ids, 1, NULL, NULL, &err));
    }
    assert_int_equal(rg_session_guess(s, ids, 4, &err), RG_E_LIMIT);
    guess(s, 2, 2, 0);
    assert_int_equal(rg_session_count(s), CTX);
    assert_int_equal(rg_session_guess(s, ids, 2, &err), RG_E_LIMIT);
    MUST(rg_session_predict(s, 0, 1, &err));
    assert_int_equal(rg_session_predict(s, 1, 1, &err), RG_E_LIMIT);
    rg_session_free(s);
    close_bench(&b);
}

// ---- drafters ----

static rg_status no_pick(void *arg, size_t i, const float *logits, int32_t *id, rg_error *err) {
    (void)arg;
    (void)i;
    (void)logits;
    (void)id;
    return rg_fail(err, RG_E_INTERNAL, "nothing is picked");
}

static void what_followed_before_is_guessed(void **state) {
    (void)state;
    static const struct {
        int32_t ids[12];
        size_t n;
        int32_t next;
        size_t most;
        int32_t want[6];
        size_t n_want;
    } cases[] = {
        {{1, 2, 3, 4, 5, 9, 1, 2}, 8, 3, 3, {4, 5, 9}, 3}, // the longest match
        {{7, 3, 8, 1, 3, 6, 6, 1}, 8, 3, 2, {6, 6}, 2},    // of two tokens
        {{2, 3, 8, 2, 3, 6, 5, 2}, 8, 3, 4, {6, 5, 2}, 3}, // the latest, to the end
        {{1, 3, 8, 9, 3, 6, 6, 2}, 8, 3, 4, {0}, 0},       // one token alone is none
        {{4, 4, 4}, 3, 4, 4, {4}, 1},
        {{4}, 1, 4, 4, {0}, 0},
    };
    rg_error err = {0};
    bench b = {0};
    open_bench(&b, N_FOLDERS - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t got[GUESSES];
        size_t n = 99;
        rg_session *s = session_of(&b, cases[i].ids, cases[i].n);
        const rg_draft_request r = {
            .session = s, .id = cases[i].next, .most = cases[i].most, .pick = no_pick};
        MUST(rg_draft_ngram(NULL, &r, got, &n, &err));
        assert_int_equal(n, cases[i].n_want);
        assert_memory_equal(got, cases[i].want, n * sizeof *got);
        rg_session_free(s);
    }
    close_bench(&b);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    bench b = {0};
    open_bench(&b, 0);
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_model *m = NULL;
        rg_engine *e = NULL;
        rg_session *s = NULL, *fork = NULL;
        torture_init(&t, n);
        const rg_engine_options options = {.cpu = rg_cpu_detect(),
                                           .n_threads = 1,
                                           .n_ctx = 64,
                                           .chunk_tokens = 16,
                                           .n_guesses = 2};
        rg_status status = rg_model_load_with_mtp(&t.mem, b.source, &m, &err);
        status = status != RG_OK ? status : rg_engine_new(&t.mem, m, b.source, &options, &e, &err);
        status = status != RG_OK ? status : rg_session_new(e, &s, &err);
        status = status != RG_OK ? status : rg_session_eval(s, ids, 20, NULL, NULL, &err);
        status = status != RG_OK ? status : rg_session_predict(s, 0, 3, &err);
        status = status != RG_OK ? status : rg_session_guess(s, ids, 3, &err);
        status = status != RG_OK ? status : rg_session_fork(s, &fork, &err);
        rg_session_free(fork);
        rg_session_free(s);
        rg_engine_free(e);
        rg_model_free(m);
        assert_int_equal(t.n_live, 0);
        if (status == RG_OK && n > 60) {
            break;
        }
        // a mark that cannot be kept is no failure
        assert_true(status == RG_OK || status == RG_E_MEMORY);
    }
    close_bench(&b);
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    srand(5);
    for (int i = 0; i < CTX; i++) {
        ids[i] = rand() % VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_compute_what_their_formulas_say),
        cmocka_unit_test(a_gguf_has_the_same_head),
        cmocka_unit_test(a_head_that_is_not_there_is_refused),
        cmocka_unit_test(accepted_guesses_are_as_if_told),
        cmocka_unit_test(every_way_of_changing_a_session_is_exact),
        cmocka_unit_test(forks_expect_apart),
        cmocka_unit_test(what_is_out_of_order_is_refused),
        cmocka_unit_test(what_followed_before_is_guessed),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
