/*
 * Write a model as a GGUF file of other types: a GGUF file again, or a Hugging Face directory
 * converted with settings, tokenizer and template. Rows stream through: no tensor is in memory
 * whole.
 */
#pragma once

#include "lab/imatrix.h"
#include "lab/quant_mix.h"
#include "model/model.h"

#define RG_QUANT_CHOICES_MAX 64 // patterns with types of their own

/** Called now and then with a share in [0, 1]; a false answer cancels. */
typedef bool rg_quant_progress_fn(void *arg, double share, const char *what);

/** A type for the tensors whose names match. */
typedef struct rg_quant_choice {
    rg_str pattern; // with * or ?: the whole name; else a part of it
    rg_dtype dtype;
} rg_quant_choice;

typedef struct rg_quant_options {
    const rg_mix *mix;
    const rg_imatrix *imatrix;      // NULL: columns are equal
    const rg_quant_choice *choices; // the first that matches counts
    size_t n_choices;
    rg_dtype output_type; // RG_DTYPE_COUNT: the mix decides
    rg_dtype embed_type;
    bool may_requantize;            // quantized tensors become floats and are quantized again
    bool is_dry_run;                // nothing is written
    unsigned n_threads;             // at least 1
    rg_quant_progress_fn *progress; // may be NULL
    void *progress_arg;
} rg_quant_options;

/** What was written, by type. */
typedef struct rg_quant_count {
    size_t n_tensors;
    uint64_t n_values;
    uint64_t bytes;
} rg_quant_count;

typedef struct rg_quant_report {
    rg_quant_count by_type[RG_DTYPE_COUNT];
    uint64_t bytes_before;
    size_t n_by_importance; // tensors quantized by an importance matrix
    size_t n_stand_ins;     // whose rows the blocks of their type do not divide
    rg_buf notes;           // one line each; owned by the caller: rg_buf_clear
} rg_quant_report;

/**
 * @param report  to be cleared by the caller, also on failure
 * Errors: RG_E_ARG (the file is the model itself, a pattern that matches nothing, a tensor that is
 * quantized already, an imatrix of other sizes), RG_E_UNSUPPORTED (a setting that GGUF has no key
 * for, a type that cannot be written), RG_E_NUMERIC (values that are not finite, or too large for
 * the scales: tensor and row named), RG_E_CANCELLED, RG_E_IO: nothing is left of the file then.
 */
rg_status rg_quant_file(const rg_mem *mem, const rg_source *source, const rg_quant_options *options,
                        const char *path, rg_quant_report *report, rg_error *err) RG_MUST_CHECK;
