#include "lab/inspect_internal.h"

#include <math.h>

enum { TOP_DEFAULT = 5 };

/** An inspection under way. */
typedef struct looker {
    const rg_model *model;
    const rg_inspect_options *options;
    rg_inspection *seen;
    rg_kernels kernels;
    rg_pool *pool;
    rg_inspect_keys keys;
    float *rows;       // [n_head][n_tok]
    int32_t *targets;  // [n_tok] the token that comes next; the last: -1
    rg_exec *heads[2]; // norm and head on rows: of a full chunk, of the last one
    rg_val logits[2];
    size_t head_rows[2];
    void *arena;
    void *scratch;
} looker;

// ---- what comes of it ----

void rg_inspection_free(rg_inspection *seen) {
    if (seen == NULL) {
        return;
    }
    void *const blocks[] = {seen->ids,     seen->layers, seen->bits, seen->rank,
                            seen->entropy, seen->next,   seen->lens, seen->lens_bits,
                            seen->norms,   seen->heads,  seen->maps};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        rg_free(seen->mem, blocks[i]);
    }
    rg_free(seen->mem, seen);
}

// sizes are inside their limits: products fit
static rg_status new_inspection(const rg_mem *mem, const rg_model *model,
                                const rg_inspect_options *o, size_t n_tok, size_t n_layers,
                                rg_inspection **out, rg_error *err) {
    rg_inspection *s = rg_new(mem, sizeof *s);
    if (s == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for an inspection");
    }
    *s = (rg_inspection){.mem = mem,
                         .tokenizer = o->tokenizer,
                         .n_tok = n_tok,
                         .n_layers = n_layers,
                         .n_head = model->h.n_head,
                         .n_top = o->n_top == 0 ? TOP_DEFAULT : o->n_top};
    const size_t cells = n_layers * n_tok;
    s->ids = rg_new_array(mem, n_tok, sizeof *s->ids);
    s->layers = rg_new_array(mem, n_layers, sizeof *s->layers);
    s->bits = rg_new_array(mem, n_tok + 1, sizeof *s->bits);
    s->rank = rg_new_array(mem, n_tok + 1, sizeof *s->rank);
    s->entropy = rg_new_array(mem, n_tok, sizeof *s->entropy);
    s->next = rg_new_array(mem, n_tok * s->n_top, sizeof *s->next);
    s->lens = rg_new_array(mem, cells * s->n_top, sizeof *s->lens);
    s->lens_bits = rg_new_array(mem, cells, sizeof *s->lens_bits);
    s->norms = rg_new_array(mem, cells * RG_NORMS, sizeof *s->norms);
    s->heads = rg_new_array(mem, n_layers * s->n_head, sizeof *s->heads);
    if (o->has_maps) {
        s->maps =
            rg_new_array(mem, n_layers * s->n_head * (n_tok * (n_tok + 1) / 2), sizeof *s->maps);
    }
    if (s->ids == NULL || s->layers == NULL || s->bits == NULL || s->rank == NULL ||
        s->entropy == NULL || s->next == NULL || s->lens == NULL || s->lens_bits == NULL ||
        s->norms == NULL || s->heads == NULL || (o->has_maps && s->maps == NULL)) {
        rg_inspection_free(s);
        return rg_fail(err, RG_E_MEMORY, "no memory for an inspection of %zu tokens in %zu layers",
                       n_tok, n_layers);
    }
    s->bits[0] = NAN;
    *out = s;
    return RG_OK;
}

double rg_inspection_mean_bits(const rg_inspection *seen) {
    double sum = 0;
    for (size_t t = 1; t < seen->n_tok; t++) {
        sum += seen->bits[t];
    }
    return seen->n_tok > 1 ? sum / (double)(seen->n_tok - 1) : NAN;
}

// ---- the lens ----

// the plan of norm and head for n rows
static rg_status make_head(looker *l, size_t i, size_t n, rg_error *err) {
    rg_graph g;
    rg_graph_init(&g, l->seen->mem);
    l->logits[i] = rg_model_head_graph(l->model, &g, n).logits;
    const rg_exec_options how = {.kernels = &l->kernels,
                                 .is_exact = l->options->engine.is_exact,
                                 .n_threads = rg_pool_threads(l->pool)};
    const rg_status status = rg_exec_new(l->seen->mem, &g, &how, &l->heads[i], err);
    l->head_rows[i] = n;
    rg_graph_clear(&g);
    return status;
}

static rg_status see_lens(looker *l, size_t at, const float *residual, size_t pos, size_t n,
                          rg_error *err) {
    rg_inspection *seen = l->seen;
    const size_t i = n == l->head_rows[0] ? 0 : 1;
    const void *inputs[] = {residual};
    const rg_bindings bindings = {.pool = l->pool,
                                  .arena = l->arena,
                                  .scratch = l->scratch,
                                  .weights = l->model->weights,
                                  .inputs = inputs};
    const rg_status status = rg_exec_run(l->heads[i], &bindings, err);
    if (status != RG_OK) {
        return status;
    }
    const size_t cell = at * seen->n_tok + pos;
    const rg_inspect_reading to = {.top = seen->lens + cell * seen->n_top,
                                   .bits = seen->lens_bits + cell,
                                   .target = l->targets + pos};
    size_t bad = 0;
    if (!rg_inspect_read(l->pool, rg_exec_value(l->heads[i], l->arena, l->logits[i]), n,
                         l->model->h.n_vocab, seen->n_top, &to, &bad)) {
        return rg_fail(err, RG_E_NUMERIC, "layer %u gives logits that are not finite at token %zu",
                       seen->layers[at], pos + bad);
    }
    return RG_OK;
}

// ---- what the engine shows ----

static void see_norms(looker *l, size_t at, const float *const values[RG_TAPS], size_t pos,
                      size_t n) {
    static const rg_tap taps[RG_NORMS] = {RG_TAP_RESIDUAL, RG_TAP_ATTN, RG_TAP_FFN};
    const size_t width = l->model->h.n_embd;
    for (size_t which = 0; which < RG_NORMS; which++) {
        for (size_t t = 0; t < n; t++) {
            const float *row = values[taps[which]] + t * width;
            double sum = 0;
            for (size_t i = 0; i < width; i++) {
                sum += (double)row[i] * row[i];
            }
            l->seen->norms[(at * RG_NORMS + which) * l->seen->n_tok + pos + t] = (float)sqrt(sum);
        }
    }
}

static rg_status see_layer(void *arg, uint32_t layer, const float *const values[RG_TAPS],
                           size_t pos, size_t n_tok, rg_error *err) {
    looker *l = arg;
    rg_inspection *seen = l->seen;
    size_t at = 0;
    while (at < seen->n_layers && seen->layers[at] != layer) {
        at++;
    }
    if (at == seen->n_layers) {
        return RG_OK;
    }
    const rg_op_params p = rg_model_attention(l->model, layer);
    if (values[RG_TAP_Q] != NULL) { // a recurrent layer looks nowhere
        rg_inspect_attention(seen, &p, &l->keys, l->pool, at, pos, n_tok, values[RG_TAP_Q],
                             values[RG_TAP_K], l->rows);
    }
    see_norms(l, at, values, pos, n_tok);
    const double share = ((double)pos + (double)n_tok * (double)(at + 1) / (double)seen->n_layers) /
                         (double)seen->n_tok;
    if (l->options->progress != NULL &&
        !l->options->progress(l->options->progress_arg, share, "looking")) {
        return rg_fail(err, RG_E_CANCELLED, "stopped on request");
    }
    return see_lens(l, at, values[RG_TAP_RESIDUAL], pos, n_tok, err);
}

// the model's own logits after token `pos`
static rg_status see_logits(void *arg, size_t pos, const float *logits, size_t n_vocab,
                            rg_error *err) {
    looker *l = arg;
    rg_inspection *seen = l->seen;
    size_t bad = 0;
    const rg_inspect_reading to = {.top = seen->next + pos * seen->n_top,
                                   .bits = seen->bits + pos + 1,
                                   .rank = seen->rank + pos + 1,
                                   .entropy = seen->entropy + pos,
                                   .target = l->targets + pos};
    if (!rg_inspect_read(l->pool, logits, 1, n_vocab, seen->n_top, &to, &bad)) {
        return rg_fail(err, RG_E_NUMERIC, "the logits after token %zu are not finite", pos);
    }
    return RG_OK;
}

// ---- the whole ----

static rg_status check(const rg_model *model, const rg_inspect_options *o, size_t n_tok,
                       size_t n_layers, rg_error *err) {
    if (n_tok == 0) {
        return rg_fail(err, RG_E_ARG, "there is no token to look at");
    }
    if (n_tok > RG_INSPECT_TOKENS_MAX) {
        return rg_fail(err, RG_E_LIMIT,
                       "the text has %zu tokens, at most %d are inspected "
                       "(RG_INSPECT_TOKENS_MAX): give a shorter one",
                       n_tok, RG_INSPECT_TOKENS_MAX);
    }
    if (o->n_top > RG_INSPECT_TOP_MAX || o->n_top > model->h.n_vocab) {
        return rg_fail(err, RG_E_ARG, "%zu most likely tokens are asked for, at most %d are told",
                       o->n_top, RG_INSPECT_TOP_MAX);
    }
    for (size_t i = 0; i < o->n_layers; i++) {
        if (o->layers[i] >= model->h.n_layer || (i > 0 && o->layers[i] <= o->layers[i - 1])) {
            return rg_fail(err, RG_E_ARG,
                           "layer %u of the list is not possible: layers are 0 to %u, ascending",
                           o->layers[i], model->h.n_layer - 1);
        }
    }
    const size_t cells = n_tok * (n_tok + 1) / 2; // of one head: at most a million
    if (o->has_maps && cells > RG_INSPECT_CELLS_MAX / n_layers / model->h.n_head) {
        return rg_fail(
            err, RG_E_LIMIT,
            "attention of %zu tokens in %zu layers of %u heads has more than %zu weights "
            "(RG_INSPECT_CELLS_MAX): layers that fit (--layers): %zu; or give a shorter text",
            n_tok, n_layers, model->h.n_head, RG_INSPECT_CELLS_MAX,
            RG_INSPECT_CELLS_MAX / model->h.n_head / cells);
    }
    return RG_OK;
}

static rg_status prepare(looker *l, const rg_inspect_options *o, size_t n_tok, size_t chunk,
                         rg_error *err) {
    rg_status status = RG_OK;
    const rg_mem *mem = l->seen->mem;
    const rg_hparams *h = &l->model->h;
    const unsigned n_threads = o->engine.n_threads == 0 ? rg_cpu_threads() : o->engine.n_threads;
    rg_kernels_select(&l->kernels, o->engine.cpu);
    RG_TRY(rg_pool_new(mem, n_threads, &l->pool, err));
    RG_TRY(make_head(l, 0, chunk, err));
    if (n_tok % chunk != 0) {
        RG_TRY(make_head(l, 1, n_tok % chunk, err));
    }
    l->keys.is_f16 = !o->engine.is_exact && o->engine.kv_dtype == RG_DTYPE_F16;
    l->keys.k = rg_new_array(mem, l->seen->n_layers * n_tok,
                             (size_t)h->n_kv_head * h->head_dim * sizeof *l->keys.k);
    l->rows = rg_new_array(mem, n_tok, h->n_head * sizeof *l->rows);
    size_t arena = rg_exec_arena_bytes(l->heads[0]);
    if (l->heads[1] != NULL && rg_exec_arena_bytes(l->heads[1]) > arena) {
        arena = rg_exec_arena_bytes(l->heads[1]);
    }
    l->arena = rg_alloc(mem, arena);
    l->scratch = rg_alloc(mem, rg_exec_scratch_bytes(n_threads));
    if (l->keys.k == NULL || l->rows == NULL || l->arena == NULL || l->scratch == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to look at %zu tokens", n_tok);
    }

done:
    return status;
}

static void close_looker(looker *l, const rg_mem *mem) {
    rg_exec_free(l->heads[0]);
    rg_exec_free(l->heads[1]);
    rg_pool_free(l->pool);
    rg_free(mem, l->keys.k);
    rg_free(mem, l->rows);
    rg_free(mem, l->targets);
    rg_free(mem, l->arena);
    rg_free(mem, l->scratch);
    rg_inspection_free(l->seen);
}

rg_status rg_inspect(const rg_mem *mem, const rg_model *model, const rg_source *source,
                     const rg_inspect_options *options, const int32_t *ids, size_t n_tok,
                     rg_inspection **out, rg_error *err) {
    rg_status status = RG_OK;
    looker l = {.model = model, .options = options};
    rg_engine *engine = NULL;
    rg_session *session = NULL;
    const size_t n_layers = options->n_layers == 0 ? model->h.n_layer : options->n_layers;
    // the steps in which every token gets logits, also elsewhere: the same numbers
    const size_t chunk = n_tok < RG_OUT_ROWS_MAX ? n_tok : RG_OUT_ROWS_MAX;
    RG_TRY(check(model, options, n_tok, n_layers, err));
    RG_TRY(new_inspection(mem, model, options, n_tok, n_layers, &l.seen, err));
    for (size_t i = 0; i < n_layers; i++) {
        l.seen->layers[i] = options->n_layers == 0 ? (uint32_t)i : options->layers[i];
    }
    l.targets = rg_new_array(mem, n_tok, sizeof *l.targets);
    if (l.targets == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tokens", n_tok);
        goto done;
    }
    memcpy(l.seen->ids, ids, n_tok * sizeof *ids);
    memcpy(l.targets, ids + 1, (n_tok - 1) * sizeof *ids);
    l.targets[n_tok - 1] = -1;
    rg_engine_options how = options->engine;
    how.n_ctx = n_tok;
    how.n_slots = 1;
    how.chunk_tokens = chunk;
    how.taps = see_layer;
    how.taps_arg = &l;
    for (size_t t = 0; t < n_tok; t++) {
        if (ids[t] < 0 || (uint32_t)ids[t] >= model->h.n_vocab) {
            status = rg_fail(err, RG_E_ARG, "token id %d is outside the vocabulary of %u", ids[t],
                             model->h.n_vocab);
            goto done;
        }
    }
    RG_TRY(prepare(&l, options, n_tok, chunk, err));
    RG_TRY(rg_engine_new(mem, model, source, &how, &engine, err));
    RG_TRY(rg_session_new(engine, &session, err));
    RG_TRY(rg_session_eval(session, ids, n_tok, see_logits, &l, err));
    *out = l.seen;
    l.seen = NULL;

done:
    rg_session_free(session);
    rg_engine_free(engine);
    close_looker(&l, mem);
    return status;
}
