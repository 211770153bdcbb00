#include "api/api_internal.h"

#include "base/cpu.h"
#include "lab/quant_file.h"
#include "raga/quantize.h"

enum { CHUNK_TOKENS = 512 };

_Static_assert(RG_DTYPE_COUNT <= RAGA_QUANTIZE_ROWS_MAX, "a report has room for all types");

// a type of tensors by its name; NULL leaves it open
static rg_status type_of(const char *what, rg_str name, rg_dtype *out, rg_error *err) {
    const rg_dtype dtype = rg_dtype_of_name(name);
    if (dtype == RG_DTYPE_COUNT || rg_dtype_get(dtype)->from_float == NULL) {
        return rg_fail(err, RG_E_ARG,
                       "%s \"%.*s\" is no type that can be written: f32, f16, bf16, q8_0, q6_k, "
                       "q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl, iq4_xs, mxfp4, q3_k, q2_k",
                       what, RG_FMT(name));
    }
    *out = dtype;
    return RG_OK;
}

static rg_status optional_type(const char *what, const char *name, rg_dtype *out, rg_error *err) {
    *out = RG_DTYPE_COUNT;
    return name == NULL ? RG_OK : type_of(what, rg_str_of(name), out, err);
}

static rg_status find_mix(const char *name, const rg_mix **out, rg_error *err) {
    char known[256] = "";
    *out = rg_mix_find(rg_str_of(name));
    if (*out != NULL) {
        return RG_OK;
    }
    size_t n = 0;
    for (size_t i = 0; rg_mix_at(i) != NULL && n < sizeof known; i++) {
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i == 0 ? "" : ", ",
                              rg_mix_at(i)->name);
    }
    return rg_fail(err, RG_E_ARG, "\"%s\" is no type of a file: %s", name, known);
}

// "PATTERN=TYPE"
static rg_status cut_choice(const char *text, rg_quant_choice *out, rg_error *err) {
    const char *equals = strrchr(text, '=');
    if (equals == NULL || equals == text) {
        return rg_fail(err, RG_E_ARG, "\"%s\" is not of the form PATTERN=TYPE", text);
    }
    out->pattern = (rg_str){text, (size_t)(equals - text)};
    return type_of(text, rg_str_of(equals + 1), &out->dtype, err);
}

static raga_status hand_over(rg_quant_report *from, raga_quantize_report *to, raga_error *error) {
    raga_quantize_report r = {.size = to->size,
                              .bytes_before = from->bytes_before,
                              .n_by_importance = from->n_by_importance,
                              .n_stand_ins = from->n_stand_ins};
    for (size_t i = 0; i < RG_DTYPE_COUNT; i++) {
        const rg_quant_count *count = &from->by_type[i];
        if (count->n_tensors != 0) {
            r.rows[r.n_rows++] = (raga_quantize_row){
                rg_dtype_get((rg_dtype)i)->name, count->n_tensors, count->n_values, count->bytes};
            r.n_values += count->n_values;
            r.bytes += count->bytes;
        }
    }
    size_t size = 0;
    const raga_status status = api_hand_over(&from->notes, &r.notes, &size, error);
    if (status == RAGA_OK) {
        memcpy(to, &r, to->size < sizeof r ? to->size : sizeof r);
    }
    return status;
}

raga_status raga_quantize(const raga_quantize_options *options, raga_quantize_report *report,
                          raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    raga_status answer = RAGA_OK;
    raga_quantize_options o = {0};
    rg_quant_report made = {0};
    rg_source *source = NULL;
    rg_imatrix *imatrix = NULL;
    rg_quant_choice choices[RG_QUANT_CHOICES_MAX];
    rg_quant_options how = {.choices = choices};
    if (options == NULL || report == NULL) {
        return api_bad(error, "options and a place for the report are needed");
    }
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.path == NULL || o.type == NULL || (o.out == NULL && !o.is_dry_run)) {
        return api_bad(error, "a model, a type and a file to write are needed");
    }
    if (o.n_tensor_types > RG_QUANT_CHOICES_MAX) {
        return api_bad(error, "more than 64 patterns (RG_QUANT_CHOICES_MAX)");
    }
    how.n_choices = o.n_tensor_types;
    how.may_requantize = o.may_requantize;
    how.is_dry_run = o.is_dry_run;
    how.n_threads = o.n_threads == 0 ? rg_cpu_threads() : o.n_threads;
    how.progress = o.progress;
    how.progress_arg = o.progress_arg;
    RG_TRY(find_mix(o.type, &how.mix, &err));
    RG_TRY(optional_type("the output type", o.output_type, &how.output_type, &err));
    RG_TRY(optional_type("the embedding type", o.embed_type, &how.embed_type, &err));
    for (size_t i = 0; i < o.n_tensor_types; i++) {
        RG_TRY(cut_choice(o.tensor_types[i], &choices[i], &err));
    }
    if (o.imatrix != NULL) {
        RG_TRY(rg_imatrix_open(rg_mem_heap(), o.imatrix, &imatrix, &err));
        how.imatrix = imatrix;
    }
    RG_TRY(api_source_open(o.path, &source, &err));
    RG_TRY(rg_quant_file(rg_mem_heap(), source, &how, o.out, &made, &err));
    answer = hand_over(&made, report, error);

done:
    rg_buf_clear(&made.notes);
    rg_source_close(source);
    rg_imatrix_close(imatrix);
    return status == RG_OK ? answer : api_fail(error, status, &err);
}

bool raga_quantize_type(size_t i, const char **name, const char **dtype) {
    const rg_mix *mix = rg_mix_at(i);
    if (mix == NULL) {
        return false;
    }
    *name = mix->name;
    *dtype = rg_dtype_get(mix->dtype)->name;
    return true;
}

raga_status raga_imatrix(const raga_model *model, const raga_imatrix_options *options,
                         const char *path, raga_imatrix_facts *facts, raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    raga_imatrix_options o = {0};
    rg_imatrix_facts made = {0};
    if (model == NULL || options == NULL || path == NULL || facts == NULL) {
        return api_bad(error, "a model, a text and a path for the result are needed");
    }
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    rg_str *texts = rg_new_array(rg_mem_heap(), o.n_texts + 1, sizeof *texts);
    if (texts == NULL) {
        status = rg_fail(&err, RG_E_MEMORY, "no memory for %zu names", o.n_texts);
        goto done;
    }
    for (size_t i = 0; i < o.n_texts; i++) {
        texts[i] = rg_str_of(o.texts[i]);
    }
    const rg_tokenizer *tok = model->tokenizer.tokenizer;
    const rg_imatrix_job job = {
        .engine = model->options,
        .ids = o.ids,
        .n = o.ids == NULL ? 0 : o.n,
        .bos = tok != NULL && rg_tokenizer_adds_bos(tok) ? rg_tokenizer_bos(tok) : -1,
        .chunk_tokens = o.chunk_tokens == 0 ? CHUNK_TOKENS : o.chunk_tokens,
        .n_chunks = o.n_chunks,
        .texts = texts,
        .n_texts = o.n_texts,
        .progress = o.progress,
        .progress_arg = o.progress_arg};
    RG_TRY(rg_imatrix_make(rg_mem_heap(), model->model, model->source, &job, path, &made, &err));
    const raga_imatrix_facts f = {facts->size, made.n_entries, made.n_chunks, made.chunk_tokens};
    memcpy(facts, &f, facts->size < sizeof f ? facts->size : sizeof f);

done:
    rg_free(rg_mem_heap(), texts);
    return status == RG_OK ? RAGA_OK : api_fail(error, status, &err);
}
