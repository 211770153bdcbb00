/* Writing a safetensors file. */
#pragma once

#include "base/file.h"
#include "tensor/tensor.h"

/** One entry of the file's "__metadata__". */
typedef struct rg_safetensors_note {
    const char *key;
    rg_str value;
} rg_safetensors_note;

/** Make the data of tensor i: tensor->bytes at out. */
typedef rg_status rg_safetensors_fill_fn(void *arg, size_t i, const rg_tensor *tensor, void *out,
                                         rg_error *err);

/**
 * Write tensors to one file, atomically, in the order given; names are written as they are, without
 * duplicates.
 * @param fill  for tensors without data, so that only one of them is in memory; may be NULL
 * Errors: those of fill; RG_E_UNSUPPORTED (a type that the format has no word for), RG_E_IO,
 * RG_E_MEMORY.
 */
rg_status rg_safetensors_write(const rg_mem *mem, const char *path, const rg_tensor *tensors,
                               size_t n, const rg_safetensors_note *notes, size_t n_notes,
                               rg_safetensors_fill_fn *fill, void *arg,
                               rg_error *err) RG_MUST_CHECK;
