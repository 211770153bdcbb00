/* Anthropic's interface: its requests are written anew as OpenAI's, so that one reader knows what a
 * conversation is, and answers get a writer of their own. */
#pragma once

#include "serve/openai.h"

/** Append the same request as OpenAI's interface has it. */
bool rg_anthropic_translate(const rg_json *root, rg_buf *out, rg_fault *fault);
/** Give a job the writer of this interface. */
bool rg_anthropic_writer(raga_server *server, rg_job *job, rg_fault *fault);
