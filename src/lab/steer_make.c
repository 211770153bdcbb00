#include "lab/steer_make.h"

#include "format/gguf.h"

#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 32, PCA_STEPS_MAX = 1000 };

static const double PCA_CLOSE = 1e-10; // squared change of the unit axis that ends the search

// of the residual's length: shorter directions are rounding
static const double NO_LENGTH = 1e-6;

/** A direction being made. */
typedef struct maker {
    const rg_mem *mem;
    const rg_model *model;
    const rg_steer_job *job;
    size_t n_layers;
    uint32_t *layers;  // [n_layers]
    float *rows;       // [prompts][n_layers][n_embd], positive ones first
    float *directions; // [n_layers][n_embd]
    double *axis;      // [2][n_embd]
    char *names;       // [n_layers][NAME_BYTES]
    rg_steer_fact *facts;
    size_t prompt;   // at work
    size_t n_tokens; // of it
} maker;

static float *row_of(const maker *m, size_t prompt, size_t at) {
    return m->rows + (prompt * m->n_layers + at) * m->model->h.n_embd;
}

// ---- residuals ----

static rg_status take(void *arg, uint32_t layer, const float *const values[RG_TAPS], size_t pos,
                      size_t n_tok, rg_error *err) {
    maker *m = arg;
    const size_t width = m->model->h.n_embd;
    size_t at = 0;
    (void)err;
    while (at < m->n_layers && m->layers[at] != layer) {
        at++;
    }
    if (at == m->n_layers) {
        return RG_OK;
    }
    float *row = row_of(m, m->prompt, at);
    for (size_t t = 0; t < n_tok; t++) {
        const float *x = values[RG_TAP_RESIDUAL] + t * width;
        if (m->job->is_mean) {
            for (size_t i = 0; i < width; i++) {
                row[i] += x[i] / (float)m->n_tokens;
            }
        } else if (pos + t + 1 == m->n_tokens) {
            memcpy(row, x, width * sizeof *x);
        }
    }
    return RG_OK;
}

static const rg_steer_prompt *prompt_at(const rg_steer_job *job, size_t i) {
    return i < job->n_positive ? &job->positive[i] : &job->negative[i - job->n_positive];
}

static rg_status collect(maker *m, const rg_source *source, rg_error *err) {
    rg_status status = RG_OK;
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    rg_engine_options how = m->job->engine;
    const size_t n = m->job->n_positive + m->job->n_negative;
    how.n_ctx = 1;
    for (size_t i = 0; i < n; i++) {
        const size_t n_ids = prompt_at(m->job, i)->n;
        how.n_ctx = n_ids > how.n_ctx ? n_ids : how.n_ctx;
    }
    how.n_slots = 1;
    how.chunk_tokens = how.n_ctx < RG_CHUNK_TOKENS ? how.n_ctx : RG_CHUNK_TOKENS;
    how.taps = take;
    how.taps_arg = m;
    RG_TRY(rg_engine_new(m->mem, m->model, source, &how, &engine, err));
    RG_TRY(rg_session_new(engine, &session, err));
    for (m->prompt = 0; m->prompt < n; m->prompt++) {
        const rg_steer_prompt *p = prompt_at(m->job, m->prompt);
        if (m->job->progress != NULL &&
            !m->job->progress(m->job->progress_arg, (double)m->prompt / (double)n, "reading")) {
            status = rg_fail(err, RG_E_CANCELLED, "stopped on request");
            goto done;
        }
        m->n_tokens = p->n;
        rg_session_truncate(session, 0);
        RG_TRY(rg_session_eval(session, p->ids, p->n, NULL, NULL, err));
    }
    if (m->job->progress != NULL) {
        (void)m->job->progress(m->job->progress_arg, 1, "reading");
    }

done:
    rg_session_free(session);
    rg_engine_free(engine);
    return status;
}

// ---- directions ----

static double dot(const double *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

// out = mean of the positive rows minus mean of the negative ones
static void mean_difference(const maker *m, size_t at, double *out) {
    const size_t width = m->model->h.n_embd;
    memset(out, 0, width * sizeof *out);
    for (size_t p = 0; p < m->job->n_positive + m->job->n_negative; p++) {
        const bool is_positive = p < m->job->n_positive;
        const double share =
            is_positive ? 1.0 / (double)m->job->n_positive : -1.0 / (double)m->job->n_negative;
        const float *row = row_of(m, p, at);
        for (size_t i = 0; i < width; i++) {
            out[i] += share * row[i];
        }
    }
}

static double normalize(double *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i] * v[i];
    }
    const double length = sqrt(sum);
    for (size_t i = 0; i < n && length > 0; i++) {
        v[i] /= length;
    }
    return length;
}

// the main axis of the pairs' differences, from the mean difference on, by power iteration
static void main_axis(const maker *m, size_t at, double *axis, double *next) {
    const size_t width = m->model->h.n_embd;
    const size_t n = m->job->n_positive;
    mean_difference(m, at, axis);
    double moved = normalize(axis, width) > 0 ? 1 : 0;
    for (size_t step = 0; step < PCA_STEPS_MAX && moved > PCA_CLOSE; step++) {
        memset(next, 0, width * sizeof *next);
        for (size_t p = 0; p < n; p++) {
            const float *a = row_of(m, p, at);
            const float *b = row_of(m, n + p, at);
            const double along = dot(axis, a, width) - dot(axis, b, width);
            for (size_t i = 0; i < width; i++) {
                next[i] += along * ((double)a[i] - b[i]);
            }
        }
        if (!(normalize(next, width) > 0)) {
            break;
        }
        moved = 0;
        for (size_t i = 0; i < width; i++) {
            moved += (next[i] - axis[i]) * (next[i] - axis[i]);
            axis[i] = next[i];
        }
    }
    // from negative to positive, as long as the mean difference along it
    double along = 0;
    for (size_t p = 0; p < n; p++) {
        along += (dot(axis, row_of(m, p, at), width) - dot(axis, row_of(m, n + p, at), width)) /
                 (double)n;
    }
    for (size_t i = 0; i < width; i++) {
        axis[i] *= along;
    }
}

// share of the prompts that lie on their own side of the middle
static double separated(const maker *m, size_t at, const double *axis) {
    const size_t width = m->model->h.n_embd;
    const size_t n = m->job->n_positive + m->job->n_negative;
    double middle = 0;
    for (size_t p = 0; p < n; p++) {
        const size_t of = p < m->job->n_positive ? m->job->n_positive : m->job->n_negative;
        middle += dot(axis, row_of(m, p, at), width) / (2 * (double)of);
    }
    size_t n_right = 0;
    for (size_t p = 0; p < n; p++) {
        const double along = dot(axis, row_of(m, p, at), width);
        n_right += p < m->job->n_positive ? along > middle : along < middle;
    }
    return (double)n_right / (double)n;
}

static rg_status make_direction(maker *m, size_t at, rg_error *err) {
    const size_t width = m->model->h.n_embd;
    const size_t n = m->job->n_positive + m->job->n_negative;
    double *axis = m->axis;
    float *out = m->directions + at * width;
    double norm = 0;
    double residual = 0;
    if (m->job->method == RG_STEER_PCA) {
        main_axis(m, at, axis, m->axis + width);
    } else {
        mean_difference(m, at, axis);
    }
    for (size_t i = 0; i < width; i++) {
        out[i] = (float)axis[i];
        norm += axis[i] * axis[i];
    }
    for (size_t p = 0; p < n; p++) {
        const float *row = row_of(m, p, at);
        double sum = 0;
        for (size_t i = 0; i < width; i++) {
            sum += (double)row[i] * row[i];
        }
        residual += sqrt(sum) / (double)n;
    }
    if (!isfinite(norm) || sqrt(norm) <= NO_LENGTH * residual) {
        return rg_fail(err, RG_E_NUMERIC,
                       "the direction of layer %u has the length %g beside residuals of %g: do the "
                       "prompts differ?",
                       m->layers[at], sqrt(norm), residual);
    }
    m->facts[at] = (rg_steer_fact){.layer = m->layers[at],
                                   .norm = sqrt(norm),
                                   .residual = residual,
                                   .separated = separated(m, at, axis)};
    return RG_OK;
}

static rg_status write_file(const maker *m, const char *path, rg_error *err) {
    rg_gguf_writer w;
    const size_t width = m->model->h.n_embd;
    rg_gguf_writer_init(&w, m->mem);
    rg_gguf_put_str(&w, "general.architecture", RG_STR("controlvector"));
    rg_gguf_put_str(&w, "controlvector.model_hint", rg_str_of(m->model->arch->name));
    rg_gguf_put_u32(&w, "controlvector.layer_count", (uint32_t)m->n_layers);
    for (size_t at = 0; at < m->n_layers; at++) {
        char *name = m->names + at * NAME_BYTES;
        snprintf(name, NAME_BYTES, "direction.%u", m->layers[at]);
        const rg_tensor t = {.name = rg_str_of(name),
                             .dtype = RG_DTYPE_F32,
                             .n_dims = 1,
                             .shape = {width},
                             .data = m->directions + at * width,
                             .bytes = width * sizeof(float)};
        rg_gguf_put_tensor(&w, &t);
    }
    const rg_status status = rg_gguf_write(&w, path, NULL, NULL, err);
    rg_gguf_writer_clear(&w);
    return status;
}

// ---- the whole ----

static rg_status check_prompts(const rg_steer_prompt *prompts, size_t n, const char *kind,
                               rg_error *err) {
    if (n == 0 || n > RG_STEER_PROMPTS_MAX) {
        return rg_fail(err, n == 0 ? RG_E_ARG : RG_E_LIMIT,
                       "%zu %s prompts, 1 to %d are possible (RG_STEER_PROMPTS_MAX)", n, kind,
                       RG_STEER_PROMPTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (prompts[i].n == 0 || prompts[i].n > RG_STEER_TOKENS_MAX) {
            return rg_fail(err, prompts[i].n == 0 ? RG_E_ARG : RG_E_LIMIT,
                           "%s prompt %zu has %zu tokens, 1 to %d are possible "
                           "(RG_STEER_TOKENS_MAX)",
                           kind, i + 1, prompts[i].n, RG_STEER_TOKENS_MAX);
        }
    }
    return RG_OK;
}

static rg_status check(const maker *m, rg_error *err) {
    const rg_steer_job *job = m->job;
    const rg_hparams *h = &m->model->h;
    rg_status status = RG_OK;
    RG_TRY(check_prompts(job->positive, job->n_positive, "positive", err));
    RG_TRY(check_prompts(job->negative, job->n_negative, "negative", err));
    if (job->method == RG_STEER_PCA && job->n_positive != job->n_negative) {
        status =
            rg_fail(err, RG_E_ARG,
                    "%zu positive and %zu negative prompts: the main axis of differences needs "
                    "pairs",
                    job->n_positive, job->n_negative);
        goto done;
    }
    if (h->n_layer < 2) {
        status = rg_fail(err, RG_E_ARG, "a model of one layer cannot be steered in this layout");
        goto done;
    }
    for (size_t i = 0; i < job->n_layers; i++) {
        if (job->layers[i] == 0 || job->layers[i] >= h->n_layer ||
            (i > 0 && job->layers[i] <= job->layers[i - 1])) {
            status =
                rg_fail(err, RG_E_ARG,
                        "layer %u of the list is not possible: directions have the layers 1 to "
                        "%u, ascending",
                        job->layers[i], h->n_layer - 1);
            goto done;
        }
    }
    const size_t n = job->n_positive + job->n_negative;
    const size_t row_bytes = h->n_embd * sizeof(float);
    if (n > RG_STEER_BYTES_MAX / row_bytes / m->n_layers) {
        status = rg_fail(err, RG_E_LIMIT,
                         "the residuals of %zu prompts in %zu layers take more than %zu MiB "
                         "(RG_STEER_BYTES_MAX): give fewer prompts or layers",
                         n, m->n_layers, RG_STEER_BYTES_MAX >> 20);
    }

done:
    return status;
}

static rg_status allocate(maker *m, rg_error *err) {
    const size_t width = m->model->h.n_embd;
    const size_t n = m->job->n_positive + m->job->n_negative;
    m->layers = rg_new_array(m->mem, m->n_layers, sizeof *m->layers);
    m->rows = rg_new_array(m->mem, n * m->n_layers, width * sizeof *m->rows);
    m->directions = rg_new_array(m->mem, m->n_layers, width * sizeof *m->directions);
    m->axis = rg_new_array(m->mem, 2 * width, sizeof *m->axis);
    m->names = rg_new_array(m->mem, m->n_layers, NAME_BYTES);
    m->facts = rg_new_array(m->mem, m->n_layers, sizeof *m->facts);
    if (m->layers == NULL || m->rows == NULL || m->directions == NULL || m->axis == NULL ||
        m->names == NULL || m->facts == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the residuals of %zu prompts", n);
    }
    for (size_t i = 0; i < m->n_layers; i++) {
        m->layers[i] = m->job->n_layers == 0 ? (uint32_t)i + 1 : m->job->layers[i];
    }
    return RG_OK;
}

rg_status rg_steer_make(const rg_mem *mem, const rg_model *model, const rg_source *source,
                        const rg_steer_job *job, const char *path, rg_steer_fact **facts,
                        size_t *n_facts, rg_error *err) {
    rg_status status = RG_OK;
    maker m = {.mem = mem,
               .model = model,
               .job = job,
               .n_layers = job->n_layers == 0 ? model->h.n_layer - 1 : job->n_layers};
    RG_TRY(check(&m, err));
    RG_TRY(allocate(&m, err));
    RG_TRY(collect(&m, source, err));
    for (size_t at = 0; at < m.n_layers; at++) {
        RG_TRY(make_direction(&m, at, err));
    }
    RG_TRY(write_file(&m, path, err));
    *facts = m.facts;
    *n_facts = m.n_layers;
    m.facts = NULL;

done:
    rg_free(mem, m.layers);
    rg_free(mem, m.rows);
    rg_free(mem, m.directions);
    rg_free(mem, m.axis);
    rg_free(mem, m.names);
    rg_free(mem, m.facts);
    return status;
}
