/* The part of `raga verify` that computes: every path of the processor against the plain one, and
 * against reference logits. */
#pragma once

#include "raga/model.h"

typedef enum verify_outcome { VERIFY_OK, VERIFY_FAILED, VERIFY_SKIPPED } verify_outcome;

typedef void verify_tell_fn(void *arg, verify_outcome outcome, const char *check,
                            const char *detail);

/** @param model  open, for its facts alone */
void verify_numbers(const char *path, const raga_model *model, unsigned n_threads,
                    verify_tell_fn *tell, void *arg);
