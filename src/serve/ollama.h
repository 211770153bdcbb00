/* Ollama's interface: its requests are written anew as OpenAI's, answers are lines of JSON. */
#pragma once

#include "serve/openai.h"

/** Requests to /api/chat and /api/generate. */
rg_translator rg_ollama_of_chat, rg_ollama_of_prompt;
/** Give a job the writer of this interface. */
bool rg_ollama_writer(raga_server *server, bool is_chat, rg_job *job, rg_fault *fault);
/** Now, as this interface writes it: "2026-01-15T09:05:07.000000000Z". */
void rg_ollama_time(time_t at, rg_buf *out);
