/* One job on one session: the prompt, then each choice. */
#include "serve/job.h"

#include "base/clock.h"

enum { PROMPT_END_TOKENS = 8 }; // looked at for reasoning that the prompt opens

typedef struct run {
    rg_job *job;
    raga_model *model;
    raga_session *session;
    raga_answer *answer;
    raga_piece_kind place; // of what came last
    size_t n_calls;
    raga_error err; // of reading the answer
} run;

static void take_piece(void *arg, const raga_piece *piece) {
    run *r = arg;
    r->place = piece->kind;
    r->n_calls += piece->kind == RAGA_PIECE_CALL_END;
    r->job->writer->piece(r->job, piece);
}

static bool take_step(void *arg, const raga_step *step) {
    run *r = arg;
    rg_job *job = r->job;
    if (rg_job_is_cancelled(job)) {
        return false;
    }
    job->writer->token(job, step);
    if (job->is_raw) {
        const raga_piece piece = {.size = sizeof piece,
                                  .kind = RAGA_PIECE_TEXT,
                                  .text = step->text,
                                  .text_size = step->text_size};
        job->writer->piece(job, &piece);
    } else if (raga_answer_feed(r->answer, step->text, step->text_size, &r->err) != RAGA_OK) {
        return false;
    }
    job->usage.n_reasoning += step->id >= 0 && r->place == RAGA_PIECE_REASONING;
    return !(job->is_one_call && r->n_calls != 0);
}

// a new reader for what the model writes behind these ids
static raga_status open_answer(run *r, const int32_t *ids, size_t n, raga_error *err) {
    const size_t from = n > PROMPT_END_TOKENS ? n - PROMPT_END_TOKENS : 0;
    char *end = NULL;
    size_t size = 0;
    raga_answer_free(r->answer);
    r->answer = NULL;
    r->place = RAGA_PIECE_TEXT;
    r->n_calls = 0;
    raga_status status = raga_detokenize_bytes(raga_model_tokenizer(r->model), ids + from, n - from,
                                               &end, &size, err);
    if (status == RAGA_OK) {
        status = raga_answer_new_of_tools(raga_model_dialect(r->model), r->job->tools, end, size,
                                          take_piece, r, &r->answer, err);
    }
    raga_free(end);
    return status;
}

// does the prompt leave room for an answer?
static bool fits(run *r, size_t n) {
    const size_t n_ctx = raga_model_ctx(r->model);
    if (n < n_ctx) {
        return true;
    }
    rg_fault_set(&r->job->fault, 400, r->job->is_raw ? "prompt" : "messages",
                 "the prompt has %zu tokens, the context %zu: nothing was cut, nothing was "
                 "generated",
                 n, n_ctx);
    r->job->fault.code = "context_length_exceeded";
    return false;
}

static raga_status generate(run *r, const int32_t *ids, size_t n, raga_result *result,
                            raga_error *err) {
    rg_job *job = r->job;
    raga_generate_options options = job->generate;
    size_t at = 0;
    // a little at a time, so that other sessions get their turn and a client's leaving is noticed
    while (n - at > RG_JOB_CHUNK_TOKENS && !rg_job_is_cancelled(job)) {
        const raga_status status =
            raga_session_eval(r->session, ids + at, RG_JOB_CHUNK_TOKENS, NULL, NULL, err);
        if (status != RAGA_OK) {
            return status;
        }
        at += RG_JOB_CHUNK_TOKENS;
    }
    if (rg_job_is_cancelled(job)) {
        err->status = RAGA_E_CANCELLED;
        return RAGA_E_CANCELLED;
    }
    options.seed += job->at_choice;
    raga_status status =
        raga_generate(r->session, ids + at, n - at, &options, take_step, r, result, err);
    if (status == RAGA_OK && r->err.status != RAGA_OK) {
        *err = r->err;
        status = r->err.status;
    }
    if (status == RAGA_OK && r->answer != NULL) {
        status = raga_answer_finish(r->answer, err);
    }
    return status;
}

static rg_finish finish_of(const run *r, const raga_result *result) {
    return r->n_calls != 0 ? RG_FINISH_CALLS
           : strcmp(result->stop, "length") == 0 || strcmp(result->stop, "context") == 0
               ? RG_FINISH_LENGTH
               : RG_FINISH_STOP;
}

// one choice; the first one begins the answer
static raga_status choose(run *r, raga_error *err) {
    rg_job *job = r->job;
    raga_result result = {.size = sizeof result, .stop = ""};
    int32_t *rest = NULL;
    size_t n = 0;
    const uint64_t begin = rg_clock_ns();
    raga_status status = raga_session_continue(r->session, job->pictures, job->n_pictures, job->ids,
                                               job->n_ids, &rest, &n, err);
    const size_t n_cached = raga_session_count(r->session);
    if (status == RAGA_OK && job->at_choice == 0) {
        job->usage.n_cached = n_cached;
        job->usage.n_prompt = n_cached + n;
        if (!fits(r, n_cached + n)) {
            raga_free(rest);
            return RAGA_E_LIMIT;
        }
    }
    if (status == RAGA_OK) {
        job->has_begun = true;
        job->writer->begin(job);
    }
    if (status == RAGA_OK && !job->is_raw) {
        status = open_answer(r, job->ids, job->n_ids, err);
    }
    if (status == RAGA_OK) {
        status = generate(r, rest, n, &result, err);
    }
    raga_free(rest);
    job->usage.n_generated += result.n_generated;
    job->usage.prompt_s += (double)(rg_clock_ns() - begin) * 1e-9 - result.generate_s;
    job->usage.generate_s += result.generate_s;
    job->stop_string = result.stop_string;
    if (status == RAGA_OK && !rg_job_is_cancelled(job)) {
        job->writer->choice(job, finish_of(r, &result));
    }
    return status;
}

void rg_job_run(rg_job *job, raga_model *model, raga_session *session) {
    raga_error err = {0};
    raga_status status = RAGA_OK;
    run r = {.job = job, .model = model, .session = session};
    for (job->at_choice = 0;
         job->at_choice < job->n_choices && status == RAGA_OK && !rg_job_is_cancelled(job);
         job->at_choice++) {
        status = choose(&r, &err);
    }
    raga_answer_free(r.answer);
    if (job->fault.status != 0) {
        return; // said at the cause
    }
    if (rg_job_is_cancelled(job)) {
        rg_fault_set(&job->fault, 503, NULL, "the answer was cut short: the server stops");
    } else if (status != RAGA_OK) {
        rg_fault_of(&job->fault, NULL, &err);
    }
}
