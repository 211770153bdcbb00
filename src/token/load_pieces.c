/* A SentencePiece model file: protocol buffers, of which the pieces and three switches matter. */
#include "token/tokenizer_internal.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,
    PIECE_USER = 4,
    PIECE_UNUSED = 5,
    PIECE_BYTE = 6
};

/** One field of a message. */
typedef struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value; // VARINT, 64, 32
    rg_bytes bytes; // BYTES
} field;

static bool read_varint(rg_bytes m, size_t *at, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && *at < m.size; shift += 7) {
        const uint8_t byte = m.data[(*at)++];
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return true;
        }
    }
    return false;
}

// the next field; false at the end or when the message is cut short (is_bad)
static bool next_field(rg_bytes m, size_t *at, field *f, bool *is_bad) {
    uint64_t tag = 0;
    uint64_t size = 0;
    if (*at >= m.size) {
        return false;
    }
    *is_bad = true;
    if (!read_varint(m, at, &tag)) {
        return false;
    }
    *f = (field){.number = tag >> 3, .wire = (unsigned)(tag & 7)};
    switch (f->wire) {
    case WIRE_VARINT:
        if (!read_varint(m, at, &f->value)) {
            return false;
        }
        break;
    case WIRE_64:
    case WIRE_32:
        size = f->wire == WIRE_64 ? 8 : 4;
        if (size > m.size - *at) {
            return false;
        }
        memcpy(&f->value, m.data + *at, (size_t)size);
        *at += (size_t)size;
        break;
    case WIRE_BYTES:
        if (!read_varint(m, at, &size) || size > m.size - *at) {
            return false;
        }
        f->bytes = (rg_bytes){m.data + *at, (size_t)size};
        *at += (size_t)size;
        break;
    default:
        return false;
    }
    *is_bad = false;
    return true;
}

/** ModelProto.SentencePiece: piece = 1, score = 2, type = 3. */
typedef struct piece {
    rg_str text;
    float score;
    uint64_t type;
} piece;

static bool read_piece(rg_bytes m, piece *out) {
    field f;
    bool is_bad = false;
    *out = (piece){.text = {"", 0}, .type = PIECE_NORMAL};
    for (size_t at = 0; next_field(m, &at, &f, &is_bad);) {
        if (f.number == 1 && f.wire == WIRE_BYTES) {
            out->text = (rg_str){(const char *)f.bytes.data, f.bytes.size};
        } else if (f.number == 2 && f.wire == WIRE_32) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&out->score, &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == WIRE_VARINT) {
            out->type = f.value;
        }
    }
    return !is_bad;
}

// one switch of a nested message; `otherwise` when it is absent
static uint64_t nested(rg_bytes m, uint64_t number, uint64_t otherwise) {
    field f;
    bool is_bad = false;
    for (size_t at = 0; next_field(m, &at, &f, &is_bad);) {
        if (f.number == number && f.wire == WIRE_VARINT) {
            otherwise = f.value;
        }
    }
    return otherwise;
}

static rg_token_type type_of(uint64_t type) {
    switch (type) {
    case PIECE_UNKNOWN:
    case PIECE_CONTROL:
        return RG_TOKEN_CONTROL;
    case PIECE_USER:
        return RG_TOKEN_USER;
    case PIECE_UNUSED:
        return RG_TOKEN_UNUSED;
    case PIECE_BYTE:
        return RG_TOKEN_BYTE;
    default:
        return RG_TOKEN_NORMAL;
    }
}

static rg_status add_piece(rg_tokenizer *tok, size_t id, const piece *p, float *scores,
                           rg_error *err) {
    const char *copy = rg_arena_copy(&tok->arena, p->text.data, p->text.size);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a token");
    }
    const rg_str text = {copy, p->text.size};
    const rg_token_type type = type_of(p->type);
    const bool is_added = type == RG_TOKEN_CONTROL || type == RG_TOKEN_USER;
    rg_status status = rg_tok_set(tok, (int64_t)id, text, type, !is_added, err);
    if (status == RG_OK && is_added) {
        status = rg_tok_match(tok, text, (int32_t)id, err);
    }
    tok->unk = p->type == PIECE_UNKNOWN ? (int32_t)id : tok->unk;
    scores[id] = p->score;
    return status;
}

rg_status rg_tokenizer_of_pieces(const rg_mem *mem, rg_bytes model, rg_tokenizer **out,
                                 rg_error *err) {
    enum {
        PIECES = 1,
        TRAINER = 2,
        NORMALIZER = 3,
        MODEL_TYPE = 3,
        MODEL_BPE = 2,
        DUMMY_PREFIX = 3
    };
    rg_tokenizer *tok = NULL;
    float *scores = NULL;
    rg_status status = RG_OK;
    field f;
    bool is_bad = false;
    size_t n = 0;
    uint64_t model_type = MODEL_BPE;
    RG_TRY(rg_tok_new(mem, "sentencepiece", &tok, err));
    tok->is_spm = true;
    tok->has_space_prefix = true;
    for (size_t at = 0; next_field(model, &at, &f, &is_bad);) {
        n += f.number == PIECES && f.wire == WIRE_BYTES;
        if (f.number == TRAINER && f.wire == WIRE_BYTES) {
            model_type = nested(f.bytes, MODEL_TYPE, 1);
        } else if (f.number == NORMALIZER && f.wire == WIRE_BYTES) {
            tok->has_space_prefix = nested(f.bytes, DUMMY_PREFIX, 1) != 0;
        }
    }
    if (is_bad || n == 0) {
        status = rg_fail(err, RG_E_FORMAT, "not a SentencePiece model, or cut short");
        goto done;
    }
    if (model_type != MODEL_BPE) {
        status = rg_fail(err, RG_E_UNSUPPORTED,
                         "a SentencePiece model of type %llu is not supported, BPE (2) is",
                         (unsigned long long)model_type);
        goto done;
    }
    RG_TRY(rg_tok_alloc(tok, n, err));
    scores = rg_new_array(mem, n, sizeof *scores);
    if (scores == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu scores", n);
        goto done;
    }
    size_t id = 0;
    for (size_t at = 0; next_field(model, &at, &f, &is_bad);) {
        piece p;
        if (f.number != PIECES || f.wire != WIRE_BYTES) {
            continue;
        }
        if (!read_piece(f.bytes, &p)) {
            status = rg_fail(err, RG_E_FORMAT, "piece %zu is cut short", id);
            goto done;
        }
        RG_TRY(add_piece(tok, id, &p, scores, err));
        id++;
    }
    RG_TRY(rg_tok_rank_scores(tok, scores, err));
    tok->bos = rg_tokenizer_find(tok, RG_STR("<s>"));
    tok->eos = rg_tokenizer_find(tok, RG_STR("</s>"));
    if (tok->bos >= 0) {
        tok->before[tok->n_before++] = tok->bos;
    }
    RG_TRY(rg_tok_finish(tok, err));
    *out = tok;
    tok = NULL;

done:
    rg_free(mem, scores);
    rg_tokenizer_free(tok);
    return status;
}
