#include "cli/pull.h"

#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/** What is shown. */
typedef struct shower {
    bool is_json;
    bool is_terminal;
    bool is_dry_run;
    bool has_line; // a line of progress is on the terminal
    double shown_s;
    int percent; // last written where there is no terminal
    uint64_t total_bytes;
    uint64_t done_bytes;
    char name[256];
} shower;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void clear_line(shower *s) {
    if (s->has_line) {
        fputs("\r\033[K", stderr);
        s->has_line = false;
    }
}

// text from a hub on stderr: what could steer a terminal becomes "?"
static void put_safe(const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        const bool is_c1 = p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0;
        fputc(*p < 0x20 || *p == 0x7F || is_c1 ? '?' : *p, stderr);
        p += is_c1;
    }
}

// "1:05:09 left"
static void time_left(double seconds, char *out, size_t size) {
    const unsigned long s = seconds < 1e7 ? (unsigned long)(seconds + 0.5) : 9999999;
    if (s >= 3600) {
        snprintf(out, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, size, "%lu:%02lu", s / 60, s % 60);
    }
}

static void show_line(shower *s, const raga_pull_event *e) {
    enum { WIDTH = 24 };
    char left[32] = "";
    const double share = e->total_bytes == 0 ? 1 : (double)e->done_bytes / (double)e->total_bytes;
    const int filled = (int)(share * WIDTH);
    clear_line(s);
    fprintf(stderr, "[%.*s%*s] %5.1f %%  %s of %s", filled, "########################",
            WIDTH - filled, "", share * 100, cli_bytes(e->done_bytes), cli_bytes(e->total_bytes));
    if (e->waiting != NULL) {
        fprintf(stderr, "  waiting %.0f s: ", e->wait_s);
        char reason[41];
        snprintf(reason, sizeof reason, "%s", e->waiting);
        put_safe(reason);
    } else if (e->bytes_s > 0) {
        time_left((double)(e->total_bytes - e->done_bytes) / e->bytes_s, left, sizeof left);
        fprintf(stderr, "  %s/s  %s left", cli_bytes((uint64_t)e->bytes_s), left);
    }
    fflush(stderr);
    s->has_line = true;
}

static void show_plan(shower *s, const raga_pull_event *e) {
    snprintf(s->name, sizeof s->name, "%s", e->name);
    fprintf(stderr, "%s: %zu file%s, %s", e->name, e->n_files, e->n_files == 1 ? "" : "s",
            cli_bytes(e->total_bytes));
    if (e->done_bytes > 0) {
        fprintf(stderr, ", of which %s are there", cli_bytes(e->done_bytes));
    }
    fputs("\nlicense: ", stderr);
    put_safe(e->license[0] == '\0' ? "the hub states none" : e->license);
    fputc('\n', stderr);
    if (e->note[0] != '\0') {
        fputs("files: ", stderr);
        put_safe(e->note);
        fputc('\n', stderr);
    }
    for (size_t i = 0; s->is_dry_run && i < e->n_files; i++) {
        printf("%12s  ", cli_bytes(e->files[i].bytes));
        cli_print_safe(e->files[i].path, strlen(e->files[i].path));
        putchar('\n');
    }
}

static void show_json(const shower *s, const raga_pull_event *e) {
    static const char *const kinds[] = {"plan", "progress", "file"};
    printf("{\"event\":\"%s\",\"total\":%llu", kinds[e->kind], (unsigned long long)e->total_bytes);
    if (e->kind != RAGA_PULL_FILE) {
        printf(",\"done\":%llu", (unsigned long long)e->done_bytes);
    }
    if (e->kind == RAGA_PULL_PLAN) {
        printf(",\"free\":%llu,\"name\":", (unsigned long long)e->free_bytes);
        cli_json_text(stdout, e->name, strlen(e->name));
        printf(",\"revision\":");
        cli_json_text(stdout, e->revision, strlen(e->revision));
        printf(",\"license\":");
        cli_json_text(stdout, e->license, strlen(e->license));
        printf(",\"note\":");
        cli_json_text(stdout, e->note, strlen(e->note));
    } else if (e->kind == RAGA_PULL_PROGRESS) {
        printf(",\"bytes_per_second\":");
        cli_json_number(stdout, e->bytes_s);
        if (e->waiting != NULL) {
            printf(",\"wait_seconds\":");
            cli_json_number(stdout, e->wait_s);
            printf(",\"waiting\":");
            cli_json_text(stdout, e->waiting, strlen(e->waiting));
        }
    }
    for (size_t i = 0; i < e->n_files; i++) {
        printf(i == 0 ? ",\"files\":[{\"path\":" : ",{\"path\":");
        cli_json_text(stdout, e->files[i].path, strlen(e->files[i].path));
        printf(",\"size\":%llu,\"sha256\":\"%s\"}%s", (unsigned long long)e->files[i].bytes,
               e->files[i].sha256, i + 1 == e->n_files ? "]" : "");
    }
    puts("}");
    fflush(stdout);
    (void)s;
}

static bool on_event(void *arg, const raga_pull_event *e) {
    shower *s = arg;
    const double now = now_s();
    if (e->kind == RAGA_PULL_PLAN || e->total_bytes > 0) {
        s->total_bytes = e->total_bytes;
        s->done_bytes = e->kind == RAGA_PULL_FILE ? s->done_bytes : e->done_bytes;
    }
    if (e->kind == RAGA_PULL_PROGRESS) {
        const int percent =
            e->total_bytes == 0 ? 0 : (int)((double)e->done_bytes * 100 / (double)e->total_bytes);
        const bool is_due = e->total_bytes > 0 && now - s->shown_s >= (s->is_json ? 0.5 : 0.2);
        if (is_due && s->is_json) {
            show_json(s, e);
        } else if (is_due && s->is_terminal) {
            show_line(s, e);
        } else if (!s->is_json && !s->is_terminal && percent / 10 > s->percent / 10) {
            fprintf(stderr, "%d %% of %s\n", percent, cli_bytes(e->total_bytes));
            s->percent = percent;
        }
        s->shown_s = is_due ? now : s->shown_s;
    } else {
        clear_line(s);
        if (s->is_json) {
            show_json(s, e);
        } else if (e->kind == RAGA_PULL_PLAN) {
            show_plan(s, e);
        } else {
            fprintf(stderr, "%s: complete, %s, sha256 %.16s...\n", e->files[0].path,
                    cli_bytes(e->files[0].bytes), e->files[0].sha256);
        }
    }
    return !cli_interrupt_flag(false);
}

int cli_pull(const raga_pull_options *options, bool is_json, char **path) {
    raga_error err = {0};
    const char *where = NULL;
    shower s = {.is_json = is_json,
                .is_terminal = isatty(STDERR_FILENO) != 0,
                .is_dry_run = options->is_dry_run};
    raga_pull_options o = *options;
    o.event = on_event;
    o.arg = &s;
    *path = NULL;
    cli_interrupt_flag(true);
    const raga_status status = raga_hub_pull(&o, path, &where, &err);
    clear_line(&s);
    if (status == RAGA_E_CANCELLED) {
        cli_error("stopped at about %s of %s; the same command goes on from there",
                  cli_bytes(s.done_bytes), cli_bytes(s.total_bytes));
        return CLI_INTERRUPTED;
    }
    if (is_json && status != RAGA_OK) {
        printf("{\"event\":\"error\",\"code\":\"%s\",\"error\":", raga_status_name(status));
        cli_json_text(stdout, err.text, strlen(err.text));
        puts("}");
    }
    if (status != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_json && *path != NULL) {
        printf("{\"event\":\"done\",\"path\":");
        cli_json_text(stdout, *path, strlen(*path));
        printf(",\"in_place\":%s}\n", where == NULL ? "false" : "true");
    } else if (where != NULL) {
        fprintf(stderr,
                "%s has it already, and it is used from there (--copy pulls one of its own)\n",
                where);
    }
    return CLI_OK;
}
