#include "api/api_internal.h"
#include "api/api_speculate.h"

#include "base/file.h"
#include "model/faults.h"

#include <math.h>
#include <stdio.h>

static void note(raga_model *m, const char *lines) {
    const size_t used = strlen(m->notes);
    snprintf(m->notes + used, sizeof m->notes - used, "%s", lines);
}

static void note_failure(raga_model *m, const char *what, const rg_error *err) {
    char line[RG_ERROR_BYTES + 64];
    snprintf(line, sizeof line, "%s: %s\n", what, err->text);
    note(m, line);
}

static rg_status read_options(const raga_model_options *o, rg_engine_options *e, rg_error *err) {
    *e = (rg_engine_options){.n_threads = o->n_threads,
                             .n_ctx = o->n_ctx,
                             .n_slots = o->n_slots,
                             .memory_bytes = o->memory_bytes,
                             .is_exact = o->is_exact,
                             .kv_dtype = RG_DTYPE_F16};
    if (o->kv_type != NULL) {
        const rg_dtype dtype = rg_dtype_of_name(rg_str_of(o->kv_type));
        if (dtype != RG_DTYPE_F16 && dtype != RG_DTYPE_F32) {
            return rg_fail(err, RG_E_ARG, "a cache of type \"%s\" is not possible, f16 and f32 are",
                           o->kv_type);
        }
        e->kv_dtype = dtype;
    }
    return rg_cpu_choose(&e->cpu, err);
}

static rg_status quantize(raga_model *m, const raga_model_options *o, rg_error *err) {
    const rg_dtype dtype = rg_dtype_of_name(rg_str_of(o->quant));
    if (dtype == RG_DTYPE_COUNT) {
        return rg_fail(err, RG_E_ARG,
                       "\"%s\" is no type to quantize to; q8_0, q6_k, q5_k, q4_k are", o->quant);
    }
    return rg_source_quantize(m->source, dtype, o->n_threads == 0 ? rg_cpu_threads() : o->n_threads,
                              o->progress, o->progress_arg, err);
}

// a model without a tokenizer still takes ids
static rg_status open_tokenizer(raga_model *m, rg_error *err) {
    const rg_gguf *gguf = rg_source_gguf(m->source);
    const rg_status status =
        gguf != NULL ? rg_tokenizer_of_gguf(rg_mem_heap(), gguf, &m->tokenizer.tokenizer, err)
                     : rg_tokenizer_open(rg_mem_heap(), rg_source_path(m->source),
                                         &m->tokenizer.tokenizer, err);
    if (status == RG_E_NOT_FOUND || status == RG_E_UNSUPPORTED) {
        note_failure(m, "no tokenizer", err);
        return RG_OK;
    }
    if (status != RG_OK) {
        rg_error_prefix(err, "%s", rg_source_path(m->source));
        return status;
    }
    const rg_tokenizer *tok = m->tokenizer.tokenizer;
    if (rg_tokenizer_vocab(tok) > m->model->h.n_vocab) {
        return rg_fail(err, RG_E_FORMAT, "%s: the tokenizer has %zu tokens, the model %u",
                       rg_source_path(m->source), rg_tokenizer_vocab(tok), m->model->h.n_vocab);
    }
    snprintf(m->tokenizer_kind, sizeof m->tokenizer_kind, "%s %s", rg_tokenizer_kind(tok),
             rg_pretok_name(rg_tokenizer_pretok(tok)));
    note(m, rg_tokenizer_warnings(tok));
    return RG_OK;
}

// the caller's template, or the model's own; named ones come along for tools
static rg_status open_chat(raga_model *m, const char *given, rg_error *err) {
    rg_chat_source sources[RG_CHAT_TEMPLATES_MAX];
    const rg_tokenizer *tok = m->tokenizer.tokenizer;
    rg_chat_model model = {.sources = sources};
    rg_str text = {0};
    if (given != NULL) {
        text = rg_str_of(given);
    } else if (rg_source_gguf(m->source) != NULL) {
        (void)rg_gguf_str(rg_source_gguf(m->source), "tokenizer.chat_template", &text);
        rg_str tools;
        if (rg_gguf_str(rg_source_gguf(m->source), "tokenizer.chat_template.tool_use", &tools)) {
            sources[model.n_sources++] = (rg_chat_source){RG_STR("tool_use"), tools};
        }
    } else {
        text = rg_source_hf(m->source)->chat_template;
        model.config = rg_source_hf(m->source)->tokenizer_config;
    }
    if (text.size != 0) {
        sources[model.n_sources++] = (rg_chat_source){RG_STR("default"), text};
        // a template that does not parse is no reason not to run the model
        const rg_status status = rg_template_new(rg_mem_heap(), text, &m->tpl.tpl, err);
        if (status == RG_E_MEMORY) {
            return status;
        }
    }
    if (tok == NULL) {
        return RG_OK;
    }
    model.bos =
        rg_tokenizer_bos(tok) >= 0 ? rg_tokenizer_bytes(tok, rg_tokenizer_bos(tok)) : (rg_str){0};
    model.eos =
        rg_tokenizer_eos(tok) >= 0 ? rg_tokenizer_bytes(tok, rg_tokenizer_eos(tok)) : (rg_str){0};
    const rg_status status = rg_chat_format_new(rg_mem_heap(), &model, &m->chat, err);
    if (status == RG_OK && rg_chat_format_warning(m->chat) != NULL) {
        note(m, rg_chat_format_warning(m->chat));
        note(m, "\n");
    }
    return status;
}

static rg_dtype main_dtype(const rg_model *model) {
    size_t bytes[RG_DTYPE_COUNT] = {0};
    rg_dtype most = RG_DTYPE_F32;
    for (size_t i = 0; i < model->n_weights; i++) {
        const rg_tensor *w = &model->weights[i];
        if (w->data != NULL && w->n_dims == 2) {
            bytes[w->dtype] += w->bytes;
            most = bytes[w->dtype] > bytes[most] ? w->dtype : most;
        }
    }
    return most;
}

// What no reference of ours covers. Kept short: a list that is true beats one that is long.
static void find_untested(raga_model *m) {
    const rg_hparams *h = &m->model->h;
    const char *scaling = h->rope.scaling == RG_ROPE_YARN ? "yarn rope scaling in a whole model"
                          : h->rope.scaling == RG_ROPE_LINEAR
                              ? "linear rope scaling in a whole model"
                              : "";
    const bool has_blind_spot = m->tower != NULL && m->tower->arch->is_unproven;
    snprintf(m->untested, sizeof m->untested, "%s%s%s", scaling,
             scaling[0] != '\0' && has_blind_spot ? "; " : "",
             has_blind_spot ? "pictures of this family" : "");
}

static rg_status find_faults(raga_model *m, rg_error *err) {
    rg_buf lines;
    rg_buf_init(&lines, rg_mem_heap(), 1 << 20);
    rg_model_faults(m->model, m->source, &lines);
    const char *text = rg_buf_cstr(&lines);
    const bool is_over = lines.is_failed && !lines.is_over;
    // the first ones, when there are more than anybody reads
    const size_t room = strlen(text) < sizeof m->faults ? strlen(text) : sizeof m->faults - 1;
    const char *end = room < strlen(text) ? memrchr(text, '\n', room) : text + room;
    memcpy(m->faults, text, end == NULL ? 0 : (size_t)(end - text));
    rg_buf_clear(&lines);
    return is_over ? rg_fail(err, RG_E_MEMORY, "no memory to look for faults") : RG_OK;
}

static void find_name(raga_model *m) {
    rg_str name = {0};
    if (rg_source_gguf(m->source) != NULL) {
        (void)rg_gguf_str(rg_source_gguf(m->source), "general.name", &name);
    }
    if (name.size == 0) {
        const char *path = rg_source_path(m->source);
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/') {
            n--;
        }
        size_t begin = n;
        while (begin > 0 && path[begin - 1] != '/') {
            begin--;
        }
        name = (rg_str){path + begin, n - begin};
    }
    snprintf(m->name, sizeof m->name, "%.*s", RG_FMT(name));
    // a name is shown on terminals: nothing in it may steer one
    for (char *p = m->name; *p != '\0'; p++) {
        *p = (unsigned char)*p < 0x20 || *p == 0x7F ? '?' : *p;
    }
}

static rg_status open_steers(raga_model *m, const raga_model_options *o, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(rg_steer_new(rg_mem_heap(), m->model, &m->steer, err));
    for (size_t i = 0; i < o->n_steers; i++) {
        char path[API_PATH_BYTES];
        float scale = 1;
        RG_TRY(api_cut_scale(o->steers[i], path, &scale, err));
        RG_TRY(rg_steer_add(m->steer, path, scale, o->steer_layers, o->n_steer_layers, err));
    }
    m->options.extras.steers = m->steer->layers;

done:
    return status;
}

// A part that sees and cannot be used is no reason not to read words.
static rg_status open_tower(raga_model *m, rg_error *err) {
    const rg_status status = rg_tower_load(rg_mem_heap(), m->source, m->model, &m->tower, err);
    if (status == RG_E_MEMORY) {
        return status;
    }
    if (status != RG_OK) {
        note_failure(m, "no pictures", err);
    } else if (m->tower != NULL) {
        note(m, rg_buf_cstr(&m->tower->warnings));
    } else if (rg_tower_is_there(m->source)) {
        note(m, "this model can see, in a way that is not supported yet: words are, pictures are "
                "not\n");
    }
    m->options.tower = m->tower;
    return RG_OK;
}

static rg_status open_model(raga_model *m, const raga_model_options *o, rg_error *err) {
    rg_status status = RG_OK;
    RG_TRY(read_options(o, &m->options, err));
    if (o->speculate != NULL) {
        RG_TRY(api_speculation_read(o->speculate, &m->draft, &m->options.n_guesses, err));
    }
    RG_TRY(api_source_open(o->path, &m->source, err));
    if (o->quant != NULL) {
        RG_TRY(quantize(m, o, err));
    }
    RG_TRY(m->draft == rg_draft_mtp
               ? rg_model_load_with_mtp(rg_mem_heap(), m->source, &m->model, err)
               : rg_model_load(rg_mem_heap(), m->source, &m->model, err));
    if (rg_source_gguf(m->source) != NULL) {
        note(m, rg_gguf_warnings(rg_source_gguf(m->source)));
    }
    note(m, rg_buf_cstr(&m->model->warnings));
    RG_TRY(open_tower(m, err));
    RG_TRY(open_tokenizer(m, err));
    RG_TRY(open_chat(m, o->chat_template, err));
    find_name(m);
    find_untested(m);
    RG_TRY(find_faults(m, err));
    api_read_defaults(m);
    if (o->n_adapters > 0) {
        rg_graph_extras *extras = &m->options.extras;
        RG_TRY(api_open_adapters(m->model, rg_source_get_kind(m->source), o->adapters,
                                 o->n_adapters, &m->adapters, &m->loras, &extras->n_loras, err));
        m->n_adapters = o->n_adapters;
        extras->loras = m->loras;
    }
    if (o->n_steers > 0) {
        RG_TRY(open_steers(m, o, err));
    }
    if (!o->is_facts_only) {
        RG_TRY(rg_engine_new(rg_mem_heap(), m->model, m->source, &m->options, &m->engine, err));
    }

done:
    return status;
}

raga_status raga_model_open(const raga_model_options *options, raga_model **out,
                            raga_error *error) {
    rg_error err = {0};
    raga_model_options o = {0};
    if (options == NULL || out == NULL || options->size < offsetof(raga_model_options, n_threads)) {
        return api_bad(error, "no options, no place for the model, or options without their size");
    }
    // fields that the caller's version of the struct lacks stay zero
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.path == NULL || o.path[0] == '\0') {
        return api_bad(error, "no model named: give the path of a GGUF file or a model directory");
    }
    raga_model *m = rg_new(rg_mem_heap(), sizeof *m);
    if (m == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for a model"), &err);
    }
    pthread_mutex_init(&m->offer_lock, NULL);
    const rg_status status = open_model(m, &o, &err);
    if (status != RG_OK) {
        raga_model_close(m);
        return api_fail(error, status, &err);
    }
    *out = m;
    return RAGA_OK;
}

void raga_model_close(raga_model *m) {
    if (m == NULL) {
        return;
    }
    api_free_offer(m->offer);
    pthread_mutex_destroy(&m->offer_lock);
    rg_engine_free(m->engine);
    api_close_adapters(m->adapters, m->n_adapters, m->loras);
    rg_steer_free(m->steer);
    rg_chat_format_free(m->chat);
    rg_template_free(m->tpl.tpl);
    rg_tokenizer_free(m->tokenizer.tokenizer);
    rg_model_free(m->tower);
    rg_model_free(m->model);
    rg_source_close(m->source);
    rg_free(rg_mem_heap(), m);
}

// share of a weight that one token is multiplied with
static double used_share(const rg_model *m, size_t slot) {
    switch (rg_model_role((uint32_t)slot)) {
    case RG_ROLE_EXPERT_GATE:
    case RG_ROLE_EXPERT_UP:
    case RG_ROLE_EXPERT_DOWN:
        return (double)m->h.n_expert_used / m->h.n_expert;
    case RG_ROLE_EMBED: // one row of it, unless it is the head as well
        return m->weights[RG_ROLE_OUTPUT].data == NULL ? 1 : 0;
    default:
        return 1;
    }
}

void raga_model_get_facts(const raga_model *m, raga_model_facts *facts) {
    const rg_hparams *h = &m->model->h;
    uint64_t n_params = 0;
    double used_params = 0, used_bytes = 0;
    for (size_t i = 0; i < m->model->n_weights; i++) {
        const rg_tensor *w = &m->model->weights[i];
        if (w->data != NULL && i != RG_ROLE_INV_FREQ) {
            n_params += rg_tensor_count(w);
            used_params += used_share(m->model, i) * (double)rg_tensor_count(w);
            used_bytes += used_share(m->model, i) * (double)w->bytes;
        }
    }
    const raga_model_facts all = {
        .size = facts->size,
        .family = m->model->arch->name,
        .name = m->name,
        .container = rg_source_get_kind(m->source) == RG_SOURCE_GGUF ? "gguf" : "safetensors",
        .tokenizer = m->tokenizer.tokenizer == NULL ? NULL : m->tokenizer_kind,
        .file_type = rg_dtype_get(main_dtype(m->model))->name,
        .n_params = n_params,
        .file_bytes = m->model->weight_bytes,
        .n_layer = h->n_layer,
        .n_embd = h->n_embd,
        .n_head = h->n_head,
        .n_kv_head = h->n_kv_head,
        .head_dim = h->head_dim,
        .n_ff = h->n_ff,
        .n_vocab = h->n_vocab,
        .n_ctx_train = h->n_ctx_train,
        .has_chat_template = m->tpl.tpl != NULL,
        .sees = m->tower != NULL,
        .used_params = (uint64_t)used_params,
        .used_bytes = (uint64_t)used_bytes,
        .faults = m->faults,
        .warnings = m->notes,
        .untested = m->untested};
    memcpy(facts, &all, facts->size < sizeof all ? facts->size : sizeof all);
}

raga_status raga_model_bill(const raga_model *m, size_t n_ctx, raga_bill *bill, raga_error *error) {
    rg_error err = {0};
    rg_bill b;
    rg_engine_options options = m->options;
    options.n_ctx = n_ctx;
    const rg_status status = rg_engine_bill(m->model, &options, &b, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    const raga_bill all = {.size = bill->size,
                           .n_ctx = b.n_ctx,
                           .weights_mapped = b.weights_mapped,
                           .weights_owned = b.weights_owned,
                           .kv = b.kv,
                           .activations = b.activations,
                           .scratch = b.scratch,
                           .pictures = b.pictures,
                           .total = b.total,
                           .budget = b.budget};
    memcpy(bill, &all, bill->size < sizeof all ? bill->size : sizeof all);
    return RAGA_OK;
}

unsigned raga_model_threads(const raga_model *m) {
    return m->engine == NULL ? 0 : rg_engine_threads(m->engine);
}

size_t raga_model_ctx(const raga_model *m) {
    return m->engine == NULL ? 0 : rg_engine_get_bill(m->engine)->n_ctx;
}
