#include "body/skill.h"

#include "format/json.h"

#include <math.h>

enum {
    TREE_BYTES = 128 * RG_SKILL_CALL_BYTES_MAX,
    SHOWN_BYTES = 64, // of a bad name or number, in the sentence about it
};

// the schemas are a fixed agreement with models trained on them: words and order stay as they are
// clang-format off
static const rg_skill skills[] = {
    {RG_SKILL_WALK, "walk",
     "Walk straight along the body's own x axis. Positive is forward, negative is backward.", 2,
     {{"distance", "metres, forward positive", .is_required = true, .min = -100, .max = 100},
      {"speed", "metres per second, always positive", .states_min = true, .excludes_least = true,
       .min = 0, .max = 10, .preset = 0.5}}},
    {RG_SKILL_SIDESTEP, "sidestep", "Step sideways without turning.", 1,
     {{"distance", "metres, left positive", .is_required = true, .min = -100, .max = 100}}},
    {RG_SKILL_TURN, "turn", "Turn on the spot.", 1,
     {{"angle", "degrees, left (counterclockwise) positive", .is_required = true, .min = -3600, .max = 3600}}},
    {RG_SKILL_GO_TO, "go_to", "Go to a point of the world frame. The start is (0, 0).", 2,
     {{"x", "metres", .is_required = true, .min = -1000, .max = 1000},
      {"y", "metres", .is_required = true, .min = -1000, .max = 1000}}},
    {RG_SKILL_APPROACH, "approach", "Search for a named object, go to it and stop in front of it.", 2,
     {{"object", "English, lower case, such as red ball", .is_text = true, .is_required = true},
      {"distance", "metres to keep from the object", .states_min = true, .min = 0, .max = 100, .preset = 0.5}}},
    {RG_SKILL_LOOK, "look", "Look around. Returns the objects seen: name, x, y, distance, bearing.", 0, {{0}}},
    {RG_SKILL_WAIT, "wait", "Stay as you are for a time.", 1,
     {{"seconds", "seconds", .is_required = true, .states_min = true, .min = 0, .max = 3600}}},
    {RG_SKILL_STAND, "stand", "Stand up.", 0, {{0}}},
    {RG_SKILL_SIT, "sit", "Sit down.", 0, {{0}}},
    {RG_SKILL_STOP, "stop", "Stop all motion at once.", 0, {{0}}},
    {RG_SKILL_STATUS, "status", "Report position, heading, energy used and whether the robot has fallen.", 0, {{0}}},
};
// clang-format on
_Static_assert(sizeof skills / sizeof *skills == RG_SKILL_COUNT, "a row for each skill");

const rg_skill *rg_skill_get(rg_skill_id id) {
    return &skills[id];
}

const rg_skill *rg_skill_find(rg_str name) {
    for (size_t i = 0; i < RG_SKILL_COUNT; i++) {
        if (rg_str_is(name, skills[i].name)) {
            return &skills[i];
        }
    }
    return NULL;
}

const char *rg_skill_system_prompt(void) {
    return "You are raga, a four-legged robot. Turn what the user asks into tool calls, in the "
           "order asked, in one reply. Axes: x forward, y left; metres, seconds, degrees; left is "
           "positive. When a tool result or earlier talk already holds the answer, answer briefly "
           "in the user's language. Decline in the user's language what you cannot do or what "
           "could hurt someone or damage something, and call nothing then.";
}

// ---- schemas ----

static void write_arg(rg_buf *out, const rg_skill_arg *a) {
    rg_buf_json(out, rg_str_of(a->name));
    rg_buf_format(out, ": {\"type\": \"%s\", ", a->is_text ? "string" : "number");
    if (a->states_min) {
        rg_buf_format(out, "\"%s\": %g, ", a->excludes_least ? "exclusiveMinimum" : "minimum",
                      a->min);
    }
    if (!a->is_required) {
        rg_buf_format(out, "\"default\": %g, ", a->preset);
    }
    rg_buf_str(out, RG_STR("\"description\": "));
    rg_buf_json(out, rg_str_of(a->description));
    rg_buf_char(out, '}');
}

static void write_tool(rg_buf *out, const rg_skill *s) {
    rg_buf_str(out, RG_STR("{\"type\": \"function\", \"function\": {\"name\": "));
    rg_buf_json(out, rg_str_of(s->name));
    rg_buf_str(out, RG_STR(", \"description\": "));
    rg_buf_json(out, rg_str_of(s->description));
    rg_buf_str(out, RG_STR(", \"parameters\": {\"type\": \"object\", \"properties\": {"));
    bool has_required = false;
    for (size_t i = 0; i < s->n_args; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(", "));
        write_arg(out, &s->args[i]);
        has_required = has_required || s->args[i].is_required;
    }
    rg_buf_char(out, '}');
    if (has_required) {
        rg_buf_str(out, RG_STR(", \"required\": ["));
        bool is_first = true;
        for (size_t i = 0; i < s->n_args; i++) {
            if (s->args[i].is_required) {
                rg_buf_str(out, is_first ? RG_STR("") : RG_STR(", "));
                rg_buf_json(out, rg_str_of(s->args[i].name));
                is_first = false;
            }
        }
        rg_buf_char(out, ']');
    }
    rg_buf_str(out, RG_STR(", \"additionalProperties\": false}}}"));
}

void rg_skill_write_tools(rg_buf *out) {
    rg_buf_char(out, '[');
    for (size_t i = 0; i < RG_SKILL_COUNT; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(", "));
        write_tool(out, &skills[i]);
    }
    rg_buf_char(out, ']');
}

// ---- calls ----

static rg_status read_number(const rg_skill *s, const rg_skill_arg *a, const rg_json *json,
                             double *out, rg_error *err) {
    double value = 0;
    if (json->kind != RG_JSON_NUMBER) {
        return rg_fail(err, RG_E_ARG, "%s: %s must be a number", s->name, a->name);
    }
    if (!rg_json_f64(json, &value) || !isfinite(value) || value < a->min || value > a->max ||
        (a->excludes_least && value == a->min)) {
        const rg_str shown = rg_str_slice(json->text, 0, SHOWN_BYTES);
        return rg_fail(err, RG_E_ARG, "%s: %s is %.*s, valid are %g%s to %g", s->name, a->name,
                       RG_FMT(shown), a->min, a->excludes_least ? " (itself not)" : "", a->max);
    }
    *out = value;
    return RG_OK;
}

static rg_status read_text(const rg_skill *s, const rg_skill_arg *a, const rg_json *json, char *out,
                           rg_error *err) {
    if (json->kind != RG_JSON_STRING) {
        return rg_fail(err, RG_E_ARG, "%s: %s must be a text", s->name, a->name);
    }
    if (json->text.size == 0 || json->text.size >= RG_SKILL_OBJECT_MAX ||
        memchr(json->text.data, 0, json->text.size) != NULL) {
        return rg_fail(err, RG_E_ARG, "%s: %s has %zu bytes, valid are names of 1 to %d", s->name,
                       a->name, json->text.size, RG_SKILL_OBJECT_MAX - 1);
    }
    memcpy(out, json->text.data, json->text.size);
    out[json->text.size] = '\0';
    return RG_OK;
}

static rg_status read_args(const rg_json *json, rg_skill_call *call, rg_error *err) {
    const rg_skill *s = call->skill;
    // nothing that the skill does not know
    for (size_t i = 0; i < json->n; i++) {
        bool is_known = false;
        for (size_t j = 0; j < s->n_args; j++) {
            is_known = is_known || rg_str_is(json->keys[i], s->args[j].name);
        }
        if (!is_known) {
            const rg_str shown = rg_str_slice(json->keys[i], 0, SHOWN_BYTES);
            return rg_fail(err, RG_E_ARG, "%s: there is no argument \"%.*s\"", s->name,
                           RG_FMT(shown));
        }
    }
    for (size_t i = 0; i < s->n_args; i++) {
        const rg_skill_arg *a = &s->args[i];
        const rg_json *value = rg_json_find(json, a->name);
        call->numbers[i] = a->preset;
        if (value == NULL && a->is_required) {
            return rg_fail(err, RG_E_ARG, "%s: the argument %s is missing", s->name, a->name);
        }
        if (value != NULL) {
            const rg_status status = a->is_text ? read_text(s, a, value, call->object, err)
                                                : read_number(s, a, value, &call->numbers[i], err);
            if (status != RG_OK) {
                return status;
            }
        }
    }
    return RG_OK;
}

rg_status rg_skill_read(const rg_mem *mem, rg_str name, rg_str args, rg_skill_call *out,
                        rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    rg_skill_call call = {.skill = rg_skill_find(name)};
    const rg_json *json = NULL;
    rg_arena_init(&arena, mem, TREE_BYTES);
    if (call.skill == NULL) {
        const rg_str shown = rg_str_slice(name, 0, SHOWN_BYTES);
        status = rg_fail(err, RG_E_NOT_FOUND, "there is no skill \"%.*s\"", RG_FMT(shown));
        goto done;
    }
    if (args.size > RG_SKILL_CALL_BYTES_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "%s: the arguments have %zu bytes, at most %d",
                         call.skill->name, args.size, RG_SKILL_CALL_BYTES_MAX);
        goto done;
    }
    status = rg_json_parse(&arena, args.size == 0 ? RG_STR("{}") : args, &json, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "%s: the arguments", call.skill->name);
        goto done;
    }
    if (json->kind != RG_JSON_OBJECT) {
        status =
            rg_fail(err, RG_E_ARG, "%s: the arguments must be a JSON object", call.skill->name);
        goto done;
    }
    RG_TRY(read_args(json, &call, err));
    *out = call;

done:
    rg_arena_clear(&arena);
    return status;
}
