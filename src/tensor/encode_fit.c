#include "tensor/encode_fit.h"

#include <math.h>

enum { ROUNDS = 2 }; // of bringing a block's common scale and its groups' integers together

bool rg_fit_weights(float *w, const float *x, const float *importance, size_t n) {
    double squares = 0;
    double total = 0;
    for (size_t i = 0; importance != NULL && i < n; i++) {
        squares += (double)x[i] * x[i];
        total += importance[i];
    }
    if (!(total > 0)) {
        return false;
    }
    // importance as a share of the mean, so that its unit does not matter; a column that was never
    // seen still has a shape to keep
    const double mean = total / (double)n;
    const float usual = (float)(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        w[i] = ((float)(importance[i] / mean) + 1e-6f) * sqrtf(usual + x[i] * x[i]);
    }
    return true;
}

int rg_fit_nearest16(const int8_t table[16], float v) {
    int at = 0;
    for (int step = 8; step != 0; step /= 2) {
        at += v > table[at + step - 1] ? step : 0;
    }
    // table[at] is the first value not below v, or the last of all
    return at > 0 && v - table[at - 1] <= table[at] - v ? at - 1 : at;
}

// ---- one group ----

enum { LANES = 8 }; // partial sums; groups are multiples of it

/** Sums over a group for some levels q. */
typedef struct sums {
    double q;
    double qq;
    double qx;
} sums;

// nearest whole number, even ones first, of |v| < 2^22: adding 1.5 * 2^23 leaves no room for a
// fraction
static inline float whole(float v) {
    return v + 12582912.0f - 12582912.0f;
}

// levels are what (x + min) * inverse comes to between low and high
static sums add_up(const float *x, const float *w, int n, float inverse, float min, float low,
                   float high) {
    float sq[LANES] = {0}, sqq[LANES] = {0}, sqx[LANES] = {0};
    sums s = {0};
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            float q = (x[i + l] + min) * inverse;
            q = q < low ? low : q;
            q = whole(q > high ? high : q);
            const float wq = w[i + l] * q;
            sq[l] += wq;
            sqq[l] += wq * q;
            sqx[l] += wq * x[i + l];
        }
    }
    for (int l = 0; l < LANES; l++) {
        s.q += sq[l];
        s.qq += sqq[l];
        s.qx += sqx[l];
    }
    return s;
}

/** What a group is beside its levels. */
typedef struct group {
    double w;
    double x;
    double xx;
    bool is_min_free;
} group;

// least squares for given levels: minimize sum w (scale q + offset - x)^2
static double solve(const group *of, const sums *s, rg_fit *out) {
    // sums of floats: a determinant in their rounding is none
    const double squares = of->w * s->qq;
    const double exact = squares - s->q * s->q;
    const double det = exact > 1e-6 * squares ? exact : 0;
    double scale = det > 0 ? (of->w * s->qx - s->q * of->x) / det : 0;
    double offset = det > 0 ? (s->qq * of->x - s->q * s->qx) / det : 0;
    if (!of->is_min_free && (det <= 0 || offset > 0)) {
        offset = 0;
        scale = s->qq > 0 ? s->qx / s->qq : 0;
    }
    out->scale = (float)scale;
    out->min = (float)-offset;
    return of->xx + scale * scale * s->qq + offset * offset * of->w + 2 * scale * offset * s->q -
           2 * scale * s->qx - 2 * offset * of->x;
}

rg_fit rg_fit_group(const float *x, const float *w, int n, int top, bool is_min_free) {
    group of = {.is_min_free = is_min_free};
    float low = is_min_free ? x[0] : 0;
    float high = x[0];
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        of.w += w[i];
        of.x += (double)w[i] * x[i];
        of.xx += (double)w[i] * x[i] * x[i];
    }
    if (high == low) {
        return (rg_fit){0, -low};
    }
    rg_fit best = {(high - low) / (float)top, -low};
    double best_error = INFINITY;
    for (int step = -9; step <= 15; step++) {
        rg_fit tried = {(high - low) / ((float)top + 0.1f * (float)step), -low};
        // the solution has other nearest levels than the guess: once more with those
        for (int round = 0; round < 2 && tried.scale > 0; round++) {
            const sums s = add_up(x, w, n, 1 / tried.scale, tried.min, 0, (float)top);
            const double error = solve(&of, &s, &tried);
            // where few values count the solution may leave the range of the others
            if (error < best_error && tried.scale > 0 &&
                tried.scale * (float)top < 4 * (high - low) &&
                fabsf(tried.min + low) < high - low) {
                best_error = error;
                best = tried;
            }
        }
    }
    return best;
}

static float largest_magnitude(const float *v, int n) {
    float top = 0;
    for (int i = 0; i < n; i++) {
        top = fabsf(v[i]) > fabsf(top) ? v[i] : top;
    }
    return top;
}

/** A table as steps: its lowest value, and what is added above the middle of each two neighbors. */
typedef struct steps {
    float lowest;
    float middle[15];
    float rise[15];
} steps;

static void make_steps(const int8_t *table, steps *out) {
    out->lowest = table[0];
    for (int i = 0; i < 15; i++) {
        out->middle[i] = 0.5f * (float)(table[i] + table[i + 1]);
        out->rise[i] = (float)(table[i + 1] - table[i]);
    }
}

// the values of the table nearest to x * inverse: without a branch, so that lanes go together
static inline void climb(const steps *s, const float *x, float inverse, float q[LANES]) {
    float v[LANES];
    for (int l = 0; l < LANES; l++) {
        v[l] = x[l] * inverse;
        q[l] = s->lowest;
    }
    for (int i = 0; i < 15; i++) {
        for (int l = 0; l < LANES; l++) {
            q[l] += v[l] > s->middle[i] ? s->rise[i] : 0;
        }
    }
}

static sums add_up_table(const float *x, const float *w, int n, float inverse, const steps *table) {
    float sqq[LANES] = {0}, sqx[LANES] = {0};
    sums s = {0};
    for (int i = 0; i < n; i += LANES) {
        float q[LANES];
        climb(table, x + i, inverse, q);
        for (int l = 0; l < LANES; l++) {
            const float wq = w[i + l] * q[l];
            sqq[l] += wq * q[l];
            sqx[l] += wq * x[i + l];
        }
    }
    for (int l = 0; l < LANES; l++) {
        s.qq += sqq[l];
        s.qx += sqx[l];
    }
    return s;
}

/** Scales tried: the extreme value divided by `reach`, which moves by `step` to both sides. */
typedef struct search {
    float reach;
    float step;
    int n_steps;
} search;

static double try_scales(const search *how, const float *x, const float *w, int n, int top,
                         const int8_t *table, double gain, float *best) {
    const float extreme = largest_magnitude(x, n);
    steps rungs;
    if (table != NULL) {
        make_steps(table, &rungs);
    }
    for (int i = -how->n_steps; i <= how->n_steps && extreme != 0; i++) {
        float inverse = (how->reach + how->step * (float)i) / extreme;
        for (int round = 0; round < 2 && isfinite(inverse); round++) {
            const sums s = table != NULL
                               ? add_up_table(x, w, n, inverse, &rungs)
                               : add_up(x, w, n, inverse, 0, (float)(-top - 1), (float)top);
            // with the best scale for these levels the error falls by (x.q)^2 / q.q
            if (s.qq > 0 && s.qx * s.qx / s.qq > gain) {
                gain = s.qx * s.qx / s.qq;
                *best = (float)(s.qx / s.qq);
            }
            inverse = (float)(s.qq / s.qx);
        }
    }
    return gain;
}

float rg_fit_symmetric(const float *x, const float *w, int n, int top, const int8_t *table) {
    float best = 0;
    if (table == NULL) {
        // the extreme value gets the one level that has no mirror image
        const search s = {-((float)top + 1), 0.1f, 9};
        (void)try_scales(&s, x, w, n, top, NULL, -1, &best);
        return best;
    }
    // either end of the table may hold it
    const search low = {table[0], 2, 4};
    const search high = {table[15], 2, 4};
    const double gain = try_scales(&low, x, w, n, top, table, -1, &best);
    (void)try_scales(&high, x, w, n, top, table, gain, &best);
    return best;
}

// Least squares shrinks: what is rounded lies nearer to zero than what was there, in every block
// the same way, and that adds up from layer to layer where other errors cancel. The common scales
// are stretched until a block has its own length along itself.
static void stretch(const rg_block_form *form, const float *x, const float *w, rg_block *b) {
    const int n = RG_FIT_VALUES / form->n_groups;
    const float d = rg_f32_of_f16(b->d);
    const float dmin = rg_f32_of_f16(b->dmin);
    double xx = 0;
    double xy = 0;
    for (int i = 0; i < RG_FIT_VALUES; i++) {
        const float y = d * (float)(b->scale[i / n] * b->q[i]) - dmin * (float)b->min[i / n];
        xx += (double)w[i] * x[i] * x[i];
        xy += (double)w[i] * x[i] * y;
    }
    if (xy > 0 && xx > xy && xx < 1.25 * xy) {
        b->d = rg_f16_of_f32((float)(d * xx / xy));
        b->dmin = rg_f16_of_f32((float)(dmin * xx / xy));
    }
}

// ---- blocks with minima ----

static int ratio(float v, float unit, int low, int top) {
    return unit == 0 ? 0 : rg_clamp_int((int)lrintf(fminf(fmaxf(v / unit, -1000), 1000)), low, top);
}

// levels of a group under a scale and a minimum, and their weighted squared error
static double levels(const float *x, const float *w, int n, int top, float scale, float min,
                     int8_t *q) {
    const float inverse = scale == 0 ? 0 : 1 / scale;
    double error = 0;
    float sum[LANES] = {0};
    for (int i = 0; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            float v = (x[i + l] + min) * inverse;
            v = v < 0 ? 0 : v;
            v = whole(v > (float)top ? (float)top : v);
            const float off = scale * v - min - x[i + l];
            q[i + l] = (int8_t)v;
            sum[l] += w[i + l] * off * off;
        }
    }
    for (int l = 0; l < LANES; l++) {
        error += sum[l];
    }
    return error;
}

// the best of the integers next to those that a group has
static double settle_group(const rg_block_form *form, const float *x, const float *w, int g,
                           rg_block *b) {
    const int n = RG_FIT_VALUES / form->n_groups;
    const float d = rg_f32_of_f16(b->d);
    const float dmin = rg_f32_of_f16(b->dmin);
    const int scale = b->scale[g];
    const int min = b->min[g];
    double best = INFINITY;
    int8_t q[32];
    for (int ds = -1; ds <= 1; ds++) {
        for (int dm = -1; dm <= 1; dm++) {
            const int s = scale + ds;
            const int m = min + dm;
            if (s < 0 || s > form->scale_top || m < 0 || m > form->scale_top) {
                continue;
            }
            const double error =
                levels(x + g * n, w + g * n, n, form->top, d * (float)s, dmin * (float)m, q);
            if (error < best) {
                best = error;
                b->scale[g] = s;
                b->min[g] = m;
                memcpy(b->q + g * n, q, (size_t)n);
            }
        }
    }
    return best;
}

// d and dmin by least squares for the integers as they are; false: there is nothing better
static bool solve_block(const rg_block_form *form, const float *x, const float *w, rg_block *b) {
    const int n = RG_FIT_VALUES / form->n_groups;
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int i = 0; i < RG_FIT_VALUES; i++) {
        const double p = b->scale[i / n] * b->q[i];
        const double m = b->min[i / n];
        aa += w[i] * p * p;
        ab -= w[i] * p * m;
        bb += w[i] * m * m;
        ax += w[i] * p * x[i];
        bx -= w[i] * m * x[i];
    }
    const double det = aa * bb - ab * ab;
    const double d = det > 0 ? (bb * ax - ab * bx) / det : aa > 0 ? ax / aa : 0;
    const double dmin = det > 0 ? (aa * bx - ab * ax) / det : 0;
    if (!(d > 0 && dmin >= 0)) {
        return false;
    }
    b->d = rg_f16_of_f32((float)d);
    b->dmin = rg_f16_of_f32((float)dmin);
    return true;
}

void rg_fit_block(const rg_block_form *form, const float *x, const float *w, rg_block *out) {
    const int n = RG_FIT_VALUES / form->n_groups;
    rg_fit fits[RG_FIT_GROUPS];
    float scale = 0;
    float min = 0;
    for (int g = 0; g < form->n_groups; g++) {
        fits[g] = rg_fit_group(x + g * n, w + g * n, n, form->top, false);
        scale = fmaxf(scale, fits[g].scale);
        min = fmaxf(min, fits[g].min);
    }
    rg_block b = {.d = rg_f16_of_f32(scale / (float)form->scale_top),
                  .dmin = rg_f16_of_f32(min / (float)form->scale_top)};
    double best = INFINITY;
    for (int g = 0; g < form->n_groups; g++) {
        b.scale[g] = ratio(fits[g].scale, rg_f32_of_f16(b.d), 0, form->scale_top);
        b.min[g] = ratio(fits[g].min, rg_f32_of_f16(b.dmin), 0, form->scale_top);
    }
    *out = b; // stays where no error is a number
    for (int round = 0; round <= ROUNDS; round++) {
        double error = 0;
        for (int g = 0; g < form->n_groups; g++) {
            error += settle_group(form, x, w, g, &b);
        }
        if (!(error < best)) {
            break;
        }
        best = error;
        *out = b;
        if (!solve_block(form, x, w, &b)) {
            break;
        }
    }
    stretch(form, x, w, out);
}

// ---- blocks without ----

static double levels_symmetric(const rg_block_form *form, const float *x, const float *w, int n,
                               float scale, int8_t *q) {
    const float inverse = scale == 0 ? 0 : 1 / scale;
    double error = 0;
    float sum[LANES] = {0};
    const float low = (float)(-form->top - 1);
    const float high = (float)form->top;
    for (int i = 0; i < n && form->table == NULL; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            float v = x[i + l] * inverse;
            v = v < low ? low : v;
            v = whole(v > high ? high : v);
            const float off = scale * v - x[i + l];
            q[i + l] = (int8_t)v;
            sum[l] += w[i + l] * off * off;
        }
    }
    steps rungs;
    if (form->table != NULL) {
        make_steps(form->table, &rungs);
    }
    for (int i = 0; i < n && form->table != NULL; i += LANES) {
        float v[LANES];
        climb(&rungs, x + i, inverse, v);
        for (int l = 0; l < LANES; l++) {
            const float off = scale * v[l] - x[i + l];
            q[i + l] = (int8_t)v[l];
            sum[l] += w[i + l] * off * off;
        }
    }
    for (int l = 0; l < LANES; l++) {
        error += sum[l];
    }
    return error;
}

static double settle_symmetric(const rg_block_form *form, const float *x, const float *w, int g,
                               rg_block *b) {
    const int n = RG_FIT_VALUES / form->n_groups;
    const int scale = b->scale[g];
    double best = INFINITY;
    int8_t q[32];
    for (int s = scale - 1; s <= scale + 1; s++) {
        if (s < -form->scale_top - 1 || s > form->scale_top) {
            continue;
        }
        const double error =
            levels_symmetric(form, x + g * n, w + g * n, n, rg_f32_of_f16(b->d) * (float)s, q);
        if (error < best) {
            best = error;
            b->scale[g] = s;
            memcpy(b->q + g * n, q, (size_t)n);
        }
    }
    return best;
}

static bool solve_symmetric(const rg_block_form *form, const float *x, const float *w,
                            rg_block *b) {
    const int n = RG_FIT_VALUES / form->n_groups;
    double pp = 0;
    double px = 0;
    for (int i = 0; i < RG_FIT_VALUES; i++) {
        const double p = b->scale[i / n] * b->q[i];
        pp += w[i] * p * p;
        px += w[i] * p * x[i];
    }
    b->d = rg_f16_of_f32(pp > 0 ? (float)(px / pp) : 0);
    return pp > 0;
}

void rg_fit_block_symmetric(const rg_block_form *form, const float *x, const float *w,
                            rg_block *out) {
    const int n = RG_FIT_VALUES / form->n_groups;
    float scales[RG_FIT_GROUPS];
    for (int g = 0; g < form->n_groups; g++) {
        scales[g] = rg_fit_symmetric(x + g * n, w + g * n, n, form->top, form->table);
    }
    const float extreme = largest_magnitude(scales, form->n_groups);
    rg_block b = {.d = rg_f16_of_f32(extreme / (float)(-form->scale_top - 1))};
    double best = INFINITY;
    for (int g = 0; g < form->n_groups; g++) {
        b.scale[g] = ratio(scales[g], rg_f32_of_f16(b.d), -form->scale_top - 1, form->scale_top);
    }
    *out = b; // stays where no error is a number
    for (int round = 0; round <= ROUNDS; round++) {
        double error = 0;
        for (int g = 0; g < form->n_groups; g++) {
            error += settle_symmetric(form, x, w, g, &b);
        }
        if (!(error < best)) {
            break;
        }
        best = error;
        *out = b;
        if (!solve_symmetric(form, x, w, &b)) {
            break;
        }
    }
    stretch(form, x, w, out);
}
