#include "train/fit.h"

#include "base/clock.h"
#include "base/file.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMOOTH = 20,  // steps that the running loss looks back on
    RUNAWAY = 40, // steps in a row far above the best before a run is given up
};

#define RUNAWAY_FACTOR 1.5 // of the best running loss
#define RUNAWAY_MARGIN 0.5 // and as much above it

double rg_schedule_rate(const rg_schedule *s, uint64_t i) {
    if (i < s->n_warmup) {
        return s->peak * (double)(i + 1) / (double)s->n_warmup;
    }
    const double left = (double)(s->n_steps > s->n_warmup ? s->n_steps - s->n_warmup : 1);
    const double x = fmin((double)(i - s->n_warmup) / left, 1);
    switch (s->kind) {
    case RG_SCHEDULE_COSINE:
        return s->least + (s->peak - s->least) * (1 + cos(3.14159265358979323846 * x)) / 2;
    case RG_SCHEDULE_LINEAR:
        return s->peak + (s->least - s->peak) * x;
    case RG_SCHEDULE_WSD: {
        const uint64_t fall = s->n_decay < s->n_steps ? s->n_steps - s->n_decay : 0;
        if (i < fall || s->n_decay == 0) {
            return s->peak;
        }
        return s->peak + (s->least - s->peak) * fmin((double)(i - fall) / (double)s->n_decay, 1);
    }
    case RG_SCHEDULE_CONSTANT:
        break;
    }
    return s->peak;
}

/** A run under way. */
typedef struct run {
    const rg_mem *mem;
    rg_trainer *t;
    const rg_fit_options *o;
    const rg_fit_data *data;
    size_t pass_tokens;
    size_t n_passes;
    int32_t *values; // [n_passes][3][pass_tokens]: ids, targets, positions
    rg_pass *passes;
    rg_fit_tell_fn *tell;
    void *arg;
    // what a checkpoint keeps beside the trainer and the data
    double smooth;      // running loss; 0: none yet
    double best_smooth; // the lowest
    uint64_t n_high;    // steps in a row far above it
    double best_valid;  // INFINITY: none yet
    uint64_t n_worse;   // validations since
    rg_error *err;
} run;

static rg_fit_pass pass_at(const run *r, size_t k) {
    int32_t *ids = r->values + 3 * k * r->pass_tokens;
    return (rg_fit_pass){ids, ids + r->pass_tokens, ids + 2 * r->pass_tokens};
}

// ---- checkpoints ----

static rg_status save(run *r, const char *path) {
    rg_buf state;
    rg_buf_init(&state, r->mem, 0);
    rg_buf_format(&state, "%a %a %llu %a %llu %s %s\n", r->smooth, r->best_smooth,
                  (unsigned long long)r->n_high, r->best_valid, (unsigned long long)r->n_worse,
                  rg_optimizer_name(r->o->optimizer.kind), rg_trainer_compute(r->t));
    if (r->data->save != NULL) {
        r->data->save(r->data->self, &state);
    }
    rg_status status = rg_buf_check(&state, "a checkpoint's state", r->err);
    if (status == RG_OK) {
        status = rg_checkpoint_save(r->mem, path, r->t, rg_buf_view(&state), r->err);
    }
    rg_buf_clear(&state);
    return status;
}

static rg_status bad_state(const run *r) {
    return rg_fail(r->err, RG_E_FORMAT, "%s: the state of the run is damaged",
                   r->o->checkpoint_path);
}

// the next word of a checkpoint's first line must be this one: a run goes on as it began, or the
// losses would be those of neither
static rg_status check_word(const run *r, char **at, const char *what, const char *now) {
    size_t n = **at == ' ' ? strcspn(*at + 1, " \n") : 0;
    const rg_str begun = {*at + 1, n};
    if (n == 0) {
        return rg_fail(r->err, RG_E_FORMAT,
                       "%s: the checkpoint does not say with which %s the run was begun: it is "
                       "damaged, or of an older raga",
                       r->o->checkpoint_path, what);
    }
    if (!rg_str_is(begun, now)) {
        return rg_fail(r->err, RG_E_ARG,
                       "%s: the run was begun with %s %.*s, not %s: go on as it "
                       "began, or begin anew",
                       r->o->checkpoint_path, what, RG_FMT(begun), now);
    }
    *at += n + 1;
    return RG_OK;
}

// numbers and words up to the first line end, then the data's own
static rg_status load(run *r) {
    rg_status status = RG_OK;
    rg_buf state;
    rg_buf_init(&state, r->mem, 0);
    RG_TRY(rg_checkpoint_load(r->mem, r->o->checkpoint_path, r->t, &state, r->err));
    char *at = (char *)rg_buf_cstr(&state);
    double numbers[5];
    for (size_t i = 0; i < 5; i++) {
        char *end = at;
        numbers[i] = strtod(at, &end);
        if (end == at || isnan(numbers[i]) || (i % 2 == 0 && i > 0 && numbers[i] < 0)) {
            status = bad_state(r);
            goto done;
        }
        at = end;
    }
    RG_TRY(check_word(r, &at, "optimizer", rg_optimizer_name(r->o->optimizer.kind)));
    RG_TRY(check_word(r, &at, "compute", rg_trainer_compute(r->t)));
    if (*at != '\n') {
        status = bad_state(r);
        goto done;
    }
    r->smooth = numbers[0];
    r->best_smooth = numbers[1];
    r->n_high = (uint64_t)numbers[2];
    r->best_valid = numbers[3];
    r->n_worse = (uint64_t)numbers[4];
    at++;
    if (r->data->restore != NULL) {
        const rg_str own = {at, state.size - (size_t)(at - state.data)};
        RG_TRY(r->data->restore(r->data->self, own, r->err));
    }

done:
    rg_buf_clear(&state);
    return status;
}

static rg_status checkpoint(run *r) {
    if (r->o->checkpoint_path == NULL) {
        return RG_OK;
    }
    const rg_status status = save(r, r->o->checkpoint_path);
    if (status == RG_OK) {
        const rg_fit_event e = {.kind = RG_FIT_CHECKPOINT,
                                .step = rg_trainer_steps(r->t),
                                .n_steps = r->o->schedule.n_steps};
        (void)r->tell(r->arg, &e);
    }
    return status;
}

// ---- steps ----

// a loss that stays far above the best one will not come back by itself
static rg_status watch(run *r, double loss) {
    r->smooth = r->smooth == 0 ? loss : r->smooth + (loss - r->smooth) / SMOOTH;
    if (r->best_smooth == 0 || r->smooth < r->best_smooth) {
        r->best_smooth = r->smooth;
    }
    const bool is_high =
        r->smooth > r->best_smooth * RUNAWAY_FACTOR && r->smooth > r->best_smooth + RUNAWAY_MARGIN;
    r->n_high = is_high ? r->n_high + 1 : 0;
    if (r->n_high < RUNAWAY) {
        return RG_OK;
    }
    return rg_fail(r->err, RG_E_NUMERIC,
                   "step %llu: the loss has risen from %.3f to %.3f: the run diverges; a lower "
                   "learning rate or a longer warm-up helps",
                   (unsigned long long)rg_trainer_steps(r->t), r->best_smooth, r->smooth);
}

static rg_status one_step(run *r, bool *goes_on) {
    rg_status status = RG_OK;
    rg_step step;
    const uint64_t begin = rg_clock_ns();
    const uint64_t i = rg_trainer_steps(r->t);
    for (size_t k = 0; k < r->n_passes; k++) {
        const rg_fit_pass pass = pass_at(r, k);
        RG_TRY(r->data->next(r->data->self, &pass, r->err));
    }
    RG_TRY(rg_trainer_gradients(r->t, r->passes, r->n_passes, &step, r->err));
    const double lr = rg_schedule_rate(&r->o->schedule, i);
    RG_TRY(rg_trainer_update(r->t, &r->o->optimizer, lr, &step, r->err));
    const rg_fit_event e = {.kind = RG_FIT_STEP,
                            .step = i + 1,
                            .n_steps = r->o->schedule.n_steps,
                            .loss = step.loss,
                            .lr = lr,
                            .grad_norm = step.grad_norm,
                            .n_tokens = r->n_passes * r->pass_tokens,
                            .seconds = (double)(rg_clock_ns() - begin) * 1e-9};
    *goes_on = r->tell(r->arg, &e);
    RG_TRY(watch(r, step.loss));

done:
    return status;
}

// the mean over all counted positions of the validation's passes
static rg_status validate(run *r, bool *goes_on, bool *is_early) {
    double sum = 0;
    size_t n = 0;
    bool is_there = true;
    for (size_t i = 0; r->data->valid != NULL; i++) {
        double part = 0;
        size_t n_part = 0;
        const rg_fit_pass pass = pass_at(r, 0);
        rg_status status = r->data->valid(r->data->self, i, &pass, &is_there, r->err);
        if (status == RG_OK && !is_there) {
            break;
        }
        if (status == RG_OK) {
            status = rg_trainer_loss(r->t, &r->passes[0], &part, &n_part, r->err);
        }
        if (status != RG_OK) {
            return status;
        }
        sum += part;
        n += n_part;
    }
    if (n == 0) {
        return RG_OK;
    }
    const double loss = sum / (double)n;
    const bool is_best = loss < r->best_valid;
    r->best_valid = is_best ? loss : r->best_valid;
    r->n_worse = is_best ? 0 : r->n_worse + 1;
    *is_early = r->o->patience != 0 && r->n_worse >= r->o->patience;
    const rg_fit_event e = {.kind = RG_FIT_VALID,
                            .step = rg_trainer_steps(r->t),
                            .n_steps = r->o->schedule.n_steps,
                            .loss = loss,
                            .n_tokens = n,
                            .is_best = is_best};
    *goes_on = r->tell(r->arg, &e) && *goes_on;
    return is_best && r->o->best_path != NULL ? save(r, r->o->best_path) : RG_OK;
}

static rg_status take_buffers(run *r) {
    r->values = rg_new_array(r->mem, 3 * r->n_passes * r->pass_tokens, sizeof *r->values);
    r->passes = rg_new_array(r->mem, r->n_passes, sizeof *r->passes);
    if (r->values == NULL || r->passes == NULL) {
        return rg_fail(r->err, RG_E_MEMORY, "no memory for batches of %zu tokens",
                       r->n_passes * r->pass_tokens);
    }
    for (size_t k = 0; k < r->n_passes; k++) {
        const rg_fit_pass pass = pass_at(r, k);
        r->passes[k] = (rg_pass){pass.ids, pass.targets, pass.positions};
    }
    return RG_OK;
}

static bool is_due(uint64_t step, uint64_t every) {
    return every != 0 && step % every == 0;
}

rg_status rg_fit(const rg_mem *mem, rg_trainer *t, const rg_fit_options *options,
                 const rg_fit_data *data, size_t pass_tokens, bool resume, rg_fit_tell_fn *tell,
                 void *arg, rg_fit_end *end, rg_error *err) {
    rg_status status = RG_OK;
    bool goes_on = true;
    bool is_early = false;
    run r = {.mem = mem,
             .t = t,
             .o = options,
             .data = data,
             .pass_tokens = pass_tokens,
             .n_passes = options->n_accumulate == 0 ? 1 : options->n_accumulate,
             .tell = tell,
             .arg = arg,
             .best_valid = INFINITY,
             .err = err};
    RG_TRY(take_buffers(&r));
    if (resume) {
        RG_TRY(load(&r));
    }
    const uint64_t n_steps = options->schedule.n_steps;
    const rg_fit_event begin = {.kind = RG_FIT_BEGIN,
                                .step = rg_trainer_steps(t),
                                .n_steps = n_steps,
                                .data_hash = data->hash,
                                .seed = data->seed};
    goes_on = tell(arg, &begin);
    if (!goes_on) {
        RG_TRY(checkpoint(&r));
    }
    while (goes_on && !is_early && rg_trainer_steps(t) < n_steps) {
        RG_TRY(one_step(&r, &goes_on));
        const uint64_t done = rg_trainer_steps(t);
        const bool is_last = done == n_steps;
        if (is_last || (goes_on && is_due(done, options->valid_every))) {
            RG_TRY(validate(&r, &goes_on, &is_early));
        }
        if (is_last || !goes_on || is_early || is_due(done, options->checkpoint_every)) {
            RG_TRY(checkpoint(&r));
        }
    }
    *end = is_early ? RG_FIT_EARLY : rg_trainer_steps(t) < n_steps ? RG_FIT_STOPPED : RG_FIT_DONE;

done:
    rg_free(mem, r.values);
    rg_free(mem, r.passes);
    return status;
}
