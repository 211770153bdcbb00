/* Pictures for models that see. */
#include "api/api_picture.h"

#include "engine/sight.h"
#include "raga/picture.h"

struct raga_picture {
    rg_sight *sight;
};

static rg_status look(raga_model *m, const float *patches, const uint32_t grid[3],
                      raga_picture **out, rg_error *err) {
    raga_picture *p = rg_new(rg_mem_heap(), sizeof *p);
    if (p == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a picture");
    }
    const rg_status status = rg_sight_new(m->engine, patches, grid, &p->sight, err);
    if (status != RG_OK) {
        raga_picture_free(p);
        return status;
    }
    *out = p;
    return RG_OK;
}

bool raga_model_sees(const raga_model *m) {
    return m->tower != NULL;
}

raga_status raga_picture_of_patches(raga_model *m, const float *patches, size_t n,
                                    const uint32_t grid[3], raga_picture **out, raga_error *error) {
    rg_error err = {0};
    size_t n_patches = 0, n_values = 0;
    if (m == NULL || m->engine == NULL || patches == NULL || grid == NULL || out == NULL) {
        return api_bad(error, "no model to run, no patches or no place for the picture");
    }
    if (m->tower != NULL &&
        (!rg_mul_size(grid[0], grid[1], &n_patches) ||
         !rg_mul_size(n_patches, grid[2], &n_patches) ||
         !rg_mul_size(n_patches, m->tower->h.sight.n_pixel, &n_values) || n != n_values)) {
        rg_fail(&err, RG_E_ARG,
                "%zu values are not those of %u x %u x %u patches, each of which has %u", n,
                grid[0], grid[1], grid[2], m->tower->h.sight.n_pixel);
        return api_fail(error, RG_E_ARG, &err);
    }
    return api_fail(error, look(m, patches, grid, out, &err), &err);
}

raga_status raga_picture_read(raga_model *m, const void *file, size_t size, size_t max_tokens,
                              raga_picture **out, raga_error *error) {
    rg_error err = {0};
    rg_picture_settings settings;
    rg_picture picture = {0};
    rg_patches patches = {0};
    rg_status status = RG_OK;
    if (m == NULL || m->engine == NULL || file == NULL || out == NULL) {
        return api_bad(error, "no model to run, no file or no place for the picture");
    }
    if (m->tower == NULL) {
        rg_fail(&err, RG_E_UNSUPPORTED, "this model does not see pictures");
        return api_fail(error, RG_E_UNSUPPORTED, &err);
    }
    RG_TRY(api_picture_settings(m, &settings, &err));
    const uint64_t cell =
        (uint64_t)settings.patch * settings.merge * settings.patch * settings.merge;
    if (max_tokens != 0 && max_tokens < settings.max_pixels / cell) {
        settings.max_pixels = max_tokens * cell;
        settings.min_pixels =
            settings.min_pixels < settings.max_pixels ? settings.min_pixels : settings.max_pixels;
    }
    RG_TRY(rg_picture_read(rg_mem_heap(), (rg_bytes){file, size}, &picture, &err));
    RG_TRY(rg_patches_make(rg_mem_heap(), &picture, &settings, &patches, &err));
    const uint32_t grid[3] = {patches.grid_t, patches.grid_h, patches.grid_w};
    status = look(m, patches.values, grid, out, &err);

done:
    rg_patches_clear(&patches);
    rg_picture_clear(&picture);
    return api_fail(error, status, &err);
}

void raga_picture_free(raga_picture *p) {
    if (p != NULL) {
        rg_sight_free(p->sight);
        rg_free(rg_mem_heap(), p);
    }
}

size_t raga_picture_tokens(const raga_picture *p) {
    return rg_sight_count(p->sight);
}

// the ids with room for every picture, and the pictures told to the session
static rg_status place(raga_session *s, raga_picture *const *pictures, size_t n_pictures,
                       const int32_t *ids, size_t n, rg_ids *out, rg_error *err) {
    const int32_t pad = s->model->tower->h.sight.pad;
    const size_t begin = rg_session_count(s->session);
    rg_status status = RG_OK;
    size_t k = 0; // pictures that are placed
    for (size_t i = 0; i < n && status == RG_OK;) {
        if (pad < 0 || ids[i] != pad) {
            rg_buf_put(&out->buf, &ids[i++], sizeof *ids);
            continue;
        }
        size_t run = 0;
        while (i + run < n && ids[i + run] == pad) {
            run++;
        }
        if (k == n_pictures) {
            return rg_fail(err, RG_E_ARG, "the prompt has places for more than its %zu pictures",
                           k);
        }
        rg_sight *sight = pictures[k]->sight;
        const size_t n_tokens = rg_sight_count(sight);
        if (run != 1 && run < n_tokens) {
            return rg_fail(err, RG_E_ARG,
                           "picture %zu has %zu tokens, the prompt has %zu that stand for it",
                           k + 1, n_tokens, run);
        }
        status = rg_session_show(s->session, sight, begin + rg_ids_count(out), err);
        for (size_t t = 0; t < n_tokens && status == RG_OK; t++) {
            rg_buf_put(&out->buf, &pad, sizeof pad);
        }
        i += run == 1 ? 1 : n_tokens;
        k++;
    }
    if (status == RG_OK && k < n_pictures) {
        return rg_fail(err, RG_E_ARG, "there are %zu pictures, the prompt has places for %zu",
                       n_pictures, k);
    }
    if (status == RG_OK && !rg_buf_reserve(&out->buf, 1)) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the ids of a prompt with pictures");
    }
    return status;
}

raga_status raga_session_show(raga_session *s, raga_picture *const *pictures, size_t n_pictures,
                              const int32_t *ids, size_t n, int32_t **out, size_t *n_out,
                              raga_error *error) {
    rg_error err = {0};
    rg_ids list;
    size_t bytes = 0;
    if (s == NULL || (pictures == NULL && n_pictures != 0) || (ids == NULL && n != 0) ||
        out == NULL || n_out == NULL) {
        return api_bad(error, "no session, no pictures, no ids or no place for them");
    }
    if (s->model->tower == NULL) {
        rg_fail(&err, RG_E_UNSUPPORTED, "this model does not see pictures");
        return api_fail(error, RG_E_UNSUPPORTED, &err);
    }
    rg_ids_init(&list, rg_mem_heap());
    const rg_status status = place(s, pictures, n_pictures, ids, n, &list, &err);
    if (status != RG_OK) {
        rg_session_truncate(s->session, rg_session_count(s->session));
        rg_ids_clear(&list);
        return api_fail(error, status, &err);
    }
    *out = (int32_t *)(void *)rg_buf_take(&list.buf, &bytes);
    *n_out = bytes / sizeof **out;
    return RAGA_OK;
}
