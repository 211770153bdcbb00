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

struct rg_grammar {
    const rg_mem *mem;
    rg_buf nodes; // rg_grammar_node
    rg_buf rules; // rg_way: entry
    rg_buf sets;  // rg_byte_set
    uint32_t start;
    uint8_t column_of[256]; // bytes that no set tells apart share a column
    uint8_t byte_of[256];   // a byte of each column
    uint32_t n_columns;
};

static inline rg_grammar_node *rg_grammar_nodes(const rg_grammar *g) {
    return (rg_grammar_node *)(void *)g->nodes.data;
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
