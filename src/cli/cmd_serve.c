#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "raga/serve.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 }; // unless told otherwise: one answers while another reads

typedef struct serve {
    cli_model m;
    const char *host;
    int64_t port, n_queue, n_connections, grace_s;
    uint64_t body_bytes;
    bool has_port;
    cli_list names, keys, origins, hosts;
} serve;

static raga_server *serving; // set before the handler is

static void on_signal(int signo) {
    signal(signo, SIG_DFL); // the second time at once
    raga_server_interrupt(serving);
}

// "hf/some-model.gguf" is "some-model"
static void name_by_file(const char *path, char *out, size_t size) {
    const char *end = path + strlen(path);
    while (end > path && end[-1] == '/') {
        end--;
    }
    const char *begin = end;
    while (begin > path && begin[-1] != '/') {
        begin--;
    }
    const size_t n = (size_t)(end - begin);
    const bool is_gguf = n > 5 && strncmp(end - 5, ".gguf", 5) == 0;
    snprintf(out, size, "%.*s", (int)(is_gguf ? n - 5 : n), begin);
}

static int run(const serve *r, raga_model *model) {
    raga_error err = {0};
    char name[256];
    const char *names[CLI_LIST_MAX + 1] = {name};
    name_by_file(r->m.path, name, sizeof name);
    if (strcmp(r->m.path, RAGA_BUILTIN) == 0) {
        snprintf(name, sizeof name, "raga-nano");
    }
    memcpy(names + 1, r->names.items, r->names.n * sizeof *names);
    const raga_server_options options = {
        .size = sizeof options,
        .host = r->host,
        .port = r->has_port && r->port == 0 ? -1 : (int32_t)r->port,
        .names = names,
        .n_names = r->names.n + 1,
        .api_keys = r->keys.items,
        .n_api_keys = r->keys.n,
        .origins = r->origins.items,
        .n_origins = r->origins.n,
        .hosts = r->hosts.items,
        .n_hosts = r->hosts.n,
        .n_slots = (size_t)r->m.n_slots,
        .n_queue = (size_t)r->n_queue,
        .body_bytes = (size_t)r->body_bytes,
        .n_connections = (size_t)r->n_connections,
        .grace_ms = (unsigned)r->grace_s * 1000,
    };
    if (raga_server_start(model, &options, &serving, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    printf("%s at %s/v1, %zu tokens of context, %lld at once\n", name, raga_server_url(serving),
           raga_model_ctx(model), (long long)r->m.n_slots);
    fflush(stdout);
    raga_server_wait(serving);
    raga_server_stop(serving);
    return CLI_OK;
}

int cmd_serve(int argc, char **argv) {
    serve r = {.m = {.path = RAGA_BUILTIN, .n_slots = SLOTS}};
    // clang-format off
    const cli_option options[] = {
        {"--host", CLI_TEXT, &r.host, "ADDRESS", "listen here; 0.0.0.0 lets other machines ask (127.0.0.1)", 0, 0, NULL},
        {"--port", CLI_INT, &r.port, "N", "listen at this port; 0: any that is free (8080)", 0, 65535, &r.has_port},
        {"--api-key", CLI_LIST, &r.keys, "KEY", "that requests must show; may be repeated (RAGA_API_KEY, else none)", 0, 0, NULL},
        {"--alias", CLI_LIST, &r.names, "NAME", "another name of the model; \"*\": any name; may be repeated", 0, 0, NULL},
        {"--slots", CLI_INT, &r.m.n_slots, "N", "requests answered at once, each with its context (2)", 1, 64, NULL},
        {"--queue", CLI_INT, &r.n_queue, "N", "requests that may wait (64)", 1, 100000, NULL},
        {"--cors", CLI_LIST, &r.origins, "ORIGIN", "web pages that may ask: https://example.org; \"*\": all; may be repeated", 0, 0, NULL},
        {"--allow-host", CLI_LIST, &r.hosts, "NAME", "a name of this machine that requests may use; \"*\": any; may be repeated", 0, 0, NULL},
        {"--body-max", CLI_SIZE, &r.body_bytes, "SIZE", "of a request (64m)", 0, 0, NULL},
        {"--connections", CLI_INT, &r.n_connections, "N", "open at once (1024)", 1, 30000, NULL},
        {"--grace", CLI_INT, &r.grace_s, "S", "seconds that running answers have at the end (5)", 1, 3600, NULL},
        CLI_MODEL_OPTIONS(r.m),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga serve [MODEL] [options]",
        .about = "Answer programs over HTTP: OpenAI's interface (/v1/chat/completions, "
                 "/v1/completions, /v1/models),\nAnthropic's (/v1/messages), Ollama's (/api/chat, "
                 "/api/generate), and /tokenize, /detokenize,\n/apply-template, /health, /metrics. "
                 "Ends with Ctrl-C or SIGTERM. docs/serve.md says more.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &r.m.path,
        .words_min = 0,
        .words_max = 1,
        .examples = "  raga serve model.gguf --port 8080 --slots 4\n"
                    "  curl http://127.0.0.1:8080/v1/chat/completions -d "
                    "'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    const char *key = getenv("RAGA_API_KEY");
    if (r.keys.n == 0 && key != NULL && key[0] != '\0') {
        r.keys.items[r.keys.n++] = key;
    }
    raga_model *model = cli_open_model(&r.m);
    if (model == NULL) {
        return CLI_FAILED;
    }
    const int result = run(&r, model);
    raga_model_close(model);
    return result;
}
