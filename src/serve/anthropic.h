/* Anthropic's interface: its requests are written anew as OpenAI's, so that one reader knows what a
 * conversation is, and answers get a writer of their own. */
#pragma once

#include "serve/openai.h"

/** Append the same request as OpenAI's interface has it. */
rg_translator rg_anthropic_translate;
/** Give a job the writer of this interface. */
bool rg_anthropic_writer(raga_server *server, rg_job *job, rg_fault *fault);
