/* Arithmetic that has one version only, plain C. */
#pragma once

#include "tensor/dtype.h"

/**
 * cos and sin of position * inv_freq[i], times scale; the angle is rounded to f32 first, as the
 * references do. Shapes: inv_freq [n], out [2n]: n cosines, then n sines.
 */
void rg_plain_rope_angles(float *out, int32_t position, const float *inv_freq, size_t n,
                          float scale);
