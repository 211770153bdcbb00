/* Shared by the files of engine/. */
#pragma once

#include "engine/sight.h"

#include <pthread.h>

#define RG_EXEC_CACHE    8   // plans kept, by shape
#define RG_SESSION_MARKS 4   // recurrent states that a session can go back to
#define RG_MARK_TOKENS   512 // between two of them while tokens come one by one

typedef struct rg_exec_slot {
    rg_exec *exec;
    rg_outputs outputs;
    rg_val *taps; // [n_layer][RG_TAPS]; NULL: nobody looks
    size_t n_tok;
    size_t n_out;
    bool has_pictures;
    uint64_t last_use;
} rg_exec_slot;

struct rg_engine {
    const rg_mem *mem;
    const rg_model *model;
    const rg_source *source;
    rg_engine_options options; // zeros resolved
    rg_bill bill;
    rg_kernels kernels;
    rg_tensor *weights;   // the model's, then those of the extras
    pthread_mutex_t lock; // guards all that follows, and the sessions' fields but `cancel`
    rg_pool *pool;
    rg_kv_pool *kv;
    void *arena;
    void *scratch;
    int32_t *ids;       // of one step: [chunk]
    int32_t *positions; // [chunk]
    int32_t *out_rows;  // [RG_OUT_ROWS_MAX]
    float *pictures;    // [chunk][levels][n_embd]; NULL without a tower, as the next two
    float *words;       // [chunk]: 1 for a word, 0 for a token of a picture
    int32_t *axes;      // [chunk][3]
    rg_exec_slot execs[RG_EXEC_CACHE];
    uint64_t n_steps;
};

/** The recurrent state as it was after some tokens, to go back to. */
typedef struct rg_session_mark {
    size_t n;
    uint8_t *state; // NULL: not in use yet
} rg_session_mark;

/** A picture that was looked at. Its engine's lock guards the count. */
struct rg_sight {
    rg_engine *engine;
    float *values;     // [n][levels][n_embd]
    size_t n;          // tokens
    uint32_t cells[3]; // frames, rows, columns of them
    size_t n_refs;
};

/** A picture in a session. */
typedef struct rg_shown {
    rg_sight *sight;
    size_t at; // its first token
    size_t n;  // tokens that are left of it
} rg_shown;

struct rg_session {
    rg_engine *engine;
    int32_t *ids;
    size_t n;      // tokens whose state is there: keys and values in the pages, recurrences beside
    size_t n_held; // tokens that the session has; those from n on are to be evaluated again
    uint8_t *recurrent;      // NULL: the model has none
    uint8_t *recurrent_next; // what a step writes; the two change places when it succeeds
    rg_session_mark marks[RG_SESSION_MARKS];
    uint8_t **pages; // n_pages of them hold the tokens
    size_t n_pages;
    float *logits; // of the last token
    bool has_logits;
    rg_shown *shown; // pictures, in order
    size_t n_shown;
    size_t shown_cap;
    rg_atomic_bool cancel;
};

/** Pages that n tokens need. */
static inline size_t rg_pages_of(size_t n) {
    return (n + RG_PAGE_LEN - 1) / RG_PAGE_LEN;
}

/** Options with their zeros replaced, but for n_ctx and memory_bytes, which the bill decides. */
void rg_engine_resolve(const rg_engine_options *from, rg_engine_options *to);

/** The layout of this engine's pages, from the model and the options. */
rg_status rg_engine_layout(const rg_model *model, const rg_engine_options *options,
                           rg_kv_layout *layout, rg_error *err) RG_MUST_CHECK;

/** The plan for a shape, made or found. Call with the lock held. */
rg_status rg_engine_exec(rg_engine *engine, size_t n_tok, size_t n_out, bool has_pictures,
                         rg_exec_slot **out, rg_error *err) RG_MUST_CHECK;

/** A sight without values yet. Call with the lock held, as what follows. */
rg_status rg_sight_alloc(rg_engine *engine, const uint32_t cells[3], rg_sight **out,
                         rg_error *err) RG_MUST_CHECK;
void rg_sight_release(rg_sight *sight);
/** One more picture at the end of a session's list. */
rg_status rg_session_add_sight(rg_session *session, rg_sight *sight, size_t at,
                               rg_error *err) RG_MUST_CHECK;
/** Forget pictures, and parts of one, from position n on. */
void rg_session_clip_sights(rg_session *session, size_t n);
/**
 * The positions by which the token at `pos` turns.
 * @return  hidden values of a token of a picture [levels][n_embd]; NULL: it is a word
 */
const float *rg_session_axes(const rg_session *session, size_t pos, int32_t axes[3]);

/**
 * Run one step: the items' tokens at the end of their sessions. Call with the lock held.
 * out_rows: n_out token numbers of the step whose logits are wanted. On success sessions have
 * grown, on failure not.
 */
rg_status rg_engine_run(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                        const int32_t *out_rows, size_t n_out, const float **logits,
                        rg_error *err) RG_MUST_CHECK;

/** Give the session pages for n more tokens, its last page to itself. Call with the lock held. */
rg_status rg_session_grow(rg_session *session, size_t n, rg_error *err) RG_MUST_CHECK;
/** Evaluate what was held but lost its state. Call with the lock held. */
rg_status rg_session_catch_up(rg_session *session, rg_error *err) RG_MUST_CHECK;
/** Remember the recurrent state after a step of n tokens, where that is due. Call with the lock
 * held. */
void rg_session_mark_state(rg_session *session, size_t n);
/** Bytes of the recurrent state of one session. */
static inline size_t rg_recurrent_bytes(const rg_kv_layout *layout) {
    return rg_kv_state_bytes(layout);
}
/** Hidden values of one token of a picture, all levels. The engine has a tower. */
static inline size_t rg_engine_picture_width(const rg_engine *engine) {
    return (size_t)rg_tower_levels(engine->options.tower) * engine->model->h.n_embd;
}
/** Drop pages beyond the first n. Call with the lock held. */
void rg_session_drop_pages(rg_session *session, size_t n_pages);
