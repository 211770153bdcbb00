/* Reasoning while it is being written: how long it is, and what ends it when it is long enough. */
#pragma once

#include "api/api_internal.h"

/** Threads: one at a time per object. */
typedef struct api_thought {
    const rg_dialect *dialect;
    rg_ids close;   // tokens that end it
    size_t budget;  // tokens that it may have
    size_t n;       // that it has
    size_t n_given; // of `close`
    bool is_on;
    bool is_in;
    bool is_closing;
    rg_buf tail; // what was written last
} api_thought;

/**
 * Watch an answer.
 * @param prompt  ids of the session so far; their end may have opened the reasoning
 * Errors: RG_E_UNSUPPORTED (the model does not reason between markers), RG_E_MEMORY.
 */
rg_status api_thought_begin(api_thought *t, const raga_model *m, const int32_t *prompt, size_t n,
                            size_t budget, rg_error *err) RG_MUST_CHECK;
void api_thought_end(api_thought *t);
/** The token that must come next; -1: any. */
int32_t api_thought_next(api_thought *t);
/** A token was written, these bytes. */
void api_thought_take(api_thought *t, rg_str bytes);
