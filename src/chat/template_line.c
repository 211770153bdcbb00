#include "chat/template_line.h"

enum { VARS_MAX = 256 }; // members of kwargs, with messages, tools and documents

static rg_status render_tree(const rg_template *tmpl, const rg_json *line, rg_template_clock clock,
                             rg_rendered *out, rg_error *err) {
    if (line->kind != RG_JSON_OBJECT) {
        return rg_fail(err, RG_E_FORMAT, "the line is no JSON object");
    }
    rg_template_var vars[VARS_MAX] = {
        {.name = RG_STR("messages"), .json = rg_json_find(line, "messages")},
        {.name = RG_STR("tools"), .json = rg_json_find(line, "tools")},
        {.name = RG_STR("documents")},
    };
    size_t n = 3;
    const rg_json *kwargs = rg_json_find(line, "kwargs");
    if (kwargs != NULL && kwargs->kind == RG_JSON_OBJECT) {
        if (kwargs->n > VARS_MAX - n) {
            return rg_fail(err, RG_E_LIMIT, "kwargs has %zu members, limit %zu", kwargs->n,
                           VARS_MAX - n);
        }
        for (size_t i = 0; i < kwargs->n; i++) {
            vars[n++] =
                (rg_template_var){.name = kwargs->keys[i],
                                  .json = &kwargs->items[i],
                                  .is_trusted = rg_str_ends(kwargs->keys[i], RG_STR("_token"))};
        }
    } else if (kwargs != NULL && kwargs->kind != RG_JSON_NULL) {
        return rg_fail(err, RG_E_FORMAT, "kwargs is no JSON object");
    }
    const rg_template_context context = {.vars = vars, .n_vars = n, .clock = clock};
    return rg_template_render(tmpl, &context, NULL, out, err);
}

rg_status rg_template_line(const rg_template *tmpl, const rg_mem *mem, rg_str line,
                           rg_template_clock clock, rg_buf *out, rg_error *err) {
    rg_status status = RG_OK;
    rg_error why = {0};
    rg_arena arena;
    rg_rendered rendered = {0};
    const rg_json *tree = NULL;

    rg_arena_init(&arena, mem, RG_TEMPLATE_LINE_MEMORY_BYTES_MAX);
    if (line.size > RG_TEMPLATE_LINE_BYTES_MAX) {
        status = rg_fail(&why, RG_E_LIMIT, "the line has %zu bytes, limit %u", line.size,
                         RG_TEMPLATE_LINE_BYTES_MAX);
    } else {
        status = rg_json_parse(&arena, line, &tree, &why);
    }
    if (status == RG_OK) {
        status = render_tree(tmpl, tree, clock, &rendered, &why);
    }

    rg_buf_str(out, status == RG_OK ? RG_STR("{\"rendered\": ") : RG_STR("{\"error\": "));
    if (status == RG_OK) {
        rg_buf_json(out, rendered.text);
    } else {
        const bool is_raised = rendered.failure == RG_TEMPLATE_RAISED;
        rg_buf_json(out, is_raised ? rendered.raised : rg_str_of(why.text));
    }
    rg_buf_char(out, '}');
    status = rg_buf_check(out, "the line written", err);
    rg_rendered_clear(&rendered);
    rg_arena_clear(&arena);
    return status;
}
