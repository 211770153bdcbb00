/* Rope frequencies: every scaling against values worked out apart from our code, from the formulas
 * of the references. */
#include "model/rope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

static void every_scaling_has_the_reference_frequencies(void **state) {
    (void)state;
    static const struct {
        rg_rope_scaling scaling;
        uint32_t n_rot;
        double base, factor, low, high, orig, fast, slow;
        uint32_t at[6];
        double want[6];
    } rows[] = {
        {RG_ROPE_PLAIN,
         128,
         1e6,
         1,
         0,
         0,
         0,
         0,
         0,
         {0, 16, 25, 32, 42, 63},
         {1, 0.0316227766, 0.00453158364, 0.001, 0.000115478198, 1.24093776e-06}},
        {RG_ROPE_LINEAR,
         64,
         1e4,
         4,
         0,
         0,
         0,
         0,
         0,
         {0, 8, 12, 16, 21, 31},
         {0.25, 0.025, 0.00790569415, 0.0025, 0.000592843426, 3.33380358e-05}},
        {RG_ROPE_LLAMA3,
         128,
         5e5,
         8,
         1,
         4,
         8192,
         0,
         0,
         {0, 16, 25, 32, 42, 63},
         {1, 0.0376060309, 0.00594073038, 0.000524846161, 2.27489286e-05, 3.06892599e-07}},
        {RG_ROPE_YARN,
         128,
         1e6,
         4,
         0,
         0,
         32768,
         32,
         1,
         {0, 16, 25, 32, 42, 63},
         {1, 0.0316227766, 0.00413173802, 0.000602941176, 2.88695496e-05, 3.1023444e-07}},
        {RG_ROPE_YARN,
         64,
         1e4,
         40,
         0,
         0,
         4096,
         32,
         1,
         {0, 8, 12, 16, 21, 31},
         {1, 0.1, 0.0268793601, 0.0055, 0.000414990398, 3.33380358e-06}},
        {RG_ROPE_YARN,
         64,
         5e4,
         64,
         0,
         0,
         4096,
         1,
         1,
         {0, 8, 12, 16, 21, 31}, // fast and slow the same
         {1, 0.0668740305, 0.0172936334, 0.00447213595, 1.28860841e-05, 4.38220646e-07}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        float got[64];
        const rg_rope_params p = {.scaling = rows[r].scaling,
                                  .n_rot = rows[r].n_rot,
                                  .base = rows[r].base,
                                  .factor = rows[r].factor,
                                  .low_freq_factor = rows[r].low,
                                  .high_freq_factor = rows[r].high,
                                  .orig_ctx = rows[r].orig,
                                  .beta_fast = rows[r].fast,
                                  .beta_slow = rows[r].slow};
        rg_rope_inv_freq(&p, NULL, got);
        for (size_t i = 0; i < 6; i++) {
            if (!(fabs(got[rows[r].at[i]] / rows[r].want[i] - 1) < 1e-6)) {
                fail_msg("row %zu, pair %u: %.9g, the formula gives %.9g", r, rows[r].at[i],
                         (double)got[rows[r].at[i]], rows[r].want[i]);
            }
        }
    }
}

// low and high the same must not divide by zero: everything is either stretched or kept
static void llama3_without_a_middle_stays_finite(void **state) {
    (void)state;
    float got[64];
    const rg_rope_params p = {.scaling = RG_ROPE_LLAMA3,
                              .n_rot = 128,
                              .base = 5e5,
                              .factor = 16,
                              .low_freq_factor = 1,
                              .high_freq_factor = 1,
                              .orig_ctx = 8192};
    rg_rope_inv_freq(&p, NULL, got);
    for (uint32_t i = 0; i < 64; i++) {
        const double plain = pow(5e5, -2.0 * i / 128);
        assert_true(fabs(got[i] / plain - 1) < 1e-6 || fabs(got[i] * 16 / plain - 1) < 1e-6);
    }
}

static void divisors_of_a_file_divide(void **state) {
    (void)state;
    float got[2];
    const float divisors[] = {2, 8};
    const rg_rope_params p = {.n_rot = 4, .base = 10000, .factor = 1};
    rg_rope_inv_freq(&p, divisors, got);
    assert_true(fabsf(got[0] - 0.5f) < 1e-7f && fabsf(got[1] - 0.01f / 8) < 1e-9f);
}

static void yarn_scales_cosines_and_sines(void **state) {
    (void)state;
    rg_rope_params p = {.scaling = RG_ROPE_YARN, .factor = 4};
    assert_true(fabsf(rg_rope_attn_factor(&p) - 1.1386294f) < 1e-6f); // 0.1 ln 4 + 1
    p.mscale = 1;
    p.mscale_all_dim = 1;
    assert_true(rg_rope_attn_factor(&p) == 1);
    p.attn_factor = 1.5;
    assert_true(rg_rope_attn_factor(&p) == 1.5f);
    p.scaling = RG_ROPE_LINEAR;
    assert_true(rg_rope_attn_factor(&p) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scaling_has_the_reference_frequencies),
        cmocka_unit_test(llama3_without_a_middle_stays_finite),
        cmocka_unit_test(divisors_of_a_file_divide),
        cmocka_unit_test(yarn_scales_cosines_and_sines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
