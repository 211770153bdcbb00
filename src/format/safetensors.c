#include "format/safetensors.h"

#include "base/map.h"
#include "format/json.h"

#include <inttypes.h>

struct rg_safetensors {
    const rg_mem *mem;
    rg_arena arena; // names and header trees
    rg_file_map *maps;
    size_t n_maps;
    rg_tensor *tensors;
    size_t n_tensors;
    rg_map tensor_of;
    size_t file_bytes;
    uint64_t hash;
};

/** Memory that the tree of a header may take, for each byte of its text. */
enum { TREE_BYTES_PER_TEXT = 64, TREE_BYTES_MIN = 1 << 20 };
enum { SHAPE_MAX = 6 }; // dimensions that a file may give a tensor

static rg_status new_set(const rg_mem *mem, size_t n_maps, rg_safetensors **out, rg_error *err) {
    rg_safetensors *st = rg_new(mem, sizeof *st);
    if (st == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a safetensors file");
    }
    st->mem = mem;
    rg_arena_init(&st->arena, mem, 0);
    rg_map_init(&st->tensor_of, mem);
    st->maps = rg_new_array(mem, n_maps + 1, sizeof *st->maps);
    if (st->maps == NULL) {
        rg_safetensors_close(st);
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu files", n_maps);
    }
    *out = st;
    return RG_OK;
}

void rg_safetensors_close(rg_safetensors *st) {
    if (st == NULL) {
        return;
    }
    for (size_t i = 0; i < st->n_maps; i++) {
        rg_file_map_close(&st->maps[i]);
    }
    rg_free(st->mem, st->maps);
    rg_free(st->mem, st->tensors);
    rg_map_clear(&st->tensor_of);
    rg_arena_clear(&st->arena);
    rg_free(st->mem, st);
}

// ---- one entry of the header ----

static rg_status read_size(const rg_json *json, rg_str name, const char *field, size_t *out,
                           rg_error *err) {
    int64_t value = -1;
    // only plain digits: 1e3 and 1.0 are not what writers write
    const bool is_plain = json != NULL && json->kind == RG_JSON_NUMBER &&
                          memchr(json->text.data, '.', json->text.size) == NULL &&
                          memchr(json->text.data, 'e', json->text.size) == NULL &&
                          memchr(json->text.data, 'E', json->text.size) == NULL;
    if (!is_plain || !rg_json_i64(json, &value) || value < 0) {
        const rg_str text = json == NULL ? RG_STR("") : json->text;
        return rg_fail(err, RG_E_FORMAT, "tensor %.*s: %s holds \"%.*s\", not a size", RG_FMT(name),
                       field, RG_FMT(text));
    }
    *out = (size_t)value;
    return RG_OK;
}

// dimensions beyond those that a tensor has here are folded into its last
static rg_status read_shape(const rg_json *shape, rg_tensor *t, size_t *count, rg_error *err) {
    if (shape == NULL || shape->kind != RG_JSON_ARRAY || shape->n > SHAPE_MAX) {
        return rg_fail(err, RG_E_FORMAT,
                       "tensor %.*s: shape is missing or has more than %d dimensions",
                       RG_FMT(t->name), SHAPE_MAX);
    }
    *count = 1;
    t->n_dims = (uint32_t)(shape->n < RG_DIMS_MAX ? shape->n : RG_DIMS_MAX);
    for (size_t d = 0; d < shape->n; d++) {
        size_t size = 0;
        const rg_status status = read_size(rg_json_at(shape, d), t->name, "shape", &size, err);
        if (status != RG_OK) {
            return status;
        }
        const bool fits = rg_mul_size(*count, size, count);
        if (d < RG_DIMS_MAX) {
            t->shape[d] = size;
        }
        if (!fits || (d >= RG_DIMS_MAX &&
                      !rg_mul_size(t->shape[RG_DIMS_MAX - 1], size, &t->shape[RG_DIMS_MAX - 1]))) {
            return rg_fail(err, RG_E_FORMAT, "tensor %.*s: the product of its shape overflows",
                           RG_FMT(t->name));
        }
    }
    return RG_OK;
}

static rg_status read_entry(rg_str name, const rg_json *entry, rg_bytes data, rg_tensor *t,
                            rg_error *err) {
    rg_status status = RG_OK;
    rg_str type = RG_STR("");
    size_t count = 0;
    size_t begin = 0;
    size_t end = 0;
    size_t bytes = 0;
    *t = (rg_tensor){.name = name};
    if (name.size == 0 || !rg_json_str(rg_json_find(entry, "dtype"), &type)) {
        return rg_fail(err, RG_E_FORMAT, "tensor \"%.*s\": name or dtype is missing", RG_FMT(name));
    }
    t->dtype = rg_dtype_of_name(type);
    if (t->dtype == RG_DTYPE_COUNT || rg_dtype_get(t->dtype)->block != 1) {
        return rg_fail(err, RG_E_UNSUPPORTED, "tensor %.*s: dtype \"%.*s\" is not supported",
                       RG_FMT(name), RG_FMT(type));
    }
    RG_TRY(read_shape(rg_json_find(entry, "shape"), t, &count, err));
    const rg_json *offsets = rg_json_find(entry, "data_offsets");
    if (offsets == NULL || offsets->kind != RG_JSON_ARRAY || offsets->n != 2) {
        return rg_fail(err, RG_E_FORMAT, "tensor %.*s: data_offsets is not [begin, end]",
                       RG_FMT(name));
    }
    RG_TRY(read_size(rg_json_at(offsets, 0), name, "data_offsets", &begin, err));
    RG_TRY(read_size(rg_json_at(offsets, 1), name, "data_offsets", &end, err));
    if (begin > end || end > data.size) {
        return rg_fail(err, RG_E_FORMAT, "tensor %.*s: bytes %zu to %zu of %zu", RG_FMT(name),
                       begin, end, data.size);
    }
    if (!rg_dtype_bytes(t->dtype, count, &bytes) || bytes != end - begin) {
        return rg_fail(err, RG_E_FORMAT, "tensor %.*s: its shape needs %zu bytes, it has %zu",
                       RG_FMT(name), bytes, end - begin);
    }
    t->bytes = bytes;
    t->data = data.data + begin;

done:
    return status;
}

// every byte of the data belongs to exactly one tensor
static rg_status check_cover(const rg_safetensors *st, const rg_tensor *tensors, size_t n,
                             rg_bytes data, rg_error *err) {
    // next[i]: the tensor that begins at the end of another is found through a map of begin offsets
    rg_status status = RG_OK;
    rg_map begins;
    rg_map_init(&begins, st->mem);
    size_t *offsets = rg_new_array(st->mem, n + 1, sizeof *offsets);
    if (offsets == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu tensors", n);
    }
    RG_TRY(rg_map_reserve(&begins, n, err));
    for (size_t i = 0; i < n; i++) {
        uint32_t old = RG_MAP_NONE;
        offsets[i] = (size_t)((const uint8_t *)tensors[i].data - data.data);
        if (tensors[i].bytes == 0) {
            continue; // an empty tensor covers nothing
        }
        RG_TRY(rg_map_add(&begins, (rg_str){(const char *)&offsets[i], sizeof offsets[i]},
                          (uint32_t)i, &old, err));
        if (old != RG_MAP_NONE) {
            status = rg_fail(err, RG_E_FORMAT, "tensors %.*s and %.*s overlap",
                             RG_FMT(tensors[i].name), RG_FMT(tensors[old].name));
            goto done;
        }
    }
    size_t at = 0;
    size_t n_seen = 0;
    while (at < data.size) {
        const uint32_t i = rg_map_find(&begins, (rg_str){(const char *)&at, sizeof at});
        if (i == RG_MAP_NONE) {
            status =
                rg_fail(err, RG_E_FORMAT,
                        "no tensor begins at byte %zu of the data, %zu bytes long", at, data.size);
            goto done;
        }
        at += tensors[i].bytes;
        n_seen++;
    }
    if (n_seen != begins.n_used) {
        status = rg_fail(err, RG_E_FORMAT, "tensors overlap: %zu of %zu lie inside others",
                         begins.n_used - n_seen, begins.n_used);
    }

done:
    rg_map_clear(&begins);
    rg_free(st->mem, offsets);
    return status;
}

static rg_status split_header(rg_bytes file, rg_str *header, rg_bytes *data, rg_error *err) {
    uint64_t n = 0;
    if (file.size < 8) {
        return rg_fail(err, RG_E_FORMAT, "%zu bytes are no safetensors file", file.size);
    }
    memcpy(&n, file.data, 8);
    if (n > RG_SAFETENSORS_HEADER_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the header has %" PRIu64 " bytes, limit %d", n,
                       RG_SAFETENSORS_HEADER_MAX);
    }
    if (n < 2 || n > file.size - 8) {
        return rg_fail(err, RG_E_FORMAT, "the header has %" PRIu64 " bytes, the file %zu", n,
                       file.size);
    }
    *header = (rg_str){(const char *)file.data + 8, (size_t)n};
    *data = (rg_bytes){file.data + 8 + n, file.size - 8 - (size_t)n};
    if (header->data[0] != '{') {
        return rg_fail(err, RG_E_FORMAT, "the header does not begin with {");
    }
    // padding is made of spaces
    while (header->size > 0 && header->data[header->size - 1] == ' ') {
        header->size--;
    }
    if (header->size == 0 || header->data[header->size - 1] != '}') {
        return rg_fail(err, RG_E_FORMAT, "the header does not end with } and spaces");
    }
    return RG_OK;
}

// add the tensors of one file
static rg_status read_file(rg_safetensors *st, rg_bytes file, rg_error *err) {
    rg_status status = RG_OK;
    rg_str header = {0};
    rg_bytes data = {0};
    const rg_json *root = NULL;
    rg_tensor *grown = NULL;
    size_t n = 0;
    RG_TRY(split_header(file, &header, &data, err));
    st->arena.limit_bytes =
        st->arena.used_bytes + TREE_BYTES_MIN + header.size * (size_t)TREE_BYTES_PER_TEXT;
    RG_TRY(rg_json_parse(&st->arena, header, &root, err));
    grown = rg_new_array(st->mem, st->n_tensors + root->n + 1, sizeof *grown);
    if (grown == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tensors", root->n);
        goto done;
    }
    if (st->n_tensors != 0) {
        memcpy(grown, st->tensors, st->n_tensors * sizeof *grown);
    }
    RG_TRY(rg_map_reserve(&st->tensor_of, st->n_tensors + root->n, err));
    for (size_t i = 0; i < root->n; i++) {
        uint32_t old = RG_MAP_NONE;
        if (rg_str_is(root->keys[i], "__metadata__")) {
            continue;
        }
        rg_tensor *t = &grown[st->n_tensors + n];
        RG_TRY(read_entry(root->keys[i], &root->items[i], data, t, err));
        RG_TRY(rg_map_add(&st->tensor_of, t->name, (uint32_t)(st->n_tensors + n), &old, err));
        if (old != RG_MAP_NONE) {
            status = rg_fail(err, RG_E_FORMAT, "tensor %.*s is in two files", RG_FMT(t->name));
            goto done;
        }
        n++;
    }
    RG_TRY(check_cover(st, grown + st->n_tensors, n, data, err));
    rg_free(st->mem, st->tensors);
    st->tensors = grown;
    grown = NULL;
    st->n_tensors += n;
    st->file_bytes += file.size;

done:
    rg_free(st->mem, grown);
    return status;
}

static void hash_file(rg_safetensors *st, const rg_file_map *map) {
    enum { END_BYTES = 1 << 20 };
    const size_t ends = map->bytes.size < END_BYTES ? map->bytes.size : END_BYTES;
    const uint64_t facts[] = {map->bytes.size, map->mtime_ns};
    st->hash = rg_hash(facts, sizeof facts, st->hash);
    st->hash = rg_hash(map->bytes.data, ends, st->hash);
    st->hash = rg_hash(map->bytes.data + (map->bytes.size - ends), ends, st->hash);
}

static rg_status open_one(rg_safetensors *st, const char *path, rg_error *err) {
    rg_file_map map;
    rg_status status = rg_file_map_open(path, &map, err);
    if (status != RG_OK) {
        return status;
    }
    st->maps[st->n_maps++] = map;
    status = read_file(st, map.bytes, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
        return status;
    }
    hash_file(st, &map);
    return RG_OK;
}

// ---- the index of a sharded set ----

// a shard is a plain name beside the index: never a way out of the folder
static bool is_plain_name(rg_str name) {
    return name.size != 0 && name.size < 256 && name.data[0] != '.' &&
           memchr(name.data, '/', name.size) == NULL &&
           memchr(name.data, '\\', name.size) == NULL && memchr(name.data, 0, name.size) == NULL &&
           rg_str_ends(name, RG_STR(".safetensors"));
}

static rg_status open_shard(rg_safetensors *st, const char *index_path, rg_str shard,
                            rg_error *err) {
    char folder[4096];
    char path[4096];
    const char *slash = strrchr(index_path, '/');
    const size_t n = slash == NULL ? 1 : (size_t)(slash - index_path) + 1;
    if (n >= sizeof folder) {
        return rg_fail(err, RG_E_ARG, "the path of the index is too long");
    }
    memcpy(folder, slash == NULL ? "." : index_path, n);
    folder[n] = '\0';
    const rg_status status = rg_path_join(path, sizeof path, folder, shard, err);
    return status == RG_OK ? open_one(st, path, err) : status;
}

// each name of weight_map once, in order of appearance; and each tensor in the file it is said to
// be in
static rg_status open_shards(rg_safetensors *st, const char *path, const rg_json *weight_map,
                             rg_error *err) {
    rg_status status = RG_OK;
    rg_map shards; // name -> first tensor behind it
    size_t *ends = rg_new_array(st->mem, RG_SAFETENSORS_SHARDS_MAX, sizeof *ends);
    rg_map_init(&shards, st->mem);
    if (ends == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for an index");
    }
    for (size_t i = 0; i < weight_map->n; i++) {
        rg_str shard = RG_STR("");
        uint32_t old = RG_MAP_NONE;
        if (!rg_json_str(&weight_map->items[i], &shard) || !is_plain_name(shard)) {
            status =
                rg_fail(err, RG_E_FORMAT, "%s: weight_map puts %.*s into \"%.*s\", not a file name",
                        path, RG_FMT(weight_map->keys[i]), RG_FMT(shard));
            goto done;
        }
        RG_TRY(rg_map_add(&shards, shard, (uint32_t)shards.n_used, &old, err));
        if (old != RG_MAP_NONE) {
            continue;
        }
        if (shards.n_used > RG_SAFETENSORS_SHARDS_MAX) {
            status = rg_fail(err, RG_E_LIMIT, "%s names more than %d files", path,
                             RG_SAFETENSORS_SHARDS_MAX);
            goto done;
        }
        RG_TRY(open_shard(st, path, shard, err));
        ends[shards.n_used - 1] = st->n_tensors;
    }
    for (size_t i = 0; i < weight_map->n; i++) {
        const uint32_t shard = rg_map_find(&shards, weight_map->items[i].text);
        const uint32_t t = rg_map_find(&st->tensor_of, weight_map->keys[i]);
        const size_t begin = shard == 0 ? 0 : ends[shard - 1];
        if (t == RG_MAP_NONE || t < begin || t >= ends[shard]) {
            status = rg_fail(err, RG_E_FORMAT, "%s: tensor %.*s is not in %.*s", path,
                             RG_FMT(weight_map->keys[i]), RG_FMT(weight_map->items[i].text));
            goto done;
        }
    }

done:
    rg_map_clear(&shards);
    rg_free(st->mem, ends);
    return status;
}

static rg_status open_index(rg_safetensors *st, const char *path, rg_error *err) {
    rg_bytes text = {0};
    rg_arena arena;
    const rg_json *root = NULL;
    rg_arena_init(&arena, st->mem, 0);
    rg_status status = RG_OK;
    RG_TRY(rg_file_read(st->mem, path, RG_SAFETENSORS_INDEX_MAX, &text, err));
    arena.limit_bytes = TREE_BYTES_MIN + text.size * (size_t)TREE_BYTES_PER_TEXT;
    status = rg_json_parse(&arena, (rg_str){(const char *)text.data, text.size}, &root, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", path);
        goto done;
    }
    const rg_json *weight_map = rg_json_find(root, "weight_map");
    if (weight_map == NULL || weight_map->kind != RG_JSON_OBJECT || weight_map->n == 0) {
        status = rg_fail(err, RG_E_FORMAT, "%s: weight_map is missing or empty", path);
        goto done;
    }
    // room for every map that the index can name
    rg_free(st->mem, st->maps);
    st->maps = rg_new_array(st->mem, RG_SAFETENSORS_SHARDS_MAX, sizeof *st->maps);
    if (st->maps == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for an index");
        goto done;
    }
    RG_TRY(open_shards(st, path, weight_map, err));

done:
    rg_arena_clear(&arena);
    rg_free(st->mem, (void *)text.data);
    return status;
}

rg_status rg_safetensors_open(const rg_mem *mem, const char *path, rg_safetensors **out,
                              rg_error *err) {
    rg_safetensors *st = NULL;
    rg_status status = new_set(mem, 1, &st, err);
    if (status == RG_OK) {
        status = rg_str_ends(rg_str_of(path), RG_STR(".json")) ? open_index(st, path, err)
                                                               : open_one(st, path, err);
    }
    if (status != RG_OK) {
        rg_safetensors_close(st);
        return status;
    }
    *out = st;
    return RG_OK;
}

rg_status rg_safetensors_parse(const rg_mem *mem, rg_bytes file, rg_safetensors **out,
                               rg_error *err) {
    rg_safetensors *st = NULL;
    rg_status status = new_set(mem, 0, &st, err);
    if (status == RG_OK) {
        status = read_file(st, file, err);
    }
    if (status != RG_OK) {
        rg_safetensors_close(st);
        return status;
    }
    *out = st;
    return RG_OK;
}

size_t rg_safetensors_count(const rg_safetensors *st) {
    return st->n_tensors;
}

const rg_tensor *rg_safetensors_at(const rg_safetensors *st, size_t i) {
    return &st->tensors[i];
}

const rg_tensor *rg_safetensors_find(const rg_safetensors *st, rg_str name) {
    const uint32_t i = rg_map_find(&st->tensor_of, name);
    return i == RG_MAP_NONE ? NULL : &st->tensors[i];
}

size_t rg_safetensors_file_bytes(const rg_safetensors *st) {
    return st->file_bytes;
}

uint64_t rg_safetensors_hash(const rg_safetensors *st) {
    return st->hash;
}

bool rg_safetensors_is_intact(const rg_safetensors *st) {
    for (size_t i = 0; i < st->n_maps; i++) {
        if (!rg_file_is_intact(&st->maps[i])) {
            return false;
        }
    }
    return true;
}
