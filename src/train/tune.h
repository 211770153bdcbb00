/* From a model to a better one: low-rank additions, or all of its weights. */
#pragma once

#include "train/pretrain.h"

typedef struct rg_tune_options {
    const char *const *data; // n_data paths
    size_t n_data;
    const char *out_dir;
    const char *base; // how the model is named in what is written
    bool is_full;     // all weights instead of low-rank additions
    rg_lora_options lora;
    float lora_drop;
    double epochs; // where n_steps is 0
    uint64_t n_steps;
    size_t n_rows;
    size_t seq_len; // 0: what the data needs, at most the model's context
    size_t n_accumulate;
    double lr;
    double valid_share;
    uint64_t valid_every;
    uint64_t patience;
    uint64_t checkpoint_every;
    bool recompute;
    bool is_bf16; // products round their operands to bf16
    bool is_strict;
    uint64_t seed;
} rg_tune_options;

/**
 * Tune a model on data. LoRA: out_dir gets adapter_config.json, adapter_model.safetensors and
 * adapter.gguf, or the one of the model's own container where the other holds matrices otherwise;
 * full: model.safetensors with all weights in f32. A checkpoint lies beside them.
 * Errors: those of data, trainer and run.
 */
rg_status rg_tune_run(const rg_mem *mem, const rg_run_parts *parts, const rg_tune_options *options,
                      bool resume, const rg_run_tell *tell, rg_fit_end *end, rg_data_facts *facts,
                      rg_error *err) RG_MUST_CHECK;
