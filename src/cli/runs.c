#include "cli/runs.h"

#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// ---- copies ----

/** A run being read: texts are kept as offsets until they lie still. */
typedef struct loader {
    cli_run *run;
    FILE *texts;
    FILE *rows;
    size_t n_texts;
} loader;

// 0 stands for "unknown"; the first byte of the texts is unused
static const char *keep(loader *l, const char *text) {
    if (text == NULL) {
        return NULL;
    }
    const size_t at = l->n_texts;
    fwrite(text, 1, strlen(text) + 1, l->texts);
    l->n_texts += strlen(text) + 1;
    return (const char *)at; // NOLINT: an offset until `settle`
}

static void settle(const char **text, const char *texts) {
    if (*text != NULL) {
        *text = texts + (size_t)*text;
    }
}

static bool see_facts(void *arg, const raga_run_facts *f) {
    loader *l = arg;
    raga_run_facts *to = &l->run->facts;
    *to = *f;
    const char **const texts[] = {&to->kind,       &to->name,      &to->state,
                                  &to->reason,     &to->recipe,    &to->model,
                                  &to->model_hash, &to->data_hash, &to->host};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = keep(l, *texts[i]);
    }
    return true;
}

static bool see_step(void *arg, const raga_run_step *step) {
    loader *l = arg;
    l->run->n_steps++;
    return fwrite(step, sizeof *step, 1, l->rows) == 1;
}

static bool see_evaluation(void *arg, const raga_run_evaluation *e) {
    loader *l = arg;
    raga_run_evaluation own = *e;
    own.name = keep(l, e->name);
    own.metric = keep(l, e->metric);
    l->run->n_evaluations++;
    return fwrite(&own, sizeof own, 1, l->rows) == 1;
}

static void settle_all(cli_run *run) {
    raga_run_facts *f = &run->facts;
    const char **const texts[] = {&f->kind,  &f->name,       &f->state,     &f->reason, &f->recipe,
                                  &f->model, &f->model_hash, &f->data_hash, &f->host};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        settle(texts[i], run->texts);
    }
    for (size_t i = 0; i < run->n_evaluations; i++) {
        settle(&run->evaluations[i].name, run->texts);
        settle(&run->evaluations[i].metric, run->texts);
    }
}

static bool note_last(void *arg, const raga_run_facts *f) {
    *(int64_t *)arg = f->id;
    return true;
}

static bool find_id(raga_records *records, const char *text, int64_t *id, raga_error *err) {
    char *end = NULL;
    errno = 0;
    if (strcmp(text, "last") == 0) {
        *id = 0;
        if (raga_records_list(records, note_last, id, err) != RAGA_OK) {
            cli_failed(err);
            return false;
        }
        if (*id == 0) {
            cli_error("no run is recorded in %s", raga_records_path(records));
        }
        return *id != 0;
    }
    *id = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || *id < 1) {
        cli_error("\"%.40s\" is no run: give its number (`raga runs` lists them), or \"last\"",
                  text);
        return false;
    }
    return true;
}

bool cli_run_load(raga_records *records, const char *text, bool has_steps, cli_run *out) {
    raga_error err = {0};
    int64_t id = 0;
    size_t size = 0;
    char *rows[2] = {NULL, NULL};
    *out = (cli_run){0};
    if (!find_id(records, text, &id, &err)) {
        return false;
    }
    loader l = {.run = out, .n_texts = 1};
    l.texts = open_memstream(&out->texts, &size);
    raga_status status = l.texts == NULL || fputc(0, l.texts) < 0
                             ? RAGA_E_MEMORY
                             : raga_records_get(records, id, see_facts, &l, &err);
    for (size_t i = 0; i < 2 && status == RAGA_OK; i++) {
        l.rows = open_memstream(&rows[i], &size);
        status = l.rows == NULL ? RAGA_E_MEMORY
                 : i == 1       ? raga_records_evaluations(records, id, see_evaluation, &l, &err)
                 : has_steps    ? raga_records_series(records, id, see_step, &l, &err)
                                : RAGA_OK;
        if (l.rows != NULL && fclose(l.rows) != 0) {
            status = RAGA_E_MEMORY;
        }
    }
    if (l.texts != NULL && fclose(l.texts) != 0) {
        status = RAGA_E_MEMORY;
    }
    out->steps = (raga_run_step *)(void *)rows[0];
    out->evaluations = (raga_run_evaluation *)(void *)rows[1];
    if (status != RAGA_OK) {
        err.status = status;
        cli_failed(&err);
        out->n_evaluations = 0;
        cli_run_clear(out);
        return false;
    }
    settle_all(out);
    return true;
}

void cli_run_clear(cli_run *run) {
    free(run->steps);
    free(run->evaluations);
    free(run->texts);
    *run = (cli_run){0};
}

// ---- showing ----

void cli_run_time(int64_t ms, char out[32]) {
    const time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (ms == 0 || localtime_r(&seconds, &parts) == NULL ||
        strftime(out, 32, "%Y-%m-%d %H:%M", &parts) == 0) {
        snprintf(out, 32, "-");
    }
}

static void member_text(FILE *out, const char *name, const char *text) {
    fprintf(out, ",\"%s\":", name);
    if (text == NULL) {
        fputs("null", out);
    } else {
        cli_json_text(out, text, strlen(text));
    }
}

static void member_number(FILE *out, const char *name, double value) {
    fprintf(out, ",\"%s\":", name);
    cli_json_number(out, value);
}

static bool see_setting(void *arg, const char *path, const char *value) {
    (void)arg, (void)path, (void)value;
    return false;
}

// JSON goes as it is, anything else as a text
static void member_json(FILE *out, const char *name, const char *text) {
    if (text != NULL && raga_records_settings(text, see_setting, NULL, NULL) == RAGA_OK) {
        fprintf(out, ",\"%s\":", name);
        // the parts stay on one line: line ends in JSON lie between its words
        for (const char *p = text; *p != '\0'; p++) {
            fputc(*p == '\n' || *p == '\r' ? ' ' : *p, out);
        }
    } else {
        member_text(out, name, text);
    }
}

static void write_evaluation(FILE *out, const raga_run_evaluation *e) {
    fputs("{\"step\":", out);
    if (e->has_step) {
        fprintf(out, "%" PRIu64, e->step);
    } else {
        fputs("null", out);
    }
    member_text(out, "name", e->name);
    member_text(out, "metric", e->metric);
    member_number(out, "value", e->value);
    member_number(out, "std_error", e->std_error);
    fprintf(out, ",\"n\":%" PRIu64 "}", e->n);
}

static void write_step(FILE *out, const raga_run_step *s) {
    fprintf(out, "{\"step\":%" PRIu64, s->step);
    member_number(out, "loss", s->loss);
    member_number(out, "lr", s->lr);
    member_number(out, "grad_norm", s->grad_norm);
    member_number(out, "tokens_s", s->tokens_s);
    fprintf(out, ",\"memory_bytes\":%" PRIu64 "}", s->memory_bytes);
}

void cli_run_json(FILE *out, const cli_run *run, bool has_steps) {
    const raga_run_facts *f = &run->facts;
    fprintf(out, "{\"id\":%" PRId64, f->id);
    member_text(out, "kind", f->kind);
    member_text(out, "name", f->name);
    member_text(out, "state", f->state);
    member_text(out, "reason", f->reason);
    fprintf(out, ",\"started_ms\":%" PRId64 ",\"ended_ms\":%" PRId64, f->started_ms, f->ended_ms);
    if (f->has_seed) {
        fprintf(out, ",\"seed\":%" PRIu64, f->seed);
    } else {
        fputs(",\"seed\":null", out);
    }
    member_text(out, "model", f->model);
    member_text(out, "model_hash", f->model_hash);
    member_text(out, "data_hash", f->data_hash);
    member_json(out, "recipe", f->recipe);
    member_json(out, "host", f->host);
    fprintf(out, ",\"n_steps\":%" PRIu64, f->n_steps);
    member_number(out, "first_loss", f->n_steps == 0 ? NAN : f->first_loss);
    member_number(out, "last_loss", f->n_steps == 0 ? NAN : f->last_loss);
    member_number(out, "least_loss", f->n_steps == 0 ? NAN : f->least_loss);
    fprintf(out, ",\"least_step\":%" PRIu64 ",\"evaluations\":[", f->least_step);
    for (size_t i = 0; i < run->n_evaluations; i++) {
        fputs(i == 0 ? "" : ",", out);
        write_evaluation(out, &run->evaluations[i]);
    }
    fputc(']', out);
    if (has_steps) {
        fputs(",\"steps\":[", out);
        for (size_t i = 0; i < run->n_steps; i++) {
            fputs(i == 0 ? "" : ",", out);
            write_step(out, &run->steps[i]);
        }
        fputc(']', out);
    }
    fputc('}', out);
}
