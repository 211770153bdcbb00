#include "sample/matcher.h"

#include "sample/grammar_internal.h"

#include <stdlib.h>

enum {
    UNKNOWN = 0, // a step not taken yet
    DEAD = 1,    // no text goes on from here
    FIRST = 2,
    NO_STACK = UINT32_MAX,
};

/** Where a call will return to, and the call around it. */
typedef struct stack_node {
    rg_way back;
    uint32_t parent;
    uint32_t depth; // calls within each other, this one included
} stack_node;

/** One way: a node that reads a byte, and the calls around it. Ways of a state are in order. */
typedef struct item {
    rg_way node;
    uint32_t stack;
} item;

typedef struct state {
    uint32_t first; // of its items
    uint32_t n;
    uint32_t mask; // 1 + its place among the masks; 0: not worked out
    uint32_t n_set;
    bool can_end;
    bool has_run;
    uint8_t run; // plain characters that may follow each other, where it is known
} state;

/** A hash table of indices into an array; 0 is free, else index + 1. */
typedef struct table {
    uint32_t *slots;
    size_t n_slots; // a power of two
    size_t n_used;
} table;

struct rg_matcher {
    const rg_mem *mem;
    const rg_grammar *g;
    const rg_vocab_trie *trie;
    rg_buf stacks; // stack_node
    rg_buf items;  // item
    rg_buf states; // state
    rg_buf steps;  // uint32_t [states][columns]
    table stack_table;
    table state_table;
    uint64_t *masks; // [masks_max][words]
    size_t n_masks, masks_max, n_words;
    item *ways; // under construction
    size_t n_ways;
    item *todo;
    uint32_t current;
    bool can_end; // of the ways under construction
    rg_status failure;
};

// ---- tables ----

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

static bool table_init(table *t, const rg_mem *mem, size_t n_slots) {
    t->slots = rg_new_array(mem, n_slots, sizeof *t->slots);
    t->n_slots = n_slots;
    t->n_used = 0;
    return t->slots != NULL;
}

static void table_empty(table *t) {
    memset(t->slots, 0, t->n_slots * sizeof *t->slots);
    t->n_used = 0;
}

static stack_node *stacks_of(const rg_matcher *m) {
    return (stack_node *)(void *)m->stacks.data;
}
static item *items_of(const rg_matcher *m) {
    return (item *)(void *)m->items.data;
}
static state *states_of(const rg_matcher *m) {
    return (state *)(void *)m->states.data;
}
static uint32_t *steps_of(const rg_matcher *m) {
    return (uint32_t *)(void *)m->steps.data;
}
static size_t n_states_of(const rg_matcher *m) {
    return m->states.size / sizeof(state);
}

static void fail(rg_matcher *m, rg_status status) {
    m->failure = m->failure == RG_OK ? status : m->failure;
}

static void check_buf(rg_matcher *m, const rg_buf *buf) {
    if (buf->is_failed) {
        fail(m, buf->is_over ? RG_E_LIMIT : RG_E_MEMORY);
    }
}

// the stack that adds a return to `parent`, the same one for the same two
static uint32_t push(rg_matcher *m, rg_way back, uint32_t parent) {
    table *t = &m->stack_table;
    const size_t n = m->stacks.size / sizeof(stack_node);
    size_t at = mix(mix(1, back), parent) & (t->n_slots - 1);
    for (; t->slots[at] != 0; at = (at + 1) & (t->n_slots - 1)) {
        const stack_node *s = &stacks_of(m)[t->slots[at] - 1];
        if (s->back == back && s->parent == parent) {
            return t->slots[at] - 1;
        }
    }
    const uint32_t depth = parent == NO_STACK ? 1 : stacks_of(m)[parent].depth + 1;
    rg_buf_put(&m->stacks, &(stack_node){back, parent, depth}, sizeof(stack_node));
    check_buf(m, &m->stacks);
    if (m->failure != RG_OK) {
        return NO_STACK;
    }
    t->slots[at] = (uint32_t)n + 1;
    return (uint32_t)n;
}

// ---- states ----

static uint32_t depth_of(const rg_matcher *m, uint32_t stack) {
    return stack == NO_STACK ? 0 : stacks_of(m)[stack].depth;
}

static int compare_items(const void *a, const void *b) {
    const item *x = a;
    const item *y = b;
    return x->node != y->node     ? (x->node < y->node ? -1 : 1)
           : x->stack != y->stack ? (x->stack < y->stack ? -1 : 1)
                                  : 0;
}

static bool has_item(const item *items, size_t n, item it) {
    for (size_t i = n; i-- > 0;) {
        if (items[i].node == it.node && items[i].stack == it.stack) {
            return true;
        }
    }
    return false;
}

// follow all that reads nothing: what is left are nodes that read a byte, and the end
static void close_over(rg_matcher *m, item from) {
    const rg_grammar_node *nodes = rg_grammar_nodes(m->g);
    size_t n_todo = 0; // to be looked at: todo[n_seen..n_todo)
    size_t n_seen = 0;
    m->todo[n_todo++] = from;
    while (n_seen < n_todo && m->failure == RG_OK) {
        const item it = m->todo[n_seen++];
        const rg_grammar_node *n = &nodes[it.node];
        item next[2];
        size_t n_next = 0;
        if (n->kind == RG_WAY_BYTES) {
            if (m->n_ways == RG_MATCHER_WAYS_MAX) {
                fail(m, RG_E_LIMIT);
                return;
            }
            m->ways[m->n_ways++] = it;
        } else if (n->kind == RG_WAY_EITHER) {
            next[n_next++] = (item){n->a, it.stack};
            next[n_next++] = (item){n->next, it.stack};
        } else if (n->kind == RG_WAY_CALL) {
            const uint32_t stack = push(m, n->next, it.stack);
            next[n_next++] = (item){rg_grammar_rules(m->g)[n->a], stack};
        } else if (it.stack == NO_STACK) {
            m->can_end = true;
        } else {
            const stack_node *s = &stacks_of(m)[it.stack];
            next[n_next++] = (item){s->back, s->parent};
        }
        for (size_t i = 0; i < n_next && m->failure == RG_OK; i++) {
            // only what can still be completed within the depth
            if (next[i].node == RG_WAY_NONE ||
                depth_of(m, next[i].stack) + nodes[next[i].node].need > RG_GRAMMAR_DEPTH_MAX ||
                has_item(m->todo, n_todo, next[i])) {
                continue;
            }
            if (n_todo == RG_MATCHER_WAYS_MAX) {
                fail(m, RG_E_LIMIT);
                return;
            }
            m->todo[n_todo++] = next[i];
        }
    }
}

static bool is_state(const rg_matcher *m, uint32_t at) {
    const state *s = &states_of(m)[at];
    return s->n == m->n_ways && s->can_end == m->can_end &&
           (s->n == 0 || memcmp(&items_of(m)[s->first], m->ways, s->n * sizeof *m->ways) == 0);
}

// the ways under construction become a state, the same one for the same ways
static uint32_t intern(rg_matcher *m) {
    table *t = &m->state_table;
    if (m->failure != RG_OK || (m->n_ways == 0 && !m->can_end)) {
        return DEAD;
    }
    qsort(m->ways, m->n_ways, sizeof *m->ways, compare_items);
    size_t n = 0;
    uint64_t hash = m->can_end;
    for (size_t i = 0; i < m->n_ways; i++) {
        if (n == 0 || compare_items(&m->ways[n - 1], &m->ways[i]) != 0) {
            m->ways[n++] = m->ways[i];
            hash = mix(mix(hash, m->ways[i].node), m->ways[i].stack);
        }
    }
    m->n_ways = n;
    size_t at = hash & (t->n_slots - 1);
    for (; t->slots[at] != 0; at = (at + 1) & (t->n_slots - 1)) {
        if (is_state(m, t->slots[at] - 1)) {
            return t->slots[at] - 1;
        }
    }
    const uint32_t id = (uint32_t)n_states_of(m);
    const state s = {
        .first = (uint32_t)(m->items.size / sizeof(item)), .n = (uint32_t)n, .can_end = m->can_end};
    rg_buf_put(&m->items, m->ways, n * sizeof *m->ways);
    rg_buf_put(&m->states, &s, sizeof s);
    if (rg_buf_reserve(&m->steps, m->g->n_columns * sizeof(uint32_t))) {
        memset(m->steps.data + m->steps.size, 0, m->g->n_columns * sizeof(uint32_t));
        m->steps.size += m->g->n_columns * sizeof(uint32_t);
    }
    check_buf(m, &m->items);
    check_buf(m, &m->states);
    check_buf(m, &m->steps);
    if (m->failure != RG_OK) {
        return DEAD;
    }
    t->slots[at] = id + 1;
    return id;
}

static uint32_t compute_step(rg_matcher *m, uint32_t from, unsigned column) {
    const rg_grammar_node *nodes = rg_grammar_nodes(m->g);
    const unsigned byte = m->g->byte_of[column];
    m->n_ways = 0;
    m->can_end = false;
    for (uint32_t i = 0; i < states_of(m)[from].n && m->failure == RG_OK; i++) {
        const item it = items_of(m)[states_of(m)[from].first + i];
        const rg_grammar_node *n = &nodes[it.node];
        if (rg_byte_set_has(&rg_grammar_sets(m->g)[n->a], byte)) {
            close_over(m, (item){n->next, it.stack});
        }
    }
    const uint32_t to = intern(m);
    if (m->failure == RG_OK) {
        steps_of(m)[from * m->g->n_columns + column] = to;
    }
    return to;
}

static inline uint32_t step(rg_matcher *m, uint32_t from, unsigned byte) {
    const unsigned column = m->g->column_of[byte];
    const uint32_t to = steps_of(m)[from * m->g->n_columns + column];
    return to != UNKNOWN ? to : compute_step(m, from, column);
}

// ---- the beginning, and forgetting ----

static void forget(rg_matcher *m) {
    const state none = {0};
    m->stacks.size = 0;
    m->items.size = 0;
    m->states.size = 0;
    m->steps.size = 0;
    m->n_masks = 0;
    table_empty(&m->stack_table);
    table_empty(&m->state_table);
    // two rows that are no states: UNKNOWN and DEAD, which leads to itself
    for (int i = 0; i < FIRST; i++) {
        rg_buf_put(&m->states, &none, sizeof none);
        for (uint32_t c = 0; c < m->g->n_columns; c++) {
            rg_buf_put(&m->steps, &(uint32_t){DEAD}, sizeof(uint32_t));
        }
    }
    check_buf(m, &m->states);
    check_buf(m, &m->steps);
    m->n_ways = 0;
    m->can_end = false;
    if (m->failure == RG_OK) {
        close_over(m, (item){rg_grammar_rules(m->g)[m->g->start], NO_STACK});
        (void)intern(m); // FIRST
    }
}

// a stack as the nodes it returns to, outermost last
static size_t unwind(const rg_matcher *m, uint32_t stack, rg_way *backs) {
    size_t n = 0;
    for (; stack != NO_STACK && n < RG_GRAMMAR_DEPTH_MAX; stack = stacks_of(m)[stack].parent) {
        backs[n++] = stacks_of(m)[stack].back;
    }
    return n;
}

// more than half of any room is used: keep the current state alone
static void tidy(rg_matcher *m) {
    const bool is_full = n_states_of(m) > RG_MATCHER_STATES_MAX / 2 ||
                         m->items.size > m->items.limit_bytes / 2 ||
                         m->stacks.size > m->stacks.limit_bytes / 2;
    if (!is_full) {
        return;
    }
    const state s = states_of(m)[m->current];
    rg_way *backs = rg_new_array(m->mem, s.n * (RG_GRAMMAR_DEPTH_MAX + 2) + 1, sizeof *backs);
    if (backs == NULL) {
        fail(m, RG_E_MEMORY);
        return;
    }
    enum { ROW = RG_GRAMMAR_DEPTH_MAX + 2 };
    for (uint32_t i = 0; i < s.n; i++) {
        const item it = items_of(m)[s.first + i];
        backs[i * ROW] = it.node;
        backs[i * ROW + 1] = (rg_way)unwind(m, it.stack, backs + i * ROW + 2);
    }
    forget(m);
    m->n_ways = 0;
    m->can_end = s.can_end;
    for (uint32_t i = 0; i < s.n && m->failure == RG_OK; i++) {
        uint32_t stack = NO_STACK;
        for (size_t k = backs[i * ROW + 1]; k-- > 0;) {
            stack = push(m, backs[i * ROW + 2 + k], stack);
        }
        m->ways[m->n_ways++] = (item){backs[i * ROW], stack};
    }
    rg_free(m->mem, backs);
    m->current = intern(m);
}

rg_status rg_matcher_new(const rg_mem *mem, const rg_grammar *g, const rg_vocab_trie *trie,
                         rg_matcher **out, rg_error *err) {
    rg_matcher *m = rg_new(mem, sizeof *m);
    if (m == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory to match a grammar");
    }
    m->mem = mem;
    m->g = g;
    m->trie = trie;
    m->current = FIRST;
    rg_buf_init(&m->stacks, mem, RG_MATCHER_STACKS_MAX * sizeof(stack_node));
    rg_buf_init(&m->items, mem, RG_MATCHER_ITEMS_MAX * sizeof(item));
    rg_buf_init(&m->states, mem, RG_MATCHER_STATES_MAX * sizeof(state));
    rg_buf_init(&m->steps, mem, 0);
    m->ways = rg_new_array(mem, RG_MATCHER_WAYS_MAX, sizeof *m->ways);
    m->todo = rg_new_array(mem, RG_MATCHER_WAYS_MAX, sizeof *m->todo);
    const bool has_tables = table_init(&m->stack_table, mem, 2 * RG_MATCHER_STACKS_MAX) &&
                            table_init(&m->state_table, mem, 2 * RG_MATCHER_STATES_MAX);
    if (trie != NULL) {
        m->n_words = (trie->n_tokens + 63) / 64;
        m->masks_max = RG_MATCHER_MASKS_MAX / (m->n_words * sizeof *m->masks + 1) + 1;
        m->masks_max = m->masks_max > 1024 ? 1024 : m->masks_max;
        m->masks = rg_alloc(mem, (m->masks_max * m->n_words + 1) * sizeof *m->masks);
    }
    if (m->ways == NULL || m->todo == NULL || !has_tables || (trie != NULL && m->masks == NULL)) {
        rg_matcher_free(m);
        return rg_fail(err, RG_E_MEMORY, "no memory to match a grammar");
    }
    forget(m);
    if (m->failure != RG_OK) {
        const rg_status status = m->failure;
        rg_matcher_free(m);
        return rg_fail(err, status, "the beginning of the grammar is too wide (%d ways)",
                       RG_MATCHER_WAYS_MAX);
    }
    *out = m;
    return RG_OK;
}

void rg_matcher_free(rg_matcher *m) {
    if (m != NULL) {
        rg_buf_clear(&m->stacks);
        rg_buf_clear(&m->items);
        rg_buf_clear(&m->states);
        rg_buf_clear(&m->steps);
        rg_free(m->mem, m->stack_table.slots);
        rg_free(m->mem, m->state_table.slots);
        rg_free(m->mem, m->masks);
        rg_free(m->mem, m->ways);
        rg_free(m->mem, m->todo);
        rg_free(m->mem, m);
    }
}

// ---- use ----

void rg_matcher_reset(rg_matcher *m) {
    m->current = FIRST;
}

bool rg_matcher_can_end(const rg_matcher *m) {
    return states_of(m)[m->current].can_end;
}

static rg_status tell(rg_matcher *m, rg_error *err) {
    const rg_status status = m->failure;
    m->failure = RG_OK;
    return status == RG_OK        ? RG_OK
           : status == RG_E_LIMIT ? rg_fail(err, status,
                                            "the grammar leaves too much open at once (%d ways, %d "
                                            "states)",
                                            RG_MATCHER_WAYS_MAX, RG_MATCHER_STATES_MAX)
                                  : rg_fail(err, status, "no memory to match a grammar");
}

static uint32_t follow(rg_matcher *m, rg_str bytes) {
    uint32_t at = m->current;
    for (size_t i = 0; i < bytes.size && at != DEAD; i++) {
        at = step(m, at, (uint8_t)bytes.data[i]);
    }
    return at;
}

bool rg_matcher_allows(rg_matcher *m, rg_str bytes) {
    tidy(m);
    return follow(m, bytes) != DEAD;
}

rg_status rg_matcher_advance(rg_matcher *m, rg_str bytes, rg_error *err) {
    tidy(m);
    const uint32_t at = follow(m, bytes);
    rg_status status = tell(m, err);
    if (status == RG_OK && at == DEAD) {
        status = rg_fail(err, RG_E_ARG, "\"%.*s\" does not fit the grammar here", RG_FMT(bytes));
    }
    m->current = status == RG_OK ? at : m->current;
    return status;
}

static size_t count_bits(const uint64_t *bits, size_t n_words) {
    size_t n = 0;
    for (size_t i = 0; i < n_words; i++) {
        n += (size_t)__builtin_popcountll(bits[i]);
    }
    return n;
}

// plain characters that may follow each other from a state on: the most of any of its ways
static unsigned run_of(rg_matcher *m, uint32_t at) {
    state *s = &states_of(m)[at];
    const rg_grammar_run *runs = rg_grammar_runs(m->g);
    for (uint32_t i = 0; !s->has_run && i < s->n; i++) {
        const item it = items_of(m)[s->first + i];
        if (!runs[it.node].reads_char || it.stack == NO_STACK) {
            continue;
        }
        const stack_node *back = &stacks_of(m)[it.stack];
        const rg_grammar_run *more = &runs[back->back];
        const unsigned need = rg_grammar_nodes(m->g)[back->back].need;
        const unsigned most = more->need > need ? more->need : need;
        // ways that could not be completed within the depth are not followed
        if (back->depth - 1 + most <= RG_GRAMMAR_DEPTH_MAX && more->n + 1u > s->run) {
            s->run = (uint8_t)(more->n + 1u > RG_RUN_MAX ? RG_RUN_MAX : more->n + 1u);
        }
    }
    s->has_run = true;
    return s->run;
}

static void fill_mask(rg_matcher *m, uint64_t *bits) {
    uint32_t path[RG_TRIE_TOKEN_MAX + 1];
    const rg_trie_node *nodes = m->trie->nodes;
    path[0] = m->current;
    memset(bits, 0, m->n_words * sizeof *bits);
    for (size_t i = 0; i < m->trie->n_nodes && m->failure == RG_OK;) {
        const rg_trie_node *n = &nodes[i];
        const uint32_t at = step(m, path[n->depth], n->byte);
        if (at == DEAD) {
            i = n->skip;
            continue;
        }
        path[n->depth + 1] = at;
        for (int32_t id = n->id; id >= 0; id = m->trie->same[id]) {
            bits[id / 64] |= 1ull << (id % 64);
        }
        i++;
        if (n->height != 0 && n->height != RG_TRIE_NOT_PLAIN && run_of(m, at) >= n->height) {
            for (uint32_t k = n->first; k < n->end; k++) {
                const int32_t id = m->trie->order[k];
                bits[id / 64] |= 1ull << (id % 64);
            }
            i = n->skip;
        }
    }
}

rg_status rg_matcher_mask(rg_matcher *m, const uint64_t **bits, size_t *n_set, rg_error *err) {
    if (m->trie == NULL) {
        return rg_fail(err, RG_E_STATE, "no vocabulary to mask");
    }
    tidy(m);
    if (m->failure == RG_OK && states_of(m)[m->current].mask == 0) {
        // when all places are taken, all are free again
        if (m->n_masks == m->masks_max) {
            for (size_t i = 0; i < n_states_of(m); i++) {
                states_of(m)[i].mask = 0;
            }
            m->n_masks = 0;
        }
        uint64_t *place = m->masks + m->n_masks * m->n_words;
        fill_mask(m, place);
        if (m->failure == RG_OK) {
            state *s = &states_of(m)[m->current];
            s->mask = (uint32_t)++m->n_masks;
            s->n_set = (uint32_t)count_bits(place, m->n_words);
        }
    }
    const rg_status status = tell(m, err);
    if (status == RG_OK) {
        const state *s = &states_of(m)[m->current];
        *bits = m->masks + (s->mask - 1) * m->n_words;
        *n_set = s->n_set;
    }
    return status;
}
