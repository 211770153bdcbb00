#include "cli/find_model.h"

#include "cli/options.h"
#include "cli/output.h"
#include "cli/pull.h"
#include "raga/hub.h"
#include "raga/model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// a word that is neither a path nor a name, but nearly a short name
static bool is_nearly_known(const char *word) {
    enum { NEAR = 2 };
    raga_hub_known row = {.size = sizeof row};
    for (size_t i = 0; strlen(word) > 4 && raga_hub_known_at(i, &row); i++) {
        if (cli_distance(word, row.name) <= NEAR) {
            cli_error("there is no file or directory %s; did you mean the model \"%s\"?", word,
                      row.name);
            return true;
        }
    }
    return false;
}

static bool wants_pull(const char *name) {
    char answer[16];
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return false;
    }
    fprintf(stderr, "%s is not on this machine. Pull it now? [y/N] ", name);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static char *found[CLI_LIST_MAX]; // what words became
static size_t n_found;

static void forget_found(void) {
    while (n_found > 0) {
        raga_free(found[--n_found]);
    }
}

// a path lives as long as the program
static bool keep(char *path) {
    if (n_found == CLI_LIST_MAX || (n_found == 0 && atexit(forget_found) != 0)) {
        cli_error("more than %d models by name", CLI_LIST_MAX);
        raga_free(path);
        return false;
    }
    found[n_found++] = path;
    return true;
}

bool cli_find_model(const char **word) {
    raga_error err = {0};
    char *path = NULL;
    if (*word == NULL || strcmp(*word, RAGA_BUILTIN) == 0 || access(*word, F_OK) == 0) {
        return true;
    }
    if (!raga_hub_is_name(*word)) {
        return !is_nearly_known(*word);
    }
    const raga_status status = raga_hub_find(*word, &path, NULL, &err);
    if (status == RAGA_E_NOT_FOUND) {
        if (!wants_pull(*word)) {
            cli_error("%s (pull it: raga pull %s)", err.text, *word);
            return false;
        }
        const raga_pull_options o = {.size = sizeof o, .name = *word};
        if (cli_pull(&o, false, &path) != CLI_OK) {
            return false;
        }
    } else if (status != RAGA_OK) {
        cli_failed(&err);
        return false;
    }
    if (!keep(path)) {
        return false;
    }
    *word = path;
    return true;
}
