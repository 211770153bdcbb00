/* A recipe: what `raga train` makes, as one small JSON file. */
#pragma once

#include "format/json.h"
#include "model/create.h"
#include "train/bpe_train.h"
#include "train/data.h"

#define RG_RECIPE_FILE_MAX (1u << 20) // bytes of a recipe, of a template that it names
#define RG_RECIPE_LIST_MAX 256        // data files, special tokens

/** Fields may be read; text lives as long as the recipe. Paths are absolute or relative to where
 * the program runs: those of the file are relative to the file. */
typedef struct rg_recipe {
    const rg_mem *mem;
    rg_arena arena;
    rg_str text; // as the file has it
    rg_model_plan model;
    const char *tokenizer_dir; // of an existing tokenizer; NULL: one is trained
    rg_bpe_special specials[RG_RECIPE_LIST_MAX];
    size_t n_specials;
    rg_str bos;
    rg_str eos;
    rg_str pad;
    rg_str chat_template; // the template itself
    uint64_t vocab_lines; // most lines that the vocabulary is trained on
    const char *data[RG_RECIPE_LIST_MAX];
    size_t n_data;
    double valid_share;
    size_t n_rows;
    size_t seq_len;
    bool recompute;
    bool is_bf16;
    rg_fit_options fit; // without paths
    uint64_t seed;
} rg_recipe;

/**
 * Read and check a recipe. docs/train.md lists the fields.
 * Errors: RG_E_FORMAT naming the file, the field and its value (fields that nothing reads too);
 * RG_E_NOT_FOUND; RG_E_LIMIT; RG_E_MEMORY.
 */
rg_status rg_recipe_open(const rg_mem *mem, const char *path, rg_recipe **out,
                         rg_error *err) RG_MUST_CHECK;
void rg_recipe_close(rg_recipe *recipe);
