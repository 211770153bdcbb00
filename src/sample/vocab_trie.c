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

// tokens in order: each adds the bytes it does not share with the one before
static void fill(rg_vocab_trie *t, const rg_str *tokens, const int32_t *order, size_t n) {
    uint32_t path[RG_TRIE_TOKEN_MAX];
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        const rg_str token = tokens[order[i]];
        const size_t shared = i == 0 ? 0 : common(tokens[order[i - 1]], token);
        for (; depth > shared; depth--) {
            t->nodes[path[depth - 1]].skip = (uint32_t)t->n_nodes;
        }
        for (; depth < token.size; depth++) {
            path[depth] = (uint32_t)t->n_nodes;
            t->nodes[t->n_nodes++] = (rg_trie_node){
                .id = -1, .byte = (uint8_t)token.data[depth], .depth = (uint8_t)depth};
        }
        int32_t *id = &t->nodes[path[depth - 1]].id;
        t->same[order[i]] = *id;
        *id = order[i];
    }
    for (; depth > 0; depth--) {
        t->nodes[path[depth - 1]].skip = (uint32_t)t->n_nodes;
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
    rg_free(mem, order);
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
        rg_free(t->mem, t);
    }
}
