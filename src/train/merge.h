/* Adapters become part of the matrices that they belong to. */
#pragma once

#include "model/adapter.h"

/**
 * Write a Hugging Face directory: weights W + scaling B A in the type that W has, one tensor in
 * memory at a time, and the settings and tokenizer files as they are.
 * Errors: RG_E_UNSUPPORTED (a source that is no Hugging Face directory, a matrix that is not F32,
 * F16 or BF16); RG_E_ARG (out_dir is the model itself); RG_E_IO.
 */
rg_status rg_merge(const rg_mem *mem, const rg_source *source, const rg_model *model,
                   const rg_lora *loras, size_t n_loras, const char *out_dir,
                   rg_error *err) RG_MUST_CHECK;
