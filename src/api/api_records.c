#include "api/api_internal.h"

#include "lab/records.h"
#include "raga/records.h"

// the public handle is the internal one: nothing is added
static rg_records *inner(raga_records *r) {
    return (rg_records *)(void *)r;
}

raga_status raga_records_open(const char *path, bool may_make, raga_records **out,
                              raga_error *error) {
    rg_error err = {0};
    rg_records *r = NULL;
    if (out == NULL) {
        return api_bad(error, "no place for the records");
    }
    const rg_status status = rg_records_open(rg_mem_heap(), path, may_make, &r, &err);
    if (status == RG_OK) {
        *out = (raga_records *)(void *)r;
    }
    return api_fail(error, status, &err);
}

void raga_records_close(raga_records *r) {
    rg_records_close(inner(r));
}

const char *raga_records_path(const raga_records *r) {
    return rg_records_get_path((const rg_records *)(const void *)r);
}

raga_status raga_records_begin(raga_records *r, const raga_run_start *start, int64_t *run,
                               raga_error *error) {
    rg_error err = {0};
    raga_run_start s = {0};
    if (r == NULL || start == NULL || run == NULL) {
        return api_bad(error, "no records, no facts of the run or no place for its number");
    }
    memcpy(&s, start, start->size < sizeof s ? start->size : sizeof s);
    const rg_run_start all = {.kind = s.kind,
                              .name = s.name,
                              .recipe = s.recipe,
                              .model = s.model,
                              .model_hash = s.model_hash,
                              .data_hash = s.data_hash,
                              .program = "raga " RAGA_VERSION,
                              .has_seed = s.has_seed,
                              .seed = s.seed};
    return api_fail(error, rg_records_begin(inner(r), &all, run, &err), &err);
}

raga_status raga_records_resume(raga_records *r, int64_t run, uint64_t n_steps, raga_error *error) {
    rg_error err = {0};
    if (r == NULL) {
        return api_bad(error, "no records");
    }
    return api_fail(error, rg_records_resume(inner(r), run, n_steps, &err), &err);
}

raga_status raga_records_step(raga_records *r, int64_t run, const raga_run_step *s,
                              raga_error *error) {
    rg_error err = {0};
    if (r == NULL || s == NULL) {
        return api_bad(error, "no records or no step");
    }
    const rg_run_step step = {s->step, s->loss, s->lr, s->grad_norm, s->tokens_s, s->memory_bytes};
    return api_fail(error, rg_records_step(inner(r), run, &step, &err), &err);
}

raga_status raga_records_evaluation(raga_records *r, int64_t run, const raga_run_evaluation *e,
                                    raga_error *error) {
    rg_error err = {0};
    if (r == NULL || e == NULL) {
        return api_bad(error, "no records or no evaluation");
    }
    const rg_run_evaluation one = {e->has_step, e->step,      e->name, e->metric,
                                   e->value,    e->std_error, e->n};
    return api_fail(error, rg_records_evaluation(inner(r), run, &one, &err), &err);
}

raga_status raga_records_model(raga_records *r, int64_t run, const char *model,
                               const char *model_hash, raga_error *error) {
    rg_error err = {0};
    if (r == NULL) {
        return api_bad(error, "no records");
    }
    return api_fail(error, rg_records_model(inner(r), run, model, model_hash, &err), &err);
}

raga_status raga_records_end(raga_records *r, int64_t run, const char *state, const char *reason,
                             raga_error *error) {
    rg_error err = {0};
    if (r == NULL) {
        return api_bad(error, "no records");
    }
    return api_fail(error, rg_records_end(inner(r), run, state, reason, &err), &err);
}

raga_status raga_records_remove(raga_records *r, int64_t run, raga_error *error) {
    rg_error err = {0};
    if (r == NULL) {
        return api_bad(error, "no records");
    }
    return api_fail(error, rg_records_remove(inner(r), run, &err), &err);
}

// ---- reading: the public functions behind the internal ones ----

typedef struct run_walk {
    raga_run_fn *fn;
    void *arg;
} run_walk;

static bool tell_run(void *arg, const rg_run_facts *f) {
    const run_walk *w = arg;
    const raga_run_facts all = {.size = sizeof all,
                                .id = f->id,
                                .kind = f->kind,
                                .name = f->name,
                                .state = f->state,
                                .reason = f->reason,
                                .recipe = f->recipe,
                                .model = f->model,
                                .model_hash = f->model_hash,
                                .data_hash = f->data_hash,
                                .host = f->host,
                                .started_ms = f->started_ms,
                                .ended_ms = f->ended_ms,
                                .has_seed = f->has_seed,
                                .seed = f->seed,
                                .n_steps = f->n_steps,
                                .first_loss = f->first_loss,
                                .last_loss = f->last_loss,
                                .least_loss = f->least_loss,
                                .least_step = f->least_step};
    return w->fn(w->arg, &all);
}

raga_status raga_records_list(raga_records *r, raga_run_fn *fn, void *arg, raga_error *error) {
    rg_error err = {0};
    run_walk walk = {fn, arg};
    if (r == NULL || fn == NULL) {
        return api_bad(error, "no records or nobody to tell");
    }
    return api_fail(error, rg_records_list(inner(r), tell_run, &walk, &err), &err);
}

raga_status raga_records_get(raga_records *r, int64_t run, raga_run_fn *fn, void *arg,
                             raga_error *error) {
    rg_error err = {0};
    run_walk walk = {fn, arg};
    if (r == NULL || fn == NULL) {
        return api_bad(error, "no records or nobody to tell");
    }
    return api_fail(error, rg_records_get(inner(r), run, tell_run, &walk, &err), &err);
}

typedef struct step_walk {
    raga_run_step_fn *fn;
    void *arg;
} step_walk;

static bool tell_step(void *arg, const rg_run_step *s) {
    const step_walk *w = arg;
    const raga_run_step step = {s->step,      s->loss,     s->lr,
                                s->grad_norm, s->tokens_s, s->memory_bytes};
    return w->fn(w->arg, &step);
}

raga_status raga_records_series(raga_records *r, int64_t run, raga_run_step_fn *fn, void *arg,
                                raga_error *error) {
    rg_error err = {0};
    step_walk walk = {fn, arg};
    if (r == NULL || fn == NULL) {
        return api_bad(error, "no records or nobody to tell");
    }
    return api_fail(error, rg_records_series(inner(r), run, tell_step, &walk, &err), &err);
}

typedef struct evaluation_walk {
    raga_run_evaluation_fn *fn;
    void *arg;
} evaluation_walk;

static bool tell_evaluation(void *arg, const rg_run_evaluation *e) {
    const evaluation_walk *w = arg;
    const raga_run_evaluation one = {e->has_step, e->step,      e->name, e->metric,
                                     e->value,    e->std_error, e->n};
    return w->fn(w->arg, &one);
}

raga_status raga_records_evaluations(raga_records *r, int64_t run, raga_run_evaluation_fn *fn,
                                     void *arg, raga_error *error) {
    rg_error err = {0};
    evaluation_walk walk = {fn, arg};
    if (r == NULL || fn == NULL) {
        return api_bad(error, "no records or nobody to tell");
    }
    return api_fail(error, rg_records_evaluations(inner(r), run, tell_evaluation, &walk, &err),
                    &err);
}

raga_status raga_records_settings(const char *recipe, raga_setting_fn *fn, void *arg,
                                  raga_error *error) {
    rg_error err = {0};
    if (recipe == NULL || fn == NULL) {
        return api_bad(error, "no settings or nobody to tell");
    }
    return api_fail(error, rg_records_settings(rg_mem_heap(), recipe, fn, arg, &err), &err);
}

raga_status raga_records_hash(const char *path, char out[17], raga_error *error) {
    rg_error err = {0};
    if (path == NULL || out == NULL) {
        return api_bad(error, "no path or no place for the hash");
    }
    return api_fail(error, rg_records_hash(path, out, &err), &err);
}
