/* Byte-pair merging: the neighbors of lowest rank merge first, the leftmost of equals. */
#include "token/tokenizer_internal.h"

#include "base/utf8.h"

/** A part of the piece: a token so far, linked to its neighbors. */
typedef struct symbol {
    uint32_t begin;
    uint32_t size; // 0: merged into its left neighbor
    int32_t id;
    uint32_t prev;
    uint32_t next;
} symbol;

/** A possible merge of symbol `left` and its neighbor, as they were when it was found. */
typedef struct candidate {
    uint32_t rank;
    uint32_t left;
    uint32_t size; // of both together: a stale candidate no longer fits
    int32_t id;
} candidate;

enum { NONE = -1, FEW = 48 };
#define NO_SYMBOL UINT32_MAX

typedef struct merger {
    const rg_tokenizer *tok;
    rg_str piece;
    symbol *symbols;
    size_t n;
    candidate *heap;
    size_t n_heap;
} merger;

// what symbol `left` and its neighbor become, or false
static bool find_merge(const merger *m, uint32_t left, candidate *out) {
    const symbol *a = &m->symbols[left];
    if (a->next == NO_SYMBOL) {
        return false;
    }
    const symbol *b = &m->symbols[a->next];
    const uint32_t size = a->size + b->size;
    if (m->tok->rule == RG_MERGE_PAIRS) {
        const rg_merge_slot *slot = rg_tok_merge_find(m->tok, a->id, b->id);
        if (slot == NULL) {
            return false;
        }
        *out = (candidate){slot->rank, left, size, slot->id};
        return true;
    }
    const uint32_t id =
        rg_map_find(&m->tok->id_of, rg_str_slice(m->piece, a->begin, a->begin + size));
    if (id == RG_MAP_NONE || a->id < 0 || b->id < 0) {
        return false;
    }
    *out = (candidate){m->tok->rank_of[id], left, size, (int32_t)id};
    return true;
}

static void merge(merger *m, const candidate *c) {
    symbol *a = &m->symbols[c->left];
    symbol *b = &m->symbols[a->next];
    a->size = c->size;
    a->id = c->id;
    a->next = b->next;
    if (b->next != NO_SYMBOL) {
        m->symbols[b->next].prev = c->left;
    }
    b->size = 0;
}

static bool is_before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

// few symbols: look through all of them each time
static void merge_few(merger *m) {
    for (;;) {
        candidate best = {.rank = UINT32_MAX, .left = NO_SYMBOL};
        for (uint32_t i = 0; i != NO_SYMBOL; i = m->symbols[i].next) {
            candidate c;
            if (find_merge(m, i, &c) && is_before(&c, &best)) {
                best = c;
            }
        }
        if (best.left == NO_SYMBOL) {
            return;
        }
        merge(m, &best);
    }
}

static void heap_push(merger *m, const candidate *c) {
    size_t at = m->n_heap++;
    while (at > 0 && is_before(c, &m->heap[(at - 1) / 2])) {
        m->heap[at] = m->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->heap[at] = *c;
}

static candidate heap_pop(merger *m) {
    const candidate top = m->heap[0];
    const candidate moved = m->heap[--m->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->n_heap) {
            break;
        }
        if (child + 1 < m->n_heap && is_before(&m->heap[child + 1], &m->heap[child])) {
            child++;
        }
        if (!is_before(&m->heap[child], &moved)) {
            break;
        }
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = moved;
    return top;
}

static void push_merge(merger *m, uint32_t left) {
    candidate c;
    if (left != NO_SYMBOL && find_merge(m, left, &c)) {
        heap_push(m, &c);
    }
}

// A merge makes at most two new candidates and drops those it outdates when they come up, so the
// heap never holds more than three times the symbols.
static void merge_many(merger *m) {
    for (uint32_t i = 0; i + 1 < m->n; i++) {
        push_merge(m, i);
    }
    while (m->n_heap != 0) {
        const candidate c = heap_pop(m);
        const symbol *a = &m->symbols[c.left];
        candidate now;
        if (a->size == 0 || !find_merge(m, c.left, &now) || now.size != c.size ||
            now.rank != c.rank) {
            continue;
        }
        merge(m, &now);
        push_merge(m, a->prev);
        push_merge(m, c.left);
    }
}

// the first symbols: bytes, or characters of SentencePiece vocabularies
static size_t cut(const rg_tokenizer *tok, rg_str piece, symbol *symbols) {
    size_t n = 0;
    for (size_t at = 0; at < piece.size; n++) {
        size_t size = 1;
        int32_t id = NONE;
        if (tok->is_spm) {
            uint32_t cp = 0;
            size = rg_utf8_decode(rg_str_slice(piece, at, at + 4), &cp);
            const uint32_t found = rg_map_find(&tok->id_of, rg_str_slice(piece, at, at + size));
            id = found == RG_MAP_NONE ? NONE : (int32_t)found;
        } else {
            id = tok->byte_id[(uint8_t)piece.data[at]];
        }
        symbols[n] = (symbol){.begin = (uint32_t)at,
                              .size = (uint32_t)size,
                              .id = id,
                              .prev = n == 0 ? NO_SYMBOL : (uint32_t)n - 1,
                              .next = (uint32_t)n + 1};
        at += size;
    }
    if (n != 0) {
        symbols[n - 1].next = NO_SYMBOL;
    }
    return n;
}

static void put_id(rg_ids *ids, int32_t id) {
    rg_buf_put(&ids->buf, &id, sizeof id);
}

// a character without a token: its bytes, else the unknown token (once for a run, where the file
// says so)
static rg_status put_unknown(const merger *m, const symbol *s, bool *was_unknown, rg_ids *ids,
                             rg_error *err) {
    const rg_tokenizer *tok = m->tok;
    bool has_bytes = tok->is_spm;
    for (uint32_t i = 0; i < s->size && has_bytes; i++) {
        has_bytes = tok->byte_id[(uint8_t)m->piece.data[s->begin + i]] >= 0;
    }
    for (uint32_t i = 0; i < s->size && has_bytes; i++) {
        put_id(ids, tok->byte_id[(uint8_t)m->piece.data[s->begin + i]]);
    }
    if (has_bytes) {
        return RG_OK;
    }
    if (tok->unk < 0) {
        return rg_fail(err, RG_E_FORMAT, "byte 0x%02X has no token in this vocabulary",
                       (uint8_t)m->piece.data[s->begin]);
    }
    if (!*was_unknown || !tok->fuse_unk) {
        put_id(ids, tok->unk);
    }
    *was_unknown = true;
    return RG_OK;
}

static rg_status put_symbols(const merger *m, rg_ids *ids, rg_error *err) {
    bool was_unknown = false;
    for (uint32_t i = 0; i != NO_SYMBOL; i = m->symbols[i].next) {
        const symbol *s = &m->symbols[i];
        if (s->id >= 0) {
            put_id(ids, s->id);
            was_unknown = false;
            continue;
        }
        const rg_status status = put_unknown(m, s, &was_unknown, ids, err);
        if (status != RG_OK) {
            return status;
        }
    }
    return rg_buf_check(&ids->buf, "token ids", err);
}

rg_status rg_bpe_piece(const rg_tokenizer *tok, rg_str piece, rg_ids *ids, rg_error *err) {
    symbol few[FEW];
    merger m = {.tok = tok, .piece = piece, .symbols = few};
    rg_status status = RG_OK;
    if (piece.size == 0) {
        return RG_OK;
    }
    if (tok->ignore_merges) {
        const uint32_t whole = rg_map_find(&tok->id_of, piece);
        if (whole != RG_MAP_NONE) {
            put_id(ids, (int32_t)whole);
            return rg_buf_check(&ids->buf, "token ids", err);
        }
    }
    if (piece.size <= FEW) {
        m.n = cut(tok, piece, few);
        merge_few(&m);
        return put_symbols(&m, ids, err);
    }
    if (piece.size >= UINT32_MAX / 4) {
        return rg_fail(err, RG_E_LIMIT, "a piece of %zu bytes is too long", piece.size);
    }
    m.symbols = rg_new_array(tok->mem, piece.size, sizeof *m.symbols);
    m.heap = rg_new_array(tok->mem, 3 * piece.size, sizeof *m.heap);
    if (m.symbols == NULL || m.heap == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to encode a piece of %zu bytes", piece.size);
        goto done;
    }
    m.n = cut(tok, piece, m.symbols);
    merge_many(&m);
    status = put_symbols(&m, ids, err);

done:
    rg_free(tok->mem, m.symbols);
    rg_free(tok->mem, m.heap);
    return status;
}
