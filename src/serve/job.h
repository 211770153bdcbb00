/* Jobs: answers that are to be generated, the queue they wait in, and the sessions that make them.
 */
#pragma once

#include "raga/calls.h"
#include "raga/chat.h"
#include "raga/picture.h"
#include "serve/fault.h"
#include "serve/feed.h"
#include "serve/shelf.h"

#include "base/mem.h"

#define RG_JOB_CHOICES_MAX  128 // answers to one request
#define RG_JOB_PICTURES_MAX 64  // pictures of one request
#define RG_JOB_CHUNK_TOKENS 256 // of a prompt, between two looks at whether it is still wanted

typedef struct rg_job rg_job;
typedef struct rg_jobs rg_jobs;

typedef enum rg_finish {
    RG_FINISH_STOP,   // the model's own end, or a stop string
    RG_FINISH_LENGTH, // max_tokens, or the end of the context
    RG_FINISH_CALLS,  // it calls tools
} rg_finish;

/** How an interface writes an answer, into job->out. Called on one thread, in this order: for
 * each choice begin, token and piece, choice; at last end; or at any point instead: fail. */
typedef struct rg_writer {
    void (*begin)(rg_job *job);
    void (*token)(rg_job *job, const raga_step *step); // before the pieces that it makes certain
    void (*piece)(rg_job *job, const raga_piece *piece);
    void (*choice)(rg_job *job, rg_finish finish);
    void (*end)(rg_job *job);
    void (*fail)(rg_job *job); // job->fault says why
    void (*free)(void *writing);
    const char *stream_type; // of the content of a stream
    const char *ping;        // what may stand in it when there is nothing to say; NULL: nothing
} rg_writer;

typedef struct rg_usage {
    size_t n_prompt;
    size_t n_cached;    // of these, not evaluated again
    size_t n_generated; // of all choices
    size_t n_reasoning; // of these
    double prompt_s, generate_s;
} rg_usage;

/** One request on its way. Who asks fills in the first part, then it is the slots'. */
struct rg_job {
    rg_arena scratch;   // of the request while it is read
    rg_arena arena;     // what is kept of it; what is below points into it
    const int32_t *ids; // of the prompt
    size_t n_ids;
    rg_shelf *shelf;                             // of the pictures
    rg_seen *seen[RG_JOB_PICTURES_MAX];          // held
    raga_picture *pictures[RG_JOB_PICTURES_MAX]; // the same
    size_t n_pictures;
    raga_generate_options generate;
    const char *tools; // as the model was shown them, JSON; NULL: none
    bool is_raw;       // a text goes on: reasoning and calls are not looked for
    bool holds_calls;  // by a grammar, so that what began as a call is one
    bool is_one_call;  // the first one ends the answer
    bool is_stream;    // events as they come
    size_t n_choices;
    size_t owner; // whose it is: only what the same asked before is used again
    const rg_writer *writer;
    void *writing;

    rg_feed out;
    const char *stop_string; // of the generate options, that ended the choice; NULL: none did
    rg_usage usage;
    size_t at_choice;
    rg_fault fault; // written before `out` ends
    bool has_begun; // likewise: the writer did

    unsigned refs;        // atomic
    bool is_cancelled;    // atomic: rg_job_is_cancelled
    struct rg_job *next;  // in the queue
    struct rg_slot *slot; // that works on it
    uint64_t asked_ns;
};

/** Owned by the caller: rg_job_release. NULL when memory is short. */
rg_job *rg_job_new(const rg_mem *mem, size_t owner);
void rg_job_release(rg_job *job);
/** Append to the prompt. @param ids  taken, raga_free */
bool rg_job_prompt(rg_job *job, int32_t *ids, size_t n, rg_fault *fault);
/** Nobody wants it any more: seen at the next token or chunk. Threads: any thread. */
void rg_job_mark_cancelled(rg_job *job);
bool rg_job_is_cancelled(const rg_job *job);
/** Put the line into the feed between these; the line is empty afterwards. A line that found no
 * memory, or a client that takes none, cancels the job. */
void rg_job_put(rg_job *job, const char *before, rg_buf *line, const char *after);
/** Its last words, or job->fault. */
void rg_job_end(rg_job *job);

typedef struct rg_jobs_options {
    size_t n_slots; // sessions, each with a thread
    size_t n_queue; // jobs that may wait
} rg_jobs_options;

/** @param model  must outlive it */
rg_status rg_jobs_new(const rg_mem *mem, raga_model *model, const rg_jobs_options *options,
                      rg_jobs **out, rg_error *err) RG_MUST_CHECK;
/** Cancels what is left. */
void rg_jobs_free(rg_jobs *jobs);

/** Have a job done; false: the queue is full, or nothing is taken any more. job->out ends when it
 * is done. */
bool rg_jobs_submit(rg_jobs *jobs, rg_job *job, rg_fault *fault);
/** Nobody wants it any more. */
void rg_jobs_cancel(rg_jobs *jobs, rg_job *job);
/** Take no more; what waits is refused, what runs may go on for so long, then it is cut short. */
void rg_jobs_drain(rg_jobs *jobs, unsigned grace_ms);

/** Numbers since the start, and of now. */
typedef struct rg_counts {
    size_t n_slots, n_running, n_waiting;
    uint64_t n_done, n_failed, n_cancelled, n_rejected;
    uint64_t n_prompt, n_cached, n_generated; // tokens
    double wait_s, prompt_s, generate_s;
} rg_counts;

void rg_jobs_count(rg_jobs *jobs, rg_counts *out);

/** Do a job on a session, all but its end (rg_job_end): job_run.c. */
void rg_job_run(rg_job *job, raga_model *model, raga_session *session);
