/* A tokenizer as GGUF metadata: the way back from load_gguf.c. */
#include "token/tokenizer_internal.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAD_NAME_BYTES = 24 };

// "tokenizer.ggml.token_type" of each of ours
static const int32_t type_ids[] = {[RG_TOKEN_NORMAL] = 1,
                                   [RG_TOKEN_CONTROL] = 3,
                                   [RG_TOKEN_USER] = 4,
                                   [RG_TOKEN_UNUSED] = 5,
                                   [RG_TOKEN_BYTE] = 6};
enum { TYPE_UNKNOWN = 2 };

typedef struct saver {
    const rg_tokenizer *tok;
    rg_gguf_writer *w;
    size_t n_rows;
    rg_arena arena; // texts
    rg_str *texts;  // [n_rows]
    rg_error *err;
} saver;

static bool is_added(const rg_tokenizer *tok, size_t id) {
    return tok->types[id] == RG_TOKEN_CONTROL || tok->types[id] == RG_TOKEN_USER;
}

// a token as the file spells it: added ones verbatim, byte-level ones in printable characters
static rg_status spell(saver *s, size_t id) {
    const rg_str bytes = s->tok->bytes[id];
    if (s->tok->is_spm || is_added(s->tok, id)) {
        s->texts[id] = bytes;
        return RG_OK;
    }
    char *text = rg_arena_alloc(&s->arena, 2 * bytes.size + 1);
    size_t n = 0;
    if (text == NULL) {
        return rg_fail(s->err, RG_E_MEMORY, "no memory for the text of token %zu", id);
    }
    for (size_t i = 0; i < bytes.size; i++) {
        // at most U+0143: two bytes
        n += rg_utf8_encode(rg_printable_of_byte((uint8_t)bytes.data[i]), text + n);
    }
    s->texts[id] = (rg_str){text, n};
    return RG_OK;
}

static rg_status put_tokens(saver *s) {
    const rg_tokenizer *tok = s->tok;
    rg_status status = RG_OK;
    int32_t *types = rg_new_array(tok->mem, s->n_rows, sizeof *types);
    s->texts = rg_new_array(tok->mem, s->n_rows, sizeof *s->texts);
    if (types == NULL || s->texts == NULL) {
        status = rg_fail(s->err, RG_E_MEMORY, "no memory for %zu tokens", s->n_rows);
        goto done;
    }
    for (size_t id = 0; id < s->n_rows; id++) {
        const bool is_row = id >= tok->n_vocab || tok->bytes[id].size == 0;
        types[id] = is_row                               ? type_ids[RG_TOKEN_UNUSED]
                    : tok->is_spm && (int)id == tok->unk ? TYPE_UNKNOWN
                                                         : type_ids[tok->types[id]];
        if (!is_row) {
            RG_TRY(spell(s, id));
            continue;
        }
        char name[PAD_NAME_BYTES];
        const int n = snprintf(name, sizeof name, "[PAD%zu]", id);
        const char *copy = rg_arena_copy(&s->arena, name, (size_t)n);
        if (copy == NULL) {
            status = rg_fail(s->err, RG_E_MEMORY, "no memory for %zu tokens", s->n_rows);
            goto done;
        }
        s->texts[id] = (rg_str){copy, (size_t)n};
    }
    rg_gguf_put_strs(s->w, "tokenizer.ggml.tokens", s->texts, s->n_rows);
    rg_gguf_put_i32s(s->w, "tokenizer.ggml.token_type", types, s->n_rows);

done:
    rg_free(tok->mem, types);
    return status;
}

// ---- merges ----

/** A merge, to be put in order. */
typedef struct ranked {
    uint64_t pair;
    uint32_t rank;
    int32_t id;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a;
    const ranked *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static rg_status list_merges(const saver *s, ranked **out, size_t *n_out) {
    const rg_tokenizer *tok = s->tok;
    size_t n = 0;
    for (size_t i = 0; i < tok->n_merge_slots; i++) {
        n += tok->merges[i].pair != UINT64_MAX;
    }
    ranked *list = rg_new_array(tok->mem, n + 1, sizeof *list);
    if (list == NULL) {
        return rg_fail(s->err, RG_E_MEMORY, "no memory for %zu merges", n);
    }
    size_t at = 0;
    for (size_t i = 0; i < tok->n_merge_slots; i++) {
        const rg_merge_slot *slot = &tok->merges[i];
        if (slot->pair != UINT64_MAX) {
            list[at++] = (ranked){slot->pair, slot->rank, slot->id};
        }
    }
    qsort(list, n, sizeof *list, by_rank);
    *out = list;
    *n_out = n;
    return RG_OK;
}

static rg_status put_merges(saver *s) {
    const rg_tokenizer *tok = s->tok;
    rg_status status = RG_OK;
    ranked *list = NULL;
    rg_str *texts = NULL;
    size_t n = 0;
    RG_TRY(list_merges(s, &list, &n));
    texts = rg_new_array(tok->mem, n + 1, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < n; i++) {
        const rg_str left = s->texts[list[i].pair >> 32];
        const rg_str right = s->texts[list[i].pair & UINT32_MAX];
        char *text = rg_arena_alloc(&s->arena, left.size + right.size + 1);
        if (text == NULL) {
            status = rg_fail(s->err, RG_E_MEMORY, "no memory for %zu merges", n);
            goto done;
        }
        memcpy(text, left.data, left.size);
        text[left.size] = ' ';
        memcpy(text + left.size + 1, right.data, right.size);
        texts[i] = (rg_str){text, left.size + right.size + 1};
    }
    if (texts == NULL) {
        status = rg_fail(s->err, RG_E_MEMORY, "no memory for %zu merges", n);
        goto done;
    }
    rg_gguf_put_strs(s->w, "tokenizer.ggml.merges", texts, n);

done:
    rg_free(tok->mem, list);
    rg_free(tok->mem, texts);
    return status;
}

// what merges first has the higher score; what no merge makes, the lowest
static rg_status put_scores(saver *s) {
    const rg_tokenizer *tok = s->tok;
    rg_status status = RG_OK;
    ranked *list = NULL;
    size_t n = 0;
    float *scores = rg_new_array(tok->mem, s->n_rows, sizeof *scores);
    if (scores == NULL) {
        status = rg_fail(s->err, RG_E_MEMORY, "no memory for %zu scores", s->n_rows);
        goto done;
    }
    if (tok->rule == RG_MERGE_CONCAT) {
        for (size_t id = 0; id < tok->n_vocab; id++) {
            scores[id] = -(float)tok->rank_of[id];
        }
    } else {
        RG_TRY(list_merges(s, &list, &n));
        for (size_t id = 0; id < s->n_rows; id++) {
            scores[id] = -(float)n - 1;
        }
        for (size_t i = n; i-- > 0;) {
            scores[list[i].id] = -(float)i; // the first of the merges that make a token counts
        }
    }
    rg_gguf_put_f32s(s->w, "tokenizer.ggml.scores", scores, s->n_rows);

done:
    rg_free(tok->mem, list);
    rg_free(tok->mem, scores);
    return status;
}

// ---- the whole ----

static void put_id(saver *s, const char *key, int32_t id) {
    if (id >= 0) {
        rg_gguf_put_u32(s->w, key, (uint32_t)id);
    }
}

static void put_specials(saver *s) {
    static const char *const more_ends[] = {"tokenizer.ggml.eot_token_id",
                                            "tokenizer.ggml.eom_token_id"};
    const rg_tokenizer *tok = s->tok;
    size_t n_more = 0;
    put_id(s, "tokenizer.ggml.bos_token_id", tok->bos);
    put_id(s, "tokenizer.ggml.eos_token_id", tok->eos);
    put_id(s, "tokenizer.ggml.unknown_token_id", tok->unk);
    for (size_t i = 0; i < tok->n_ends && n_more < 2; i++) {
        if (tok->ends[i] != tok->eos) {
            put_id(s, more_ends[n_more++], tok->ends[i]);
        }
    }
    rg_gguf_put_bool(s->w, "tokenizer.ggml.add_bos_token", rg_tokenizer_adds_bos(tok));
    rg_gguf_put_bool(s->w, "tokenizer.ggml.add_eos_token",
                     tok->n_after != 0 && tok->after[0] == tok->eos);
    if (tok->is_spm) {
        rg_gguf_put_bool(s->w, "tokenizer.ggml.add_space_prefix", tok->has_space_prefix);
    }
}

// GGUF says little about how a text is cut: what it does not say must be as its name implies
static rg_status put_kind(saver *s) {
    const rg_tokenizer *tok = s->tok;
    if (tok->is_spm) {
        rg_gguf_put_str(s->w, "tokenizer.ggml.model", RG_STR("llama"));
        return RG_OK;
    }
    const bool is_llama3 = tok->pretok == RG_PRETOK_LLAMA3;
    const rg_str pre = is_llama3 && !tok->ignore_merges ? RG_STR(RG_TOKENIZER_PLAIN_LLAMA3)
                                                        : rg_pretok_gguf_name(tok->pretok);
    if (pre.size == 0 || tok->rule != RG_MERGE_PAIRS || (tok->ignore_merges && !is_llama3)) {
        return rg_fail(s->err, RG_E_UNSUPPORTED,
                       "the tokenizer (%s, pre-tokenizer %s) has no form in GGUF", tok->kind,
                       rg_pretok_name(tok->pretok));
    }
    rg_gguf_put_str(s->w, "tokenizer.ggml.model", RG_STR("gpt2"));
    rg_gguf_put_str(s->w, "tokenizer.ggml.pre", pre);
    return RG_OK;
}

rg_status rg_tokenizer_put_gguf(const rg_tokenizer *tok, size_t n_rows, rg_gguf_writer *w,
                                rg_error *err) {
    rg_status status = RG_OK;
    saver s = {.tok = tok, .w = w, .n_rows = n_rows, .err = err};
    rg_arena_init(&s.arena, tok->mem, 0);
    if (tok->n_vocab > n_rows) {
        status = rg_fail(err, RG_E_FORMAT, "the tokenizer has %zu tokens, the embedding %zu rows",
                         tok->n_vocab, n_rows);
        goto done;
    }
    RG_TRY(put_kind(&s));
    RG_TRY(put_tokens(&s));
    if (tok->is_spm) {
        RG_TRY(put_scores(&s));
    } else {
        RG_TRY(put_merges(&s));
    }
    put_specials(&s);

done:
    rg_free(tok->mem, s.texts);
    rg_arena_clear(&s.arena);
    return status;
}
