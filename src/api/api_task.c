/* Tasks with known answers: prompts and answers are made here, judged in lab/. */
#include "api/api_internal.h"

#include "lab/stats.h"
#include "lab/task.h"
#include "raga/eval.h"

enum { ANSWER_TOKENS = 256, TREE_BYTES_MAX = 256 << 20 };

/** A task under way. */
typedef struct host {
    raga_model *model;
    raga_task_options o;
    raga_session *session; // of answers to prompts and under a schema
    raga_responder *responder;
} host;

// ---- prompts ----

static rg_status messages_ids(const host *h, const rg_json *item, rg_ids *out, rg_error *err) {
    const rg_json *tools = rg_json_find(item, "tools");
    const bool has_tools = tools != NULL && tools->kind == RG_JSON_ARRAY && tools->n > 0;
    const rg_chat_request request = {.messages = rg_json_find(item, "messages"),
                                     .tools = has_tools ? tools : NULL,
                                     .kwargs = rg_json_find(item, "kwargs"),
                                     .add_generation_prompt = true};
    if (request.messages->kind != RG_JSON_ARRAY || request.messages->n == 0) {
        return rg_fail(err, RG_E_FORMAT, "\"messages\" is no list of messages");
    }
    return api_chat_ids(h->model, &request, out, err);
}

static rg_status prompt_ids(void *self, const rg_json *item, rg_ids *out, rg_error *err) {
    const host *h = self;
    rg_status status = RG_OK;
    rg_str prompt = {0};
    rg_str question = {0};
    rg_buf text;
    if (rg_json_find(item, "messages") != NULL) {
        return messages_ids(h, item, out, err);
    }
    rg_buf_init(&text, rg_mem_heap(), 0);
    if (rg_json_str(rg_json_find(item, "prompt"), &prompt)) {
        rg_buf_str(&text, prompt);
    } else if (rg_json_str(rg_json_find(item, "question"), &question)) {
        rg_buf_str(&text, RG_STR("Question: "));
        rg_buf_str(&text, question);
        rg_buf_str(&text, RG_STR("\nAnswer:"));
    } else {
        status = rg_fail(err, RG_E_FORMAT,
                         "there is neither \"messages\" nor \"prompt\" nor "
                         "\"question\"");
        goto done;
    }
    RG_TRY(rg_buf_check(&text, "a prompt", err));
    RG_TRY(rg_tokenizer_encode_chat(h->model->tokenizer.tokenizer, rg_buf_view(&text), NULL, 0,
                                    NULL, 0, out, err));

done:
    rg_buf_clear(&text);
    return status;
}

// ---- answers ----

static bool keep_text(void *arg, const raga_step *step) {
    rg_buf_put(arg, step->text, step->text_size);
    return true;
}

// the pages that the engine has may be those of one session
static void forget(const host *h) {
    if (h->session != NULL) {
        raga_session_truncate(h->session, 0);
    }
    if (h->responder != NULL) {
        raga_session_truncate(raga_responder_session(h->responder), 0);
    }
}

// an answer to ids, under a schema or up to the end of its line
static rg_status generate(host *h, const rg_ids *ids, const rg_json *schema, rg_buf *out,
                          rg_error *err) {
    static const char *const line_end[] = {"\n"};
    raga_error error = {0};
    raga_grammar *grammar = NULL;
    raga_status status = RAGA_OK;
    rg_buf text;
    rg_buf_init(&text, rg_mem_heap(), 0);
    if (schema != NULL) {
        rg_json_write(&text, schema);
        status = raga_grammar_of_schema(h->model, rg_buf_cstr(&text), text.size, &grammar, &error);
    }
    if (status == RAGA_OK && h->session == NULL) {
        status = raga_session_new(h->model, &h->session, &error);
    }
    if (status == RAGA_OK) {
        const raga_generate_options options = {.size = sizeof options,
                                               .max_tokens = h->o.max_tokens,
                                               .is_greedy = true,
                                               .repetition_penalty = 1,
                                               .stop = line_end,
                                               .n_stop = schema == NULL ? 1 : 0,
                                               .grammar = grammar};
        forget(h);
        status = raga_generate(h->session, rg_ids_data(ids), rg_ids_count(ids), &options, keep_text,
                               out, NULL, &error);
    }
    raga_grammar_free(grammar);
    rg_buf_clear(&text);
    return status == RAGA_OK ? rg_buf_check(out, "an answer", err)
                             : rg_fail(err, (rg_status)status, "%s", error.text);
}

// a conversation goes the way it is served
static rg_status respond(host *h, rg_str line, bool wants_calls, rg_buf *out, rg_error *err) {
    raga_error error = {0};
    char *answer = NULL;
    size_t size = 0;
    rg_arena arena;
    const rg_json *root = NULL;
    rg_str text = {0};
    raga_status status = RAGA_OK;
    if (h->responder == NULL) {
        const raga_responder_options options = {.size = sizeof options,
                                                .max_tokens = h->o.max_tokens,
                                                .default_tools = h->o.default_tools};
        status = raga_responder_new(h->model, &options, &h->responder, &error);
    }
    if (h->session != NULL) {
        raga_session_truncate(h->session, 0);
    }
    if (status == RAGA_OK) {
        status = raga_respond_json_line(h->responder, line.data, line.size, &answer, &size, &error);
    }
    if (status != RAGA_OK) {
        return rg_fail(err, (rg_status)status, "%s", error.text);
    }
    rg_arena_init(&arena, rg_mem_heap(), TREE_BYTES_MAX);
    rg_status done = rg_json_parse(&arena, (rg_str){answer, size}, &root, err);
    if (done == RG_OK && rg_json_str(rg_json_find(root, "error"), &text)) {
        done = rg_fail(err, RG_E_FORMAT, "%.*s", RG_FMT(text));
    } else if (done == RG_OK && wants_calls) {
        rg_json_write(out, rg_json_find(root, "calls"));
    } else if (done == RG_OK && rg_json_str(rg_json_find(root, "reply"), &text)) {
        rg_buf_str(out, text);
    }
    rg_arena_clear(&arena);
    raga_free(answer);
    return done == RG_OK ? rg_buf_check(out, "an answer", err) : done;
}

static rg_status answer(void *self, rg_task_kind kind, const rg_json *item, rg_str line,
                        rg_buf *out, rg_error *err) {
    // any value: a raw prompt would never end otherwise
    static const rg_json anything = {.kind = RG_JSON_OBJECT};
    host *h = self;
    rg_status status = RG_OK;
    rg_ids ids;
    const bool is_chat = rg_json_find(item, "messages") != NULL;
    const bool wants_calls = kind == RG_TASK_JSON && rg_json_find(item, "calls") != NULL;
    const rg_json *schema = kind == RG_TASK_JSON ? rg_json_find(item, "schema") : NULL;
    if (wants_calls && !is_chat) {
        return rg_fail(err, RG_E_FORMAT,
                       "\"calls\" are answers to \"messages\", which are missing");
    }
    if (is_chat && (schema == NULL || wants_calls)) {
        return respond(h, line, wants_calls, out, err);
    }
    if (schema == NULL && kind == RG_TASK_JSON) {
        schema = &anything;
    }
    rg_ids_init(&ids, rg_mem_heap());
    RG_TRY(prompt_ids(h, item, &ids, err));
    RG_TRY(generate(h, &ids, schema, out, err));

done:
    rg_ids_clear(&ids);
    return status;
}

// ---- the public side ----

static bool tell(void *arg, const rg_task_item *item, double share) {
    const host *h = arg;
    const raga_task_item all = {.size = sizeof all,
                                .file = item->file,
                                .line = item->line,
                                .is_right = item->is_right,
                                .is_right_by_length = item->is_right_by_length,
                                .expected = item->expected.data,
                                .expected_size = item->expected.size,
                                .given = item->given.data,
                                .given_size = item->given.size};
    return h->o.tell == NULL || h->o.tell(h->o.arg, &all, share);
}

static void warn(void *arg, const char *file, size_t line, const char *why) {
    const host *h = arg;
    if (h->o.warn != NULL) {
        h->o.warn(h->o.arg, file, line, why);
    }
}

static rg_status find_task(const char *name, rg_task_kind *kind, rg_error *err) {
    for (*kind = 0; *kind < RG_TASK_KINDS; (*kind)++) {
        if (strcmp(rg_task_name(*kind), name) == 0) {
            return RG_OK;
        }
    }
    return rg_fail(err, RG_E_NOT_FOUND, "there is no task \"%.40s\": choice, exact and json are",
                   name);
}

static void give_result(rg_task_kind kind, const rg_task_result *r, raga_task_result *out) {
    const rg_share share = rg_wilson(r->n_right, r->n);
    const rg_share other = rg_wilson(r->n_right_by_length, r->n);
    const raga_task_result all = {.size = out->size,
                                  .n = r->n,
                                  .n_right = r->n_right,
                                  .n_bad = r->n_bad,
                                  .accuracy = share.value,
                                  .low = share.low,
                                  .high = share.high,
                                  .has_by_length = kind == RG_TASK_CHOICE,
                                  .n_right_by_length = r->n_right_by_length,
                                  .accuracy_by_length = other.value,
                                  .low_by_length = other.low,
                                  .high_by_length = other.high};
    memcpy(out, &all, out->size < sizeof all ? out->size : sizeof all);
}

raga_status raga_eval_task(raga_model *model, const raga_task_options *options,
                           raga_task_result *out, raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    rg_task_kind kind = RG_TASK_CHOICE;
    rg_task_result result;
    host h = {.model = model};
    if (model == NULL || options == NULL || out == NULL) {
        return api_bad(error, "a model, options and a place for the result are needed");
    }
    memcpy(&h.o, options, options->size < sizeof h.o ? options->size : sizeof h.o);
    if (h.o.task == NULL || h.o.data == NULL || h.o.n_data == 0) {
        return api_bad(error, "a task and data are needed");
    }
    h.o.max_tokens = h.o.max_tokens == 0 ? ANSWER_TOKENS : h.o.max_tokens;
    RG_TRY(find_task(h.o.task, &kind, &err));
    if (model->engine == NULL || model->tokenizer.tokenizer == NULL) {
        status = rg_fail(&err, RG_E_ARG, "%s has no tokenizer, or was opened for its facts alone",
                         model->name);
        goto done;
    }
    const rg_task_options how = {.kind = kind,
                                 .files = h.o.data,
                                 .n_files = h.o.n_data,
                                 .n_items_most = h.o.n_items_most,
                                 .engine = model->engine,
                                 .tokenizer = model->tokenizer.tokenizer,
                                 .n_vocab = model->model->h.n_vocab,
                                 .host = {.self = &h, .ids = prompt_ids, .answer = answer},
                                 .tell = tell,
                                 .warn = warn,
                                 .arg = &h};
    RG_TRY(rg_task_run(rg_mem_heap(), &how, &result, &err));
    give_result(kind, &result, out);

done:
    raga_responder_free(h.responder);
    raga_session_free(h.session);
    return api_fail(error, status, &err);
}
