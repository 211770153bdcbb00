#include "train/tune.h"

#include "base/file.h"
#include "train/export.h"

#include <math.h>

enum {
    SAMPLE_LINES = 2000, // that the size of the data is judged by
    SEQ_LEAST = 64,
    SEQ_MOST = 2048,
};

/** How large the data is, judged by its first lines. */
typedef struct survey {
    const rg_sample_reader *reader;
    rg_samples samples;
    size_t n_lines;
    size_t n_read;
    size_t n_tokens; // of those read
    size_t longest;
} survey;

static bool look(void *arg, rg_str line) {
    survey *s = arg;
    rg_error ignored = {0};
    s->n_lines++;
    if (s->n_read >= SAMPLE_LINES) {
        return true;
    }
    rg_samples_reset(&s->samples);
    if (rg_samples_read(s->reader, line, &s->samples, &ignored) != RG_OK) {
        return true;
    }
    size_t from = 0;
    for (size_t i = 0; i < rg_samples_count(&s->samples); i++) {
        size_t end;
        memcpy(&end, s->samples.ends.data + i * sizeof end, sizeof end);
        s->longest = end - from > s->longest ? end - from : s->longest;
        from = end;
    }
    s->n_tokens += from;
    s->n_read++;
    return true;
}

// rows as long as the longest sample, in whole 64s
static size_t row_length(const survey *s, size_t n_ctx) {
    size_t n = rg_round_up(s->longest, SEQ_LEAST);
    n = n < SEQ_LEAST ? SEQ_LEAST : n > SEQ_MOST ? SEQ_MOST : n;
    return n < n_ctx ? n : n_ctx;
}

static rg_status measure(const rg_mem *mem, const rg_sample_reader *reader,
                         const rg_tune_options *o, const rg_data_options *from, survey *out,
                         rg_error *err) {
    rg_data *data = NULL;
    const rg_status status = rg_data_open(reader, from, &data, err);
    *out = (survey){.reader = reader};
    if (status == RG_OK) {
        rg_samples_init(&out->samples, mem);
        rg_data_each_line(data, look, out);
        rg_samples_clear(&out->samples);
    }
    rg_data_close(data);
    if (status == RG_OK && out->n_read == 0) {
        return rg_fail(err, RG_E_FORMAT, "none of the %zu lines of %s can be learnt from",
                       out->n_lines, o->data[0]);
    }
    return status;
}

static rg_status save_result(const rg_mem *mem, const rg_tune_options *o, const rg_run_parts *parts,
                             rg_trainer *t, rg_error *err) {
    char path[4096];
    rg_status status = RG_OK;
    size_t n_loras = 0;
    const rg_adapter_export adapter = {.model = parts->model,
                                       .kind = parts->kind,
                                       .params = rg_trainer_params(t),
                                       .loras = rg_trainer_loras(t, &n_loras),
                                       .rank = o->lora.rank,
                                       .alpha = o->lora.alpha,
                                       .is_rslora = o->lora.is_rslora,
                                       .dropout = o->lora_drop,
                                       .base = o->base};
    if (o->is_full) {
        RG_TRY(rg_path_join(path, sizeof path, o->out_dir, RG_STR("model.safetensors"), err));
        RG_TRY(rg_export_weights(mem, path, rg_trainer_params(t), NULL, parts->source, err));
    } else {
        // both, unless the containers hold some matrix in different forms
        bool crosses = true;
        for (size_t i = 0; i < n_loras; i++) {
            crosses = crosses && rg_adapter_crosses(parts->model, adapter.loras[i].slot);
        }
        if (crosses || parts->kind == RG_SOURCE_HF) {
            RG_TRY(rg_export_peft(mem, o->out_dir, &adapter, err));
        }
        if (crosses || parts->kind == RG_SOURCE_GGUF) {
            RG_TRY(rg_path_join(path, sizeof path, o->out_dir, RG_STR("adapter.gguf"), err));
            RG_TRY(rg_export_gguf(mem, path, &adapter, err));
        }
    }

done:
    return status;
}

rg_status rg_tune_run(const rg_mem *mem, const rg_run_parts *parts, const rg_tune_options *o,
                      bool resume, const rg_run_tell *tell, rg_fit_end *end, rg_data_facts *facts,
                      rg_error *err) {
    rg_status status = RG_OK;
    char checkpoint[4096];
    rg_data *data = NULL;
    rg_trainer *t = NULL;
    rg_params params = {0};
    rg_lora *loras = NULL;
    size_t n_loras = 0;
    survey s;
    const rg_sample_reader reader = {
        .mem = mem, .tokenizer = parts->tokenizer, .chat = parts->chat};
    rg_data_options from = {.paths = o->data,
                            .n_paths = o->n_data,
                            .n_rows = o->n_rows,
                            .seq_len = SEQ_LEAST,
                            .valid_share = o->valid_share,
                            .seed = o->seed,
                            .is_strict = o->is_strict,
                            .warn = tell->warn,
                            .warn_arg = tell->arg};
    RG_TRY(rg_make_dir(o->out_dir, err));
    RG_TRY(rg_path_join(checkpoint, sizeof checkpoint, o->out_dir, RG_STR("checkpoint.safetensors"),
                        err));
    RG_TRY(measure(mem, &reader, o, &from, &s, err));
    from.seq_len = o->seq_len != 0 ? o->seq_len : row_length(&s, parts->model->h.n_ctx_train);
    const rg_trainer_options how = {.cpu = parts->cpu,
                                    .n_threads = parts->n_threads,
                                    .n_rows = o->n_rows,
                                    .seq_len = from.seq_len,
                                    .recompute = o->recompute,
                                    .is_bf16 = o->is_bf16,
                                    .lora_drop = o->lora_drop,
                                    .seed = o->seed};
    const double tokens = (double)s.n_tokens / (double)s.n_read * (double)s.n_lines;
    const double a_step = (double)(o->n_rows * from.seq_len * o->n_accumulate);
    const uint64_t n_steps =
        o->n_steps != 0 ? o->n_steps : (uint64_t)fmax(1, ceil(tokens * o->epochs / a_step));
    const rg_fit_options options = {
        .schedule = {.kind = RG_SCHEDULE_COSINE,
                     .peak = o->lr,
                     .least = o->lr / 10,
                     .n_warmup = n_steps / 20 + 1,
                     .n_steps = n_steps},
        .optimizer = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .max_grad_norm = 1},
        .n_accumulate = o->n_accumulate,
        .valid_every = o->valid_every,
        .patience = o->patience,
        .checkpoint_every = o->checkpoint_every,
        .checkpoint_path = checkpoint};
    RG_TRY(rg_data_open(&reader, &from, &data, err));
    RG_TRY(o->is_full
               ? rg_params_of_model(mem, parts->model, &params, err)
               : rg_params_new_lora(mem, parts->model, &o->lora, &params, &loras, &n_loras, err));
    RG_TRY(rg_trainer_new(mem, parts->model, &how, &params, loras, n_loras, &t, err));
    loras = NULL;
    const rg_fit_data batches = rg_data_fit(data);
    RG_TRY(rg_fit(mem, t, &options, &batches, o->n_rows * from.seq_len, resume, tell->step,
                  tell->arg, end, err));
    RG_TRY(save_result(mem, o, parts, t, err));
    if (facts != NULL) {
        *facts = rg_data_get_facts(data);
    }

done:
    rg_free(mem, loras);
    rg_trainer_free(t);
    rg_params_clear(&params);
    rg_data_close(data);
    return status;
}
