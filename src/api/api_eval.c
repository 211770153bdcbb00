/* Perplexity of files: what they hold goes to the scorer, token by token. */
#include "api/api_internal.h"

#include "base/file.h"
#include "lab/score.h"
#include "raga/eval.h"
#include "train/sample.h"

#include <math.h>
#include <stdio.h>

enum { WINDOW = 512, TEXT_BYTES_MAX = 1 << 30 };

/** An evaluation under way. */
typedef struct evaluation {
    raga_model *model;
    raga_eval_options o;
    rg_scorer *scorer;
    rg_samples samples;
    rg_sample_reader reader;
    size_t n_lines;
    size_t n_bad;
    uint64_t bytes_before; // of the files done
    uint64_t bytes_now;    // of the one that is read
    uint64_t bytes_all;
    uint64_t at; // lines: where in this one
    bool is_lines;
    rg_error *err;
} evaluation;

static bool show(void *arg, double share, double perplexity) {
    const evaluation *e = arg;
    char what[64];
    if (e->o.progress == NULL) {
        return true;
    }
    const double done = e->is_lines ? (double)e->at : share * (double)e->bytes_now;
    snprintf(what, sizeof what, "perplexity %.4g", perplexity);
    return e->o.progress(e->o.arg, ((double)e->bytes_before + done) / (double)(e->bytes_all + 1),
                         what);
}

// ---- files ----

static rg_status read_text(evaluation *e, const char *path, rg_str text) {
    rg_ids ids;
    rg_status status = RG_OK;
    rg_ids_init(&ids, rg_mem_heap());
    if (text.size > TEXT_BYTES_MAX) {
        return rg_fail(e->err, RG_E_LIMIT, "%s has %zu bytes, a text has %d at most", path,
                       text.size, TEXT_BYTES_MAX);
    }
    RG_TRY(rg_tokenizer_encode(e->reader.tokenizer, text, RG_ENCODE_ADD_SPECIAL, &ids, e->err));
    RG_TRY(rg_buf_check(&ids.buf, "token ids", e->err));
    RG_TRY(rg_scorer_text(e->scorer, rg_ids_data(&ids), rg_ids_count(&ids), e->err));

done:
    rg_ids_clear(&ids);
    return status;
}

static rg_status read_samples(evaluation *e) {
    rg_status status = RG_OK;
    const rg_samples *s = &e->samples;
    size_t from = 0;
    for (size_t i = 0; i < rg_samples_count(s) && status == RG_OK; i++) {
        size_t end;
        memcpy(&end, s->ends.data + i * sizeof end, sizeof end);
        status = rg_scorer_sample(e->scorer, rg_ids_data(&s->ids) + from,
                                  (const uint8_t *)s->is_learnt.data + from, end - from, e->err);
        from = end;
    }
    return status;
}

static bool is_blank(rg_str line) {
    for (size_t i = 0; i < line.size; i++) {
        if (strchr(" \t\r", line.data[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool has_enough(const evaluation *e) {
    return e->o.n_lines_most != 0 && e->n_lines >= e->o.n_lines_most;
}

static rg_status read_lines(evaluation *e, const char *path, rg_str text) {
    size_t number = 0;
    for (size_t at = 0; at < text.size && !has_enough(e);) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        const size_t to = end == NULL ? text.size : (size_t)(end - text.data);
        const rg_str line = rg_str_slice(text, at, to);
        rg_error why = {0};
        number++;
        at = to + 1;
        e->at = to;
        if (is_blank(line)) {
            continue;
        }
        rg_samples_reset(&e->samples);
        rg_status status = rg_samples_read(&e->reader, line, &e->samples, &why);
        if (status == RG_E_MEMORY) {
            *e->err = why;
            return status;
        }
        if (status != RG_OK) {
            e->n_bad++;
            if (e->o.warn != NULL) {
                e->o.warn(e->o.arg, path, number, why.text);
            }
            continue;
        }
        e->n_lines++;
        status = read_samples(e);
        if (status != RG_OK) {
            rg_error_prefix(e->err, "%s:%zu", path, number);
            return status;
        }
    }
    return RG_OK;
}

static rg_status read_files(evaluation *e) {
    rg_status status = RG_OK;
    for (size_t i = 0; i < e->o.n_data && status == RG_OK; i++) {
        rg_file_map map;
        const char *path = e->o.data[i];
        status = rg_file_map_open(path, &map, e->err);
        if (status != RG_OK) {
            break;
        }
        const rg_str text = {(const char *)map.bytes.data, map.bytes.size};
        e->is_lines = rg_str_ends(rg_str_of(path), RG_STR(".jsonl"));
        e->bytes_now = text.size;
        e->at = 0;
        status = e->is_lines ? read_lines(e, path, text) : read_text(e, path, text);
        e->bytes_before += text.size;
        rg_file_map_close(&map);
    }
    return status;
}

// sizes of all files, for the share that is done; what cannot be opened is said when it is read
static void measure_files(evaluation *e) {
    for (size_t i = 0; i < e->o.n_data; i++) {
        rg_file_map map;
        if (rg_file_map_open(e->o.data[i], &map, NULL) == RG_OK) {
            e->bytes_all += map.bytes.size;
            rg_file_map_close(&map);
        }
    }
}

// ---- models ----

static rg_status check_model(const raga_model *m, rg_error *err) {
    if (m->engine == NULL) {
        return rg_fail(err, RG_E_ARG, "the model %s was opened for its facts alone", m->name);
    }
    if (m->tokenizer.tokenizer == NULL) {
        return rg_fail(err, RG_E_UNSUPPORTED, "%s has no tokenizer to read data with", m->name);
    }
    return RG_OK;
}

// logits can be laid side by side only where each speaks of the same token
static rg_status check_vocabularies(const raga_model *a, const raga_model *b, rg_error *err) {
    if (a->model->h.n_vocab != b->model->h.n_vocab) {
        return rg_fail(err, RG_E_ARG,
                       "the vocabularies differ: %s has %u tokens, the reference %s has %u",
                       a->name, a->model->h.n_vocab, b->name, b->model->h.n_vocab);
    }
    for (uint32_t id = 0; id < a->model->h.n_vocab; id++) {
        const rg_str one = rg_tokenizer_bytes(a->tokenizer.tokenizer, (int32_t)id);
        const rg_str other = rg_tokenizer_bytes(b->tokenizer.tokenizer, (int32_t)id);
        if (!rg_str_eq(one, other)) {
            return rg_fail(err, RG_E_ARG,
                           "the vocabularies differ: token %u is not the same in %s and in the "
                           "reference %s",
                           id, a->name, b->name);
        }
    }
    return RG_OK;
}

static size_t choose_window(const evaluation *e) {
    const size_t most = raga_model_ctx(e->model);
    const size_t other = e->o.reference == NULL ? most : raga_model_ctx(e->o.reference);
    const size_t fits = most < other ? most : other;
    bool has_text = false;
    for (size_t i = 0; i < e->o.n_data; i++) {
        has_text = has_text || !rg_str_ends(rg_str_of(e->o.data[i]), RG_STR(".jsonl"));
    }
    const size_t wanted = e->o.n_ctx != 0 ? e->o.n_ctx : has_text ? WINDOW : fits;
    return e->o.n_ctx != 0 || wanted < fits ? wanted : fits;
}

static rg_status open_scorer(evaluation *e) {
    const rg_score_options how = {.engine = e->model->engine,
                                  .reference =
                                      e->o.reference == NULL ? NULL : e->o.reference->engine,
                                  .tokenizer = e->model->tokenizer.tokenizer,
                                  .n_vocab = e->model->model->h.n_vocab,
                                  .n_ctx = choose_window(e),
                                  .stride = e->o.stride,
                                  .progress = show,
                                  .progress_arg = e};
    const size_t fits = raga_model_ctx(e->model);
    const size_t also = e->o.reference == NULL ? fits : raga_model_ctx(e->o.reference);
    if (how.n_ctx > fits || how.n_ctx > also) {
        return rg_fail(e->err, RG_E_ARG, "windows of %zu tokens do not fit the context of %zu",
                       how.n_ctx, fits < also ? fits : also);
    }
    return rg_scorer_new(rg_mem_heap(), &how, &e->scorer, e->err);
}

static void give_score(const evaluation *e, const rg_score *s, raga_eval_score *out) {
    const double nats = s->nll.mean;
    raga_eval_score all = {.size = out->size,
                           .n_tokens = s->nll.n,
                           .n_bytes = s->n_bytes,
                           .n_lines = e->n_lines,
                           .n_bad = e->n_bad,
                           .n_ctx = choose_window(e),
                           .nats = nats,
                           .nats_error = rg_mean_error(&s->nll),
                           .perplexity = exp(nats),
                           .perplexity_error = exp(nats) * rg_mean_error(&s->nll),
                           .bits_per_byte = nats * (double)s->nll.n / log(2) / (double)s->n_bytes};
    if (e->o.reference != NULL) {
        const rg_share top = rg_wilson(s->n_same_top, s->nll.n);
        all.reference_nats = s->reference.mean;
        all.reference_nats_error = rg_mean_error(&s->reference);
        all.reference_perplexity = exp(s->reference.mean);
        all.reference_perplexity_error = exp(s->reference.mean) * all.reference_nats_error;
        all.nats_more = s->difference.mean;
        all.nats_more_error = rg_mean_error(&s->difference);
        all.kl = s->kl.mean;
        all.kl_error = rg_mean_error(&s->kl);
        all.kl_median = s->kl_median;
        all.kl_99 = s->kl_99;
        all.kl_most = s->kl_most;
        all.same_top = top.value;
        all.same_top_low = top.low;
        all.same_top_high = top.high;
        all.rms_dp = s->rms_dp;
    }
    memcpy(out, &all, out->size < sizeof all ? out->size : sizeof all);
}

raga_status raga_eval_text(raga_model *model, const raga_eval_options *options,
                           raga_eval_score *out, raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    evaluation e = {.model = model, .err = &err};
    if (model == NULL || options == NULL || out == NULL) {
        return api_bad(error, "a model, options and a place for the result are needed");
    }
    memcpy(&e.o, options, options->size < sizeof e.o ? options->size : sizeof e.o);
    if (e.o.data == NULL || e.o.n_data == 0) {
        return api_bad(error, "there is no data to measure on");
    }
    e.reader = (rg_sample_reader){
        .mem = rg_mem_heap(), .tokenizer = model->tokenizer.tokenizer, .chat = model->chat};
    rg_samples_init(&e.samples, rg_mem_heap());
    RG_TRY(check_model(model, &err));
    if (e.o.reference != NULL) {
        RG_TRY(check_model(e.o.reference, &err));
        RG_TRY(check_vocabularies(model, e.o.reference, &err));
    }
    measure_files(&e);
    RG_TRY(open_scorer(&e));
    RG_TRY(read_files(&e));
    const rg_score score = rg_scorer_get(e.scorer);
    if (score.nll.n == 0) {
        status = rg_fail(&err, RG_E_FORMAT, "there is nothing to count in %s", e.o.data[0]);
        goto done;
    }
    give_score(&e, &score, out);

done:
    rg_scorer_free(e.scorer);
    rg_samples_clear(&e.samples);
    return api_fail(error, status, &err);
}
