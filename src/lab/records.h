/*
 * Records of experiments: what ran, with which settings, how its loss went, what was measured.
 * One SQLite database for all of a user's runs; several processes may write at once, and a process
 * that is killed loses at most its last second of steps. Records are a service to the work: every
 * failure is an error the caller may warn about and go on without.
 */
#pragma once

#include "base/buf.h"

#define RG_RECORDS_PENDING_MAX 4096 // steps kept back while another process holds the database

typedef struct rg_records rg_records;

/** What is known of a run when it begins; strings borrowed, NULL: unknown. */
typedef struct rg_run_start {
    const char *kind;       // "train", "tune", "eval", ...; required
    const char *name;       // for people; NULL: the kind
    const char *recipe;     // settings, as JSON
    const char *model;      // path
    const char *model_hash; // rg_records_hash
    const char *data_hash;
    const char *program; // "raga 0.1.0"
    bool has_seed;
    uint64_t seed;
} rg_run_start;

/** A step of training. NAN: not known. */
typedef struct rg_run_step {
    uint64_t step;
    double loss;
    double lr;
    double grad_norm;
    double tokens_s;
    uint64_t memory_bytes; // 0: not known
} rg_run_step;

/** A number that was measured. NAN: not known. */
typedef struct rg_run_evaluation {
    bool has_step;
    uint64_t step;      // of the training run, where it belongs to one
    const char *name;   // of what was measured: "validation", a file's name
    const char *metric; // "loss", "perplexity", "accuracy"
    double value;
    double std_error;
    uint64_t n; // observations; 0: not known
} rg_run_evaluation;

/** A run as it is recorded. Strings are borrowed during the call; NULL: unknown. */
typedef struct rg_run_facts {
    int64_t id;
    const char *kind;
    const char *name;
    const char *state; // "running", "done", ...; "lost": its process is gone and never said how
    const char *reason;
    const char *recipe;
    const char *model;
    const char *model_hash;
    const char *data_hash;
    const char *host;   // JSON: name, system, cpu, threads, program
    int64_t started_ms; // since 1970, UTC
    int64_t ended_ms;   // 0: not yet
    bool has_seed;
    uint64_t seed;
    uint64_t n_steps;
    double first_loss;
    double last_loss;
    double least_loss;
    uint64_t least_step;
} rg_run_facts;

/** RAGA_DATA_DIR/runs.db, else XDG_DATA_HOME/raga, else ~/.local/share/raga. Errors: RG_E_IO when
 * none of these is set, RG_E_LIMIT. */
rg_status rg_records_path(char *out, size_t size, rg_error *err) RG_MUST_CHECK;

/**
 * Open the database, and make it with its folders when it is not there and may be made.
 * @param path  NULL: rg_records_path
 * @param out   owned by the caller: rg_records_close()
 * Errors: RG_E_NOT_FOUND (not there, and may not be made); RG_E_FORMAT (no database, a damaged one,
 * one of another program or of a newer version: said with what to do); RG_E_IO; RG_E_UNSUPPORTED
 * when built without SQLite. Threads: one at a time per object.
 */
rg_status rg_records_open(const rg_mem *mem, const char *path, bool may_make, rg_records **out,
                          rg_error *err) RG_MUST_CHECK;
/** What is pending is written first. NULL is fine. */
void rg_records_close(rg_records *records);
const char *rg_records_get_path(const rg_records *records);

/** A new run, in state "running". Errors: RG_E_ARG, RG_E_IO, RG_E_FORMAT, RG_E_MEMORY. */
rg_status rg_records_begin(rg_records *records, const rg_run_start *start, int64_t *run,
                           rg_error *err) RG_MUST_CHECK;
/** Go on with a run after step n_steps: later ones are forgotten. Errors: RG_E_NOT_FOUND, as above.
 */
rg_status rg_records_resume(rg_records *records, int64_t run, uint64_t n_steps,
                            rg_error *err) RG_MUST_CHECK;
/**
 * Add a step, or replace it. Steps are written together, about once a second: this is cheap. While
 * another process holds the database they wait in memory, up to RG_RECORDS_PENDING_MAX of them.
 */
rg_status rg_records_step(rg_records *records, int64_t run, const rg_run_step *step,
                          rg_error *err) RG_MUST_CHECK;
/** Add a measured number; written at once. */
rg_status rg_records_evaluation(rg_records *records, int64_t run, const rg_run_evaluation *e,
                                rg_error *err) RG_MUST_CHECK;
/** The run made a model, or turned out to be about this one. Errors: RG_E_NOT_FOUND. */
rg_status rg_records_model(rg_records *records, int64_t run, const char *model,
                           const char *model_hash, rg_error *err) RG_MUST_CHECK;
/** Write what is pending. */
rg_status rg_records_flush(rg_records *records, rg_error *err) RG_MUST_CHECK;
/** The run is over. @param state  "done", "stopped", "failed", ... @param reason  NULL or why */
rg_status rg_records_end(rg_records *records, int64_t run, const char *state, const char *reason,
                         rg_error *err) RG_MUST_CHECK;
/** Forget a run with its steps and evaluations. Errors: RG_E_NOT_FOUND; RG_E_STATE: it is at work.
 */
rg_status rg_records_remove(rg_records *records, int64_t run, rg_error *err) RG_MUST_CHECK;

/** A false answer ends the walk. */
typedef bool rg_run_fn(void *arg, const rg_run_facts *facts);
typedef bool rg_run_step_fn(void *arg, const rg_run_step *step);
typedef bool rg_run_evaluation_fn(void *arg, const rg_run_evaluation *e);

/** All runs, oldest first. */
rg_status rg_records_list(rg_records *records, rg_run_fn *fn, void *arg,
                          rg_error *err) RG_MUST_CHECK;
/** One run. Errors: RG_E_NOT_FOUND. */
rg_status rg_records_get(rg_records *records, int64_t run, rg_run_fn *fn, void *arg,
                         rg_error *err) RG_MUST_CHECK;
/** Its steps in order. */
rg_status rg_records_series(rg_records *records, int64_t run, rg_run_step_fn *fn, void *arg,
                            rg_error *err) RG_MUST_CHECK;
/** Its evaluations in the order they were made. */
rg_status rg_records_evaluations(rg_records *records, int64_t run, rg_run_evaluation_fn *fn,
                                 void *arg, rg_error *err) RG_MUST_CHECK;

/** A setting: where it lies, "model.layers", and its value, a text without quotes or JSON. A false
 * answer ends the walk. */
typedef bool rg_setting_fn(void *arg, const char *path, const char *value);

/** The settings of a run, one by one. Errors: RG_E_FORMAT (no JSON object), RG_E_MEMORY. */
rg_status rg_records_settings(const rg_mem *mem, const char *recipe, rg_setting_fn *fn, void *arg,
                              rg_error *err) RG_MUST_CHECK;

/**
 * A short hash of a file, or of a folder's files, as 16 hexadecimal digits: names and sizes, and of
 * each file all of it up to 16 MiB, else 64 pieces of 64 KiB spread over it. It tells versions of a
 * model or data set apart; it is no proof against forgery.
 * Errors: RG_E_NOT_FOUND, RG_E_IO.
 */
rg_status rg_records_hash(const char *path, char out[17], rg_error *err) RG_MUST_CHECK;
