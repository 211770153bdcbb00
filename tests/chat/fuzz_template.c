/* Any text as a template, rendered with one conversation in tight limits; then as content of a
 * fixed template. */
#include "chat/template_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conversation[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": "
    "\"h\\u00e9 <|im_end|>\"},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": "
    "\"f\", \"arguments\":"
    " {\"a\": [1, 2.5, \"x\"], \"b\": {}}}}]}], \"tools\": [{\"name\": \"f\"}], \"x\": 5, \"s\": "
    "\"a,b c\", \"l\": [3, 1, 2],"
    " \"d\": {\"k\": \"v\", \"n\": null}}";

static void render(const rg_template *tmpl, const rg_json *context) {
    rg_template_var vars[8];
    rg_rendered out;
    rg_error err = {0};
    for (size_t i = 0; i < context->n; i++) {
        vars[i] = (rg_template_var){
            .name = context->keys[i], .json = &context->items[i], .is_trusted = i % 2 == 1};
    }
    const rg_template_context ctx = {
        .vars = vars, .n_vars = context->n, .clock = {.is_fixed = true}};
    const rg_template_limits limits = {
        .steps = 200000, .output_bytes = 1 << 20, .memory_bytes = 8 << 20, .depth = 20};
    if (rg_template_render(tmpl, &ctx, &limits, &out, &err) == RG_OK) {
        // runs must cover the text
        size_t end = 0;
        for (size_t i = 0; i < out.n_runs; i++) {
            if (out.runs[i].begin != end || out.runs[i].end <= end) {
                __builtin_trap();
            }
            end = out.runs[i].end;
        }
        if (end != out.text.size) {
            __builtin_trap();
        }
    }
    rg_rendered_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rg_arena arena;
    rg_error err = {0};
    rg_template *tmpl = NULL;
    const rg_json *context = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 0);
    if (rg_json_parse(&arena, rg_str_of(conversation), &context, &err) != RG_OK) {
        __builtin_trap();
    }
    if (rg_template_new(rg_mem_heap(), (rg_str){(const char *)data, size}, &tmpl, &err) == RG_OK) {
        render(tmpl, context);
    }
    rg_template_free(tmpl);
    rg_arena_clear(&arena);
    return 0;
}
