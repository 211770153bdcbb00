/* The inside of a grammar, for its builder and its matcher. */
#pragma once

#include "sample/grammar.h"

enum { RG_NEED_NONE = UINT16_MAX };

typedef enum rg_way_kind {
    RG_WAY_END,
    RG_WAY_BYTES,  // a: set
    RG_WAY_EITHER, // a: the other side
    RG_WAY_CALL,   // a: rule
} rg_way_kind;

typedef struct rg_grammar_node {
    uint16_t kind;
    uint16_t need; // calls within each other that completing the rule from here takes at least
    uint32_t a;
    rg_way next;
} rg_grammar_node;

/** Plain characters that may follow each other from a node on, whatever they are. */
typedef struct rg_grammar_run {
    uint8_t n;       // how many at least; RG_RUN_MAX may be more
    uint8_t need;    // most calls within each other that completing the rule takes on the way
    bool reads_char; // the node is among the first of a rule that is any one character
} rg_grammar_run;

enum { RG_RUN_MAX = 254 };

struct rg_grammar {
    const rg_mem *mem;
    rg_buf nodes; // rg_grammar_node
    rg_buf rules; // rg_way: entry
    rg_buf sets;  // rg_byte_set
    rg_buf runs;  // rg_grammar_run, by node
    uint32_t start;
    uint8_t column_of[256]; // bytes that no set tells apart share a column
    uint8_t byte_of[256];   // a byte of each column
    uint32_t n_columns;
};

static inline rg_grammar_node *rg_grammar_nodes(const rg_grammar *g) {
    return (rg_grammar_node *)(void *)g->nodes.data;
}
static inline const rg_grammar_run *rg_grammar_runs(const rg_grammar *g) {
    return (const rg_grammar_run *)(const void *)g->runs.data;
}
static inline size_t rg_grammar_count(const rg_grammar *g) {
    return g->nodes.size / sizeof(rg_grammar_node);
}
static inline rg_way *rg_grammar_rules(const rg_grammar *g) {
    return (rg_way *)(void *)g->rules.data;
}
static inline const rg_byte_set *rg_grammar_sets(const rg_grammar *g) {
    return (const rg_byte_set *)(const void *)g->sets.data;
}

/** Fill `runs` of a grammar whose needs and columns are known. Errors: RG_E_MEMORY. In
 * grammar_runs.c. */
rg_status rg_grammar_find_runs(rg_grammar *g, rg_error *err) RG_MUST_CHECK;
