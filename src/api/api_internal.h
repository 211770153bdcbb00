/*
 * api/ is the thin skin of the public interface: it checks arguments and hands over. It relies on
 * the rooms below.
 *
 * api_internal.h: the public handles, and the way from internal errors to public ones.
 */
#pragma once

#include "chat/answer.h"
#include "chat/chat_format.h"
#include "chat/template_line.h"
#include "engine/engine.h"
#include "format/gguf.h"
#include "format/hf_dir.h"
#include "model/adapter.h"
#include "model/model.h"
#include "model/source.h"
#include "model/steer.h"
#include "raga/calls.h"
#include "raga/chat.h"
#include "raga/model.h"
#include "raga/session.h"
#include "raga/status.h"
#include "raga/system.h"
#include "raga/tokenizer.h"
#include "sample/matcher.h"
#include "sample/sampler.h"
#include "token/tokenizer.h"

#include <pthread.h>

struct raga_tokenizer {
    rg_tokenizer *tokenizer;
};

struct raga_template {
    rg_template *tpl;
};

/** Sampling defaults of a model; NAN or negative: it states none. */
typedef struct api_defaults {
    float temperature;
    float top_p;
    float min_p;
    float repetition_penalty;
    int32_t top_k;
    bool is_greedy;
} api_defaults;

struct raga_model {
    rg_source *source;
    rg_model *model;
    rg_model *tower;   // NULL: it does not see
    rg_engine *engine; // NULL: opened for its facts
    rg_adapter **adapters;
    size_t n_adapters;
    rg_lora *loras;  // of all adapters
    rg_steer *steer; // NULL: nothing is added to the residual
    rg_engine_options options;
    struct raga_tokenizer tokenizer; // tokenizer NULL: the model has none
    struct raga_template tpl;        // tpl NULL: the model has none
    rg_chat_format *chat;            // NULL: the model has no tokenizer
    api_defaults defaults;
    int32_t ends[16]; // beyond those the tokenizer knows
    size_t n_ends;
    pthread_mutex_t offer_lock;
    struct api_offer *offer; // NULL: no grammar was asked for yet; guarded by offer_lock
    char name[256];
    char tokenizer_kind[128];
    char untested[512];
    char faults[2048]; // whole lines of them
    char notes[4096]; // warnings of container, model and tokenizer
};

struct raga_session {
    raga_model *model;
    rg_session *session;
};

/** A model's tokens as grammars see them. */
typedef struct api_offer {
    rg_vocab_trie *trie;
    int32_t ends[RG_TOKENIZER_ENDS_MAX + 16];
    size_t n_ends;
} api_offer;

/** Made once a model. Errors: RG_E_ARG: it has no tokenizer. Threads: any thread. */
rg_status api_get_offer(raga_model *m, const api_offer **out, rg_error *err);
void api_free_offer(api_offer *offer);
/** What a token adds to a text under a grammar; empty: it is never offered. */
rg_str api_token_text(const raga_model *m, int32_t id);
/** A token that ends an answer. */
bool api_is_end(const raga_model *m, int32_t id);

struct raga_grammar {
    const api_offer *offer;
    rg_grammar *grammar;
    rg_matcher *matcher;
    uint64_t *allowed; // [(n_tokens + 63) / 64] the mask and the tokens that end
};

rg_status api_grammar_of_tools(raga_model *m, const rg_json *tools,
                               const raga_calls_options *options, raga_grammar **out,
                               rg_error *err);
/** At the beginning of an answer. */
void api_grammar_begin(raga_grammar *g);
/**
 * The token that comes next under a grammar.
 * @param id  -1 when the text is complete and nothing may follow, not even a token that ends it
 */
rg_status api_grammar_draw(raga_grammar *g, const raga_model *m, rg_sampler *sampler,
                           const float *logits, int32_t *id, rg_error *err);
/** A drawn token became part of the text. */
rg_status api_grammar_accept(raga_grammar *g, const raga_model *m, int32_t id, rg_error *err);

/** How the model writes calls. */
static inline const rg_dialect *api_dialect(const raga_model *m) {
    return m->chat == NULL ? rg_dialect_at(0) : rg_chat_format_dialect(m->chat);
}
/** The token ids of a conversation. */
rg_status api_chat_ids(const raga_model *m, const rg_chat_request *request, rg_ids *ids,
                       rg_error *err);

/** Is this the name of the built-in model? */
bool api_is_builtin(const char *path);
/** The built-in model's file. Errors: RG_E_NOT_FOUND: this build has none. */
rg_status api_builtin_bytes(rg_bytes *out, rg_error *err);
/** rg_source_open, the built-in model by its name too. */
rg_status api_source_open(const char *path, rg_source **out, rg_error *err);

/** The public twin of a piece of an answer. */
raga_piece api_piece(const rg_piece *piece);

/** The public twin of an internal failure. */
raga_status api_fail(raga_error *out, rg_status status, const rg_error *err);
/** A failure of the caller's. */
raga_status api_bad(raga_error *out, const char *sentence);

/** A finished text, terminated, becomes the caller's. */
raga_status api_hand_over(rg_buf *buf, char **out, size_t *size, raga_error *error);

enum { API_PATH_BYTES = 4096 };

/** Cut "PATH:SCALE": a colon followed by a number and nothing else; without it the scale is 1. */
rg_status api_cut_scale(const char *name, char path[API_PATH_BYTES], float *scale, rg_error *err);

/**
 * Open adapters, each "PATH" or "PATH:SCALE", and give all that they add in one list.
 * @param out, loras  owned by the caller: api_close_adapters
 */
rg_status api_open_adapters(const rg_model *model, rg_source_kind kind, const char *const *names,
                            size_t n, rg_adapter ***out, rg_lora **loras, size_t *n_loras,
                            rg_error *err);
void api_close_adapters(rg_adapter **adapters, size_t n, rg_lora *loras);

/** Sampling defaults and end tokens of generation_config.json or GGUF metadata. */
void api_read_defaults(raga_model *m);
