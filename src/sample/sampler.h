/*
 * sample/ turns logits into tokens. It relies on base/ alone.
 *
 * sampler.h: one chain, in the order that users of other runtimes expect:
 *   logits -> penalties -> bias -> top-k -> typical -> top-p -> min-p -> temperature -> draw
 * Log-probabilities are those of the model: softmax of the logits as they came, before the chain.
 */
#pragma once

#include "base/mem.h"

#define RG_SAMPLER_LAST_N_MAX   65536 // tokens that penalties look back on
#define RG_SAMPLER_BIAS_MAX     65536 // entries of a logit bias
#define RG_SAMPLER_LOGPROBS_MAX 20    // most likely tokens reported

typedef struct rg_bias {
    int32_t id;
    float bias; // added to the logit; -100 or less bars the token, as the APIs have it
} rg_bias;

/** Every field at its "off" value unless said otherwise: start from rg_sampler_params_off(). */
typedef struct rg_sampler_params {
    float temperature;        // 0: greedy
    int32_t top_k;            // 0: off
    float top_p;              // 1: off
    float min_p;              // 0: off
    float typical_p;          // 1: off
    float repetition_penalty; // 1: off. Keskar et al. 2019, arXiv 1909.05858
    float presence_penalty;   // 0: off
    float frequency_penalty;  // 0: off
    uint32_t last_n;          // tokens that the penalties see
    const rg_bias *bias;      // borrowed until rg_sampler_new returns
    size_t n_bias;
    uint64_t seed;
} rg_sampler_params;

rg_sampler_params rg_sampler_params_off(void);

typedef struct rg_sampler rg_sampler;

/** Errors: RG_E_ARG naming the field, its value and its range; RG_E_MEMORY. */
rg_status rg_sampler_new(const rg_mem *mem, const rg_sampler_params *params, size_t n_vocab,
                         rg_sampler **out, rg_error *err) RG_MUST_CHECK;
void rg_sampler_free(rg_sampler *sampler);

/**
 * Draw a token. Allocates nothing.
 * Shapes: logits [n_vocab], only read.
 * @param allowed  bit i % 64 of word i / 64 for token i: the others are barred; NULL: none is
 * Errors: RG_E_NUMERIC when no logit is finite, or one is NaN or +infinity.
 * Threads: one at a time per object.
 */
rg_status rg_sampler_draw(rg_sampler *sampler, const float *logits, const uint64_t *allowed,
                          int32_t *id, rg_error *err) RG_MUST_CHECK;
/** A token and its probability. */
typedef struct rg_odds {
    int32_t id;
    float p;
} rg_odds;

/**
 * Draw a token, and tell what it was drawn from: for guesses that are judged later.
 * @param odds  [n_vocab] receives the tokens that could come and their probabilities
 * @param n       how many; 0: nothing was left to chance (greedy)
 * Errors, threads: those of rg_sampler_draw.
 */
rg_status rg_sampler_guess(rg_sampler *sampler, const float *logits, rg_odds *odds, size_t *n,
                           int32_t *id, rg_error *err) RG_MUST_CHECK;

/**
 * Draw a token of which there is a guess, so that the guess is kept as often as can be: the result
 * has the distribution that rg_sampler_draw draws from, whatever the guess was drawn from. With
 * probabilities p here and q there, guess x is kept with min(1, p(x) / q(x)), else a token is drawn
 * by max(0, p - q).
 * @param odds  [n] what the guess was drawn from; n 0: it was certain, and a plain draw is the
 *                same as this rule
 * Source: Leviathan et al. 2023, arXiv 2211.17192, algorithm 1.
 */
rg_status rg_sampler_judge(rg_sampler *sampler, const float *logits, int32_t guess,
                           const rg_odds *odds, size_t n, int32_t *id, rg_error *err) RG_MUST_CHECK;

/** Whether it always takes the largest logit. */
bool rg_sampler_is_greedy(const rg_sampler *sampler);
/** Tell the sampler a token that became part of the text, drawn or given, so that penalties see it.
 */
void rg_sampler_accept(rg_sampler *sampler, int32_t id);

typedef struct rg_logprob {
    int32_t id;
    float logprob;
} rg_logprob;

/**
 * Log-probability of `id`, and of the n most likely tokens, descending (ties: lower id first).
 * Shapes: logits [n_vocab]; top [n] with n <= RG_SAMPLER_LOGPROBS_MAX, may be NULL with n 0.
 */
float rg_logprobs(const float *logits, size_t n_vocab, int32_t id, rg_logprob *top, size_t n);

/** The first of the largest logits. */
int32_t rg_argmax(const float *logits, size_t n_vocab);
