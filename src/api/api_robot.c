#include "api/api_internal.h"

#include "body/drive.h"
#include "raga/robot.h"

#include <math.h>

struct raga_robot {
    rg_drive *drive;
    rg_sight sights[RG_SIGHTS_MAX];
};

_Static_assert(sizeof(((raga_thing *)0)->name) == RG_SIGHT_NAME_MAX, "names of things");

raga_status raga_robot_open(const raga_robot_options *options, raga_robot **out,
                            raga_error *error) {
    rg_error err = {0};
    if (options == NULL || options->name == NULL || out == NULL) {
        return api_bad(error, "no robot named, or no place for it");
    }
    raga_robot *robot = rg_new(rg_mem_heap(), sizeof *robot);
    if (robot == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a robot"), &err);
    }
    const rg_robot_options o = {.has_seed = options->has_seed, .seed = options->seed};
    const rg_status status =
        rg_drive_open(rg_mem_heap(), rg_str_of(options->name), &o, &robot->drive, &err);
    if (status != RG_OK) {
        raga_robot_close(robot);
        return api_fail(error, status, &err);
    }
    *out = robot;
    return RAGA_OK;
}

void raga_robot_close(raga_robot *robot) {
    if (robot != NULL) {
        rg_drive_close(robot->drive);
        rg_free(rg_mem_heap(), robot);
    }
}

static const rg_robot_desc *desc_of(const raga_robot *robot) {
    return rg_drive_robot(robot->drive)->desc;
}

void raga_robot_get_facts(const raga_robot *robot, raga_robot_facts *facts) {
    const rg_robot_desc *d = desc_of(robot);
    const raga_robot_facts f = {.size = facts->size,
                                .name = d->name,
                                .safe_state = d->safe_state,
                                .period_s = d->period_s,
                                .radius_m = d->radius_m,
                                .has_own_clock =
                                    rg_drive_robot(robot->drive)->table->advance != NULL,
                                .n_walls = d->n_walls};
    memcpy(facts, &f, facts->size < sizeof f ? facts->size : sizeof f);
}

static void put_numbers(rg_buf *out, const char *name, const float *values, uint32_t n) {
    rg_buf_format(out, ", \"%s\": [", name);
    for (uint32_t i = 0; i < n; i++) {
        rg_buf_format(out, "%s%.9g", i == 0 ? "" : ", ", (double)values[i]);
    }
    rg_buf_char(out, ']');
}

static void put_channel(rg_buf *out, const rg_channel *c) {
    rg_buf_str(out, RG_STR("{\"name\": "));
    rg_buf_json(out, rg_str_of(c->name));
    rg_buf_str(out, RG_STR(", \"parts\": "));
    rg_buf_json(out, rg_str_of(c->parts));
    rg_buf_str(out, RG_STR(", \"unit\": "));
    rg_buf_json(out, rg_str_of(c->unit));
    rg_buf_str(out, RG_STR(", \"shape\": ["));
    for (uint32_t i = 0; i < c->n_dims && i < RG_CHANNEL_DIMS_MAX; i++) {
        rg_buf_format(out, "%s%u", i == 0 ? "" : ", ", c->shape[i]);
    }
    rg_buf_char(out, ']');
    if (c->min != NULL && c->max != NULL) {
        put_numbers(out, "min", c->min, c->n);
        put_numbers(out, "max", c->max, c->n);
    }
    rg_buf_char(out, '}');
}

static void put_channels(rg_buf *out, const char *name, const rg_channel *list, size_t n) {
    rg_buf_format(out, ", \"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        rg_buf_str(out, i == 0 ? RG_STR("") : RG_STR(", "));
        put_channel(out, &list[i]);
    }
    rg_buf_char(out, ']');
}

raga_status raga_robot_describe(const raga_robot *robot, char **out, size_t *out_size,
                                raga_error *error) {
    rg_buf text;
    if (robot == NULL || out == NULL || out_size == NULL) {
        return api_bad(error, "no robot or no place for its description");
    }
    const rg_robot_desc *d = desc_of(robot);
    rg_buf_init(&text, rg_mem_heap(), 0);
    rg_buf_str(&text, RG_STR("{\"name\": "));
    rg_buf_json(&text, rg_str_of(d->name));
    rg_buf_format(&text, ", \"period_s\": %.9g, \"radius_m\": %.9g, \"safe_state\": ", d->period_s,
                  d->radius_m);
    rg_buf_json(&text, rg_str_of(d->safe_state));
    put_channels(&text, "observations", d->observations, d->n_observations);
    put_channels(&text, "actions", d->actions, d->n_actions);
    rg_buf_char(&text, '}');
    return api_hand_over(&text, out, out_size, error);
}

void raga_robot_get_state(const raga_robot *robot, raga_robot_state *state) {
    const rg_skill_state s = rg_drive_state(robot->drive);
    const double degrees = 180 / M_PI;
    const raga_robot_state all = {.size = state->size,
                                  .time_s = s.time_s,
                                  .x_m = s.x_m,
                                  .y_m = s.y_m,
                                  .heading_deg = s.heading_rad * degrees,
                                  .speed_m_s = s.speed_m_s,
                                  .yaw_deg_s = s.yaw_rad_s * degrees,
                                  .posture = s.posture,
                                  .energy_wh = s.energy_wh,
                                  .is_fallen = s.is_fallen,
                                  .is_cut = s.is_cut,
                                  .n_clamped = rg_drive_limits(robot->drive)->n_clamped};
    memcpy(state, &all, state->size < sizeof all ? state->size : sizeof all);
}

size_t raga_robot_look(raga_robot *robot, raga_thing *out, size_t n_max) {
    const size_t n =
        rg_drive_look(robot->drive, robot->sights, n_max < RG_SIGHTS_MAX ? n_max : RG_SIGHTS_MAX);
    for (size_t i = 0; i < n; i++) {
        const rg_sight *s = &robot->sights[i];
        out[i] = (raga_thing){
            .x_m = s->x_m, .y_m = s->y_m, .radius_m = s->radius_m, .is_wall = s->is_wall};
        memcpy(out[i].name, s->name, sizeof out[i].name);
    }
    return n;
}

bool raga_robot_wall(const raga_robot *robot, size_t i, float x_m[2], float y_m[2]) {
    const rg_robot_desc *d = desc_of(robot);
    if (i >= d->n_walls) {
        return false;
    }
    x_m[0] = d->walls[i].x0_m;
    y_m[0] = d->walls[i].y0_m;
    x_m[1] = d->walls[i].x1_m;
    y_m[1] = d->walls[i].y1_m;
    return true;
}

raga_status raga_robot_tools(char **out, size_t *out_size, raga_error *error) {
    rg_buf text;
    if (out == NULL || out_size == NULL) {
        return api_bad(error, "no place for the tools");
    }
    rg_buf_init(&text, rg_mem_heap(), 0);
    rg_skill_write_tools(&text);
    return api_hand_over(&text, out, out_size, error);
}

const char *raga_robot_system_prompt(void) {
    return rg_skill_system_prompt();
}

void raga_robot_start(raga_robot *robot, const char *name, const char *args, size_t args_size) {
    rg_drive_start(robot->drive, rg_str_of(name), (rg_str){args, args == NULL ? 0 : args_size});
}

void raga_robot_start_json(raga_robot *robot, const char *call, size_t size) {
    rg_drive_start_call(robot->drive, (rg_str){call, call == NULL ? 0 : size});
}

raga_status raga_robot_tick(raga_robot *robot, bool *is_busy, raga_error *error) {
    rg_error err = {0};
    if (robot == NULL || is_busy == NULL) {
        return api_bad(error, "no robot, or no place for whether it is busy");
    }
    return api_fail(error, rg_drive_tick(robot->drive, is_busy, &err), &err);
}

raga_status raga_robot_result(const raga_robot *robot, char **out, size_t *out_size,
                              raga_error *error) {
    rg_buf text;
    if (robot == NULL || out == NULL || out_size == NULL) {
        return api_bad(error, "no robot or no place for the result");
    }
    rg_buf_init(&text, rg_mem_heap(), 0);
    rg_drive_result(robot->drive, &text);
    return api_hand_over(&text, out, out_size, error);
}

void raga_robot_stop(raga_robot *robot) {
    rg_drive_stop(robot->drive);
}

raga_status raga_robot_call(raga_robot *robot, const char *name, const char *args, size_t args_size,
                            char **out, size_t *out_size, raga_error *error) {
    rg_error err = {0};
    bool is_busy = true;
    if (robot == NULL || name == NULL || out == NULL || out_size == NULL) {
        return api_bad(error, "no robot, no name of a skill or no place for the result");
    }
    if (rg_drive_robot(robot->drive)->table->advance == NULL) {
        return api_fail(error,
                        rg_fail(&err, RG_E_UNSUPPORTED, "%s moves in real time: call it by ticks",
                                desc_of(robot)->name),
                        &err);
    }
    raga_robot_start(robot, name, args, args_size);
    while (is_busy) {
        const rg_status status = rg_drive_tick(robot->drive, &is_busy, &err);
        if (status != RG_OK) {
            return api_fail(error, status, &err);
        }
    }
    return raga_robot_result(robot, out, out_size, error);
}
