/*
 * call_body.h: what stands between the markers of one tool call, as it comes in byte by byte. A
 * syntax finds the name and the arguments while they are written, and judges the whole at the end.
 */
#pragma once

#include "base/buf.h"
#include "format/json.h"

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
    rg_buf text;          // as written
    rg_buf name;          // of the function
    rg_buf id;            // of the call, where the model gives it one
    rg_buf args;          // a JSON object, as far as it is certain
    bool is_named;        // name and id are whole: they can be told
    bool is_quoted;       // a closing marker here would be content
    bool is_closed;       // the call ended by itself, without a closing marker
    const rg_json *tools; // declarations, for the types of arguments; NULL: none are known
    // of a JSON object being scanned
    unsigned depth;
    char brackets[RG_CALL_DEPTH_MAX];
    bool is_escaped;
    bool is_key;         // a key is due or being read
    bool has_ended;      // the outermost value is complete
    rg_call_part string; // the one being read
    rg_call_part key;    // of the member at hand
    rg_call_part object; // the arguments within the object
    // of a syntax with steps
    unsigned step;
    size_t mark;    // where the part at hand begins
    size_t n_taken; // bytes of a value that are in args already
    size_t n_args;
    bool is_string; // the value at hand is text, whatever it looks like
    bool is_list;   // one of a list of calls
    char quote;     // the one that ends the string at hand
} rg_call_body;

void rg_call_body_init(rg_call_body *body, const rg_mem *mem);
/** Empty, for the next call; memory and tools are kept. */
void rg_call_body_reset(rg_call_body *body);
void rg_call_body_clear(rg_call_body *body);

typedef struct rg_call_syntax {
    /** One more byte, appended to the text already. NULL, or why this is no call. */
    const char *(*take)(const struct rg_call_syntax *syntax, rg_call_body *body, char byte);
    /** The call is over: NULL with name and args filled in, or why this is no call. */
    const char *(*finish)(const struct rg_call_syntax *syntax, rg_call_body *body);
    const void *form;      // of syntaxes with variants
    bool ends_with_answer; // needs no closing marker
} rg_call_syntax;

/** {"name": NAME, "arguments": {..}}; "parameters" counts as "arguments", and so does a string
 * that holds such an object. */
extern const rg_call_syntax rg_call_syntax_json;
/** Tags of Qwen3-Coder: <function=NAME><parameter=KEY>\nVALUE\n</parameter></function>. */
extern const rg_call_syntax rg_call_syntax_qwen;
/** Tags of DeepSeek V3.2 and V4: name="NAME"> <｜DSML｜parameter name="KEY" string="true">VALUE...
 */
extern const rg_call_syntax rg_call_syntax_dsml;
/** DeepSeek V3: function<｜tool▁sep｜>NAME and the arguments in a fence; V3.1:
 * NAME<｜tool▁sep｜>{..}. */
extern const rg_call_syntax rg_call_syntax_deepseek;
/** Kimi K2: functions.NAME:INDEX<|tool_call_argument_begin|>{..}. */
extern const rg_call_syntax rg_call_syntax_kimi;
/** Llama: the JSON object of a whole answer, or what follows a tag: such an object,
 * NAME.call(key="value"), or code. */
extern const rg_call_syntax rg_call_syntax_llama;

// shared by the syntaxes

/** A byte of a JSON object, whose end sets has_ended. NULL, or why it is none. */
const char *rg_call_scan(rg_call_body *body, char byte);
/** Is there a name, and are the arguments a JSON object? NULL, or why not. */
const char *rg_call_check(rg_call_body *body);
/** Text as the inside of a JSON string. */
void rg_call_put_escaped(rg_buf *out, rg_str text);
/** A text as a JSON value: itself where it is one (and `is_string` is not set), else a string. */
void rg_call_put_value(rg_call_body *body, rg_str text, bool is_string);
rg_str rg_call_trim(rg_str text);
/** Does the tool at hand declare the parameter `key` as text? */
bool rg_call_is_text(const rg_call_body *body, rg_str key);
