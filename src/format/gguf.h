/* GGUF version 2 and 3, read in place, split sets included; and a writer. */
#pragma once

#include "base/buf.h"
#include "base/file.h"
#include "tensor/tensor.h"

#define RG_GGUF_NAME_MAX   1024    // bytes of a tensor's name
#define RG_GGUF_KEY_MAX    65535   // bytes of a metadata key
#define RG_GGUF_SHARDS_MAX 10000   // files of a split set
#define RG_GGUF_ALIGN_MAX  65536   // largest general.alignment
#define RG_GGUF_COUNT_MAX  1000000 // tensors, metadata pairs

typedef enum rg_gguf_type {
    RG_GGUF_U8,
    RG_GGUF_I8,
    RG_GGUF_U16,
    RG_GGUF_I16,
    RG_GGUF_U32,
    RG_GGUF_I32,
    RG_GGUF_F32,
    RG_GGUF_BOOL,
    RG_GGUF_STRING,
    RG_GGUF_ARRAY,
    RG_GGUF_U64,
    RG_GGUF_I64,
    RG_GGUF_F64,
    RG_GGUF_TYPES
} rg_gguf_type;

/** One metadata pair. Everything points into the mapping. */
typedef struct rg_gguf_pair {
    rg_str key;
    rg_gguf_type type;
    rg_gguf_type item_type; // of an ARRAY
    uint64_t n_items;       // of an ARRAY
    rg_bytes value;         // scalar bytes; STRING: its text; ARRAY: its items as stored
} rg_gguf_pair;

typedef struct rg_gguf rg_gguf;

/**
 * Open a file, or a split set by its first file.
 * Errors: RG_E_FORMAT naming file, field and value; RG_E_UNSUPPORTED (version, type id); those of
 * rg_file_map_open. Threads: read-only after return.
 */
rg_status rg_gguf_open(const rg_mem *mem, const char *path, rg_gguf **out,
                       rg_error *err) RG_MUST_CHECK;
/** The same of one file that is in memory, borrowed. */
rg_status rg_gguf_parse(const rg_mem *mem, rg_bytes file, rg_gguf **out,
                        rg_error *err) RG_MUST_CHECK;
void rg_gguf_close(rg_gguf *gguf);

size_t rg_gguf_n_pairs(const rg_gguf *gguf);
const rg_gguf_pair *rg_gguf_pair_at(const rg_gguf *gguf, size_t i);
const rg_gguf_pair *rg_gguf_find_pair(const rg_gguf *gguf, const char *key);
size_t rg_gguf_n_tensors(const rg_gguf *gguf);
const rg_tensor *rg_gguf_tensor_at(const rg_gguf *gguf, size_t i);
const rg_tensor *rg_gguf_find(const rg_gguf *gguf, rg_str name);
/** Lines about what is odd but harmless; "" when nothing is. */
const char *rg_gguf_warnings(const rg_gguf *gguf);
size_t rg_gguf_file_bytes(const rg_gguf *gguf);
bool rg_gguf_is_intact(const rg_gguf *gguf);

/** A scalar of any numeric type or bool, as a double; false: absent or not a number. */
bool rg_gguf_f64(const rg_gguf *gguf, const char *key, double *out);
/** An integer of any width; false: absent, no integer, or out of range. */
bool rg_gguf_i64(const rg_gguf *gguf, const char *key, int64_t *out);
bool rg_gguf_bool(const rg_gguf *gguf, const char *key, bool *out);
bool rg_gguf_str(const rg_gguf *gguf, const char *key, rg_str *out);
/** Item i of an array of numbers, as a double. The array must be one of numbers and i inside it. */
double rg_gguf_item_f64(const rg_gguf_pair *array, uint64_t i);
/** Walk an array of strings: start with *at = 0; each call gives the next one, false at the end. */
bool rg_gguf_next_str(const rg_gguf_pair *array, size_t *at, rg_str *out);

/* ---- writing ---- */

/** Collects metadata and tensors, then writes the file atomically. Failures are kept and told at
 * the end. */
typedef struct rg_gguf_writer {
    const rg_mem *mem;
    rg_buf pairs;
    uint64_t n_pairs;
    rg_buf tensors; // rg_tensor
} rg_gguf_writer;

void rg_gguf_writer_init(rg_gguf_writer *w, const rg_mem *mem);
void rg_gguf_writer_clear(rg_gguf_writer *w);
void rg_gguf_put_u32(rg_gguf_writer *w, const char *key, uint32_t value);
void rg_gguf_put_f32(rg_gguf_writer *w, const char *key, float value);
void rg_gguf_put_bool(rg_gguf_writer *w, const char *key, bool value);
void rg_gguf_put_str(rg_gguf_writer *w, const char *key, rg_str value);
void rg_gguf_put_strs(rg_gguf_writer *w, const char *key, const rg_str *values, size_t n);
void rg_gguf_put_i32s(rg_gguf_writer *w, const char *key, const int32_t *values, size_t n);
void rg_gguf_put_f32s(rg_gguf_writer *w, const char *key, const float *values, size_t n);
/** A pair of another file, as it is. */
void rg_gguf_put_pair(rg_gguf_writer *w, const rg_gguf_pair *pair);
/** Name and data are borrowed until the file is written. Data NULL: rg_gguf_write asks for it. */
void rg_gguf_put_tensor(rg_gguf_writer *w, const rg_tensor *tensor);

/** Make rows [row, row + n) of tensor i, in the order they were put: n equal shares of
 * tensor->bytes at out. Called in order. */
typedef rg_status rg_gguf_fill_fn(void *arg, size_t i, const rg_tensor *tensor, size_t row,
                                  size_t n, void *out, rg_error *err);
/** @param fill  for tensors without data, so that few of their rows are in memory; may be NULL */
rg_status rg_gguf_write(rg_gguf_writer *w, const char *path, rg_gguf_fill_fn *fill, void *arg,
                        rg_error *err) RG_MUST_CHECK;
