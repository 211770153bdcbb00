#include "model/rope.h"

#include <math.h>

// wavelengths beyond the original context are stretched by the factor, short ones kept, those
// between blended
static double scale_llama3(const rg_rope_params *rope, double freq) {
    const double wave = 2 * M_PI / freq;
    if (wave > rope->orig_ctx / rope->low_freq_factor) {
        return freq / rope->factor;
    }
    if (wave < rope->orig_ctx / rope->high_freq_factor ||
        rope->high_freq_factor == rope->low_freq_factor) {
        return freq;
    }
    const double keep = (rope->orig_ctx / wave - rope->low_freq_factor) /
                        (rope->high_freq_factor - rope->low_freq_factor);
    return (1 - keep) * freq / rope->factor + keep * freq;
}

// the dimension that turns `turns` times within the original context
static double yarn_dimension(const rg_rope_params *rope, double turns) {
    return rope->n_rot * log(rope->orig_ctx / (turns * 2 * M_PI)) / (2 * log(rope->base));
}

static double scale_yarn(const rg_rope_params *rope, double freq, uint32_t i) {
    double low = yarn_dimension(rope, rope->beta_fast);
    double high = yarn_dimension(rope, rope->beta_slow);
    if (!rope->is_untruncated) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, rope->n_rot - 1.0);
    if (low == high) {
        high += 0.001;
    }
    const double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return freq / rope->factor * ramp + freq * (1 - ramp);
}

static double plain_freq(const rg_rope_params *rope, uint32_t i) {
    return pow(rope->base, -2.0 * i / rope->n_rot);
}

static double scaled_freq(const rg_rope_params *rope, uint32_t i) {
    const double freq = plain_freq(rope, i);
    switch (rope->scaling) {
    case RG_ROPE_PLAIN:
        break;
    case RG_ROPE_LINEAR:
        return freq / rope->factor;
    case RG_ROPE_LLAMA3:
        return scale_llama3(rope, freq);
    case RG_ROPE_YARN:
        return scale_yarn(rope, freq, i);
    }
    return freq;
}

void rg_rope_inv_freq(const rg_rope_params *rope, const float *divisors, float *inv_freq) {
    for (uint32_t i = 0; i < rope->n_rot / 2; i++) {
        const double freq = scaled_freq(rope, i);
        inv_freq[i] = (float)(divisors == NULL ? freq : freq / divisors[i]);
    }
}

void rg_rope_divisors(const rg_rope_params *rope, float *divisors) {
    for (uint32_t i = 0; i < rope->n_rot / 2; i++) {
        divisors[i] = (float)(plain_freq(rope, i) / scaled_freq(rope, i));
    }
}

static double yarn_mscale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

float rg_rope_attn_factor(const rg_rope_params *rope) {
    if (rope->scaling != RG_ROPE_YARN) {
        return 1;
    }
    if (rope->attn_factor != 0) {
        return (float)rope->attn_factor;
    }
    if (rope->mscale != 0 && rope->mscale_all_dim != 0) {
        return (float)(yarn_mscale(rope->factor, rope->mscale) /
                       yarn_mscale(rope->factor, rope->mscale_all_dim));
    }
    return (float)yarn_mscale(rope->factor, 1);
}
