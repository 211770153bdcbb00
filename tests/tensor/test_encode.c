/* Quantizers: more bits, less error; what is important errs less; nothing odd for odd blocks. */
#include "base/rng.h"
#include "tensor/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

enum { ROWS = 24, COLS = 512, N = ROWS * COLS };

static float gauss[N], heavy[N], importance[COLS], back[N];
static uint8_t blocks[N * 4], again[N * 4];

static const rg_dtype types[] = {
    RG_DTYPE_Q8_0, RG_DTYPE_Q6_K, RG_DTYPE_Q5_K,   RG_DTYPE_Q5_1,   RG_DTYPE_Q5_0,
    RG_DTYPE_Q4_K, RG_DTYPE_Q4_1, RG_DTYPE_IQ4_NL, RG_DTYPE_IQ4_XS, RG_DTYPE_Q4_0,
    RG_DTYPE_Q3_K, RG_DTYPE_Q2_K, RG_DTYPE_MXFP4,
};
enum { N_TYPES = sizeof types / sizeof *types };

static int make_data(void **state) {
    rg_rng rng;
    (void)state;
    rg_rng_init(&rng, 7);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            const double z = rg_rng_normal(&rng);
            sum += z * z / 4;
        }
        gauss[i] = 0.02f * (float)rg_rng_normal(&rng);
        heavy[i] = 0.02f * (float)(rg_rng_normal(&rng) / sqrt(sum)); // Student's t, 4 degrees
    }
    for (int i = 0; i < COLS; i++) {
        importance[i] = (float)exp(1.5 * rg_rng_normal(&rng));
    }
    return 0;
}

static void encode(rg_dtype type, uint8_t *to, const float *x, const float *by) {
    const rg_dtype_info *info = rg_dtype_get(type);
    const size_t row_bytes = COLS / info->block * info->block_bytes;
    for (size_t r = 0; r < ROWS; r++) {
        info->from_float_by(to + r * row_bytes, x + r * COLS, by, COLS);
    }
}

// root of the mean squared error, of each column as it counts
static double error_of(rg_dtype type, const float *x, const float *by, const float *count) {
    double sum = 0;
    double total = 0;
    encode(type, blocks, x, by);
    rg_dtype_get(type)->to_float(back, blocks, N);
    for (int i = 0; i < N; i++) {
        const double w = count == NULL ? 1 : count[i % COLS];
        sum += w * ((double)back[i] - x[i]) * ((double)back[i] - x[i]);
        total += w;
    }
    return sqrt(sum / total);
}

static void more_bits_leave_less_error(void **state) {
    static const rg_dtype falling[][6] = {
        {RG_DTYPE_Q2_K, RG_DTYPE_Q3_K, RG_DTYPE_Q4_K, RG_DTYPE_Q5_K, RG_DTYPE_Q6_K, RG_DTYPE_Q8_0},
        {RG_DTYPE_Q3_K, RG_DTYPE_MXFP4, RG_DTYPE_Q4_0, RG_DTYPE_Q4_1, RG_DTYPE_Q5_0, RG_DTYPE_Q5_1},
        {RG_DTYPE_Q3_K, RG_DTYPE_IQ4_XS, RG_DTYPE_IQ4_NL, RG_DTYPE_Q5_0, RG_DTYPE_Q6_K,
         RG_DTYPE_Q8_0},
    };
    (void)state;
    for (int set = 0; set < 2; set++) {
        const float *x = set == 0 ? gauss : heavy;
        for (size_t r = 0; r < sizeof falling / sizeof *falling; r++) {
            double before = 1;
            for (size_t i = 0; i < 6; i++) {
                const double now = error_of(falling[r][i], x, NULL, NULL);
                if (!(now < before)) {
                    fail_msg("%s errs by %g, the type before by %g",
                             rg_dtype_get(falling[r][i])->name, now, before);
                }
                before = now;
            }
        }
    }
}

static void what_is_important_errs_less(void **state) {
    (void)state;
    for (int set = 0; set < 2; set++) {
        const float *x = set == 0 ? gauss : heavy;
        for (size_t i = 1; i < N_TYPES; i++) {
            const double blind = error_of(types[i], x, NULL, importance);
            const double aware = error_of(types[i], x, importance, importance);
            if (!(aware < blind)) {
                fail_msg("%s: %g with importance, %g without", rg_dtype_get(types[i])->name, aware,
                         blind);
            }
        }
    }
}

static void importance_that_says_nothing_changes_nothing(void **state) {
    static const float nothing[COLS];
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        encode(types[i], blocks, heavy, NULL);
        encode(types[i], again, heavy, nothing);
        assert_memory_equal(
            blocks, again, N / rg_dtype_get(types[i])->block * rg_dtype_get(types[i])->block_bytes);
        // and from_float is from_float_by with equal columns
        rg_dtype_get(types[i])->from_float(again, heavy, N);
        assert_memory_equal(
            blocks, again, N / rg_dtype_get(types[i])->block * rg_dtype_get(types[i])->block_bytes);
    }
}

static void zeros_stay_zeros(void **state) {
    static const float zeros[COLS];
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        for (int by = 0; by < 2; by++) {
            rg_dtype_get(types[i])->from_float_by(blocks, zeros, by ? importance : NULL, COLS);
            rg_dtype_get(types[i])->to_float(back, blocks, COLS);
            for (int k = 0; k < COLS; k++) {
                assert_true(back[k] == 0);
            }
        }
    }
}

static void one_huge_value_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            const float huge = 60000.0f * (float)sign;
            float x[COLS];
            memcpy(x, gauss, sizeof x);
            x[300] = huge;
            rg_dtype_get(types[i])->from_float(blocks, x, COLS);
            rg_dtype_get(types[i])->to_float(back, blocks, COLS);
            for (int k = 0; k < COLS; k++) {
                assert_true(isfinite(back[k]));
            }
            // MXFP4 has powers of two alone as scales
            const float near = types[i] == RG_DTYPE_MXFP4 ? 0.2f : 0.01f;
            if (!(fabsf(back[300] - huge) <= near * 60000)) {
                fail_msg("%s: %g became %g", rg_dtype_get(types[i])->name, (double)huge,
                         (double)back[300]);
            }
        }
    }
}

static void signs_are_alike(void **state) {
    static const rg_dtype mirrored[] = {RG_DTYPE_Q8_0, RG_DTYPE_Q6_K, RG_DTYPE_Q5_0,
                                        RG_DTYPE_Q4_0, RG_DTYPE_Q3_K, RG_DTYPE_MXFP4};
    static float turned[N], first[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        turned[i] = -heavy[i];
    }
    for (size_t i = 0; i < sizeof mirrored / sizeof *mirrored; i++) {
        (void)error_of(mirrored[i], heavy, NULL, NULL);
        memcpy(first, back, sizeof first);
        (void)error_of(mirrored[i], turned, NULL, NULL);
        for (int k = 0; k < N; k++) {
            assert_true(back[k] == -first[k]);
        }
    }
    // types with a minimum, or a lopsided table: as good on both sides
    for (size_t i = 0; i < N_TYPES; i++) {
        const double ratio =
            error_of(types[i], turned, NULL, NULL) / error_of(types[i], heavy, NULL, NULL);
        assert_true(ratio > 0.96 && ratio < 1.04);
    }
}

// what was quantized once loses little when it is quantized again
static void a_second_time_changes_little(void **state) {
    static float once[N];
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        const double lost = error_of(types[i], heavy, NULL, NULL);
        memcpy(once, back, sizeof once);
        const double more = error_of(types[i], once, NULL, NULL);
        if (!(more < 0.45 * lost)) {
            fail_msg("%s: %g the first time, %g the second", rg_dtype_get(types[i])->name, lost,
                     more);
        }
    }
}

// any finite values below the largest f16: sizes mixed over the whole range
static void any_values_give_finite_ones(void **state) {
    rg_rng rng;
    (void)state;
    rg_rng_init(&rng, 11);
    for (int round = 0; round < 64; round++) {
        float x[COLS], by[COLS];
        const double spread = rg_rng_uniform(&rng) * 300;
        for (int k = 0; k < COLS; k++) {
            const double exponent = 15 - spread * rg_rng_uniform(&rng);
            x[k] = (float)((2 * rg_rng_uniform(&rng) - 1) * exp2(exponent));
            by[k] = (float)exp2(120 * (2 * rg_rng_uniform(&rng) - 1));
        }
        for (size_t i = 0; i < N_TYPES; i++) {
            rg_dtype_get(types[i])->from_float_by(blocks, x, round % 2 == 0 ? NULL : by, COLS);
            rg_dtype_get(types[i])->to_float(back, blocks, COLS);
            for (int k = 0; k < COLS; k++) {
                if (!isfinite(back[k])) {
                    fail_msg("%s: %g became %g", rg_dtype_get(types[i])->name, (double)x[k],
                             (double)back[k]);
                }
            }
        }
    }
}

static void codes_with_a_factor_are_the_codes_times_it(void **state) {
    (void)state;
    const float factor = 0.0371f;
    for (int first = 0; first < 256; first += 32) {
        uint8_t block[36];
        float got[32], want[32];
        memcpy(block, &factor, sizeof factor);
        for (int i = 0; i < 32; i++) {
            block[4 + i] = (uint8_t)(first + i);
        }
        rg_dtype_get(RG_DTYPE_F8_E4M3)->to_float(want, block + 4, 32);
        rg_dtype_get(RG_DTYPE_F8_32)->to_float(got, block, 32);
        for (int i = 0; i < 32; i++) {
            want[i] *= factor;
            assert_true(isnan(want[i]) ? isnan(got[i]) : memcmp(&got[i], &want[i], 4) == 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_with_a_factor_are_the_codes_times_it),
        cmocka_unit_test(more_bits_leave_less_error),
        cmocka_unit_test(what_is_important_errs_less),
        cmocka_unit_test(importance_that_says_nothing_changes_nothing),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(one_huge_value_is_kept),
        cmocka_unit_test(signs_are_alike),
        cmocka_unit_test(a_second_time_changes_little),
        cmocka_unit_test(any_values_give_finite_ones),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
