/*
 * A session on disk. Little-endian:
 *
 *   "RAGASES3"   8 bytes
 *   u64          model: hash of the numbers and weight shapes that the state depends on
 *   u32 u32      element type of the cache, positions in a page
 *   u64 x 4      tokens, bytes of a page, bytes of the recurrent state, pictures
 *   i32 x n      token ids
 *   pages        whole, by position
 *   state        of recurrent layers, then hidden values of the last token where there is a
 *                prediction head; u64 bytes of it in the head
 *   pictures     each: u64 u64 where it begins, tokens left of it; u32 u32 u32 u32 its cells,
 *                values of a token; f32 its values
 *   u64          hash of all before
 */
#include "engine/engine_internal.h"

#include "base/file.h"
#include "base/map.h"

#include <string.h>

static const char MAGIC[8] = "RAGASES3";
enum { HASH_SEED = 1 };

typedef struct head {
    char magic[8];
    uint64_t model;
    uint32_t dtype;
    uint32_t page_len;
    uint64_t n;
    uint64_t page_bytes;
    uint64_t state_bytes;
    uint64_t n_shown;
} head;

typedef struct picture {
    uint64_t at;
    uint64_t n;
    uint32_t cells[3];
    uint32_t width;
} picture;

static uint64_t hash_sample(const rg_tensor *w, uint64_t hash) {
    if (w->data == NULL) {
        return hash;
    }
    const size_t n = w->n_dims == 3 ? w->bytes / w->shape[0] : w->bytes; // that lie together
    return rg_hash(w->data, n < 256 ? n : 256, hash + w->dtype);
}

// the state of another model must not be taken for ours: settings, and a sample of every weight and
// of what is added to them
static uint64_t fingerprint(const rg_engine *engine) {
    const rg_model *model = engine->model;
    const rg_graph_extras *extras = &engine->options.extras;
    uint64_t hash = rg_hash(model->arch->name, strlen(model->arch->name), HASH_SEED);
    const uint32_t numbers[] = {model->h.n_layer,   model->h.n_embd,    model->h.n_head,
                                model->h.n_kv_head, model->h.head_dim,  model->h.n_ff,
                                model->h.n_vocab,   model->h.rope.n_rot};
    hash = rg_hash(numbers, sizeof numbers, hash);
    for (size_t i = 0; i < model->n_weights; i++) {
        hash = hash_sample(&model->weights[i], hash);
    }
    for (size_t i = 0; i < extras->n_loras; i++) {
        const rg_lora *lora = &extras->loras[i];
        hash = rg_hash(&lora->scaling, sizeof lora->scaling, hash + lora->slot);
        hash = hash_sample(&lora->b, hash_sample(&lora->a, hash));
    }
    for (uint32_t layer = 0; extras->steers != NULL && layer < model->h.n_layer; layer++) {
        const rg_tensor *steer = &extras->steers[layer];
        hash = steer->data == NULL ? hash : rg_hash(steer->data, steer->bytes, hash + layer);
    }
    return hash;
}

static head make_head(const rg_session *s) {
    const rg_kv_layout *layout = rg_kv_pool_layout(s->engine->kv);
    head h = {.model = fingerprint(s->engine),
              .dtype = layout->dtype,
              .page_len = layout->page_len,
              .n = s->n,
              .page_bytes = layout->page_bytes,
              .state_bytes = rg_recurrent_bytes(layout) + rg_hidden_bytes(s->engine->model),
              .n_shown = s->n_shown};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    return h;
}

static rg_status put(rg_file_writer *w, const void *data, size_t size, uint64_t *hash,
                     rg_error *err) {
    *hash = rg_hash(data, size, *hash);
    return rg_file_writer_put(w, data, size, err);
}

rg_status rg_session_save(rg_session *session, const char *path, rg_error *err) {
    rg_file_writer w;
    rg_status status = rg_file_writer_open(&w, path, err);
    if (status != RG_OK) {
        return status;
    }
    pthread_mutex_lock(&session->engine->lock);
    uint64_t hash = HASH_SEED;
    RG_TRY(rg_session_catch_up(session, err));
    rg_session_forget_guesses(session);
    RG_TRY(rg_mtp_flush(session, err));
    const size_t n_hidden = rg_hidden_bytes(session->engine->model);
    const head h = make_head(session);
    RG_TRY(put(&w, &h, sizeof h, &hash, err));
    RG_TRY(put(&w, session->ids, session->n * sizeof *session->ids, &hash, err));
    for (size_t i = 0; i < session->n_pages; i++) {
        RG_TRY(put(&w, session->pages[i], h.page_bytes, &hash, err));
    }
    RG_TRY(put(&w, session->recurrent, h.state_bytes - n_hidden, &hash, err));
    if (n_hidden != 0) {
        RG_TRY(put(&w, session->hidden, n_hidden, &hash, err));
    }
    for (size_t i = 0; i < session->n_shown; i++) {
        const rg_shown *shown = &session->shown[i];
        picture p = {.at = shown->at,
                     .n = shown->n,
                     .width = (uint32_t)rg_engine_picture_width(session->engine)};
        memcpy(p.cells, shown->sight->cells, sizeof p.cells);
        RG_TRY(put(&w, &p, sizeof p, &hash, err));
        RG_TRY(
            put(&w, shown->sight->values, shown->sight->n * p.width * sizeof(float), &hash, err));
    }
    RG_TRY(rg_file_writer_put(&w, &hash, sizeof hash, err));
    status = rg_file_writer_commit(&w, err);

done:
    rg_file_writer_abort(&w);
    pthread_mutex_unlock(&session->engine->lock);
    return status;
}

// Pictures of a file, one after another: checks the next, moves on behind it, false at what cannot
// be. `before`: where the last one ended.
static bool next_picture(const rg_session *s, rg_bytes *rest, picture *p, uint64_t *before) {
    const rg_engine *engine = s->engine;
    size_t n = 0, bytes = 0;
    if (rest->size < sizeof *p || engine->options.tower == NULL) {
        return false;
    }
    memcpy(p, rest->data, sizeof *p);
    if (!rg_mul_size(p->cells[0], p->cells[1], &n) || !rg_mul_size(n, p->cells[2], &n) ||
        n > RG_PATCHES_MAX || p->width != rg_engine_picture_width(engine) || p->n == 0 ||
        p->n > n || p->at < *before || p->at > engine->options.n_ctx ||
        p->n > engine->options.n_ctx - p->at) {
        return false;
    }
    bytes = sizeof *p + n * p->width * sizeof(float);
    if (bytes > rest->size) {
        return false;
    }
    *before = p->at + p->n;
    *rest = (rg_bytes){rest->data + bytes, rest->size - bytes};
    return true;
}

// sizes first, then the hash, and only then anything of the session changes
static rg_status check(const rg_session *s, rg_bytes file, const char *path, head *h,
                       rg_error *err) {
    const head want = make_head(s);
    if (file.size < sizeof *h + sizeof(uint64_t) || memcmp(file.data, MAGIC, sizeof MAGIC) != 0) {
        return rg_fail(err, RG_E_FORMAT, "%s is no saved session", path);
    }
    memcpy(h, file.data, sizeof *h);
    if (h->model != want.model || h->dtype != want.dtype || h->page_len != want.page_len ||
        h->page_bytes != want.page_bytes || h->state_bytes != want.state_bytes) {
        return rg_fail(err, RG_E_STATE,
                       "%s was saved with another model, cache type or version of this program",
                       path);
    }
    if (h->n > s->engine->options.n_ctx) {
        return rg_fail(err, RG_E_LIMIT, "%s has %llu tokens, the context %zu", path,
                       (unsigned long long)h->n, s->engine->options.n_ctx);
    }
    const size_t body =
        sizeof *h + h->n * sizeof *s->ids + rg_pages_of(h->n) * h->page_bytes + h->state_bytes;
    if (file.size < body + sizeof(uint64_t) ||
        (h->n_shown == 0 && file.size != body + sizeof(uint64_t))) {
        return rg_fail(err, RG_E_FORMAT, "%s has %zu bytes, %zu are needed", path, file.size,
                       body + sizeof(uint64_t));
    }

    // the same pieces that were hashed while saving
    uint64_t hash = rg_hash(h, sizeof *h, HASH_SEED);
    const uint8_t *p = file.data + sizeof *h;
    hash = rg_hash(p, h->n * sizeof *s->ids, hash);
    p += h->n * sizeof *s->ids;
    for (size_t i = 0; i < rg_pages_of(h->n); i++, p += h->page_bytes) {
        hash = rg_hash(p, h->page_bytes, hash);
    }
    const size_t n_hidden = rg_hidden_bytes(s->engine->model);
    hash = rg_hash(p, h->state_bytes - n_hidden, hash);
    p += h->state_bytes - n_hidden;
    hash = n_hidden == 0 ? hash : rg_hash(p, n_hidden, hash);
    p += n_hidden;
    rg_bytes rest = {p, file.size - body - sizeof hash};
    uint64_t before = 0;
    for (uint64_t i = 0; i < h->n_shown; i++) {
        picture shown;
        const rg_bytes from = rest;
        if (!next_picture(s, &rest, &shown, &before)) {
            return rg_fail(err, RG_E_FORMAT, "%s: picture %llu of %llu cannot be", path,
                           (unsigned long long)i, (unsigned long long)h->n_shown);
        }
        hash = rg_hash(from.data, sizeof shown, hash);
        hash = rg_hash(from.data + sizeof shown, from.size - rest.size - sizeof shown, hash);
    }
    if (rest.size != 0 || memcmp(rest.data, &hash, sizeof hash) != 0) {
        return rg_fail(err, RG_E_FORMAT, "%s is damaged: its checksum does not match", path);
    }
    const int32_t *ids = (const int32_t *)(const void *)(file.data + sizeof *h);
    for (size_t i = 0; i < h->n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= s->engine->model->h.n_vocab) {
            return rg_fail(err, RG_E_FORMAT, "%s: token %zu is %d", path, i, ids[i]);
        }
    }
    return RG_OK;
}

// the pictures of a file that was checked
static rg_status restore_pictures(rg_session *s, rg_bytes rest, uint64_t n, rg_error *err) {
    rg_status status = RG_OK;
    uint64_t before = 0;
    for (uint64_t i = 0; i < n && status == RG_OK; i++) {
        picture p;
        rg_sight *sight = NULL;
        const float *values = (const float *)(const void *)(rest.data + sizeof p);
        if (!next_picture(s, &rest, &p, &before)) {
            return rg_fail(err, RG_E_INTERNAL, "a picture of the session changed under its reader");
        }
        status = rg_sight_alloc(s->engine, p.cells, &sight, err);
        if (status == RG_OK) {
            memcpy(sight->values, values, sight->n * p.width * sizeof *values);
            status = rg_session_add_sight(s, sight, p.at, err);
            rg_sight_release(sight); // the session's alone
        }
        if (status == RG_OK) {
            s->shown[s->n_shown - 1].n = p.n;
        }
    }
    return status;
}

static void forget_all(rg_session *s, size_t state_bytes) {
    s->n = s->n_held = s->n_mtp = 0;
    rg_session_drop_pages(s, 0);
    rg_session_clip_sights(s, 0);
    if (state_bytes != 0) {
        memset(s->recurrent, 0, state_bytes);
    }
}

rg_status rg_session_restore(rg_session *session, const char *path, rg_error *err) {
    rg_file_map map;
    head h;
    rg_status status = rg_file_map_open(path, &map, err);
    if (status != RG_OK) {
        return status;
    }
    pthread_mutex_lock(&session->engine->lock);
    if (session->n_held != 0 || session->n_shown != 0) {
        status = rg_fail(err, RG_E_STATE, "a session is restored into an empty one");
        goto done;
    }
    RG_TRY(check(session, map.bytes, path, &h, err));
    RG_TRY(rg_session_grow(session, h.n, err));
    const uint8_t *p = map.bytes.data + sizeof h;
    memcpy(session->ids, p, h.n * sizeof *session->ids);
    p += h.n * sizeof *session->ids;
    for (size_t i = 0; i < session->n_pages; i++, p += h.page_bytes) {
        memcpy(session->pages[i], p, h.page_bytes);
    }
    const size_t n_hidden = rg_hidden_bytes(session->engine->model);
    const size_t n_state = h.state_bytes - n_hidden;
    if (n_state != 0) {
        memcpy(session->recurrent, p, n_state);
    }
    if (n_hidden != 0) {
        memcpy(session->hidden, p + n_state, n_hidden);
        session->n_mtp = h.n == 0 ? 0 : h.n - 1;
    }
    p += h.state_bytes;
    status = restore_pictures(
        session, (rg_bytes){p, map.bytes.size - (size_t)(p - map.bytes.data) - sizeof(uint64_t)},
        h.n_shown, err);
    session->n = session->n_held = h.n;
    session->has_logits = false;
    if (status != RG_OK) {
        forget_all(session, n_state);
        goto done;
    }
    if (!rg_file_is_intact(&map)) {
        forget_all(session, n_state);
        status = rg_fail(err, RG_E_IO, "%s was cut short while being read", path);
        goto done;
    }
    rg_session_mark_state(session, h.n);

done:
    pthread_mutex_unlock(&session->engine->lock);
    rg_file_map_close(&map);
    return status;
}
