/* One rendering: the machine's state, budgets, and how filters, tests and functions are called. */
#pragma once

#include "chat/jinja_code.h"

typedef struct rg_jvar {
    struct rg_jvar *next;
    uint32_t name;
    rg_jval value;
} rg_jvar;

/** Variables of a loop round, a macro call, a capture. */
typedef struct rg_jscope {
    struct rg_jscope *parent; // NULL: the next outer one is the template's own
    rg_jvar *vars;
    bool is_kept; // a macro refers to it
} rg_jscope;

typedef struct rg_jmacro {
    const rg_jmacro_def *def;
    uint32_t entry;   // first instruction
    rg_jscope *scope; // where it was defined
} rg_jmacro;

typedef struct rg_jmethod {
    rg_jval self;
    int row; // in the table of methods
} rg_jmethod;

/** A running `for`, which is also the value of `loop`. */
typedef struct rg_jloop {
    rg_jlist *items;
    rg_jlist *kept;   // filtered first: the items that pass
    size_t at;        // index0 + 1
    bool has_loop;    // the body reads `loop`
    bool is_filtered; // the filter has run for all items
    bool is_whole;    // a round came to its end
    unsigned depth0;
    rg_jmacro *again;     // recursive: what loop(...) calls
    rg_jval last_changed; // what loop.changed() saw last
} rg_jloop;

typedef struct rg_jframe {
    uint32_t return_at;
    rg_jscope *scope;
    rg_jmacro *macro;
    unsigned loop_depth;
} rg_jframe;

/** Arguments of a call. */
typedef struct rg_jargs {
    const rg_jval *pos;
    size_t n_pos;
    const rg_jval *named; // name, value, name, value
    size_t n_named;       // pairs
} rg_jargs;

struct rg_jrun {
    const rg_template *tmpl;
    rg_arena arena;
    rg_status status; // the first failure stays
    rg_template_failure failure;
    rg_error error;
    const rg_jstr *raised;
    rg_template_clock clock;
    rg_template_limits limits;
    uint64_t n_steps;
    uint64_t next_look; // n_steps at which the clock is read
    uint64_t start_ns;
    uint64_t seed;
    unsigned value_depth;
    rg_jlist dead_list; // what helpers return after a failure
    rg_jdict dead_dict;
    rg_jiter dead_iter;

    uint32_t at; // next instruction
    rg_jval *stack;
    size_t n_stack;
    size_t stack_capacity;
    rg_jval *globals; // by name; MISSING: not set
    rg_jscope *scope;
    rg_jscope *free_scopes;
    rg_jvar *free_vars;
    rg_jframe *frames;
    size_t n_frames;
    size_t frames_capacity;
    rg_jloop **loops;
    size_t n_loops;
    size_t loops_capacity;
    rg_jbuild *outputs; // [0]: the rendered text
    size_t n_outputs;
    size_t outputs_capacity;
};

/** Record the first failure; later ones change nothing. */
void rg_jfail(rg_jrun *run, rg_template_failure failure, const char *format, ...) RG_PRINTF(3, 4);
/** Spend steps. */
void rg_jsteps(rg_jrun *run, uint64_t n);
static inline bool rg_jfailed(const rg_jrun *run) {
    return run->status != RG_OK;
}

// text of at most 80 bytes of a string, for sentences
#define RG_J_FMT(s) (int)((s)->size > 80 ? 80 : (s)->size), (s)->data

// the machine (jinja_run.c)
void rg_jrun_all(rg_jrun *run);
void rg_jpush(rg_jrun *run, rg_jval v);
void rg_jstore(rg_jrun *run, uint32_t name, rg_jval v);
/** Store a macro's arguments in the newest scope. */
void rg_jmacro_bind(rg_jrun *run, const rg_jmacro_def *def, const rg_jargs *args);

/**
 * Arguments in the order of parameters ("width first blank"); those not given are MISSING.
 * @param name  of the function, for the sentence
 */
bool rg_jargs_bind(rg_jrun *run, const char *name, const char *params, size_t n_required,
                   const rg_jargs *args, rg_jval *out);
enum { RG_J_PARAMS_MAX = 6 };

// filters: value and bound arguments, or the raw ones where params is NULL
typedef rg_jval rg_jfilter_fn(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw);
typedef struct rg_jfilter {
    const char *name;
    rg_jfilter_fn *fn;
    const char *params; // NULL: takes what comes
    unsigned n_required;
} rg_jfilter;
extern const rg_jfilter rg_jnumber_filters[]; // jinja_number.c
extern const size_t rg_jnumber_n_filters;
rg_jval rg_jfilter_call(rg_jrun *run, int row, rg_jval v, const rg_jargs *args);
bool rg_jtest_call(rg_jrun *run, int row, rg_jval v, const rg_jargs *args);
rg_jval rg_jfunction_call(rg_jrun *run, int row, const rg_jargs *args);
/** The row of a method for this kind of value, or RG_J_NO_ROW. */
int rg_jmethod_find(rg_jkind kind, const rg_jstr *name);
rg_jval rg_jmethod_call(rg_jrun *run, int row, rg_jval self, const rg_jargs *args);
/** loop.cycle(..) and loop.changed(..); false: no such method. */
bool rg_jloop_call(rg_jrun *run, rg_jloop *loop, const rg_jstr *name, const rg_jargs *args,
                   rg_jval *out);
/** An attribute of `loop`; MISSING when there is none. */
rg_jval rg_jloop_attr(rg_jrun *run, rg_jloop *loop, const rg_jstr *name);

/** "%s and %d" % values */
rg_jval rg_jformat(rg_jrun *run, const rg_jstr *format, rg_jval values);

// filters on sequences (jinja_filter_seq.c), text (jinja_filter_text.c); rows in jinja_filter.c
rg_jfilter_fn rg_jf_batch, rg_jf_dictsort, rg_jf_first, rg_jf_groupby, rg_jf_items, rg_jf_join,
    rg_jf_last, rg_jf_list, rg_jf_map, rg_jf_max, rg_jf_min, rg_jf_reject, rg_jf_rejectattr,
    rg_jf_reverse, rg_jf_select, rg_jf_selectattr, rg_jf_slice, rg_jf_sort, rg_jf_sum, rg_jf_unique;
rg_jfilter_fn rg_jf_capitalize, rg_jf_center, rg_jf_escape, rg_jf_format, rg_jf_from_json,
    rg_jf_indent, rg_jf_lower, rg_jf_replace, rg_jf_string, rg_jf_title, rg_jf_tojson, rg_jf_trim,
    rg_jf_truncate, rg_jf_upper, rg_jf_urlencode, rg_jf_wordcount;
const rg_jstr *rg_jstr_replace(rg_jrun *run, const rg_jstr *s, const rg_jstr *from,
                               const rg_jstr *to, int64_t count);
/** The lines of a text as Python's splitlines cuts them. */
rg_jlist *rg_jstr_lines(rg_jrun *run, const rg_jstr *s, bool keeps_ends);
/** int(text, base) as Python reads it; false: not a number. */
bool rg_jval_parse_int(rg_jrun *run, const rg_jstr *s, int base, rg_jval *out);
bool rg_jval_parse_float(const rg_jstr *s, double *out);
