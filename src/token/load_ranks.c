/* A bare ranks file, as tiktoken has them: "base64 rank" a line; names and pattern lie beside it.
 */
#include "token/tokenizer_internal.h"

#include "base/base64.h"

#include <stdio.h>

enum { NAMES_BYTES_MAX = 64 << 20 };

// one line: the token's base64 and its rank
static bool read_line(rg_str line, rg_str *base64, int64_t *rank) {
    const char *space = memchr(line.data, ' ', line.size);
    if (space == NULL) {
        return false;
    }
    *base64 = rg_str_slice(line, 0, (size_t)(space - line.data));
    const rg_str digits = rg_str_slice(line, base64->size + 1, line.size);
    *rank = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || *rank > RG_TOKENIZER_VOCAB_MAX) {
            return false;
        }
        *rank = *rank * 10 + (digits.data[i] - '0');
    }
    return digits.size != 0;
}

static rg_str next_line(rg_str text, size_t *at) {
    const char *end = memchr(text.data + *at, '\n', text.size - *at);
    const size_t stop = end == NULL ? text.size : (size_t)(end - text.data);
    const rg_str line = rg_str_slice(text, *at, stop);
    *at = stop + 1;
    return line;
}

static rg_status read_ranks(rg_tokenizer *tok, rg_str ranks, rg_error *err) {
    size_t number = 0;
    for (size_t at = 0; at < ranks.size;) {
        const rg_str line = next_line(ranks, &at);
        rg_str base64;
        int64_t rank = -1;
        size_t n = 0;
        number++;
        if (line.size == 0) {
            continue;
        }
        char *bytes = rg_arena_alloc(&tok->arena, line.size);
        if (bytes == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a token");
        }
        if (!read_line(line, &base64, &rank) || !rg_base64_decode(base64, bytes, &n) || n == 0) {
            return rg_fail(err, RG_E_FORMAT, "line %zu of the ranks file is not \"base64 rank\"",
                           number);
        }
        const rg_status status =
            rg_tok_set(tok, rank, (rg_str){bytes, n}, RG_TOKEN_NORMAL, true, err);
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

static rg_status add_special(rg_tokenizer *tok, int64_t id, rg_str name, bool is_special,
                             rg_error *err) {
    const char *copy = rg_arena_copy(&tok->arena, name.data, name.size);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a token");
    }
    const rg_str text = {copy, name.size};
    const rg_status status =
        rg_tok_set(tok, id, text, is_special ? RG_TOKEN_CONTROL : RG_TOKEN_USER, false, err);
    return status == RG_OK ? rg_tok_match(tok, text, (int32_t)id, err) : status;
}

// names from special_tokens.json (a list) or tokenizer_config.json (added_tokens_decoder: id ->
// object)
static rg_status read_special(rg_tokenizer *tok, const rg_json *root, size_t n_ranks,
                              rg_error *err) {
    const rg_json *list = rg_json_find(root, "special_tokens");
    const rg_json *decoder = rg_json_find(root, "added_tokens_decoder");
    const rg_json *all = list != NULL ? list : decoder;
    for (size_t i = 0; all != NULL && i < all->n; i++) {
        const rg_json *entry = &all->items[i];
        const rg_json key = {.kind = RG_JSON_NUMBER,
                             .text = decoder == all ? all->keys[i] : (rg_str){0}};
        rg_str name;
        int64_t id = -1;
        bool is_special = true;
        if (!rg_json_str(rg_json_find(entry, "content"), &name) ||
            !rg_json_i64(all == decoder ? &key : rg_json_find(entry, "id"), &id)) {
            return rg_fail(err, RG_E_FORMAT, "special token %zu has no id or content", i);
        }
        (void)rg_json_bool(rg_json_find(entry, "special"), &is_special);
        const rg_status status = add_special(tok, id, name, is_special, err);
        if (status != RG_OK) {
            return status;
        }
    }
    // ids between the ranks and the end that nobody named
    for (size_t id = n_ranks; id < tok->n_vocab; id++) {
        char name[48];
        if (tok->types[id] != RG_TOKEN_UNUSED) {
            continue;
        }
        snprintf(name, sizeof name, "<|reserved_token_%zu|>", id);
        const rg_status status = add_special(tok, (int64_t)id, rg_str_of(name), true, err);
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

static int32_t named(const rg_tokenizer *tok, const rg_json *root, const char *key,
                     const char *other) {
    rg_str text;
    const rg_json *json = rg_json_find(root, key);
    json = json == NULL ? rg_json_find(root, other) : json;
    if (rg_json_str(json, &text) || rg_json_str(rg_json_find(json, "content"), &text)) {
        return rg_tokenizer_find(tok, text);
    }
    return -1;
}

static size_t count_lines(rg_str text) {
    size_t n = 0;
    for (size_t at = 0; at < text.size;) {
        n += next_line(text, &at).size != 0;
    }
    return n;
}

rg_status rg_tokenizer_of_ranks(const rg_mem *mem, rg_str ranks, rg_str special, rg_tokenizer **out,
                                rg_error *err) {
    enum { RESERVED = 256 }; // ids after the ranks, named or not
    rg_tokenizer *tok = NULL;
    rg_arena arena;
    const rg_json *root = NULL;
    rg_status status = RG_OK;
    rg_str pattern = {0};
    rg_arena_init(&arena, mem, NAMES_BYTES_MAX);
    RG_TRY(rg_tok_new(mem, "tiktoken", &tok, err));
    if (special.size != 0) {
        RG_TRY(rg_json_parse(&arena, special, &root, err));
    }
    const size_t n_ranks = count_lines(ranks);
    RG_TRY(rg_tok_alloc(tok, n_ranks + RESERVED, err));
    RG_TRY(read_ranks(tok, ranks, err));
    RG_TRY(read_special(tok, root, n_ranks, err));
    tok->pretok = RG_PRETOK_KIMI;
    if (rg_json_str(rg_json_find(root, "pattern"), &pattern)) {
        tok->pretok = rg_pretok_of_patterns(&pattern, 1);
    }
    if (tok->pretok == RG_PRETOK_REGEX) {
        RG_TRY(rg_regexes_new(mem, &pattern, 1, &tok->regexes, err));
    }
    tok->rule = RG_MERGE_CONCAT;
    tok->rank_of = rg_new_array(mem, tok->n_vocab, sizeof *tok->rank_of);
    if (tok->rank_of == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu ranks", tok->n_vocab);
        goto done;
    }
    for (size_t i = 0; i < tok->n_vocab; i++) {
        tok->rank_of[i] = (uint32_t)i;
    }
    tok->ignore_merges = true; // a piece that is a token is its own encoding
    tok->bos = named(tok, root, "bos", "bos_token");
    tok->eos = named(tok, root, "eos", "eos_token");
    RG_TRY(rg_tok_finish(tok, err));
    *out = tok;
    tok = NULL;

done:
    rg_tokenizer_free(tok);
    rg_arena_clear(&arena);
    return status;
}
