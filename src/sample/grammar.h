/*
 * grammar.h: what a text may look like, byte by byte: rules made of nodes, as other files build
 * them from a JSON Schema or from a list of tools. matcher.h runs them.
 *
 *     bytes   one byte of a set, then next          either  this way or that
 *     call    a whole rule, then next               end     the rule is complete
 *
 * Nodes are built from the end of a text to its beginning: a constructor takes what comes next and
 * returns where to enter. What fails for lack of room is remembered and told by rg_grammar_finish.
 */
#pragma once

#include "base/buf.h"

#define RG_GRAMMAR_NODES_MAX (1 << 18)
#define RG_GRAMMAR_RULES_MAX (1 << 16)
#define RG_GRAMMAR_SETS_MAX  4096 // different sets of bytes
#define RG_GRAMMAR_DEPTH_MAX 128  // rules within rules while a text is matched

/** Where a way through a rule goes on: a node. */
typedef uint32_t rg_way;
/** No way on: "either" takes the other side, anything else before it is no way on as well. */
#define RG_WAY_NONE UINT32_MAX

typedef struct rg_byte_set {
    uint64_t bits[4];
} rg_byte_set;

static inline void rg_byte_set_add(rg_byte_set *set, unsigned from, unsigned to) {
    for (unsigned b = from; b <= to; b++) {
        set->bits[b / 64] |= 1ull << (b % 64);
    }
}
static inline bool rg_byte_set_has(const rg_byte_set *set, unsigned byte) {
    return (set->bits[byte / 64] >> (byte % 64) & 1) != 0;
}

/** Threads: one at a time per object while it is built, read-only after rg_grammar_finish. */
typedef struct rg_grammar rg_grammar;

rg_status rg_grammar_new(const rg_mem *mem, rg_grammar **out, rg_error *err) RG_MUST_CHECK;
void rg_grammar_free(rg_grammar *grammar);

/** A new rule without a way through; rg_grammar_set gives it one. */
uint32_t rg_grammar_rule(rg_grammar *g);
void rg_grammar_set(rg_grammar *g, uint32_t rule, rg_way entry);

rg_way rg_grammar_end(rg_grammar *g);
rg_way rg_grammar_bytes(rg_grammar *g, const rg_byte_set *set, rg_way next);
/** One byte of the range. */
rg_way rg_grammar_range(rg_grammar *g, unsigned from, unsigned to, rg_way next);
rg_way rg_grammar_text(rg_grammar *g, rg_str text, rg_way next);
/** One of several texts, in any order, each with what comes after it; RG_WAY_NONE when memory is
 * short. Their common beginnings are shared, so that thousands cost no more ways than one. */
typedef struct rg_grammar_word {
    rg_str text;
    rg_way next;
} rg_grammar_word;
rg_way rg_grammar_words(rg_grammar *g, const rg_grammar_word *words, size_t n);
rg_way rg_grammar_either(rg_grammar *g, rg_way a, rg_way b);
rg_way rg_grammar_call(rg_grammar *g, uint32_t rule, rg_way next);
/** An "either" whose sides are not known yet, for loops: rg_grammar_fill. */
rg_way rg_grammar_hole(rg_grammar *g);
void rg_grammar_fill(rg_grammar *g, rg_way hole, rg_way a, rg_way b);

/** True when something failed already: a loop that builds may stop. */
bool rg_grammar_is_failed(const rg_grammar *g);
const rg_mem *rg_grammar_mem(const rg_grammar *g);

/**
 * Close the grammar: find what no text can complete, and how deep a completion goes.
 * @param start  the rule of whole texts
 * Errors: RG_E_MEMORY; RG_E_LIMIT (nodes, rules, sets, depth); RG_E_ARG: no text can match, or a
 * rule refers to itself before its first byte (@param bad receives that rule; else untouched).
 */
rg_status rg_grammar_finish(rg_grammar *g, uint32_t start, uint32_t *bad,
                            rg_error *err) RG_MUST_CHECK;
/** Of a finished grammar: some text matches the rule. */
bool rg_grammar_is_possible(const rg_grammar *g, uint32_t rule);
