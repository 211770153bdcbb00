#include "hub/hub_pull.h"

#include "hub/hub_ask.h"
#include "hub/hub_elsewhere.h"
#include "hub/hub_part.h"

#include <stdio.h>
#include <stdlib.h>

/** A pull at work. */
typedef struct pull {
    const rg_mem *mem;
    const rg_hub_name *name;
    const rg_pull_options *options;
    rg_hub_ask ask;
    rg_http *http;
    rg_store store;
    rg_hub_listing listing;
    rg_arena arena; // texts of the download
    rg_fetch_file *files;
    size_t *rows; // [n] of the listing
    size_t n;
    uint64_t kept_bytes; // of files that are blobs already
    uint64_t total_bytes;
} pull;

static bool tell(pull *p, rg_pull_event *event) {
    event->name = p->name;
    event->listing = &p->listing;
    return p->options->event == NULL || p->options->event(p->options->arg, event);
}

static bool goes_on(void *arg) {
    pull *p = arg;
    rg_fetch_progress none = {.total_bytes = p->total_bytes, .done_bytes = p->kept_bytes};
    rg_pull_event event = {.kind = RG_PULL_PROGRESS, .progress = &none};
    return p->total_bytes != 0 || tell(p, &event);
}

static bool is_offline(const rg_pull_options *o) {
    const char *value = getenv("RAGA_OFFLINE");
    return o->is_offline || (value != NULL && value[0] != '\0' && strcmp(value, "0") != 0);
}

// ---- what is wanted ----

static rg_status choose(pull *p, rg_error *err) {
    rg_status status = rg_hub_choose(&p->listing, p->name, err);
    const rg_hub_file *index = status == RG_OK ? rg_hub_chosen_index(&p->listing) : NULL;
    if (index == NULL) {
        return status;
    }
    rg_buf url, body;
    rg_http_reply reply;
    rg_buf_init(&url, p->mem, RG_HTTP_URL_MAX);
    rg_buf_init(&body, p->mem, RG_HUB_INDEX_MAX);
    rg_hub_ask_url(&p->ask, &p->listing, index, &url);
    RG_TRY(rg_buf_check(&url, "the address of the index", err));
    RG_TRY(rg_http_get(p->http, rg_buf_cstr(&url), "model.safetensors.index.json", NULL, &body,
                       &reply, err));
    status = rg_hub_choose_shards(&p->listing, rg_buf_view(&body), err);

done:
    rg_buf_clear(&url);
    rg_buf_clear(&body);
    return status;
}

// the same content under two paths is fetched once
static bool is_repeated(const rg_hub_listing *l, size_t i) {
    const rg_hub_file *f = &l->files[i];
    for (size_t k = 0; k < i; k++) {
        const rg_hub_file *other = &l->files[k];
        if (other->is_chosen && ((f->sha256[0] != '\0' && strcmp(f->sha256, other->sha256) == 0) ||
                                 (f->git[0] != '\0' && strcmp(f->git, other->git) == 0))) {
            return true;
        }
    }
    return false;
}

static char *copy(pull *p, const char *text) {
    return rg_arena_copy(&p->arena, text, strlen(text));
}

static rg_status add_file(pull *p, size_t row, rg_error *err) {
    char path[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX];
    rg_hub_file *f = &p->listing.files[row];
    rg_fetch_file *out = &p->files[p->n];
    rg_buf url;
    rg_status status = rg_store_part(&p->store, f, path, identity, err);
    if (status != RG_OK) {
        return status;
    }
    rg_buf_init(&url, p->mem, RG_HTTP_URL_MAX);
    rg_hub_ask_url(&p->ask, &p->listing, f, &url);
    status = rg_buf_check(&url, "the address of a file", err);
    if (status == RG_OK) {
        *out = (rg_fetch_file){.url = copy(p, rg_buf_cstr(&url)),
                               .path = copy(p, path),
                               .name = f->path.data, // terminated in its arena
                               .identity = copy(p, identity),
                               .size = f->size,
                               .sha256 = f->sha256,
                               .git = f->git};
        p->rows[p->n++] = row;
        if (out->url == NULL || out->path == NULL || out->identity == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for the list of files");
        }
    }
    rg_buf_clear(&url);
    return status;
}

// sizes, and the files that are not there yet
static rg_status plan(pull *p, rg_pull_event *event, rg_error *err) {
    char path[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX];
    rg_hub_listing *l = &p->listing;
    rg_status status = RG_OK;
    p->files = rg_arena_alloc(&p->arena, (l->n + 1) * sizeof *p->files);
    p->rows = rg_arena_alloc(&p->arena, (l->n + 1) * sizeof *p->rows);
    if (p->files == NULL || p->rows == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the list of files");
    }
    for (size_t i = 0; i < l->n; i++) {
        rg_hub_file *f = &l->files[i];
        if (!f->is_chosen || is_repeated(l, i)) {
            continue;
        }
        if (f->size > RG_PART_SIZE_MAX) {
            return rg_fail(err, RG_E_LIMIT, "%.*s has %llu bytes, limit %llu", RG_FMT(f->path),
                           (unsigned long long)f->size, RG_PART_SIZE_MAX);
        }
        event->total_bytes += f->size;
        if (rg_store_has(&p->store, f)) {
            p->kept_bytes += f->size;
            continue;
        }
        event->missing_bytes += f->size;
        if (p->options->is_dry_run) {
            continue;
        }
        RG_TRY(add_file(p, i, err));
        RG_TRY(rg_store_part(&p->store, f, path, identity, err));
        event->missing_bytes -= rg_part_kept_bytes(p->mem, path, f->size, identity);
    }
    event->free_bytes = rg_store_free_bytes(&p->store);

done:
    return status;
}

// ---- the download ----

static bool on_progress(void *arg, const rg_fetch_progress *progress) {
    pull *p = arg;
    rg_fetch_progress all = *progress;
    all.done_bytes += p->kept_bytes;
    all.total_bytes = p->total_bytes;
    rg_pull_event event = {.kind = RG_PULL_PROGRESS, .progress = &all};
    return tell(p, &event);
}

static rg_status on_done(void *arg, size_t i, rg_error *err) {
    pull *p = arg;
    rg_hub_file *f = &p->listing.files[p->rows[i]];
    rg_pull_event event = {.kind = RG_PULL_FILE, .file = f};
    const rg_status status =
        rg_store_take(&p->store, p->name, &p->listing, f, p->files[i].found_sha256, err);
    if (status == RG_OK && !tell(p, &event)) {
        return rg_fail(err, RG_E_CANCELLED, "stopped");
    }
    return status;
}

// files of the same git hash have the same content
static void share_hashes(rg_hub_listing *l) {
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->n && l->files[i].git[0] != '\0'; k++) {
            if (l->files[k].sha256[0] == '\0' && strcmp(l->files[k].git, l->files[i].git) == 0) {
                memcpy(l->files[k].sha256, l->files[i].sha256, sizeof l->files[k].sha256);
            }
        }
    }
}

static rg_status download(pull *p, char *path, rg_error *err) {
    rg_status status = RG_OK;
    rg_pull_event event = {.kind = RG_PULL_PLAN};
    if (!p->options->is_dry_run) {
        RG_TRY(rg_store_begin(&p->store, p->name, &p->listing, err));
    }
    RG_TRY(plan(p, &event, err));
    p->total_bytes = event.total_bytes;
    if (!tell(p, &event)) {
        status = rg_fail(err, RG_E_CANCELLED, "stopped");
        goto done;
    }
    if (p->options->is_dry_run) {
        path[0] = '\0';
        goto done;
    }
    if (event.missing_bytes > 0 && event.missing_bytes + RG_PULL_RESERVE > event.free_bytes) {
        status = rg_fail(err, RG_E_LIMIT,
                         "%llu MiB are missing and %llu MiB are free in %s: `raga du` shows what "
                         "takes room, RAGA_STORE moves the store",
                         (unsigned long long)(event.missing_bytes >> 20),
                         (unsigned long long)(event.free_bytes >> 20), p->store.root);
        goto done;
    }
    const rg_fetch_options fetch = {.n_connections = p->options->n_connections,
                                    .bytes_s = p->options->bytes_s,
                                    .progress = on_progress,
                                    .done = on_done,
                                    .arg = p};
    RG_TRY(rg_fetch(p->mem, p->http, p->files, p->n, &fetch, err));
    share_hashes(&p->listing);
    status = rg_store_end(&p->store, p->name, &p->listing, path, err);

done:
    return status;
}

rg_status rg_pull(const rg_mem *mem, const rg_hub_name *name, const rg_pull_options *options,
                  char *path, const char **where, rg_error *err) {
    pull p = {.mem = mem, .name = name, .options = options};
    rg_status status = RG_OK;
    const char *whose = NULL;
    *where = NULL;
    if (is_offline(options)) {
        return rg_fail(err, RG_E_STATE, "offline: nothing is pulled (--offline or RAGA_OFFLINE)");
    }
    rg_hub_listing_init(&p.listing, mem);
    rg_arena_init(&p.arena, mem, 0);
    RG_TRY(rg_store_open(&p.store, mem, err));
    RG_TRY(rg_hub_ask_open(&p.ask, mem, name, err));
    const rg_http_options http = {.origin = p.ask.endpoint,
                                  .token = p.ask.token,
                                  .stall_s = options->stall_s,
                                  .n_retries = options->n_retries,
                                  .go_on = goes_on,
                                  .arg = &p};
    RG_TRY(rg_http_new(mem, &http, &p.http, err));
    RG_TRY(rg_hub_ask_listing(&p.ask, mem, p.http, &p.listing, err));
    RG_TRY(choose(&p, err));
    if (!options->is_own_copy && !options->is_dry_run &&
        rg_hub_elsewhere_has(name, &p.listing, path, RG_STORE_PATH_MAX, &whose)) {
        *where = whose;
        goto done;
    }
    status = download(&p, path, err);

done:
    rg_http_free(p.http);
    rg_store_close(&p.store);
    rg_arena_clear(&p.arena);
    rg_hub_listing_clear(&p.listing);
    return status;
}
