/*
 * calls_grammar.h: an answer that is free text, tool calls, or text and then calls, each call one
 * of the tools given with arguments by its schema:
 *
 *     [THINK_OPEN reasoning THINK_CLOSE] text  (OPEN {"name": NAME, "arguments": {..}} CLOSE)*
 *
 * or, with a form, SECTION_OPEN (OPEN BEFORE NAME MIDDLE {..} AFTER CLOSE)* SECTION_CLOSE behind
 * the text. (Without a form white space is free.) Markers are handed in: which ones a model speaks
 * is the matter of chat/.
 */
#pragma once

#include "format/json.h"
#include "sample/grammar.h"

#define RG_CALLS_TOOLS_MAX 1024 // tools at once
#define RG_CALLS_NAME_MAX  128  // bytes of a tool's name: letters, digits and _ . : / -

/** Whether there must be a call. */
typedef enum rg_calls_choice {
    RG_CALLS_FREE,
    RG_CALLS_REQUIRED, // at least one
} rg_calls_choice;

/** How a call is written where it is no JSON object: texts around name and arguments. */
typedef struct rg_calls_form {
    rg_str before;
    rg_str middle;
    rg_str after;
    bool has_number; // ":" and digits behind the name
    // where the arguments are no JSON object, but a tag each: texts around key and value
    rg_str key_open;
    rg_str text_open; // behind the key of a value that is text
    rg_str data_open; // of one that is JSON
    rg_str value_close;
} rg_calls_form;

typedef struct rg_calls_spec {
    rg_str open, close;                 // of a call
    rg_str section_open, section_close; // around all of them; empty: nothing stands there
    const rg_calls_form *form;          // NULL: {"name": NAME, "arguments": {..}}
    rg_str think_open, think_close;     // of reasoning before the answer; empty: the model has none
    bool is_in_thought;                 // the prompt ends within the reasoning
    const rg_json *tools; // array of {"type":"function","function":{"name","parameters"}}, or of
                          // such functions alone
    rg_calls_choice choice;
} rg_calls_spec;

/**
 * Errors: RG_E_ARG: no tools, a name that is none or given twice, parameters that nothing
 * satisfies; RG_E_UNSUPPORTED naming tool, keyword and place; RG_E_LIMIT; RG_E_MEMORY.
 */
rg_status rg_calls_grammar(const rg_mem *mem, const rg_calls_spec *spec, rg_grammar **out,
                           rg_error *err) RG_MUST_CHECK;
