/* A robot's world seen from above, drawn in the terminal: walls, things, the way it came. */
#pragma once

#include "raga/robot.h"

enum {
    MAP_TRAIL_MAX = 4096,
    MAP_THINGS_MAX = 256,
};

typedef struct cli_map {
    raga_robot *robot;
    bool is_plain; // ASCII instead of braille and arrows
    bool has_color;
    size_t n_trail, next_trail; // the newest MAP_TRAIL_MAX points
    float trail_x[MAP_TRAIL_MAX], trail_y[MAP_TRAIL_MAX];
    size_t n_things; // all that were seen so far
    raga_thing things[MAP_THINGS_MAX];
    unsigned n_drawn; // lines of the last drawing
} cli_map;

/** A map of this robot, with colors and characters as the terminal has them. */
void cli_map_init(cli_map *map, raga_robot *robot);
/** Note where the robot is and what it sees. */
void cli_map_note(cli_map *map);
/** Draw; @param in_place  over the last drawing. */
void cli_map_draw(cli_map *map, bool in_place);
/** What is printed next stays below the map: nothing is drawn over it. */
void cli_map_leave(cli_map *map);
