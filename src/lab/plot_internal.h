/* What both ways of drawing share: scales, ticks, smoothed curves. */
#pragma once

#include "lab/plot.h"

enum { RG_PLOT_TICKS = 32 };

typedef struct rg_plot_axis {
    double low;
    double high;
    bool is_log;
    double step; // between ticks; log: 0
    double ticks[RG_PLOT_TICKS];
    size_t n_ticks;
} rg_plot_axis;

/** A plot about to be drawn. */
typedef struct rg_plot_frame {
    const rg_plot *plot;
    double *smooth[RG_PLOT_SERIES_MAX]; // of lines; NULL: the raw line is drawn
    rg_plot_axis x;
    rg_plot_axis y;
} rg_plot_frame;

/**
 * Scales that fit all curves; single wild values of long lines may lie outside.
 * @param n_x, n_y  ticks that are wanted, about
 * @param frame     rg_plot_frame_clear whatever the answer
 */
rg_status rg_plot_frame_init(const rg_mem *mem, const rg_plot *plot, unsigned n_x, unsigned n_y,
                             rg_plot_frame *frame, rg_error *err) RG_MUST_CHECK;
void rg_plot_frame_clear(const rg_mem *mem, rg_plot_frame *frame);

/** Can it be drawn on this axis? Beyond the bounds, widths and ratios would overflow. */
static inline bool rg_plot_has(const rg_plot_axis *axis, double v) {
    return fabs(v) < 1e150 && (!axis->is_log || v > 1e-150);
}
/** Where a value lies: 0 at the low end, 1 at the high one. */
double rg_plot_at(const rg_plot_axis *axis, double v);
/** "0.25", "1.5k", "3M". */
void rg_plot_label(const rg_plot_axis *axis, double v, char out[32]);
