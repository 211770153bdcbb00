/*
 * schema.h: a JSON Schema as a grammar. What the grammar lets through is valid by the schema; a
 * keyword that cannot be enforced is refused by its name and place.
 *
 * Of all valid texts it lets through one form: members in the order of "properties" (then those of
 * "additionalProperties", when the schema asks for them), keys as they are spelled, at most one
 * space or one line break with its indent between the parts, numbers of up to 18 digits on each
 * side of the point. Where "properties" stand and "additionalProperties" does not, there are no
 * others. Without a "type", the keywords that stand there tell it.
 */
#pragma once

#include "format/json.h"
#include "sample/grammar.h"

#define RG_SCHEMA_BYTES_MAX   (1 << 20) // of a schema's text
#define RG_SCHEMA_REPEAT_MAX  65536     // minItems, maxItems, minLength, maxLength
#define RG_SCHEMA_DIGITS_MAX  18        // of a number, before the point and after it
#define RG_SCHEMA_INDENT_MAX  40        // spaces after a line break
#define RG_SCHEMA_PATTERN_MAX 1024      // bytes of a "pattern"

/** Schemas on their way into one grammar. */
typedef struct rg_schema rg_schema;

/**
 * @param g     receives the rules; borrowed
 * @param root  what "$ref" starts from; borrowed with all below it
 */
rg_status rg_schema_new(rg_grammar *g, const rg_json *root, rg_schema **out,
                        rg_error *err) RG_MUST_CHECK;
void rg_schema_free(rg_schema *schema);
/** From now on "$ref" starts from another root; what was compiled before stays. */
void rg_schema_set_root(rg_schema *schema, const rg_json *root);
/**
 * The rule for one schema below the root.
 * @param is_object  only objects, whatever else the schema allows
 * Errors: RG_E_UNSUPPORTED naming a keyword and its JSON pointer; RG_E_ARG: no value is valid, or
 * the schema is none; RG_E_LIMIT; RG_E_MEMORY.
 */
rg_status rg_schema_rule(rg_schema *schema, const rg_json *json, bool is_object, uint32_t *rule,
                         rg_error *err) RG_MUST_CHECK;
/** The sentence for a grammar that rg_grammar_finish refused: which schema is to blame, `rule`
 * being the bad one, or UINT32_MAX when nothing can match. */
void rg_schema_blame(const rg_schema *schema, uint32_t rule, rg_error *err);
/** The rule of the white space that may stand between the parts of a JSON text. */
uint32_t rg_schema_space(rg_schema *schema);

/** A schema as a finished grammar. Errors: as above. */
rg_status rg_schema_grammar(const rg_mem *mem, const rg_json *json, rg_grammar **out,
                            rg_error *err) RG_MUST_CHECK;
