#include "cli/record.h"

#include "cli/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// in a folder that a run writes to: "ID STARTED_MS DATABASE". Hidden, so no part of the model.
#define RUN_FILE ".raga-run"

// the records are given up; the work goes on
static void give_up(cli_record *r, const raga_error *err) {
    fprintf(stderr, "\nraga: the run is not recorded%s: %s\n", r->run == 0 ? "" : " any further",
            err->text);
    raga_records_close(r->records);
    r->records = NULL;
    r->run = 0;
    r->is_off = true;
}

// ---- which run a folder belongs to ----

typedef struct sought {
    int64_t started_ms;
    const char *kind;
    bool is_it; // not another run of the same number, in a database made anew
} sought;

static bool see_run(void *arg, const raga_run_facts *facts) {
    sought *s = arg;
    if (s->started_ms == 0) {
        s->started_ms = facts->started_ms;
    }
    s->is_it = facts->started_ms == s->started_ms && strcmp(facts->kind, s->kind) == 0;
    return true;
}

static bool path_of_file(const cli_record *r, char path[4096]) {
    return r->out_dir != NULL && snprintf(path, 4096, "%s/" RUN_FILE, r->out_dir) < 4096;
}

static int64_t remembered(const cli_record *r) {
    char path[4096];
    char database[4096] = "";
    int64_t run = 0;
    sought s = {.kind = r->start.kind};
    FILE *in = path_of_file(r, path) ? fopen(path, "re") : NULL;
    if (in == NULL) {
        return 0;
    }
    const int n = fscanf(in, "%" SCNd64 " %" SCNd64 " %4095[^\n]", &run, &s.started_ms, database);
    fclose(in);
    if (n != 3 || strcmp(database, raga_records_path(r->records)) != 0 ||
        raga_records_get(r->records, run, see_run, &s, NULL) != RAGA_OK) {
        return 0;
    }
    return s.is_it ? run : 0;
}

// a folder that cannot be written will be said by the run itself
static void remember(const cli_record *r) {
    char path[4096];
    sought s = {.kind = r->start.kind};
    if (raga_records_get(r->records, r->run, see_run, &s, NULL) != RAGA_OK) {
        return;
    }
    FILE *out = path_of_file(r, path) ? fopen(path, "we") : NULL;
    if (out != NULL) {
        fprintf(out, "%" PRId64 " %" PRId64 " %s\n", r->run, s.started_ms,
                raga_records_path(r->records));
        fclose(out);
    }
}

// ---- a run ----

void cli_record_begin(cli_record *r, bool resumes, uint64_t n_steps) {
    raga_error err = {0};
    if (r->is_off) {
        return;
    }
    raga_status status = raga_records_open(NULL, true, &r->records, &err);
    const int64_t run = status == RAGA_OK && resumes ? remembered(r) : 0;
    if (run != 0) {
        status = raga_records_resume(r->records, run, n_steps, &err);
        r->run = run;
    } else if (status == RAGA_OK) {
        r->start.size = sizeof r->start;
        // what cannot be hashed is said by those who read it
        if (r->start.model != NULL &&
            raga_records_hash(r->start.model, r->model_hash, NULL) == RAGA_OK) {
            r->start.model_hash = r->model_hash;
        }
        status = raga_records_begin(r->records, &r->start, &r->run, &err);
    }
    if (status != RAGA_OK) {
        give_up(r, &err);
    } else if (run == 0) {
        remember(r);
    }
}

void cli_record_step(cli_record *r, const raga_run_step *step) {
    raga_error err = {0};
    if (r->run != 0 && raga_records_step(r->records, r->run, step, &err) != RAGA_OK) {
        give_up(r, &err);
    }
}

void cli_record_evaluation(cli_record *r, const raga_run_evaluation *e) {
    raga_error err = {0};
    if (r->run != 0 && raga_records_evaluation(r->records, r->run, e, &err) != RAGA_OK) {
        give_up(r, &err);
    }
}

void cli_record_model(cli_record *r, const char *path) {
    raga_error err = {0};
    char hash[17];
    if (r->run != 0 && raga_records_hash(path, hash, NULL) == RAGA_OK &&
        raga_records_model(r->records, r->run, path, hash, &err) != RAGA_OK) {
        give_up(r, &err);
    }
}

void cli_record_end(cli_record *r, const char *state, const char *reason) {
    raga_error err = {0};
    if (r->run != 0 && raga_records_end(r->records, r->run, state, reason, &err) != RAGA_OK) {
        give_up(r, &err);
    }
}

void cli_record_close(cli_record *r) {
    raga_records_close(r->records);
    free(r->recipe);
    r->records = NULL;
    r->recipe = NULL;
    r->run = 0;
}

// ---- settings ----

const char *cli_base_name(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    return path + n;
}

static void write_texts(FILE *out, const char *const *items, size_t n) {
    fputc('[', out);
    for (size_t i = 0; i < n; i++) {
        fputs(i == 0 ? "" : ",", out);
        cli_json_text(out, items[i], strlen(items[i]));
    }
    fputc(']', out);
}

// false: it has no value, and nothing is written
static bool write_option(FILE *out, const cli_option *o, const char *separator) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(o->name + 2, ","), o->name + 2);
    switch (o->kind) {
    case CLI_FLAG:
        return *(const bool *)o->value && fprintf(out, "%s\"%s\":true", separator, name) > 0;
    case CLI_INT:
        return *(const int64_t *)o->value != 0 &&
               fprintf(out, "%s\"%s\":%" PRId64, separator, name, *(const int64_t *)o->value) > 0;
    case CLI_SIZE:
        return *(const uint64_t *)o->value != 0 &&
               fprintf(out, "%s\"%s\":%" PRIu64, separator, name, *(const uint64_t *)o->value) > 0;
    case CLI_REAL:
        return *(const double *)o->value != 0 &&
               fprintf(out, "%s\"%s\":%.9g", separator, name, *(const double *)o->value) > 0;
    case CLI_TEXT: {
        const char *text = *(const char *const *)o->value;
        if (text == NULL) {
            return false;
        }
        fprintf(out, "%s\"%s\":", separator, name);
        cli_json_text(out, text, strlen(text));
        return true;
    }
    case CLI_LIST: {
        const cli_list *list = o->value;
        if (list->n == 0) {
            return false;
        }
        fprintf(out, "%s\"%s\":", separator, name);
        write_texts(out, list->items, list->n);
        return true;
    }
    case CLI_LAYERS: {
        const cli_layers *layers = o->value;
        for (size_t i = 0; i < layers->n; i++) {
            if (i == 0) {
                fprintf(out, "%s\"%s\":[", separator, name);
            }
            fprintf(out, "%s%u", i == 0 ? "" : ",", layers->items[i]);
        }
        return layers->n > 0 && fputc(']', out) >= 0;
    }
    case CLI_CALL:
        break;
    }
    return false;
}

bool cli_write_options(FILE *out, const cli_option *options, size_t n, const char *without) {
    bool has_one = false;
    for (size_t i = 0; i < n; i++) {
        char word[80];
        snprintf(word, sizeof word, " %.*s ", (int)strcspn(options[i].name, ","), options[i].name);
        if (strstr(without, word) == NULL) {
            has_one = write_option(out, &options[i], has_one ? "," : "") || has_one;
        }
    }
    return has_one;
}
