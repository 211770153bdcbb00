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

// The area that makes a picture no more than n tokens: less than theirs where a side is of one cell
// already, or where a small picture is rounded up.
static rg_status bound(rg_picture_settings *s, const rg_picture *picture, size_t n, rg_error *err) {
    const uint32_t side = s->patch * s->merge;
    const uint64_t cell = (uint64_t)side * side;
    uint64_t n_cells = 0;
    s->max_pixels = n < s->max_pixels / cell ? n * cell : s->max_pixels;
    do {
        uint32_t height = 0, width = 0;
        s->min_pixels = s->min_pixels < s->max_pixels ? s->min_pixels : s->max_pixels;
        const rg_status status = rg_picture_fit(picture->height, picture->width, side,
                                                s->min_pixels, s->max_pixels, &height, &width, err);
        if (status != RG_OK) {
            return status;
        }
        n_cells = (uint64_t)height * width / cell;
        if (n_cells > n) {
            s->max_pixels = s->max_pixels * n / n_cells;
            s->max_pixels = s->max_pixels == 0 ? 1 : s->max_pixels;
        }
    } while (n_cells > n);
    return RG_OK;
}

// before patches are cut, which takes memory
static rg_status check_size(const rg_picture_settings *s, const rg_picture *picture,
                            rg_error *err) {
    uint32_t height = picture->height, width = picture->width;
    if (s->is_resized) {
        const rg_status status = rg_picture_fit(height, width, s->patch * s->merge, s->min_pixels,
                                                s->max_pixels, &height, &width, err);
        if (status != RG_OK) {
            return status;
        }
    }
    const uint64_t n = (uint64_t)(height / s->patch) * (width / s->patch);
    return n <= RG_PATCHES_MAX
               ? RG_OK
               : rg_fail(err, RG_E_LIMIT,
                         "a picture of %u x %u pixels has %llu patches, at most %zu are possible: "
                         "bound its tokens (--image-tokens)",
                         width, height, (unsigned long long)n, RG_PATCHES_MAX);
}

_Static_assert(RAGA_PICTURE_FILE_MAX == RG_PICTURE_FILE_MAX, "one limit");

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
    RG_TRY(rg_picture_read(rg_mem_heap(), (rg_bytes){file, size}, &picture, &err));
    if (max_tokens != 0 && settings.is_resized) {
        RG_TRY(bound(&settings, &picture, max_tokens, &err));
    }
    RG_TRY(check_size(&settings, &picture, &err));
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

// the ids with room for every picture, and where each begins
static rg_status make_room(const raga_model *m, raga_picture *const *pictures, size_t n_pictures,
                           const int32_t *ids, size_t n, rg_ids *out, size_t *at, rg_error *err) {
    const int32_t pad = n_pictures == 0 ? -1 : m->tower->h.sight.pad;
    size_t k = 0; // pictures that are placed
    for (size_t i = 0; i < n;) {
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
        const size_t n_tokens = rg_sight_count(pictures[k]->sight);
        if (run != 1 && run < n_tokens) {
            return rg_fail(err, RG_E_ARG,
                           "picture %zu has %zu tokens, the prompt has %zu that stand for it",
                           k + 1, n_tokens, run);
        }
        at[k++] = rg_ids_count(out);
        for (size_t t = 0; t < n_tokens; t++) {
            rg_buf_put(&out->buf, &pad, sizeof pad);
        }
        i += run == 1 ? 1 : n_tokens;
    }
    if (k < n_pictures) {
        return rg_fail(err, RG_E_ARG, "there are %zu pictures, the prompt has places for %zu",
                       n_pictures, k);
    }
    return !out->buf.is_failed
               ? RG_OK
               : rg_fail(err, RG_E_MEMORY, "no memory for the ids of a prompt with pictures");
}

// how many of the ids a session has already, pictures as a whole; never the last one
static size_t in_common(const raga_session *s, raga_picture *const *pictures, size_t n_pictures,
                        const rg_ids *ids, const size_t *at) {
    const size_t n = rg_ids_count(ids);
    const size_t had = rg_session_count(s->session);
    const int32_t *old = rg_session_ids(s->session);
    const int32_t *new = rg_ids_data(ids);
    size_t same = 0;
    while (same < had && same + 1 < n && old[same] == new[same]) {
        same++;
    }
    // neither may have a picture there that the other has not
    for (size_t k = 0;; k++) {
        size_t old_at = SIZE_MAX, n_left = 0;
        const rg_sight *shown = rg_session_sight(s->session, k, &old_at, &n_left);
        const rg_sight *wanted = k < n_pictures ? pictures[k]->sight : NULL;
        const size_t new_at = k < n_pictures ? at[k] : SIZE_MAX;
        const size_t first = old_at < new_at ? old_at : new_at;
        if (first >= same) {
            break;
        }
        if (shown != wanted || old_at != new_at || n_left != rg_sight_count(wanted) ||
            n_left > same - first) {
            return first;
        }
    }
    return same;
}

static rg_status go_on(raga_session *s, raga_picture *const *pictures, size_t n_pictures,
                       const int32_t *ids, size_t n, rg_ids *list, size_t *same, rg_error *err) {
    rg_status status = RG_OK;
    size_t *at = rg_new_array(rg_mem_heap(), n_pictures + 1, sizeof *at);
    if (at == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu pictures", n_pictures);
    }
    RG_TRY(make_room(s->model, pictures, n_pictures, ids, n, list, at, err));
    *same = in_common(s, pictures, n_pictures, list, at);
    rg_session_truncate(s->session, *same);
    for (size_t k = 0; k < n_pictures && status == RG_OK; k++) {
        if (at[k] >= *same) {
            status = rg_session_show(s->session, pictures[k]->sight, at[k], err);
        }
    }
    if (status != RG_OK) {
        rg_session_truncate(s->session, *same); // pictures that were shown already
    }

done:
    rg_free(rg_mem_heap(), at);
    return status;
}

raga_status raga_session_continue(raga_session *s, raga_picture *const *pictures, size_t n_pictures,
                                  const int32_t *ids, size_t n, int32_t **out, size_t *n_out,
                                  raga_error *error) {
    rg_error err = {0};
    rg_ids list;
    if (s == NULL || (pictures == NULL && n_pictures != 0) || (ids == NULL && n != 0) ||
        out == NULL || n_out == NULL) {
        return api_bad(error, "no session, no pictures, no ids or no place for them");
    }
    if (s->model->tower == NULL && n_pictures != 0) {
        rg_fail(&err, RG_E_UNSUPPORTED, "this model does not see pictures");
        return api_fail(error, RG_E_UNSUPPORTED, &err);
    }
    for (size_t k = 0; k < n_pictures; k++) {
        if (pictures[k] == NULL) {
            return api_bad(error, "no picture at one of the places of the list");
        }
    }
    size_t same = 0;
    rg_ids_init(&list, rg_mem_heap());
    rg_status status = go_on(s, pictures, n_pictures, ids, n, &list, &same, &err);
    const size_t left = status == RG_OK ? rg_ids_count(&list) - same : 0;
    int32_t *rest = status == RG_OK ? rg_alloc(rg_mem_heap(), (left + 1) * sizeof *rest) : NULL;
    if (status == RG_OK && rest == NULL) {
        rg_session_truncate(s->session, same);
        status = rg_fail(&err, RG_E_MEMORY, "no memory for %zu ids", left);
    }
    if (status != RG_OK) {
        rg_ids_clear(&list);
        return api_fail(error, status, &err);
    }
    if (left != 0) {
        memcpy(rest, rg_ids_data(&list) + same, left * sizeof *rest);
    }
    rg_ids_clear(&list);
    *out = rest;
    *n_out = left;
    return RAGA_OK;
}
