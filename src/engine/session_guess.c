/* Guesses of what follows, tried in one step: those that are right cost no step of their own.
 * Nothing is taken back: a guess counts from when it is accepted. */
#include "engine/engine_internal.h"

#include <string.h>

// the state after token i of the step becomes the session's
static void take_state(rg_session *s, size_t i) {
    if (s->recurrent != NULL && s->engine->options.n_guesses != 0) {
        uint8_t *before = s->recurrent;
        s->recurrent = s->after[i];
        s->after[i] = before;
    }
}

void rg_session_forget_guesses(rg_session *session) {
    session->n_guessed = 0;
    rg_session_drop_pages(session, rg_pages_of(session->n));
}

static rg_status run_guesses(rg_session *s, const int32_t *ids, size_t n, rg_error *err) {
    rg_engine *engine = s->engine;
    rg_exec_slot *slot = NULL;
    rg_status status = RG_OK;
    const size_t n_vocab = engine->model->h.n_vocab;
    const rg_batch_item item = {.session = s, .ids = ids, .n = n};
    for (size_t i = 0; i < n; i++) {
        engine->out_rows[i] = (int32_t)i;
    }
    RG_TRY(rg_engine_compute(engine, &item, 1, engine->out_rows, n, true, &slot, err));
    memcpy(s->logits, rg_exec_value(slot->exec, engine->arena, slot->outputs.logits),
           n * n_vocab * sizeof *s->logits);
    s->logits_row = 0;
    s->has_logits = true;
    rg_mtp_take(s, ids, rg_exec_value(slot->exec, engine->arena, slot->outputs.hidden), n);
    memcpy(s->ids + s->n, ids, n * sizeof *ids);
    s->n++;
    s->n_held = s->n;
    s->n_guessed = n - 1;
    take_state(s, 0);
    rg_session_mark_state(s, 1);

done:
    return status;
}

rg_status rg_session_guess(rg_session *session, const int32_t *ids, size_t n, rg_error *err) {
    rg_engine *engine = session->engine;
    rg_status status = RG_OK;
    if (n <= 1) {
        return rg_session_eval(session, ids, n, NULL, NULL, err);
    }
    pthread_mutex_lock(&engine->lock);
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    rg_session_forget_guesses(session);
    if (n - 1 > engine->options.n_guesses || n > engine->options.n_ctx - session->n_held) {
        status = rg_fail(err, RG_E_LIMIT,
                         "%zu guesses in one step: %zu are possible, and the context has room for "
                         "%zu tokens",
                         n - 1, engine->options.n_guesses, engine->options.n_ctx - session->n_held);
        goto done;
    }
    RG_TRY(rg_session_catch_up(session, err));
    status = run_guesses(session, ids, n, err);

done:
    pthread_mutex_unlock(&engine->lock);
    return status;
}

bool rg_session_accept(rg_session *session) {
    pthread_mutex_lock(&session->engine->lock);
    const bool is_one = session->n_guessed != 0;
    if (is_one) {
        session->n_guessed--;
        session->n++;
        session->n_held = session->n;
        session->logits_row++;
        take_state(session, session->logits_row);
        rg_session_mark_state(session, 1);
    }
    pthread_mutex_unlock(&session->engine->lock);
    return is_one;
}
