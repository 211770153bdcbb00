/* A Hugging Face model directory: its settings as trees, its weights, the paths of what else lies
 * there. */
#pragma once

#include "format/json.h"
#include "format/safetensors.h"

#define RG_HF_CONFIG_MAX (4u << 20) // bytes of config.json and its neighbors

/** Fields may be read; read-only after opening. Trees are NULL where the file is absent. */
typedef struct rg_hf_dir {
    const rg_mem *mem;
    rg_arena arena;
    char *path;
    const rg_json *config;            // config.json
    const rg_json *generation_config; // generation_config.json
    const rg_json *tokenizer_config;  // tokenizer_config.json
    rg_str chat_template; // chat_template.jinja, or of tokenizer_config.json; empty: none
    rg_safetensors *weights;
} rg_hf_dir;

/**
 * Open a directory. Code that a config names ("auto_map") is never run.
 * Errors: RG_E_NOT_FOUND (no config.json, no safetensors; with advice for pickle files);
 * RG_E_FORMAT, RG_E_LIMIT.
 */
rg_status rg_hf_dir_open(const rg_mem *mem, const char *path, rg_hf_dir **out,
                         rg_error *err) RG_MUST_CHECK;
void rg_hf_dir_close(rg_hf_dir *dir);
