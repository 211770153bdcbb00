/* Skills on sim:flat and on robots that lack things: results, limits, timeouts, stops. */
#include "base/random.h"
#include "body/drive.h"
#include "body/limits_act.h"
#include "body/sim_flat.h"
#include "body/skill_run.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static rg_drive *open_world(const char *json) {
    char path[] = "/tmp/raga_world_XXXXXX";
    char name[64] = "sim:flat";
    rg_drive *drive = NULL;
    rg_error err = {0};
    if (json != NULL) {
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, json, strlen(json)), (ssize_t)strlen(json));
        close(fd);
        snprintf(name, sizeof name, "sim:flat:%s", path);
    }
    const rg_status status =
        rg_drive_open(rg_mem_heap(), rg_str_of(name), &(rg_robot_options){0}, &drive, &err);
    if (json != NULL) {
        unlink(path);
    }
    if (status != RG_OK) {
        fail_msg("%s", err.text);
    }
    return drive;
}

/** A whole call; its result, valid until the next. */
static const char *call(rg_drive *drive, const char *name, const char *args) {
    static char text[16384];
    rg_buf out;
    bool is_busy = true;
    rg_drive_start(drive, rg_str_of(name), rg_str_of(args));
    for (int i = 0; is_busy; i++) {
        rg_error err = {0};
        if (rg_drive_tick(drive, &is_busy, &err) != RG_OK) {
            fail_msg("%s: %s", name, err.text);
        }
        assert_true(i < 1000000);
    }
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_drive_result(drive, &out);
    snprintf(text, sizeof text, "%s", rg_buf_cstr(&out));
    rg_buf_clear(&out);
    return text;
}

static void near(double value, double want, double tolerance) {
    if (!(fabs(value - want) <= tolerance)) {
        fail_msg("%.9g, expected %.9g", value, want);
    }
}

// ---- results ----

static void every_skill_answers_as_agreed(void **state) {
    (void)state;
    static const struct {
        const char *name, *args, *result;
    } rows[] = {
        {"status", "{}",
         "{\"ok\": true, \"x\": 0.0, \"y\": 0.0, \"heading\": 0.0, \"energy_used_wh\": 0.0, "
         "\"fallen\": false}"},
        {"walk", "{\"distance\":2}", "{\"ok\": true, \"distance\": 2.0}"},
        {"walk", "{\"distance\":-0.5,\"speed\":0.8}", "{\"ok\": true, \"distance\": -0.5}"},
        {"walk", "{\"distance\":0.25,\"speed\":5}", "{\"ok\": true, \"distance\": 0.25}"},
        {"walk", "{\"distance\":0}", "{\"ok\": true, \"distance\": 0.0}"},
        {"sidestep", "{\"distance\":-0.3}", "{\"ok\": true, \"distance\": -0.3}"},
        {"turn", "{\"angle\":-90}", "{\"ok\": true, \"angle\": -90.0}"},
        {"turn", "{\"angle\":360}", "{\"ok\": true, \"angle\": 360.0}"},
        {"turn", "{\"angle\":-1234.5}", "{\"ok\": true, \"angle\": -1234.5}"},
        {"go_to", "{\"x\":-1.5,\"y\":2}", "{\"ok\": true, \"x\": -1.5, \"y\": 2.0}"},
        {"go_to", "{\"x\":-1.5,\"y\":2.05}", "{\"ok\": true, \"x\": -1.5, \"y\": 2.05}"},
        {"approach", "{\"object\":\"box\"}",
         "{\"ok\": true, \"object\": \"red box\", \"distance\": 0.5}"},
        {"approach", "{\"object\":\"red box\",\"distance\":1}",
         "{\"ok\": true, \"object\": \"red box\", \"distance\": 1.0}"},
        {"approach", "{\"object\":\"red box\",\"distance\":0}",
         "{\"ok\": true, \"object\": \"red box\", \"distance\": 0.27}"},
        {"approach", "{\"object\":\"ox\"}", "{\"ok\": false, \"error\": \"ox not found\"}"},
        {"approach", "{\"object\":\"green cone\"}",
         "{\"ok\": false, \"error\": \"green cone not found\"}"},
        {"sit", "{}", "{\"ok\": true}"},
        {"wait", "{\"seconds\":8}", "{\"ok\": true}"},
        {"stand", "{}", "{\"ok\": true}"},
        {"stop", "{}", "{\"ok\": true}"},
        {"fly", "{}", "{\"ok\": false, \"error\": \"there is no skill \\\"fly\\\"\"}"},
        {"walk", "{}", "{\"ok\": false, \"error\": \"walk: the argument distance is missing\"}"},
    };
    rg_drive *d =
        open_world("{\"objects\":[{\"name\":\"red box\",\"x\":-1.5,\"y\":5,\"radius\":0.25}]}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = call(d, rows[i].name, rows[i].args);
        if (strcmp(got, rows[i].result) != 0) {
            fail_msg("%s %s: %s", rows[i].name, rows[i].args, got);
        }
    }
    assert_int_equal(rg_drive_limits(d)->n_bad, 0);
    rg_drive_close(d);
}

static void look_lists_the_nearest_first(void **state) {
    (void)state;
    rg_drive *d = open_world("{\"start\":{\"heading\":90},\"walls\":[[9,-9,9,9]],\"objects\":["
                             "{\"name\":\"chair\",\"x\":-3,\"y\":4,\"radius\":0.3},"
                             "{\"name\":\"red ball\",\"x\":1.8,\"y\":0.6,\"radius\":0.1},"
                             "{\"name\":\"a \\\"thing\\\"\",\"x\":0,\"y\":-6,\"radius\":0}]}");
    assert_string_equal(
        call(d, "look", ""),
        "{\"ok\": true, \"objects\": [{\"name\": \"red ball\", \"x\": 1.8, \"y\": 0.6, "
        "\"distance\": 1.9, \"bearing\": -72}, {\"name\": \"chair\", \"x\": -3.0, \"y\": 4.0, "
        "\"distance\": 5.0, \"bearing\": 37}, {\"name\": \"a \\\"thing\\\"\", \"x\": 0.0, \"y\": "
        "-6.0, \"distance\": 6.0, \"bearing\": 180}]}");
    rg_drive_close(d);
    d = open_world("{}");
    assert_string_equal(call(d, "look", "{}"), "{\"ok\": true, \"objects\": []}");
    rg_drive_close(d);
}

static void look_tells_of_no_more_than_its_limit(void **state) {
    (void)state;
    char world[1024] = "{\"objects\":[";
    // "thing 0" is the farthest
    for (int i = 0; i < RG_SKILL_LOOK_MAX + 2; i++) {
        const size_t at = strlen(world);
        snprintf(world + at, sizeof world - at,
                 "%s{\"name\":\"thing %d\",\"x\":%d,\"y\":3,\"radius\":0.1}", i == 0 ? "" : ",", i,
                 10 - i);
    }
    const size_t end = strlen(world);
    snprintf(world + end, sizeof world - end, "]}");
    rg_drive *d = open_world(world);
    const char *got = call(d, "look", "{}");
    size_t n = 0;
    for (const char *p = got; (p = strstr(p, "\"name\"")) != NULL; p++) {
        n++;
    }
    assert_int_equal(n, RG_SKILL_LOOK_MAX);
    assert_non_null(strstr(got, "\"thing 2\""));
    assert_null(strstr(got, "\"thing 1\""));
    assert_null(strstr(got, "\"thing 0\""));
    rg_drive_close(d);
}

// ---- where it ends ----

static void motions_end_where_they_should(void **state) {
    (void)state;
    rg_drive *d = open_world("{}");
    call(d, "turn", "{\"angle\":90}");
    call(d, "walk", "{\"distance\":3,\"speed\":0.2}");
    rg_skill_state s = rg_drive_state(d);
    near(s.x_m, 0, 0.01);
    near(s.y_m, 3, 0.001);
    near(s.time_s, M_PI / 2 + 15, 2); // the speed that was asked for
    const double before_m = s.x_m;
    call(d, "sidestep", "{\"distance\":1}");
    s = rg_drive_state(d);
    near(s.x_m - before_m, -1, 0.001);
    near(s.heading_rad, M_PI / 2, 0.001);
    near(s.speed_m_s, 0, 0);
    call(d, "walk", "{\"distance\":-1}");
    near(rg_drive_state(d).y_m, 2, 0.01);
    rg_drive_close(d);
}

// feedback closes on slipping ground too
static void slip_is_made_good(void **state) {
    (void)state;
    for (int seed = 1; seed <= 20; seed++) {
        char world[64];
        snprintf(world, sizeof world, "{\"slip\":0.3,\"seed\":%d}", seed);
        rg_drive *d = open_world(world);
        call(d, "walk", "{\"distance\":2}");
        near(rg_drive_state(d).x_m, 2, 0.01);
        near(rg_drive_state(d).y_m, 0, 0.01);
        call(d, "turn", "{\"angle\":90}");
        near(rg_drive_state(d).heading_rad, M_PI / 2, 0.01);
        call(d, "go_to", "{\"x\":-2,\"y\":-2}");
        near(rg_drive_state(d).x_m, -2, 0.01);
        near(rg_drive_state(d).y_m, -2, 0.01);
        rg_drive_close(d);
    }
}

static void a_sitting_robot_stands_up_to_walk(void **state) {
    (void)state;
    rg_drive *d = open_world("{}");
    call(d, "sit", "{}");
    near(rg_drive_state(d).posture, 1, 0.03);
    const double before_s = rg_drive_state(d).time_s;
    call(d, "wait", "{\"seconds\":2}");
    near(rg_drive_state(d).time_s - before_s, 2, 0.05);
    near(rg_drive_state(d).posture, 1, 0.03); // waiting changes nothing
    assert_string_equal(call(d, "walk", "{\"distance\":1}"), "{\"ok\": true, \"distance\": 1.0}");
    near(rg_drive_state(d).posture, 0, 0.02);
    near(rg_drive_state(d).x_m, 1, 0.001);
    rg_drive_close(d);
}

// ---- collisions ----

static void what_is_in_the_way_is_named(void **state) {
    (void)state;
    rg_drive *d = open_world("{\"walls\":[[3,-9,3,9]],\"objects\":["
                             "{\"name\":\"chair\",\"x\":-2,\"y\":0,\"radius\":0.3}]}");
    assert_string_equal(call(d, "walk", "{\"distance\":5}"),
                        "{\"ok\": false, \"error\": \"blocked by a wall after 2.75 m\"}");
    assert_string_equal(call(d, "go_to", "{\"x\":0,\"y\":0}"),
                        "{\"ok\": true, \"x\": 0.0, \"y\": 0.0}");
    call(d, "turn", "{\"angle\":-180}");
    assert_string_equal(call(d, "go_to", "{\"x\":-1.9,\"y\":0}"),
                        "{\"ok\": false, \"error\": \"blocked by chair after 1.45 m\"}");
    // the next call is free again
    assert_non_null(strstr(call(d, "go_to", "{\"x\":0,\"y\":2}"), "\"ok\": true"));
    rg_drive_close(d);
}

// random fields of things: every goal that is free is reached, around what stands between
static void things_on_the_way_are_passed(void **state) {
    (void)state;
    rg_random random;
    rg_random_seed(&random, 17);
    int n_reached = 0;
    enum { FIELDS = 60 };
    for (int k = 0; k < FIELDS; k++) {
        static char world[4096];
        char args[128];
        rg_flat_world w = {0};
        size_t n = (size_t)snprintf(world, sizeof world, "{\"objects\":[");
        for (int i = 0; i < 12; i++) {
            const double x = -3.5 + 2.5 * (i % 4) + 0.6 * rg_random_unit(&random);
            const double y = -3 + 2.5 * (double)(i / 4) + 0.6 * rg_random_unit(&random);
            const double radius = 0.1 + 0.3 * rg_random_unit(&random);
            w.objects[w.n_objects++] =
                (rg_sight){.x_m = (float)x, .y_m = (float)y, .radius_m = (float)radius};
            n += (size_t)snprintf(world + n, sizeof world - n,
                                  "%s{\"name\":\"t%d\",\"x\":%.4f,\"y\":%.4f,\"radius\":%.4f}",
                                  i == 0 ? "" : ",", i, x, y, radius);
        }
        snprintf(world + n, sizeof world - n, "],\"start\":{\"x\":-5,\"y\":%d}}", k % 5 - 2);
        // a free goal
        double x = 0;
        double y = 0;
        do {
            x = 1 + 5 * rg_random_unit(&random);
            y = -4 + 8 * rg_random_unit(&random);
        } while (rg_flat_clearance(&w, x, y) < 0.05);
        rg_drive *d = open_world(world);
        snprintf(args, sizeof args, "{\"x\":%.3f,\"y\":%.3f}", x, y);
        n_reached += strstr(call(d, "go_to", args), "\"ok\": true") != NULL;
        rg_drive_close(d);
    }
    printf("%d of %d goals reached\n", n_reached, FIELDS);
    assert_int_equal(n_reached, FIELDS);
}

// ---- stops and timeouts ----

static void a_stop_in_the_middle_takes_one_period(void **state) {
    (void)state;
    static const char *const calls[][2] = {{"walk", "{\"distance\":5}"},
                                           {"sidestep", "{\"distance\":5}"},
                                           {"turn", "{\"angle\":3000}"},
                                           {"go_to", "{\"x\":5,\"y\":5}"},
                                           {"approach", "{\"object\":\"door\"}"},
                                           {"wait", "{\"seconds\":100}"},
                                           {"sit", "{}"}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        rg_drive *d = open_world(NULL);
        bool is_busy = false;
        rg_buf out;
        rg_drive_start(d, rg_str_of(calls[i][0]), rg_str_of(calls[i][1]));
        for (int tick = 0; tick < 40; tick++) {
            assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
            assert_true(is_busy);
        }
        rg_drive_stop(d);
        assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
        assert_false(is_busy);
        near(rg_drive_state(d).speed_m_s, 0, 0);
        near(rg_drive_state(d).yaw_rad_s, 0, 0);
        rg_buf_init(&out, rg_mem_heap(), 0);
        rg_drive_result(d, &out);
        assert_non_null(strstr(rg_buf_cstr(&out), "{\"ok\": false, \"error\": \"interrupted"));
        rg_buf_clear(&out);
        // and the next call is as free as ever
        assert_string_equal(call(d, "stop", "{}"), "{\"ok\": true}");
        assert_non_null(strstr(call(d, "walk", "{\"distance\":0.5}"), "\"ok\": true"));
        rg_drive_close(d);
    }
}

static void a_new_call_takes_the_place_of_the_old(void **state) {
    (void)state;
    rg_drive *d = open_world("{}");
    bool is_busy = false;
    rg_drive_start(d, RG_STR("walk"), RG_STR("{\"distance\":5}"));
    for (int tick = 0; tick < 50; tick++) {
        assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
    }
    assert_string_equal(call(d, "stop", "{}"), "{\"ok\": true}");
    near(rg_drive_state(d).x_m, 0.5, 0.02);
    rg_drive_close(d);
}

static void nothing_called_is_said(void **state) {
    (void)state;
    rg_drive *d = open_world("{}");
    bool is_busy = true;
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
    assert_false(is_busy);
    rg_drive_result(d, &out);
    assert_non_null(strstr(rg_buf_cstr(&out), "\"ok\": false"));
    rg_buf_clear(&out);
    rg_drive_close(d);
}

// ---- robots that lack things, by hand ----

/** A robot that reports what it is told to, and moves by nothing. */
typedef struct puppet {
    rg_robot_desc desc;
    rg_robot_table table;
    rg_robot robot;
} puppet;

static const float puppet_min[] = {-1, -1, -1};
static const float puppet_max[] = {1, 1, 1};
static const float puppet_rest[] = {0, 0, 0};
static const rg_channel puppet_senses[] = {
    {.name = "base.pose", .n_dims = 1, .shape = {3}, .n = 3},
    {.name = "base.gravity", .n_dims = 1, .shape = {3}, .at = 3, .n = 3}};
static const rg_channel puppet_acts[] = {{.name = "base.velocity",
                                          .n_dims = 1,
                                          .shape = {3},
                                          .n = 3,
                                          .min = puppet_min,
                                          .max = puppet_max,
                                          .rest = puppet_rest}};

static void puppet_init(puppet *p) {
    *p = (puppet){.desc = {.version = RG_ROBOT_VERSION,
                           .name = "puppet",
                           .period_s = 0.02,
                           .observations = puppet_senses,
                           .n_observations = 2,
                           .n_observed = 6,
                           .actions = puppet_acts,
                           .n_actions = 1,
                           .n_acted = 3}};
    p->robot = (rg_robot){rg_mem_heap(), &p->table, &p->desc, p};
}

static void result_is(const rg_skill_run *run, const char *want) {
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_skill_run_result(run, &out);
    assert_string_equal(rg_buf_cstr(&out), want);
    rg_buf_clear(&out);
}

static void what_a_robot_cannot_do_is_said(void **state) {
    (void)state;
    static const char *const calls[][3] = {
        {"sit", "{}", "{\"ok\": false, \"error\": \"this robot cannot sit\"}"},
        {"stand", "{}", "{\"ok\": false, \"error\": \"this robot cannot stand\"}"},
        {"look", "{}", "{\"ok\": false, \"error\": \"this robot does not see\"}"},
        {"approach", "{\"object\":\"x\"}",
         "{\"ok\": false, \"error\": \"this robot does not see\"}"}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        puppet p;
        rg_skill_run run;
        rg_observation obs = {.values = {[5] = -1}};
        float action[3] = {7, 7, 7};
        puppet_init(&p);
        rg_skill_run_start(&run, rg_mem_heap(), &p.robot, NULL, rg_str_of(calls[i][0]),
                           rg_str_of(calls[i][1]));
        assert_false(rg_skill_run_tick(&run, &obs, action));
        assert_true(action[0] == 0 && action[1] == 0 && action[2] == 0);
        result_is(&run, calls[i][2]);
    }
    puppet p;
    rg_skill_run run;
    puppet_init(&p);
    p.desc.n_actions = 0;
    rg_skill_run_start(&run, rg_mem_heap(), &p.robot, NULL, RG_STR("walk"),
                       RG_STR("{\"distance\":1}"));
    result_is(&run, "{\"ok\": false, \"error\": \"this robot cannot walk\"}");
}

static void a_robot_that_does_not_move_times_out(void **state) {
    (void)state;
    static const char *const calls[][2] = {{"walk", "{\"distance\":2}"},
                                           {"sidestep", "{\"distance\":1}"},
                                           {"turn", "{\"angle\":90}"},
                                           {"go_to", "{\"x\":2,\"y\":1}"}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        puppet p;
        rg_skill_run run;
        rg_observation obs = {.values = {[5] = -1}};
        float action[3];
        puppet_init(&p);
        rg_skill_run_start(&run, rg_mem_heap(), &p.robot, NULL, rg_str_of(calls[i][0]),
                           rg_str_of(calls[i][1]));
        while (rg_skill_run_tick(&run, &obs, action)) {
            assert_true(action[0] != 0 || action[1] != 0 || action[2] != 0);
            obs.time_s += 0.02;
            assert_true(obs.time_s < 30);
        }
        assert_true(obs.time_s > 10);
        assert_non_null(strstr(run.error, "timed out after"));
        assert_true(action[0] == 0 && action[1] == 0 && action[2] == 0);
    }
}

static void a_fallen_robot_does_not_walk(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        puppet p;
        rg_skill_run run;
        // just within and just beyond a tilt of 53 degrees
        rg_observation obs = {.values = {[3] = 0.8F, [5] = i == 0 ? -0.61F : -0.59F}};
        float action[3];
        puppet_init(&p);
        rg_skill_run_start(&run, rg_mem_heap(), &p.robot, NULL, RG_STR("walk"),
                           RG_STR("{\"distance\":1}"));
        assert_int_equal(rg_skill_run_tick(&run, &obs, action), i == 0);
        if (i == 1) {
            result_is(&run, "{\"ok\": false, \"error\": \"the robot has fallen\"}");
        }
    }
}

// a state that is no number makes a command that is none, and that goes nowhere
static void limits_hold_what_is_no_number(void **state) {
    (void)state;
    puppet p;
    rg_skill_run run;
    rg_observation obs = {.values = {NAN, 0, 0, 0, 0, -1}};
    float action[3];
    puppet_init(&p);
    rg_act_limits limits = {.desc = &p.desc};
    rg_skill_run_start(&run, rg_mem_heap(), &p.robot, NULL, RG_STR("walk"),
                       RG_STR("{\"distance\":1}"));
    for (int i = 1; i <= RG_BAD_ACTIONS_MAX; i++) {
        assert_true(rg_skill_run_tick(&run, &obs, action));
        assert_int_equal(rg_act_limits_apply(&limits, action), i < RG_BAD_ACTIONS_MAX);
        assert_true(action[0] == 0 && action[1] == 0 && action[2] == 0);
    }
    assert_true(limits.n_bad >= RG_BAD_ACTIONS_MAX);
    // one good command forgives
    limits.bad_in_row = RG_BAD_ACTIONS_MAX - 1;
    float good[3] = {3, -3, 0.5F};
    assert_true(rg_act_limits_apply(&limits, good));
    assert_true(good[0] == 1 && good[1] == -1 && good[2] == 0.5F);
    assert_int_equal(limits.bad_in_row, 0);
    assert_int_equal(limits.n_clamped, 2);
    float infinite[3] = {INFINITY, -INFINITY, 0};
    assert_true(rg_act_limits_apply(&limits, infinite));
    assert_true(infinite[0] == 0 && infinite[1] == 0);
}

// ---- determinism ----

static uint64_t episode_hash(void) {
    static const char *const calls[][2] = {{"walk", "{\"distance\":2}"},
                                           {"approach", "{\"object\":\"plant\"}"},
                                           {"sit", "{}"},
                                           {"go_to", "{\"x\":-3,\"y\":-3}"}};
    rg_drive *d = open_world("{\"slip\":0.2,\"seed\":4,\"objects\":["
                             "{\"name\":\"plant\",\"x\":4,\"y\":4,\"radius\":0.3}]}");
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        bool is_busy = true;
        rg_drive_start(d, rg_str_of(calls[i][0]), rg_str_of(calls[i][1]));
        while (is_busy) {
            assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
            const rg_skill_state s = rg_drive_state(d);
            const double values[] = {s.time_s, s.x_m, s.y_m, s.heading_rad, s.energy_wh};
            const unsigned char *bytes = (const unsigned char *)values;
            for (size_t j = 0; j < sizeof values; j++) {
                hash = (hash ^ bytes[j]) * 1099511628211u;
            }
        }
    }
    rg_drive_close(d);
    return hash;
}

static void an_episode_repeats_to_the_bit(void **state) {
    (void)state;
    assert_true(episode_hash() == episode_hash());
}

static void a_tick_allocates_nothing(void **state) {
    (void)state;
    torture t;
    rg_drive *d = NULL;
    bool is_busy = true;
    torture_init(&t, 0);
    assert_int_equal(rg_drive_open(&t.mem, RG_STR("sim:flat"), &(rg_robot_options){0}, &d, NULL),
                     RG_OK);
    rg_drive_start(d, RG_STR("approach"), RG_STR("{\"object\":\"door\"}"));
    const size_t n_made = t.n_made;
    while (is_busy) {
        assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
    }
    assert_int_equal(t.n_made, n_made);
    rg_drive_close(d);
    assert_int_equal(t.n_live, 0);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        torture t;
        rg_drive *d = NULL;
        torture_init(&t, fail_at);
        const rg_status status =
            rg_drive_open(&t.mem, RG_STR("sim:flat"), &(rg_robot_options){0}, &d, NULL);
        if (status == RG_OK) {
            bool is_busy = true;
            rg_drive_start_call(d, RG_STR("{\"name\":\"walk\",\"arguments\":{\"distance\":0.1}}"));
            while (is_busy) {
                assert_int_equal(rg_drive_tick(d, &is_busy, NULL), RG_OK);
            }
        } else {
            assert_int_equal(status, RG_E_MEMORY);
        }
        const bool is_last = t.n_made < fail_at;
        if (is_last) {
            near(rg_drive_state(d).x_m, 0.1, 0.001);
        } else if (d != NULL) {
            near(rg_drive_state(d).x_m, 0, 0); // the call that could not be read did nothing
        }
        rg_drive_close(d);
        assert_int_equal(t.n_live, 0);
        if (is_last) {
            assert_true(fail_at > 3);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_skill_answers_as_agreed),
        cmocka_unit_test(look_lists_the_nearest_first),
        cmocka_unit_test(look_tells_of_no_more_than_its_limit),
        cmocka_unit_test(motions_end_where_they_should),
        cmocka_unit_test(slip_is_made_good),
        cmocka_unit_test(a_sitting_robot_stands_up_to_walk),
        cmocka_unit_test(what_is_in_the_way_is_named),
        cmocka_unit_test(things_on_the_way_are_passed),
        cmocka_unit_test(a_stop_in_the_middle_takes_one_period),
        cmocka_unit_test(a_new_call_takes_the_place_of_the_old),
        cmocka_unit_test(nothing_called_is_said),
        cmocka_unit_test(what_a_robot_cannot_do_is_said),
        cmocka_unit_test(a_robot_that_does_not_move_times_out),
        cmocka_unit_test(a_fallen_robot_does_not_walk),
        cmocka_unit_test(limits_hold_what_is_no_number),
        cmocka_unit_test(an_episode_repeats_to_the_bit),
        cmocka_unit_test(a_tick_allocates_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
