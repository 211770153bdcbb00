/* An inspection as JSON, and tokens as people read them. */
#include "lab/inspect.h"

#include "base/utf8.h"

#include <math.h>

// characters that change how others are shown: their number is shown instead
static bool is_steering(uint32_t cp) {
    return (cp >= 0x7F && cp < 0xA0) || cp == 0xAD || cp == 0x61C ||
           (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x2028 && cp <= 0x202E) ||
           (cp >= 0x2060 && cp <= 0x206F) || cp == 0xFEFF || (cp >= 0xFFF9 && cp <= 0xFFFB) ||
           (cp >= 0xE0000 && cp <= 0xE0FFF);
}

static void put_control(rg_buf *out, uint32_t cp) {
    char sign[4];
    const uint32_t shown = cp == '\n' ? 0x23CE : cp == '\t' ? 0x21E5 : 0x2400 + cp;
    rg_buf_put(out, sign, rg_utf8_encode(shown, sign));
}

void rg_inspection_token(const rg_inspection *seen, int32_t id, rg_buf *out) {
    rg_str text = {0};
    if (id >= 0 && seen->tokenizer != NULL) {
        text = rg_tokenizer_bytes(seen->tokenizer, id);
    }
    if (text.size == 0) {
        rg_buf_format(out, "<%d>", id);
    }
    while (text.size > 0) {
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode(text, &cp);
        if (cp == RG_UTF8_BAD) {
            for (size_t i = 0; i < n; i++) {
                rg_buf_format(out, "<%02X>", (unsigned char)text.data[i]);
            }
        } else if (cp < 0x20) {
            put_control(out, cp);
        } else if (is_steering(cp)) {
            rg_buf_format(out, "<U+%04X>", cp);
        } else {
            rg_buf_put(out, text.data, n);
        }
        text = rg_str_slice(text, n, text.size);
    }
}

static void put_number(rg_buf *out, double value) {
    if (isfinite(value)) {
        rg_buf_format(out, "%.6g", value);
    } else {
        rg_buf_str(out, RG_STR("null"));
    }
}

static void put_numbers(rg_buf *out, const char *key, const float *values, size_t n) {
    rg_buf_format(out, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(","));
        put_number(out, values[i]);
    }
    rg_buf_char(out, ']');
}

static void put_id(const rg_inspection *seen, int32_t id, rg_buf *out) {
    rg_buf text;
    rg_buf_init(&text, seen->mem, 0);
    rg_inspection_token(seen, id, &text);
    rg_buf_format(out, "\"id\":%d,\"text\":", id);
    rg_buf_json(out, rg_buf_view(&text));
    out->is_failed = out->is_failed || text.is_failed;
    rg_buf_clear(&text);
}

static void put_guesses(const rg_inspection *seen, const rg_guess *top, rg_buf *out) {
    rg_buf_char(out, '[');
    for (size_t i = 0; i < seen->n_top; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("{") : RG_STR(",{"));
        put_id(seen, top[i].id, out);
        rg_buf_str(out, RG_STR(",\"p\":"));
        put_number(out, top[i].p);
        rg_buf_char(out, '}');
    }
    rg_buf_char(out, ']');
}

static void put_tokens(const rg_inspection *seen, rg_buf *out) {
    rg_buf_str(out, RG_STR("\"tokens\":["));
    for (size_t t = 0; t < seen->n_tok; t++) {
        rg_buf_str(out, t == 0 ? RG_STR("{") : RG_STR(",\n{"));
        put_id(seen, seen->ids[t], out);
        rg_buf_str(out, RG_STR(",\"bits\":"));
        put_number(out, seen->bits[t]);
        if (t == 0) {
            rg_buf_str(out, RG_STR(",\"rank\":null"));
        } else {
            rg_buf_format(out, ",\"rank\":%u", seen->rank[t]);
        }
        rg_buf_str(out, RG_STR(",\"entropy\":"));
        put_number(out, seen->entropy[t]);
        rg_buf_str(out, RG_STR(",\"next\":"));
        put_guesses(seen, seen->next + t * seen->n_top, out);
        rg_buf_char(out, '}');
    }
    rg_buf_char(out, ']');
}

static void put_head(const rg_inspection *seen, size_t layer, size_t head, bool has_maps,
                     rg_buf *out) {
    const rg_head_view *view = &seen->heads[layer * seen->n_head + head];
    rg_buf_format(
        out, "{\"first\":%.6g,\"self\":%.6g,\"previous\":%.6g,\"entropy\":%.6g,\"looks\":[",
        (double)view->first, (double)view->self, (double)view->previous, (double)view->entropy);
    for (size_t i = 0; i < RG_INSPECT_LOOKS && view->looks[i].weight > 0; i++) {
        rg_buf_format(out, "%s{\"token\":%u,\"weight\":%.6g}", i == 0 ? "" : ",",
                      view->looks[i].token, (double)view->looks[i].weight);
    }
    rg_buf_char(out, ']');
    if (has_maps) {
        rg_buf_str(out, RG_STR(",\"map\":["));
        for (size_t t = 0; t < seen->n_tok; t++) {
            const float *row = rg_inspection_row(seen, layer, head, t);
            rg_buf_str(out, t == 0 ? RG_STR("[") : RG_STR(",["));
            for (size_t i = 0; i <= t; i++) {
                rg_buf_format(out, i == 0 ? "%.4g" : ",%.4g", (double)row[i]);
            }
            rg_buf_char(out, ']');
        }
        rg_buf_char(out, ']');
    }
    rg_buf_char(out, '}');
}

static void put_layer(const rg_inspection *seen, size_t layer, bool has_maps, rg_buf *out) {
    const float *norms = seen->norms + layer * RG_NORMS * seen->n_tok;
    const size_t cell = layer * seen->n_tok;
    rg_buf_format(out, "{\"layer\":%u,\"lens\":[", seen->layers[layer]);
    for (size_t t = 0; t < seen->n_tok; t++) {
        rg_buf_str(out, t == 0 ? RG_STR("") : RG_STR(","));
        put_guesses(seen, seen->lens + (cell + t) * seen->n_top, out);
    }
    rg_buf_str(out, RG_STR("],"));
    put_numbers(out, "lens_bits", seen->lens_bits + cell, seen->n_tok);
    rg_buf_str(out, RG_STR(",\"norms\":{"));
    put_numbers(out, "residual", norms + RG_NORM_RESIDUAL * seen->n_tok, seen->n_tok);
    rg_buf_char(out, ',');
    put_numbers(out, "attention", norms + RG_NORM_ATTN * seen->n_tok, seen->n_tok);
    rg_buf_char(out, ',');
    put_numbers(out, "feed_forward", norms + RG_NORM_FFN * seen->n_tok, seen->n_tok);
    rg_buf_str(out, RG_STR("},\"heads\":["));
    for (size_t head = 0; head < seen->n_head; head++) {
        rg_buf_str(out, head == 0 ? RG_STR("") : RG_STR(","));
        put_head(seen, layer, head, has_maps, out);
    }
    rg_buf_str(out, RG_STR("]}"));
}

void rg_inspection_json(const rg_inspection *seen, rg_str name, bool has_maps, rg_buf *out) {
    rg_buf_str(out, RG_STR("{\"model\":"));
    rg_buf_json(out, name);
    rg_buf_str(out, RG_STR(",\"mean_bits\":"));
    put_number(out, rg_inspection_mean_bits(seen));
    rg_buf_str(out, RG_STR(",\"perplexity\":"));
    put_number(out, exp2(rg_inspection_mean_bits(seen)));
    rg_buf_str(out, RG_STR(",\n"));
    put_tokens(seen, out);
    rg_buf_str(out, RG_STR(",\n\"layers\":["));
    for (size_t layer = 0; layer < seen->n_layers; layer++) {
        rg_buf_str(out, layer == 0 ? RG_STR("") : RG_STR(",\n"));
        put_layer(seen, layer, has_maps && seen->maps != NULL, out);
    }
    rg_buf_str(out, RG_STR("]}"));
}
