/* The vocabulary as a tree of bytes, laid out so that one pass over it visits every token once and
 * leaps over all tokens that share a refused beginning. */
#pragma once

#include "base/mem.h"
#include "base/view.h"

enum { RG_TRIE_NOT_PLAIN = 255 };

/** Is a byte a character that every JSON string may hold as it is? */
static inline bool rg_is_plain(unsigned byte) {
    return byte >= ' ' && byte < 0x7F && byte != '"' && byte != '\\';
}

#define RG_TRIE_TOKEN_MAX 255 // bytes; longer tokens are never offered under a grammar

/** Depth first, children in the order of their bytes. */
typedef struct rg_trie_node {
    uint32_t skip;  // the first node that is not below this one
    uint32_t first; // of the tokens below it, in `order` ...
    uint32_t end;   // ... up to here
    int32_t id;     // the token that ends here, or -1
    uint8_t byte;
    uint8_t depth;  // bytes before this one
    uint8_t height; // most characters of what is below it, where that is whole plain characters;
                    // else RG_TRIE_NOT_PLAIN
} rg_trie_node;

/** Threads: read-only after creation; share freely. */
typedef struct rg_vocab_trie {
    const rg_mem *mem;
    rg_trie_node *nodes;
    size_t n_nodes;
    int32_t *same;  // [n_tokens] another token of the same bytes, or -1
    int32_t *order; // tokens in the order of their bytes
    size_t n_tokens;
} rg_vocab_trie;

/**
 * @param tokens  bytes of each token; an empty one is never offered (control tokens). Not kept.
 * Errors: RG_E_MEMORY.
 */
rg_status rg_vocab_trie_new(const rg_mem *mem, const rg_str *tokens, size_t n_tokens,
                            rg_vocab_trie **out, rg_error *err) RG_MUST_CHECK;
void rg_vocab_trie_free(rg_vocab_trie *trie);
