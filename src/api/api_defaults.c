/* What a model says of how to sample it: generation_config.json, or general.sampling of a GGUF. */
#include "api/api_internal.h"

#include <math.h>

static void take(const rg_json *config, const char *key, float *out) {
    double value = 0;
    if (rg_json_f64(rg_json_find(config, key), &value)) {
        *out = (float)value;
    }
}

static void add_end(raga_model *m, int64_t id) {
    if (id >= 0 && id < m->model->h.n_vocab && m->n_ends < sizeof m->ends / sizeof *m->ends) {
        m->ends[m->n_ends++] = (int32_t)id;
    }
}

// one id, or a list of them
static void add_ends(raga_model *m, const rg_json *json) {
    int64_t id = -1;
    if (rg_json_i64(json, &id)) {
        add_end(m, id);
    }
    for (size_t i = 0; rg_json_at(json, i) != NULL; i++) {
        if (rg_json_i64(rg_json_at(json, i), &id)) {
            add_end(m, id);
        }
    }
}

static void read_hf(raga_model *m) {
    const rg_hf_dir *dir = rg_source_hf(m->source);
    const rg_json *config = dir->generation_config;
    int64_t top_k = -1;
    bool does_sample = true;
    take(config, "temperature", &m->defaults.temperature);
    take(config, "top_p", &m->defaults.top_p);
    take(config, "min_p", &m->defaults.min_p);
    take(config, "repetition_penalty", &m->defaults.repetition_penalty);
    if (rg_json_i64(rg_json_find(config, "top_k"), &top_k) && top_k >= 0 && top_k < INT32_MAX) {
        m->defaults.top_k = (int32_t)top_k;
    }
    if (rg_json_bool(rg_json_find(config, "do_sample"), &does_sample)) {
        m->defaults.is_greedy = !does_sample;
    }
    add_ends(m, rg_json_find(config, "eos_token_id"));
    add_ends(m, rg_json_find(rg_source_config(m->source), "eos_token_id"));
}

static void read_gguf(raga_model *m) {
    const rg_gguf *gguf = rg_source_gguf(m->source);
    const struct {
        const char *key;
        float *out;
    } keys[] = {{"general.sampling.temp", &m->defaults.temperature},
                {"general.sampling.top_p", &m->defaults.top_p},
                {"general.sampling.min_p", &m->defaults.min_p},
                {"general.sampling.penalty_repeat", &m->defaults.repetition_penalty}};
    double value = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (rg_gguf_f64(gguf, keys[i].key, &value)) {
            *keys[i].out = (float)value;
        }
    }
    if (rg_gguf_f64(gguf, "general.sampling.top_k", &value) && value >= 0 && value < 1e9) {
        m->defaults.top_k = (int32_t)value;
    }
}

void api_read_defaults(raga_model *m) {
    m->defaults = (api_defaults){
        .temperature = NAN, .top_p = NAN, .min_p = NAN, .repetition_penalty = NAN, .top_k = -1};
    if (rg_source_gguf(m->source) != NULL) {
        read_gguf(m);
    } else {
        read_hf(m);
    }
}
