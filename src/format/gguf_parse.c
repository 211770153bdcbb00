/* One GGUF file: header, metadata, tensor infos, each number checked against what is left of the
 * file. */
#include "base/utf8.h"
#include "format/cursor.h"
#include "format/gguf_internal.h"

#include <inttypes.h>

enum { HEADER_BYTES = 24, ALIGN_DEFAULT = 32, VERSION_BIG_ENDIAN_3 = 0x03000000 };

typedef struct parser {
    rg_gguf *gguf;
    rg_cursor cursor;
    rg_error *err;
    size_t align;
} parser;

static rg_status truncated(const parser *p, const char *what) {
    return rg_fail(p->err, RG_E_FORMAT, "the file ends inside %s, at byte %zu", what,
                   p->cursor.bytes.size);
}

static rg_status read_str(parser *p, rg_str *out, uint64_t most, const char *what) {
    uint64_t size = 0;
    if (!rg_cursor_u64(&p->cursor, &size)) {
        return truncated(p, what);
    }
    if (size > most) {
        return rg_fail(p->err, RG_E_LIMIT, "%s has %" PRIu64 " bytes, limit %" PRIu64, what, size,
                       most);
    }
    const uint8_t *data = rg_cursor_take(&p->cursor, size);
    if (data == NULL) {
        return rg_fail(p->err, RG_E_FORMAT, "%s of %" PRIu64 " bytes, %zu are left in the file",
                       what, size, rg_cursor_left(&p->cursor));
    }
    *out = (rg_str){(const char *)data, (size_t)size};
    return RG_OK;
}

static bool has_control(rg_str s) {
    for (size_t i = 0; i < s.size; i++) {
        if ((unsigned char)s.data[i] < 0x20) {
            return true;
        }
    }
    return false;
}

// names of keys and tensors: not empty, printable UTF-8
static rg_status read_name(parser *p, rg_str *out, uint64_t most, const char *what) {
    const rg_status status = read_str(p, out, most, what);
    if (status != RG_OK) {
        return status;
    }
    if (out->size == 0 || has_control(*out) || !rg_utf8_is_valid(*out)) {
        return rg_fail(p->err, RG_E_FORMAT, "%s at byte %zu is %s", what, p->cursor.at - out->size,
                       out->size == 0 ? "empty" : "not printable UTF-8");
    }
    return RG_OK;
}

static rg_status check_bools(parser *p, rg_bytes value, rg_str key) {
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] > 1) {
            return rg_fail(p->err, RG_E_FORMAT, "the bool %.*s is %u, not 0 or 1", RG_FMT(key),
                           value.data[i]);
        }
    }
    return RG_OK;
}

static rg_status read_array(parser *p, rg_gguf_pair *pair) {
    uint32_t type = 0;
    uint64_t n = 0;
    rg_status status = RG_OK;
    if (!rg_cursor_u32(&p->cursor, &type) || !rg_cursor_u64(&p->cursor, &n)) {
        return truncated(p, "an array");
    }
    const size_t left = rg_cursor_left(&p->cursor);
    const size_t item = type == RG_GGUF_STRING ? 8 : rg_gguf_scalar_bytes(type);
    if (item == 0) {
        return rg_fail(p->err, RG_E_FORMAT, "the array %.*s has items of type %u%s",
                       RG_FMT(pair->key), type,
                       type == RG_GGUF_ARRAY ? ": arrays of arrays are not in use" : "");
    }
    if (n > left / item) {
        return rg_fail(p->err, RG_E_FORMAT,
                       "the array %.*s has %" PRIu64
                       " items, which cannot fit in the %zu bytes left",
                       RG_FMT(pair->key), n, left);
    }
    pair->item_type = (rg_gguf_type)type;
    pair->n_items = n;
    const size_t begin = p->cursor.at;
    if (type == RG_GGUF_STRING) {
        for (uint64_t i = 0; i < n && status == RG_OK; i++) {
            rg_str text;
            status = read_str(p, &text, left, "a string of an array");
        }
    } else {
        (void)rg_cursor_take(&p->cursor, n * item);
    }
    pair->value = (rg_bytes){p->cursor.bytes.data + begin, p->cursor.at - begin};
    if (status == RG_OK && type == RG_GGUF_BOOL) {
        status = check_bools(p, pair->value, pair->key);
    }
    return status;
}

static rg_status read_pair(parser *p, rg_gguf_pair *pair) {
    uint32_t type = 0;
    rg_status status = read_name(p, &pair->key, RG_GGUF_KEY_MAX, "a metadata key");
    if (status != RG_OK) {
        return status;
    }
    if (!rg_cursor_u32(&p->cursor, &type)) {
        return truncated(p, "a metadata value");
    }
    pair->type = (rg_gguf_type)type;
    if (type == RG_GGUF_ARRAY) {
        return read_array(p, pair);
    }
    if (type == RG_GGUF_STRING) {
        rg_str text = RG_STR("");
        status = read_str(p, &text, rg_cursor_left(&p->cursor), "a metadata string");
        pair->value = (rg_bytes){(const uint8_t *)text.data, text.size};
        return status;
    }
    const size_t size = rg_gguf_scalar_bytes(type);
    if (size == 0) {
        return rg_fail(p->err, RG_E_FORMAT, "the key %.*s has value type %u, valid are 0 to 12",
                       RG_FMT(pair->key), type);
    }
    const uint8_t *data = rg_cursor_take(&p->cursor, size);
    if (data == NULL) {
        return truncated(p, "a metadata value");
    }
    pair->value = (rg_bytes){data, size};
    return type == RG_GGUF_BOOL ? check_bools(p, pair->value, pair->key) : RG_OK;
}

static rg_status read_pairs(parser *p, uint64_t n, rg_gguf_pair *pairs, rg_map *pair_of) {
    for (uint64_t i = 0; i < n; i++) {
        uint32_t old = RG_MAP_NONE;
        rg_status status = read_pair(p, &pairs[i]);
        if (status == RG_OK) {
            status = rg_map_add(pair_of, pairs[i].key, (uint32_t)i, &old, p->err);
        }
        if (status != RG_OK) {
            return status;
        }
        if (old != RG_MAP_NONE) {
            return rg_fail(p->err, RG_E_FORMAT, "the key %.*s is there twice",
                           RG_FMT(pairs[i].key));
        }
    }
    return RG_OK;
}

static rg_status read_align(parser *p, const rg_gguf_pair *pairs, const rg_map *pair_of) {
    const uint32_t i = rg_map_find(pair_of, RG_STR("general.alignment"));
    p->align = ALIGN_DEFAULT;
    if (i == RG_MAP_NONE) {
        return RG_OK;
    }
    uint32_t align = 0;
    if (pairs[i].type != RG_GGUF_U32) {
        return rg_fail(p->err, RG_E_FORMAT, "general.alignment has value type %d, not u32 (4)",
                       (int)pairs[i].type);
    }
    memcpy(&align, pairs[i].value.data, 4);
    if (align == 0 || align > RG_GGUF_ALIGN_MAX || (align & (align - 1)) != 0) {
        return rg_fail(p->err, RG_E_FORMAT,
                       "general.alignment is %u, valid are powers of two from 1 to %d", align,
                       RG_GGUF_ALIGN_MAX);
    }
    p->align = align;
    return RG_OK;
}

static rg_status find_type(parser *p, uint32_t id, rg_tensor *t) {
    static const uint8_t obsolete[] = {4, 5, 31, 32, 33, 36, 37, 38};
    enum { FORK_TYPES = 96 };
    t->dtype = rg_dtype_of_gguf(id);
    if (t->dtype != RG_DTYPE_COUNT) {
        return RG_OK;
    }
    for (size_t i = 0; i < sizeof obsolete; i++) {
        if (id == obsolete[i]) {
            return rg_fail(p->err, RG_E_UNSUPPORTED, "tensor %.*s has the obsolete type id %u",
                           RG_FMT(t->name), id);
        }
    }
    return rg_fail(p->err, RG_E_UNSUPPORTED, "tensor %.*s has the unknown type id %u%s",
                   RG_FMT(t->name), id,
                   id >= FORK_TYPES && id < 1024 ? ", private to the ik_llama.cpp fork" : "");
}

// dimensions come contiguous one first; ours come slowest first
static rg_status read_shape(parser *p, rg_tensor *t) {
    uint32_t n_dims = 0;
    enum { GGUF_DIMS = 4 }; // GGML_MAX_DIMS
    uint64_t ne[GGUF_DIMS];
    if (!rg_cursor_u32(&p->cursor, &n_dims)) {
        return truncated(p, "a tensor info");
    }
    if (n_dims < 1 || n_dims > GGUF_DIMS) {
        return rg_fail(p->err, RG_E_FORMAT, "tensor %.*s has %u dimensions, valid are 1 to %d",
                       RG_FMT(t->name), n_dims, GGUF_DIMS);
    }
    t->n_dims = n_dims;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (!rg_cursor_u64(&p->cursor, &ne[d])) {
            return truncated(p, "a tensor info");
        }
        if (ne[d] == 0 || ne[d] > INT64_MAX) {
            return rg_fail(p->err, RG_E_FORMAT, "tensor %.*s: dimension %u is %" PRIu64,
                           RG_FMT(t->name), d, ne[d]);
        }
        t->shape[n_dims - 1 - d] = (size_t)ne[d];
    }
    return RG_OK;
}

static rg_status size_tensor(parser *p, rg_tensor *t) {
    size_t n = 1;
    const rg_dtype_info *info = rg_dtype_get(t->dtype);
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (!rg_mul_size(n, t->shape[d], &n)) {
            return rg_fail(p->err, RG_E_FORMAT,
                           "tensor %.*s: the product of its dimensions overflows", RG_FMT(t->name));
        }
    }
    if (t->shape[t->n_dims - 1] % info->block != 0) {
        return rg_fail(p->err, RG_E_FORMAT,
                       "tensor %.*s: rows of %zu values are no multiple of the %u of a %s block",
                       RG_FMT(t->name), t->shape[t->n_dims - 1], info->block, info->name);
    }
    if (!rg_dtype_bytes(t->dtype, n, &t->bytes)) {
        return rg_fail(p->err, RG_E_FORMAT, "tensor %.*s: its size in bytes overflows",
                       RG_FMT(t->name));
    }
    return RG_OK;
}

// data holds the offset as a number until the start of the data section is known
static rg_status read_tensor(parser *p, rg_tensor *t) {
    uint32_t type = 0;
    uint64_t offset = 0;
    rg_status status = read_name(p, &t->name, RG_GGUF_NAME_MAX, "a tensor name");
    if (status == RG_OK) {
        status = read_shape(p, t);
    }
    if (status != RG_OK) {
        return status;
    }
    if (!rg_cursor_u32(&p->cursor, &type) || !rg_cursor_u64(&p->cursor, &offset)) {
        return truncated(p, "a tensor info");
    }
    status = find_type(p, type, t);
    if (status == RG_OK) {
        status = size_tensor(p, t);
    }
    if (status != RG_OK) {
        return status;
    }
    if (offset % p->align != 0 || offset > PTRDIFF_MAX) {
        return rg_fail(p->err, RG_E_FORMAT, "tensor %.*s: offset %" PRIu64 " is no multiple of %zu",
                       RG_FMT(t->name), offset, p->align);
    }
    t->data = (const void *)(uintptr_t)offset;
    return RG_OK;
}

/** Where a tensor lies, for the check of overlaps. */
typedef struct span {
    size_t begin;
    size_t end;
    const rg_tensor *tensor;
} span;

static void sort_spans(span *spans, size_t n) {
    // heap sort: bounded time and stack whatever the order in the file
    for (size_t start = n / 2, end = n; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            end--;
            const span swap = spans[0];
            spans[0] = spans[end];
            spans[end] = swap;
        }
        for (size_t root = start; 2 * root + 1 < end;) {
            size_t child = 2 * root + 1;
            if (child + 1 < end && spans[child].begin < spans[child + 1].begin) {
                child++;
            }
            if (spans[root].begin >= spans[child].begin) {
                break;
            }
            const span swap = spans[root];
            spans[root] = spans[child];
            spans[child] = swap;
            root = child;
        }
    }
}

static rg_status check_spans(parser *p, span *spans, size_t n, size_t data_bytes) {
    sort_spans(spans, n);
    size_t end = 0;
    size_t n_gaps = 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin < end) {
            return rg_fail(p->err, RG_E_FORMAT, "tensors %.*s and %.*s overlap",
                           RG_FMT(spans[i - 1].tensor->name), RG_FMT(spans[i].tensor->name));
        }
        n_gaps += spans[i].begin > rg_round_up(end, p->align);
        end = spans[i].end;
    }
    if (n_gaps != 0) {
        rg_buf_format(&p->gguf->warnings, "%zu gaps between tensors\n", n_gaps);
    }
    if (data_bytes > rg_round_up(end, p->align)) {
        rg_buf_format(&p->gguf->warnings, "%zu bytes after the last tensor\n",
                      data_bytes - rg_round_up(end, p->align));
    }
    return RG_OK;
}

// offsets become pointers once all of them are known to lie inside the file
static rg_status place_tensors(parser *p, rg_tensor *tensors, size_t n) {
    const size_t start = rg_round_up(p->cursor.at, p->align);
    const size_t file_bytes = p->cursor.bytes.size;
    const size_t data_bytes = file_bytes > start ? file_bytes - start : 0;
    rg_status status = RG_OK;
    span *spans = rg_new_array(p->gguf->mem, n + 1, sizeof *spans);
    if (spans == NULL) {
        return rg_fail(p->err, RG_E_MEMORY, "no memory for %zu tensors", n);
    }
    for (size_t i = 0; i < n; i++) {
        rg_tensor *t = &tensors[i];
        const size_t offset = (size_t)(uintptr_t)t->data;
        if (offset > data_bytes || t->bytes > data_bytes - offset) {
            status =
                rg_fail(p->err, RG_E_FORMAT,
                        "tensor %.*s: %zu bytes at offset %zu do not fit in the %zu of the data",
                        RG_FMT(t->name), t->bytes, offset, data_bytes);
            goto done;
        }
        spans[i] = (span){offset, offset + t->bytes, t};
        t->data = p->cursor.bytes.data + start + offset;
    }
    status = check_spans(p, spans, n, data_bytes);

done:
    rg_free(p->gguf->mem, spans);
    return status;
}

static rg_status read_header(parser *p, uint64_t *n_tensors, uint64_t *n_pairs) {
    enum { PAIR_BYTES_MIN = 8 + 1 + 4 + 1, TENSOR_BYTES_MIN = 8 + 1 + 4 + 8 + 4 + 8 };
    const size_t size = p->cursor.bytes.size;
    uint32_t version = 0;
    if (size < HEADER_BYTES) {
        return rg_fail(p->err, RG_E_FORMAT,
                       "truncated header: %zu bytes, a GGUF file has at least %d", size,
                       HEADER_BYTES);
    }
    if (memcmp(rg_cursor_take(&p->cursor, 4), "GGUF", 4) != 0) {
        return rg_fail(p->err, RG_E_FORMAT, "not a GGUF file (it does not begin with \"GGUF\")");
    }
    (void)rg_cursor_u32(&p->cursor, &version);
    if ((version & 0xFFFF) == 0 && version != 0) {
        return rg_fail(p->err, RG_E_UNSUPPORTED, "a big-endian GGUF file is not supported");
    }
    if (version != 2 && version != 3) {
        return rg_fail(p->err, RG_E_UNSUPPORTED, "GGUF version %u is not supported, 2 and 3 are",
                       version);
    }
    (void)rg_cursor_u64(&p->cursor, n_tensors);
    (void)rg_cursor_u64(&p->cursor, n_pairs);
    const size_t left = rg_cursor_left(&p->cursor);
    if (*n_tensors > left / TENSOR_BYTES_MIN || *n_tensors > RG_GGUF_COUNT_MAX) {
        return rg_fail(p->err, RG_E_FORMAT, "%" PRIu64 " tensors cannot fit in %zu bytes",
                       *n_tensors, left);
    }
    if (*n_pairs > left / PAIR_BYTES_MIN || *n_pairs > RG_GGUF_COUNT_MAX) {
        return rg_fail(p->err, RG_E_FORMAT, "%" PRIu64 " metadata pairs cannot fit in %zu bytes",
                       *n_pairs, left);
    }
    return RG_OK;
}

// room for n more tensors behind those of earlier files
static rg_status grow_tensors(rg_gguf *gguf, size_t n, rg_error *err) {
    rg_tensor *grown = rg_new_array(gguf->mem, gguf->n_tensors + n + 1, sizeof *grown);
    if (grown == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu tensors", n);
    }
    if (gguf->n_tensors != 0) {
        memcpy(grown, gguf->tensors, gguf->n_tensors * sizeof *grown);
    }
    rg_free(gguf->mem, gguf->tensors);
    gguf->tensors = grown;
    return rg_map_reserve(&gguf->tensor_of, gguf->n_tensors + n, err);
}

rg_status rg_gguf_read_file(rg_gguf *gguf, rg_bytes file, bool is_first, size_t *n_found,
                            rg_error *err) {
    parser p = {.gguf = gguf, .cursor = {.bytes = file}, .err = err};
    rg_status status = RG_OK;
    rg_gguf_pair *pairs = NULL;
    rg_map pair_of;
    uint64_t n_tensors = 0;
    uint64_t n_pairs = 0;
    rg_map_init(&pair_of, gguf->mem);
    RG_TRY(read_header(&p, &n_tensors, &n_pairs));
    pairs = rg_new_array(gguf->mem, n_pairs + 1, sizeof *pairs);
    if (pairs == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %" PRIu64 " metadata pairs", n_pairs);
        goto done;
    }
    RG_TRY(rg_map_reserve(&pair_of, n_pairs, err));
    RG_TRY(read_pairs(&p, n_pairs, pairs, &pair_of));
    RG_TRY(read_align(&p, pairs, &pair_of));
    RG_TRY(grow_tensors(gguf, n_tensors, err));

    rg_tensor *tensors = gguf->tensors + gguf->n_tensors;
    for (size_t i = 0; i < n_tensors; i++) {
        uint32_t old = RG_MAP_NONE;
        RG_TRY(read_tensor(&p, &tensors[i]));
        RG_TRY(rg_map_add(&gguf->tensor_of, tensors[i].name, (uint32_t)(gguf->n_tensors + i), &old,
                          err));
        if (old != RG_MAP_NONE) {
            status =
                rg_fail(err, RG_E_FORMAT, "tensor %.*s is there twice", RG_FMT(tensors[i].name));
            goto done;
        }
    }
    RG_TRY(place_tensors(&p, tensors, n_tensors));
    gguf->n_tensors += n_tensors;
    gguf->file_bytes += file.size;
    *n_found = n_tensors;
    if (is_first) {
        gguf->pairs = pairs;
        gguf->n_pairs = n_pairs;
        gguf->pair_of = pair_of;
        return RG_OK;
    }

done:
    rg_free(gguf->mem, pairs);
    rg_map_clear(&pair_of);
    return status;
}
