/* Closing a grammar: what can be completed at all, rules that begin with themselves, byte columns.
 */
#include "sample/grammar.h"
#include "sample/grammar_internal.h"

static uint32_t need_of(const rg_grammar *g, rg_way node) {
    return node == RG_WAY_NONE ? RG_NEED_NONE : rg_grammar_nodes(g)[node].need;
}

static uint32_t need_of_rule(const rg_grammar *g, uint32_t rule) {
    return need_of(g, rg_grammar_rules(g)[rule]);
}

bool rg_grammar_is_possible(const rg_grammar *g, uint32_t rule) {
    return need_of_rule(g, rule) != RG_NEED_NONE;
}

// calls within each other to the end of the rule, as far as the needs of others are known
static uint32_t need_now(const rg_grammar *g, const rg_grammar_node *n) {
    const uint32_t next = need_of(g, n->next);
    if (n->kind == RG_WAY_BYTES) {
        return next;
    }
    if (n->kind == RG_WAY_EITHER) {
        const uint32_t other = need_of(g, n->a);
        return next < other ? next : other;
    }
    const uint32_t inner = need_of_rule(g, n->a) + 1;
    const uint32_t need = inner > next ? inner : next;
    return need > RG_GRAMMAR_DEPTH_MAX ? RG_NEED_NONE : need;
}

// A shortest completion is found in sweeps: each level of calls within calls takes at most a few,
// back and forth, because ways through a rule run along neighboring nodes.
static void find_needs(rg_grammar *g) {
    enum { SWEEPS_MAX = 4 * RG_GRAMMAR_DEPTH_MAX };
    rg_grammar_node *nodes = rg_grammar_nodes(g);
    const size_t n = rg_grammar_count(g);
    for (size_t i = 1; i < n; i++) {
        nodes[i].need = RG_NEED_NONE;
    }
    bool has_changed = true;
    for (int sweep = 0; has_changed && sweep < SWEEPS_MAX; sweep++) {
        has_changed = false;
        for (size_t k = 1; k < n; k++) {
            rg_grammar_node *node = &nodes[sweep % 2 == 0 ? k : n - k];
            const uint32_t need = need_now(g, node);
            if (need < node->need) {
                node->need = (uint16_t)need;
                has_changed = true;
            }
        }
    }
}

// ---- rules that come back to themselves before a byte was read ----

/** Marks of the search: nodes seen in the rule at hand, rules by state. */
typedef struct search {
    const rg_grammar *g;
    uint32_t *seen; // by node: the rule (+ 1) that last reached it without a byte
    rg_way *todo;
    size_t n_todo;
    uint8_t *is_empty; // by rule: may match nothing
} search;

static void reach(search *s, uint32_t rule, rg_way node) {
    if (node != RG_WAY_NONE && s->seen[node] != rule + 1) {
        s->seen[node] = rule + 1;
        s->todo[s->n_todo++] = node;
    }
}

// every node of a rule before its first byte; calls are handed to fn
static bool walk(search *s, uint32_t rule, void (*fn)(void *arg, uint32_t callee), void *arg) {
    const rg_grammar_node *nodes = rg_grammar_nodes(s->g);
    bool is_empty = false;
    reach(s, rule, rg_grammar_rules(s->g)[rule]);
    while (s->n_todo != 0) {
        const rg_grammar_node *n = &nodes[s->todo[--s->n_todo]];
        if (n->kind == RG_WAY_EITHER) {
            reach(s, rule, n->a);
            reach(s, rule, n->next);
        } else if (n->kind == RG_WAY_CALL) {
            if (fn != NULL) {
                fn(arg, n->a);
            }
            if (s->is_empty[n->a]) {
                reach(s, rule, n->next);
            }
        }
        is_empty |= n->kind == RG_WAY_END;
    }
    return is_empty;
}

static void collect(void *arg, uint32_t callee) {
    rg_buf_put(arg, &callee, sizeof callee);
}

// rules whose first calls are all ordered are taken away until none is left; what stays is a circle
static bool find_circle(search *s, size_t n_rules, rg_buf *edges, size_t *first, uint32_t *state,
                        uint32_t *bad) {
    for (uint32_t rule = 0; rule < n_rules; rule++) {
        first[rule] = edges->size / sizeof rule;
        (void)walk(s, rule, collect, edges);
    }
    first[n_rules] = edges->size / sizeof(uint32_t);
    const uint32_t *callees = (const uint32_t *)(const void *)edges->data;
    // state: 0 not begun, 1 done, 2 + next edge while on the path; the path lives in todo
    for (uint32_t root = 0; root < n_rules && !edges->is_failed; root++) {
        size_t depth = 0;
        if (state[root] == 0) {
            s->todo[depth++] = root;
            state[root] = 2;
        }
        while (depth != 0) {
            const uint32_t rule = s->todo[depth - 1];
            const size_t edge = first[rule] + state[rule] - 2;
            if (edge == first[rule + 1]) {
                state[rule] = 1;
                depth--;
                continue;
            }
            state[rule]++;
            const uint32_t callee = callees[edge];
            if (state[callee] > 1) {
                *bad = callee;
                return true;
            }
            if (state[callee] == 0) {
                state[callee] = 2;
                s->todo[depth++] = callee;
            }
        }
    }
    return false;
}

static rg_status refuse_circles(const rg_grammar *g, uint32_t *bad, rg_error *err) {
    const size_t n_rules = g->rules.size / sizeof(rg_way);
    const size_t n_nodes = rg_grammar_count(g);
    search s = {.g = g};
    rg_buf edges;
    rg_buf_init(&edges, g->mem, 0);
    s.seen = rg_new_array(g->mem, n_nodes, sizeof *s.seen);
    s.todo = rg_new_array(g->mem, n_nodes + n_rules, sizeof *s.todo);
    s.is_empty = rg_new_array(g->mem, n_rules, 1);
    size_t *first = rg_new_array(g->mem, n_rules + 1, sizeof *first);
    uint32_t *state = rg_new_array(g->mem, n_rules, sizeof *state);
    rg_status status = RG_OK;
    if (s.seen == NULL || s.todo == NULL || s.is_empty == NULL || first == NULL || state == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to check a grammar of %zu nodes", n_nodes);
        goto done;
    }
    // which rules may be empty, until nothing is new; the depth of such rules is small
    bool has_changed = true;
    for (int sweep = 0; has_changed && sweep < RG_GRAMMAR_DEPTH_MAX; sweep++) {
        has_changed = false;
        memset(s.seen, 0, n_nodes * sizeof *s.seen);
        for (uint32_t rule = 0; rule < n_rules; rule++) {
            if (!s.is_empty[rule] && walk(&s, rule, NULL, NULL)) {
                s.is_empty[rule] = 1;
                has_changed = true;
            }
        }
    }
    memset(s.seen, 0, n_nodes * sizeof *s.seen);
    if (find_circle(&s, n_rules, &edges, first, state, bad)) {
        status = rg_fail(err, RG_E_ARG, "a rule refers to itself before its first byte");
    } else {
        status = rg_buf_check(&edges, "the rules of a grammar", err);
    }

done:
    rg_buf_clear(&edges);
    rg_free(g->mem, s.seen);
    rg_free(g->mem, s.todo);
    rg_free(g->mem, s.is_empty);
    rg_free(g->mem, first);
    rg_free(g->mem, state);
    return status;
}

// refine one column of all bytes by each set in turn
static void find_columns(rg_grammar *g) {
    const size_t n_sets = g->sets.size / sizeof(rg_byte_set);
    memset(g->column_of, 0, sizeof g->column_of);
    g->n_columns = 1;
    for (size_t i = 0; i < n_sets; i++) {
        const rg_byte_set *set = &rg_grammar_sets(g)[i];
        uint16_t renamed[512];
        uint8_t columns[256];
        uint32_t n = 0;
        memset(renamed, 0xFF, sizeof renamed);
        for (unsigned b = 0; b < 256; b++) {
            const unsigned key = g->column_of[b] * 2u + rg_byte_set_has(set, b);
            if (renamed[key] == UINT16_MAX) {
                renamed[key] = (uint16_t)n++;
            }
            columns[b] = (uint8_t)renamed[key];
        }
        memcpy(g->column_of, columns, sizeof columns);
        g->n_columns = n;
    }
    for (unsigned b = 256; b-- > 0;) {
        g->byte_of[g->column_of[b]] = (uint8_t)b;
    }
}

rg_status rg_grammar_finish(rg_grammar *g, uint32_t start, uint32_t *bad, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(rg_buf_check(&g->nodes, "the nodes of a grammar (RG_GRAMMAR_NODES_MAX)", err));
    RG_TRY(rg_buf_check(&g->rules, "the rules of a grammar (RG_GRAMMAR_RULES_MAX)", err));
    RG_TRY(rg_buf_check(&g->sets, "the byte sets of a grammar (RG_GRAMMAR_SETS_MAX)", err));
    g->start = start;
    RG_TRY(refuse_circles(g, bad, err));
    find_needs(g);
    find_columns(g);
    if (need_of_rule(g, start) == RG_NEED_NONE) {
        return rg_fail(err, RG_E_ARG, "no text of at most %d rules within each other matches",
                       RG_GRAMMAR_DEPTH_MAX);
    }
    RG_TRY(rg_grammar_find_runs(g, err));

done:
    return status;
}
