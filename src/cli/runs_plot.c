/* The curves of runs. */
#include "cli/options.h"
#include "cli/output.h"
#include "cli/runs.h"
#include "raga/plot.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** A series that steps have. */
static const struct {
    const char *name;
    const char *label;
    size_t at; // a double of raga_run_step
} fields[] = {
    {"loss", "loss", offsetof(raga_run_step, loss)},
    {"lr", "learning rate", offsetof(raga_run_step, lr)},
    {"grad_norm", "norm of the gradients", offsetof(raga_run_step, grad_norm)},
    {"tokens_s", "tokens a second", offsetof(raga_run_step, tokens_s)},
};

enum { N_FIELDS = sizeof fields / sizeof *fields, NAME_BYTES = 160 };

static size_t field_of(const cli_runs_look *look) {
    size_t i = 0;
    while (i < N_FIELDS && strcmp(fields[i].name, look->of) != 0) {
        i++;
    }
    return i;
}

bool cli_runs_check(const cli_runs_look *look) {
    if (field_of(look) == N_FIELDS) {
        cli_error("there is no series \"%.40s\": loss, lr, grad_norm and tokens_s are recorded",
                  look->of);
        return false;
    }
    return true;
}

/** Curves of several runs: a line and validations of each. */
typedef struct curves {
    raga_plot_series series[2 * CLI_RUNS_MAX];
    char names[2 * CLI_RUNS_MAX][NAME_BYTES];
    size_t n;
    size_t n_points; // of all
    double *values;  // x and y of all
} curves;

// a name from the records: nothing in it may steer a terminal
static void put_name(char out[NAME_BYTES], const cli_run *run, const char *what, double last) {
    char name[64];
    snprintf(name, sizeof name, "%s", run->facts.name);
    for (char *p = name; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == 0xC2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0) {
            p[0] = p[1] = '?'; // a C1 control
        } else if (c < 0x20 || c == 0x7F) {
            *p = '?';
        }
    }
    snprintf(out, NAME_BYTES, "%lld %s%s, last %.4g", (long long)run->facts.id, name, what, last);
}

static bool is_validation(const raga_run_evaluation *e) {
    return e->has_step && strcmp(e->metric, "loss") == 0;
}

static void put_series(curves *c, const cli_run *run, size_t color, bool is_points,
                       const cli_runs_look *look, double **at) {
    raga_plot_series *s = &c->series[c->n];
    const size_t most = is_points ? run->n_evaluations : run->n_steps;
    double *x = *at;
    double *y = *at + most;
    double last = NAN;
    size_t n = 0;
    for (size_t i = 0; i < most; i++) {
        if (!is_points) {
            const char *step = (const char *)&run->steps[i];
            x[n] = (double)run->steps[i].step;
            memcpy(&y[n], step + fields[field_of(look)].at, sizeof *y);
        } else if (is_validation(&run->evaluations[i])) {
            x[n] = (double)run->evaluations[i].step;
            y[n] = run->evaluations[i].value;
        } else {
            continue;
        }
        last = y[n++];
    }
    *at += 2 * most;
    if (n > 0) {
        put_name(c->names[c->n], run, is_points ? ", validation" : "", last);
        *s = (raga_plot_series){c->names[c->n], x, y, n, color, is_points};
        c->n++;
        c->n_points += n;
    }
}

// false: no memory
static bool make_curves(curves *c, const cli_run *runs, size_t n, const cli_runs_look *look) {
    size_t n_values = 1;
    size_t size = 0;
    char *bytes = NULL;
    for (size_t i = 0; i < n; i++) {
        n_values += 2 * (runs[i].n_steps + runs[i].n_evaluations);
    }
    FILE *out = open_memstream(&bytes, &size);
    const double zero = 0;
    for (size_t i = 0; out != NULL && i < n_values; i++) {
        fwrite(&zero, sizeof zero, 1, out);
    }
    if (out == NULL || fclose(out) != 0) {
        free(bytes);
        cli_error("no memory for the curves of %zu runs", n);
        return false;
    }
    c->values = (double *)(void *)bytes;
    double *at = c->values;
    for (size_t i = 0; i < n; i++) {
        put_series(c, &runs[i], i, false, look, &at);
        if (field_of(look) == 0) {
            put_series(c, &runs[i], i, true, look, &at);
        }
    }
    return true;
}

static raga_plot plot_of(const curves *c, const cli_runs_look *look) {
    return (raga_plot){.size = sizeof(raga_plot),
                       .x_label = "step",
                       .y_label = fields[field_of(look)].label,
                       .series = c->series,
                       .n_series = c->n,
                       .smooth = look->smooth,
                       .is_log = look->is_log,
                       .width = (unsigned)look->width,
                       .height = (unsigned)look->height};
}

int cli_runs_plot(const cli_run *runs, size_t n, const cli_runs_look *look) {
    enum { COLUMNS_LEAST = 30, COLUMNS_MOST = 160, ROWS = 18 };
    raga_error err = {0};
    char *text = NULL;
    size_t size = 0;
    static curves c;
    c = (curves){0};
    if (!make_curves(&c, runs, n, look)) {
        return CLI_FAILED;
    }
    raga_plot plot = plot_of(&c, look);
    const char *no_color = getenv("NO_COLOR");
    const unsigned columns = cli_columns() - 1;
    plot.width = plot.width != 0           ? plot.width
                 : columns < COLUMNS_LEAST ? COLUMNS_LEAST
                 : columns > COLUMNS_MOST  ? COLUMNS_MOST
                                           : columns;
    plot.height = plot.height != 0 ? plot.height : ROWS;
    plot.is_plain = look->is_plain || !cli_has_utf8();
    plot.has_color = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
    const raga_status status = raga_plot_text(&plot, &text, &size, &err);
    if (status == RAGA_OK) {
        fwrite(text, 1, size, stdout);
        raga_free(text);
    } else if (c.n_points > 0) {
        // curves of nothing but NaN are a fact about the run, other failures are not
        printf("%s\n", err.text);
    }
    free(c.values);
    return CLI_OK;
}

int cli_runs_svg(const cli_run *runs, size_t n, const cli_runs_look *look, const char *path) {
    raga_error err = {0};
    char *text = NULL;
    size_t size = 0;
    char title[256];
    static curves c;
    c = (curves){0};
    if (!make_curves(&c, runs, n, look)) {
        return CLI_FAILED;
    }
    raga_plot plot = plot_of(&c, look);
    if (n == 1) {
        snprintf(title, sizeof title, "%s of run %lld: %s", fields[field_of(look)].label,
                 (long long)runs->facts.id, runs->facts.name);
    } else {
        snprintf(title, sizeof title, "%s of %zu runs", fields[field_of(look)].label, n);
    }
    title[0] = (char)(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    plot.title = title;
    const raga_status status = raga_plot_svg(&plot, &text, &size, &err);
    free(c.values);
    if (status != RAGA_OK) {
        return cli_failed(&err);
    }
    const int exit_status = cli_write_file(path, text, size);
    raga_free(text);
    return exit_status;
}
