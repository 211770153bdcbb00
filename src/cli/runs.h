/* Runs read back from the records: all that `raga runs` shows. */
#pragma once

#include "raga/records.h"

#include <stdio.h>

/** A run with everything that is recorded of it. Own copies: cli_run_clear. */
typedef struct cli_run {
    raga_run_facts facts;
    raga_run_step *steps;
    size_t n_steps;
    raga_run_evaluation *evaluations;
    size_t n_evaluations;
    char *texts; // that facts and evaluations point into
} cli_run;

enum { CLI_RUNS_MAX = 32 }; // compared at once

/** @param id  a number, or "last"; @param has_steps  false: they are left out. False with a
 * message. */
bool cli_run_load(raga_records *records, const char *id, bool has_steps, cli_run *out);
void cli_run_clear(cli_run *run);

/** "2026-01-31 17:05", the time of the place. */
void cli_run_time(int64_t ms, char out[32]);
/** Facts and evaluations as a JSON object. */
void cli_run_json(FILE *out, const cli_run *run, bool has_steps);

/** How curves are drawn. */
typedef struct cli_runs_look {
    const char *of; // "loss", "lr", ...
    double smooth;  // as in raga_plot
    bool is_log;
    bool is_plain;
    int64_t width, height;
} cli_runs_look;

/** False with a message: there is no such series. */
bool cli_runs_check(const cli_runs_look *look);
/** Draw in the terminal; says when there is nothing to draw. Returns the exit status. */
int cli_runs_plot(const cli_run *runs, size_t n, const cli_runs_look *look);
/** Draw into a file. Returns the exit status. */
int cli_runs_svg(const cli_run *runs, size_t n, const cli_runs_look *look, const char *path);
/** What differs, side by side. Returns the exit status. */
int cli_runs_compare(const cli_run *runs, size_t n, const cli_runs_look *look, bool is_json);
