#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/pull.h"

#include <string.h>

static int print_known(void) {
    raga_hub_known row = {.size = sizeof row};
    for (size_t i = 0; raga_hub_known_at(i, &row); i++) {
        printf("%-18s %-48s %s\n", row.name, row.target, row.about);
    }
    return CLI_OK;
}

// a short name that is nearly right
static void suggest(const char *name) {
    raga_hub_known row = {.size = sizeof row};
    raga_hub_known best = {.size = sizeof best};
    size_t least = 4;
    for (size_t i = 0; raga_hub_known_at(i, &row); i++) {
        const size_t d = cli_distance(name, row.name);
        if (d < least) {
            least = d;
            best = row;
        }
    }
    if (best.name != NULL) {
        cli_error("did you mean \"%s\"?", best.name);
    }
}

int cmd_pull(int argc, char **argv) {
    raga_pull_options o = {.size = sizeof o};
    const char *name = NULL;
    bool is_json = false;
    bool is_known = false;
    int64_t n_connections = 0;
    int64_t stall_s = 0;
    int64_t n_retries = 0;
    // clang-format off
    const cli_option options[] = {
        {"--dry-run", CLI_FLAG, &o.is_dry_run, NULL, "say which files it takes and how large they are", 0, 0, NULL},
        {"--offline", CLI_FLAG, &o.is_offline, NULL, "open no connection (RAGA_OFFLINE=1 too)", 0, 0, NULL},
        {"--copy", CLI_FLAG, &o.is_own_copy, NULL, "pull even what another tool has on this machine", 0, 0, NULL},
        {"--connections", CLI_INT, &n_connections, "N", "at once (8)", 1, 32, NULL},
        {"--limit-rate", CLI_SIZE, &o.bytes_s, "SIZE", "at most so many bytes a second: 5m", 0, 0, NULL},
        {"--timeout", CLI_INT, &stall_s, "SECONDS", "without a byte, a connection is made anew (30)", 1, 3600, NULL},
        {"--retries", CLI_INT, &n_retries, "N", "in a row without progress, then it gives up (8)", 1, 1000, NULL},
        {"--known", CLI_FLAG, &is_known, NULL, "list short names", 0, 0, NULL},
        {"--json", CLI_FLAG, &is_json, NULL, "a line of JSON an event on standard output", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga pull NAME",
        .about =
            "Bring a model onto this machine. A name is hf:OWNER/REPO[:FILE-OR-QUANT][@REVISION], "
            "ms:OWNER/REPO...\n(ModelScope), ollama:NAME[:TAG], https://..., or a short name of "
            "--known. What was fetched\nstays, whatever ends the pull: the same command goes on "
            "from there. Hashes are checked.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &name,
        .words_min = 0,
        .words_max = 1,
        .examples = "  raga pull hf:Qwen/Qwen3-0.6B\n"
                    "  raga pull hf:Qwen/Qwen3-8B-GGUF:Q4_K_M --dry-run\n"
                    "  raga pull ollama:qwen3:0.6b\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (is_known) {
        return print_known();
    }
    if (name == NULL) {
        cli_error("a name is missing: raga pull hf:Qwen/Qwen3-0.6B; --known lists short names");
        return CLI_USAGE;
    }
    o.name = name;
    o.n_connections = (unsigned)n_connections;
    o.stall_s = (unsigned)stall_s;
    o.n_retries = (unsigned)n_retries;
    char *path = NULL;
    const int ended = cli_pull(&o, is_json, &path);
    if (ended == CLI_FAILED && !raga_hub_is_name(name)) {
        suggest(name);
    }
    if (ended == CLI_OK && !is_json && path != NULL) {
        printf("%s\n", path);
        fprintf(stderr, "%sraga run %s%s\n", cli_dim(), name, cli_plain());
    }
    raga_free(path);
    return ended;
}
