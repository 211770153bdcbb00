/*
 * answer.h: what a model writes, taken apart as it comes: reasoning, reply, tool calls.
 *
 * Fed with pieces of any size, it hands out the same content for every way to cut the text; no part
 * of a marker is ever handed out. A call that cannot be read is told as broken, and its text (not
 * its markers) becomes part of the reply. White space beside calls and reasoning is dropped.
 */
#pragma once

#include "chat/dialect.h"

typedef enum rg_piece_kind {
    RG_PIECE_TEXT,      // more of the reply
    RG_PIECE_REASONING, // more of the reasoning
    RG_PIECE_CALL,      // a call began: its name
    RG_PIECE_ARGUMENTS, // more of its arguments, JSON as the model writes it
    RG_PIECE_CALL_END,  // the call is whole: all of its arguments
    RG_PIECE_BROKEN,    // the call is none after all: why; its text follows as TEXT
} rg_piece_kind;

typedef struct rg_piece {
    rg_piece_kind kind;
    size_t call; // which one, from 0: of the calls that were whole
    rg_str text; // borrowed during the call
    rg_str id;   // CALL: the one that the model gave it; mostly empty
} rg_piece;

typedef void rg_piece_fn(void *arg, const rg_piece *piece);

/** Threads: one at a time per object. */
typedef struct rg_answer rg_answer;

/**
 * @param tools          declarations, for the types of arguments; borrowed; NULL: none are known
 * @param is_in_thought  the prompt ends within reasoning
 * Errors: RG_E_MEMORY.
 */
rg_status rg_answer_new(const rg_mem *mem, const rg_dialect *dialect, const rg_json *tools,
                        bool is_in_thought, rg_piece_fn *fn, void *arg, rg_answer **out,
                        rg_error *err) RG_MUST_CHECK;
void rg_answer_free(rg_answer *answer);
/** More of the text. Errors: RG_E_MEMORY. */
rg_status rg_answer_feed(rg_answer *answer, rg_str text, rg_error *err) RG_MUST_CHECK;
/** The text is over: what was held back is handed out. */
rg_status rg_answer_finish(rg_answer *answer, rg_error *err) RG_MUST_CHECK;
