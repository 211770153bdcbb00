#include "chat/jinja_run.h"

#include "base/clock.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

rg_status rg_template_clock_parse(rg_str text, rg_template_clock *out, rg_error *err) {
    int part[6] = {0};
    static const char form[] = "0000-00-00T00:00:00Z";
    bool is_fine = text.size == sizeof form - 1;
    for (size_t i = 0, k = 0; is_fine && i < text.size; i++) {
        if (form[i] == '0') {
            is_fine = text.data[i] >= '0' && text.data[i] <= '9';
            part[k] = part[k] * 10 + (text.data[i] - '0');
        } else {
            is_fine = text.data[i] == form[i];
            k++;
        }
    }
    is_fine = is_fine && part[0] >= 1 && part[1] >= 1 && part[1] <= 12 && part[2] >= 1 &&
              part[2] <= 31 && part[3] <= 23 && part[4] <= 59 && part[5] <= 60;
    if (!is_fine) {
        return rg_fail(err, RG_E_ARG, "'%.*s' is no time like 2026-01-15T09:05:07Z", RG_FMT(text));
    }
    struct tm parts = {.tm_year = part[0] - 1900,
                       .tm_mon = part[1] - 1,
                       .tm_mday = part[2],
                       .tm_hour = part[3],
                       .tm_min = part[4],
                       .tm_sec = part[5]};
    *out = (rg_template_clock){.is_fixed = true, .unix_s = (int64_t)timegm(&parts)};
    return RG_OK;
}

static rg_template_limits with_defaults(const rg_template_limits *given) {
    rg_template_limits limits = given == NULL ? (rg_template_limits){0} : *given;
    limits.steps = limits.steps == 0 ? RG_TEMPLATE_STEPS_MAX : limits.steps;
    limits.output_bytes =
        limits.output_bytes == 0 ? RG_TEMPLATE_OUTPUT_BYTES_MAX : limits.output_bytes;
    limits.memory_bytes =
        limits.memory_bytes == 0 ? RG_TEMPLATE_MEMORY_BYTES_MAX : limits.memory_bytes;
    limits.depth = limits.depth == 0 ? RG_TEMPLATE_DEPTH_MAX : limits.depth;
    limits.time_ms = limits.time_ms == 0 ? RG_TEMPLATE_TIME_MS_MAX : limits.time_ms;
    return limits;
}

/* Templates build headers of roles ('<|' + role + '|>'), so these words are as good as their own.
 */
static bool is_usual_role(rg_str role) {
    static const char *const roles[] = {"system", "developer", "user",    "assistant",  "model",
                                        "tool",   "function",  "ipython", "observation"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (rg_str_is(role, roles[i])) {
            return true;
        }
    }
    return false;
}

static rg_jval message_value(rg_jrun *run, const rg_json *message, uint8_t origin) {
    const rg_jval value = rg_jval_from_json(run, message, origin);
    rg_str role = {0};
    if (value.kind == RG_J_DICT && rg_json_str(rg_json_find(message, "role"), &role) &&
        is_usual_role(role)) {
        rg_jdict_set(run, value.dict, rg_jtext(rg_jstr_view(run, RG_STR("role"), origin)),
                     rg_jtext(rg_jstr_view(run, role, 0)));
    }
    return value;
}

static rg_jval value_of(rg_jrun *run, const rg_template_var *var) {
    const uint8_t origin = var->is_trusted ? 0 : 1;
    if ((var->sources == NULL && !var->has_roles) || var->json == NULL ||
        var->json->kind != RG_JSON_ARRAY) {
        return rg_jval_from_json(run, var->json, origin);
    }
    rg_jlist *list = rg_jlist_new(run, var->json->n);
    for (size_t i = 0; i < var->json->n && !rg_jfailed(run); i++) {
        const uint8_t source = var->sources == NULL ? origin : var->sources[i];
        const rg_json *item = &var->json->items[i];
        rg_jlist_push(run, list,
                      var->has_roles ? message_value(run, item, source)
                                     : rg_jval_from_json(run, item, source));
    }
    return rg_jseq(RG_J_LIST, list);
}

/* The variables that the template names, as values. */
static void load_context(rg_jrun *run, const rg_template_context *context) {
    const rg_template *tmpl = run->tmpl;
    run->globals = rg_jalloc(run, tmpl->n_names * sizeof *run->globals);
    for (size_t i = 0; i < context->n_vars && !rg_jfailed(run); i++) {
        const rg_template_var *var = &context->vars[i];
        for (size_t k = 0; k < tmpl->n_names; k++) {
            if (rg_str_eq(rg_jstr_str(tmpl->names[k]), var->name)) {
                run->globals[k] = value_of(run, var);
            }
        }
    }
}

/* The text and its runs, copied out of the arena. */
static rg_status take_output(const rg_jbuild *b, rg_rendered *out, rg_error *err) {
    size_t n_runs = b->size != 0;
    for (size_t i = 1; b->marks != NULL && i < b->size; i++) {
        n_runs += b->marks[i] != b->marks[i - 1];
    }
    char *text = rg_alloc(out->mem, b->size + 1);
    out->runs = rg_new_array(out->mem, n_runs, sizeof *out->runs);
    if (text == NULL || out->runs == NULL) {
        rg_free(out->mem, text);
        out->failure = RG_TEMPLATE_MEMORY;
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu bytes of rendered text", b->size);
    }
    if (b->size != 0) {
        memcpy(text, b->data, b->size);
    }
    text[b->size] = '\0';
    out->text = (rg_str){text, b->size};
    for (size_t i = 0; i < b->size;) {
        const uint8_t origin = b->marks == NULL ? b->origin : b->marks[i];
        const size_t next = b->marks == NULL ? b->size : rg_jmarks_end(b->marks, i, b->size);
        out->runs[out->n_runs++] =
            (rg_text_run){.begin = i, .end = next, .is_trusted = origin == 0, .source = origin};
        i = next;
    }
    return RG_OK;
}

static rg_status take_failure(rg_jrun *run, rg_rendered *out, rg_error *err) {
    out->failure = run->failure;
    if (err != NULL) {
        *err = run->error;
    }
    if (run->failure == RG_TEMPLATE_RAISED) {
        char *text = rg_alloc(out->mem, run->raised->size + 1);
        if (text == NULL) {
            out->failure = RG_TEMPLATE_MEMORY;
            return rg_fail(err, RG_E_MEMORY, "no memory for the template's message");
        }
        memcpy(text, run->raised->data, run->raised->size);
        text[run->raised->size] = '\0';
        out->raised = (rg_str){text, run->raised->size};
    }
    return run->status;
}

rg_status rg_template_render(const rg_template *tmpl, const rg_template_context *context,
                             const rg_template_limits *limits, rg_rendered *out, rg_error *err) {
    *out = (rg_rendered){.mem = tmpl->mem};
    rg_jrun run = {.tmpl = tmpl,
                   .clock = context->clock,
                   .limits = with_defaults(limits),
                   .start_ns = rg_clock_ns()};
    // keys of hostile objects must not be able to collide
    if (getrandom(&run.seed, sizeof run.seed, GRND_NONBLOCK) != (ssize_t)sizeof run.seed) {
        run.seed = run.start_ns * UINT64_C(0x9E3779B97F4A7C15);
    }
    rg_arena_init(&run.arena, tmpl->mem, run.limits.memory_bytes);
    load_context(&run, context);
    if (!rg_jfailed(&run)) {
        rg_jrun_all(&run);
    }
    const rg_status status =
        rg_jfailed(&run) ? take_failure(&run, out, err) : take_output(&run.outputs[0], out, err);
    rg_arena_clear(&run.arena);
    return status;
}

void rg_rendered_clear(rg_rendered *rendered) {
    if (rendered->mem != NULL) {
        rg_free(rendered->mem, (void *)rendered->text.data);
        rg_free(rendered->mem, (void *)rendered->raised.data);
        rg_free(rendered->mem, rendered->runs);
    }
    *rendered = (rg_rendered){0};
}
