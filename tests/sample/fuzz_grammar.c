/* Any text as a grammar in GBNF, as a regular expression and as a JSON Schema; what compiles is
 * walked with the text itself. */
#include "format/json.h"
#include "sample/gbnf.h"
#include "sample/matcher.h"
#include "sample/regex.h"
#include "sample/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(rg_grammar *grammar, rg_str text) {
    rg_error err = {0};
    rg_matcher *m = NULL;
    if (rg_matcher_new(rg_mem_heap(), grammar, NULL, &m, &err) == RG_OK) {
        (void)(rg_matcher_advance(m, text, &err) == RG_OK && rg_matcher_can_end(m));
    }
    rg_matcher_free(m);
    rg_grammar_free(grammar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const rg_str text = {(const char *)data, size};
    rg_error err = {0};
    rg_grammar *g = NULL;
    rg_arena arena;
    const rg_json *json = NULL;
    if (rg_gbnf_grammar(rg_mem_heap(), text, &g, &err) == RG_OK) {
        walk(g, text);
    }
    if (rg_regex_grammar(rg_mem_heap(), text, &g, &err) == RG_OK) {
        walk(g, text);
    }
    rg_arena_init(&arena, rg_mem_heap(), 64 << 20);
    if (rg_json_parse(&arena, text, &json, &err) == RG_OK &&
        rg_schema_grammar(rg_mem_heap(), json, &g, &err) == RG_OK) {
        walk(g, text);
    }
    rg_arena_clear(&arena);
    return 0;
}
