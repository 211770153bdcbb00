/* What of the store is needed, and taking the rest away. */
#include "base/file.h"
#include "base/map.h"
#include "hub/hub_part.h"
#include "hub/hub_store_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/** What records need: names in blobs/ and partial/. */
typedef struct needs {
    const rg_store *store;
    rg_arena arena;
    rg_map names;
    const char *but; // a record whose needs do not count; NULL
    bool but_is_model;
    rg_store_usage usage;
    rg_status status;
} needs;

static void need(needs *n, const char *name) {
    const char *copy = rg_arena_copy(&n->arena, name, strlen(name));
    if (copy == NULL || rg_map_add(&n->names, rg_str_of(copy), 0, NULL, NULL) != RG_OK) {
        n->status = RG_E_MEMORY;
    }
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool gather(void *arg, const rg_store_model *m) {
    needs *n = arg;
    char part[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX];
    const bool is_pull = m->is_pull;
    if (n->but != NULL && strcmp(n->but, m->name) == 0 && n->but_is_model == !is_pull) {
        return true;
    }
    n->usage.n_models += !is_pull;
    n->usage.n_pulls += is_pull;
    n->usage.named_bytes += is_pull ? 0 : m->size;
    for (size_t i = 0; i < m->listing.n; i++) {
        const rg_hub_file *f = &m->listing.files[i];
        if (f->sha256[0] != '\0') {
            snprintf(part, sizeof part, "sha256-%s", f->sha256);
            need(n, part);
        }
        if (is_pull && rg_store_part(n->store, f, part, identity, NULL) == RG_OK) {
            need(n, base_name(part));
        }
    }
    return n->status == RG_OK;
}

static rg_status gather_all(needs *n, rg_error *err) {
    rg_arena_init(&n->arena, n->store->mem, 0);
    rg_map_init(&n->names, n->store->mem);
    const rg_status status = rg_store_walk(n->store, gather, n, &n->usage.n_unreadable, err);
    return status != RG_OK      ? status
           : n->status != RG_OK ? rg_fail(err, n->status, "no memory for the list of files")
                                : RG_OK;
}

static void clear(needs *n) {
    rg_map_clear(&n->names);
    rg_arena_clear(&n->arena);
}

// the files of blobs/ or partial/, and whether a record needs them
typedef void visit_fn(void *arg, const char *path, const struct stat *info, bool is_needed);

static void visit(const needs *n, const char *folder, visit_fn *fn, void *arg) {
    char path[RG_STORE_PATH_MAX];
    const struct dirent *entry = NULL;
    struct stat info;
    DIR *dir = opendir(rg_store_place(n->store, path, "%s", folder));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        rg_str name = rg_str_of(entry->d_name);
        rg_store_place(n->store, path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            name.size -= rg_str_ends(name, RG_STR(".journal")) ? 8 : 0;
            fn(arg, path, &info, rg_map_find(&n->names, name) != RG_MAP_NONE);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void remove_unneeded(void *arg, const char *path, const struct stat *info, bool is_needed) {
    uint64_t *freed = arg;
    if (!is_needed && unlink(path) == 0) {
        *freed += (uint64_t)info->st_blocks * 512;
    }
}

static void count_blob(void *arg, const char *path, const struct stat *info, bool is_needed) {
    rg_store_usage *u = arg;
    (void)path;
    *(is_needed ? &u->blob_bytes : &u->unused_bytes) += (uint64_t)info->st_size;
}

static void count_part(void *arg, const char *path, const struct stat *info, bool is_needed) {
    rg_store_usage *u = arg;
    (void)path;
    *(is_needed ? &u->partial_bytes : &u->unused_bytes) += (uint64_t)info->st_blocks * 512;
}

rg_status rg_store_measure(const rg_store *s, rg_store_usage *usage, rg_error *err) {
    needs n = {.store = s};
    const rg_status status = gather_all(&n, err);
    if (status == RG_OK) {
        visit(&n, "blobs", count_blob, &n.usage);
        visit(&n, "partial", count_part, &n.usage);
        n.usage.free_bytes = rg_store_free_bytes(s);
        *usage = n.usage;
    }
    clear(&n);
    return status;
}

rg_status rg_store_sweep(const rg_store *s, uint64_t *freed, rg_error *err) {
    needs n = {.store = s};
    int fd = -1;
    rg_status status = RG_OK;
    *freed = 0;
    RG_TRY(rg_store_lock(s, &fd, err));
    RG_TRY(gather_all(&n, err));
    // a record that cannot be read may need anything
    if (n.usage.n_unreadable > 0) {
        status = rg_fail(err, RG_E_STATE,
                         "%zu records of the store cannot be read; nothing is removed beside them",
                         n.usage.n_unreadable);
        goto done;
    }
    visit(&n, "blobs", remove_unneeded, freed);
    visit(&n, "partial", remove_unneeded, freed);

done:
    rg_store_unlock(fd);
    clear(&n);
    return status;
}

// the files of a record that goes, if nothing else needs them
static void remove_files(const needs *n, const rg_store_model *m, bool is_model, uint64_t *freed) {
    char path[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX], name[80];
    struct stat info;
    for (size_t i = 0; i < m->listing.n; i++) {
        const rg_hub_file *f = &m->listing.files[i];
        snprintf(name, sizeof name, "sha256-%s", f->sha256);
        if (f->sha256[0] != '\0' && rg_map_find(&n->names, rg_str_of(name)) == RG_MAP_NONE) {
            rg_store_place(n->store, path, "blobs/%s", name);
            if (lstat(path, &info) == 0 && unlink(path) == 0) {
                *freed += (uint64_t)info.st_blocks * 512;
            }
        }
        if (!is_model && rg_store_part(n->store, f, path, identity, NULL) == RG_OK &&
            rg_map_find(&n->names, rg_str_of(base_name(path))) == RG_MAP_NONE) {
            *freed += lstat(path, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
            rg_part_remove(path);
        }
    }
}

// @param found  set when there was such a record
static rg_status remove_record(const rg_store *s, const char *name, const char *slug, bool is_model,
                               bool *found, uint64_t *freed, rg_error *err) {
    char path[RG_STORE_PATH_MAX];
    rg_store_model m;
    needs n = {.store = s, .but = name, .but_is_model = is_model};
    rg_error why = {0};
    rg_status status = rg_store_load(s, slug, is_model, &m, &why);
    if (status == RG_E_NOT_FOUND) {
        return RG_OK;
    }
    const bool is_read = status == RG_OK;
    status = gather_all(&n, err);
    if (status == RG_OK) {
        // the record first: files without a record are swept, a record without files is a lie
        rg_store_place(s, path, is_model ? "models/%s/manifest.json" : "pulls/%s.json", slug);
        if (unlink(path) != 0) {
            status = rg_fail(err, RG_E_IO, "cannot remove %s", path);
        } else if (is_read && n.usage.n_unreadable == 0) {
            remove_files(&n, &m, is_model, freed);
        }
        if (status == RG_OK && is_model) {
            rg_store_remove_tree(rg_store_place(s, path, "models/%s", slug));
        }
        *found = status == RG_OK;
    }
    if (is_read) {
        rg_store_model_clear(&m);
    }
    clear(&n);
    return status;
}

rg_status rg_store_remove(const rg_store *s, const rg_hub_name *name, uint64_t *freed,
                          rg_error *err) {
    char slug[RG_STORE_SLUG_BYTES];
    int fd = -1;
    int pull = -1;
    bool found = false;
    rg_status status = RG_OK;
    *freed = 0;
    rg_store_slug(name->text, slug);
    RG_TRY(rg_store_lock(s, &fd, err));
    RG_TRY(rg_store_lock_pull(s, slug, &pull, err));
    RG_TRY(remove_record(s, name->text, slug, false, &found, freed, err));
    RG_TRY(remove_record(s, name->text, slug, true, &found, freed, err));
    if (!found) {
        status = rg_fail(err, RG_E_NOT_FOUND, "%s is not in the store; `raga list` shows what is",
                         name->text);
    }

done:
    rg_store_unlock(pull);
    rg_store_unlock(fd);
    return status;
}
