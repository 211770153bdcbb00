#include "token/tokenizer_internal.h"

#include "base/file.h"

// a file of the directory that `path` lies in or is; empty when it is not there
static rg_status read_beside(const rg_mem *mem, const char *dir, const char *name, rg_bytes *out,
                             rg_error *err) {
    char path[4096];
    rg_status status = rg_path_join(path, sizeof path, dir, rg_str_of(name), err);
    if (status == RG_OK && rg_file_kind_of(path) == RG_FILE_REGULAR) {
        status = rg_file_read(mem, path, RG_TOKENIZER_FILE_MAX, out, err);
    }
    return status;
}

static rg_str view(rg_bytes bytes) {
    return (rg_str){(const char *)bytes.data, bytes.size};
}

static rg_status open_directory(const rg_mem *mem, const char *dir, rg_tokenizer **out,
                                rg_error *err) {
    rg_bytes json = {0}, config = {0}, special = {0}, ranks = {0}, pieces = {0};
    rg_status status = RG_OK;
    RG_TRY(read_beside(mem, dir, "tokenizer.json", &json, err));
    RG_TRY(read_beside(mem, dir, "tokenizer_config.json", &config, err));
    if (json.data != NULL) {
        status = rg_tokenizer_of_json(mem, view(json), view(config), out, err);
        goto done;
    }
    RG_TRY(read_beside(mem, dir, "tiktoken.model", &ranks, err));
    if (ranks.data != NULL) {
        RG_TRY(read_beside(mem, dir, "special_tokens.json", &special, err));
        status = rg_tokenizer_of_ranks(mem, view(ranks),
                                       view(special.data != NULL ? special : config), out, err);
        goto done;
    }
    RG_TRY(read_beside(mem, dir, "tokenizer.model", &pieces, err));
    status = pieces.data != NULL
                 ? rg_tokenizer_of_pieces(mem, pieces, out, err)
                 : rg_fail(err, RG_E_NOT_FOUND,
                           "%s has no tokenizer.json, tiktoken.model or tokenizer.model", dir);

done:
    rg_free(mem, (void *)json.data);
    rg_free(mem, (void *)config.data);
    rg_free(mem, (void *)special.data);
    rg_free(mem, (void *)ranks.data);
    rg_free(mem, (void *)pieces.data);
    return status;
}

static rg_status open_gguf(const rg_mem *mem, const char *path, rg_tokenizer **out, rg_error *err) {
    rg_gguf *gguf = NULL;
    rg_status status = rg_gguf_open(mem, path, &gguf, err);
    if (status == RG_OK) {
        status = rg_tokenizer_of_gguf(mem, gguf, out, err);
        // tokens point into the mapping: the tokenizer of a path must outlive it
        if (status == RG_OK) {
            status = rg_tok_own(*out, err);
        }
    }
    rg_gguf_close(gguf);
    return status;
}

rg_status rg_tokenizer_open(const rg_mem *mem, const char *path, rg_tokenizer **out,
                            rg_error *err) {
    const rg_file_kind kind = rg_file_kind_of(path);
    const rg_str name = rg_str_of(path);
    char dir[4096];
    if (kind == RG_FILE_NONE) {
        return rg_fail(err, RG_E_NOT_FOUND, "there is no file or directory %s", path);
    }
    if (kind == RG_FILE_DIRECTORY) {
        return open_directory(mem, path, out, err);
    }
    // a file named as in a directory brings its neighbors along
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 1 : (size_t)(slash - path) + 1;
    const rg_str base = slash == NULL ? name : rg_str_of(slash + 1);
    if (n < sizeof dir &&
        (rg_str_is(base, "tokenizer.json") || rg_str_is(base, "tiktoken.model"))) {
        memcpy(dir, slash == NULL ? "." : path, n);
        dir[n] = '\0';
        return open_directory(mem, dir, out, err);
    }
    if (rg_str_ends(name, RG_STR(".json"))) {
        rg_bytes json = {0};
        rg_status status = rg_file_read(mem, path, RG_TOKENIZER_FILE_MAX, &json, err);
        if (status == RG_OK) {
            status = rg_tokenizer_of_json(mem, view(json), (rg_str){0}, out, err);
        }
        rg_free(mem, (void *)json.data);
        return status;
    }
    if (rg_str_ends(name, RG_STR(".model"))) {
        rg_bytes pieces = {0};
        rg_status status = rg_file_read(mem, path, RG_TOKENIZER_FILE_MAX, &pieces, err);
        if (status == RG_OK) {
            status = rg_tokenizer_of_pieces(mem, pieces, out, err);
        }
        rg_free(mem, (void *)pieces.data);
        return status;
    }
    return open_gguf(mem, path, out, err);
}
