#include "engine/engine.h"

#include "engine/engine_internal.h"

#include "model/source.h"

#include <string.h>

static rg_status alloc_buffers(rg_engine *engine, rg_error *err) {
    const rg_engine_options *o = &engine->options;
    rg_kv_layout layout;
    rg_status status = rg_engine_layout(engine->model, o, &layout, err);
    if (status != RG_OK) {
        return status;
    }
    status = rg_model_table(engine->model, &o->extras, &engine->weights, err);
    if (status != RG_OK) {
        return status;
    }
    engine->arena = rg_alloc(engine->mem, engine->bill.activations);
    engine->scratch = rg_alloc(engine->mem, engine->bill.scratch);
    engine->ids = rg_new_array(engine->mem, o->chunk_tokens, sizeof *engine->ids);
    engine->positions = rg_new_array(engine->mem, o->chunk_tokens, sizeof *engine->positions);
    engine->out_rows = rg_new_array(engine->mem, RG_OUT_ROWS_MAX, sizeof *engine->out_rows);
    const size_t width = o->tower == NULL ? 0 : rg_engine_picture_width(engine);
    if (width != 0) {
        engine->pictures = rg_new_array(engine->mem, o->chunk_tokens, width * sizeof(float));
        engine->words = rg_new_array(engine->mem, o->chunk_tokens, sizeof *engine->words);
        engine->axes = rg_new_array(engine->mem, o->chunk_tokens, 3 * sizeof *engine->axes);
    }
    if ((width != 0 &&
         (engine->pictures == NULL || engine->words == NULL || engine->axes == NULL)) ||
        engine->arena == NULL || engine->scratch == NULL || engine->ids == NULL ||
        engine->positions == NULL || engine->out_rows == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu bytes of activations",
                       engine->bill.activations);
    }
    status =
        rg_kv_pool_new(engine->mem, &layout, rg_pages_of(o->n_ctx) * o->n_slots, &engine->kv, err);
    return status == RG_OK ? rg_pool_new(engine->mem, o->n_threads, &engine->pool, err) : status;
}

rg_status rg_engine_new(const rg_mem *mem, const rg_model *model, const rg_source *source,
                        const rg_engine_options *options, rg_engine **out, rg_error *err) {
    rg_bill bill;
    if (options->n_guesses > RG_GUESSES_MAX) {
        return rg_fail(err, RG_E_ARG, "%zu guesses in one step, at most %d are possible",
                       options->n_guesses, RG_GUESSES_MAX);
    }
    rg_status status = rg_engine_bill(model, options, &bill, err);
    rg_engine *engine = status == RG_OK ? rg_new(mem, sizeof *engine) : NULL;
    if (engine == NULL) {
        return status != RG_OK ? status : rg_fail(err, RG_E_MEMORY, "no memory for an engine");
    }
    *engine = (rg_engine){.mem = mem, .model = model, .source = source, .bill = bill};
    pthread_mutex_init(&engine->lock, NULL);
    rg_engine_resolve(options, &engine->options);
    engine->options.n_ctx = bill.n_ctx;
    rg_kernels_select(&engine->kernels, engine->options.cpu);
    RG_TRY(alloc_buffers(engine, err));
    *out = engine;
    engine = NULL;

done:
    rg_engine_free(engine);
    return status;
}

void rg_engine_free(rg_engine *engine) {
    if (engine == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof engine->execs / sizeof *engine->execs; i++) {
        rg_exec_free(engine->execs[i].exec);
        rg_free(engine->mem, engine->execs[i].taps);
    }
    rg_pool_free(engine->pool);
    rg_kv_pool_free(engine->kv);
    rg_free(engine->model->mem, engine->weights);
    rg_free(engine->mem, engine->arena);
    rg_free(engine->mem, engine->scratch);
    rg_free(engine->mem, engine->ids);
    rg_free(engine->mem, engine->positions);
    rg_free(engine->mem, engine->out_rows);
    rg_free(engine->mem, engine->pictures);
    rg_free(engine->mem, engine->words);
    rg_free(engine->mem, engine->axes);
    pthread_mutex_destroy(&engine->lock);
    rg_free(engine->mem, engine);
}

const rg_bill *rg_engine_get_bill(const rg_engine *engine) {
    return &engine->bill;
}

unsigned rg_engine_threads(const rg_engine *engine) {
    return engine->options.n_threads;
}

const rg_kernels *rg_engine_kernels(const rg_engine *engine) {
    return &engine->kernels;
}

rg_status rg_engine_exec(rg_engine *engine, rg_exec_kind kind, size_t n_tok, size_t n_out,
                         rg_exec_slot **out, rg_error *err) {
    // found, or the slot that was used longest ago
    rg_exec_slot *slot = &engine->execs[0];
    for (size_t i = 0; i < RG_EXEC_CACHE + 2 * engine->options.n_guesses; i++) {
        rg_exec_slot *s = &engine->execs[i];
        if (s->exec != NULL && s->kind == kind && s->n_tok == n_tok && s->n_out == n_out) {
            s->last_use = ++engine->n_steps;
            *out = s;
            return RG_OK;
        }
        slot = s->last_use < slot->last_use ? s : slot;
    }

    rg_graph g;
    rg_exec *exec = NULL;
    rg_graph_extras extras = engine->options.extras;
    const bool is_mtp = kind == RG_EXEC_MTP;
    extras.picture_levels = kind == RG_EXEC_PICTURES ? rg_tower_levels(engine->options.tower) : 0;
    extras.taps = NULL;
    extras.keeps_hidden = engine->model->has_mtp;
    if (engine->options.taps != NULL && !is_mtp) {
        extras.taps =
            rg_new_array(engine->mem, engine->model->h.n_layer, RG_TAPS * sizeof *extras.taps);
        if (extras.taps == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory to look into a model");
        }
    }
    rg_graph_init(&g, engine->mem);
    const rg_outputs outputs =
        is_mtp
            ? rg_model_mtp_graph(engine->model, &g, n_tok, n_out != 0)
            : rg_model_graph(engine->model, &g, n_tok == 1 ? RG_PURPOSE_DECODE : RG_PURPOSE_PREFILL,
                             &extras, n_tok, n_out);
    const rg_exec_options how = {.kernels = &engine->kernels,
                                 .is_exact = engine->options.is_exact,
                                 .n_threads = engine->options.n_threads,
                                 .n_pages_max = rg_pages_of(engine->options.n_ctx),
                                 .n_rows_max =
                                     n_tok < RG_BATCH_ROWS_MAX ? n_tok : RG_BATCH_ROWS_MAX};
    rg_status status = rg_exec_new(engine->mem, &g, &how, &exec, err);
    rg_graph_clear(&g);
    if (status == RG_OK && rg_exec_arena_bytes(exec) > engine->bill.activations) {
        status =
            rg_fail(err, RG_E_INTERNAL, "a step of %zu tokens needs more than was planned", n_tok);
        rg_exec_free(exec);
    }
    if (status != RG_OK) {
        rg_free(engine->mem, extras.taps);
        return status;
    }
    rg_exec_free(slot->exec);
    rg_free(engine->mem, slot->taps);
    *slot = (rg_exec_slot){.exec = exec,
                           .outputs = outputs,
                           .taps = extras.taps,
                           .n_tok = n_tok,
                           .n_out = n_out,
                           .kind = kind,
                           .last_use = ++engine->n_steps};
    *out = slot;
    return RG_OK;
}

// What the tokens of a step see and turn by; only where there are tokens of pictures among them
static void fill_pictures(rg_engine *engine, const rg_batch_item *items, size_t n_items) {
    const size_t width = rg_engine_picture_width(engine);
    size_t at = 0;
    for (size_t i = 0; i < n_items; i++) {
        for (size_t t = 0; t < items[i].n; t++, at++) {
            const rg_session *s = items[i].session;
            float *row = engine->pictures + at * width;
            const float *values = rg_session_axes(s, s->n + t, engine->axes + 3 * at);
            engine->words[at] = values == NULL;
            if (values == NULL) {
                memset(row, 0, width * sizeof *row);
            } else {
                memcpy(row, values, width * sizeof *row);
            }
        }
    }
}

// ids and positions of all tokens of a step, and the rows of its batch
static rg_status gather(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                        bool is_guess, rg_kv_row *rows, size_t *n_tok, bool *has_pictures,
                        rg_error *err) {
    const int32_t n_vocab = (int32_t)engine->model->h.n_vocab;
    size_t at = 0;
    for (size_t i = 0; i < n_items; i++) {
        rg_session *s = items[i].session;
        if (items[i].n == 0 || items[i].n > engine->options.chunk_tokens - at) {
            return rg_fail(err, RG_E_LIMIT, "a step of more than %zu tokens",
                           engine->options.chunk_tokens);
        }
        for (size_t t = 0; t < items[i].n; t++) {
            const int32_t id = items[i].ids[t];
            if (id < 0 || id >= n_vocab) {
                return rg_fail(err, RG_E_ARG, "token id %d is outside the vocabulary of %d", id,
                               n_vocab);
            }
            engine->ids[at + t] = id;
            int32_t axes[3];
            *has_pictures = rg_session_axes(s, s->n + t, axes) != NULL || *has_pictures;
            engine->positions[at + t] = axes[0];
        }
        rg_status status = rg_session_grow(s, items[i].n, err);
        if (status != RG_OK) {
            return status;
        }
        rows[i] = (rg_kv_row){.first = at,
                              .n_tok = items[i].n,
                              .pos = s->n,
                              .pages = s->pages,
                              .recurrent = s->recurrent,
                              .recurrent_next = s->recurrent_next,
                              .recurrent_each = is_guess ? s->after : NULL};
        at += items[i].n;
    }
    *n_tok = at;
    return RG_OK;
}

static rg_status show_taps(rg_engine *engine, const rg_exec_slot *slot, size_t pos, rg_error *err) {
    rg_status status = RG_OK;
    for (uint32_t layer = 0; layer < engine->model->h.n_layer && status == RG_OK; layer++) {
        const float *values[RG_TAPS];
        for (size_t t = 0; t < RG_TAPS; t++) {
            const rg_val v = slot->taps[layer * RG_TAPS + t];
            values[t] = v == RG_VAL_NONE ? NULL : rg_exec_value(slot->exec, engine->arena, v);
        }
        status =
            engine->options.taps(engine->options.taps_arg, layer, values, pos, slot->n_tok, err);
    }
    return status;
}

rg_status rg_engine_compute(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                            const int32_t *out_rows, size_t n_out, bool is_guess,
                            rg_exec_slot **out, rg_error *err) {
    rg_kv_row rows[RG_BATCH_ROWS_MAX];
    size_t n_tok = 0;
    rg_exec_slot *slot = NULL;
    rg_status status = RG_OK;
    if (engine->options.taps != NULL && n_items != 1) {
        return rg_fail(err, RG_E_ARG, "a step of %zu sessions cannot be looked into, one can",
                       n_items);
    }
    if (n_items == 0 || n_items > RG_BATCH_ROWS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "a step of %zu sessions, 1 to %d are possible", n_items,
                       RG_BATCH_ROWS_MAX);
    }
    for (size_t i = 0; i < n_items; i++) {
        RG_TRY(rg_mtp_make_room(items[i].session, items[i].n, err));
    }
    bool has_pictures = false;
    RG_TRY(gather(engine, items, n_items, is_guess, rows, &n_tok, &has_pictures, err));
    if (has_pictures) {
        fill_pictures(engine, items, n_items);
    }
    RG_TRY(rg_engine_exec(engine, has_pictures ? RG_EXEC_PICTURES : RG_EXEC_WORDS, n_tok, n_out,
                          &slot, err));
    const rg_kv_batch batch = {
        .layout = rg_kv_pool_layout(engine->kv), .n_rows = n_items, .rows = rows};
    const void *inputs[RG_MODEL_INPUTS] = {
        [RG_INPUT_IDS] = engine->ids,     [RG_INPUT_POSITIONS] = engine->positions,
        [RG_INPUT_OUT_ROWS] = out_rows,   [RG_INPUT_PICTURES] = engine->pictures,
        [RG_INPUT_WORDS] = engine->words, [RG_INPUT_AXES] = engine->axes};
    const rg_bindings bindings = {.pool = engine->pool,
                                  .arena = engine->arena,
                                  .scratch = engine->scratch,
                                  .weights = engine->weights,
                                  .inputs = inputs,
                                  .kv = &batch,
                                  .cancel = n_items == 1 ? &items[0].session->cancel : NULL};
    RG_TRY(rg_exec_run(slot->exec, &bindings, err));
    if (!rg_source_is_intact(engine->source)) {
        status = rg_fail(err, RG_E_IO, "the model's file was cut short while in use");
        goto done;
    }
    if (slot->taps != NULL) {
        RG_TRY(show_taps(engine, slot, items[0].session->n, err));
    }
    *out = slot;

done:
    if (status != RG_OK) {
        // pages taken for tokens that did not come about go back
        for (size_t i = 0; i < n_items; i++) {
            rg_session_forget_guesses(items[i].session);
        }
    }
    return status;
}

rg_status rg_engine_run(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                        const int32_t *out_rows, size_t n_out, const float **logits,
                        rg_error *err) {
    rg_exec_slot *slot = NULL;
    const rg_status status =
        rg_engine_compute(engine, items, n_items, out_rows, n_out, false, &slot, err);
    if (status != RG_OK) {
        return status;
    }
    const float *hidden = rg_exec_value(slot->exec, engine->arena, slot->outputs.hidden);
    const size_t width = engine->model->has_mtp ? engine->model->h.n_embd : 0;
    for (size_t i = 0; i < n_items; i++) {
        rg_session *s = items[i].session;
        rg_mtp_take(s, items[i].ids, hidden, items[i].n);
        hidden += items[i].n * width;
        s->n_guessed = 0;
        memmove(s->ids + s->n, items[i].ids, items[i].n * sizeof *s->ids); // the same, catching up
        s->n += items[i].n;
        s->n_held = s->n > s->n_held ? s->n : s->n_held;
        s->has_logits = false;
        uint8_t *before = s->recurrent;
        s->recurrent = s->recurrent_next;
        s->recurrent_next = before;
        rg_session_mark_state(s, items[i].n);
    }
    *logits = rg_exec_value(slot->exec, engine->arena, slot->outputs.logits);
    return RG_OK;
}

rg_status rg_engine_step(rg_engine *engine, const rg_batch_item *items, size_t n_items,
                         rg_error *err) {
    pthread_mutex_lock(&engine->lock);
    const size_t n_vocab = engine->model->h.n_vocab;
    const float *logits = NULL;
    rg_status status = RG_OK;
    if (n_items > RG_OUT_ROWS_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "a step of %zu sessions, at most %d", n_items,
                         RG_OUT_ROWS_MAX);
        goto done;
    }
    for (size_t i = 0; i < n_items; i++) {
        RG_TRY(rg_session_catch_up(items[i].session, err));
    }
    int32_t last = -1;
    for (size_t i = 0; i < n_items; i++) {
        last += (int32_t)items[i].n;
        engine->out_rows[i] = last;
    }
    RG_TRY(rg_engine_run(engine, items, n_items, engine->out_rows, n_items, &logits, err));
    for (size_t i = 0; i < n_items; i++) {
        rg_session_set_logits(items[i].session, logits + i * n_vocab);
    }

done:
    pthread_mutex_unlock(&engine->lock);
    return status;
}
