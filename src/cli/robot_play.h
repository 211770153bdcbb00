/* Calls carried out before the user's eyes: paced, on a map, ended by Ctrl-C. */
#pragma once

#include "cli/robot_map.h"
#include "raga/robot.h"

typedef struct cli_play {
    raga_robot *robot;
    cli_map *map; // NULL: no map
    bool is_live; // the map is redrawn while the robot moves
    double pace;  // times real time; 0: as fast as it goes
} cli_play;

/**
 * Carry out the call that raga_robot_start began. Ctrl-C ends it; a second one during the same
 * call ends the program.
 * @param result  receives its result, raga_free()
 * @return        exit status: CLI_OK (whatever the result), CLI_INTERRUPTED, CLI_FAILED
 */
int cli_play_call(const cli_play *play, char **result);
/** Did the result say that it went well? */
bool cli_result_is_ok(const char *result);
