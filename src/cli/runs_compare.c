/* Runs side by side. */
#include "cli/options.h"
#include "cli/output.h"
#include "cli/runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 256, VALUE_BYTES = 128, HASH_BYTES = 12, CELL_MAX = 28 };

/** A setting in each of the runs. */
typedef struct row {
    char path[VALUE_BYTES];
    char values[CLI_RUNS_MAX][VALUE_BYTES]; // empty: the run has none
} row;

typedef struct table {
    row rows[ROWS_MAX];
    size_t n_rows;
    size_t run; // being read
    size_t n_left_out;
} table;

static bool see_setting(void *arg, const char *path, const char *value) {
    table *t = arg;
    size_t i = 0;
    while (i < t->n_rows && strncmp(t->rows[i].path, path, VALUE_BYTES - 1) != 0) {
        i++;
    }
    if (i == ROWS_MAX) {
        t->n_left_out++;
        return true;
    }
    if (i == t->n_rows) {
        t->n_rows++;
        snprintf(t->rows[i].path, VALUE_BYTES, "%s", path);
    }
    char *to = t->rows[i].values[t->run];
    if (snprintf(to, VALUE_BYTES, "%s", value) >= VALUE_BYTES) {
        // FNV-1a: what is cut off still tells values apart
        uint32_t hash = 2166136261u;
        for (const char *p = value; *p != '\0'; p++) {
            hash = (hash ^ (unsigned char)*p) * 16777619u;
        }
        snprintf(to + VALUE_BYTES - HASH_BYTES, HASH_BYTES, "..#%08" PRIx32, hash);
    }
    return true;
}

static void see_count(table *t, const char *path, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    (void)see_setting(t, path, text);
}

static void see_number(table *t, const char *path, double value) {
    char text[32];
    if (isfinite(value)) {
        snprintf(text, sizeof text, "%.6g", value);
        (void)see_setting(t, path, text);
    }
}

static void see_run(table *t, const cli_run *run) {
    const raga_run_facts *f = &run->facts;
    const char *const texts[][2] = {{"kind", f->kind},
                                    {"name", f->name},
                                    {"state", f->state},
                                    {"model", f->model},
                                    {"model hash", f->model_hash},
                                    {"data hash", f->data_hash}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i][1] != NULL) {
            (void)see_setting(t, texts[i][0], texts[i][1]);
        }
    }
    if (f->recipe != NULL) {
        // settings that are no JSON have nothing to line up
        (void)!raga_records_settings(f->recipe, see_setting, t, NULL);
    }
    if (f->has_seed) {
        see_count(t, "seed", f->seed);
    }
    if (f->n_steps > 0) {
        see_count(t, "steps done", f->n_steps);
        see_number(t, "first loss", f->first_loss);
        see_number(t, "last loss", f->last_loss);
        see_number(t, "least loss", f->least_loss);
    }
    for (size_t i = 0; i < run->n_evaluations; i++) {
        char path[VALUE_BYTES];
        snprintf(path, sizeof path, "%s %s", run->evaluations[i].name, run->evaluations[i].metric);
        see_number(t, path, run->evaluations[i].value); // the last one stays
    }
}

static bool differs(const row *r, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (strcmp(r->values[i], r->values[0]) != 0) {
            return true;
        }
    }
    return false;
}

static void print_cell(const char *text, size_t width, bool is_last) {
    char cut[VALUE_BYTES];
    size_t n = 0; // characters
    size_t end = 0;
    while (text[end] != '\0' && n < width) {
        do {
            end++;
        } while (((unsigned char)text[end] & 0xC0) == 0x80);
        n++;
    }
    snprintf(cut, sizeof cut, "%.*s", (int)end, text);
    cli_print_safe(cut, strlen(cut));
    printf("%*s", is_last ? 0 : (int)(width - n) + 2, "");
}

static void print_table(const table *t, const cli_run *runs, size_t n) {
    size_t width = 4;
    size_t widths[CLI_RUNS_MAX];
    for (size_t i = 0; i < n; i++) {
        widths[i] = 6;
    }
    for (size_t i = 0; i < t->n_rows; i++) {
        if (differs(&t->rows[i], n)) {
            const size_t size = strlen(t->rows[i].path);
            width = size > width ? size : width;
            for (size_t k = 0; k < n; k++) {
                const size_t cell = strlen(t->rows[i].values[k]);
                widths[k] = cell > widths[k] ? cell : widths[k];
            }
        }
    }
    print_cell("run", width > CELL_MAX ? CELL_MAX : width, false);
    for (size_t k = 0; k < n; k++) {
        char id[32];
        snprintf(id, sizeof id, "%" PRId64, runs[k].facts.id);
        widths[k] = widths[k] > CELL_MAX ? CELL_MAX : widths[k];
        print_cell(id, widths[k], k + 1 == n);
    }
    putchar('\n');
    for (size_t i = 0; i < t->n_rows; i++) {
        if (!differs(&t->rows[i], n)) {
            continue;
        }
        print_cell(t->rows[i].path, width > CELL_MAX ? CELL_MAX : width, false);
        for (size_t k = 0; k < n; k++) {
            const char *value = t->rows[i].values[k];
            print_cell(value[0] == '\0' ? "-" : value, widths[k], k + 1 == n);
        }
        putchar('\n');
    }
    if (t->n_left_out > 0) {
        printf("(%zu settings beyond %d are not compared)\n", t->n_left_out, ROWS_MAX);
    }
}

static void print_json(const table *t, const cli_run *runs, size_t n) {
    bool has_one = false;
    fputs("{\"runs\":[", stdout);
    for (size_t k = 0; k < n; k++) {
        fputs(k == 0 ? "" : ",", stdout);
        cli_run_json(stdout, &runs[k], false);
    }
    fputs("],\"differ\":{", stdout);
    for (size_t i = 0; i < t->n_rows; i++) {
        if (!differs(&t->rows[i], n)) {
            continue;
        }
        fputs(has_one ? "," : "", stdout);
        has_one = true;
        cli_json_text(stdout, t->rows[i].path, strlen(t->rows[i].path));
        fputs(":[", stdout);
        for (size_t k = 0; k < n; k++) {
            const char *value = t->rows[i].values[k];
            fputs(k == 0 ? "" : ",", stdout);
            if (value[0] == '\0') {
                fputs("null", stdout);
            } else {
                cli_json_text(stdout, value, strlen(value));
            }
        }
        fputc(']', stdout);
    }
    fputs("}}\n", stdout);
}

int cli_runs_compare(const cli_run *runs, size_t n, const cli_runs_look *look, bool is_json) {
    static table t; // too large for a stack
    t = (table){0};
    for (t.run = 0; t.run < n; t.run++) {
        see_run(&t, &runs[t.run]);
    }
    if (is_json) {
        print_json(&t, runs, n);
        return CLI_OK;
    }
    print_table(&t, runs, n);
    putchar('\n');
    return cli_runs_plot(runs, n, look);
}
