/*
 * engine/ runs models for sessions: key-value pages, batches, memory budget. It relies on the rooms
 * below and knows no HTTP and no chat format.
 *
 * engine.h: one model ready to run, and the sessions on it.
 */
#pragma once

#include "backend/exec.h"
#include "engine/kv_pool.h"
#include "model/tower.h"

#define RG_PAGE_LEN       64  // positions in a key-value page
#define RG_CHUNK_TOKENS   512 // of a prompt, in one step
#define RG_OUT_ROWS_MAX   64  // rows of logits in one step
#define RG_BATCH_ROWS_MAX 64  // sessions in one step
#define RG_GUESSES_MAX    15  // tokens ahead that one step may try

typedef struct rg_engine rg_engine;
typedef struct rg_session rg_session;

/**
 * Values inside one layer of the tokens [pos, pos + n_tok) of a session: values[t] is [n_tok,
 * width] f32, widths as rg_tap says, or NULL when extras.tap_set leaves t out; borrowed during the
 * call. Called once a layer after each step,
 * in order, before the logits are given. Returning an error stops the evaluation with it.
 */
typedef rg_status rg_taps_fn(void *arg, uint32_t layer, const float *const values[RG_TAPS],
                             size_t pos, size_t n_tok, rg_error *err);

typedef struct rg_engine_options {
    rg_cpu cpu;             // what the kernels may use
    unsigned n_threads;     // 0: physical cores within the quota
    size_t n_ctx;           // most tokens of a session; 0: what the model and the memory allow
    size_t n_slots;         // sessions of n_ctx tokens that fit at once; 0: 1
    size_t memory_bytes;    // budget for everything; 0: what is free now
    size_t chunk_tokens;    // 0: RG_CHUNK_TOKENS
    bool is_exact;          // f32 activations and cache: the oracle
    rg_dtype kv_dtype;      // F16 or F32; with is_exact always F32
    size_t n_guesses;       // most guesses in one step of a session, see rg_session_guess; 0: none
    rg_graph_extras extras; // what is added to the model; its tensors live as long as the engine
    const rg_model *tower;  // the part that sees, living as long as the engine; NULL: there is none
    rg_taps_fn *taps;       // NULL: nobody looks, and nothing is kept. Steps of one session only
    void *taps_arg;
} rg_engine_options;

/** What running takes, in bytes, known before it is taken. */
typedef struct rg_bill {
    size_t n_ctx;
    size_t weights_mapped; // in the page cache, shared with other programs
    size_t weights_owned;
    size_t kv;
    size_t activations;
    size_t scratch;
    size_t pictures; // to see: weights of the tower, and hidden values on their way to a step; not
                     // what looking at one takes (sight.h), which depends on its size
    size_t total;
    size_t budget;
} rg_bill;

/**
 * Work out the bill; options with zeros are answered with what they come to.
 * Errors: RG_E_LIMIT naming both sizes when it does not fit the budget; those of graph and plan.
 */
rg_status rg_engine_bill(const rg_model *model, const rg_engine_options *options, rg_bill *out,
                         rg_error *err) RG_MUST_CHECK;

/**
 * @param model  borrowed for the life of the engine
 * Threads: calls on one engine and its sessions are serialized inside; rg_session_cancel works at
 * once.
 */
rg_status rg_engine_new(const rg_mem *mem, const rg_model *model, const rg_source *source,
                        const rg_engine_options *options, rg_engine **out,
                        rg_error *err) RG_MUST_CHECK;
/** All sessions must be freed before. */
void rg_engine_free(rg_engine *engine);
const rg_bill *rg_engine_get_bill(const rg_engine *engine);
unsigned rg_engine_threads(const rg_engine *engine);
const rg_kernels *rg_engine_kernels(const rg_engine *engine);

/** An empty session. Owned by the caller: rg_session_free(). */
rg_status rg_session_new(rg_engine *engine, rg_session **out, rg_error *err) RG_MUST_CHECK;
void rg_session_free(rg_session *session);
/** A second session with the same tokens; pages are shared until one of the two writes. */
rg_status rg_session_fork(rg_session *session, rg_session **out, rg_error *err) RG_MUST_CHECK;
size_t rg_session_count(const rg_session *session);
const int32_t *rg_session_ids(const rg_session *session);
/** Forget all tokens from position n on. */
void rg_session_truncate(rg_session *session, size_t n);
/** Stop the step that works on this session, now or next. Threads: any thread. */
void rg_session_cancel(rg_session *session);
/** Since the last step began? Threads: any thread. */
bool rg_session_is_cancelled(const rg_session *session);

/** Logits of one token: called in order of position. Returning an error stops the evaluation with
 * it. */
typedef rg_status rg_logits_fn(void *arg, size_t pos, const float *logits, size_t n_vocab,
                               rg_error *err);

/**
 * Append tokens to a session, a chunk at a time.
 * @param every  NULL: logits of the last token only, see rg_session_logits; else called for every
 * token Errors: RG_E_LIMIT when they do not fit the context, naming both sizes, before anything is
 * computed; RG_E_ARG (an id out of the vocabulary); RG_E_CANCELLED: the session keeps the chunks
 * that were done; RG_E_IO: the model's file changed.
 */
rg_status rg_session_eval(rg_session *session, const int32_t *ids, size_t n, rg_logits_fn *every,
                          void *arg, rg_error *err) RG_MUST_CHECK;

/** Logits [n_vocab] after the last token; NULL before the first. Valid until the session is
 * evaluated again. */
const float *rg_session_logits(const rg_session *session);

/**
 * Append ids[0] and try n - 1 guesses of what follows it, in the same step. The session then stands
 * after ids[0]. Each rg_session_accept takes one guess more; whatever else is done to the session
 * forgets those left, at no cost.
 * Errors: those of rg_session_eval; RG_E_LIMIT: more guesses than options.n_guesses.
 */
rg_status rg_session_guess(rg_session *session, const int32_t *ids, size_t n,
                           rg_error *err) RG_MUST_CHECK;
/** The next guess was right: the session grows by it, and its logits are those after it. False:
 * there is none left. */
bool rg_session_accept(rg_session *session);

/**
 * What the model's prediction head expects. The first call (i 0) says which token comes next, and
 * what follows that one is expected; call i, that the head's last expectation came true as `id`.
 * The session stays as it is. Its model was loaded with the head. Errors: RG_E_UNSUPPORTED (no head
 * is loaded), RG_E_ARG (an id out of the vocabulary, a call out of order, an empty session),
 * RG_E_LIMIT (the context ends), those of a step.
 */
rg_status rg_session_predict(rg_session *session, size_t i, int32_t id,
                             rg_error *err) RG_MUST_CHECK;
/** Logits [n_vocab] of the last rg_session_predict, borrowed until the next. */
const float *rg_session_prediction(const rg_session *session);

/** One session's part of a batch. */
typedef struct rg_batch_item {
    rg_session *session;
    const int32_t *ids;
    size_t n; // tokens; all items together at most the chunk
} rg_batch_item;

/** One step for several sessions, each once; every session gets the logits of its last token.
 * Errors as above. */
rg_status rg_engine_step(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                         rg_error *err) RG_MUST_CHECK;

/** Write a session to a file, atomically; read it back into an empty one of the same model. */
rg_status rg_session_save(rg_session *session, const char *path, rg_error *err) RG_MUST_CHECK;
rg_status rg_session_restore(rg_session *session, const char *path, rg_error *err) RG_MUST_CHECK;
