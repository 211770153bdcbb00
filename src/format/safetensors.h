/* safetensors: one file, or the shards of an index, read in place. */
#pragma once

#include "base/file.h"
#include "tensor/tensor.h"

#define RG_SAFETENSORS_HEADER_MAX 100000000 // bytes
#define RG_SAFETENSORS_SHARDS_MAX 4096
#define RG_SAFETENSORS_INDEX_MAX  (64u << 20) // bytes of model.safetensors.index.json

typedef struct rg_safetensors rg_safetensors;

/**
 * Open a .safetensors file, or all files of a model.safetensors.index.json.
 * Header, offsets and sizes are accounted for to the byte: no hole, no overlap, nothing left over.
 * Errors: RG_E_FORMAT naming file, tensor and value; RG_E_LIMIT; RG_E_UNSUPPORTED (element type).
 * Threads: read-only after return.
 */
rg_status rg_safetensors_open(const rg_mem *mem, const char *path, rg_safetensors **out,
                              rg_error *err) RG_MUST_CHECK;
/** The same of one file that is in memory, borrowed. */
rg_status rg_safetensors_parse(const rg_mem *mem, rg_bytes file, rg_safetensors **out,
                               rg_error *err) RG_MUST_CHECK;
void rg_safetensors_close(rg_safetensors *st);

size_t rg_safetensors_count(const rg_safetensors *st);
const rg_tensor *rg_safetensors_at(const rg_safetensors *st, size_t i);
const rg_tensor *rg_safetensors_find(const rg_safetensors *st, rg_str name);
size_t rg_safetensors_file_bytes(const rg_safetensors *st);
/** A hash of headers, sizes, times and the first and last MiB of each file, for caches. */
uint64_t rg_safetensors_hash(const rg_safetensors *st);
bool rg_safetensors_is_intact(const rg_safetensors *st);
