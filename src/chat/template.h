/*
 * chat/ turns a conversation into the text that a model expects: Jinja templates as Hugging Face
 * configures them, and the context that a model's own template is rendered with. It relies on base/
 * and format/ and knows no tokenizer and no model.
 *
 * template.h: parse a template once, render it often. A template is hostile input: parsing and
 * rendering stay within named limits, and no recursion follows the template. Where Python's jinja2
 * and a guess differ, Python is right. Left out, and refused by name: include, import, extends,
 * block, and autoescape (`safe` changes nothing).
 *
 * Origins: each character of a rendered text is trusted (written by the template or a trusted
 * variable) or untrusted (it came out of a message, a tool, a document). The marks follow the text
 * through every filter and method, so a tokenizer that recognises special tokens in trusted runs
 * only cannot be fooled by content. Numbers, booleans and none carry no origin: their digits and
 * words count as trusted. Untrusted text may be told apart further: rg_template_var.sources.
 */
#pragma once

#include "base/mem.h"
#include "base/view.h"
#include "format/json.h"

#include <stdint.h>

#define RG_TEMPLATE_SOURCE_BYTES_MAX (1u << 20) // a template's source
#define RG_TEMPLATE_OPS_MAX          (1u << 20) // instructions of one template
#define RG_TEMPLATE_NEST_MAX         128u       // tags within tags, brackets within brackets
#define RG_TEMPLATE_ARGS_MAX         255u       // arguments of a call, parameters of a macro
#define RG_TEMPLATE_TARGETS_MAX      64u        // names in one assignment
#define RG_TEMPLATE_STACK_MAX        65536u     // values held at once by one expression
#define RG_TEMPLATE_VALUE_DEPTH_MAX  200u       // lists within lists, when printed or compared
#define RG_TEMPLATE_RANGE_MAX        100000u    // length of range()
#define RG_TEMPLATE_FORMAT_BYTES_MAX 256u       // format given to strftime_now
// defaults of rg_template_limits
#define RG_TEMPLATE_STEPS_MAX        50000000u    // instructions, items and 32-byte pieces of text
#define RG_TEMPLATE_OUTPUT_BYTES_MAX (32u << 20)  // rendered text
#define RG_TEMPLATE_MEMORY_BYTES_MAX (256u << 20) // all values of one rendering
#define RG_TEMPLATE_DEPTH_MAX        256u         // macro calls within macro calls
#define RG_TEMPLATE_TIME_MS_MAX      10000u       // one rendering

/** A parsed template. Threads: read-only after rg_template_new; share freely. */
typedef struct rg_template rg_template;

/**
 * Parse a template.
 * @param source  UTF-8 without zero bytes, not kept
 * Errors: RG_E_LIMIT (source size, nesting, instructions), RG_E_FORMAT (not UTF-8, syntax, unknown
 * tag, filter, test or function: the sentence names the line), RG_E_MEMORY.
 */
rg_status rg_template_new(const rg_mem *mem, rg_str source, rg_template **out,
                          rg_error *err) RG_MUST_CHECK;
void rg_template_free(rg_template *tmpl);
/** Whether the template reads a variable of this name: a caller can tell what a keyword will
 * change. */
bool rg_template_reads(const rg_template *tmpl, const char *name);

/** One variable of the context. */
typedef struct rg_template_var {
    rg_str name;
    const rg_json *json; // NULL: none
    bool is_trusted;     // its text may spell special tokens
    // of an array, one an item, above 0: the source of its text; NULL: 1 where it is not trusted
    const uint8_t *sources;
    bool has_roles; // of messages: a role that is a usual word counts as the template's own
} rg_template_var;

/** What strftime_now reads. All zero: the local time of this machine. */
typedef struct rg_template_clock {
    bool is_fixed;
    int64_t unix_s; // fixed: seconds since 1970, shown as UTC
} rg_template_clock;

/** Parse "2026-01-15T09:05:07Z". Errors: RG_E_ARG. */
rg_status rg_template_clock_parse(rg_str text, rg_template_clock *out, rg_error *err) RG_MUST_CHECK;

/** What the template sees; of two variables of one name the later counts. */
typedef struct rg_template_context {
    const rg_template_var *vars;
    size_t n_vars;
    rg_template_clock clock;
} rg_template_context;

/** Zero means the default (RG_TEMPLATE_*_MAX above). */
typedef struct rg_template_limits {
    uint64_t steps;
    size_t output_bytes;
    size_t memory_bytes;
    unsigned depth;
    unsigned time_ms;
} rg_template_limits;

typedef enum rg_template_failure {
    RG_TEMPLATE_FINE,
    RG_TEMPLATE_RAISED,    // the template called raise_exception: its text is rg_rendered.raised
    RG_TEMPLATE_UNDEFINED, // a part of an undefined value was asked for
    RG_TEMPLATE_TYPE,      // Python would raise TypeError, ValueError, ...
    RG_TEMPLATE_LIMIT,     // a budget is spent
    RG_TEMPLATE_MEMORY,
} rg_template_failure;

/** A rendered text, or why there is none. Owned by the caller: rg_rendered_clear(). */
typedef struct rg_rendered {
    const rg_mem *mem;
    rg_str text;
    rg_text_run *runs; // cover the text from begin to end; neighbors differ in source
    size_t n_runs;
    rg_template_failure failure;
    rg_str raised; // RAISED: the exact text
} rg_rendered;

/**
 * Render a template.
 * @param limits  NULL: defaults
 * @param out     overwritten in every case, also on failure (failure, raised): clear it always
 * Errors: RG_E_ARG (the template refused: raise_exception), RG_E_FORMAT (undefined or wrong type),
 *         RG_E_LIMIT (naming the limit), RG_E_MEMORY; all but the first name the template's line.
 * Threads: any thread; one rendering shares nothing with another. A stack of 1 MiB is enough
 *          for parsing and rendering whatever the template does.
 */
rg_status rg_template_render(const rg_template *tmpl, const rg_template_context *context,
                             const rg_template_limits *limits, rg_rendered *out,
                             rg_error *err) RG_MUST_CHECK;
void rg_rendered_clear(rg_rendered *rendered);
