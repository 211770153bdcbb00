/* What the routes of OpenAI's interface share: reading sampling and writing events. */
#pragma once

#include "serve/conversation.h"
#include "serve/server.h"

#define RG_OPENAI_STOPS_MAX 16 // stop strings of one request

/** Read how to sample: temperature, top_p, seed, stop, logit_bias, n, max_tokens .. into the job.
 */
bool rg_openai_sampling(raga_server *server, const rg_json *root, rg_job *job, rg_fault *fault);
/** Refuse fields that would change the meaning of an answer and that nothing here can honour. */
bool rg_openai_refused(const rg_json *root, rg_fault *fault);
/** What the answer is held to: tools, "response_format", "grammar". */
bool rg_openai_hold(raga_server *server, const rg_json *root, const rg_conversation *conversation,
                    rg_job *job, rg_fault *fault);

/** Writes the request of another interface as one of this. */
typedef bool rg_translator(const rg_json *root, rg_buf *out, rg_fault *fault);
/** Parse a body of another interface and give it as one of this. */
bool rg_openai_translated(const rg_http_request *request, rg_translator *translate, rg_job *job,
                          const rg_json **out, rg_fault *fault);
/** "prompt", a text that goes on as it is, and how to sample. */
bool rg_openai_text(raga_server *server, const rg_json *root, rg_job *job, rg_fault *fault);
/** Read a conversation into the job's prompt. @param conversation  what else it says, to be cleared
 * in any case; NULL: nobody wants to know */
bool rg_openai_prompt(raga_server *server, const rg_json *root, rg_conversation *conversation,
                      rg_job *job, rg_fault *fault);
/** The prompt, how to sample, and what the answer is held to. */
bool rg_openai_conversation(raga_server *server, const rg_json *root, rg_job *job, rg_fault *fault);

/** Log-probabilities of one step as an item of "content". @return  bytes of its token */
size_t rg_openai_logprob(const raga_model *model, const raga_step *step, size_t n_top, rg_buf *out);
/** The object "usage". */
void rg_openai_usage(const rg_usage *usage, rg_buf *out);
/** One event into the feed: "data: LINE\n\n". @param line  is empty afterwards */
void rg_openai_event(rg_job *job, rg_buf *line);
/** The end of a stream; that of a job that failed. */
void rg_openai_done(rg_job *job);
void rg_openai_fail(rg_job *job);
/** "stop", .. */
const char *rg_openai_finish(rg_finish finish);
