/* Every tensor type decodes to the floats of the reference, bit for bit (one ulp where its README
 * allows). */
#include "format/gguf.h"
#include "support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

static rg_arena arena;

static void every_type_decodes_to_the_same_floats(void **state) {
    (void)state;
    rg_error err = {0};
    const rg_json *index = NULL;
    const rg_str text = shared_read("golden/dequant/index.json");
    assert_non_null(text.data);
    assert_int_equal(rg_json_parse(&arena, text, &index, &err), RG_OK);
    const rg_json *cases = rg_json_find(index, "cases");
    assert_non_null(cases);
    assert_true(cases->n >= 25);
    for (size_t i = 0; i < cases->n; i++) {
        rg_str gguf_name, values_name;
        char path[1024], name[256];
        rg_gguf *g = NULL;
        assert_true(rg_json_str(rg_json_find(&cases->items[i], "gguf"), &gguf_name));
        assert_true(rg_json_str(rg_json_find(&cases->items[i], "values"), &values_name));
        snprintf(path, sizeof path, "%s/golden/dequant/%.*s", shared_folder(), RG_FMT(gguf_name));
        snprintf(name, sizeof name, "golden/dequant/%.*s", RG_FMT(values_name));
        if (rg_gguf_open(rg_mem_heap(), path, &g, &err) != RG_OK) {
            fail_msg("%s", err.text);
        }
        const rg_tensor *t = rg_gguf_find(g, RG_STR("t"));
        const size_t n = rg_tensor_count(t);
        const rg_str want = shared_read(name);
        assert_int_equal(want.size, n * sizeof(float));
        float *got = rg_alloc(rg_mem_heap(), n * sizeof *got);
        rg_dtype_get(t->dtype)->to_float(got, t->data, n);
        for (size_t k = 0; k < n; k++) {
            int32_t a, b;
            memcpy(&a, &got[k], 4);
            memcpy(&b, want.data + 4 * k, 4);
            if (a != b && labs((long)a - b) > 1) {
                fail_msg("%s: value %zu is %g", rg_dtype_get(t->dtype)->name, k, (double)got[k]);
            }
        }
        rg_free(rg_mem_heap(), got);
        rg_free(rg_mem_heap(), (void *)want.data);
        rg_gguf_close(g);
    }
    rg_free(rg_mem_heap(), (void *)text.data);
}

// what a type writes it must read back near enough: the bound is twice what each type shows on
// gaussian data
static void every_writer_is_near_its_source(void **state) {
    (void)state;
    static const struct {
        rg_dtype dtype;
        double rms; // of the error, source of deviation 1
    } rows[] = {{RG_DTYPE_F16, 3e-4},  {RG_DTYPE_BF16, 3e-3},   {RG_DTYPE_Q8_0, 0.012},
                {RG_DTYPE_Q6_K, 0.04}, {RG_DTYPE_Q5_K, 0.07},   {RG_DTYPE_Q5_1, 0.08},
                {RG_DTYPE_Q5_0, 0.09}, {RG_DTYPE_Q4_K, 0.14},   {RG_DTYPE_Q4_1, 0.16},
                {RG_DTYPE_Q4_0, 0.19}, {RG_DTYPE_IQ4_NL, 0.16}, {RG_DTYPE_Q3_K, 0.32},
                {RG_DTYPE_Q2_K, 0.62}};
    enum { N = 4096 };
    static float x[N], y[N];
    static uint8_t blocks[N * 4];
    srand(1);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) {
            sum += (double)rand() / RAND_MAX;
        }
        x[i] = (float)(sum - 6);
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const rg_dtype_info *info = rg_dtype_get(rows[r].dtype);
        double sum = 0;
        info->from_float(blocks, x, N);
        info->to_float(y, blocks, N);
        for (int i = 0; i < N; i++) {
            sum += ((double)y[i] - x[i]) * ((double)y[i] - x[i]);
        }
        if (!(sqrt(sum / N) <= rows[r].rms)) {
            fail_msg("%s: rms error %g, bound %g", info->name, sqrt(sum / N), rows[r].rms);
        }
        memset(x + N - 256, 0, 256 * sizeof *x); // all zeros are fine as well
    }
}

int main(void) {
    if (!shared_is_there()) {
        return 77;
    }
    rg_arena_init(&arena, rg_mem_heap(), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_decodes_to_the_same_floats),
        cmocka_unit_test(every_writer_is_near_its_source),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    rg_arena_clear(&arena);
    return n_failed;
}
