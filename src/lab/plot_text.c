/* Plots for a terminal. */
#include "lab/plot_internal.h"

#include <stdio.h>

enum {
    COLUMNS = 80,
    ROWS = 20,
    COLUMNS_LEAST = 30,
    ROWS_LEAST = 5,
    TICK_COLUMNS = 14, // that a tick's label wants
    TICK_ROWS = 3,
    COLORS = 6,
    LETTER_EVERY = 16, // columns between the letters on a line that no color tells apart
};

/** The drawing, a character a cell. */
typedef struct canvas {
    const rg_plot_frame *f;
    unsigned columns, rows;
    unsigned dots_x, dots_y; // of one cell
    uint8_t *dots;           // [rows][columns] braille, or whether there is a mark
    uint8_t *over;           // [rows][columns] a character instead of the dots
    uint8_t *color;          // [rows][columns] number of the color, from 1; 0: none yet
} canvas;

static const char *const ESCAPES[COLORS] = {"\033[94m", "\033[91m", "\033[92m",
                                            "\033[95m", "\033[93m", "\033[96m"};
static const char MARKS[] = "*+x#%@&=";       // of lines in ASCII, by color
static const char LETTERS[] = "abcdefghijkl"; // of lines that no color tells apart

static bool has_letters(const rg_plot *plot) {
    size_t n = 0;
    for (size_t k = 0; k < plot->n_series; k++) {
        n += plot->series[k].is_points ? 0 : 1;
    }
    return n > 1 && !plot->has_color && !plot->is_plain;
}

static char mark_of(const rg_plot *plot, const rg_plot_series *s) {
    const size_t n = sizeof MARKS - 1;
    return s->is_points ? 'o' : plot->is_plain ? MARKS[s->color % n] : LETTERS[s->color % 12];
}

// ---- curves ----

static void put_dot(canvas *c, long x, long y, const rg_plot_series *s) {
    // the bits of the braille block, row by row
    static const uint8_t bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    if (x < 0 || y < 0 || x >= (long)(c->columns * c->dots_x) || y >= (long)(c->rows * c->dots_y)) {
        return;
    }
    const size_t cell = (size_t)y / c->dots_y * c->columns + (size_t)x / c->dots_x;
    if (c->f->plot->is_plain) {
        c->over[cell] = (uint8_t)mark_of(c->f->plot, s);
    } else {
        c->dots[cell] |= bits[y % 4][x % 2];
    }
    c->color[cell] = (uint8_t)(s->color % COLORS + 1);
}

static long dot_x(const canvas *c, double v) {
    return lround(rg_plot_at(&c->f->x, v) * (c->columns * c->dots_x - 1));
}

static long dot_y(const canvas *c, double v) {
    const double dots = (double)c->rows * c->dots_y;
    // what lies far outside is brought near: the way there is drawn dot by dot
    return lround(fmax(-dots, fmin((1 - rg_plot_at(&c->f->y, v)) * (dots - 1), 2 * dots)));
}

static void put_line(canvas *c, const rg_plot_series *s, const double *y, bool has_letter) {
    bool is_down = false;
    long x0 = 0;
    long y0 = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!rg_plot_has(&c->f->x, s->x[i]) || !rg_plot_has(&c->f->y, y[i])) {
            is_down = false;
            continue;
        }
        const long x1 = dot_x(c, s->x[i]);
        const long y1 = dot_y(c, y[i]);
        x0 = is_down ? x0 : x1;
        y0 = is_down ? y0 : y1;
        const long wide = labs(x1 - x0);
        const long high = labs(y1 - y0);
        const long n = wide > high ? wide : high;
        for (long k = 0; k <= n; k++) {
            const double t = n == 0 ? 0 : (double)k / (double)n;
            put_dot(c, x0 + lround(t * (double)(x1 - x0)), y0 + lround(t * (double)(y1 - y0)), s);
        }
        const long column = x1 / (long)c->dots_x;
        const bool is_due = (column + 5 * (long)s->color) % LETTER_EVERY == LETTER_EVERY / 2;
        if (has_letter && is_due && y1 >= 0 && y1 < (long)(c->rows * c->dots_y)) {
            c->over[(size_t)y1 / c->dots_y * c->columns + (size_t)column] =
                (uint8_t)mark_of(c->f->plot, s);
        }
        x0 = x1;
        y0 = y1;
        is_down = true;
    }
}

static void put_points(canvas *c, const rg_plot_series *s) {
    for (size_t i = 0; i < s->n; i++) {
        if (rg_plot_has(&c->f->x, s->x[i]) && rg_plot_has(&c->f->y, s->y[i])) {
            const size_t x = (size_t)dot_x(c, s->x[i]) / c->dots_x;
            const size_t y = (size_t)dot_y(c, s->y[i]) / c->dots_y;
            c->over[y * c->columns + x] = (uint8_t)mark_of(c->f->plot, s);
            c->color[y * c->columns + x] = (uint8_t)(s->color % COLORS + 1);
        }
    }
}

static void paint(canvas *c) {
    const rg_plot *plot = c->f->plot;
    for (size_t k = 0; k < plot->n_series; k++) {
        const rg_plot_series *s = &plot->series[k];
        if (!s->is_points) {
            put_line(c, s, c->f->smooth[k] == NULL ? s->y : c->f->smooth[k], has_letters(plot));
        }
    }
    for (size_t k = 0; k < plot->n_series; k++) {
        if (plot->series[k].is_points) {
            put_points(c, &plot->series[k]);
        }
    }
}

// ---- printing ----

static void put_color(rg_buf *out, const rg_plot *plot, size_t color) {
    if (plot->has_color) {
        rg_buf_str(out, rg_str_of(color == 0 ? "\033[0m" : ESCAPES[(color - 1) % COLORS]));
    }
}

// @param color  that is set now
static void put_cell(rg_buf *out, const canvas *c, size_t cell, uint8_t *color) {
    const rg_plot *plot = c->f->plot;
    if (c->color[cell] == 0) {
        rg_buf_char(out, ' ');
        return;
    }
    if (c->color[cell] != *color) {
        put_color(out, plot, c->color[cell]);
        *color = c->color[cell];
    }
    if (c->over[cell] == 'o' && !plot->is_plain) {
        rg_buf_str(out, RG_STR("●"));
    } else if (c->over[cell] != 0) {
        rg_buf_char(out, (char)c->over[cell]);
    } else {
        // U+2800 and the dots
        const char braille[4] = {(char)0xE2, (char)(0xA0 + (c->dots[cell] >> 6)),
                                 (char)(0x80 + (c->dots[cell] & 63)), 0};
        rg_buf_put(out, braille, 3);
    }
}

// the label of the tick on this row of cells, or nothing
static void row_label(const canvas *c, unsigned row, char label[32]) {
    label[0] = '\0';
    for (size_t i = 0; i < c->f->y.n_ticks; i++) {
        if (dot_y(c, c->f->y.ticks[i]) / (long)c->dots_y == (long)row) {
            rg_plot_label(&c->f->y, c->f->y.ticks[i], label);
            return;
        }
    }
}

static void put_x_axis(rg_buf *out, const canvas *c, unsigned margin) {
    const bool is_plain = c->f->plot->is_plain;
    char marks[RG_PLOT_COLUMNS_MAX + 1];
    char labels[RG_PLOT_COLUMNS_MAX + 32];
    memset(marks, '-', c->columns);
    memset(labels, ' ', sizeof labels);
    long free_from = -(long)margin;
    size_t end = 0;
    for (size_t i = 0; i < c->f->x.n_ticks; i++) {
        char label[32];
        const long at = dot_x(c, c->f->x.ticks[i]) / (long)c->dots_x;
        rg_plot_label(&c->f->x, c->f->x.ticks[i], label);
        const long n = (long)strlen(label);
        long begin = at - n / 2;
        begin = begin + n > (long)c->columns ? (long)c->columns - n : begin;
        begin = begin < 0 ? 0 : begin;
        marks[at] = '+';
        if (begin >= free_from) {
            memcpy(labels + begin, label, (size_t)n);
            end = (size_t)(begin + n);
            free_from = begin + n + 1;
        }
    }
    rg_buf_format(out, "%*s %s", (int)margin, "", is_plain ? "+" : "└");
    for (size_t i = 0; i < c->columns; i++) {
        rg_buf_str(out, rg_str_of(is_plain          ? (marks[i] == '+' ? "+" : "-")
                                  : marks[i] == '+' ? "┬"
                                                    : "─"));
    }
    rg_buf_format(out, "\n%*s  ", (int)margin, "");
    rg_buf_put(out, labels, end);
    if (c->f->plot->x_label != NULL && end + strlen(c->f->plot->x_label) + 1 < c->columns + 8) {
        rg_buf_format(out, " %s", c->f->plot->x_label);
    }
    rg_buf_char(out, '\n');
}

static void put_legend(rg_buf *out, const rg_plot *plot, unsigned margin) {
    const bool has_marks = plot->is_plain || has_letters(plot);
    for (size_t k = 0; k < plot->n_series; k++) {
        const rg_plot_series *s = &plot->series[k];
        if (s->name == NULL) {
            continue;
        }
        rg_buf_format(out, "%*s  ", (int)margin, "");
        put_color(out, plot, s->color % COLORS + 1);
        if (has_marks && !(s->is_points && !plot->is_plain)) {
            rg_buf_char(out, mark_of(plot, s));
        } else {
            rg_buf_str(out, s->is_points ? RG_STR("●") : RG_STR("━"));
        }
        put_color(out, plot, 0);
        rg_buf_format(out, " %s\n", s->name);
    }
}

static void print(rg_buf *out, const canvas *c, unsigned margin) {
    const rg_plot *plot = c->f->plot;
    char label[32];
    if (plot->title != NULL) {
        rg_buf_format(out, "%s\n", plot->title);
    }
    for (unsigned row = 0; row < c->rows; row++) {
        row_label(c, row, label);
        rg_buf_format(out, "%*s ", (int)margin, label);
        rg_buf_str(out, rg_str_of(plot->is_plain ? "|" : label[0] != '\0' ? "┤" : "│"));
        // nothing behind the last mark
        size_t n = c->columns;
        while (n > 0 && c->color[row * c->columns + n - 1] == 0) {
            n--;
        }
        uint8_t color = 0;
        for (size_t i = 0; i < n; i++) {
            put_cell(out, c, row * c->columns + i, &color);
        }
        if (color != 0) {
            put_color(out, plot, 0);
        }
        rg_buf_char(out, '\n');
    }
    put_x_axis(out, c, margin);
    put_legend(out, plot, margin);
}

static unsigned label_width(const rg_plot_axis *y) {
    size_t most = 0;
    for (size_t i = 0; i < y->n_ticks; i++) {
        char label[32];
        rg_plot_label(y, y->ticks[i], label);
        most = strlen(label) > most ? strlen(label) : most;
    }
    return (unsigned)most;
}

rg_status rg_plot_text(const rg_mem *mem, const rg_plot *plot, rg_buf *out, rg_error *err) {
    rg_plot_frame frame = {0};
    canvas c = {.f = &frame, .dots_x = plot->is_plain ? 1 : 2, .dots_y = plot->is_plain ? 1 : 4};
    rg_status status = RG_OK;
    const unsigned width = plot->width == 0 ? COLUMNS : plot->width;
    c.rows = plot->height == 0 ? ROWS : plot->height;
    if (width < COLUMNS_LEAST || width > RG_PLOT_COLUMNS_MAX || c.rows < ROWS_LEAST ||
        c.rows > RG_PLOT_ROWS_MAX) {
        return rg_fail(err, RG_E_ARG,
                       "a plot of %u x %u characters, possible are %d x %d to %d x %d", width,
                       c.rows, COLUMNS_LEAST, ROWS_LEAST, RG_PLOT_COLUMNS_MAX, RG_PLOT_ROWS_MAX);
    }
    RG_TRY(
        rg_plot_frame_init(mem, plot, width / TICK_COLUMNS, c.rows / TICK_ROWS + 1, &frame, err));
    const unsigned margin = label_width(&frame.y);
    c.columns = width - margin - 2;
    const size_t n = (size_t)c.columns * c.rows;
    c.dots = rg_new_array(mem, n, 3);
    if (c.dots == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a plot of %zu characters", n);
        goto done;
    }
    c.over = c.dots + n;
    c.color = c.over + n;
    paint(&c);
    print(out, &c, margin);
    status = rg_buf_check(out, "a plot", err);

done:
    rg_free(mem, c.dots);
    rg_plot_frame_clear(mem, &frame);
    return status;
}
