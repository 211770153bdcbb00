#include "body/robot.h"

#include "body/sim_flat.h"

// every kind; a name is one of these, or one of these, a colon and a place
static const rg_robot_table *const kinds[] = {&rg_sim_flat};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const rg_robot_table *find_kind(rg_str name, rg_str *place) {
    for (size_t i = 0; i < N_KINDS; i++) {
        const rg_str kind = rg_str_of(kinds[i]->kind);
        if (rg_str_eq(name, kind)) {
            *place = (rg_str){0};
            return kinds[i];
        }
        if (rg_str_starts(name, kind) && name.data[kind.size] == ':') {
            *place = rg_str_slice(name, kind.size + 1, name.size);
            return kinds[i];
        }
    }
    return NULL;
}

static const rg_channel *find_channel(const rg_channel *list, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (rg_str_is(rg_str_of(name), list[i].name)) {
            return &list[i];
        }
    }
    return NULL;
}

const rg_channel *rg_robot_observation(const rg_robot_desc *desc, const char *name) {
    return find_channel(desc->observations, desc->n_observations, name);
}

const rg_channel *rg_robot_action(const rg_robot_desc *desc, const char *name) {
    return find_channel(desc->actions, desc->n_actions, name);
}

// channels lie within the vector; what acts has limits around its rest
static bool channels_are_sound(const rg_channel *list, size_t n, uint32_t n_values, bool acts) {
    for (size_t i = 0; i < n; i++) {
        const rg_channel *c = &list[i];
        if (c->name == NULL || c->n == 0 || c->n > n_values || c->at > n_values - c->n ||
            (acts && (c->min == NULL || c->max == NULL || c->rest == NULL))) {
            return false;
        }
        for (uint32_t j = 0; acts && j < c->n; j++) {
            if (!(c->min[j] <= c->rest[j] && c->rest[j] <= c->max[j])) {
                return false;
            }
        }
    }
    return true;
}

static rg_status check(const rg_robot_table *table, const rg_robot_desc *d, rg_error *err) {
    if (d->version != RG_ROBOT_VERSION || d->n_observed > RG_ROBOT_VALUES_MAX ||
        d->n_acted > RG_ROBOT_VALUES_MAX || !(d->period_s > 0) ||
        !channels_are_sound(d->observations, d->n_observations, d->n_observed, false) ||
        !channels_are_sound(d->actions, d->n_actions, d->n_acted, true)) {
        return rg_fail(err, RG_E_UNSUPPORTED,
                       "%s describes itself in a way this program cannot use (version %u, %u "
                       "observed, %u acted numbers)",
                       table->kind, d->version, d->n_observed, d->n_acted);
    }
    return RG_OK;
}

rg_status rg_robot_open(const rg_mem *mem, rg_str name, const rg_robot_options *options,
                        rg_robot *robot, rg_error *err) {
    rg_robot_options with_place = *options;
    rg_robot r = {.mem = mem, .table = find_kind(name, &with_place.place)};
    if (r.table == NULL) {
        const rg_str shown = rg_str_slice(name, 0, 64);
        return rg_fail(err, RG_E_NOT_FOUND, "there is no robot \"%.*s\"; there is %s[:WORLD.json]",
                       RG_FMT(shown), kinds[0]->kind);
    }
    rg_status status = r.table->open(mem, &with_place, &r.self, err);
    if (status != RG_OK) {
        return status;
    }
    r.desc = r.table->describe(r.self);
    status = check(r.table, r.desc, err);
    if (status != RG_OK) {
        r.table->close(r.self);
        return status;
    }
    *robot = r;
    return RG_OK;
}

void rg_robot_close(rg_robot *robot) {
    if (robot->table != NULL) {
        robot->table->close(robot->self);
    }
    *robot = (rg_robot){0};
}
