/* Borrowed views of bytes and text: pointer and length. A terminator is for the system call only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct rg_bytes {
    const uint8_t *data;
    size_t size;
} rg_bytes;

typedef struct rg_str {
    const char *data;
    size_t size;
} rg_str;

/** View of a terminated string; NULL gives the empty view. */
static inline rg_str rg_str_of(const char *text) {
    rg_str s = {text, text == NULL ? 0 : strlen(text)};
    return s;
}

// view of a string literal, its length known to the compiler
#define RG_STR(literal) ((rg_str){"" literal, sizeof(literal) - 1})

/** Part [begin, end) of a text, in bytes, by where it came from. */
typedef struct rg_text_run {
    size_t begin;
    size_t end;
    bool is_trusted; // special tokens are recognized in it
    uint8_t source;  // who wrote it, as chat/ numbers them; 0 is the template
} rg_text_run;

// for printf: "%.*s", RG_FMT(s); two arguments, so never behind a ?:
#define RG_FMT(s) (int)((s).size > 4096 ? 4096 : (s).size), (s).data

static inline bool rg_str_eq(rg_str a, rg_str b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool rg_str_is(rg_str a, const char *text) {
    return rg_str_eq(a, rg_str_of(text));
}

static inline bool rg_str_starts(rg_str s, rg_str head) {
    return s.size >= head.size && (head.size == 0 || memcmp(s.data, head.data, head.size) == 0);
}

static inline bool rg_str_ends(rg_str s, rg_str tail) {
    return s.size >= tail.size &&
           (tail.size == 0 || memcmp(s.data + (s.size - tail.size), tail.data, tail.size) == 0);
}

/** The part [from, to) of a view, both ends brought inside it. */
static inline rg_str rg_str_slice(rg_str s, size_t from, size_t to) {
    to = to > s.size ? s.size : to;
    from = from > to ? to : from;
    rg_str part = {s.data == NULL ? NULL : s.data + from, to - from};
    return part;
}
