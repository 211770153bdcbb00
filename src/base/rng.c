#include "base/rng.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

void rg_rng_init(rg_rng *rng, uint64_t seed) {
    // splitmix64 fills the state, so that neighboring seeds have nothing in common
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        rng->s[i] = z ^ (z >> 31);
    }
}

uint64_t rg_rng_next(rg_rng *rng) {
    uint64_t *s = rng->s;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double rg_rng_uniform(rg_rng *rng) {
    return (double)(rg_rng_next(rng) >> 11) * 0x1p-53;
}

double rg_rng_normal(rg_rng *rng) {
    const double u = 1 - rg_rng_uniform(rng); // never zero
    const double v = rg_rng_uniform(rng);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}
