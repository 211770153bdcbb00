/* Values of a template: what Python's objects are to jinja2. All live in the arena of one rendering
 * (constants in the template's). A failure is kept in the rendering (rg_jrun.status), so that
 * helpers can return values: after a failure every helper does nothing and returns something
 * harmless, never NULL. */
#pragma once

#include "chat/template.h"

typedef struct rg_jrun rg_jrun; // one rendering, jinja_run.h

/** A growing buffer that a string may end in, so that appending to the newest string is cheap. */
typedef struct rg_jtail {
    size_t used;
    size_t capacity;
} rg_jtail;

/** Text with the origin of each byte: 0 trusted, else untrusted and from whom. */
typedef struct rg_jstr {
    const char *data;
    const uint8_t *marks; // one a byte, or NULL: all are `origin`
    size_t size;
    size_t n_chars;
    rg_jtail *tail; // NULL: the bytes cannot grow in place
    uint8_t origin;
} rg_jstr;

typedef enum rg_jkind {
    RG_J_MISSING, // an argument that was not given; never visible to a template
    RG_J_UNDEFINED,
    RG_J_NONE,
    RG_J_BOOL,
    RG_J_INT,
    RG_J_BIG, // an integer beyond 64 bits, as text
    RG_J_FLOAT,
    RG_J_STRING,
    RG_J_LIST,
    RG_J_TUPLE,
    RG_J_GROUP, // the tuple (grouper, list) of groupby
    RG_J_DICT,
    RG_J_RANGE,
    RG_J_ITERATOR, // what Python makes a generator: one pass, no length
    RG_J_VIEW,     // items(), keys(), values()
    RG_J_NAMESPACE,
    RG_J_MACRO,
    RG_J_FUNCTION,
    RG_J_METHOD,
    RG_J_LOOP,
} rg_jkind;

typedef struct rg_jlist rg_jlist;
typedef struct rg_jdict rg_jdict;

/** Why a value is undefined: for the sentence only. */
typedef struct rg_jundefined {
    const rg_jstr *name; // of the variable or attribute
    const char *owner;   // NULL: a variable; else the type that lacks the attribute
    bool is_element;     // an index, not an attribute
} rg_jundefined;

typedef struct rg_jrange {
    int64_t start;
    int64_t step;
    size_t n;
} rg_jrange;

typedef struct rg_jiter {
    rg_jlist *items;
    size_t at;        // ITERATOR: items already taken
    const char *name; // VIEW: "dict_items"
} rg_jiter;

typedef struct rg_jval {
    rg_jkind kind;
    union {
        bool is_true;
        int64_t i64;
        double f64;
        const rg_jstr *str;
        rg_jlist *list; // LIST, TUPLE, GROUP
        rg_jdict *dict; // DICT, NAMESPACE
        const rg_jrange *range;
        rg_jiter *iter; // ITERATOR, VIEW
        const rg_jundefined *undefined;
        struct rg_jmacro *macro;
        struct rg_jmethod *method;
        struct rg_jloop *loop;
        unsigned function;
    };
} rg_jval;

struct rg_jlist {
    rg_jval *items;
    size_t n;
    size_t capacity;
};

typedef struct rg_jentry {
    rg_jval key;
    rg_jval value;
    uint64_t hash;
} rg_jentry;

/** Entries in the order of insertion, with a hash index once there are many. */
struct rg_jdict {
    rg_jentry *entries;
    size_t n;
    size_t capacity;
    uint32_t *index; // entry + 1, or 0
    size_t n_index;  // a power of two; 0: no index
};

// making values
static inline rg_jval rg_jnone(void) {
    return (rg_jval){.kind = RG_J_NONE};
}
static inline rg_jval rg_jbool(bool is_true) {
    return (rg_jval){.kind = RG_J_BOOL, .is_true = is_true};
}
static inline rg_jval rg_jint(int64_t i64) {
    return (rg_jval){.kind = RG_J_INT, .i64 = i64};
}
static inline rg_jval rg_jfloat(double f64) {
    return (rg_jval){.kind = RG_J_FLOAT, .f64 = f64};
}
static inline rg_jval rg_jtext(const rg_jstr *str) {
    return (rg_jval){.kind = RG_J_STRING, .str = str};
}
static inline rg_jval rg_jseq(rg_jkind kind, rg_jlist *list) {
    return (rg_jval){.kind = kind, .list = list};
}
static inline rg_jval rg_jmap(rg_jdict *dict) {
    return (rg_jval){.kind = RG_J_DICT, .dict = dict};
}
rg_jval rg_jundef(rg_jrun *run, const rg_jstr *name, const char *owner);
/** The failure of using an undefined value. */
void rg_jfail_undefined(rg_jrun *run, rg_jval v);
/** A generator over items that are already known. */
rg_jval rg_jgenerator(rg_jrun *run, rg_jlist *items);

/** Bytes of the rendering's arena, cleared; NULL after a failure. Costs steps. */
void *rg_jalloc(rg_jrun *run, size_t bytes);

// strings (jinja_string.c)
/** A view of bytes that outlive the rendering, or are already in the arena. */
const rg_jstr *rg_jstr_view(rg_jrun *run, rg_str text, uint8_t origin);
const rg_jstr *rg_jstr_copy(rg_jrun *run, rg_str text, uint8_t origin);
/** A trusted string of a literal. */
const rg_jstr *rg_jstr_c(rg_jrun *run, const char *text);
/** Bytes [from, to), which must begin and end at characters. */
const rg_jstr *rg_jstr_part(rg_jrun *run, const rg_jstr *s, size_t from, size_t to);
const rg_jstr *rg_jstr_join(rg_jrun *run, const rg_jstr *a, const rg_jstr *b);
/** 1 when any byte is untrusted. */
uint8_t rg_jstr_origin(const rg_jstr *s);
/** Byte offset of character `index`, at most n_chars. */
size_t rg_jstr_offset(rg_jrun *run, const rg_jstr *s, size_t index);
const rg_jstr *rg_jstr_char(rg_jrun *run, const rg_jstr *s, size_t index);
static inline rg_str rg_jstr_str(const rg_jstr *s) {
    return (rg_str){s->data, s->size};
}
size_t rg_jcount_chars(rg_str text);

/** A string being built. */
typedef struct rg_jbuild {
    rg_jrun *run;
    char *data;
    uint8_t *marks;
    size_t size;
    size_t capacity;
    uint8_t origin; // of all bytes while marks is NULL
} rg_jbuild;

/** The end of the stretch of equal marks that begins at `from` (< to). */
size_t rg_jmarks_end(const uint8_t *marks, size_t from, size_t to);
void rg_jbuild_put(rg_jbuild *b, const char *data, size_t size, uint8_t origin);
void rg_jbuild_c(rg_jbuild *b, const char *text);
void rg_jbuild_cp(rg_jbuild *b, uint32_t cp, uint8_t origin);
void rg_jbuild_fill(rg_jbuild *b, char c, size_t n, uint8_t origin);
void rg_jbuild_str(rg_jbuild *b, const rg_jstr *s);
void rg_jbuild_part(rg_jbuild *b, const rg_jstr *s, size_t from, size_t to);
const rg_jstr *rg_jbuild_done(rg_jbuild *b);

// lists and dicts (jinja_value.c)
rg_jlist *rg_jlist_new(rg_jrun *run, size_t capacity);
void rg_jlist_push(rg_jrun *run, rg_jlist *list, rg_jval v);
/** Room for one more at `at`, which moves the rest up. */
void rg_jlist_insert(rg_jrun *run, rg_jlist *list, size_t at, rg_jval v);
void rg_jlist_remove(rg_jlist *list, size_t at);
rg_jdict *rg_jdict_new(rg_jrun *run);
/** Fails for keys that Python cannot hash. */
void rg_jdict_set(rg_jrun *run, rg_jdict *dict, rg_jval key, rg_jval value);
/** The entry of a key, or NULL; a key that cannot be hashed has none. */
rg_jentry *rg_jdict_find(rg_jrun *run, const rg_jdict *dict, rg_jval key);
void rg_jdict_remove(rg_jrun *run, rg_jdict *dict, rg_jentry *entry);
/** `list` in the stable order of `keys`, as a new list; fails for keys that Python cannot order. */
rg_jlist *rg_jlist_sorted(rg_jrun *run, const rg_jlist *list, const rg_jlist *keys,
                          bool is_reverse);
rg_jdict *rg_jdict_copy(rg_jrun *run, const rg_jdict *dict);
bool rg_jval_is_hashable(rg_jrun *run, rg_jval v);
/** 0 items, 1 keys, 2 values of a dict as a new list. */
rg_jlist *rg_jdict_list(rg_jrun *run, const rg_jdict *dict, int what);
/** A JSON tree as a value; strings point into the tree. */
rg_jval rg_jval_from_json(rg_jrun *run, const rg_json *json, uint8_t origin);

// comparing (jinja_compare.c)
bool rg_jval_is_true(rg_jval v);
bool rg_jval_equal(rg_jrun *run, rg_jval a, rg_jval b);
/** -1, 0, 1, or RG_J_UNORDERED (NaN); fails for what Python cannot order (op is for the sentence:
 * "<"). */
int rg_jval_order(rg_jrun *run, rg_jval a, rg_jval b, const char *op);
enum { RG_J_UNORDERED = 2 };
bool rg_jval_contains(rg_jrun *run, rg_jval container, rg_jval item);
/** a op b for RG_J_LT ... RG_J_NOT_IN. */
bool rg_jval_compare(rg_jrun *run, unsigned op, rg_jval a, rg_jval b);

// arithmetic (jinja_math.c)
/** + - * / and, by their first letters, f (//) p (**) % */
rg_jval rg_jval_math(rg_jrun *run, char op, rg_jval a, rg_jval b);
rg_jval rg_jval_negate(rg_jrun *run, rg_jval v, bool is_minus);

// parts (jinja_access.c)
rg_jval rg_jval_slice(rg_jrun *run, rg_jval v, rg_jval from, rg_jval to, rg_jval step);
rg_jval rg_jval_item(rg_jrun *run, rg_jval v, rg_jval key);
rg_jval rg_jval_attr(rg_jrun *run, rg_jval v, const rg_jstr *name);
/** len(v); fails without one. */
size_t rg_jval_length(rg_jrun *run, rg_jval v);
/** All items as a list: the list itself where v is a list or tuple. Fails when v cannot be
 * iterated. */
rg_jlist *rg_jval_items(rg_jrun *run, rg_jval v);
/** "str", "NoneType": the name of the type for sentences. */
const char *rg_jval_type(rg_jval v);
/** BOOL and INT as an integer; fails with `what` for other kinds. */
int64_t rg_jval_int(rg_jrun *run, rg_jval v, const char *what);
static inline bool rg_jval_is_number(rg_jval v) {
    return v.kind == RG_J_BOOL || v.kind == RG_J_INT || v.kind == RG_J_FLOAT;
}
static inline bool rg_jval_is_seq(rg_jval v) {
    return v.kind == RG_J_LIST || v.kind == RG_J_TUPLE || v.kind == RG_J_GROUP;
}
double rg_jval_f64(rg_jval v);

// values as text (jinja_text.c)
void rg_jtext_str(rg_jbuild *b, rg_jval v);
void rg_jtext_repr(rg_jbuild *b, rg_jval v);
const rg_jstr *rg_jval_str(rg_jrun *run, rg_jval v);
typedef struct rg_jjson_options {
    bool is_ascii;
    bool is_sorted;
    const rg_jstr *indent; // NULL: one line
    const rg_jstr *comma;
    const rg_jstr *colon;
} rg_jjson_options;
void rg_jtext_json(rg_jbuild *b, rg_jval v, const rg_jjson_options *options);
/** Python's repr of a float: the shortest text that reads back; at most 32 bytes. */
size_t rg_jtext_float(double f64, char out[32]);

// characters as Python classifies them (jinja_unicode.c)
bool rg_jchar_is_space(uint32_t cp);
bool rg_jchar_is_printable(uint32_t cp);
bool rg_jchar_is_cased(uint32_t cp, bool *is_upper);
bool rg_jchar_is_alpha(uint32_t cp);
bool rg_jchar_is_digit(uint32_t cp);
bool rg_jchar_is_numeric(uint32_t cp);
bool rg_jchar_is_line_end(uint32_t cp);
typedef enum rg_jcase { RG_J_UPPER, RG_J_LOWER, RG_J_TITLE, RG_J_CAPITAL, RG_J_SWAP } rg_jcase;
const rg_jstr *rg_jstr_case(rg_jrun *run, const rg_jstr *s, rg_jcase how);
/** Strip on the left (1), right (2) or both (3); chars NULL: white space. */
const rg_jstr *rg_jstr_strip(rg_jrun *run, const rg_jstr *s, const rg_jstr *chars, int sides);
