/* Write models as GGUF files of other types, and the importance matrices that help. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_quantize_options {
    size_t size;
    const char *path;    // required: a GGUF, or a Hugging Face directory
    const char *type;    // required: "q4_k_m", see raga_quantize_type
    const char *out;     // the file to be written; may be NULL with is_dry_run
    const char *imatrix; // importance of columns, of raga_imatrix or llama.cpp; NULL: none
    const char *const *tensor_types; // "PATTERN=TYPE": the first that matches a name counts
    size_t n_tensor_types;
    const char *output_type; // of the head; NULL: as the mix says
    const char *embed_type;  // of the token embedding
    bool may_requantize;     // tensors that are quantized already may lose again
    bool is_dry_run;         // say what would become what, write nothing
    unsigned n_threads;      // 0: physical cores within the process's quota
    raga_progress_fn *progress;
    void *progress_arg;
} raga_quantize_options;

#define RAGA_QUANTIZE_ROWS_MAX 48 // types in one report

/** Tensors of one type. */
typedef struct raga_quantize_row {
    const char *type; // "Q4_K"
    uint64_t n_tensors;
    uint64_t n_values;
    uint64_t bytes;
} raga_quantize_row;

typedef struct raga_quantize_report {
    size_t size; // set by the caller before the call
    raga_quantize_row rows[RAGA_QUANTIZE_ROWS_MAX];
    size_t n_rows;
    uint64_t n_values;
    uint64_t bytes_before; // of the tensors
    uint64_t bytes;
    size_t n_by_importance; // tensors quantized by the imatrix
    size_t n_stand_ins;     // whose row length does not suit their type
    char *notes;            // one a line, ""; owned by the caller: raga_free()
} raga_quantize_report;

/**
 * Write a model as a GGUF file of other types; a Hugging Face directory is converted with settings,
 * tokenizer and chat template. The file appears when it is complete.
 * Errors: RAGA_E_ARG (an unknown type, a pattern without effect, quantized tensors, an imatrix of
 * another model), RAGA_E_UNSUPPORTED, RAGA_E_FORMAT, RAGA_E_NUMERIC, RAGA_E_CANCELLED, RAGA_E_IO.
 */
RAGA_API raga_status raga_quantize(const raga_quantize_options *options,
                                   raga_quantize_report *report, raga_error *err) RAGA_MUST_CHECK;

/** Name of type i that raga_quantize takes, and the type of most of its matrices; false past the
 * end. */
RAGA_API bool raga_quantize_type(size_t i, const char **name, const char **dtype);

typedef struct raga_imatrix_options {
    size_t size;
    const int32_t *ids; // of the calibration text
    size_t n;
    size_t chunk_tokens;      // read without those before; 0: 512
    size_t n_chunks;          // at most; 0: all of the text
    const char *const *texts; // names that are noted in the file
    size_t n_texts;
    raga_progress_fn *progress;
    void *progress_arg;
} raga_imatrix_options;

typedef struct raga_imatrix_facts {
    size_t size; // set by the caller before the call
    size_t n_weights;
    size_t n_chunks;
    size_t chunk_tokens;
} raga_imatrix_facts;

/**
 * Measure over a text how large the inputs of each weight matrix are, and write that in llama.cpp's
 * GGUF layout. Where the tokenizer begins texts with a token, each chunk begins with it.
 * @param model  opened for its facts only, or to run
 * Errors: RAGA_E_ARG (a text shorter than a chunk), RAGA_E_LIMIT, RAGA_E_NUMERIC, RAGA_E_CANCELLED,
 * RAGA_E_IO.
 */
RAGA_API raga_status raga_imatrix(const raga_model *model, const raga_imatrix_options *options,
                                  const char *path, raga_imatrix_facts *facts,
                                  raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
