/* Measure models: perplexity, distance from a reference, tasks with known answers. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Told of each line of data that is left out. */
typedef void raga_eval_warn_fn(void *arg, const char *file, size_t line, const char *why);

typedef struct raga_eval_options {
    size_t size;
    const char *const *data; // files: *.jsonl are lines as in training, others running text
    size_t n_data;
    size_t n_ctx;  // tokens of a window; 0: 512, lines: all that the model was opened with
    size_t stride; // of running text: tokens from one window to the next; 0: windows side by side,
                   // of which the second half counts
    size_t n_lines_most;        // of JSON lines; 0: all
    raga_model *reference;      // of the same vocabulary, opened beside the model; NULL: none
    raga_eval_warn_fn *warn;    // may be NULL
    raga_progress_fn *progress; // `what` holds the perplexity so far; may be NULL
    void *arg;
} raga_eval_options;

/** Numbers with their standard errors, tokens taken as independent. */
typedef struct raga_eval_score {
    size_t size;       // set by the caller before the call
    uint64_t n_tokens; // counted
    uint64_t n_bytes;  // that they stand for, control tokens apart
    uint64_t n_lines;  // JSON lines read
    uint64_t n_bad;    // lines left out
    size_t n_ctx;      // tokens of a window
    double nats;       // a token: the mean of -log p
    double nats_error;
    double perplexity; // exp(nats)
    double perplexity_error;
    double bits_per_byte;
    // beside a reference; else 0
    double reference_nats;
    double reference_nats_error;
    double reference_perplexity;
    double reference_perplexity_error;
    double nats_more; // than the reference, token by token
    double nats_more_error;
    double kl; // nats: of the reference's distribution from the model's, mean over tokens
    double kl_error;
    double kl_median;
    double kl_99; // 99 % lie below
    double kl_most;
    double same_top;     // share of tokens where both find the same one likeliest
    double same_top_low; // its interval of 95 %
    double same_top_high;
    double rms_dp; // root mean square of the difference in probability of the token
} raga_eval_score;

/**
 * Perplexity of data; beside a reference, also what the model differs from it.
 * Memory: what both models were opened with, 64 rows of logits each, and four bytes a token.
 * Errors: RAGA_E_ARG (models opened for facts alone, vocabularies that differ, windows that do not
 * fit the context), RAGA_E_FORMAT (nothing to count), RAGA_E_CANCELLED, RAGA_E_NUMERIC, those of
 * files and memory.
 */
RAGA_API raga_status raga_eval_text(raga_model *model, const raga_eval_options *options,
                                    raga_eval_score *score, raga_error *err) RAGA_MUST_CHECK;

/** An item of a task that was judged. Borrowed during the call. */
typedef struct raga_task_item {
    size_t size;
    const char *file;
    size_t line;
    bool is_right;
    bool is_right_by_length; // choices: log p divided by the bytes of each
    const char *expected;    // not terminated
    size_t expected_size;
    const char *given;
    size_t given_size;
} raga_task_item;

/** Told of each; a false answer cancels. @param share  of the data */
typedef bool raga_task_item_fn(void *arg, const raga_task_item *item, double share);

typedef struct raga_task_options {
    size_t size;
    const char *task; // "choice", "exact" or "json": docs/eval.md
    const char *const *data;
    size_t n_data;
    size_t n_items_most;       // 0: all
    size_t max_tokens;         // of an answer; 0: 256
    const char *default_tools; // as of raga_responder_options
    raga_eval_warn_fn *warn;   // may be NULL
    raga_task_item_fn *tell;   // may be NULL
    void *arg;
} raga_task_options;

/** Shares with their intervals of 95 % (Wilson's). */
typedef struct raga_task_result {
    size_t size; // set by the caller before the call
    uint64_t n;
    uint64_t n_right;
    uint64_t n_bad; // lines left out
    double accuracy;
    double low;
    double high;
    bool has_by_length; // choices alone
    uint64_t n_right_by_length;
    double accuracy_by_length;
    double low_by_length;
    double high_by_length;
} raga_task_result;

/**
 * Answer items with known answers. Errors: RAGA_E_NOT_FOUND (no such task), RAGA_E_FORMAT (not one
 * item), RAGA_E_CANCELLED, RAGA_E_NUMERIC, those of files and memory.
 */
RAGA_API raga_status raga_eval_task(raga_model *model, const raga_task_options *options,
                                    raga_task_result *result, raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
