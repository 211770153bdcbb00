/* The parser: one pass from tokens to instructions. Nesting is bounded by RG_TEMPLATE_NEST_MAX,
 * counted in `depth`; everything else is a loop. A failure stays in `status` and ends the tokens.
 */
#pragma once

#include "base/map.h"
#include "chat/jinja_code.h"
#include "chat/jinja_lex.h"

/** A `for` being parsed. */
typedef struct rg_jfor {
    struct rg_jfor *outer;
    size_t n_scopes; // open at the body, with the body's own
    size_t n_captures;
    int64_t breaks; // chain of jumps to the end, -1: none
    int64_t continues;
    bool reads_loop;
} rg_jfor;

/** A macro being parsed. */
typedef struct rg_jbody {
    bool has_varargs;
    bool has_kwargs;
} rg_jbody;

/** A called name: fine when something in the template may define it. */
typedef struct rg_jcallee {
    uint32_t name;
    uint32_t line;
} rg_jcallee;

typedef struct rg_jparser {
    rg_jlexer lexer;
    rg_jtoken token; // the current one
    rg_jtoken ahead; // the one after, when has_ahead
    bool has_ahead;
    rg_template *tmpl;
    rg_map names;
    size_t code_capacity;
    size_t consts_capacity;
    size_t names_capacity;
    size_t macros_capacity;
    uint8_t *is_defined; // by name: assigned or tested for being defined somewhere
    rg_jcallee *callees;
    size_t n_callees;
    size_t callees_capacity;
    unsigned depth;
    unsigned n_tags; // open now
    size_t n_scopes; // open since the innermost macro began
    size_t n_captures;
    rg_jfor *loop;
    rg_jbody *body;
    rg_status status;
    rg_error *err;
} rg_jparser;

void rg_jparse_fail(rg_jparser *p, rg_status status, const char *format, ...) RG_PRINTF(3, 4);
/** One level deeper; false after a failure. */
bool rg_jparse_enter(rg_jparser *p);

// tokens
void rg_jparse_next(rg_jparser *p);
rg_jtoken rg_jparse_ahead(rg_jparser *p);
bool rg_jparse_is_name(const rg_jparser *p, const char *name);
bool rg_jparse_is_op(const rg_jparser *p, int op);
/** Take the token when it is this one. */
bool rg_jparse_skip_name(rg_jparser *p, const char *name);
bool rg_jparse_skip_op(rg_jparser *p, int op);
void rg_jparse_expect_op(rg_jparser *p, int op);
rg_str rg_jparse_expect_name(rg_jparser *p);

// code
/** Room for one more row of an array that grows (its address in `rows`); false after a failure. */
bool rg_jparse_grow(rg_jparser *p, void *rows, size_t n, size_t *capacity, size_t size);
size_t rg_jparse_emit(rg_jparser *p, rg_jop op, uint16_t a, int32_t b, uint32_t c);
/** Let the jump at `at` lead to the next instruction. */
void rg_jparse_land(rg_jparser *p, size_t at);
/** The same for jumps linked through b, which ends in -1. */
void rg_jparse_land_chain(rg_jparser *p, int64_t chain);
/** A jump back to `target`. */
void rg_jparse_jump_to(rg_jparser *p, rg_jop op, size_t target);
/** Move the code [from, middle) behind the code [middle, end of code). */
void rg_jparse_rotate(rg_jparser *p, size_t from, size_t middle);
uint32_t rg_jparse_const(rg_jparser *p, rg_jval v);
const rg_jstr *rg_jparse_str(rg_jparser *p, rg_str text);
uint32_t rg_jparse_name(rg_jparser *p, rg_str name);
void rg_jparse_define(rg_jparser *p, uint32_t name);

// expressions (jinja_expr.c)
/** An expression; without `has_if` it ends before a conditional's `if`. */
void rg_jparse_expression(rg_jparser *p, bool has_if);
/** One expression, or several with commas: a tuple. */
void rg_jparse_tuple(rg_jparser *p, bool has_if);
/** (a, b=c): counts go into the call instruction. The opening bracket is the current token. */
void rg_jparse_arguments(rg_jparser *p, rg_jinsn *call);
/** "| name(...)" until there is no more; the first bar may be missing (is_bare). */
void rg_jparse_filters(rg_jparser *p, bool is_bare);
/** What may be assigned to: code that stores the value on the stack. */
void rg_jparse_target(rg_jparser *p, bool has_attribute, bool has_tuple);

/** Statements (jinja_statement.c) up to a tag of one of the end words, at which the parser then
 * stands. */
void rg_jparse_body(rg_jparser *p, const char *const *ends);
