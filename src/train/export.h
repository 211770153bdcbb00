/* What a run leaves behind: weights, gradients, adapters. */
#pragma once

#include "train/params.h"

/** Make a directory and those above it. Errors: RG_E_IO, RG_E_LIMIT. */
rg_status rg_make_dir(const char *path, rg_error *err) RG_MUST_CHECK;

/**
 * All parameters, or `values` in their place where it is not NULL, as one safetensors file.
 * @param source  the model that they began as, whose part that sees goes along as it is; NULL: none
 */
rg_status rg_export_weights(const rg_mem *mem, const char *path, const rg_params *params,
                            const float *const *values, const rg_source *source,
                            rg_error *err) RG_MUST_CHECK;

/** An adapter that is to be written. Everything is borrowed. */
typedef struct rg_adapter_export {
    const rg_model *model;
    rg_source_kind kind;     // of the model: the order that rows of B have
    const rg_params *params; // A and B of each addition
    const rg_lora *loras;    // slots
    uint32_t rank;
    float alpha;
    bool is_rslora;
    float dropout;
    const char *base; // name of the model that it belongs to
} rg_adapter_export;

/** In PEFT's layout: dir/adapter_config.json and dir/adapter_model.safetensors. */
rg_status rg_export_peft(const rg_mem *mem, const char *dir, const rg_adapter_export *adapter,
                         rg_error *err) RG_MUST_CHECK;
/** As one GGUF file, in the layout that llama.cpp reads. */
rg_status rg_export_gguf(const rg_mem *mem, const char *path, const rg_adapter_export *adapter,
                         rg_error *err) RG_MUST_CHECK;

#define RG_SETTINGS_FILE_MAX (128u << 20) // bytes of a file that is copied beside the weights

/** Copy what a model directory has beside its weights: settings, tokenizer, template. */
rg_status rg_copy_settings(const rg_mem *mem, const char *from_dir, const char *to_dir,
                           rg_error *err) RG_MUST_CHECK;
