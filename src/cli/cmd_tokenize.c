#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/tokenizer.h"

#include <stdlib.h>
#include <string.h>

typedef struct job {
    raga_tokenizer *tokenizer;
    unsigned flags;
} job;

static raga_status answer(void *arg, const char *line, size_t size, char **out, size_t *out_size,
                          raga_error *err) {
    const job *j = arg;
    return raga_tokenize_json_line(j->tokenizer, line, size, j->flags, out, out_size, err);
}

// ids with their text beside them, for people
static int print_text(const job *j, const char *text, size_t size, bool is_json) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (raga_tokenize(j->tokenizer, text, size, j->flags, &ids, &n, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    printf(is_json ? "{\"ids\":[" : "");
    for (size_t i = 0; i < n; i++) {
        char *bytes = NULL;
        size_t n_bytes = 0;
        if (is_json) {
            printf(i == 0 ? "%d" : ",%d", ids[i]);
        } else if (raga_detokenize_bytes(j->tokenizer, &ids[i], 1, &bytes, &n_bytes, &err) ==
                   RAGA_OK) {
            printf("%8d  ", ids[i]);
            cli_json_text(stdout, bytes, n_bytes);
            printf("\n");
        }
        raga_free(bytes);
    }
    if (is_json) {
        printf("]}\n");
    } else {
        fprintf(stderr, "%zu tokens\n", n);
    }
    raga_free(ids);
    return CLI_OK;
}

int cmd_tokenize(int argc, char **argv) {
    const char *words[2] = {NULL, NULL};
    bool is_lines = false, is_plain = false, is_added = false, is_json = false;
    // clang-format off
    const cli_option options[] = {
        {"--jsonl", CLI_FLAG, &is_lines, NULL, "one JSON object a line, in and out", 0, 0, NULL},
        {"--no-special", CLI_FLAG, &is_plain, NULL, "special tokens in the text are plain text", 0, 0, NULL},
        {"--add-special", CLI_FLAG, &is_added, NULL, "add the tokenizer's own BOS and EOS", 0, 0, NULL},
        {"--json", CLI_FLAG, &is_json, NULL, "print JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga tokenize MODEL_OR_TOKENIZER [TEXT] [--jsonl]",
        .about = "Text (an argument, or standard input) to token ids. With --jsonl, a line "
                 "{\"text\": ..} gets\n"
                 "{\"ids\": [..]}, and {\"ids\": [..]} gets {\"text\": .., \"bytes_hex\": ..}.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = words,
        .words_min = 1,
        .words_max = 2,
        .examples = "  raga tokenize model.gguf \"Hello\"\n"
                    "  echo '{\"text\": \"Hello\"}' | raga tokenize tokenizer.json --jsonl\n"};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (!cli_find_model(&words[0])) {
        return CLI_FAILED;
    }
    raga_error err = {0};
    job j = {.flags = (is_plain ? 0u : RAGA_TOKENIZE_PARSE_SPECIAL) |
                      (is_added ? RAGA_TOKENIZE_ADD_SPECIAL : 0u)};
    if (raga_tokenizer_open(words[0], &j.tokenizer, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_lines) {
        status = cli_each_line(answer, &j);
    } else {
        size_t size = words[1] == NULL ? 0 : strlen(words[1]);
        char *input = words[1] == NULL ? cli_read_all("-", &size) : NULL;
        status = words[1] == NULL && input == NULL
                     ? CLI_FAILED
                     : print_text(&j, words[1] == NULL ? input : words[1], size, is_json);
        free(input);
    }
    raga_tokenizer_close(j.tokenizer);
    return status;
}
