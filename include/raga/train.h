/* Change models: train from nothing, tune, merge adapters, check the arithmetic. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The verdict of a training case. */
typedef struct raga_check {
    size_t size; // set by the caller before the call
    bool is_passed;
    double share;    // of its tolerance that the worst comparison used
    char worst[256]; // which one, and by how much
} raga_check;

/**
 * Run a case with known results from its inputs alone: dir/golden.json names them. Writes
 * out_dir/report.json, grads.safetensors, and final-NAME.safetensors (LoRA: final-NAME/ in PEFT's
 * layout) for each run.
 * Errors: RAGA_E_FORMAT naming file and field; RAGA_E_UNSUPPORTED (family); RAGA_E_IO.
 */
RAGA_API raga_status raga_train_check(const char *dir, const char *out_dir, unsigned n_threads,
                                      raga_check *result, raga_error *err) RAGA_MUST_CHECK;

/**
 * Write a Hugging Face directory with adapters merged into the matrices, each in its own type.
 * @param adapters  "PATH" or "PATH:SCALE", n of them
 * Errors: RAGA_E_UNSUPPORTED (a model that is no directory of floats); those of the adapters.
 */
RAGA_API raga_status raga_merge(const char *model, const char *const *adapters, size_t n,
                                const char *out_dir, raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
