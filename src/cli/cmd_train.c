#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/train_progress.h"
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

static bool show_progress(void *arg, double share, const char *what) {
    const cli_train_progress *p = arg;
    if (p->is_terminal && !p->is_json) {
        fprintf(stderr, "\r%s %3.0f %%%s", what, share * 100, share >= 1 ? "\r\033[K" : "");
    }
    return !cli_interrupt_flag(false);
}

static int train(const char *recipe, const char *out_dir, unsigned n_threads, bool resume,
                 bool is_json, cli_record *record) {
    raga_error err = {0};
    cli_train_progress progress;
    raga_train_result result = {.size = sizeof result};
    size_t size = 0;
    record->recipe = cli_read_all(recipe, &size);
    if (record->recipe == NULL) {
        return CLI_FAILED;
    }
    record->start.recipe = record->recipe;
    record->out_dir = out_dir;
    if (record->start.name == NULL) {
        record->start.name = cli_base_name(out_dir);
    }
    cli_train_begin(&progress, is_json, resume, record);
    const raga_train_options options = {.size = sizeof options,
                                        .recipe = recipe,
                                        .out_dir = out_dir,
                                        .n_threads = n_threads,
                                        .resume = resume,
                                        .tell = cli_train_tell,
                                        .warn = cli_train_warn,
                                        .progress = show_progress,
                                        .arg = &progress};
    if (raga_train(&options, &result, &err) != RAGA_OK) {
        return cli_train_failed(&progress, &err);
    }
    cli_record_model(record, out_dir);
    cli_train_end(&progress, &result, out_dir);
    return result.end == RAGA_TRAIN_STOPPED ? CLI_INTERRUPTED : CLI_OK;
}

int cmd_train(int argc, char **argv) {
    const char *recipe = NULL;
    const char *check_dir = NULL;
    const char *out_dir = NULL;
    int64_t n_threads = 0;
    bool resume = false;
    bool is_json = false;
    cli_record record = {.start = {.kind = "train"}};
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &out_dir, "DIR", "where the model goes", 0, 0, NULL},
        {"--resume", CLI_FLAG, &resume, NULL, "go on from the checkpoint in DIR", 0, 0, NULL},
        {"--check", CLI_TEXT, &check_dir, "CASE", "run a case with known results instead", 0, 0,
         NULL},
        {"--threads,-t", CLI_INT, &n_threads, "N", "threads (physical cores)", 1, 1024, NULL},
        CLI_RECORD_OPTIONS(record),
        {"--json", CLI_FLAG, &is_json, NULL, "a line of JSON a step", 0, 0, NULL},
    };
    const cli_spec spec = {
        .usage = "raga train RECIPE -o DIR",
        .about = "Train a model from nothing: a vocabulary, random weights, steps. The recipe is "
                 "one small JSON file (docs/train.md). Ctrl-C stops with a checkpoint. `raga runs` "
                 "shows how its loss went.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &recipe,
        .words_max = 1,
        .examples = "  raga train recipe.json -o my-model\n"
                    "  raga train recipe.json -o my-model --resume\n"
                    "  raga train --check CASE -o OUT"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (out_dir == NULL || (recipe == NULL) == (check_dir == NULL)) {
        cli_error("a recipe and -o are needed: raga train recipe.json -o my-model");
        return CLI_USAGE;
    }
    if (check_dir != NULL) {
        return check(check_dir, out_dir, (unsigned)n_threads, is_json);
    }
    const int ended = train(recipe, out_dir, (unsigned)n_threads, resume, is_json, &record);
    cli_record_close(&record);
    return ended;
}
