/* Plots as SVG. */
#include "base/utf8.h"
#include "lab/plot_internal.h"

enum {
    WIDTH = 860,
    HEIGHT = 480,
    LEAST = 200,
    COLORS = 8, // then they begin again
    LEFT = 64,
    RIGHT = 24,
    BOTTOM = 52,
    TITLE = 40,  // height of the title's line
    LEGEND = 24, // height of a line of the legend
    CHAR = 7,    // width of a character of the legend, about
    TICK_X = 90, // pixels that a tick's label wants
    TICK_Y = 48,
};

/** Where things lie, in pixels. */
typedef struct page {
    const rg_plot_frame *f;
    rg_buf *out;
    double width, height;
    double left, top, right, bottom; // of the area
} page;

/** What is drawn in which color, light and dark; no CSS variables: not every viewer knows them. */
static const struct {
    const char *rule; // with a place for the color
    const char *light;
    const char *dark;
} colors[] = {
    {".paper{fill:%s}", "#fff", "#14171d"},     {".dot{stroke:%s}", "#fff", "#14171d"},
    {"text{fill:%s}", "#667085", "#98a2b3"},    {".title,.name{fill:%s}", "#1d2129", "#e8eaf0"},
    {".grid{stroke:%s}", "#e7e9ee", "#262b35"}, {".axis{stroke:%s}", "#b6bcc8", "#485062"},
};

// of curves: colors that people with any kind of sight can tell apart, on white and on near black
static const char *const curve_colors[COLORS][2] = {
    {"#2563eb", "#6ea8fe"}, {"#d9480f", "#ff9466"}, {"#0f8a5f", "#4fd1a1"}, {"#9333ea", "#c59bff"},
    {"#b7791f", "#f0c36a"}, {"#0e8aa8", "#5fd0e6"}, {"#d6336c", "#ff8fb4"}, {"#5c677d", "#a7b0c0"}};

static const char SHAPES[] =
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;"
    "font-variant-numeric:tabular-nums}"
    ".title{font-size:16px;font-weight:600}"
    ".grid,.axis,.raw,.line,.thin{fill:none}"
    ".raw,.line,.thin{stroke-linejoin:round;stroke-linecap:round}"
    ".raw{stroke-width:1;opacity:.3}.line{stroke-width:2}"
    ".thin{stroke-width:1.2;stroke-dasharray:2 4}.dot{stroke-width:1.5}\n";

static void put_colors(rg_buf *out, bool is_dark) {
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++) {
        const char *place = strstr(colors[i].rule, "%s");
        rg_buf_put(out, colors[i].rule, (size_t)(place - colors[i].rule));
        rg_buf_str(out, rg_str_of(is_dark ? colors[i].dark : colors[i].light));
        rg_buf_str(out, rg_str_of(place + 2));
    }
    for (unsigned i = 0; i < COLORS; i++) {
        const char *color = curve_colors[i][is_dark];
        rg_buf_format(out, ".s%u{stroke:%s}.f%u{fill:%s}", i, color, i, color);
    }
}

static void put_style(rg_buf *out) {
    rg_buf_str(out, RG_STR("<style>\n"));
    rg_buf_str(out, rg_str_of(SHAPES));
    put_colors(out, false);
    rg_buf_str(out, RG_STR("\n@media(prefers-color-scheme:dark){"));
    put_colors(out, true);
    rg_buf_str(out, RG_STR("}\n</style>\n"));
}

// what XML cannot hold becomes U+FFFD
static void put_text(rg_buf *out, rg_str text) {
    while (text.size > 0) {
        uint32_t cp = 0;
        const size_t n = rg_utf8_decode(text, &cp);
        if (cp == '&' || cp == '<' || cp == '>' || cp == '"') {
            rg_buf_format(out, "&#%u;", cp);
        } else if (cp == RG_UTF8_BAD || cp < 0x20 || cp == 0xFFFE || cp == 0xFFFF) {
            rg_buf_str(out, RG_STR("\xEF\xBF\xBD"));
        } else {
            rg_buf_put(out, text.data, n);
        }
        text = rg_str_slice(text, n, text.size);
    }
}

static double x_of(const page *p, double v) {
    return p->left + rg_plot_at(&p->f->x, v) * (p->right - p->left);
}

static double y_of(const page *p, double v) {
    return p->bottom - rg_plot_at(&p->f->y, v) * (p->bottom - p->top);
}

// ---- axes ----

static void put_axes(const page *p) {
    char label[32];
    rg_buf *out = p->out;
    for (size_t i = 0; i < p->f->y.n_ticks; i++) {
        const double y = y_of(p, p->f->y.ticks[i]);
        rg_plot_label(&p->f->y, p->f->y.ticks[i], label);
        rg_buf_format(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", p->left, y, p->right);
        rg_buf_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                      p->left - 8, y + 4, label);
    }
    for (size_t i = 0; i < p->f->x.n_ticks; i++) {
        const double x = x_of(p, p->f->x.ticks[i]);
        rg_plot_label(&p->f->x, p->f->x.ticks[i], label);
        rg_buf_format(out, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, p->bottom);
        rg_buf_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                      p->bottom + 20, label);
    }
    rg_buf_format(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", p->left, p->bottom,
                  p->right);
    rg_buf_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                  (p->left + p->right) / 2, p->height - 12);
    put_text(out, rg_str_of(p->f->plot->x_label));
    rg_buf_format(out,
                  "</text>\n<text transform=\"translate(16 %.1f) rotate(-90)\" "
                  "text-anchor=\"middle\">",
                  (p->top + p->bottom) / 2);
    put_text(out, rg_str_of(p->f->plot->y_label));
    rg_buf_str(out, p->f->plot->is_log ? RG_STR(" (log)</text>\n") : RG_STR("</text>\n"));
}

// ---- curves ----

/** A path being written: what falls into one column of pixels is drawn as lowest and highest. */
typedef struct brush {
    const page *p;
    bool is_down; // a point was put, and no gap since
    double column;
    size_t n; // of the column so far
    double first, low, high, last;
    bool is_low_first;
} brush;

static void move(brush *pen, double x, double y) {
    rg_buf_format(pen->p->out, "%s%.1f %.1f", pen->is_down ? "L" : "M", x, y);
    pen->is_down = true;
}

static void end_column(brush *pen) {
    if (pen->n == 0) {
        return;
    }
    move(pen, pen->column, pen->first);
    if (pen->n > 2) {
        move(pen, pen->column, pen->is_low_first ? pen->low : pen->high);
        move(pen, pen->column, pen->is_low_first ? pen->high : pen->low);
    }
    if (pen->n > 1) {
        move(pen, pen->column, pen->last);
    }
    pen->n = 0;
}

static void put_point(brush *pen, double x, double y, bool is_thinned) {
    if (!is_thinned) {
        move(pen, x, y);
        return;
    }
    const double column = floor(x) + 0.5;
    if (pen->n > 0 && column > pen->column) {
        end_column(pen);
    }
    if (pen->n == 0) {
        pen->column = column;
        pen->first = pen->low = pen->high = y;
    }
    if (y < pen->low) {
        pen->low = y;
        pen->is_low_first = false;
    }
    if (y > pen->high) {
        pen->high = y;
        pen->is_low_first = true;
    }
    pen->last = y;
    pen->n++;
}

static void put_line(const page *p, const rg_plot_series *s, const double *y, const char *class) {
    brush pen = {.p = p};
    const bool is_thinned = (double)s->n > p->right - p->left && y == s->y;
    double last = -INFINITY;
    rg_buf_format(p->out, "<path class=\"%s s%zu\" d=\"", class, s->color % COLORS);
    for (size_t i = 0; i < s->n; i++) {
        if (!rg_plot_has(&p->f->x, s->x[i]) || !rg_plot_has(&p->f->y, y[i])) {
            end_column(&pen);
            pen.is_down = false;
            last = -INFINITY;
            continue;
        }
        // a smooth line needs no more than a point a pixel
        const double x = x_of(p, s->x[i]);
        if (y == s->y || x - last >= 1 || i + 1 == s->n) {
            put_point(&pen, x, y_of(p, y[i]), is_thinned);
            last = x;
        }
    }
    end_column(&pen);
    rg_buf_str(p->out, RG_STR("\"/>\n"));
}

static void put_dots(const page *p, const rg_plot_series *s) {
    put_line(p, s, s->y, "thin");
    for (size_t i = 0; i < s->n; i++) {
        if (rg_plot_has(&p->f->x, s->x[i]) && rg_plot_has(&p->f->y, s->y[i])) {
            rg_buf_format(p->out, "<circle class=\"dot f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>",
                          s->color % COLORS, x_of(p, s->x[i]), y_of(p, s->y[i]),
                          s->n > 60 ? "2.5" : "4");
        }
    }
    rg_buf_char(p->out, '\n');
}

static void put_curves(const page *p) {
    rg_buf_format(p->out,
                  "<clipPath id=\"area\"><path d=\"M%.1f %.1fH%.1fV%.1fH%.1fz\"/></clipPath>\n"
                  "<g clip-path=\"url(#area)\">\n",
                  p->left - 6, p->top - 6, p->right + 6, p->bottom + 6, p->left - 6);
    // faint lines first, points last
    for (size_t pass = 0; pass < 3; pass++) {
        for (size_t k = 0; k < p->f->plot->n_series; k++) {
            const rg_plot_series *s = &p->f->plot->series[k];
            const double *smooth = p->f->smooth[k];
            if (s->is_points && pass == 2) {
                put_dots(p, s);
            } else if (!s->is_points && pass == 0 && smooth != NULL) {
                put_line(p, s, s->y, "raw");
            } else if (!s->is_points && pass == 1) {
                put_line(p, s, smooth == NULL ? s->y : smooth, "line");
            }
        }
    }
    rg_buf_str(p->out, RG_STR("</g>\n"));
}

// ---- the page ----

static double width_of(const char *name) {
    size_t n = 0;
    for (const char *c = name; *c != '\0'; c++) {
        n += ((unsigned char)*c & 0xC0) != 0x80;
    }
    return (double)n * CHAR + 44;
}

// names in rows below the title, as many as needed; with `out` NULL they are only measured
static double put_legend(const page *p, double y, rg_buf *out) {
    double x = p->left;
    for (size_t k = 0; k < p->f->plot->n_series; k++) {
        const rg_plot_series *s = &p->f->plot->series[k];
        if (s->name == NULL) {
            continue;
        }
        if (x > p->left && x + width_of(s->name) > p->right) {
            x = p->left;
            y += LEGEND;
        }
        if (out != NULL && s->is_points) {
            rg_buf_format(out,
                          "<path class=\"thin s%zu\" d=\"M%.1f %.1fh20\"/><circle class=\"dot "
                          "f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
                          s->color % COLORS, x, y, s->color % COLORS, x + 10, y);
        } else if (out != NULL) {
            rg_buf_format(out, "<path class=\"line s%zu\" d=\"M%.1f %.1fh20\"/>", s->color % COLORS,
                          x, y);
        }
        if (out != NULL) {
            rg_buf_format(out, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", x + 27, y + 4);
            put_text(out, rg_str_of(s->name));
            rg_buf_str(out, RG_STR("</text>\n"));
        }
        x += width_of(s->name);
    }
    return y;
}

static void put_page(page *p) {
    const rg_plot *plot = p->f->plot;
    rg_buf *out = p->out;
    rg_buf_format(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "width=\"%.0f\" height=\"%.0f\" role=\"img\">\n<title>",
                  p->width, p->height, p->width, p->height);
    put_text(out, rg_str_of(plot->title));
    rg_buf_str(out, RG_STR("</title>\n"));
    put_style(out);
    rg_buf_str(out, RG_STR("<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"));
    p->top = 16;
    if (plot->title != NULL) {
        rg_buf_format(out, "<text class=\"title\" x=\"%.1f\" y=\"30\">", p->left);
        put_text(out, rg_str_of(plot->title));
        rg_buf_str(out, RG_STR("</text>\n"));
        p->top = TITLE;
    }
    p->top = put_legend(p, p->top + 14, out) + 26;
    put_axes(p);
    put_curves(p);
    rg_buf_str(out, RG_STR("</svg>\n"));
}

rg_status rg_plot_svg(const rg_mem *mem, const rg_plot *plot, rg_buf *out, rg_error *err) {
    rg_plot_frame frame = {0};
    rg_status status = RG_OK;
    page p = {.f = &frame, .out = out, .left = LEFT};
    p.width = plot->width == 0 ? WIDTH : plot->width;
    p.height = plot->height == 0 ? HEIGHT : plot->height;
    if (p.width < LEAST || p.width > RG_PLOT_PIXELS_MAX || p.height < LEAST ||
        p.height > RG_PLOT_PIXELS_MAX) {
        return rg_fail(err, RG_E_ARG, "a plot of %.0f x %.0f pixels, possible are %d to %d",
                       p.width, p.height, LEAST, RG_PLOT_PIXELS_MAX);
    }
    p.right = p.width - RIGHT;
    p.bottom = p.height - BOTTOM;
    RG_TRY(rg_plot_frame_init(mem, plot, (unsigned)((p.right - p.left) / TICK_X),
                              (unsigned)(p.height / TICK_Y), &frame, err));
    put_page(&p);
    status = rg_buf_check(out, "a plot", err);

done:
    rg_plot_frame_clear(mem, &frame);
    return status;
}
