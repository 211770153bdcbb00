/* A run: steps by a schedule, validation, checkpoints, and the reasons to stop. */
#pragma once

#include "base/buf.h"
#include "train/trainer.h"

/** How the rate goes over a run. */
typedef enum rg_schedule_kind {
    RG_SCHEDULE_COSINE,   // warm up, then half a cosine from peak to least
    RG_SCHEDULE_WSD,      // warm up, stay at peak, then fall linearly to least
    RG_SCHEDULE_LINEAR,   // warm up, then linearly from peak to least
    RG_SCHEDULE_CONSTANT, // warm up, then peak
} rg_schedule_kind;

typedef struct rg_schedule {
    rg_schedule_kind kind;
    double peak;
    double least;
    uint64_t n_warmup;
    uint64_t n_decay; // WSD: steps of the fall
    uint64_t n_steps; // of the whole run
} rg_schedule;

/** The rate of step i: the first of n_warmup has peak / n_warmup. Source of WSD: Hu et al. 2024,
 * arXiv 2404.06395. */
double rg_schedule_rate(const rg_schedule *s, uint64_t i);

/** One pass to be filled: pass_tokens values each, as in rg_pass. */
typedef struct rg_fit_pass {
    int32_t *ids;
    int32_t *targets;
    int32_t *positions;
} rg_fit_pass;

/** Where batches come from. All functions answer for the same shape as the trainer. */
typedef struct rg_fit_data {
    void *self;
    /** The next pass of training. */
    rg_status (*next)(void *self, const rg_fit_pass *out, rg_error *err);
    /** Pass i of validation; *is_there false past the last. The same every time. NULL: none. */
    rg_status (*valid)(void *self, size_t i, const rg_fit_pass *out, bool *is_there, rg_error *err);
    /** Append what `restore` needs to go on after the pass given last. */
    void (*save)(void *self, rg_buf *out);
    rg_status (*restore)(void *self, rg_str saved, rg_error *err);
    uint64_t hash; // of all that may be given out
    uint64_t seed; // of its order
} rg_fit_data;

typedef struct rg_fit_options {
    rg_schedule schedule;
    rg_optimizer optimizer;
    size_t n_accumulate;         // passes in one step; 0: 1
    uint64_t valid_every;        // steps; 0: at the end alone
    uint64_t patience;           // validations without a better loss before an early stop; 0: never
    uint64_t checkpoint_every;   // steps; 0: at the end alone
    const char *checkpoint_path; // NULL: none is written
    const char *best_path;       // a checkpoint of the best validation; NULL: none
} rg_fit_options;

typedef enum rg_fit_kind {
    RG_FIT_STEP,
    RG_FIT_VALID,
    RG_FIT_CHECKPOINT,
    RG_FIT_BEGIN, // all is ready, the first step follows; `step`: where a run is gone on from
} rg_fit_kind;

/** What happened. */
typedef struct rg_fit_event {
    rg_fit_kind kind;
    uint64_t step; // steps done
    uint64_t n_steps;
    double loss; // STEP: of the step; VALID: of the validation
    double lr;
    double grad_norm;
    uint64_t n_tokens;  // of the step, counted ones
    double seconds;     // of the step
    bool is_best;       // VALID
    uint64_t data_hash; // BEGIN
    uint64_t seed;      // BEGIN
} rg_fit_event;

/** Told after each step; a false answer stops the run after a checkpoint. */
typedef bool rg_fit_tell_fn(void *arg, const rg_fit_event *event);

typedef enum rg_fit_end { RG_FIT_DONE, RG_FIT_STOPPED, RG_FIT_EARLY } rg_fit_end;

/**
 * Run until the schedule ends, `tell` says stop, or validation gets no better.
 * A checkpoint at checkpoint_path is gone on from when `resume` is true: the losses are those of a
 * run that was never interrupted, to the last bit.
 * Errors: RG_E_NUMERIC when loss or gradients are not finite or the loss runs away (said with the
 * steps and values; the last checkpoint stays); those of data, trainer and checkpoint.
 */
rg_status rg_fit(const rg_mem *mem, rg_trainer *t, const rg_fit_options *options,
                 const rg_fit_data *data, size_t pass_tokens, bool resume, rg_fit_tell_fn *tell,
                 void *arg, rg_fit_end *end, rg_error *err) RG_MUST_CHECK;
