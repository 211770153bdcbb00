/* How well a model foretells a text: perplexity; and beside a reference, how far it lies from it.
 */
#pragma once

#include "engine/engine.h"
#include "lab/stats.h"
#include "token/tokenizer.h"

#define RG_SCORE_TOKENS_MAX ((size_t)1 << 28) // counted in one evaluation

/** Called after each window with the share of the text that is done; a false answer cancels. */
typedef bool rg_score_progress_fn(void *arg, double share, double perplexity);

typedef struct rg_score_options {
    rg_engine *engine;             // sessions of n_ctx tokens fit
    rg_engine *reference;          // NULL: none. Of the same vocabulary
    const rg_tokenizer *tokenizer; // of the bytes of tokens
    size_t n_vocab;
    size_t n_ctx;  // tokens of a window, at least 2
    size_t stride; // of running text: tokens from one window to the next; 0: windows side by side
    rg_score_progress_fn *progress; // may be NULL
    void *progress_arg;
} rg_score_options;

/** What came out. Without a reference, all from `reference` on is 0. */
typedef struct rg_score {
    size_t n_bytes; // that the counted tokens stand for, control tokens apart
    rg_mean nll;    // of the model, nats a token: n of it is the count
    rg_mean reference;
    rg_mean difference; // of the two, token by token
    rg_mean kl;         // of the reference's distribution from the model's, nats
    double kl_median;
    double kl_99; // 99 % lie below
    double kl_most;
    uint64_t n_same_top; // tokens where both find the same one likeliest
    double rms_dp;       // root of the mean squared difference of the probability of the token
} rg_score;

typedef struct rg_scorer rg_scorer;

/**
 * Errors: RG_E_ARG (n_ctx, stride), RG_E_LIMIT, RG_E_MEMORY, those of sessions.
 * Memory: 64 rows of logits a model, four bytes a counted token beside a reference.
 * Threads: one at a time per object.
 */
rg_status rg_scorer_new(const rg_mem *mem, const rg_score_options *options, rg_scorer **out,
                        rg_error *err) RG_MUST_CHECK;
void rg_scorer_free(rg_scorer *scorer);

/**
 * Count running text. Windows side by side: n_ctx tokens each, of which those count that have more
 * than half a window in front of them; what does not fill a window is left out, but a text shorter
 * than one is a window, of which all but the first token count. (These are llama.cpp's, so the
 * numbers can be compared.) With a stride every token but the first counts once, in the window
 * where the most lies in front of it.
 * A tokenizer that begins texts with a token has it at the beginning of each window.
 * Errors: RG_E_NUMERIC (logits that are not finite), RG_E_CANCELLED, those of the engine.
 */
rg_status rg_scorer_text(rg_scorer *scorer, const int32_t *ids, size_t n,
                         rg_error *err) RG_MUST_CHECK;

/**
 * Count the marked tokens of a sample. One longer than a window is read in windows that overlap by
 * half. The first token never counts. Errors: as above.
 */
rg_status rg_scorer_sample(rg_scorer *scorer, const int32_t *ids, const uint8_t *is_counted,
                           size_t n, rg_error *err) RG_MUST_CHECK;

/** What was counted so far. */
rg_score rg_scorer_get(rg_scorer *scorer);

/** log p of a token, by logits that are finite; NAN when one is not. */
double rg_score_logprob(const float *logits, size_t n_vocab, int32_t id);
