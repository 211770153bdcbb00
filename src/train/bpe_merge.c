/*
 * The merges. All words lie end to end, one cell a byte. The first cell of a token holds its id,
 * the last cell of a longer one its length negated, the cells between anything below zero:
 *
 *      t  h  e  |  t  o        after merging t+h:    th -2  e  |  t  o
 *
 * so the next token begins a token's length further on, and the one before ends right in front. A
 * pair keeps the places where it was seen; places that no longer hold it are passed over. Counts
 * are exact: each merge subtracts the pairs it breaks and adds those it makes. The heap is lazy: an
 * entry whose count is out of date goes back with the right one.
 */
#include "train/bpe_internal.h"

#include <stdlib.h>

#define NO_PAIR UINT32_MAX

enum { PROGRESS_EVERY = 64, INSIDE = INT32_MIN };

typedef struct cell {
    int32_t id;
    uint32_t word;
} cell;

typedef struct pair {
    int32_t left;
    int32_t right;
    uint64_t count;
    uint32_t *places; // cells where it was seen, on the heap
    uint32_t n_places;
    uint32_t cap;
    bool is_touched; // gained in this merge
    bool is_barred;  // too long together
} pair;

typedef struct entry {
    uint64_t count;
    uint32_t pair;
} entry;

typedef struct merger {
    rg_bpe_trainer *t;
    rg_error *err;
    const rg_bpe_word *words;
    cell *cells;
    size_t n_cells;
    rg_buf pairs;    // pair
    uint32_t *slots; // hash table of indices into pairs
    size_t n_slots;  // a power of two
    rg_buf heap;     // entry
    rg_buf touched;  // uint32_t
} merger;

static pair *pair_at(const merger *m, uint32_t i) {
    return &((pair *)(void *)m->pairs.data)[i];
}

static size_t n_pairs(const merger *m) {
    return m->pairs.size / sizeof(pair);
}

// ---- pairs ----

static size_t slot_of(const merger *m, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t h = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    size_t i = (h ^ h >> 32) & (m->n_slots - 1);
    while (m->slots[i] != NO_PAIR) {
        const pair *p = pair_at(m, m->slots[i]);
        if (p->left == left && p->right == right) {
            break;
        }
        i = (i + 1) & (m->n_slots - 1);
    }
    return i;
}

static rg_status grow_slots(merger *m) {
    uint32_t *old = m->slots;
    const size_t n_slots = m->n_slots == 0 ? 4096 : 2 * m->n_slots;
    uint32_t *slots = rg_new_array(m->t->mem, n_slots, sizeof *slots);
    if (slots == NULL || n_slots > UINT32_MAX) {
        rg_free(m->t->mem, slots);
        return rg_fail(m->err, RG_E_MEMORY, "no memory for %zu pairs of tokens", n_slots / 2);
    }
    memset(slots, 0xFF, n_slots * sizeof *slots);
    m->slots = slots;
    m->n_slots = n_slots;
    for (uint32_t i = 0; i < n_pairs(m); i++) {
        const pair *p = pair_at(m, i);
        m->slots[slot_of(m, p->left, p->right)] = i;
    }
    rg_free(m->t->mem, old);
    return RG_OK;
}

static rg_status find_or_make(merger *m, int32_t left, int32_t right, uint32_t *out) {
    rg_status status = RG_OK;
    if (2 * n_pairs(m) >= m->n_slots) {
        RG_TRY(grow_slots(m));
    }
    uint32_t *slot = &m->slots[slot_of(m, left, right)];
    if (*slot == NO_PAIR) {
        const pair fresh = {.left = left, .right = right};
        *slot = (uint32_t)n_pairs(m);
        rg_buf_put(&m->pairs, &fresh, sizeof fresh);
        RG_TRY(rg_buf_check(&m->pairs, "pairs of tokens", m->err));
    }
    *out = *slot;

done:
    return status;
}

static rg_status add_place(merger *m, pair *p, uint32_t place) {
    if (p->n_places == p->cap) {
        const uint32_t cap = p->cap == 0 ? 2 : p->cap * 2;
        uint32_t *places = rg_new_array(m->t->mem, cap, sizeof *places);
        if (places == NULL) {
            return rg_fail(m->err, RG_E_MEMORY, "no memory for %u places of a pair", cap);
        }
        if (p->n_places != 0) {
            memcpy(places, p->places, p->n_places * sizeof *places);
        }
        rg_free(m->t->mem, p->places);
        p->places = places;
        p->cap = cap;
    }
    p->places[p->n_places++] = place;
    return RG_OK;
}

static rg_status gain(merger *m, int32_t left, int32_t right, size_t place) {
    rg_status status = RG_OK;
    uint32_t i = 0;
    RG_TRY(find_or_make(m, left, right, &i));
    pair *p = pair_at(m, i);
    p->count += m->words[m->cells[place].word].count;
    RG_TRY(add_place(m, p, (uint32_t)place));
    if (!p->is_touched) {
        p->is_touched = true;
        rg_buf_put(&m->touched, &i, sizeof i);
        status = rg_buf_check(&m->touched, "changed pairs", m->err);
    }

done:
    return status;
}

static void lose(merger *m, int32_t left, int32_t right, size_t place) {
    const uint32_t i = m->slots[slot_of(m, left, right)];
    RG_ASSERT(i != NO_PAIR);
    pair_at(m, i)->count -= m->words[m->cells[place].word].count;
}

// ---- heap ----

static int compare_bytes(rg_str a, rg_str b) {
    const int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static bool is_before(const merger *m, entry a, entry b) {
    if (a.count != b.count || a.pair == b.pair) {
        return a.count > b.count;
    }
    const pair *p = pair_at(m, a.pair);
    const pair *q = pair_at(m, b.pair);
    int order = p->left == q->left
                    ? 0
                    : compare_bytes(rg_bpe_token(m->t, p->left), rg_bpe_token(m->t, q->left));
    if (order == 0) {
        order = compare_bytes(rg_bpe_token(m->t, p->right), rg_bpe_token(m->t, q->right));
    }
    return order < 0;
}

static entry *heap_at(const merger *m) {
    return (entry *)(void *)m->heap.data;
}

static rg_status heap_push(merger *m, entry e) {
    rg_buf_put(&m->heap, &e, sizeof e);
    const rg_status status = rg_buf_check(&m->heap, "pairs in order", m->err);
    if (status != RG_OK) {
        return status;
    }
    entry *heap = heap_at(m);
    size_t at = m->heap.size / sizeof e - 1;
    while (at > 0 && is_before(m, e, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = e;
    return RG_OK;
}

// put e at the top and let it sink; the heap is not empty
static void heap_sink(merger *m, entry e) {
    entry *heap = heap_at(m);
    const size_t n = m->heap.size / sizeof e;
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && is_before(m, heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_before(m, heap[child], e)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = e;
}

static void heap_drop(merger *m) {
    m->heap.size -= sizeof(entry);
    if (m->heap.size != 0) {
        heap_sink(m, heap_at(m)[m->heap.size / sizeof(entry)]);
    }
}

static rg_status push_touched(merger *m) {
    rg_status status = RG_OK;
    const uint32_t *list = (const uint32_t *)(const void *)m->touched.data;
    for (size_t i = 0; i < m->touched.size / sizeof *list; i++) {
        pair *p = pair_at(m, list[i]);
        p->is_touched = false;
        if (p->count >= m->t->min_count && !p->is_barred && status == RG_OK) {
            status = heap_push(m, (entry){p->count, list[i]});
        }
    }
    m->touched.size = 0;
    return status;
}

// the most frequent pair, or NO_PAIR
static uint32_t best(merger *m) {
    while (m->heap.size != 0) {
        const entry top = heap_at(m)[0];
        const pair *p = pair_at(m, top.pair);
        if (top.count == p->count && p->count != 0 && !p->is_barred) {
            return top.pair;
        }
        // an entry of the right count exists where the count has grown since
        if (p->count < m->t->min_count || p->count > top.count || p->is_barred) {
            heap_drop(m);
        } else {
            heap_sink(m, (entry){p->count, top.pair});
        }
    }
    return NO_PAIR;
}

// ---- merging ----

static size_t next_of(const merger *m, size_t at) {
    const size_t next = at + rg_bpe_token(m->t, m->cells[at].id).size;
    return next < m->n_cells && m->cells[next].word == m->cells[at].word ? next : SIZE_MAX;
}

static size_t prev_of(const merger *m, size_t at) {
    if (at == 0 || m->cells[at - 1].word != m->cells[at].word) {
        return SIZE_MAX;
    }
    const int32_t id = m->cells[at - 1].id;
    return id >= 0 ? at - 1 : at - (size_t)-id;
}

static rg_status merge_at(merger *m, size_t at, int32_t left, int32_t right, int32_t joined) {
    rg_status status = RG_OK;
    const size_t second = m->cells[at].id == left ? next_of(m, at) : SIZE_MAX;
    if (second == SIZE_MAX || m->cells[second].id != right) {
        return RG_OK; // no longer here
    }
    const size_t before = prev_of(m, at);
    const size_t after = next_of(m, second);
    lose(m, left, right, at);
    if (before != SIZE_MAX) {
        lose(m, m->cells[before].id, left, at);
    }
    if (after != SIZE_MAX) {
        lose(m, right, m->cells[after].id, at);
    }
    const size_t size = rg_bpe_token(m->t, joined).size;
    m->cells[second].id = INSIDE;
    m->cells[at + size - 1].id = -(int32_t)size;
    m->cells[at].id = joined;
    if (before != SIZE_MAX) {
        RG_TRY(gain(m, m->cells[before].id, joined, before));
    }
    if (after != SIZE_MAX) {
        RG_TRY(gain(m, joined, m->cells[after].id, at));
    }

done:
    return status;
}

static int compare_places(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static rg_status merge_pair(merger *m, uint32_t index) {
    rg_status status = RG_OK;
    char bytes[RG_BPE_TOKEN_BYTES_MAX];
    const pair p = *pair_at(m, index);
    const rg_str a = rg_bpe_token(m->t, p.left);
    const rg_str b = rg_bpe_token(m->t, p.right);
    const rg_bpe_merge made = {p.left, p.right};
    int32_t joined = 0;
    // the list is ours now: what is merged does not come back
    pair_at(m, index)->places = NULL;
    pair_at(m, index)->n_places = 0;
    pair_at(m, index)->cap = 0;
    if (a.size > sizeof bytes - b.size) {
        pair_at(m, index)->is_barred = true;
        goto done;
    }
    memcpy(bytes, a.data, a.size);
    memcpy(bytes + a.size, b.data, b.size);
    RG_TRY(rg_bpe_token_add(m->t, (rg_str){bytes, a.size + b.size}, &joined, m->err));
    rg_buf_put(&m->t->merges, &made, sizeof made);
    RG_TRY(rg_buf_check(&m->t->merges, "merges", m->err));
    if (p.left == p.right) {
        // "aaa": the leftmost two go together
        qsort(p.places, p.n_places, sizeof *p.places, compare_places);
    }
    for (uint32_t i = 0; i < p.n_places; i++) {
        RG_TRY(merge_at(m, p.places[i], p.left, p.right, joined));
    }
    status = push_touched(m);

done:
    rg_free(m->t->mem, p.places);
    return status;
}

// every word as bytes, every pair of neighbors counted
static rg_status lay_out(merger *m) {
    rg_status status = RG_OK;
    int32_t id_of[256];
    size_t at = 0;
    for (int b = 0; b < 256; b++) {
        const char byte = (char)b;
        id_of[b] = (int32_t)rg_map_find(&m->t->token_of, (rg_str){&byte, 1});
    }
    m->words = (const rg_bpe_word *)(const void *)m->t->words.data;
    m->n_cells = m->t->word_bytes;
    m->cells = rg_new_array(m->t->mem, m->n_cells + 1, sizeof *m->cells);
    if (m->cells == NULL || m->n_cells >= UINT32_MAX) {
        return rg_fail(m->err, RG_E_MEMORY, "no memory for %zu bytes of pieces", m->n_cells);
    }
    for (size_t w = 0; w < rg_bpe_trainer_words(m->t); w++) {
        const rg_str text = m->words[w].text;
        for (size_t i = 0; i < text.size; i++) {
            m->cells[at + i] = (cell){id_of[(uint8_t)text.data[i]], (uint32_t)w};
        }
        for (size_t i = 0; i + 1 < text.size; i++) {
            RG_TRY(gain(m, m->cells[at + i].id, m->cells[at + i + 1].id, at + i));
        }
        at += text.size;
    }
    status = push_touched(m);

done:
    return status;
}

rg_status rg_bpe_trainer_run(rg_bpe_trainer *t, rg_progress_fn *progress, void *arg,
                             rg_error *err) {
    rg_status status = RG_OK;
    merger m = {.t = t, .err = err};
    const size_t want = t->n_vocab - t->n_specials;
    if (t->is_run) {
        return rg_fail(err, RG_E_STATE, "the vocabulary is made already");
    }
    t->is_run = true;
    rg_buf_init(&m.pairs, t->mem, 0);
    rg_buf_init(&m.heap, t->mem, 0);
    rg_buf_init(&m.touched, t->mem, 0);
    RG_TRY(lay_out(&m));
    for (size_t i = 0; rg_bpe_tokens(t) < want; i++) {
        const uint32_t index = best(&m);
        if (index == NO_PAIR) {
            break;
        }
        if (progress != NULL && i % PROGRESS_EVERY == 0 &&
            !progress(arg, (double)rg_bpe_tokens(t) / (double)want, "merging pairs of tokens")) {
            status = rg_fail(err, RG_E_CANCELLED, "stopped at %zu of %zu tokens", rg_bpe_tokens(t),
                             want);
            goto done;
        }
        RG_TRY(merge_pair(&m, index));
    }

done:
    for (uint32_t i = 0; i < n_pairs(&m); i++) {
        rg_free(t->mem, pair_at(&m, i)->places);
    }
    rg_buf_clear(&m.pairs);
    rg_buf_clear(&m.heap);
    rg_buf_clear(&m.touched);
    rg_free(t->mem, m.slots);
    rg_free(t->mem, m.cells);
    return status;
}
