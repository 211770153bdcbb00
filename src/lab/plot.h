/* Curves over steps: as an SVG that needs nothing beside itself, and as characters for a terminal.
 */
#pragma once

#include "base/buf.h"

#include <math.h>

#define RG_PLOT_SERIES_MAX  64   // curves of one plot
#define RG_PLOT_COLUMNS_MAX 400  // of characters
#define RG_PLOT_ROWS_MAX    100  // of characters
#define RG_PLOT_PIXELS_MAX  8192 // width or height of an SVG

/** One curve. Borrowed during the call. */
typedef struct rg_plot_series {
    const char *name; // in the legend; NULL: not there
    const double *x;  // [n] ascending
    const double *y;  // [n] what is not finite is a gap
    size_t n;
    size_t color;   // curves of the same thing share one
    bool is_points; // a few measured points, never smoothed; else a line
} rg_plot_series;

typedef struct rg_plot {
    const char *title; // NULL: none
    const char *x_label;
    const char *y_label;
    const rg_plot_series *series; // at most RG_PLOT_SERIES_MAX
    size_t n_series;
    double smooth;  // points that the running mean of a line spans; 0: a fiftieth of them, below 1:
                    // not smoothed
    bool is_log;    // of y; what is not above 0 is a gap then
    unsigned width; // pixels or columns; 0: 860, 80
    unsigned height; // pixels or rows; 0: 480, 20
    bool is_plain;   // text: ASCII alone
    bool has_color;  // text: with its escape sequences
} rg_plot;

/**
 * Draw as SVG: raw lines faint, their running means over them; colors for light and dark by the
 * reader's preference. Long lines are thinned to what a pixel shows: lowest and highest.
 * Errors: RG_E_ARG (no finite value at all, more curves than RG_PLOT_SERIES_MAX, sizes),
 * RG_E_MEMORY.
 */
rg_status rg_plot_svg(const rg_mem *mem, const rg_plot *plot, rg_buf *out,
                      rg_error *err) RG_MUST_CHECK;
/** Draw for a terminal: running means as braille dots (or ASCII), points over them. Errors: as
 * above. */
rg_status rg_plot_text(const rg_mem *mem, const rg_plot *plot, rg_buf *out,
                       rg_error *err) RG_MUST_CHECK;

/**
 * The running mean: exponential, of about `span` values, but at most a tenth of those so far: the
 * steep beginning of a run is followed. Values that are not finite stay so and do not enter.
 * @param out  [n], may be y
 */
void rg_plot_smooth(const double *y, size_t n, double span, double *out);
