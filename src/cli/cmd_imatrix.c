#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/look_progress.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "raga/quantize.h"
#include "raga/tokenizer.h"

#include <stdlib.h>
#include <string.h>

typedef struct imatrix {
    const char *words[1 + CLI_LIST_MAX]; // model, texts
    cli_model model;
    const char *out;
    int64_t chunk_tokens;
    int64_t n_chunks;
    bool is_special;
    bool is_json;
} imatrix;

static size_t count_texts(const imatrix *m) {
    size_t n = 0;
    while (n < CLI_LIST_MAX && m->words[1 + n] != NULL) {
        n++;
    }
    return n;
}

// the ids of all texts, one behind the other; free() them
static int read_texts(const imatrix *m, const raga_model *model, int32_t **ids, size_t *n) {
    raga_error err = {0};
    char *joined = NULL;
    size_t bytes = 0;
    int status = CLI_OK;
    FILE *list = open_memstream(&joined, &bytes);
    for (size_t i = 0; list != NULL && i < count_texts(m) && status == CLI_OK; i++) {
        size_t size = 0;
        size_t n_part = 0;
        int32_t *part = NULL;
        char *text = cli_read_all(m->words[1 + i], &size);
        if (text == NULL) {
            status = CLI_FAILED;
        } else if (raga_tokenize(raga_model_tokenizer(model), text, size,
                                 m->is_special ? RAGA_TOKENIZE_PARSE_SPECIAL : RAGA_TOKENIZE_PLAIN,
                                 &part, &n_part, &err) != RAGA_OK) {
            status = cli_failed(&err);
        } else if (fwrite(part, sizeof *part, n_part, list) != n_part) {
            cli_error("no memory for the tokens of %s", m->words[1 + i]);
            status = CLI_FAILED;
        }
        raga_free(part);
        free(text);
    }
    if (list == NULL || fclose(list) != 0) {
        cli_error("no memory for the tokens of the text");
        status = CLI_FAILED;
    }
    *ids = (int32_t *)(void *)joined;
    *n = bytes / sizeof **ids;
    return status;
}

static int measure(const imatrix *m, const raga_model *model, const int32_t *ids, size_t n) {
    raga_error err = {0};
    raga_imatrix_facts facts = {.size = sizeof facts};
    const raga_imatrix_options options = {.size = sizeof options,
                                          .ids = ids,
                                          .n = n,
                                          .chunk_tokens = (size_t)m->chunk_tokens,
                                          .n_chunks = (size_t)m->n_chunks,
                                          .texts = m->words + 1,
                                          .n_texts = count_texts(m),
                                          .progress = cli_look_progress};
    cli_interrupt_flag(true);
    const raga_status status = raga_imatrix(model, &options, m->out, &facts, &err);
    cli_look_progress_end();
    if (status != RAGA_OK) {
        return status == RAGA_E_CANCELLED ? CLI_INTERRUPTED : cli_failed(&err);
    }
    if (m->is_json) {
        printf("{\"file\":");
        cli_json_text(stdout, m->out, strlen(m->out));
        printf(",\"weights\":%zu,\"chunks\":%zu,\"chunk_tokens\":%zu}\n", facts.n_weights,
               facts.n_chunks, facts.chunk_tokens);
    } else {
        printf("%zu weights, %zu chunks of %zu tokens\n%s\n", facts.n_weights, facts.n_chunks,
               facts.chunk_tokens, m->out);
    }
    return CLI_OK;
}

static int open_and_measure(imatrix *m) {
    int32_t *ids = NULL;
    size_t n = 0;
    int status = CLI_FAILED;
    m->model.path = m->words[0];
    m->model.is_facts_only = true;
    m->chunk_tokens = m->model.n_ctx;
    raga_model *model = cli_open_model(&m->model);
    if (model != NULL && raga_model_tokenizer(model) == NULL) {
        cli_error("this model has no tokenizer: a text cannot be read");
    } else if (model != NULL) {
        status = read_texts(m, model, &ids, &n);
        status = status != CLI_OK ? status : measure(m, model, ids, n);
    }
    free(ids);
    raga_model_close(model);
    return status;
}

int cmd_imatrix(int argc, char **argv) {
    imatrix m = {0};
    // clang-format off
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &m.out, "FILE", "the importance matrix (GGUF)", 0, 0, NULL},
        {"--chunks", CLI_INT, &m.n_chunks, "N", "chunks that are read (all of the text)", 1, 1e9, NULL},
        {"--parse-special", CLI_FLAG, &m.is_special, NULL, "special tokens written in the text are recognized", 0, 0, NULL},
        {"--json", CLI_FLAG, &m.is_json, NULL, "say what was made as JSON", 0, 0, NULL},
        CLI_MODEL_OPTIONS(m.model),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga imatrix MODEL TEXT... -o FILE",
        .about = "Read calibration texts in chunks of --ctx tokens (512), each from an empty "
                 "context, and measure how large the inputs of each weight matrix are, column by "
                 "column. `raga quantize --imatrix` keeps the errors of large ones small. The "
                 "layout is llama.cpp's.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = m.words,
        .words_min = 2,
        .words_max = 1 + CLI_LIST_MAX,
        .examples = "  raga imatrix model-bf16.gguf wiki.txt code.txt -o model.imatrix.gguf\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (m.out == NULL) {
        cli_error("-o is needed: raga imatrix %s %s -o FILE", m.words[0], m.words[1]);
        return CLI_USAGE;
    }
    return open_and_measure(&m);
}
