/*
 * cli/ is the program: one file a command, nothing but the public headers. A command is a row in
 * commands.c; its options are rows of a table, from which parsing, --help and its errors are made.
 *
 * options.h: tables of options.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_kind {
    CLI_FLAG,   // bool
    CLI_INT,    // int64_t
    CLI_REAL,   // double
    CLI_TEXT,   // const char *
    CLI_SIZE,   // uint64_t, with k, m or g behind it
    CLI_LIST,   // cli_list: may be given several times
    CLI_LAYERS, // cli_layers: "0,5,10-12", ascending
    CLI_CALL,   // cli_calls: a name, then perhaps a JSON object; may be given several times
} cli_kind;

enum { CLI_LIST_MAX = 64 };

typedef struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t n;
} cli_list;

enum { CLI_LAYERS_MAX = 1024 };

typedef struct cli_layers {
    uint32_t items[CLI_LAYERS_MAX];
    size_t n;
} cli_layers;

typedef struct cli_calls {
    struct {
        const char *name;
        const char *arguments; // NULL: none given
    } items[CLI_LIST_MAX];
    size_t n;
} cli_calls;

typedef struct cli_option {
    const char *name; // "--threads", with a short form behind a comma: "--max-tokens,-n"
    cli_kind kind;
    void *value;         // keeps what it has when the option is not given
    const char *metavar; // NULL for flags
    const char *help;
    double min, max; // numbers
    bool *is_given;  // may be NULL
} cli_option;

typedef struct cli_spec {
    const char *usage; // "raga run MODEL [PROMPT]"
    const char *about; // one paragraph
    const cli_option *options;
    size_t n_options;
    const char **words; // receives what is no option
    size_t words_min;
    size_t words_max;
    const char *examples; // lines, may be NULL
} cli_spec;

/** What a command answers: the exit status of the program. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130, CLI_GO_ON = -1 };

/**
 * Parse a command's arguments.
 * @return  CLI_GO_ON, or the exit status: --help was asked for, or the usage is wrong (said on
 * stderr)
 */
int cli_parse(const cli_spec *spec, int argc, char **argv);

/** Edit distance of two words, for suggestions. */
size_t cli_distance(const char *a, const char *b);
