#include "kernel/kernel_test.h"

#include "base/mem.h"
#include "kernel/exp.h"

static rg_kernels tables[LEVELS_MAX];
static size_t n_levels;

static int detect(void **state) {
    (void)state;
    n_levels = levels(tables);
    return 0;
}

// n random floats that end at a wall
static walled floats_new(size_t n, float size) {
    walled m = walled_new(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        ((float *)m.data)[i] = size * random_float();
    }
    return m;
}

static void fill(const rg_kernels *k, rg_act *act, rg_act_form form, const float *x, size_t ldx,
                 size_t n_tok, size_t n) {
    const size_t bytes = rg_round_up(rg_act_bytes(form, n_tok, n), 64);
    void *storage = aligned_alloc(64, bytes);
    memset(storage, 0, bytes);
    rg_act_init(act, form, n_tok, n, storage);
    // in two parts, as two threads would
    k->act_fill[form](act, x, ldx, 0, n_tok / 2);
    k->act_fill[form](act, x, ldx, n_tok / 2, n_tok);
}

static void activations_have_the_same_bits_on_every_level(void **state) {
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        for (int f = 0; f < RG_ACT_FORMS; f++) {
            const size_t k = f == RG_ACT_Q8 ? 32 * n : n;
            const size_t ldx = k + 5;
            const size_t n_tok = 1 + n % 4;
            walled x = floats_new(n_tok * ldx - 5, 4);
            float *data = x.data;
            // every kind of number somewhere
            static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-38f, -1e-42f, 3e38f, -0.0f};
            if (n % 3 == 0) {
                data[random_bits() % k] = odd[n % 7];
            }
            if (n % 5 == 0) {
                for (size_t i = 0; i < k; i++) {
                    data[i] *= n % 2 == 0 ? 1e-38f : 0.0f;
                }
            }
            rg_act want;
            fill(&tables[0], &want, (rg_act_form)f, data, ldx, n_tok, k);
            for (size_t l = 1; l < n_levels; l++) {
                rg_act got;
                fill(&tables[l], &got, (rg_act_form)f, data, ldx, n_tok, k);
                if (f == RG_ACT_F32) {
                    assert_same_bits(got.data, want.data, n_tok * k, "f32");
                } else {
                    assert_memory_equal(got.data, want.data, n_tok * k * (f == RG_ACT_Q8 ? 1 : 2));
                }
                if (f == RG_ACT_Q8) {
                    assert_same_bits(got.scale, want.scale, n_tok * k / 32, "scale");
                    assert_memory_equal(got.sum, want.sum, n_tok * (k / 16) * sizeof *got.sum);
                }
                free(got.data);
            }
            free(want.data);
            walled_free(&x);
        }
    }
}

static void q8_activations_are_nearest_and_keep_nan_visible(void **state) {
    (void)state;
    float x[96];
    for (size_t i = 0; i < 96; i++) {
        x[i] = random_float();
    }
    x[5] = 2.0f;    // block 0: scale 2/127
    x[40] = NAN;    // block 1
    x[70] = -1e30f; // block 2
    rg_act act;
    fill(&tables[0], &act, RG_ACT_Q8, x, 96, 1, 96);
    const int8_t *q = act.data;
    assert_true(act.scale[0] == 2.0f / 127.0f);
    assert_int_equal(q[5], 127);
    for (size_t i = 0; i < 32; i++) {
        assert_true(fabs((double)x[i] - (double)q[i] * 2.0 / 127.0) <= 0.5001 * 2.0 / 127.0);
    }
    int32_t sum = 0;
    for (size_t i = 0; i < 16; i++) {
        sum += q[i];
    }
    assert_int_equal(act.sum[0], sum);
    assert_true(isnan(act.scale[1]));
    assert_int_equal(q[70], -127);
    assert_int_equal(q[71], 0);
    free(act.data);
}

static void rmsnorm_has_the_same_bits_on_every_level(void **state) {
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        const size_t rows = 1 + n % 3;
        const size_t ldx = n + 2;
        walled x = floats_new(rows * ldx - 2, 3);
        walled w = floats_new(n, 2);
        walled y = floats_new(rows * ldx - 2, 0);
        float *want = calloc(rows * ldx, sizeof *want);
        float *data = x.data;
        const float *weight = n % 4 == 3 ? NULL : w.data;
        tables[0].rmsnorm(want, ldx, data, ldx, weight, rows, n, 1e-6f);
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) {
                sum += (double)data[r * ldx + i] * data[r * ldx + i];
            }
            for (size_t i = 0; i < n; i++) {
                const double exact = data[r * ldx + i] / sqrt(sum / (double)n + (double)1e-6f) *
                                     (weight == NULL ? 1.0 : (double)weight[i]);
                assert_true(fabs(want[r * ldx + i] - exact) <= 1e-6 * fabs(exact));
            }
        }
        for (size_t l = 0; l < n_levels; l++) {
            memset(y.data, 0, (rows * ldx - 2) * sizeof(float));
            tables[l].rmsnorm(y.data, ldx, data, ldx, weight, rows, n, 1e-6f);
            assert_same_bits(y.data, want, rows * ldx - 2, tables[l].name);
            // in place
            memcpy(y.data, data, (rows * ldx - 2) * sizeof(float));
            tables[l].rmsnorm(y.data, ldx, y.data, ldx, weight, rows, n, 1e-6f);
            for (size_t r = 0; r < rows; r++) {
                assert_same_bits((float *)y.data + r * ldx, want + r * ldx, n, tables[l].name);
            }
        }
        free(want);
        walled_free(&x);
        walled_free(&w);
        walled_free(&y);
    }
}

static void rmsnorm_keeps_a_nan_in_its_row(void **state) {
    (void)state;
    for (size_t l = 0; l < n_levels; l++) {
        float x[3][20];
        float w[20];
        for (size_t i = 0; i < 20; i++) {
            x[0][i] = x[1][i] = x[2][i] = w[i] = 1;
        }
        x[1][18] = NAN;
        tables[l].rmsnorm(x[0], 20, x[0], 20, w, 3, 20, 1e-5f);
        for (size_t i = 0; i < 20; i++) {
            assert_true(!isnan(x[0][i]) && isnan(x[1][i]) && !isnan(x[2][i]));
        }
    }
}

static double ulp(float x) {
    return nextafterf(fabsf(x), INFINITY) - (double)fabsf(x);
}

static void exp_is_within_one_and_a_half_ulp(void **state) {
    (void)state;
    double worst = 0;
    for (float x = -87.3f; x < 88.7f; x += 0.00037f) {
        const double want = exp((double)x);
        const double error = fabs(rg_exp(x) - want) / ulp((float)want);
        worst = error > worst ? error : worst;
    }
    print_message("worst error of exp: %.3f ulp\n", worst);
    assert_true(worst <= 1.5);
    assert_true(rg_exp(0) == 1.0f && rg_exp(-INFINITY) == 0.0f && rg_exp(-104.5f) == 0.0f);
    assert_true(rg_exp(INFINITY) == INFINITY && rg_exp(88.8f) == INFINITY && isnan(rg_exp(NAN)));
    assert_true(fabs(rg_exp(-100.0f) - exp(-100.0)) <= 0x1p-149);
}

static void swiglu_has_the_same_bits_on_every_level_within_4_ulp(void **state) {
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        walled gate = floats_new(n, n % 2 == 0 ? 4.0f : 110.0f);
        walled up = floats_new(n, 1);
        walled y = floats_new(n, 0);
        float *want = calloc(n, sizeof *want);
        float *g = gate.data;
        float *u = up.data;
        if (n % 6 == 0) {
            g[n / 2] = NAN;
            g[n / 3] = -INFINITY;
            g[n / 4] = INFINITY;
        }
        tables[0].swiglu(want, g, u, n);
        for (size_t i = 0; i < n; i++) {
            const double silu = g[i] / (1.0 + exp(-(double)g[i]));
            const double exact = silu * u[i];
            if (isfinite(exact)) {
                // far left, exp(-gate) is infinite before silu itself vanishes
                const double bound = 4.0 * ulp((float)silu) * fabsf(u[i]) + 1e-36;
                assert_true(fabs(want[i] - exact) <= bound + 0.5 * ulp((float)exact));
            }
        }
        for (size_t l = 1; l < n_levels; l++) {
            tables[l].swiglu(y.data, g, u, n);
            assert_same_bits(y.data, want, n, tables[l].name);
            memcpy(y.data, u, n * sizeof *u);
            tables[l].swiglu(y.data, g, y.data, n);
            assert_same_bits(y.data, want, n, tables[l].name);
        }
        free(want);
        walled_free(&gate);
        walled_free(&up);
        walled_free(&y);
    }
}

static void gelu_has_the_same_bits_on_every_level_and_is_near_its_formula(void **state) {
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        walled x = floats_new(n, n % 2 == 0 ? 4.0f : 110.0f);
        walled y = floats_new(n, 0);
        float *want = calloc(n, sizeof *want);
        float *v = x.data;
        tables[0].gelu_tanh(want, v, n);
        for (size_t i = 0; i < n; i++) {
            const double u = sqrt(2 / acos(-1)) * (v[i] + 0.044715 * pow(v[i], 3));
            const double exact = v[i] / (1 + exp(-2 * u));
            assert_true(fabs(want[i] - exact) <= 4e-6 * (1 + fabs(exact)));
        }
        for (size_t l = 1; l < n_levels; l++) {
            tables[l].gelu_tanh(y.data, v, n);
            assert_same_bits(y.data, want, n, tables[l].name);
        }
        free(want);
        walled_free(&x);
        walled_free(&y);
    }
}

static void add_has_the_same_bits_on_every_level(void **state) {
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        walled a = floats_new(n, 2);
        walled b = floats_new(n, 3);
        walled y = floats_new(n, 0);
        for (size_t l = 0; l < n_levels; l++) {
            tables[l].add(y.data, a.data, b.data, n);
            for (size_t i = 0; i < n; i++) {
                assert_true(((float *)y.data)[i] == ((float *)a.data)[i] + ((float *)b.data)[i]);
            }
        }
        walled_free(&a);
        walled_free(&b);
        walled_free(&y);
    }
}

static void rope_has_the_same_bits_on_every_level(void **state) {
    (void)state;
    for (size_t dim = 2; dim <= 134; dim++) {
        for (int pairs = 0; pairs < 2; pairs++) {
            const size_t n_rot = (dim % 3 == 0 ? dim / 2 : dim) & ~(size_t)1;
            const size_t n_head = 1 + dim % 3;
            walled x = floats_new(n_head * dim, 2);
            walled y = floats_new(n_head * dim, 0);
            walled angles = floats_new(n_rot, 1);
            const float *cos = angles.data;
            const float *sin = cos + n_rot / 2;
            const float *in = x.data;
            float *want = calloc(n_head * dim, sizeof *want);
            for (size_t h = 0; h < n_head; h++) {
                for (size_t i = 0; i < dim; i++) {
                    want[h * dim + i] = in[h * dim + i];
                }
                for (size_t i = 0; i < n_rot / 2; i++) {
                    const size_t at = h * dim + (pairs == RG_ROPE_HALF ? i : 2 * i);
                    const size_t to = pairs == RG_ROPE_HALF ? at + n_rot / 2 : at + 1;
                    want[at] = in[at] * cos[i] - in[to] * sin[i];
                    want[to] = in[at] * sin[i] + in[to] * cos[i];
                }
            }
            for (size_t l = 0; l < n_levels; l++) {
                tables[l].rope(y.data, in, n_head, dim, n_rot, (rg_rope_pairs)pairs, cos, sin);
                assert_same_bits(y.data, want, n_head * dim, tables[l].name);
                memcpy(y.data, in, n_head * dim * sizeof(float));
                tables[l].rope(y.data, y.data, n_head, dim, n_rot, (rg_rope_pairs)pairs, cos, sin);
                assert_same_bits(y.data, want, n_head * dim, tables[l].name);
            }
            free(want);
            walled_free(&x);
            walled_free(&y);
            walled_free(&angles);
        }
    }
}

static void f16_conversion_has_the_same_bits_on_every_level(void **state) {
    (void)state;
    for (size_t n = 1; n <= 400; n++) {
        walled x = walled_new(n * sizeof(float));
        walled y = walled_new(n * sizeof(uint16_t));
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = random_bits();
            if (i % 2 == 0) {
                // exponents that f16 has, and halves between two of its values
                bits = (bits & 0x8FFFE000) + ((96 + bits % 50) << 23) + (bits % 3 == 0) * 0x1000;
            }
            ((uint32_t *)x.data)[i] = bits;
        }
        for (size_t l = 0; l < n_levels; l++) {
            tables[l].f32_to_f16(y.data, x.data, n);
            for (size_t i = 0; i < n; i++) {
                const uint16_t want = rg_f16_of_f32(((float *)x.data)[i]);
                const uint16_t got = ((uint16_t *)y.data)[i];
                const bool is_nan = (want & 0x7FFF) > 0x7C00;
                assert_true(is_nan ? (got & 0x7FFF) > 0x7C00 : got == want);
            }
        }
        walled_free(&x);
        walled_free(&y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_have_the_same_bits_on_every_level),
        cmocka_unit_test(q8_activations_are_nearest_and_keep_nan_visible),
        cmocka_unit_test(rmsnorm_has_the_same_bits_on_every_level),
        cmocka_unit_test(rmsnorm_keeps_a_nan_in_its_row),
        cmocka_unit_test(exp_is_within_one_and_a_half_ulp),
        cmocka_unit_test(gelu_has_the_same_bits_on_every_level_and_is_near_its_formula),
        cmocka_unit_test(swiglu_has_the_same_bits_on_every_level_within_4_ulp),
        cmocka_unit_test(add_has_the_same_bits_on_every_level),
        cmocka_unit_test(rope_has_the_same_bits_on_every_level),
        cmocka_unit_test(f16_conversion_has_the_same_bits_on_every_level),
    };
    return cmocka_run_group_tests(tests, detect, NULL);
}
