#include "api/api_internal.h"

#include "raga/train.h"
#include "train/check.h"
#include "train/export.h"
#include "train/merge.h"
#include "train/pretrain.h"
#include "train/tune.h"

raga_status raga_train_check(const char *dir, const char *out_dir, unsigned n_threads,
                             raga_check *result, raga_error *error) {
    rg_error err = {0};
    rg_cpu cpu;
    rg_check_result r;
    if (dir == NULL || out_dir == NULL || result == NULL) {
        return api_bad(error, "a case, a directory for the results and a place for the verdict are "
                              "needed");
    }
    rg_status status = rg_cpu_choose(&cpu, &err);
    if (status == RG_OK) {
        status = rg_train_check(rg_mem_heap(), dir, out_dir, cpu, n_threads, &r, &err);
    }
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    raga_check all = {.size = result->size, .is_passed = r.is_passed, .share = r.share};
    memcpy(all.worst, r.worst, sizeof all.worst);
    memcpy(result, &all, result->size < sizeof all ? result->size : sizeof all);
    return RAGA_OK;
}

raga_status raga_merge(const char *path, const char *const *names, size_t n, const char *out_dir,
                       raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    rg_source *source = NULL;
    rg_model *model = NULL;
    rg_adapter **adapters = NULL;
    rg_lora *loras = NULL;
    size_t n_loras = 0;
    if (path == NULL || names == NULL || n == 0 || out_dir == NULL) {
        return api_bad(error, "a model, adapters and a directory for the result are needed");
    }
    RG_TRY(api_source_open(path, &source, &err));
    RG_TRY(rg_model_load(rg_mem_heap(), source, &model, &err));
    RG_TRY(api_open_adapters(model, rg_source_get_kind(source), names, n, &adapters, &loras,
                             &n_loras, &err));
    RG_TRY(rg_merge(rg_mem_heap(), source, model, loras, n_loras, out_dir, &err));

done:
    api_close_adapters(adapters, n, loras);
    rg_model_free(model);
    rg_source_close(source);
    return api_fail(error, status, &err);
}

// ---- runs ----

/** The caller's callbacks behind the room's. */
typedef struct listener {
    raga_train_fn *tell;
    raga_train_warn_fn *warn;
    raga_progress_fn *progress;
    void *arg;
} listener;

static bool on_step(void *arg, const rg_fit_event *e) {
    const listener *l = arg;
    const raga_train_event event = {.kind = (raga_train_kind)e->kind,
                                    .step = e->step,
                                    .n_steps = e->n_steps,
                                    .loss = e->loss,
                                    .lr = e->lr,
                                    .grad_norm = e->grad_norm,
                                    .n_tokens = e->n_tokens,
                                    .seconds = e->seconds,
                                    .is_best = e->is_best,
                                    .data_hash = e->data_hash,
                                    .seed = e->seed};
    return l->tell == NULL || l->tell(l->arg, &event);
}

static void on_warn(void *arg, const char *file, size_t line, const char *why) {
    const listener *l = arg;
    if (l->warn != NULL) {
        l->warn(l->arg, file, line, why);
    }
}

static bool on_progress(void *arg, double share, const char *what) {
    const listener *l = arg;
    return l->progress == NULL || l->progress(l->arg, share, what);
}

_Static_assert((int)RAGA_TRAIN_BEGIN == (int)RG_FIT_BEGIN &&
                   (int)RAGA_TRAIN_EARLY == (int)RG_FIT_EARLY,
               "events");

// the model of a run, without an engine
static rg_status open_facts(const char *path, raga_model **model, rg_error *err) {
    raga_error error = {0};
    const raga_model_options options = {
        .size = sizeof options, .path = path, .is_facts_only = true};
    const raga_status status = raga_model_open(&options, model, &error);
    return status == RAGA_OK ? RG_OK : rg_fail(err, (rg_status)status, "%s", error.text);
}

static rg_run_parts parts_of(const raga_model *m, rg_cpu cpu, unsigned n_threads) {
    return (rg_run_parts){.model = m->model,
                          .kind = rg_source_get_kind(m->source),
                          .source = m->source,
                          .tokenizer = m->tokenizer.tokenizer,
                          .chat = m->chat,
                          .cpu = cpu,
                          .n_threads = n_threads};
}

static void give_result(raga_train_result *out, rg_fit_end end, const rg_data_facts *f) {
    const raga_train_result all = {.size = out->size,
                                   .end = (raga_train_end)end,
                                   .n_lines = f->n_lines,
                                   .n_valid = f->n_valid,
                                   .n_bad = f->n_bad,
                                   .n_cut = f->n_cut,
                                   .epochs = f->epoch,
                                   .n_tokens = f->n_tokens,
                                   .data_hash = f->hash};
    memcpy(out, &all, out->size < sizeof all ? out->size : sizeof all);
}

static rg_status check_begun(const char *out_dir, bool resume, rg_error *err) {
    const bool has_begun = rg_run_has_begun(out_dir);
    if (has_begun && !resume) {
        return rg_fail(err, RG_E_STATE,
                       "a run has begun in %s: go on with it (--resume), or give another place",
                       out_dir);
    }
    if (!has_begun && resume) {
        return rg_fail(err, RG_E_STATE, "%s has no checkpoint to go on from", out_dir);
    }
    return RG_OK;
}

raga_status raga_train(const raga_train_options *options, raga_train_result *result,
                       raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    rg_cpu cpu;
    rg_recipe *recipe = NULL;
    raga_model *model = NULL;
    rg_data_facts facts = {0};
    rg_fit_end end = RG_FIT_DONE;
    raga_train_options o = {0};
    if (options == NULL || result == NULL || options->size < offsetof(raga_train_options, resume)) {
        return api_bad(error, "no options, or options without their size");
    }
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.recipe == NULL || o.out_dir == NULL) {
        return api_bad(error, "a recipe and a directory for the model are needed");
    }
    listener l = {o.tell, o.warn, o.progress, o.arg};
    const rg_run_tell tell = {.step = on_step, .warn = on_warn, .progress = on_progress, .arg = &l};
    RG_TRY(rg_cpu_choose(&cpu, &err));
    RG_TRY(rg_recipe_open(rg_mem_heap(), o.recipe, &recipe, &err));
    RG_TRY(check_begun(o.out_dir, o.resume, &err));
    if (!o.resume) {
        RG_TRY(rg_pretrain_prepare(rg_mem_heap(), recipe, o.out_dir, &tell, &err));
    }
    RG_TRY(open_facts(o.out_dir, &model, &err));
    const rg_run_parts parts = parts_of(model, cpu, o.n_threads);
    RG_TRY(rg_pretrain_run(rg_mem_heap(), &parts, recipe, o.out_dir, o.resume, &tell, &end, &facts,
                           &err));
    give_result(result, end, &facts);

done:
    raga_model_close(model);
    rg_recipe_close(recipe);
    return api_fail(error, status, &err);
}

static rg_tune_options tune_options(const raga_tune_options *o) {
    const uint32_t rank = o->rank == 0 ? 16 : o->rank;
    const double lr = o->is_full ? 2e-5 : 2e-4;
    return (rg_tune_options){.data = o->data,
                             .n_data = o->n_data,
                             .out_dir = o->out_dir,
                             .base = o->model,
                             .is_full = o->is_full,
                             .lora = {.rank = rank,
                                      .alpha = o->alpha == 0 ? 2.0f * (float)rank : o->alpha,
                                      .is_rslora = o->is_rslora,
                                      .targets = o->targets == NULL ? "all-linear" : o->targets,
                                      .seed = o->seed},
                             .lora_drop = o->dropout,
                             .epochs = o->epochs == 0 ? 3 : o->epochs,
                             .n_steps = o->n_steps,
                             .n_rows = o->batch == 0 ? 4 : o->batch,
                             .seq_len = o->seq_len,
                             .n_accumulate = o->accumulate == 0 ? 1 : o->accumulate,
                             .lr = o->lr == 0 ? lr : o->lr,
                             .valid_share = o->valid_share,
                             .valid_every = o->valid_every,
                             .patience = o->patience,
                             .checkpoint_every =
                                 o->checkpoint_every == 0 ? 100 : o->checkpoint_every,
                             .recompute = o->recompute,
                             .is_strict = o->is_strict,
                             .seed = o->seed};
}

raga_status raga_tune(const raga_tune_options *options, raga_train_result *result,
                      raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    rg_cpu cpu;
    raga_model *model = NULL;
    rg_data_facts facts = {0};
    rg_fit_end end = RG_FIT_DONE;
    raga_tune_options o = {0};
    if (options == NULL || result == NULL || options->size < offsetof(raga_tune_options, is_full)) {
        return api_bad(error, "no options, or options without their size");
    }
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.model == NULL || o.n_data == 0 || o.data == NULL || o.out_dir == NULL) {
        return api_bad(error, "a model, data and a directory for the result are needed");
    }
    listener l = {o.tell, o.warn, NULL, o.arg};
    const rg_run_tell tell = {.step = on_step, .warn = on_warn, .arg = &l};
    RG_TRY(rg_cpu_choose(&cpu, &err));
    RG_TRY(check_begun(o.out_dir, o.resume, &err));
    RG_TRY(open_facts(o.model, &model, &err));
    if (model->tokenizer.tokenizer == NULL) {
        status =
            rg_fail(&err, RG_E_UNSUPPORTED, "%s has no tokenizer to read the data with", o.model);
        goto done;
    }
    if (o.is_full && rg_source_get_kind(model->source) != RG_SOURCE_HF) {
        status = rg_fail(&err, RG_E_UNSUPPORTED,
                         "all weights of a model are tuned from a Hugging Face directory; a GGUF "
                         "takes low-rank additions");
        goto done;
    }
    const rg_run_parts parts = parts_of(model, cpu, o.n_threads);
    rg_tune_options how = tune_options(&o);
    if (o.compute != NULL && !rg_compute_of_name(rg_str_of(o.compute), &how.is_bf16)) {
        status =
            rg_fail(&err, RG_E_ARG, "compute \"%s\" is not possible; f32 and bf16 are", o.compute);
        goto done;
    }
    RG_TRY(rg_tune_run(rg_mem_heap(), &parts, &how, o.resume, &tell, &end, &facts, &err));
    if (o.is_full) {
        RG_TRY(rg_copy_settings(rg_mem_heap(), o.model, o.out_dir, &err));
    }
    give_result(result, end, &facts);

done:
    raga_model_close(model);
    return api_fail(error, status, &err);
}

static void put_token(rg_buf *out, const rg_tokenizer *tok, const rg_fit_pass *pass, size_t i) {
    // a token is learnt where the one before it has it as its target
    const bool is_learnt = i > 0 && pass->positions[i] > 0 && pass->targets[i - 1] >= 0;
    rg_buf_format(out, "%d %d %d ", pass->ids[i], is_learnt ? 1 : 0, pass->positions[i]);
    rg_buf_json(out, rg_tokenizer_bytes(tok, pass->ids[i]));
    rg_buf_char(out, '\n');
}

raga_status raga_tune_batch(const raga_tune_options *o, char **out, size_t *size,
                            raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    raga_model *model = NULL;
    rg_data *data = NULL;
    int32_t *values = NULL;
    rg_buf text;
    if (o == NULL || out == NULL || size == NULL || o->model == NULL || o->n_data == 0) {
        return api_bad(error, "a model, data and a place for the text are needed");
    }
    rg_buf_init(&text, rg_mem_heap(), 0);
    RG_TRY(open_facts(o->model, &model, &err));
    if (model->tokenizer.tokenizer == NULL) {
        status = rg_fail(&err, RG_E_UNSUPPORTED, "%s has no tokenizer", o->model);
        goto done;
    }
    const rg_sample_reader reader = {
        .mem = rg_mem_heap(), .tokenizer = model->tokenizer.tokenizer, .chat = model->chat};
    listener l = {NULL, o->warn, NULL, o->arg};
    const rg_data_options from = {.paths = o->data,
                                  .n_paths = o->n_data,
                                  .n_rows = 1,
                                  .seq_len = o->seq_len == 0 ? 512 : o->seq_len,
                                  .seed = o->seed,
                                  .is_strict = o->is_strict,
                                  .warn = on_warn,
                                  .warn_arg = &l};
    values = rg_new_array(rg_mem_heap(), 3 * from.seq_len, sizeof *values);
    if (values == NULL) {
        status = rg_fail(&err, RG_E_MEMORY, "no memory for %zu tokens", from.seq_len);
        goto done;
    }
    RG_TRY(rg_data_open(&reader, &from, &data, &err));
    const rg_fit_data batches = rg_data_fit(data);
    const rg_fit_pass pass = {values, values + from.seq_len, values + 2 * from.seq_len};
    RG_TRY(batches.next(batches.self, &pass, &err));
    const size_t n = (size_t)rg_data_get_facts(data).n_tokens;
    for (size_t i = 0; i < n; i++) {
        put_token(&text, reader.tokenizer, &pass, i);
    }

done:
    rg_data_close(data);
    rg_free(rg_mem_heap(), values);
    raga_model_close(model);
    if (status != RG_OK) {
        rg_buf_clear(&text);
        return api_fail(error, status, &err);
    }
    return api_hand_over(&text, out, size, error);
}
