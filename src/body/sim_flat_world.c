#include "body/sim_flat.h"

#include "format/json.h"

#include <math.h>

enum { TREE_BYTES = 64 << 20, SHOWN_BYTES = 64 };

static const rg_flat_world default_world = {
    .sight_m = 15,
    .n_objects = 12,
    .objects = {{"red ball", 3, 1, 0.12F, false},
                {"blue box", 2.5F, -1.5F, 0.25F, false},
                {"chair", 5, 3, 0.3F, false},
                {"table", 6.5F, -3, 0.5F, false},
                {"green cone", 4, -4.5F, 0.15F, false},
                {"yellow box", -2, 3.5F, 0.25F, false},
                {"person", -2.5F, -1.5F, 0.25F, false},
                {"plant", 9, 5.5F, 0.25F, false},
                {"sofa", -5, -4.5F, 0.6F, false},
                {"lamp", 0.5F, 5.5F, 0.15F, false},
                {"pole", 8, 1.5F, 0.1F, false},
                {"door", 11.8F, -1, 0.2F, false}},
    .n_walls = 4,
    .walls = {{-8, -7, 12, -7}, {12, -7, 12, 7}, {12, 7, -8, 7}, {-8, 7, -8, -7}},
};

void rg_flat_world_default(rg_flat_world *world) {
    *world = default_world;
}

double rg_flat_wall_point(const rg_wall *w, double x, double y, double *px, double *py) {
    const double dx = (double)w->x1_m - (double)w->x0_m;
    const double dy = (double)w->y1_m - (double)w->y0_m;
    const double length2 = dx * dx + dy * dy;
    double t = 0;
    if (length2 > 0) {
        t = ((x - (double)w->x0_m) * dx + (y - (double)w->y0_m) * dy) / length2;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
    }
    *px = (double)w->x0_m + t * dx;
    *py = (double)w->y0_m + t * dy;
    return hypot(x - *px, y - *py);
}

double rg_flat_clearance(const rg_flat_world *world, double x, double y) {
    double least = INFINITY;
    for (size_t i = 0; i < world->n_objects; i++) {
        const rg_sight *o = &world->objects[i];
        const double gap = hypot(x - (double)o->x_m, y - (double)o->y_m) - (double)o->radius_m;
        least = gap < least ? gap : least;
    }
    for (size_t i = 0; i < world->n_walls; i++) {
        double px = 0;
        double py = 0;
        const double gap = rg_flat_wall_point(&world->walls[i], x, y, &px, &py);
        least = gap < least ? gap : least;
    }
    return least - RG_FLAT_RADIUS_M;
}

// ---- reading ----

/** Where in the file a value stands, for sentences: "objects[3] x is .." and the like. */
typedef struct place {
    const char *list; // NULL: at the top
    size_t i;         // NO_INDEX: it is no list
} place;

#define NO_INDEX SIZE_MAX

static void name_place(rg_error *err, const place *at) {
    if (at->list != NULL && at->i == NO_INDEX) {
        rg_error_prefix(err, "%s", at->list);
    } else if (at->list != NULL) {
        rg_error_prefix(err, "%s[%zu]", at->list, at->i);
    }
}

// an object whose members are all among the names given (NULL at the end)
static rg_status check_keys(const rg_json *json, const char *const *names, const place *at,
                            rg_error *err) {
    if (json->kind != RG_JSON_OBJECT) {
        const rg_status status = rg_fail(err, RG_E_FORMAT, "this must be a JSON object");
        name_place(err, at);
        return status;
    }
    for (size_t i = 0; i < json->n; i++) {
        size_t j = 0;
        while (names[j] != NULL && !rg_str_is(json->keys[i], names[j])) {
            j++;
        }
        if (names[j] == NULL) {
            const rg_str shown = rg_str_slice(json->keys[i], 0, SHOWN_BYTES);
            const rg_status status =
                rg_fail(err, RG_E_ARG, "there is no field \"%.*s\"", RG_FMT(shown));
            name_place(err, at);
            return status;
        }
    }
    return RG_OK;
}

static rg_status read_value(const rg_json *value, const char *name, const place *at, double min,
                            double max, double *out, rg_error *err) {
    double number = 0;
    rg_status status = RG_OK;
    if (value == NULL || value->kind != RG_JSON_NUMBER) {
        status = rg_fail(err, RG_E_ARG, "%s must be a number", name);
    } else if (!rg_json_f64(value, &number) || !(number >= min && number <= max)) {
        const rg_str shown = rg_str_slice(value->text, 0, SHOWN_BYTES);
        status =
            rg_fail(err, RG_E_ARG, "%s is %.*s, valid are %g to %g", name, RG_FMT(shown), min, max);
    } else {
        *out = number;
        return RG_OK;
    }
    name_place(err, at);
    return status;
}

// a member that may be missing
static rg_status read_optional(const rg_json *json, const char *name, const place *at, double min,
                               double max, double *out, rg_error *err) {
    const rg_json *value = rg_json_find(json, name);
    return value == NULL ? RG_OK : read_value(value, name, at, min, max, out, err);
}

static rg_status read_list(const rg_json *json, const char *name, size_t n_max,
                           const rg_json **list, rg_error *err) {
    *list = rg_json_find(json, name);
    if (*list != NULL && (*list)->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_FORMAT, "%s must be a JSON list", name);
    }
    if (*list != NULL && (*list)->n > n_max) {
        return rg_fail(err, RG_E_LIMIT, "%s has %zu entries, at most %zu", name, (*list)->n, n_max);
    }
    return RG_OK;
}

static rg_status read_object(const rg_json *json, const place *at, rg_sight *out, rg_error *err) {
    static const char *const names[] = {"name", "x", "y", "radius", NULL};
    rg_status status = RG_OK;
    rg_str name = {0};
    double x = 0;
    double y = 0;
    double radius = 0;
    RG_TRY(check_keys(json, names, at, err));
    if (!rg_json_str(rg_json_find(json, "name"), &name) || name.size == 0 ||
        name.size >= sizeof out->name || memchr(name.data, 0, name.size) != NULL) {
        status =
            rg_fail(err, RG_E_ARG, "name must be a text of 1 to %zu bytes", sizeof out->name - 1);
        name_place(err, at);
        goto done;
    }
    RG_TRY(read_value(rg_json_find(json, "x"), "x", at, -RG_FLAT_PLACE_MAX, RG_FLAT_PLACE_MAX, &x,
                      err));
    RG_TRY(read_value(rg_json_find(json, "y"), "y", at, -RG_FLAT_PLACE_MAX, RG_FLAT_PLACE_MAX, &y,
                      err));
    RG_TRY(read_value(rg_json_find(json, "radius"), "radius", at, 0, 100, &radius, err));
    *out = (rg_sight){.x_m = (float)x, .y_m = (float)y, .radius_m = (float)radius};
    memcpy(out->name, name.data, name.size);

done:
    return status;
}

static rg_status read_wall(const rg_json *json, const place *at, rg_wall *out, rg_error *err) {
    double v[4] = {0};
    if (json->kind != RG_JSON_ARRAY || json->n != 4) {
        const rg_status status = rg_fail(err, RG_E_FORMAT, "a wall is a list [x0, y0, x1, y1]");
        name_place(err, at);
        return status;
    }
    for (size_t i = 0; i < 4; i++) {
        const rg_status status = read_value(rg_json_at(json, i), i % 2 == 0 ? "x" : "y", at,
                                            -RG_FLAT_PLACE_MAX, RG_FLAT_PLACE_MAX, &v[i], err);
        if (status != RG_OK) {
            return status;
        }
    }
    *out = (rg_wall){(float)v[0], (float)v[1], (float)v[2], (float)v[3]};
    return RG_OK;
}

static rg_status read_start(const rg_json *json, rg_flat_world *w, rg_error *err) {
    static const char *const names[] = {"x", "y", "heading", NULL};
    const rg_json *start = rg_json_find(json, "start");
    const place at = {"start", NO_INDEX};
    double degrees = 0;
    rg_status status = RG_OK;
    if (start == NULL) {
        return RG_OK;
    }
    RG_TRY(check_keys(start, names, &at, err));
    RG_TRY(read_optional(start, "x", &at, -RG_FLAT_PLACE_MAX, RG_FLAT_PLACE_MAX, &w->x_m, err));
    RG_TRY(read_optional(start, "y", &at, -RG_FLAT_PLACE_MAX, RG_FLAT_PLACE_MAX, &w->y_m, err));
    RG_TRY(read_optional(start, "heading", &at, -180, 180, &degrees, err));
    w->heading_rad = degrees * (M_PI / 180);

done:
    return status;
}

static rg_status read_world(const rg_json *json, rg_flat_world *w, rg_error *err) {
    static const char *const names[] = {"start", "sight", "slip", "seed", "walls", "objects", NULL};
    const place whole = {0};
    const rg_json *list = NULL;
    double seed = 0;
    rg_status status = RG_OK;
    RG_TRY(check_keys(json, names, &whole, err));
    RG_TRY(read_start(json, w, err));
    RG_TRY(read_optional(json, "sight", &whole, 0, 1000, &w->sight_m, err));
    RG_TRY(read_optional(json, "slip", &whole, 0, 0.5, &w->slip, err));
    RG_TRY(read_optional(json, "seed", &whole, 0, 9007199254740992.0, &seed, err));
    w->seed = (uint64_t)seed;
    RG_TRY(read_list(json, "objects", RG_FLAT_OBJECTS_MAX, &list, err));
    for (; list != NULL && w->n_objects < list->n; w->n_objects++) {
        const place at = {"objects", w->n_objects};
        RG_TRY(read_object(rg_json_at(list, at.i), &at, &w->objects[at.i], err));
    }
    RG_TRY(read_list(json, "walls", RG_FLAT_WALLS_MAX, &list, err));
    for (; list != NULL && w->n_walls < list->n; w->n_walls++) {
        const place at = {"walls", w->n_walls};
        RG_TRY(read_wall(rg_json_at(list, at.i), &at, &w->walls[at.i], err));
    }
    if (rg_flat_clearance(w, w->x_m, w->y_m) < 0) {
        status = rg_fail(err, RG_E_ARG,
                         "start (%g, %g) is within %g m of a wall or an object: the robot does not "
                         "fit there",
                         w->x_m, w->y_m, RG_FLAT_RADIUS_M);
    }

done:
    return status;
}

rg_status rg_flat_world_read(const rg_mem *mem, rg_str text, rg_flat_world *world, rg_error *err) {
    rg_status status = RG_OK;
    rg_arena arena;
    const rg_json *json = NULL;
    rg_flat_world *w = rg_new(mem, sizeof *w);
    rg_arena_init(&arena, mem, TREE_BYTES);
    if (w == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a world");
        goto done;
    }
    w->sight_m = default_world.sight_m;
    RG_TRY(rg_json_parse(&arena, text, &json, err));
    RG_TRY(read_world(json, w, err));
    *world = *w;

done:
    rg_arena_clear(&arena);
    rg_free(mem, w);
    return status;
}
