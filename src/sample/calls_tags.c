/* Arguments as tags, one each: bare text where the schema says "string", else JSON. */
#include "sample/calls_internal.h"

// keywords that ask nothing of a text
static bool is_idle(rg_str keyword) {
    static const char *const idle[] = {"type",    "enum",     "description", "title",
                                       "default", "examples", "format",      "deprecated"};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) {
        if (rg_str_is(keyword, idle[i])) {
            return true;
        }
    }
    return false;
}

// one of the texts of an "enum", each as it is
static rg_status choices(rg_grammar *g, rg_str key, const rg_json *texts, rg_way next, rg_way *out,
                         rg_error *err) {
    rg_grammar_word *words = rg_new_array(rg_grammar_mem(g), texts->n + 1, sizeof *words);
    rg_status status =
        words == NULL ? rg_fail(err, RG_E_MEMORY, "no memory for %zu choices", texts->n) : RG_OK;
    for (size_t i = 0; status == RG_OK && i < texts->n; i++) {
        words[i].next = next;
        if (!rg_json_str(&texts->items[i], &words[i].text)) {
            status = rg_fail(err, RG_E_ARG, "argument %.*s: \"enum\" has what is no string",
                             RG_FMT(key));
        }
    }
    if (status == RG_OK) {
        *out = rg_grammar_words(g, words, texts->n);
    }
    rg_free(rg_grammar_mem(g), words);
    return status;
}

static rg_status value(rg_grammar *g, rg_schema *s, rg_str key, const rg_json *schema,
                       const rg_calls_form *form, rg_way next, rg_way *out, rg_error *err) {
    rg_str type = RG_STR("");
    rg_status status = RG_OK;
    rg_way inside = RG_WAY_NONE;
    uint32_t rule = 0;
    const bool is_text =
        rg_json_str(rg_json_find(schema, "type"), &type) && rg_str_is(type, "string");
    const rg_json *texts = rg_json_find(schema, "enum");
    for (size_t i = 0; is_text && i < schema->n; i++) {
        if (!is_idle(schema->keys[i])) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "argument %.*s: \"%.*s\" cannot be enforced on bare text, which this "
                           "model writes",
                           RG_FMT(key), RG_FMT(schema->keys[i]));
        }
    }
    if (is_text && texts != NULL && texts->kind == RG_JSON_ARRAY) {
        status = choices(g, key, texts, rg_grammar_text(g, form->value_close, next), &inside, err);
    } else if (is_text) {
        rg_way entries[RG_CALLS_MARKER_MAX];
        rg_calls_text_until(g, form->value_close, next, RG_WAY_NONE, entries);
        inside = entries[0];
    } else {
        status = rg_schema_rule(s, schema, false, &rule, err);
        inside = rg_grammar_call(g, rule, rg_grammar_text(g, form->value_close, next));
    }
    *out = rg_grammar_text(g, is_text ? form->text_open : form->data_open, inside);
    return status;
}

static bool is_required(const rg_json *schema, rg_str key) {
    const rg_json *names = rg_json_find(schema, "required");
    for (size_t i = 0; names != NULL && names->kind == RG_JSON_ARRAY && i < names->n; i++) {
        rg_str name = {0};
        if (rg_json_str(&names->items[i], &name) && rg_str_eq(name, key)) {
            return true;
        }
    }
    return false;
}

rg_status rg_calls_tags(rg_grammar *g, rg_schema *s, const rg_json *schema,
                        const rg_calls_form *form, uint32_t *rule, rg_error *err) {
    const rg_json *properties = rg_json_find(schema, "properties");
    const size_t n = properties == NULL || properties->kind != RG_JSON_OBJECT ? 0 : properties->n;
    rg_way next = rg_grammar_end(g);
    *rule = rg_grammar_rule(g);
    for (size_t i = n; i-- > 0;) {
        const rg_str key = properties->keys[i];
        rg_way inside = RG_WAY_NONE;
        if (!rg_calls_is_name(key)) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "an argument is named \"%.*s\", which this model cannot write",
                           (int)(key.size > 64 ? 64 : key.size), key.data);
        }
        const rg_status status = value(g, s, key, &properties->items[i], form, next, &inside, err);
        if (status != RG_OK) {
            return status;
        }
        const rg_way tag = rg_grammar_text(g, form->key_open, rg_grammar_text(g, key, inside));
        next = is_required(schema, key) ? tag : rg_grammar_either(g, tag, next);
    }
    rg_grammar_set(g, *rule, next);
    return RG_OK;
}
