#include "token/tokenizer_internal.h"

#include "base/utf8.h"

rg_str rg_tokenizer_bytes(const rg_tokenizer *tok, int32_t id) {
    return id >= 0 && (size_t)id < tok->n_vocab ? tok->bytes[id] : (rg_str){"", 0};
}

rg_token_type rg_tokenizer_type(const rg_tokenizer *tok, int32_t id) {
    return id >= 0 && (size_t)id < tok->n_vocab ? (rg_token_type)tok->types[id] : RG_TOKEN_UNUSED;
}

// the value of a hex digit, or -1
static int hex(char c) {
    const char low = (char)(c | 32);
    return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// the bytes of one token as text has them: marks are spaces, <0xXX> is a byte
static void put_token(const rg_tokenizer *tok, int32_t id, rg_buf *out) {
    const rg_str bytes = rg_tokenizer_bytes(tok, id);
    const rg_token_type type = rg_tokenizer_type(tok, id);
    if (type == RG_TOKEN_BYTE && bytes.size == 6 && hex(bytes.data[3]) >= 0 &&
        hex(bytes.data[4]) >= 0) {
        rg_buf_char(out, (char)(hex(bytes.data[3]) << 4 | hex(bytes.data[4])));
        return;
    }
    if (!tok->is_spm || type != RG_TOKEN_NORMAL) {
        rg_buf_str(out, bytes);
        return;
    }
    for (size_t i = 0; i < bytes.size;) {
        if (rg_str_starts(rg_str_slice(bytes, i, bytes.size), RG_STR(RG_SPACE_MARK))) {
            rg_buf_char(out, ' ');
            i += 3;
        } else {
            rg_buf_char(out, bytes.data[i++]);
        }
    }
}

void rg_tokenizer_join(const rg_tokenizer *tok, const int32_t *ids, size_t n, rg_buf *out) {
    for (size_t i = 0; i < n; i++) {
        put_token(tok, ids[i], out);
    }
}

void rg_utf8_repair(rg_buf *out, rg_str bytes) {
    for (size_t i = 0; i < bytes.size;) {
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode(rg_str_slice(bytes, i, bytes.size), &cp);
        if (cp == RG_UTF8_BAD) {
            rg_buf_str(out, RG_STR("\xEF\xBF\xBD"));
        } else {
            rg_buf_put(out, bytes.data + i, n);
        }
        i += n;
    }
}

void rg_tokenizer_decode(const rg_tokenizer *tok, const int32_t *ids, size_t n, bool skip_special,
                         rg_buf *out) {
    rg_buf bytes;
    rg_buf_init(&bytes, tok->mem, 0);
    for (size_t i = 0; i < n; i++) {
        if (!skip_special || rg_tokenizer_type(tok, ids[i]) != RG_TOKEN_CONTROL) {
            put_token(tok, ids[i], &bytes);
        }
    }
    rg_str text = rg_buf_view(&bytes);
    if (tok->is_spm && tok->has_space_prefix && text.size != 0 && text.data[0] == ' ') {
        text = rg_str_slice(text, 1, text.size);
    }
    rg_utf8_repair(out, text);
    out->is_failed = out->is_failed || bytes.is_failed;
    rg_buf_clear(&bytes);
}

void rg_detokenizer_put(rg_detokenizer *d, const rg_tokenizer *tok, int32_t id, rg_buf *out) {
    if (rg_tokenizer_type(tok, id) == RG_TOKEN_CONTROL) {
        return;
    }
    rg_buf bytes;
    rg_buf_init(&bytes, tok->mem, 0);
    rg_buf_put(&bytes, d->held, d->n_held);
    put_token(tok, id, &bytes);
    const rg_str text = rg_buf_view(&bytes);
    const size_t open = rg_utf8_open_tail(text);
    rg_utf8_repair(out, rg_str_slice(text, 0, text.size - open));
    if (open != 0) {
        memcpy(d->held, text.data + text.size - open, open);
    }
    d->n_held = open;
    out->is_failed = out->is_failed || bytes.is_failed;
    rg_buf_clear(&bytes);
}

void rg_detokenizer_flush(rg_detokenizer *d, rg_buf *out) {
    rg_utf8_repair(out, (rg_str){d->held, d->n_held});
    d->n_held = 0;
}
