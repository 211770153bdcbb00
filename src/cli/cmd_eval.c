#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/record.h"
#include "raga/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORDS_MAX = 64,
    WARNINGS = 5, // bad lines that are shown one by one
    TEXT_CTX = 512,
    LINES_CTX = 4096,
    NUMBERS_MAX = 16,
};

/** A measured number, as it is printed and recorded. */
typedef struct number {
    const char *metric;
    const char *label; // for people
    double value;
    double std_error; // NAN: none
    double low, high; // of the interval; NAN: none
    uint64_t n;
} number;

/** The command line, and what comes out. */
typedef struct eval {
    const char *words[WORDS_MAX]; // MODEL DATA...
    size_t n_data;
    cli_model model;
    const char *reference;
    const char *task;
    const char *tools_file;
    char *tools;
    int64_t stride, n_most, max_tokens;
    bool shows_wrong, is_json;
    cli_record record;
    raga_model *open, *open_reference;
    bool is_terminal;
    size_t n_warned;
    uint64_t n_right, n_done; // of a task so far
    number numbers[NUMBERS_MAX];
    size_t n_numbers;
} eval;

static void put(eval *e, const char *metric, const char *label, double value, double std_error,
                uint64_t n) {
    e->numbers[e->n_numbers++] = (number){metric, label, value, std_error, NAN, NAN, n};
}

static void put_share(eval *e, const char *metric, const char *label, double value, double low,
                      double high, uint64_t n) {
    // the usual error of a share, for the records; the interval is what is shown
    const double error = sqrt(value * (1 - value) / (double)n);
    e->numbers[e->n_numbers++] = (number){metric, label, value, error, low, high, n};
}

// ---- while it goes ----

static void clear_line(const eval *e) {
    if (e->is_terminal) {
        fprintf(stderr, "\r\033[K");
    }
}

static void show_bar(const eval *e, double share, const char *what) {
    enum { WIDTH = 24 };
    if (e->is_terminal) {
        const int done = (int)(share * WIDTH);
        fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %s\033[K", done, "########################",
                WIDTH - done, "", share * 100, what);
    }
}

static bool on_progress(void *arg, double share, const char *what) {
    show_bar(arg, share, what);
    return !cli_interrupt_flag(false);
}

static void on_warn(void *arg, const char *file, size_t line, const char *why) {
    eval *e = arg;
    clear_line(e);
    if (e->n_warned++ < WARNINGS) {
        fprintf(stderr, "raga: %s:%zu is left out: %s\n", file, line, why);
    } else if (e->n_warned == WARNINGS + 1) {
        fprintf(stderr, "raga: more lines are left out; they are counted at the end\n");
    }
}

static void show_wrong(const eval *e, const raga_task_item *item) {
    clear_line(e);
    if (e->is_json) {
        fputs("{\"file\":", stdout);
        cli_json_text(stdout, item->file, strlen(item->file));
        printf(",\"line\":%zu,\"expected\":", item->line);
        cli_json_text(stdout, item->expected, item->expected_size);
        fputs(",\"given\":", stdout);
        cli_json_text(stdout, item->given, item->given_size);
        puts("}");
        return;
    }
    printf("%s:%zu\n  expected  ", item->file, item->line);
    cli_print_safe(item->expected, item->expected_size);
    printf("\n  given     ");
    cli_print_safe(item->given, item->given_size);
    putchar('\n');
}

static bool on_item(void *arg, const raga_task_item *item, double share) {
    eval *e = arg;
    char what[64];
    e->n_done++;
    e->n_right += item->is_right;
    if (e->shows_wrong && !item->is_right) {
        show_wrong(e, item);
    }
    snprintf(what, sizeof what, "%" PRIu64 " of %" PRIu64 " right", e->n_right, e->n_done);
    show_bar(e, share, what);
    return !cli_interrupt_flag(false);
}

// ---- results ----

static void print_json(const eval *e, uint64_t n_bad, size_t n_ctx) {
    fputs("{\"model\":", stdout);
    cli_json_text(stdout, e->model.path, strlen(e->model.path));
    fputs(",\"task\":", stdout);
    cli_json_text(stdout, e->task == NULL ? "perplexity" : e->task,
                  strlen(e->task == NULL ? "perplexity" : e->task));
    if (e->reference != NULL) {
        fputs(",\"reference\":", stdout);
        cli_json_text(stdout, e->reference, strlen(e->reference));
    }
    if (n_ctx != 0) {
        printf(",\"ctx\":%zu", n_ctx);
    }
    printf(",\"bad_lines\":%" PRIu64, n_bad);
    for (size_t i = 0; i < e->n_numbers; i++) {
        const number *n = &e->numbers[i];
        printf(",\"%s\":{\"value\":", n->metric);
        cli_json_number(stdout, n->value);
        fputs(",\"std_error\":", stdout);
        cli_json_number(stdout, n->std_error);
        if (isfinite(n->low)) {
            fputs(",\"low\":", stdout);
            cli_json_number(stdout, n->low);
            fputs(",\"high\":", stdout);
            cli_json_number(stdout, n->high);
        }
        printf(",\"n\":%" PRIu64 "}", n->n);
    }
    puts("}");
}

static void print_numbers(const eval *e) {
    for (size_t i = 0; i < e->n_numbers; i++) {
        const number *n = &e->numbers[i];
        if (isfinite(n->low)) {
            printf("%-24s %.2f %%   (95 %%: %.2f to %.2f)\n", n->label, 100 * n->value,
                   100 * n->low, 100 * n->high);
        } else if (isfinite(n->std_error)) {
            printf("%-24s %.6g ± %.2g\n", n->label, n->value, n->std_error);
        } else {
            printf("%-24s %.6g\n", n->label, n->value);
        }
    }
}

static void record_numbers(eval *e) {
    const char *name = e->task == NULL ? cli_base_name(e->words[1]) : e->task;
    for (size_t i = 0; i < e->n_numbers; i++) {
        const number *n = &e->numbers[i];
        const raga_run_evaluation one = {.name = name,
                                         .metric = n->metric,
                                         .value = n->value,
                                         .std_error = n->std_error,
                                         .n = n->n};
        cli_record_evaluation(&e->record, &one);
    }
    cli_record_end(&e->record, "done", NULL);
}

static int finish(eval *e, uint64_t n_bad, uint64_t n_lines, size_t n_ctx) {
    clear_line(e);
    record_numbers(e);
    if (e->is_json) {
        print_json(e, n_bad, n_ctx);
        return CLI_OK;
    }
    print_numbers(e);
    if (n_ctx != 0) {
        printf("%-24s %" PRIu64 ", in windows of %zu\n", "tokens", e->numbers[0].n, n_ctx);
    } else {
        printf("%-24s %" PRIu64 "\n", "items", e->numbers[0].n);
    }
    if (n_lines != 0) {
        printf("%-24s %" PRIu64 "\n", "lines", n_lines);
    }
    if (n_bad != 0) {
        printf("%-24s %" PRIu64 "\n", "lines left out", n_bad);
    }
    return CLI_OK;
}

static int failed(eval *e, const raga_error *err) {
    clear_line(e);
    if (err->status == RAGA_E_CANCELLED) {
        cli_record_end(&e->record, "stopped", NULL);
        cli_error("stopped");
        return CLI_INTERRUPTED;
    }
    cli_record_end(&e->record, "failed", err->text);
    return cli_failed(err);
}

static int run_text(eval *e) {
    raga_error err = {0};
    raga_eval_score s = {.size = sizeof s};
    const raga_eval_options options = {.size = sizeof options,
                                       .data = e->words + 1,
                                       .n_data = e->n_data,
                                       .n_ctx = (size_t)e->model.n_ctx,
                                       .stride = (size_t)e->stride,
                                       .n_lines_most = (size_t)e->n_most,
                                       .reference = e->open_reference,
                                       .warn = on_warn,
                                       .progress = on_progress,
                                       .arg = e};
    if (raga_eval_text(e->open, &options, &s, &err) != RAGA_OK) {
        return failed(e, &err);
    }
    put(e, "perplexity", "perplexity", s.perplexity, s.perplexity_error, s.n_tokens);
    put(e, "nats_per_token", "nats a token", s.nats, s.nats_error, s.n_tokens);
    put(e, "bits_per_byte", "bits a byte", s.bits_per_byte, NAN, s.n_bytes);
    if (e->reference != NULL) {
        put(e, "reference_perplexity", "perplexity of reference", s.reference_perplexity,
            s.reference_perplexity_error, s.n_tokens);
        put(e, "nats_more", "nats more than it", s.nats_more, s.nats_more_error, s.n_tokens);
        put(e, "kl", "KL divergence, mean", s.kl, s.kl_error, s.n_tokens);
        put(e, "kl_median", "  median", s.kl_median, NAN, s.n_tokens);
        put(e, "kl_99", "  99 % below", s.kl_99, NAN, s.n_tokens);
        put(e, "kl_most", "  largest", s.kl_most, NAN, s.n_tokens);
        put_share(e, "same_top", "same likeliest token", s.same_top, s.same_top_low,
                  s.same_top_high, s.n_tokens);
        put(e, "rms_dp", "RMS change of p", s.rms_dp, NAN, s.n_tokens);
    }
    return finish(e, s.n_bad, s.n_lines, s.n_ctx);
}

static int run_task(eval *e) {
    raga_error err = {0};
    raga_task_result r = {.size = sizeof r};
    const raga_task_options options = {.size = sizeof options,
                                       .task = e->task,
                                       .data = e->words + 1,
                                       .n_data = e->n_data,
                                       .n_items_most = (size_t)e->n_most,
                                       .max_tokens = (size_t)e->max_tokens,
                                       .default_tools = e->tools,
                                       .warn = on_warn,
                                       .tell = on_item,
                                       .arg = e};
    if (raga_eval_task(e->open, &options, &r, &err) != RAGA_OK) {
        return failed(e, &err);
    }
    put_share(e, "accuracy", "accuracy", r.accuracy, r.low, r.high, r.n);
    if (r.has_by_length) {
        put_share(e, "accuracy_by_length", "by length of choices", r.accuracy_by_length,
                  r.low_by_length, r.high_by_length, r.n);
    }
    return finish(e, r.n_bad, 0, 0);
}

// ---- models ----

// windows that the data wants, as long as the models were trained on such
static bool choose_ctx(eval *e) {
    const char *const paths[2] = {e->model.path, e->reference};
    bool has_text = false;
    for (size_t i = 0; i < e->n_data && e->task == NULL; i++) {
        const size_t n = strlen(e->words[i + 1]);
        has_text = has_text || n < 6 || strcmp(e->words[i + 1] + n - 6, ".jsonl") != 0;
    }
    e->model.n_ctx = has_text ? TEXT_CTX : LINES_CTX;
    for (size_t i = 0; i < 2 && paths[i] != NULL; i++) {
        const cli_model facts_only = {.path = paths[i], .is_facts_only = true};
        raga_model_facts facts = {.size = sizeof facts};
        raga_model *model = cli_open_model(&facts_only);
        if (model == NULL) {
            return false;
        }
        raga_model_get_facts(model, &facts);
        if (facts.n_ctx_train != 0 && facts.n_ctx_train < e->model.n_ctx) {
            e->model.n_ctx = facts.n_ctx_train;
        }
        raga_model_close(model);
    }
    return true;
}

static bool open_models(eval *e) {
    e->model.path = e->words[0];
    if (e->model.n_ctx == 0 && !choose_ctx(e)) {
        return false;
    }
    e->open = cli_open_model(&e->model);
    if (e->open == NULL || e->reference == NULL) {
        return e->open != NULL;
    }
    // as it is: nothing is quantized, added or steered
    const cli_model reference = {.path = e->reference,
                                 .n_threads = e->model.n_threads,
                                 .n_ctx = e->model.n_ctx,
                                 .memory_bytes = e->model.memory_bytes,
                                 .is_exact = e->model.is_exact,
                                 .kv_type = e->model.kv_type};
    e->open_reference = cli_open_model(&reference);
    return e->open_reference != NULL;
}

// ---- the record ----

// one hash for all files: their sum does not care for the order
static void hash_data(eval *e) {
    uint64_t sum = 0;
    for (size_t i = 0; i < e->n_data; i++) {
        char one[17];
        if (raga_records_hash(e->words[i + 1], one, NULL) != RAGA_OK) {
            return; // said by those who read it
        }
        sum += strtoull(one, NULL, 16);
    }
    snprintf(e->record.data_hash, sizeof e->record.data_hash, "%016" PRIx64, sum);
    e->record.start.data_hash = e->record.data_hash;
}

static void describe(eval *e, const cli_option *options, size_t n) {
    size_t size = 0;
    FILE *out = open_memstream(&e->record.recipe, &size);
    if (out != NULL) {
        fputc('{', out);
        const bool has_any = cli_write_options(
            out, options, n, " --json --name --no-record --wrong --threads --memory ");
        fputs(has_any ? ",\"data\":[" : "\"data\":[", out);
        for (size_t i = 0; i < e->n_data; i++) {
            fputs(i == 0 ? "" : ",", out);
            cli_json_text(out, e->words[i + 1], strlen(e->words[i + 1]));
        }
        fputs("]}", out);
        fclose(out);
    }
    e->record.start.recipe = e->record.recipe;
    e->record.start.model = e->words[0];
    if (e->record.start.name == NULL) {
        e->record.start.name = cli_base_name(e->words[0]);
    }
}

static int work(eval *e, const cli_option *options, size_t n_options) {
    size_t size = 0;
    while (e->n_data + 1 < WORDS_MAX && e->words[e->n_data + 1] != NULL) {
        e->n_data++;
    }
    if (e->task != NULL && e->reference != NULL) {
        cli_error("--reference belongs to perplexity, --task has known answers: give one of them");
        return CLI_USAGE;
    }
    if (e->tools_file != NULL && (e->tools = cli_read_all(e->tools_file, &size)) == NULL) {
        return CLI_FAILED;
    }
    describe(e, options, n_options);
    if (!open_models(e)) {
        return CLI_FAILED;
    }
    e->is_terminal = isatty(STDERR_FILENO) != 0;
    cli_interrupt_flag(true);
    hash_data(e);
    cli_record_begin(&e->record, false, 0);
    return e->task == NULL ? run_text(e) : run_task(e);
}

int cmd_eval(int argc, char **argv) {
    eval e = {.record = {.start = {.kind = "eval"}}};
    // clang-format off
    const cli_option options[] = {
        {"--reference,-r", CLI_TEXT, &e.reference, "MODEL", "compare with another model: KL divergence, top-1 agreement", 0, 0, NULL},
        {"--task", CLI_TEXT, &e.task, "KIND", "items with known answers: choice, exact or json", 0, 0, NULL},
        {"--stride", CLI_INT, &e.stride, "N", "tokens from one window to the next (side by side, the second half counts)", 1, 1e9, NULL},
        {"--limit", CLI_INT, &e.n_most, "N", "of the items, or of the lines of data", 1, 1e12, NULL},
        {"--max-tokens,-n", CLI_INT, &e.max_tokens, "N", "of an answer (256)", 1, 1e6, NULL},
        {"--tools", CLI_TEXT, &e.tools_file, "FILE", "JSON list of tools for items that bring none; prompts do not show them", 0, 0, NULL},
        {"--wrong", CLI_FLAG, &e.shows_wrong, NULL, "show the items that were answered wrongly", 0, 0, NULL},
        CLI_MODEL_OPTIONS(e.model),
        CLI_RECORD_OPTIONS(e.record),
        {"--json", CLI_FLAG, &e.is_json, NULL, "JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga eval MODEL DATA...",
        .about = "Measure a model: perplexity of texts, or of lines of JSON as in training "
                 "(*.jsonl; only learnt tokens count); beside a reference, what was lost; or tasks "
                 "with known answers. Results go into the records (`raga runs`). docs/eval.md says "
                 "how the data looks and what the numbers mean.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = e.words,
        .words_min = 2,
        .words_max = WORDS_MAX - 1,
        .examples = "  raga eval model.gguf book.txt\n"
                    "  raga eval model-q4.gguf book.txt --reference model-f16.gguf\n"
                    "  raga eval MODEL_DIR book.txt --quant q4_k --reference MODEL_DIR\n"
                    "  raga eval model.gguf questions.jsonl --task choice --wrong\n"};
    const int parsed = cli_parse(&spec, argc, argv);
    if (parsed != CLI_GO_ON) {
        return parsed;
    }
    if (!cli_find_model(&e.words[0])) {
        return CLI_FAILED;
    }
    const int status = work(&e, options, spec.n_options);
    raga_model_close(e.open_reference);
    raga_model_close(e.open);
    cli_record_close(&e.record);
    free(e.tools);
    return status;
}
