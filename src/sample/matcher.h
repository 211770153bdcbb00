/*
 * matcher.h: follows a text through a grammar and says which tokens may come next.
 *
 * Where a grammar leaves several ways open, all are followed at once; the set of ways is a state,
 * known again by what it holds. Steps between states and the masks of states are kept, so a text
 * costs a table look-up a byte and a mask is worked out once, in one pass over the vocabulary.
 */
#pragma once

#include "sample/grammar.h"
#include "sample/vocab_trie.h"

#define RG_MATCHER_WAYS_MAX   (1 << 12)  // followed at once
#define RG_MATCHER_STATES_MAX (1 << 15)  // kept; then all but the current one are forgotten
#define RG_MATCHER_ITEMS_MAX  (1 << 20)  // ways of all kept states
#define RG_MATCHER_STACKS_MAX (1 << 17)  // calls of all kept states
#define RG_MATCHER_MASKS_MAX  (32 << 20) // bytes of masks kept

/** Threads: one at a time per object. */
typedef struct rg_matcher rg_matcher;

/**
 * At the beginning of a text.
 * @param grammar  finished; borrowed for the life of the matcher
 * @param trie     the vocabulary, borrowed; NULL: texts are followed, masks cannot be asked for
 */
rg_status rg_matcher_new(const rg_mem *mem, const rg_grammar *grammar, const rg_vocab_trie *trie,
                         rg_matcher **out, rg_error *err) RG_MUST_CHECK;
void rg_matcher_free(rg_matcher *matcher);

/** Back to the beginning; what was learnt about the grammar is kept. */
void rg_matcher_reset(rg_matcher *matcher);
/** The text so far is complete. */
bool rg_matcher_can_end(const rg_matcher *matcher);
/** Bytes may come next; a failure is told by the next call that can. */
bool rg_matcher_allows(rg_matcher *matcher, rg_str bytes);
/** Go on by bytes. Errors: RG_E_ARG when they may not come; RG_E_LIMIT (too many ways at once);
 * RG_E_MEMORY. On failure the matcher stands where it stood. */
rg_status rg_matcher_advance(rg_matcher *matcher, rg_str bytes, rg_error *err) RG_MUST_CHECK;
/**
 * The tokens that may come next: bit i % 64 of word i / 64 for token i.
 * @param bits   [(n_tokens + 63) / 64] words, borrowed until the next call
 * @param n_set  how many there are
 * Errors: RG_E_LIMIT, RG_E_MEMORY.
 */
rg_status rg_matcher_mask(rg_matcher *matcher, const uint64_t **bits, size_t *n_set,
                          rg_error *err) RG_MUST_CHECK;
