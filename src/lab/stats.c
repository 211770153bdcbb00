#include "lab/stats.h"

#include <math.h>
#include <stdlib.h>

void rg_mean_add(rg_mean *m, double value) {
    m->n++;
    const double step = value - m->mean;
    m->mean += step / (double)m->n;
    m->squares += step * (value - m->mean);
}

double rg_mean_error(const rg_mean *m) {
    const double n = (double)m->n;
    return m->n < 2 ? NAN : sqrt(m->squares / (n - 1) / n);
}

rg_share rg_wilson(uint64_t n_right, uint64_t n) {
    const double z2 = 1.959963984540054 * 1.959963984540054;
    if (n == 0) {
        return (rg_share){NAN, 0, 1};
    }
    const double size = (double)n;
    const double p = (double)n_right / size;
    const double middle = (p + z2 / (2 * size)) / (1 + z2 / size);
    const double half = sqrt(z2 * (p * (1 - p) / size + z2 / (4 * size * size))) / (1 + z2 / size);
    return (rg_share){p, fmax(0, middle - half), fmin(1, middle + half)};
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

double rg_quantile(float *values, size_t n, double q) {
    if (n == 0) {
        return NAN;
    }
    qsort(values, n, sizeof *values, by_value);
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    const size_t next = i + 1 < n ? i + 1 : i;
    return values[i] + (at - (double)i) * ((double)values[next] - values[i]);
}
