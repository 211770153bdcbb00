#include "hub/hub_store_internal.h"

#include "base/file.h"
#include "base/map.h"
#include "hub/hub_part.h"
#include "hub/hub_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { HASH_SEED = 13 };

static const char MANIFEST[] = "manifest.json";

// ---- places ----

rg_status rg_store_open(rg_store *store, const rg_mem *mem, rg_error *err) {
    const char *own = getenv("RAGA_STORE");
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int n = 0;
    *store = (rg_store){.mem = mem, .pull_lock = -1};
    if (own != NULL && own[0] != '\0') {
        n = snprintf(store->root, sizeof store->root, "%s", own);
    } else if (xdg != NULL && xdg[0] != '\0') {
        n = snprintf(store->root, sizeof store->root, "%s/raga", xdg);
    } else if (home != NULL && home[0] != '\0') {
        n = snprintf(store->root, sizeof store->root, "%s/.local/share/raga", home);
    } else {
        return rg_fail(err, RG_E_IO, "no place for models: set RAGA_STORE or HOME");
    }
    // room is left for what lies in it
    if (n < 0 || (size_t)n + 512 > sizeof store->root) {
        return rg_fail(err, RG_E_LIMIT, "the path of the store has %d bytes, limit %zu", n,
                       sizeof store->root - 512);
    }
    return RG_OK;
}

void rg_store_close(rg_store *store) {
    if (store->pull_lock >= 0) {
        close(store->pull_lock);
        store->pull_lock = -1;
    }
}

// a path below the root; what is longer than a path can be is an error when it is opened
const char *rg_store_place(const rg_store *s, char out[RG_STORE_PATH_MAX], const char *format,
                           ...) {
    va_list args;
    const int n = snprintf(out, RG_STORE_PATH_MAX, "%s/", s->root);
    va_start(args, format);
    vsnprintf(out + n, RG_STORE_PATH_MAX - (size_t)n, format, args);
    va_end(args);
    return out;
}

// a readable form of a name and its hash: the name of its folder
void rg_store_slug(const char *name, char out[RG_STORE_SLUG_BYTES]) {
    size_t n = 0;
    for (const char *p = name; *p != '\0' && n < 80; p++) {
        const bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                              (*p >= '0' && *p <= '9') || (*p == '.' && n > 0) || *p == '-';
        out[n++] = is_plain ? *p : '_';
    }
    snprintf(out + n, RG_STORE_SLUG_BYTES - n, "-%016" PRIx64,
             rg_hash(name, strlen(name), HASH_SEED));
}

static const char *blob_path(const rg_store *s, char out[RG_STORE_PATH_MAX], const char *sha256) {
    return rg_store_place(s, out, "blobs/sha256-%s", sha256);
}

bool rg_store_has(const rg_store *s, const rg_hub_file *file) {
    char path[RG_STORE_PATH_MAX];
    struct stat info;
    return file->sha256[0] != '\0' && lstat(blob_path(s, path, file->sha256), &info) == 0 &&
           S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->size;
}

rg_status rg_store_part(const rg_store *s, const rg_hub_file *f, char path[RG_STORE_PATH_MAX],
                        char identity[RG_STORE_PATH_MAX], rg_error *err) {
    if (f->sha256[0] != '\0') {
        snprintf(identity, RG_STORE_PATH_MAX, "sha256-%s", f->sha256);
    } else if (f->git[0] != '\0') {
        snprintf(identity, RG_STORE_PATH_MAX, "git-%s", f->git);
    } else {
        snprintf(identity, RG_STORE_PATH_MAX, "tag-%s-%.*s", f->tag, RG_FMT(f->path));
    }
    // hashes are names as they are; what else tells a file apart becomes one
    if (f->sha256[0] != '\0' || f->git[0] != '\0') {
        rg_store_place(s, path, "partial/%s", identity);
    } else {
        rg_store_place(s, path, "partial/tag-%016" PRIx64,
                       rg_hash(identity, strlen(identity), HASH_SEED));
    }
    rg_file_make_folders(path);
    return rg_file_kind_of(s->root) == RG_FILE_DIRECTORY
               ? RG_OK
               : rg_fail(err, RG_E_IO, "cannot make the store %s", s->root);
}

// a folder that does not exist yet is on the disk of the nearest one that does
uint64_t rg_store_free_bytes(const rg_store *s) {
    char path[RG_STORE_PATH_MAX];
    struct statvfs info;
    memcpy(path, s->root, sizeof path);
    while (statvfs(path, &info) != 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            return statvfs(slash == NULL ? "." : "/", &info) == 0
                       ? (uint64_t)info.f_bavail * info.f_frsize
                       : 0;
        }
        *slash = '\0';
    }
    return (uint64_t)info.f_bavail * info.f_frsize;
}

// ---- locks ----

rg_status rg_store_lock(const rg_store *s, int *fd, rg_error *err) {
    char path[RG_STORE_PATH_MAX];
    rg_store_place(s, path, "lock");
    rg_file_make_folders(path);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return rg_fail(err, RG_E_IO, "cannot open %s: %s", path, strerror(errno));
    }
    while (flock(*fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            close(*fd);
            *fd = -1;
            return rg_fail(err, RG_E_IO, "cannot lock %s: %s", path, strerror(errno));
        }
    }
    return RG_OK;
}

void rg_store_unlock(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

// one process pulls a model. @param fd  held until it is closed
rg_status rg_store_lock_pull(const rg_store *s, const char *slug, int *fd, rg_error *err) {
    char path[RG_STORE_PATH_MAX];
    rg_store_place(s, path, "pulls/%s.lock", slug);
    rg_file_make_folders(path);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return rg_fail(err, RG_E_IO, "cannot open %s: %s", path, strerror(errno));
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        close(*fd);
        *fd = -1;
        return rg_fail(err, RG_E_STATE, "another process is pulling this model");
    }
    return RG_OK;
}

// ---- records ----

void rg_store_model_clear(rg_store_model *m) {
    rg_hub_listing_clear(&m->listing);
    *m = (rg_store_model){0};
}

// links are named after the list of the files: another list is another folder
static void links_of(const rg_hub_listing *l, char out[32]) {
    uint64_t h = HASH_SEED;
    for (size_t i = 0; i < l->n; i++) {
        if (l->files[i].is_chosen) {
            h = rg_hash(l->files[i].path.data, l->files[i].path.size + 1, h);
            h = rg_hash(l->files[i].sha256, 64, h);
        }
    }
    snprintf(out, 32, "files-%016" PRIx64, h);
}

static void set_path(const rg_store *s, const char *slug, const rg_hub_listing *l,
                     char out[RG_STORE_PATH_MAX]) {
    char links[32];
    bool is_folder = false;
    const rg_hub_file *file = rg_hub_main_file(l, &is_folder);
    links_of(l, links);
    if (is_folder || file == NULL) {
        rg_store_place(s, out, "models/%s/%s", slug, links);
    } else {
        rg_store_place(s, out, "models/%s/%s/%.*s", slug, links, RG_FMT(file->path));
    }
}

// blobs and links to them: a power cut may have taken links that a record names
static bool is_whole(const rg_store *s, const char *slug, const rg_store_model *m) {
    char links[32], path[RG_STORE_PATH_MAX];
    links_of(&m->listing, links);
    for (size_t i = 0; i < m->listing.n; i++) {
        const rg_hub_file *f = &m->listing.files[i];
        rg_store_place(s, path, "models/%s/%s/%.*s", slug, links, RG_FMT(f->path));
        if (!rg_store_has(s, f) || access(path, F_OK) != 0) {
            return false;
        }
    }
    return m->listing.n > 0;
}

// reads models/SLUG or pulls/SLUG.json
rg_status rg_store_load(const rg_store *s, const char *slug, bool is_model, rg_store_model *m,
                        rg_error *err) {
    char path[RG_STORE_PATH_MAX], part[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX];
    char want[RG_STORE_SLUG_BYTES];
    if (is_model) {
        rg_store_place(s, path, "models/%s/%s", slug, MANIFEST);
    } else {
        rg_store_place(s, path, "pulls/%s.json", slug);
    }
    *m = (rg_store_model){0};
    rg_status status = rg_record_read(s->mem, path, m, err);
    if (status == RG_OK) {
        rg_store_slug(m->name, want);
        if (strcmp(want, slug) != 0) {
            status = rg_fail(err, RG_E_FORMAT, "%s is the record of another model", path);
        }
    }
    if (status != RG_OK) {
        rg_store_model_clear(m);
        return status;
    }
    for (size_t i = 0; i < m->listing.n; i++) {
        const rg_hub_file *f = &m->listing.files[i];
        if (rg_store_has(s, f)) {
            m->kept_bytes += f->size;
        } else if (!is_model && rg_store_part(s, f, part, identity, NULL) == RG_OK) {
            m->kept_bytes += rg_part_kept_bytes(s->mem, part, f->size, identity);
        }
    }
    m->is_pull = !is_model;
    m->is_complete = is_model && is_whole(s, slug, m);
    if (m->is_complete) {
        set_path(s, slug, &m->listing, m->path);
    }
    return RG_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// names in a folder that end so, sorted, in the arena; a folder that is not there is empty
static rg_status names_in(rg_arena *arena, const char *path, rg_str tail, const char ***out,
                          size_t *n, rg_error *err) {
    const char **names = rg_arena_alloc(arena, RG_STORE_MODELS_MAX * sizeof *names);
    const struct dirent *entry = NULL;
    rg_status status = RG_OK;
    DIR *dir = opendir(path);
    *n = 0;
    *out = names;
    if (names == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the list of models");
    }
    while (status == RG_OK && dir != NULL && (entry = readdir(dir)) != NULL) {
        const rg_str name = rg_str_of(entry->d_name);
        if (name.data[0] == '.' || !rg_str_ends(name, tail)) {
            continue;
        }
        // none may be passed over: files that no record needs are removed
        if (*n == RG_STORE_MODELS_MAX) {
            status =
                rg_fail(err, RG_E_LIMIT, "%s has more than %d entries", path, RG_STORE_MODELS_MAX);
            break;
        }
        names[*n] = rg_arena_copy(arena, name.data, name.size - tail.size);
        if (names[(*n)++] == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for the list of models");
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (status == RG_OK) {
        qsort(names, *n, sizeof *names, by_name);
    }
    return status;
}

rg_status rg_store_walk(const rg_store *s, rg_store_fn *fn, void *arg, size_t *n_unreadable,
                        rg_error *err) {
    static const char *const folders[] = {"pulls", "models"};
    char path[RG_STORE_PATH_MAX];
    rg_arena arena;
    rg_status status = RG_OK;
    size_t n_bad = 0;
    bool goes_on = true;
    rg_arena_init(&arena, s->mem, 0);
    for (int is_model = 1; is_model >= 0; is_model--) {
        const char **names = NULL;
        size_t n = 0;
        rg_store_place(s, path, "%s", folders[is_model]);
        RG_TRY(
            names_in(&arena, path, is_model == 1 ? RG_STR("") : RG_STR(".json"), &names, &n, err));
        for (size_t i = 0; i < n && goes_on; i++) {
            rg_store_model m;
            rg_error why = {0};
            if (rg_store_load(s, names[i], is_model == 1, &m, &why) == RG_OK) {
                goes_on = fn(arg, &m);
                rg_store_model_clear(&m);
            } else {
                // a folder without its record is a model that was being removed
                n_bad += why.status != RG_E_NOT_FOUND;
            }
        }
    }
    if (n_unreadable != NULL) {
        *n_unreadable = n_bad;
    }

done:
    rg_arena_clear(&arena);
    return status;
}

// ---- finding ----

// does a record hold just what a name means, though it bears another name?
static bool means(rg_store_model *m, const rg_hub_name *name) {
    rg_hub_name own;
    if (rg_hub_name_parse(m->name, &own, NULL) != RG_OK || own.kind != name->kind) {
        return false;
    }
    if (name->kind == RG_HUB_URL) {
        return strcmp(own.url, name->url) == 0 &&
               (name->sha256[0] == '\0' || strcmp(m->listing.files[0].sha256, name->sha256) == 0);
    }
    if (name->kind == RG_HUB_OLLAMA || strcasecmp(own.owner, name->owner) != 0 ||
        strcasecmp(own.repo, name->repo) != 0) {
        return false;
    }
    const bool is_revision =
        strcmp(name->revision, own.revision) == 0 ||
        (strlen(name->revision) >= 7 &&
         strncmp(m->listing.revision, name->revision, strlen(name->revision)) == 0);
    if (!is_revision) {
        return false;
    }
    bool is_all = true;
    if (name->pick[0] != '\0') {
        is_all = rg_hub_choose(&m->listing, name, NULL) == RG_OK;
        for (size_t i = 0; i < m->listing.n; i++) {
            is_all = is_all && m->listing.files[i].is_chosen;
            m->listing.files[i].is_chosen = true;
        }
    }
    return is_all;
}

typedef struct search {
    const rg_store *store;
    const rg_hub_name *name;
    char found[RG_HUB_NAME_MAX + 1];
    size_t n;
} search;

static bool look(void *arg, const rg_store_model *m) {
    search *s = arg;
    rg_store_model *own = (rg_store_model *)(uintptr_t)m; // its choice is put back
    if (m->is_complete && means(own, s->name)) {
        snprintf(s->found, sizeof s->found, "%s", m->name);
        s->n++;
    }
    return true;
}

rg_status rg_store_find(const rg_store *s, const rg_hub_name *name, rg_store_model *out,
                        rg_error *err) {
    char slug[RG_STORE_SLUG_BYTES];
    search found = {.store = s, .name = name};
    rg_store_slug(name->text, slug);
    rg_status status = rg_store_load(s, slug, true, out, NULL);
    if (status == RG_OK && out->is_complete) {
        return RG_OK;
    }
    if (status == RG_OK) {
        rg_store_model_clear(out);
    }
    status = rg_store_walk(s, look, &found, NULL, err);
    if (status != RG_OK) {
        return status;
    }
    if (found.n != 1) {
        return rg_fail(err, RG_E_NOT_FOUND,
                       found.n == 0
                           ? "%s is not in the store"
                           : "%s is in the store more than once: name the file or quantization",
                       name->text);
    }
    rg_store_slug(found.found, slug);
    return rg_store_load(s, slug, true, out, err);
}

// ---- a pull ----

static rg_status write_plan(const rg_store *s, const rg_hub_name *name, const rg_hub_listing *l,
                            rg_error *err) {
    char path[RG_STORE_PATH_MAX], slug[RG_STORE_SLUG_BYTES];
    rg_buf text;
    rg_store_slug(name->text, slug);
    rg_store_place(s, path, "pulls/%s.json", slug);
    rg_file_make_folders(path);
    rg_buf_init(&text, s->mem, RG_STORE_MANIFEST_MAX);
    rg_record_write(&text, name->text, (int64_t)time(NULL), l);
    rg_status status = rg_buf_check(&text, "the record of the pull", err);
    if (status == RG_OK) {
        status = rg_file_write(path, text.data, text.size, err);
    }
    rg_buf_clear(&text);
    return status;
}

// hashes that were found before, where the hub states none but the same git hash or tag
static void take_over(rg_hub_listing *l, const rg_store_model *old) {
    for (size_t i = 0; i < old->listing.n; i++) {
        const rg_hub_file *was = &old->listing.files[i];
        rg_hub_file *f = rg_hub_listing_find(l, was->path);
        const bool is_same = f != NULL && f->sha256[0] == '\0' && f->size == was->size &&
                             (f->git[0] != '\0' || f->tag[0] != '\0') &&
                             strcmp(f->git, was->git) == 0 && strcmp(f->tag, was->tag) == 0;
        if (is_same) {
            memcpy(f->sha256, was->sha256, sizeof f->sha256);
        }
    }
}

rg_status rg_store_begin(rg_store *s, const rg_hub_name *name, rg_hub_listing *l, rg_error *err) {
    char slug[RG_STORE_SLUG_BYTES];
    int fd = -1;
    rg_store_slug(name->text, slug);
    rg_status status = rg_store_lock_pull(s, slug, &s->pull_lock, err);
    if (status != RG_OK) {
        return status;
    }
    RG_TRY(rg_store_lock(s, &fd, err));
    for (int is_model = 0; is_model < 2; is_model++) {
        rg_store_model old;
        if (rg_store_load(s, slug, is_model == 1, &old, NULL) == RG_OK) {
            take_over(l, &old);
            rg_store_model_clear(&old);
        }
    }
    status = write_plan(s, name, l, err);

done:
    rg_store_unlock(fd);
    return status;
}

// a new name in a folder survives a power cut
static void sync_folder_of(const char *path) {
    char folder[RG_STORE_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); // some file systems cannot; that is theirs to answer for
        close(fd);
    }
}

rg_status rg_store_take(const rg_store *s, const rg_hub_name *name, rg_hub_listing *l,
                        rg_hub_file *file, const char *sha256, rg_error *err) {
    char part[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX], blob[RG_STORE_PATH_MAX];
    int lock = -1;
    rg_status status = rg_store_part(s, file, part, identity, err);
    if (status == RG_OK) {
        status = rg_store_lock(s, &lock, err);
    }
    if (status != RG_OK) {
        return status;
    }
    blob_path(s, blob, sha256);
    rg_file_make_folders(blob);
    const int fd = open(part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    // the bytes are on the disk before the name says that they are
    if (fd < 0 || fsync(fd) != 0 || fchmod(fd, 0444) != 0 || rename(part, blob) != 0) {
        status = rg_fail(err, RG_E_IO, "cannot make %s: %s", blob, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (status == RG_OK) {
        sync_folder_of(blob);
        rg_part_remove(part); // its journal
        memcpy(file->sha256, sha256, sizeof file->sha256);
        status = write_plan(s, name, l, err);
    }
    rg_store_unlock(lock);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    (void)remove(path);
    return 0;
}

void rg_store_remove_tree(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static rg_status make_links(const rg_store *s, const char *slug, const rg_hub_listing *l,
                            rg_error *err) {
    char links[32], path[RG_STORE_PATH_MAX], to[RG_STORE_PATH_MAX];
    links_of(l, links);
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (!f->is_chosen) {
            continue;
        }
        if (strlen(s->root) + strlen(slug) + f->path.size + 64 > sizeof path) {
            return rg_fail(err, RG_E_LIMIT, "the path of %.*s in the store is too long",
                           RG_FMT(f->path));
        }
        rg_store_place(s, path, "models/%s/%s/%.*s", slug, links, RG_FMT(f->path));
        rg_file_make_folders(path);
        size_t n = 0;
        for (size_t k = 0; k < f->path.size; k++) {
            n += f->path.data[k] == '/' ? (size_t)snprintf(to + n, sizeof to - n, "../") : 0;
        }
        snprintf(to + n, sizeof to - n, "../../../blobs/sha256-%s", f->sha256);
        (void)unlink(path);
        if (symlink(to, path) != 0) {
            return rg_fail(err, RG_E_IO, "cannot make the link %s: %s", path, strerror(errno));
        }
    }
    return RG_OK;
}

// folders of links that the record does not name any more
static void remove_old_links(const rg_store *s, const char *slug, const char *links) {
    char path[RG_STORE_PATH_MAX];
    const struct dirent *entry = NULL;
    DIR *dir = opendir(rg_store_place(s, path, "models/%s", slug));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "files-", 6) == 0 && strcmp(entry->d_name, links) != 0) {
            rg_store_remove_tree(rg_store_place(s, path, "models/%s/%s", slug, entry->d_name));
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

rg_status rg_store_end(const rg_store *s, const rg_hub_name *name, rg_hub_listing *l, char *out,
                       rg_error *err) {
    char slug[RG_STORE_SLUG_BYTES], path[RG_STORE_PATH_MAX], links[32];
    int fd = -1;
    rg_buf text;
    rg_status status = RG_OK;
    rg_buf_init(&text, s->mem, RG_STORE_MANIFEST_MAX);
    rg_store_slug(name->text, slug);
    links_of(l, links);
    RG_TRY(rg_store_lock(s, &fd, err));
    for (size_t i = 0; i < l->n; i++) {
        if (l->files[i].is_chosen && !rg_store_has(s, &l->files[i])) {
            status =
                rg_fail(err, RG_E_STATE, "%.*s was removed from the store meanwhile; pull again",
                        RG_FMT(l->files[i].path));
            goto done;
        }
    }
    RG_TRY(make_links(s, slug, l, err));
    rg_record_write(&text, name->text, (int64_t)time(NULL), l);
    RG_TRY(rg_buf_check(&text, "the record of the model", err));
    RG_TRY(rg_file_write(rg_store_place(s, path, "models/%s/%s", slug, MANIFEST), text.data,
                         text.size, err));
    (void)unlink(rg_store_place(s, path, "pulls/%s.json", slug));
    remove_old_links(s, slug, links);
    set_path(s, slug, l, out);

done:
    rg_store_unlock(fd);
    rg_buf_clear(&text);
    return status;
}
