#include "train/bpe_internal.h"

#include "base/utf8.h"
#include "token/nfc.h"

enum { BYTES = 256 };

// ---- the trainer ----

rg_status rg_bpe_token_add(rg_bpe_trainer *t, rg_str bytes, int32_t *id, rg_error *err) {
    rg_status status = RG_OK;
    const uint32_t known = rg_map_find(&t->token_of, bytes);
    if (known != RG_MAP_NONE) {
        *id = (int32_t)known;
        return RG_OK;
    }
    const rg_str copy = {rg_arena_copy(&t->arena, bytes.data, bytes.size), bytes.size};
    if (copy.data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a token of %zu bytes", bytes.size);
    }
    const uint32_t fresh = (uint32_t)rg_bpe_tokens(t);
    RG_TRY(rg_map_add(&t->token_of, copy, fresh, NULL, err));
    rg_buf_put(&t->tokens, &copy, sizeof copy);
    RG_TRY(rg_buf_check(&t->tokens, "tokens", err));
    *id = (int32_t)fresh;

done:
    return status;
}

// the 256 bytes, ordered by the characters that stand for them
static rg_status add_bytes(rg_bpe_trainer *t, rg_error *err) {
    rg_status status = RG_OK;
    for (uint32_t cp = 0; cp < 2 * BYTES && status == RG_OK; cp++) {
        for (int b = 0; b < BYTES && status == RG_OK; b++) {
            if (rg_printable_of_byte((uint8_t)b) == cp) {
                const char byte = (char)b;
                int32_t id = 0;
                status = rg_bpe_token_add(t, (rg_str){&byte, 1}, &id, err);
            }
        }
    }
    return status;
}

static rg_status add_special(rg_bpe_trainer *t, const rg_bpe_special *special, rg_error *err) {
    const rg_str text = special->text;
    if (text.size < 2 || text.size > RG_TOKENIZER_TOKEN_MAX || !rg_utf8_is_valid(text)) {
        return rg_fail(err, RG_E_ARG,
                       "special token %zu (\"%.*s\") has %zu bytes of text, valid are 2 to %d",
                       t->n_specials, RG_FMT(text), text.size, RG_TOKENIZER_TOKEN_MAX);
    }
    for (size_t i = 0; i < t->n_specials; i++) {
        if (rg_str_eq(t->specials[i].text, text)) {
            return rg_fail(err, RG_E_ARG, "special token \"%.*s\" is given twice", RG_FMT(text));
        }
    }
    const rg_str copy = {rg_arena_copy(&t->arena, text.data, text.size), text.size};
    if (copy.data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a special token");
    }
    t->specials[t->n_specials++] = (rg_bpe_special){copy, special->is_control};
    t->starts_special[(uint8_t)copy.data[0]] = true;
    return RG_OK;
}

static rg_status check_options(const rg_bpe_options *o, rg_error *err) {
    if (rg_pretok_pattern(o->pretok) == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "a vocabulary cannot be trained with the pre-tokenizer \"%s\"",
                       rg_pretok_name(o->pretok));
    }
    if (o->n_specials > RG_BPE_SPECIALS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%zu special tokens, limit %zu", o->n_specials,
                       RG_BPE_SPECIALS_MAX);
    }
    if (o->n_vocab < BYTES + o->n_specials || o->n_vocab > RG_TOKENIZER_VOCAB_MAX) {
        return rg_fail(err, RG_E_ARG,
                       "a vocabulary of %zu tokens is not possible: valid are %zu (256 bytes and "
                       "%zu special tokens) to %u",
                       o->n_vocab, BYTES + o->n_specials, o->n_specials, RG_TOKENIZER_VOCAB_MAX);
    }
    return RG_OK;
}

rg_status rg_bpe_trainer_new(const rg_mem *mem, const rg_bpe_options *options, rg_bpe_trainer **out,
                             rg_error *err) {
    rg_bpe_trainer *t = NULL;
    rg_status status = RG_OK;
    RG_TRY(check_options(options, err));
    t = rg_new(mem, sizeof *t);
    if (t == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a vocabulary");
        goto done;
    }
    t->mem = mem;
    t->pretok = options->pretok;
    t->n_vocab = options->n_vocab;
    t->min_count = options->min_count == 0 ? 2 : options->min_count;
    t->word_bytes_max =
        options->word_bytes_max == 0 ? RG_BPE_WORD_BYTES_MAX : options->word_bytes_max;
    rg_arena_init(&t->arena, mem, 0);
    rg_map_init(&t->word_of, mem);
    rg_map_init(&t->token_of, mem);
    rg_buf_init(&t->words, mem, 0);
    rg_buf_init(&t->normal, mem, 0);
    rg_buf_init(&t->tokens, mem, 0);
    rg_buf_init(&t->merges, mem, 0);
    RG_TRY(add_bytes(t, err));
    for (size_t i = 0; i < options->n_specials; i++) {
        RG_TRY(add_special(t, &options->specials[i], err));
    }
    *out = t;
    t = NULL;

done:
    rg_bpe_trainer_free(t);
    return status;
}

void rg_bpe_trainer_free(rg_bpe_trainer *t) {
    if (t == NULL) {
        return;
    }
    rg_arena_clear(&t->arena);
    rg_map_clear(&t->word_of);
    rg_map_clear(&t->token_of);
    rg_buf_clear(&t->words);
    rg_buf_clear(&t->normal);
    rg_buf_clear(&t->tokens);
    rg_buf_clear(&t->merges);
    rg_free(t->mem, t);
}

size_t rg_bpe_trainer_vocab(const rg_bpe_trainer *t) {
    return rg_bpe_tokens(t) + t->n_specials;
}

size_t rg_bpe_trainer_words(const rg_bpe_trainer *t) {
    return t->words.size / sizeof(rg_bpe_word);
}

const rg_bpe_merge *rg_bpe_trainer_merges(const rg_bpe_trainer *t, size_t *n) {
    *n = t->merges.size / sizeof(rg_bpe_merge);
    return (const rg_bpe_merge *)(const void *)t->merges.data;
}

rg_str rg_bpe_trainer_token(const rg_bpe_trainer *t, int32_t id) {
    return id < 0 || (size_t)id >= rg_bpe_tokens(t) ? (rg_str){0} : rg_bpe_token(t, id);
}

// ---- counting ----

static rg_status count_word(rg_bpe_trainer *t, rg_str word, rg_error *err) {
    rg_status status = RG_OK;
    const uint32_t known = rg_map_find(&t->word_of, word);
    if (known != RG_MAP_NONE) {
        ((rg_bpe_word *)(void *)t->words.data)[known].count++;
        return RG_OK;
    }
    if (word.size > t->word_bytes_max - t->word_bytes) {
        return rg_fail(err, RG_E_LIMIT,
                       "the distinct pieces of the text take more than %zu bytes: train the "
                       "vocabulary on a part of the data",
                       t->word_bytes_max);
    }
    const rg_bpe_word fresh = {{rg_arena_copy(&t->arena, word.data, word.size), word.size}, 1};
    if (fresh.text.data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a piece of %zu bytes", word.size);
    }
    const size_t n = rg_bpe_trainer_words(t);
    RG_TRY(rg_map_add(&t->word_of, fresh.text, (uint32_t)n, NULL, err));
    rg_buf_put(&t->words, &fresh, sizeof fresh);
    RG_TRY(rg_buf_check(&t->words, "pieces of text", err));
    t->word_bytes += word.size;

done:
    return status;
}

// text without special tokens
static rg_status count_plain(rg_bpe_trainer *t, rg_str text, rg_error *err) {
    rg_status status = RG_OK;
    if (rg_pretok_is_nfc(t->pretok)) {
        t->normal.size = 0;
        rg_nfc(&t->normal, text);
        RG_TRY(rg_buf_check(&t->normal, "normalized text", err));
        text = rg_buf_view(&t->normal);
    }
    for (size_t at = 0; at < text.size;) {
        const size_t end = rg_pretok_next(t->pretok, text, at);
        RG_TRY(count_word(t, rg_str_slice(text, at, end), err));
        at = end;
    }

done:
    return status;
}

// bytes of the longest special token that begins at `at`, or 0
static size_t special_at(const rg_bpe_trainer *t, rg_str text, size_t at) {
    size_t longest = 0;
    for (size_t i = 0; i < t->n_specials; i++) {
        const rg_str special = t->specials[i].text;
        if (special.size > longest && rg_str_starts(rg_str_slice(text, at, text.size), special)) {
            longest = special.size;
        }
    }
    return longest;
}

rg_status rg_bpe_trainer_add(rg_bpe_trainer *t, rg_str text, rg_error *err) {
    rg_status status = RG_OK;
    size_t plain = 0;
    if (t->is_run) {
        return rg_fail(err, RG_E_STATE, "the vocabulary is made: no text can be added");
    }
    for (size_t at = 0; at < text.size && t->n_specials != 0;) {
        const size_t size = t->starts_special[(uint8_t)text.data[at]] ? special_at(t, text, at) : 0;
        if (size == 0) {
            at++;
            continue;
        }
        RG_TRY(count_plain(t, rg_str_slice(text, plain, at), err));
        at = plain = at + size;
    }
    RG_TRY(count_plain(t, rg_str_slice(text, plain, text.size), err));

done:
    return status;
}
