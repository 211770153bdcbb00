/* Shared by the files of the BPE trainer. */
#pragma once

#include "base/map.h"
#include "train/bpe_train.h"

/** A distinct piece of text and how often it came. */
typedef struct rg_bpe_word {
    rg_str text;
    uint64_t count;
} rg_bpe_word;

struct rg_bpe_trainer {
    const rg_mem *mem;
    rg_arena arena; // bytes of words and tokens
    rg_pretok pretok;
    size_t n_vocab; // asked for
    uint64_t min_count;
    size_t word_bytes_max;
    rg_bpe_special specials[RG_BPE_SPECIALS_MAX];
    size_t n_specials;
    bool starts_special[256]; // by first byte
    // counted words
    rg_map word_of;
    rg_buf words; // rg_bpe_word
    size_t word_bytes;
    rg_buf normal; // scratch
    // the vocabulary
    rg_map token_of; // bytes -> id
    rg_buf tokens;   // rg_str by id
    rg_buf merges;   // rg_bpe_merge
    bool is_run;
};

static inline size_t rg_bpe_tokens(const rg_bpe_trainer *t) {
    return t->tokens.size / sizeof(rg_str);
}
static inline rg_str rg_bpe_token(const rg_bpe_trainer *t, int32_t id) {
    return ((const rg_str *)(const void *)t->tokens.data)[id];
}
/** The id of a token, made when it is new. The bytes are copied. */
rg_status rg_bpe_token_add(rg_bpe_trainer *t, rg_str bytes, int32_t *id,
                           rg_error *err) RG_MUST_CHECK;
