/* From nothing to a model: vocabulary, random weights, steps, a Hugging Face directory. */
#pragma once

#include "model/source.h"
#include "train/recipe.h"

/** What a run works on; opened by the caller, borrowed. */
typedef struct rg_run_parts {
    const rg_model *model;
    rg_source_kind kind;
    const rg_source *source; // of the model; NULL: it was made, not read
    const rg_tokenizer *tokenizer;
    const rg_chat_format *chat; // NULL: none
    rg_cpu cpu;
    unsigned n_threads;
} rg_run_parts;

/** What a run tells while it goes. */
typedef struct rg_run_tell {
    rg_fit_tell_fn *step;
    rg_data_warn_fn *warn;    // may be NULL
    rg_progress_fn *progress; // of what comes before the steps; may be NULL
    void *arg;
} rg_run_tell;

/** Whether a run has begun in a directory: it has a checkpoint. */
bool rg_run_has_begun(const char *out_dir);

/**
 * Make out_dir a model: tokenizer files (trained, or copied), config.json, random weights.
 * Errors: those of recipe, data, vocabulary and model.
 */
rg_status rg_pretrain_prepare(const rg_mem *mem, const rg_recipe *recipe, const char *out_dir,
                              const rg_run_tell *tell, rg_error *err) RG_MUST_CHECK;

/**
 * Train the model in out_dir; at the end its weights are there. An interrupted run leaves
 * out_dir/checkpoint.safetensors, from which `resume` goes on.
 * @param end   how it ended
 * @param facts of the data, may be NULL
 */
rg_status rg_pretrain_run(const rg_mem *mem, const rg_run_parts *parts, const rg_recipe *recipe,
                          const char *out_dir, bool resume, const rg_run_tell *tell,
                          rg_fit_end *end, rg_data_facts *facts, rg_error *err) RG_MUST_CHECK;
