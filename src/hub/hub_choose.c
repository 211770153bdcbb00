/* Which files of a repository are wanted. */
#include "base/map.h"
#include "format/json.h"
#include "hub/hub_listing.h"

#include <stdio.h>
#include <strings.h>

// ---- names of files ----

static bool ends(rg_str path, const char *tail) {
    const size_t n = strlen(tail);
    return path.size >= n && strncasecmp(path.data + path.size - n, tail, n) == 0;
}

static rg_str base_of(rg_str path) {
    size_t at = path.size;
    while (at > 0 && path.data[at - 1] != '/') {
        at--;
    }
    return rg_str_slice(path, at, path.size);
}

static bool contains(rg_str text, const char *part) {
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

// ".gguf" cut off, and "-00001-of-00003" before it
static rg_str stem_of(rg_str path) {
    enum { PART = sizeof "-00001-of-00003" - 1 };
    path = rg_str_slice(path, 0, path.size - 5);
    if (path.size > PART) {
        const char *p = path.data + path.size - PART;
        bool is_part = p[0] == '-' && memcmp(p + 6, "-of-", 4) == 0;
        for (int i = 1; i <= 5; i++) {
            is_part = is_part && p[i] >= '0' && p[i] <= '9' && p[i + 9] >= '0' && p[i + 9] <= '9';
        }
        path.size -= is_part ? PART : 0;
    }
    return path;
}

// a language model: no projector for pictures, no matrix of importance
static bool is_gguf_model(rg_str path) {
    const rg_str base = base_of(path);
    return ends(path, ".gguf") && path.size > 5 && !contains(base, "mmproj") &&
           !contains(base, "imatrix");
}

// ---- quantizations ----

static const char *const types[] = {
    "UD-Q4_K_XL", "Q4_K_M", "Q4_K_L",  "Q4_K_S", "UD-Q5_K_XL", "Q5_K_M", "Q4_0",
    "IQ4_XS",     "IQ4_NL", "Q4_1",    "Q4_K",   "MXFP4",      "Q5_K_L", "Q5_K_S",
    "Q5_0",       "Q5_1",   "Q5_K",    "Q6_K_L", "Q6_K",       "Q8_0",   "Q3_K_L",
    "Q3_K_XL",    "Q3_K_M", "IQ3_M",   "Q3_K_S", "IQ3_S",      "IQ3_XS", "IQ3_XXS",
    "BF16",       "F16",    "FP16",    "F32",    "Q2_K_L",     "Q2_K",   "IQ2_M",
    "IQ2_S",      "IQ2_XS", "IQ2_XXS", "IQ1_M",  "IQ1_S",      "TQ2_0",  "TQ1_0",
};

enum { N_TYPES = sizeof types / sizeof *types, USUAL = 1 };

// does the tag stand alone in the name: between what parts names, not within another one?
static bool has_tag(rg_str path, const char *tag) {
    const rg_str stem = stem_of(path);
    const size_t n = strlen(tag);
    for (size_t i = 0; n > 0 && i + n <= stem.size; i++) {
        if (strncasecmp(stem.data + i, tag, n) == 0 &&
            (i == 0 || strchr("-._/", stem.data[i - 1]) != NULL) &&
            (i + n == stem.size || strchr("-./", stem.data[i + n]) != NULL)) {
            return true;
        }
    }
    return false;
}

// the place of a file's type in the list of preferences; N_TYPES: none is recognized
static size_t type_of(rg_str path) {
    size_t best = N_TYPES;
    size_t longest = 0;
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strlen(types[i]) > longest && has_tag(path, types[i])) {
            best = i;
            longest = strlen(types[i]);
        }
    }
    return best;
}

// ---- GGUF ----

static void choose_set(rg_hub_listing *l, rg_str stem) {
    for (size_t i = 0; i < l->n; i++) {
        rg_hub_file *f = &l->files[i];
        f->is_chosen =
            ends(f->path, ".gguf") && f->path.size > 5 && rg_str_eq(stem_of(f->path), stem);
    }
}

// "Q4_0, Q8_0": the types that are there, each once
static void list_types(const rg_hub_listing *l, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t t = 0; t < N_TYPES; t++) {
        for (size_t i = 0; i < l->n && used + 1 < size; i++) {
            if (is_gguf_model(l->files[i].path) && type_of(l->files[i].path) == t) {
                const int n =
                    snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", types[t]);
                used += (size_t)n;
                break;
            }
        }
    }
}

static rg_status choose_tag(rg_hub_listing *l, const rg_hub_name *name, rg_error *err) {
    const rg_hub_file *found = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (!is_gguf_model(f->path) || !has_tag(f->path, name->pick)) {
            continue;
        }
        if (found == NULL) {
            found = f;
        } else if (!rg_str_eq(stem_of(f->path), stem_of(found->path))) {
            // an unsloth "UD-Q4_K_XL" is asked for by its whole name
            return rg_fail(err, RG_E_ARG, "\"%s\" fits %.*s and %.*s: name the file", name->pick,
                           RG_FMT(found->path), RG_FMT(f->path));
        }
    }
    if (found == NULL) {
        char there[256];
        list_types(l, there, sizeof there);
        return rg_fail(err, RG_E_NOT_FOUND, "no file of %s is or has \"%s\"%s%s", name->text,
                       name->pick, there[0] == '\0' ? "" : "; there are ", there);
    }
    choose_set(l, stem_of(found->path));
    return RG_OK;
}

static bool choose_gguf(rg_hub_listing *l) {
    const rg_hub_file *best = NULL;
    size_t rank = 0;
    size_t n_sets = 0;
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (!is_gguf_model(f->path)) {
            continue;
        }
        // the usual type comes before all, then as the list goes
        size_t r = type_of(f->path);
        r = r == USUAL ? 0 : r < USUAL ? r + 1 : r;
        n_sets += best == NULL || !rg_str_eq(stem_of(f->path), stem_of(best->path));
        if (best == NULL || r < rank) {
            best = f;
            rank = r;
        }
    }
    if (best == NULL) {
        return false;
    }
    const size_t type = type_of(best->path);
    if (n_sets > 1) {
        snprintf(l->note, sizeof l->note, "%.*s: %s; ask for another as :Q8_0 or by its file",
                 RG_FMT(base_of(best->path)),
                 type == USUAL ? "Q4_K_M is the usual choice"
                               : "the nearest to Q4_K_M that is there");
    }
    choose_set(l, stem_of(best->path));
    return true;
}

// ---- checkpoints ----

static bool is_weights(const rg_hub_file *f) {
    return f->is_at_root && ends(f->path, ".safetensors") &&
           !rg_str_starts(f->path, RG_STR("consolidated"));
}

// settings, tokenizer, template, license: what lies beside the weights and is small
static bool is_beside(const rg_hub_file *f) {
    static const char *const tails[] = {".json",     ".jinja",     ".model",
                                        ".tiktoken", "merges.txt", "vocab.txt"};
    const bool is_license = f->path.size >= 7 && (strncasecmp(f->path.data, "license", 7) == 0 ||
                                                  strncasecmp(f->path.data, "licence", 7) == 0);
    bool is_wanted = is_license;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        is_wanted = is_wanted || ends(f->path, tails[i]);
    }
    return f->is_at_root && is_wanted && !contains(f->path, ".bin.index") &&
           !rg_str_starts(f->path, RG_STR("consolidated"));
}

static bool choose_checkpoint(rg_hub_listing *l) {
    const bool has_index = rg_hub_listing_find(l, RG_STR("model.safetensors.index.json")) != NULL;
    const bool is_single =
        !has_index && rg_hub_listing_find(l, RG_STR("model.safetensors")) != NULL;
    bool has_weights = false;
    bool has_gguf = false;
    for (size_t i = 0; i < l->n; i++) {
        rg_hub_file *f = &l->files[i];
        const bool is_model = rg_str_is(f->path, "model.safetensors");
        f->is_chosen =
            is_beside(f) || (is_weights(f) && (is_single ? is_model : !has_index || !is_model));
        has_weights = has_weights || (is_weights(f) && f->is_chosen);
        has_gguf = has_gguf || is_gguf_model(f->path);
    }
    if (!has_weights || rg_hub_listing_find(l, RG_STR("config.json")) == NULL) {
        for (size_t i = 0; i < l->n; i++) {
            l->files[i].is_chosen = false;
        }
        return false;
    }
    if (has_gguf) {
        snprintf(l->note, sizeof l->note,
                 "the safetensors; the GGUF files beside them are asked for as :Q4_K_M or by name");
    }
    return true;
}

const rg_hub_file *rg_hub_chosen_index(const rg_hub_listing *l) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->files[i].is_chosen && rg_str_is(l->files[i].path, "model.safetensors.index.json")) {
            return &l->files[i];
        }
    }
    return NULL;
}

rg_status rg_hub_choose_shards(rg_hub_listing *l, rg_str index, rg_error *err) {
    const rg_json *json = NULL;
    rg_arena arena;
    rg_map of_path;
    rg_arena_init(&arena, l->arena.mem, 1u << 30);
    rg_map_init(&of_path, l->arena.mem);
    rg_status status = RG_OK;
    for (size_t i = 0; i < l->n; i++) {
        l->files[i].is_chosen = l->files[i].is_chosen && !ends(l->files[i].path, ".safetensors");
        RG_TRY(rg_map_add(&of_path, l->files[i].path, (uint32_t)i, NULL, err));
    }
    status = rg_json_parse(&arena, index, &json, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "model.safetensors.index.json");
        goto done;
    }
    const rg_json *shards = rg_json_find(json, "weight_map");
    if (shards == NULL || shards->kind != RG_JSON_OBJECT) {
        status = rg_fail(err, RG_E_FORMAT, "model.safetensors.index.json has no weight_map");
        goto done;
    }
    for (size_t i = 0; i < shards->n; i++) {
        rg_str shard = {0};
        (void)rg_json_str(&shards->items[i], &shard);
        const uint32_t at = shard.size == 0 ? RG_MAP_NONE : rg_map_find(&of_path, shard);
        if (at == RG_MAP_NONE) {
            status = rg_fail(err, RG_E_FORMAT,
                             "model.safetensors.index.json puts %.*s into a file that is not there",
                             (int)(shards->keys[i].size > 128 ? 128 : shards->keys[i].size),
                             shards->keys[i].data);
            goto done;
        }
        l->files[at].is_chosen = true;
    }

done:
    rg_map_clear(&of_path);
    rg_arena_clear(&arena);
    return status;
}

// ---- the choice ----

rg_status rg_hub_choose(rg_hub_listing *l, const rg_hub_name *name, rg_error *err) {
    l->note[0] = '\0';
    if (name->kind == RG_HUB_OLLAMA || name->kind == RG_HUB_URL) {
        for (size_t i = 0; i < l->n; i++) {
            l->files[i].is_chosen = true;
        }
        return RG_OK;
    }
    if (name->pick[0] != '\0') {
        rg_hub_file *file = rg_hub_listing_find(l, rg_str_of(name->pick));
        if (file == NULL) {
            return choose_tag(l, name, err);
        }
        if (ends(file->path, ".gguf") && file->path.size > 5) {
            choose_set(l, stem_of(file->path));
        }
        file->is_chosen = true;
        return RG_OK;
    }
    if (choose_checkpoint(l) || choose_gguf(l)) {
        return RG_OK;
    }
    bool has_pickle = false;
    for (size_t i = 0; i < l->n; i++) {
        has_pickle = has_pickle || ends(l->files[i].path, ".bin") ||
                     ends(l->files[i].path, ".pth") || ends(l->files[i].path, ".pt");
    }
    return rg_fail(
        err, RG_E_NOT_FOUND, "%s has neither GGUF files nor safetensors with a config.json%s",
        name->text,
        has_pickle ? "; it has pickles, which could run code: look for a conversion of it" : "");
}

const rg_hub_file *rg_hub_main_file(const rg_hub_listing *l, bool *is_folder) {
    const rg_hub_file *first = NULL;
    const rg_hub_file *any = NULL;
    *is_folder = false;
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (!f->is_chosen) {
            continue;
        }
        *is_folder = *is_folder || rg_str_is(f->path, "config.json");
        any = f;
        const bool is_less = first == NULL || strcmp(f->path.data, first->path.data) <
                                                  0; // arena copies are terminated
        if (ends(f->path, ".gguf") && is_less) {
            first = f;
        }
    }
    *is_folder = *is_folder && first == NULL;
    return first != NULL ? first : *is_folder ? NULL : any;
}
