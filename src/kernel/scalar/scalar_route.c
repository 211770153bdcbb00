#include "kernel/route.h"

#include <math.h>

// what is chosen last
#define LAST (-INFINITY)
// from here on log(1 + exp(x)) is x
#define LINEAR 20.0f

static void score(const rg_router *r, const float *logits, float *scores) {
    for (size_t i = 0; i < r->n_expert && r->score != RG_ROUTE_SOFTMAX; i++) {
        const float x = logits[i];
        scores[i] = r->score == RG_ROUTE_SIGMOID ? 1 / (1 + expf(-x))
                                                 : sqrtf(x > LINEAR ? x : log1pf(expf(x)));
    }
    if (r->score != RG_ROUTE_SOFTMAX) {
        return;
    }
    float most = -INFINITY;
    for (size_t i = 0; i < r->n_expert; i++) {
        most = fmaxf(most, logits[i]);
    }
    double sum = 0;
    for (size_t i = 0; i < r->n_expert; i++) {
        scores[i] = expf(logits[i] - most);
        sum += scores[i];
    }
    for (size_t i = 0; i < r->n_expert; i++) {
        scores[i] = (float)(scores[i] / sum);
    }
}

static float choice_score(const float *scores, const float *bias, size_t i) {
    const float s = bias == NULL ? scores[i] : scores[i] + bias[i];
    return isnan(s) ? LAST : s;
}

static float group_score(const rg_router *r, const float *scores, const float *bias, size_t group) {
    const size_t n = r->n_expert / r->n_group;
    float best = LAST;
    float second = LAST;
    for (size_t i = group * n; i < (group + 1) * n; i++) {
        const float s = choice_score(scores, bias, i);
        second = s > best ? best : fmaxf(second, s);
        best = fmaxf(best, s);
    }
    return r->is_group_by_two && n > 1 ? best + second : best;
}

// a group counts when fewer than n_group_used others come before it
static bool is_group_used(const rg_router *r, const float *scores, const float *bias,
                          size_t group) {
    if (r->n_group_used >= r->n_group) {
        return true;
    }
    const float own = group_score(r, scores, bias, group);
    size_t n_before = 0;
    for (size_t i = 0; i < r->n_group; i++) {
        const float other = group_score(r, scores, bias, i);
        n_before += other > own || (other == own && i < group);
    }
    return n_before < r->n_group_used;
}

// an expert takes its place among those chosen so far, which are at most n_top, best first
static size_t insert(const rg_router *r, const float *scores, const float *bias, int32_t *chosen,
                     size_t n, size_t expert) {
    const float s = choice_score(scores, bias, expert);
    size_t at = n;
    while (at > 0 && s > choice_score(scores, bias, (size_t)chosen[at - 1])) {
        at--;
    }
    if (at == r->n_top) {
        return n;
    }
    const size_t last = n < r->n_top ? n : r->n_top - 1;
    for (size_t i = last; i > at; i--) {
        chosen[i] = chosen[i - 1];
    }
    chosen[at] = (int32_t)expert;
    return last + 1;
}

static void weigh(const rg_router *r, const float *scores, const int32_t *chosen, float *weights) {
    double sum = 0;
    for (size_t k = 0; k < r->n_top; k++) {
        weights[k] = scores[chosen[k]];
        sum += weights[k];
    }
    for (size_t k = 0; k < r->n_top; k++) {
        weights[k] = (float)(r->is_renormed ? weights[k] / sum * r->scale : weights[k] * r->scale);
    }
}

void rg_route_choose(const rg_router *r, const float *logits, const float *bias, float *scores,
                     float *weights, int32_t *chosen) {
    const size_t n = r->n_expert / r->n_group;
    size_t n_chosen = 0;
    score(r, logits, scores);
    for (size_t group = 0; group < r->n_group; group++) {
        if (is_group_used(r, scores, bias, group)) {
            for (size_t i = group * n; i < (group + 1) * n; i++) {
                n_chosen = insert(r, scores, bias, chosen, n_chosen, i);
            }
        }
    }
    weigh(r, scores, chosen, weights);
}

void rg_route_weigh(const rg_router *r, const float *logits, const int32_t *chosen, float *scores,
                    float *weights) {
    score(r, logits, scores);
    weigh(r, scores, chosen, weights);
}

void rg_route_gradient(const rg_router *r, const float *dweights, const float *logits,
                       const int32_t *chosen, float *scores, float *dlogits) {
    double sum = 0;
    double mean = 0; // of dweights, by score
    score(r, logits, scores);
    for (size_t i = 0; i < r->n_expert; i++) {
        dlogits[i] = 0;
    }
    for (size_t k = 0; k < r->n_top; k++) {
        sum += scores[chosen[k]];
        mean += (double)dweights[k] * scores[chosen[k]];
    }
    // gradients of the scores first
    double flow = 0; // along the softmax
    for (size_t k = 0; k < r->n_top; k++) {
        const double d = r->is_renormed ? (dweights[k] - mean / sum) / sum : dweights[k];
        dlogits[chosen[k]] += (float)(d * r->scale); // a list may name an expert twice
        flow += d * r->scale * scores[chosen[k]];
    }
    for (size_t i = 0; i < r->n_expert; i++) {
        switch (r->score) {
        case RG_ROUTE_SOFTMAX:
            dlogits[i] = scores[i] * (dlogits[i] - (float)flow);
            break;
        case RG_ROUTE_SIGMOID:
            dlogits[i] *= scores[i] * (1 - scores[i]);
            break;
        case RG_ROUTE_SQRT_SOFTPLUS: // a score of 0 is as flat as it looks
            dlogits[i] *= scores[i] == 0 ? 0 : 1 / (1 + expf(-logits[i])) / (2 * scores[i]);
            break;
        }
    }
}
