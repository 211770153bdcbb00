/* What a training run shows: a bar on a terminal, a line now and then elsewhere, JSON for machines.
 */
#pragma once

#include "cli/record.h"
#include "raga/train.h"

typedef struct cli_train_progress {
    bool is_json;
    bool is_terminal;
    bool resumes;
    cli_record *record;
    double smooth_loss; // running mean; 0: none yet
    double smooth_rate; // tokens a second
    double first_valid;
    double last_valid;
    double loss;
    uint64_t n_warned;
    uint64_t n_shown; // steps told
} cli_train_progress;

/** @param record  borrowed: the run is told to it; @param resumes  the run goes on */
void cli_train_begin(cli_train_progress *p, bool is_json, bool resumes, cli_record *record);
/** raga_train_fn and raga_train_warn_fn with a cli_train_progress behind them. Ctrl-C answers
 * false: the run stops with a checkpoint. */
bool cli_train_tell(void *arg, const raga_train_event *event);
void cli_train_warn(void *arg, const char *file, size_t line, const char *why);
/** The last line, on stdout, and the end of the record. */
void cli_train_end(cli_train_progress *p, const raga_train_result *r, const char *out_dir);
/** The run failed: said, and recorded. Returns the exit status. */
int cli_train_failed(cli_train_progress *p, const raga_error *err);
