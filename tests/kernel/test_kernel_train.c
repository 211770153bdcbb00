/* Row kernels that only training uses: against f64, with the same bits on every level. */
#include "kernel/kernel_test.h"

static rg_kernels tables[LEVELS_MAX];
static size_t n_levels;

static const size_t lengths[] = {1, 2, 15, 16, 17, 31, 33, 67, 1023, 1024, 1025, 1040, 5003};

#define N_LENGTHS (sizeof lengths / sizeof *lengths)

static int detect(void **state) {
    (void)state;
    n_levels = levels(tables);
    return 0;
}

static walled floats_new(size_t n, float size) {
    walled m = walled_new(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        ((float *)m.data)[i] = size * random_float();
    }
    return m;
}

static void assert_near(double got, double want, double size) {
    if (!(fabs(got - want) <= 2e-6 * size)) {
        fail_msg("%.9g, should be %.9g", got, want);
    }
}

static void cross_entropy_and_its_gradient(void **state) {
    (void)state;
    for (size_t c = 0; c < N_LENGTHS; c++) {
        const size_t n = lengths[c];
        const size_t target = n / 3;
        walled x = floats_new(n, 20);
        walled dx = floats_new(n, 0);
        float *want = calloc(n, sizeof *want);
        const float *in = x.data;
        const float loss = tables[0].softmax_xent(want, in, n, target, 0.125f);
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += exp((double)in[i]);
        }
        assert_near(loss, log(sum) - in[target], 1 + fabs(log(sum)));
        for (size_t i = 0; i < n; i++) {
            assert_near(want[i], 0.125 * (exp((double)in[i]) / sum - (i == target)), 0.125);
        }
        for (size_t l = 0; l < n_levels; l++) {
            assert_true(tables[l].softmax_xent(NULL, in, n, target, 1) == loss);
            assert_true(tables[l].softmax_xent(dx.data, in, n, target, 0.125f) == loss);
            assert_same_bits(dx.data, want, n, tables[l].name);
            // in place
            memcpy(dx.data, in, n * sizeof *in);
            tables[l].softmax_xent(dx.data, dx.data, n, target, 0.125f);
            assert_same_bits(dx.data, want, n, tables[l].name);
            ((float *)dx.data)[n / 2] = NAN;
            assert_true(isnan(tables[l].softmax_xent(NULL, dx.data, n, target, 1)));
        }
        free(want);
        walled_free(&x);
        walled_free(&dx);
    }
}

// scores that come in two parts
static void a_softmax_in_parts_and_its_gradient(void **state) {
    (void)state;
    const float scale = 0.5f;
    for (size_t c = 0; c < N_LENGTHS; c++) {
        const size_t n = lengths[c];
        const size_t cut = n / 3;
        walled s = floats_new(n, 18);
        walled ds = floats_new(n, 1);
        walled p = floats_new(n, 0);
        walled dp = floats_new(n, 0);
        const float *in = s.data;
        const float *d = ds.data;
        double sum = 0;
        double dot = 0;
        for (size_t i = 0; i < n; i++) {
            sum += exp((double)scale * in[i]);
            dot += exp((double)scale * in[i]) * d[i];
        }
        float *first[2] = {malloc(n * sizeof(float)), malloc(n * sizeof(float))};
        for (size_t l = 0; l < n_levels; l++) {
            rg_softmax_row row = {.top = -INFINITY};
            memcpy(p.data, in, n * sizeof *in);
            memcpy(dp.data, d, n * sizeof *d);
            tables[l].softmax_take(&row, p.data, dp.data, cut, scale);
            tables[l].softmax_take(&row, (float *)p.data + cut, (float *)dp.data + cut, n - cut,
                                   scale);
            assert_memory_equal(p.data, in, n * sizeof *in);
            assert_memory_equal(dp.data, d, n * sizeof *d);
            tables[l].softmax_back(&row, p.data, dp.data, n, scale);
            for (size_t i = 0; i < n; i++) {
                const double weight = exp((double)scale * in[i]) / sum;
                assert_near(((float *)p.data)[i], weight, 2 * weight);
                assert_near(((float *)dp.data)[i], (double)scale * weight * (d[i] - dot / sum),
                            4 * weight);
            }
            if (l == 0) {
                memcpy(first[0], p.data, n * sizeof(float));
                memcpy(first[1], dp.data, n * sizeof(float));
            }
            assert_same_bits(p.data, first[0], n, tables[l].name);
            assert_same_bits(dp.data, first[1], n, tables[l].name);
        }
        free(first[0]);
        free(first[1]);
        walled_free(&s);
        walled_free(&ds);
        walled_free(&p);
        walled_free(&dp);
    }
}

static void gradients_of_rmsnorm(void **state) {
    (void)state;
    enum { ROWS = 2 * RG_RMSNORM_DW_ROWS + 3 };
    for (size_t c = 0; c < N_LENGTHS; c++) {
        const size_t n = lengths[c];
        const size_t rows = n > 100 ? 3 : ROWS;
        walled x = floats_new(rows * n, 2);
        walled dy = floats_new(rows * n, 1);
        walled w = floats_new(n, 1);
        walled dx = floats_new(n, 0);
        walled part = floats_new(n, 0);
        const float *xs = x.data;
        const float *dys = dy.data;
        const float *ws = w.data;
        float *first = malloc(n * sizeof *first);
        double *dw[2] = {malloc(n * sizeof(double)), malloc(n * sizeof(double))};
        double *want = calloc(n, sizeof *want);
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            double dot = 0;
            double size = 0; // of the terms of dot, which may cancel
            for (size_t i = 0; i < n; i++) {
                const double v = xs[r * n + i];
                sum += v * v;
                dot += (double)ws[i] * dys[r * n + i] * v;
                size += fabs((double)ws[i] * dys[r * n + i] * v);
            }
            const double rms = 1 / sqrt(sum / (double)n + (double)1e-5f);
            for (size_t i = 0; i < n; i++) {
                want[i] += dys[r * n + i] * (double)xs[r * n + i] * rms;
            }
            for (size_t l = 0; l < n_levels; l++) {
                tables[l].rmsnorm_dx(dx.data, dys + r * n, xs + r * n, ws, n, 1e-5f);
                for (size_t i = 0; i < n; i++) {
                    const double share = rms * rms * rms / (double)n * xs[r * n + i];
                    const double gain = rms * ws[i] * dys[r * n + i];
                    assert_near(((float *)dx.data)[i], gain - share * dot,
                                fabs(gain) + fabs(share) * size);
                }
                if (l == 0) {
                    memcpy(first, dx.data, n * sizeof *first);
                }
                assert_same_bits(dx.data, first, n, tables[l].name);
            }
        }
        for (size_t l = 0; l < n_levels; l++) {
            double *to = dw[l == 0 ? 0 : 1];
            // in two calls, as the rows come
            const size_t cut = rows > RG_RMSNORM_DW_ROWS ? RG_RMSNORM_DW_ROWS : 0;
            memset(to, 0, n * sizeof *to);
            tables[l].rmsnorm_dw(to, part.data, dys, xs, cut, n, 1e-5f);
            tables[l].rmsnorm_dw(to, part.data, dys + cut * n, xs + cut * n, rows - cut, n, 1e-5f);
            for (size_t i = 0; i < n; i++) {
                assert_near(to[i], want[i], 4 * sqrt((double)rows));
            }
            assert_memory_equal(to, dw[0], n * sizeof *to);
        }
        free(first);
        free(dw[0]);
        free(dw[1]);
        free(want);
        walled_free(&x);
        walled_free(&dy);
        walled_free(&w);
        walled_free(&dx);
        walled_free(&part);
    }
}

static void gradients_of_swiglu(void **state) {
    (void)state;
    for (size_t c = 0; c < N_LENGTHS; c++) {
        const size_t n = lengths[c];
        walled in[3] = {floats_new(n, 1), floats_new(n, n % 2 == 0 ? 5.0f : 100.0f),
                        floats_new(n, 1)};
        walled out[2] = {floats_new(n, 0), floats_new(n, 0)};
        const float *dy = in[0].data;
        const float *gate = in[1].data;
        const float *up = in[2].data;
        float *first[2] = {malloc(n * sizeof(float)), malloc(n * sizeof(float))};
        for (size_t l = 0; l < n_levels; l++) {
            float *dgate = out[0].data;
            float *dup = out[1].data;
            tables[l].swiglu_back(dgate, dup, dy, gate, up, n);
            for (size_t i = 0; i < n; i++) {
                const double s = 1 / (1 + exp(-(double)gate[i]));
                assert_near(dup[i], dy[i] * gate[i] * s, fabs(dy[i] * gate[i] * s) + 1e-30);
                assert_near(dgate[i], dy[i] * up[i] * s * (1 + gate[i] * (1 - s)),
                            fabsf(dy[i] * up[i]));
            }
            if (l == 0) {
                memcpy(first[0], dgate, n * sizeof(float));
                memcpy(first[1], dup, n * sizeof(float));
            }
            assert_same_bits(dgate, first[0], n, tables[l].name);
            assert_same_bits(dup, first[1], n, tables[l].name);
        }
        for (int i = 0; i < 3; i++) {
            walled_free(&in[i]);
        }
        for (int i = 0; i < 2; i++) {
            free(first[i]);
            walled_free(&out[i]);
        }
    }
}

static void adamw_steps(void **state) {
    (void)state;
    for (size_t c = 0; c < N_LENGTHS; c++) {
        const size_t n = lengths[c];
        const rg_adamw how = {.lr = 0.01f,
                              .beta1 = 0.9f,
                              .beta2 = 0.95f,
                              .eps = 1e-8f,
                              .decay = 0.1f,
                              .bias1 = 1 / (1 - 0.729f),
                              .bias2 = 1 / (1 - 0.857375f),
                              .grad_scale = 0.5f};
        walled w = floats_new(n, 1);
        walled m = floats_new(n, 0.1f);
        walled v = floats_new(n, 0.1f);
        walled g = floats_new(n, 1);
        float *want[3];
        walled got[3] = {floats_new(n, 0), floats_new(n, 0), floats_new(n, 0)};
        const float *const from[3] = {w.data, m.data, v.data};
        for (size_t i = 0; i < n; i++) {
            ((float *)v.data)[i] = fabsf(((float *)v.data)[i]);
        }
        for (int k = 0; k < 3; k++) {
            want[k] = malloc(n * sizeof(float));
            memcpy(want[k], from[k], n * sizeof(float));
        }
        tables[0].adamw(want[0], want[1], want[2], g.data, n, &how);
        for (size_t i = 0; i < n; i++) {
            const double gi = 0.5 * ((float *)g.data)[i];
            const double mi = 0.9 * from[1][i] + 0.1 * gi;
            const double vi = 0.95 * from[2][i] + 0.05 * gi * gi;
            const double step = mi / 0.271 / (sqrt(vi / 0.142625) + 1e-8);
            assert_near(want[0][i], from[0][i] * (1 - 0.001) - 0.01 * step, 1);
            assert_near(want[1][i], mi, 1);
            assert_near(want[2][i], vi, 1);
        }
        for (size_t l = 0; l < n_levels; l++) {
            for (int k = 0; k < 3; k++) {
                memcpy(got[k].data, from[k], n * sizeof(float));
            }
            tables[l].adamw(got[0].data, got[1].data, got[2].data, g.data, n, &how);
            for (int k = 0; k < 3; k++) {
                assert_same_bits(got[k].data, want[k], n, tables[l].name);
            }
        }
        for (int k = 0; k < 3; k++) {
            free(want[k]);
            walled_free(&got[k]);
        }
        walled_free(&w);
        walled_free(&m);
        walled_free(&v);
        walled_free(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy_and_its_gradient),
        cmocka_unit_test(a_softmax_in_parts_and_its_gradient),
        cmocka_unit_test(gradients_of_rmsnorm),
        cmocka_unit_test(gradients_of_swiglu),
        cmocka_unit_test(adamw_steps),
    };
    return cmocka_run_group_tests(tests, detect, NULL);
}
