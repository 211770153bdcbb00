/* The vocabulary: tokens by id and by bytes, merges by pair, added tokens by their beginning. */
#include "token/tokenizer_internal.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

rg_status rg_tok_new(const rg_mem *mem, const char *kind, rg_tokenizer **out, rg_error *err) {
    rg_tokenizer *tok = rg_new(mem, sizeof *tok);
    if (tok == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a tokenizer");
    }
    tok->mem = mem;
    tok->kind = kind;
    tok->unk = tok->bos = tok->eos = -1;
    rg_arena_init(&tok->arena, mem, 0);
    rg_map_init(&tok->id_of, mem);
    rg_buf_init(&tok->warnings, mem, 1 << 16);
    *out = tok;
    return RG_OK;
}

void rg_tokenizer_free(rg_tokenizer *tok) {
    if (tok == NULL) {
        return;
    }
    rg_regexes_free(tok->regexes);
    rg_map_clear(&tok->id_of);
    rg_free(tok->mem, tok->bytes);
    rg_free(tok->mem, tok->types);
    rg_free(tok->mem, tok->merges);
    rg_free(tok->mem, tok->rank_of);
    rg_free(tok->mem, tok->trie);
    rg_buf_clear(&tok->warnings);
    rg_arena_clear(&tok->arena);
    rg_free(tok->mem, tok);
}

rg_status rg_tok_alloc(rg_tokenizer *tok, size_t n, rg_error *err) {
    if (n == 0 || n > RG_TOKENIZER_VOCAB_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a vocabulary of %zu tokens, valid are 1 to %u", n,
                       RG_TOKENIZER_VOCAB_MAX);
    }
    tok->n_vocab = n;
    tok->bytes = rg_new_array(tok->mem, n, sizeof *tok->bytes);
    tok->types = rg_alloc(tok->mem, n);
    if (tok->bytes == NULL || tok->types == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu tokens", n);
    }
    memset(tok->types, RG_TOKEN_UNUSED, n);
    return rg_map_reserve(&tok->id_of, n, err);
}

rg_status rg_tok_set(rg_tokenizer *tok, int64_t id, rg_str bytes, rg_token_type type,
                     bool is_mergeable, rg_error *err) {
    if (id < 0 || (uint64_t)id >= tok->n_vocab) {
        return rg_fail(err, RG_E_FORMAT, "token \"%.*s\" has id %lld, the vocabulary %zu",
                       RG_FMT(bytes), (long long)id, tok->n_vocab);
    }
    if (bytes.size > RG_TOKENIZER_TOKEN_MAX) {
        return rg_fail(err, RG_E_LIMIT, "token %lld has %zu bytes, limit %d", (long long)id,
                       bytes.size, RG_TOKENIZER_TOKEN_MAX);
    }
    tok->bytes[id] = bytes;
    tok->types[id] = (uint8_t)type;
    if (!is_mergeable || bytes.size == 0) {
        return RG_OK;
    }
    uint32_t old = RG_MAP_NONE;
    const rg_status status = rg_map_add(&tok->id_of, bytes, (uint32_t)id, &old, err);
    if (status == RG_OK && old != RG_MAP_NONE && old != (uint32_t)id) {
        rg_buf_format(&tok->warnings, "tokens %u and %lld are the same\n", old, (long long)id);
    }
    return status;
}

// ---- added tokens ----

static uint32_t find_child(const rg_tokenizer *tok, uint32_t node, uint8_t byte) {
    uint32_t child = tok->trie[node].child;
    while (child != 0 && tok->trie[child].byte != byte) {
        child = tok->trie[child].sibling;
    }
    return child;
}

static rg_status trie_node(rg_tokenizer *tok, uint8_t byte, uint32_t *out, rg_error *err) {
    if (tok->n_trie == tok->trie_cap) {
        const size_t cap = tok->trie_cap == 0 ? 1024 : tok->trie_cap * 2;
        rg_trie_node *grown = rg_new_array(tok->mem, cap, sizeof *grown);
        if (grown == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for added tokens");
        }
        if (tok->n_trie != 0) {
            memcpy(grown, tok->trie, tok->n_trie * sizeof *grown);
        }
        rg_free(tok->mem, tok->trie);
        tok->trie = grown;
        tok->trie_cap = cap;
    }
    *out = (uint32_t)tok->n_trie;
    tok->trie[tok->n_trie++] = (rg_trie_node){.id = -1, .byte = byte};
    return RG_OK;
}

rg_status rg_tok_match(rg_tokenizer *tok, rg_str text, int32_t id, rg_error *err) {
    if (text.size == 0) {
        return rg_fail(err, RG_E_FORMAT, "added token %d is empty", id);
    }
    rg_status status = RG_OK;
    uint32_t node = 0;
    if (tok->n_trie == 0) {
        RG_TRY(trie_node(tok, 0, &node, err));
    }
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = (uint8_t)text.data[i];
        uint32_t child = find_child(tok, node, byte);
        if (child == 0) {
            RG_TRY(trie_node(tok, byte, &child, err));
            tok->trie[child].sibling = tok->trie[node].child;
            tok->trie[node].child = child;
        }
        node = child;
    }
    tok->trie[node].id = id;

done:
    return status;
}

int32_t rg_tok_match_at(const rg_tokenizer *tok, rg_str text, size_t at, size_t limit,
                        size_t *end) {
    int32_t id = -1;
    uint32_t node = 0;
    if (tok->n_trie == 0) {
        return -1;
    }
    for (size_t i = at; i < limit; i++) {
        node = find_child(tok, node, (uint8_t)text.data[i]);
        if (node == 0) {
            break;
        }
        if (tok->trie[node].id >= 0) {
            id = tok->trie[node].id;
            *end = i + 1;
        }
    }
    return id;
}

// ---- merges ----

static size_t merge_home(const rg_tokenizer *tok, uint64_t pair) {
    return (size_t)((pair * 0x9E3779B97F4A7C15u) >> 32) & (tok->n_merge_slots - 1);
}

rg_status rg_tok_merges_alloc(rg_tokenizer *tok, size_t n, rg_error *err) {
    size_t slots = 64;
    if (n > RG_TOKENIZER_VOCAB_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%zu merges, limit %u", n, RG_TOKENIZER_VOCAB_MAX);
    }
    while (slots < 2 * n) {
        slots *= 2;
    }
    tok->merges = rg_alloc(tok->mem, slots * sizeof *tok->merges);
    if (tok->merges == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu merges", n);
    }
    memset(tok->merges, 0xFF, slots * sizeof *tok->merges);
    tok->n_merge_slots = slots;
    return RG_OK;
}

void rg_tok_merge_add(rg_tokenizer *tok, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t i = merge_home(tok, pair);
    while (tok->merges[i].pair != UINT64_MAX && tok->merges[i].pair != pair) {
        i = (i + 1) & (tok->n_merge_slots - 1);
    }
    if (tok->merges[i].pair == UINT64_MAX) {
        tok->merges[i] = (rg_merge_slot){pair, rank, id};
    }
}

const rg_merge_slot *rg_tok_merge_find(const rg_tokenizer *tok, int32_t left, int32_t right) {
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    if (tok->n_merge_slots == 0) {
        return NULL;
    }
    size_t i = merge_home(tok, pair);
    while (tok->merges[i].pair != pair) {
        if (tok->merges[i].pair == UINT64_MAX) {
            return NULL;
        }
        i = (i + 1) & (tok->n_merge_slots - 1);
    }
    return &tok->merges[i];
}

// ---- byte-level spelling ----

// The printable stand-in of each byte: 33..126, 161..172 and 174..255 stand for themselves, the
// other 68 bytes in increasing order for 256, 257, ...
static int byte_of_printable(uint32_t cp) {
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255)) {
        return (int)cp;
    }
    if (cp < 256 || cp >= 256 + 68) {
        return -1;
    }
    const uint32_t n = cp - 256;
    return (int)(n <= 32 ? n : n <= 66 ? n - 33 + 127 : 173);
}

uint32_t rg_printable_of_byte(uint8_t byte) {
    const uint32_t b = byte;
    if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174) {
        return b;
    }
    return 256 + (b < 33 ? b : b < 161 ? b - 127 + 33 : 67);
}

rg_status rg_tok_from_printable(rg_tokenizer *tok, rg_str text, rg_str *out, rg_error *err) {
    char *bytes = rg_arena_alloc(&tok->arena, text.size + 1);
    size_t n = 0;
    if (bytes == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a token");
    }
    for (size_t i = 0; i < text.size;) {
        uint32_t cp = 0;
        const size_t step = rg_utf8_decode(rg_str_slice(text, i, i + 4), &cp);
        const int byte = byte_of_printable(cp);
        if (byte < 0) {
            // not byte-level spelling: such a token is its own text
            memcpy(bytes, text.data, text.size);
            *out = (rg_str){bytes, text.size};
            return RG_OK;
        }
        bytes[n++] = (char)byte;
        i += step;
    }
    *out = (rg_str){bytes, n};
    return RG_OK;
}

rg_status rg_tok_finish(rg_tokenizer *tok, rg_error *err) {
    static const char *const ends[] = {"</s>",
                                       "<|eot_id|>",
                                       "<|eom_id|>",
                                       "<|end_of_text|>",
                                       "<|eot|>",
                                       "<|eom|>",
                                       "<|im_end|>",
                                       "<|endoftext|>",
                                       ("<\xEF\xBD\x9C"
                                        "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"),
                                       "[EOS]",
                                       "<|end_of_msg|>",
                                       "[EOT]"};
    for (int b = 0; b < 256; b++) {
        const char byte = (char)b;
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        const uint32_t id =
            rg_map_find(&tok->id_of, tok->is_spm ? rg_str_of(name) : (rg_str){&byte, 1});
        tok->byte_id[b] = id == RG_MAP_NONE ? -1 : (int32_t)id;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        rg_tok_add_end(tok, rg_tokenizer_find(tok, rg_str_of(ends[i])));
    }
    rg_tok_add_end(tok, tok->eos);
    return rg_buf_check(&tok->warnings, "warnings", err);
}

void rg_tok_add_end(rg_tokenizer *tok, int32_t id) {
    if (id >= 0 && (size_t)id < tok->n_vocab && tok->n_ends < RG_TOKENIZER_ENDS_MAX &&
        !rg_tokenizer_is_end(tok, id)) {
        tok->ends[tok->n_ends++] = id;
    }
}

// ---- scores ----

/** A token and its score, to be sorted. */
typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a;
    const scored *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : x->id < y->id ? -1 : 1;
}

rg_status rg_tok_rank_scores(rg_tokenizer *tok, const float *scores, rg_error *err) {
    scored *order = rg_new_array(tok->mem, tok->n_vocab, sizeof *order);
    tok->rank_of = rg_new_array(tok->mem, tok->n_vocab, sizeof *tok->rank_of);
    if (order == NULL || tok->rank_of == NULL) {
        rg_free(tok->mem, order);
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu scores", tok->n_vocab);
    }
    for (size_t i = 0; i < tok->n_vocab; i++) {
        if (isnan(scores[i])) {
            rg_free(tok->mem, order);
            return rg_fail(err, RG_E_FORMAT, "the score of token %zu is not a number", i);
        }
        order[i] = (scored){scores[i], (uint32_t)i};
    }
    qsort(order, tok->n_vocab, sizeof *order, by_score);
    // equal scores share a rank, so that the leftmost pair goes first
    uint32_t rank = 0;
    for (size_t i = 0; i < tok->n_vocab; i++) {
        rank += i != 0 && order[i].score != order[i - 1].score;
        tok->rank_of[order[i].id] = rank;
    }
    rg_free(tok->mem, order);
    tok->rule = RG_MERGE_CONCAT;
    return RG_OK;
}

rg_status rg_tok_own(rg_tokenizer *tok, rg_error *err) {
    rg_map id_of;
    rg_map_init(&id_of, tok->mem);
    rg_status status = rg_map_reserve(&id_of, tok->id_of.n_used, err);
    for (size_t i = 0; i < tok->n_vocab && status == RG_OK; i++) {
        const char *copy = rg_arena_copy(&tok->arena, tok->bytes[i].data, tok->bytes[i].size);
        if (copy == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tokens", tok->n_vocab);
            break;
        }
        const bool is_found = rg_map_find(&tok->id_of, tok->bytes[i]) == i;
        tok->bytes[i].data = copy;
        if (is_found && tok->bytes[i].size != 0) {
            status = rg_map_add(&id_of, tok->bytes[i], (uint32_t)i, NULL, err);
        }
    }
    rg_map_clear(&tok->id_of);
    tok->id_of = id_of;
    return status;
}

// ---- facts ----

size_t rg_tokenizer_vocab(const rg_tokenizer *tok) {
    return tok->n_vocab;
}

int32_t rg_tokenizer_find(const rg_tokenizer *tok, rg_str text) {
    size_t end = 0;
    const int32_t id = rg_tok_match_at(tok, text, 0, text.size, &end);
    if (id >= 0 && end == text.size) {
        return id;
    }
    const uint32_t found = rg_map_find(&tok->id_of, text);
    return found == RG_MAP_NONE ? -1 : (int32_t)found;
}

int32_t rg_tokenizer_bos(const rg_tokenizer *tok) {
    return tok->bos;
}

int32_t rg_tokenizer_eos(const rg_tokenizer *tok) {
    return tok->eos;
}

bool rg_tokenizer_adds_bos(const rg_tokenizer *tok) {
    return tok->n_before != 0 && tok->before[0] == tok->bos;
}

bool rg_tokenizer_is_end(const rg_tokenizer *tok, int32_t id) {
    for (size_t i = 0; i < tok->n_ends; i++) {
        if (tok->ends[i] == id) {
            return true;
        }
    }
    return false;
}

const char *rg_tokenizer_kind(const rg_tokenizer *tok) {
    return tok->kind;
}

rg_pretok rg_tokenizer_pretok(const rg_tokenizer *tok) {
    return tok->pretok;
}

const char *rg_tokenizer_warnings(const rg_tokenizer *tok) {
    return rg_buf_cstr((rg_buf *)&tok->warnings);
}
