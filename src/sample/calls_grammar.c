#include "sample/calls_internal.h"

enum { MARKER_MAX = RG_CALLS_MARKER_MAX };

// bytes of the marker matched after one more byte, when `at` were before (Knuth, Morris, Pratt)
static size_t matched(rg_str marker, size_t at, uint8_t byte) {
    char seen[MARKER_MAX + 1];
    memcpy(seen, marker.data, at);
    seen[at++] = (char)byte;
    for (size_t n = at < marker.size ? at : marker.size; n > 0; n--) {
        if (memcmp(seen + at - n, marker.data, n) == 0) {
            return n;
        }
    }
    return 0;
}

void rg_calls_text_until(rg_grammar *g, rg_str marker, rg_way next, rg_way end,
                         rg_way entries[RG_CALLS_MARKER_MAX]) {
    for (size_t i = 0; i < marker.size; i++) {
        entries[i] = rg_grammar_hole(g);
    }
    for (size_t i = 0; i < marker.size && !rg_grammar_is_failed(g); i++) {
        rg_way node = end;
        for (size_t to = 0; to <= marker.size; to++) {
            rg_byte_set set = {{0}};
            for (unsigned b = 0; b < 256; b++) {
                if (matched(marker, i, (uint8_t)b) == to) {
                    rg_byte_set_add(&set, b, b);
                }
            }
            const rg_way target = to == marker.size ? next : entries[to];
            node = rg_grammar_either(g, rg_grammar_bytes(g, &set, target), node);
        }
        rg_grammar_fill(g, entries[i], node, RG_WAY_NONE);
    }
}

// White space, then the opening marker of reasoning (then `inside`) or any other text, which goes
// on where its bytes so far have brought it. The answer may end before, when end is a node.
static rg_way maybe_thought(rg_grammar *g, rg_str think, rg_way inside, rg_str open,
                            const rg_way *text, rg_way end) {
    rg_way next = inside;
    for (size_t i = think.size; i-- > 0 && !rg_grammar_is_failed(g);) {
        const uint8_t want = (uint8_t)think.data[i];
        size_t at = 0; // how far the bytes so far have come in the other marker
        for (size_t k = 0; k < i; k++) {
            at = matched(open, at, (uint8_t)think.data[k]);
        }
        rg_way node = rg_grammar_range(g, want, want, next);
        const rg_way loop = i == 0 ? rg_grammar_hole(g) : RG_WAY_NONE;
        if (i == 0) {
            rg_byte_set blank = {{0}};
            rg_byte_set_add(&blank, ' ', ' ');
            rg_byte_set_add(&blank, '\n', '\n');
            node = rg_grammar_either(g, node, rg_grammar_bytes(g, &blank, loop));
        }
        for (size_t to = 0; to < open.size; to++) {
            rg_byte_set set = {{0}};
            for (unsigned b = 0; b < 256; b++) {
                const bool is_taken = b == want || (i == 0 && (b == ' ' || b == '\n'));
                if (!is_taken && matched(open, at, (uint8_t)b) == to) {
                    rg_byte_set_add(&set, b, b);
                }
            }
            node = rg_grammar_either(g, rg_grammar_bytes(g, &set, text[to]), node);
        }
        node = rg_grammar_either(g, node, end);
        if (i == 0 && loop != RG_WAY_NONE) {
            rg_grammar_fill(g, loop, node, RG_WAY_NONE);
            node = loop;
        }
        next = node;
    }
    return next;
}

bool rg_calls_is_name(rg_str name) {
    bool is_good = name.size != 0 && name.size <= RG_CALLS_NAME_MAX;
    for (size_t i = 0; i < name.size && is_good; i++) {
        const char c = name.data[i];
        is_good = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                  (c != '\0' && strchr("_.:/-", c) != NULL);
    }
    return is_good;
}

static rg_status check_name(rg_str name, rg_error *err) {
    return rg_calls_is_name(name)
               ? RG_OK
               : rg_fail(
                     err, RG_E_ARG,
                     "a tool is named \"%.*s\": names have 1 to %d letters, digits and _ . : / -",
                     (int)(name.size > 64 ? 64 : name.size), name.data, RG_CALLS_NAME_MAX);
}

/** What becomes of one tool. */
typedef struct tool {
    rg_str name;
    const rg_json *parameters; // NULL: none
} tool;

static rg_status read_tool(const rg_json *json, tool *out, rg_error *err) {
    const rg_json *function = rg_json_find(json, "function");
    function = function == NULL ? json : function;
    out->name = (rg_str){0};
    (void)rg_json_str(rg_json_find(function, "name"), &out->name);
    out->parameters = rg_json_find(function, "parameters");
    if (out->parameters != NULL && out->parameters->kind == RG_JSON_NULL) {
        out->parameters = NULL;
    }
    return check_name(out->name, err);
}

// ":" and digits, then next
static rg_way number(rg_grammar *g, rg_way next) {
    const rg_way more = rg_grammar_hole(g);
    const rg_way first = rg_grammar_range(g, '0', '9', more);
    rg_grammar_fill(g, more, rg_grammar_either(g, rg_grammar_range(g, '0', '9', more), next),
                    RG_WAY_NONE);
    return rg_grammar_range(g, ':', ':', first);
}

// what follows the name: up to and with the arguments, then next
static rg_way behind_name(rg_grammar *g, const rg_calls_form *form, uint32_t arguments,
                          uint32_t space, rg_way next) {
    if (form != NULL) {
        const rg_way value = rg_grammar_call(g, arguments, rg_grammar_text(g, form->after, next));
        const rg_way middle = rg_grammar_text(g, form->middle, value);
        return form->has_number ? number(g, middle) : middle;
    }
    const rg_way close = rg_grammar_call(g, space, rg_grammar_range(g, '}', '}', next));
    const rg_way value = rg_grammar_call(g, space, rg_grammar_call(g, arguments, close));
    const rg_way key = rg_grammar_text(g, RG_STR("\"arguments\":"), value);
    return rg_grammar_text(g, RG_STR("\","), rg_grammar_call(g, space, key));
}

// the name of a tool, and what follows
static rg_status tool_word(rg_grammar *g, rg_schema *s, const tool *t, const rg_calls_form *form,
                           rg_way next, rg_grammar_word *out, uint32_t *arguments, rg_error *err) {
    static const rg_json nothing = {.kind = RG_JSON_BOOL};
    static const rg_str additional = {"additionalProperties", 20};
    static const rg_json empty = {
        .kind = RG_JSON_OBJECT, .n = 1, .items = &nothing, .keys = &additional};
    const rg_json *schema = t->parameters == NULL ? &empty : t->parameters;
    rg_schema_set_root(s, schema);
    const bool has_tags = form != NULL && form->key_open.size != 0;
    const rg_status status = has_tags ? rg_calls_tags(g, s, schema, form, arguments, err)
                                      : rg_schema_rule(s, schema, true, arguments, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "tool %.*s", (int)t->name.size, t->name.data);
        return status;
    }
    *out = (rg_grammar_word){t->name, behind_name(g, form, *arguments, rg_schema_space(s), next)};
    return RG_OK;
}

static rg_status calls_node(rg_grammar *g, const rg_calls_spec *spec, rg_way next, rg_way *out,
                            uint32_t *space, uint32_t *rules, rg_error *err) {
    const size_t n = spec->tools->n;
    rg_grammar_word *words = rg_new_array(rg_grammar_mem(g), n, sizeof *words);
    rg_schema *s = NULL;
    rg_status status = words == NULL ? rg_fail(err, RG_E_MEMORY, "no memory for %zu tools", n)
                                     : rg_schema_new(g, spec->tools, &s, err);
    if (status != RG_OK) {
        goto done;
    }
    *space = rg_schema_space(s);
    const rg_way marker = rg_grammar_text(g, spec->close, next);
    const rg_way close = spec->form != NULL ? marker : rg_grammar_call(g, *space, marker);
    for (size_t i = 0; i < n; i++) {
        tool t;
        RG_TRY(read_tool(&spec->tools->items[i], &t, err));
        for (size_t k = 0; k < i; k++) {
            if (rg_str_eq(words[k].text, t.name)) {
                status = rg_fail(err, RG_E_ARG, "two tools are named \"%.*s\"", (int)t.name.size,
                                 t.name.data);
                goto done;
            }
        }
        RG_TRY(tool_word(g, s, &t, spec->form, close, &words[i], &rules[i], err));
    }
    const rg_way names = rg_grammar_words(g, words, n);
    if (spec->form != NULL) {
        *out = rg_grammar_text(g, spec->form->before, names);
        goto done;
    }
    const rg_way value = rg_grammar_call(g, *space, rg_grammar_range(g, '"', '"', names));
    const rg_way key = rg_grammar_text(g, RG_STR("\"name\":"), value);
    *out =
        rg_grammar_call(g, *space, rg_grammar_range(g, '{', '{', rg_grammar_call(g, *space, key)));

done:
    rg_free(rg_grammar_mem(g), words);
    rg_schema_free(s);
    return status;
}

// @param rules  receives the rule of each tool's arguments
static rg_status build(rg_grammar *g, const rg_calls_spec *spec, uint32_t *rule, uint32_t *rules,
                       rg_error *err) {
    rg_way text[MARKER_MAX];
    rg_way thought[MARKER_MAX];
    rg_way body = RG_WAY_NONE;
    uint32_t space = 0;
    rg_status status = RG_OK;
    const rg_way end = rg_grammar_end(g);
    // after a call: another one, or the end
    const rg_way again = rg_grammar_hole(g);
    RG_TRY(calls_node(g, spec, again, &body, &space, rules, err));
    const rg_way open = rg_grammar_text(g, spec->open, body);
    const bool has_section = spec->section_open.size != 0;
    const rg_way last = has_section ? rg_grammar_text(g, spec->section_close, end) : end;
    rg_grammar_fill(g, again, rg_grammar_call(g, space, open), rg_grammar_call(g, space, last));
    // what ends the text: the first call, or what stands before all of them
    const rg_str begin = has_section ? spec->section_open : spec->open;
    body = has_section ? rg_grammar_call(g, space, open) : body;
    const bool is_free = spec->choice == RG_CALLS_FREE;
    const bool has_thought = spec->think_open.size != 0;
    rg_way entry = RG_WAY_NONE;
    if (is_free) {
        rg_calls_text_until(g, begin, body, end, text);
        entry = text[0];
    } else {
        // no words before the call, but the lines that models leave empty
        const rg_way call = rg_grammar_call(g, space, rg_grammar_text(g, begin, body));
        entry = rg_grammar_call(g, space, call);
    }
    if (has_thought) {
        rg_calls_text_until(g, spec->think_close, entry, RG_WAY_NONE, thought);
    }
    if (has_thought && spec->is_in_thought) {
        entry = thought[0];
    } else if (has_thought && is_free) {
        entry = maybe_thought(g, spec->think_open, thought[0], begin, text, end);
    } else if (has_thought) {
        const rg_way think = rg_grammar_text(g, spec->think_open, thought[0]);
        entry = rg_grammar_either(g, rg_grammar_call(g, space, think), entry);
    }
    *rule = rg_grammar_rule(g);
    rg_grammar_set(g, *rule, entry);

done:
    return status;
}

rg_status rg_calls_grammar(const rg_mem *mem, const rg_calls_spec *spec, rg_grammar **out,
                           rg_error *err) {
    rg_grammar *g = NULL;
    uint32_t *rules = NULL;
    uint32_t rule = 0;
    uint32_t bad = UINT32_MAX;
    if (spec->tools == NULL || spec->tools->kind != RG_JSON_ARRAY || spec->tools->n == 0 ||
        spec->tools->n > RG_CALLS_TOOLS_MAX) {
        return rg_fail(err, RG_E_ARG, "tools are a list of 1 to %d functions", RG_CALLS_TOOLS_MAX);
    }
    if ((spec->form != NULL && spec->form->value_close.size > MARKER_MAX) ||
        spec->open.size > MARKER_MAX || spec->section_open.size > MARKER_MAX ||
        spec->think_open.size > MARKER_MAX || spec->think_close.size > MARKER_MAX ||
        spec->open.size == 0) {
        return rg_fail(err, RG_E_INTERNAL, "a marker of a tool call is empty or too long");
    }
    rg_status status = rg_grammar_new(mem, &g, err);
    if (status != RG_OK) {
        return status;
    }
    rules = rg_new_array(mem, spec->tools->n, sizeof *rules);
    if (rules == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tools", spec->tools->n);
        goto done;
    }
    RG_TRY(build(g, spec, &rule, rules, err));
    RG_TRY(rg_grammar_finish(g, rule, &bad, err));
    for (size_t i = 0; i < spec->tools->n; i++) {
        if (!rg_grammar_is_possible(g, rules[i])) {
            status =
                rg_fail(err, RG_E_ARG,
                        "tool %zu: no arguments are valid by its parameters (unsatisfiable)", i);
            goto done;
        }
    }
    *out = g;
    g = NULL;

done:
    rg_free(mem, rules);
    rg_grammar_free(g);
    return status;
}
