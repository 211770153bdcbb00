/* Options that all commands running a model share, and the way from them to an open model. */
#pragma once

#include "cli/options.h"
#include "raga/model.h"

typedef struct cli_model {
    const char *path;
    int64_t n_threads;
    int64_t n_ctx;
    uint64_t memory_bytes;
    bool is_exact;
    const char *kv_type;
    const char *quant;
    cli_list adapters;
    cli_list steers;
    cli_layers steer_layers;
    const char *speculate; // how tokens are guessed ahead; NULL: they are not
    bool is_facts_only;    // no engine is made
    int64_t n_slots;       // sessions at once; 0: one
} cli_model;

// rows for a command's table; m is the command's cli_model
#define CLI_MODEL_OPTIONS(m)                                                                       \
    {"--threads,-t", CLI_INT, &(m).n_threads, "N", "threads (physical cores)", 1, 1024, NULL},     \
        {"--ctx,-c", CLI_INT, &(m).n_ctx, "N", "tokens of context (what fits)", 1, 1e9, NULL},     \
        {"--memory", CLI_SIZE, &(m).memory_bytes, "SIZE", "budget: 8g, 500m (what is free)", 0,    \
         0,          NULL},                                                                        \
        {"--exact",                                                                                \
         CLI_FLAG,                                                                                 \
         &(m).is_exact,                                                                            \
         NULL,                                                                                     \
         "f32 activations and cache: the reference's numbers",                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {"--adapter", CLI_LIST, &(m).adapters, "PATH[:SCALE]", "a LoRA adapter; may be repeated",  \
         0,           0,        NULL},                                                             \
        {"--steer",                                                                                \
         CLI_LIST,                                                                                 \
         &(m).steers,                                                                              \
         "FILE[:SCALE]",                                                                           \
         "a control vector (raga steer); may be repeated",                                         \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {"--steer-layers",                                                                         \
         CLI_LAYERS,                                                                               \
         &(m).steer_layers,                                                                        \
         "LIST",                                                                                   \
         "layers that are steered: 4-20,22 (all that the files name)",                             \
         0,                                                                                        \
         0,                                                                                        \
         NULL},                                                                                    \
        {"--kv", CLI_TEXT, &(m).kv_type, "TYPE", "cache: f16 or f32 (f16)", 0, 0, NULL}, {         \
        "--quant", CLI_TEXT, &(m).quant, "TYPE",                                                   \
            "quantize a model directory on load: q8_0, q4_k, ...", 0, 0, NULL                      \
    }

/** Open by path or RAGA_BUILTIN; on failure the sentence is on stderr and NULL comes back. */
raga_model *cli_open_model(const cli_model *m);
