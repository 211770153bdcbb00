/* A new model with random weights, as a Hugging Face directory. */
#pragma once

#include "model/model.h"

/** The sizes of a model to be made. Zeros: n_kv_head as n_head, head_dim n_embd / n_head, rope_base
 * 10,000, norm_eps 1e-6. */
typedef struct rg_model_plan {
    const char *family; // a name of the table of families
    uint32_t n_layer;
    uint32_t n_embd;
    uint32_t n_head;
    uint32_t n_kv_head;
    uint32_t head_dim;
    uint32_t n_ff;
    uint32_t n_vocab;
    uint32_t n_ctx;
    double rope_base;
    double norm_eps;
    bool is_tied;
    int32_t bos; // ids of the tokenizer; negative: none
    int32_t eos;
    uint64_t seed;
} rg_model_plan;

/**
 * Write dir/config.json and dir/model.safetensors (f32). Matrices are normal with deviation 0.02,
 * those that write to the residual stream with 0.02 / sqrt(2 n_layer); norms are one, biases zero.
 * The same seed gives the same bytes. The directory must exist.
 * Source: Radford et al. 2019 (GPT-2), section 2.3.
 * Errors: RG_E_UNSUPPORTED (family), RG_E_ARG naming the size that cannot be, RG_E_MEMORY, RG_E_IO.
 */
rg_status rg_model_create(const rg_mem *mem, const rg_model_plan *plan, const char *dir,
                          rg_error *err) RG_MUST_CHECK;
