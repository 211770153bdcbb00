/* The store: what is in it, what it takes, what goes. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/hub.h"

#include <string.h>
#include <time.h>

// ---- list ----

typedef struct lister {
    bool is_json;
    size_t n;
    size_t n_unreadable;
} lister;

static void print_json(const lister *l, const raga_store_model *m) {
    printf("%s{\"name\":", l->n == 0 ? "" : ",\n");
    cli_json_text(stdout, m->name, strlen(m->name));
    printf(",\"complete\":%s,\"size\":%llu,\"there\":%llu,\"pulled\":%lld,\"path\":",
           m->is_complete ? "true" : "false", (unsigned long long)m->bytes,
           (unsigned long long)m->kept_bytes, (long long)m->pulled_s);
    cli_json_text(stdout, m->path, strlen(m->path));
    printf(",\"revision\":");
    cli_json_text(stdout, m->revision, strlen(m->revision));
    printf(",\"license\":");
    cli_json_text(stdout, m->license, strlen(m->license));
    printf(",\"files\":[");
    for (size_t i = 0; i < m->n_files; i++) {
        printf("%s{\"path\":", i == 0 ? "" : ",");
        cli_json_text(stdout, m->files[i].path, strlen(m->files[i].path));
        printf(",\"size\":%llu,\"sha256\":\"%s\"}", (unsigned long long)m->files[i].bytes,
               m->files[i].sha256);
    }
    printf("]}");
}

static bool on_model(void *arg, const raga_store_model *m) {
    lister *l = arg;
    if (l->is_json) {
        print_json(l, m);
    } else {
        char day[32] = "";
        const time_t pulled = (time_t)m->pulled_s;
        struct tm local;
        if (localtime_r(&pulled, &local) != NULL) {
            strftime(day, sizeof day, "%Y-%m-%d", &local);
        }
        printf("%10s  %-10s  ", cli_bytes(m->bytes), day);
        cli_print_safe(m->name, strlen(m->name));
        if (m->license[0] != '\0') {
            printf("  (");
            cli_print_safe(m->license, strlen(m->license));
            printf(")");
        }
        if (m->is_pull) {
            printf("  pull of which %.0f %% is there",
                   m->bytes == 0 ? 0 : (double)m->kept_bytes * 100 / (double)m->bytes);
        } else if (!m->is_complete) {
            printf("  files are missing: pull it again");
        }
        putchar('\n');
    }
    l->n++;
    return true;
}

int cmd_list(int argc, char **argv) {
    raga_error err = {0};
    lister l = {0};
    const cli_option options[] = {
        {"--json", CLI_FLAG, &l.is_json, NULL, "print JSON", 0, 0, NULL},
    };
    const cli_spec spec = {.usage = "raga list",
                           .about = "The models of the store, and pulls that have not ended.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    fputs(l.is_json ? "[" : "", stdout);
    if (raga_store_walk(on_model, &l, &l.n_unreadable, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    fputs(l.is_json  ? "]\n"
          : l.n == 0 ? "the store is empty; `raga pull NAME` fills it\n"
                     : "",
          stdout);
    if (l.n_unreadable > 0) {
        cli_error("%zu records of the store cannot be read", l.n_unreadable);
        return CLI_FAILED;
    }
    return CLI_OK;
}

// ---- du ----

int cmd_du(int argc, char **argv) {
    raga_error err = {0};
    bool is_json = false;
    raga_store_usage u = {.size = sizeof u};
    const cli_option options[] = {
        {"--json", CLI_FLAG, &is_json, NULL, "print JSON", 0, 0, NULL},
    };
    const cli_spec spec = {.usage = "raga du",
                           .about = "The room that the store takes.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (raga_store_measure(&u, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_json) {
        printf("{\"path\":");
        cli_json_text(stdout, u.path, strlen(u.path));
        printf(
            ",\"models\":%zu,\"bytes\":%llu,\"named_bytes\":%llu,\"pulls\":%zu,\"partial_bytes\":%"
            "llu,\"unused_bytes\":%llu,\"free_bytes\":%llu,\"unreadable\":%zu}\n",
            u.n_models, (unsigned long long)u.blob_bytes, (unsigned long long)u.named_bytes,
            u.n_pulls, (unsigned long long)u.partial_bytes, (unsigned long long)u.unused_bytes,
            (unsigned long long)u.free_bytes, u.n_unreadable);
        return CLI_OK;
    }
    printf("store       %s\n", u.path);
    printf("models      %zu, %s", u.n_models, cli_bytes(u.blob_bytes));
    if (u.named_bytes > u.blob_bytes) {
        printf(" (%s less than apart: they share files)", cli_bytes(u.named_bytes - u.blob_bytes));
    }
    printf("\npulls       %zu that have not ended, %s\n", u.n_pulls, cli_bytes(u.partial_bytes));
    printf("unused      %s%s\n", cli_bytes(u.unused_bytes),
           u.unused_bytes > 0 ? " (raga rm --unused)" : "");
    printf("free        %s on this disk\n", cli_bytes(u.free_bytes));
    return CLI_OK;
}

// ---- rm ----

typedef struct finder {
    const char *word;
    size_t least;
    char best[256];
} finder;

static bool look(void *arg, const raga_store_model *m) {
    finder *f = arg;
    const size_t d = cli_distance(f->word, m->name);
    if (d < f->least) {
        f->least = d;
        snprintf(f->best, sizeof f->best, "%s", m->name);
    }
    return true;
}

static int remove_one(const char *name, uint64_t *sum) {
    raga_error err = {0};
    uint64_t freed = 0;
    const raga_status status = raga_store_remove(name, &freed, &err);
    *sum += freed;
    if (status == RAGA_OK) {
        return CLI_OK;
    }
    cli_failed(&err);
    if (status == RAGA_E_NOT_FOUND || status == RAGA_E_ARG) {
        finder f = {.word = name, .least = 4};
        if (raga_store_walk(look, &f, NULL, &err) == RAGA_OK && f.best[0] != '\0') {
            cli_error("did you mean %s?", f.best);
        }
    }
    return CLI_FAILED;
}

int cmd_rm(int argc, char **argv) {
    const char *names[CLI_LIST_MAX + 1] = {NULL};
    raga_error err = {0};
    bool is_unused = false;
    uint64_t freed = 0;
    const cli_option options[] = {
        {"--unused", CLI_FLAG, &is_unused, NULL, "remove files that no model and no pull needs", 0,
         0, NULL},
    };
    const cli_spec spec = {.usage = "raga rm NAME... | --unused",
                           .about = "Remove models from the store, or what a pull left. Files that "
                                    "another model needs stay.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options,
                           .words = names,
                           .words_min = 0,
                           .words_max = CLI_LIST_MAX};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (names[0] == NULL && !is_unused) {
        cli_error("a name is missing: raga rm NAME, `raga list` shows names");
        return CLI_USAGE;
    }
    status = CLI_OK;
    for (size_t i = 0; names[i] != NULL; i++) {
        const int one = remove_one(names[i], &freed);
        status = status == CLI_OK ? one : status;
    }
    if (is_unused) {
        uint64_t unused = 0;
        if (raga_store_sweep(&unused, &err) != RAGA_OK) {
            return cli_failed(&err);
        }
        freed += unused;
    }
    fprintf(stderr, "%s freed\n", cli_bytes(freed));
    return status;
}
