/*
 * Batches from files of JSON lines, which may be larger than memory: they are mapped, read as they
 * are needed, and their pages given back. What is kept is the place of each line (8 bytes) and a
 * few samples that wait for a row they fit in.
 *
 * Rows are packed: samples lie one behind the other, each with positions from 0, and do not see
 * each other. A sample longer than a row is cut; running text is cut into rows without a loss. The
 * end of a row that no waiting sample fits is padding.
 */
#pragma once

#include "train/fit.h"
#include "train/sample.h"

#define RG_DATA_FILES_MAX 4096 // files of one run
#define RG_DATA_FILE_BITS 12   // of a line's place; the rest is the offset in its file

/** Told of each line that is left out, in the first epoch. */
typedef void rg_data_warn_fn(void *arg, const char *file, size_t line, const char *why);

typedef struct rg_data_options {
    const char *const *paths; // files, or directories of *.jsonl files; n_paths
    size_t n_paths;
    size_t n_rows;         // of a pass
    size_t seq_len;        // of a row
    double valid_share;    // of the lines, by a hash of their content: [0, 0.5]
    uint64_t seed;         // of the order
    bool is_strict;        // a bad line is an error instead of a warning
    bool refuses_long;     // a sample longer than a row is a bad line
    rg_data_warn_fn *warn; // may be NULL
    void *warn_arg;
} rg_data_options;

typedef struct rg_data rg_data;

/** What was found and done. */
typedef struct rg_data_facts {
    size_t n_files;
    size_t n_lines;
    size_t n_valid;    // lines kept for validation
    size_t n_bad;      // lines left out so far
    size_t n_cut;      // samples cut so far
    uint64_t epoch;    // passes over all lines begun so far, from 0
    uint64_t hash;     // of the content of all lines, whatever their order
    uint64_t n_tokens; // given out so far, padding apart
} rg_data_facts;

/**
 * Find all lines. Nothing is tokenized yet.
 * @param reader  borrowed for the life of the data
 * Errors: RG_E_NOT_FOUND, RG_E_ARG (no line at all), RG_E_LIMIT, RG_E_IO, RG_E_MEMORY.
 * Threads: one at a time per object.
 */
rg_status rg_data_open(const rg_sample_reader *reader, const rg_data_options *options,
                       rg_data **out, rg_error *err) RG_MUST_CHECK;
void rg_data_close(rg_data *data);

/** The functions that rg_fit asks, on this data. */
rg_fit_data rg_data_fit(rg_data *data);
rg_data_facts rg_data_get_facts(const rg_data *data);
/** Each line, in the order of the files; false stops. For counting and vocabularies. */
void rg_data_each_line(const rg_data *data, bool (*fn)(void *arg, rg_str line), void *arg);
