/* The gated delta rule and the convolution before it: against sums in double, the same bits on
 * every level and however a prompt is cut; gradients: the same bits however long the stretches
 * between the matrices that are kept. */
#include "kernel/delta.h"
#include "kernel/kernel_test.h"

enum { T = 23, K = 5, V = 7, LONGEST = 64 };

typedef struct run {
    float q[T * K], k[T * K], v[T * V], decay[T], beta[T], dy[T * V];
    int32_t positions[T];
} run;

static void fill(run *r) {
    float *all = r->q;
    srand(3);
    for (size_t i = 0; i < offsetof(run, positions) / sizeof(float); i++) {
        all[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    }
    for (int t = 0; t < T; t++) {
        r->decay[t] = -0.2f * (r->decay[t] + 0.5f);
        r->positions[t] = t < 9 ? t : t - 9; // two sequences
    }
}

static rg_delta_head head_of(const run *r) {
    return (rg_delta_head){.n_tok = T,
                           .k_dim = K,
                           .v_dim = V,
                           .q = r->q,
                           .k = r->k,
                           .k_stride = K,
                           .v = r->v,
                           .v_stride = V,
                           .decay = r->decay,
                           .n_decay = 1,
                           .decay_stride = 1,
                           .beta = r->beta,
                           .gate_stride = 1,
                           .positions = r->positions};
}

static void gradients(const run *r, size_t stretch, run *out) {
    static float kept[(T + LONGEST + 1) * K * V];
    const rg_delta_head h = head_of(r);
    memset(out, 0, sizeof *out);
    const rg_delta_gradient d = {.dy = r->dy,
                                 .dq = out->q,
                                 .dk = out->k,
                                 .dv = out->v,
                                 .ddecay = out->decay,
                                 .dbeta = out->beta};
    rg_delta_gradients(&h, &d, stretch, kept);
}

static void stretches_change_no_bit(void **state) {
    (void)state;
    static run r, whole, cut;
    fill(&r);
    gradients(&r, LONGEST, &whole);
    for (size_t stretch = 1; stretch < T + 2; stretch++) {
        gradients(&r, stretch, &cut);
        assert_memory_equal(&cut, &whole, sizeof cut);
    }
}

static void a_prompt_is_its_tokens(void **state) {
    (void)state;
    static run r;
    float s[K * V] = {0}, s1[K * V] = {0}, y[T * V], y1[T * V];
    rg_kernels k;
    rg_kernels_select(&k, rg_cpu_detect());
    fill(&r);
    rg_delta_head h = head_of(&r);
    k.delta_run(&h, s, y);
    for (size_t t = 0; t < T; t++) {
        rg_delta_head one = h;
        one.n_tok = 1;
        one.q += t * K;
        one.k += t * K;
        one.v += t * V;
        one.decay += t;
        one.beta += t;
        one.positions += t;
        k.delta_run(&one, s1, y1 + t * V);
    }
    assert_memory_equal(s, s1, sizeof s);
    assert_memory_equal(y, y1, sizeof y);
}

// ---- levels ----

enum { LONG = 37, WIDE = 256 };

typedef struct wide {
    float q[LONG * WIDE], k[LONG * WIDE], v[LONG * WIDE], decay[LONG * WIDE], beta[LONG];
    float s[WIDE * WIDE], y[LONG * WIDE];
    int32_t positions[LONG];
} wide;

static float draw(void) {
    return random_float();
}

// S before the first token is s; the same in double
static void in_double(const rg_delta_head *h, const float *s, double *y) {
    static double m[WIDE * WIDE];
    const size_t n = h->k_dim * h->v_dim;
    for (size_t i = 0; i < n; i++) {
        m[i] = s[i];
    }
    for (size_t t = 0; t < h->n_tok; t++) {
        const float *k = h->k + t * h->k_stride, *q = h->q + t * h->k_stride;
        const double share = 1 / (1 + exp(-(double)h->beta[t * h->gate_stride]));
        for (size_t i = 0; i < n && h->positions != NULL && h->positions[t] == 0; i++) {
            m[i] = 0;
        }
        for (size_t j = 0; j < h->v_dim; j++) {
            double held = 0, out = 0;
            for (size_t i = 0; i < h->k_dim; i++) {
                m[i * h->v_dim + j] *=
                    exp((double)h->decay[t * h->decay_stride + (h->n_decay == 1 ? 0 : i)]);
                held += (double)k[i] * m[i * h->v_dim + j];
            }
            const double fresh = share * (h->v[t * h->v_stride + j] - held);
            for (size_t i = 0; i < h->k_dim; i++) {
                m[i * h->v_dim + j] += k[i] * fresh;
                out += q[i] * m[i * h->v_dim + j];
            }
            y[t * h->v_dim + j] = out;
        }
    }
}

static void check_rule(size_t k_dim, size_t v_dim, bool is_by_row, bool is_packed) {
    static wide w;
    static float s[WIDE * WIDE], y[LONG * WIDE];
    static double want[LONG * WIDE];
    rg_kernels tables[LEVELS_MAX];
    for (size_t i = 0; i < LONG * WIDE; i++) {
        w.q[i] = draw();
        w.k[i] = draw() * 1.5f / sqrtf((float)k_dim); // about of length 1
        w.v[i] = draw();
        w.decay[i] = -0.1f * (draw() + 1);
    }
    for (size_t i = 0; i < WIDE * WIDE; i++) {
        w.s[i] = draw();
    }
    for (size_t t = 0; t < LONG; t++) {
        w.beta[t] = 3 * draw();
        w.positions[t] = (int32_t)(t < 9 ? t + 4 : t - 9); // the second sequence begins anew
    }
    const rg_delta_head h = {.n_tok = LONG,
                             .k_dim = k_dim,
                             .v_dim = v_dim,
                             .q = w.q,
                             .k = w.k,
                             .k_stride = k_dim,
                             .v = w.v,
                             .v_stride = v_dim,
                             .decay = w.decay,
                             .n_decay = is_by_row ? k_dim : 1,
                             .decay_stride = is_by_row ? k_dim : 1,
                             .beta = w.beta,
                             .gate_stride = 1,
                             .positions = is_packed ? w.positions : NULL};
    in_double(&h, w.s, want);
    const size_t n_levels = levels(tables);
    for (size_t level = 0; level < n_levels; level++) {
        memcpy(s, w.s, k_dim * v_dim * sizeof *s);
        tables[level].delta_run(&h, s, y);
        for (size_t i = 0; i < LONG * v_dim; i++) {
            assert_true(fabs((double)y[i] - want[i]) <= 2e-5 * (1 + sqrt((double)k_dim)));
        }
        if (level == 0) {
            memcpy(w.y, y, sizeof y);
        }
        assert_same_bits(y, w.y, LONG * v_dim, tables[level].name);
    }
}

static void the_rule_is_that_in_double_with_the_same_bits_on_every_level(void **state) {
    (void)state;
    static const size_t dims[][2] = {{1, 1}, {5, 7}, {16, 64}, {128, 128}, {100, 65}, {256, 256}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (int kind = 0; kind < 4; kind++) {
            check_rule(dims[i][0], dims[i][1], kind % 2 == 1, kind >= 2);
        }
    }
}

static void check_sums(size_t n, size_t kernel, bool has_before, bool is_packed) {
    static float x[LONG * 70], w[70 * RG_CONV_ROWS_MAX], before[RG_CONV_ROWS_MAX * 70],
        first[LONG * 70], y[LONG * 70];
    static int32_t positions[LONG];
    rg_kernels tables[LEVELS_MAX];
    for (size_t i = 0; i < LONG * 70; i++) {
        x[i] = draw();
    }
    for (size_t i = 0; i < 70 * RG_CONV_ROWS_MAX; i++) {
        w[i] = draw();
        before[i] = draw();
    }
    for (size_t t = 0; t < LONG; t++) {
        positions[t] = (int32_t)(t < 11 ? t : t - 11);
    }
    const rg_conv_columns c = {.n = n,
                               .n_tok = LONG,
                               .kernel = kernel,
                               .x = x,
                               .x_stride = 70,
                               .w = w,
                               .before = has_before ? before : NULL,
                               .before_stride = 70,
                               .positions = is_packed ? positions : NULL};
    const size_t n_levels = levels(tables);
    for (size_t level = 0; level < n_levels; level++) {
        memset(y, 0x7F, sizeof y);
        tables[level].conv_sums(&c, y);
        if (level == 0) {
            memcpy(first, y, sizeof y);
        }
        assert_memory_equal(first, y, sizeof y); // what lies beside the columns too
    }
    for (size_t t = 0; t < LONG; t++) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < kernel; j++) {
                const size_t back = kernel - 1 - j;
                const bool is_cut = is_packed && back > (size_t)positions[t];
                if (!is_cut && back <= t) {
                    sum += (double)w[i * kernel + j] * x[(t - back) * 70 + i];
                } else if (!is_cut && has_before) {
                    sum += (double)w[i * kernel + j] * before[(kernel - 1 + t - back) * 70 + i];
                }
            }
            assert_true(fabs(sum - (double)first[t * 70 + i]) <= 1e-5);
        }
    }
}

static void convolutions_are_sums_in_double_with_the_same_bits_on_every_level(void **state) {
    (void)state;
    static const size_t widths[] = {1, 17, 64, 70};
    static const size_t kernels[] = {1, 2, 4, RG_CONV_ROWS_MAX};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            for (int kind = 0; kind < 4; kind++) {
                check_sums(widths[i], kernels[j], kind % 2 == 1, kind >= 2);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_change_no_bit),
        cmocka_unit_test(a_prompt_is_its_tokens),
        cmocka_unit_test(the_rule_is_that_in_double_with_the_same_bits_on_every_level),
        cmocka_unit_test(convolutions_are_sums_in_double_with_the_same_bits_on_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
