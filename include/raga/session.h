/* Run a model: evaluate tokens, sample, generate. */
#pragma once

#include "raga/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_session raga_session;

/** An empty session. Owned by the caller: raga_session_free(), before the model is closed. */
RAGA_API raga_status raga_session_new(raga_model *model, raga_session **out,
                                      raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_session_free(raga_session *session);
/** A second session with the same tokens; the state is shared until one of the two goes on. */
RAGA_API raga_status raga_session_fork(raga_session *session, raga_session **out,
                                       raga_error *err) RAGA_MUST_CHECK;
RAGA_API raga_status raga_session_save(raga_session *session, const char *path,
                                       raga_error *err) RAGA_MUST_CHECK;
RAGA_API raga_status raga_session_restore(raga_session *session, const char *path,
                                          raga_error *err) RAGA_MUST_CHECK;
RAGA_API size_t raga_session_count(const raga_session *session);
/** Token ids of the session, borrowed until it changes. */
RAGA_API const int32_t *raga_session_ids(const raga_session *session);
RAGA_API void raga_session_truncate(raga_session *session, size_t n);
/** Stop what runs on this session, as soon as possible. Threads: any thread, also a signal handler.
 */
RAGA_API void raga_session_cancel(raga_session *session);

/** Logits of one token, in order of position. A false answer cancels. */
typedef bool raga_logits_fn(void *arg, size_t pos, const float *logits, size_t n_vocab);

/**
 * Append tokens. A prompt that does not fit is an error naming both sizes; nothing is cut.
 * @param every  called for every token, or NULL
 */
RAGA_API raga_status raga_session_eval(raga_session *session, const int32_t *ids, size_t n,
                                       raga_logits_fn *every, void *arg,
                                       raga_error *err) RAGA_MUST_CHECK;
/** Logits [n_vocab] after the last token, borrowed until the next call; NULL before the first. */
RAGA_API const float *raga_session_logits(const raga_session *session);

/** One choice of the sampler, for log-probabilities. */
typedef struct raga_choice {
    int32_t id;
    float logprob;
} raga_choice;

typedef struct raga_bias {
    int32_t id;
    float bias;
} raga_bias;

/**
 * Guess what follows: up to `most` tokens after ids[0 .. n - 1] and `next`. Wrong guesses cost time
 * and change nothing else. @return how many were written to `guesses`
 */
typedef size_t raga_draft_fn(void *arg, const int32_t *ids, size_t n, int32_t next,
                             int32_t *guesses, size_t most);

/** How to sample and when to stop. Zero means default; the has_ flags tell a zero from a default.
 */
typedef struct raga_generate_options {
    size_t size;
    size_t max_tokens; // 0: what is left of the context, at most 4,096
    bool is_greedy;    // the largest logit, always
    bool has_temperature;
    float temperature;        // default: the model's generation_config, else 0.8; 0 is greedy
    int32_t top_k;            // 0: the model's, else 40; -1: off
    float top_p;              // 0: the model's, else 0.95
    float min_p;              // 0: the model's, else 0.05 when nothing else is set; negative: off
    float typical_p;          // 0: off
    float repetition_penalty; // 0: the model's, else 1
    float presence_penalty;
    float frequency_penalty;
    uint32_t penalty_last_n; // 0: 64
    const raga_bias *bias;
    size_t n_bias;
    bool has_seed;
    uint64_t seed;           // chosen and told when has_seed is false
    const char *const *stop; // stop strings, which may span tokens
    size_t n_stop;
    bool ignore_end;              // go on after an end token (benchmarks)
    uint32_t n_logprobs;          // of the most likely tokens, at most 20
    struct raga_grammar *grammar; // what the answer may look like (calls.h); NULL: anything
    bool has_markers; // the text shows markers of calls and reasoning that are control tokens
    bool has_think_budget;
    size_t think_budget;  // tokens of reasoning; then its end is written for the model
    raga_draft_fn *draft; // guesses of your own, where the model was opened to speculate
    void *draft_arg;
    bool grammar_after_thought; // where the prompt opened the reasoning, the grammar holds what
                                // comes behind it
} raga_generate_options;

/** A step of a generation, borrowed during the call. */
typedef struct raga_step {
    size_t size;
    int32_t id;
    const char *text; // complete characters that became certain by this step; may be empty
    size_t text_size;
    float logprob;          // of the chosen token
    const raga_choice *top; // n_top most likely ones
    size_t n_top;
} raga_step;

/** Called for each token; a false answer stops the generation. */
typedef bool raga_step_fn(void *arg, const raga_step *step);

typedef struct raga_result {
    size_t size;      // set by the caller before the call
    const char *stop; // "end", "length", "stop" (a stop string), "cancelled", "context"
    size_t n_prompt;  // tokens in the session before generation
    size_t n_generated;
    uint64_t seed;
    double prompt_s;
    double generate_s;
    size_t n_steps;    // of the model, after the prompt: less than tokens where guesses were right
    size_t n_guessed;  // tokens guessed ahead
    size_t n_accepted; // of them, those that were right
    const char *stop_string; // the one of the options that stopped it; NULL: none did
} raga_result;

/**
 * Generate from where the session stands: append the prompt, then sample until something stops it.
 * @param ids   prompt tokens; n may be 0 when the session has logits already
 * @param step  may be NULL
 * Errors: those of raga_session_eval; RAGA_E_ARG naming the option; RAGA_E_NUMERIC when logits are
 * not finite.
 */
RAGA_API raga_status raga_generate(raga_session *session, const int32_t *ids, size_t n,
                                   const raga_generate_options *options, raga_step_fn *step,
                                   void *arg, raga_result *result, raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
