#include "body/drive.h"

#include "format/json.h"

#include <stdatomic.h>

enum { TREE_BYTES = 256 * RG_SKILL_CALL_BYTES_MAX };

struct rg_drive {
    const rg_mem *mem;
    rg_robot robot;
    rg_act_limits limits;
    rg_skill_run run;
    bool has_run;
    rg_observation seen;
    // asked for by any thread or a signal handler, taken at the next tick; orders nothing else
    _Atomic bool wants_stop;
    float action[RG_ROBOT_VALUES_MAX];
    rg_sight sights[RG_SIGHTS_MAX];
};

rg_status rg_drive_open(const rg_mem *mem, rg_str name, const rg_robot_options *options,
                        rg_drive **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_drive *d = rg_new(mem, sizeof *d);
    if (d == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to drive a robot");
        goto done;
    }
    d->mem = mem;
    RG_TRY(rg_robot_open(mem, name, options, &d->robot, err));
    d->limits.desc = d->robot.desc;
    RG_TRY(d->robot.table->observe(d->robot.self, &d->seen, err));
    *out = d;
    d = NULL;

done:
    rg_drive_close(d);
    return status;
}

void rg_drive_close(rg_drive *d) {
    if (d != NULL) {
        if (d->robot.table != NULL) {
            d->robot.table->stop(d->robot.self);
        }
        rg_robot_close(&d->robot);
        rg_free(d->mem, d);
    }
}

const rg_robot *rg_drive_robot(const rg_drive *d) {
    return &d->robot;
}

rg_skill_state rg_drive_state(const rg_drive *d) {
    const rg_skill_ports ports = rg_skill_ports_of(d->robot.desc);
    return rg_skill_state_of(&ports, &d->seen);
}

const rg_act_limits *rg_drive_limits(const rg_drive *d) {
    return &d->limits;
}

size_t rg_drive_look(rg_drive *d, rg_sight *out, size_t n_max) {
    return d->robot.table->look == NULL ? 0 : d->robot.table->look(d->robot.self, out, n_max);
}

void rg_drive_start(rg_drive *d, rg_str name, rg_str args) {
    atomic_store_explicit(&d->wants_stop, false, memory_order_relaxed);
    d->robot.table->start(d->robot.self);
    rg_skill_run_start(&d->run, d->mem, &d->robot, d->sights, name, args);
    d->has_run = true;
}

static rg_status start_call(rg_drive *d, rg_str call, rg_arena *arena, rg_buf *args,
                            rg_error *err) {
    const rg_json *json = NULL;
    rg_str name = {0};
    rg_str text = {0};
    if (call.size > 2 * RG_SKILL_CALL_BYTES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "the call has %zu bytes, at most %d", call.size,
                       2 * RG_SKILL_CALL_BYTES_MAX);
    }
    const rg_status status = rg_json_parse(arena, call, &json, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "the call");
        return status;
    }
    for (size_t i = 0; json->kind == RG_JSON_OBJECT && i < json->n; i++) {
        if (!rg_str_is(json->keys[i], "name") && !rg_str_is(json->keys[i], "arguments")) {
            const rg_str shown = rg_str_slice(json->keys[i], 0, 64);
            return rg_fail(err, RG_E_ARG, "a call has no field \"%.*s\"", RG_FMT(shown));
        }
    }
    if (!rg_json_str(rg_json_find(json, "name"), &name)) {
        return rg_fail(err, RG_E_ARG, "a call is {\"name\": text, \"arguments\": {..}}");
    }
    const rg_json *given = rg_json_find(json, "arguments");
    if (given != NULL && !rg_json_str(given, &text)) {
        rg_json_write(args, given);
        text = rg_buf_view(args);
    }
    const rg_status written = rg_buf_check(args, "the arguments", err);
    if (written == RG_OK) {
        rg_drive_start(d, name, text);
    }
    return written;
}

void rg_drive_start_call(rg_drive *d, rg_str call) {
    rg_arena arena;
    rg_buf args;
    rg_error err = {0};
    rg_arena_init(&arena, d->mem, TREE_BYTES);
    rg_buf_init(&args, d->mem, 0);
    if (start_call(d, call, &arena, &args, &err) != RG_OK) {
        rg_skill_run_refuse(&d->run, &d->robot, err.text);
        d->has_run = true;
    }
    rg_buf_clear(&args);
    rg_arena_clear(&arena);
}

static rg_status tick(rg_drive *d, bool *is_busy, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(d->robot.table->observe(d->robot.self, &d->seen, err));
    if (atomic_load_explicit(&d->wants_stop, memory_order_relaxed) && d->has_run) {
        rg_skill_run_cancel(&d->run, "interrupted");
    }
    if (d->has_run) {
        *is_busy = rg_skill_run_tick(&d->run, &d->seen, d->action);
        if (!rg_act_limits_apply(&d->limits, d->action)) {
            status = rg_fail(err, RG_E_NUMERIC, "%d commands in a row were no numbers",
                             RG_BAD_ACTIONS_MAX);
            goto done;
        }
        RG_TRY(d->robot.table->act(d->robot.self, d->action, err));
    }
    // a call that is over has its command of rest, for one period
    if (d->robot.table->advance != NULL) {
        RG_TRY(d->robot.table->advance(d->robot.self, err));
        status = d->robot.table->observe(d->robot.self, &d->seen, err);
    }

done:
    return status;
}

rg_status rg_drive_tick(rg_drive *d, bool *is_busy, rg_error *err) {
    rg_error why = {0};
    *is_busy = false;
    const rg_status status = tick(d, is_busy, &why);
    if (status != RG_OK) {
        d->robot.table->stop(d->robot.self);
        if (d->has_run) {
            rg_skill_run_cancel(&d->run, why.text);
        }
        *is_busy = false;
        if (err != NULL) {
            *err = why;
        }
    }
    return status;
}

void rg_drive_stop(rg_drive *d) {
    atomic_store_explicit(&d->wants_stop, true, memory_order_relaxed);
}

void rg_drive_result(const rg_drive *d, rg_buf *out) {
    if (d->has_run) {
        rg_skill_run_result(&d->run, out);
    } else {
        rg_buf_str(out, RG_STR("{\"ok\": false, \"error\": \"nothing was called\"}"));
    }
}
