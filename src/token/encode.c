#include "token/tokenizer_internal.h"

#include "token/nfc.h"

typedef struct encoder {
    const rg_tokenizer *tok;
    rg_ids *ids;
    rg_buf normal; // normalized text of one stretch
} encoder;

static rg_status put_piece(void *arg, rg_str piece, rg_error *err) {
    encoder *e = arg;
    return rg_bpe_piece(e->tok, piece, e->ids, err);
}

// SentencePiece: a mark in front, every space a mark
static void mark_spaces(rg_buf *out, rg_str text, bool has_prefix) {
    if (has_prefix) {
        rg_buf_str(out, RG_STR(RG_SPACE_MARK));
    }
    size_t at = 0;
    while (at < text.size) {
        const char *space = memchr(text.data + at, ' ', text.size - at);
        const size_t end = space == NULL ? text.size : (size_t)(space - text.data);
        rg_buf_put(out, text.data + at, end - at);
        if (space != NULL) {
            rg_buf_str(out, RG_STR(RG_SPACE_MARK));
        }
        at = end + 1;
    }
}

// text without special tokens
static rg_status put_plain(encoder *e, rg_str text, rg_error *err) {
    const rg_tokenizer *tok = e->tok;
    rg_status status = RG_OK;
    if (text.size == 0) {
        return RG_OK;
    }
    if (tok->is_spm || tok->is_nfc) {
        e->normal.size = 0;
        if (tok->is_spm) {
            mark_spaces(&e->normal, text, tok->has_space_prefix);
        } else {
            rg_nfc(&e->normal, text);
        }
        status = rg_buf_check(&e->normal, "normalized text", err);
        text = rg_buf_view(&e->normal);
    }
    if (status == RG_OK && tok->pretok == RG_PRETOK_REGEX) {
        return rg_regexes_split(tok->regexes, text, put_piece, e, err);
    }
    for (size_t at = 0; status == RG_OK && at < text.size;) {
        const size_t end = rg_pretok_next(tok->pretok, text, at);
        status = rg_bpe_piece(tok, rg_str_slice(text, at, end), e->ids, err);
        at = end;
    }
    return status;
}

// the end of the trusted stretch that holds `at`, or `at` when it is not trusted
static size_t trusted_end(const rg_token_run *runs, size_t n, size_t *run, size_t at) {
    while (*run < n && runs[*run].end <= at) {
        (*run)++;
    }
    size_t end = at;
    for (size_t i = *run; i < n && runs[i].is_trusted && runs[i].begin <= end; i++) {
        end = runs[i].end;
    }
    return end;
}

rg_status rg_tokenizer_encode_runs(const rg_tokenizer *tok, rg_str text, const rg_token_run *runs,
                                   size_t n_runs, unsigned flags, rg_ids *ids, rg_error *err) {
    encoder e = {.tok = tok, .ids = ids};
    rg_status status = RG_OK;
    size_t run = 0;
    size_t plain = 0; // where the stretch without special tokens began
    rg_buf_init(&e.normal, tok->mem, 0);
    if ((flags & RG_ENCODE_ADD_SPECIAL) != 0) {
        rg_buf_put(&ids->buf, tok->before, tok->n_before * sizeof *tok->before);
    }
    size_t limit = 0; // end of the trusted stretch that `at` lies in
    for (size_t at = 0; at < text.size && tok->n_trie != 0;) {
        limit = at < limit ? limit : trusted_end(runs, n_runs, &run, at);
        if (limit <= at) {
            // on to the next trusted stretch
            size_t next = run;
            while (next < n_runs && (!runs[next].is_trusted || runs[next].end <= at)) {
                next++;
            }
            at = next < n_runs ? runs[next].begin : text.size;
            continue;
        }
        limit = limit < text.size ? limit : text.size;
        size_t end = 0;
        const int32_t id = rg_tok_match_at(tok, text, at, limit, &end);
        if (id < 0) {
            at++;
            continue;
        }
        RG_TRY(put_plain(&e, rg_str_slice(text, plain, at), err));
        rg_buf_put(&ids->buf, &id, sizeof id);
        at = plain = end;
    }
    RG_TRY(put_plain(&e, rg_str_slice(text, plain, text.size), err));
    if ((flags & RG_ENCODE_ADD_SPECIAL) != 0) {
        rg_buf_put(&ids->buf, tok->after, tok->n_after * sizeof *tok->after);
    }
    status = rg_buf_check(&ids->buf, "token ids", err);

done:
    rg_buf_clear(&e.normal);
    return status;
}

rg_status rg_tokenizer_encode(const rg_tokenizer *tok, rg_str text, unsigned flags, rg_ids *ids,
                              rg_error *err) {
    const rg_token_run run = {0, text.size, (flags & RG_ENCODE_PARSE_SPECIAL) != 0};
    return rg_tokenizer_encode_runs(tok, text, &run, 1, flags, ids, err);
}
