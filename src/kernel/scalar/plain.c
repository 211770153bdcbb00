#include "kernel/plain.h"

#include <math.h>

void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale) {
    for (size_t i = 0; i < n; i++) {
        const float angle = (float)position * inv_freq[i];
        out[i] = cosf(angle) * scale;
        out[n + i] = sinf(angle) * scale;
    }
}
