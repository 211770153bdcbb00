/* Plots: scales that fit, curves where they belong, odd values that do no harm. */
#include "base/rng.h"
#include "lab/plot.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

enum { N = 400 };

static double xs[N];
static double ys[N];

static rg_plot_series line_of(size_t n) {
    return (rg_plot_series){.name = "line", .x = xs, .y = ys, .n = n};
}

static int fill(void **state) {
    (void)state;
    for (size_t i = 0; i < N; i++) {
        xs[i] = (double)i + 1;
        ys[i] = 10 / sqrt((double)i + 1);
    }
    return 0;
}

static rg_buf draw(rg_status (*fn)(const rg_mem *, const rg_plot *, rg_buf *, rg_error *),
                   const rg_plot *plot) {
    rg_error err = {0};
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    if (fn(rg_mem_heap(), plot, &out, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    (void)rg_buf_cstr(&out);
    return out;
}

static void a_running_mean_is_one(void **state) {
    (void)state;
    double y[200];
    double out[200];
    for (size_t i = 0; i < 200; i++) {
        y[i] = i % 2 == 0 ? 3 : 1;
    }
    y[7] = NAN;
    rg_plot_smooth(y, 200, 20, out);
    assert_true(out[0] == 3);
    assert_true(isnan(out[7]));
    for (size_t i = 50; i < 200; i++) {
        assert_true(fabs(out[i] - 2) < 0.2);
    }
    // a constant stays what it is, a span of one changes nothing, in place or not
    for (size_t i = 0; i < 200; i++) {
        y[i] = 0.1;
    }
    rg_plot_smooth(y, 200, 50, y);
    for (size_t i = 0; i < 200; i++) {
        assert_true(fabs(y[i] - 0.1) < 1e-12);
    }
    y[3] = 9;
    rg_plot_smooth(y, 200, 1, out);
    assert_memory_equal(y, out, sizeof y);
}

// the row of a text plot that holds a mark in a column
static size_t row_of(const rg_buf *text, size_t column, char mark) {
    size_t row = 0;
    size_t at = 0;
    for (size_t i = 0; i < text->size; i++, at++) {
        if (text->data[i] == '\n') {
            row++;
            at = (size_t)-1;
        } else if (at == column && text->data[i] == mark) {
            return row;
        }
    }
    return SIZE_MAX;
}

static void a_line_goes_from_corner_to_corner(void **state) {
    (void)state;
    double x[2] = {0, 100};
    double y[2] = {0, 60};
    const rg_plot_series s = {.x = x, .y = y, .n = 2};
    const rg_plot plot = {
        .series = &s, .n_series = 1, .is_plain = true, .width = 54, .height = 11, .smooth = 0.5};
    rg_buf text = draw(rg_plot_text, &plot);
    // "60 |" and 50 columns, 11 rows
    assert_int_equal(row_of(&text, 4, '*'), 10);
    assert_int_equal(row_of(&text, 53, '*'), 0);
    assert_true(memcmp(text.data, "60 |", 4) == 0);
    for (size_t i = 0; i < text.size; i++) {
        assert_true((unsigned char)text.data[i] < 0x80);
    }
    rg_buf_clear(&text);
}

static void a_logarithm_straightens_a_power(void **state) {
    (void)state;
    double x[3] = {0, 1, 2};
    double y[3] = {1, 100, 10000};
    const rg_plot_series s = {.x = x, .y = y, .n = 3};
    const rg_plot plot = {
        .series = &s, .n_series = 1, .is_plain = true, .is_log = true, .width = 60, .height = 21};
    rg_buf text = draw(rg_plot_text, &plot);
    size_t bar = (size_t)(strchr(text.data, '|') - text.data) + 1;
    const size_t middle = row_of(&text, bar + (60 - bar) / 2, '*');
    assert_true(middle >= 9 && middle <= 11);
    assert_non_null(strstr(text.data, "10k |"));
    assert_non_null(strstr(text.data, "  1 |"));
    rg_buf_clear(&text);
}

static void gaps_stay_gaps(void **state) {
    (void)state;
    for (size_t i = 100; i < 200; i++) {
        ys[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    }
    const rg_plot_series s = line_of(N);
    const rg_plot plot = {.series = &s, .n_series = 1, .smooth = 0.5};
    rg_buf svg = draw(rg_plot_svg, &plot);
    assert_null(strstr(svg.data, "nan"));
    assert_null(strstr(svg.data, "inf"));
    // the line begins twice
    const char *path = strstr(svg.data, "class=\"line s0\" d=\"M");
    path = strstr(path + 1, "class=\"line s0\" d=\"M"); // behind the legend
    assert_non_null(path);
    const char *second = strchr(path + strlen("class=\"line s0\" d=\"M"), 'M');
    assert_true(second != NULL && second < strchr(path, '>'));
    rg_buf_clear(&svg);
}

static void names_cannot_break_out_of_the_file(void **state) {
    (void)state;
    rg_plot_series s = line_of(N);
    s.name = "<script>&\"\x01\xFF</script>";
    const rg_plot plot = {.series = &s, .n_series = 1, .title = "]]><a>"};
    rg_buf svg = draw(rg_plot_svg, &plot);
    assert_null(strstr(svg.data, "<script"));
    assert_null(strstr(svg.data, "<a>"));
    assert_non_null(strstr(svg.data, "&#60;script&#62;&#38;&#34;\xEF\xBF\xBD\xEF\xBF\xBD"));
    rg_buf_clear(&svg);
}

static void a_long_run_stays_a_small_file(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    rg_rng rng;
    rg_rng_init(&rng, 1);
    double *x = rg_new_array(rg_mem_heap(), 2 * (size_t)MANY, sizeof *x);
    for (size_t i = 0; i < MANY; i++) {
        x[i] = (double)i;
        x[MANY + i] = 2 + rg_rng_uniform(&rng);
    }
    x[MANY + 500000] = 50; // one wild value does not flatten the rest
    const rg_plot_series s = {.name = "long", .x = x, .y = x + MANY, .n = MANY};
    const rg_plot plot = {.series = &s, .n_series = 1};
    rg_buf svg = draw(rg_plot_svg, &plot);
    assert_true(svg.size < 200000);
    assert_null(strstr(svg.data, ">10<"));
    assert_non_null(strstr(svg.data, ">2.5<"));
    rg_buf_clear(&svg);
    rg_free(rg_mem_heap(), x);
}

// left out of the scale, they must not be drawn dot by dot either: that takes for ever
static void spikes_are_drawn_in_no_time(void **state) {
    (void)state;
    enum { LONG = 2000 };
    static double x[LONG];
    static double y[LONG];
    for (size_t i = 0; i < LONG; i++) {
        x[i] = (double)i;
        y[i] = i == 700 ? 1e12 : 1 + (double)(i % 7);
    }
    const rg_plot_series series = {.name = "spiky", .x = x, .y = y, .n = LONG};
    const rg_plot plot = {.series = &series, .n_series = 1, .width = 60, .height = 12, .smooth = 1};
    rg_buf text = draw(rg_plot_text, &plot);
    assert_true(text.size > 60);
    rg_buf_clear(&text);
}

static void nothing_to_draw_is_said(void **state) {
    (void)state;
    rg_error err = {0};
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    double y[2] = {NAN, NAN};
    double below[2] = {-1, 0};
    rg_plot_series s = {.x = xs, .y = y, .n = 2};
    rg_plot plot = {.series = &s, .n_series = 1};
    assert_int_equal(rg_plot_svg(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    assert_int_equal(rg_plot_text(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "no value is a number"));
    s.y = below;
    plot.is_log = true;
    assert_int_equal(rg_plot_svg(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    plot.is_log = false;
    plot.n_series = 0;
    assert_int_equal(rg_plot_text(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    plot.n_series = RG_PLOT_SERIES_MAX + 1;
    assert_int_equal(rg_plot_text(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    plot.n_series = 1;
    plot.width = RG_PLOT_COLUMNS_MAX + 1;
    assert_int_equal(rg_plot_text(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    plot.width = RG_PLOT_PIXELS_MAX + 1;
    assert_int_equal(rg_plot_svg(rg_mem_heap(), &plot, &out, &err), RG_E_ARG);
    assert_int_equal(out.size, 0);
    rg_buf_clear(&out);
}

// whatever the values, an answer comes and no coordinate is out of this world
static void odd_values_do_no_harm(void **state) {
    (void)state;
    static const double odd[] = {0,      -0.0,   1,        -1,           1e-300,
                                 1e300,  -1e300, 1e20,     1e20 + 16384, 1e-12,
                                 5e-324, 1e308,  -1e308,   INFINITY,     NAN,
                                 0.1,    1e15,   1e15 + 1, 123456,       0.30000000000000004};
    enum { N_ODD = sizeof odd / sizeof *odd };
    rg_rng rng;
    rg_rng_init(&rng, 3);
    for (size_t round = 0; round < 3000; round++) {
        double x[6];
        double y[6];
        const size_t n = 1 + (size_t)(rg_rng_uniform(&rng) * 5);
        for (size_t i = 0; i < n; i++) {
            x[i] = odd[(size_t)(rg_rng_uniform(&rng) * N_ODD)];
            y[i] = odd[(size_t)(rg_rng_uniform(&rng) * N_ODD)];
        }
        const rg_plot_series s[2] = {{.name = "a", .x = x, .y = y, .n = n},
                                     {.name = "b", .x = y, .y = x, .n = n, .is_points = true}};
        const rg_plot plot = {.series = s,
                              .n_series = 2,
                              .is_log = round % 2 == 1,
                              .is_plain = round % 3 == 1,
                              .has_color = round % 5 == 1,
                              .smooth = round % 7 == 1 ? 3 : 0};
        for (size_t k = 0; k < 2; k++) {
            rg_error err = {0};
            rg_buf out;
            rg_buf_init(&out, rg_mem_heap(), 0);
            const rg_status status = k == 0 ? rg_plot_svg(rg_mem_heap(), &plot, &out, &err)
                                            : rg_plot_text(rg_mem_heap(), &plot, &out, &err);
            assert_true(status == RG_OK || status == RG_E_ARG);
            (void)rg_buf_cstr(&out);
            if (k == 0 && status == RG_OK) {
                assert_null(strstr(out.data, "nan"));
                assert_null(strstr(out.data, "inf"));
            }
            rg_buf_clear(&out);
        }
    }
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    const rg_plot_series s[2] = {line_of(N),
                                 {.name = "dots", .x = xs, .y = ys, .n = 5, .is_points = true}};
    const rg_plot plot = {.series = s, .n_series = 2, .title = "title"};
    for (size_t k = 0; k < 2; k++) {
        rg_status status = RG_E_MEMORY;
        size_t n_failed = 0;
        for (size_t fail_at = 1; status != RG_OK; fail_at++) {
            torture t;
            rg_buf out;
            torture_init(&t, fail_at);
            rg_buf_init(&out, &t.mem, 0);
            status = k == 0 ? rg_plot_svg(&t.mem, &plot, &out, NULL)
                            : rg_plot_text(&t.mem, &plot, &out, NULL);
            assert_true(status == RG_OK || status == RG_E_MEMORY);
            n_failed += status == RG_E_MEMORY;
            rg_buf_clear(&out);
            assert_int_equal(t.n_live, 0);
        }
        assert_true(n_failed >= 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_mean_is_one),
        cmocka_unit_test(a_line_goes_from_corner_to_corner),
        cmocka_unit_test(a_logarithm_straightens_a_power),
        cmocka_unit_test_setup(gaps_stay_gaps, fill),
        cmocka_unit_test_setup(names_cannot_break_out_of_the_file, fill),
        cmocka_unit_test(a_long_run_stays_a_small_file),
        cmocka_unit_test(spikes_are_drawn_in_no_time),
        cmocka_unit_test_setup(nothing_to_draw_is_said, fill),
        cmocka_unit_test(odd_values_do_no_harm),
        cmocka_unit_test_setup(survives_every_failed_allocation, fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
