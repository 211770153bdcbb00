/* Shared by the files that make grammars of calls. */
#pragma once

#include "sample/calls_grammar.h"
#include "sample/schema.h"

#define RG_CALLS_MARKER_MAX 64

/** Text up to and with a marker, then next; it may end before, when end is a node. entries[i] is
 * where text goes on of which the last i bytes began the marker. */
void rg_calls_text_until(rg_grammar *g, rg_str marker, rg_way next, rg_way end,
                         rg_way entries[RG_CALLS_MARKER_MAX]);
/** Is it letters, digits and _ . : / - ? */
bool rg_calls_is_name(rg_str name);
/** The rule of arguments that are a tag each, in the order of "properties". Errors: those of
 * rg_schema_rule; RG_E_UNSUPPORTED naming what bare text cannot be held to. */
rg_status rg_calls_tags(rg_grammar *g, rg_schema *s, const rg_json *schema,
                        const rg_calls_form *form, uint32_t *rule, rg_error *err) RG_MUST_CHECK;
