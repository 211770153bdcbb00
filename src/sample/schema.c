/* The schema compiler: keywords, types, alternatives, references. Each schema is one rule; schemas
 * within schemas wait in a list, so that no nesting is deep for the compiler itself. */
#include "sample/schema.h"

#include "sample/schema_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum keyword_role {
    ANNOTATION, // says nothing about what is valid
    TYPE,
    LITERAL,     // const, enum
    ALTERNATIVE, // anyOf, oneOf, allOf, $ref: stands alone
    ASSERTION,   // of the types in the row
    UNLESS_TRUE, // fine when false: nothing is asked then
} keyword_role;

// a keyword that is not here is refused
static const struct keyword {
    const char *name;
    keyword_role role;
    unsigned types;
} keywords[] = {
    {"type", TYPE, 0},
    {"const", LITERAL, 0},
    {"enum", LITERAL, 0},
    {"anyOf", ALTERNATIVE, 0},
    {"oneOf", ALTERNATIVE, 0},
    {"allOf", ALTERNATIVE, 0},
    {"$ref", ALTERNATIVE, 0},
    {"properties", ASSERTION, RG_TYPE_OBJECT},
    {"required", ASSERTION, RG_TYPE_OBJECT},
    {"additionalProperties", ASSERTION, RG_TYPE_OBJECT},
    {"items", ASSERTION, RG_TYPE_ARRAY},
    {"minItems", ASSERTION, RG_TYPE_ARRAY},
    {"maxItems", ASSERTION, RG_TYPE_ARRAY},
    {"uniqueItems", UNLESS_TRUE, RG_TYPE_ARRAY},
    {"minLength", ASSERTION, RG_TYPE_STRING},
    {"maxLength", ASSERTION, RG_TYPE_STRING},
    {"pattern", ASSERTION, RG_TYPE_STRING},
    {"minimum", ASSERTION, RG_TYPE_NUMBER},
    {"maximum", ASSERTION, RG_TYPE_NUMBER},
    {"exclusiveMinimum", ASSERTION, RG_TYPE_NUMBER},
    {"exclusiveMaximum", ASSERTION, RG_TYPE_NUMBER},
    {"title", ANNOTATION, 0},
    {"description", ANNOTATION, 0},
    {"default", ANNOTATION, 0},
    {"examples", ANNOTATION, 0},
    {"$schema", ANNOTATION, 0},
    {"$id", ANNOTATION, 0},
    {"$comment", ANNOTATION, 0},
    {"$defs", ANNOTATION, 0},
    {"definitions", ANNOTATION, 0},
    {"deprecated", ANNOTATION, 0},
    {"readOnly", ANNOTATION, 0},
    {"writeOnly", ANNOTATION, 0},
};

static const struct {
    const char *name;
    unsigned type;
} types[] = {
    {"null", RG_TYPE_NULL},     {"boolean", RG_TYPE_BOOL},  {"integer", RG_TYPE_INTEGER},
    {"number", RG_TYPE_NUMBER}, {"string", RG_TYPE_STRING}, {"array", RG_TYPE_ARRAY},
    {"object", RG_TYPE_OBJECT},
};

// ---- where something stands ----

/** A value on the way from the root to the one that is looked for. */
typedef struct step {
    const rg_json *json;
    size_t at;
} step;

// the JSON pointer of a value: a search of the whole tree, done only for errors
static void write_pointer(const rg_json *root, const rg_json *target, rg_buf *out) {
    step path[RG_JSON_DEPTH_MAX + 1];
    size_t depth = 0;
    path[depth++] = (step){root, 0};
    while (path[depth - 1].json != target) {
        step *top = &path[depth - 1];
        if (top->json->n > top->at && depth <= RG_JSON_DEPTH_MAX &&
            (top->json->kind == RG_JSON_ARRAY || top->json->kind == RG_JSON_OBJECT)) {
            path[depth++] = (step){&top->json->items[top->at++], 0};
        } else if (--depth == 0) {
            rg_buf_char(out, '?');
            return;
        }
    }
    rg_buf_char(out, '#');
    for (size_t i = 0; i + 1 < depth; i++) {
        const size_t at = path[i].at - 1;
        if (path[i].json->kind == RG_JSON_ARRAY) {
            rg_buf_format(out, "/%zu", at);
            continue;
        }
        const rg_str key = path[i].json->keys[at];
        rg_buf_char(out, '/');
        for (size_t k = 0; k < key.size && k < 64; k++) {
            const char c = key.data[k];
            rg_buf_str(out, c == '~' ? RG_STR("~0") : c == '/' ? RG_STR("~1") : (rg_str){&c, 1});
        }
    }
}

rg_status rg_schema_fail(const rg_schema *s, const rg_json *json, rg_error *err, rg_status status,
                         const char *format, ...) {
    char sentence[RG_ERROR_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    rg_buf pointer;
    rg_buf_init(&pointer, s->mem, 0);
    write_pointer(s->root, json, &pointer);
    (void)rg_fail(err, status, "schema %.200s: %s", rg_buf_cstr(&pointer), sentence);
    rg_buf_clear(&pointer);
    return status;
}

// ---- the list of schemas ----

rg_status rg_schema_new(rg_grammar *g, const rg_json *root, rg_schema **out, rg_error *err) {
    enum { INDEX_SLOTS = 2 * RG_GRAMMAR_RULES_MAX };
    const rg_mem *mem = rg_grammar_mem(g);
    rg_schema *s = rg_new(mem, sizeof *s);
    if (s != NULL) {
        s->mem = mem;
        s->g = g;
        s->root = root;
        rg_arena_init(&s->arena, mem, 64u << 20);
        rg_buf_init(&s->jobs, mem, 0);
        s->n_index = INDEX_SLOTS;
        s->index = rg_new_array(mem, s->n_index, sizeof *s->index);
    }
    if (s == NULL || s->index == NULL) {
        rg_schema_free(s);
        return rg_fail(err, RG_E_MEMORY, "no memory for a schema");
    }
    *out = s;
    return RG_OK;
}

void rg_schema_free(rg_schema *s) {
    if (s != NULL) {
        rg_arena_clear(&s->arena);
        rg_buf_clear(&s->jobs);
        rg_free(s->mem, s->index);
        rg_free(s->mem, s);
    }
}

void rg_schema_set_root(rg_schema *s, const rg_json *root) {
    s->root = root;
}

static rg_schema_job *jobs_of(const rg_schema *s) {
    return (rg_schema_job *)(void *)s->jobs.data;
}

uint32_t rg_schema_later(rg_schema *s, const rg_json *json, bool is_object) {
    const size_t n = s->jobs.size / sizeof(rg_schema_job);
    size_t at = ((uintptr_t)json / 8 * 0x9E3779B97F4A7C15u >> 20) + is_object;
    for (at &= s->n_index - 1; s->index[at] != 0; at = (at + 1) & (s->n_index - 1)) {
        const rg_schema_job *job = &jobs_of(s)[s->index[at] - 1];
        if (job->json == json && job->is_object == is_object) {
            return job->rule;
        }
    }
    const rg_schema_job job = {.json = json, .rule = rg_grammar_rule(s->g), .is_object = is_object};
    if (!rg_grammar_is_failed(s->g)) { // so the index always has room
        rg_buf_put(&s->jobs, &job, sizeof job);
        s->index[at] = s->jobs.is_failed ? 0 : (uint32_t)n + 1;
    }
    return job.rule;
}

void rg_schema_blame(const rg_schema *s, uint32_t rule, rg_error *err) {
    const rg_json *json = s->root;
    const char *sentence = "no value is valid (unsatisfiable)";
    for (size_t i = 0; i < s->jobs.size / sizeof(rg_schema_job); i++) {
        const rg_schema_job *job = &jobs_of(s)[i];
        if (job->rule == rule) {
            json = job->json;
            sentence = "\"$ref\" comes back here without any content between";
            break;
        }
        json = job->is_empty ? job->json : json;
    }
    (void)rg_schema_fail(s, json, err, RG_E_ARG, "%s", sentence);
}

rg_status rg_schema_resolve(rg_schema *s, const rg_json *json, const rg_json **out, rg_error *err) {
    const rg_json *ref = rg_json_find(json, "$ref");
    const rg_json *at = s->root;
    rg_str text = {0};
    if (!rg_json_str(ref, &text) || !rg_str_starts(text, RG_STR("#")) ||
        (text.size > 1 && text.data[1] != '/')) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "\"$ref\" to \"%.*s\": only \"#\" and \"#/...\" are followed",
                              (int)(text.size > 80 ? 80 : text.size), text.data);
    }
    for (size_t i = 1; i < text.size && at != NULL;) {
        const char *slash = memchr(text.data + i + 1, '/', text.size - i - 1);
        const size_t end = slash == NULL ? text.size : (size_t)(slash - text.data);
        char key[512];
        size_t n = 0;
        for (size_t k = i + 1; k < end && n + 1 < sizeof key; k++) {
            const bool is_escape = text.data[k] == '~' && k + 1 < end;
            key[n++] = !is_escape ? text.data[k] : text.data[++k] == '1' ? '/' : '~';
        }
        key[n] = '\0';
        at = at->kind == RG_JSON_ARRAY && n != 0 && strspn(key, "0123456789") == n && n < 9
                 ? rg_json_at(at, (size_t)strtoul(key, NULL, 10))
                 : rg_json_find(at, key);
        i = end;
    }
    if (at == NULL) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"$ref\" to \"%.*s\": nothing is there",
                              (int)(text.size > 80 ? 80 : text.size), text.data);
    }
    *out = at;
    return RG_OK;
}

rg_status rg_schema_count(const rg_schema *s, const rg_json *json, const char *keyword,
                          size_t otherwise, size_t *out, rg_error *err) {
    const rg_json *value = rg_json_find(json, keyword);
    int64_t n = 0;
    *out = otherwise;
    if (value == NULL) {
        return RG_OK;
    }
    if (value->kind != RG_JSON_NUMBER) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"%s\" is no number", keyword);
    }
    if (!rg_json_i64(value, &n) || n < 0 || n > RG_SCHEMA_REPEAT_MAX) {
        return rg_schema_fail(s, json, err, RG_E_LIMIT,
                              "\"%s\" is %.*s, valid are integers from 0 to %d", keyword,
                              (int)(value->text.size > 40 ? 40 : value->text.size),
                              value->text.data, RG_SCHEMA_REPEAT_MAX);
    }
    *out = (size_t)n;
    return RG_OK;
}

// ---- one schema ----

static const struct keyword *find_keyword(rg_str name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (rg_str_is(name, keywords[i].name)) {
            return &keywords[i];
        }
    }
    return NULL;
}

// which keywords stand there; refuses those that nobody enforces
static rg_status read_keywords(const rg_schema *s, const rg_json *json, const char **alternative,
                               bool *has_literal, unsigned *asserted, rg_error *err) {
    const char *first = NULL; // that says something
    size_t n_says = 0;
    for (size_t i = 0; i < json->n; i++) {
        const rg_str name = json->keys[i];
        const struct keyword *k = find_keyword(name);
        bool is_true = true;
        if (k == NULL ||
            (k->role == UNLESS_TRUE && (!rg_json_bool(&json->items[i], &is_true) || is_true))) {
            return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                                  "the keyword \"%.*s\" cannot be enforced",
                                  (int)(name.size > 64 ? 64 : name.size), name.data);
        }
        if (k->role == ALTERNATIVE) {
            *alternative = k->name;
        }
        *has_literal |= k->role == LITERAL;
        *asserted |= k->role == ASSERTION ? k->types : 0;
        if (k->role != ANNOTATION && k->role != UNLESS_TRUE) {
            n_says++;
            first = k->role == ALTERNATIVE && first != NULL ? first : k->name;
        }
    }
    if (*alternative != NULL && n_says > 1) {
        for (size_t i = 0; i < json->n; i++) {
            const struct keyword *k = find_keyword(json->keys[i]);
            if (k->role != ANNOTATION && k->role != UNLESS_TRUE && k->name != *alternative) {
                first = k->name;
            }
        }
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "the keyword \"%s\" cannot be enforced beside \"%s\"", first,
                              *alternative);
    }
    if (*has_literal && *asserted != 0) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "\"enum\" and \"const\" cannot be enforced beside other keywords "
                              "than \"type\"");
    }
    return RG_OK;
}

static unsigned type_of_name(const rg_json *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (name->kind == RG_JSON_STRING && rg_str_is(name->text, types[i].name)) {
            return types[i].type;
        }
    }
    return 0;
}

// what "type" says; ANY without it
static rg_status read_type(const rg_schema *s, const rg_json *json, unsigned *out, rg_error *err) {
    const rg_json *type = rg_json_find(json, "type");
    *out = RG_TYPE_ANY;
    if (type == NULL) {
        return RG_OK;
    }
    *out = 0;
    const size_t n = type->kind == RG_JSON_ARRAY ? type->n : 1;
    for (size_t i = 0; i < n; i++) {
        const rg_json *name = type->kind == RG_JSON_ARRAY ? &type->items[i] : type;
        const unsigned one = type_of_name(name);
        if (one == 0) {
            return rg_schema_fail(s, json, err, RG_E_ARG, "\"type\" is \"%.*s\"",
                                  (int)(name->text.size > 40 ? 40 : name->text.size),
                                  name->text.data);
        }
        *out |= one;
    }
    *out = (*out & RG_TYPE_NUMBER) != 0 ? *out & ~(unsigned)RG_TYPE_INTEGER : *out;
    return RG_OK;
}

rg_status rg_schema_types(rg_schema *s, const rg_json *json, unsigned *out, rg_error *err) {
    const char *alternative = NULL;
    bool has_literal = false;
    unsigned asserted = 0;
    rg_status status = RG_OK;
    if (json->kind != RG_JSON_OBJECT) {
        *out = RG_TYPE_ANY;
        return RG_OK;
    }
    RG_TRY(read_keywords(s, json, &alternative, &has_literal, &asserted, err));
    RG_TRY(read_type(s, json, out, err));
    // keywords of a type tell it where "type" does not
    if (*out == RG_TYPE_ANY && asserted != 0 && rg_json_find(json, "type") == NULL) {
        *out = asserted;
    }

done:
    return status;
}

static rg_status alternatives(rg_schema *s, const rg_json *json, const char *keyword,
                              bool is_object, rg_way *entry, rg_error *err) {
    const rg_json *list = rg_json_find(json, keyword);
    if (list->kind != RG_JSON_ARRAY || list->n == 0) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "\"%s\" is no list, or empty", keyword);
    }
    if (keyword[0] == 'a' && keyword[1] == 'l' && list->n != 1) {
        return rg_schema_fail(s, json, err, RG_E_UNSUPPORTED,
                              "the keyword \"allOf\" of %zu schemas cannot be enforced", list->n);
    }
    if (keyword[0] == 'o') {
        const rg_status status = rg_schema_one_of(s, json, list, err);
        if (status != RG_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        const uint32_t rule = rg_schema_later(s, &list->items[i], is_object);
        *entry = rg_grammar_either(s->g, rg_grammar_call(s->g, rule, rg_grammar_end(s->g)), *entry);
    }
    return RG_OK;
}

static rg_status one_type(rg_schema *s, const rg_json *json, unsigned type, rg_way *entry,
                          rg_error *err) {
    const rg_way end = rg_grammar_end(s->g);
    switch (type) {
    case RG_TYPE_NULL:
        *entry = rg_grammar_text(s->g, RG_STR("null"), end);
        return RG_OK;
    case RG_TYPE_BOOL:
        *entry = rg_grammar_either(s->g, rg_grammar_text(s->g, RG_STR("true"), end),
                                   rg_grammar_text(s->g, RG_STR("false"), end));
        return RG_OK;
    case RG_TYPE_INTEGER:
    case RG_TYPE_NUMBER:
        return rg_schema_number(s, json, type == RG_TYPE_INTEGER, end, entry, err);
    case RG_TYPE_STRING:
        return rg_schema_string(s, json, end, entry, err);
    case RG_TYPE_ARRAY:
        return rg_schema_array(s, json, end, entry, err);
    default:
        return rg_schema_object(s, json, end, entry, err);
    }
}

static rg_status compile(rg_schema *s, const rg_json *json, bool is_object, rg_way *entry,
                         rg_error *err) {
    const char *alternative = NULL;
    bool has_literal = false;
    unsigned asserted = 0;
    unsigned allowed = 0;
    rg_status status = RG_OK;
    if (json->kind == RG_JSON_BOOL && json->is_true) {
        const rg_schema_common any = is_object ? RG_COMMON_OBJECT : RG_COMMON_VALUE;
        *entry = rg_grammar_call(s->g, rg_schema_common_rule(s, any), rg_grammar_end(s->g));
        return RG_OK;
    }
    if (json->kind == RG_JSON_BOOL) {
        return RG_OK; // false: nothing is valid
    }
    if (json->kind != RG_JSON_OBJECT) {
        return rg_schema_fail(s, json, err, RG_E_ARG, "a schema is an object, true or false");
    }
    RG_TRY(read_keywords(s, json, &alternative, &has_literal, &asserted, err));
    if (alternative != NULL && alternative[0] == '$') {
        const rg_json *target = NULL;
        RG_TRY(rg_schema_resolve(s, json, &target, err));
        *entry = rg_grammar_call(s->g, rg_schema_later(s, target, is_object), rg_grammar_end(s->g));
        return RG_OK;
    }
    if (alternative != NULL) {
        return alternatives(s, json, alternative, is_object, entry, err);
    }
    RG_TRY(rg_schema_types(s, json, &allowed, err));
    allowed &= is_object ? RG_TYPE_OBJECT : ~0u;
    if (has_literal) {
        return rg_schema_literals(s, json, allowed, rg_grammar_end(s->g), entry, err);
    }
    if (allowed == RG_TYPE_ANY) {
        const uint32_t any = rg_schema_common_rule(s, RG_COMMON_VALUE);
        *entry = rg_grammar_call(s->g, any, rg_grammar_end(s->g));
        return RG_OK;
    }
    for (unsigned type = 1; type <= RG_TYPE_OBJECT && status == RG_OK; type *= 2) {
        if ((allowed & type) != 0) {
            rg_way one = RG_WAY_NONE;
            RG_TRY(one_type(s, json, type, &one, err));
            *entry = rg_grammar_either(s->g, one, *entry);
        }
    }

done:
    return status;
}

rg_status rg_schema_rule(rg_schema *s, const rg_json *json, bool is_object, uint32_t *rule,
                         rg_error *err) {
    *rule = rg_schema_later(s, json, is_object);
    while (s->n_done < s->jobs.size / sizeof(rg_schema_job) && !rg_grammar_is_failed(s->g)) {
        const rg_schema_job job = jobs_of(s)[s->n_done++];
        rg_way entry = RG_WAY_NONE;
        const rg_status status = compile(s, job.json, job.is_object, &entry, err);
        if (status != RG_OK) {
            return status;
        }
        jobs_of(s)[s->n_done - 1].is_empty = entry == RG_WAY_NONE;
        rg_grammar_set(s->g, job.rule, entry);
    }
    return rg_buf_check(&s->jobs, "the schemas of a grammar", err);
}

rg_status rg_schema_grammar(const rg_mem *mem, const rg_json *json, rg_grammar **out,
                            rg_error *err) {
    rg_grammar *g = NULL;
    rg_schema *s = NULL;
    uint32_t rule = 0;
    uint32_t bad = UINT32_MAX;
    rg_status status = rg_grammar_new(mem, &g, err);
    if (status != RG_OK) {
        return status;
    }
    RG_TRY(rg_schema_new(g, json, &s, err));
    RG_TRY(rg_schema_rule(s, json, false, &rule, err));
    status = rg_grammar_finish(g, rule, &bad, err);
    if (status == RG_E_ARG) {
        rg_schema_blame(s, bad, err);
    }
    if (status == RG_OK) {
        *out = g;
        g = NULL;
    }

done:
    rg_schema_free(s);
    rg_grammar_free(g);
    return status;
}
