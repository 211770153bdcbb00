/* A GGUF file, or a split set PREFIX-00001-of-0000N.gguf, as one object. */
#include "format/gguf_internal.h"

#include <stdio.h>
#include <stdlib.h>

static rg_status new_gguf(const rg_mem *mem, size_t n_maps, rg_gguf **out, rg_error *err) {
    rg_gguf *gguf = rg_new(mem, sizeof *gguf);
    if (gguf == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a GGUF file");
    }
    gguf->mem = mem;
    rg_map_init(&gguf->pair_of, mem);
    rg_map_init(&gguf->tensor_of, mem);
    rg_buf_init(&gguf->warnings, mem, 1 << 16);
    gguf->maps = rg_new_array(mem, n_maps, sizeof *gguf->maps);
    if (gguf->maps == NULL) {
        rg_gguf_close(gguf);
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu files", n_maps);
    }
    *out = gguf;
    return RG_OK;
}

void rg_gguf_close(rg_gguf *gguf) {
    if (gguf == NULL) {
        return;
    }
    for (size_t i = 0; i < gguf->n_maps; i++) {
        rg_file_map_close(&gguf->maps[i]);
    }
    rg_free(gguf->mem, gguf->maps);
    rg_free(gguf->mem, gguf->pairs);
    rg_free(gguf->mem, gguf->tensors);
    rg_map_clear(&gguf->pair_of);
    rg_map_clear(&gguf->tensor_of);
    rg_buf_clear(&gguf->warnings);
    rg_free(gguf->mem, gguf);
}

// "x-00001-of-00003.gguf": the number of files and where the five digits of the first number are;
// 0: not split
static size_t split_count(const char *path, size_t *digits_at) {
    static const char pattern[] = "-00001-of-";
    enum { TAIL = 5 + 5 }; // five digits, ".gguf"
    const size_t size = strlen(path);
    if (size < sizeof pattern - 1 + TAIL || strcmp(path + size - 5, ".gguf") != 0) {
        return 0;
    }
    const size_t at = size - TAIL - (sizeof pattern - 1);
    if (memcmp(path + at, pattern, sizeof pattern - 1) != 0) {
        return 0;
    }
    size_t n = 0;
    for (size_t i = size - TAIL; i < size - 5; i++) {
        if (path[i] < '0' || path[i] > '9') {
            return 0;
        }
        n = n * 10 + (size_t)(path[i] - '0');
    }
    *digits_at = at + 1;
    return n > RG_GGUF_SHARDS_MAX ? 0 : n;
}

// a shard must say that it is the one its name says
static rg_status check_split(const rg_gguf *part, size_t number, size_t count, rg_error *err) {
    int64_t no = -1;
    int64_t n = -1;
    if (count <= 1) {
        return RG_OK;
    }
    if (!rg_gguf_i64(part, "split.no", &no) || !rg_gguf_i64(part, "split.count", &n) ||
        no != (int64_t)number || n != (int64_t)count) {
        return rg_fail(err, RG_E_FORMAT, "file %zu of %zu says split.no %lld of split.count %lld",
                       number + 1, count, (long long)no, (long long)n);
    }
    return RG_OK;
}

static rg_status open_shard(rg_gguf *gguf, const char *path, size_t number, size_t count,
                            rg_error *err) {
    rg_file_map map;
    rg_gguf *alone = NULL;
    size_t n_found = 0;
    rg_status status = rg_file_map_open(path, &map, err);
    if (status != RG_OK) {
        return status;
    }
    gguf->maps[gguf->n_maps++] = map;
    if (number == 0) {
        status = rg_gguf_read_file(gguf, map.bytes, true, &n_found, err);
        return status == RG_OK ? check_split(gguf, number, count, err) : status;
    }
    // the keys of a later file are its own: read it once for them, once for its tensors
    RG_TRY(rg_gguf_parse(gguf->mem, map.bytes, &alone, err));
    RG_TRY(check_split(alone, number, count, err));
    RG_TRY(rg_gguf_read_file(gguf, map.bytes, false, &n_found, err));

done:
    rg_gguf_close(alone);
    return status;
}

rg_status rg_gguf_open(const rg_mem *mem, const char *path, rg_gguf **out, rg_error *err) {
    size_t digits_at = 0;
    const size_t count = split_count(path, &digits_at);
    const size_t n_files = count == 0 ? 1 : count;
    char shard[4096];
    rg_gguf *gguf = NULL;
    rg_status status = RG_OK;
    if (strlen(path) >= sizeof shard) {
        return rg_fail(err, RG_E_ARG, "the path is longer than %zu bytes", sizeof shard - 1);
    }
    memcpy(shard, path, strlen(path) + 1);
    RG_TRY(new_gguf(mem, n_files, &gguf, err));
    for (size_t i = 0; i < n_files; i++) {
        if (count != 0) {
            char digits[24];
            snprintf(digits, sizeof digits, "%05zu", i + 1);
            memcpy(shard + digits_at, digits, 5);
        }
        status = open_shard(gguf, shard, i, count, err);
        if (status != RG_OK) {
            rg_error_prefix(err, "%s", shard);
            goto done;
        }
    }
    int64_t n_tensors = 0;
    if (rg_gguf_i64(gguf, "split.tensors.count", &n_tensors) && count > 1 &&
        n_tensors != (int64_t)gguf->n_tensors) {
        status = rg_fail(err, RG_E_FORMAT, "%s: split.tensors.count is %lld, the files have %zu",
                         path, (long long)n_tensors, gguf->n_tensors);
        goto done;
    }
    *out = gguf;
    gguf = NULL;

done:
    rg_gguf_close(gguf);
    return status;
}

rg_status rg_gguf_parse(const rg_mem *mem, rg_bytes file, rg_gguf **out, rg_error *err) {
    rg_gguf *gguf = NULL;
    size_t n_found = 0;
    rg_status status = new_gguf(mem, 1, &gguf, err);
    if (status == RG_OK) {
        status = rg_gguf_read_file(gguf, file, true, &n_found, err);
    }
    if (status != RG_OK) {
        rg_gguf_close(gguf);
        return status;
    }
    *out = gguf;
    return RG_OK;
}

size_t rg_gguf_n_pairs(const rg_gguf *gguf) {
    return gguf->n_pairs;
}

const rg_gguf_pair *rg_gguf_pair_at(const rg_gguf *gguf, size_t i) {
    return &gguf->pairs[i];
}

const rg_gguf_pair *rg_gguf_find_pair(const rg_gguf *gguf, const char *key) {
    const uint32_t i = rg_map_find(&gguf->pair_of, rg_str_of(key));
    return i == RG_MAP_NONE ? NULL : &gguf->pairs[i];
}

size_t rg_gguf_n_tensors(const rg_gguf *gguf) {
    return gguf->n_tensors;
}

const rg_tensor *rg_gguf_tensor_at(const rg_gguf *gguf, size_t i) {
    return &gguf->tensors[i];
}

const rg_tensor *rg_gguf_find(const rg_gguf *gguf, rg_str name) {
    const uint32_t i = rg_map_find(&gguf->tensor_of, name);
    return i == RG_MAP_NONE ? NULL : &gguf->tensors[i];
}

const char *rg_gguf_warnings(const rg_gguf *gguf) {
    return rg_buf_cstr((rg_buf *)&gguf->warnings);
}

size_t rg_gguf_file_bytes(const rg_gguf *gguf) {
    return gguf->file_bytes;
}

bool rg_gguf_is_intact(const rg_gguf *gguf) {
    for (size_t i = 0; i < gguf->n_maps; i++) {
        if (!rg_file_is_intact(&gguf->maps[i])) {
            return false;
        }
    }
    return true;
}
