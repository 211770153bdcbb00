/* Rope frequencies of a model, once on load. */
#pragma once

#include "model/arch.h"

/**
 * inv_freq[i] of each turning pair, all scalings applied.
 * Shapes: divisors [n_rot/2] f32 or NULL (a GGUF's rope_freqs), inv_freq [n_rot/2].
 * Source: the formulas of Hugging Face's modeling_rope_utils: linear; llama3; yarn (Peng et al.
 * 2023, arXiv 2309.00071).
 */
void rg_rope_inv_freq(const rg_rope_params *rope, const float *divisors, float *inv_freq);
/** What the scaling divides the plain frequencies by: the divisors of a file that states no
 * scaling. Shapes: divisors [n_rot/2]. */
void rg_rope_divisors(const rg_rope_params *rope, float *divisors);
/** The factor of cos and sin: 1 but for yarn. */
float rg_rope_attn_factor(const rg_rope_params *rope);
