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

// without these a model does not run as it should; licenses and the like other tools leave out
static bool is_needed(rg_str path) {
    static const char *const tails[] = {".safetensors", ".gguf", ".jinja", ".model"};
    static const char *const names[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                        "model.safetensors.index.json"};
    bool is_one = false;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        is_one = is_one || rg_str_ends(path, rg_str_of(tails[i]));
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is_one = is_one || rg_str_is(path, names[i]);
    }
    return is_one;
}

static bool cache_has(const rg_hub_name *name, const rg_hub_listing *l, char *out, size_t size) {
    char cache[PATH_BYTES], folder[PATH_BYTES], path[PATH_BYTES];
    struct stat info;
    bool is_folder = false;
    if (l->revision[0] == '\0' || !cache_of(name, cache, sizeof cache) ||
        !fits(snprintf(folder, sizeof folder, "%s/snapshots/%s", cache, l->revision),
              sizeof folder)) {
        return false;
    }
    const rg_hub_file *file = rg_hub_main_file(l, &is_folder);
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (f->is_chosen && (f == file || is_needed(f->path)) &&
            (rg_path_join(path, sizeof path, folder, f->path, NULL) != RG_OK ||
             stat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
             (uint64_t)info.st_size != f->size)) {
            return false;
        }
    }
    return fits(is_folder || file == NULL
                    ? snprintf(out, size, "%s", folder)
                    : snprintf(out, size, "%s/%.*s", folder, RG_FMT(file->path)),
                size);
}

// ---- Ollama's store ----

// folder i in which Ollama keeps models; false behind the last
static bool ollama_base(size_t i, char *out, size_t size) {
    const char *own = env("OLLAMA_MODELS");
    const char *user = env("HOME");
    const int n = i == 0   ? snprintf(out, size, "%s", own == NULL ? "" : own)
                  : i == 1 ? snprintf(out, size, "%s/.ollama/models", user == NULL ? "" : user)
                           : snprintf(out, size, "/usr/share/ollama/.ollama/models");
    if (!fits(n, size)) {
        out[0] = '\0'; // no folder has that name
    }
    return i < 3;
}

// the weights of a listing among the blobs
static bool ollama_has(const char *base, const rg_hub_listing *l, char *out, size_t size) {
    struct stat info;
    bool is_folder = false;
    const rg_hub_file *file = rg_hub_main_file(l, &is_folder);
    return base[0] != '\0' && file != NULL &&
           fits(snprintf(out, size, "%s/blobs/sha256-%s", base, file->sha256), size) &&
           stat(out, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->size;
}

static bool in_ollama(const rg_mem *mem, const rg_hub_name *name, const char *base, char *out,
                      size_t size) {
    char path[PATH_BYTES];
    rg_bytes text = {0};
    rg_hub_listing l;
    rg_hub_listing_init(&l, mem);
    const bool is_there =
        base[0] != '\0' &&
        fits(snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/%s/%s/%s", base,
                      name->owner, name->repo, name->pick),
             sizeof path) &&
        rg_file_read(mem, path, RG_HUB_MANIFEST_MAX, &text, NULL) == RG_OK &&
        rg_hub_listing_of_ollama(&l, name, (rg_str){(const char *)text.data, text.size}, NULL) ==
            RG_OK &&
        ollama_has(base, &l, out, size);
    rg_free(mem, (void *)text.data);
    rg_hub_listing_clear(&l);
    return is_there;
}

// ---- all of them ----

static const char CACHE[] = "Hugging Face's cache";
static const char OLLAMA[] = "Ollama's store";

rg_status rg_hub_elsewhere(const rg_mem *mem, const rg_hub_name *name, char *out, size_t size,
                           const char **where, rg_error *err) {
    char base[PATH_BYTES];
    if (name->kind == RG_HUB_HF) {
        *where = CACHE;
        return in_cache(mem, name, out, size, err);
    }
    *where = OLLAMA;
    for (size_t i = 0; name->kind == RG_HUB_OLLAMA && ollama_base(i, base, sizeof base); i++) {
        if (in_ollama(mem, name, base, out, size)) {
            return RG_OK;
        }
    }
    return rg_fail(err, RG_E_NOT_FOUND, "no other tool has %s on this machine", name->text);
}

bool rg_hub_elsewhere_has(const rg_hub_name *name, const rg_hub_listing *l, char *out, size_t size,
                          const char **where) {
    char base[PATH_BYTES];
    *where = name->kind == RG_HUB_HF ? CACHE : OLLAMA;
    if (name->kind == RG_HUB_HF) {
        return cache_has(name, l, out, size);
    }
    for (size_t i = 0; name->kind == RG_HUB_OLLAMA && ollama_base(i, base, sizeof base); i++) {
        if (ollama_has(base, l, out, size)) {
            return true;
        }
    }
    return false;
}
