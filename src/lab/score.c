#include "lab/score.h"

#include "base/pool.h"

#include <math.h>

/** What one row of logits, or a pair of them, says of the token that comes. */
typedef struct row {
    int32_t target; // -1: it does not count
    bool is_bad;    // not finite
    bool is_same_top;
    double nll;
    double reference_nll;
    double kl;
} row;

struct rg_scorer {
    const rg_mem *mem;
    rg_score_options options;
    rg_pool *pool;
    rg_session *sessions[2]; // of the model, of the reference
    float *logits[2];        // [RG_OUT_ROWS_MAX][n_vocab]
    float *into;             // where rows go now
    row rows[RG_OUT_ROWS_MAX];
    int32_t *window; // [n_ctx] with its own beginning
    rg_buf kls;      // float, one a counted token
    rg_buf bytes;    // of one token, as texts have them
    double sum_dp2;
    rg_score score;
};

// ---- one row ----

// log of the sum of exponentials; the largest is told as well. NAN: a logit is not finite
static double log_sum(const float *logits, size_t n, size_t *top) {
    double most = -INFINITY;
    bool is_bad = false;
    for (size_t i = 0; i < n; i++) {
        is_bad = is_bad || !isfinite(logits[i]);
        if (logits[i] > most) {
            most = logits[i];
            *top = i;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < n && !is_bad; i++) {
        sum += exp(logits[i] - most);
    }
    return is_bad ? NAN : most + log(sum);
}

double rg_score_logprob(const float *logits, size_t n_vocab, int32_t id) {
    size_t top = 0;
    return logits[id] - log_sum(logits, n_vocab, &top);
}

static void read_row(void *arg, size_t i, unsigned thread) {
    (void)thread;
    rg_scorer *s = arg;
    row *r = &s->rows[i];
    const size_t n = s->options.n_vocab;
    const float *a = s->logits[0] + i * n;
    const float *b = s->logits[1] == NULL ? NULL : s->logits[1] + i * n;
    size_t top[2] = {0, 0};
    if (r->target < 0) {
        return;
    }
    const double sum = log_sum(a, n, &top[0]);
    r->is_bad = isnan(sum);
    r->nll = sum - a[r->target];
    if (b == NULL || r->is_bad) {
        return;
    }
    const double reference_sum = log_sum(b, n, &top[1]);
    double kl = 0;
    for (size_t k = 0; k < n; k++) {
        const double log_p = b[k] - reference_sum;
        kl += exp(log_p) * (log_p - (a[k] - sum));
    }
    r->is_bad = isnan(reference_sum);
    r->reference_nll = reference_sum - b[r->target];
    r->kl = fmax(kl, 0); // below 0 there is nothing but rounding
    r->is_same_top = top[0] == top[1];
}

static void count(rg_scorer *s, const row *r) {
    rg_score *score = &s->score;
    rg_mean_add(&score->nll, r->nll);
    if (rg_tokenizer_type(s->options.tokenizer, r->target) != RG_TOKEN_CONTROL) {
        s->bytes.size = 0;
        rg_tokenizer_join(s->options.tokenizer, &r->target, 1, &s->bytes);
        score->n_bytes += s->bytes.size;
    }
    if (s->options.reference != NULL) {
        const float kl = (float)r->kl;
        const double dp = exp(-r->nll) - exp(-r->reference_nll);
        rg_mean_add(&score->reference, r->reference_nll);
        rg_mean_add(&score->difference, r->nll - r->reference_nll);
        rg_mean_add(&score->kl, r->kl);
        score->n_same_top += r->is_same_top;
        s->sum_dp2 += dp * dp;
        rg_buf_put(&s->kls, &kl, sizeof kl);
    }
}

// ---- one window ----

static rg_status keep_row(void *arg, size_t pos, const float *logits, size_t n_vocab,
                          rg_error *err) {
    (void)pos, (void)err;
    rg_scorer *s = arg;
    memcpy(s->into, logits, n_vocab * sizeof *logits);
    s->into += n_vocab;
    return RG_OK;
}

// the next n tokens in all models, with their logits, and what these say
static rg_status read_rows(rg_scorer *s, const int32_t *ids, size_t n, rg_error *err) {
    rg_status status = RG_OK;
    for (size_t k = 0; k < 2 && s->sessions[k] != NULL; k++) {
        s->into = s->logits[k];
        RG_TRY(rg_session_eval(s->sessions[k], ids, n, keep_row, s, err));
    }
    rg_pool_run(s->pool, n, read_row, s);
    for (size_t i = 0; i < n; i++) {
        if (s->rows[i].target >= 0 && s->rows[i].is_bad) {
            status =
                rg_fail(err, RG_E_NUMERIC, "the logits after token %zu of a window are not finite",
                        rg_session_count(s->sessions[0]) - n + i);
            goto done;
        }
        if (s->rows[i].target >= 0) {
            count(s, &s->rows[i]);
        }
    }
    if (s->score.nll.n > RG_SCORE_TOKENS_MAX) {
        status =
            rg_fail(err, RG_E_LIMIT, "more than %zu tokens to be counted (RG_SCORE_TOKENS_MAX)",
                    RG_SCORE_TOKENS_MAX);
        goto done;
    }
    RG_TRY(rg_buf_check(&s->bytes, "a token", err));
    status = rg_buf_check(&s->kls, "divergences", err);

done:
    return status;
}

// tokens [from, n) of a window count, where they are marked
static rg_status read_window(rg_scorer *s, const int32_t *ids, const uint8_t *is_counted,
                             size_t from, size_t n, rg_error *err) {
    rg_status status = RG_OK;
    from = from == 0 ? 1 : from;
    while (from < n && is_counted != NULL && is_counted[from] == 0) {
        from++;
    }
    while (n > from && is_counted != NULL && is_counted[n - 1] == 0) {
        n--;
    }
    if (from >= n) {
        return RG_OK;
    }
    memcpy(s->window, ids, n * sizeof *ids);
    if (rg_tokenizer_adds_bos(s->options.tokenizer)) {
        s->window[0] = rg_tokenizer_bos(s->options.tokenizer);
    }
    // what only leads up to the counted tokens needs no logits
    for (size_t k = 0; k < 2 && s->sessions[k] != NULL; k++) {
        rg_session_truncate(s->sessions[k], 0);
        if (from > 1) {
            RG_TRY(rg_session_eval(s->sessions[k], s->window, from - 1, NULL, NULL, err));
        }
    }
    for (size_t at = from - 1; at + 1 < n;) {
        const size_t left = n - 1 - at;
        const size_t n_rows = left < RG_OUT_ROWS_MAX ? left : RG_OUT_ROWS_MAX;
        for (size_t i = 0; i < n_rows; i++) {
            const bool counts = is_counted == NULL || is_counted[at + i + 1] != 0;
            s->rows[i] = (row){.target = counts ? ids[at + i + 1] : -1};
        }
        RG_TRY(read_rows(s, s->window + at, n_rows, err));
        at += n_rows;
    }

done:
    return status;
}

// ---- texts and samples ----

static rg_status tell(rg_scorer *s, double share, rg_error *err) {
    const bool goes_on =
        s->options.progress == NULL ||
        s->options.progress(s->options.progress_arg, share, exp(s->score.nll.mean));
    return goes_on ? RG_OK : rg_fail(err, RG_E_CANCELLED, "stopped on request");
}

// every token but the first, once
static rg_status read_strided(rg_scorer *s, const int32_t *ids, const uint8_t *is_counted, size_t n,
                              size_t stride, rg_error *err) {
    rg_status status = RG_OK;
    const size_t n_ctx = s->options.n_ctx;
    size_t done = 0; // tokens that were counted, or passed over
    for (size_t begin = 0; done < n; begin += stride) {
        const size_t size = n - begin < n_ctx ? n - begin : n_ctx;
        RG_TRY(read_window(s, ids + begin, is_counted == NULL ? NULL : is_counted + begin,
                           done - begin, size, err));
        done = begin + size;
        RG_TRY(tell(s, (double)done / (double)n, err));
    }

done:
    return status;
}

rg_status rg_scorer_text(rg_scorer *s, const int32_t *ids, size_t n, rg_error *err) {
    rg_status status = RG_OK;
    const size_t n_ctx = s->options.n_ctx;
    if (s->options.stride != 0 || n < n_ctx) {
        return read_strided(s, ids, NULL, n, s->options.stride == 0 ? n_ctx : s->options.stride,
                            err);
    }
    for (size_t begin = 0; begin + n_ctx <= n; begin += n_ctx) {
        RG_TRY(read_window(s, ids + begin, NULL, n_ctx / 2 + 1, n_ctx, err));
        RG_TRY(tell(s, (double)(begin + n_ctx) / (double)n, err));
    }

done:
    return status;
}

rg_status rg_scorer_sample(rg_scorer *s, const int32_t *ids, const uint8_t *is_counted, size_t n,
                           rg_error *err) {
    return read_strided(s, ids, is_counted, n, s->options.n_ctx - s->options.n_ctx / 2, err);
}

// ---- the whole ----

rg_status rg_scorer_new(const rg_mem *mem, const rg_score_options *o, rg_scorer **out,
                        rg_error *err) {
    rg_status status = RG_OK;
    rg_scorer *s = NULL;
    rg_engine *const engines[2] = {o->engine, o->reference};
    if (o->n_ctx < 2 || o->stride >= o->n_ctx) {
        return rg_fail(err, RG_E_ARG,
                       "windows of %zu tokens, %zu from one to the next: a window has 2 tokens or "
                       "more, and a stride is shorter than it",
                       o->n_ctx, o->stride);
    }
    s = rg_new(mem, sizeof *s);
    if (s == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for an evaluation");
    }
    s->mem = mem;
    s->options = *o;
    rg_buf_init(&s->kls, mem, 0);
    rg_buf_init(&s->bytes, mem, 0);
    RG_TRY(rg_pool_new(mem, rg_engine_threads(o->engine), &s->pool, err));
    s->window = rg_new_array(mem, o->n_ctx, sizeof *s->window);
    for (size_t k = 0; k < 2 && engines[k] != NULL; k++) {
        RG_TRY(rg_session_new(engines[k], &s->sessions[k], err));
        s->logits[k] = rg_new_array(mem, o->n_vocab, RG_OUT_ROWS_MAX * sizeof *s->logits[k]);
        if (s->logits[k] == NULL || s->window == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for %d rows of logits of %zu tokens",
                             RG_OUT_ROWS_MAX, o->n_vocab);
            goto done;
        }
    }
    *out = s;
    s = NULL;

done:
    rg_scorer_free(s);
    return status;
}

void rg_scorer_free(rg_scorer *s) {
    if (s == NULL) {
        return;
    }
    for (size_t k = 0; k < 2; k++) {
        rg_session_free(s->sessions[k]);
        rg_free(s->mem, s->logits[k]);
    }
    rg_pool_free(s->pool);
    rg_free(s->mem, s->window);
    rg_buf_clear(&s->kls);
    rg_buf_clear(&s->bytes);
    rg_free(s->mem, s);
}

rg_score rg_scorer_get(rg_scorer *s) {
    rg_score score = s->score;
    float *kls = (float *)(void *)s->kls.data;
    const size_t n = s->kls.size / sizeof *kls;
    if (n > 0) {
        score.kl_median = rg_quantile(kls, n, 0.5);
        score.kl_99 = rg_quantile(kls, n, 0.99);
        score.kl_most = rg_quantile(kls, n, 1);
        score.rms_dp = sqrt(s->sum_dp2 / (double)n);
    }
    return score;
}
