/* The inside of the records, for records_db.c and records_read.c alone: SQLite. */
#pragma once

#include "lab/records.h"

#include <sqlite3.h>

/** A step that is not written yet. */
typedef struct rg_pending {
    int64_t run;
    rg_run_step step;
} rg_pending;

struct rg_records {
    const rg_mem *mem;
    sqlite3 *db;
    char path[4096];
    uint64_t flushed_ns; // when steps were written last, or tried
    size_t n_pending;
    rg_pending pending[RG_RECORDS_PENDING_MAX];
};

/** The sentence for a result code of SQLite. */
rg_status rg_db_fail(const rg_records *records, int rc, rg_error *err);
/** Owned by the caller: sqlite3_finalize(); NULL after a failure. */
rg_status rg_db_prepare(const rg_records *records, const char *sql, sqlite3_stmt **out,
                        rg_error *err) RG_MUST_CHECK;
