#include "hub/hub_record.h"

#include "base/file.h"
#include "format/json.h"

enum { VERSION = 1 };

static void put(rg_buf *out, const char *key, rg_str text) {
    if (text.size != 0) {
        rg_buf_format(out, ",\"%s\":", key);
        rg_buf_json(out, text);
    }
}

void rg_record_write(rg_buf *out, const char *name, int64_t pulled_s, const rg_hub_listing *l) {
    bool is_first = true;
    rg_buf_format(out, "{\"version\":%d", VERSION);
    put(out, "name", rg_str_of(name));
    put(out, "revision", rg_str_of(l->revision));
    put(out, "license", rg_str_of(l->license));
    rg_buf_format(out, ",\"pulled\":%lld,\"files\":[", (long long)pulled_s);
    for (size_t i = 0; i < l->n; i++) {
        const rg_hub_file *f = &l->files[i];
        if (f->is_chosen) {
            rg_buf_format(out, "%s\n{\"size\":%llu", is_first ? "" : ",",
                          (unsigned long long)f->size);
            put(out, "path", f->path);
            put(out, "sha256", rg_str_of(f->sha256));
            put(out, "git", rg_str_of(f->git));
            put(out, "tag", rg_str_of(f->tag));
            rg_buf_char(out, '}');
            is_first = false;
        }
    }
    rg_buf_str(out, RG_STR("]}\n"));
}

static bool take(const rg_json *json, const char *key, char *out, size_t size) {
    rg_str text = {0};
    if (!rg_json_str(rg_json_find(json, key), &text)) {
        out[0] = '\0';
        return true;
    }
    if (text.size >= size || (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static rg_status read_file(rg_hub_listing *l, const rg_json *json, rg_error *err) {
    rg_str path = {0};
    int64_t size = 0;
    rg_hub_file *f = NULL;
    if (!rg_json_str(rg_json_find(json, "path"), &path) ||
        !rg_json_i64(rg_json_find(json, "size"), &size) || size < 0) {
        return rg_fail(err, RG_E_FORMAT, "file %zu has no path or no size", l->n);
    }
    const rg_status status = rg_hub_listing_add(l, path, &f, err);
    if (status != RG_OK) {
        return status;
    }
    f->size = (uint64_t)size;
    f->has_size = true;
    f->is_chosen = true;
    const bool is_read = take(json, "sha256", f->sha256, sizeof f->sha256) &&
                         take(json, "git", f->git, sizeof f->git) &&
                         take(json, "tag", f->tag, sizeof f->tag);
    if (!is_read || (f->sha256[0] != '\0' && !rg_hub_is_sha256(rg_str_of(f->sha256)))) {
        return rg_fail(err, RG_E_FORMAT, "file %zu has no hash that can be", l->n - 1);
    }
    return RG_OK;
}

rg_status rg_record_parse(const rg_mem *mem, rg_str text, rg_store_model *out, rg_error *err) {
    const rg_json *json = NULL;
    int64_t version = 0;
    rg_hub_listing *l = &out->listing;
    rg_hub_listing_init(l, mem);
    rg_status status = rg_json_parse(&l->arena, text, &json, err);
    if (status != RG_OK) {
        return status;
    }
    const rg_json *files = rg_json_find(json, "files");
    if (!rg_json_i64(rg_json_find(json, "version"), &version) || version != VERSION ||
        files == NULL || files->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_FORMAT, "no record of version %d", VERSION);
    }
    (void)rg_json_i64(rg_json_find(json, "pulled"), &out->pulled_s);
    if (!take(json, "name", out->name, sizeof out->name) || out->name[0] == '\0' ||
        !take(json, "revision", l->revision, sizeof l->revision) ||
        !take(json, "license", l->license, sizeof l->license)) {
        return rg_fail(err, RG_E_FORMAT, "name, revision or license are missing or too long");
    }
    for (size_t i = 0; status == RG_OK && i < files->n; i++) {
        status = read_file(l, &files->items[i], err);
        if (status == RG_OK && !rg_add_size(out->size, l->files[i].size, &out->size)) {
            status = rg_fail(err, RG_E_FORMAT, "the sizes of the files have no sum");
        }
    }
    return status;
}

rg_status rg_record_read(const rg_mem *mem, const char *path, rg_store_model *out, rg_error *err) {
    rg_bytes bytes = {0};
    rg_status status = rg_file_read(mem, path, RG_STORE_MANIFEST_MAX, &bytes, err);
    if (status != RG_OK) {
        return status;
    }
    status = rg_record_parse(mem, (rg_str){(const char *)bytes.data, bytes.size}, out, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
    }
    rg_free(mem, (void *)bytes.data);
    return status;
}
