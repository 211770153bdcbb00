#include "token/tokenizer_internal.h"

#include "token/nfc.h"

typedef struct encoder {
    const rg_tokenizer *tok;
    rg_ids *ids;
    rg_buf normal; // normalized text of one stretch
    rg_token_cut *cuts;
    size_t n_cuts;
    size_t cut; // the next one
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

// text without special tokens; a later part of a stretch has no mark in front
static rg_status put_part(encoder *e, rg_str text, bool is_first, rg_error *err) {
    const rg_tokenizer *tok = e->tok;
    rg_status status = RG_OK;
    if (text.size == 0) {
        return RG_OK;
    }
    if (tok->is_spm || tok->is_nfc) {
        e->normal.size = 0;
        if (tok->is_spm) {
            mark_spaces(&e->normal, text, tok->has_space_prefix && is_first);
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

static void pass_cuts(encoder *e, size_t at) {
    while (e->cut < e->n_cuts && e->cuts[e->cut].at <= at) {
        e->cuts[e->cut++].n_ids = rg_ids_count(e->ids);
    }
}

// text [from, to) without special tokens, part by part between the cuts
static rg_status put_plain(encoder *e, rg_str text, size_t from, size_t to, rg_error *err) {
    rg_status status = RG_OK;
    for (bool is_first = true; from < to && status == RG_OK; is_first = false) {
        pass_cuts(e, from);
        const size_t end = e->cut < e->n_cuts && e->cuts[e->cut].at < to ? e->cuts[e->cut].at : to;
        status = put_part(e, rg_str_slice(text, from, end), is_first, err);
        from = end;
    }
    return status;
}

// the end of the trusted stretch that holds `at`, or `at` when it is not trusted
static size_t trusted_end(const rg_text_run *runs, size_t n, size_t *run, size_t at) {
    while (*run < n && runs[*run].end <= at) {
        (*run)++;
    }
    size_t end = at;
    for (size_t i = *run; i < n && runs[i].is_trusted && runs[i].begin <= end; i++) {
        end = runs[i].end;
    }
    return end;
}

static rg_status encode(encoder *e, rg_str text, const rg_text_run *runs, size_t n_runs,
                        unsigned flags, rg_error *err) {
    const rg_tokenizer *tok = e->tok;
    rg_ids *ids = e->ids;
    rg_status status = RG_OK;
    size_t run = 0;
    size_t plain = 0; // where the stretch without special tokens began
    rg_buf_init(&e->normal, tok->mem, 0);
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
        RG_TRY(put_plain(e, text, plain, at, err));
        pass_cuts(e, at);
        rg_buf_put(&ids->buf, &id, sizeof id);
        at = plain = end;
    }
    RG_TRY(put_plain(e, text, plain, text.size, err));
    pass_cuts(e, SIZE_MAX);
    if ((flags & RG_ENCODE_ADD_SPECIAL) != 0) {
        rg_buf_put(&ids->buf, tok->after, tok->n_after * sizeof *tok->after);
    }
    status = rg_buf_check(&ids->buf, "token ids", err);

done:
    rg_buf_clear(&e->normal);
    return status;
}

rg_status rg_tokenizer_encode_runs(const rg_tokenizer *tok, rg_str text, const rg_text_run *runs,
                                   size_t n_runs, unsigned flags, rg_ids *ids, rg_error *err) {
    encoder e = {.tok = tok, .ids = ids};
    return encode(&e, text, runs, n_runs, flags, err);
}

rg_status rg_tokenizer_encode_chat(const rg_tokenizer *tok, rg_str text, const rg_text_run *runs,
                                   size_t n_runs, rg_token_cut *cuts, size_t n_cuts, rg_ids *ids,
                                   rg_error *err) {
    encoder e = {.tok = tok, .ids = ids, .cuts = cuts, .n_cuts = n_cuts};
    const rg_str bos = rg_tokenizer_bytes(tok, tok->bos);
    const bool has_bos = bos.size != 0 && rg_str_starts(text, bos);
    if (rg_tokenizer_adds_bos(tok) && !has_bos) {
        rg_buf_put(&ids->buf, &tok->bos, sizeof tok->bos);
    }
    return encode(&e, text, runs, n_runs, 0, err);
}

rg_status rg_tokenizer_encode(const rg_tokenizer *tok, rg_str text, unsigned flags, rg_ids *ids,
                              rg_error *err) {
    const rg_text_run run = {0, text.size, (flags & RG_ENCODE_PARSE_SPECIAL) != 0, 0};
    return rg_tokenizer_encode_runs(tok, text, &run, 1, flags, ids, err);
}
