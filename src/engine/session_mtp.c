/*
 * What a prediction head knows of a session. Its keys and values of position t are made of the
 * model's hidden values of position t and of token t + 1, so they come when that token is known:
 *
 *   position    0 .. n_mtp - 1       n_mtp .. n - 1                    n ..
 *   head        seen: in the pages   hidden values wait in `hidden`    predictions, on trial
 */
#include "engine/engine_internal.h"

#include <string.h>

rg_status rg_mtp_alloc(rg_session *s, rg_error *err) {
    const rg_engine *engine = s->engine;
    const size_t bytes = rg_hidden_bytes(engine->model);
    if (bytes == 0) {
        return RG_OK;
    }
    s->hidden = rg_new_array(engine->mem, engine->options.chunk_tokens + 1, bytes);
    s->mtp_hidden = rg_new(engine->mem, bytes);
    s->mtp_logits = rg_new_array(engine->mem, engine->model->h.n_vocab, sizeof *s->mtp_logits);
    return s->hidden != NULL && s->mtp_hidden != NULL && s->mtp_logits != NULL
               ? RG_OK
               : rg_fail(err, RG_E_MEMORY, "no memory for what a prediction head knows");
}

void rg_mtp_free(rg_session *s) {
    rg_free(s->engine->mem, s->hidden);
    rg_free(s->engine->mem, s->mtp_hidden);
    rg_free(s->engine->mem, s->mtp_logits);
}

static float *row_at(const rg_session *s, size_t i) {
    return s->hidden + i * s->engine->model->h.n_embd;
}

const float *rg_mtp_last(const rg_session *s) {
    return s->hidden == NULL || s->n <= s->n_mtp ? NULL : row_at(s, s->n - 1 - s->n_mtp);
}

size_t rg_mtp_cut(rg_session *s, size_t n, const float *last) {
    s->mtp_id = -1;
    if (s->hidden == NULL || n == 0) {
        s->n_mtp = 0;
        return n;
    }
    if (n > s->n_mtp) {
        return n; // its hidden values still wait
    }
    s->n_mtp = n - 1;
    if (last == NULL) {
        return n - 1;
    }
    memcpy(s->hidden, last, rg_hidden_bytes(s->engine->model));
    return n;
}

void rg_mtp_take(rg_session *s, const int32_t *ids, const float *hidden, size_t n) {
    if (s->hidden == NULL) {
        return;
    }
    if (s->mtp_id >= 0 && s->mtp_id == ids[0] && s->n_mtp + 1 == s->n) {
        s->n_mtp = s->n; // it came as expected
    }
    s->mtp_id = -1;
    memcpy(row_at(s, s->n - s->n_mtp), hidden, n * rg_hidden_bytes(s->engine->model));
}

/** One run of the head: n positions from `pos` on, each with the token after it. */
typedef struct head_run {
    const int32_t *ids;
    const float *hidden;
    size_t pos;
    size_t n;
    bool wants_logits; // after the last of them, and hidden values: in the session then
} head_run;

static rg_status run_head(rg_session *s, const head_run *r, rg_error *err) {
    rg_engine *engine = s->engine;
    rg_exec_slot *slot = NULL;
    rg_status status = RG_OK;
    const int32_t last = (int32_t)r->n - 1;
    if (r->pos + r->n > s->n) {
        RG_TRY(rg_session_grow(s, r->pos + r->n - s->n, err));
    }
    for (size_t i = r->pos / RG_PAGE_LEN; i < rg_pages_of(r->pos + r->n); i++) {
        RG_TRY(rg_session_own_page(s, i, err));
    }
    for (size_t i = 0; i < r->n; i++) {
        int32_t axes[3];
        (void)rg_session_axes(s, r->pos + i, axes); // tokens of pictures count as their ids do
        engine->positions[i] = axes[0];
    }
    RG_TRY(rg_engine_exec(engine, RG_EXEC_MTP, r->n, r->wants_logits, &slot, err));
    const rg_kv_row row = {.n_tok = r->n, .pos = r->pos, .pages = s->pages};
    const rg_kv_batch batch = {.layout = rg_kv_pool_layout(engine->kv), .n_rows = 1, .rows = &row};
    const void *inputs[RG_MODEL_INPUTS] = {[RG_INPUT_IDS] = r->ids,
                                           [RG_INPUT_POSITIONS] = engine->positions,
                                           [RG_INPUT_OUT_ROWS] = &last,
                                           [RG_INPUT_HIDDEN] = r->hidden};
    const rg_bindings bindings = {.pool = engine->pool,
                                  .arena = engine->arena,
                                  .scratch = engine->scratch,
                                  .weights = engine->weights,
                                  .inputs = inputs,
                                  .kv = &batch,
                                  // what only lets the head catch up is done whole, and soon
                                  .cancel = r->wants_logits ? &s->cancel : NULL};
    RG_TRY(rg_exec_run(slot->exec, &bindings, err));
    if (!rg_source_is_intact(engine->source)) {
        status = rg_fail(err, RG_E_IO, "the model's file was cut short while in use");
        goto done;
    }
    if (r->wants_logits) {
        memcpy(s->mtp_logits, rg_exec_value(slot->exec, engine->arena, slot->outputs.logits),
               engine->model->h.n_vocab * sizeof *s->mtp_logits);
        memcpy(s->mtp_hidden, rg_exec_value(slot->exec, engine->arena, slot->outputs.hidden),
               rg_hidden_bytes(engine->model));
    }

done:
    return status;
}

// the last row alone still waits
static void keep_last(rg_session *s) {
    memmove(s->hidden, rg_mtp_last(s), rg_hidden_bytes(s->engine->model));
    s->n_mtp = s->n - 1;
}

rg_status rg_mtp_flush(rg_session *s, rg_error *err) {
    if (s->hidden == NULL || s->n < s->n_mtp + 2) {
        return RG_OK;
    }
    const head_run r = {.ids = s->ids + s->n_mtp + 1,
                        .hidden = s->hidden,
                        .pos = s->n_mtp,
                        .n = s->n - 1 - s->n_mtp};
    const rg_status status = run_head(s, &r, err);
    if (status == RG_OK) {
        keep_last(s);
    }
    return status;
}

rg_status rg_mtp_make_room(rg_session *s, size_t n, rg_error *err) {
    const size_t room = s->engine->options.chunk_tokens + 1;
    return s->hidden == NULL || n <= room - (s->n - s->n_mtp) ? RG_OK : rg_mtp_flush(s, err);
}

// token n of the session is told to the head: it expects the one after
static rg_status predict_first(rg_session *s, int32_t id, rg_error *err) {
    int32_t ids[RG_MTP_ROWS_MAX];
    rg_status status = RG_OK;
    RG_TRY(rg_session_catch_up(s, err));
    rg_session_forget_guesses(s);
    if (s->n - s->n_mtp > RG_MTP_ROWS_MAX) {
        RG_TRY(rg_mtp_flush(s, err));
    }
    const size_t n = s->n - s->n_mtp;
    RG_ASSERT(n > 0);
    memcpy(ids, s->ids + s->n_mtp + 1, (n - 1) * sizeof *ids);
    ids[n - 1] = id;
    const head_run r = {
        .ids = ids, .hidden = s->hidden, .pos = s->n_mtp, .n = n, .wants_logits = true};
    RG_TRY(run_head(s, &r, err));
    keep_last(s);
    s->mtp_id = id;

done:
    return status;
}

// the head goes on from its own hidden values
static rg_status predict_next(rg_session *s, size_t i, int32_t id, rg_error *err) {
    const head_run r = {
        .ids = &id, .hidden = s->mtp_hidden, .pos = s->n - 1 + i, .n = 1, .wants_logits = true};
    return run_head(s, &r, err);
}

rg_status rg_session_predict(rg_session *s, size_t i, int32_t id, rg_error *err) {
    rg_engine *engine = s->engine;
    rg_status status = RG_OK;
    pthread_mutex_lock(&engine->lock);
    if (s->hidden == NULL) {
        status = rg_fail(err, RG_E_UNSUPPORTED, "the model was loaded without a prediction head");
    } else if (id < 0 || (uint32_t)id >= engine->model->h.n_vocab) {
        status = rg_fail(err, RG_E_ARG, "token id %d is outside the vocabulary of %u", id,
                         engine->model->h.n_vocab);
    } else if (s->n_held == 0 || (i != 0 && (s->mtp_id < 0 || i != s->n_mtp_ahead))) {
        status =
            rg_fail(err, RG_E_ARG, "prediction %zu does not follow another of this session", i);
    } else {
        status = i == 0 ? predict_first(s, id, err) : predict_next(s, i, id, err);
    }
    s->n_mtp_ahead = status == RG_OK ? i + 1 : 0;
    pthread_mutex_unlock(&engine->lock);
    return status;
}

const float *rg_session_prediction(const rg_session *s) {
    return s->mtp_logits;
}
