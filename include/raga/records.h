/* Records of experiments: what ran, how its loss went, what was measured. */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_records raga_records;

/**
 * Open the database of runs. Records are a service to the work: warn about a failure and go on
 * without them.
 * @param path  NULL: RAGA_DATA_DIR/runs.db, else XDG_DATA_HOME/raga, else ~/.local/share/raga
 * @param may_make  false: what is not there is RAGA_E_NOT_FOUND
 * @param out   owned by the caller: raga_records_close()
 * Errors: RAGA_E_FORMAT (no database, a damaged one, one of another program or of a newer version);
 * RAGA_E_IO; RAGA_E_UNSUPPORTED when built without SQLite. Threads: one at a time per object;
 * several processes may write to one database.
 */
RAGA_API raga_status raga_records_open(const char *path, bool may_make, raga_records **out,
                                       raga_error *err) RAGA_MUST_CHECK;
/** What is pending is written first. */
RAGA_API void raga_records_close(raga_records *records);
RAGA_API const char *raga_records_path(const raga_records *records);

/** What is known of a run when it begins; NULL: unknown. */
typedef struct raga_run_start {
    size_t size;
    const char *kind;       // "train", "tune", "eval", ...; required
    const char *name;       // for people; NULL: the kind
    const char *recipe;     // settings, as JSON
    const char *model;      // path
    const char *model_hash; // raga_records_hash
    const char *data_hash;
    bool has_seed;
    uint64_t seed;
} raga_run_start;

/** A step of training. NAN: not known. */
typedef struct raga_run_step {
    uint64_t step;
    double loss;
    double lr;
    double grad_norm;
    double tokens_s;
    uint64_t memory_bytes; // 0: not known
} raga_run_step;

/** A number that was measured. NAN: not known. */
typedef struct raga_run_evaluation {
    bool has_step;
    uint64_t step;      // of the training run, where it belongs to one
    const char *name;   // of what was measured: "validation", a file's name
    const char *metric; // "loss", "perplexity", "accuracy"
    double value;
    double std_error;
    uint64_t n; // observations; 0: not known
} raga_run_evaluation;

/** A run as it is recorded. Strings are borrowed during the call; NULL: unknown. */
typedef struct raga_run_facts {
    size_t size;
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
    uint64_t n_steps; // that are recorded
    double first_loss;
    double last_loss;
    double least_loss;
    uint64_t least_step;
} raga_run_facts;

/** A new run, in state "running". */
RAGA_API raga_status raga_records_begin(raga_records *records, const raga_run_start *start,
                                        int64_t *run, raga_error *err) RAGA_MUST_CHECK;
/** Go on with a run after step n_steps: later ones are forgotten. Errors: RAGA_E_NOT_FOUND. */
RAGA_API raga_status raga_records_resume(raga_records *records, int64_t run, uint64_t n_steps,
                                         raga_error *err) RAGA_MUST_CHECK;
/** Add a step, or replace it. Cheap: steps are written together, about once a second, and wait in
 * memory while another process holds the database. */
RAGA_API raga_status raga_records_step(raga_records *records, int64_t run,
                                       const raga_run_step *step, raga_error *err) RAGA_MUST_CHECK;
/** Add a measured number. */
RAGA_API raga_status raga_records_evaluation(raga_records *records, int64_t run,
                                             const raga_run_evaluation *e,
                                             raga_error *err) RAGA_MUST_CHECK;
/** The run made a model, or turned out to be about this one. Errors: RAGA_E_NOT_FOUND. */
RAGA_API raga_status raga_records_model(raga_records *records, int64_t run, const char *model,
                                        const char *model_hash, raga_error *err) RAGA_MUST_CHECK;
/** The run is over. @param state  "done", "stopped", "failed", ... @param reason  NULL or why */
RAGA_API raga_status raga_records_end(raga_records *records, int64_t run, const char *state,
                                      const char *reason, raga_error *err) RAGA_MUST_CHECK;
/** Forget a run. Errors: RAGA_E_NOT_FOUND; RAGA_E_STATE: it is at work. */
RAGA_API raga_status raga_records_remove(raga_records *records, int64_t run,
                                         raga_error *err) RAGA_MUST_CHECK;

/** A false answer ends the walk. */
typedef bool raga_run_fn(void *arg, const raga_run_facts *facts);
typedef bool raga_run_step_fn(void *arg, const raga_run_step *step);
typedef bool raga_run_evaluation_fn(void *arg, const raga_run_evaluation *e);

/** All runs, oldest first. */
RAGA_API raga_status raga_records_list(raga_records *records, raga_run_fn *fn, void *arg,
                                       raga_error *err) RAGA_MUST_CHECK;
/** One run. Errors: RAGA_E_NOT_FOUND. */
RAGA_API raga_status raga_records_get(raga_records *records, int64_t run, raga_run_fn *fn,
                                      void *arg, raga_error *err) RAGA_MUST_CHECK;
/** The steps of a run, in order. */
RAGA_API raga_status raga_records_series(raga_records *records, int64_t run, raga_run_step_fn *fn,
                                         void *arg, raga_error *err) RAGA_MUST_CHECK;
/** The evaluations of a run, in the order they were made. */
RAGA_API raga_status raga_records_evaluations(raga_records *records, int64_t run,
                                              raga_run_evaluation_fn *fn, void *arg,
                                              raga_error *err) RAGA_MUST_CHECK;

/** A setting: where it lies, "model.layers", and its value, a text without quotes or JSON. */
typedef bool raga_setting_fn(void *arg, const char *path, const char *value);

/** The settings of a run, one by one. Errors: RAGA_E_FORMAT (no JSON object), RAGA_E_MEMORY. */
RAGA_API raga_status raga_records_settings(const char *recipe, raga_setting_fn *fn, void *arg,
                                           raga_error *err) RAGA_MUST_CHECK;

/** A short hash of a file or of a folder's files, 16 hexadecimal digits; large files by pieces. */
RAGA_API raga_status raga_records_hash(const char *path, char out[17],
                                       raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
