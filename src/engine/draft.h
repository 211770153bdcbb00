/* Drafters: where guesses of the next tokens come from. One is a function; what it needs to
 * remember is behind its argument. */
#pragma once

#include "engine/engine.h"

/**
 * Choose a token from logits as the text's own tokens are chosen, and remember the odds it had.
 * @param i  number of the guess that it becomes
 */
typedef rg_status rg_pick_fn(void *arg, size_t i, const float *logits, int32_t *id, rg_error *err);

typedef struct rg_draft_request {
    rg_session *session;
    int32_t id;       // comes next: the session does not have it yet
    size_t most;      // guesses, at most RG_GUESSES_MAX
    rg_pick_fn *pick; // for drafters that have logits
    void *pick_arg;
} rg_draft_request;

/**
 * Guess what follows request->id: up to request->most tokens, fewer or none where little is known.
 * A guess that was picked has the odds of its logits; one that was not is taken for certain. Both
 * are judged by the model: a wrong guess costs time and changes no text.
 * @param guesses  [request->most]
 * Errors: those of what the drafter runs.
 */
typedef rg_status rg_draft_fn(void *arg, const rg_draft_request *request, int32_t *guesses,
                              size_t *n, rg_error *err);

/** By the model's prediction head, which the engine's model was loaded with. arg: NULL. */
rg_draft_fn rg_draft_mtp;

/**
 * What followed the last tokens when they were in the session before: a match of three, else of
 * two, the latest of equal ones. arg: NULL. Source: Saxena 2023, "Prompt Lookup Decoding".
 */
rg_draft_fn rg_draft_ngram;
