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

/** What a run tells. */
typedef enum raga_train_kind {
    RAGA_TRAIN_STEP,       // a step was done
    RAGA_TRAIN_VALID,      // the validation was run
    RAGA_TRAIN_CHECKPOINT, // a checkpoint was written
    RAGA_TRAIN_BEGIN,      // all is ready, the first step follows
} raga_train_kind;

typedef struct raga_train_event {
    raga_train_kind kind;
    uint64_t step; // done so far; BEGIN: those of the run that is gone on with
    uint64_t n_steps;
    double loss;
    double lr;
    double grad_norm;
    uint64_t n_tokens;  // of the step
    double seconds;     // of the step
    bool is_best;       // VALID: the lowest so far
    uint64_t data_hash; // BEGIN: of all lines, whatever their order
    uint64_t seed;      // BEGIN: of the run
} raga_train_event;

/** Told after each; a false answer stops the run cleanly, with a checkpoint. */
typedef bool raga_train_fn(void *arg, const raga_train_event *event);
/** Told of each line of data that is left out. */
typedef void raga_train_warn_fn(void *arg, const char *file, size_t line, const char *why);

/** How a run ended. */
typedef enum raga_train_end {
    RAGA_TRAIN_DONE,
    RAGA_TRAIN_STOPPED, // because the callback said so
    RAGA_TRAIN_EARLY,   // validation got no better
} raga_train_end;

typedef struct raga_train_result {
    size_t size; // set by the caller before the call
    raga_train_end end;
    uint64_t n_lines; // of data, validation included
    uint64_t n_valid;
    uint64_t n_bad; // lines left out
    uint64_t n_cut; // samples longer than a row
    uint64_t epochs;
    uint64_t n_tokens; // seen, padding apart
    uint64_t data_hash;
} raga_train_result;

typedef struct raga_train_options {
    size_t size;
    const char *recipe;  // docs/train.md
    const char *out_dir; // becomes a model directory
    unsigned n_threads;  // 0: physical cores within the process's quota
    bool resume;         // go on from out_dir's checkpoint
    raga_train_fn *tell;
    raga_train_warn_fn *warn;
    raga_progress_fn *progress; // of what comes before the steps
    void *arg;
} raga_train_options;

/**
 * Train a model from nothing by a recipe.
 * Errors: RAGA_E_FORMAT naming file, field and value; RAGA_E_STATE (a run has begun there and
 * `resume` is false, or the other way round); RAGA_E_NUMERIC (the run diverges); RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_train(const raga_train_options *options, raga_train_result *result,
                                raga_error *err) RAGA_MUST_CHECK;

typedef struct raga_tune_options {
    size_t size;
    const char *model;       // a GGUF file or a Hugging Face directory
    const char *const *data; // files of JSON lines, or directories of them; n_data
    size_t n_data;
    const char *out_dir;
    bool is_full;        // all weights; else LoRA
    uint32_t rank;       // 0: 16
    float alpha;         // 0: twice the rank
    bool is_rslora;      // scaling alpha / sqrt(rank)
    const char *targets; // NULL: "all-linear"; or "q_proj,v_proj"
    float dropout;       // of what goes into the low-rank additions
    double epochs;       // 0: 3; where n_steps is 0
    uint64_t n_steps;
    size_t batch;      // sequences in a pass; 0: 4
    size_t seq_len;    // 0: what the data needs
    size_t accumulate; // passes in a step; 0: 1
    double lr;         // 0: 2e-4, for full tuning 2e-5
    double valid_share;
    uint64_t valid_every;
    uint64_t patience;
    uint64_t checkpoint_every; // 0: 100
    bool recompute;            // less memory for about a third more time
    bool is_strict;            // a bad line is an error
    uint64_t seed;
    unsigned n_threads;
    bool resume;
    raga_train_fn *tell;
    raga_train_warn_fn *warn;
    void *arg;
    const char *compute; // operands of matrix products: NULL: "f32"; or "bf16", faster
} raga_tune_options;

/**
 * Tune a model: low-rank additions on a base that stays as it is (quantized ones too), or all of
 * its weights. Errors: as raga_train; RAGA_E_UNSUPPORTED for full tuning of a GGUF.
 */
RAGA_API raga_status raga_tune(const raga_tune_options *options, raga_train_result *result,
                               raga_error *err) RAGA_MUST_CHECK;

/**
 * What would be learnt: the first row of a tuning run's data as text, one line a token: its id, 1
 * if it is learnt, its position in its sample, its text as JSON. Owned by the caller: raga_free().
 */
RAGA_API raga_status raga_tune_batch(const raga_tune_options *options, char **out, size_t *size,
                                     raga_error *err) RAGA_MUST_CHECK;

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
