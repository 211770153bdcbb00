/* Models by name, and the store. */
#include "api/api_internal.h"

#include "hub/hub_elsewhere.h"
#include "hub/hub_pull.h"
#include "hub/hub_store.h"
#include "raga/hub.h"

bool raga_hub_is_name(const char *text) {
    return text != NULL && rg_hub_name_is(text);
}

bool raga_hub_known_at(size_t i, raga_hub_known *out) {
    const rg_hub_known *row = rg_hub_known_at(i);
    if (row != NULL) {
        out->name = row->name;
        out->target = row->target;
        out->about = row->about;
    }
    return row != NULL;
}

static raga_status hand_over(const char *text, char **out, raga_error *error) {
    rg_error err = {0};
    if (out == NULL) {
        return RAGA_OK;
    }
    const size_t size = strlen(text);
    *out = rg_alloc(rg_mem_heap(), size + 1);
    if (*out == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a path"), &err);
    }
    memcpy(*out, text, size + 1);
    return RAGA_OK;
}

raga_status raga_hub_find(const char *text, char **path, const char **where, raga_error *error) {
    rg_error err = {0};
    rg_hub_name name;
    rg_store store;
    rg_store_model model;
    char place[RG_STORE_PATH_MAX];
    const char *whose = NULL;
    if (text == NULL || path == NULL) {
        return api_bad(error, "no name or no place for the path");
    }
    rg_status status = rg_hub_name_parse(text, &name, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    status = rg_store_open(&store, rg_mem_heap(), &err);
    if (status == RG_OK) {
        status = rg_store_find(&store, &name, &model, &err);
        if (status == RG_OK) {
            memcpy(place, model.path, sizeof place);
            rg_store_model_clear(&model);
        }
    }
    if (status != RG_OK) {
        status = rg_hub_elsewhere(rg_mem_heap(), &name, place, sizeof place, &whose, NULL);
    }
    if (status != RG_OK) {
        // the store's sentence: it says when a name is not plain
        return api_fail(error, RG_E_NOT_FOUND, &err);
    }
    if (where != NULL) {
        *where = whose;
    }
    return hand_over(place, path, error);
}

// ---- pulling ----

typedef struct puller {
    const raga_pull_options *options;
    uint64_t total_bytes;
} puller;

static raga_hub_file public_file(const rg_hub_file *f) {
    return (raga_hub_file){sizeof(raga_hub_file), f->path.data, f->size, f->sha256};
}

// the chosen files; rg_free() them. NULL: no memory
static raga_hub_file *public_files(const rg_hub_listing *l, size_t *n) {
    raga_hub_file *files = rg_new_array(rg_mem_heap(), l->n + 1, sizeof *files);
    *n = 0;
    for (size_t i = 0; files != NULL && i < l->n; i++) {
        if (l->files[i].is_chosen) {
            files[(*n)++] = public_file(&l->files[i]);
        }
    }
    return files;
}

static bool on_event(void *arg, const rg_pull_event *e) {
    puller *p = arg;
    raga_hub_file one;
    raga_hub_file *all = NULL;
    raga_pull_event out = {.size = sizeof out,
                           .kind = (raga_pull_event_kind)e->kind,
                           .name = e->name->text,
                           .revision = e->listing->revision,
                           .license = e->listing->license,
                           .note = e->listing->note};
    if (e->kind == RG_PULL_PLAN) {
        p->total_bytes = e->total_bytes;
        all = public_files(e->listing, &out.n_files);
        out.files = all;
        out.done_bytes = e->total_bytes - e->missing_bytes;
        out.free_bytes = e->free_bytes;
    } else if (e->kind == RG_PULL_FILE) {
        one = public_file(e->file);
        out.files = &one;
        out.n_files = 1;
    } else {
        out.done_bytes = e->progress->done_bytes;
        out.bytes_s = e->progress->bytes_s;
        out.waiting = e->progress->waiting;
        out.wait_s = e->progress->wait_s;
    }
    out.total_bytes = p->total_bytes;
    const bool goes_on = p->options->event(p->options->arg, &out);
    rg_free(rg_mem_heap(), all);
    return goes_on;
}

_Static_assert((int)RAGA_PULL_PLAN == (int)RG_PULL_PLAN &&
                   (int)RAGA_PULL_FILE == (int)RG_PULL_FILE &&
                   (int)RAGA_PULL_PROGRESS == (int)RG_PULL_PROGRESS,
               "events of a pull");

raga_status raga_hub_pull(const raga_pull_options *options, char **path, const char **where,
                          raga_error *error) {
    rg_error err = {0};
    rg_hub_name name;
    char place[RG_STORE_PATH_MAX] = "";
    const char *whose = NULL;
    puller p = {.options = options};
    if (options == NULL || options->name == NULL) {
        return api_bad(error, "no name of a model to pull");
    }
    rg_status status = rg_hub_name_parse(options->name, &name, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    const rg_pull_options inner = {.is_dry_run = options->is_dry_run,
                                   .is_offline = options->is_offline,
                                   .is_own_copy = options->is_own_copy,
                                   .n_connections = options->n_connections,
                                   .stall_s = options->stall_s,
                                   .n_retries = options->n_retries,
                                   .bytes_s = options->bytes_s,
                                   .event = options->event == NULL ? NULL : on_event,
                                   .arg = &p};
    status = rg_pull(rg_mem_heap(), &name, &inner, place, &whose, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    if (where != NULL) {
        *where = whose;
    }
    if (path != NULL) {
        *path = NULL;
    }
    return place[0] == '\0' ? RAGA_OK : hand_over(place, path, error);
}

// ---- the store ----

typedef struct walker {
    raga_store_fn *fn;
    void *arg;
    bool has_memory;
} walker;

static bool on_model(void *arg, const rg_store_model *m) {
    walker *w = arg;
    raga_store_model out = {.size = sizeof out,
                            .name = m->name,
                            .path = m->path,
                            .revision = m->listing.revision,
                            .license = m->listing.license,
                            .is_complete = m->is_complete,
                            .is_pull = m->is_pull,
                            .bytes = m->size,
                            .kept_bytes = m->kept_bytes,
                            .pulled_s = m->pulled_s};
    raga_hub_file *files = public_files(&m->listing, &out.n_files);
    w->has_memory = files != NULL;
    out.files = files;
    const bool goes_on = w->has_memory && w->fn(w->arg, &out);
    rg_free(rg_mem_heap(), files);
    return goes_on;
}

raga_status raga_store_walk(raga_store_fn *fn, void *arg, size_t *n_unreadable, raga_error *error) {
    rg_error err = {0};
    rg_store store;
    walker w = {fn, arg, true};
    if (fn == NULL) {
        return api_bad(error, "nobody to tell of models");
    }
    rg_status status = rg_store_open(&store, rg_mem_heap(), &err);
    if (status == RG_OK) {
        status = rg_store_walk(&store, on_model, &w, n_unreadable, &err);
    }
    if (status == RG_OK && !w.has_memory) {
        status = rg_fail(&err, RG_E_MEMORY, "no memory for the list of files");
    }
    return api_fail(error, status, &err);
}

raga_status raga_store_remove(const char *text, uint64_t *freed, raga_error *error) {
    rg_error err = {0};
    rg_hub_name name;
    rg_store store;
    uint64_t bytes = 0;
    if (text == NULL) {
        return api_bad(error, "no name of a model to remove");
    }
    rg_status status = rg_hub_name_parse(text, &name, &err);
    if (status == RG_OK) {
        status = rg_store_open(&store, rg_mem_heap(), &err);
    }
    if (status == RG_OK) {
        status = rg_store_remove(&store, &name, &bytes, &err);
    }
    if (freed != NULL) {
        *freed = bytes;
    }
    return api_fail(error, status, &err);
}

raga_status raga_store_sweep(uint64_t *freed, raga_error *error) {
    rg_error err = {0};
    rg_store store;
    uint64_t bytes = 0;
    rg_status status = rg_store_open(&store, rg_mem_heap(), &err);
    if (status == RG_OK) {
        status = rg_store_sweep(&store, &bytes, &err);
    }
    if (freed != NULL) {
        *freed = bytes;
    }
    return api_fail(error, status, &err);
}

raga_status raga_store_measure(raga_store_usage *out, raga_error *error) {
    rg_error err = {0};
    rg_store store;
    rg_store_usage usage;
    if (out == NULL) {
        return api_bad(error, "no place for the usage");
    }
    rg_status status = rg_store_open(&store, rg_mem_heap(), &err);
    if (status == RG_OK) {
        status = rg_store_measure(&store, &usage, &err);
    }
    if (status == RG_OK) {
        out->blob_bytes = usage.blob_bytes;
        out->named_bytes = usage.named_bytes;
        out->partial_bytes = usage.partial_bytes;
        out->unused_bytes = usage.unused_bytes;
        out->free_bytes = usage.free_bytes;
        out->n_models = usage.n_models;
        out->n_pulls = usage.n_pulls;
        out->n_unreadable = usage.n_unreadable;
        memcpy(out->path, store.root, sizeof out->path);
    }
    return api_fail(error, status, &err);
}
