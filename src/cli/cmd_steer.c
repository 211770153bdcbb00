#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/look_progress.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "cli/prompt_ids.h"
#include "raga/inspect.h"
#include "raga/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/** What a call asks for. */
typedef struct steer {
    cli_model model;
    const char *positive;
    const char *negative;
    const char *path;
    const char *method;
    const char *at;
    cli_layers layers;
    bool is_json;
    bool is_chat;
} steer;

/** Prompts of one kind; the list grows as a stream. */
typedef struct prompts {
    raga_ids *items; // as of the last prompt
    size_t bytes;
    size_t n;
    FILE *list;
} prompts;

static void clear(prompts *p) {
    if (p->list != NULL) {
        fclose(p->list);
    }
    for (size_t i = 0; i < p->n; i++) {
        raga_free((void *)p->items[i].ids);
    }
    free(p->items);
    *p = (prompts){0};
}

static int add_prompt(const raga_model *model, const char *text, size_t size, bool is_chat,
                      prompts *p) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (cli_prompt_ids(model, text, size, is_chat, &ids, &n, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    const raga_ids prompt = {ids, n};
    if (p->list == NULL) {
        p->list = open_memstream((char **)&p->items, &p->bytes);
    }
    if (p->list == NULL || fwrite(&prompt, sizeof prompt, 1, p->list) != 1 ||
        fflush(p->list) != 0) {
        raga_free(ids);
        cli_error("no memory for %zu prompts", p->n + 1);
        return CLI_FAILED;
    }
    p->n++;
    return CLI_OK;
}

// a file's lines, or the text itself
static int read_prompts(const raga_model *model, const char *given, const char *kind, bool is_chat,
                        prompts *out) {
    struct stat st;
    const bool is_named = given[0] == '@';
    const char *path = given + is_named;
    if (!is_named && stat(given, &st) != 0) {
        fprintf(stderr, "%s%s: one prompt, the text \"%.60s\"%s\n", cli_dim(), kind, given,
                cli_plain());
        return add_prompt(model, given, strlen(given), is_chat, out);
    }
    size_t size = 0;
    char *text = cli_read_all(path, &size);
    int status = text == NULL ? CLI_FAILED : CLI_OK;
    for (size_t at = 0; status == CLI_OK && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t stop = end == NULL ? size : (size_t)(end - text);
        const size_t length = stop > at && text[stop - 1] == '\r' ? stop - at - 1 : stop - at;
        if (length > 0) {
            status = add_prompt(model, text + at, length, is_chat, out);
        }
        at = stop + 1;
    }
    free(text);
    if (status == CLI_OK && out->n == 0) {
        cli_error("%s has no line to read as a prompt", path);
        return CLI_FAILED;
    }
    return status;
}

static void tell(const steer *s, const raga_steer_fact *facts, size_t n) {
    if (s->is_json) {
        printf("{\"file\":");
        cli_json_text(stdout, s->path, strlen(s->path));
        printf(",\"layers\":[");
        for (size_t i = 0; i < n; i++) {
            printf("%s{\"layer\":%u,\"norm\":%.6g,\"residual\":%.6g,\"separated\":%.4g}",
                   i == 0 ? "" : ",", facts[i].layer, facts[i].norm, facts[i].residual,
                   facts[i].separated);
        }
        printf("]}\n");
        return;
    }
    printf("layer  direction   residual  prompts on their own side\n");
    for (size_t i = 0; i < n; i++) {
        printf("%5u %10.4g %10.4g %25.0f%%\n", facts[i].layer, facts[i].norm, facts[i].residual,
               100 * facts[i].separated);
    }
    printf("%s\n", s->path);
}

static int make(const steer *s, const raga_model *model, const prompts *positive,
                const prompts *negative) {
    raga_error err = {0};
    raga_steer_fact *facts = NULL;
    size_t n = 0;
    const raga_steer_options options = {.size = sizeof options,
                                        .positive = positive->items,
                                        .n_positive = positive->n,
                                        .negative = negative->items,
                                        .n_negative = negative->n,
                                        .is_pca = strcmp(s->method, "pca") == 0,
                                        .is_mean = strcmp(s->at, "mean") == 0,
                                        .layers = s->layers.items,
                                        .n_layers = s->layers.n,
                                        .progress = cli_look_progress};
    cli_interrupt_flag(true);
    const raga_status status = raga_steer(model, &options, s->path, &facts, &n, &err);
    cli_look_progress_end();
    if (status != RAGA_OK) {
        return status == RAGA_E_CANCELLED ? CLI_INTERRUPTED : cli_failed(&err);
    }
    tell(s, facts, n);
    raga_free(facts);
    return CLI_OK;
}

static int open_and_make(steer *s) {
    prompts positive = {0};
    prompts negative = {0};
    s->model.is_facts_only = true;
    raga_model *model = cli_open_model(&s->model);
    int status = CLI_FAILED;
    if (model != NULL && raga_model_tokenizer(model) == NULL) {
        cli_error("this model has no tokenizer: prompts cannot be read");
    } else if (model != NULL) {
        status = read_prompts(model, s->positive, "positive", s->is_chat, &positive);
        status = status != CLI_OK
                     ? status
                     : read_prompts(model, s->negative, "negative", s->is_chat, &negative);
        status = status != CLI_OK ? status : make(s, model, &positive, &negative);
    }
    clear(&positive);
    clear(&negative);
    raga_model_close(model);
    return status;
}

int cmd_steer(int argc, char **argv) {
    steer s = {.method = "mean", .at = "last"};
    // clang-format off
    const cli_option options[] = {
        {"--positive", CLI_TEXT, &s.positive, "FILE|TEXT", "prompts with the trait, one a line", 0, 0, NULL},
        {"--negative", CLI_TEXT, &s.negative, "FILE|TEXT", "prompts without it", 0, 0, NULL},
        {"--output,-o", CLI_TEXT, &s.path, "FILE", "the control vector (GGUF)", 0, 0, NULL},
        {"--method", CLI_TEXT, &s.method, "NAME", "mean: difference of means; pca: main axis of pairs (mean)", 0, 0, NULL},
        {"--at", CLI_TEXT, &s.at, "TOKENS", "last: of each prompt; mean: of all its tokens (last)", 0, 0, NULL},
        {"--layers", CLI_LAYERS, &s.layers, "LIST", "layers with a direction: 4-20,22 (all from 1 on)", 0, 0, NULL},
        {"--chat", CLI_FLAG, &s.is_chat, NULL, "prompts are a user's messages, in the model's template", 0, 0, NULL},
        {"--json", CLI_FLAG, &s.is_json, NULL, "say what was made as JSON", 0, 0, NULL},
        CLI_MODEL_OPTIONS(s.model),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga steer MODEL --positive FILE|TEXT --negative FILE|TEXT -o FILE.gguf",
        .about = "Make a direction from contrasting prompts. Any command that runs a model adds it "
                 "by --steer FILE:SCALE; scale 1 is as far as the two kinds of prompts lie apart. "
                 "FILE has a prompt on each line; @FILE insists that it is a file.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &s.model.path,
        .words_min = 1,
        .words_max = 1,
        .examples =
            "  raga steer model.gguf --positive happy.txt --negative sad.txt -o happy.gguf\n"
            "  raga run model.gguf --steer happy.gguf:1.5 \"How was your day?\""};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (s.positive == NULL || s.negative == NULL || s.path == NULL) {
        cli_error("--positive, --negative and -o are needed: raga steer %s --positive FILE "
                  "--negative FILE -o FILE.gguf",
                  s.model.path);
        return CLI_USAGE;
    }
    if ((strcmp(s.method, "mean") != 0 && strcmp(s.method, "pca") != 0) ||
        (strcmp(s.at, "last") != 0 && strcmp(s.at, "mean") != 0)) {
        cli_error("--method is mean or pca, --at is last or mean");
        return CLI_USAGE;
    }
    return open_and_make(&s);
}
