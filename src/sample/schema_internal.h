/* The inside of the schema compiler. */
#pragma once

#include "sample/schema.h"
#include "sample/sequence.h"

enum {
    RG_TYPE_NULL = 1,
    RG_TYPE_BOOL = 2,
    RG_TYPE_INTEGER = 4,
    RG_TYPE_NUMBER = 8,
    RG_TYPE_STRING = 16,
    RG_TYPE_ARRAY = 32,
    RG_TYPE_OBJECT = 64,
    RG_TYPE_ANY = 127 & ~RG_TYPE_INTEGER, // an integer is a number
};

/** Rules that every schema may need, made when first asked for. */
typedef enum rg_schema_common {
    RG_COMMON_SPACE,
    RG_COMMON_CHAR, // of a string: itself or its escape
    RG_COMMON_STRING,
    RG_COMMON_NUMBER,
    RG_COMMON_INTEGER,
    RG_COMMON_VALUE,
    RG_COMMON_ARRAY,
    RG_COMMON_OBJECT,
    RG_COMMON_COUNT
} rg_schema_common;

/** A schema and the rule made or to be made for it. */
typedef struct rg_schema_job {
    const rg_json *json;
    uint32_t rule;
    bool is_object; // nothing but objects
    bool is_empty;  // compiled, and no value is valid
} rg_schema_job;

struct rg_schema {
    const rg_mem *mem;
    rg_grammar *g;
    const rg_json *root;
    rg_arena arena; // texts and trees made on the way
    rg_buf jobs;    // rg_schema_job, each schema once
    size_t n_done;
    uint32_t *index; // hash of jobs: job + 1
    size_t n_index;
    uint32_t common[RG_COMMON_COUNT]; // rule + 1
};

uint32_t rg_schema_common_rule(rg_schema *s, rg_schema_common which);
/** The rule of a schema, to be filled later. */
uint32_t rg_schema_later(rg_schema *s, const rg_json *json, bool is_object);
/** rg_fail with the JSON pointer of `json` in front. */
rg_status rg_schema_fail(const rg_schema *s, const rg_json *json, rg_error *err, rg_status status,
                         const char *format, ...) RG_PRINTF(5, 6);
/** Where "$ref" points to. */
rg_status rg_schema_resolve(rg_schema *s, const rg_json *json, const rg_json **out, rg_error *err);
/** A count of things: false (with the sentence) when it is no integer or above the limit. */
rg_status rg_schema_count(const rg_schema *s, const rg_json *json, const char *keyword,
                          size_t otherwise, size_t *out, rg_error *err);

/** White space, then next. */
rg_way rg_schema_spaced(rg_schema *s, rg_way next);
/** `rule` at least `min` and at most `max` times (SIZE_MAX: no bound), then next. */
rg_way rg_schema_repeat(rg_schema *s, uint32_t rule, size_t min, size_t max, rg_way next);

// one value of a type, as its keywords in `json` say; *entry RG_WAY_NONE when there is none
rg_status rg_schema_string(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                           rg_error *err);
rg_status rg_schema_number(rg_schema *s, const rg_json *json, bool is_integer, rg_way next,
                           rg_way *entry, rg_error *err);
rg_status rg_schema_array(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                          rg_error *err);
rg_status rg_schema_object(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                           rg_error *err);
/** "const" or "enum", of the given types. */
rg_status rg_schema_literals(rg_schema *s, const rg_json *json, unsigned types, rg_way next,
                             rg_way *entry, rg_error *err);
/** A string whose content matches a regular expression. */
rg_status rg_schema_pattern(rg_schema *s, const rg_json *json, rg_str pattern, rg_way next,
                            rg_way *entry, rg_error *err);
/** That no value is valid by two of the alternatives of a "oneOf"; the sentence names two. */
rg_status rg_schema_one_of(rg_schema *s, const rg_json *json, const rg_json *alternatives,
                           rg_error *err);
/** The types that a schema allows (RG_TYPE_*). */
rg_status rg_schema_types(rg_schema *s, const rg_json *json, unsigned *types, rg_error *err);
/** The types that a value has. */
unsigned rg_schema_type_of(const rg_json *value);
