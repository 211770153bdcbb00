#include "hub/hub_elsewhere.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, REF_BYTES = 256 };

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool fits(int n, size_t size) {
    return n > 0 && (size_t)n < size;
}

// ---- Hugging Face's cache ----

// the folder of a repository in the cache
static bool cache_of(const rg_hub_name *name, char *out, size_t size) {
    const char *hub = env("HF_HUB_CACHE");
    const char *home = env("HF_HOME");
    const char *xdg = env("XDG_CACHE_HOME");
    const char *user = env("HOME");
    char base[PATH_BYTES];
    int n = 0;
    n = hub != NULL    ? snprintf(base, sizeof base, "%s", hub)
        : home != NULL ? snprintf(base, sizeof base, "%s/hub", home)
        : xdg != NULL  ? snprintf(base, sizeof base, "%s/huggingface/hub", xdg)
        : user != NULL ? snprintf(base, sizeof base, "%s/.cache/huggingface/hub", user)
                       : 0;
    return name->kind == RG_HUB_HF && fits(n, sizeof base) &&
           fits(snprintf(out, size, "%s/models--%s--%s", base, name->owner, name->repo), size);
}

static void add_file(rg_hub_listing *l, const char *folder, const char *inner, const char *name) {
    char path[PATH_BYTES];
    char inside[RG_HUB_PATH_MAX + 1];
    struct stat info;
    rg_hub_file *file = NULL;
    if (fits(snprintf(inside, sizeof inside, "%s%s", inner, name), sizeof inside) &&
        fits(snprintf(path, sizeof path, "%s/%s", folder, inside), sizeof path) &&
        stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
        rg_hub_listing_add(l, rg_str_of(inside), &file, NULL) == RG_OK) {
        file->size = (uint64_t)info.st_size;
        file->has_size = true;
    }
}

// the files of a folder and of the folders in it: deeper ones hold no models
static void list_folder(rg_hub_listing *l, const char *folder, const char *inner) {
    char path[PATH_BYTES], sub[300];
    struct stat info;
    const struct dirent *entry = NULL;
    DIR *dir = fits(snprintf(path, sizeof path, "%s/%s", folder, inner), sizeof path)
                   ? opendir(path)
                   : NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        const bool is_folder =
            inner[0] == '\0' &&
            fits(snprintf(path, sizeof path, "%s/%s", folder, entry->d_name), sizeof path) &&
            stat(path, &info) == 0 && S_ISDIR(info.st_mode);
        if (is_folder && fits(snprintf(sub, sizeof sub, "%s/", entry->d_name), sizeof sub)) {
            list_folder(l, folder, sub); // once: the inner call finds no folders
        } else {
            add_file(l, folder, inner, entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

// "main" is a file that holds a commit
static bool snapshot_of(const rg_mem *mem, const char *cache, const char *revision, char *out,
                        size_t size) {
    char path[PATH_BYTES];
    char commit[REF_BYTES] = "";
    rg_bytes text = {0};
    snprintf(commit, sizeof commit, "%s", revision);
    if (fits(snprintf(path, sizeof path, "%s/refs/%s", cache, revision), sizeof path) &&
        rg_file_read(mem, path, sizeof commit - 1, &text, NULL) == RG_OK) {
        snprintf(commit, sizeof commit, "%.*s", (int)text.size, (const char *)text.data);
        commit[strcspn(commit, "\r\n ")] = '\0';
        rg_free(mem, (void *)text.data);
    }
    return rg_hub_path_is_safe(rg_str_of(commit)) && strchr(commit, '/') == NULL &&
           fits(snprintf(out, size, "%s/snapshots/%s", cache, commit), size) &&
           rg_file_kind_of(out) == RG_FILE_DIRECTORY;
}

static rg_status in_cache(const rg_mem *mem, const rg_hub_name *name, char *out, size_t size,
                          rg_error *err) {
    char cache[PATH_BYTES], folder[PATH_BYTES], path[PATH_BYTES];
    rg_hub_listing l;
    rg_bytes index = {0};
    bool is_folder = false;
    rg_status status = RG_OK;
    const char *revision = name->revision[0] == '\0' ? "main" : name->revision;
    if (!cache_of(name, cache, sizeof cache) ||
        !snapshot_of(mem, cache, revision, folder, sizeof folder)) {
        return rg_fail(err, RG_E_NOT_FOUND, "%s is not in Hugging Face's cache", name->text);
    }
    rg_hub_listing_init(&l, mem);
    list_folder(&l, folder, "");
    RG_TRY(rg_hub_choose(&l, name, err));
    if (rg_hub_chosen_index(&l) != NULL) {
        RG_TRY(rg_path_join(path, sizeof path, folder, rg_hub_chosen_index(&l)->path, err));
        RG_TRY(rg_file_read(mem, path, RG_HUB_INDEX_MAX, &index, err));
        RG_TRY(rg_hub_choose_shards(&l, (rg_str){(const char *)index.data, index.size}, err));
    }
    const rg_hub_file *file = rg_hub_main_file(&l, &is_folder);
    const int n = is_folder || file == NULL
                      ? snprintf(out, size, "%s", folder)
                      : snprintf(out, size, "%s/%.*s", folder, RG_FMT(file->path));
    if (!fits(n, size)) {
        status = rg_fail(err, RG_E_LIMIT, "the path of %s is too long", name->text);
    }

done:
    rg_free(mem, (void *)index.data);
    rg_hub_listing_clear(&l);
    return status;
}

bool rg_hub_cache_has(const rg_hub_name *name, const rg_hub_listing *l, char *out, size_t size) {
    char cache[PATH_BYTES], folder[PATH_BYTES], path[PATH_BYTES];
    struct stat info;
    bool is_folder = false;
    if (l->revision[0] == '\0' || !cache_of(name, cache, sizeof cache) ||
        !fits(snprintf(folder, sizeof folder, "%s/snapshots/%s", cache, l->revision),
              sizeof folder)) {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (f->is_chosen && (rg_path_join(path, sizeof path, folder, f->path, NULL) != RG_OK ||
                             stat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
                             (uint64_t)info.st_size != f->size)) {
            return false;
        }
    }
    const rg_hub_file *file = rg_hub_main_file(l, &is_folder);
    return fits(is_folder || file == NULL
                    ? snprintf(out, size, "%s", folder)
                    : snprintf(out, size, "%s/%.*s", folder, RG_FMT(file->path)),
                size);
}

// ---- Ollama's store ----

static rg_status in_ollama(const rg_mem *mem, const rg_hub_name *name, const char *base, char *out,
                           size_t size, rg_error *err) {
    char path[PATH_BYTES];
    rg_bytes text = {0};
    rg_hub_listing l;
    struct stat info;
    bool is_folder = false;
    rg_status status = RG_OK;
    rg_hub_listing_init(&l, mem);
    if (!fits(snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/%s/%s/%s", base,
                       name->owner, name->repo, name->pick),
              sizeof path)) {
        status = rg_fail(err, RG_E_LIMIT, "the path of %s is too long", name->text);
        goto done;
    }
    RG_TRY(rg_file_read(mem, path, RG_HUB_MANIFEST_MAX, &text, err));
    RG_TRY(rg_hub_listing_of_ollama(&l, name, (rg_str){(const char *)text.data, text.size}, err));
    const rg_hub_file *file = rg_hub_main_file(&l, &is_folder);
    if (!fits(snprintf(out, size, "%s/blobs/sha256-%s", base, file->sha256), size) ||
        stat(out, &info) != 0 || (uint64_t)info.st_size != file->size) {
        status = rg_fail(err, RG_E_NOT_FOUND, "%s is not whole in Ollama's store", name->text);
    }

done:
    rg_free(mem, (void *)text.data);
    rg_hub_listing_clear(&l);
    return status;
}

rg_status rg_hub_elsewhere(const rg_mem *mem, const rg_hub_name *name, char *out, size_t size,
                           const char **where, rg_error *err) {
    char user[PATH_BYTES];
    const char *bases[] = {env("OLLAMA_MODELS"), NULL, "/usr/share/ollama/.ollama/models"};
    if (name->kind == RG_HUB_HF) {
        *where = "Hugging Face's cache";
        return in_cache(mem, name, out, size, err);
    }
    if (env("HOME") != NULL &&
        fits(snprintf(user, sizeof user, "%s/.ollama/models", env("HOME")), sizeof user)) {
        bases[1] = user;
    }
    *where = "Ollama's store";
    for (size_t i = 0; name->kind == RG_HUB_OLLAMA && i < sizeof bases / sizeof *bases; i++) {
        if (bases[i] != NULL && in_ollama(mem, name, bases[i], out, size, NULL) == RG_OK) {
            return RG_OK;
        }
    }
    return rg_fail(err, RG_E_NOT_FOUND, "no other tool has %s on this machine", name->text);
}
