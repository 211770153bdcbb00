/*
 * dialect.h: how models write tool calls and reasoning, one row a way: the markers, and how what
 * stands between the markers of a call is read. answer.h takes answers apart by a row, the grammar
 * of calls (sample/) is given the same markers.
 */
#pragma once

#include "chat/call_body.h"

#define RG_DIALECT_MARKER_MAX 64 // bytes of a marker
enum { RG_DIALECT_SPELLINGS = 2, RG_DIALECT_DROPPED = 8, RG_DIALECT_INNER = 2 };

/** Markers that are not there are empty. */
typedef struct rg_dialect {
    const char *name;
    const char *families; // " a b ": names of models that speak it
    const char *sign;     // a text that chat templates of such models have, and others do not ...
    const char *also;     // ... and one beside it
    rg_str call_open[RG_DIALECT_SPELLINGS]; // a call stands between these
    rg_str call_close[RG_DIALECT_SPELLINGS];
    rg_str line_open; // opens a call at the beginning of a line, where the marker was forgotten
    rg_str line_close;
    const char *bare;                   // bytes that open a call at the beginning of the answer
    rg_str dropped[RG_DIALECT_DROPPED]; // around all calls of an answer
    rg_str inner[RG_DIALECT_INNER];     // tokens of their own within a call
    rg_str think_open;                  // reasoning before the answer
    rg_str think_close;
    const rg_call_syntax *syntax;
    // for those who have calls written: what stands around the name and the arguments, an object.
    // Without these a call is {"name": NAME, "arguments": {..}}, where is_held
    bool is_held; // calls can be held to a grammar
    rg_str before_name, before_args, after_args;
    bool is_numbered;                   // ":" and a number behind the name
    rg_str section_open, section_close; // around all calls
    // where arguments are a tag each: around key and value, which is text or JSON
    rg_str key_open, text_open, data_open, value_close;
} rg_dialect;

/** Row i; NULL past the end. Row 0 is the one for models that nothing better is known of. */
const rg_dialect *rg_dialect_at(size_t i);
/** A row by its name, or by that of a family that speaks it; NULL: there is none. */
const rg_dialect *rg_dialect_find(rg_str name);
/** The row that the calls of a chat template are written in. */
const rg_dialect *rg_dialect_of_template(rg_str source);
/** Whether a text is a marker of any dialect, so that its token counts even when people are not
 * shown it. */
bool rg_dialect_is_marker(rg_str text);
/** Whether a prompt ends where reasoning has begun. */
bool rg_dialect_is_in_thought(const rg_dialect *dialect, rg_str prompt);
