/* The kinematic robot: motion against closed forms, collisions, determinism, hostile worlds. */
#include "base/random.h"
#include "body/robot.h"
#include "body/sim_flat.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/** A robot in a world of this text (NULL: the default world). */
static rg_robot open_world(const char *json, uint64_t seed) {
    char path[] = "/tmp/raga_world_XXXXXX";
    char name[64] = "sim:flat";
    rg_robot robot = {0};
    rg_error err = {0};
    if (json != NULL) {
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, json, strlen(json)), (ssize_t)strlen(json));
        close(fd);
        snprintf(name, sizeof name, "sim:flat:%s", path);
    }
    const rg_robot_options options = {.has_seed = seed != 0, .seed = seed};
    const rg_status status = rg_robot_open(rg_mem_heap(), rg_str_of(name), &options, &robot, &err);
    if (json != NULL) {
        unlink(path);
    }
    if (status != RG_OK) {
        fail_msg("%s", err.text);
    }
    return robot;
}

/** n periods of one command; what is seen after the last. */
static rg_observation drive(rg_robot *robot, float forward, float left, float yaw, float posture,
                            int n) {
    const float action[4] = {forward, left, yaw, posture};
    rg_observation obs;
    rg_error err = {0};
    for (int i = 0; i < n; i++) {
        assert_int_equal(robot->table->act(robot->self, action, &err), RG_OK);
        assert_int_equal(robot->table->advance(robot->self, &err), RG_OK);
    }
    assert_int_equal(robot->table->observe(robot->self, &obs, &err), RG_OK);
    return obs;
}

static double seen(const rg_robot *robot, const rg_observation *obs, const char *channel,
                   uint32_t i) {
    const rg_channel *c = rg_robot_observation(robot->desc, channel);
    assert_non_null(c);
    assert_true(i < c->n);
    return (double)obs->values[c->at + i];
}

static void near(double value, double want, double tolerance) {
    if (!(fabs(value - want) <= tolerance)) {
        fail_msg("%.9g, expected %.9g", value, want);
    }
}

// ---- motion ----

static void a_straight_line_is_speed_times_time(void **state) {
    (void)state;
    rg_robot r = open_world("{\"start\":{\"x\":1,\"y\":-2,\"heading\":30}}", 0);
    const rg_observation obs = drive(&r, 0.75F, 0, 0, 0, 200);
    near(obs.time_s, 4, 1e-12);
    assert_int_equal(obs.sequence, 200);
    near(seen(&r, &obs, "base.pose", 0), 1 + 3 * cos(M_PI / 6), 1e-6);
    near(seen(&r, &obs, "base.pose", 1), -2 + 3 * sin(M_PI / 6), 1e-6);
    near(seen(&r, &obs, "base.pose", 2), M_PI / 6, 1e-6);
    near(seen(&r, &obs, "base.velocity", 0), 0.75, 1e-6);
    near(seen(&r, &obs, "base.gravity", 2), -1, 0);
    rg_robot_close(&r);
}

// a constant twist is a circle, whatever the period: no error of integration
static void an_arc_is_exact(void **state) {
    (void)state;
    static const float twists[][3] = {{0.5F, 0, 0.5F},  {-0.4F, 0.2F, 0.9F}, {0.3F, 0.3F, -1},
                                      {0.5F, 0, 1e-5F}, {0, -0.3F, 1e-3F},   {0, 0, 1}};
    for (size_t i = 0; i < sizeof twists / sizeof *twists; i++) {
        const double vx = (double)twists[i][0];
        const double vy = (double)twists[i][1];
        const double w = (double)twists[i][2];
        rg_robot r = open_world("{}", 0);
        const rg_observation obs = drive(&r, twists[i][0], twists[i][1], twists[i][2], 0, 250);
        const double a = w * 5;
        near(seen(&r, &obs, "base.pose", 0), (vx * sin(a) - vy * (1 - cos(a))) / w, 1e-6);
        near(seen(&r, &obs, "base.pose", 1), (vx * (1 - cos(a)) + vy * sin(a)) / w, 1e-6);
        near(seen(&r, &obs, "base.pose", 2), remainder(a, 2 * M_PI), 1e-6);
        rg_robot_close(&r);
    }
}

static void a_full_circle_comes_back(void **state) {
    (void)state;
    rg_robot r = open_world("{}", 0);
    // 2 pi s at 1 rad/s is no whole number of periods: 0.5 m/s at 0.5 rad/s for 628 of them is near
    const rg_observation obs = drive(&r, 0.5F, 0, 0.5F, 0, 628);
    near(hypot(seen(&r, &obs, "base.pose", 0), seen(&r, &obs, "base.pose", 1)),
         2 * sin((2 * M_PI - 6.28) / 2), 1e-6);
    rg_robot_close(&r);
}

static void energy_is_power_times_time_and_never_falls(void **state) {
    (void)state;
    rg_robot r = open_world("{}", 0);
    rg_observation obs = drive(&r, 0, 0, 0, 0, 50);
    near(seen(&r, &obs, "energy", 0), RG_FLAT_STAND_W / 3600, 1e-6);
    obs = drive(&r, 0.5F, 0, 0, 0, 50);
    const double want = (2 * RG_FLAT_STAND_W + 0.5 * RG_FLAT_MOVE_W) / 3600;
    near(seen(&r, &obs, "energy", 0), want, 1e-6);
    rg_random random;
    rg_random_seed(&random, 5);
    double last = want;
    for (int i = 0; i < 2000; i++) {
        obs = drive(&r, (float)rg_random_unit(&random) - 0.5F, 0, (float)rg_random_unit(&random),
                    i % 200 < 60 ? 1 : 0, 1);
        assert_true(seen(&r, &obs, "energy", 0) >= last);
        last = seen(&r, &obs, "energy", 0);
    }
    assert_true(last > want);
    rg_robot_close(&r);
}

static void a_sitting_robot_does_not_move(void **state) {
    (void)state;
    rg_robot r = open_world("{}", 0);
    rg_observation obs = drive(&r, 0, 0, 0, 1, 49);
    near(seen(&r, &obs, "posture", 0), 0.98, 1e-6);
    obs = drive(&r, 0.5F, 0, 1, 1, 100);
    near(seen(&r, &obs, "posture", 0), 1, 0);
    near(seen(&r, &obs, "base.pose", 0), 0, 0);
    near(seen(&r, &obs, "base.pose", 2), 0, 0);
    near(seen(&r, &obs, "base.velocity", 0), 0, 0);
    obs = drive(&r, 0.5F, 0, 0, 0, 100); // a second to stand up, a second of walking
    near(seen(&r, &obs, "base.pose", 0), 0.5, 0.02);
    rg_robot_close(&r);
}

// ---- collisions ----

static void a_wall_stops_at_the_body(void **state) {
    (void)state;
    rg_robot r = open_world("{\"walls\":[[2,-5,2,5]]}", 0);
    rg_observation obs = drive(&r, 1, 0, 0, 0, 400);
    near(seen(&r, &obs, "base.pose", 0), 2 - RG_FLAT_RADIUS_M, 1e-6);
    near(seen(&r, &obs, "contact", 0), 1, 0);
    near(seen(&r, &obs, "base.velocity", 0), 0, 1e-4);
    obs = drive(&r, -0.5F, 0, 0, 0, 50); // and away from it it goes
    near(seen(&r, &obs, "contact", 0), 0, 0);
    near(seen(&r, &obs, "base.pose", 0), 1.25, 1e-5);
    rg_robot_close(&r);
}

static void an_object_stops_at_its_radius(void **state) {
    (void)state;
    rg_robot r = open_world("{\"objects\":[{\"name\":\"box\",\"x\":0,\"y\":2,\"radius\":0.5}]}", 0);
    const rg_observation obs = drive(&r, 0, 0.3F, 0, 0, 600);
    near(seen(&r, &obs, "base.pose", 1), 2 - 0.5 - RG_FLAT_RADIUS_M, 1e-6);
    rg_robot_close(&r);
}

static void no_command_ever_leads_into_something(void **state) {
    (void)state;
    rg_flat_world world;
    rg_random random;
    rg_flat_world_default(&world);
    rg_random_seed(&random, 11);
    rg_robot r = open_world(NULL, 0);
    int n_cut = 0;
    for (int i = 0; i < 20000; i++) {
        static float v[3];
        if (i % 100 == 0) {
            v[0] = (float)rg_random_unit(&random) * 1.5F - 0.5F;
            v[1] = (float)rg_random_unit(&random) * 0.6F - 0.3F;
            v[2] = (float)rg_random_unit(&random) * 2 - 1;
        }
        const rg_observation obs = drive(&r, v[0], v[1], v[2], 0, 1);
        n_cut += seen(&r, &obs, "contact", 0) > 0.5;
        assert_true(rg_flat_clearance(&world, seen(&r, &obs, "base.pose", 0),
                                      seen(&r, &obs, "base.pose", 1)) > -1e-5);
    }
    assert_true(n_cut > 10); // it did bump
    rg_robot_close(&r);
}

// ---- the contract ----

static void commands_outside_the_limits_are_refused(void **state) {
    (void)state;
    rg_robot r = open_world("{}", 0);
    static const float bad[][4] = {{1.001F, 0, 0, 0},  {-0.501F, 0, 0, 0}, {0, 0.31F, 0, 0},
                                   {0, -0.31F, 0, 0},  {0, 0, 1.01F, 0},   {0, 0, -1.01F, 0},
                                   {0, 0, 0, 1.1F},    {0, 0, 0, -0.1F},   {NAN, 0, 0, 0},
                                   {0, 0, INFINITY, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rg_error err = {0};
        assert_int_equal(r.table->act(r.self, bad[i], &err), RG_E_ARG);
        assert_non_null(strstr(err.text, "valid are"));
    }
    const rg_observation obs = drive(&r, 0, 0, 0, 0, 1);
    near(seen(&r, &obs, "base.pose", 0), 0, 0);
    rg_robot_close(&r);
}

static void a_stopped_robot_stands_until_it_is_started(void **state) {
    (void)state;
    rg_robot r = open_world("{}", 0);
    const float action[4] = {1, 0, 0, 0};
    rg_observation obs = drive(&r, 1, 0, 0, 0, 10);
    const double x = seen(&r, &obs, "base.pose", 0);
    r.table->stop(r.self);
    assert_int_equal(r.table->act(r.self, action, NULL), RG_E_STATE);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(r.table->advance(r.self, NULL), RG_OK);
    }
    assert_int_equal(r.table->observe(r.self, &obs, NULL), RG_OK);
    near(seen(&r, &obs, "base.pose", 0), x, 0);
    r.table->start(r.self);
    obs = drive(&r, 1, 0, 0, 0, 10);
    assert_true(seen(&r, &obs, "base.pose", 0) > x);
    rg_robot_close(&r);
}

static void unknown_robots_are_named(void **state) {
    (void)state;
    static const char *const names[] = {"", "sim", "sim:fla", "sim:flatter", "dog", "sim:dog"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rg_robot r = {0};
        rg_error err = {0};
        assert_int_equal(
            rg_robot_open(rg_mem_heap(), rg_str_of(names[i]), &(rg_robot_options){0}, &r, &err),
            RG_E_NOT_FOUND);
        assert_non_null(strstr(err.text, "sim:flat"));
    }
    rg_robot r = {0};
    rg_error err = {0};
    assert_int_equal(rg_robot_open(rg_mem_heap(), RG_STR("sim:flat:/no/world.json"),
                                   &(rg_robot_options){0}, &r, &err),
                     RG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/world.json"));
}

static void walls_hide_and_sight_ends(void **state) {
    (void)state;
    rg_robot r = open_world("{\"sight\":5,\"walls\":[[1,0.5,1,3]],\"objects\":["
                            "{\"name\":\"hidden\",\"x\":2,\"y\":2,\"radius\":0.1},"
                            "{\"name\":\"near\",\"x\":2,\"y\":-2,\"radius\":0.1},"
                            "{\"name\":\"far\",\"x\":-4,\"y\":-4,\"radius\":0.1}]}",
                            0);
    rg_sight sights[RG_SIGHTS_MAX];
    assert_int_equal(r.table->look(r.self, sights, RG_SIGHTS_MAX), 2);
    assert_string_equal(sights[0].name, "near");
    assert_true(sights[1].is_wall);
    near((double)sights[1].x_m, 1, 1e-6);
    near((double)sights[1].y_m, 0.5, 1e-6);
    assert_int_equal(r.table->look(r.self, sights, 1), 1); // no more than there is room for
    rg_robot_close(&r);
}

// ---- determinism ----

static uint64_t trajectory_hash(uint64_t seed) {
    rg_robot r = open_world("{\"slip\":0.1,\"walls\":[[3,-9,3,9]]}", seed);
    rg_random random;
    uint64_t hash = 14695981039346656037u;
    rg_random_seed(&random, 3);
    for (int i = 0; i < 1000; i++) {
        const rg_observation obs = drive(&r, (float)rg_random_unit(&random) * 0.9F, 0.1F,
                                         (float)rg_random_unit(&random) - 0.5F, 0, 1);
        const unsigned char *bytes = (const unsigned char *)obs.values;
        for (size_t j = 0; j < r.desc->n_observed * sizeof *obs.values; j++) {
            hash = (hash ^ bytes[j]) * 1099511628211u;
        }
    }
    rg_robot_close(&r);
    return hash;
}

static void the_same_seed_gives_the_same_bits(void **state) {
    (void)state;
    assert_true(trajectory_hash(7) == trajectory_hash(7));
    assert_true(trajectory_hash(7) != trajectory_hash(8));
}

static void slip_is_about_what_it_says(void **state) {
    (void)state;
    // 500 periods of 1 cm with an error of 20 %: 5 m, give or take 0.2 * 0.01 * sqrt(500) = 0.045
    double sum2 = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        rg_robot r = open_world("{\"slip\":0.2}", seed);
        const rg_observation obs = drive(&r, 0.5F, 0, 0, 0, 500);
        const double off = seen(&r, &obs, "base.pose", 0) - 5;
        sum2 += off * off;
        rg_robot_close(&r);
    }
    near(sqrt(sum2 / 100), 0.0447, 0.012);
}

// ---- worlds ----

static void hostile_worlds_are_refused_by_name(void **state) {
    (void)state;
    // clang-format off
    static const struct {
        const char *json;
        rg_status status;
        const char *says;
    } rows[] = {
        {"", RG_E_FORMAT, ""},
        {"[]", RG_E_FORMAT, "JSON object"},
        {"{", RG_E_FORMAT, ""},
        {"{\"wals\":[]}", RG_E_ARG, "no field \"wals\""},
        {"{\"sight\":-1}", RG_E_ARG, "sight is -1"},
        {"{\"sight\":\"x\"}", RG_E_ARG, "sight must be a number"},
        {"{\"slip\":0.6}", RG_E_ARG, "slip is 0.6"},
        {"{\"seed\":-1}", RG_E_ARG, "seed is -1"},
        {"{\"seed\":1e300}", RG_E_ARG, "seed is 1e300"},
        {"{\"start\":[0,0]}", RG_E_FORMAT, "start: this must be a JSON object"},
        {"{\"start\":{\"z\":0}}", RG_E_ARG, "start: there is no field \"z\""},
        {"{\"start\":{\"x\":1001}}", RG_E_ARG, "start: x is 1001"},
        {"{\"start\":{\"heading\":181}}", RG_E_ARG, "start: heading is 181"},
        {"{\"walls\":{}}", RG_E_FORMAT, "walls must be a JSON list"},
        {"{\"walls\":[[0,0,1]]}", RG_E_FORMAT, "walls[0]"},
        {"{\"walls\":[[9,9,9,9],[0,0,1,\"x\"]]}", RG_E_ARG, "walls[1]: y must be a number"},
        {"{\"walls\":[[0,0,1,1e9]]}", RG_E_ARG, "walls[0]: y is 1e9"},
        {"{\"objects\":[7]}", RG_E_FORMAT, "objects[0]"},
        {"{\"objects\":[{\"x\":1,\"y\":1,\"radius\":0}]}", RG_E_ARG, "objects[0]: name"},
        {"{\"objects\":[{\"name\":\"\",\"x\":1,\"y\":1,\"radius\":0}]}", RG_E_ARG, "objects[0]: name"},
        {"{\"objects\":[{\"name\":\"a\",\"x\":1,\"y\":1}]}", RG_E_ARG, "objects[0]: radius must be a number"},
        {"{\"objects\":[{\"name\":\"a\",\"x\":1,\"y\":1,\"radius\":-1}]}", RG_E_ARG, "radius is -1"},
        {"{\"objects\":[{\"name\":\"a\",\"x\":1,\"y\":1,\"radius\":1,\"mass\":1}]}", RG_E_ARG, "no field \"mass\""},
        {"{\"objects\":[{\"name\":\"a\",\"x\":0.3,\"y\":0,\"radius\":0.1}]}", RG_E_ARG, "does not fit"},
        {"{\"walls\":[[-1,0.2,1,0.2]]}", RG_E_ARG, "does not fit"},
    };
    // clang-format on
    static rg_flat_world world;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_error err = {0};
        world.sight_m = 77;
        assert_int_equal(rg_flat_world_read(rg_mem_heap(), rg_str_of(rows[i].json), &world, &err),
                         rows[i].status);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: \"%s\"", rows[i].json, err.text);
        }
        assert_true(world.sight_m == 77); // untouched
    }
}

static void worlds_have_a_size_limit(void **state) {
    (void)state;
    static char json[1 << 15];
    static rg_flat_world world;
    for (int extra = 0; extra < 2; extra++) {
        size_t n = (size_t)snprintf(json, sizeof json, "{\"walls\":[");
        for (int i = 0; i < RG_FLAT_WALLS_MAX + extra; i++) {
            n += (size_t)snprintf(json + n, sizeof json - n, "%s[9,9,9,%d]", i == 0 ? "" : ",",
                                  i + 1);
        }
        snprintf(json + n, sizeof json - n, "]}");
        assert_int_equal(rg_flat_world_read(rg_mem_heap(), rg_str_of(json), &world, NULL),
                         extra == 0 ? RG_OK : RG_E_LIMIT);
    }
    assert_int_equal(world.n_walls, RG_FLAT_WALLS_MAX);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        static rg_flat_world world;
        torture t;
        torture_init(&t, fail_at);
        const rg_status status = rg_flat_world_read(
            &t.mem,
            RG_STR("{\"objects\":[{\"name\":\"a\\u0062\",\"x\":1,\"y\":1,\"radius\":0.1}]}"),
            &world, NULL);
        assert_int_equal(t.n_live, 0);
        if (t.n_made < fail_at) {
            assert_int_equal(status, RG_OK);
            assert_string_equal(world.objects[0].name, "ab");
            break;
        }
        assert_int_equal(status, RG_E_MEMORY);
    }
    rg_robot r = {0};
    torture t;
    torture_init(&t, 1);
    assert_int_equal(rg_robot_open(&t.mem, RG_STR("sim:flat"), &(rg_robot_options){0}, &r, NULL),
                     RG_E_MEMORY);
    assert_null(r.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straight_line_is_speed_times_time),
        cmocka_unit_test(an_arc_is_exact),
        cmocka_unit_test(a_full_circle_comes_back),
        cmocka_unit_test(energy_is_power_times_time_and_never_falls),
        cmocka_unit_test(a_sitting_robot_does_not_move),
        cmocka_unit_test(a_wall_stops_at_the_body),
        cmocka_unit_test(an_object_stops_at_its_radius),
        cmocka_unit_test(no_command_ever_leads_into_something),
        cmocka_unit_test(commands_outside_the_limits_are_refused),
        cmocka_unit_test(a_stopped_robot_stands_until_it_is_started),
        cmocka_unit_test(unknown_robots_are_named),
        cmocka_unit_test(walls_hide_and_sight_ends),
        cmocka_unit_test(the_same_seed_gives_the_same_bits),
        cmocka_unit_test(slip_is_about_what_it_says),
        cmocka_unit_test(hostile_worlds_are_refused_by_name),
        cmocka_unit_test(worlds_have_a_size_limit),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
