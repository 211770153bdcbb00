/* Limits between any command and any robot: nothing reaches act() that its description does not
 * allow. */
#pragma once

#include "body/robot.h"

#define RG_BAD_ACTIONS_MAX 3 // commands in a row with a number that is none: the robot is stopped

typedef struct rg_act_limits {
    const rg_robot_desc *desc; // borrowed
    uint64_t n_clamped;        // numbers brought inside their range
    uint64_t n_bad;            // numbers that were not finite
    unsigned bad_in_row;       // commands
} rg_act_limits;

/**
 * Bring a command inside the robot's limits, in place.
 *
 * Shape:   action [n_acted].
 * NaN:     a number that is not finite becomes the channel's rest, and is counted.
 * Threads: real-time safe; one at a time per object.
 * @return  false when RG_BAD_ACTIONS_MAX commands in a row were bad: stop the robot
 */
bool rg_act_limits_apply(rg_act_limits *limits, float *action);
