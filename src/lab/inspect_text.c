/* An inspection for a terminal. */
#include "lab/inspect.h"

#include "base/utf8.h"

#include <math.h>

enum {
    HEAD_LINES_MAX = 64, // more heads than this are told layer by layer
    LENS_TOKENS = 12,    // columns of the lens: the last tokens
    LENS_WIDTH = 9,      // characters of one
};

/** What is being written. */
typedef struct page {
    const rg_inspection *seen;
    rg_buf *out;
    bool has_color;
} page;

static void put_style(const page *p, const char *code) {
    if (p->has_color) {
        rg_buf_format(p->out, "\033[%sm", code);
    }
}

static void put_title(const page *p, const char *title) {
    rg_buf_char(p->out, '\n');
    put_style(p, "1");
    rg_buf_str(p->out, rg_str_of(title));
    put_style(p, "0");
    rg_buf_char(p->out, '\n');
}

// a token cut or filled to `width` characters
static void put_token(const page *p, int32_t id, size_t width) {
    rg_buf text;
    size_t n = 0;
    rg_buf_init(&text, p->seen->mem, 0);
    rg_inspection_token(p->seen, id, &text);
    rg_str rest = rg_buf_view(&text);
    while (rest.size > 0 && n < width) {
        uint32_t cp = 0;
        const size_t size = rg_utf8_decode(rest, &cp);
        const bool is_wide = cp >= 0x1100 && (cp <= 0x115F || (cp >= 0x2E80 && cp <= 0xFF60) ||
                                              (cp >= 0x1F300 && cp <= 0x1FAFF) || cp >= 0x20000);
        if (n + 1 + is_wide > width) {
            break;
        }
        rg_buf_put(p->out, rest.data, size);
        rest = rg_str_slice(rest, size, rest.size);
        n += 1 + is_wide;
    }
    for (; n < width; n++) {
        rg_buf_char(p->out, ' ');
    }
    p->out->is_failed = p->out->is_failed || text.is_failed;
    rg_buf_clear(&text);
}

// backgrounds from calm to surprised
static const char *color_of_bits(float bits) {
    static const char *const codes[] = {"48;5;22;97",  "48;5;28;97",  "48;5;64;97",
                                        "48;5;136;97", "48;5;166;97", "48;5;160;97"};
    const size_t i = !(bits >= 1) ? 0 : bits >= 16 ? 5 : 1 + (size_t)(bits / 4);
    return codes[i > 5 ? 5 : i];
}

static void put_strip(const page *p) {
    for (size_t t = 0; t < p->seen->n_tok; t++) {
        if (t > 0) {
            put_style(p, color_of_bits(p->seen->bits[t]));
        }
        rg_inspection_token(p->seen, p->seen->ids[t], p->out);
        put_style(p, "0");
    }
    rg_buf_char(p->out, '\n');
}

static void put_surprise(const page *p) {
    const rg_inspection *s = p->seen;
    put_title(p, "surprisal: how unlikely each token was, and what was expected in its place");
    if (p->has_color) {
        put_strip(p);
    }
    rg_buf_str(p->out, RG_STR("    # token                bits   rank  expected\n"));
    for (size_t t = 0; t < s->n_tok; t++) {
        rg_buf_format(p->out, "%5zu ", t);
        put_token(p, s->ids[t], 18);
        if (t == 0) {
            rg_buf_str(p->out, RG_STR("       -      -  (nothing came before)\n"));
            continue;
        }
        rg_buf_format(p->out, "%8.2f %6u ", (double)s->bits[t], s->rank[t]);
        const rg_guess *top = s->next + (t - 1) * s->n_top;
        for (size_t i = 0; i < s->n_top && i < 3; i++) {
            rg_buf_str(p->out, RG_STR(" "));
            put_token(p, top[i].id, 10);
            rg_buf_format(p->out, " %4.1f%%", 100 * (double)top[i].p);
        }
        rg_buf_char(p->out, '\n');
    }
    rg_buf_str(p->out, RG_STR(" next:"));
    const rg_guess *top = s->next + (s->n_tok - 1) * s->n_top;
    for (size_t i = 0; i < s->n_top; i++) {
        rg_buf_str(p->out, RG_STR("  "));
        rg_inspection_token(s, top[i].id, p->out);
        rg_buf_format(p->out, " %.1f%%", 100 * (double)top[i].p);
    }
    rg_buf_char(p->out, '\n');
}

static void put_lens(const page *p) {
    const rg_inspection *s = p->seen;
    const size_t from = s->n_tok > LENS_TOKENS ? s->n_tok - LENS_TOKENS : 0;
    put_title(p, from == 0 ? "logit lens: what each layer would say next"
                           : "logit lens: what each layer would say next (the last tokens)");
    rg_buf_str(p->out, RG_STR("after "));
    for (size_t t = from; t < s->n_tok; t++) {
        put_style(p, "2");
        put_token(p, s->ids[t], LENS_WIDTH);
        put_style(p, "0");
        rg_buf_char(p->out, ' ');
    }
    rg_buf_char(p->out, '\n');
    for (size_t layer = 0; layer < s->n_layers; layer++) {
        rg_buf_format(p->out, "%5u ", s->layers[layer]);
        for (size_t t = from; t < s->n_tok; t++) {
            const rg_guess *top = s->lens + (layer * s->n_tok + t) * s->n_top;
            put_style(p, top->p >= 0.5f ? "1" : top->p >= 0.1f ? "0" : "2");
            put_token(p, top->id, LENS_WIDTH);
            put_style(p, "0");
            rg_buf_char(p->out, ' ');
        }
        rg_buf_char(p->out, '\n');
    }
}

static double mean_of(const float *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum / (double)n;
}

static void put_norms(const page *p) {
    const rg_inspection *s = p->seen;
    put_title(p, "norms, mean of all tokens: the residual, and what the blocks add to it");
    rg_buf_str(p->out, RG_STR("layer   residual  attention  feed-forward   bits of the lens\n"));
    for (size_t layer = 0; layer < s->n_layers; layer++) {
        const float *norms = s->norms + layer * RG_NORMS * s->n_tok;
        rg_buf_format(p->out, "%5u %10.4g %10.4g %13.4g ", s->layers[layer],
                      mean_of(norms + RG_NORM_RESIDUAL * s->n_tok, s->n_tok),
                      mean_of(norms + RG_NORM_ATTN * s->n_tok, s->n_tok),
                      mean_of(norms + RG_NORM_FFN * s->n_tok, s->n_tok));
        if (s->n_tok > 1) {
            rg_buf_format(p->out, "%18.2f", mean_of(s->lens_bits + layer * s->n_tok, s->n_tok - 1));
        }
        rg_buf_char(p->out, '\n');
    }
}

static void put_head(const page *p, size_t layer, size_t head) {
    const rg_inspection *s = p->seen;
    const rg_head_view *v = &s->heads[layer * s->n_head + head];
    rg_buf_format(p->out, "%5u %5zu %6.1f%% %7.1f%% %8.1f%% %7.2f  ", s->layers[layer], head,
                  100 * (double)v->first, 100 * (double)v->self, 100 * (double)v->previous,
                  (double)v->entropy);
    for (size_t i = 0; i < RG_INSPECT_LOOKS && v->looks[i].weight > 0; i++) {
        rg_buf_format(p->out, "%u ", v->looks[i].token);
        put_token(p, s->ids[v->looks[i].token], 8);
        rg_buf_format(p->out, " %4.1f%%  ", 100 * (double)v->looks[i].weight);
    }
    rg_buf_char(p->out, '\n');
}

static void put_attention(const page *p) {
    const rg_inspection *s = p->seen;
    if (s->n_layers * s->n_head <= HEAD_LINES_MAX) {
        put_title(p, "attention: where each head looks, and what the last token looks at most");
        rg_buf_str(p->out,
                   RG_STR("layer  head   first    self  previous entropy  the last token\n"));
        for (size_t layer = 0; layer < s->n_layers; layer++) {
            for (size_t head = 0; head < s->n_head; head++) {
                put_head(p, layer, head);
            }
        }
        return;
    }
    put_title(p, "attention, mean of each layer's heads (--layers A-B shows the heads)");
    rg_buf_str(p->out, RG_STR("layer   first    self  previous entropy\n"));
    for (size_t layer = 0; layer < s->n_layers; layer++) {
        rg_head_view mean = {0};
        for (size_t head = 0; head < s->n_head; head++) {
            const rg_head_view *v = &s->heads[layer * s->n_head + head];
            mean.first += v->first / (float)s->n_head;
            mean.self += v->self / (float)s->n_head;
            mean.previous += v->previous / (float)s->n_head;
            mean.entropy += v->entropy / (float)s->n_head;
        }
        rg_buf_format(p->out, "%5u %6.1f%% %6.1f%% %8.1f%% %7.2f\n", s->layers[layer],
                      100 * (double)mean.first, 100 * (double)mean.self,
                      100 * (double)mean.previous, (double)mean.entropy);
    }
}

void rg_inspection_text(const rg_inspection *seen, rg_str name, bool has_color, rg_buf *out) {
    const page p = {seen, out, has_color};
    rg_buf_format(out, "%.*s: %zu tokens", RG_FMT(name), seen->n_tok);
    if (seen->n_tok > 1) {
        const double bits = rg_inspection_mean_bits(seen);
        rg_buf_format(out, ", %.3f bits a token, perplexity %.4g", bits, exp2(bits));
    }
    rg_buf_char(out, '\n');
    put_surprise(&p);
    put_lens(&p);
    put_norms(&p);
    put_attention(&p);
}
