/* Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64. */
#pragma once

#include <stdint.h>

typedef struct rg_random {
    uint64_t s[4];
} rg_random;

/** Source: Blackman and Vigna 2018, arXiv 1805.01407. */
static inline void rg_random_seed(rg_random *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        r->s[i] = z ^ (z >> 31);
    }
}

static inline uint64_t rg_random_next(rg_random *r) {
    uint64_t *s = r->s;
    const uint64_t turned = s[1] * 5;
    const uint64_t result = ((turned << 7) | (turned >> 57)) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/** In [0, 1), 53 bits. */
static inline double rg_random_unit(rg_random *r) {
    return (double)(rg_random_next(r) >> 11) * 0x1p-53;
}
