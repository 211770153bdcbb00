/* The tokenizer in a GGUF file's metadata: byte-level BPE ("gpt2") and SentencePiece BPE ("llama").
 */
#include "token/tokenizer_internal.h"

#include <math.h>

enum {
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER = 4,
    TYPE_UNUSED = 5,
    TYPE_BYTE = 6
};

typedef struct loader {
    rg_tokenizer *tok;
    const rg_gguf *gguf;
    const rg_gguf_pair *tokens;
    const rg_gguf_pair *types;
    const rg_gguf_pair *scores;
    const rg_gguf_pair *merges;
    rg_map by_text; // spelling in the file -> id, for merges
    rg_error *err;
} loader;

// an array of the vocabulary's length, or NULL when it is absent
static rg_status find_array(loader *l, const char *key, bool is_text, uint64_t n,
                            const rg_gguf_pair **out) {
    const rg_gguf_pair *pair = rg_gguf_find_pair(l->gguf, key);
    if (pair == NULL) {
        return RG_OK;
    }
    if (pair->type != RG_GGUF_ARRAY || (pair->item_type == RG_GGUF_STRING) != is_text) {
        return rg_fail(l->err, RG_E_FORMAT, "the key %s is no array of %s", key,
                       is_text ? "strings" : "numbers");
    }
    if (n != 0 && pair->n_items != n) {
        return rg_fail(l->err, RG_E_FORMAT, "%s has %llu items, tokenizer.ggml.tokens %llu", key,
                       (unsigned long long)pair->n_items, (unsigned long long)n);
    }
    *out = pair;
    return RG_OK;
}

// a token id of the metadata: inside the vocabulary, or -1 when absent (writers use -1 for none as
// well)
static rg_status read_id(loader *l, const char *key, int32_t *out) {
    int64_t id = -1;
    *out = -1;
    if (!rg_gguf_i64(l->gguf, key, &id) || id == -1 || id == UINT32_MAX) {
        return RG_OK;
    }
    if (id < 0 || (uint64_t)id >= l->tok->n_vocab) {
        return rg_fail(l->err, RG_E_FORMAT, "%s is %lld, the vocabulary has %zu tokens", key,
                       (long long)id, l->tok->n_vocab);
    }
    *out = (int32_t)id;
    return RG_OK;
}

static rg_status add_token(loader *l, int64_t id, rg_str text, int type) {
    rg_str bytes = text;
    rg_status status = RG_OK;
    const bool is_added = type == TYPE_CONTROL || type == TYPE_USER || type == TYPE_UNKNOWN;
    if (text.size == 0 && type != TYPE_UNUSED) {
        rg_buf_format(&l->tok->warnings, "token %lld is empty\n", (long long)id);
        return RG_OK;
    }
    if (!l->tok->is_spm && !is_added) {
        RG_TRY(rg_tok_from_printable(l->tok, text, &bytes, l->err));
    }
    RG_TRY(rg_tok_set(l->tok, id, bytes,
                      type == TYPE_CONTROL || type == TYPE_UNKNOWN ? RG_TOKEN_CONTROL
                      : type == TYPE_USER                          ? RG_TOKEN_USER
                      : type == TYPE_BYTE                          ? RG_TOKEN_BYTE
                      : type == TYPE_UNUSED                        ? RG_TOKEN_UNUSED
                                                                   : RG_TOKEN_NORMAL,
                      !is_added && type != TYPE_UNUSED, l->err));
    if (type == TYPE_CONTROL || type == TYPE_USER) {
        RG_TRY(rg_tok_match(l->tok, bytes, (int32_t)id, l->err));
    }
    if (l->merges != NULL) {
        RG_TRY(rg_map_add(&l->by_text, text, (uint32_t)id, NULL, l->err));
    }

done:
    return status;
}

static rg_status read_tokens(loader *l) {
    rg_status status = rg_tok_alloc(l->tok, l->tokens->n_items, l->err);
    size_t at = 0;
    rg_str text;
    if (status == RG_OK && l->merges != NULL) {
        status = rg_map_reserve(&l->by_text, l->tokens->n_items, l->err);
    }
    for (int64_t id = 0; status == RG_OK && rg_gguf_next_str(l->tokens, &at, &text); id++) {
        const int type =
            l->types == NULL ? TYPE_NORMAL : (int)rg_gguf_item_f64(l->types, (uint64_t)id);
        status = add_token(l, id, text, type);
    }
    return status;
}

static rg_status read_merges(loader *l) {
    rg_status status = rg_tok_merges_alloc(l->tok, l->merges->n_items, l->err);
    rg_buf joined;
    rg_str merge;
    size_t at = 0;
    rg_buf_init(&joined, l->tok->mem, 2 * RG_TOKENIZER_TOKEN_MAX);
    for (uint32_t i = 0; status == RG_OK && rg_gguf_next_str(l->merges, &at, &merge); i++) {
        const char *space = merge.size < 3 ? NULL : memchr(merge.data + 1, ' ', merge.size - 1);
        if (space == NULL) {
            status = rg_fail(l->err, RG_E_FORMAT, "merge %u is no pair of tokens", i);
            break;
        }
        const rg_str left = rg_str_slice(merge, 0, (size_t)(space - merge.data));
        const rg_str right = rg_str_slice(merge, left.size + 1, merge.size);
        joined.size = 0;
        rg_buf_str(&joined, left);
        rg_buf_str(&joined, right);
        status = rg_buf_check(&joined, "a merged token", l->err);
        if (status != RG_OK) {
            break;
        }
        const uint32_t a = rg_map_find(&l->by_text, left);
        const uint32_t b = rg_map_find(&l->by_text, right);
        const uint32_t both = rg_map_find(&l->by_text, rg_buf_view(&joined));
        if (a == RG_MAP_NONE || b == RG_MAP_NONE || both == RG_MAP_NONE) {
            status = rg_fail(l->err, RG_E_FORMAT, "merge %u (%.*s) names a token that is not there",
                             i, RG_FMT(merge));
            break;
        }
        rg_tok_merge_add(l->tok, (int32_t)a, (int32_t)b, i, (int32_t)both);
    }
    rg_buf_clear(&joined);
    return status;
}

static rg_status read_scores(loader *l) {
    if (l->scores == NULL) {
        return rg_fail(l->err, RG_E_FORMAT, "tokenizer.ggml.scores is missing");
    }
    const size_t n = l->tok->n_vocab;
    float *scores = rg_new_array(l->tok->mem, n, sizeof *scores);
    if (scores == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for %zu scores", n);
    }
    for (size_t i = 0; i < n; i++) {
        scores[i] = (float)rg_gguf_item_f64(l->scores, i);
    }
    const rg_status status = rg_tok_rank_scores(l->tok, scores, l->err);
    rg_free(l->tok->mem, scores);
    return status;
}

static rg_status read_model(loader *l) {
    rg_str model = RG_STR("");
    rg_str pre = RG_STR("default");
    if (!rg_gguf_str(l->gguf, "tokenizer.ggml.model", &model)) {
        return rg_fail(l->err, RG_E_NOT_FOUND, "the file holds no tokenizer");
    }
    if (rg_str_is(model, "llama")) {
        l->tok->is_spm = true;
        l->tok->kind = "sentencepiece";
        l->tok->has_space_prefix = true;
        (void)rg_gguf_bool(l->gguf, "tokenizer.ggml.add_space_prefix", &l->tok->has_space_prefix);
        return RG_OK;
    }
    if (!rg_str_is(model, "gpt2")) {
        return rg_fail(l->err, RG_E_UNSUPPORTED,
                       "tokenizer.ggml.model \"%.*s\" is not supported, gpt2 and llama are",
                       RG_FMT(model));
    }
    (void)rg_gguf_str(l->gguf, "tokenizer.ggml.pre", &pre);
    l->tok->pretok = rg_pretok_of_gguf(pre);
    if (l->tok->pretok == RG_PRETOK_COUNT) {
        return rg_fail(l->err, RG_E_UNSUPPORTED, "tokenizer.ggml.pre \"%.*s\" is not known",
                       RG_FMT(pre));
    }
    // the one name of this cut without Llama 3's ways around it
    l->tok->ignore_merges =
        l->tok->pretok == RG_PRETOK_LLAMA3 && !rg_str_is(pre, RG_TOKENIZER_PLAIN_LLAMA3);
    l->tok->is_nfc = rg_pretok_is_nfc(l->tok->pretok);
    return RG_OK;
}

static rg_status read_specials(loader *l) {
    rg_tokenizer *tok = l->tok;
    rg_status status = RG_OK;
    int32_t id = -1;
    bool adds_bos = tok->is_spm || tok->ignore_merges;
    bool adds_eos = false;
    RG_TRY(read_id(l, "tokenizer.ggml.bos_token_id", &tok->bos));
    RG_TRY(read_id(l, "tokenizer.ggml.eos_token_id", &tok->eos));
    RG_TRY(read_id(l, "tokenizer.ggml.unknown_token_id", &tok->unk));
    RG_TRY(read_id(l, "tokenizer.ggml.eot_token_id", &id));
    rg_tok_add_end(tok, id);
    RG_TRY(read_id(l, "tokenizer.ggml.eom_token_id", &id));
    rg_tok_add_end(tok, id);
    (void)rg_gguf_bool(l->gguf, "tokenizer.ggml.add_bos_token", &adds_bos);
    (void)rg_gguf_bool(l->gguf, "tokenizer.ggml.add_eos_token", &adds_eos);
    if (adds_bos && tok->bos >= 0) {
        tok->before[tok->n_before++] = tok->bos;
    }
    if (adds_eos && tok->eos >= 0) {
        tok->after[tok->n_after++] = tok->eos;
    }

done:
    return status;
}

rg_status rg_tokenizer_of_gguf(const rg_mem *mem, const rg_gguf *gguf, rg_tokenizer **out,
                               rg_error *err) {
    loader l = {.gguf = gguf, .err = err};
    rg_status status = RG_OK;
    rg_map_init(&l.by_text, mem);
    RG_TRY(rg_tok_new(mem, "bpe", &l.tok, err));
    RG_TRY(read_model(&l));
    RG_TRY(find_array(&l, "tokenizer.ggml.tokens", true, 0, &l.tokens));
    if (l.tokens == NULL) {
        status = rg_fail(err, RG_E_FORMAT, "tokenizer.ggml.tokens is missing");
        goto done;
    }
    RG_TRY(find_array(&l, "tokenizer.ggml.token_type", false, l.tokens->n_items, &l.types));
    RG_TRY(find_array(&l, "tokenizer.ggml.scores", false, l.tokens->n_items, &l.scores));
    RG_TRY(find_array(&l, "tokenizer.ggml.merges", true, 0, &l.merges));
    RG_TRY(read_tokens(&l));
    if (l.tok->is_spm) {
        RG_TRY(read_scores(&l));
    } else if (l.merges != NULL) {
        RG_TRY(read_merges(&l));
    } else {
        status = rg_fail(err, RG_E_FORMAT, "tokenizer.ggml.merges is missing");
        goto done;
    }
    RG_TRY(read_specials(&l));
    RG_TRY(rg_tok_finish(l.tok, err));
    *out = l.tok;
    l.tok = NULL;

done:
    rg_map_clear(&l.by_text);
    rg_tokenizer_free(l.tok);
    return status;
}
