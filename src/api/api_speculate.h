/* Tokens guessed ahead: where guesses come from, and the judgment of the model's own sampler. */
#pragma once

#include "api/api_internal.h"

/** Of one generation. Threads: one at a time per object. */
typedef struct api_speculation {
    const raga_model *model;
    rg_draft_fn *draft; // NULL: nothing is guessed
    void *draft_arg;
    raga_draft_fn *own; // the caller's drafter
    void *own_arg;
    rg_sampler *sampler;             // borrowed
    bool is_held;                    // to a grammar, which draws: guesses count as certain
    int32_t ids[RG_GUESSES_MAX + 1]; // the token that comes next, then
    size_t n;                        // guesses
    rg_odds *odds[RG_GUESSES_MAX]; // [n_vocab] what each guess was drawn from; NULL: not yet needed
    size_t n_odds[RG_GUESSES_MAX]; // 0: it counts as certain
} api_speculation;

/** Read "mtp", "ngram:4": the drafter and how many tokens it guesses. Errors: RG_E_ARG. */
rg_status api_speculation_read(const char *text, rg_draft_fn **draft, size_t *n,
                               rg_error *err) RG_MUST_CHECK;

void api_speculation_begin(api_speculation *sp, const raga_model *m, const raga_generate_options *o,
                           rg_sampler *sampler);
void api_speculation_end(api_speculation *sp);

/** Guess what follows `next`, which the session does not have yet: into ids. @param most guesses */
rg_status api_speculation_draft(api_speculation *sp, rg_session *session, int32_t next, size_t most,
                                rg_error *err) RG_MUST_CHECK;

/** Draw the token of which guess i is one (none beyond n): by the rule that keeps the distribution.
 */
rg_status api_speculation_draw(api_speculation *sp, size_t i, const float *logits, int32_t *id,
                               rg_error *err) RG_MUST_CHECK;
