/*
 * call_body.h: what stands between the markers of one tool call, as it comes in byte by byte. A
 * syntax finds the name and the arguments while they are written, and judges the whole at the end.
 */
#pragma once

#include "base/buf.h"

#define RG_CALL_BYTES_MAX (1 << 20) // of one call
#define RG_CALL_DEPTH_MAX 128       // brackets within brackets

/** A part of the text of a call. */
typedef struct rg_call_part {
    size_t begin;
    size_t end;
    bool has_begun;
    bool is_whole;
} rg_call_part;

typedef struct rg_call_body {
    rg_buf text;       // as written
    bool is_quoted;    // a closing marker here would be content
    rg_call_part name; // with is_whole: can be told already
    rg_call_part args; // an object, told as it grows
    // the syntax's own
    unsigned depth;
    char brackets[RG_CALL_DEPTH_MAX];
    bool is_escaped;
    bool is_key;         // a key is due or being read
    bool has_ended;      // the outermost value is complete
    rg_call_part string; // the one being read
    rg_call_part key;    // of the member at hand
} rg_call_body;

void rg_call_body_init(rg_call_body *body, const rg_mem *mem);
/** Empty, for the next call; the memory is kept. */
void rg_call_body_reset(rg_call_body *body);
void rg_call_body_clear(rg_call_body *body);

/** A call that was read whole. */
typedef struct rg_call {
    rg_buf name;
    rg_buf args; // a JSON object, as it was written
} rg_call;

typedef struct rg_call_syntax {
    /** One more byte, appended to the text already. NULL, or why this is no call. */
    const char *(*take)(rg_call_body *body, char byte);
    /** The closing marker came: NULL with name and args filled in, or why this is no call. */
    const char *(*finish)(rg_call_body *body, rg_call *out);
} rg_call_syntax;

/** {"name": NAME, "arguments": {..}}; "parameters" counts as "arguments", and so does a string
 * that holds such an object. */
extern const rg_call_syntax rg_call_syntax_json;
