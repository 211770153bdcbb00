#include "api/api_internal.h"

#include "lab/inspect.h"
#include "lab/steer_make.h"
#include "raga/inspect.h"

struct raga_inspection {
    rg_inspection *seen;
    const raga_model *model;
};

raga_status raga_inspect(const raga_model *model, const int32_t *ids, size_t n,
                         const raga_inspect_options *options, raga_inspection **out,
                         raga_error *error) {
    rg_error err = {0};
    raga_inspect_options o = {0};
    if (model == NULL || (ids == NULL && n != 0) || out == NULL) {
        return api_bad(error, "a model, ids and a place for the result are needed");
    }
    if (options != NULL) {
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    const rg_inspect_options how = {.engine = model->options,
                                    .tokenizer = model->tokenizer.tokenizer,
                                    .layers = o.layers,
                                    .n_layers = o.n_layers,
                                    .n_top = o.n_top,
                                    .has_maps = o.has_maps,
                                    .progress = o.progress,
                                    .progress_arg = o.progress_arg};
    raga_inspection *inspection = rg_new(rg_mem_heap(), sizeof *inspection);
    if (inspection == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory for an inspection"), &err);
    }
    inspection->model = model;
    const rg_status status = rg_inspect(rg_mem_heap(), model->model, model->source, &how, ids, n,
                                        &inspection->seen, &err);
    if (status != RG_OK) {
        raga_inspection_free(inspection);
        return api_fail(error, status, &err);
    }
    *out = inspection;
    return RAGA_OK;
}

void raga_inspection_free(raga_inspection *inspection) {
    if (inspection != NULL) {
        rg_inspection_free(inspection->seen);
        rg_free(rg_mem_heap(), inspection);
    }
}

raga_status raga_inspection_write(const raga_inspection *inspection, raga_inspect_format format,
                                  char **out, size_t *size, raga_error *error) {
    rg_buf buf;
    if (inspection == NULL || out == NULL || size == NULL) {
        return api_bad(error, "an inspection and a place for its text are needed");
    }
    if (format == RAGA_INSPECT_HTML && inspection->seen->maps == NULL) {
        return api_bad(error, "the page shows attention maps: inspect with has_maps");
    }
    const rg_str name = rg_str_of(inspection->model->name);
    rg_buf_init(&buf, rg_mem_heap(), 0);
    switch (format) {
    case RAGA_INSPECT_TEXT:
    case RAGA_INSPECT_COLORED:
        rg_inspection_text(inspection->seen, name, format == RAGA_INSPECT_COLORED, &buf);
        break;
    case RAGA_INSPECT_JSON:
        rg_inspection_json(inspection->seen, name, true, &buf);
        break;
    case RAGA_INSPECT_HTML:
        rg_inspection_html(inspection->seen, name, &buf);
        break;
    default:
        return api_bad(error, "an inspection has no such format");
    }
    return api_hand_over(&buf, out, size, error);
}

// the two descriptions of a prompt are one
_Static_assert(sizeof(raga_ids) == sizeof(rg_steer_prompt) &&
                   offsetof(raga_ids, n) == offsetof(rg_steer_prompt, n),
               "prompts are handed over as they are");
_Static_assert(sizeof(raga_steer_fact) == sizeof(rg_steer_fact) &&
                   offsetof(raga_steer_fact, separated) == offsetof(rg_steer_fact, separated),
               "facts are handed over as they are");

raga_status raga_steer(const raga_model *model, const raga_steer_options *options, const char *path,
                       raga_steer_fact **facts, size_t *n_facts, raga_error *error) {
    rg_error err = {0};
    raga_steer_options o = {0};
    rg_steer_fact *made = NULL;
    size_t n = 0;
    if (model == NULL || options == NULL || path == NULL || (facts == NULL) != (n_facts == NULL)) {
        return api_bad(error, "a model, prompts and a path for the result are needed");
    }
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    const rg_steer_job job = {.engine = model->options,
                              .positive = (const rg_steer_prompt *)(const void *)o.positive,
                              .n_positive = o.n_positive,
                              .negative = (const rg_steer_prompt *)(const void *)o.negative,
                              .n_negative = o.n_negative,
                              .method = o.is_pca ? RG_STEER_PCA : RG_STEER_MEAN,
                              .is_mean = o.is_mean,
                              .layers = o.layers,
                              .n_layers = o.n_layers,
                              .progress = o.progress,
                              .progress_arg = o.progress_arg};
    const rg_status status =
        rg_steer_make(rg_mem_heap(), model->model, model->source, &job, path, &made, &n, &err);
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    if (facts == NULL) {
        rg_free(rg_mem_heap(), made);
        return RAGA_OK;
    }
    *facts = (raga_steer_fact *)(void *)made;
    *n_facts = n;
    return RAGA_OK;
}
