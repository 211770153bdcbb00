/* Writing a safetensors file. */
#pragma once

#include "base/file.h"
#include "tensor/tensor.h"

/** One entry of the file's "__metadata__". */
typedef struct rg_safetensors_note {
    const char *key;
    rg_str value;
} rg_safetensors_note;

/**
 * Write tensors to one file, atomically, in the order given. Their data must be there; names are
 * written as they are, without duplicates.
 * Errors: RG_E_UNSUPPORTED (a type that the format has no word for), RG_E_IO, RG_E_MEMORY.
 */
rg_status rg_safetensors_write(const rg_mem *mem, const char *path, const rg_tensor *tensors,
                               size_t n, const rg_safetensors_note *notes, size_t n_notes,
                               rg_error *err) RG_MUST_CHECK;
