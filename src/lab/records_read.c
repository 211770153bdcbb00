/* Reading the records back. */
#include "lab/records_db.h"
#include "lab/records_process.h"

#include <inttypes.h>
#include <math.h>

// as facts_of_row takes them
#define RUN_COLUMNS                                                                                \
    "SELECT id, kind, name, state, reason, recipe, model, model_hash, data_hash, host,"            \
    " started_ms, ended_ms, seed, process,"                                                        \
    " (SELECT count(*) FROM steps WHERE run = r.id),"                                              \
    " (SELECT loss FROM steps WHERE run = r.id ORDER BY step LIMIT 1),"                            \
    " (SELECT loss FROM steps WHERE run = r.id ORDER BY step DESC LIMIT 1),"                       \
    " (SELECT min(loss) FROM steps WHERE run = r.id),"                                             \
    " (SELECT step FROM steps WHERE run = r.id AND loss IS NOT NULL ORDER BY loss, step LIMIT 1)"  \
    " FROM runs AS r"

static const char *text_of(sqlite3_stmt *s, int i) {
    return (const char *)sqlite3_column_text(s, i);
}

static double real_of(sqlite3_stmt *s, int i) {
    return sqlite3_column_type(s, i) == SQLITE_NULL ? NAN : sqlite3_column_double(s, i);
}

static rg_run_facts facts_of_row(sqlite3_stmt *s) {
    rg_run_facts f = {
        .id = sqlite3_column_int64(s, 0),
        .kind = text_of(s, 1),
        .name = text_of(s, 2),
        .state = text_of(s, 3),
        .reason = text_of(s, 4),
        .recipe = text_of(s, 5),
        .model = text_of(s, 6),
        .model_hash = text_of(s, 7),
        .data_hash = text_of(s, 8),
        .host = text_of(s, 9),
        .started_ms = sqlite3_column_int64(s, 10),
        .ended_ms = sqlite3_column_int64(s, 11),
        .has_seed = sqlite3_column_type(s, 12) != SQLITE_NULL,
        .seed = (uint64_t)sqlite3_column_int64(s, 12),
        .n_steps = (uint64_t)sqlite3_column_int64(s, 14),
        .first_loss = real_of(s, 15),
        .last_loss = real_of(s, 16),
        .least_loss = real_of(s, 17),
        .least_step = (uint64_t)sqlite3_column_int64(s, 18),
    };
    if (f.state != NULL && strcmp(f.state, "running") == 0 && rg_process_is_gone(text_of(s, 13))) {
        f.state = "lost";
    }
    return f;
}

typedef void row_fn(sqlite3_stmt *s, void *to, bool *goes_on);

// every row of a statement, until the caller has enough
static rg_status walk(const rg_records *r, sqlite3_stmt *s, row_fn *fn, void *to, size_t *n_rows,
                      rg_error *err) {
    bool goes_on = true;
    int rc = SQLITE_DONE;
    *n_rows = 0;
    while (goes_on && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        ++*n_rows;
        fn(s, to, &goes_on);
    }
    const rg_status status = rc == SQLITE_ROW || rc == SQLITE_DONE ? RG_OK : rg_db_fail(r, rc, err);
    sqlite3_finalize(s);
    return status;
}

/** The caller's function behind one of ours. */
typedef struct run_relay {
    rg_run_fn *fn;
    void *arg;
} run_relay;

static void run_row(sqlite3_stmt *s, void *to, bool *goes_on) {
    const run_relay *relay = to;
    const rg_run_facts facts = facts_of_row(s);
    *goes_on = relay->fn(relay->arg, &facts);
}

rg_status rg_records_list(rg_records *r, rg_run_fn *fn, void *arg, rg_error *err) {
    run_relay relay = {fn, arg};
    sqlite3_stmt *s = NULL;
    size_t n_rows = 0;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r, RUN_COLUMNS " ORDER BY id", &s, err));
    RG_TRY(walk(r, s, run_row, &relay, &n_rows, err));

done:
    return status;
}

rg_status rg_records_get(rg_records *r, int64_t run, rg_run_fn *fn, void *arg, rg_error *err) {
    run_relay relay = {fn, arg};
    sqlite3_stmt *s = NULL;
    size_t n_rows = 0;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r, RUN_COLUMNS " WHERE id = ?", &s, err));
    sqlite3_bind_int64(s, 1, run);
    RG_TRY(walk(r, s, run_row, &relay, &n_rows, err));
    if (n_rows == 0) {
        status = rg_fail(err, RG_E_NOT_FOUND, "there is no run %" PRId64 " in %s", run, r->path);
    }

done:
    return status;
}

typedef struct step_relay {
    rg_run_step_fn *fn;
    void *arg;
} step_relay;

static void step_row(sqlite3_stmt *s, void *to, bool *goes_on) {
    const step_relay *relay = to;
    const rg_run_step step = {(uint64_t)sqlite3_column_int64(s, 0),
                              real_of(s, 1),
                              real_of(s, 2),
                              real_of(s, 3),
                              real_of(s, 4),
                              (uint64_t)sqlite3_column_int64(s, 5)};
    *goes_on = relay->fn(relay->arg, &step);
}

rg_status rg_records_series(rg_records *r, int64_t run, rg_run_step_fn *fn, void *arg,
                            rg_error *err) {
    step_relay relay = {fn, arg};
    sqlite3_stmt *s = NULL;
    size_t n_rows = 0;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r,
                         "SELECT step, loss, lr, grad_norm, tokens_s, memory_bytes FROM steps "
                         "WHERE run = ? ORDER BY step",
                         &s, err));
    sqlite3_bind_int64(s, 1, run);
    RG_TRY(walk(r, s, step_row, &relay, &n_rows, err));

done:
    return status;
}

typedef struct evaluation_relay {
    rg_run_evaluation_fn *fn;
    void *arg;
} evaluation_relay;

static void evaluation_row(sqlite3_stmt *s, void *to, bool *goes_on) {
    const evaluation_relay *relay = to;
    const rg_run_evaluation e = {.has_step = sqlite3_column_type(s, 0) != SQLITE_NULL,
                                 .step = (uint64_t)sqlite3_column_int64(s, 0),
                                 .name = text_of(s, 1),
                                 .metric = text_of(s, 2),
                                 .value = real_of(s, 3),
                                 .std_error = real_of(s, 4),
                                 .n = (uint64_t)sqlite3_column_int64(s, 5)};
    *goes_on = relay->fn(relay->arg, &e);
}

rg_status rg_records_evaluations(rg_records *r, int64_t run, rg_run_evaluation_fn *fn, void *arg,
                                 rg_error *err) {
    evaluation_relay relay = {fn, arg};
    sqlite3_stmt *s = NULL;
    size_t n_rows = 0;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r,
                         "SELECT step, name, metric, value, std_error, n FROM evaluations "
                         "WHERE run = ? ORDER BY id",
                         &s, err));
    sqlite3_bind_int64(s, 1, run);
    RG_TRY(walk(r, s, evaluation_row, &relay, &n_rows, err));

done:
    return status;
}
