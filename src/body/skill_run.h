/*
 * Running a skill: a stepper over observations and actions. Whoever owns the ticks (a test, a chat,
 * a control loop) calls tick once a period between observe and act; nothing here waits, and a tick
 * allocates nothing. So a stop takes effect at the next tick.
 *
 * A skill sees the robot through its description alone: base.pose and base.velocity for motion,
 * posture for standing up and sitting down. A robot that sits stands up before it moves.
 */
#pragma once

#include "body/robot.h"
#include "body/skill.h"

#define RG_SKILL_LOOK_MAX  6 // things that a look tells of: what a small language model reads well
#define RG_SKILL_ERROR_MAX 256 // bytes of a failure's sentence, the end included

/** Where in the vectors the numbers lie that skills use; -1: the robot has none. */
typedef struct rg_skill_ports {
    int pose, velocity, gravity, posture, energy, contact; // observations
    int act_velocity, act_posture;
} rg_skill_ports;

/** The robot's state as skills see it: metres, radians, seconds, world frame. */
typedef struct rg_skill_state {
    double time_s;
    double x_m, y_m, heading_rad;
    double speed_m_s, yaw_rad_s;
    double posture; // 0 stands, 1 sits
    double energy_wh;
    bool is_fallen;
    bool is_cut; // a collision cut the last motion
} rg_skill_state;

typedef enum rg_skill_outcome { RG_SKILL_RUNNING, RG_SKILL_DONE, RG_SKILL_FAILED } rg_skill_outcome;

/** One call on its way. Caller's storage; fields may be read. */
typedef struct rg_skill_run {
    const rg_robot *robot; // borrowed
    rg_skill_ports ports;
    rg_skill_call call;
    rg_skill_outcome outcome;
    bool has_begun;
    rg_skill_state first, now;
    double deadline_s;
    double moved_m;    // along the way asked for
    double turned_rad; // since the start, not wrapped
    unsigned n_cut;    // ticks in a row that a collision cut
    double look_s;     // when the object was seen last
    rg_sight goal;     // approach: what is approached
    rg_sight *sights;  // look: [RG_SIGHTS_MAX]
    size_t n_sights;
    char error[RG_SKILL_ERROR_MAX];
} rg_skill_run;

/** Where a robot keeps what skills use. Threads: any thread. */
rg_skill_ports rg_skill_ports_of(const rg_robot_desc *desc);
rg_skill_state rg_skill_state_of(const rg_skill_ports *ports, const rg_observation *obs);

/**
 * Begin a call. A call that cannot be (unknown, bad arguments, not for this robot) has failed at
 * once and says why: a model is told, as of any other failure.
 * @param sights  scratch [RG_SIGHTS_MAX], borrowed for the life of the run
 */
void rg_skill_run_start(rg_skill_run *run, const rg_mem *mem, const rg_robot *robot,
                        rg_sight *sights, rg_str name, rg_str args);

/**
 * One period: from what is observed to the command.
 * @param action  [n_acted], always written: the rest when the call is over
 * @return        true while the call goes on
 * Threads: real-time safe where the robot's look is; one at a time per object.
 */
bool rg_skill_run_tick(rg_skill_run *run, const rg_observation *obs, float *action);

/** The same with a call that could not be read: it has failed with this sentence. */
void rg_skill_run_refuse(rg_skill_run *run, const rg_robot *robot, const char *why);

/** End a call that goes on: it has failed, with this reason and how far it came. */
void rg_skill_run_cancel(rg_skill_run *run, const char *why);

/** Append the result of a call that is over as one JSON object: {"ok": true, ..} or
 * {"ok": false, "error": text}. */
void rg_skill_run_result(const rg_skill_run *run, rg_buf *out);
