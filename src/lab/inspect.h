/* Look inside a model while it reads a text: how surprised it is, what each layer would say next,
 * where each head looks, how much each block adds. */
#pragma once

#include "engine/engine.h"
#include "token/tokenizer.h"

#define RG_INSPECT_TOKENS_MAX 1024              // of a text
#define RG_INSPECT_TOP_MAX    32                // most likely tokens that are told
#define RG_INSPECT_CELLS_MAX  ((size_t)1 << 24) // attention weights that are kept
#define RG_INSPECT_LOOKS      3                 // tokens told that a head looks at most

/** Called now and then with a share in [0, 1]; a false answer cancels. */
typedef bool rg_inspect_progress_fn(void *arg, double share, const char *what);

typedef struct rg_inspect_options {
    rg_engine_options engine;      // context, chunk and taps are the inspection's to choose
    const rg_tokenizer *tokenizer; // borrowed for the life of the inspection; NULL: ids alone
    const uint32_t *layers;        // ascending; none: all
    size_t n_layers;
    size_t n_top;                     // most likely tokens told; 0: 5
    bool has_maps;                    // keep all attention weights
    rg_inspect_progress_fn *progress; // may be NULL
    void *progress_arg;
} rg_inspect_options;

/** A token that may come next. */
typedef struct rg_guess {
    int32_t id;
    float p;
} rg_guess;

/** How a head attends: means over the tokens from the second on, and the last token's looks. */
typedef struct rg_head_view {
    float first;    // weight on the first token
    float self;     // on the token itself
    float previous; // on the one before
    float entropy;  // bits
    struct {
        uint32_t token; // by number
        float weight;
    } looks[RG_INSPECT_LOOKS]; // of the last token, heaviest first; weight 0: no more
} rg_head_view;

/** Norms of a layer's contributions. */
typedef enum rg_norm_of { RG_NORM_RESIDUAL, RG_NORM_ATTN, RG_NORM_FFN, RG_NORMS } rg_norm_of;

/**
 * What was seen. Arrays are row-major, slowest first; layers are numbers in `layers`. Row t of
 * what comes next belongs to token t and speaks of token t + 1.
 */
typedef struct rg_inspection {
    const rg_mem *mem;
    const rg_tokenizer *tokenizer;
    size_t n_tok;
    size_t n_layers;
    size_t n_head;
    size_t n_top;
    int32_t *ids;        // [n_tok]
    uint32_t *layers;    // [n_layers] as the model counts them
    float *bits;         // [n_tok] -log2 p of the token; the first: NAN
    uint32_t *rank;      // [n_tok] 1: it was the most likely one; the first: 0
    float *entropy;      // [n_tok] bits, of what comes next
    rg_guess *next;      // [n_tok][n_top]
    rg_guess *lens;      // [n_layers][n_tok][n_top] as if the layer were the last
    float *lens_bits;    // [n_layers][n_tok] of the token that does come next; the last: NAN
    float *norms;        // [n_layers][RG_NORMS][n_tok]
    rg_head_view *heads; // [n_layers][n_head]
    float *maps;         // [n_layers][n_head][n_tok (n_tok + 1) / 2]: row t has weights of tokens 0
                         // to t; NULL: not kept
} rg_inspection;

/**
 * Read the ids and look.
 * @param out  owned by the caller: rg_inspection_free
 * Exact:  surprisal and ranks are of the logits that rg_session_eval gives for every token, to the
 *         bit. Attention is computed again, in f32, from queries and keys as they are stored.
 * Errors: RG_E_LIMIT naming constant and sizes; RG_E_ARG (no token, layers that the model lacks);
 *         RG_E_NUMERIC (logits that are not finite); RG_E_CANCELLED; those of the engine.
 * Source: the logit lens is nostalgebraist 2020, "interpreting GPT: the logit lens".
 */
rg_status rg_inspect(const rg_mem *mem, const rg_model *model, const rg_source *source,
                     const rg_inspect_options *options, const int32_t *ids, size_t n_tok,
                     rg_inspection **out, rg_error *err) RG_MUST_CHECK;
void rg_inspection_free(rg_inspection *seen);

/** Weights of token t in a kept map: [t + 1]. */
static inline const float *rg_inspection_row(const rg_inspection *seen, size_t layer, size_t head,
                                             size_t t) {
    const size_t cells = seen->n_tok * (seen->n_tok + 1) / 2;
    return seen->maps + (layer * seen->n_head + head) * cells + t * (t + 1) / 2;
}

/** Mean bits of the tokens from the second on; NAN when there is only one. */
double rg_inspection_mean_bits(const rg_inspection *seen);

/**
 * A token as people read it: characters whole, control characters and line ends shown as signs,
 * bytes that are no character as <XX>; safe to print.
 */
void rg_inspection_token(const rg_inspection *seen, int32_t id, rg_buf *out);

/** All that was seen, as one JSON object; `name` is the model's. The maps only when has_maps. */
void rg_inspection_json(const rg_inspection *seen, rg_str name, bool has_maps, rg_buf *out);
/** A page that needs nothing beside itself. */
void rg_inspection_html(const rg_inspection *seen, rg_str name, rg_buf *out);
/** For a terminal; `has_color`: with its escape sequences. */
void rg_inspection_text(const rg_inspection *seen, rg_str name, bool has_color, rg_buf *out);
