/*
 * The robot contract: one versioned table of functions for every robot, simulated or real, built in
 * or a plug-in. A plug-in includes this header, imports no symbol, and fills errors with snprintf.
 *
 *   describe   what it senses and takes: named vectors with shapes, units and limits
 *   observe    the newest state, with its time on the robot's clock
 *   act        the command of the next period
 *   advance    only where time is simulated: one period goes by, as fast as it is called
 *   stop       into the safe state, and there until start
 *
 * A control loop calls observe, act and (where there is one) advance once a period. Nothing here
 * waits: who wants real time sleeps outside.
 */
#pragma once

#include "base/mem.h"
#include "base/view.h"

#define RG_ROBOT_VERSION    1
#define RG_CHANNEL_DIMS_MAX 3
#define RG_ROBOT_VALUES_MAX 256 // numbers in all observations, and in all actions
#define RG_SIGHTS_MAX       256 // objects seen at once
#define RG_SIGHT_NAME_MAX   64  // bytes, the end included

/** A named vector within the observation or the action. */
typedef struct rg_channel {
    const char *name;  // "base.velocity"
    const char *parts; // its numbers, "forward left yaw"
    const char *unit;  // of each, "m/s m/s rad/s"
    uint32_t n_dims;
    uint32_t shape[RG_CHANNEL_DIMS_MAX];
    uint32_t at; // where it begins
    uint32_t n;  // how many numbers
    // actions: [n] valid range, and what moves nothing; observations: NULL
    const float *min, *max, *rest;
} rg_channel;

/** A wall that is known in advance, metres in the world frame. */
typedef struct rg_wall {
    float x0_m, y0_m, x1_m, y1_m;
} rg_wall;

/**
 * What a robot is. Names that skills look for, in REP-103 axes:
 *   observations  base.pose (x m, y m, heading rad), base.velocity (body frame), base.gravity (unit
 *                 vector), posture (0 stands, 1 sits), energy (Wh used), contact (1: a collision
 *                 cut the last motion)
 *   actions       base.velocity (body frame), posture
 * A robot has those it can.
 */
typedef struct rg_robot_desc {
    uint32_t version; // RG_ROBOT_VERSION
    const char *name;
    const char *safe_state; // what stop leads to, in words
    double period_s;
    double radius_m; // of the body seen from above
    const rg_channel *observations;
    size_t n_observations;
    uint32_t n_observed; // numbers in all
    const rg_channel *actions;
    size_t n_actions;
    uint32_t n_acted;
    const rg_wall *walls;
    size_t n_walls;
} rg_robot_desc;

typedef struct rg_observation {
    uint64_t sequence; // counts up by one for each new state
    double time_s;     // on the robot's clock
    float values[RG_ROBOT_VALUES_MAX];
} rg_observation;

/** Something seen: an object as a disk, or the nearest point of a wall. World frame. */
typedef struct rg_sight {
    char name[RG_SIGHT_NAME_MAX];
    float x_m, y_m, radius_m;
    bool is_wall;
} rg_sight;

typedef struct rg_robot_options {
    rg_str place;  // what follows "kind:" in the name: a file, an address; may be empty
    bool has_seed; // of a simulation
    uint64_t seed;
} rg_robot_options;

/**
 * The table. observe, act, advance, look and start belong to the thread that runs the loop and are
 * real-time safe in a real robot; stop may be called by any thread and from a signal handler.
 */
typedef struct rg_robot_table {
    uint32_t version; // RG_ROBOT_VERSION
    const char *kind; // "sim:flat"
    rg_status (*open)(const rg_mem *mem, const rg_robot_options *options, void **self,
                      rg_error *err);
    const rg_robot_desc *(*describe)(const void *self); // borrowed until close
    rg_status (*observe)(void *self, rg_observation *out, rg_error *err);
    /** @param action [n_acted], finite and within the limits: anything else is refused */
    rg_status (*act)(void *self, const float *action, rg_error *err);
    rg_status (*advance)(void *self, rg_error *err);         // NULL: time is real
    size_t (*look)(void *self, rg_sight *out, size_t n_max); // NULL: it does not see
    void (*stop)(void *self);
    void (*start)(void *self);
    void (*close)(void *self); // takes NULL
} rg_robot_table;

typedef struct rg_robot {
    const rg_mem *mem;
    const rg_robot_table *table;
    const rg_robot_desc *desc;
    void *self;
} rg_robot;

/**
 * Open a robot by name: "sim:flat", or "sim:flat:world.json".
 * @param robot  the caller's storage; rg_robot_close()
 * Errors: RG_E_NOT_FOUND naming the kinds there are; those of the kind's open; RG_E_UNSUPPORTED a
 * description of another version or beyond the limits above.
 */
rg_status rg_robot_open(const rg_mem *mem, rg_str name, const rg_robot_options *options,
                        rg_robot *robot, rg_error *err) RG_MUST_CHECK;
void rg_robot_close(rg_robot *robot);

/** The channel of a name, or NULL. Threads: any thread. */
const rg_channel *rg_robot_observation(const rg_robot_desc *desc, const char *name);
const rg_channel *rg_robot_action(const rg_robot_desc *desc, const char *name);
