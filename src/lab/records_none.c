/* The records of a build without SQLite: opening says so, and nothing else can be reached. */
#include "lab/records.h"

static rg_status missing(rg_error *err) {
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "this raga was built without SQLite, so runs are not recorded: install "
                   "libsqlite3-dev and build again");
}

rg_status rg_records_open(const rg_mem *mem, const char *path, bool may_make, rg_records **out,
                          rg_error *err) {
    (void)mem, (void)path, (void)may_make, (void)out;
    return missing(err);
}

void rg_records_close(rg_records *r) {
    (void)r;
}

const char *rg_records_get_path(const rg_records *r) {
    (void)r;
    return "";
}

rg_status rg_records_begin(rg_records *r, const rg_run_start *start, int64_t *run, rg_error *err) {
    (void)r, (void)start, (void)run;
    return missing(err);
}

rg_status rg_records_resume(rg_records *r, int64_t run, uint64_t n_steps, rg_error *err) {
    (void)r, (void)run, (void)n_steps;
    return missing(err);
}

rg_status rg_records_step(rg_records *r, int64_t run, const rg_run_step *step, rg_error *err) {
    (void)r, (void)run, (void)step;
    return missing(err);
}

rg_status rg_records_evaluation(rg_records *r, int64_t run, const rg_run_evaluation *e,
                                rg_error *err) {
    (void)r, (void)run, (void)e;
    return missing(err);
}

rg_status rg_records_flush(rg_records *r, rg_error *err) {
    (void)r;
    return missing(err);
}

rg_status rg_records_model(rg_records *r, int64_t run, const char *model, const char *model_hash,
                           rg_error *err) {
    (void)r, (void)run, (void)model, (void)model_hash;
    return missing(err);
}

rg_status rg_records_end(rg_records *r, int64_t run, const char *state, const char *reason,
                         rg_error *err) {
    (void)r, (void)run, (void)state, (void)reason;
    return missing(err);
}

rg_status rg_records_remove(rg_records *r, int64_t run, rg_error *err) {
    (void)r, (void)run;
    return missing(err);
}

rg_status rg_records_list(rg_records *r, rg_run_fn *fn, void *arg, rg_error *err) {
    (void)r, (void)fn, (void)arg;
    return missing(err);
}

rg_status rg_records_get(rg_records *r, int64_t run, rg_run_fn *fn, void *arg, rg_error *err) {
    (void)r, (void)run, (void)fn, (void)arg;
    return missing(err);
}

rg_status rg_records_series(rg_records *r, int64_t run, rg_run_step_fn *fn, void *arg,
                            rg_error *err) {
    (void)r, (void)run, (void)fn, (void)arg;
    return missing(err);
}

rg_status rg_records_evaluations(rg_records *r, int64_t run, rg_run_evaluation_fn *fn, void *arg,
                                 rg_error *err) {
    (void)r, (void)run, (void)fn, (void)arg;
    return missing(err);
}
