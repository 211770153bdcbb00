/* The public way to a robot: bad arguments, calls by ticks and whole, a stop from another thread.
 */
#include "raga/robot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static raga_robot *open_robot(void) {
    raga_robot *robot = NULL;
    raga_error err = {0};
    const raga_robot_options options = {.size = sizeof options, .name = "sim:flat"};
    assert_int_equal(raga_robot_open(&options, &robot, &err), RAGA_OK);
    return robot;
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    raga_error err = {0};
    raga_robot *robot = NULL;
    char *text = NULL;
    size_t size = 0;
    bool is_busy = false;
    const raga_robot_options none = {.size = sizeof none};
    const raga_robot_options other = {.size = sizeof other, .name = "sim:moon"};
    assert_int_equal(raga_robot_open(NULL, &robot, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_open(&none, &robot, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_open(&other, NULL, NULL), RAGA_E_ARG);
    assert_int_equal(raga_robot_open(&other, &robot, &err), RAGA_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "sim:moon"));
    assert_null(robot);
    assert_int_equal(raga_robot_tick(NULL, &is_busy, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_result(NULL, &text, &size, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_describe(NULL, &text, &size, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_tools(NULL, &size, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_call(NULL, "sit", "{}", 2, &text, &size, &err), RAGA_E_ARG);
    robot = open_robot();
    assert_int_equal(raga_robot_tick(robot, NULL, &err), RAGA_E_ARG);
    assert_int_equal(raga_robot_call(robot, NULL, "{}", 2, &text, &size, &err), RAGA_E_ARG);
    raga_robot_close(robot);
    raga_robot_close(NULL);
}

static void calls_run_by_ticks_and_whole(void **state) {
    (void)state;
    raga_robot *robot = open_robot();
    raga_robot_facts facts = {.size = sizeof facts};
    raga_robot_state at = {.size = sizeof at};
    char *text = NULL;
    size_t size = 0;
    bool is_busy = true;
    raga_robot_get_facts(robot, &facts);
    assert_string_equal(facts.name, "sim:flat");
    assert_true(facts.has_own_clock && facts.period_s > 0);
    raga_robot_start(robot, "walk", NULL, 0);
    assert_int_equal(raga_robot_tick(robot, &is_busy, NULL), RAGA_OK);
    assert_false(is_busy);
    assert_int_equal(raga_robot_result(robot, &text, &size, NULL), RAGA_OK);
    assert_int_equal(strlen(text), size);
    assert_non_null(strstr(text, "distance is missing"));
    raga_free(text);
    const char *call = "{\"name\": \"walk\", \"arguments\": {\"distance\": 1}}";
    raga_robot_start_json(robot, call, strlen(call));
    int n_ticks = 0;
    for (is_busy = true; is_busy; n_ticks++) {
        assert_int_equal(raga_robot_tick(robot, &is_busy, NULL), RAGA_OK);
    }
    assert_true(n_ticks > 100);
    raga_robot_get_state(robot, &at);
    assert_true(at.x_m > 0.999 && at.x_m < 1.001);
    assert_int_equal(raga_robot_call(robot, "turn", "{\"angle\":90}", 12, &text, &size, NULL),
                     RAGA_OK);
    assert_string_equal(text, "{\"ok\": true, \"angle\": 90.0}");
    raga_free(text);
    raga_robot_get_state(robot, &at);
    assert_true(at.heading_deg > 89.9 && at.heading_deg < 90.1);
    raga_robot_close(robot);
}

// programs built against a smaller struct get what they know, and no byte more
static void smaller_structs_are_not_overrun(void **state) {
    (void)state;
    raga_robot *robot = open_robot();
    raga_robot_state s;
    memset(&s, 0x5A, sizeof s);
    s.size = offsetof(raga_robot_state, y_m);
    raga_robot_get_state(robot, &s);
    assert_true(s.x_m == 0);
    const unsigned char *rest = (const unsigned char *)&s.y_m;
    for (size_t i = 0; i < sizeof s - offsetof(raga_robot_state, y_m); i++) {
        assert_int_equal(rest[i], 0x5A);
    }
    raga_robot_close(robot);
}

static void the_world_can_be_seen(void **state) {
    (void)state;
    raga_robot *robot = open_robot();
    raga_robot_facts facts = {.size = sizeof facts};
    raga_thing things[64];
    float x[2];
    float y[2];
    raga_robot_get_facts(robot, &facts);
    const size_t n = raga_robot_look(robot, things, 64);
    assert_true(n > 5);
    assert_string_equal(things[0].name, "red ball");
    assert_true(things[n - 1].is_wall);
    assert_int_equal(raga_robot_look(robot, things, 3), 3);
    assert_true(raga_robot_wall(robot, facts.n_walls - 1, x, y));
    assert_false(raga_robot_wall(robot, facts.n_walls, x, y));
    raga_robot_close(robot);
}

static void *stop_soon(void *robot) {
    usleep(20000);
    raga_robot_stop(robot);
    return NULL;
}

static void another_thread_may_stop_a_call(void **state) {
    (void)state;
    raga_robot *robot = open_robot();
    pthread_t thread;
    char *text = NULL;
    size_t size = 0;
    bool is_busy = true;
    raga_robot_start(robot, "wait", "{\"seconds\":3600}", 16);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, robot), 0);
    while (is_busy) {
        assert_int_equal(raga_robot_tick(robot, &is_busy, NULL), RAGA_OK);
        usleep(1000); // an hour of waiting is longer than this test
    }
    pthread_join(thread, NULL);
    assert_int_equal(raga_robot_result(robot, &text, &size, NULL), RAGA_OK);
    assert_string_equal(text, "{\"ok\": false, \"error\": \"interrupted\"}");
    raga_free(text);
    raga_robot_close(robot);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(calls_run_by_ticks_and_whole),
        cmocka_unit_test(smaller_structs_are_not_overrun),
        cmocka_unit_test(the_world_can_be_seen),
        cmocka_unit_test(another_thread_may_stop_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
