#include "hub/hub_listing.h"

#include "format/json.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 256 << 20 };

void rg_hub_listing_init(rg_hub_listing *l, const rg_mem *mem) {
    *l = (rg_hub_listing){0};
    rg_arena_init(&l->arena, mem, ARENA_BYTES_MAX);
}

void rg_hub_listing_clear(rg_hub_listing *l) {
    rg_arena_clear(&l->arena);
    *l = (rg_hub_listing){0};
}

rg_hub_file *rg_hub_listing_find(rg_hub_listing *l, rg_str path) {
    for (size_t i = 0; i < l->n; i++) {
        if (rg_str_eq(l->files[i].path, path)) {
            return &l->files[i];
        }
    }
    return NULL;
}

rg_status rg_hub_listing_add(rg_hub_listing *l, rg_str path, rg_hub_file **out, rg_error *err) {
    if (!rg_hub_path_is_safe(path)) {
        return rg_fail(err, RG_E_FORMAT,
                       "file %zu of the listing has a path that leads out of its folder, is too "
                       "long or holds controls",
                       l->n);
    }
    if (l->n == RG_HUB_FILES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the listing has more than %d files", RG_HUB_FILES_MAX);
    }
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        rg_hub_file *files = rg_arena_alloc(&l->arena, capacity * sizeof *files);
        if (files == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a listing of %zu files", capacity);
        }
        if (l->n > 0) {
            memcpy(files, l->files, l->n * sizeof *files);
        }
        l->files = files;
        l->capacity = capacity;
    }
    char *copy = rg_arena_copy(&l->arena, path.data, path.size);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a listing");
    }
    l->files[l->n] = (rg_hub_file){.path = {copy, path.size},
                                   .is_at_root = memchr(copy, '/', path.size) == NULL};
    *out = &l->files[l->n++];
    return RG_OK;
}

// a text of the answer into a field; what does not fit or has controls stays out
static void copy_text(const rg_json *json, char *out, size_t size) {
    rg_str text = {0};
    if (!rg_json_str(json, &text) || text.size >= size) {
        return;
    }
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F) {
            return;
        }
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

static bool is_hex(rg_str text, size_t n) {
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.size == n;
}

static rg_status set_size(rg_hub_file *file, const rg_json *json, rg_error *err) {
    int64_t size = 0;
    if (!rg_json_i64(json, &size) || size < 0) {
        return rg_fail(err, RG_E_FORMAT, "%.*s: the hub states no size that a file can have",
                       RG_FMT(file->path));
    }
    file->size = (uint64_t)size;
    file->has_size = true;
    return RG_OK;
}

static rg_status set_sha256(rg_hub_file *file, rg_str hex, rg_error *err) {
    if (!rg_hub_is_sha256(hex)) {
        return rg_fail(err, RG_E_FORMAT, "%.*s: the hub's digest is not 64 hexadecimal digits",
                       RG_FMT(file->path));
    }
    memcpy(file->sha256, hex.data, hex.size);
    return RG_OK;
}

static rg_status add_hf(rg_hub_listing *l, const rg_json *entry, rg_error *err) {
    rg_str type = {0}, path = {0}, oid = {0};
    rg_hub_file *file = NULL;
    if (!rg_json_str(rg_json_find(entry, "path"), &path)) {
        return rg_fail(err, RG_E_FORMAT, "an entry of the listing has no path");
    }
    (void)rg_json_str(rg_json_find(entry, "type"), &type);
    if (!rg_str_is(type, "file") || rg_hub_listing_find(l, path) != NULL) {
        return RG_OK;
    }
    rg_status status = rg_hub_listing_add(l, path, &file, err);
    const rg_json *lfs = rg_json_find(entry, "lfs");
    const bool is_lfs = lfs != NULL && lfs->kind == RG_JSON_OBJECT;
    if (status == RG_OK) {
        status = set_size(file, rg_json_find(is_lfs ? lfs : entry, "size"), err);
    }
    if (status == RG_OK && is_lfs) {
        (void)rg_json_str(rg_json_find(lfs, "oid"), &oid);
        // written with its algorithm in some answers
        oid = rg_str_starts(oid, RG_STR("sha256:")) ? rg_str_slice(oid, 7, oid.size) : oid;
        status = set_sha256(file, oid, err);
    } else if (status == RG_OK && rg_json_str(rg_json_find(entry, "oid"), &oid) &&
               is_hex(oid, sizeof file->git - 1)) {
        memcpy(file->git, oid.data, oid.size);
    }
    return status;
}

static rg_status add_ms(rg_hub_listing *l, const rg_json *entry, rg_error *err) {
    rg_str type = {0}, path = {0}, sha256 = {0};
    rg_hub_file *file = NULL;
    if (!rg_json_str(rg_json_find(entry, "Path"), &path)) {
        return rg_fail(err, RG_E_FORMAT, "an entry of the listing has no Path");
    }
    (void)rg_json_str(rg_json_find(entry, "Type"), &type);
    if (rg_str_is(type, "tree") || rg_hub_listing_find(l, path) != NULL) {
        return RG_OK;
    }
    rg_status status = rg_hub_listing_add(l, path, &file, err);
    if (status == RG_OK) {
        status = set_size(file, rg_json_find(entry, "Size"), err);
    }
    if (status == RG_OK && rg_json_str(rg_json_find(entry, "Sha256"), &sha256) &&
        sha256.size != 0) {
        status = set_sha256(file, sha256, err);
    }
    return status;
}

typedef rg_status add_fn(rg_hub_listing *l, const rg_json *entry, rg_error *err);

static rg_status add_all(rg_hub_listing *l, const rg_json *list, add_fn *add, rg_error *err) {
    rg_status status = RG_OK;
    if (list == NULL || list->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_FORMAT, "the hub's answer holds no list of files");
    }
    for (size_t i = 0; status == RG_OK && i < list->n; i++) {
        status = add(l, &list->items[i], err);
    }
    return status;
}

rg_status rg_hub_listing_of_hf(rg_hub_listing *l, rg_str text, rg_error *err) {
    const rg_json *json = NULL;
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    return status == RG_OK ? add_all(l, json, add_hf, err) : status;
}

rg_status rg_hub_listing_of_ms(rg_hub_listing *l, rg_str text, rg_error *err) {
    const rg_json *json = NULL;
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    int64_t code = 200;
    if (status != RG_OK) {
        return status;
    }
    (void)rg_json_i64(rg_json_find(json, "Code"), &code);
    if (code != 200) {
        return rg_fail(err, RG_E_NOT_FOUND, "ModelScope answers with code %lld", (long long)code);
    }
    return add_all(l, rg_json_find(rg_json_find(json, "Data"), "Files"), add_ms, err);
}

// a layer becomes a file named as its kind is; weights bear the model's name
static rg_status add_layer(rg_hub_listing *l, const rg_hub_name *name, const rg_json *layer,
                           rg_error *err) {
    static const struct {
        const char *kind;
        const char *file;
    } kinds[] = {{"application/vnd.ollama.image.license", "LICENSE"},
                 {"application/vnd.ollama.image.template", "template.ollama"},
                 {"application/vnd.ollama.image.params", "params.json"},
                 {"application/vnd.ollama.image.system", "system.txt"}};
    rg_str kind = {0}, digest = {0};
    char path[RG_HUB_PATH_MAX];
    rg_hub_file *file = NULL;
    (void)rg_json_str(rg_json_find(layer, "mediaType"), &kind);
    if (!rg_json_str(rg_json_find(layer, "digest"), &digest) ||
        !rg_str_starts(digest, RG_STR("sha256:")) ||
        !rg_hub_is_sha256(rg_str_slice(digest, 7, digest.size))) {
        return rg_fail(err, RG_E_FORMAT,
                       "a layer of the manifest has no digest of the form sha256:...");
    }
    const bool is_model = rg_str_is(kind, "application/vnd.ollama.image.model");
    const char *known = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        known = rg_str_is(kind, kinds[i].kind) ? kinds[i].file : known;
    }
    if (!is_model && known == NULL) {
        return RG_OK; // adapters, projectors, chats: nothing here reads them
    }
    for (size_t i = 0;; i++) {
        char number[32] = "";
        if (i > 0) {
            snprintf(number, sizeof number, "-%zu", i + 1);
        }
        if (is_model) {
            snprintf(path, sizeof path, "%s-%s%s.gguf", name->repo, name->pick, number);
        } else {
            snprintf(path, sizeof path, "%s%s", known, number);
        }
        if (rg_hub_listing_find(l, rg_str_of(path)) == NULL) {
            break;
        }
    }
    rg_status status = rg_hub_listing_add(l, rg_str_of(path), &file, err);
    if (status == RG_OK) {
        file->is_chosen = true;
        memcpy(file->sha256, digest.data + 7, 64);
        status = set_size(file, rg_json_find(layer, "size"), err);
    }
    return status;
}

rg_status rg_hub_listing_of_ollama(rg_hub_listing *l, const rg_hub_name *name, rg_str text,
                                   rg_error *err) {
    const rg_json *json = NULL;
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    if (status != RG_OK) {
        return status;
    }
    const rg_json *layers = rg_json_find(json, "layers");
    if (layers == NULL || layers->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_FORMAT, "the manifest has no list of layers");
    }
    if (layers->n > RG_HUB_LAYERS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the manifest has %zu layers, limit %d", layers->n,
                       RG_HUB_LAYERS_MAX);
    }
    for (size_t i = 0; status == RG_OK && i < layers->n; i++) {
        status = add_layer(l, name, &layers->items[i], err);
    }
    bool is_folder = false;
    if (status == RG_OK && rg_hub_main_file(l, &is_folder) == NULL) {
        status =
            rg_fail(err, RG_E_UNSUPPORTED,
                    "%s has no GGUF among its layers: it runs elsewhere, or is of another kind",
                    name->text);
    }
    return status;
}

static void put_license(rg_hub_listing *l, const rg_json *license) {
    copy_text(license != NULL && license->kind == RG_JSON_ARRAY ? rg_json_at(license, 0) : license,
              l->license, sizeof l->license);
}

rg_status rg_hub_listing_facts_of_hf(rg_hub_listing *l, rg_str text, rg_error *err) {
    const rg_json *json = NULL;
    rg_str sha = {0};
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    if (status != RG_OK) {
        return status;
    }
    if (!rg_json_str(rg_json_find(json, "sha"), &sha) || !is_hex(sha, 40)) {
        return rg_fail(err, RG_E_FORMAT, "the hub's answer names no commit");
    }
    memcpy(l->revision, sha.data, sha.size);
    l->revision[sha.size] = '\0';
    const rg_json *card = rg_json_find(json, "cardData");
    put_license(l, rg_json_find(card, "license"));
    if (strcmp(l->license, "other") == 0) {
        put_license(l, rg_json_find(card, "license_name"));
    }
    return RG_OK;
}

rg_status rg_hub_listing_facts_of_ms(rg_hub_listing *l, rg_str text, rg_error *err) {
    const rg_json *json = NULL;
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    if (status == RG_OK) {
        put_license(l, rg_json_find(rg_json_find(json, "Data"), "License"));
    }
    return status;
}
