/* Grammars over a model's vocabulary: which tokens there are, and which may come next. */
#include "api/api_internal.h"

#include "chat/dialect.h"
#include "sample/calls_grammar.h"
#include "sample/gbnf.h"
#include "sample/regex.h"
#include "sample/schema.h"

enum { TREE_BYTES_MAX = 256 << 20, TEXT_BYTES_MAX = 16 << 20 };

bool api_is_end(const raga_model *m, int32_t id) {
    for (size_t i = 0; i < m->n_ends; i++) {
        if (m->ends[i] == id) {
            return true;
        }
    }
    return m->tokenizer.tokenizer != NULL && rg_tokenizer_is_end(m->tokenizer.tokenizer, id);
}

rg_str api_token_text(const raga_model *m, int32_t id) {
    const rg_tokenizer *tok = m->tokenizer.tokenizer;
    const rg_token_type type = rg_tokenizer_type(tok, id);
    const rg_str bytes = rg_tokenizer_bytes(tok, id);
    const bool is_hidden = type == RG_TOKEN_UNUSED || api_is_end(m, id) ||
                           (type == RG_TOKEN_CONTROL && !rg_dialect_is_marker(bytes));
    return is_hidden || bytes.size > RG_TRIE_TOKEN_MAX ? (rg_str){0} : bytes;
}

static rg_status make_offer(const raga_model *m, api_offer **out, rg_error *err) {
    const size_t n = m->model->h.n_vocab;
    const size_t n_known = rg_tokenizer_vocab(m->tokenizer.tokenizer);
    rg_str *tokens = rg_new_array(rg_mem_heap(), n + 1, sizeof *tokens);
    api_offer *offer = rg_new(rg_mem_heap(), sizeof *offer);
    rg_status status = RG_OK;
    if (tokens == NULL || offer == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu tokens", n);
        goto done;
    }
    for (size_t i = 0; i < n && i < n_known; i++) {
        tokens[i] = api_token_text(m, (int32_t)i);
        if (api_is_end(m, (int32_t)i) && offer->n_ends < sizeof offer->ends / sizeof *offer->ends) {
            offer->ends[offer->n_ends++] = (int32_t)i;
        }
    }
    status = rg_vocab_trie_new(rg_mem_heap(), tokens, n, &offer->trie, err);
    if (status == RG_OK) {
        *out = offer;
        offer = NULL;
    }

done:
    rg_free(rg_mem_heap(), tokens);
    rg_free(rg_mem_heap(), offer);
    return status;
}

rg_status api_get_offer(raga_model *m, const api_offer **out, rg_error *err) {
    rg_status status = RG_OK;
    if (m->tokenizer.tokenizer == NULL) {
        return rg_fail(err, RG_E_ARG, "this model has no tokenizer, so no grammar can hold it");
    }
    pthread_mutex_lock(&m->offer_lock);
    if (m->offer == NULL) {
        status = make_offer(m, &m->offer, err);
    }
    *out = m->offer;
    pthread_mutex_unlock(&m->offer_lock);
    return status;
}

void api_free_offer(api_offer *offer) {
    if (offer != NULL) {
        rg_vocab_trie_free(offer->trie);
        rg_free(rg_mem_heap(), offer);
    }
}

// ---- drawing ----

void api_grammar_begin(raga_grammar *g) {
    rg_matcher_reset(g->matcher);
}

// the likeliest token is looked at alone first: mostly it may come, and no mask is needed
static rg_status draw_likeliest(raga_grammar *g, const raga_model *m, rg_sampler *sampler,
                                const float *logits, int32_t *id, bool *is_fine, rg_error *err) {
    const rg_status status = rg_sampler_draw(sampler, logits, NULL, id, err);
    if (status == RG_OK) {
        const rg_str text = api_token_text(m, *id);
        *is_fine = api_is_end(m, *id) ? rg_matcher_can_end(g->matcher)
                                      : text.size != 0 && rg_matcher_allows(g->matcher, text);
    }
    return status;
}

rg_status api_grammar_draw(raga_grammar *g, const raga_model *m, rg_sampler *sampler,
                           const float *logits, int32_t *id, rg_error *err) {
    const uint64_t *bits = NULL;
    size_t n_set = 0;
    bool is_fine = false;
    rg_status status = RG_OK;
    if (rg_sampler_is_greedy(sampler)) {
        RG_TRY(draw_likeliest(g, m, sampler, logits, id, &is_fine, err));
        if (is_fine) {
            return RG_OK;
        }
    }
    RG_TRY(rg_matcher_mask(g->matcher, &bits, &n_set, err));
    memcpy(g->allowed, bits, (g->offer->trie->n_tokens + 63) / 64 * sizeof *bits);
    if (rg_matcher_can_end(g->matcher)) {
        for (size_t i = 0; i < g->offer->n_ends; i++) {
            g->allowed[g->offer->ends[i] / 64] |= 1ull << (g->offer->ends[i] % 64);
        }
        n_set += g->offer->n_ends;
        if (n_set == 0) {
            *id = -1;
            return RG_OK;
        }
    }
    if (n_set == 0) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "no token of this vocabulary goes on from here under the grammar");
    }
    status = rg_sampler_draw(sampler, logits, g->allowed, id, err);

done:
    return status;
}

rg_status api_grammar_accept(raga_grammar *g, const raga_model *m, int32_t id, rg_error *err) {
    return api_is_end(m, id) ? RG_OK : rg_matcher_advance(g->matcher, api_token_text(m, id), err);
}

// ---- making them ----

// @param grammar  taken, also on failure
static rg_status new_grammar(raga_model *m, rg_grammar *grammar, raga_grammar **out,
                             rg_error *err) {
    const api_offer *offer = NULL;
    raga_grammar *g = NULL;
    rg_status status = RG_OK;
    RG_TRY(api_get_offer(m, &offer, err));
    g = rg_new(rg_mem_heap(), sizeof *g);
    if (g == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a grammar");
        goto done;
    }
    g->offer = offer;
    g->grammar = grammar;
    grammar = NULL;
    g->allowed = rg_new_array(rg_mem_heap(), offer->trie->n_tokens / 64 + 1, sizeof *g->allowed);
    if (g->allowed == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a grammar");
        goto done;
    }
    RG_TRY(rg_matcher_new(rg_mem_heap(), g->grammar, offer->trie, &g->matcher, err));
    *out = g;
    g = NULL;

done:
    rg_grammar_free(grammar);
    raga_grammar_free(g);
    return status;
}

void raga_grammar_free(raga_grammar *g) {
    if (g != NULL) {
        rg_matcher_free(g->matcher);
        rg_grammar_free(g->grammar);
        rg_free(rg_mem_heap(), g->allowed);
        rg_free(rg_mem_heap(), g);
    }
}

static rg_status parse(rg_arena *arena, const char *text, size_t size, size_t most,
                       const rg_json **out, rg_error *err) {
    if (size > most) {
        return rg_fail(err, RG_E_LIMIT, "%zu bytes of JSON, limit %zu", size, most);
    }
    return rg_json_parse(arena, (rg_str){text, size}, out, err);
}

raga_status raga_grammar_of_schema(raga_model *m, const char *schema, size_t size,
                                   raga_grammar **out, raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    const rg_json *json = NULL;
    rg_grammar *grammar = NULL;
    rg_status status = RG_OK;
    if (m == NULL || schema == NULL || out == NULL) {
        return api_bad(error, "no model, no schema or no place for the grammar");
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    status = parse(&arena, schema, size, RG_SCHEMA_BYTES_MAX, &json, &err);
    if (status != RG_OK) {
        rg_error_prefix(&err, "schema");
        goto done;
    }
    RG_TRY(rg_schema_grammar(rg_mem_heap(), json, &grammar, &err));
    status = new_grammar(m, grammar, out, &err);

done:
    rg_arena_clear(&arena);
    return api_fail(error, status, &err);
}

typedef rg_status compile_fn(const rg_mem *mem, rg_str text, rg_grammar **out, rg_error *err);

static raga_status compile(raga_model *m, const char *text, size_t size, compile_fn *fn,
                           raga_grammar **out, raga_error *error) {
    rg_error err = {0};
    rg_grammar *grammar = NULL;
    if (m == NULL || text == NULL || out == NULL) {
        return api_bad(error, "no model, no text or no place for the grammar");
    }
    rg_status status = fn(rg_mem_heap(), (rg_str){text, size}, &grammar, &err);
    if (status == RG_OK) {
        status = new_grammar(m, grammar, out, &err);
    }
    return api_fail(error, status, &err);
}

raga_status raga_grammar_of_gbnf(raga_model *m, const char *text, size_t size, raga_grammar **out,
                                 raga_error *error) {
    return compile(m, text, size, rg_gbnf_grammar, out, error);
}

raga_status raga_grammar_of_regex(raga_model *m, const char *text, size_t size, raga_grammar **out,
                                  raga_error *error) {
    return compile(m, text, size, rg_regex_grammar, out, error);
}

// the tool of a name in a list; NULL: there is none
static const rg_json *find_tool(const rg_json *tools, rg_str name) {
    for (size_t i = 0; tools->kind == RG_JSON_ARRAY && i < tools->n; i++) {
        const rg_json *tool = &tools->items[i];
        const rg_json *function = rg_json_find(tool, "function");
        rg_str own = {0};
        if (rg_json_str(rg_json_find(function == NULL ? tool : function, "name"), &own) &&
            rg_str_eq(own, name)) {
            return tool;
        }
    }
    return NULL;
}

rg_status api_grammar_of_tools(raga_model *m, const rg_json *tools,
                               const raga_calls_options *options, raga_grammar **out,
                               rg_error *err) {
    const rg_dialect *d = api_dialect(m);
    rg_json only = {.kind = RG_JSON_ARRAY, .n = 1};
    if (options->tool != NULL) {
        only.items = find_tool(tools, rg_str_of(options->tool));
        if (only.items == NULL) {
            return rg_fail(err, RG_E_ARG, "there is no tool \"%.64s\" to be called", options->tool);
        }
        tools = &only;
    }
    if (!d->is_held) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "calls of the dialect %s cannot be held to a grammar yet", d->name);
    }
    rg_grammar *grammar = NULL;
    const rg_calls_form form = {.before = d->before_name,
                                .middle = d->before_args,
                                .after = d->after_args,
                                .has_number = d->is_numbered,
                                .key_open = d->key_open,
                                .text_open = d->text_open,
                                .data_open = d->data_open,
                                .value_close = d->value_close};
    const bool has_form = d->before_args.size != 0;
    const rg_calls_spec spec = {
        .open = d->call_open[0],
        .close = d->call_close[0],
        .section_open = d->section_open,
        .section_close = d->section_close,
        .form = has_form ? &form : NULL,
        .think_open = d->think_open,
        .think_close = d->think_close,
        .is_in_thought = options->is_in_thought,
        .tools = tools,
        .choice = options->is_required || options->tool != NULL ? RG_CALLS_REQUIRED : RG_CALLS_FREE,
    };
    const rg_status status = rg_calls_grammar(rg_mem_heap(), &spec, &grammar, err);
    return status == RG_OK ? new_grammar(m, grammar, out, err) : status;
}

raga_status raga_grammar_of_tools(raga_model *m, const char *tools, size_t size,
                                  const raga_calls_options *options, raga_grammar **out,
                                  raga_error *error) {
    rg_error err = {0};
    rg_arena arena;
    const rg_json *json = NULL;
    raga_calls_options o = {0};
    rg_status status = RG_OK;
    if (m == NULL || tools == NULL || out == NULL) {
        return api_bad(error, "no model, no tools or no place for the grammar");
    }
    if (options != NULL) {
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    status = parse(&arena, tools, size, TEXT_BYTES_MAX, &json, &err);
    if (status == RG_OK) {
        status = api_grammar_of_tools(m, json, &o, out, &err);
    } else {
        rg_error_prefix(&err, "tools");
    }
    rg_arena_clear(&arena);
    return api_fail(error, status, &err);
}
