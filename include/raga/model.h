/* Open a model where it lies: a GGUF file (or the first of a split set) or a Hugging Face
 * directory. */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_model raga_model;

/** The model inside the library goes by this name, wherever a path of a model is asked for; a file
 * of that name is
 * "./builtin". */
#define RAGA_BUILTIN "builtin"
/** Was the library built with one? */
RAGA_API bool raga_has_builtin(void);

/** Called now and then during long work, with a share in [0, 1]; a false answer cancels. */
typedef bool raga_progress_fn(void *arg, double share, const char *what);

typedef struct raga_model_options {
    size_t size;
    const char *path;          // required; or RAGA_BUILTIN
    unsigned n_threads;        // 0: physical cores within the process's quota
    size_t n_ctx;              // most tokens of a session; 0: what model and memory allow
    size_t n_slots;            // sessions of n_ctx tokens that fit at once; 0: 1
    uint64_t memory_bytes;     // budget for everything; 0: what is free
    bool is_exact;             // f32 activations and cache: the numbers of the reference, slowly
    const char *kv_type;       // "f16" (NULL too) or "f32"
    const char *quant;         // Hugging Face directories: "q8_0", "q4_k", ...; NULL: as they are
    const char *chat_template; // a Jinja text to use instead of the model's own; NULL: the model's
    bool is_facts_only; // no engine: for facts, tokenizer and template alone (no memory is planned)
    raga_progress_fn *progress;
    void *progress_arg;
    const char *const *adapters; // LoRA: "PATH" or "PATH:SCALE"; PEFT's layout, or GGUF
    size_t n_adapters;
    const char *const *steers; // control vectors, "FILE" or "FILE:SCALE": added to the residual
    size_t n_steers;
    const uint32_t *steer_layers; // layers that are steered; none: all that the files name
    size_t n_steer_layers;
    // Guess tokens ahead and try them together: "mtp" (the model's prediction head, which is loaded
    // for it) or "ngram" (what followed the last tokens before), ":N" for N at a time. Answers stay
    // the same, drawn ones in their distribution. NULL: one token after another
    const char *speculate;
} raga_model_options;

/**
 * Open a model.
 * @param out  owned by the caller: raga_model_close(), after its sessions
 * Errors: RAGA_E_NOT_FOUND, RAGA_E_FORMAT (file, field and value named), RAGA_E_UNSUPPORTED (a
 * family refused by name), RAGA_E_LIMIT (does not fit the memory). Threads: an open model may be
 * used from any thread; work on it is serialized inside.
 */
RAGA_API raga_status raga_model_open(const raga_model_options *options, raga_model **out,
                                     raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_model_close(raga_model *model);

/** Facts of a model. Strings are borrowed for the life of the model; NULL or 0 where it has none.
 */
typedef struct raga_model_facts {
    size_t size; // set by the caller before the call
    const char *family;
    const char *name;
    const char *container; // "gguf" or "safetensors"
    const char *tokenizer; // kind and pre-tokenizer, "bpe qwen2"
    const char *file_type; // most bytes are of this type, "Q4_K"
    uint64_t n_params;
    uint64_t file_bytes; // of its weights, as they are multiplied
    uint32_t n_layer;
    uint32_t n_embd;
    uint32_t n_head;
    uint32_t n_kv_head;
    uint32_t head_dim;
    uint32_t n_ff;
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    bool has_chat_template;
    const char *warnings; // one a line: unused tensors, odd settings; ""
    const char *untested; // what of this model no test of ours covers; ""
    bool sees;            // pictures (picture.h)
    uint64_t used_params; // that one token is multiplied with: of experts those it goes through
    uint64_t used_bytes;  // and what they take
    const char *faults;   // what converters are known to leave wrong, one a line; ""
} raga_model_facts;

RAGA_API void raga_model_get_facts(const raga_model *model, raga_model_facts *facts);

/** What running takes, in bytes. */
typedef struct raga_bill {
    size_t size;
    size_t n_ctx;
    uint64_t weights_mapped; // the file's pages, shared with other programs
    uint64_t weights_owned;
    uint64_t kv;
    uint64_t activations;
    uint64_t scratch;
    uint64_t total;
    uint64_t budget;
    uint64_t pictures; // to see: the part of the model that does, and pictures on their way
} raga_bill;

/** The bill for a context of n_ctx tokens (0: the default), whether or not the model was opened
 * with it. */
RAGA_API raga_status raga_model_bill(const raga_model *model, size_t n_ctx, raga_bill *bill,
                                     raga_error *err) RAGA_MUST_CHECK;
/** Threads and context the model runs with. */
RAGA_API unsigned raga_model_threads(const raga_model *model);
RAGA_API size_t raga_model_ctx(const raga_model *model);

/* Looking into a container that need not hold a model. */

typedef struct raga_container raga_container;

typedef struct raga_tensor_facts {
    size_t size;
    const char *name;  // borrowed
    const char *dtype; // "Q4_K"
    uint32_t n_dims;
    uint64_t shape[5]; // slowest first
    uint64_t bytes;
} raga_tensor_facts;

RAGA_API raga_status raga_container_open(const char *path, raga_container **out,
                                         raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_container_close(raga_container *container);
RAGA_API const char *raga_container_kind(const raga_container *container);
RAGA_API const char *raga_container_warnings(const raga_container *container);
RAGA_API size_t raga_container_tensors(const raga_container *container);
RAGA_API void raga_container_tensor(const raga_container *container, size_t i,
                                    raga_tensor_facts *facts);
/**
 * Values of a tensor as f32.
 * @param out  receives [product of shape] floats, owned by the caller: raga_free()
 * Errors: RAGA_E_NOT_FOUND, RAGA_E_UNSUPPORTED (a type without numbers),
 * RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_container_read(const raga_container *container, const char *name,
                                         float **out, size_t *n, raga_error *err) RAGA_MUST_CHECK;
/** Metadata (GGUF keys, or the settings of config.json) as one JSON object; long arrays are cut.
 * Owned: raga_free(). */
RAGA_API raga_status raga_container_metadata(const raga_container *container, char **json,
                                             raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
