#include "lab/imatrix.h"

#include "base/file.h"
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>

enum { INPUTS = 4 };

static const size_t KEPT_BYTES = (size_t)256 << 20; // of activations, in one step

/** An input of matrices: where it is seen, and which matrices it goes into. */
static const struct {
    rg_tap tap;
    rg_role roles[3];
    size_t n_roles;
} inputs[INPUTS] = {
    {RG_TAP_ATTN_IN, {RG_ROLE_ATTN_Q, RG_ROLE_ATTN_K, RG_ROLE_ATTN_V}, 3},
    {RG_TAP_ATTN_MIX, {RG_ROLE_ATTN_O}, 1},
    {RG_TAP_FFN_IN, {RG_ROLE_FFN_GATE, RG_ROLE_FFN_UP}, 2},
    {RG_TAP_FFN_MIX, {RG_ROLE_FFN_DOWN}, 1},
};

/** A matrix of importance being made. */
typedef struct collector {
    const rg_mem *mem;
    const rg_model *model;
    const rg_imatrix_job *job;
    size_t offset[INPUTS + 1]; // of each input in the sums of a layer
    double *sums;              // [n_layer][offset[INPUTS]]
    float *written;            // the same as floats
    double n_tokens;
} collector;

static size_t width_of(const rg_model *m, rg_tap tap) {
    const uint32_t v_dim = m->h.n_latent != 0 ? m->h.v_head_dim : m->h.head_dim;
    return tap == RG_TAP_ATTN_MIX  ? (size_t)m->h.n_head * v_dim
           : tap == RG_TAP_FFN_MIX ? m->h.n_ff
                                   : m->h.n_embd;
}

static rg_status add_layer(void *arg, uint32_t layer, const float *const values[RG_TAPS],
                           size_t pos, size_t n_tok, rg_error *err) {
    collector *c = arg;
    (void)pos;
    (void)err;
    for (size_t i = 0; i < INPUTS; i++) {
        const size_t width = c->offset[i + 1] - c->offset[i];
        double *sums = c->sums + layer * c->offset[INPUTS] + c->offset[i];
        if (values[inputs[i].tap] == NULL) {
            continue; // a layer with experts has no such input
        }
        for (size_t t = 0; t < n_tok; t++) {
            const float *x = values[inputs[i].tap] + t * width;
            for (size_t k = 0; k < width; k++) {
                sums[k] += (double)x[k] * x[k];
            }
        }
    }
    return RG_OK;
}

// ---- reading ----

// all that a step keeps of its tokens stays within KEPT_BYTES
static size_t step_tokens(const collector *c) {
    const size_t token_bytes = c->offset[INPUTS] * c->model->h.n_layer * sizeof(float);
    const size_t fit = KEPT_BYTES / token_bytes;
    const size_t most = fit < RG_CHUNK_TOKENS ? fit : RG_CHUNK_TOKENS;
    return most < 1 ? 1 : most < c->job->chunk_tokens ? most : c->job->chunk_tokens;
}

static rg_status read_text(collector *c, const rg_source *source, size_t n_chunks, rg_error *err) {
    const rg_imatrix_job *job = c->job;
    rg_status status = RG_OK;
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    int32_t *ids = rg_new_array(c->mem, job->chunk_tokens, sizeof *ids);
    rg_engine_options how = job->engine;
    if (ids == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tokens", job->chunk_tokens);
        goto done;
    }
    how.n_ctx = job->chunk_tokens;
    how.n_slots = 1;
    how.chunk_tokens = step_tokens(c);
    how.taps = add_layer;
    how.taps_arg = c;
    how.extras.tap_set = RG_TAPS_OF_WEIGHTS;
    RG_TRY(rg_engine_new(c->mem, c->model, source, &how, &engine, err));
    RG_TRY(rg_session_new(engine, &session, err));
    for (size_t chunk = 0; chunk < n_chunks; chunk++) {
        if (job->progress != NULL &&
            !job->progress(job->progress_arg, (double)chunk / (double)n_chunks, "reading")) {
            status = rg_fail(err, RG_E_CANCELLED, "stopped on request");
            goto done;
        }
        memcpy(ids, job->ids + chunk * job->chunk_tokens, job->chunk_tokens * sizeof *ids);
        ids[0] = job->bos >= 0 ? job->bos : ids[0];
        rg_session_truncate(session, 0);
        RG_TRY(rg_session_eval(session, ids, job->chunk_tokens, NULL, NULL, err));
        c->n_tokens += (double)job->chunk_tokens;
    }
    if (job->progress != NULL) {
        (void)job->progress(job->progress_arg, 1, "reading");
    }

done:
    rg_free(c->mem, ids);
    rg_session_free(session);
    rg_engine_free(engine);
    return status;
}

// ---- writing ----

static const char *pattern_of(const rg_model *m, rg_role role) {
    for (size_t i = 0; i < m->arch->n_weights; i++) {
        if (m->arch->weights[i].role == role) {
            return m->arch->weights[i].gguf;
        }
    }
    return NULL;
}

static rg_status put_matrix(collector *c, rg_gguf_writer *w, rg_arena *names, size_t input,
                            rg_role role, uint32_t layer, const float *count, rg_error *err) {
    const char *pattern = pattern_of(c->model, role);
    const size_t width = c->offset[input + 1] - c->offset[input];
    const size_t at = layer * c->offset[INPUTS] + c->offset[input];
    char weight[RG_WEIGHT_NAME_MAX];
    char name[RG_WEIGHT_NAME_MAX + 16];
    if (pattern == NULL) {
        return RG_OK;
    }
    rg_weight_name(pattern, layer, 0, weight);
    for (size_t k = at; k < at + width; k++) {
        c->written[k] = (float)c->sums[k];
        if (!isfinite(c->written[k])) {
            return rg_fail(err, RG_E_NUMERIC, "the input of %s is not finite in column %zu", weight,
                           k - at);
        }
    }
    const struct {
        const char *end;
        rg_tensor t;
    } parts[] = {{".in_sum2", {.n_dims = 2, .shape = {1, width}, .data = c->written + at}},
                 {".counts", {.n_dims = 2, .shape = {1, 1}, .data = count}}};
    for (size_t i = 0; i < 2; i++) {
        rg_tensor t = parts[i].t;
        const int n = snprintf(name, sizeof name, "%s%s", weight, parts[i].end);
        const char *copy = rg_arena_copy(names, name, (size_t)n);
        if (copy == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for the name of a tensor");
        }
        t.name = (rg_str){copy, (size_t)n};
        t.dtype = RG_DTYPE_F32;
        t.bytes = rg_tensor_count(&t) * sizeof(float);
        rg_gguf_put_tensor(w, &t);
    }
    return RG_OK;
}

static rg_status write_file(collector *c, const char *path, rg_imatrix_facts *facts,
                            rg_error *err) {
    const float count = (float)c->n_tokens;
    rg_status status = RG_OK;
    rg_gguf_writer w;
    rg_arena names;
    rg_gguf_writer_init(&w, c->mem);
    rg_arena_init(&names, c->mem, 0);
    rg_gguf_put_str(&w, "general.type", RG_STR("imatrix"));
    rg_gguf_put_strs(&w, "imatrix.datasets", c->job->texts, c->job->n_texts);
    rg_gguf_put_u32(&w, "imatrix.chunk_count", (uint32_t)facts->n_chunks);
    rg_gguf_put_u32(&w, "imatrix.chunk_size", (uint32_t)facts->chunk_tokens);
    for (uint32_t layer = 0; layer < c->model->h.n_layer; layer++) {
        for (size_t i = 0; i < INPUTS; i++) {
            for (size_t r = 0; r < inputs[i].n_roles; r++) {
                const uint32_t slot = rg_model_slot(inputs[i].roles[r], layer);
                if (c->model->weights[slot].data != NULL) {
                    RG_TRY(put_matrix(c, &w, &names, i, inputs[i].roles[r], layer, &count, err));
                    facts->n_entries++;
                }
            }
        }
    }
    RG_TRY(rg_gguf_write(&w, path, NULL, NULL, err));

done:
    rg_gguf_writer_clear(&w);
    rg_arena_clear(&names);
    return status;
}

// ---- the whole ----

static rg_status check(const rg_imatrix_job *job, size_t *n_chunks, rg_error *err) {
    if (job->chunk_tokens == 0 || job->chunk_tokens > RG_IMATRIX_TOKENS_MAX) {
        return rg_fail(err, RG_E_LIMIT,
                       "chunks of %zu tokens, 1 to %d are possible (RG_IMATRIX_TOKENS_MAX)",
                       job->chunk_tokens, RG_IMATRIX_TOKENS_MAX);
    }
    if (job->n_texts > RG_IMATRIX_TEXTS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%zu texts, at most %d (RG_IMATRIX_TEXTS_MAX)",
                       job->n_texts, RG_IMATRIX_TEXTS_MAX);
    }
    const size_t whole = job->n / job->chunk_tokens;
    if (whole == 0) {
        return rg_fail(err, RG_E_ARG,
                       "the text has %zu tokens, one chunk takes %zu: give a longer text, or "
                       "shorter chunks (--ctx)",
                       job->n, job->chunk_tokens);
    }
    *n_chunks = job->n_chunks == 0 || job->n_chunks > whole ? whole : job->n_chunks;
    return RG_OK;
}

rg_status rg_imatrix_make(const rg_mem *mem, const rg_model *model, const rg_source *source,
                          const rg_imatrix_job *job, const char *path, rg_imatrix_facts *facts,
                          rg_error *err) {
    rg_status status = RG_OK;
    size_t n_chunks = 0;
    collector c = {.mem = mem, .model = model, .job = job};
    for (size_t i = 0; i < INPUTS; i++) {
        c.offset[i + 1] = c.offset[i] + width_of(model, inputs[i].tap);
    }
    const size_t n = c.offset[INPUTS] * model->h.n_layer;
    if (rg_file_is_same(rg_source_path(source), path)) {
        status =
            rg_fail(err, RG_E_ARG, "%s is the model itself: the result needs another place", path);
        goto done;
    }
    RG_TRY(check(job, &n_chunks, err));
    c.sums = rg_new_array(mem, n, sizeof *c.sums);
    c.written = rg_new_array(mem, n, sizeof *c.written);
    if (c.sums == NULL || c.written == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the sums of %zu columns", n);
        goto done;
    }
    *facts = (rg_imatrix_facts){.n_chunks = n_chunks, .chunk_tokens = job->chunk_tokens};
    RG_TRY(read_text(&c, source, n_chunks, err));
    RG_TRY(write_file(&c, path, facts, err));

done:
    rg_free(mem, c.sums);
    rg_free(mem, c.written);
    return status;
}
