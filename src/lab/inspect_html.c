/* An inspection as one page: the data as JSON inside it, the maps as bytes, style and script from
 * page/. Nothing is fetched, and the page's own policy forbids it. */
#include "lab/inspect.h"
#include "lab/inspect_page.h"

#include <math.h>

// text between tags
static void put_escaped(rg_buf *out, rg_str text) {
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '<':
            rg_buf_str(out, RG_STR("&lt;"));
            break;
        case '>':
            rg_buf_str(out, RG_STR("&gt;"));
            break;
        case '&':
            rg_buf_str(out, RG_STR("&amp;"));
            break;
        default:
            rg_buf_char(out, text.data[i]);
        }
    }
}

// JSON inside a script element: in JSON these bytes stand in strings only, and there an escape
// means the same, so that no text can end the element
static void put_data(rg_buf *out, rg_str json) {
    for (size_t i = 0; i < json.size; i++) {
        const char c = json.data[i];
        if (c == '<' || c == '>' || c == '&') {
            rg_buf_format(out, "\\u%04x", (unsigned)c);
        } else {
            rg_buf_char(out, c);
        }
    }
}

// a weight as a byte: the root keeps small ones apart
static unsigned byte_of(float weight) {
    return (unsigned)lrintf(255 * sqrtf(weight));
}

// base64 of the maps, in their order
static void put_maps(const rg_inspection *seen, rg_buf *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t n = seen->n_layers * seen->n_head * (seen->n_tok * (seen->n_tok + 1) / 2);
    rg_buf_reserve(out, n / 3 * 4 + 4);
    for (size_t i = 0; i < n; i += 3) {
        const unsigned a = byte_of(seen->maps[i]);
        const unsigned b = i + 1 < n ? byte_of(seen->maps[i + 1]) : 0;
        const unsigned c = i + 2 < n ? byte_of(seen->maps[i + 2]) : 0;
        const char group[4] = {digits[a >> 2], digits[(a & 3) << 4 | b >> 4],
                               i + 1 < n ? digits[(b & 15) << 2 | c >> 6] : '=',
                               i + 2 < n ? digits[c & 63] : '='};
        rg_buf_put(out, group, sizeof group);
    }
}

void rg_inspection_html(const rg_inspection *seen, rg_str name, rg_buf *out) {
    rg_buf json;
    rg_buf_init(&json, seen->mem, 0);
    rg_inspection_json(seen, name, false, &json);
    rg_buf_str(out,
               RG_STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<title>"));
    put_escaped(out, name);
    rg_buf_str(out, RG_STR(", inspected</title>\n<style>\n"));
    rg_buf_put(out, rg_inspect_css, rg_inspect_css_size);
    rg_buf_str(out, RG_STR("</style>\n</head>\n<body>\n"));
    rg_buf_put(out, rg_inspect_body, rg_inspect_body_size);
    rg_buf_str(out, RG_STR("<script type=\"application/json\" id=\"data\">"));
    put_data(out, rg_buf_view(&json));
    rg_buf_str(out, RG_STR("</script>\n<script type=\"text/plain\" id=\"maps\">"));
    if (seen->maps != NULL) {
        put_maps(seen, out);
    }
    rg_buf_str(out, RG_STR("</script>\n<script>\n"));
    rg_buf_put(out, rg_inspect_js, rg_inspect_js_size);
    rg_buf_str(out, RG_STR("</script>\n</body>\n</html>\n"));
    out->is_failed = out->is_failed || json.is_failed;
    rg_buf_clear(&json);
}
