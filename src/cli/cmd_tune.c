#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/train_progress.h"
#include "raga/train.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 64 };

/** Options as the command line has them. */
typedef struct tune {
    const char *words[WORDS_MAX]; // MODEL DATA...
    const char *out_dir;
    const char *targets;
    const char *compute;
    bool is_full, is_rslora, recompute, is_strict, resume, is_json, shows_batch;
    int64_t rank, n_steps, batch, seq_len, accumulate, valid_every, patience, checkpoint_every,
        seed, n_threads;
    double alpha, dropout, epochs, lr, valid_share;
    cli_record record;
} tune;

static raga_tune_options options_of(const tune *t, cli_train_progress *progress) {
    size_t n = 1;
    while (n < WORDS_MAX && t->words[n] != NULL) {
        n++;
    }
    return (raga_tune_options){.size = sizeof(raga_tune_options),
                               .model = t->words[0],
                               .data = t->words + 1,
                               .n_data = n - 1,
                               .out_dir = t->out_dir,
                               .is_full = t->is_full,
                               .rank = (uint32_t)t->rank,
                               .alpha = (float)t->alpha,
                               .is_rslora = t->is_rslora,
                               .targets = t->targets,
                               .dropout = (float)t->dropout,
                               .epochs = t->epochs,
                               .n_steps = (uint64_t)t->n_steps,
                               .batch = (size_t)t->batch,
                               .seq_len = (size_t)t->seq_len,
                               .accumulate = (size_t)t->accumulate,
                               .lr = t->lr,
                               .valid_share = t->valid_share,
                               .valid_every = (uint64_t)t->valid_every,
                               .patience = (uint64_t)t->patience,
                               .checkpoint_every = (uint64_t)t->checkpoint_every,
                               .recompute = t->recompute,
                               .compute = t->compute,
                               .is_strict = t->is_strict,
                               .seed = (uint64_t)t->seed,
                               .n_threads = (unsigned)t->n_threads,
                               .resume = t->resume,
                               .tell = cli_train_tell,
                               .warn = cli_train_warn,
                               .arg = progress};
}

// the text of a token is a JSON string: shown with its escapes, but line ends are real
static void print_text(const char *p, const char *end) {
    for (; p < end; p++) {
        if (p[0] == '\\' && p[1] == 'n') {
            printf("\\n\n");
            p++;
        } else {
            putchar(*p);
        }
    }
}

// learnt tokens stand out, each sample begins on a line of its own
static void print_tokens(const char *text, bool is_color) {
    for (const char *line = text; *line != '\0';) {
        char *at = NULL;
        (void)strtol(line, &at, 10);
        const bool is_learnt = strtol(at, &at, 10) != 0;
        const long position = strtol(at, &at, 10);
        const char *end = strchr(line, '\n');
        if (position == 0) {
            printf("%s---\n", line == text ? "" : "\n");
        }
        fputs(!is_color ? is_learnt ? "[" : "" : is_learnt ? "\033[1;32m" : "\033[2m", stdout);
        print_text(at + 2, end - 1);
        fputs(is_color ? "\033[0m" : is_learnt ? "]" : "", stdout);
        line = end + 1;
    }
    printf("\n---\n");
}

static int show_batch(const raga_tune_options *o, bool is_json) {
    raga_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (raga_tune_batch(o, &text, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_json) {
        fwrite(text, 1, size, stdout);
    } else {
        const bool is_color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
        print_tokens(text, is_color);
        printf("%s\n", is_color ? "bright: learnt, dim: masked" : "[learnt]masked");
    }
    raga_free(text);
    return CLI_OK;
}

static int run(tune *t) {
    raga_error err = {0};
    cli_train_progress progress;
    raga_train_result result = {.size = sizeof result};
    cli_train_begin(&progress, t->is_json, t->resume, &t->record);
    const raga_tune_options options = options_of(t, &progress);
    if (t->shows_batch) {
        return show_batch(&options, t->is_json);
    }
    if (raga_tune(&options, &result, &err) != RAGA_OK) {
        return cli_train_failed(&progress, &err);
    }
    cli_train_end(&progress, &result, t->out_dir);
    if (!t->is_json && !t->is_full) {
        printf("raga run %s --adapter %s\n", t->words[0], t->out_dir);
    }
    return result.end == RAGA_TRAIN_STOPPED ? CLI_INTERRUPTED : CLI_OK;
}

// the settings as they were given, and the files of data
static void describe(tune *t, const cli_option *options, size_t n) {
    size_t size = 0;
    FILE *out = open_memstream(&t->record.recipe, &size);
    if (out != NULL) {
        fputc('{', out);
        const bool has_any = cli_write_options(
            out, options, n, " --output --resume --show-batch --json --name --no-record ");
        fputs(has_any ? ",\"data\":[" : "\"data\":[", out);
        for (size_t i = 1; i < WORDS_MAX && t->words[i] != NULL; i++) {
            fputs(i == 1 ? "" : ",", out);
            cli_json_text(out, t->words[i], strlen(t->words[i]));
        }
        fputs("]}", out);
        fclose(out);
    }
    t->record.start.recipe = t->record.recipe;
    t->record.start.model = t->words[0];
    t->record.out_dir = t->out_dir;
    if (t->record.start.name == NULL) {
        t->record.start.name = cli_base_name(t->out_dir);
    }
}

int cmd_tune(int argc, char **argv) {
    tune t = {.out_dir = "raga-adapter",
              .valid_share = 0.05,
              .seed = 1,
              .record = {.start = {.kind = "tune"}}};
    // clang-format off
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &t.out_dir, "DIR", "where the result goes (raga-adapter)", 0, 0, NULL},
        {"--full", CLI_FLAG, &t.is_full, NULL, "tune all weights instead of a LoRA adapter", 0, 0, NULL},
        {"--rank", CLI_INT, &t.rank, "N", "of the adapter's matrices (16)", 1, 4096, NULL},
        {"--alpha", CLI_REAL, &t.alpha, "X", "scaling is alpha / rank (twice the rank)", 0, 1e6, NULL},
        {"--rslora", CLI_FLAG, &t.is_rslora, NULL, "scaling is alpha / sqrt(rank)", 0, 0, NULL},
        {"--targets", CLI_TEXT, &t.targets, "LIST", "matrices: q_proj,v_proj (all-linear)", 0, 0, NULL},
        {"--dropout", CLI_REAL, &t.dropout, "X", "of the adapter's input (0)", 0, 0.95, NULL},
        {"--epochs", CLI_REAL, &t.epochs, "X", "times through the data (3)", 0.001, 1e6, NULL},
        {"--steps", CLI_INT, &t.n_steps, "N", "steps, whatever the data's size", 1, 1e12, NULL},
        {"--batch", CLI_INT, &t.batch, "N", "sequences in a pass (4)", 1, 65536, NULL},
        {"--seq-len", CLI_INT, &t.seq_len, "N", "tokens of a sequence (what the data needs)", 2, 1 << 20, NULL},
        {"--accumulate", CLI_INT, &t.accumulate, "N", "passes in a step (1)", 1, 65536, NULL},
        {"--lr", CLI_REAL, &t.lr, "X", "learning rate (2e-4; full: 2e-5)", 0, 10, NULL},
        {"--valid", CLI_REAL, &t.valid_share, "X", "share of the lines kept for validation (0.05)", 0, 0.5, NULL},
        {"--valid-every", CLI_INT, &t.valid_every, "N", "steps between validations (at the end)", 1, 1e12, NULL},
        {"--patience", CLI_INT, &t.patience, "N", "stop after so many validations without a better one", 1, 1e6, NULL},
        {"--checkpoint-every", CLI_INT, &t.checkpoint_every, "N", "steps between checkpoints (100)", 1, 1e12, NULL},
        {"--compute", CLI_TEXT, &t.compute, "TYPE", "operands of matrix products: f32, or bf16: faster (f32)", 0, 0, NULL},
        {"--recompute", CLI_FLAG, &t.recompute, NULL, "less memory for about a third more time", 0, 0, NULL},
        {"--strict", CLI_FLAG, &t.is_strict, NULL, "a bad line of data is an error", 0, 0, NULL},
        {"--seed", CLI_INT, &t.seed, "N", "of order, initial values, dropout (1)", 0, 9e15, NULL},
        {"--threads,-t", CLI_INT, &t.n_threads, "N", "threads (physical cores)", 1, 1024, NULL},
        {"--resume", CLI_FLAG, &t.resume, NULL, "go on from the checkpoint in DIR", 0, 0, NULL},
        {"--show-batch", CLI_FLAG, &t.shows_batch, NULL, "show a row of what would be learnt and what is masked", 0, 0, NULL},
        CLI_RECORD_OPTIONS(t.record),
        {"--json", CLI_FLAG, &t.is_json, NULL, "a line of JSON a step", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga tune MODEL DATA...",
        .about =
            "Tune a model on your data: lines of JSON with \"text\", \"prompt\" and "
            "\"completion\", or \"messages\" (with \"tools\"). Messages are written by the "
            "model's own chat template; only the assistant's words are learnt. `raga runs` shows "
            "how the loss went.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = t.words,
        .words_min = 2,
        .words_max = WORDS_MAX - 1,
        .examples = "  raga tune model.gguf dialogues.jsonl\n"
                    "  raga tune model.gguf dialogues.jsonl --show-batch\n"
                    "  raga run model.gguf --adapter raga-adapter"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (!cli_find_model(&t.words[0])) {
        return CLI_FAILED;
    }
    describe(&t, options, spec.n_options);
    const int ended = run(&t);
    cli_record_close(&t.record);
    return ended;
}
