#include "serve/openai.h"

#include <stdio.h>

// ---- fields that cannot be honoured ----

/** What must not be given, or only with the value that changes nothing. */
static const struct {
    const char *name;
    const char *why;
} refused[] = {
    {"functions", "use \"tools\""},
    {"function_call", "use \"tool_choice\""},
    {"audio", "answers are text"},
    {"lora", "adapters are chosen when the server starts"},
    {"suffix", "filling in the middle is not supported yet"},
    {"mirostat", "it is not supported"},
    {"dry_multiplier", "it is not supported"},
    {"xtc_probability", "it is not supported"},
    {"guided_choice", "use \"response_format\" with an enum"},
};

static bool changes_nothing(const rg_json *field) {
    double number = 1;
    return field == NULL || (rg_json_f64(field, &number) && number == 0) ||
           (field->kind == RG_JSON_BOOL && !field->is_true) ||
           ((field->kind == RG_JSON_STRING || field->kind == RG_JSON_ARRAY) &&
            field->text.size == 0 && field->n == 0);
}

bool rg_openai_refused(const rg_json *root, rg_fault *fault) {
    const rg_json *modalities = rg_field_find(root, "modalities");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (!changes_nothing(rg_field_find(root, refused[i].name))) {
            return rg_fault_set(fault, 400, refused[i].name, "\"%s\" cannot be honoured: %s",
                                refused[i].name, refused[i].why);
        }
    }
    for (size_t i = 0; modalities != NULL && i < modalities->n; i++) {
        if (modalities->kind == RG_JSON_ARRAY && !rg_str_is(modalities->items[i].text, "text")) {
            return rg_fault_set(fault, 400, "modalities", "answers are text, nothing else");
        }
    }
    return true;
}

// ---- sampling ----

static bool read_real(const rg_json *root, const char *name, double min, double max, float *out,
                      rg_fault *fault) {
    bool has = false;
    double value = 0;
    if (!rg_field_real(root, name, min, max, &has, &value, fault)) {
        return false;
    }
    *out = has ? (float)value : *out;
    return true;
}

static bool read_temperature(const rg_json *root, raga_generate_options *g, rg_fault *fault) {
    double value = 0;
    if (!rg_field_real(root, "temperature", 0, 100, &g->has_temperature, &value, fault)) {
        return false;
    }
    g->temperature = (float)value;
    return true;
}

// zero means default to the library, but "none of it" to clients
static bool read_filters(const rg_json *root, raga_generate_options *g, rg_fault *fault) {
    bool has_k = false, has_p = false, has_min = false;
    int64_t top_k = 0;
    double top_p = 0, min_p = 0;
    if (!rg_field_int(root, "top_k", -1, INT32_MAX, &has_k, &top_k, fault) ||
        !rg_field_real(root, "top_p", 0, 1, &has_p, &top_p, fault) ||
        !rg_field_real(root, "min_p", 0, 1, &has_min, &min_p, fault)) {
        return false;
    }
    g->top_k = !has_k ? 0 : top_k <= 0 ? -1 : (int32_t)top_k;
    g->top_p = !has_p ? 0 : top_p < 1e-6 ? 1e-6f : (float)top_p;
    g->min_p = !has_min ? 0 : min_p == 0 ? -1 : (float)min_p;
    return read_real(root, "typical_p", 0, 1, &g->typical_p, fault) &&
           read_real(root, "repeat_penalty", 0.01, 100, &g->repetition_penalty, fault) &&
           read_real(root, "repetition_penalty", 0.01, 100, &g->repetition_penalty, fault) &&
           read_real(root, "presence_penalty", -2, 2, &g->presence_penalty, fault) &&
           read_real(root, "frequency_penalty", -2, 2, &g->frequency_penalty, fault);
}

static bool read_counts(const rg_json *root, rg_job *job, rg_fault *fault) {
    static const char *const names[] = {"max_tokens", "max_completion_tokens"}; // the last one wins
    raga_generate_options *g = &job->generate;
    bool has = false;
    int64_t value = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!rg_field_int(root, names[i], 1, INT32_MAX, &has, &value, fault)) {
            return false;
        }
        g->max_tokens = has ? (size_t)value : g->max_tokens;
    }
    if (!rg_field_int(root, "n", 1, RG_JOB_CHOICES_MAX, &has, &value, fault)) {
        return false;
    }
    job->n_choices = has ? (size_t)value : 1;
    if (!rg_field_int(root, "seed", INT64_MIN, INT64_MAX, &g->has_seed, &value, fault)) {
        return false;
    }
    g->seed = g->has_seed ? (uint64_t)value : 0;
    return rg_field_bool(root, "ignore_eos", &g->ignore_end, fault);
}

static bool read_stops(const rg_json *root, rg_job *job, rg_fault *fault) {
    const rg_json *stop = rg_field_find(root, "stop");
    if (stop == NULL) {
        return true;
    }
    const size_t n = stop->kind == RG_JSON_ARRAY ? stop->n : 1;
    const rg_json *items = stop->kind == RG_JSON_ARRAY ? stop->items : stop;
    if (n > RG_OPENAI_STOPS_MAX) {
        return rg_fault_set(fault, 400, "stop", "%zu stop strings, at most %d", n,
                            RG_OPENAI_STOPS_MAX);
    }
    const char **texts = rg_arena_alloc(&job->arena, (n + 1) * sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        rg_str text = {0};
        if (!rg_json_str(&items[i], &text) || text.size == 0 ||
            memchr(text.data, '\0', text.size) != NULL) {
            return rg_fault_set(fault, 400, "stop",
                                "\"stop\" is a text that is not empty, or a list of such");
        }
        if (texts != NULL) {
            texts[i] = rg_arena_copy(&job->arena, text.data, text.size);
        }
        if (texts == NULL || texts[i] == NULL) {
            return rg_fault_set(fault, 500, NULL, "no memory for stop strings");
        }
    }
    job->generate.stop = texts;
    job->generate.n_stop = n;
    return true;
}

static bool is_digits(rg_str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.size != 0 && text.size < 12;
}

static bool bad_bias(rg_fault *fault, size_t n_vocab) {
    return rg_fault_set(fault, 400, "logit_bias",
                        "\"logit_bias\" is an object of tokens (\"0\" to \"%zu\") and numbers from "
                        "-100 to 100",
                        n_vocab - 1);
}

static bool read_bias(const raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    const rg_json *map = NULL;
    const size_t n_vocab = s->facts.n_vocab;
    if (!rg_field_of(root, "logit_bias", RG_JSON_OBJECT, &map, fault)) {
        return false;
    }
    if (map == NULL || map->n == 0) {
        return true;
    }
    if (map->n > n_vocab) {
        return bad_bias(fault, n_vocab);
    }
    raga_bias *bias = rg_arena_alloc(&job->arena, map->n * sizeof *bias);
    if (bias == NULL) {
        return rg_fault_set(fault, 500, NULL, "no memory for a logit bias");
    }
    for (size_t i = 0; i < map->n; i++) {
        const rg_json id = {.kind = RG_JSON_NUMBER, .text = map->keys[i]};
        int64_t token = -1;
        double value = 0;
        if (!is_digits(id.text) || !rg_json_i64(&id, &token) || token < 0 ||
            (size_t)token >= n_vocab || !rg_json_f64(&map->items[i], &value) ||
            !(value >= -100 && value <= 100)) {
            return bad_bias(fault, n_vocab);
        }
        bias[i] = (raga_bias){(int32_t)token, (float)value};
    }
    job->generate.bias = bias;
    job->generate.n_bias = map->n;
    return true;
}

bool rg_openai_sampling(raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    return read_temperature(root, &job->generate, fault) &&
           read_filters(root, &job->generate, fault) && read_counts(root, job, fault) &&
           read_stops(root, job, fault) && read_bias(s, root, job, fault) &&
           rg_field_bool(root, "stream", &job->is_stream, fault);
}

// ---- what an answer is held to ----

static bool hold_to_schema(raga_server *s, const rg_json *schema, const char *name, rg_job *job,
                           rg_fault *fault) {
    raga_error err = {0};
    rg_buf text;
    rg_buf_init(&text, s->mem, 0);
    rg_json_write(&text, schema);
    const raga_status status = raga_grammar_of_schema(s->model, rg_buf_cstr(&text), text.size,
                                                      &job->generate.grammar, &err);
    rg_buf_clear(&text);
    return status == RAGA_OK || rg_fault_of(fault, name, &err);
}

// the three shapes that clients send a schema in; NULL: any object
static bool find_schema(const rg_json *format, const rg_json **schema, rg_fault *fault) {
    const rg_json *inner = rg_field_find(format, "json_schema");
    *schema = rg_field_find(inner, "schema");
    if (*schema == NULL) {
        *schema = rg_field_find(format, "schema");
    }
    const rg_json *type = rg_field_find(format, "type");
    return *schema != NULL || (type != NULL && rg_str_is(type->text, "json_object")) ||
           rg_fault_set(fault, 400, "response_format",
                        "\"response_format\" has no \"json_schema\": {\"schema\": ..}");
}

static bool hold_to_format(raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    static const rg_str key = {"type", 4};
    static const rg_json word = {.kind = RG_JSON_STRING, .text = {"object", 6}};
    static const rg_json any = {.kind = RG_JSON_OBJECT, .n = 1, .keys = &key, .items = &word};
    const rg_json *format = NULL;
    const rg_json *schema = rg_field_find(root, "json_schema");
    rg_str type = {0};
    if (!rg_field_of(root, "response_format", RG_JSON_OBJECT, &format, fault)) {
        return false;
    }
    if (format == NULL) {
        return schema == NULL || hold_to_schema(s, schema, "json_schema", job, fault);
    }
    (void)rg_json_str(rg_field_find(format, "type"), &type);
    if (rg_str_is(type, "text")) {
        return true;
    }
    if (!rg_str_is(type, "json_object") && !rg_str_is(type, "json_schema")) {
        return rg_fault_set(fault, 400, "response_format",
                            "\"response_format\" is of none of the types text, json_object and "
                            "json_schema");
    }
    return find_schema(format, &schema, fault) &&
           hold_to_schema(s, schema == NULL ? &any : schema, "response_format", job, fault);
}

static bool hold_to_text(raga_server *s, const rg_json *root, const char *name, bool is_regex,
                         rg_job *job, rg_fault *fault) {
    raga_error err = {0};
    bool has = false;
    rg_str text = {0};
    if (!rg_field_text(root, name, &has, &text, fault)) {
        return false;
    }
    if (!has || text.size == 0) {
        return true;
    }
    if (job->generate.grammar != NULL) {
        return rg_fault_set(fault, 400, name, "an answer is held to one thing, not to \"%s\" too",
                            name);
    }
    const raga_status status =
        is_regex
            ? raga_grammar_of_regex(s->model, text.data, text.size, &job->generate.grammar, &err)
            : raga_grammar_of_gbnf(s->model, text.data, text.size, &job->generate.grammar, &err);
    return status == RAGA_OK || rg_fault_of(fault, name, &err);
}

static bool hold_to_tools(raga_server *s, const rg_conversation *c, rg_job *job, rg_fault *fault) {
    raga_error err = {0};
    const raga_calls_options options = {
        .size = sizeof options,
        .is_required = c->is_required,
        .is_in_thought = raga_model_is_in_thought(s->model, job->ids, job->n_ids),
        .tool = c->tool};
    if (job->generate.grammar != NULL) {
        return rg_fault_set(fault, 400, "response_format",
                            "an answer is held to tools or to a format, not to both: give "
                            "\"tool_choice\": \"none\" with the format");
    }
    if (raga_grammar_of_tools(s->model, c->tools, strlen(c->tools), &options,
                              &job->generate.grammar, &err) == RAGA_OK) {
        job->holds_calls = true;
        return true;
    }
    // what is only offered may be called freely, and is told when it is no call after all
    const bool is_needed = c->is_required || c->has_strict || err.status != RAGA_E_UNSUPPORTED;
    return !is_needed || rg_fault_of(fault, "tools", &err);
}

bool rg_openai_hold(raga_server *s, const rg_json *root, const rg_conversation *c, rg_job *job,
                    rg_fault *fault) {
    if (!hold_to_format(s, root, job, fault) ||
        !hold_to_text(s, root, "grammar", false, job, fault) ||
        !hold_to_text(s, root, "guided_regex", true, job, fault)) {
        return false;
    }
    job->generate.grammar_after_thought = job->generate.grammar != NULL;
    return c == NULL || c->tools == NULL || hold_to_tools(s, c, job, fault);
}

// ---- conversations ----

static bool read_prompt(raga_server *s, const rg_json *root, rg_conversation *c, rg_job *job,
                        rg_fault *fault) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    c->shelf = &s->shelf;
    c->owner = job->owner;
    if (!rg_conversation_read(c, root, fault)) {
        return false;
    }
    if (raga_chat_ids(s->model, rg_buf_cstr(&c->text), c->text.size, &ids, &n, &err) != RAGA_OK) {
        return rg_fault_of(fault, "messages", &err);
    }
    if (!rg_job_prompt(job, ids, n, fault)) {
        return false;
    }
    job->shelf = c->shelf;
    for (; job->n_pictures < c->n_pictures; job->n_pictures++) {
        job->seen[job->n_pictures] = c->pictures[job->n_pictures];
        job->pictures[job->n_pictures] = c->pictures[job->n_pictures]->picture;
    }
    c->n_pictures = 0;
    if (c->tools != NULL) {
        job->tools = rg_arena_copy(&job->arena, c->tools, strlen(c->tools));
        if (job->tools == NULL) {
            return rg_fault_set(fault, 500, NULL, "no memory for tools");
        }
    }
    if (c->prefill.size == 0) {
        return true;
    }
    // what an answer begins with is part of the prompt
    return raga_tokenize(raga_model_tokenizer(s->model), c->prefill.data, c->prefill.size,
                         RAGA_TOKENIZE_PLAIN, &ids, &n, &err) == RAGA_OK
               ? rg_job_prompt(job, ids, n, fault)
               : rg_fault_of(fault, "messages", &err);
}

bool rg_openai_prompt(raga_server *s, const rg_json *root, rg_conversation *conversation,
                      rg_job *job, rg_fault *fault) {
    rg_conversation own;
    rg_conversation *c = conversation == NULL ? &own : conversation;
    rg_conversation_init(c, s->model, &job->scratch);
    const bool is_fine = read_prompt(s, root, c, job, fault);
    if (conversation == NULL) {
        rg_conversation_clear(c);
    }
    return is_fine;
}

bool rg_openai_conversation(raga_server *s, const rg_json *root, rg_job *job, rg_fault *fault) {
    rg_conversation c;
    bool is_parallel = true;
    job->generate.has_markers = true;
    if (!rg_openai_sampling(s, root, job, fault) ||
        !rg_field_bool(root, "parallel_tool_calls", &is_parallel, fault)) {
        return false;
    }
    job->is_one_call = !is_parallel;
    const bool is_fine =
        rg_openai_prompt(s, root, &c, job, fault) && rg_openai_hold(s, root, &c, job, fault);
    rg_conversation_clear(&c);
    return is_fine;
}

bool rg_openai_translated(const rg_http_request *request, rg_translator *translate, rg_job *job,
                          const rg_json **out, rg_fault *fault) {
    const rg_json *root = NULL;
    rg_error err = {0};
    rg_buf text;
    rg_buf_init(&text, job->arena.mem, 0);
    bool is_fine =
        rg_serve_parse(request, &job->scratch, &root, fault) && translate(root, &text, fault);
    char *copy = is_fine ? rg_arena_copy(&job->scratch, text.data, text.size) : NULL;
    if (is_fine && copy == NULL) {
        is_fine = rg_fault_set(fault, 500, NULL, "no memory for the request");
    } else if (is_fine &&
               rg_json_parse(&job->scratch, (rg_str){copy, text.size}, out, &err) != RG_OK) {
        is_fine = rg_fault_set(fault, 400, NULL, "the request: %s", err.text);
    }
    rg_buf_clear(&text);
    return is_fine;
}
