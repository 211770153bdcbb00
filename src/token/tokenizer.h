/*
 * token/ turns text into token ids and back: vocabularies, byte-pair merging, pre-tokenizers. It
 * relies on base/ and format/ and knows no model.
 *
 * tokenizer.h: one tokenizer, whatever file it came from. Read-only after creation: share freely
 * between threads.
 */
#pragma once

#include "base/buf.h"
#include "format/gguf.h"
#include "format/json.h"
#include "token/pretok.h"

#define RG_TOKENIZER_FILE_MAX  (128u << 20) // bytes of a tokenizer file
#define RG_TOKENIZER_VOCAB_MAX (4u << 20)   // tokens
#define RG_TOKENIZER_TOKEN_MAX 65535        // bytes of one token
#define RG_TOKENIZER_ENDS_MAX  32           // tokens that end an answer

typedef enum rg_token_type {
    RG_TOKEN_NORMAL,
    RG_TOKEN_CONTROL, // special: matched where trusted, not part of what people read
    RG_TOKEN_USER,    // added: matched where trusted, read as text
    RG_TOKEN_BYTE,    // one byte of a character that has no token
    RG_TOKEN_UNUSED,  // a row without a token
} rg_token_type;

typedef struct rg_tokenizer rg_tokenizer;

/**
 * From the text of a tokenizer.json and, when there is one, of tokenizer_config.json.
 * Errors: RG_E_FORMAT naming the field; RG_E_UNSUPPORTED (model types other than BPE); RG_E_LIMIT;
 * RG_E_MEMORY.
 */
rg_status rg_tokenizer_of_json(const rg_mem *mem, rg_str text, rg_str config, rg_tokenizer **out,
                               rg_error *err) RG_MUST_CHECK;
/** From a bare ranks file ("base64 rank" a line) and the special tokens and pattern beside it (JSON
 * text, may be empty). */
rg_status rg_tokenizer_of_ranks(const rg_mem *mem, rg_str ranks, rg_str special, rg_tokenizer **out,
                                rg_error *err) RG_MUST_CHECK;
/** From a SentencePiece model file (BPE). */
rg_status rg_tokenizer_of_pieces(const rg_mem *mem, rg_bytes model, rg_tokenizer **out,
                                 rg_error *err) RG_MUST_CHECK;
/** From the metadata of a GGUF file; RG_E_NOT_FOUND when it holds no tokenizer. */
rg_status rg_tokenizer_of_gguf(const rg_mem *mem, const rg_gguf *gguf, rg_tokenizer **out,
                               rg_error *err) RG_MUST_CHECK;
/**
 * Write a tokenizer as the metadata of a GGUF file: the keys that rg_tokenizer_of_gguf reads.
 * @param n_rows  rows of the model's embedding; those beyond the vocabulary are written as unused
 * Errors: RG_E_UNSUPPORTED (a pre-tokenizer that GGUF has no name for), RG_E_FORMAT (more tokens
 * than rows), RG_E_MEMORY.
 */
rg_status rg_tokenizer_put_gguf(const rg_tokenizer *tok, size_t n_rows, rg_gguf_writer *w,
                                rg_error *err) RG_MUST_CHECK;
/** From a path: a tokenizer.json, tokenizer.model, ranks file, GGUF, or a directory that holds one
 * of them. */
rg_status rg_tokenizer_open(const rg_mem *mem, const char *path, rg_tokenizer **out,
                            rg_error *err) RG_MUST_CHECK;
void rg_tokenizer_free(rg_tokenizer *tok);

/** Ids under construction. */
typedef struct rg_ids {
    rg_buf buf; // int32_t
} rg_ids;

static inline void rg_ids_init(rg_ids *ids, const rg_mem *mem) {
    rg_buf_init(&ids->buf, mem, 0);
}
static inline size_t rg_ids_count(const rg_ids *ids) {
    return ids->buf.size / sizeof(int32_t);
}
static inline const int32_t *rg_ids_data(const rg_ids *ids) {
    return (const int32_t *)(const void *)ids->buf.data;
}
static inline void rg_ids_clear(rg_ids *ids) {
    rg_buf_clear(&ids->buf);
}

enum {
    RG_ENCODE_PARSE_SPECIAL = 1, // special and added tokens written in the text are recognized
    RG_ENCODE_ADD_SPECIAL = 2,   // the tokenizer's own beginning and end are added
};

/**
 * Encode text, appending to ids. Time is near linear in the text, stack constant.
 * Errors: RG_E_MEMORY; RG_E_LIMIT (a bounded regular expression gave up); RG_E_FORMAT (a character
 * without a token). Threads: any thread.
 */
rg_status rg_tokenizer_encode(const rg_tokenizer *tok, rg_str text, unsigned flags, rg_ids *ids,
                              rg_error *err) RG_MUST_CHECK;
/** The same with trust by stretch: runs ascending and covering the text. */
rg_status rg_tokenizer_encode_runs(const rg_tokenizer *tok, rg_str text, const rg_text_run *runs,
                                   size_t n_runs, unsigned flags, rg_ids *ids,
                                   rg_error *err) RG_MUST_CHECK;

/** A place in a text that no token crosses. */
typedef struct rg_token_cut {
    size_t at;    // byte of the text
    size_t n_ids; // answer: ids in front of it
} rg_token_cut;

/**
 * A rendered conversation as a model gets it, for serving and for training: special tokens where
 * the template wrote them, and the tokenizer's BOS in front unless the template wrote that as well.
 * @param cuts  n_cuts, ascending; a cut inside a special token lies behind it. The text on both
 *              sides gets the ids that it has when a prompt ends there and an answer begins.
 */
rg_status rg_tokenizer_encode_chat(const rg_tokenizer *tok, rg_str text, const rg_text_run *runs,
                                   size_t n_runs, rg_token_cut *cuts, size_t n_cuts, rg_ids *ids,
                                   rg_error *err) RG_MUST_CHECK;

/** Bytes of a token as the vocabulary spells it (SentencePiece: U+2581 for a space);
 * rg_tokenizer_join gives texts. Empty for ids outside the vocabulary. */
rg_str rg_tokenizer_bytes(const rg_tokenizer *tok, int32_t id);
rg_token_type rg_tokenizer_type(const rg_tokenizer *tok, int32_t id);
/** Bytes of all tokens joined, nothing stripped. */
void rg_tokenizer_join(const rg_tokenizer *tok, const int32_t *ids, size_t n, rg_buf *out);
/** Text as people read it: without control tokens when skip_special, ill-formed parts as U+FFFD. */
void rg_tokenizer_decode(const rg_tokenizer *tok, const int32_t *ids, size_t n, bool skip_special,
                         rg_buf *out);
/** Append bytes as UTF-8: each maximal ill-formed part becomes one U+FFFD. */
void rg_utf8_repair(rg_buf *out, rg_str bytes);

/** A stream of tokens to text: what may still be completed is held back. Zero it to begin. */
typedef struct rg_detokenizer {
    char held[4];
    size_t n_held;
} rg_detokenizer;

/** Append the text that became certain with this token; control tokens add nothing. */
void rg_detokenizer_put(rg_detokenizer *d, const rg_tokenizer *tok, int32_t id, rg_buf *out);
/** The stream is over: an incomplete character becomes U+FFFD. */
void rg_detokenizer_flush(rg_detokenizer *d, rg_buf *out);

/** The character that stands for a byte where byte-level vocabularies are spelled out. */
uint32_t rg_printable_of_byte(uint8_t byte);

size_t rg_tokenizer_vocab(const rg_tokenizer *tok);
/** The id of a token by its text as the file spells it, special and added ones included; -1: none.
 */
int32_t rg_tokenizer_find(const rg_tokenizer *tok, rg_str text);
int32_t rg_tokenizer_bos(const rg_tokenizer *tok); // -1: none
int32_t rg_tokenizer_eos(const rg_tokenizer *tok);
bool rg_tokenizer_adds_bos(const rg_tokenizer *tok);
bool rg_tokenizer_is_end(const rg_tokenizer *tok, int32_t id);
/** "bpe", "sentencepiece" or "tiktoken". */
const char *rg_tokenizer_kind(const rg_tokenizer *tok);
rg_pretok rg_tokenizer_pretok(const rg_tokenizer *tok);
/** Lines about what is odd but harmless; "" when nothing is. */
const char *rg_tokenizer_warnings(const rg_tokenizer *tok);
