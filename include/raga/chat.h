/* Chat templates: messages to a prompt, with what came from people kept apart from what the
 * template wrote. */
#pragma once

#include "raga/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_template raga_template;

/**
 * Parse a Jinja chat template.
 * Errors: RAGA_E_FORMAT with the line; RAGA_E_LIMIT.
 */
RAGA_API raga_status raga_template_new(const char *source, size_t size, raga_template **out,
                                       raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_template_free(raga_template *t);
/** The template of an open model, borrowed; NULL when it has none. */
RAGA_API const raga_template *raga_model_template(const raga_model *model);

/**
 * One line of `raga template --jsonl`: {"messages": .., "tools": .., "kwargs": {..}} gives
 * {"rendered": ..} or
 * {"error": ..}. Fails only for lack of memory.
 * @param clock  "2026-01-15T09:05:07Z" fixes strftime_now; NULL: now
 * @param out  one JSON object without a newline, owned by the caller: raga_free()
 */
RAGA_API raga_status raga_template_json_line(const raga_template *t, const char *line, size_t size,
                                             const char *clock, char **out, size_t *out_size,
                                             raga_error *err) RAGA_MUST_CHECK;

/**
 * The token ids of a conversation, as the model's template writes it, BOS where it belongs, never
 * twice. Special tokens are recognized in what the template wrote, never in what the messages hold.
 * A model without a template gets ChatML.
 * @param json  as above; kwargs may be absent; add_generation_prompt is true unless kwargs say
 * otherwise
 * @param ids   receives the ids, owned by the caller: raga_free()
 */
RAGA_API raga_status raga_chat_ids(const raga_model *model, const char *json, size_t size,
                                   int32_t **ids, size_t *n, raga_error *err) RAGA_MUST_CHECK;
/** The same conversation as text, without BOS unless the template writes it.
 * @param text  owned by the caller: raga_free() */
RAGA_API raga_status raga_chat_text(const raga_model *model, const char *json, size_t size,
                                    char **text, size_t *n, raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
