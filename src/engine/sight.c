#include "engine/sight.h"

#include "engine/engine_internal.h"

#include "model/source.h"

#include <string.h>

rg_status rg_sight_alloc(rg_engine *engine, const uint32_t cells[3], rg_sight **out,
                         rg_error *err) {
    const size_t n = (size_t)cells[0] * cells[1] * cells[2];
    const size_t width = rg_engine_picture_width(engine);
    rg_sight *s = rg_new(engine->mem, sizeof *s);
    float *values = rg_new_array(engine->mem, n, width * sizeof *values);
    if (s == NULL || values == NULL) {
        rg_free(engine->mem, s);
        rg_free(engine->mem, values);
        return rg_fail(err, RG_E_MEMORY, "no memory for a picture of %zu tokens", n);
    }
    *s = (rg_sight){.engine = engine, .values = values, .n = n, .n_refs = 1};
    memcpy(s->cells, cells, sizeof s->cells);
    *out = s;
    return RG_OK;
}

void rg_sight_release(rg_sight *sight) {
    if (sight != NULL && --sight->n_refs == 0) {
        const rg_mem *mem = sight->engine->mem;
        rg_free(mem, sight->values);
        rg_free(mem, sight);
    }
}

void rg_sight_free(rg_sight *sight) {
    if (sight != NULL) {
        rg_engine *engine = sight->engine;
        pthread_mutex_lock(&engine->lock);
        rg_sight_release(sight);
        pthread_mutex_unlock(&engine->lock);
    }
}

size_t rg_sight_count(const rg_sight *sight) {
    return sight->n;
}

const float *rg_sight_values(const rg_sight *sight) {
    return sight->values;
}

// run the tower. Call with the lock held
static rg_status look(rg_engine *engine, const rg_tower_inputs *inputs, float *values,
                      rg_error *err) {
    const rg_model *tower = engine->options.tower;
    const size_t width = rg_engine_picture_width(engine);
    rg_graph g;
    rg_exec *exec = NULL;
    void *arena = NULL;
    rg_status status = RG_OK;
    rg_graph_init(&g, engine->mem);
    const rg_val out = rg_tower_graph(tower, &g, inputs->n_patches);
    const rg_exec_options how = {.kernels = &engine->kernels,
                                 .is_exact = engine->options.is_exact,
                                 .n_threads = engine->options.n_threads};
    RG_TRY(rg_exec_new(engine->mem, &g, &how, &exec, err));
    const size_t bytes = rg_exec_arena_bytes(exec);
    if (bytes > rg_cpu_memory_free()) {
        status =
            rg_fail(err, RG_E_LIMIT,
                    "a picture of %zu patches needs %zu MiB to be looked at, %zu MiB are free; "
                    "make it smaller",
                    inputs->n_patches, bytes >> 20, rg_cpu_memory_free() >> 20);
        goto done;
    }
    arena = rg_alloc(engine->mem, bytes);
    if (arena == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the %zu bytes of a tower", bytes);
        goto done;
    }
    const rg_bindings bindings = {.pool = engine->pool,
                                  .arena = arena,
                                  .scratch = engine->scratch,
                                  .weights = tower->weights,
                                  .inputs = inputs->slots};
    RG_TRY(rg_exec_run(exec, &bindings, err));
    if (!rg_source_is_intact(engine->source)) {
        status = rg_fail(err, RG_E_IO, "the model's file was cut short while in use");
        goto done;
    }
    memcpy(values, rg_exec_value(exec, arena, out), inputs->n_cells * width * sizeof *values);

done:
    rg_free(engine->mem, arena);
    rg_exec_free(exec);
    rg_graph_clear(&g);
    return status;
}

rg_status rg_sight_new(rg_engine *engine, const float *patches, const uint32_t grid[3],
                       rg_sight **out, rg_error *err) {
    const rg_model *tower = engine->options.tower;
    rg_tower_inputs inputs = {0};
    rg_sight *sight = NULL;
    if (tower == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED, "this model does not see pictures");
    }
    rg_status status = rg_tower_inputs_make(engine->mem, tower, grid, patches, &inputs, err);
    if (status != RG_OK) {
        return status;
    }
    pthread_mutex_lock(&engine->lock);
    const uint32_t merge = tower->h.sight.merge;
    RG_TRY(rg_sight_alloc(engine, (uint32_t[]){grid[0], grid[1] / merge, grid[2] / merge}, &sight,
                          err));
    RG_TRY(look(engine, &inputs, sight->values, err));
    *out = sight;
    sight = NULL;

done:
    rg_sight_release(sight);
    pthread_mutex_unlock(&engine->lock);
    rg_tower_inputs_clear(&inputs);
    return status;
}

// ---- in a session ----

rg_status rg_session_add_sight(rg_session *session, rg_sight *sight, size_t at, rg_error *err) {
    if (session->n_shown == session->shown_cap) {
        const size_t cap = 2 * session->shown_cap + 4;
        rg_shown *more = rg_new_array(session->engine->mem, cap, sizeof *more);
        if (more == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu pictures", cap);
        }
        if (session->n_shown != 0) {
            memcpy(more, session->shown, session->n_shown * sizeof *more);
        }
        rg_free(session->engine->mem, session->shown);
        session->shown = more;
        session->shown_cap = cap;
    }
    sight->n_refs++;
    session->shown[session->n_shown++] = (rg_shown){sight, at, sight->n};
    return RG_OK;
}

rg_status rg_session_show(rg_session *session, rg_sight *sight, size_t at, rg_error *err) {
    rg_engine *engine = session->engine;
    rg_status status = RG_OK;
    pthread_mutex_lock(&engine->lock);
    const rg_shown *last = session->n_shown == 0 ? NULL : &session->shown[session->n_shown - 1];
    if (sight->engine != engine) {
        status = rg_fail(err, RG_E_ARG, "the picture was looked at by another model");
    } else if (at < session->n_held || (last != NULL && at < last->at + last->n)) {
        status =
            rg_fail(err, RG_E_ARG, "position %zu of the session is taken: no picture fits", at);
    } else if (at > engine->options.n_ctx || sight->n > engine->options.n_ctx - at) {
        status = rg_fail(err, RG_E_LIMIT,
                         "a picture of %zu tokens at position %zu does not fit the context of %zu; "
                         "give a larger context or a smaller picture",
                         sight->n, at, engine->options.n_ctx);
    } else {
        status = rg_session_add_sight(session, sight, at, err);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

const rg_sight *rg_session_sight(const rg_session *session, size_t i, size_t *at, size_t *n) {
    if (i >= session->n_shown) {
        return NULL;
    }
    *at = session->shown[i].at;
    *n = session->shown[i].n;
    return session->shown[i].sight;
}

void rg_session_clip_sights(rg_session *session, size_t n) {
    while (session->n_shown > 0) {
        rg_shown *last = &session->shown[session->n_shown - 1];
        if (last->at < n) {
            last->n = last->n < n - last->at ? last->n : n - last->at;
            return;
        }
        rg_sight_release(last->sight);
        session->n_shown--;
    }
}

// A picture takes as many positions as its longest side has cells; its tokens stand within them by
// frame, row and column. Source: Qwen2-VL 2024, arXiv 2409.12191, section 2.1.
const float *rg_session_axes(const rg_session *session, size_t pos, int32_t axes[3]) {
    int64_t shift = 0; // of positions against the number of tokens before
    for (size_t i = 0; i < session->n_shown && session->shown[i].at <= pos; i++) {
        const rg_shown *shown = &session->shown[i];
        const uint32_t *cells = shown->sight->cells;
        const size_t inside = pos - shown->at;
        const int64_t begin = (int64_t)shown->at + shift;
        if (inside < shown->n) {
            const size_t in_frame = inside % ((size_t)cells[1] * cells[2]);
            axes[0] = (int32_t)(begin + (int64_t)(inside / ((size_t)cells[1] * cells[2])));
            axes[1] = (int32_t)(begin + (int64_t)(in_frame / cells[2]));
            axes[2] = (int32_t)(begin + (int64_t)(in_frame % cells[2]));
            return shown->sight->values + inside * rg_engine_picture_width(session->engine);
        }
        const uint32_t longest = cells[1] > cells[2] ? cells[1] : cells[2];
        shift += (int64_t)(cells[0] > longest ? cells[0] : longest) - (int64_t)shown->n;
    }
    axes[0] = axes[1] = axes[2] = (int32_t)((int64_t)pos + shift);
    return NULL;
}
