/* Tokens of a template, with jinja2's rules for white space around tags (trim_blocks,
 * lstrip_blocks). */
#pragma once

#include "chat/template.h"

typedef enum rg_jtoken_kind {
    RG_JT_END,
    RG_JT_TEXT,  // outside of tags
    RG_JT_BLOCK, // {%
    RG_JT_BLOCK_END,
    RG_JT_PRINT, // {{
    RG_JT_PRINT_END,
    RG_JT_NAME,
    RG_JT_STRING, // with its quotes
    RG_JT_INT,
    RG_JT_FLOAT,
    RG_JT_OPERATOR, // op
} rg_jtoken_kind;

#define RG_J_OP2(a, b) ((a) << 8 | (b)) // operator of two characters

typedef struct rg_jtoken {
    rg_jtoken_kind kind;
    rg_str text;
    int op;
    uint32_t line;
} rg_jtoken;

typedef struct rg_jlexer {
    rg_str source; // line ends are \n
    size_t at;
    uint32_t line;
    rg_jtoken_kind inside; // TEXT, BLOCK or PRINT
    rg_jtoken_kind begin;  // the tag that follows the text just returned; END: none
    unsigned n_open;
    char open[RG_TEMPLATE_NEST_MAX]; // the closing brackets that are awaited
    rg_status status;
    rg_error *err;
} rg_jlexer;

/** The next token; END after a failure (status) too. */
rg_jtoken rg_jlexer_next(rg_jlexer *lexer);
