/* Shared by gguf_read.c, gguf_parse.c and gguf_value.c. */
#pragma once

#include "base/map.h"
#include "format/gguf.h"

struct rg_gguf {
    const rg_mem *mem;
    rg_file_map *maps;
    size_t n_maps;
    rg_gguf_pair *pairs;
    size_t n_pairs;
    rg_map pair_of;
    rg_tensor *tensors;
    size_t n_tensors;
    rg_map tensor_of;
    size_t file_bytes;
    rg_buf warnings;
};

/** Bytes of a scalar type; 0 for STRING, ARRAY and ids out of range. */
size_t rg_gguf_scalar_bytes(uint32_t type);

/**
 * Read one file into gguf: its tensors are added, its metadata too when is_first.
 * n_found receives the tensors of this file.
 */
rg_status rg_gguf_read_file(rg_gguf *gguf, rg_bytes file, bool is_first, size_t *n_found,
                            rg_error *err) RG_MUST_CHECK;
