/* A run's settings, flat: what a comparison lines up. */
#include "format/json.h"
#include "lab/records.h"

#include <stdio.h>

enum { TREE_BYTES_MAX = 64 << 20, PATH_BYTES = 256 };

/** A walk through the settings. */
typedef struct walk {
    rg_setting_fn *fn;
    void *arg;
    rg_buf value;
    char path[PATH_BYTES];
    bool goes_on;
} walk;

static void tell(walk *w, const rg_json *json) {
    w->value.size = 0;
    if (json->kind == RG_JSON_STRING) {
        rg_buf_str(&w->value, json->text);
    } else {
        rg_json_write(&w->value, json);
    }
    w->goes_on = w->fn(w->arg, w->path, rg_buf_cstr(&w->value));
}

// objects within objects down to a depth that settings have; what lies deeper is told as JSON
static void visit(walk *w, const rg_json *object) {
    enum { DEPTH = 8 };
    struct {
        const rg_json *object;
        size_t next;
        size_t n_path; // of the path in front of its members
    } stack[DEPTH] = {{object, 0, 0}};
    size_t depth = 1;
    while (depth > 0 && w->goes_on) {
        const rg_json *at = stack[depth - 1].object;
        const size_t n_path = stack[depth - 1].n_path;
        if (stack[depth - 1].next == at->n) {
            depth--;
            continue;
        }
        const size_t i = stack[depth - 1].next++;
        const rg_json *member = &at->items[i];
        snprintf(w->path + n_path, sizeof w->path - n_path, "%s%.*s", n_path == 0 ? "" : ".",
                 RG_FMT(at->keys[i]));
        if (member->kind == RG_JSON_OBJECT && member->n > 0 && depth < DEPTH) {
            stack[depth].object = member;
            stack[depth].next = 0;
            stack[depth].n_path = strlen(w->path);
            depth++;
        } else {
            tell(w, member);
        }
    }
}

rg_status rg_records_settings(const rg_mem *mem, const char *recipe, rg_setting_fn *fn, void *arg,
                              rg_error *err) {
    rg_arena arena;
    const rg_json *root = NULL;
    walk w = {.fn = fn, .arg = arg, .goes_on = true};
    rg_status status = RG_OK;
    rg_arena_init(&arena, mem, TREE_BYTES_MAX);
    rg_buf_init(&w.value, mem, 0);
    RG_TRY(rg_json_parse(&arena, rg_str_of(recipe), &root, err));
    if (root->kind != RG_JSON_OBJECT) {
        status = rg_fail(err, RG_E_FORMAT, "the settings of a run are no JSON object");
        goto done;
    }
    visit(&w, root);
    status = rg_buf_check(&w.value, "a setting", err);

done:
    rg_buf_clear(&w.value);
    rg_arena_clear(&arena);
    return status;
}
