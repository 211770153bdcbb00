/*
 * dialect.h: how models write tool calls and reasoning, one row a way: the markers, and how what
 * stands between the markers of a call is read. answer.h takes answers apart by a row, the grammar
 * of calls (sample/) is given the same markers.
 */
#pragma once

#include "chat/call_body.h"

#define RG_DIALECT_MARKER_MAX 64 // bytes of a marker

typedef struct rg_dialect {
    const char *name;
    rg_str call_open; // a call stands between these
    rg_str call_close;
    rg_str section_open; // around all calls of an answer; empty: nothing stands there
    rg_str section_close;
    rg_str think_open; // reasoning before the answer
    rg_str think_close;
    const rg_call_syntax *syntax;
} rg_dialect;

/** Row i; NULL past the end. Row 0 is the one for models that nothing better is known of. */
const rg_dialect *rg_dialect_at(size_t i);
const rg_dialect *rg_dialect_find(rg_str name);
/** Whether a text is a marker of any dialect, so that its token counts even when people are not
 * shown it. */
bool rg_dialect_is_marker(rg_str text);
/** Whether a prompt ends where reasoning has begun. */
bool rg_dialect_is_in_thought(const rg_dialect *dialect, rg_str prompt);
