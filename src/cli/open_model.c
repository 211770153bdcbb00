#include "cli/open_model.h"

#include "cli/find_model.h"
#include "cli/output.h"

#include <unistd.h>

static bool show_progress(void *arg, double share, const char *what) {
    (void)arg;
    if (isatty(STDERR_FILENO)) {
        enum { WIDTH = 30 };
        const int done = (int)(share * WIDTH);
        fprintf(stderr, "\r%s [%.*s%*s] %3.0f %%%s", what, done, "##############################",
                WIDTH - done, "", share * 100, share >= 1 ? "\r\033[K" : "");
    }
    return true;
}

raga_model *cli_open_model(const cli_model *m) {
    raga_error err = {0};
    raga_model *model = NULL;
    const char *path = m->path;
    if (!cli_find_model(&path)) {
        return NULL;
    }
    const raga_model_options options = {.size = sizeof options,
                                        .path = path,
                                        .n_threads = (unsigned)m->n_threads,
                                        .n_ctx = (size_t)m->n_ctx,
                                        .n_slots = (size_t)m->n_slots,
                                        .memory_bytes = m->memory_bytes,
                                        .is_exact = m->is_exact,
                                        .kv_type = m->kv_type,
                                        .quant = m->quant,
                                        .speculate = m->speculate,
                                        .progress = show_progress,
                                        .adapters = m->adapters.items,
                                        .n_adapters = m->adapters.n,
                                        .steers = m->steers.items,
                                        .n_steers = m->steers.n,
                                        .steer_layers = m->steer_layers.items,
                                        .n_steer_layers = m->steer_layers.n,
                                        .is_facts_only = m->is_facts_only};
    if (m->steer_layers.n > 0 && m->steers.n == 0) {
        cli_error("--steer-layers says where, --steer FILE says what: give both");
        return NULL;
    }
    if (raga_model_open(&options, &model, &err) != RAGA_OK) {
        cli_failed(&err);
        return NULL;
    }
    return model;
}
