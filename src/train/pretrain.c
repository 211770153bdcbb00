#include "train/pretrain.h"

#include "base/file.h"
#include "train/bpe_train.h"
#include "train/export.h"

bool rg_run_has_begun(const char *out_dir) {
    char path[4096];
    return rg_path_join(path, sizeof path, out_dir, RG_STR("checkpoint.safetensors"), NULL) ==
               RG_OK &&
           rg_file_kind_of(path) == RG_FILE_REGULAR;
}

// ---- the vocabulary ----

/** Lines on their way into the vocabulary. */
typedef struct vocabulary {
    const rg_mem *mem;
    const rg_chat_format *chat;
    rg_bpe_trainer *bpe;
    uint64_t every; // one line of so many is taken
    uint64_t n;
    rg_buf text;
    rg_status status;
    rg_error *err;
} vocabulary;

static bool count_line(void *arg, rg_str line) {
    (void)line;
    (*(uint64_t *)arg)++;
    return true;
}

// lines that cannot be read are the data's to complain of
static bool add_line(void *arg, rg_str line) {
    vocabulary *v = arg;
    rg_error ignored = {0};
    if (v->n++ % v->every != 0) {
        return true;
    }
    v->text.size = 0;
    if (rg_samples_text(v->mem, v->chat, line, &v->text, &ignored) == RG_OK) {
        v->status = rg_bpe_trainer_add(v->bpe, rg_buf_view(&v->text), v->err);
    }
    return v->status == RG_OK;
}

static rg_status train_vocabulary(const rg_mem *mem, const rg_recipe *r, const rg_data *data,
                                  const rg_chat_format *chat, const char *out_dir,
                                  const rg_run_tell *tell, rg_error *err) {
    rg_status status = RG_OK;
    vocabulary v = {.mem = mem, .chat = chat, .err = err};
    uint64_t n_lines = 0;
    const rg_bpe_options options = {.pretok = RG_PRETOK_QWEN2,
                                    .n_vocab = r->model.n_vocab,
                                    .specials = r->specials,
                                    .n_specials = r->n_specials};
    const rg_bpe_files files = {.chat_template = r->chat_template,
                                .bos = r->bos,
                                .eos = r->eos,
                                .pad = r->pad,
                                .model_max_length = r->model.n_ctx};
    rg_buf_init(&v.text, mem, 0);
    RG_TRY(rg_bpe_trainer_new(mem, &options, &v.bpe, err));
    rg_data_each_line(data, count_line, &n_lines);
    v.every = (n_lines + r->vocab_lines - 1) / r->vocab_lines;
    rg_data_each_line(data, add_line, &v);
    RG_TRY(v.status);
    RG_TRY(rg_bpe_trainer_run(v.bpe, tell->progress, tell->arg, err));
    // data with little in it gives fewer tokens than were asked for: the model gets as many
    RG_TRY(rg_bpe_trainer_save(v.bpe, out_dir, &files, err));

done:
    rg_bpe_trainer_free(v.bpe);
    rg_buf_clear(&v.text);
    return status;
}

// ---- the model ----

static rg_data_options data_options(const rg_recipe *r, const rg_run_tell *tell) {
    return (rg_data_options){.paths = r->data,
                             .n_paths = r->n_data,
                             .n_rows = r->n_rows,
                             .seq_len = r->seq_len,
                             .valid_share = r->valid_share,
                             .seed = r->seed,
                             .warn = tell->warn,
                             .warn_arg = tell->arg};
}

static rg_status make_tokenizer(const rg_mem *mem, const rg_recipe *r, const char *out_dir,
                                const rg_run_tell *tell, rg_error *err) {
    rg_status status = RG_OK;
    rg_data *data = NULL;
    rg_chat_format *chat = NULL;
    const rg_sample_reader reader = {.mem = mem};
    const rg_chat_source source = {RG_STR("default"), r->chat_template};
    const rg_chat_model model = {.sources = &source,
                                 .n_sources = r->chat_template.size > 0 ? 1 : 0,
                                 .bos = r->bos,
                                 .eos = r->eos,
                                 .pad = r->pad};
    if (r->tokenizer_dir != NULL) {
        if (rg_file_kind_of(r->tokenizer_dir) != RG_FILE_DIRECTORY) {
            return rg_fail(err, RG_E_NOT_FOUND, "\"tokenizer.path\": there is no directory %s",
                           r->tokenizer_dir);
        }
        return rg_copy_settings(mem, r->tokenizer_dir, out_dir, err);
    }
    const rg_data_options options = data_options(r, tell);
    RG_TRY(rg_data_open(&reader, &options, &data, err));
    RG_TRY(rg_chat_format_new(mem, &model, &chat, err));
    if (r->chat_template.size > 0 && rg_chat_format_warning(chat) != NULL) {
        status = rg_fail(err, RG_E_FORMAT, "the chat template: %s", rg_chat_format_warning(chat));
        goto done;
    }
    RG_TRY(train_vocabulary(mem, r, data, chat, out_dir, tell, err));

done:
    rg_chat_format_free(chat);
    rg_data_close(data);
    return status;
}

rg_status rg_pretrain_prepare(const rg_mem *mem, const rg_recipe *r, const char *out_dir,
                              const rg_run_tell *tell, rg_error *err) {
    rg_status status = RG_OK;
    rg_tokenizer *tok = NULL;
    rg_model_plan plan = r->model;
    RG_TRY(rg_make_dir(out_dir, err));
    RG_TRY(make_tokenizer(mem, r, out_dir, tell, err));
    RG_TRY(rg_tokenizer_open(mem, out_dir, &tok, err));
    plan.n_vocab = (uint32_t)rg_tokenizer_vocab(tok);
    plan.bos = rg_tokenizer_bos(tok);
    plan.eos = rg_tokenizer_eos(tok);
    plan.seed = r->seed;
    RG_TRY(rg_model_create(mem, &plan, out_dir, err));

done:
    rg_tokenizer_free(tok);
    return status;
}

// ---- the steps ----

rg_status rg_pretrain_run(const rg_mem *mem, const rg_run_parts *parts, const rg_recipe *r,
                          const char *out_dir, bool resume, const rg_run_tell *tell,
                          rg_fit_end *end, rg_data_facts *facts, rg_error *err) {
    rg_status status = RG_OK;
    char checkpoint[4096];
    char weights[4096];
    rg_data *data = NULL;
    rg_trainer *t = NULL;
    rg_params params = {0};
    const rg_sample_reader reader = {
        .mem = mem, .tokenizer = parts->tokenizer, .chat = parts->chat};
    const rg_data_options from = data_options(r, tell);
    const rg_trainer_options how = {.cpu = parts->cpu,
                                    .n_threads = parts->n_threads,
                                    .n_rows = r->n_rows,
                                    .seq_len = r->seq_len,
                                    .recompute = r->recompute,
                                    .is_bf16 = r->is_bf16,
                                    .seed = r->seed};
    rg_fit_options options = r->fit;
    RG_TRY(rg_path_join(checkpoint, sizeof checkpoint, out_dir, RG_STR("checkpoint.safetensors"),
                        err));
    RG_TRY(rg_path_join(weights, sizeof weights, out_dir, RG_STR("model.safetensors"), err));
    options.checkpoint_path = checkpoint;
    RG_TRY(rg_data_open(&reader, &from, &data, err));
    RG_TRY(rg_params_of_model(mem, parts->model, &params, err));
    RG_TRY(rg_trainer_new(mem, parts->model, &how, &params, NULL, 0, &t, err));
    const rg_fit_data batches = rg_data_fit(data);
    RG_TRY(rg_fit(mem, t, &options, &batches, r->n_rows * r->seq_len, resume, tell->step, tell->arg,
                  end, err));
    RG_TRY(rg_export_weights(mem, weights, rg_trainer_params(t), NULL, NULL, err));
    if (facts != NULL) {
        *facts = rg_data_get_facts(data);
    }

done:
    rg_trainer_free(t);
    rg_params_clear(&params);
    rg_data_close(data);
    return status;
}
