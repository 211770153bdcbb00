/* Control vectors onto a model: sums, layers, and every file that must be refused. */
#include "format/gguf.h"
#include "model/source.h"
#include "model/steer.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { N_LAYER = 2, EMBD = 32 }; // of tests/data/tiny

static rg_source *source;
static rg_model *model;
static char path[64];
static float values[EMBD + 1];

/** What a file says; zeros: what is right. */
typedef struct file {
    const char *architecture;
    const char *hint;
    const char *name;
    size_t width;
    rg_dtype dtype;
    bool is_matrix;
    bool is_empty;
} file;

static void write_file(const file *f) {
    rg_error err = {0};
    rg_gguf_writer w;
    const size_t width = f->width == 0 ? EMBD : f->width;
    rg_tensor t = {.name = rg_str_of(f->name == NULL ? "direction.1" : f->name),
                   .dtype = f->dtype,
                   .n_dims = 1,
                   .shape = {width},
                   .data = values};
    if (f->is_matrix) {
        t.n_dims = 2;
        t.shape[0] = 2;
        t.shape[1] = width / 2;
    }
    assert_true(rg_dtype_bytes(t.dtype, width, &t.bytes));
    rg_gguf_writer_init(&w, rg_mem_heap());
    rg_gguf_put_str(&w, "general.architecture",
                    rg_str_of(f->architecture == NULL ? "controlvector" : f->architecture));
    rg_gguf_put_str(&w, "controlvector.model_hint", rg_str_of(f->hint == NULL ? "qwen3" : f->hint));
    if (!f->is_empty) {
        rg_gguf_put_tensor(&w, &t);
    }
    assert_int_equal(rg_gguf_write(&w, path, NULL, NULL, &err), RG_OK);
    rg_gguf_writer_clear(&w);
}

static rg_steer *steer_new(void) {
    rg_error err = {0};
    rg_steer *steer = NULL;
    assert_int_equal(rg_steer_new(rg_mem_heap(), model, &steer, &err), RG_OK);
    return steer;
}

static void fill(void) {
    for (size_t i = 0; i <= EMBD; i++) {
        values[i] = (float)i * 0.37f - 3;
    }
}

static void files_add_up_by_their_scales(void **state) {
    (void)state;
    rg_error err = {0};
    rg_steer *steer = steer_new();
    fill();
    write_file(&(file){0});
    assert_null(steer->layers[1].data);
    assert_int_equal(rg_steer_add(steer, path, 0.5f, NULL, 0, &err), RG_OK);
    const float *sum = steer->layers[1].data;
    assert_non_null(sum);
    assert_null(steer->layers[0].data);
    for (size_t i = 0; i < EMBD; i++) {
        assert_true(sum[i] == 0.5f * values[i]);
    }
    assert_int_equal(rg_steer_add(steer, path, -2, NULL, 0, &err), RG_OK);
    for (size_t i = 0; i < EMBD; i++) {
        assert_true(sum[i] == 0.5f * values[i] + -2 * values[i]);
    }
    rg_steer_free(steer);
}

static void nothing_added_is_no_node(void **state) {
    (void)state;
    rg_error err = {0};
    rg_steer *steer = steer_new();
    fill();
    write_file(&(file){0});
    assert_int_equal(rg_steer_add(steer, path, 0, NULL, 0, &err), RG_OK);
    assert_null(steer->layers[1].data);
    assert_int_equal(rg_steer_add(steer, path, 1, NULL, 0, &err), RG_OK);
    assert_int_equal(rg_steer_add(steer, path, -1, NULL, 0, &err), RG_OK);
    assert_null(steer->layers[1].data);
    rg_steer_free(steer);
}

static void only_layers_asked_for_are_steered(void **state) {
    (void)state;
    rg_error err = {0};
    rg_steer *steer = steer_new();
    fill();
    write_file(&(file){0});
    assert_int_equal(rg_steer_add(steer, path, 1, (uint32_t[]){0}, 1, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "is of a layer asked for"));
    assert_null(steer->layers[1].data);
    assert_int_equal(rg_steer_add(steer, path, 1, (uint32_t[]){0, 1}, 2, &err), RG_OK);
    assert_non_null(steer->layers[1].data);
    rg_steer_free(steer);
}

static void assert_refused(rg_status want, const char *sentence) {
    rg_error err = {0};
    rg_steer *steer = steer_new();
    assert_int_equal(rg_steer_add(steer, path, 1, NULL, 0, &err), want);
    if (strstr(err.text, sentence) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
    }
    assert_null(steer->layers[1].data);
    rg_steer_free(steer);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    static const struct {
        file f;
        rg_status status;
        const char *sentence;
    } cases[] = {
        {{.architecture = "llama"}, RG_E_FORMAT, "no control vector"},
        {{.hint = "llama"}, RG_E_FORMAT, "family llama, this one is qwen3"},
        {{.name = "direction.0"}, RG_E_FORMAT, "layers 1 to 1"},
        {{.name = "direction.2"}, RG_E_FORMAT, "direction.2"},
        {{.name = "direction.4294967297"}, RG_E_FORMAT, "is no direction.N"},
        {{.name = "direction.01"}, RG_E_FORMAT, "is no direction.N"},
        {{.name = "direction.-1"}, RG_E_FORMAT, "is no direction.N"},
        {{.name = "direction."}, RG_E_FORMAT, "is no direction.N"},
        {{.name = "blk.1.attn_q.weight"}, RG_E_FORMAT, "is no direction.N"},
        {{.width = EMBD - 1}, RG_E_FORMAT, "has 31 values"},
        {{.width = EMBD + 1}, RG_E_FORMAT, "has 33 values"},
        {{.is_matrix = true}, RG_E_FORMAT, "in 2 dimensions"},
        {{.dtype = RG_DTYPE_F16}, RG_E_UNSUPPORTED, "is F16"},
        {{.is_empty = true}, RG_E_FORMAT, "no direction"},
    };
    fill();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(&cases[i].f);
        assert_refused(cases[i].status, cases[i].sentence);
    }
    // a family that only others know is no reason
    rg_error err = {0};
    rg_steer *steer = steer_new();
    write_file(&(file){.hint = "some-new-family"});
    assert_int_equal(rg_steer_add(steer, path, 1, NULL, 0, &err), RG_OK);
    rg_steer_free(steer);
}

static void refuses_numbers_that_are_none(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        fill();
        values[EMBD - 1] = bad[i];
        write_file(&(file){0});
        assert_refused(RG_E_FORMAT, "value 31 of direction.1 is not finite");
    }
    fill();
    values[3] = 3e38f;
    write_file(&(file){0});
    rg_error err = {0};
    rg_steer *steer = steer_new();
    assert_int_equal(rg_steer_add(steer, path, 2, NULL, 0, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "too large"));
    assert_null(steer->layers[1].data);
    assert_int_equal(rg_steer_add(steer, path, NAN, NULL, 0, &err), RG_E_ARG);
    assert_int_equal(rg_steer_add(steer, "/no/such/file", 1, NULL, 0, &err), RG_E_NOT_FOUND);
    rg_steer_free(steer);
}

static void refuses_every_truncation(void **state) {
    (void)state;
    rg_error err = {0};
    rg_bytes whole = {0};
    fill();
    write_file(&(file){0});
    assert_int_equal(rg_file_read(rg_mem_heap(), path, 1 << 20, &whole, &err), RG_OK);
    for (size_t n = 0; n < whole.size; n++) {
        rg_steer *steer = steer_new();
        assert_int_equal(rg_file_write(path, whole.data, n, &err), RG_OK);
        assert_int_not_equal(rg_steer_add(steer, path, 1, NULL, 0, &err), RG_OK);
        assert_null(steer->layers[1].data);
        rg_steer_free(steer);
    }
    rg_free(rg_mem_heap(), (void *)whole.data);
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    fill();
    write_file(&(file){0});
    for (size_t n = 1;; n++) {
        torture t;
        rg_error err = {0};
        rg_steer *steer = NULL;
        torture_init(&t, n);
        rg_status status = rg_steer_new(&t.mem, model, &steer, &err);
        status = status != RG_OK ? status : rg_steer_add(steer, path, 1, NULL, 0, &err);
        rg_steer_free(steer);
        assert_int_equal(t.n_live, 0);
        if (status == RG_OK) {
            assert_true(n > 4);
            return;
        }
        assert_int_equal(status, RG_E_MEMORY);
    }
}

int main(void) {
    rg_error err = {0};
    if (rg_source_open(rg_mem_heap(), "tests/data/tiny", &source, &err) != RG_OK ||
        rg_model_load(rg_mem_heap(), source, &model, &err) != RG_OK) {
        printf("%s\n", err.text);
        return 1;
    }
    snprintf(path, sizeof path, "/tmp/raga-test-steer-%d.gguf", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_add_up_by_their_scales),
        cmocka_unit_test(nothing_added_is_no_node),
        cmocka_unit_test(only_layers_asked_for_are_steered),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(refuses_numbers_that_are_none),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rg_model_free(model);
    rg_source_close(source);
    return n_failed;
}
