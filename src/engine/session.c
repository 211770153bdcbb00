#include "engine/engine_internal.h"

#include <string.h>

static rg_status session_alloc(rg_engine *engine, rg_session **out, rg_error *err) {
    const size_t n_ctx = engine->options.n_ctx;
    rg_session *s = rg_new(engine->mem, sizeof *s);
    if (s != NULL) {
        s->engine = engine;
        s->ids = rg_new_array(engine->mem, n_ctx, sizeof *s->ids);
        s->pages = rg_new_array(engine->mem, rg_pages_of(n_ctx), sizeof *s->pages);
        s->logits = rg_new_array(engine->mem, engine->model->h.n_vocab, sizeof *s->logits);
    }
    const size_t n_state = rg_recurrent_bytes(rg_kv_pool_layout(engine->kv));
    if (s != NULL && n_state != 0) {
        s->recurrent = rg_new(engine->mem, n_state);
        s->recurrent_next = rg_new(engine->mem, n_state);
    }
    if (s == NULL || s->ids == NULL || s->pages == NULL || s->logits == NULL ||
        (n_state != 0 && (s->recurrent == NULL || s->recurrent_next == NULL))) {
        rg_session_free(s);
        return rg_fail(err, RG_E_MEMORY, "no memory for a session of %zu tokens", n_ctx);
    }
    *out = s;
    return RG_OK;
}

rg_status rg_session_new(rg_engine *engine, rg_session **out, rg_error *err) {
    return session_alloc(engine, out, err);
}

void rg_session_free(rg_session *session) {
    if (session == NULL) {
        return;
    }
    rg_engine *engine = session->engine;
    pthread_mutex_lock(&engine->lock);
    rg_session_drop_pages(session, 0);
    rg_session_clip_sights(session, 0);
    pthread_mutex_unlock(&engine->lock);
    rg_free(engine->mem, session->shown);
    for (size_t i = 0; i < RG_SESSION_MARKS; i++) {
        rg_free(engine->mem, session->marks[i].state);
    }
    rg_free(engine->mem, session->recurrent);
    rg_free(engine->mem, session->recurrent_next);
    rg_free(engine->mem, session->ids);
    rg_free(engine->mem, session->pages);
    rg_free(engine->mem, session->logits);
    rg_free(engine->mem, session);
}

rg_status rg_session_fork(rg_session *session, rg_session **out, rg_error *err) {
    rg_engine *engine = session->engine;
    rg_session *copy = NULL;
    rg_status status = session_alloc(engine, &copy, err);
    if (status != RG_OK) {
        return status;
    }
    pthread_mutex_lock(&engine->lock);
    for (size_t i = 0; i < session->n_shown && status == RG_OK; i++) {
        const rg_shown *shown = &session->shown[i];
        status = rg_session_add_sight(copy, shown->sight, shown->at, err);
        if (status == RG_OK) {
            copy->shown[i].n = shown->n;
        }
    }
    if (status != RG_OK) {
        pthread_mutex_unlock(&engine->lock);
        rg_session_free(copy);
        return status;
    }
    memcpy(copy->ids, session->ids, session->n_held * sizeof *copy->ids);
    if (copy->recurrent != NULL) {
        memcpy(copy->recurrent, session->recurrent,
               rg_recurrent_bytes(rg_kv_pool_layout(engine->kv)));
    }
    copy->n_held = session->n_held;
    memcpy(copy->pages, session->pages, session->n_pages * sizeof *copy->pages);
    memcpy(copy->logits, session->logits, engine->model->h.n_vocab * sizeof *copy->logits);
    copy->n = session->n;
    copy->n_pages = session->n_pages;
    copy->has_logits = session->has_logits;
    if (copy->recurrent != NULL) {
        rg_session_mark_state(copy, 0); // with nothing to go back to yet, to here
    }
    for (size_t i = 0; i < copy->n_pages; i++) {
        rg_kv_page_retain(engine->kv, copy->pages[i]);
    }
    pthread_mutex_unlock(&engine->lock);
    *out = copy;
    return RG_OK;
}

size_t rg_session_count(const rg_session *session) {
    return session->n_held;
}

const int32_t *rg_session_ids(const rg_session *session) {
    return session->ids;
}

// the latest state that is known of at most n tokens; returns how many it has seen
static size_t go_back(rg_session *s, size_t n) {
    const size_t bytes = rg_recurrent_bytes(rg_kv_pool_layout(s->engine->kv));
    rg_session_mark *best = NULL;
    for (size_t i = 0; i < RG_SESSION_MARKS; i++) {
        rg_session_mark *mark = &s->marks[i];
        if (mark->n > n) {
            mark->n = 0; // of tokens that are no more
        } else if (mark->n > 0 && (best == NULL || mark->n > best->n)) {
            best = mark;
        }
    }
    if (best == NULL) {
        memset(s->recurrent, 0, bytes);
        return 0;
    }
    memcpy(s->recurrent, best->state, bytes);
    return best->n;
}

void rg_session_mark_state(rg_session *session, size_t n) {
    rg_engine *engine = session->engine;
    size_t last = 0;
    rg_session_mark *oldest = &session->marks[0];
    for (size_t i = 0; i < RG_SESSION_MARKS; i++) {
        last = session->marks[i].n > last ? session->marks[i].n : last;
        oldest = session->marks[i].n < oldest->n ? &session->marks[i] : oldest;
    }
    if (session->recurrent == NULL || (n == 1 && session->n - last < RG_MARK_TOKENS)) {
        return;
    }
    const size_t bytes = rg_recurrent_bytes(rg_kv_pool_layout(engine->kv));
    if (oldest->state == NULL) {
        oldest->state = rg_alloc(engine->mem, bytes);
    }
    if (oldest->state != NULL) { // without memory for it there is one mark less
        memcpy(oldest->state, session->recurrent, bytes);
        oldest->n = session->n;
    }
}

void rg_session_truncate(rg_session *session, size_t n) {
    pthread_mutex_lock(&session->engine->lock);
    if (n < session->n_held) {
        session->n_held = n;
        session->has_logits = false;
    }
    rg_session_clip_sights(session, n);
    if (n < session->n) {
        session->n = session->recurrent == NULL ? n : go_back(session, n);
        rg_session_drop_pages(session, rg_pages_of(session->n));
    }
    pthread_mutex_unlock(&session->engine->lock);
}

void rg_session_cancel(rg_session *session) {
    atomic_store_explicit(&session->cancel, true, memory_order_relaxed);
}

const float *rg_session_logits(const rg_session *session) {
    return session->has_logits ? session->logits : NULL;
}

void rg_session_drop_pages(rg_session *session, size_t n_pages) {
    while (session->n_pages > n_pages) {
        rg_kv_page_release(session->engine->kv, session->pages[--session->n_pages]);
    }
}

rg_status rg_session_grow(rg_session *session, size_t n, rg_error *err) {
    rg_engine *engine = session->engine;
    const size_t n_ctx = engine->options.n_ctx;
    if (n > n_ctx - session->n) { // those held are already in the context
        return rg_fail(err, RG_E_LIMIT,
                       "%zu tokens after the %zu of this session do not fit its context of %zu", n,
                       session->n, n_ctx);
    }

    // the page that will be written first must be ours alone
    const size_t first = session->n / RG_PAGE_LEN;
    if (first < session->n_pages && rg_kv_page_is_shared(engine->kv, session->pages[first])) {
        uint8_t *own = rg_kv_page_take(engine->kv);
        if (own == NULL) {
            return rg_fail(err, RG_E_LIMIT, "all %zu pages of key-value state are in use",
                           rg_kv_pool_pages(engine->kv));
        }
        memcpy(own, session->pages[first], rg_kv_pool_layout(engine->kv)->page_bytes);
        rg_kv_page_release(engine->kv, session->pages[first]);
        session->pages[first] = own;
    }
    const size_t had = session->n_pages;
    while (session->n_pages < rg_pages_of(session->n + n)) {
        uint8_t *page = rg_kv_page_take(engine->kv);
        if (page == NULL) {
            rg_session_drop_pages(session, had);
            return rg_fail(err, RG_E_LIMIT, "all %zu pages of key-value state are in use",
                           rg_kv_pool_pages(engine->kv));
        }
        session->pages[session->n_pages++] = page;
    }
    return RG_OK;
}

// one chunk: logits of every token, or of the last one of the whole call, or none
static rg_status eval_chunk(rg_session *s, const int32_t *ids, size_t n, rg_logits_fn *every,
                            void *arg, bool is_last, rg_error *err) {
    rg_engine *engine = s->engine;
    const size_t n_vocab = engine->model->h.n_vocab;
    const size_t n_out = every != NULL ? n : 1;
    const size_t pos = s->n;
    const float *logits = NULL;
    for (size_t i = 0; i < n_out; i++) {
        engine->out_rows[i] = (int32_t)(n - n_out + i);
    }
    const rg_batch_item item = {.session = s, .ids = ids, .n = n};
    rg_status status = rg_engine_run(engine, &item, 1, engine->out_rows, n_out, &logits, err);
    if (status != RG_OK) {
        return status;
    }
    if (is_last) {
        memcpy(s->logits, logits + (n_out - 1) * n_vocab, n_vocab * sizeof *logits);
        s->has_logits = true;
    }
    for (size_t i = 0; every != NULL && i < n && status == RG_OK; i++) {
        status = every(arg, pos + i, logits + i * n_vocab, n_vocab, err);
    }
    return status;
}

rg_status rg_session_catch_up(rg_session *session, rg_error *err) {
    rg_engine *engine = session->engine;
    rg_status status = RG_OK;
    while (status == RG_OK && session->n < session->n_held) {
        const size_t left = session->n_held - session->n;
        const size_t most = engine->options.chunk_tokens;
        const size_t part = left < most ? left : most;
        status = eval_chunk(session, session->ids + session->n, part, NULL, NULL, false, err);
    }
    return status;
}

bool rg_session_is_cancelled(const rg_session *session) {
    return atomic_load_explicit(&session->cancel, memory_order_relaxed);
}

rg_status rg_session_eval(rg_session *session, const int32_t *ids, size_t n, rg_logits_fn *every,
                          void *arg, rg_error *err) {
    rg_engine *engine = session->engine;
    rg_status status = RG_OK;
    pthread_mutex_lock(&engine->lock);
    atomic_store_explicit(&session->cancel, false, memory_order_relaxed);
    if (n > engine->options.n_ctx - session->n_held) {
        status = rg_fail(
            err, RG_E_LIMIT,
            "the prompt has %zu tokens, the context has room for %zu (%zu, of which %zu "
            "are taken); give a larger context or a shorter prompt",
            n, engine->options.n_ctx - session->n_held, engine->options.n_ctx, session->n_held);
    }
    if (status == RG_OK) {
        status = rg_session_catch_up(session, err);
    }
    const size_t most = every != NULL && engine->options.chunk_tokens > RG_OUT_ROWS_MAX
                            ? RG_OUT_ROWS_MAX
                            : engine->options.chunk_tokens;
    for (size_t at = 0; status == RG_OK && at < n;) {
        const size_t part = n - at < most ? n - at : most;
        status = eval_chunk(session, ids + at, part, every, arg, at + part == n, err);
        at += part;
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}
