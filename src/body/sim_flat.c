#include "body/sim_flat.h"

#include "base/file.h"
#include "base/random.h"

#include <math.h>
#include <stdatomic.h>

// where the observation's channels lie
enum {
    AT_POSE = 0,
    AT_VELOCITY = 3,
    AT_GRAVITY = 6,
    AT_POSTURE = 9,
    AT_ENERGY = 10,
    AT_CONTACT = 11
};
enum { N_OBSERVED = 12, ACT_VELOCITY = 0, ACT_POSTURE = 3, N_ACTED = 4 };

static const float act_min[N_ACTED] = {-0.5F, -0.3F, -1.0F, 0};
static const float act_max[N_ACTED] = {1.0F, 0.3F, 1.0F, 1};
static const float act_rest[N_ACTED] = {0, 0, 0, 0};

static const rg_channel observations[] = {
    {"base.pose", "x y heading", "m m rad", 1, {3}, AT_POSE, 3, NULL, NULL, NULL},
    {"base.velocity",
     "forward left yaw",
     "m/s m/s rad/s",
     1,
     {3},
     AT_VELOCITY,
     3,
     NULL,
     NULL,
     NULL},
    {"base.gravity", "x y z", "1 1 1", 1, {3}, AT_GRAVITY, 3, NULL, NULL, NULL},
    {"posture", "sits", "1", 1, {1}, AT_POSTURE, 1, NULL, NULL, NULL},
    {"energy", "used", "Wh", 1, {1}, AT_ENERGY, 1, NULL, NULL, NULL},
    {"contact", "is_cut", "1", 1, {1}, AT_CONTACT, 1, NULL, NULL, NULL},
};

static const rg_channel actions[] = {
    {"base.velocity",
     "forward left yaw",
     "m/s m/s rad/s",
     1,
     {3},
     ACT_VELOCITY,
     3,
     act_min + ACT_VELOCITY,
     act_max + ACT_VELOCITY,
     act_rest + ACT_VELOCITY},
    {"posture",
     "sits",
     "1",
     1,
     {1},
     ACT_POSTURE,
     1,
     act_min + ACT_POSTURE,
     act_max + ACT_POSTURE,
     act_rest + ACT_POSTURE},
};

typedef struct flat {
    const rg_mem *mem;
    rg_robot_desc desc;
    rg_flat_world world;
    rg_random random;
    double x_m, y_m, heading_rad;
    double velocity[3];
    double posture;
    double energy_wh;
    bool is_cut;
    uint64_t n_periods;
    float action[N_ACTED];
    // set by stop, cleared by start; nothing else is ordered by it
    _Atomic bool is_stopped;
} flat;

static rg_status read_file(const rg_mem *mem, rg_str place, rg_flat_world *world, rg_error *err) {
    char path[4096];
    rg_bytes file = {0};
    rg_status status = RG_OK;
    if (place.size >= sizeof path || memchr(place.data, 0, place.size) != NULL) {
        return rg_fail(err, RG_E_ARG, "the world's path has %zu bytes, at most %zu", place.size,
                       sizeof path - 1);
    }
    memcpy(path, place.data, place.size);
    path[place.size] = '\0';
    RG_TRY(rg_file_read(mem, path, RG_FLAT_WORLD_BYTES_MAX, &file, err));
    status = rg_flat_world_read(mem, (rg_str){(const char *)file.data, file.size}, world, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "world %s", path);
    }

done:
    rg_free(mem, (void *)file.data);
    return status;
}

static void flat_close(void *self) {
    flat *f = self;
    if (f != NULL) {
        rg_free(f->mem, f);
    }
}

static rg_status flat_open(const rg_mem *mem, const rg_robot_options *options, void **self,
                           rg_error *err) {
    rg_status status = RG_OK;
    flat *f = rg_new(mem, sizeof *f);
    if (f == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a robot");
        goto done;
    }
    f->mem = mem;
    rg_flat_world_default(&f->world);
    if (options->place.size != 0) {
        RG_TRY(read_file(mem, options->place, &f->world, err));
    }
    rg_random_seed(&f->random, options->has_seed ? options->seed : f->world.seed);
    f->x_m = f->world.x_m;
    f->y_m = f->world.y_m;
    f->heading_rad = f->world.heading_rad;
    f->desc = (rg_robot_desc){.version = RG_ROBOT_VERSION,
                              .name = "sim:flat",
                              .safe_state = "it stands still, or sits if it sat",
                              .period_s = RG_FLAT_PERIOD_S,
                              .radius_m = RG_FLAT_RADIUS_M,
                              .observations = observations,
                              .n_observations = sizeof observations / sizeof *observations,
                              .n_observed = N_OBSERVED,
                              .actions = actions,
                              .n_actions = sizeof actions / sizeof *actions,
                              .n_acted = N_ACTED,
                              .walls = f->world.walls,
                              .n_walls = f->world.n_walls};
    *self = f;
    f = NULL;

done:
    flat_close(f);
    return status;
}

static const rg_robot_desc *flat_describe(const void *self) {
    const flat *f = self;
    return &f->desc;
}

static rg_status flat_observe(void *self, rg_observation *out, rg_error *err) {
    (void)err;
    const flat *f = self;
    float *v = out->values;
    out->sequence = f->n_periods;
    out->time_s = (double)f->n_periods * RG_FLAT_PERIOD_S;
    v[AT_POSE] = (float)f->x_m;
    v[AT_POSE + 1] = (float)f->y_m;
    v[AT_POSE + 2] = (float)f->heading_rad;
    for (int i = 0; i < 3; i++) {
        v[AT_VELOCITY + i] = (float)f->velocity[i];
        v[AT_GRAVITY + i] = i == 2 ? -1 : 0; // it cannot fall
    }
    v[AT_POSTURE] = (float)f->posture;
    v[AT_ENERGY] = (float)f->energy_wh;
    v[AT_CONTACT] = f->is_cut ? 1 : 0;
    return RG_OK;
}

static rg_status flat_act(void *self, const float *action, rg_error *err) {
    flat *f = self;
    if (atomic_load_explicit(&f->is_stopped, memory_order_relaxed)) {
        return rg_fail(err, RG_E_STATE, "the robot was stopped: start it first");
    }
    for (int i = 0; i < N_ACTED; i++) {
        if (!(action[i] >= act_min[i] && action[i] <= act_max[i])) {
            return rg_fail(err, RG_E_ARG, "action %d is %g, valid are %g to %g", i,
                           (double)action[i], (double)act_min[i], (double)act_max[i]);
        }
    }
    memcpy(f->action, action, sizeof f->action);
    return RG_OK;
}

// about normal, one sigma: four uniform numbers, so that no tail is long
static double noise(flat *f) {
    double sum = -2;
    for (int i = 0; i < 4; i++) {
        sum += rg_random_unit(&f->random);
    }
    return sum * 1.7320508075688772;
}

// the arc of a constant velocity (forward, left, yaw) over a period, in the frame it began in
static void arc(const double v[3], double dt, double *dx, double *dy) {
    const double a = v[2] * dt;
    // sin(a)/a and (1-cos(a))/a, by series where the division would lose digits
    const double s = fabs(a) < 1e-4 ? 1 - a * a / 6 : sin(a) / a;
    const double c = fabs(a) < 1e-4 ? a / 2 - a * a * a / 24 : (1 - cos(a)) / a;
    *dx = dt * (v[0] * s - v[1] * c);
    *dy = dt * (v[0] * c + v[1] * s);
}

// how much of a move is free, 0..1; a move out of something is free
static double free_share(const flat *f, double dx, double dy) {
    const double now = rg_flat_clearance(&f->world, f->x_m, f->y_m);
    const double then = rg_flat_clearance(&f->world, f->x_m + dx, f->y_m + dy);
    if (then >= 0 || then >= now) {
        return 1;
    }
    double low = 0;
    double high = 1;
    for (int i = 0; i < 30; i++) {
        const double middle = (low + high) / 2;
        if (rg_flat_clearance(&f->world, f->x_m + middle * dx, f->y_m + middle * dy) >= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void move(flat *f, double v[3]) {
    double bx = 0;
    double by = 0;
    if (f->world.slip > 0) {
        for (int i = 0; i < 3; i++) {
            v[i] *= 1 + f->world.slip * noise(f);
        }
    }
    arc(v, RG_FLAT_PERIOD_S, &bx, &by);
    const double c = cos(f->heading_rad);
    const double s = sin(f->heading_rad);
    const double dx = c * bx - s * by;
    const double dy = s * bx + c * by;
    const double share = bx == 0 && by == 0 ? 1 : free_share(f, dx, dy);
    f->is_cut = share < 1;
    f->x_m += share * dx;
    f->y_m += share * dy;
    f->heading_rad = remainder(f->heading_rad + v[2] * RG_FLAT_PERIOD_S, 2 * M_PI);
    f->velocity[0] = share * v[0];
    f->velocity[1] = share * v[1];
    f->velocity[2] = v[2];
}

static rg_status flat_advance(void *self, rg_error *err) {
    (void)err;
    flat *f = self;
    double v[3] = {0, 0, 0};
    const bool is_stopped = atomic_load_explicit(&f->is_stopped, memory_order_relaxed);
    if (is_stopped) {
        memcpy(f->action, act_rest, sizeof f->action);
        f->action[ACT_POSTURE] = (float)f->posture;
    }
    // posture first: a robot that stands up moves from the next period on
    const double want = (double)f->action[ACT_POSTURE] - f->posture;
    for (int i = 0; i < 3 && f->posture == 0; i++) {
        v[i] = (double)f->action[ACT_VELOCITY + i];
    }
    f->posture = fabs(want) <= RG_FLAT_PERIOD_S ? (double)f->action[ACT_POSTURE]
                                                : f->posture + copysign(RG_FLAT_PERIOD_S, want);
    move(f, v);
    const double power_w = RG_FLAT_STAND_W + f->posture * (RG_FLAT_SIT_W - RG_FLAT_STAND_W) +
                           RG_FLAT_MOVE_W * hypot(f->velocity[0], f->velocity[1]) +
                           RG_FLAT_TURN_W * fabs(f->velocity[2]);
    f->energy_wh += power_w * RG_FLAT_PERIOD_S / 3600;
    f->n_periods++;
    return RG_OK;
}

static double side(double ax, double ay, double bx, double by, double px, double py) {
    return (bx - ax) * (py - ay) - (by - ay) * (px - ax);
}

// does a wall stand between two points?
static bool is_hidden(const flat *f, double ax, double ay, double bx, double by) {
    for (size_t i = 0; i < f->world.n_walls; i++) {
        const rg_wall *w = &f->world.walls[i];
        const double x0 = (double)w->x0_m;
        const double y0 = (double)w->y0_m;
        const double x1 = (double)w->x1_m;
        const double y1 = (double)w->y1_m;
        if (side(ax, ay, bx, by, x0, y0) * side(ax, ay, bx, by, x1, y1) < 0 &&
            side(x0, y0, x1, y1, ax, ay) * side(x0, y0, x1, y1, bx, by) < 0) {
            return true;
        }
    }
    return false;
}

static size_t flat_look(void *self, rg_sight *out, size_t n_max) {
    const flat *f = self;
    size_t n = 0;
    for (size_t i = 0; i < f->world.n_objects && n < n_max; i++) {
        const rg_sight *o = &f->world.objects[i];
        const double x = (double)o->x_m;
        const double y = (double)o->y_m;
        if (hypot(x - f->x_m, y - f->y_m) <= f->world.sight_m &&
            !is_hidden(f, f->x_m, f->y_m, x, y)) {
            out[n++] = *o;
        }
    }
    // of all walls the nearest point
    double nearest = f->world.sight_m;
    rg_sight wall = {.name = "wall", .is_wall = true};
    bool has_wall = false;
    for (size_t i = 0; i < f->world.n_walls; i++) {
        double x = 0;
        double y = 0;
        const double distance = rg_flat_wall_point(&f->world.walls[i], f->x_m, f->y_m, &x, &y);
        if (distance <= nearest) {
            nearest = distance;
            wall.x_m = (float)x;
            wall.y_m = (float)y;
            has_wall = true;
        }
    }
    if (has_wall && n < n_max) {
        out[n++] = wall;
    }
    return n;
}

static void flat_stop(void *self) {
    flat *f = self;
    atomic_store_explicit(&f->is_stopped, true, memory_order_relaxed);
}

static void flat_start(void *self) {
    flat *f = self;
    atomic_store_explicit(&f->is_stopped, false, memory_order_relaxed);
}

const rg_robot_table rg_sim_flat = {
    .version = RG_ROBOT_VERSION,
    .kind = "sim:flat",
    .open = flat_open,
    .describe = flat_describe,
    .observe = flat_observe,
    .act = flat_act,
    .advance = flat_advance,
    .look = flat_look,
    .stop = flat_stop,
    .start = flat_start,
    .close = flat_close,
};
