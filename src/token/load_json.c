/* tokenizer.json: BPE models, byte-level or with byte fallback. */
#include "token/tokenizer_internal.h"

enum { PATTERNS_MAX = 8, TREE_BYTES_PER_TEXT = 48, TREE_BYTES_MIN = 1 << 20, NORMALIZERS_MAX = 64 };

typedef struct loader {
    rg_tokenizer *tok;
    const rg_json *root;
    const rg_json *config; // tokenizer_config.json, or NULL
    const rg_json *vocab;
    const rg_json *merges;
    rg_str patterns[PATTERNS_MAX];
    size_t n_patterns;
    bool is_byte_level;
    rg_map by_text; // tokens by their spelling in the file, for merges
    rg_error *err;
} loader;

static bool is_type(const rg_json *json, const char *type) {
    rg_str text;
    return rg_json_str(rg_json_find(json, "type"), &text) && rg_str_is(text, type);
}

// an item of a Sequence, or the thing itself; NULL past the end
static const rg_json *step_of(const rg_json *json, const char *list, size_t i) {
    if (json == NULL || json->kind != RG_JSON_OBJECT) {
        return NULL;
    }
    if (is_type(json, "Sequence")) {
        return rg_json_at(rg_json_find(json, list), i);
    }
    return i == 0 ? json : NULL;
}

static rg_status keep(loader *l, rg_str text, rg_str *out) {
    const char *copy = rg_arena_copy(&l->tok->arena, text.data, text.size);
    if (copy == NULL) {
        return rg_fail(l->err, RG_E_MEMORY, "no memory for a token");
    }
    *out = (rg_str){copy, text.size};
    return RG_OK;
}

static rg_status refuse(loader *l, const char *what, const rg_json *json) {
    rg_str type = RG_STR("?");
    (void)rg_json_str(rg_json_find(json, "type"), &type);
    return rg_fail(l->err, RG_E_UNSUPPORTED, "%s of type \"%.*s\" is not supported", what,
                   RG_FMT(type));
}

static rg_status read_normalizer(loader *l) {
    const rg_json *normalizer = rg_json_find(l->root, "normalizer");
    for (size_t i = 0; i < NORMALIZERS_MAX + 1; i++) {
        const rg_json *step = step_of(normalizer, "normalizers", i);
        rg_str text = RG_STR("");
        if (step == NULL) {
            return RG_OK;
        }
        if (i == NORMALIZERS_MAX) {
            break;
        }
        if (is_type(step, "NFC")) {
            l->tok->is_nfc = true;
        } else if (is_type(step, "Prepend") && rg_json_str(rg_json_find(step, "prepend"), &text) &&
                   rg_str_is(text, RG_SPACE_MARK)) {
            l->tok->has_space_prefix = true;
        } else if (is_type(step, "Replace") && rg_json_str(rg_json_find(step, "content"), &text) &&
                   rg_str_is(text, RG_SPACE_MARK)) {
            l->tok->is_spm = true;
        } else {
            return refuse(l, "a normalizer", step);
        }
    }
    return rg_fail(l->err, RG_E_LIMIT, "more than %d normalizers", NORMALIZERS_MAX);
}

static rg_status read_pre_tokenizer(loader *l) {
    const rg_json *pre = rg_json_find(l->root, "pre_tokenizer");
    for (size_t i = 0; step_of(pre, "pretokenizers", i) != NULL; i++) {
        const rg_json *step = step_of(pre, "pretokenizers", i);
        rg_str text = RG_STR("");
        bool truth = false;
        if (is_type(step, "Split")) {
            const rg_json *pattern = rg_json_find(step, "pattern");
            (void)rg_json_bool(rg_json_find(step, "invert"), &truth);
            if (!rg_json_str(rg_json_find(pattern, "Regex"), &text) || truth ||
                l->n_patterns == PATTERNS_MAX) {
                return refuse(l, "a Split that is no plain Regex", step);
            }
            l->patterns[l->n_patterns++] = text;
        } else if (is_type(step, "ByteLevel")) {
            l->is_byte_level = true;
            truth = true;
            (void)rg_json_bool(rg_json_find(step, "use_regex"), &truth);
            if (truth && l->n_patterns < PATTERNS_MAX) {
                l->patterns[l->n_patterns++] = rg_str_of(rg_pretok_pattern(RG_PRETOK_GPT2));
            }
        } else if (is_type(step, "Metaspace")) {
            l->tok->is_spm = true;
            l->tok->has_space_prefix = true;
            if (rg_json_str(rg_json_find(step, "prepend_scheme"), &text)) {
                l->tok->has_space_prefix = !rg_str_is(text, "never");
            }
        } else {
            return refuse(l, "a pre-tokenizer", step);
        }
    }
    l->tok->pretok = rg_pretok_of_patterns(l->patterns, l->n_patterns);
    return l->tok->pretok == RG_PRETOK_REGEX
               ? rg_regexes_new(l->tok->mem, l->patterns, l->n_patterns, &l->tok->regexes, l->err)
               : RG_OK;
}

// ---- vocabulary ----

static rg_status largest_id(loader *l, const rg_json *added, size_t *n) {
    int64_t top = -1;
    for (size_t i = 0; i < l->vocab->n + (added == NULL ? 0 : added->n); i++) {
        const rg_json *json = i < l->vocab->n ? &l->vocab->items[i]
                                              : rg_json_find(&added->items[i - l->vocab->n], "id");
        int64_t id = -1;
        if (!rg_json_i64(json, &id) || id < 0 || id >= (int64_t)RG_TOKENIZER_VOCAB_MAX) {
            const rg_str text = json == NULL ? RG_STR("") : json->text;
            return rg_fail(l->err, RG_E_FORMAT, "token %zu has id \"%.*s\", valid are 0 to %u", i,
                           RG_FMT(text), RG_TOKENIZER_VOCAB_MAX - 1);
        }
        top = id > top ? id : top;
    }
    *n = (size_t)(top + 1);
    return RG_OK;
}

static bool is_byte_name(rg_str text) {
    return text.size == 6 && rg_str_starts(text, RG_STR("<0x")) && text.data[5] == '>';
}

static rg_status read_vocab(loader *l) {
    rg_status status = RG_OK;
    RG_TRY(rg_map_reserve(&l->by_text, l->vocab->n, l->err));
    for (size_t i = 0; i < l->vocab->n; i++) {
        rg_str bytes = {0};
        int64_t id = -1;
        const rg_str text = l->vocab->keys[i];
        (void)rg_json_i64(&l->vocab->items[i], &id);
        if (l->is_byte_level) {
            RG_TRY(rg_tok_from_printable(l->tok, text, &bytes, l->err));
        } else {
            RG_TRY(keep(l, text, &bytes));
        }
        const bool is_byte = !l->is_byte_level && is_byte_name(text);
        RG_TRY(
            rg_tok_set(l->tok, id, bytes, is_byte ? RG_TOKEN_BYTE : RG_TOKEN_NORMAL, true, l->err));
        RG_TRY(rg_map_add(&l->by_text, text, (uint32_t)id, NULL, l->err));
    }

done:
    return status;
}

// "A B" with one space, or ["A", "B"]
static bool read_merge(const rg_json *json, rg_str *left, rg_str *right) {
    if (rg_json_str(rg_json_at(json, 0), left) && rg_json_str(rg_json_at(json, 1), right)) {
        return json->n == 2;
    }
    rg_str both;
    if (!rg_json_str(json, &both) || both.size < 3) {
        return false;
    }
    const char *space = memchr(both.data + 1, ' ', both.size - 1);
    if (space == NULL) {
        return false;
    }
    *left = rg_str_slice(both, 0, (size_t)(space - both.data));
    *right = rg_str_slice(both, left->size + 1, both.size);
    return right->size != 0;
}

static rg_status read_merges(loader *l) {
    rg_status status = rg_tok_merges_alloc(l->tok, l->merges->n, l->err);
    rg_buf joined;
    rg_buf_init(&joined, l->tok->mem, 2 * RG_TOKENIZER_TOKEN_MAX);
    for (size_t i = 0; i < l->merges->n && status == RG_OK; i++) {
        rg_str left, right;
        if (!read_merge(&l->merges->items[i], &left, &right)) {
            status = rg_fail(l->err, RG_E_FORMAT, "merge %zu is no pair of tokens", i);
            break;
        }
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
            status = rg_fail(l->err, RG_E_FORMAT,
                             "merge %zu (%.*s + %.*s) names a token that is not in the vocabulary",
                             i, RG_FMT(left), RG_FMT(right));
            break;
        }
        rg_tok_merge_add(l->tok, (int32_t)a, (int32_t)b, (uint32_t)i, (int32_t)both);
    }
    rg_buf_clear(&joined);
    return status;
}

static rg_status read_added(loader *l, const rg_json *added) {
    for (size_t i = 0; added != NULL && i < added->n; i++) {
        const rg_json *entry = &added->items[i];
        rg_str text = {0};
        rg_str bytes = {0};
        int64_t id = -1;
        bool is_special = false;
        if (!rg_json_str(rg_json_find(entry, "content"), &text)) {
            return rg_fail(l->err, RG_E_FORMAT, "added token %zu has no content", i);
        }
        (void)rg_json_i64(rg_json_find(entry, "id"), &id);
        (void)rg_json_bool(rg_json_find(entry, "special"), &is_special);
        // one that the model also has by itself stays mergeable
        rg_status status = keep(l, text, &bytes);
        if (status == RG_OK) {
            status = rg_tok_set(l->tok, id, bytes, is_special ? RG_TOKEN_CONTROL : RG_TOKEN_USER,
                                false, l->err);
        }
        if (status == RG_OK) {
            status = rg_tok_match(l->tok, bytes, (int32_t)id, l->err);
        }
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

// ---- what surrounds a text ----

static void read_template(loader *l) {
    const rg_json *post = rg_json_find(l->root, "post_processor");
    for (size_t i = 0; step_of(post, "processors", i) != NULL; i++) {
        const rg_json *step = step_of(post, "processors", i);
        const rg_json *single = rg_json_find(step, "single");
        bool is_after = false;
        for (size_t k = 0; is_type(step, "TemplateProcessing") && rg_json_at(single, k) != NULL;
             k++) {
            rg_str name;
            const rg_json *special = rg_json_find(rg_json_at(single, k), "SpecialToken");
            is_after = is_after || rg_json_find(rg_json_at(single, k), "Sequence") != NULL;
            if (!rg_json_str(rg_json_find(special, "id"), &name)) {
                continue;
            }
            const int32_t id = rg_tokenizer_find(l->tok, name);
            int32_t *list = is_after ? l->tok->after : l->tok->before;
            size_t *n = is_after ? &l->tok->n_after : &l->tok->n_before;
            if (id >= 0 && *n < sizeof l->tok->after / sizeof *l->tok->after) {
                list[(*n)++] = id;
            }
        }
    }
}

// bos_token of tokenizer_config.json: a text, or an object with content
static int32_t config_token(loader *l, const char *key) {
    const rg_json *json = rg_json_find(l->config, key);
    rg_str text;
    if (rg_json_str(json, &text) || rg_json_str(rg_json_find(json, "content"), &text)) {
        return rg_tokenizer_find(l->tok, text);
    }
    return -1;
}

static rg_status load(loader *l) {
    rg_status status = RG_OK;
    rg_tokenizer *tok = l->tok;
    rg_str text;
    bool truth = false;
    size_t n = 0;
    const rg_json *model = rg_json_find(l->root, "model");
    const rg_json *added = rg_json_find(l->root, "added_tokens");
    l->vocab = rg_json_find(model, "vocab");
    l->merges = rg_json_find(model, "merges");
    if (rg_json_find(model, "type") != NULL && !is_type(model, "BPE")) {
        return refuse(l, "a tokenizer model", model);
    }
    if (l->vocab == NULL || l->vocab->kind != RG_JSON_OBJECT || l->merges == NULL ||
        l->merges->kind != RG_JSON_ARRAY ||
        (added != NULL && added->kind != RG_JSON_ARRAY && added->kind != RG_JSON_NULL)) {
        return rg_fail(l->err, RG_E_FORMAT,
                       "model.vocab, model.merges or added_tokens is missing or of the wrong kind");
    }
    RG_TRY(read_normalizer(l));
    RG_TRY(read_pre_tokenizer(l));
    RG_TRY(largest_id(l, added, &n));
    RG_TRY(rg_tok_alloc(tok, n, l->err));
    RG_TRY(read_vocab(l));
    RG_TRY(read_merges(l));
    RG_TRY(read_added(l, added));
    (void)rg_json_bool(rg_json_find(model, "ignore_merges"), &tok->ignore_merges);
    (void)rg_json_bool(rg_json_find(model, "fuse_unk"), &tok->fuse_unk);
    if (rg_json_bool(rg_json_find(model, "byte_fallback"), &truth) && truth) {
        tok->is_spm = true;
    }
    if (rg_json_str(rg_json_find(model, "unk_token"), &text)) {
        tok->unk = rg_tokenizer_find(tok, text);
    }
    tok->kind = tok->is_spm ? "sentencepiece" : "bpe";
    read_template(l);
    tok->bos = config_token(l, "bos_token");
    tok->eos = config_token(l, "eos_token");
    if (tok->bos < 0 && tok->n_before != 0) {
        tok->bos = tok->before[0];
    }
    status = rg_tok_finish(tok, l->err);

done:
    return status;
}

static rg_status parse(rg_arena *arena, rg_str text, const char *name, const rg_json **out,
                       rg_error *err) {
    if (text.size > RG_TOKENIZER_FILE_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%s has %zu bytes, limit %u", name, text.size,
                       RG_TOKENIZER_FILE_MAX);
    }
    arena->limit_bytes =
        arena->used_bytes + TREE_BYTES_MIN + text.size * (size_t)TREE_BYTES_PER_TEXT;
    const rg_status status = rg_json_parse(arena, text, out, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", name);
    }
    return status;
}

rg_status rg_tokenizer_of_json(const rg_mem *mem, rg_str text, rg_str config, rg_tokenizer **out,
                               rg_error *err) {
    loader l = {.err = err};
    rg_arena arena;
    rg_status status = RG_OK;
    rg_arena_init(&arena, mem, 0);
    rg_map_init(&l.by_text, mem);
    RG_TRY(parse(&arena, text, "tokenizer.json", &l.root, err));
    if (config.size != 0) {
        RG_TRY(parse(&arena, config, "tokenizer_config.json", &l.config, err));
    }
    RG_TRY(rg_tok_new(mem, "bpe", &l.tok, err));
    status = load(&l);
    if (status != RG_OK) {
        rg_error_prefix(err, "tokenizer.json");
        goto done;
    }
    *out = l.tok;
    l.tok = NULL;

done:
    rg_tokenizer_free(l.tok);
    rg_map_clear(&l.by_text);
    rg_arena_clear(&arena);
    return status;
}
