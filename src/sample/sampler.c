#include "sample/sampler.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/** A token still in the race. */
typedef struct candidate {
    int32_t id;
    float logit;
    float p; // after softmax
} candidate;

struct rg_sampler {
    const rg_mem *mem;
    rg_sampler_params params; // bias: our own copy
    rg_bias *bias;
    size_t n_vocab;
    float *logits;         // after penalties and bias
    candidate *candidates; // [n_vocab]
    uint32_t *counts;      // of each token among the last ones
    int32_t *recent;       // ring of last_n ids
    size_t n_recent;
    size_t next;
    rg_random random;
};

rg_sampler_params rg_sampler_params_off(void) {
    return (rg_sampler_params){
        .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1, .last_n = 64};
}

static rg_status check(const rg_sampler_params *p, size_t n_vocab, rg_error *err) {
    const struct {
        const char *name;
        float value, min, max;
    } fields[] = {
        {"temperature", p->temperature, 0, 100},
        {"top_p", p->top_p, 0, 1},
        {"min_p", p->min_p, 0, 1},
        {"typical_p", p->typical_p, 0, 1},
        {"repetition_penalty", p->repetition_penalty, 0.01f, 100},
        {"presence_penalty", p->presence_penalty, -100, 100},
        {"frequency_penalty", p->frequency_penalty, -100, 100},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        // written so that a NaN fails
        if (!(fields[i].value >= fields[i].min && fields[i].value <= fields[i].max)) {
            return rg_fail(err, RG_E_ARG, "%s is %g, valid are %g to %g", fields[i].name,
                           (double)fields[i].value, (double)fields[i].min, (double)fields[i].max);
        }
    }
    if (p->top_k < 0) {
        return rg_fail(err, RG_E_ARG, "top_k is %d, valid are 0 (off) and above", p->top_k);
    }
    if (p->last_n > RG_SAMPLER_LAST_N_MAX || p->n_bias > RG_SAMPLER_BIAS_MAX) {
        return rg_fail(err, RG_E_ARG, "penalties over %u tokens, %zu biases; limits %d and %d",
                       p->last_n, p->n_bias, RG_SAMPLER_LAST_N_MAX, RG_SAMPLER_BIAS_MAX);
    }
    for (size_t i = 0; i < p->n_bias; i++) {
        if (p->bias[i].id < 0 || (size_t)p->bias[i].id >= n_vocab || !isfinite(p->bias[i].bias)) {
            return rg_fail(err, RG_E_ARG, "bias %zu: token %d of %zu, %g", i, p->bias[i].id,
                           n_vocab, (double)p->bias[i].bias);
        }
    }
    return RG_OK;
}

rg_status rg_sampler_new(const rg_mem *mem, const rg_sampler_params *params, size_t n_vocab,
                         rg_sampler **out, rg_error *err) {
    const rg_status status = check(params, n_vocab, err);
    if (status != RG_OK) {
        return status;
    }
    rg_sampler *s = rg_new(mem, sizeof *s);
    if (s == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a sampler");
    }
    s->mem = mem;
    s->params = *params;
    s->n_vocab = n_vocab;
    s->logits = rg_new_array(mem, n_vocab, sizeof *s->logits);
    s->candidates = rg_new_array(mem, n_vocab, sizeof *s->candidates);
    s->counts = rg_new_array(mem, n_vocab, sizeof *s->counts);
    s->recent = rg_new_array(mem, params->last_n + 1u, sizeof *s->recent);
    s->bias = rg_new_array(mem, params->n_bias + 1, sizeof *s->bias);
    if (s->logits == NULL || s->candidates == NULL || s->counts == NULL || s->recent == NULL ||
        s->bias == NULL) {
        rg_sampler_free(s);
        return rg_fail(err, RG_E_MEMORY, "no memory for a sampler of %zu tokens", n_vocab);
    }
    if (params->n_bias != 0) {
        memcpy(s->bias, params->bias, params->n_bias * sizeof *s->bias);
    }
    s->params.bias = s->bias;
    rg_random_seed(&s->random, params->seed);
    *out = s;
    return RG_OK;
}

void rg_sampler_free(rg_sampler *s) {
    if (s != NULL) {
        rg_free(s->mem, s->logits);
        rg_free(s->mem, s->candidates);
        rg_free(s->mem, s->counts);
        rg_free(s->mem, s->recent);
        rg_free(s->mem, s->bias);
        rg_free(s->mem, s);
    }
}

void rg_sampler_accept(rg_sampler *s, int32_t id) {
    const size_t last_n = s->params.last_n;
    if (last_n == 0 || id < 0 || (size_t)id >= s->n_vocab) {
        return;
    }
    if (s->n_recent == last_n) {
        s->counts[s->recent[s->next]]--;
    } else {
        s->n_recent++;
    }
    s->recent[s->next] = id;
    s->next = (s->next + 1) % last_n;
    s->counts[id]++;
}

static bool has_penalties(const rg_sampler_params *p) {
    return p->repetition_penalty != 1 || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

// each token of the ring once: its count is taken, then put back
static void apply_penalties(rg_sampler *s) {
    const rg_sampler_params *p = &s->params;
    for (size_t i = 0; i < s->n_recent; i++) {
        const int32_t id = s->recent[i];
        bool is_first = true;
        // a token that came more than once is handled at its first place
        for (size_t j = 0; s->counts[id] > 1 && j < i && is_first; j++) {
            is_first = s->recent[j] != id;
        }
        if (!is_first) {
            continue;
        }
        float *logit = &s->logits[id];
        *logit = *logit > 0 ? *logit / p->repetition_penalty : *logit * p->repetition_penalty;
        *logit -= p->presence_penalty + p->frequency_penalty * (float)s->counts[id];
    }
}

// better first: larger logit, then lower id, so that nothing depends on the order of the work
static bool is_better(const candidate *a, const candidate *b) {
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static void sift_down(candidate *heap, size_t root, size_t n) {
    const candidate moved = heap[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) {
            break;
        }
        // the worst of the kept is on top
        if (child + 1 < n && is_better(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!is_better(&moved, &heap[child])) {
            break;
        }
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = moved;
}

// the k best, sorted, at the front: a heap of k, then a heap sort of those
static void select_best(candidate *c, size_t n, size_t k) {
    for (size_t i = k / 2; i-- > 0;) {
        sift_down(c, i, k);
    }
    for (size_t i = k; i < n; i++) {
        if (is_better(&c[i], &c[0])) {
            const candidate swap = c[0];
            c[0] = c[i];
            c[i] = swap;
            sift_down(c, 0, k);
        }
    }
    for (size_t end = k; end > 1; end--) {
        const candidate swap = c[0];
        c[0] = c[end - 1];
        c[end - 1] = swap;
        sift_down(c, 0, end - 1);
    }
}

// p of sorted or unsorted candidates; returns the sum that they were divided by
static void softmax(candidate *c, size_t n, float temperature) {
    float top = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        top = c[i].logit > top ? c[i].logit : top;
    }
    for (size_t i = 0; i < n; i++) {
        c[i].p = expf((c[i].logit - top) / temperature);
        sum += c[i].p;
    }
    for (size_t i = 0; i < n; i++) {
        c[i].p = (float)(c[i].p / sum);
    }
}

// Tokens too unlikely to matter need not be sorted: what lies further than e^-28 below the best
// adds up to less than one part in a million for any vocabulary below a million.
static size_t drop_hopeless(candidate *c, size_t n, float top) {
    enum { REACH = 28 };
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].logit >= top - REACH) {
            const candidate swap = c[kept];
            c[kept++] = c[i];
            c[i] = swap;
        }
    }
    return kept;
}

// Meister et al. 2022, arXiv 2202.00666: tokens whose surprise is nearest to the expected one
static size_t keep_typical(candidate *c, size_t n, float typical_p) {
    double entropy = 0;
    softmax(c, n, 1);
    for (size_t i = 0; i < n; i++) {
        entropy -= c[i].p > 0 ? c[i].p * log(c[i].p) : 0;
    }
    // order by distance through the logit field, and put the logits back afterwards
    for (size_t i = 0; i < n; i++) {
        const float logit = c[i].logit;
        c[i].logit = c[i].p > 0 ? -(float)fabs(-log(c[i].p) - entropy) : -INFINITY;
        c[i].p = logit;
    }
    select_best(c, n, n);
    double mass = 0;
    size_t kept = 0;
    double sum = 0;
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        top = c[i].p > top ? c[i].p : top;
    }
    for (size_t i = 0; i < n; i++) {
        sum += exp(c[i].p - top);
    }
    while (kept < n && mass < typical_p) {
        mass += exp(c[kept].p - top) / sum;
        kept++;
    }
    for (size_t i = 0; i < n; i++) {
        c[i].logit = c[i].p;
    }
    select_best(c, kept, kept);
    return kept;
}

// Holtzman et al. 2019, arXiv 1904.09751: the smallest set of the best that reaches the mass
static size_t keep_top_p(candidate *c, size_t n, float top_p) {
    double mass = 0;
    size_t kept = 0;
    softmax(c, n, 1);
    while (kept < n && (mass < top_p || kept == 0)) {
        mass += c[kept++].p;
    }
    return kept;
}

// Nguyen et al. 2024, arXiv 2407.01082: at least this share of the best one's probability
static size_t keep_min_p(const candidate *c, size_t n, float min_p) {
    const float least = c[0].logit + logf(min_p);
    size_t kept = 1;
    while (kept < n && c[kept].logit >= least) {
        kept++;
    }
    return kept;
}

// by probabilities that add up to one
static int32_t draw(rg_sampler *s, const candidate *c, size_t n) {
    const double at = rg_random_unit(&s->random);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += c[i].p;
        if (at < sum) {
            return c[i].id;
        }
    }
    return c[n - 1].id;
}

static rg_status find_top(const float *logits, size_t n, float *top, rg_error *err) {
    *top = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        // a NaN fails both comparisons
        if (!(logits[i] < INFINITY)) {
            return rg_fail(err, RG_E_NUMERIC, "non-finite logits: token %zu has %g", i,
                           (double)logits[i]);
        }
        *top = logits[i] > *top ? logits[i] : *top;
    }
    return *top > -INFINITY ? RG_OK : rg_fail(err, RG_E_NUMERIC, "no token has a finite logit");
}

bool rg_sampler_is_greedy(const rg_sampler *s) {
    return s->params.temperature == 0;
}

static bool is_allowed(const uint64_t *allowed, size_t id) {
    return (allowed[id / 64] >> (id % 64) & 1) != 0;
}

// the logits with penalties and biases, and without what is barred
static void adjust(rg_sampler *s, const float *logits, const uint64_t *allowed) {
    const rg_sampler_params *p = &s->params;
    memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
    if (has_penalties(p)) {
        apply_penalties(s);
    }
    for (size_t i = 0; i < p->n_bias; i++) {
        s->logits[p->bias[i].id] =
            p->bias[i].bias <= -100 ? -INFINITY : s->logits[p->bias[i].id] + p->bias[i].bias;
    }
    for (size_t i = 0; allowed != NULL && i < s->n_vocab; i++) {
        s->logits[i] = is_allowed(allowed, i) ? s->logits[i] : -INFINITY;
    }
}

// The chain up to the draw: candidates and their probabilities, or none when the largest logit is
// taken, which is in *id then.
static rg_status narrow(rg_sampler *s, const float *logits, const uint64_t *allowed, size_t *n_left,
                        int32_t *id, rg_error *err) {
    const rg_sampler_params *p = &s->params;
    float top = 0;
    rg_status status = find_top(logits, s->n_vocab, &top, err);
    if (status != RG_OK) {
        return status;
    }
    const bool is_plain = !has_penalties(p) && p->n_bias == 0 && allowed == NULL;
    if (!is_plain) {
        adjust(s, logits, allowed);
        logits = s->logits;
        status = find_top(logits, s->n_vocab, &top, err);
        if (status != RG_OK) {
            return status;
        }
    }
    if (p->temperature == 0) {
        *id = rg_argmax(logits, s->n_vocab);
        *n_left = 0;
        return RG_OK;
    }

    candidate *c = s->candidates;
    size_t n = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        if (allowed == NULL || is_allowed(allowed, i)) {
            c[n++] = (candidate){.id = (int32_t)i, .logit = logits[i]};
        }
    }
    if (p->top_k > 0 && (size_t)p->top_k < n) {
        select_best(c, n, (size_t)p->top_k);
        n = (size_t)p->top_k;
    } else if (p->typical_p < 1 || p->top_p < 1 || p->min_p > 0) {
        n = drop_hopeless(c, n, top);
        select_best(c, n, n);
    }
    n = p->typical_p < 1 ? keep_typical(c, n, p->typical_p) : n;
    n = p->top_p < 1 ? keep_top_p(c, n, p->top_p) : n;
    n = p->min_p > 0 ? keep_min_p(c, n, p->min_p) : n;
    softmax(c, n, p->temperature);
    *n_left = n;
    return RG_OK;
}

rg_status rg_sampler_draw(rg_sampler *s, const float *logits, const uint64_t *allowed, int32_t *id,
                          rg_error *err) {
    size_t n = 0;
    const rg_status status = narrow(s, logits, allowed, &n, id, err);
    if (status == RG_OK && n != 0) {
        *id = draw(s, s->candidates, n);
    }
    return status;
}

rg_status rg_sampler_guess(rg_sampler *s, const float *logits, rg_odds *odds, size_t *n,
                           int32_t *id, rg_error *err) {
    size_t n_left = 0;
    const rg_status status = narrow(s, logits, NULL, &n_left, id, err);
    if (status != RG_OK) {
        return status;
    }
    for (size_t i = 0; i < n_left; i++) {
        odds[i] = (rg_odds){s->candidates[i].id, s->candidates[i].p};
    }
    *n = n_left;
    *id = n_left != 0 ? draw(s, s->candidates, n_left) : *id;
    return RG_OK;
}

// the probabilities become those of max(0, p - q) of the candidates; false: nothing is left of them
static bool take_away(rg_sampler *s, size_t n_left, const rg_odds *odds, size_t n) {
    candidate *c = s->candidates;
    float *q = s->logits; // by token, of the candidates alone
    double sum = 0;
    for (size_t i = 0; i < n_left; i++) {
        q[c[i].id] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        q[odds[i].id] = odds[i].p;
    }
    for (size_t i = 0; i < n_left; i++) {
        sum += fmaxf(0, c[i].p - q[c[i].id]);
    }
    for (size_t i = 0; sum > 0 && i < n_left; i++) {
        c[i].p = (float)(fmaxf(0, c[i].p - q[c[i].id]) / sum);
    }
    return sum > 0;
}

rg_status rg_sampler_judge(rg_sampler *s, const float *logits, int32_t guess, const rg_odds *odds,
                           size_t n, int32_t *id, rg_error *err) {
    size_t n_left = 0;
    double p = 0, q = 1;
    const rg_status status = narrow(s, logits, NULL, &n_left, id, err);
    if (status != RG_OK || n_left == 0) {
        return status;
    }
    for (size_t i = 0; i < n_left; i++) {
        p = s->candidates[i].id == guess ? s->candidates[i].p : p;
    }
    for (size_t i = 0; i < n; i++) {
        q = odds[i].id == guess ? odds[i].p : q;
    }
    if (n != 0 && rg_random_unit(&s->random) * q < p) {
        *id = guess;
        return RG_OK;
    }
    // where rounding leaves nothing of p - q, the two are the same
    if (n != 0) {
        (void)take_away(s, n_left, odds, n);
    }
    *id = draw(s, s->candidates, n_left);
    return RG_OK;
}

int32_t rg_argmax(const float *logits, size_t n_vocab) {
    size_t best = 0;
    for (size_t i = 1; i < n_vocab; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

float rg_logprobs(const float *logits, size_t n_vocab, int32_t id, rg_logprob *top, size_t n) {
    const float most = logits[rg_argmax(logits, n_vocab)];
    double sum = 0;
    for (size_t i = 0; i < n_vocab; i++) {
        sum += expf(logits[i] - most);
    }
    const float norm = most + (float)log(sum);

    // insertion into a short sorted list
    size_t count = 0;
    n = n > RG_SAMPLER_LOGPROBS_MAX ? RG_SAMPLER_LOGPROBS_MAX : n;
    for (size_t i = 0; n != 0 && i < n_vocab; i++) {
        const float logprob = logits[i] - norm;
        if (count == n && logprob <= top[n - 1].logprob) {
            continue;
        }
        size_t at = count < n ? count++ : n - 1;
        while (at > 0 && top[at - 1].logprob < logprob) {
            top[at] = top[at - 1];
            at--;
        }
        top[at] = (rg_logprob){(int32_t)i, logprob};
    }
    return logits[id] - norm;
}
