/* Where a model's numbers and weights come from: one face for both containers. */
#pragma once

#include "base/mem.h"
#include "base/view.h"
#include "format/json.h"
#include "tensor/tensor.h"

typedef enum rg_source_kind { RG_SOURCE_GGUF, RG_SOURCE_HF } rg_source_kind;

typedef struct rg_source rg_source;
struct rg_gguf;
struct rg_hf_dir;

/**
 * Open a GGUF file (the first of a split set) or a Hugging Face directory.
 * Errors: RG_E_NOT_FOUND; RG_E_ARG for a file that is neither; those of the container.
 * Threads: read-only after return.
 */
rg_status rg_source_open(const rg_mem *mem, const char *path, rg_source **out,
                         rg_error *err) RG_MUST_CHECK;
/** The same of a GGUF file that is in memory, borrowed. @param name  what errors call it */
rg_status rg_source_of_gguf(const rg_mem *mem, const char *name, rg_bytes file, rg_source **out,
                            rg_error *err) RG_MUST_CHECK;
void rg_source_close(rg_source *source);

/** Told now and then during long work, with a share in [0, 1]; a false answer cancels. */
typedef bool rg_progress_fn(void *arg, double share, const char *what);

/**
 * Replace the matrices of a Hugging Face directory by quantized ones: made once, kept in the user's
 * cache under a hash of the files, mapped from there ever after. Rows that the type's blocks do not
 * divide become Q8_0, or stay as they are. The cache: RAGA_CACHE_DIR, else XDG_CACHE_HOME/raga,
 * else ~/.cache/raga. Errors: RG_E_ARG (a GGUF, or a type that cannot be written), RG_E_IO,
 * RG_E_CANCELLED, RG_E_MEMORY.
 */
rg_status rg_source_quantize(rg_source *source, rg_dtype dtype, unsigned n_threads,
                             rg_progress_fn *progress, void *arg, rg_error *err) RG_MUST_CHECK;

rg_source_kind rg_source_get_kind(const rg_source *source);
const char *rg_source_path(const rg_source *source);
/** The container itself; NULL when it is the other kind. */
const struct rg_gguf *rg_source_gguf(const rg_source *source);
const struct rg_hf_dir *rg_source_hf(const rg_source *source);
/** Settings of a Hugging Face directory: config.json, inside text_config where there is one; NULL
 * for GGUF. */
const rg_json *rg_source_config(const rg_source *source);

/** The same with what is around it. */
const rg_json *rg_source_whole_config(const rg_source *source);

size_t rg_source_count(const rg_source *source);
const rg_tensor *rg_source_at(const rg_source *source, size_t i);
/** A tensor by name: the quantized one where there is one. */
const rg_tensor *rg_source_find(const rg_source *source, rg_str name);
/** The number of a tensor, as in rg_source_at; rg_source_count when there is none of that name. */
size_t rg_source_index(const rg_source *source, rg_str name);
/** False once a page of a mapped file was found missing. Threads: any thread. */
bool rg_source_is_intact(const rg_source *source);

/** A number by its key: GGUF "<arch>.<key>" or the name in the settings. False: absent or null. */
rg_status rg_source_number(const rg_source *source, const char *arch, const char *gguf_key,
                           const char *hf_key, bool *found, double *out,
                           rg_error *err) RG_MUST_CHECK;
