/* The run that a command does, in the records. They are a service: what goes wrong with them is
 * said once, and the work goes on. */
#pragma once

#include "cli/options.h"
#include "raga/records.h"

#include <stdio.h>

typedef struct cli_record {
    raga_run_start start; // what is known of the run; strings are borrowed
    const char *out_dir;  // remembers which run it is, so that --resume goes on with it; or NULL
    bool is_off;          // --no-record
    char *recipe;         // own copy behind start.recipe, or NULL
    raga_records *records;
    int64_t run; // 0: nothing is recorded
    char model_hash[17];
    char data_hash[17];
} cli_record;

// the row of a command's table; r is its cli_record
#define CLI_RECORD_OPTIONS(r)                                                                      \
    {"--name", CLI_TEXT, &(r).start.name, "TEXT", "of the run in the records", 0, 0, NULL}, {      \
        "--no-record", CLI_FLAG, &(r).is_off, NULL, "leave the run out of the records", 0, 0, NULL \
    }

/**
 * The run begins, after n_steps when it is gone on with. Hashes of start.model are made here.
 * @param resumes  the same run as before, if out_dir still knows it
 */
void cli_record_begin(cli_record *r, bool resumes, uint64_t n_steps);
void cli_record_step(cli_record *r, const raga_run_step *step);
void cli_record_evaluation(cli_record *r, const raga_run_evaluation *e);
/** The run made this model. */
void cli_record_model(cli_record *r, const char *path);
/** @param reason  NULL or why */
void cli_record_end(cli_record *r, const char *state, const char *reason);
void cli_record_close(cli_record *r);

/** The last part of a path. Borrowed from it. */
const char *cli_base_name(const char *path);

/** A command's settings as the members of a JSON object: options that have a value, other than
 * those named in `without` (" --json --output "). Says whether there was one. */
bool cli_write_options(FILE *out, const cli_option *options, size_t n, const char *without);
