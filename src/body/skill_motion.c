#include "body/skill_motion.h"

#include <math.h>
#include <stdio.h>

// closed loops: gains per second, when a goal is reached, how slow the last steps are
static const double gain_s = 4;
static const double reached_m = 0.0005;
static const double reached_rad = 0.0005;
static const double creep_m_s = 0.05;
static const double creep_rad_s = 0.1;

static const double walk_m_s = 0.5;     // of go_to and approach
static const double near_m = 0.1;       // closer than this the robot does not turn towards a goal
static const double aligned_rad = 0.35; // it walks while it turns only below this
static const double look_again_s = 0.5;
static const double margin_m = 0.15; // kept from things on the way

double rg_motion_wrap(double angle_rad) {
    return remainder(angle_rad, 2 * M_PI);
}

double rg_motion_surface_m(const rg_skill_run *run, const rg_sight *s) {
    return hypot((double)s->x_m - run->now.x_m, (double)s->y_m - run->now.y_m) -
           (double)s->radius_m;
}

double rg_motion_bearing_rad(const rg_skill_run *run, const rg_sight *s) {
    const double dx = (double)s->x_m - run->now.x_m;
    const double dy = (double)s->y_m - run->now.y_m;
    return dx == 0 && dy == 0 ? 0 : rg_motion_wrap(atan2(dy, dx) - run->now.heading_rad);
}

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

// the least speed the robot allows in both directions of one part of base.velocity (0, 1, 2)
static double limit_of(const rg_skill_run *run, int part, double sign) {
    const rg_channel *c = rg_robot_action(run->robot->desc, "base.velocity");
    return sign < 0 ? -(double)c->min[part] : (double)c->max[part];
}

// towards a goal that is `left` away: fast, then slower, then exactly there at the end of a period
static double towards(const rg_skill_run *run, double left, double fastest, double creep) {
    const double period_s = run->robot->desc->period_s;
    double speed = fabs(left) * gain_s;
    speed = speed < creep ? creep : speed;
    speed = speed > fastest ? fastest : speed;
    speed = speed > fabs(left) / period_s ? fabs(left) / period_s : speed;
    return left < 0 ? -speed : speed;
}

static double hold_heading(const rg_skill_run *run) {
    const double most = limit_of(run, 2, 1);
    return clamp(gain_s * rg_motion_wrap(run->first.heading_rad - run->now.heading_rad), -most,
                 most);
}

// how far along and beside the line that began at the start in direction `angle`
static void along_line(const rg_skill_run *run, double angle, double *along, double *beside) {
    const double dx = run->now.x_m - run->first.x_m;
    const double dy = run->now.y_m - run->first.y_m;
    *along = dx * cos(angle) + dy * sin(angle);
    *beside = dy * cos(angle) - dx * sin(angle);
}

void rg_motion_walk(rg_skill_run *run, rg_motion *m) {
    double beside = 0;
    along_line(run, run->first.heading_rad, &run->moved_m, &beside);
    const double left = run->call.numbers[0] - run->moved_m;
    if (fabs(left) < reached_m) {
        run->outcome = RG_SKILL_DONE;
        return;
    }
    const double speed = fmin(run->call.numbers[1], limit_of(run, 0, left));
    const double side = limit_of(run, 1, 1);
    m->forward_m_s = towards(run, left, speed, creep_m_s);
    m->left_m_s = clamp(-gain_s * beside, -side, side);
    m->yaw_rad_s = hold_heading(run);
}

void rg_motion_sidestep(rg_skill_run *run, rg_motion *m) {
    double behind = 0;
    along_line(run, run->first.heading_rad + M_PI / 2, &run->moved_m, &behind);
    const double left = run->call.numbers[0] - run->moved_m;
    if (fabs(left) < reached_m) {
        run->outcome = RG_SKILL_DONE;
        return;
    }
    // left of a line to the left is backwards
    m->left_m_s = towards(run, left, limit_of(run, 1, left), creep_m_s);
    m->forward_m_s = clamp(gain_s * behind, -limit_of(run, 0, -1), limit_of(run, 0, 1));
    m->yaw_rad_s = hold_heading(run);
}

void rg_motion_turn(rg_skill_run *run, rg_motion *m) {
    const double left = run->call.numbers[0] * (M_PI / 180) - run->turned_rad;
    if (fabs(left) < reached_rad) {
        run->outcome = RG_SKILL_DONE;
        return;
    }
    m->yaw_rad_s = towards(run, left, limit_of(run, 2, left), creep_rad_s);
}

// ---- ways ----

// what is seen now and then, for the way and the goal; things may move
static void look_again(rg_skill_run *run) {
    if (run->robot->table->look != NULL &&
        (run->look_s < 0 || run->now.time_s - run->look_s >= look_again_s)) {
        run->look_s = run->now.time_s;
        run->n_sights = run->robot->table->look(run->robot->self, run->sights, RG_SIGHTS_MAX);
    }
}

/** A point to head for. */
typedef struct spot {
    double x_m, y_m;
} spot;

// the first thing that stands on the straight way to a spot: where to pass it
static bool find_detour(const rg_skill_run *run, const spot *to, const rg_sight *goal, spot *pass) {
    const double dx = to->x_m - run->now.x_m;
    const double dy = to->y_m - run->now.y_m;
    const double length = hypot(dx, dy);
    double first_m = length;
    bool is_found = false;
    for (size_t i = 0; i < run->n_sights && length > 0; i++) {
        const rg_sight *s = &run->sights[i];
        const double ox = (double)s->x_m - run->now.x_m;
        const double oy = (double)s->y_m - run->now.y_m;
        const double ahead = (ox * dx + oy * dy) / length;
        const double beside = (ox * dy - oy * dx) / length; // of the way, seen from the thing: left
        // room for the body, less where the goal itself is as close
        const double touch = (double)s->radius_m + run->robot->desc->radius_m;
        const double at_goal = hypot((double)s->x_m - to->x_m, (double)s->y_m - to->y_m);
        const double room = fmin(touch + margin_m, at_goal - margin_m / 4);
        const bool is_goal = goal != NULL && rg_str_is(rg_str_of(s->name), goal->name) &&
                             s->x_m == goal->x_m && s->y_m == goal->y_m;
        if (!s->is_wall && !is_goal && ahead > 0 && ahead < first_m && fabs(beside) < room) {
            const double side = (beside < 0 ? -1 : 1) * (touch + 1.2 * margin_m);
            pass->x_m = (double)s->x_m - side * dy / length;
            pass->y_m = (double)s->y_m + side * dx / length;
            first_m = ahead;
            is_found = true;
        }
    }
    return is_found;
}

// where to head for to reach a spot: itself, or where the things between are passed
static spot way_to(const rg_skill_run *run, spot to, const rg_sight *goal) {
    enum { DETOURS = 4 };
    spot pass = to;
    for (int i = 0; i < DETOURS && find_detour(run, &to, goal, &pass); i++) {
        to = pass;
    }
    return to;
}

// turn to a spot and walk, `left_m` being how far to go in all
static void head_for(rg_skill_run *run, const spot *to, double left_m, rg_motion *m) {
    const double most = fmin(limit_of(run, 0, left_m), walk_m_s);
    const double aside = rg_motion_wrap(atan2(to->y_m - run->now.y_m, to->x_m - run->now.x_m) -
                                        run->now.heading_rad);
    m->yaw_rad_s = towards(run, aside, limit_of(run, 2, aside), 0);
    if (fabs(aside) < aligned_rad && fabs(left_m) >= reached_m) {
        m->forward_m_s = towards(run, left_m, most, creep_m_s);
    }
}

void rg_motion_go_to(rg_skill_run *run, rg_motion *m) {
    const spot goal = {run->call.numbers[0], run->call.numbers[1]};
    const double dx = goal.x_m - run->now.x_m;
    const double dy = goal.y_m - run->now.y_m;
    const double left = hypot(dx, dy);
    run->moved_m = hypot(run->now.x_m - run->first.x_m, run->now.y_m - run->first.y_m);
    if (left < reached_m) {
        run->outcome = RG_SKILL_DONE;
    } else if (left < near_m) {
        // the last steps without turning
        const double aside = atan2(dy, dx) - run->now.heading_rad;
        const double slow = fmin(limit_of(run, 1, 1), walk_m_s);
        const double speed = towards(run, left, slow, creep_m_s);
        m->forward_m_s = speed * cos(aside);
        m->left_m_s = speed * sin(aside);
    } else {
        look_again(run);
        const spot to = way_to(run, goal, NULL);
        head_for(run, &to, left, m);
    }
}

// ---- approach ----

// "ball" names a "red ball" too: the words at the end of a name
static bool is_named(const rg_sight *s, rg_str asked) {
    const rg_str name = rg_str_of(s->name);
    return rg_str_eq(name, asked) ||
           (rg_str_ends(name, asked) && name.data[name.size - asked.size - 1] == ' ');
}

// the thing that was asked for, the whole name before a part of it, the nearest of several
static bool find_goal(rg_skill_run *run) {
    const rg_str asked = rg_str_of(run->call.object);
    const rg_sight *best = NULL;
    bool is_whole = false;
    double nearest = 0;
    for (size_t i = 0; i < run->n_sights; i++) {
        const rg_sight *s = &run->sights[i];
        const double d = rg_motion_surface_m(run, s);
        const bool is_same = rg_str_is(asked, s->name);
        if (is_named(s, asked) &&
            (best == NULL || is_same > is_whole || (is_same == is_whole && d < nearest))) {
            best = s;
            is_whole = is_same;
            nearest = d;
        }
    }
    if (best != NULL) {
        run->goal = *best;
    }
    return best != NULL;
}

void rg_motion_approach(rg_skill_run *run, rg_motion *m) {
    const bool is_first = run->look_s < 0;
    if (run->robot->table->look == NULL) {
        snprintf(run->error, sizeof run->error, "this robot does not see");
        run->outcome = RG_SKILL_FAILED;
        return;
    }
    // one that is lost from sight is taken to be where it was
    look_again(run);
    if (!find_goal(run) && is_first) {
        snprintf(run->error, sizeof run->error, "%s not found", run->call.object);
        run->outcome = RG_SKILL_FAILED;
        return;
    }
    const double least = run->robot->desc->radius_m + 0.02; // not into it
    const double keep = fmax(run->call.numbers[1], least);
    const double left = rg_motion_surface_m(run, &run->goal) - keep;
    const double aside = rg_motion_bearing_rad(run, &run->goal);
    run->moved_m = hypot(run->now.x_m - run->first.x_m, run->now.y_m - run->first.y_m);
    if (fabs(left) < reached_m && fabs(aside) < 2 * reached_rad) {
        run->outcome = RG_SKILL_DONE;
        return;
    }
    spot to = {(double)run->goal.x_m, (double)run->goal.y_m};
    if (left > 0) {
        to = way_to(run, to, &run->goal);
    }
    head_for(run, &to, left, m);
}

// ---- timeouts ----

double rg_motion_time_s(const rg_skill_run *run) {
    enum { SLACK_S = 10 };
    const rg_skill_call *c = &run->call;
    double expected = 0;
    double distance = 0;
    double speed = walk_m_s;
    switch (c->skill->id) {
    case RG_SKILL_WALK:
        distance = fabs(c->numbers[0]);
        speed = fmin(c->numbers[1], limit_of(run, 0, c->numbers[0]));
        break;
    case RG_SKILL_SIDESTEP:
        distance = fabs(c->numbers[0]);
        speed = limit_of(run, 1, c->numbers[0]);
        break;
    case RG_SKILL_TURN:
        expected = fabs(c->numbers[0]) * (M_PI / 180) / limit_of(run, 2, c->numbers[0]);
        break;
    case RG_SKILL_GO_TO:
        distance = hypot(c->numbers[0] - run->now.x_m, c->numbers[1] - run->now.y_m);
        break;
    case RG_SKILL_APPROACH:
        distance = 100; // where it is will be seen
        break;
    case RG_SKILL_WAIT:
        expected = c->numbers[0];
        break;
    case RG_SKILL_LOOK:
    case RG_SKILL_STAND:
    case RG_SKILL_SIT:
    case RG_SKILL_STOP:
    case RG_SKILL_STATUS:
    case RG_SKILL_COUNT:
        break;
    }
    // a robot whose limits allow no motion has only the slack
    expected += speed > 0 ? distance / speed : 0;
    return 2 * expected + SLACK_S;
}
