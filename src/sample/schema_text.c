/* Strings by their length, and literals. */
#include "sample/schema_internal.h"

rg_status rg_schema_string(rg_schema *s, const rg_json *json, rg_way next, rg_way *entry,
                           rg_error *err) {
    const rg_json *pattern = rg_json_find(json, "pattern");
    const uint32_t one = rg_schema_common_rule(s, RG_COMMON_CHAR);
    size_t min = 0;
    size_t max = SIZE_MAX;
    rg_status status = RG_OK;
    RG_TRY(rg_schema_count(s, json, "minLength", 0, &min, err));
    RG_TRY(rg_schema_count(s, json, "maxLength", SIZE_MAX, &max, err));
    if (min > max) {
        return rg_schema_fail(s, json, err, RG_E_ARG,
                              "\"minLength\" %zu is above \"maxLength\" %zu: unsatisfiable", min,
                              max);
    }
    const rg_way close = rg_grammar_range(s->g, '"', '"', next);
    rg_way inside = RG_WAY_NONE;
    if (pattern == NULL) {
        inside = rg_schema_repeat(s, one, min, max, close);
    } else if (min != 0 || max != SIZE_MAX) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "the keyword \"%s\" cannot be enforced beside \"pattern\"",
                              min != 0 ? "minLength" : "maxLength");
    } else if (pattern->kind != RG_JSON_STRING) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"pattern\" is no text");
    } else {
        RG_TRY(rg_schema_pattern(s, json, pattern->text, close, &inside, err));
    }
    *entry = rg_grammar_range(s->g, '"', '"', inside);

done:
    return status;
}

unsigned rg_schema_type_of(const rg_json *value) {
    int64_t integer = 0;
    switch (value->kind) {
    case RG_JSON_NULL:
        return RG_TYPE_NULL;
    case RG_JSON_BOOL:
        return RG_TYPE_BOOL;
    case RG_JSON_NUMBER:
        return RG_TYPE_NUMBER | (rg_json_i64(value, &integer) ? RG_TYPE_INTEGER : 0);
    case RG_JSON_STRING:
        return RG_TYPE_STRING;
    case RG_JSON_ARRAY:
        return RG_TYPE_ARRAY;
    default:
        return RG_TYPE_OBJECT;
    }
}

rg_status rg_schema_literals(rg_schema *s, const rg_json *json, unsigned types, rg_way next,
                             rg_way *entry, rg_error *err) {
    const rg_json *one = rg_json_find(json, "const");
    const rg_json *list = rg_json_find(json, "enum");
    if (one != NULL && list != NULL) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "the keyword \"enum\" cannot be enforced beside \"const\"");
    }
    if (list != NULL && (list->kind != RG_JSON_ARRAY || list->n == 0)) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"enum\" is no list, or empty");
    }
    const size_t n = list == NULL ? 1 : list->n;
    const rg_json *values = list == NULL ? one : list->items;
    rg_grammar_word *words = rg_arena_alloc(&s->arena, n * sizeof *words);
    size_t n_words = 0;
    rg_buf text;
    rg_buf_init(&text, s->mem, RG_SCHEMA_BYTES_MAX);
    rg_status status = RG_OK;
    for (size_t i = 0; i < n && words != NULL && status == RG_OK; i++) {
        if ((rg_schema_type_of(&values[i]) & types) != 0) {
            text.size = 0;
            rg_json_write(&text, &values[i]);
            const char *copy = rg_arena_copy(&s->arena, rg_buf_cstr(&text), text.size);
            status = rg_buf_check(&text, "a literal of a schema", err);
            words = copy == NULL ? NULL : words;
            if (copy != NULL) {
                words[n_words++] = (rg_grammar_word){{copy, text.size}, next};
            }
        }
    }
    rg_buf_clear(&text);
    if (words == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu literals", n);
    }
    *entry = rg_grammar_words(s->g, words, n_words);
    return status;
}
