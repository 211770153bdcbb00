/* Curves over steps: as an SVG file, or as characters for a terminal. */
#pragma once

#include "raga/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One curve. Borrowed during the call. */
typedef struct raga_plot_series {
    const char *name; // in the legend; NULL: not there
    const double *x;  // [n] ascending
    const double *y;  // [n] what is not finite is a gap
    size_t n;
    size_t color;   // curves of the same thing share one
    bool is_points; // a few measured points, never smoothed; else a line
} raga_plot_series;

typedef struct raga_plot {
    size_t size;
    const char *title; // NULL: none
    const char *x_label;
    const char *y_label;
    const raga_plot_series *series; // at most 64
    size_t n_series;
    double smooth;  // points that the running mean of a line spans; 0: a fiftieth of them; below 1:
                    // not smoothed
    bool is_log;    // of y; what is not above 0 is a gap then
    unsigned width; // pixels or columns; 0: 860, 80
    unsigned height; // pixels or rows; 0: 480, 20
    bool is_plain;   // text: ASCII alone
    bool has_color;  // text: with its escape sequences
} raga_plot;

/**
 * An SVG that needs nothing beside itself: raw lines faint, their running means over them; colors
 * for light and dark by the reader's preference.
 * @param out  the text, owned by the caller: raga_free()
 * Errors: RAGA_E_ARG (no finite value at all, too many curves, sizes), RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_plot_svg(const raga_plot *plot, char **out, size_t *size,
                                   raga_error *err) RAGA_MUST_CHECK;
/** For a terminal: running means in braille dots or ASCII. Ownership and errors as above. */
RAGA_API raga_status raga_plot_text(const raga_plot *plot, char **out, size_t *size,
                                    raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
