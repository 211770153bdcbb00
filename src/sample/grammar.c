#include "sample/grammar.h"

#include "sample/grammar_internal.h"

#include <stdlib.h>

rg_status rg_grammar_new(const rg_mem *mem, rg_grammar **out, rg_error *err) {
    rg_grammar *g = rg_new(mem, sizeof *g);
    if (g == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a grammar");
    }
    g->mem = mem;
    rg_buf_init(&g->nodes, mem, RG_GRAMMAR_NODES_MAX * sizeof(rg_grammar_node));
    rg_buf_init(&g->rules, mem, RG_GRAMMAR_RULES_MAX * sizeof(rg_way));
    rg_buf_init(&g->sets, mem, RG_GRAMMAR_SETS_MAX * sizeof(rg_byte_set));
    // node 0: the end of every rule
    const rg_grammar_node end = {.kind = RG_WAY_END, .next = RG_WAY_NONE};
    rg_buf_put(&g->nodes, &end, sizeof end);
    *out = g;
    return RG_OK;
}

void rg_grammar_free(rg_grammar *g) {
    if (g != NULL) {
        rg_buf_clear(&g->nodes);
        rg_buf_clear(&g->rules);
        rg_buf_clear(&g->sets);
        rg_buf_clear(&g->runs);
        rg_free(g->mem, g);
    }
}

bool rg_grammar_is_failed(const rg_grammar *g) {
    return g->nodes.is_failed || g->rules.is_failed || g->sets.is_failed;
}

const rg_mem *rg_grammar_mem(const rg_grammar *g) {
    return g->mem;
}

uint32_t rg_grammar_rule(rg_grammar *g) {
    const rg_way none = RG_WAY_NONE;
    const uint32_t rule = (uint32_t)(g->rules.size / sizeof none);
    rg_buf_put(&g->rules, &none, sizeof none);
    return g->rules.is_failed ? 0 : rule;
}

void rg_grammar_set(rg_grammar *g, uint32_t rule, rg_way entry) {
    if (!rg_grammar_is_failed(g)) {
        rg_grammar_rules(g)[rule] = entry;
    }
}

static rg_way add(rg_grammar *g, rg_way_kind kind, uint32_t a, rg_way next) {
    const rg_grammar_node node = {.kind = (uint16_t)kind, .a = a, .next = next};
    const rg_way at = (rg_way)rg_grammar_count(g);
    rg_buf_put(&g->nodes, &node, sizeof node);
    return rg_grammar_is_failed(g) ? RG_WAY_NONE : at;
}

rg_way rg_grammar_end(rg_grammar *g) {
    return rg_grammar_is_failed(g) ? RG_WAY_NONE : 0;
}

// sets are few and often the same
static uint32_t find_set(rg_grammar *g, const rg_byte_set *set) {
    const size_t n = g->sets.size / sizeof *set;
    for (size_t i = n; i-- > 0;) {
        if (memcmp(&rg_grammar_sets(g)[i], set, sizeof *set) == 0) {
            return (uint32_t)i;
        }
    }
    rg_buf_put(&g->sets, set, sizeof *set);
    return (uint32_t)n;
}

rg_way rg_grammar_bytes(rg_grammar *g, const rg_byte_set *set, rg_way next) {
    const bool is_empty = (set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3]) == 0;
    return next == RG_WAY_NONE || is_empty ? RG_WAY_NONE
                                           : add(g, RG_WAY_BYTES, find_set(g, set), next);
}

rg_way rg_grammar_range(rg_grammar *g, unsigned from, unsigned to, rg_way next) {
    rg_byte_set set = {{0}};
    rg_byte_set_add(&set, from, to);
    return rg_grammar_bytes(g, &set, next);
}

rg_way rg_grammar_text(rg_grammar *g, rg_str text, rg_way next) {
    for (size_t i = text.size; i-- > 0 && next != RG_WAY_NONE;) {
        const uint8_t byte = (uint8_t)text.data[i];
        next = rg_grammar_range(g, byte, byte, next);
    }
    return next;
}

rg_way rg_grammar_either(rg_grammar *g, rg_way a, rg_way b) {
    return a == RG_WAY_NONE ? b : b == RG_WAY_NONE ? a : add(g, RG_WAY_EITHER, a, b);
}

rg_way rg_grammar_call(rg_grammar *g, uint32_t rule, rg_way next) {
    return next == RG_WAY_NONE ? RG_WAY_NONE : add(g, RG_WAY_CALL, rule, next);
}

rg_way rg_grammar_hole(rg_grammar *g) {
    return add(g, RG_WAY_EITHER, RG_WAY_NONE, RG_WAY_NONE);
}

void rg_grammar_fill(rg_grammar *g, rg_way hole, rg_way a, rg_way b) {
    if (!rg_grammar_is_failed(g)) {
        rg_grammar_nodes(g)[hole].a = a;
        rg_grammar_nodes(g)[hole].next = b;
    }
}

static int compare_words(const void *a, const void *b) {
    const rg_str x = ((const rg_grammar_word *)a)->text;
    const rg_str y = ((const rg_grammar_word *)b)->text;
    const size_t n = x.size < y.size ? x.size : y.size;
    const int order = n == 0 ? 0 : memcmp(x.data, y.data, n);
    return order != 0 ? order : x.size < y.size ? -1 : x.size > y.size;
}

/** A place in the tree of words: what may follow it, and the byte that leads to it. */
typedef struct branch {
    rg_way next;
    uint8_t byte;
} branch;

// the deepest branch is complete: it becomes a way of the one before
static void fold(rg_grammar *g, branch *path, size_t depth) {
    const uint8_t byte = path[depth].byte;
    const rg_way node = rg_grammar_range(g, byte, byte, path[depth].next);
    path[depth - 1].next = rg_grammar_either(g, node, path[depth - 1].next);
}

rg_way rg_grammar_words(rg_grammar *g, const rg_grammar_word *words, size_t n) {
    rg_grammar_word *sorted = rg_new_array(g->mem, n + 1, sizeof *sorted);
    size_t longest = 0;
    for (size_t i = 0; i < n; i++) {
        longest = words[i].text.size > longest ? words[i].text.size : longest;
    }
    branch *path = rg_new_array(g->mem, longest + 1, sizeof *path);
    rg_way node = RG_WAY_NONE;
    if (sorted == NULL || path == NULL) {
        g->nodes.is_failed = true;
    } else if (n != 0) {
        memcpy(sorted, words, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, compare_words);
        size_t depth = 0;
        path[0].next = RG_WAY_NONE;
        for (size_t i = 0; i < n && !rg_grammar_is_failed(g); i++) {
            const rg_str word = sorted[i].text;
            size_t shared = 0;
            while (shared < depth && shared < word.size &&
                   path[shared + 1].byte == (uint8_t)word.data[shared]) {
                shared++;
            }
            for (; depth > shared; depth--) {
                fold(g, path, depth);
            }
            for (; depth < word.size; depth++) {
                path[depth + 1] = (branch){RG_WAY_NONE, (uint8_t)word.data[depth]};
            }
            path[depth].next = rg_grammar_either(g, sorted[i].next, path[depth].next);
        }
        for (; depth > 0 && !rg_grammar_is_failed(g); depth--) {
            fold(g, path, depth);
        }
        node = rg_grammar_is_failed(g) ? RG_WAY_NONE : path[0].next;
    }
    rg_free(g->mem, sorted);
    rg_free(g->mem, path);
    return node;
}
