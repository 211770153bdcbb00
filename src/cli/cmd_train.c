#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/train.h"

#include <string.h>

static int check(const char *dir, const char *out_dir, unsigned n_threads, bool is_json) {
    raga_error err = {0};
    raga_check result = {.size = sizeof result};
    if (raga_train_check(dir, out_dir, n_threads, &result, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_json) {
        printf("{\"passed\":%s,\"worst_share\":%.4g,\"worst\":",
               result.is_passed ? "true" : "false", result.share);
        cli_json_text(stdout, result.worst, strlen(result.worst));
        printf("}\n");
    } else {
        printf("%s: %s (%.1f %% of the tolerance)\n", result.is_passed ? "passed" : "FAILED",
               result.worst, 100 * result.share);
    }
    return result.is_passed ? CLI_OK : CLI_FAILED;
}

int cmd_train(int argc, char **argv) {
    const char *check_dir = NULL;
    const char *out_dir = NULL;
    int64_t n_threads = 0;
    bool is_json = false;
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &out_dir, "DIR", "where the results go", 0, 0, NULL},
        {"--check", CLI_TEXT, &check_dir, "DIR", "run a case with known results and compare", 0, 0,
         NULL},
        {"--threads,-t", CLI_INT, &n_threads, "N", "threads (physical cores)", 1, 1024, NULL},
        {"--json", CLI_FLAG, &is_json, NULL, "results as JSON", 0, 0, NULL},
    };
    const cli_spec spec = {.usage = "raga train --check DIR -o OUT",
                           .about = "Check the arithmetic of training against a case with known "
                                    "results: loss, gradients, steps, final weights.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (check_dir == NULL || out_dir == NULL) {
        cli_error("--check and -o are needed: raga train --check DIR -o OUT");
        return CLI_USAGE;
    }
    return check(check_dir, out_dir, (unsigned)n_threads, is_json);
}
