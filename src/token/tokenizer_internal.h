/* Shared by the files of token/: the vocabulary and how a loader fills it. */
#pragma once

#include "base/map.h"
#include "token/tokenizer.h"

#define RG_SPACE_MARK "\xE2\x96\x81" // U+2581, a space in SentencePiece vocabularies

#define RG_TOKENIZER_PLAIN_LLAMA3 "smaug-bpe" // in GGUF: Llama 3's cut, and all merges

typedef struct rg_merge_slot {
    uint64_t pair; // left id << 32 | right id; UINT64_MAX: free
    uint32_t rank;
    int32_t id; // of the two joined
} rg_merge_slot;

/** A node of the tree of added tokens: first child and next sibling, by byte. */
typedef struct rg_trie_node {
    uint32_t child; // 0: none
    uint32_t sibling;
    int32_t id; // of the token that ends here, or -1
    uint8_t byte;
} rg_trie_node;

typedef enum rg_merge_rule {
    RG_MERGE_PAIRS,  // by a list of pairs
    RG_MERGE_CONCAT, // two neighbors merge when their concatenation is a token; rank_of says in
                     // which order
} rg_merge_rule;

struct rg_regexes; // compiled patterns of RG_PRETOK_REGEX

struct rg_tokenizer {
    const rg_mem *mem;
    rg_arena arena; // bytes of tokens
    const char *kind;
    bool is_spm; // SentencePiece: spaces are U+2581, unknown characters become bytes
    bool has_space_prefix;
    bool is_nfc;
    bool ignore_merges; // a piece that is a token is taken whole
    rg_pretok pretok;
    struct rg_regexes *regexes;
    // vocabulary
    size_t n_vocab;
    rg_str *bytes; // by id
    uint8_t *types;
    rg_map id_of; // bytes of mergeable tokens -> id
    int32_t byte_id[256];
    int32_t unk;
    bool fuse_unk;
    // merges
    rg_merge_rule rule;
    rg_merge_slot *merges;
    size_t n_merge_slots; // a power of two
    uint32_t *rank_of;    // RG_MERGE_CONCAT: by id
    // added and special tokens
    rg_trie_node *trie; // [0] is the root
    size_t n_trie;
    size_t trie_cap;
    // around a text
    int32_t before[8];
    size_t n_before;
    int32_t after[8];
    size_t n_after;
    int32_t bos;
    int32_t eos;
    int32_t ends[RG_TOKENIZER_ENDS_MAX];
    size_t n_ends;
    rg_buf warnings;
};

// ---- for loaders ----

rg_status rg_tok_new(const rg_mem *mem, const char *kind, rg_tokenizer **out,
                     rg_error *err) RG_MUST_CHECK;
/** Room for n ids, all UNUSED at first. */
rg_status rg_tok_alloc(rg_tokenizer *tok, size_t n, rg_error *err) RG_MUST_CHECK;
/** Set a token. `bytes` must outlive the tokenizer (its arena). Mergeable ones are found by their
 * bytes. */
rg_status rg_tok_set(rg_tokenizer *tok, int64_t id, rg_str bytes, rg_token_type type,
                     bool is_mergeable, rg_error *err) RG_MUST_CHECK;
/** Recognize a token in trusted text. Errors: RG_E_FORMAT for an empty one. */
rg_status rg_tok_match(rg_tokenizer *tok, rg_str text, int32_t id, rg_error *err) RG_MUST_CHECK;
/** The longest added token at `at`, ending at or before `limit`: its id and end, or -1. */
int32_t rg_tok_match_at(const rg_tokenizer *tok, rg_str text, size_t at, size_t limit, size_t *end);
rg_status rg_tok_merges_alloc(rg_tokenizer *tok, size_t n, rg_error *err) RG_MUST_CHECK;
void rg_tok_merge_add(rg_tokenizer *tok, int32_t left, int32_t right, uint32_t rank, int32_t id);
const rg_merge_slot *rg_tok_merge_find(const rg_tokenizer *tok, int32_t left, int32_t right);
/** The printable spelling of byte-level vocabularies back to bytes, in the arena. */
rg_status rg_tok_from_printable(rg_tokenizer *tok, rg_str text, rg_str *out,
                                rg_error *err) RG_MUST_CHECK;
/** Merge by concatenation, higher scores first. Shapes: scores [n_vocab]. */
rg_status rg_tok_rank_scores(rg_tokenizer *tok, const float *scores, rg_error *err) RG_MUST_CHECK;
/** Copy the bytes of all tokens into the arena, so that nothing points into a file any more. */
rg_status rg_tok_own(rg_tokenizer *tok, rg_error *err) RG_MUST_CHECK;
/** byte_id from the vocabulary; call when all tokens are set. */
rg_status rg_tok_finish(rg_tokenizer *tok, rg_error *err) RG_MUST_CHECK;
void rg_tok_add_end(rg_tokenizer *tok, int32_t id);

/** Merge the pieces of one pre-token into ids. In bpe.c. */
rg_status rg_bpe_piece(const rg_tokenizer *tok, rg_str piece, rg_ids *ids,
                       rg_error *err) RG_MUST_CHECK;

/** Compile Split patterns; bounded by steps, depth and memory. In regex_split.c. */
rg_status rg_regexes_new(const rg_mem *mem, const rg_str *patterns, size_t n,
                         struct rg_regexes **out, rg_error *err) RG_MUST_CHECK;
void rg_regexes_free(struct rg_regexes *r);
typedef rg_status rg_piece_fn(void *arg, rg_str piece, rg_error *err);
/** Split text by each pattern in turn and hand over the pieces. Errors: RG_E_LIMIT; those of fn. */
rg_status rg_regexes_split(const struct rg_regexes *r, rg_str text, rg_piece_fn *fn, void *arg,
                           rg_error *err) RG_MUST_CHECK;
