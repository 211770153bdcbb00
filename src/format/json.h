/*
 * format/ reads and writes what models are shipped in: GGUF, safetensors, JSON, tokenizer files.
 * It relies on base/ and tensor/, knows containers to the bit and no architecture.
 *
 * json.h: a bounded JSON reader: an event reader for large files and a tree built on it.
 * Strict (RFC 8259, UTF-8 only): no comments, no trailing commas, no NaN, no trailing text,
 * duplicate keys refused. A lone surrogate escape becomes U+FFFD. Depth is kept on an explicit
 * stack.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "base/view.h"

#define RG_JSON_DEPTH_MAX 128

typedef enum rg_json_kind {
    RG_JSON_NULL,
    RG_JSON_BOOL,
    RG_JSON_NUMBER,
    RG_JSON_STRING,
    RG_JSON_ARRAY,
    RG_JSON_OBJECT,
} rg_json_kind;

/** One value of a tree. Everything lives in the arena it was parsed into; read-only, share freely.
 */
typedef struct rg_json {
    rg_json_kind kind;
    bool is_true;                // BOOL
    rg_str text;                 // STRING: decoded content; NUMBER: as written
    size_t n;                    // ARRAY, OBJECT: number of items or members
    const struct rg_json *items; // ARRAY: n values; OBJECT: n values, in the order of the text
    const rg_str *keys;          // OBJECT: n keys
} rg_json;

/**
 * Parse a whole text into a tree.
 * @param arena  receives the tree; its limit bounds the memory. Strings without escapes still point
 *               into `text`, so `text` must live as long as the tree.
 * Errors: RG_E_FORMAT with line and column; RG_E_LIMIT (depth); RG_E_MEMORY.
 */
rg_status rg_json_parse(rg_arena *arena, rg_str text, const rg_json **out,
                        rg_error *err) RG_MUST_CHECK;

/** The member of an object, or NULL: not there, or `json` is NULL or no object. */
const rg_json *rg_json_find(const rg_json *json, const char *key);
/** Item i of an array, or NULL. */
const rg_json *rg_json_at(const rg_json *json, size_t i);
/** Numbers: false when `json` is NULL, no number, no integer (1.0 is one, 1.5 is not) or out of
 * range. */
bool rg_json_i64(const rg_json *json, int64_t *out);
bool rg_json_f64(const rg_json *json, double *out);
bool rg_json_str(const rg_json *json, rg_str *out);
bool rg_json_bool(const rg_json *json, bool *out);

/** What the event reader saw. KEY comes before each member's value. */
typedef enum rg_json_event {
    RG_JSON_EV_NULL,
    RG_JSON_EV_BOOL,
    RG_JSON_EV_NUMBER,
    RG_JSON_EV_STRING,
    RG_JSON_EV_KEY,
    RG_JSON_EV_ARRAY,
    RG_JSON_EV_ARRAY_END,
    RG_JSON_EV_OBJECT,
    RG_JSON_EV_OBJECT_END,
    RG_JSON_EV_END, // the text is complete
} rg_json_event;

/** An event reader over a whole text in memory. Duplicate keys are the user's to notice here. */
typedef struct rg_json_reader {
    rg_str text;
    size_t at;
    unsigned depth;
    bool is_first;    // no item yet in the innermost container
    bool wants_value; // after a key
    bool is_done;
    bool is_true;   // of the last BOOL event
    rg_str value;   // of the last STRING, KEY or NUMBER event; valid until the next call
    rg_buf scratch; // unescaped strings
    uint8_t stack[RG_JSON_DEPTH_MAX];
} rg_json_reader;

void rg_json_reader_init(rg_json_reader *r, const rg_mem *mem, rg_str text);
void rg_json_reader_clear(rg_json_reader *r);
rg_status rg_json_next(rg_json_reader *r, rg_json_event *event, rg_error *err) RG_MUST_CHECK;
/** Skip the value that comes next (or the rest of nothing), containers whole. */
rg_status rg_json_skip(rg_json_reader *r, rg_error *err) RG_MUST_CHECK;

/** Append a tree as JSON text, numbers as they were written; NULL is null. */
void rg_json_write(rg_buf *out, const rg_json *json);
/** The same with a blank behind commas and colons, as chat templates and training data have it. */
void rg_json_write_spaced(rg_buf *out, const rg_json *json);
