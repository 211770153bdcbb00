/*
 * Training a byte-level BPE vocabulary: pieces of text are counted, then the most frequent pair of
 * neighbors becomes a token, again and again. Of equally frequent pairs the one whose left token
 * comes first by its bytes wins, then the right one: the same texts give the same vocabulary,
 * whatever their order.
 *
 * Ids: the 256 bytes in the order of their printable spelling, then merged tokens in the order of
 * their making, then special tokens as they were given.
 */
#pragma once

#include "model/source.h"
#include "token/tokenizer.h"

#define RG_BPE_TOKEN_BYTES_MAX ((size_t)256)       // of a token made by merging
#define RG_BPE_WORD_BYTES_MAX  ((size_t)128 << 20) // of all distinct pieces together
#define RG_BPE_SPECIALS_MAX    ((size_t)1024)      // special tokens of one vocabulary

/** A token that stands for itself: never merged, recognized only where text is trusted. */
typedef struct rg_bpe_special {
    rg_str text;     // at least two bytes
    bool is_control; // no part of what people read
} rg_bpe_special;

typedef struct rg_bpe_options {
    rg_pretok pretok;               // one that has a single pattern: rg_pretok_pattern()
    size_t n_vocab;                 // special tokens included
    const rg_bpe_special *specials; // n_specials; copied
    size_t n_specials;
    uint64_t min_count;    // rarer pairs are not merged; 0: 2
    size_t word_bytes_max; // 0: RG_BPE_WORD_BYTES_MAX
} rg_bpe_options;

typedef struct rg_bpe_trainer rg_bpe_trainer;

/**
 * Errors: RG_E_ARG (a vocabulary too small for 256 bytes and the special tokens, or above
 * RG_TOKENIZER_VOCAB_MAX; specials that are short, not UTF-8 or given twice), RG_E_UNSUPPORTED (the
 * pre-tokenizer), RG_E_LIMIT, RG_E_MEMORY. Threads: one at a time per object.
 */
rg_status rg_bpe_trainer_new(const rg_mem *mem, const rg_bpe_options *options, rg_bpe_trainer **out,
                             rg_error *err) RG_MUST_CHECK;
void rg_bpe_trainer_free(rg_bpe_trainer *t);

/**
 * Count the pieces of a text. Special tokens written in it part it and are not counted.
 * Errors: RG_E_LIMIT when distinct pieces take more than word_bytes_max (train on a part of the
 * data, then); RG_E_STATE after rg_bpe_trainer_run; RG_E_MEMORY.
 */
rg_status rg_bpe_trainer_add(rg_bpe_trainer *t, rg_str text, rg_error *err) RG_MUST_CHECK;

/**
 * Make the merges. Fewer than asked for when no pair is frequent enough: look at
 * rg_bpe_trainer_vocab. Time is near linear in the distinct pieces, memory about 24 times their
 * bytes.
 * @param progress  may be NULL
 * Errors: RG_E_CANCELLED, RG_E_MEMORY, RG_E_STATE (a second time).
 */
rg_status rg_bpe_trainer_run(rg_bpe_trainer *t, rg_progress_fn *progress, void *arg,
                             rg_error *err) RG_MUST_CHECK;

typedef struct rg_bpe_merge {
    int32_t left;
    int32_t right;
} rg_bpe_merge;

/** Tokens so far, special ones included. */
size_t rg_bpe_trainer_vocab(const rg_bpe_trainer *t);
/** Distinct pieces counted. */
size_t rg_bpe_trainer_words(const rg_bpe_trainer *t);
/** In the order of their making; borrowed until the next call. */
const rg_bpe_merge *rg_bpe_trainer_merges(const rg_bpe_trainer *t, size_t *n);
/** Bytes of a token that is not special; empty for other ids. */
rg_str rg_bpe_trainer_token(const rg_bpe_trainer *t, int32_t id);

/** What the files say beside the vocabulary; views may be empty: not stated. */
typedef struct rg_bpe_files {
    rg_str chat_template;
    rg_str bos; // special tokens by their text
    rg_str eos;
    rg_str pad;
    size_t model_max_length; // 0: not stated
} rg_bpe_files;

/**
 * Write tokenizer.json and tokenizer_config.json into a directory, made when absent; each file
 * atomically.
 * Errors: RG_E_ARG (bos, eos or pad that are no special token, a template that is not UTF-8),
 * RG_E_IO, RG_E_MEMORY.
 */
rg_status rg_bpe_trainer_save(const rg_bpe_trainer *t, const char *dir, const rg_bpe_files *files,
                              rg_error *err) RG_MUST_CHECK;
