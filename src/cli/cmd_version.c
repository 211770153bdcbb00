#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/system.h"

int cmd_version(int argc, char **argv) {
    bool is_json = false;
    // clang-format off
    const cli_option options[] = {
        {"--json", CLI_FLAG, &is_json, NULL, "print JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {.usage = "raga version [--json]",
                           .about = "Print the version.",
                           .options = options,
                           .n_options = 1};
    const int status = cli_parse(&spec, argc, argv);
    if (status == CLI_GO_ON) {
        printf(is_json ? "{\"name\":\"raga\",\"version\":\"%s\"}\n" : "raga %s\n", raga_version());
        return CLI_OK;
    }
    return status;
}
