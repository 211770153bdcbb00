#include "cli/robot_map.h"

#include "cli/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    COLUMNS = 52, // with the legend this fits into 80
    ROWS_MAX = 20,
    ROWS_MIN = 4,
    DOTS_X = 2, // of one braille character
    DOTS_Y = 4,
    LEGEND_MAX = 26, // things with a letter
};

/** The drawing: braille dots, and letters over them. */
typedef struct canvas {
    double left_m, top_m; // of the corner
    double dot_m;         // metres a dot
    int n_rows, rows_max;
    uint8_t dots[ROWS_MAX][COLUMNS];
    const char *over[ROWS_MAX][COLUMNS];  // a character instead of the dots
    const char *color[ROWS_MAX][COLUMNS]; // its color, or NULL
} canvas;

void cli_map_init(cli_map *map, raga_robot *robot) {
    const char *no_color = getenv("NO_COLOR");
    const bool wants_color = no_color == NULL || no_color[0] == '\0';
    map->robot = robot;
    map->is_plain = !cli_has_utf8();
    map->has_color = wants_color && isatty(STDOUT_FILENO);
    map->n_trail = 0;
    map->next_trail = 0;
    map->n_things = 0;
    map->n_drawn = 0;
    cli_map_note(map);
}

void cli_map_note(cli_map *map) {
    raga_robot_state s = {.size = sizeof s};
    raga_thing seen[MAP_THINGS_MAX];
    raga_robot_get_state(map->robot, &s);
    map->trail_x[map->next_trail] = (float)s.x_m;
    map->trail_y[map->next_trail] = (float)s.y_m;
    map->next_trail = (map->next_trail + 1) % MAP_TRAIL_MAX;
    map->n_trail += map->n_trail < MAP_TRAIL_MAX;
    const size_t n = raga_robot_look(map->robot, seen, MAP_THINGS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < map->n_things && (strcmp(map->things[k].name, seen[i].name) != 0 ||
                                     hypotf(map->things[k].x_m - seen[i].x_m,
                                            map->things[k].y_m - seen[i].y_m) > 0.5F)) {
            k++;
        }
        if (k < MAP_THINGS_MAX && !seen[i].is_wall) {
            map->things[k] = seen[i];
            map->n_things += k == map->n_things;
        }
    }
}

// ---- geometry ----

static void grow(double box[4], double x, double y) {
    box[0] = x < box[0] ? x : box[0];
    box[1] = y < box[1] ? y : box[1];
    box[2] = x > box[2] ? x : box[2];
    box[3] = y > box[3] ? y : box[3];
}

static void fit(const cli_map *map, canvas *c, double robot_x, double robot_y) {
    double box[4] = {robot_x - 1, robot_y - 1, robot_x + 1, robot_y + 1};
    float x[2];
    float y[2];
    for (size_t i = 0; raga_robot_wall(map->robot, i, x, y); i++) {
        grow(box, (double)x[0], (double)y[0]);
        grow(box, (double)x[1], (double)y[1]);
    }
    for (size_t i = 0; i < map->n_things; i++) {
        grow(box, (double)map->things[i].x_m, (double)map->things[i].y_m);
    }
    for (size_t i = 0; i < map->n_trail; i++) {
        grow(box, (double)map->trail_x[i], (double)map->trail_y[i]);
    }
    // the scale that shows all of it, the same both ways
    const double wide = (box[2] - box[0]) / (COLUMNS * DOTS_X - 1);
    const double high = (box[3] - box[1]) / (c->rows_max * DOTS_Y - 1);
    c->dot_m = wide > high ? wide : high;
    c->left_m = box[0];
    c->top_m = box[3];
    c->n_rows = (int)((box[3] - box[1]) / c->dot_m) / DOTS_Y + 1;
    c->n_rows = c->n_rows > c->rows_max ? c->rows_max : c->n_rows;
}

// a drawing that is redrawn must fit into the terminal, with a few lines of talk below it
static int rows_that_fit(bool in_place) {
    struct winsize size = {0};
    if (!in_place || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        return ROWS_MAX;
    }
    const int rows = size.ws_row - 4;
    return rows > ROWS_MAX ? ROWS_MAX : rows < ROWS_MIN ? ROWS_MIN : rows;
}

static bool place(const canvas *c, double x, double y, int *dot_x, int *dot_y) {
    *dot_x = (int)lround((x - c->left_m) / c->dot_m);
    *dot_y = (int)lround((c->top_m - y) / c->dot_m);
    return *dot_x >= 0 && *dot_y >= 0 && *dot_x < COLUMNS * DOTS_X && *dot_y < c->n_rows * DOTS_Y;
}

static void dot(canvas *c, double x, double y) {
    // the bits of the braille block, row by row
    static const uint8_t bits[DOTS_Y][DOTS_X] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    int dx = 0;
    int dy = 0;
    if (place(c, x, y, &dx, &dy)) {
        c->dots[dy / DOTS_Y][dx / DOTS_X] |= bits[dy % DOTS_Y][dx % DOTS_X];
    }
}

static void line(canvas *c, double x0, double y0, double x1, double y1) {
    const double length = hypot(x1 - x0, y1 - y0);
    const int n = (int)(length / c->dot_m) + 1;
    for (int i = 0; i <= n; i++) {
        dot(c, x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n);
    }
}

static void circle(canvas *c, double x, double y, double radius) {
    enum { STEPS = 48 };
    for (int i = 0; i < STEPS; i++) {
        const double a = 2 * M_PI * i / STEPS;
        dot(c, x + radius * cos(a), y + radius * sin(a));
    }
}

static void put(canvas *c, double x, double y, const char *text, const char *color) {
    int dx = 0;
    int dy = 0;
    if (place(c, x, y, &dx, &dy)) {
        c->over[dy / DOTS_Y][dx / DOTS_X] = text;
        c->color[dy / DOTS_Y][dx / DOTS_X] = color;
    }
}

// ---- drawing ----

// a thing that is named by its color is drawn in it
static const char *color_of(const char *name) {
    static const struct {
        const char *word;
        const char *code;
    } colors[] = {{"red ", "\033[31m"},    {"green ", "\033[32m"}, {"yellow ", "\033[33m"},
                  {"orange ", "\033[33m"}, {"blue ", "\033[34m"},  {"purple ", "\033[35m"},
                  {"black ", "\033[2m"},   {"white ", "\033[1m"}};
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++) {
        if (strncmp(name, colors[i].word, strlen(colors[i].word)) == 0) {
            return colors[i].code;
        }
    }
    return NULL;
}

static const char *arrow(double heading_deg, bool is_plain) {
    static const char *const fine[8] = {"→", "↗", "↑", "↖", "←", "↙", "↓", "↘"};
    static const char *const plain[8] = {">", ">", "^", "<", "<", "<", "v", ">"};
    const long eighth = lround(heading_deg / 45);
    return (is_plain ? plain : fine)[((eighth % 8) + 8) % 8];
}

static void paint(const cli_map *map, canvas *c, const raga_robot_state *s) {
    static const char letters[LEGEND_MAX][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                                "j", "k", "l", "m", "n", "o", "p", "q", "r",
                                                "s", "t", "u", "v", "w", "x", "y", "z"};
    float x[2];
    float y[2];
    fit(map, c, s->x_m, s->y_m);
    for (size_t i = 0; raga_robot_wall(map->robot, i, x, y); i++) {
        line(c, (double)x[0], (double)y[0], (double)x[1], (double)y[1]);
    }
    for (size_t i = 0; i < map->n_trail; i++) {
        dot(c, (double)map->trail_x[i], (double)map->trail_y[i]);
    }
    for (size_t i = 0; i < map->n_things; i++) {
        const raga_thing *t = &map->things[i];
        circle(c, (double)t->x_m, (double)t->y_m, (double)t->radius_m);
        put(c, (double)t->x_m, (double)t->y_m, i < LEGEND_MAX ? letters[i] : "*",
            color_of(t->name));
    }
    put(c, s->x_m, s->y_m, arrow(s->heading_deg, map->is_plain), "\033[1m");
}

static void print_cell(const cli_map *map, const canvas *c, int row, int column) {
    const uint8_t dots = c->dots[row][column];
    const char *color = map->has_color ? c->color[row][column] : NULL;
    if (c->over[row][column] != NULL) {
        printf("%s%s%s", color == NULL ? "" : color, c->over[row][column],
               color == NULL ? "" : "\033[0m");
    } else if (dots == 0) {
        putchar(' ');
    } else if (map->is_plain) {
        putchar((dots & (dots - 1)) == 0 ? '.' : ':');
    } else {
        // U+2800 and the dots
        printf("%c%c%c", 0xE2, 0xA0 | (dots >> 6), 0x80 | (dots & 0x3F));
    }
}

static void print_legend(const cli_map *map, int row) {
    if ((size_t)row < map->n_things && row < LEGEND_MAX) {
        const raga_thing *t = &map->things[row];
        printf("  %c ", 'a' + row);
        cli_print_safe(t->name, strlen(t->name));
        printf(" (%.1f, %.1f)", (double)t->x_m, (double)t->y_m);
    }
}

void cli_map_draw(cli_map *map, bool in_place) {
    canvas c = {.rows_max = rows_that_fit(in_place)};
    raga_robot_state s = {.size = sizeof s};
    raga_robot_get_state(map->robot, &s);
    paint(map, &c, &s);
    // what is redrawn does not wrap: a narrow terminal cuts it
    printf("%s", in_place ? "\033[?7l" : "");
    if (in_place && map->n_drawn != 0) {
        printf("\033[%uA\r", map->n_drawn);
    }
    // rows for the legend below a low map
    const int n_listed = map->n_things < LEGEND_MAX ? (int)map->n_things : LEGEND_MAX;
    const int n_rows = c.n_rows > n_listed     ? c.n_rows
                       : n_listed > c.rows_max ? c.rows_max
                                               : n_listed;
    const char *end = in_place ? "\033[K\n" : "\n";
    for (int row = 0; row < n_rows; row++) {
        for (int column = 0; column < COLUMNS; column++) {
            print_cell(map, &c, row, column);
        }
        print_legend(map, row);
        printf("%s", end);
    }
    printf("at (%.2f, %.2f), heading %.0f, %s, %.2f Wh, %.1f s%s", s.x_m, s.y_m, s.heading_deg,
           s.is_fallen       ? "fallen"
           : s.posture > 0.5 ? "sitting"
                             : "standing",
           s.energy_wh, s.time_s, end);
    printf("%s", in_place ? "\033[?7h" : "");
    map->n_drawn = (unsigned)n_rows + 1;
    fflush(stdout);
}

void cli_map_leave(cli_map *map) {
    map->n_drawn = 0;
}
