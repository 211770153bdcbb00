/* Generation: evaluate, draw, decode, until something stops it. */
#include "api/api_internal.h"
#include "api/api_speculate.h"
#include "api/api_thought.h"

#include "base/clock.h"
#include "chat/dialect.h"
#include "sample/sampler.h"
#include "sample/stop.h"

#include <math.h>
#include <sys/random.h>

/** Tokens when neither the caller nor the context says less: a runaway answer ends here. */
enum { TOKENS_DEFAULT_MAX = 4096 };

typedef struct generation {
    raga_session *s;
    const raga_generate_options *o;
    rg_sampler *sampler;
    rg_stop stop;
    rg_detokenizer detokenizer;
    rg_buf text;  // certain, not yet past the stop strings
    rg_buf ready; // past them: handed out with the next step
    raga_step_fn *step;
    void *arg;
    raga_result result;
    api_thought thought;
    api_speculation speculation;
    size_t most; // tokens
    int32_t id;  // that was drawn last
    bool is_done;
} generation;

static float either(float given, float model, float otherwise) {
    return given != 0 ? given : !isnan(model) ? model : otherwise;
}

// the caller's choice, else the model's, else what suits most models
static rg_sampler_params read_params(const raga_generate_options *o, const api_defaults *d) {
    rg_sampler_params p = rg_sampler_params_off();
    p.temperature = o->has_temperature             ? o->temperature
                    : o->is_greedy || d->is_greedy ? 0
                                                   : either(0, d->temperature, 0.8f);
    p.temperature = o->is_greedy ? 0 : p.temperature;
    p.top_k = o->top_k != 0 ? o->top_k : d->top_k >= 0 ? d->top_k : 40;
    p.top_k = p.top_k < 0 ? 0 : p.top_k;
    p.top_p = either(o->top_p, d->top_p, 0.95f);
    p.min_p = either(o->min_p, d->min_p, 0.05f);
    p.min_p = o->min_p < 0 ? 0 : p.min_p;
    p.typical_p = either(o->typical_p, NAN, 1);
    p.repetition_penalty = either(o->repetition_penalty, d->repetition_penalty, 1);
    p.presence_penalty = o->presence_penalty;
    p.frequency_penalty = o->frequency_penalty;
    p.last_n = o->penalty_last_n != 0 ? o->penalty_last_n : 64;
    p.seed = o->seed;
    return p;
}

static uint64_t choose_seed(void) {
    uint32_t seed = 0;
    // 32 bits: short enough to be typed again
    return getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed ? seed
                                                                    : rg_clock_ns() & 0xFFFFFFFF;
}

static rg_status new_sampler(generation *g, rg_error *err) {
    rg_status status = RG_OK;
    const raga_model *m = g->s->model;
    rg_sampler_params p = read_params(g->o, &m->defaults);
    rg_bias *bias = rg_new_array(rg_mem_heap(), g->o->n_bias + 1, sizeof *bias);
    if (bias == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu biases", g->o->n_bias);
    }
    for (size_t i = 0; i < g->o->n_bias; i++) {
        bias[i] = (rg_bias){g->o->bias[i].id, g->o->bias[i].bias};
    }
    p.seed = g->o->has_seed ? g->o->seed : choose_seed();
    p.bias = bias;
    p.n_bias = g->o->n_bias;
    g->result.seed = p.seed;
    status = rg_sampler_new(rg_mem_heap(), &p, m->model->h.n_vocab, &g->sampler, err);
    rg_free(rg_mem_heap(), bias);
    return status;
}

// hand out what is ready; false when the caller has had enough
static bool emit(generation *g, int32_t id, const float *logits) {
    rg_logprob top[RG_SAMPLER_LOGPROBS_MAX];
    raga_choice choices[RG_SAMPLER_LOGPROBS_MAX];
    bool goes_on = true;
    if (g->step != NULL) {
        const size_t n_top =
            g->o->n_logprobs < RG_SAMPLER_LOGPROBS_MAX ? g->o->n_logprobs : RG_SAMPLER_LOGPROBS_MAX;
        raga_step step = {.size = sizeof step,
                          .id = id,
                          .text = rg_buf_cstr(&g->ready),
                          .text_size = g->ready.size,
                          .top = choices,
                          .n_top = logits == NULL ? 0 : n_top};
        if (logits != NULL && g->o->n_logprobs != 0) {
            step.logprob = rg_logprobs(logits, g->s->model->model->h.n_vocab, id, top, n_top);
            for (size_t i = 0; i < n_top; i++) {
                choices[i] = (raga_choice){top[i].id, top[i].logprob};
            }
        }
        goes_on = g->step(g->arg, &step);
    }
    g->ready.size = 0;
    return goes_on;
}

static void put_token(generation *g, int32_t id) {
    const rg_tokenizer *tok = g->s->model->tokenizer.tokenizer;
    const rg_str bytes = rg_tokenizer_bytes(tok, id);
    if (g->o->has_markers && rg_tokenizer_type(tok, id) == RG_TOKEN_CONTROL &&
        rg_dialect_is_marker(bytes)) {
        rg_detokenizer_flush(&g->detokenizer, &g->text);
        rg_buf_str(&g->text, bytes);
    } else {
        rg_detokenizer_put(&g->detokenizer, tok, id, &g->text);
    }
}

// one token: drawn, counted, decoded, handed out; is_done is set with the reason when it was the
// last. guess: number of the guess at it, if there is one
static rg_status take(generation *g, size_t guess, rg_error *err) {
    const raga_model *m = g->s->model;
    const float *logits = rg_session_logits(g->s->session);
    int32_t id = -1;
    bool has_hit = false;
    rg_status status = RG_OK;
    id = api_thought_next(&g->thought);
    const bool is_free = g->o->grammar == NULL || (g->o->grammar_after_thought && g->thought.is_in);
    if (id < 0 && is_free) {
        status = api_speculation_draw(&g->speculation, guess, logits, &id, err);
    } else if (id < 0) {
        status = api_grammar_draw(g->o->grammar, m, g->sampler, logits, &id, err);
    }
    if (status != RG_OK) {
        return status;
    }
    g->id = id;
    g->is_done = true;
    if (id < 0) {
        g->result.stop = "end";
        return RG_OK;
    }
    if (!g->o->ignore_end && api_is_end(m, id)) {
        g->result.stop = "end";
        return RG_OK;
    }
    rg_sampler_accept(g->sampler, id);
    g->result.n_generated++;
    if (g->o->grammar != NULL && !(g->o->grammar_after_thought && g->thought.is_in)) {
        status = api_grammar_accept(g->o->grammar, m, id, err);
        if (status != RG_OK) {
            return status;
        }
    }
    if (m->tokenizer.tokenizer != NULL) {
        api_thought_take(&g->thought, rg_tokenizer_bytes(m->tokenizer.tokenizer, id));
        put_token(g, id);
        status = rg_stop_feed(&g->stop, rg_buf_view(&g->text), &g->ready, &has_hit, err);
        g->text.size = 0;
        if (status != RG_OK) {
            return status;
        }
    }
    if (!emit(g, id, logits)) {
        g->result.stop = "cancelled";
        return RG_OK;
    }
    if (has_hit) {
        g->result.stop = "stop";
        g->result.stop_string = g->o->stop[g->stop.which];
        return RG_OK;
    }
    if (g->result.n_generated == g->most) {
        g->result.stop = "length";
        return RG_OK;
    }
    if (rg_session_count(g->s->session) == raga_model_ctx(m)) {
        g->result.stop = "context";
        return RG_OK;
    }
    g->is_done = false;
    return RG_OK;
}

// one step of the model: the token that was drawn last and guesses after it, as many as are right
static rg_status advance(generation *g, rg_error *err) {
    rg_session *session = g->s->session;
    api_speculation *sp = &g->speculation;
    rg_status status = RG_OK;
    const size_t room = raga_model_ctx(g->s->model) - rg_session_count(session) - 1;
    const size_t wanted = g->most - g->result.n_generated - 1; // the last one needs no step
    RG_TRY(api_speculation_draft(sp, session, g->id, room < wanted ? room : wanted, err));
    // asked for between two steps: the next one would forget it
    if (rg_session_is_cancelled(session)) {
        return rg_fail(err, RG_E_CANCELLED, "stopped on request");
    }
    RG_TRY(rg_session_guess(session, sp->ids, sp->n + 1, err));
    g->result.n_steps++;
    g->result.n_guessed += sp->n;
    for (size_t i = 0;; i++) {
        RG_TRY(take(g, i, err));
        if (i == sp->n || g->id != sp->ids[i + 1]) {
            break;
        }
        g->result.n_accepted++;
        if (g->is_done || !rg_session_accept(session)) {
            break;
        }
    }

done:
    return status;
}

static rg_status run(generation *g, const int32_t *ids, size_t n, rg_error *err) {
    rg_status status = RG_OK;
    const uint64_t begin = rg_clock_ns();
    if (n != 0) {
        RG_TRY(rg_session_eval(g->s->session, ids, n, NULL, NULL, err));
    } else if (rg_session_logits(g->s->session) == NULL) {
        return rg_fail(err, RG_E_ARG, "nothing to go on from: the prompt is empty");
    }
    const uint64_t middle = rg_clock_ns();
    g->result.n_prompt = rg_session_count(g->s->session);
    g->result.prompt_s = (double)(middle - begin) * 1e-9;
    for (size_t i = 0; i < g->result.n_prompt; i++) {
        rg_sampler_accept(g->sampler, rg_session_ids(g->s->session)[i]);
    }
    const bool waits = g->o->grammar != NULL && g->o->grammar_after_thought &&
                       api_dialect(g->s->model)->think_close.size != 0;
    if (g->o->has_think_budget || waits) {
        const size_t budget = g->o->has_think_budget ? g->o->think_budget : SIZE_MAX;
        RG_TRY(api_thought_begin(&g->thought, g->s->model, rg_session_ids(g->s->session),
                                 g->result.n_prompt, budget, err));
    }
    const size_t left = raga_model_ctx(g->s->model) - g->result.n_prompt + 1;
    size_t most = g->o->max_tokens != 0 ? g->o->max_tokens : TOKENS_DEFAULT_MAX;
    g->most = most < left ? most : left;
    status = take(g, SIZE_MAX, err);
    while (!g->is_done && status == RG_OK) {
        status = advance(g, err);
    }
    g->result.generate_s = (double)(rg_clock_ns() - middle) * 1e-9;
    if (status == RG_E_CANCELLED) {
        g->result.stop = "cancelled";
        status = RG_OK;
    }
    // what was held back for a stop string or an unfinished character
    if (status == RG_OK && strcmp(g->result.stop, "stop") != 0) {
        rg_detokenizer_flush(&g->detokenizer, &g->text);
        rg_stop_flush(&g->stop, &g->ready);
        rg_buf_str(&g->ready, rg_buf_view(&g->text));
        if (g->ready.size != 0) {
            (void)emit(g, -1, NULL);
        }
    }

done:
    return status;
}

raga_status raga_generate(raga_session *session, const int32_t *ids, size_t n,
                          const raga_generate_options *options, raga_step_fn *step, void *arg,
                          raga_result *result, raga_error *error) {
    rg_error err = {0};
    raga_generate_options o = {0};
    rg_status status = RG_OK;
    if (session == NULL || (ids == NULL && n != 0) ||
        (options != NULL && options->size < sizeof options->size)) {
        return api_bad(error, "no session, no ids, or options without their size");
    }
    if (options != NULL) {
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    if (o.grammar != NULL && o.grammar->offer != session->model->offer) {
        return api_bad(error, "the grammar was made for another model");
    }
    generation g = {.s = session, .o = &o, .step = step, .arg = arg, .result = {.stop = "end"}};
    rg_buf_init(&g.text, rg_mem_heap(), 0);
    rg_buf_init(&g.ready, rg_mem_heap(), 0);
    RG_TRY(rg_stop_init(&g.stop, rg_mem_heap(), o.stop, o.n_stop, &err));
    RG_TRY(new_sampler(&g, &err));
    api_speculation_begin(&g.speculation, session->model, &o, g.sampler);
    if (o.grammar != NULL) {
        api_grammar_begin(o.grammar);
    }
    status = run(&g, ids, n, &err);
    if (status == RG_OK && result != NULL) {
        g.result.size = result->size;
        memcpy(result, &g.result, result->size < sizeof g.result ? result->size : sizeof g.result);
    }

done:
    api_thought_end(&g.thought);
    api_speculation_end(&g.speculation);
    rg_sampler_free(g.sampler);
    if (g.stop.mem != NULL) {
        rg_stop_clear(&g.stop);
    }
    rg_buf_clear(&g.text);
    rg_buf_clear(&g.ready);
    return api_fail(error, status, &err);
}
