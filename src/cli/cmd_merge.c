#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/train.h"

#include <string.h>

int cmd_merge(int argc, char **argv) {
    const char *model = NULL;
    const char *out_dir = NULL;
    bool is_json = false;
    cli_list adapters = {0};
    const cli_option options[] = {
        {"--adapter", CLI_LIST, &adapters, "PATH[:SCALE]", "a LoRA adapter; may be repeated", 0, 0,
         NULL},
        {"--output,-o", CLI_TEXT, &out_dir, "DIR", "where the merged model goes", 0, 0, NULL},
        {"--json", CLI_FLAG, &is_json, NULL, "say what was written as JSON", 0, 0, NULL},
    };
    const cli_spec spec = {.usage = "raga merge MODEL --adapter PATH[:SCALE] -o DIR",
                           .about = "Merge LoRA adapters into the matrices of a Hugging Face "
                                    "directory; every tensor keeps its type.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options,
                           .words = &model,
                           .words_min = 1,
                           .words_max = 1};
    raga_error err = {0};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (adapters.n == 0 || out_dir == NULL) {
        cli_error("--adapter and -o are needed: raga merge %s --adapter ADAPTER -o DIR", model);
        return CLI_USAGE;
    }
    if (!cli_find_model(&model)) {
        return CLI_FAILED;
    }
    if (raga_merge(model, adapters.items, adapters.n, out_dir, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    if (is_json) {
        printf("{\"model\":");
        cli_json_text(stdout, out_dir, strlen(out_dir));
        printf("}\n");
    } else {
        printf("%s\n", out_dir);
    }
    return CLI_OK;
}
