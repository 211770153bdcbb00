/* Records of runs: what is written comes back; killed writers, rivals and strange files do no harm.
 */
#include "base/file.h"
#include "lab/records.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];
static char db_path[128];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/raga-records-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(db_path, sizeof db_path, "%s/deep/runs.db", folder);
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static rg_records *open_db(void) {
    rg_error err = {0};
    rg_records *r = NULL;
    if (rg_records_open(rg_mem_heap(), db_path, true, &r, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    return r;
}

static int64_t begin(rg_records *r, const char *kind) {
    const rg_run_start start = {.kind = kind, .program = "test"};
    int64_t run = 0;
    assert_int_equal(rg_records_begin(r, &start, &run, NULL), RG_OK);
    return run;
}

static rg_run_step step_of(uint64_t i) {
    return (rg_run_step){i, 10.0 / (double)(i + 1), 1e-3, 0.5, 1000, i};
}

/** What a walk saw. */
typedef struct seen {
    size_t n;
    uint64_t last;
    bool is_in_order;
    double losses[8];
    char state[32];
    rg_run_facts facts;
    char name[64];
} seen;

static bool see_step(void *arg, const rg_run_step *step) {
    seen *s = arg;
    s->is_in_order = s->n == 0 ? step->step == 1 : s->is_in_order && step->step == s->last + 1;
    s->last = step->step;
    if (s->n < 8) {
        s->losses[s->n] = step->loss;
    }
    s->n++;
    return true;
}

static bool see_run(void *arg, const rg_run_facts *facts) {
    seen *s = arg;
    s->n++;
    s->facts = *facts;
    snprintf(s->state, sizeof s->state, "%s", facts->state);
    snprintf(s->name, sizeof s->name, "%s", facts->name);
    return true;
}

static seen series(rg_records *r, int64_t run) {
    seen s = {0};
    assert_int_equal(rg_records_series(r, run, see_step, &s, NULL), RG_OK);
    return s;
}

static seen get(rg_records *r, int64_t run) {
    seen s = {0};
    assert_int_equal(rg_records_get(r, run, see_run, &s, NULL), RG_OK);
    return s;
}

// ---- what goes in comes out ----

static bool check_facts(void *arg, const rg_run_facts *f) {
    *(size_t *)arg += 1;
    assert_string_equal(f->kind, "train");
    assert_string_equal(f->name, "one");
    assert_string_equal(f->state, "stopped");
    assert_string_equal(f->reason, "Ctrl-C");
    assert_string_equal(f->recipe, "{\"lr\":1}");
    assert_string_equal(f->model, "/m");
    assert_string_equal(f->model_hash, "abc");
    assert_null(f->data_hash);
    assert_true(f->has_seed && f->seed == UINT64_MAX);
    assert_non_null(strstr(f->host, "\"program\":\"test\""));
    assert_true(f->started_ms > 1600000000000 && f->ended_ms >= f->started_ms);
    assert_int_equal(f->n_steps, 3);
    assert_true(f->first_loss == 4 && f->last_loss == 3 && f->least_loss == 2);
    assert_int_equal(f->least_step, 2);
    return true;
}

static bool check_evaluation(void *arg, const rg_run_evaluation *e) {
    size_t *n = arg;
    if (*n == 0) {
        assert_true(e->has_step && e->step == 2 && e->value == 2.5 && isnan(e->std_error));
        assert_int_equal(e->n, 0);
    } else {
        assert_true(!e->has_step && e->value == 0.75 && e->std_error == 0.01 && e->n == 400);
        assert_string_equal(e->metric, "accuracy");
    }
    ++*n;
    return true;
}

static void what_goes_in_comes_out(void **state) {
    (void)state;
    const rg_run_start start = {.kind = "train",
                                .name = "one",
                                .recipe = "{\"lr\":1}",
                                .model = "/m",
                                .model_hash = "abc",
                                .program = "test",
                                .has_seed = true,
                                .seed = UINT64_MAX};
    const double losses[] = {4, 2, 3};
    rg_records *r = open_db();
    int64_t run = 0;
    assert_int_equal(rg_records_begin(r, &start, &run, NULL), RG_OK);
    for (uint64_t i = 0; i < 3; i++) {
        const rg_run_step step = {i + 1, losses[i], 1e-3, NAN, 10, 0};
        assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    }
    assert_string_equal(get(r, run).state, "running");
    const rg_run_evaluation one = {true, 2, "validation", "loss", 2.5, NAN, 0};
    const rg_run_evaluation two = {false, 0, "quiz", "accuracy", 0.75, 0.01, 400};
    assert_int_equal(rg_records_evaluation(r, run, &one, NULL), RG_OK);
    assert_int_equal(rg_records_evaluation(r, run, &two, NULL), RG_OK);
    assert_int_equal(rg_records_end(r, run, "stopped", "Ctrl-C", NULL), RG_OK);
    rg_records_close(r);

    r = open_db();
    size_t n = 0;
    assert_int_equal(rg_records_list(r, check_facts, &n, NULL), RG_OK);
    assert_int_equal(n, 1);
    n = 0;
    assert_int_equal(rg_records_evaluations(r, run, check_evaluation, &n, NULL), RG_OK);
    assert_int_equal(n, 2);
    rg_records_close(r);
}

static void a_diverged_loss_is_kept_as_not_a_number(void **state) {
    (void)state;
    rg_records *r = open_db();
    const int64_t run = begin(r, "train");
    const rg_run_step steps[] = {{1, 5, 0, 0, 0, 0}, {2, NAN, 0, 0, 0, 0}};
    assert_int_equal(rg_records_step(r, run, &steps[0], NULL), RG_OK);
    assert_int_equal(rg_records_step(r, run, &steps[1], NULL), RG_OK);
    const seen s = series(r, run);
    assert_true(s.n == 2 && isnan(s.losses[1]));
    const seen about = get(r, run);
    assert_true(isnan(about.facts.last_loss) && about.facts.least_loss == 5);
    rg_records_close(r);
}

static void a_resumed_run_forgets_what_happens_again(void **state) {
    (void)state;
    rg_records *r = open_db();
    const int64_t run = begin(r, "train");
    for (uint64_t i = 1; i <= 10; i++) {
        const rg_run_step step = step_of(i);
        assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    }
    assert_int_equal(rg_records_end(r, run, "stopped", NULL, NULL), RG_OK);
    assert_int_equal(rg_records_resume(r, run, 6, NULL), RG_OK);
    assert_string_equal(get(r, run).state, "running");
    assert_int_equal(series(r, run).last, 6);
    assert_int_equal(rg_records_resume(r, run + 1000, 6, NULL), RG_E_NOT_FOUND);
    rg_records_close(r);
}

static void removal_spares_what_is_at_work(void **state) {
    (void)state;
    rg_records *r = open_db();
    rg_error err = {0};
    const int64_t run = begin(r, "train");
    const rg_run_step step = step_of(1);
    assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    assert_int_equal(rg_records_remove(r, run, &err), RG_E_STATE);
    assert_int_equal(series(r, run).n, 1);
    assert_int_equal(rg_records_end(r, run, "done", NULL, NULL), RG_OK);
    assert_int_equal(rg_records_remove(r, run, NULL), RG_OK);
    assert_int_equal(series(r, run).n, 0);
    assert_int_equal(rg_records_remove(r, run, NULL), RG_E_NOT_FOUND);
    assert_int_equal(rg_records_get(r, run, see_run, &(seen){0}, NULL), RG_E_NOT_FOUND);

    // late steps of a run that is gone are dropped, and do not come back as another run's
    assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    assert_true(begin(r, "train") > run);
    assert_int_equal(series(r, run).n, 0);
    rg_records_close(r);
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    rg_records *r = open_db();
    int64_t run = 77;
    assert_int_equal(rg_records_begin(r, &(rg_run_start){0}, &run, NULL), RG_E_ARG);
    assert_int_equal(run, 77);
    run = begin(r, "eval");
    assert_int_equal(rg_records_end(r, run, NULL, NULL, NULL), RG_E_ARG);
    assert_int_equal(rg_records_evaluation(r, run, &(rg_run_evaluation){0}, NULL), RG_E_ARG);
    const rg_run_evaluation e = {.name = "x", .metric = "y"};
    assert_int_equal(rg_records_evaluation(r, run + 1, &e, NULL), RG_E_NOT_FOUND);
    assert_int_equal(rg_records_end(r, run + 1, "done", NULL, NULL), RG_E_NOT_FOUND);
    rg_records_close(r);
}

// ---- processes ----

// a child that records steps until it is killed, or until it has n
static pid_t start_writer(const char *kind, uint64_t n) {
    const pid_t pid = fork();
    if (pid == 0) {
        rg_records *r = NULL;
        const rg_run_start start = {.kind = kind};
        int64_t run = 0;
        if (rg_records_open(rg_mem_heap(), db_path, true, &r, NULL) != RG_OK ||
            rg_records_begin(r, &start, &run, NULL) != RG_OK) {
            _exit(1);
        }
        for (uint64_t i = 1; i <= n; i++) {
            const rg_run_step step = step_of(i);
            if (rg_records_step(r, run, &step, NULL) != RG_OK) {
                _exit(2);
            }
        }
        const int failed = rg_records_end(r, run, "done", NULL, NULL) != RG_OK ? 3 : 0;
        rg_records_close(r);
        _exit(failed);
    }
    return pid;
}

static void two_writers_at_once_lose_nothing(void **state) {
    (void)state;
    enum { N = 20000 };
    const pid_t a = start_writer("train", N);
    const pid_t b = start_writer("tune", N);
    int how = -1;
    assert_int_equal(waitpid(a, &how, 0), a);
    assert_int_equal(how, 0);
    assert_int_equal(waitpid(b, &how, 0), b);
    assert_int_equal(how, 0);
    rg_records *r = open_db();
    for (int64_t run = 1; run <= 2; run++) {
        const seen s = series(r, run);
        assert_true(s.n == N && s.is_in_order);
        assert_string_equal(get(r, run).state, "done");
    }
    rg_records_close(r);
}

// a database that is not there yet, opened by several at the same moment
static void several_may_make_the_database_at_once(void **state) {
    (void)state;
    enum { WRITERS = 4 };
    const int n_rounds = getenv("RAGA_TEST_LONG") != NULL ? 400 : 40;
    for (int round = 0; round < n_rounds; round++) {
        int gate[2];
        int how = 0;
        pid_t pids[WRITERS];
        snprintf(db_path, sizeof db_path, "%s/deep/%d.db", folder, round);
        assert_int_equal(pipe(gate), 0);
        for (size_t i = 0; i < WRITERS; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                char c;
                rg_records *r = NULL;
                close(gate[1]);
                const bool is_open =
                    read(gate[0], &c, 1) == 0 &&
                    rg_records_open(rg_mem_heap(), db_path, true, &r, NULL) == RG_OK;
                rg_records_close(r);
                _exit(is_open ? 0 : 1);
            }
        }
        close(gate[0]);
        close(gate[1]);
        for (size_t i = 0; i < WRITERS; i++) {
            assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
            assert_int_equal(how, 0);
        }
    }
}

static void a_killed_writer_leaves_whole_records(void **state) {
    (void)state;
    for (int64_t round = 1; round <= 5; round++) {
        const pid_t pid = start_writer("train", UINT64_MAX);
        const struct timespec while_it_works = {0, 30000000 + round * 17000000};
        nanosleep(&while_it_works, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        int how = 0;
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_true(WIFSIGNALED(how));
    }
    rg_records *r = open_db();
    seen all = {0};
    assert_int_equal(rg_records_list(r, see_run, &all, NULL), RG_OK);
    assert_true(all.n >= 1);
    for (int64_t run = 1; run <= (int64_t)all.n; run++) {
        const seen s = series(r, run);
        assert_true(s.n == 0 || s.is_in_order);
        assert_string_equal(get(r, run).state, "lost");
    }
    assert_int_equal(rg_records_remove(r, 1, NULL), RG_OK);
    rg_records_close(r);

    sqlite3 *db = NULL;
    sqlite3_stmt *check = NULL;
    assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL), 0);
    assert_int_equal(sqlite3_step(check), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
    sqlite3_finalize(check);
    sqlite3_close(db);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void a_locked_database_does_not_hold_up_the_work(void **state) {
    (void)state;
    rg_records *r = open_db();
    const int64_t run = begin(r, "train");
    sqlite3 *rival = NULL;
    assert_int_equal(sqlite3_open(db_path, &rival), SQLITE_OK);
    assert_int_equal(sqlite3_exec(rival, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    const double start = seconds();
    for (uint64_t i = 1; i <= 2000; i++) {
        const rg_run_step step = step_of(i);
        assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    }
    assert_true(seconds() - start < 4); // less than waiting for it once
    assert_int_equal(sqlite3_exec(rival, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(rival);
    const seen s = series(r, run);
    assert_true(s.n == 2000 && s.is_in_order);
    rg_records_close(r);
}

// ---- strange files ----

static void refuse(const char *says) {
    rg_error err = {0};
    rg_records *r = NULL;
    assert_int_equal(rg_records_open(rg_mem_heap(), db_path, true, &r, &err), RG_E_FORMAT);
    assert_null(r);
    if (strstr(err.text, says) == NULL || strstr(err.text, db_path) == NULL) {
        fail_msg("\"%s\" does not say %s", err.text, says);
    }
}

static void run_sql(const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void refuses_files_that_are_not_ours(void **state) {
    (void)state;
    char text[8192];
    memset(text, 'x', sizeof text);
    rg_file_make_folders(db_path);
    assert_int_equal(rg_file_write(db_path, text, sizeof text, NULL), RG_OK);
    refuse("is no database of runs");
    assert_int_equal(unlink(db_path), 0);

    run_sql("CREATE TABLE songs(name TEXT)");
    refuse("another program");
    assert_int_equal(unlink(db_path), 0);

    rg_records_close(open_db());
    run_sql("PRAGMA user_version = 99");
    refuse("newer raga (schema 99");
    run_sql("PRAGMA user_version = 1; DROP TABLE steps");
    rg_error err = {0};
    rg_records *r = open_db();
    assert_int_equal(rg_records_list(r, see_run, &(seen){0}, &err), RG_E_FORMAT);
    assert_non_null(strstr(err.text, "steps"));
    rg_records_close(r);
}

// every byte range overwritten in turn: an error or records, never a crash
static void survives_a_damaged_database(void **state) {
    (void)state;
    rg_records *r = open_db();
    const int64_t run = begin(r, "train");
    for (uint64_t i = 1; i <= 500; i++) {
        const rg_run_step step = step_of(i);
        assert_int_equal(rg_records_step(r, run, &step, NULL), RG_OK);
    }
    rg_records_close(r);
    rg_bytes good = {0};
    assert_int_equal(rg_file_read(rg_mem_heap(), db_path, 1 << 24, &good, NULL), RG_OK);
    size_t n_refused = 0;
    for (size_t at = 0; at + 512 <= good.size; at += 512) {
        uint8_t *bad = rg_alloc(rg_mem_heap(), good.size);
        memcpy(bad, good.data, good.size);
        memset(bad + at, 0xA5, 512);
        assert_int_equal(rg_file_write(db_path, bad, good.size, NULL), RG_OK);
        rg_free(rg_mem_heap(), bad);
        rg_error err = {0};
        rg_status status = rg_records_open(rg_mem_heap(), db_path, true, &r, &err);
        if (status == RG_OK) {
            seen s = {0};
            status = rg_records_list(r, see_run, &s, &err);
            status = status != RG_OK ? status : rg_records_series(r, run, see_step, &s, &err);
            rg_records_close(r);
        }
        if (status != RG_OK) {
            n_refused++;
            assert_non_null(strstr(err.text, db_path));
        }
    }
    assert_true(n_refused > 0);
    rg_free(rg_mem_heap(), (void *)good.data);
}

static void says_when_there_are_no_records(void **state) {
    (void)state;
    rg_error err = {0};
    rg_records *r = NULL;
    assert_int_equal(rg_records_open(rg_mem_heap(), db_path, false, &r, &err), RG_E_NOT_FOUND);
    assert_int_equal(rg_file_kind_of(db_path), RG_FILE_NONE);
    assert_int_equal(rg_records_open(rg_mem_heap(), "/proc/no/runs.db", true, &r, &err), RG_E_IO);
    torture t;
    torture_init(&t, 1);
    assert_int_equal(rg_records_open(&t.mem, db_path, true, &r, &err), RG_E_MEMORY);
    assert_int_equal(t.n_live, 0);
}

static void finds_its_place(void **state) {
    (void)state;
    char path[256];
    setenv("RAGA_DATA_DIR", "/a", 1);
    setenv("XDG_DATA_HOME", "/b", 1);
    setenv("HOME", "/c", 1);
    assert_int_equal(rg_records_path(path, sizeof path, NULL), RG_OK);
    assert_string_equal(path, "/a/runs.db");
    assert_int_equal(rg_records_path(path, strlen("/a/runs.db"), NULL), RG_E_LIMIT);
    unsetenv("RAGA_DATA_DIR");
    assert_int_equal(rg_records_path(path, sizeof path, NULL), RG_OK);
    assert_string_equal(path, "/b/raga/runs.db");
    setenv("XDG_DATA_HOME", "", 1);
    assert_int_equal(rg_records_path(path, sizeof path, NULL), RG_OK);
    assert_string_equal(path, "/c/.local/share/raga/runs.db");
    unsetenv("HOME");
    assert_int_equal(rg_records_path(path, sizeof path, NULL), RG_E_IO);
}

// ---- hashes ----

static void hashes_tell_files_apart(void **state) {
    (void)state;
    char file[128];
    char one[17], two[17], three[17];
    snprintf(file, sizeof file, "%s/a", folder);
    assert_int_equal(rg_file_write(file, "hello", 5, NULL), RG_OK);
    assert_int_equal(rg_records_hash(file, one, NULL), RG_OK);
    assert_int_equal(rg_records_hash(folder, two, NULL), RG_OK);
    assert_int_equal(rg_file_write(file, "hellO", 5, NULL), RG_OK);
    assert_int_equal(rg_records_hash(file, three, NULL), RG_OK);
    assert_int_equal(strlen(one), 16);
    assert_string_not_equal(one, three);
    assert_int_equal(rg_records_hash(folder, three, NULL), RG_OK);
    assert_string_not_equal(two, three);
    assert_int_equal(rg_file_write(file, "hello", 5, NULL), RG_OK);
    assert_int_equal(rg_records_hash(folder, three, NULL), RG_OK);
    assert_string_equal(two, three);

    // large and with a hole: hashed by pieces, its last byte among them
    FILE *large = fopen(file, "w");
    assert_non_null(large);
    assert_int_equal(ftruncate(fileno(large), 40 << 20), 0);
    assert_int_equal(rg_records_hash(file, one, NULL), RG_OK);
    assert_int_equal(fseek(large, -1, SEEK_END), 0);
    fputc('x', large);
    fclose(large);
    assert_int_equal(rg_records_hash(file, two, NULL), RG_OK);
    assert_string_not_equal(one, two);
    assert_int_equal(rg_records_hash("/no/such/file", one, NULL), RG_E_NOT_FOUND);
}

static bool see_model(void *arg, const rg_run_facts *facts) {
    seen *s = arg;
    snprintf(s->name, sizeof s->name, "%s %s", facts->model, facts->model_hash);
    return true;
}

static void a_run_learns_which_model_it_made(void **state) {
    (void)state;
    seen s = {0};
    rg_records *r = open_db();
    const int64_t run = begin(r, "train");
    assert_int_equal(rg_records_model(r, run, "m", "0123456789abcdef", NULL), RG_OK);
    assert_int_equal(rg_records_model(r, run + 1, "m", NULL, NULL), RG_E_NOT_FOUND);
    assert_int_equal(rg_records_get(r, run, see_model, &s, NULL), RG_OK);
    assert_string_equal(s.name, "m 0123456789abcdef");
    rg_records_close(r);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_goes_in_comes_out),
        IN_FOLDER(a_diverged_loss_is_kept_as_not_a_number),
        IN_FOLDER(a_resumed_run_forgets_what_happens_again),
        IN_FOLDER(removal_spares_what_is_at_work),
        IN_FOLDER(bad_arguments_are_refused),
        IN_FOLDER(two_writers_at_once_lose_nothing),
        IN_FOLDER(several_may_make_the_database_at_once),
        IN_FOLDER(a_killed_writer_leaves_whole_records),
        IN_FOLDER(a_locked_database_does_not_hold_up_the_work),
        IN_FOLDER(refuses_files_that_are_not_ours),
        IN_FOLDER(survives_a_damaged_database),
        IN_FOLDER(says_when_there_are_no_records),
        IN_FOLDER(a_run_learns_which_model_it_made),
        IN_FOLDER(hashes_tell_files_apart),
        cmocka_unit_test(finds_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
