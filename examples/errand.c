/* A robot without a model: a few calls, and where they lead. usage: errand [NAME] */
#include <raga/robot.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static const char *const calls[][2] = {{"walk", "{\"distance\": 2}"},
                                           {"turn", "{\"angle\": 90}"},
                                           {"approach", "{\"object\": \"lamp\"}"},
                                           {"status", "{}"}};
    raga_error err = {0};
    raga_robot *robot = NULL;
    const raga_robot_options options = {.size = sizeof options,
                                        .name = argc > 1 ? argv[1] : "sim:flat"};
    raga_status status = raga_robot_open(&options, &robot, &err);
    for (size_t i = 0; status == RAGA_OK && i < sizeof calls / sizeof *calls; i++) {
        char *result = NULL;
        size_t size = 0;
        const char *args = calls[i][1];
        status = raga_robot_call(robot, calls[i][0], args, strlen(args), &result, &size, &err);
        if (status == RAGA_OK) {
            raga_robot_state at = {.size = sizeof at};
            raga_robot_get_state(robot, &at);
            printf("%s %s -> %s at (%.2f, %.2f) after %.1f s\n", calls[i][0], args, result, at.x_m,
                   at.y_m, at.time_s);
        }
        raga_free(result);
    }
    if (status != RAGA_OK) {
        fprintf(stderr, "errand: %s\n", err.text);
    }
    raga_robot_close(robot);
    return status == RAGA_OK ? 0 : 1;
}
