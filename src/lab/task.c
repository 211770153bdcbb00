#include "lab/task.h"

#include "base/file.h"
#include "lab/judge.h"
#include "lab/score.h"

#include <math.h>

enum { TREE_BYTES_MAX = 256 << 20 };

/** A task under way. */
typedef struct job {
    const rg_mem *mem;
    const rg_task_options *o;
    rg_session *session; // of choices
    rg_task_result *result;
    rg_buf answer;
    rg_buf expected; // as people read it
    rg_ids prompt;
    rg_ids ids;
    double share;
    rg_error *err;
} job;

/** A choice's sum of log p. */
typedef struct choice_sum {
    const int32_t *targets;
    size_t first; // position of the logits that speak of targets[0]
    double sum;
} choice_sum;

const char *rg_task_name(rg_task_kind kind) {
    static const char *const names[RG_TASK_KINDS] = {"choice", "exact", "json"};
    return names[kind];
}

// ---- choices ----

static rg_status add_logprob(void *arg, size_t pos, const float *logits, size_t n_vocab,
                             rg_error *err) {
    choice_sum *c = arg;
    const double log_p = rg_score_logprob(logits, n_vocab, c->targets[pos - c->first]);
    c->sum += log_p;
    return isfinite(log_p)
               ? RG_OK
               : rg_fail(err, RG_E_NUMERIC, "the logits at position %zu are not finite", pos);
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t';
}

// log p of a choice behind the prompt, of which all but the last token is in the session
static rg_status weigh(job *j, rg_str choice, bool has_template, double *sum) {
    rg_status status = RG_OK;
    const size_t n = rg_ids_count(&j->prompt);
    rg_buf text;
    rg_buf_init(&text, j->mem, 0);
    // words stand apart; what a template writes ends where the answer begins
    rg_tokenizer_join(j->o->tokenizer, &rg_ids_data(&j->prompt)[n - 1], 1, &text);
    const bool is_apart = (text.size > 0 && is_space(text.data[text.size - 1])) ||
                          (choice.size > 0 && is_space(choice.data[0]));
    text.size = 0;
    // behind a text, where no space is added by the tokenizer: behind this line end
    rg_token_cut cut = {.at = 1};
    rg_buf_str(&text, has_template || is_apart ? RG_STR("\n") : RG_STR("\n "));
    rg_buf_str(&text, choice);
    RG_TRY(rg_buf_check(&text, "a choice", j->err));
    j->ids.buf.size = 0;
    RG_TRY(rg_tokenizer_encode_chat(j->o->tokenizer, rg_buf_view(&text), NULL, 0, &cut, 1, &j->ids,
                                    j->err));
    RG_TRY(rg_buf_check(&j->ids.buf, "token ids", j->err));
    if (cut.n_ids == 0) {
        status = rg_fail(j->err, RG_E_UNSUPPORTED, "the tokenizer has no token for a line end");
        goto done;
    }
    // the prompt's last token in front: its logits speak of the choice's first
    int32_t *ids = (int32_t *)(void *)j->ids.buf.data + cut.n_ids - 1;
    const size_t n_ids = rg_ids_count(&j->ids) - cut.n_ids + 1;
    ids[0] = rg_ids_data(&j->prompt)[n - 1];
    choice_sum c = {.targets = ids + 1, .first = n - 1};
    rg_session_truncate(j->session, n - 1);
    RG_TRY(rg_session_eval(j->session, ids, n_ids - 1, add_logprob, &c, j->err));
    *sum = c.sum;

done:
    rg_buf_clear(&text);
    return status;
}

// which choice an item calls right: by number or by its text
static rg_status right_choice(job *j, const rg_json *item, const rg_json *choices, size_t *right) {
    const rg_json *answer = rg_json_find(item, "answer");
    int64_t number = 0;
    rg_str text = {0};
    if (rg_json_i64(answer, &number) && number >= 0 && (uint64_t)number < choices->n) {
        *right = (size_t)number;
        return RG_OK;
    }
    if (rg_json_str(answer, &text)) {
        for (size_t i = 0; i < choices->n; i++) {
            if (rg_str_eq(choices->items[i].text, text)) {
                *right = i;
                return RG_OK;
            }
        }
    }
    return rg_fail(j->err, RG_E_FORMAT,
                   "\"answer\" is neither one of the %zu choices nor a number from 0 to %zu",
                   choices->n, choices->n - 1);
}

static rg_status check_choices(job *j, const rg_json *choices) {
    if (choices == NULL || choices->kind != RG_JSON_ARRAY || choices->n < 2 ||
        choices->n > RG_TASK_CHOICES_MAX) {
        return rg_fail(j->err, RG_E_FORMAT, "\"choices\" is no list of 2 to %d texts",
                       RG_TASK_CHOICES_MAX);
    }
    for (size_t i = 0; i < choices->n; i++) {
        if (choices->items[i].kind != RG_JSON_STRING || choices->items[i].text.size == 0) {
            return rg_fail(j->err, RG_E_FORMAT, "choice %zu is no text", i);
        }
    }
    return RG_OK;
}

static rg_status judge_choice(job *j, const rg_json *item, rg_task_item *told) {
    rg_status status = RG_OK;
    const rg_json *choices = rg_json_find(item, "choices");
    const bool has_template = rg_json_find(item, "messages") != NULL;
    size_t right = 0;
    size_t best = 0;
    size_t best_by_length = 0;
    double most = -INFINITY;
    double most_by_length = -INFINITY;
    RG_TRY(check_choices(j, choices));
    RG_TRY(right_choice(j, item, choices, &right));
    j->prompt.buf.size = 0;
    RG_TRY(j->o->host.ids(j->o->host.self, item, &j->prompt, j->err));
    const size_t n = rg_ids_count(&j->prompt);
    if (n == 0) {
        status = rg_fail(j->err, RG_E_FORMAT, "the prompt is empty");
        goto done;
    }
    rg_session_truncate(j->session, 0);
    if (n > 1) {
        RG_TRY(rg_session_eval(j->session, rg_ids_data(&j->prompt), n - 1, NULL, NULL, j->err));
    }
    for (size_t i = 0; i < choices->n; i++) {
        double sum = 0;
        RG_TRY(weigh(j, choices->items[i].text, has_template, &sum));
        const double by_length = sum / (double)choices->items[i].text.size;
        if (sum > most) {
            most = sum;
            best = i;
        }
        if (by_length > most_by_length) {
            most_by_length = by_length;
            best_by_length = i;
        }
    }
    told->is_right = best == right;
    told->is_right_by_length = best_by_length == right;
    told->expected = choices->items[right].text;
    told->given = choices->items[best].text;

done:
    return status;
}

// ---- answers ----

static rg_status judge_exact(job *j, const rg_json *item, rg_str line, rg_task_item *told) {
    rg_status status = RG_OK;
    const rg_json *answer = rg_json_find(item, "answer");
    const bool is_list = answer != NULL && answer->kind == RG_JSON_ARRAY;
    const size_t n = is_list ? answer->n : 1;
    for (size_t i = 0; i < n; i++) {
        const rg_json *one = is_list ? &answer->items[i] : answer;
        if (one == NULL || (one->kind != RG_JSON_STRING && one->kind != RG_JSON_NUMBER)) {
            return rg_fail(j->err, RG_E_FORMAT, "\"answer\" is no text and no list of texts");
        }
        rg_buf_str(&j->expected, i == 0 ? RG_STR("") : RG_STR(" | "));
        rg_buf_str(&j->expected, one->text);
    }
    if (n == 0) {
        return rg_fail(j->err, RG_E_FORMAT, "\"answer\" is an empty list");
    }
    RG_TRY(j->o->host.answer(j->o->host.self, RG_TASK_EXACT, item, line, &j->answer, j->err));
    for (size_t i = 0; i < n && !told->is_right; i++) {
        const rg_json *one = is_list ? &answer->items[i] : answer;
        RG_TRY(rg_judge_text(j->mem, rg_buf_view(&j->answer), one->text, &told->is_right, j->err));
    }
    told->expected = rg_buf_view(&j->expected);
    told->given = rg_buf_view(&j->answer);

done:
    return status;
}

static rg_status judge_json(job *j, const rg_json *item, rg_str line, rg_task_item *told) {
    rg_status status = RG_OK;
    rg_arena arena;
    rg_error broken = {0};
    const rg_json *given = NULL;
    const rg_json *calls = rg_json_find(item, "calls");
    const rg_json *expected = calls == NULL ? rg_json_find(item, "answer") : calls;
    rg_arena_init(&arena, j->mem, TREE_BYTES_MAX);
    if (expected == NULL || (calls != NULL && calls->kind != RG_JSON_ARRAY)) {
        status =
            rg_fail(j->err, RG_E_FORMAT, "there is neither \"answer\" nor a list of \"calls\"");
        goto done;
    }
    rg_json_write(&j->expected, expected);
    RG_TRY(j->o->host.answer(j->o->host.self, RG_TASK_JSON, item, line, &j->answer, j->err));
    // what is no JSON is a wrong answer, not a failure
    if (rg_json_parse(&arena, rg_judge_unwrap(rg_buf_view(&j->answer)), &given, &broken) == RG_OK) {
        told->is_right =
            calls == NULL ? rg_judge_json(given, expected) : rg_judge_calls(given, calls);
    }
    told->expected = rg_buf_view(&j->expected);
    told->given = rg_buf_view(&j->answer);

done:
    rg_arena_clear(&arena);
    return status;
}

// ---- lines ----

// failures of the item alone
static bool is_of_item(rg_status status) {
    return status == RG_E_FORMAT || status == RG_E_LIMIT || status == RG_E_ARG ||
           status == RG_E_UNSUPPORTED;
}

static rg_status judge_line(job *j, rg_str line, rg_task_item *told) {
    rg_status status = RG_OK;
    rg_arena arena;
    const rg_json *item = NULL;
    rg_arena_init(&arena, j->mem, TREE_BYTES_MAX);
    j->answer.size = 0;
    j->expected.size = 0;
    if (line.size > RG_TASK_LINE_MAX) {
        status = rg_fail(j->err, RG_E_LIMIT, "a line of %zu bytes, the limit is %u", line.size,
                         RG_TASK_LINE_MAX);
        goto done;
    }
    RG_TRY(rg_json_parse(&arena, line, &item, j->err));
    if (item->kind != RG_JSON_OBJECT) {
        status = rg_fail(j->err, RG_E_FORMAT, "the line is no JSON object");
        goto done;
    }
    RG_TRY(j->o->kind == RG_TASK_CHOICE  ? judge_choice(j, item, told)
           : j->o->kind == RG_TASK_EXACT ? judge_exact(j, item, line, told)
                                         : judge_json(j, item, line, told));
    j->result->n++;
    j->result->n_right += told->is_right;
    j->result->n_right_by_length += told->is_right_by_length;
    if (j->o->tell != NULL && !j->o->tell(j->o->arg, told, j->share)) {
        status = rg_fail(j->err, RG_E_CANCELLED, "stopped on request");
    }

done:
    rg_arena_clear(&arena);
    return status;
}

static bool has_enough(const job *j) {
    return j->o->n_items_most != 0 && j->result->n >= j->o->n_items_most;
}

static bool is_blank(rg_str line) {
    while (line.size > 0 && (is_space(line.data[0]) || line.data[0] == '\r')) {
        line = rg_str_slice(line, 1, line.size);
    }
    return line.size == 0;
}

static rg_status run_file(job *j, size_t number) {
    const char *file = j->o->files[number];
    rg_file_map map;
    rg_status status = rg_file_map_open(file, &map, j->err);
    if (status != RG_OK) {
        return status;
    }
    const rg_str text = {(const char *)map.bytes.data, map.bytes.size};
    size_t n_line = 0;
    for (size_t at = 0; at < text.size && status == RG_OK && !has_enough(j);) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        const size_t to = end == NULL ? text.size : (size_t)(end - text.data);
        const rg_str line = rg_str_slice(text, at, to);
        rg_task_item told = {.file = file, .line = ++n_line};
        at = to + 1;
        j->share = ((double)number + (double)to / (double)text.size) / (double)j->o->n_files;
        if (is_blank(line)) {
            continue;
        }
        status = judge_line(j, line, &told);
        if (is_of_item(status)) {
            status = RG_OK;
            j->result->n_bad++;
            if (j->o->warn != NULL) {
                j->o->warn(j->o->arg, file, n_line, j->err->text);
            }
        } else if (status != RG_OK) {
            rg_error_prefix(j->err, "%s:%zu", file, n_line);
        }
    }
    rg_file_map_close(&map);
    return status;
}

rg_status rg_task_run(const rg_mem *mem, const rg_task_options *o, rg_task_result *result,
                      rg_error *err) {
    rg_status status = RG_OK;
    job j = {.mem = mem, .o = o, .result = result, .err = err};
    *result = (rg_task_result){0};
    rg_buf_init(&j.answer, mem, 0);
    rg_buf_init(&j.expected, mem, 0);
    rg_ids_init(&j.prompt, mem);
    rg_ids_init(&j.ids, mem);
    if (o->kind == RG_TASK_CHOICE) {
        RG_TRY(rg_session_new(o->engine, &j.session, err));
    }
    for (size_t i = 0; i < o->n_files && !has_enough(&j); i++) {
        RG_TRY(run_file(&j, i));
    }
    if (result->n == 0) {
        status = rg_fail(err, RG_E_FORMAT, "%s holds no item of this task (%s)", o->files[0],
                         rg_task_name(o->kind));
    }

done:
    rg_session_free(j.session);
    rg_buf_clear(&j.answer);
    rg_buf_clear(&j.expected);
    rg_ids_clear(&j.prompt);
    rg_ids_clear(&j.ids);
    return status;
}
