/*
 * sim:flat, the kinematic robot: a disk on a floor with walls and named objects. It does what it is
 * told within its limits, stops where it bumps, and keeps its own clock: the test double of every
 * other robot, and a robot to talk to where there is none.
 *
 * Motion: within a period the commanded velocity is constant, so the path is an arc, integrated
 * exactly. Posture moves at 1/s; only a standing robot moves. Same world, seed and commands: same
 * bits.
 */
#pragma once

#include "body/robot.h"

#define RG_FLAT_WORLD_BYTES_MAX (1 << 20) // of a world's file
#define RG_FLAT_OBJECTS_MAX     128
#define RG_FLAT_WALLS_MAX       128
#define RG_FLAT_PLACE_MAX       1000.0 // metres from the origin, of anything

#define RG_FLAT_PERIOD_S 0.02
#define RG_FLAT_RADIUS_M 0.25
// power: standing, sitting, and what motion adds
#define RG_FLAT_STAND_W 60.0
#define RG_FLAT_SIT_W   15.0
#define RG_FLAT_MOVE_W  150.0 // per m/s
#define RG_FLAT_TURN_W  40.0  // per rad/s

typedef struct rg_flat_world {
    double x_m, y_m, heading_rad; // of the robot at the start
    double sight_m;               // how far it sees
    double slip;                  // relative error of each period's motion, one sigma
    uint64_t seed;
    size_t n_objects;
    rg_sight objects[RG_FLAT_OBJECTS_MAX];
    size_t n_walls;
    rg_wall walls[RG_FLAT_WALLS_MAX];
} rg_flat_world;

/** The world without a file: a hall of 20 by 14 m with a red ball, a blue box and others. */
void rg_flat_world_default(rg_flat_world *world);

/**
 * Read a world: {"start": {"x","y","heading"}, "sight", "slip", "seed", "walls": [[x0,y0,x1,y1]..],
 * "objects": [{"name","x","y","radius"}..]}, all of it optional; metres, degrees.
 * @param world  untouched on failure
 * Errors: RG_E_FORMAT, RG_E_ARG or RG_E_LIMIT naming the field and its value; RG_E_MEMORY.
 */
rg_status rg_flat_world_read(const rg_mem *mem, rg_str json, rg_flat_world *world,
                             rg_error *err) RG_MUST_CHECK;

/** Room between the body at (x, y) and the nearest wall or object; negative: it is inside. */
double rg_flat_clearance(const rg_flat_world *world, double x_m, double y_m);
/** The nearest point of a wall. @return its distance */
double rg_flat_wall_point(const rg_wall *wall, double x_m, double y_m, double *px_m, double *py_m);

/** The kind; options.place is a world's file, or empty. */
extern const rg_robot_table rg_sim_flat;
