/* A prompt as token ids. */
#pragma once

#include "raga/model.h"

/**
 * The ids of a text as the model reads it: special tokens recognized, its own beginning added; or
 * as a user's message in the model's template, where what the text holds is plain.
 * @param ids  receives the ids: raga_free() them
 */
raga_status cli_prompt_ids(const raga_model *model, const char *text, size_t size, bool is_chat,
                           int32_t **ids, size_t *n, raga_error *err);
