/* What rows of logits say: the most likely tokens, the surprise of the one that comes. */
#include "lab/inspect_internal.h"

#include <math.h>
#include <stdatomic.h>

typedef struct job {
    const float *logits;
    size_t n_vocab;
    size_t n_top;
    const rg_inspect_reading *to;
    atomic_size_t bad; // a row that is not finite; relaxed: read after the pool has joined
} job;

// keep `top` ordered, largest first; ties by the smaller id, which comes first
static void insert(rg_guess *top, size_t *n, size_t n_top, int32_t id, float logit) {
    if (*n == n_top && logit <= top[n_top - 1].p) {
        return;
    }
    size_t at = *n < n_top ? (*n)++ : n_top - 1;
    while (at > 0 && top[at - 1].p < logit) {
        top[at] = top[at - 1];
        at--;
    }
    top[at] = (rg_guess){id, logit};
}

static void read_row(void *arg, size_t row, unsigned thread) {
    (void)thread;
    job *j = arg;
    const float *logits = j->logits + row * j->n_vocab;
    rg_guess *top = j->to->top + row * j->n_top;
    size_t n = 0;
    for (size_t i = 0; i < j->n_vocab; i++) {
        if (!isfinite(logits[i])) {
            atomic_store_explicit(&j->bad, row, memory_order_relaxed);
            return;
        }
        insert(top, &n, j->n_top, (int32_t)i, logits[i]);
    }
    const double most = top[0].p;
    double sum = 0;
    double weighted = 0; // of the logits
    for (size_t i = 0; i < j->n_vocab; i++) {
        const double e = exp(logits[i] - most);
        sum += e;
        weighted += e * (logits[i] - most);
    }
    const double log_sum = log(sum);
    if (j->to->entropy != NULL) {
        j->to->entropy[row] = (float)((log_sum - weighted / sum) / log(2));
    }
    const int32_t target = j->to->target[row];
    if (j->to->bits != NULL) {
        j->to->bits[row] = target < 0 ? NAN : (float)((log_sum - (logits[target] - most)) / log(2));
    }
    if (j->to->rank != NULL) {
        uint32_t rank = target < 0 ? 0 : 1;
        for (size_t i = 0; target >= 0 && i < j->n_vocab; i++) {
            rank +=
                logits[i] > logits[target] || (logits[i] == logits[target] && (int32_t)i < target);
        }
        j->to->rank[row] = rank;
    }
    for (size_t i = 0; i < j->n_top; i++) {
        top[i] = i < n ? (rg_guess){top[i].id, (float)exp(top[i].p - most - log_sum)}
                       : (rg_guess){-1, 0};
    }
}

bool rg_inspect_read(rg_pool *pool, const float *logits, size_t n, size_t n_vocab, size_t n_top,
                     const rg_inspect_reading *to, size_t *bad) {
    job j = {.logits = logits, .n_vocab = n_vocab, .n_top = n_top, .to = to};
    atomic_init(&j.bad, SIZE_MAX);
    rg_pool_run(pool, n, read_row, &j);
    *bad = atomic_load_explicit(&j.bad, memory_order_relaxed);
    return *bad == SIZE_MAX;
}
