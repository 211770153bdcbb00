/*
 * train/ changes models: loss, gradients, optimizer, LoRA, data, checkpoints. It relies on the
 * graphs that infer, and knows no command line and no database: progress is told through callbacks.
 *
 * params.h: the tensors that a run changes, in f32, with the two moments of AdamW beside them.
 */
#pragma once

#include "model/adapter.h"

/** One trained tensor. w, m, v: n values each. */
typedef struct rg_param {
    char name[RG_WEIGHT_NAME_MAX]; // as in a checkpoint: the Hugging Face or PEFT name
    uint32_t slot;                 // in the table of weights of the graph
    uint32_t part;                 // of a slot of n_parts matrices: which
    uint32_t n_parts;              // 1: the slot is one
    uint32_t n_dims;
    size_t shape[RG_DIMS_MAX];
    size_t n;
    float *w;
    float *m;
    float *v;
    float base;    // a checkpoint holds w - base
    bool is_fixed; // has no gradient: stays as it is, and is written with the rest
    bool decays;   // matrices do, vectors do not
    bool is_inner; // a matrix of a layer: from hidden values to hidden values
} rg_param;

/** Owned: rg_params_clear. */
typedef struct rg_params {
    const rg_mem *mem;
    rg_param *list;
    size_t n;
    size_t n_values;
    float *block; // all w, m, v
} rg_params;

/** Which matrices get a low-rank addition. */
typedef struct rg_lora_options {
    uint32_t rank;
    float alpha;
    bool is_rslora;      // scaling alpha / sqrt(rank) instead of alpha / rank
    const char *targets; // "all-linear", or names such as "q_proj,v_proj"
    uint64_t seed;       // of A: uniform within 1 / sqrt(in), as PEFT draws it; B is zero
} rg_lora_options;

/** Every weight of a model, widened to f32. Errors: RG_E_MEMORY, RG_E_LIMIT. */
rg_status rg_params_of_model(const rg_mem *mem, const rg_model *model, rg_params *out,
                             rg_error *err) RG_MUST_CHECK;
/**
 * A and B of new additions to a model's matrices.
 * @param loras  receives one entry a matrix with slot and scaling set (tensors point into out),
 * owned by the caller: rg_free Errors: RG_E_ARG (rank, a target that no matrix has), RG_E_MEMORY.
 */
rg_status rg_params_new_lora(const rg_mem *mem, const rg_model *model,
                             const rg_lora_options *options, rg_params *out, rg_lora **loras,
                             size_t *n_loras, rg_error *err) RG_MUST_CHECK;
/** The same, starting from an adapter that exists. */
rg_status rg_params_of_adapter(const rg_mem *mem, const rg_model *model, const rg_adapter *adapter,
                               rg_params *out, rg_lora **loras, size_t *n_loras,
                               rg_error *err) RG_MUST_CHECK;
void rg_params_clear(rg_params *params);

/** The tensor that stands for a parameter in the table of weights. Borrowed. */
rg_tensor rg_param_tensor(const rg_param *param);
