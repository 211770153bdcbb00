/*
 * body/ moves things: robots behind one contract, the skills that a language model may call, limits
 * between any command and any motor. It relies on base/ and on format/ for JSON; it knows no model,
 * no tokenizer and no server.
 *
 * skill.h: the table of skills: names, arguments with their ranges, JSON schemas, and the reading
 * of a call's arguments, which are hostile. Axes as in REP-103: x forward, y left; metres, seconds;
 * angles in degrees for the language model, left positive.
 */
#pragma once

#include "base/buf.h"
#include "base/view.h"

#define RG_SKILL_ARGS_MAX       2
#define RG_SKILL_OBJECT_MAX     64        // bytes of an object's name, the end included
#define RG_SKILL_CALL_BYTES_MAX (1 << 16) // bytes of the arguments of one call

typedef enum rg_skill_id {
    RG_SKILL_WALK,
    RG_SKILL_SIDESTEP,
    RG_SKILL_TURN,
    RG_SKILL_GO_TO,
    RG_SKILL_APPROACH,
    RG_SKILL_LOOK,
    RG_SKILL_WAIT,
    RG_SKILL_STAND,
    RG_SKILL_SIT,
    RG_SKILL_STOP,
    RG_SKILL_STATUS,
    RG_SKILL_COUNT
} rg_skill_id;

/** One argument. A schema states what a model must know: the lower bound where there is one. The
 * rest of the range is checked when the skill is called. */
typedef struct rg_skill_arg {
    const char *name;
    const char *description;
    bool is_text; // a name of an object; else a number
    bool is_required;
    bool states_min;     // the schema says the least value
    bool excludes_least; // min itself is not valid
    double min, max;     // numbers
    double preset;       // when it may be left out
} rg_skill_arg;

typedef struct rg_skill {
    rg_skill_id id;
    const char *name;
    const char *description;
    size_t n_args;
    rg_skill_arg args[RG_SKILL_ARGS_MAX];
} rg_skill;

/** The arguments of a call, in the order of the table. */
typedef struct rg_skill_call {
    const rg_skill *skill;
    double numbers[RG_SKILL_ARGS_MAX];
    char object[RG_SKILL_OBJECT_MAX]; // "" when the skill takes none
} rg_skill_call;

/** The skill of an id below RG_SKILL_COUNT, or of a name: NULL when there is none. Any thread. */
const rg_skill *rg_skill_get(rg_skill_id id);
const rg_skill *rg_skill_find(rg_str name);

/** What a language model is told that drives a robot with these skills. */
const char *rg_skill_system_prompt(void);

/** Append all skills as a JSON list of OpenAI tools: {"type":"function","function":{..}}. */
void rg_skill_write_tools(rg_buf *out);

/**
 * Read a call's arguments, a JSON object of at most RG_SKILL_CALL_BYTES_MAX bytes.
 * @param args  empty text means no arguments
 * @param out   untouched on failure
 * Errors: RG_E_NOT_FOUND no such skill; RG_E_FORMAT no JSON; RG_E_ARG naming the argument and its
 * value: missing, unknown, of another type, not finite, out of range; RG_E_LIMIT; RG_E_MEMORY.
 * Threads: any thread.
 */
rg_status rg_skill_read(const rg_mem *mem, rg_str name, rg_str args, rg_skill_call *out,
                        rg_error *err) RG_MUST_CHECK;
