/* A parsed template: instructions of a stack machine. Jumps are relative to their own place, so
 * that a finished expression can be moved. */
#pragma once

#include "chat/jinja_value.h"

typedef enum rg_jop {
    // values
    RG_JOP_CONST,      // push constant b
    RG_JOP_LOAD,       // push variable b
    RG_JOP_STORE,      // pop into variable b
    RG_JOP_STORE_ATTR, // pop into attribute c of namespace variable b
    RG_JOP_UNPACK,     // pop a sequence of b items, push them, first on top
    RG_JOP_LIST,       // pop b items, push a list
    RG_JOP_TUPLE,
    RG_JOP_DICT, // pop b pairs
    RG_JOP_ATTR, // attribute named b
    RG_JOP_ITEM,
    RG_JOP_SLICE,  // pop step, to, from, value
    RG_JOP_MATH,   // operator a
    RG_JOP_NEGATE, // a: '-' or '+'
    RG_JOP_NOT,
    RG_JOP_CONCAT,        // pop b values, push their texts joined
    RG_JOP_COMPARE,       // operator a
    RG_JOP_COMPARE_CHAIN, // as COMPARE; false: jump b with false; true: leave the right side
    RG_JOP_POP,
    // control
    RG_JOP_JUMP,       // b
    RG_JOP_JUMP_FALSE, // pop, jump b when false
    RG_JOP_AND,        // jump b when the top is false, else pop
    RG_JOP_OR,         // jump b when the top is true, else pop
    // calls: a positional arguments, c named ones (name, value), flags RG_J_STAR*
    RG_JOP_CALL,
    RG_JOP_CALL_METHOD, // method named b
    RG_JOP_FILTER,      // filter b
    RG_JOP_TEST,        // test b
    RG_JOP_MACRO,       // push macro b, whose code begins c instructions before
    RG_JOP_DEFAULT,     // parameter c given: jump b
    RG_JOP_RETURN,
    // output
    RG_JOP_TEXT,        // write constant b
    RG_JOP_PRINT,       // pop and write
    RG_JOP_CAPTURE,     // write to a new string
    RG_JOP_CAPTURE_END, // push that string
    // scopes and loops
    RG_JOP_SCOPE,
    RG_JOP_SCOPE_END,
    RG_JOP_UNWIND,   // leave b scopes and c captures
    RG_JOP_FOR,      // pop what to go through; a: RG_J_FOR_*
    RG_JOP_FOR_NEXT, // push the next item in a new scope, or jump b
    RG_JOP_FOR_TEST, // the items are filtered already: jump b
    RG_JOP_FOR_KEEP, // pop the filter's answer; jump b for the next item
    RG_JOP_FOR_DONE, // one whole round is done
    RG_JOP_FOR_END,  // leave the loop; some round was whole: jump b
    RG_JOP_END,
} rg_jop;

enum { RG_J_STAR = 1, RG_J_STAR2 = 2 }; // flags of calls: *args, **kwargs on the stack
enum { RG_J_FOR_LOOP = 1, RG_J_FOR_FILTER = 2, RG_J_FOR_RECURSIVE = 4 }; // a of FOR
enum { RG_J_LT, RG_J_LE, RG_J_GT, RG_J_GE, RG_J_EQ, RG_J_NE, RG_J_IN, RG_J_NOT_IN };

typedef struct rg_jinsn {
    uint8_t op;
    uint8_t flags;
    uint16_t a;
    int32_t b;
    uint32_t c;
    uint32_t line;
} rg_jinsn;

// names that every template has, in this order
enum { RG_J_NAME_LOOP, RG_J_NAME_CALLER, RG_J_NAME_VARARGS, RG_J_NAME_KWARGS, RG_J_N_NAMES };

/** A macro's definition. */
typedef struct rg_jmacro_def {
    const rg_jstr *name;
    uint32_t n_params;
    uint32_t *params; // variables; in the template's arena
    bool has_varargs; // the body reads varargs / kwargs
    bool has_kwargs;
} rg_jmacro_def;

struct rg_template {
    const rg_mem *mem;
    rg_arena arena; // text, constants
    rg_jinsn *code;
    size_t n_code;
    rg_jval *consts;
    size_t n_consts;
    const rg_jstr **names; // variables and attributes
    size_t n_names;
    rg_jmacro_def *macros;
    size_t n_macros;
};

// tables that the parser looks names up in; a row's index is the instruction's operand
#define RG_J_NO_ROW (-1)
int rg_jfilter_find(rg_str name);
int rg_jtest_find(rg_str name);
int rg_jfunction_find(rg_str name);
