#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/** The command line. */
typedef struct runs_command {
    const char *words[CLI_RUNS_MAX + 2]; // what to do, and with which runs
    cli_runs_look look;
    double smooth;
    bool has_smooth;
    bool is_json;
    const char *output;
} runs_command;

// ---- the list ----

enum { NAME_MAX_SHOWN = 24 };

typedef struct lister {
    const runs_command *c;
    raga_records *records;
    size_t n;
    size_t name_width;
    int64_t ids[4096]; // the newest
} lister;

static bool see_id(void *arg, const raga_run_facts *f) {
    lister *l = arg;
    enum { MOST = sizeof l->ids / sizeof *l->ids };
    if (l->n == MOST) {
        memmove(l->ids, l->ids + 1, (MOST - 1) * sizeof *l->ids);
        l->n--;
    }
    l->ids[l->n++] = f->id;
    const size_t size = strlen(f->name);
    l->name_width = size > l->name_width ? size : l->name_width;
    return true;
}

static void print_number(double v, bool is_there) {
    if (is_there && isfinite(v)) {
        printf("  %8.4g", v);
    } else {
        printf("  %8s", is_there ? "NaN" : "-");
    }
}

static void print_name(const char *name, size_t width) {
    const size_t size = strlen(name);
    const size_t n = size > width ? width : size;
    cli_print_safe(name, n);
    printf("%*s", (int)(width - n), "");
}

static void print_run(const lister *l, const cli_run *run) {
    const raga_run_facts *f = &run->facts;
    char started[32];
    cli_run_time(f->started_ms, started);
    printf("%4" PRId64 "  ", f->id);
    print_name(f->kind, 5);
    fputs("  ", stdout);
    print_name(f->name, l->name_width);
    fputs("  ", stdout);
    print_name(f->state, 7);
    printf("  %-16s  %7" PRIu64, started, f->n_steps);
    print_number(f->first_loss, f->n_steps > 0);
    print_number(f->last_loss, f->n_steps > 0);
    print_number(f->least_loss, f->n_steps > 0);
    if (run->n_evaluations > 0) {
        // of a training run the last one counts, of an evaluation the first one is its result
        const raga_run_evaluation *e = run->evaluations[0].has_step
                                           ? &run->evaluations[run->n_evaluations - 1]
                                           : &run->evaluations[0];
        fputs("  ", stdout);
        cli_print_safe(e->name, strlen(e->name));
        putchar(' ');
        cli_print_safe(e->metric, strlen(e->metric));
        printf(" %.4g", e->value);
        if (run->n_evaluations > 1) {
            printf(" (of %zu)", run->n_evaluations);
        }
    }
    putchar('\n');
}

static int list(const runs_command *c, raga_records *records) {
    raga_error err = {0};
    static lister l; // too large for a stack
    l = (lister){.c = c, .records = records, .name_width = 4};
    if (raga_records_list(records, see_id, &l, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    l.name_width = l.name_width > NAME_MAX_SHOWN ? NAME_MAX_SHOWN : l.name_width;
    if (!c->is_json && l.n > 0) {
        printf("  id  kind   %-*s  state    started             steps     first      last     "
               "least  evaluations\n",
               (int)l.name_width, "name");
    }
    fputs(c->is_json ? "[" : "", stdout);
    for (size_t i = 0; i < l.n; i++) {
        char id[32];
        cli_run run;
        snprintf(id, sizeof id, "%" PRId64, l.ids[i]);
        if (!cli_run_load(records, id, false, &run)) {
            return CLI_FAILED;
        }
        if (c->is_json) {
            fputs(i == 0 ? "" : ",\n", stdout);
            cli_run_json(stdout, &run, false);
        } else {
            print_run(&l, &run);
        }
        cli_run_clear(&run);
    }
    fputs(c->is_json ? "]\n" : l.n == 0 ? "no runs are recorded yet\n" : "", stdout);
    return CLI_OK;
}

// ---- one run ----

static void print_fact(const char *name, const char *text) {
    if (text != NULL) {
        printf("  %-10s  ", name);
        cli_print_safe(text, strlen(text));
        putchar('\n');
    }
}

static bool print_setting(void *arg, const char *path, const char *value) {
    (void)arg;
    printf("    ");
    cli_print_safe(path, strlen(path));
    printf(" = ");
    cli_print_safe(value, strlen(value));
    putchar('\n');
    return true;
}

static void print_evaluations(const cli_run *run) {
    enum { SHOWN = 12 };
    const size_t from = run->n_evaluations > SHOWN ? run->n_evaluations - SHOWN : 0;
    if (run->n_evaluations > 0) {
        printf("  evaluations%s\n", from > 0 ? " (the last ones; --json has all)" : "");
    }
    for (size_t i = from; i < run->n_evaluations; i++) {
        const raga_run_evaluation *e = &run->evaluations[i];
        printf("    ");
        if (e->has_step) {
            printf("step %" PRIu64 "  ", e->step);
        }
        cli_print_safe(e->name, strlen(e->name));
        putchar(' ');
        cli_print_safe(e->metric, strlen(e->metric));
        printf(" %.6g", e->value);
        if (isfinite(e->std_error)) {
            printf(" ± %.2g", e->std_error);
        }
        if (e->n != 0) {
            printf("  (n = %" PRIu64 ")", e->n);
        }
        putchar('\n');
    }
}

static int show(const runs_command *c, const cli_run *run) {
    const raga_run_facts *f = &run->facts;
    char text[32];
    if (c->is_json) {
        cli_run_json(stdout, run, true);
        putchar('\n');
        return CLI_OK;
    }
    printf("run %" PRId64 ": ", f->id);
    cli_print_safe(f->name, strlen(f->name));
    putchar('\n');
    print_fact("kind", f->kind);
    print_fact("state", f->state);
    print_fact("reason", f->reason);
    cli_run_time(f->started_ms, text);
    print_fact("started", text);
    cli_run_time(f->ended_ms, text);
    print_fact("ended", text);
    print_fact("model", f->model);
    print_fact("model hash", f->model_hash);
    print_fact("data hash", f->data_hash);
    if (f->has_seed) {
        snprintf(text, sizeof text, "%" PRIu64, f->seed);
        print_fact("seed", text);
    }
    print_fact("host", f->host);
    if (f->recipe != NULL) {
        puts("  settings");
        if (raga_records_settings(f->recipe, print_setting, NULL, NULL) != RAGA_OK) {
            (void)print_setting(NULL, "text", f->recipe);
        }
    }
    if (f->n_steps > 0) {
        printf("  %" PRIu64 " steps: first loss %.4g, last %.4g, least %.4g at step %" PRIu64 "\n",
               f->n_steps, f->first_loss, f->last_loss, f->least_loss, f->least_step);
    }
    print_evaluations(run);
    putchar('\n');
    return cli_runs_plot(run, 1, &c->look);
}

// ---- what can be done with runs ----

static int do_show(const runs_command *c, const cli_run *runs, size_t n) {
    int status = CLI_OK;
    for (size_t i = 0; i < n && status == CLI_OK; i++) {
        status = show(c, &runs[i]);
    }
    return status;
}

static int do_compare(const runs_command *c, const cli_run *runs, size_t n) {
    return cli_runs_compare(runs, n, &c->look, c->is_json);
}

static int do_svg(const runs_command *c, const cli_run *runs, size_t n) {
    const int status = cli_runs_svg(runs, n, &c->look, c->output);
    if (status == CLI_OK && strcmp(c->output, "-") != 0) {
        fputs(c->is_json ? "{\"file\":" : "", stdout);
        if (c->is_json) {
            cli_json_text(stdout, c->output, strlen(c->output));
        } else {
            fputs(c->output, stdout);
        }
        puts(c->is_json ? "}" : "");
    }
    return status;
}

/** What a word asks for. */
static const struct action {
    const char *word;
    int (*fn)(const runs_command *c, const cli_run *runs, size_t n);
    size_t n_least;
    bool writes; // needs -o
} actions[] = {
    {"show", do_show, 1, false},
    {"compare", do_compare, 2, false},
    {"svg", do_svg, 1, true},
    {"rm", NULL, 1, false}, // needs nothing of the runs but their numbers
};

enum { N_ACTIONS = sizeof actions / sizeof *actions };

static int forget(const runs_command *c, raga_records *records, size_t n) {
    raga_error err = {0};
    fputs(c->is_json ? "{\"removed\":[" : "", stdout);
    for (size_t i = 0; i < n; i++) {
        cli_run run;
        if (!cli_run_load(records, c->words[i + 1], false, &run)) {
            return CLI_FAILED;
        }
        const int64_t id = run.facts.id;
        cli_run_clear(&run);
        if (raga_records_remove(records, id, &err) != RAGA_OK) {
            return cli_failed(&err);
        }
        if (c->is_json) {
            printf("%s%" PRId64, i == 0 ? "" : ",", id);
        } else {
            printf("run %" PRId64 " is forgotten\n", id);
        }
    }
    fputs(c->is_json ? "]}\n" : "", stdout);
    return CLI_OK;
}

static int act(const runs_command *c, raga_records *records, const struct action *a) {
    static cli_run runs[CLI_RUNS_MAX];
    size_t n = 0;
    size_t n_loaded = 0;
    int status = CLI_OK;
    while (n < CLI_RUNS_MAX && c->words[n + 1] != NULL) {
        n++;
    }
    if (n < a->n_least) {
        cli_error("raga runs %s needs %s", a->word,
                  a->n_least == 1 ? "the number of a run" : "the numbers of two runs or more");
        return CLI_USAGE;
    }
    if (a->writes && c->output == NULL) {
        cli_error("raga runs %s needs a file to write: -o FILE", a->word);
        return CLI_USAGE;
    }
    if (a->fn == NULL) {
        return forget(c, records, n);
    }
    while (n_loaded < n && status == CLI_OK) {
        if (cli_run_load(records, c->words[n_loaded + 1], true, &runs[n_loaded])) {
            n_loaded++;
        } else {
            status = CLI_FAILED;
        }
    }
    if (status == CLI_OK) {
        status = a->fn(c, runs, n);
    }
    for (size_t i = 0; i < n_loaded; i++) {
        cli_run_clear(&runs[i]);
    }
    return status;
}

static int work(const runs_command *c) {
    raga_error err = {0};
    raga_records *records = NULL;
    const struct action *a = NULL;
    for (size_t i = 0; c->words[0] != NULL && i < N_ACTIONS; i++) {
        a = strcmp(actions[i].word, c->words[0]) == 0 ? &actions[i] : a;
    }
    if (c->words[0] != NULL && a == NULL) {
        cli_error("\"%.40s\" is nothing that can be done with runs: show, compare, svg, rm",
                  c->words[0]);
        return CLI_USAGE;
    }
    const raga_status status = raga_records_open(NULL, false, &records, &err);
    if (status == RAGA_E_NOT_FOUND && a == NULL) {
        puts(c->is_json ? "[]" : "no runs are recorded yet");
        return CLI_OK;
    }
    if (status != RAGA_OK) {
        return cli_failed(&err);
    }
    const int done = a == NULL ? list(c, records) : act(c, records, a);
    raga_records_close(records);
    return done;
}

int cmd_runs(int argc, char **argv) {
    runs_command c = {.look = {.of = "loss"}};
    // clang-format off
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &c.output, "FILE", "svg: where it goes; - is standard output", 0, 0, NULL},
        {"--of", CLI_TEXT, &c.look.of, "SERIES", "what is drawn: loss, lr, grad_norm, tokens_s (loss)", 0, 0, NULL},
        {"--log", CLI_FLAG, &c.look.is_log, NULL, "a logarithmic scale", 0, 0, NULL},
        {"--smooth", CLI_REAL, &c.smooth, "N", "steps that the running mean spans; 0: raw (a fiftieth of the run)", 0, 1e9, &c.has_smooth},
        {"--width", CLI_INT, &c.look.width, "N", "columns, or pixels of an SVG (the terminal's, 860)", 30, 8192, NULL},
        {"--height", CLI_INT, &c.look.height, "N", "rows, or pixels of an SVG (18, 480)", 5, 8192, NULL},
        {"--ascii", CLI_FLAG, &c.look.is_plain, NULL, "plain characters instead of braille dots", 0, 0, NULL},
        {"--json", CLI_FLAG, &c.is_json, NULL, "JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga runs [show ID | compare ID ID... | svg ID... -o FILE | rm ID...]",
        .about = "Runs of training, tuning and evaluation as they are recorded: the list, one with "
                 "its curve, several side by side, curves as SVG. ID is a number, or \"last\". The "
                 "records lie in RAGA_DATA_DIR, else ~/.local/share/raga.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = c.words,
        .words_max = CLI_RUNS_MAX + 1,
        .examples = "  raga runs\n"
                    "  raga runs show last --log\n"
                    "  raga runs compare 3 5\n"
                    "  raga runs svg 3 5 -o losses.svg\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    // to the plot 0 means "as suits", below 1 "raw"
    c.look.smooth = !c.has_smooth ? 0 : c.smooth < 1 ? 0.5 : c.smooth;
    return cli_runs_check(&c.look) ? work(&c) : CLI_USAGE;
}
