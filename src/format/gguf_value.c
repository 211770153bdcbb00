/* Metadata values, whatever width and sign a writer gave them. */
#include "format/gguf_internal.h"

#include <math.h>

size_t rg_gguf_scalar_bytes(uint32_t type) {
    static const uint8_t bytes[RG_GGUF_TYPES] = {
        [RG_GGUF_U8] = 1,  [RG_GGUF_I8] = 1,  [RG_GGUF_U16] = 2, [RG_GGUF_I16] = 2,
        [RG_GGUF_U32] = 4, [RG_GGUF_I32] = 4, [RG_GGUF_F32] = 4, [RG_GGUF_BOOL] = 1,
        [RG_GGUF_U64] = 8, [RG_GGUF_I64] = 8, [RG_GGUF_F64] = 8,
    };
    return type < RG_GGUF_TYPES ? bytes[type] : 0;
}

// a scalar as a double and, for integers, exactly as a 64-bit one
static bool read_scalar(rg_gguf_type type, const uint8_t *p, double *real, int64_t *integer) {
    uint64_t raw = 0;
    float f = 0;
    memcpy(&raw, p, rg_gguf_scalar_bytes(type));
    switch (type) {
    case RG_GGUF_F32:
        memcpy(&f, p, 4);
        *real = f;
        break;
    case RG_GGUF_F64:
        memcpy(real, p, 8);
        break;
    case RG_GGUF_I8:
        *integer = (int8_t)raw;
        *real = (double)*integer;
        return true;
    case RG_GGUF_I16:
        *integer = (int16_t)raw;
        *real = (double)*integer;
        return true;
    case RG_GGUF_I32:
        *integer = (int32_t)raw;
        *real = (double)*integer;
        return true;
    case RG_GGUF_I64:
        *integer = (int64_t)raw;
        *real = (double)*integer;
        return true;
    case RG_GGUF_U64:
        *integer = raw > INT64_MAX ? INT64_MAX : (int64_t)raw;
        *real = (double)raw;
        return raw <= INT64_MAX;
    default:
        *integer = (int64_t)raw;
        *real = (double)raw;
        return true;
    }
    const bool is_whole = *real == floor(*real) && fabs(*real) <= 0x1p53;
    *integer = is_whole ? (int64_t)*real : 0;
    return is_whole;
}

static const rg_gguf_pair *find_scalar(const rg_gguf *gguf, const char *key) {
    const rg_gguf_pair *pair = rg_gguf_find_pair(gguf, key);
    return pair != NULL && rg_gguf_scalar_bytes(pair->type) != 0 ? pair : NULL;
}

bool rg_gguf_f64(const rg_gguf *gguf, const char *key, double *out) {
    const rg_gguf_pair *pair = find_scalar(gguf, key);
    int64_t integer = 0;
    if (pair == NULL) {
        return false;
    }
    (void)read_scalar(pair->type, pair->value.data, out, &integer);
    return true;
}

bool rg_gguf_i64(const rg_gguf *gguf, const char *key, int64_t *out) {
    const rg_gguf_pair *pair = find_scalar(gguf, key);
    double real = 0;
    int64_t integer = 0;
    if (pair == NULL || pair->type == RG_GGUF_BOOL ||
        !read_scalar(pair->type, pair->value.data, &real, &integer)) {
        return false;
    }
    *out = integer;
    return true;
}

bool rg_gguf_bool(const rg_gguf *gguf, const char *key, bool *out) {
    const rg_gguf_pair *pair = rg_gguf_find_pair(gguf, key);
    if (pair == NULL || pair->type != RG_GGUF_BOOL) {
        return false;
    }
    *out = pair->value.data[0] != 0;
    return true;
}

bool rg_gguf_str(const rg_gguf *gguf, const char *key, rg_str *out) {
    const rg_gguf_pair *pair = rg_gguf_find_pair(gguf, key);
    if (pair == NULL || pair->type != RG_GGUF_STRING) {
        return false;
    }
    *out = (rg_str){(const char *)pair->value.data, pair->value.size};
    return true;
}

double rg_gguf_item_f64(const rg_gguf_pair *array, uint64_t i) {
    double real = 0;
    int64_t integer = 0;
    const size_t bytes = rg_gguf_scalar_bytes(array->item_type);
    (void)read_scalar(array->item_type, array->value.data + i * bytes, &real, &integer);
    return real;
}

bool rg_gguf_next_str(const rg_gguf_pair *array, size_t *at, rg_str *out) {
    uint64_t size = 0;
    if (*at >= array->value.size) {
        return false;
    }
    // lengths were checked when the file was read
    memcpy(&size, array->value.data + *at, 8);
    *out = (rg_str){(const char *)array->value.data + *at + 8, (size_t)size};
    *at += 8 + (size_t)size;
    return true;
}
