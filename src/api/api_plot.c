#include "api/api_internal.h"

#include "lab/plot.h"
#include "raga/plot.h"

// the two descriptions of a curve are one
_Static_assert(sizeof(raga_plot_series) == sizeof(rg_plot_series) &&
                   offsetof(raga_plot_series, is_points) == offsetof(rg_plot_series, is_points),
               "curves are handed over as they are");

static raga_status draw(rg_status (*fn)(const rg_mem *, const rg_plot *, rg_buf *, rg_error *),
                        const raga_plot *plot, char **out, size_t *size, raga_error *error) {
    rg_error err = {0};
    rg_buf text;
    raga_plot p = {0};
    if (plot == NULL || out == NULL || size == NULL) {
        return api_bad(error, "a plot and a place for its text are needed");
    }
    memcpy(&p, plot, plot->size < sizeof p ? plot->size : sizeof p);
    const rg_plot all = {.title = p.title,
                         .x_label = p.x_label,
                         .y_label = p.y_label,
                         .series = (const rg_plot_series *)(const void *)p.series,
                         .n_series = p.n_series,
                         .smooth = p.smooth,
                         .is_log = p.is_log,
                         .width = p.width,
                         .height = p.height,
                         .is_plain = p.is_plain,
                         .has_color = p.has_color};
    rg_buf_init(&text, rg_mem_heap(), 0);
    const rg_status status = fn(rg_mem_heap(), &all, &text, &err);
    if (status != RG_OK) {
        rg_buf_clear(&text);
        return api_fail(error, status, &err);
    }
    return api_hand_over(&text, out, size, error);
}

raga_status raga_plot_svg(const raga_plot *plot, char **out, size_t *size, raga_error *error) {
    return draw(rg_plot_svg, plot, out, size, error);
}

raga_status raga_plot_text(const raga_plot *plot, char **out, size_t *size, raga_error *error) {
    return draw(rg_plot_text, plot, out, size, error);
}
