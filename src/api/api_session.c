#include "api/api_internal.h"

static raga_status new_session(raga_model *model, rg_session *inner, raga_session **out,
                               raga_error *error) {
    rg_error err = {0};
    raga_session *s = rg_new(rg_mem_heap(), sizeof *s);
    if (s == NULL) {
        rg_session_free(inner);
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a session"), &err);
    }
    *s = (raga_session){model, inner};
    *out = s;
    return RAGA_OK;
}

raga_status raga_session_new(raga_model *model, raga_session **out, raga_error *error) {
    rg_error err = {0};
    rg_session *inner = NULL;
    if (model == NULL || model->engine == NULL || out == NULL) {
        return api_bad(error, "no model to run (was it opened for its facts only?)");
    }
    const rg_status status = rg_session_new(model->engine, &inner, &err);
    return status == RG_OK ? new_session(model, inner, out, error) : api_fail(error, status, &err);
}

void raga_session_free(raga_session *s) {
    if (s != NULL) {
        rg_session_free(s->session);
        rg_free(rg_mem_heap(), s);
    }
}

raga_status raga_session_fork(raga_session *s, raga_session **out, raga_error *error) {
    rg_error err = {0};
    rg_session *inner = NULL;
    if (s == NULL || out == NULL) {
        return api_bad(error, "no session or no place for its copy");
    }
    const rg_status status = rg_session_fork(s->session, &inner, &err);
    return status == RG_OK ? new_session(s->model, inner, out, error)
                           : api_fail(error, status, &err);
}

raga_status raga_session_save(raga_session *s, const char *path, raga_error *error) {
    rg_error err = {0};
    if (s == NULL || path == NULL) {
        return api_bad(error, "no session or no path");
    }
    return api_fail(error, rg_session_save(s->session, path, &err), &err);
}

raga_status raga_session_restore(raga_session *s, const char *path, raga_error *error) {
    rg_error err = {0};
    if (s == NULL || path == NULL) {
        return api_bad(error, "no session or no path");
    }
    return api_fail(error, rg_session_restore(s->session, path, &err), &err);
}

size_t raga_session_count(const raga_session *s) {
    return rg_session_count(s->session);
}

const int32_t *raga_session_ids(const raga_session *s) {
    return rg_session_ids(s->session);
}

void raga_session_truncate(raga_session *s, size_t n) {
    rg_session_truncate(s->session, n);
}

void raga_session_cancel(raga_session *s) {
    rg_session_cancel(s->session);
}

/** The public callback behind the internal one. */
typedef struct relay {
    raga_logits_fn *fn;
    void *arg;
} relay;

static rg_status relay_logits(void *arg, size_t pos, const float *logits, size_t n_vocab,
                              rg_error *err) {
    const relay *r = arg;
    return r->fn(r->arg, pos, logits, n_vocab) ? RG_OK
                                               : rg_fail(err, RG_E_CANCELLED, "stopped on request");
}

raga_status raga_session_eval(raga_session *s, const int32_t *ids, size_t n, raga_logits_fn *every,
                              void *arg, raga_error *error) {
    rg_error err = {0};
    relay r = {every, arg};
    if (s == NULL || (ids == NULL && n != 0)) {
        return api_bad(error, "no session or no ids");
    }
    return api_fail(
        error, rg_session_eval(s->session, ids, n, every == NULL ? NULL : relay_logits, &r, &err),
        &err);
}

const float *raga_session_logits(const raga_session *s) {
    return rg_session_logits(s->session);
}
