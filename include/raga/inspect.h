/* Look inside a model while it reads a text, and make directions that steer it. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_inspection raga_inspection;

typedef struct raga_inspect_options {
    size_t size;
    const uint32_t *layers; // ascending, from 0; none: all
    size_t n_layers;
    size_t n_top;  // most likely tokens told of each place; 0: 5, at most 32
    bool has_maps; // keep all attention weights: for the page, and in the JSON
    raga_progress_fn *progress;
    void *progress_arg;
} raga_inspect_options;

/**
 * Read tokens and keep what was seen: surprisal of each token, the logit lens, where heads look,
 * norms. Adapters and control vectors of the model are at work.
 * @param model  opened for its facts only, or to run; borrowed for the life of the inspection
 * @param out    owned by the caller: raga_inspection_free(), before the model is closed
 * Errors: RAGA_E_LIMIT (more than 1,024 tokens, too many attention weights), RAGA_E_ARG (no tokens,
 * layers that the model lacks), RAGA_E_NUMERIC, RAGA_E_CANCELLED.
 */
RAGA_API raga_status raga_inspect(const raga_model *model, const int32_t *ids, size_t n,
                                  const raga_inspect_options *options, raga_inspection **out,
                                  raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_inspection_free(raga_inspection *inspection);

typedef enum raga_inspect_format {
    RAGA_INSPECT_TEXT,
    RAGA_INSPECT_COLORED, // text with a terminal's colors
    RAGA_INSPECT_JSON,
    RAGA_INSPECT_HTML, // one page that needs nothing beside itself; the maps must have been kept
} raga_inspect_format;

/** @param out  terminated, owned by the caller: raga_free() */
RAGA_API raga_status raga_inspection_write(const raga_inspection *inspection,
                                           raga_inspect_format format, char **out, size_t *size,
                                           raga_error *err) RAGA_MUST_CHECK;

/** A prompt as ids. */
typedef struct raga_ids {
    const int32_t *ids;
    size_t n;
} raga_ids;

typedef struct raga_steer_options {
    size_t size;
    const raga_ids *positive; // prompts that have the trait
    size_t n_positive;
    const raga_ids *negative; // prompts that lack it
    size_t n_negative;
    bool is_pca;            // main axis of the pairs' differences; else the difference of means
    bool is_mean;           // residuals are means of all tokens; else the last token's
    const uint32_t *layers; // ascending, from 1; none: all from 1 on
    size_t n_layers;
    raga_progress_fn *progress;
    void *progress_arg;
} raga_steer_options;

/** What is known of the direction of one layer. */
typedef struct raga_steer_fact {
    uint32_t layer;
    double norm;      // of the direction
    double residual;  // mean norm of the residual there
    double separated; // share of the prompts on their own side along it
} raga_steer_fact;

/**
 * Make a control vector from contrasting prompts and write it, in llama.cpp's layout.
 * @param facts  receives n_facts, owned by the caller: raga_free(); may be NULL
 * Errors: RAGA_E_ARG, RAGA_E_LIMIT, RAGA_E_NUMERIC (prompts that do not differ), RAGA_E_IO.
 */
RAGA_API raga_status raga_steer(const raga_model *model, const raga_steer_options *options,
                                const char *path, raga_steer_fact **facts, size_t *n_facts,
                                raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
