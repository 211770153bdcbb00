/* One step of training: forward, loss, backward, clipping, AdamW, over one planned graph. */
#pragma once

#include "backend/exec.h"
#include "train/params.h"

#define RG_TRAIN_TOKENS_MAX ((size_t)1 << 20) // of one pass

typedef struct rg_trainer rg_trainer;

/** The operands of matrix products by name: "f32" or "bf16"; false for any other. */
bool rg_compute_of_name(rg_str name, bool *is_bf16);

typedef struct rg_trainer_options {
    rg_cpu cpu;
    unsigned n_threads; // 0: physical cores within the quota
    size_t n_rows;      // sequences in one pass
    size_t seq_len;     // tokens of each
    bool recompute;     // compute layers again on the way back: less memory, about a third slower
    float lora_drop;    // share of the input of low-rank additions that is dropped while training
    bool is_bf16;       // products, Muon's too, round their operands to bf16; the rest stays f32
    uint64_t seed;      // of what is dropped
} rg_trainer_options;

typedef enum rg_optimizer_kind {
    RG_OPTIMIZER_ADAMW,
    RG_OPTIMIZER_MUON, // for the matrices of layers (muon.h), AdamW for the rest
} rg_optimizer_kind;

typedef struct rg_optimizer {
    rg_optimizer_kind kind;
    float beta1;
    float beta2;
    float eps;
    float weight_decay;  // decoupled, of matrices alone
    float momentum;      // of Muon
    float max_grad_norm; // 0: gradients are not clipped
} rg_optimizer;

/** "adamw" or "muon". */
const char *rg_optimizer_name(rg_optimizer_kind kind);

/** One pass: n_rows * seq_len ids, and for each position the id that follows it, or a negative
 * number where nothing is learnt. Positions: several samples may lie in one row, each counting from
 * 0; they do not see each other. NULL: a row is one sample. Borrowed. */
typedef struct rg_pass {
    const int32_t *ids;
    const int32_t *targets;
    const int32_t *positions;
} rg_pass;

/** What a step did. */
typedef struct rg_step {
    double loss;      // mean over all counted positions, before the update
    double grad_norm; // 2-norm of all gradients together, before clipping
    size_t n_counted;
} rg_step;

/**
 * @param model   borrowed; not changed: trained values are copies
 * @param params  what is trained; taken over on success, left alone on failure
 * @param loras   low-rank additions that the params belong to, n_loras; taken over; NULL: the
 * params are the model's own weights Errors: RG_E_ARG, RG_E_LIMIT (sizes), RG_E_MEMORY naming what
 * is needed. Threads: one at a time per object.
 */
rg_status rg_trainer_new(const rg_mem *mem, const rg_model *model,
                         const rg_trainer_options *options, rg_params *params, rg_lora *loras,
                         size_t n_loras, rg_trainer **out, rg_error *err) RG_MUST_CHECK;
void rg_trainer_free(rg_trainer *t);

/**
 * Loss and gradients of n_passes passes together: the mean over the counted positions of all.
 * Errors: RG_E_NUMERIC naming the first tensor whose gradient is not finite; RG_E_ARG (ids);
 * RG_E_CANCELLED.
 */
rg_status rg_trainer_gradients(rg_trainer *t, const rg_pass *passes, size_t n_passes, rg_step *out,
                               rg_error *err) RG_MUST_CHECK;
/** The update from the gradients computed last. Counts the step. Errors: RG_E_MEMORY (Muon, the
 * first time): nothing has changed then. */
rg_status rg_trainer_update(rg_trainer *t, const rg_optimizer *optimizer, double lr,
                            const rg_step *step, rg_error *err) RG_MUST_CHECK;
/** Sum of the losses of one pass, without gradients and without dropping anything. */
rg_status rg_trainer_loss(rg_trainer *t, const rg_pass *pass, double *sum, size_t *n_counted,
                          rg_error *err) RG_MUST_CHECK;

rg_params *rg_trainer_params(rg_trainer *t);
const rg_lora *rg_trainer_loras(const rg_trainer *t, size_t *n);
/** The gradient of parameter i, as computed last; zeros where nothing depends on it. */
const float *rg_trainer_gradient(const rg_trainer *t, size_t i);
/** Updates done so far: part of what a checkpoint holds. */
uint64_t rg_trainer_steps(const rg_trainer *t);
void rg_trainer_set_steps(rg_trainer *t, uint64_t n);
/** The name of its operands: "f32" or "bf16". */
const char *rg_trainer_compute(const rg_trainer *t);
/** Bytes that the trainer holds, the model's own apart. */
size_t rg_trainer_bytes(const rg_trainer *t);
unsigned rg_trainer_threads(const rg_trainer *t);
/** Stops a run at the next section; stays set. Threads: any thread. */
void rg_trainer_cancel(rg_trainer *t);
