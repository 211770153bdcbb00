/* The records in SQLite: opening, the schema, writing. Reading is in records_read.c. */
#include "lab/records_db.h"

#include "base/clock.h"
#include "base/file.h"
#include "lab/records_process.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

enum {
    APPLICATION_ID = 0x72616761, // "raga"
    SCHEMA = 1,
    BUSY_MS = 5000,    // how long to wait for another process
    BUSY_SOFT_MS = 20, // ... when the steps can be written later as well
    BATCH_STEPS = 256, // written together
    BATCH_NS = 1000000000,
};

static const char SCHEMA_SQL[] =
    "CREATE TABLE runs("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER, state TEXT NOT NULL, reason TEXT,"
    " recipe TEXT, seed INTEGER, model TEXT, model_hash TEXT, data_hash TEXT,"
    " host TEXT, process TEXT) STRICT;"
    "CREATE TABLE steps("
    " run INTEGER NOT NULL, step INTEGER NOT NULL, loss REAL, lr REAL, grad_norm REAL,"
    " tokens_s REAL, memory_bytes INTEGER, PRIMARY KEY(run, step)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE evaluations("
    " id INTEGER PRIMARY KEY, run INTEGER NOT NULL, step INTEGER, name TEXT NOT NULL,"
    " metric TEXT NOT NULL, value REAL, std_error REAL, n INTEGER) STRICT;"
    "CREATE INDEX evaluations_of_run ON evaluations(run, id);"
    "PRAGMA application_id = 1918986081;" // APPLICATION_ID
    "PRAGMA user_version = 1;";           // SCHEMA

_Static_assert(APPLICATION_ID == 1918986081 && SCHEMA == 1, "as in SCHEMA_SQL");

// ---- errors and statements ----

rg_status rg_db_fail(const rg_records *r, int rc, rg_error *err) {
    switch (rc & 0xFF) {
    case SQLITE_NOTADB:
        return rg_fail(err, RG_E_FORMAT,
                       "%s is no database of runs: move it away, or set RAGA_DATA_DIR", r->path);
    case SQLITE_CORRUPT:
        return rg_fail(err, RG_E_FORMAT,
                       "the database of runs %s is damaged (%s): move it away, or put a copy back",
                       r->path, sqlite3_errmsg(r->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return rg_fail(err, RG_E_IO, "another process has kept the database of runs %s locked",
                       r->path);
    case SQLITE_NOMEM:
        return rg_fail(err, RG_E_MEMORY, "no memory for the database of runs %s", r->path);
    case SQLITE_ERROR:
        // a table or column that is missing: not written by this program, or altered
        return rg_fail(err, RG_E_FORMAT, "the database of runs %s is not as it should be: %s",
                       r->path, sqlite3_errmsg(r->db));
    default:
        return rg_fail(err, RG_E_IO, "the database of runs %s: %s", r->path,
                       r->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(r->db));
    }
}

rg_status rg_db_prepare(const rg_records *r, const char *sql, sqlite3_stmt **out, rg_error *err) {
    const int rc = sqlite3_prepare_v2(r->db, sql, -1, out, NULL);
    return rc == SQLITE_OK ? RG_OK : rg_db_fail(r, rc, err);
}

static rg_status run_sql(const rg_records *r, const char *sql, rg_error *err) {
    const int rc = sqlite3_exec(r->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RG_OK : rg_db_fail(r, rc, err);
}

static void bind_text(sqlite3_stmt *s, int i, const char *text) {
    if (text == NULL) {
        sqlite3_bind_null(s, i);
    } else {
        sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
    }
}

// one statement that gives no rows; its bindings are made
static rg_status finish(const rg_records *r, sqlite3_stmt *s, rg_error *err) {
    const int rc = sqlite3_step(s);
    const rg_status status = rc == SQLITE_DONE ? RG_OK : rg_db_fail(r, rc, err);
    sqlite3_finalize(s);
    return status;
}

static rg_status read_number(const rg_records *r, const char *sql, int64_t *out, rg_error *err) {
    sqlite3_stmt *s = NULL;
    rg_status status = rg_db_prepare(r, sql, &s, err);
    if (status == RG_OK) {
        const int rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(s, 0);
        } else {
            status = rg_db_fail(r, rc, err);
        }
    }
    sqlite3_finalize(s);
    return status;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---- steps that are not written yet ----

// all pending steps in one transaction; a run that was removed meanwhile takes none
static int write_pending(rg_records *r) {
    if (r->n_pending == 0) {
        return SQLITE_OK;
    }
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = sqlite3_prepare_v2(r->db,
                            "INSERT OR REPLACE INTO steps SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 "
                            "WHERE EXISTS(SELECT 1 FROM runs WHERE id = ?1)",
                            -1, &s, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < r->n_pending; i++) {
        const rg_run_step *step = &r->pending[i].step;
        sqlite3_bind_int64(s, 1, r->pending[i].run);
        sqlite3_bind_int64(s, 2, (int64_t)step->step);
        sqlite3_bind_double(s, 3, step->loss); // NAN is stored as NULL
        sqlite3_bind_double(s, 4, step->lr);
        sqlite3_bind_double(s, 5, step->grad_norm);
        sqlite3_bind_double(s, 6, step->tokens_s);
        if (step->memory_bytes == 0) {
            sqlite3_bind_null(s, 7);
        } else {
            sqlite3_bind_int64(s, 7, (int64_t)step->memory_bytes);
        }
        (void)sqlite3_step(s);
        rc = sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        (void)sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
        return rc;
    }
    r->n_pending = 0;
    return SQLITE_OK;
}

// ---- opening ----

// an empty database becomes ours; another process may be doing the same
static rg_status make_schema(const rg_records *r, rg_error *err) {
    int64_t version = 0;
    rg_status status = run_sql(r, "BEGIN IMMEDIATE", err);
    if (status != RG_OK) {
        return status;
    }
    status = read_number(r, "PRAGMA user_version", &version, err);
    if (status == RG_OK && version == 0) {
        status = run_sql(r, SCHEMA_SQL, err);
    }
    if (status == RG_OK) {
        status = run_sql(r, "COMMIT", err);
    }
    if (status != RG_OK) {
        (void)run_sql(r, "ROLLBACK", NULL);
    }
    return status;
}

static rg_status check_schema(const rg_records *r, rg_error *err) {
    int64_t application = 0;
    int64_t version = 0;
    int64_t n_tables = 0;
    // all three of one moment: another process may be making the schema
    rg_status status = run_sql(r, "BEGIN", err);
    if (status != RG_OK) {
        return status;
    }
    status = read_number(r, "SELECT count(*) FROM sqlite_master", &n_tables, err);
    if (status == RG_OK) {
        status = read_number(r, "PRAGMA application_id", &application, err);
    }
    if (status == RG_OK) {
        status = read_number(r, "PRAGMA user_version", &version, err);
    }
    (void)run_sql(r, "COMMIT", NULL);
    if (status != RG_OK) {
        return status;
    }
    if (application == 0 && version == 0 && n_tables == 0) {
        return make_schema(r, err);
    }
    if (application != APPLICATION_ID) {
        return rg_fail(err, RG_E_FORMAT,
                       "%s is the database of another program: move it away, or set RAGA_DATA_DIR",
                       r->path);
    }
    if (version != SCHEMA) {
        return rg_fail(err, RG_E_FORMAT,
                       "%s was written by a newer raga (schema %" PRId64 ", this one knows %d)",
                       r->path, version, SCHEMA);
    }
    return RG_OK;
}

rg_status rg_records_open(const rg_mem *mem, const char *path, bool may_make, rg_records **out,
                          rg_error *err) {
    rg_status status = RG_OK;
    rg_records *r = rg_new(mem, sizeof *r);
    if (r == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the records of runs");
    }
    r->mem = mem;
    if (path == NULL) {
        RG_TRY(rg_records_path(r->path, sizeof r->path, err));
    } else if ((size_t)snprintf(r->path, sizeof r->path, "%s", path) >= sizeof r->path) {
        status = rg_fail(err, RG_E_LIMIT, "the path of the records has %zu bytes, limit %zu",
                         strlen(path), sizeof r->path - 1);
        goto done;
    }
    if (!may_make && rg_file_kind_of(r->path) == RG_FILE_NONE) {
        status = rg_fail(err, RG_E_NOT_FOUND, "no runs are recorded: there is no %s", r->path);
        goto done;
    }
    rg_file_make_folders(r->path);
    const int rc = sqlite3_open_v2(
        r->path, &r->db, SQLITE_OPEN_READWRITE | (may_make ? SQLITE_OPEN_CREATE : 0), NULL);
    if (rc != SQLITE_OK) {
        status = rg_db_fail(r, rc, err);
        goto done;
    }
    sqlite3_busy_timeout(r->db, BUSY_MS);
    RG_TRY(check_schema(r, err));
    // a reader and a writer at once; where the file system cannot, the rollback journal serves
    (void)run_sql(r, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL);
    r->flushed_ns = rg_clock_ns();
    *out = r;
    r = NULL;

done:
    rg_records_close(r);
    return status;
}

void rg_records_close(rg_records *r) {
    if (r != NULL) {
        if (r->db != NULL) {
            (void)write_pending(r);
            sqlite3_close(r->db);
        }
        rg_free(r->mem, r);
    }
}

const char *rg_records_get_path(const rg_records *r) {
    return r->path;
}

// ---- runs ----

static rg_status insert_run(const rg_records *r, const rg_run_start *start, const char *host,
                            rg_error *err) {
    char process[RG_PROCESS_BYTES];
    sqlite3_stmt *s = NULL;
    const rg_status status = rg_db_prepare(
        r,
        "INSERT INTO runs(kind, name, started_ms, state, recipe, seed, model, model_hash, "
        "data_hash, host, process) VALUES(?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?)",
        &s, err);
    if (status != RG_OK) {
        return status;
    }
    rg_process_self(process);
    bind_text(s, 1, start->kind);
    bind_text(s, 2, start->name == NULL ? start->kind : start->name);
    sqlite3_bind_int64(s, 3, now_ms());
    bind_text(s, 4, start->recipe);
    if (start->has_seed) {
        sqlite3_bind_int64(s, 5, (int64_t)start->seed);
    }
    bind_text(s, 6, start->model);
    bind_text(s, 7, start->model_hash);
    bind_text(s, 8, start->data_hash);
    bind_text(s, 9, host);
    bind_text(s, 10, process);
    return finish(r, s, err);
}

rg_status rg_records_begin(rg_records *r, const rg_run_start *start, int64_t *run, rg_error *err) {
    rg_buf host;
    rg_status status = RG_OK;
    if (start->kind == NULL) {
        return rg_fail(err, RG_E_ARG, "a run needs a kind: train, tune, eval, ...");
    }
    rg_buf_init(&host, r->mem, 0);
    rg_process_host(&host, start->program);
    (void)rg_buf_cstr(&host);
    RG_TRY(rg_buf_check(&host, "facts of the host", err));
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(insert_run(r, start, host.data, err));
    *run = sqlite3_last_insert_rowid(r->db);

done:
    rg_buf_clear(&host);
    return status;
}

static rg_status not_recorded(const rg_records *r, int64_t run, rg_error *err) {
    return rg_fail(err, RG_E_NOT_FOUND, "there is no run %" PRId64 " in %s", run, r->path);
}

rg_status rg_records_resume(rg_records *r, int64_t run, uint64_t n_steps, rg_error *err) {
    char process[RG_PROCESS_BYTES];
    sqlite3_stmt *s = NULL;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r,
                         "UPDATE runs SET state = 'running', reason = NULL, ended_ms = NULL, "
                         "process = ? WHERE id = ?",
                         &s, err));
    rg_process_self(process);
    bind_text(s, 1, process);
    sqlite3_bind_int64(s, 2, run);
    RG_TRY(finish(r, s, err));
    if (sqlite3_changes(r->db) == 0) {
        return not_recorded(r, run, err);
    }
    // what was recorded after the checkpoint happens again
    RG_TRY(rg_db_prepare(r, "DELETE FROM steps WHERE run = ? AND step > ?", &s, err));
    sqlite3_bind_int64(s, 1, run);
    sqlite3_bind_int64(s, 2, (int64_t)n_steps);
    RG_TRY(finish(r, s, err));
    RG_TRY(rg_db_prepare(r, "DELETE FROM evaluations WHERE run = ? AND step > ?", &s, err));
    sqlite3_bind_int64(s, 1, run);
    sqlite3_bind_int64(s, 2, (int64_t)n_steps);
    RG_TRY(finish(r, s, err));

done:
    return status;
}

rg_status rg_records_model(rg_records *r, int64_t run, const char *model, const char *model_hash,
                           rg_error *err) {
    sqlite3_stmt *s = NULL;
    rg_status status = RG_OK;
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r, "UPDATE runs SET model = ?, model_hash = ? WHERE id = ?", &s, err));
    bind_text(s, 1, model);
    bind_text(s, 2, model_hash);
    sqlite3_bind_int64(s, 3, run);
    RG_TRY(finish(r, s, err));
    if (sqlite3_changes(r->db) == 0) {
        status = not_recorded(r, run, err);
    }

done:
    return status;
}

rg_status rg_records_end(rg_records *r, int64_t run, const char *state, const char *reason,
                         rg_error *err) {
    sqlite3_stmt *s = NULL;
    rg_status status = RG_OK;
    if (state == NULL) {
        return rg_fail(err, RG_E_ARG, "a run ends in some state: done, stopped, failed, ...");
    }
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r, "UPDATE runs SET state = ?, reason = ?, ended_ms = ? WHERE id = ?", &s,
                         err));
    bind_text(s, 1, state);
    bind_text(s, 2, reason);
    sqlite3_bind_int64(s, 3, now_ms());
    sqlite3_bind_int64(s, 4, run);
    RG_TRY(finish(r, s, err));
    if (sqlite3_changes(r->db) == 0) {
        status = not_recorded(r, run, err);
    }

done:
    return status;
}

/** What of a run matters before it is removed. */
typedef struct removal {
    bool is_at_work;
} removal;

static bool note_state(void *arg, const rg_run_facts *facts) {
    ((removal *)arg)->is_at_work = strcmp(facts->state, "running") == 0;
    return true;
}

static rg_status delete_rows(const rg_records *r, const char *sql, int64_t run, rg_error *err) {
    sqlite3_stmt *s = NULL;
    const rg_status status = rg_db_prepare(r, sql, &s, err);
    if (status != RG_OK) {
        return status;
    }
    sqlite3_bind_int64(s, 1, run);
    return finish(r, s, err);
}

rg_status rg_records_remove(rg_records *r, int64_t run, rg_error *err) {
    removal about = {0};
    bool is_open = false;
    rg_status status = RG_OK;
    RG_TRY(rg_records_get(r, run, note_state, &about, err));
    if (about.is_at_work) {
        return rg_fail(err, RG_E_STATE, "run %" PRId64 " is at work: stop it first", run);
    }
    RG_TRY(run_sql(r, "BEGIN IMMEDIATE", err));
    is_open = true;
    RG_TRY(delete_rows(r, "DELETE FROM steps WHERE run = ?", run, err));
    RG_TRY(delete_rows(r, "DELETE FROM evaluations WHERE run = ?", run, err));
    RG_TRY(delete_rows(r, "DELETE FROM runs WHERE id = ?", run, err));
    RG_TRY(run_sql(r, "COMMIT", err));
    is_open = false;

done:
    if (is_open) {
        (void)run_sql(r, "ROLLBACK", NULL);
    }
    return status;
}

// ---- steps and evaluations ----

rg_status rg_records_flush(rg_records *r, rg_error *err) {
    const int rc = write_pending(r);
    return rc == SQLITE_OK ? RG_OK : rg_db_fail(r, rc, err);
}

rg_status rg_records_step(rg_records *r, int64_t run, const rg_run_step *step, rg_error *err) {
    if (r->n_pending == RG_RECORDS_PENDING_MAX) {
        const rg_status status = rg_records_flush(r, err);
        if (status != RG_OK) {
            return status;
        }
    }
    r->pending[r->n_pending++] = (rg_pending){run, *step};
    const uint64_t now = rg_clock_ns();
    if (r->n_pending % BATCH_STEPS != 0 && now - r->flushed_ns < BATCH_NS) {
        return RG_OK;
    }

    // the work must not wait for another process: what is locked now is written later
    sqlite3_busy_timeout(r->db, BUSY_SOFT_MS);
    const int rc = write_pending(r);
    sqlite3_busy_timeout(r->db, BUSY_MS);
    r->flushed_ns = now;
    return rc == SQLITE_OK || (rc & 0xFF) == SQLITE_BUSY ? RG_OK : rg_db_fail(r, rc, err);
}

rg_status rg_records_evaluation(rg_records *r, int64_t run, const rg_run_evaluation *e,
                                rg_error *err) {
    sqlite3_stmt *s = NULL;
    rg_status status = RG_OK;
    if (e->name == NULL || e->metric == NULL) {
        return rg_fail(err, RG_E_ARG, "an evaluation needs a name and a metric");
    }
    RG_TRY(rg_records_flush(r, err));
    RG_TRY(rg_db_prepare(r,
                         "INSERT INTO evaluations(run, step, name, metric, value, std_error, n) "
                         "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 "
                         "WHERE EXISTS(SELECT 1 FROM runs WHERE id = ?1)",
                         &s, err));
    sqlite3_bind_int64(s, 1, run);
    if (e->has_step) {
        sqlite3_bind_int64(s, 2, (int64_t)e->step);
    }
    bind_text(s, 3, e->name);
    bind_text(s, 4, e->metric);
    sqlite3_bind_double(s, 5, e->value);
    sqlite3_bind_double(s, 6, e->std_error);
    if (e->n != 0) {
        sqlite3_bind_int64(s, 7, (int64_t)e->n);
    }
    RG_TRY(finish(r, s, err));
    if (sqlite3_changes(r->db) == 0) {
        status = not_recorded(r, run, err);
    }

done:
    return status;
}
