/*
 * Importance matrices: how large the input of each weight matrix is, column by column, over a
 * calibration text. In llama.cpp's GGUF layout: NAME.in_sum2 holds the sums of squares, NAME.counts
 * how many inputs were summed.
 */
#pragma once

#include "engine/engine.h"

#define RG_IMATRIX_TOKENS_MAX 65536 // of one chunk
#define RG_IMATRIX_TEXTS_MAX  256   // names of calibration texts in a file

/** One weight matrix, or one tensor of many (experts). */
typedef struct rg_imatrix_entry {
    rg_str name; // of the weight: "blk.0.attn_q.weight"
    size_t n_cols;
    size_t n_mats;
    float *mean; // [n_mats][n_cols] means of squares
} rg_imatrix_entry;

typedef struct rg_imatrix rg_imatrix;

/**
 * Read a file.
 * Errors: RG_E_FORMAT naming tensor and value: no importance matrix, counts of zero, sums that are
 * negative or not finite, a tensor without its counts; those of the container.
 */
rg_status rg_imatrix_open(const rg_mem *mem, const char *path, rg_imatrix **out,
                          rg_error *err) RG_MUST_CHECK;
void rg_imatrix_close(rg_imatrix *imatrix);
size_t rg_imatrix_count(const rg_imatrix *imatrix);
const rg_imatrix_entry *rg_imatrix_at(const rg_imatrix *imatrix, size_t i);
/** The entry of a weight, or NULL. */
const rg_imatrix_entry *rg_imatrix_find(const rg_imatrix *imatrix, rg_str name);
/** Path, texts and chunks it was made from, for the file that is quantized by it. */
const char *rg_imatrix_path(const rg_imatrix *imatrix);
rg_str rg_imatrix_text(const rg_imatrix *imatrix); // the first; empty: it names none
uint32_t rg_imatrix_chunks(const rg_imatrix *imatrix);

/** Called now and then with a share in [0, 1]; a false answer cancels. */
typedef bool rg_imatrix_progress_fn(void *arg, double share, const char *what);

typedef struct rg_imatrix_job {
    rg_engine_options engine; // context, chunk and taps are the job's to choose
    const int32_t *ids;       // of the text, without a beginning token
    size_t n;
    int32_t bos;         // put in front of each chunk in place of its first token; -1: none
    size_t chunk_tokens; // tokens read without those before; the rest of the text is left out
    size_t n_chunks;     // at most; 0: all
    const rg_str *texts; // names to be noted in the file
    size_t n_texts;
    rg_imatrix_progress_fn *progress; // may be NULL
    void *progress_arg;
} rg_imatrix_job;

/** What a file holds. */
typedef struct rg_imatrix_facts {
    size_t n_entries;
    size_t n_chunks;
    size_t chunk_tokens;
} rg_imatrix_facts;

/**
 * Run a model over a text and write what its weights see.
 * Errors: RG_E_ARG (a text shorter than one chunk), RG_E_LIMIT, RG_E_NUMERIC (activations that are
 * not finite, by weight), RG_E_CANCELLED, those of engine and writing.
 */
rg_status rg_imatrix_make(const rg_mem *mem, const rg_model *model, const rg_source *source,
                          const rg_imatrix_job *job, const char *path, rg_imatrix_facts *facts,
                          rg_error *err) RG_MUST_CHECK;
