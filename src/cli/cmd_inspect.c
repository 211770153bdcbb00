#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/look_progress.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "cli/prompt_ids.h"
#include "raga/inspect.h"
#include "raga/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What a call asks for. */
typedef struct look {
    cli_model model;
    const char *prompt;
    const char *ids;
    const char *html;
    cli_layers layers;
    int64_t n_top;
    bool is_json;
    bool is_chat;
} look;

static int write_page(const raga_inspection *seen, const char *path) {
    char *page = NULL;
    size_t size = 0;
    raga_error err = {0};
    if (raga_inspection_write(seen, RAGA_INSPECT_HTML, &page, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    const int exit_status = cli_write_file(path, page, size);
    raga_free(page);
    return exit_status;
}

static int show(const look *l, const raga_inspection *seen) {
    char *text = NULL;
    size_t size = 0;
    raga_error err = {0};
    const char *no_color = getenv("NO_COLOR");
    const bool has_color = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
    const raga_inspect_format format = l->is_json  ? RAGA_INSPECT_JSON
                                       : has_color ? RAGA_INSPECT_COLORED
                                                   : RAGA_INSPECT_TEXT;
    if (raga_inspection_write(seen, format, &text, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    fwrite(text, 1, size, stdout);
    if (l->is_json) {
        putchar('\n');
    }
    raga_free(text);
    return CLI_OK;
}

static int inspect(const look *l, const raga_model *model, const int32_t *ids, size_t n) {
    raga_error err = {0};
    raga_inspection *seen = NULL;
    const raga_inspect_options options = {.size = sizeof options,
                                          .layers = l->layers.items,
                                          .n_layers = l->layers.n,
                                          .n_top = (size_t)l->n_top,
                                          .has_maps = l->is_json || l->html != NULL,
                                          .progress = cli_look_progress};
    cli_interrupt_flag(true);
    const raga_status status = raga_inspect(model, ids, n, &options, &seen, &err);
    cli_look_progress_end();
    if (status != RAGA_OK) {
        return status == RAGA_E_CANCELLED ? CLI_INTERRUPTED : cli_failed(&err);
    }
    int result = l->html == NULL ? CLI_OK : write_page(seen, l->html);
    if (result == CLI_OK && (l->html == NULL || l->is_json)) {
        result = show(l, seen);
    } else if (result == CLI_OK) {
        printf("%s\n", l->html);
    }
    raga_inspection_free(seen);
    return result;
}

static int open_and_inspect(look *l) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    int status = CLI_FAILED;
    l->model.is_facts_only = true;
    raga_model *model = cli_open_model(&l->model);
    if (model == NULL) {
        return CLI_FAILED;
    }
    if (l->ids != NULL) {
        const long n_read = cli_read_ids(l->ids, &ids);
        status = n_read < 0 ? CLI_USAGE : inspect(l, model, ids, (size_t)n_read);
        free(ids);
    } else if (raga_model_tokenizer(model) == NULL) {
        cli_error("this model has no tokenizer: give token ids (--ids)");
    } else if (cli_prompt_ids(model, l->prompt, strlen(l->prompt), l->is_chat, &ids, &n, &err) !=
               RAGA_OK) {
        status = cli_failed(&err);
    } else {
        status = inspect(l, model, ids, n);
        raga_free(ids);
    }
    raga_model_close(model);
    return status;
}

int cmd_inspect(int argc, char **argv) {
    look l = {0};
    // clang-format off
    const cli_option options[] = {
        {"--prompt,-p", CLI_TEXT, &l.prompt, "TEXT", "what the model reads", 0, 0, NULL},
        {"--chat", CLI_FLAG, &l.is_chat, NULL, "as a user's message, in the model's template", 0, 0, NULL},
        {"--ids", CLI_TEXT, &l.ids, "LIST", "token ids instead: 1,2,3 or @FILE", 0, 0, NULL},
        {"--layers", CLI_LAYERS, &l.layers, "LIST", "layers to look at: 0,5,10-12 (all)", 0, 0, NULL},
        {"--top", CLI_INT, &l.n_top, "K", "most likely tokens told (5)", 1, 32, NULL},
        {"--json", CLI_FLAG, &l.is_json, NULL, "all numbers as JSON, attention maps too", 0, 0, NULL},
        {"--html", CLI_TEXT, &l.html, "FILE", "write a page to look around in", 0, 0, NULL},
        CLI_MODEL_OPTIONS(l.model),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga inspect MODEL -p TEXT",
        .about = "Look inside a model while it reads: the surprisal of each token, what each layer "
                 "would say next (the logit lens), where heads look, how much each block adds. At "
                 "most 1,024 tokens.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &l.model.path,
        .words_min = 1,
        .words_max = 1,
        .examples = "  raga inspect model.gguf -p \"The capital of France is\"\n"
                    "  raga inspect model.gguf -p \"Hello\" --chat --html page.html\n"
                    "  raga inspect model.gguf -p \"Hello\" --layers 0-3 --json"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if ((l.prompt == NULL) == (l.ids == NULL)) {
        cli_error("give the text by -p, or token ids by --ids: raga inspect %s -p TEXT",
                  l.model.path);
        return CLI_USAGE;
    }
    return open_and_inspect(&l);
}
