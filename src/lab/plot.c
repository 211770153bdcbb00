/* Scales and ticks of a plot, and what is smoothed in it. */
#include "lab/plot_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SPANS = 50,     // of a run, that a running mean looks back on one of
    TRIMMED = 1000, // values of a line from which on single wild ones do not set the scale
};

#define TRIM   0.002 // share of them at each end
#define SHARE  0.1   // of what has gone before, that a running mean spans at most
#define FLAT   1e-9  // of its values, that a range spans at least
#define ORIGIN 0.03  // a run that begins this near to 0 is drawn from 0

void rg_plot_smooth(const double *y, size_t n, double span, double *out) {
    double sum = 0;
    double weight = 0;
    for (size_t i = 0; i < n; i++) {
        const double now = fmin(span, 1 + (double)i * SHARE);
        const double keep = now > 1 ? 1 - 1 / now : 0;
        if (isfinite(y[i])) {
            sum = keep * sum + y[i];
            weight = keep * weight + 1;
            out[i] = sum / weight;
        } else {
            out[i] = NAN;
        }
    }
}

// ---- ranges ----

typedef struct range {
    double low;
    double high;
} range;

static void grow(range *r, double v) {
    r->low = fmin(r->low, v);
    r->high = fmax(r->high, v);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

// a raw line: all of a short one, all but the wildest of a long one
static rg_status grow_raw(const rg_mem *mem, const rg_plot_series *s, const rg_plot_axis *axis,
                          range *r, rg_error *err) {
    size_t n = 0;
    double *values = rg_alloc(mem, (s->n + 1) * sizeof *values);
    if (values == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a curve of %zu points", s->n);
    }
    for (size_t i = 0; i < s->n; i++) {
        if (rg_plot_has(axis, s->y[i])) {
            values[n++] = s->y[i];
        }
    }
    if (n > 0) {
        qsort(values, n, sizeof *values, by_value);
        const size_t cut = n >= TRIMMED ? (size_t)((double)n * TRIM) : 0;
        grow(r, values[cut]);
        grow(r, values[n - 1 - cut]);
    }
    rg_free(mem, values);
    return RG_OK;
}

static rg_status find_ranges(const rg_mem *mem, rg_plot_frame *f, range *x, range *y,
                             rg_error *err) {
    for (size_t k = 0; k < f->plot->n_series; k++) {
        const rg_plot_series *s = &f->plot->series[k];
        const rg_status status = grow_raw(mem, s, &f->y, y, err);
        if (status != RG_OK) {
            return status;
        }
        for (size_t i = 0; i < s->n; i++) {
            if (rg_plot_has(&f->x, s->x[i])) {
                grow(x, s->x[i]);
            }
            if (f->smooth[k] != NULL && rg_plot_has(&f->y, f->smooth[k][i])) {
                grow(y, f->smooth[k][i]);
            }
            if (s->is_points && rg_plot_has(&f->y, s->y[i])) {
                grow(y, s->y[i]);
            }
        }
    }
    return RG_OK;
}

// ---- ticks ----

// 1, 2 or 5 times a power of ten, so that about n fit
static double nice_step(double width, unsigned n) {
    const double raw = width / n;
    const double power = pow(10, floor(log10(raw)));
    const double head = raw / power;
    return (head <= 1 ? 1 : head <= 2 ? 2 : head <= 5 ? 5 : 10) * power;
}

static void put_tick(rg_plot_axis *a, double v) {
    if (a->n_ticks < RG_PLOT_TICKS) {
        a->ticks[a->n_ticks++] = v;
    }
}

static void linear_ticks(rg_plot_axis *a, unsigned n, bool widens) {
    a->step = nice_step(a->high - a->low, n);
    if (widens) {
        a->low = floor(a->low / a->step + 1e-9) * a->step;
        a->high = ceil(a->high / a->step - 1e-9) * a->step;
    }
    const double first = ceil(a->low / a->step - 1e-9);
    for (size_t i = 0; i < RG_PLOT_TICKS; i++) {
        const double v = (first + (double)i) * a->step;
        if (v <= a->high + a->step * 1e-9) {
            put_tick(a, v);
        }
    }
}

// powers of ten, with steps between them where there are few
static void log_ticks(rg_plot_axis *a, unsigned n) {
    static const double heads[3][9] = {{1}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
    static const size_t counts[3] = {1, 3, 9};
    const double decades = log10(a->high / a->low);
    const size_t kind = decades * 9 <= n ? 2 : decades * 3 <= n ? 1 : 0;
    const double stride = fmax(1, ceil(decades / n)); // decades between ticks
    for (double e = floor(log10(a->low)); e <= ceil(log10(a->high)); e += stride) {
        for (size_t i = 0; i < counts[kind]; i++) {
            const double v = heads[kind][i] * pow(10, e);
            if (v >= a->low * (1 - 1e-9) && v <= a->high * (1 + 1e-9)) {
                put_tick(a, v);
            }
        }
    }
    if (a->n_ticks < 2) {
        a->n_ticks = 0;
        put_tick(a, a->low);
        put_tick(a, a->high);
    }
}

// too narrow for ticks that differ
static bool is_flat(range r) {
    return !(r.high - r.low > fmax(FLAT * fmax(fabs(r.low), fabs(r.high)), 1e-140));
}

static void scale_x(rg_plot_axis *a, range r, unsigned n) {
    const bool is_near = r.low > 0 && r.low < (r.high - r.low) * ORIGIN;
    const double half = is_flat(r) ? fmax(0.5, fabs(r.low) * FLAT) : 0;
    a->low = is_near ? 0 : r.low - half;
    a->high = r.high + half;
    linear_ticks(a, n, false);
}

static void scale_y(rg_plot_axis *a, range r, unsigned n) {
    if (a->is_log) {
        const double room = is_flat(r) ? 1.1 : pow(r.high / r.low, 0.04);
        a->low = r.low / room;
        a->high = r.high * room;
        log_ticks(a, n);
        return;
    }
    const double half = is_flat(r) ? fmax(fabs(r.low) * 0.05, 1e-12) : 0;
    a->low = r.low - half;
    a->high = r.high + half;
    linear_ticks(a, n, true);
}

// ---- the frame ----

static rg_status smooth_lines(const rg_mem *mem, rg_plot_frame *f, rg_error *err) {
    for (size_t k = 0; k < f->plot->n_series; k++) {
        const rg_plot_series *s = &f->plot->series[k];
        const double span = f->plot->smooth == 0 ? (double)s->n / SPANS : f->plot->smooth;
        if (s->is_points || !(span > 1)) {
            continue;
        }
        f->smooth[k] = rg_new_array(mem, s->n, sizeof *f->smooth[k]);
        if (f->smooth[k] == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a curve of %zu points", s->n);
        }
        rg_plot_smooth(s->y, s->n, span, f->smooth[k]);
    }
    return RG_OK;
}

rg_status rg_plot_frame_init(const rg_mem *mem, const rg_plot *plot, unsigned n_x, unsigned n_y,
                             rg_plot_frame *f, rg_error *err) {
    rg_status status = RG_OK;
    range x = {INFINITY, -INFINITY};
    range y = {INFINITY, -INFINITY};
    *f = (rg_plot_frame){.plot = plot, .y = {.is_log = plot->is_log}};
    if (plot->n_series > RG_PLOT_SERIES_MAX) {
        return rg_fail(err, RG_E_ARG, "%zu curves in one plot, the limit is %d", plot->n_series,
                       RG_PLOT_SERIES_MAX);
    }
    RG_TRY(smooth_lines(mem, f, err));
    RG_TRY(find_ranges(mem, f, &x, &y, err));
    if (!(x.low <= x.high) || !(y.low <= y.high)) {
        status = rg_fail(err, RG_E_ARG, "there is nothing to draw: no value is a number%s",
                         plot->is_log ? " above 0" : "");
        goto done;
    }
    scale_x(&f->x, x, n_x);
    scale_y(&f->y, y, n_y);

done:
    return status;
}

void rg_plot_frame_clear(const rg_mem *mem, rg_plot_frame *f) {
    for (size_t k = 0; k < RG_PLOT_SERIES_MAX; k++) {
        rg_free(mem, f->smooth[k]);
        f->smooth[k] = NULL;
    }
}

double rg_plot_at(const rg_plot_axis *a, double v) {
    return a->is_log ? log(v / a->low) / log(a->high / a->low) : (v - a->low) / (a->high - a->low);
}

void rg_plot_label(const rg_plot_axis *a, double v, char out[32]) {
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    const double step = a->is_log ? v : a->step;
    if (fabs(v) < 1e-300 || fabs(v) < step * 1e-9) {
        snprintf(out, 32, "0");
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        // the same unit for the whole axis
        const double most = a->is_log ? v : fmax(fabs(a->high), fabs(a->low));
        if (most >= units[i].unit * (a->is_log ? 1 : 2) && step >= units[i].unit / 10) {
            snprintf(out, 32, "%.4g%s", v / units[i].unit, units[i].name);
            return;
        }
    }
    const int decimals = (int)ceil(-log10(step) - 1e-9);
    if (a->is_log || decimals > 6) {
        snprintf(out, 32, "%.4g", v);
    } else {
        snprintf(out, 32, "%.*f", decimals > 0 ? decimals : 0, v);
    }
}
