/* The motions among the skills: from where the robot is to a velocity, one period at a time. */
#pragma once

#include "body/skill_run.h"

/** A command in the body's frame. */
typedef struct rg_motion {
    double forward_m_s, left_m_s, yaw_rad_s;
    double posture; // 0 stands, 1 sits
} rg_motion;

/** One tick each: sets the command, or the run's outcome. */
void rg_motion_walk(rg_skill_run *run, rg_motion *m);
void rg_motion_sidestep(rg_skill_run *run, rg_motion *m);
void rg_motion_turn(rg_skill_run *run, rg_motion *m);
void rg_motion_go_to(rg_skill_run *run, rg_motion *m);
void rg_motion_approach(rg_skill_run *run, rg_motion *m);

/** How long the call may take before it has failed: twice what it should, and some seconds. */
double rg_motion_time_s(const rg_skill_run *run);

/** An angle brought into [-pi, pi]. */
double rg_motion_wrap(double angle_rad);
/** From the body's middle to a thing's surface, and the direction seen from the body, left
 * positive. */
double rg_motion_surface_m(const rg_skill_run *run, const rg_sight *sight);
double rg_motion_bearing_rad(const rg_skill_run *run, const rg_sight *sight);
