/* Robots: open one by name, give it calls of skills, tick by tick or whole, and see what it does.
 */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_robot raga_robot;

typedef struct raga_robot_options {
    size_t size;
    const char *name; // "sim:flat", or "sim:flat:world.json"
    bool has_seed;    // of a simulation; else its world's
    uint64_t seed;
} raga_robot_options;

/**
 * Open a robot.
 * @param out  owned by the caller: raga_robot_close()
 * Errors: RAGA_E_NOT_FOUND no such kind or file; RAGA_E_FORMAT, RAGA_E_ARG, RAGA_E_LIMIT naming the
 * field of a world's file and its value; RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_robot_open(const raga_robot_options *options, raga_robot **out,
                                     raga_error *err) RAGA_MUST_CHECK;
/** The robot goes into its safe state first. NULL is fine. */
RAGA_API void raga_robot_close(raga_robot *robot);

typedef struct raga_robot_facts {
    size_t size;
    const char *name;       // borrowed until close, as is the next
    const char *safe_state; // what a stopped robot does, in words
    double period_s;        // of a tick
    double radius_m;        // of the body seen from above
    bool has_own_clock; // simulated: a tick is as fast as it is called; else the caller keeps time
    size_t n_walls;     // known in advance
} raga_robot_facts;
RAGA_API void raga_robot_get_facts(const raga_robot *robot, raga_robot_facts *facts);

/**
 * What it senses and takes, as JSON: {"name", "period_s", "observations": [{"name", "parts",
 * "unit", "shape"}], "actions": [.. with "min", "max"]}.
 * @param out  owned by the caller: raga_free()
 */
RAGA_API raga_status raga_robot_describe(const raga_robot *robot, char **out, size_t *out_size,
                                         raga_error *err) RAGA_MUST_CHECK;

/** Where it is: world frame, x forward and y left of the start; degrees, left positive. */
typedef struct raga_robot_state {
    size_t size;
    double time_s; // on the robot's clock
    double x_m, y_m, heading_deg;
    double speed_m_s, yaw_deg_s;
    double posture; // 0 stands, 1 sits
    double energy_wh;
    bool is_fallen;
    bool is_cut;        // a collision cut the last motion
    uint64_t n_clamped; // numbers of commands that limits had to change so far
} raga_robot_state;
RAGA_API void raga_robot_get_state(const raga_robot *robot, raga_robot_state *state);

/** Something seen from where the robot is: an object as a disk, or the nearest point of a wall. */
typedef struct raga_thing {
    char name[64];
    float x_m, y_m, radius_m;
    bool is_wall;
} raga_thing;
/** @return how many were written, at most n_max */
RAGA_API size_t raga_robot_look(raga_robot *robot, raga_thing *out, size_t n_max);
/** Wall i from (x[0], y[0]) to (x[1], y[1]), metres; false past the last. */
RAGA_API bool raga_robot_wall(const raga_robot *robot, size_t i, float x_m[2], float y_m[2]);

/** The skills as a JSON list of tools, as a chat template takes them; raga_free() *out. */
RAGA_API raga_status raga_robot_tools(char **out, size_t *out_size,
                                      raga_error *err) RAGA_MUST_CHECK;
/** What a language model is told that drives a robot with these skills. */
RAGA_API const char *raga_robot_system_prompt(void);

/**
 * Begin a call: {"name": name, "arguments": args}. A call that cannot be is over at once; its
 * result says why. One that goes on is interrupted.
 * @param args  a JSON object, or nothing
 * Threads: this and all calls below but stop: one thread at a time per robot.
 */
RAGA_API void raga_robot_start(raga_robot *robot, const char *name, const char *args,
                               size_t args_size);
/** The same from one JSON text, {"name": .., "arguments": {..}}; a text that is no call is one that
 * cannot be. */
RAGA_API void raga_robot_start_json(raga_robot *robot, const char *call, size_t size);
/**
 * One period of the robot: observe, the skill's next command, limits, act. It waits for nothing.
 * @param is_busy  whether the call goes on
 * Errors: the robot's own; it is in its safe state then, and the call has failed.
 */
RAGA_API raga_status raga_robot_tick(raga_robot *robot, bool *is_busy,
                                     raga_error *err) RAGA_MUST_CHECK;
/** The result of the last call as one JSON object: {"ok": true, ..} or {"ok": false, "error": ..};
 * raga_free() *out. */
RAGA_API raga_status raga_robot_result(const raga_robot *robot, char **out, size_t *out_size,
                                       raga_error *err) RAGA_MUST_CHECK;
/** End the call at the next tick. Threads: any thread, also a signal handler. */
RAGA_API void raga_robot_stop(raga_robot *robot);

/**
 * A whole call on a robot with its own clock: start, tick until it is over, result.
 * Errors: RAGA_E_UNSUPPORTED for a robot in real time; else as above.
 */
RAGA_API raga_status raga_robot_call(raga_robot *robot, const char *name, const char *args,
                                     size_t args_size, char **out, size_t *out_size,
                                     raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
