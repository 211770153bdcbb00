/*
 * A robot with someone at the wheel: one period at a time, observe -> skill -> limits -> act, and
 * the clock of a simulation. Callable from any loop; a real-time loop puts its own in this place
 * and keeps the parts.
 */
#pragma once

#include "body/limits_act.h"
#include "body/robot.h"
#include "body/skill_run.h"

typedef struct rg_drive rg_drive;

/**
 * Open a robot by name and take the wheel.
 * @param out  owned by the caller: rg_drive_close()
 * Errors: those of rg_robot_open; RG_E_MEMORY.
 */
rg_status rg_drive_open(const rg_mem *mem, rg_str name, const rg_robot_options *options,
                        rg_drive **out, rg_error *err) RG_MUST_CHECK;
/** The robot goes to its safe state first. NULL is fine. */
void rg_drive_close(rg_drive *drive);

const rg_robot *rg_drive_robot(const rg_drive *drive);
/** The state seen last. */
rg_skill_state rg_drive_state(const rg_drive *drive);
/** What limits had to change so far. */
const rg_act_limits *rg_drive_limits(const rg_drive *drive);
/** Things seen from where the robot is now, at most n_max. */
size_t rg_drive_look(rg_drive *drive, rg_sight *out, size_t n_max);

/**
 * Begin a call; one that goes on is interrupted. A stop asked for before is forgotten.
 * Threads: owner thread.
 */
void rg_drive_start(rg_drive *drive, rg_str name, rg_str args);

/** The same from one text, as models write calls: {"name": .., "arguments": {..}}; the arguments
 * may also be a text that holds the object, or be left out. */
void rg_drive_start_call(rg_drive *drive, rg_str call);

/**
 * One period.
 * @param is_busy  receives whether the call goes on; false also when there is none
 * Errors: those of the robot (the call has failed then, the robot is stopped); RG_E_NUMERIC after
 * RG_BAD_ACTIONS_MAX bad commands in a row.
 * Threads: owner thread; allocates nothing, waits for nothing.
 */
rg_status rg_drive_tick(rg_drive *drive, bool *is_busy, rg_error *err) RG_MUST_CHECK;

/** End the call at the next tick: the robot stands still. Threads: any thread, also a signal
 * handler. */
void rg_drive_stop(rg_drive *drive);

/** Append the result of the last call as JSON; see rg_skill_run_result. */
void rg_drive_result(const rg_drive *drive, rg_buf *out);
