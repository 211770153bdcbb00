/* Tool calls, and answers held to a grammar. */
#pragma once

#include "raga/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What an answer may look like: given to raga_generate, only tokens that can go on to a text of the
 * grammar are drawn, and the answer ends only where such a text does.
 * Threads: one at a time per object; the model it was made for must outlive it.
 */
typedef struct raga_grammar raga_grammar;

/**
 * JSON by a schema. Of all valid texts one form is let through: members in the order of
 * "properties", at most one space or one line break with its indent between the parts.
 * Errors: RAGA_E_UNSUPPORTED naming a keyword that cannot be enforced and its JSON pointer;
 * RAGA_E_ARG: no value is valid; RAGA_E_FORMAT (no JSON); RAGA_E_LIMIT; RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_grammar_of_schema(raga_model *model, const char *schema, size_t size,
                                            raga_grammar **out, raga_error *err) RAGA_MUST_CHECK;

/** What rule `root` of a grammar in GBNF matches, as llama.cpp reads it. Errors: RAGA_E_FORMAT naming
 * the line; RAGA_E_ARG (nothing matches, a rule begins with itself); RAGA_E_LIMIT; RAGA_E_MEMORY. */
RAGA_API raga_status raga_grammar_of_gbnf(raga_model *model, const char *text, size_t size,
                                          raga_grammar **out, raga_error *err) RAGA_MUST_CHECK;
/** What a regular expression matches from beginning to end. Errors: RAGA_E_UNSUPPORTED naming what
 * cannot be enforced; as above. */
RAGA_API raga_status raga_grammar_of_regex(raga_model *model, const char *text, size_t size,
                                           raga_grammar **out, raga_error *err) RAGA_MUST_CHECK;

typedef struct raga_calls_options {
    size_t size;
    bool is_required;   // at least one call, and no words before it
    bool is_in_thought; // the prompt ends within the reasoning
    const char *tool;   // the one that must be called; NULL: any may be
} raga_calls_options;

/**
 * Words, calls of tools with valid arguments, or words and then calls, in the way the model writes
 * them.
 * @param tools    JSON: [{"type":"function","function":{"name","description","parameters"}}, ..]
 * @param options  NULL: calls are free
 * Errors: as above, naming the tool too.
 */
RAGA_API raga_status raga_grammar_of_tools(raga_model *model, const char *tools, size_t size,
                                           const raga_calls_options *options, raga_grammar **out,
                                           raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_grammar_free(raga_grammar *grammar);

/** What a part of an answer is. */
typedef enum raga_piece_kind {
    RAGA_PIECE_TEXT,      // more of the reply
    RAGA_PIECE_REASONING, // more of the reasoning
    RAGA_PIECE_CALL,      // a call began: its name
    RAGA_PIECE_ARGUMENTS, // more of its arguments, JSON as the model writes it
    RAGA_PIECE_CALL_END,  // the call is whole: all of its arguments, valid JSON
    RAGA_PIECE_BROKEN,    // the call is none after all: why; its text follows as RAGA_PIECE_TEXT
} raga_piece_kind;

typedef struct raga_piece {
    size_t size;
    raga_piece_kind kind;
    size_t call;      // which one, from 0: of the calls that were whole
    const char *text; // borrowed during the call, not terminated
    size_t text_size;
    const char *id; // CALL: the one that the model gave it, or empty
    size_t id_size;
} raga_piece;

typedef void raga_piece_fn(void *arg, const raga_piece *piece);

/** Reads what a model writes as it comes. Threads: one at a time per object. */
typedef struct raga_answer raga_answer;

/**
 * @param dialect     how calls are written: a name of raga_dialect_name, or of a family that writes
 *                    so ("qwen3.5"); NULL: "hermes"
 * @param prompt_end  the last characters of the prompt, which may have opened the reasoning; may be
 *                    empty
 * Errors: RAGA_E_NOT_FOUND (no such dialect), RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_answer_new(const char *dialect, const char *prompt_end, size_t size,
                                     raga_piece_fn *fn, void *arg, raga_answer **out,
                                     raga_error *err) RAGA_MUST_CHECK;
/** The same with the tools that the model was shown, a list as JSON or NULL: dialects that write
 * arguments as bare text tell by them what is a number and what only looks like one.
 * Errors: RAGA_E_FORMAT too. */
RAGA_API raga_status raga_answer_new_of_tools(const char *dialect, const char *tools,
                                              const char *prompt_end, size_t size,
                                              raga_piece_fn *fn, void *arg, raga_answer **out,
                                              raga_error *err) RAGA_MUST_CHECK;
/** How an open model writes calls, by its chat template: one of these names. */
RAGA_API const char *raga_model_dialect(const raga_model *model);
/** Does a prompt of these ids end within the reasoning, so that an answer begins there? */
RAGA_API bool raga_model_is_in_thought(const raga_model *model, const int32_t *ids, size_t n);
/** Names of the dialects; NULL past the last. */
RAGA_API const char *raga_dialect_name(size_t i);
RAGA_API void raga_answer_free(raga_answer *answer);
/** More of the text, cut anywhere: raga_step.text of a generation with has_markers. */
RAGA_API raga_status raga_answer_feed(raga_answer *answer, const char *text, size_t size,
                                      raga_error *err) RAGA_MUST_CHECK;
/** The text is over: what was held back is handed out. */
RAGA_API raga_status raga_answer_finish(raga_answer *answer, raga_error *err) RAGA_MUST_CHECK;

/* Whole conversations, a line of JSON each. */

typedef struct raga_responder_options {
    size_t size;
    size_t max_tokens;         // of an answer; 0: as raga_generate
    bool is_unheld;            // no grammar: the model may write broken calls
    const char *default_tools; // JSON: calls of these where a line brings no tools; the prompt does
                               // not show them. NULL: none
} raga_responder_options;

/** Answers conversations of one model, one after the other; what prompts begin with alike is
 * evaluated once. Threads: one at a time per object. */
typedef struct raga_responder raga_responder;

/** @param model  must outlive it */
RAGA_API raga_status raga_responder_new(raga_model *model, const raga_responder_options *options,
                                        raga_responder **out, raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_responder_free(raga_responder *responder);
/** The session it works on, for raga_session_cancel. */
RAGA_API raga_session *raga_responder_session(raga_responder *responder);
/**
 * Answer one conversation, {"messages", "tools"?}, the likeliest token always being taken. Calls in
 * messages may be
 * {"name", "arguments"} or {"function": {..}}, arguments an object or its text, a tool's content
 * JSON or its text.
 * @param fn      told of each part as it comes; may be NULL
 * @param result  may be NULL; its size set by the caller
 * Errors: RAGA_E_FORMAT, RAGA_E_LIMIT (the context is too small, both sizes named),
 * RAGA_E_CANCELLED; those of raga_grammar_of_tools.
 */
RAGA_API raga_status raga_respond(raga_responder *responder, const char *conversation, size_t size,
                                  raga_piece_fn *fn, void *arg, raga_result *result,
                                  raga_error *err) RAGA_MUST_CHECK;
/**
 * One line of the same: {"id", "messages", "tools"?, "tool_choice"?} gives {"id", "calls": [{"name", "arguments"}],
 * "reply"}, the likeliest token always being taken; "warnings" stand there when a call was
 * malformed and became part of the reply. What cannot be answered gives {"id", "calls": [],
 * "reply": "", "error"}.
 * @param out  one JSON object without a newline, owned by the caller: raga_free()
 * Errors: RAGA_E_CANCELLED; RAGA_E_MEMORY when not even that could be written.
 */
RAGA_API raga_status raga_respond_json_line(raga_responder *responder, const char *line,
                                            size_t size, char **out, size_t *out_size,
                                            raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
