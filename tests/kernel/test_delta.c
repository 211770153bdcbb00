/* Gradients of the gated delta rule: the same bits however long the stretches between the matrices
 * that are kept, and the state after a prompt that of one token at a time. */
#include "kernel/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    fill(&r);
    rg_delta_head h = head_of(&r);
    rg_delta_run(&h, s, y);
    for (size_t t = 0; t < T; t++) {
        rg_delta_head one = h;
        one.n_tok = 1;
        one.q += t * K;
        one.k += t * K;
        one.v += t * V;
        one.decay += t;
        one.beta += t;
        one.positions += t;
        rg_delta_run(&one, s1, y1 + t * V);
    }
    assert_memory_equal(s, s1, sizeof s);
    assert_memory_equal(y, y1, sizeof y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_change_no_bit),
        cmocka_unit_test(a_prompt_is_its_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
