/* Text to token ids and back. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_tokenizer raga_tokenizer;

enum {
    RAGA_TOKENIZE_PLAIN = 0,         // special tokens written in the text are plain text
    RAGA_TOKENIZE_PARSE_SPECIAL = 1, // they are recognized
    RAGA_TOKENIZE_ADD_SPECIAL = 2,   // the tokenizer's own BOS and EOS are added
};

/** Open a tokenizer: tokenizer.json, tokenizer.model, tiktoken.model, a GGUF, or a directory with
 * one of them. */
RAGA_API raga_status raga_tokenizer_open(const char *path, raga_tokenizer **out,
                                         raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_tokenizer_close(raga_tokenizer *tokenizer);
/** The tokenizer of an open model, borrowed; NULL when it has none. */
RAGA_API const raga_tokenizer *raga_model_tokenizer(const raga_model *model);

/**
 * Encode.
 * @param ids  receives the ids, owned by the caller: raga_free()
 * Threads: any thread.
 */
RAGA_API raga_status raga_tokenize(const raga_tokenizer *tokenizer, const char *text, size_t size,
                                   unsigned flags, int32_t **ids, size_t *n,
                                   raga_error *err) RAGA_MUST_CHECK;
/**
 * Bytes of tokens, joined, nothing stripped. They need not be UTF-8: a token may end inside a
 * character.
 * @param bytes  receives the bytes and a terminator, owned by the caller: raga_free()
 */
RAGA_API raga_status raga_detokenize_bytes(const raga_tokenizer *tokenizer, const int32_t *ids,
                                           size_t n, char **bytes, size_t *size,
                                           raga_error *err) RAGA_MUST_CHECK;
/** Text of tokens as people read it: control tokens left out when skip_special, ill-formed parts as
 * U+FFFD. */
RAGA_API raga_status raga_detokenize(const raga_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                     bool skip_special, char **text, size_t *size,
                                     raga_error *err) RAGA_MUST_CHECK;
/**
 * One line of `raga tokenize --jsonl`: {"text": ..} gives {"ids": [..]}, {"ids": [..]} gives
 * {"text": .., "bytes_hex": ..}; what cannot be done gives {"error": ..}. Fails only for lack of
 * memory.
 * @param out  one JSON object without a newline, owned by the caller: raga_free()
 */
RAGA_API raga_status raga_tokenize_json_line(const raga_tokenizer *tokenizer, const char *line,
                                             size_t size, unsigned flags, char **out,
                                             size_t *out_size, raga_error *err) RAGA_MUST_CHECK;
RAGA_API size_t raga_tokenizer_vocab(const raga_tokenizer *tokenizer);
/** True for a token at which answers of the model end: its tokenizer's, and those that its settings
 * add. */
RAGA_API bool raga_model_is_end(const raga_model *model, int32_t id);
/** True for a token that ends an answer. */
RAGA_API bool raga_tokenizer_is_end(const raga_tokenizer *tokenizer, int32_t id);

#ifdef __cplusplus
}
#endif
