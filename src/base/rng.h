/* Random numbers that are the same on every machine. Not for secrets. */
#pragma once

#include <stdint.h>

/** A stream of random numbers: xoshiro256**, Blackman and Vigna 2018. */
typedef struct rg_rng {
    uint64_t s[4];
} rg_rng;
void rg_rng_init(rg_rng *rng, uint64_t seed);
uint64_t rg_rng_next(rg_rng *rng);
/** Uniform in [0, 1), 53 bits. */
double rg_rng_uniform(rg_rng *rng);
/** Standard normal: Box and Muller 1958. */
double rg_rng_normal(rg_rng *rng);
