#include "format/hf_dir.h"

/** Memory that a tree may take beside its text. */
enum { TREE_BYTES_MAX = 256 << 20 };

// a small file of the directory, as text in the arena; NULL when it is not there
static rg_status read_text(rg_hf_dir *dir, const char *name, rg_str *out, rg_error *err) {
    char path[4096];
    rg_bytes bytes = {0};
    rg_status status = rg_path_join(path, sizeof path, dir->path, rg_str_of(name), err);
    if (status != RG_OK || rg_file_kind_of(path) == RG_FILE_NONE) {
        return status;
    }
    status = rg_file_read(dir->mem, path, RG_HF_CONFIG_MAX, &bytes, err);
    if (status != RG_OK) {
        return status;
    }
    const char *copy = rg_arena_copy(&dir->arena, (const char *)bytes.data, bytes.size);
    rg_free(dir->mem, (void *)bytes.data);
    if (copy == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %s", path);
    }
    *out = (rg_str){copy, bytes.size};
    return RG_OK;
}

static rg_status read_tree(rg_hf_dir *dir, const char *name, const rg_json **out, rg_error *err) {
    rg_str text = {0};
    rg_status status = read_text(dir, name, &text, err);
    if (status != RG_OK || text.data == NULL) {
        return status;
    }
    status = rg_json_parse(&dir->arena, text, out, err);
    if (status == RG_OK && (*out)->kind != RG_JSON_OBJECT) {
        status = rg_fail(err, RG_E_FORMAT, "not a JSON object");
    }
    if (status != RG_OK) {
        rg_error_prefix(err, "%s/%s", dir->path, name);
    }
    return status;
}

// the template of tokenizer_config.json: a text, or a list of named ones of which "default" counts
static void find_template(rg_hf_dir *dir) {
    const rg_json *t = rg_json_find(dir->tokenizer_config, "chat_template");
    if (dir->chat_template.data != NULL || rg_json_str(t, &dir->chat_template)) {
        return;
    }
    for (size_t i = 0; t != NULL && t->kind == RG_JSON_ARRAY && i < t->n; i++) {
        rg_str name = RG_STR("");
        (void)rg_json_str(rg_json_find(&t->items[i], "name"), &name);
        if (rg_str_is(name, "default") || dir->chat_template.data == NULL) {
            (void)rg_json_str(rg_json_find(&t->items[i], "template"), &dir->chat_template);
        }
    }
}

static rg_status open_weights(rg_hf_dir *dir, rg_error *err) {
    static const char *const names[] = {"model.safetensors.index.json", "model.safetensors"};
    static const char *const pickles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                          "consolidated.00.pth", "model.pt"};
    char path[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const rg_status status =
            rg_path_join(path, sizeof path, dir->path, rg_str_of(names[i]), err);
        if (status != RG_OK) {
            return status;
        }
        if (rg_file_kind_of(path) != RG_FILE_NONE) {
            return rg_safetensors_open(dir->mem, path, &dir->weights, err);
        }
    }
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
        if (rg_path_join(path, sizeof path, dir->path, rg_str_of(pickles[i]), NULL) == RG_OK &&
            rg_file_kind_of(path) != RG_FILE_NONE) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "%s holds weights as %s, a pickle that could run code; "
                           "get the safetensors version of the model",
                           dir->path, pickles[i]);
        }
    }
    return rg_fail(err, RG_E_NOT_FOUND,
                   "%s has neither model.safetensors nor model.safetensors.index.json", dir->path);
}

rg_status rg_hf_dir_open(const rg_mem *mem, const char *path, rg_hf_dir **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_hf_dir *dir = rg_new(mem, sizeof *dir);
    if (dir == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a model directory");
    }
    dir->mem = mem;
    rg_arena_init(&dir->arena, mem, TREE_BYTES_MAX);
    dir->path = rg_arena_copy(&dir->arena, path, strlen(path));
    if (dir->path == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a model directory");
        goto done;
    }
    RG_TRY(read_tree(dir, "config.json", &dir->config, err));
    if (dir->config == NULL) {
        status = rg_fail(err, RG_E_NOT_FOUND, "%s has no config.json: not a model directory", path);
        goto done;
    }
    RG_TRY(read_tree(dir, "generation_config.json", &dir->generation_config, err));
    RG_TRY(read_tree(dir, "tokenizer_config.json", &dir->tokenizer_config, err));
    RG_TRY(read_text(dir, "chat_template.jinja", &dir->chat_template, err));
    find_template(dir);
    RG_TRY(open_weights(dir, err));
    *out = dir;
    dir = NULL;

done:
    rg_hf_dir_close(dir);
    return status;
}

void rg_hf_dir_close(rg_hf_dir *dir) {
    if (dir == NULL) {
        return;
    }
    rg_safetensors_close(dir->weights);
    rg_arena_clear(&dir->arena);
    rg_free(dir->mem, dir);
}
