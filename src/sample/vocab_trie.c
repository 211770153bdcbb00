#include "sample/vocab_trie.h"

#include <stdlib.h>

static int compare(const void *a, const void *b, void *arg) {
    const rg_str *tokens = arg;
    const int32_t ia = *(const int32_t *)a;
    const int32_t ib = *(const int32_t *)b;
    const rg_str x = tokens[ia];
    const rg_str y = tokens[ib];
    const int order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
    return order != 0 ? order : x.size != y.size ? (x.size < y.size ? -1 : 1) : ia < ib ? -1 : 1;
}

static size_t common(rg_str a, rg_str b) {
    size_t n = 0;
    while (n < a.size && n < b.size && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

static void close_node(rg_vocab_trie *t, uint32_t node, size_t n_tokens) {
    t->nodes[node].skip = (uint32_t)t->n_nodes;
    t->nodes[node].end = (uint32_t)n_tokens;
}

// tokens in order: each adds the bytes it does not share with the one before
static void fill(rg_vocab_trie *t, const rg_str *tokens, const int32_t *order, size_t n) {
    uint32_t path[RG_TRIE_TOKEN_MAX];
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        const rg_str token = tokens[order[i]];
        const size_t shared = i == 0 ? 0 : common(tokens[order[i - 1]], token);
        for (; depth > shared; depth--) {
            close_node(t, path[depth - 1], i);
        }
        for (; depth < token.size; depth++) {
            path[depth] = (uint32_t)t->n_nodes;
            t->nodes[t->n_nodes++] = (rg_trie_node){.id = -1,
                                                    .first = (uint32_t)i,
                                                    .byte = (uint8_t)token.data[depth],
                                                    .depth = (uint8_t)depth};
        }
        rg_trie_node *last = &t->nodes[path[depth - 1]];
        t->same[order[i]] = last->id;
        last->id = order[i];
        last->first = (uint32_t)i + 1; // what is below it is longer, and comes behind
    }
    for (; depth > 0; depth--) {
        close_node(t, path[depth - 1], n);
    }
}

/** Where in a character a text stands. */
typedef struct place {
    uint8_t left;     // bytes that the character still needs; BAD: it is none
    uint8_t from, to; // that the next one may be
} place;

enum { BAD = 255 };

static place step(place at, uint8_t byte) {
    if (at.left == BAD) {
        return at;
    }
    if (at.left != 0) {
        const bool is_good = byte >= at.from && byte <= at.to;
        return (place){.left = is_good ? at.left - 1 : BAD, .from = 0x80, .to = 0xBF};
    }
    const uint8_t left = byte < 0x80                    ? (rg_is_plain(byte) ? 0 : BAD)
                         : byte >= 0xC2 && byte <= 0xDF ? 1
                         : byte >= 0xE0 && byte <= 0xEF ? 2
                         : byte >= 0xF0 && byte <= 0xF4 ? 3
                                                        : BAD;
    return (place){.left = left,
                   .from = byte == 0xE0   ? 0xA0
                           : byte == 0xF0 ? 0x90
                                          : 0x80,
                   .to = byte == 0xED   ? 0x9F
                         : byte == 0xF4 ? 0x8F
                                        : 0xBF};
}

// from the beginnings down where in a character each node stands, then from the ends up how many
// are below it
static void measure(rg_vocab_trie *t, place *places) {
    place path[RG_TRIE_TOKEN_MAX + 1] = {{0}};
    for (size_t i = 0; i < t->n_nodes; i++) {
        const rg_trie_node *n = &t->nodes[i];
        places[i] = path[n->depth + 1] = step(path[n->depth], n->byte);
    }
    for (size_t i = t->n_nodes; i-- > 0;) {
        rg_trie_node *n = &t->nodes[i];
        unsigned most = 0;
        for (size_t k = i + 1; k < n->skip && most != RG_TRIE_NOT_PLAIN; k = t->nodes[k].skip) {
            const rg_trie_node *below = &t->nodes[k];
            const bool is_half = places[k].left != 0; // of a character
            const unsigned height = below->height + !is_half;
            const bool is_bad = places[k].left == BAD || below->height == RG_TRIE_NOT_PLAIN ||
                                (is_half && (below->id >= 0 || below->skip == k + 1));
            most = is_bad ? RG_TRIE_NOT_PLAIN : height > most ? height : most;
        }
        n->height = (uint8_t)most;
    }
}

rg_status rg_vocab_trie_new(const rg_mem *mem, const rg_str *tokens, size_t n_tokens,
                            rg_vocab_trie **out, rg_error *err) {
    rg_vocab_trie *t = rg_new(mem, sizeof *t);
    int32_t *order = rg_new_array(mem, n_tokens + 1, sizeof *order);
    size_t n = 0;
    size_t n_bytes = 0;
    if (t == NULL || order == NULL) {
        goto no_memory;
    }
    t->mem = mem;
    t->n_tokens = n_tokens;
    for (size_t i = 0; i < n_tokens; i++) {
        if (tokens[i].size != 0 && tokens[i].size <= RG_TRIE_TOKEN_MAX) {
            order[n++] = (int32_t)i;
        }
    }
    qsort_r(order, n, sizeof *order, compare, (void *)(uintptr_t)tokens);
    for (size_t i = 0; i < n; i++) {
        n_bytes +=
            tokens[order[i]].size - (i == 0 ? 0 : common(tokens[order[i - 1]], tokens[order[i]]));
    }
    t->nodes = n_bytes > UINT32_MAX ? NULL : rg_new_array(mem, n_bytes + 1, sizeof *t->nodes);
    t->same = rg_new_array(mem, n_tokens + 1, sizeof *t->same);
    if (t->nodes == NULL || t->same == NULL) {
        goto no_memory;
    }
    fill(t, tokens, order, n);
    place *places = rg_new_array(mem, t->n_nodes + 1, sizeof *places);
    if (places == NULL) {
        goto no_memory;
    }
    measure(t, places);
    rg_free(mem, places);
    t->order = order;
    *out = t;
    return RG_OK;

no_memory:
    rg_free(mem, order);
    rg_vocab_trie_free(t);
    return rg_fail(err, RG_E_MEMORY, "no memory for the bytes of %zu tokens", n_tokens);
}

void rg_vocab_trie_free(rg_vocab_trie *t) {
    if (t != NULL) {
        rg_free(t->mem, t->nodes);
        rg_free(t->mem, t->same);
        rg_free(t->mem, t->order);
        rg_free(t->mem, t);
    }
}
