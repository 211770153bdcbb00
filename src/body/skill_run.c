#include "body/skill_run.h"

#include "body/skill_motion.h"

#include <math.h>
#include <stdio.h>

enum {
    CUT_TICKS = 5, // a touch in passing is shorter
};

static int at_of(const rg_channel *c, uint32_t n) {
    return c == NULL || c->n < n ? -1 : (int)c->at;
}

rg_skill_ports rg_skill_ports_of(const rg_robot_desc *d) {
    return (rg_skill_ports){
        .pose = at_of(rg_robot_observation(d, "base.pose"), 3),
        .velocity = at_of(rg_robot_observation(d, "base.velocity"), 3),
        .gravity = at_of(rg_robot_observation(d, "base.gravity"), 3),
        .posture = at_of(rg_robot_observation(d, "posture"), 1),
        .energy = at_of(rg_robot_observation(d, "energy"), 1),
        .contact = at_of(rg_robot_observation(d, "contact"), 1),
        .act_velocity = at_of(rg_robot_action(d, "base.velocity"), 3),
        .act_posture = at_of(rg_robot_action(d, "posture"), 1),
    };
}

static double value_at(const rg_observation *obs, int at, int i) {
    return at < 0 ? 0 : (double)obs->values[at + i];
}

rg_skill_state rg_skill_state_of(const rg_skill_ports *p, const rg_observation *obs) {
    return (rg_skill_state){
        .time_s = obs->time_s,
        .x_m = value_at(obs, p->pose, 0),
        .y_m = value_at(obs, p->pose, 1),
        .heading_rad = value_at(obs, p->pose, 2),
        .speed_m_s = hypot(value_at(obs, p->velocity, 0), value_at(obs, p->velocity, 1)),
        .yaw_rad_s = value_at(obs, p->velocity, 2),
        .posture = value_at(obs, p->posture, 0),
        .energy_wh = value_at(obs, p->energy, 0),
        // tilted by more than 53 degrees
        .is_fallen = p->gravity >= 0 && value_at(obs, p->gravity, 2) > -0.6,
        .is_cut = value_at(obs, p->contact, 0) > 0.5,
    };
}

// ---- the skills: one tick of each ----

static void fail(rg_skill_run *run, const char *format, ...) RG_PRINTF(2, 3);

static void fail(rg_skill_run *run, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(run->error, sizeof run->error, format, args);
    va_end(args);
    run->outcome = RG_SKILL_FAILED;
}

static void tick_look(rg_skill_run *run, rg_motion *m) {
    (void)m;
    if (run->robot->table->look == NULL) {
        fail(run, "this robot does not see");
        return;
    }
    run->n_sights = run->robot->table->look(run->robot->self, run->sights, RG_SIGHTS_MAX);
    run->outcome = RG_SKILL_DONE;
}

static void tick_wait(rg_skill_run *run, rg_motion *m) {
    (void)m;
    if (run->now.time_s - run->first.time_s >= run->call.numbers[0]) {
        run->outcome = RG_SKILL_DONE;
    }
}

static void tick_posture(rg_skill_run *run, rg_motion *m) {
    m->posture = run->call.skill->id == RG_SKILL_SIT ? 1 : 0;
    if (fabs(run->now.posture - m->posture) < 0.02) {
        run->outcome = RG_SKILL_DONE;
    }
}

static void tick_stop(rg_skill_run *run, rg_motion *m) {
    (void)m;
    if (run->now.speed_m_s < 0.02 && fabs(run->now.yaw_rad_s) < 0.05) {
        run->outcome = RG_SKILL_DONE;
    }
}

static void tick_status(rg_skill_run *run, rg_motion *m) {
    (void)m;
    run->outcome = RG_SKILL_DONE;
}

/** What a skill needs of a robot, and its tick. */
typedef struct row {
    bool moves;
    bool needs_posture;
    void (*tick)(rg_skill_run *run, rg_motion *m);
} row;

static const row rows[RG_SKILL_COUNT] = {
    [RG_SKILL_WALK] = {true, false, rg_motion_walk},
    [RG_SKILL_SIDESTEP] = {true, false, rg_motion_sidestep},
    [RG_SKILL_TURN] = {true, false, rg_motion_turn},
    [RG_SKILL_GO_TO] = {true, false, rg_motion_go_to},
    [RG_SKILL_APPROACH] = {true, false, rg_motion_approach},
    [RG_SKILL_LOOK] = {false, false, tick_look},
    [RG_SKILL_WAIT] = {false, false, tick_wait},
    [RG_SKILL_STAND] = {false, true, tick_posture},
    [RG_SKILL_SIT] = {false, true, tick_posture},
    [RG_SKILL_STOP] = {false, false, tick_stop},
    [RG_SKILL_STATUS] = {false, false, tick_status},
};

// ---- a call ----

void rg_skill_run_start(rg_skill_run *run, const rg_mem *mem, const rg_robot *robot,
                        rg_sight *sights, rg_str name, rg_str args) {
    rg_error err = {0};
    *run = (rg_skill_run){
        .robot = robot, .ports = rg_skill_ports_of(robot->desc), .sights = sights, .look_s = -1};
    if (rg_skill_read(mem, name, args, &run->call, &err) != RG_OK) {
        fail(run, "%.*s", RG_SKILL_ERROR_MAX - 1, err.text);
        return;
    }
    const row *r = &rows[run->call.skill->id];
    const bool can_move = run->ports.pose >= 0 && run->ports.act_velocity >= 0;
    const bool can_sit = run->ports.posture >= 0 && run->ports.act_posture >= 0;
    if ((r->moves && !can_move) || (r->needs_posture && !can_sit)) {
        fail(run, "this robot cannot %s", run->call.skill->name);
    }
}

void rg_skill_run_refuse(rg_skill_run *run, const rg_robot *robot, const char *why) {
    *run = (rg_skill_run){.robot = robot, .ports = rg_skill_ports_of(robot->desc)};
    fail(run, "%s", why);
}

static void begin(rg_skill_run *run) {
    run->has_begun = true;
    run->first = run->now;
    run->deadline_s = run->now.time_s + rg_motion_time_s(run);
}

// the command as the robot takes it; what it has no channel for is left out
static void put_action(const rg_skill_run *run, const rg_motion *m, float *action) {
    const rg_robot_desc *d = run->robot->desc;
    for (size_t i = 0; i < d->n_actions; i++) {
        const rg_channel *c = &d->actions[i];
        memcpy(action + c->at, c->rest, c->n * sizeof *action);
    }
    if (run->ports.act_velocity >= 0) {
        action[run->ports.act_velocity] = (float)m->forward_m_s;
        action[run->ports.act_velocity + 1] = (float)m->left_m_s;
        action[run->ports.act_velocity + 2] = (float)m->yaw_rad_s;
    }
    if (run->ports.act_posture >= 0) {
        action[run->ports.act_posture] = (float)m->posture;
    }
}

// what stands in the way, in words: the nearest thing seen
static void name_obstacle(rg_skill_run *run, char *out, size_t size) {
    size_t n = 0;
    double nearest = 0.1; // beyond the body: what is farther was not touched
    snprintf(out, size, "something");
    if (run->robot->table->look != NULL) {
        n = run->robot->table->look(run->robot->self, run->sights, RG_SIGHTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const double gap = rg_motion_surface_m(run, &run->sights[i]) - run->robot->desc->radius_m;
        if (gap < nearest) {
            nearest = gap;
            snprintf(out, size, "%s%s", run->sights[i].is_wall ? "a " : "", run->sights[i].name);
        }
    }
}

// reasons to end a motion that are the same for all of them
static bool motion_is_over(rg_skill_run *run) {
    char what[RG_SIGHT_NAME_MAX + 8];
    if (run->now.is_fallen) {
        fail(run, "the robot has fallen");
        return true;
    }
    run->n_cut = run->now.is_cut ? run->n_cut + 1 : 0;
    if (run->n_cut >= CUT_TICKS) {
        name_obstacle(run, what, sizeof what);
        fail(run, "blocked by %s after %.2f m", what, fabs(run->moved_m));
        return true;
    }
    return false;
}

bool rg_skill_run_tick(rg_skill_run *run, const rg_observation *obs, float *action) {
    const double heading_rad = run->now.heading_rad;
    run->now = rg_skill_state_of(&run->ports, obs);
    rg_motion m = {.posture = run->now.posture > 0.5 ? 1 : 0};
    if (run->outcome == RG_SKILL_RUNNING && !run->has_begun) {
        begin(run);
    } else if (run->outcome == RG_SKILL_RUNNING) {
        run->turned_rad += rg_motion_wrap(run->now.heading_rad - heading_rad);
    }
    if (run->outcome == RG_SKILL_RUNNING) {
        const row *r = &rows[run->call.skill->id];
        if (r->moves && motion_is_over(run)) {
            m = (rg_motion){.posture = m.posture};
        } else if (run->now.time_s > run->deadline_s) {
            fail(run, "timed out after %.1f s and %.2f m", run->now.time_s - run->first.time_s,
                 fabs(run->moved_m));
        } else if (r->moves && run->now.posture > 0.01) {
            m.posture = 0; // it stands up first
        } else {
            r->tick(run, &m);
        }
    }
    if (run->outcome != RG_SKILL_RUNNING) {
        m = (rg_motion){.posture = m.posture};
    }
    put_action(run, &m, action);
    return run->outcome == RG_SKILL_RUNNING;
}

void rg_skill_run_cancel(rg_skill_run *run, const char *why) {
    if (run->outcome == RG_SKILL_RUNNING) {
        if (run->has_begun && rows[run->call.skill->id].moves) {
            fail(run, "%s after %.2f m", why, fabs(run->moved_m));
        } else {
            fail(run, "%s", why);
        }
    }
}

// ---- results ----

// at most so many decimals, at least one, as the conventions write numbers: 2.0, 0.99, -59.8
static void put_number(rg_buf *out, double value, int decimals) {
    char text[64];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    size_t n = strlen(text);
    while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.') {
        n--;
    }
    const rg_str s = {text, n};
    const bool is_zero = strspn(text, "-0.") == strlen(text);
    rg_buf_str(out, is_zero ? RG_STR("0.0") : s);
}

static void put_field(rg_buf *out, const char *name, double value, int decimals) {
    rg_buf_format(out, ", \"%s\": ", name);
    put_number(out, value, decimals);
}

static void put_sights(const rg_skill_run *run, rg_buf *out) {
    bool is_taken[RG_SIGHTS_MAX] = {false};
    rg_buf_str(out, RG_STR(", \"objects\": ["));
    // nearest first
    for (size_t k = 0; k < run->n_sights && k < RG_SKILL_LOOK_MAX; k++) {
        const rg_sight *best = NULL;
        double nearest = 0;
        for (size_t i = 0; i < run->n_sights; i++) {
            const rg_sight *s = &run->sights[i];
            const double d = hypot((double)s->x_m - run->now.x_m, (double)s->y_m - run->now.y_m);
            if (!is_taken[i] && !s->is_wall && (best == NULL || d < nearest)) {
                best = s;
                nearest = d;
            }
        }
        if (best == NULL) {
            break;
        }
        is_taken[best - run->sights] = true;
        const double bearing_rad = rg_motion_bearing_rad(run, best);
        rg_buf_str(out, k == 0 ? RG_STR("{\"name\": ") : RG_STR(", {\"name\": "));
        rg_buf_json(out, rg_str_of(best->name));
        put_field(out, "x", (double)best->x_m, 1);
        put_field(out, "y", (double)best->y_m, 1);
        put_field(out, "distance", nearest, 1);
        rg_buf_format(out, ", \"bearing\": %ld}", lround(bearing_rad * (180 / M_PI)));
    }
    rg_buf_char(out, ']');
}

static void put_outcome(const rg_skill_run *run, rg_buf *out) {
    const double degrees = 180 / M_PI;
    switch (run->call.skill->id) {
    case RG_SKILL_WALK:
    case RG_SKILL_SIDESTEP:
        put_field(out, "distance", run->moved_m, 2);
        break;
    case RG_SKILL_TURN:
        put_field(out, "angle", run->turned_rad * degrees, 1);
        break;
    case RG_SKILL_GO_TO:
        put_field(out, "x", run->now.x_m, 2);
        put_field(out, "y", run->now.y_m, 2);
        break;
    case RG_SKILL_APPROACH:
        rg_buf_str(out, RG_STR(", \"object\": "));
        rg_buf_json(out, rg_str_of(run->goal.name));
        put_field(out, "distance", rg_motion_surface_m(run, &run->goal), 2);
        break;
    case RG_SKILL_LOOK:
        put_sights(run, out);
        break;
    case RG_SKILL_STATUS:
        put_field(out, "x", run->now.x_m, 1);
        put_field(out, "y", run->now.y_m, 1);
        put_field(out, "heading", run->now.heading_rad * degrees, 1);
        put_field(out, "energy_used_wh", run->now.energy_wh, 1);
        rg_buf_format(out, ", \"fallen\": %s", run->now.is_fallen ? "true" : "false");
        break;
    case RG_SKILL_WAIT:
    case RG_SKILL_STAND:
    case RG_SKILL_SIT:
    case RG_SKILL_STOP:
    case RG_SKILL_COUNT:
        break;
    }
}

void rg_skill_run_result(const rg_skill_run *run, rg_buf *out) {
    if (run->outcome == RG_SKILL_DONE) {
        rg_buf_str(out, RG_STR("{\"ok\": true"));
        put_outcome(run, out);
        rg_buf_char(out, '}');
    } else {
        rg_buf_str(out, RG_STR("{\"ok\": false, \"error\": "));
        rg_buf_json(out, run->outcome == RG_SKILL_FAILED ? rg_str_of(run->error)
                                                         : RG_STR("not finished"));
        rg_buf_char(out, '}');
    }
}
