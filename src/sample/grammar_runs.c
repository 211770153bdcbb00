/*
 * Runs of plain characters: how many may follow each other from a node on, whatever they are.
 * Inside of a string most tokens are such runs, and need not be followed byte by byte.
 */
#include "sample/grammar_internal.h"
#include "sample/vocab_trie.h"

enum { AHEAD_MAX = 64 }; // nodes that are looked at, at once

/** Nodes that read the next byte, and whether the rule may be over. */
typedef struct ahead {
    rg_way nodes[AHEAD_MAX];
    size_t n;
    bool can_end;
    bool is_cut; // calls, or too many: nothing is known
} ahead;

static void look(const rg_grammar *g, rg_way node, ahead *out) {
    rg_way todo[AHEAD_MAX];
    size_t n_todo = 0;
    todo[n_todo++] = node;
    while (n_todo != 0 && !out->is_cut) {
        const rg_way at = todo[--n_todo];
        const rg_grammar_node *n = at == RG_WAY_NONE ? NULL : &rg_grammar_nodes(g)[at];
        if (n == NULL) {
            continue;
        }
        out->is_cut = n->kind == RG_WAY_CALL || n_todo + 2 > AHEAD_MAX || out->n == AHEAD_MAX;
        if (n->kind == RG_WAY_EITHER && !out->is_cut) {
            todo[n_todo++] = n->a;
            todo[n_todo++] = n->next;
        } else if (n->kind == RG_WAY_BYTES && !out->is_cut) {
            out->nodes[out->n++] = at;
        }
        out->can_end = out->can_end || n->kind == RG_WAY_END;
    }
}

/** Ranges of the bytes of a character. */
typedef struct ranges {
    uint8_t n;
    uint8_t from[4], to[4];
} ranges;

// does every text of these ranges complete the rule from here?
static bool takes_all(const rg_grammar *g, const ahead *here, const ranges *r, unsigned depth) {
    if (depth == r->n || depth == sizeof r->from) {
        return here->can_end;
    }
    bool is_done[256] = {false}; // by column: bytes of one behave alike
    for (unsigned byte = r->from[depth]; byte <= r->to[depth]; byte++) {
        const unsigned column = g->column_of[byte];
        ahead next = {.n = 0};
        if (is_done[column] || (depth == 0 && byte < 0x80 && !rg_is_plain(byte))) {
            continue;
        }
        is_done[column] = true;
        for (size_t i = 0; i < here->n; i++) {
            const rg_grammar_node *n = &rg_grammar_nodes(g)[here->nodes[i]];
            if (rg_byte_set_has(&rg_grammar_sets(g)[n->a], byte)) {
                look(g, n->next, &next);
            }
        }
        if (next.is_cut || !takes_all(g, &next, r, depth + 1)) {
            return false;
        }
    }
    return true;
}

// is every plain character, and every one of several bytes, a text of the rule?
static bool is_any_char(const rg_grammar *g, const ahead *here) {
    static const ranges chars[] = {
        {1, {' '}, {'~'}},
        {2, {0xC2, 0x80}, {0xDF, 0xBF}},
        {3, {0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}},
        {3, {0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}},
        {3, {0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}},
        {3, {0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}},
        {4, {0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}},
        {4, {0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}},
        {4, {0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}},
    };
    for (size_t i = 0; i < sizeof chars / sizeof *chars; i++) {
        if (!takes_all(g, here, &chars[i], 0)) {
            return false;
        }
    }
    return true;
}

static rg_grammar_run better(rg_grammar_run a, rg_grammar_run b) {
    return a.n != b.n ? (a.n > b.n ? a : b) : a.need < b.need ? a : b;
}

// as far as the runs of others are known
static rg_grammar_run run_now(const rg_grammar *g, const bool *is_char, const rg_grammar_run *runs,
                              const rg_grammar_node *n) {
    rg_grammar_run out = {0};
    if (n->kind == RG_WAY_EITHER) {
        const rg_grammar_run none = {0};
        out = better(n->a == RG_WAY_NONE ? none : runs[n->a],
                     n->next == RG_WAY_NONE ? none : runs[n->next]);
    } else if (n->kind == RG_WAY_CALL && is_char[n->a] && n->next != RG_WAY_NONE) {
        const uint16_t need = rg_grammar_nodes(g)[n->next].need;
        out = runs[n->next];
        out.n += out.n < RG_RUN_MAX;
        out.need = need > RG_GRAMMAR_DEPTH_MAX ? UINT8_MAX : need > out.need ? need : out.need;
    }
    return out;
}

rg_status rg_grammar_find_runs(rg_grammar *g, rg_error *err) {
    const size_t n_nodes = rg_grammar_count(g);
    const size_t n_rules = g->rules.size / sizeof(rg_way);
    bool *is_char = rg_new_array(g->mem, n_rules + 1, sizeof *is_char);
    rg_buf_init(&g->runs, g->mem, 0);
    if (is_char == NULL || !rg_buf_reserve(&g->runs, n_nodes * sizeof(rg_grammar_run))) {
        rg_free(g->mem, is_char);
        return rg_fail(err, RG_E_MEMORY, "no memory for the runs of %zu nodes", n_nodes);
    }
    rg_grammar_run *runs = (rg_grammar_run *)(void *)g->runs.data;
    g->runs.size = n_nodes * sizeof *runs;
    memset(runs, 0, g->runs.size);
    for (size_t rule = 0; rule < n_rules; rule++) {
        ahead here = {.n = 0};
        look(g, rg_grammar_rules(g)[rule], &here);
        is_char[rule] = !here.is_cut && is_any_char(g, &here);
        for (size_t i = 0; is_char[rule] && i < here.n; i++) {
            runs[here.nodes[i]].reads_char = true;
        }
    }
    // chains run along neighboring nodes, loops grow by one a sweep
    bool has_changed = true;
    for (int sweep = 0; has_changed && sweep < RG_RUN_MAX; sweep++) {
        has_changed = false;
        for (size_t k = 1; k < n_nodes; k++) {
            const size_t i = sweep % 2 == 0 ? k : n_nodes - k;
            const rg_grammar_node *n = &rg_grammar_nodes(g)[i];
            if (n->kind != RG_WAY_EITHER && n->kind != RG_WAY_CALL) {
                continue;
            }
            const rg_grammar_run now = run_now(g, is_char, runs, n);
            if (now.n > runs[i].n) {
                runs[i].n = now.n;
                runs[i].need = now.need > runs[i].need ? now.need : runs[i].need;
                has_changed = true;
            }
        }
    }
    rg_free(g->mem, is_char);
    return RG_OK;
}
