/* Split patterns that no hand-written splitter knows, through PCRE2 with limits on steps, depth and
 * memory. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "token/tokenizer_internal.h"

#include "base/utf8.h"

#include <pcre2.h>

enum {
    PATTERN_BYTES_MAX = 16384,
    MATCH_STEPS_MAX = 1000000, // of one match
    MATCH_DEPTH_MAX = 1000,
    MATCH_HEAP_KIB_MAX = 20000,
};

struct rg_regexes {
    const rg_mem *mem;
    size_t n;
    pcre2_code *codes[8];
};

rg_status rg_regexes_new(const rg_mem *mem, const rg_str *patterns, size_t n,
                         struct rg_regexes **out, rg_error *err) {
    struct rg_regexes *r = rg_new(mem, sizeof *r);
    if (r == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a pattern");
    }
    r->mem = mem;
    for (size_t i = 0; i < n; i++) {
        int code = 0;
        PCRE2_SIZE at = 0;
        if (i == sizeof r->codes / sizeof *r->codes || patterns[i].size > PATTERN_BYTES_MAX) {
            rg_regexes_free(r);
            return rg_fail(err, RG_E_LIMIT, "split pattern %zu has %zu bytes, limit %d", i,
                           patterns[i].size, PATTERN_BYTES_MAX);
        }
        r->codes[i] =
            pcre2_compile((PCRE2_SPTR)patterns[i].data, patterns[i].size,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
        if (r->codes[i] == NULL) {
            char why[128] = "";
            pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
            rg_regexes_free(r);
            return rg_fail(err, RG_E_UNSUPPORTED, "split pattern %zu, at byte %zu: %s", i,
                           (size_t)at, why);
        }
        r->n = i + 1;
    }
    *out = r;
    return RG_OK;
}

void rg_regexes_free(struct rg_regexes *r) {
    if (r != NULL) {
        for (size_t i = 0; i < r->n; i++) {
            pcre2_code_free(r->codes[i]);
        }
        rg_free(r->mem, r);
    }
}

typedef struct splitter {
    const struct rg_regexes *r;
    pcre2_match_data *data;
    pcre2_match_context *context;
    rg_piece_fn *fn;
    void *arg;
} splitter;

// matches and the gaps between them go on to the next pattern; the depth is the number of patterns
static rg_status split(splitter *s, rg_str text, size_t pattern, rg_error *err) {
    rg_status status = RG_OK;
    if (pattern == s->r->n) {
        return text.size == 0 ? RG_OK : s->fn(s->arg, text, err);
    }
    size_t done_to = 0;
    for (size_t at = 0; at < text.size && status == RG_OK;) {
        const int n = pcre2_match(s->r->codes[pattern], (PCRE2_SPTR)text.data, text.size, at,
                                  PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK, s->data, s->context);
        if (n == PCRE2_ERROR_NOMATCH) {
            break;
        }
        if (n < 0) {
            return rg_fail(err, RG_E_LIMIT, "the split pattern gave up at byte %zu of %zu (%d)", at,
                           text.size, n);
        }
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(s->data);
        const size_t begin = range[0];
        const size_t end = range[1];
        status = split(s, rg_str_slice(text, done_to, begin), pattern + 1, err);
        if (status == RG_OK) {
            status = split(s, rg_str_slice(text, begin, end), pattern + 1, err);
        }
        at = done_to = end;
    }
    return status == RG_OK ? split(s, rg_str_slice(text, done_to, text.size), pattern + 1, err)
                           : status;
}

// the end of the well-formed text from `at` on
static size_t well_formed(rg_str text, size_t at) {
    while (at < text.size) {
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode(rg_str_slice(text, at, at + 4), &cp);
        if (cp == RG_UTF8_BAD) {
            break;
        }
        at += n;
    }
    return at;
}

// the engine sees well-formed text alone, checked once; each ill-formed part is a piece of its own
static rg_status split_all(splitter *s, rg_str text, rg_error *err) {
    rg_status status = RG_OK;
    for (size_t at = 0; at < text.size && status == RG_OK;) {
        size_t end = well_formed(text, at);
        if (end > at) {
            status = split(s, rg_str_slice(text, at, end), 0, err);
        } else {
            uint32_t cp = 0;
            end = at + rg_utf8_decode(rg_str_slice(text, at, at + 4), &cp);
            status = s->fn(s->arg, rg_str_slice(text, at, end), err);
        }
        at = end;
    }
    return status;
}

rg_status rg_regexes_split(const struct rg_regexes *r, rg_str text, rg_piece_fn *fn, void *arg,
                           rg_error *err) {
    splitter s = {.r = r, .fn = fn, .arg = arg};
    rg_status status = RG_OK;
    s.context = pcre2_match_context_create(NULL);
    // every level of the recursion reads its ovector before it goes deeper: one block serves all
    s.data = pcre2_match_data_create(1, NULL);
    if (s.context == NULL || s.data == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to split a text");
    } else {
        pcre2_set_match_limit(s.context, MATCH_STEPS_MAX);
        pcre2_set_depth_limit(s.context, MATCH_DEPTH_MAX);
        pcre2_set_heap_limit(s.context, MATCH_HEAP_KIB_MAX);
        status = split_all(&s, text, err);
    }
    pcre2_match_data_free(s.data);
    pcre2_match_context_free(s.context);
    return status;
}
