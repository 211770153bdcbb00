/* Small statistics: means with their errors, shares with their intervals. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** A mean that is built up. Zero it to begin. Source: Welford 1962. */
typedef struct rg_mean {
    uint64_t n;
    double mean;
    double squares; // sum of squared distances from the mean
} rg_mean;

void rg_mean_add(rg_mean *m, double value);
/** The standard error, values taken as independent; NAN below two of them. */
double rg_mean_error(const rg_mean *m);

/** A share and the interval that holds the true one with 95 %. */
typedef struct rg_share {
    double value; // NAN: of nothing
    double low;
    double high;
} rg_share;

/** Source: Wilson 1927, with z = 1.959964; for n 0 the whole range from 0 to 1. */
rg_share rg_wilson(uint64_t n_right, uint64_t n);

/** The value that a share q of n values does not exceed (linear between neighbors); they are put in
 * order. NAN for none. */
double rg_quantile(float *values, size_t n, double q);
