#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/chat.h"

#include <stdlib.h>
#include <string.h>

typedef struct job {
    const raga_template *tpl;
    const char *clock;
} job;

static raga_status answer(void *arg, const char *line, size_t size, char **out, size_t *out_size,
                          raga_error *err) {
    const job *j = arg;
    return raga_template_json_line(j->tpl, line, size, j->clock, out, out_size, err);
}

static bool ends_with(const char *text, const char *tail) {
    const size_t n = strlen(text);
    const size_t m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

int cmd_template(int argc, char **argv) {
    const char *path = NULL;
    bool is_lines = false;
    job j = {0};
    // clang-format off
    const cli_option options[] = {
        {"--jsonl", CLI_FLAG, &is_lines, NULL, "render each line of standard input", 0, 0, NULL},
        {"--clock", CLI_TEXT, &j.clock, "TIME", "fix strftime_now: 2026-01-15T09:05:07Z", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {.usage = "raga template FILE.jinja|MODEL --jsonl",
                           .about = "Render a chat template: each line {\"messages\": .., "
                                    "\"tools\": .., \"kwargs\": {..}} gets\n"
                                    "{\"rendered\": ..} or {\"error\": ..}.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options,
                           .words = &path,
                           .words_min = 1,
                           .words_max = 1};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (!is_lines) {
        cli_error("give --jsonl and a conversation a line on standard input");
        return CLI_USAGE;
    }
    if (!cli_find_model(&path)) {
        return CLI_FAILED;
    }
    raga_error err = {0};
    raga_template *own = NULL;
    raga_model *model = NULL;
    if (ends_with(path, ".jinja") || ends_with(path, ".txt")) {
        size_t size = 0;
        char *source = cli_read_all(path, &size);
        if (source == NULL) {
            return CLI_FAILED;
        }
        if (raga_template_new(source, size, &own, &err) != RAGA_OK) {
            status = cli_failed(&err);
        }
        free(source);
        j.tpl = own;
    } else {
        const raga_model_options o = {.size = sizeof o, .path = path, .is_facts_only = true};
        if (raga_model_open(&o, &model, &err) != RAGA_OK) {
            return cli_failed(&err);
        }
        j.tpl = raga_model_template(model);
        if (j.tpl == NULL) {
            cli_error("%s has no chat template", path);
            status = CLI_FAILED;
        }
    }
    if (j.tpl != NULL) {
        status = cli_each_line(answer, &j);
    }
    raga_template_free(own);
    raga_model_close(model);
    return status;
}
