/* Make control vectors: from prompts that differ in one trait, the direction in which the residual
 * of each layer differs. */
#pragma once

#include "engine/engine.h"

#define RG_STEER_PROMPTS_MAX 4096              // of each kind
#define RG_STEER_TOKENS_MAX  4096              // of one prompt
#define RG_STEER_BYTES_MAX   ((size_t)1 << 30) // of the residuals that are kept

/** How the residuals of two kinds of prompts become a direction. */
typedef enum rg_steer_method {
    RG_STEER_MEAN, // mean of the positive ones minus mean of the negative ones
    RG_STEER_PCA,  // main axis of the differences of pairs, as long as their mean along it
} rg_steer_method;

typedef struct rg_steer_prompt {
    const int32_t *ids;
    size_t n;
} rg_steer_prompt;

/** Called now and then with a share in [0, 1]; a false answer cancels. */
typedef bool rg_steer_progress_fn(void *arg, double share, const char *what);

typedef struct rg_steer_job {
    rg_engine_options engine; // context, chunk and taps are the job's to choose
    const rg_steer_prompt *positive;
    size_t n_positive;
    const rg_steer_prompt *negative;
    size_t n_negative;
    rg_steer_method method;
    bool is_mean;           // of all tokens of a prompt; else its last one
    const uint32_t *layers; // ascending, from 1 on; none: all from 1 on
    size_t n_layers;
    rg_steer_progress_fn *progress; // may be NULL
    void *progress_arg;
} rg_steer_job;

/** What is known of the direction of one layer. */
typedef struct rg_steer_fact {
    uint32_t layer;
    double norm;      // of the direction
    double residual;  // mean norm of the residuals
    double separated; // share of the prompts on their own side of the middle, along the direction
} rg_steer_fact;

/**
 * Make directions and write them to `path`, in the layout that model/steer.h reads.
 * @param facts    receives one a layer, owned by the caller: rg_free
 * Errors: RG_E_ARG (no prompts, pairs that do not pair, layers), RG_E_LIMIT naming constant and
 * sizes, RG_E_NUMERIC (a direction of no length, or none that is finite: named by layer),
 * RG_E_CANCELLED, those of the engine and of writing.
 * Source: difference of means: Rimsky et al. 2023, arXiv 2312.06681; main axis: Zou et al. 2023,
 * arXiv 2310.01405.
 */
rg_status rg_steer_make(const rg_mem *mem, const rg_model *model, const rg_source *source,
                        const rg_steer_job *job, const char *path, rg_steer_fact **facts,
                        size_t *n_facts, rg_error *err) RG_MUST_CHECK;
