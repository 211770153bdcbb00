#include "cli/chat_turns.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

// what a picture is in a message
static const char picture[] = "{\"type\":\"image\"},";
// what stands before the pictures of one, which begins a line as every message does: texts have no
// line breaks as they are kept, and calls, which may hold anything else, none either
static const char before_pictures[] = "{\"role\":\"user\",\"content\":[";

static size_t count_pictures(const char *messages, size_t size) {
    const char *end = messages + size;
    size_t n = 0;
    for (const char *line = messages; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *at = line + sizeof before_pictures - 1;
        if (strncmp(line, before_pictures, sizeof before_pictures - 1) == 0) {
            for (; strncmp(at, picture, sizeof picture - 1) == 0; at += sizeof picture - 1) {
                n++;
            }
        }
        line = next == NULL ? end : next + 1;
    }
    return n;
}

void cli_chat_clear(cli_chat *chat) {
    free(chat->messages);
    chat->messages = NULL;
}

void cli_chat_reset(cli_chat *chat) {
    cli_chat_clear(chat);
    raga_session_truncate(chat->session, 0);
    if (chat->system != NULL) {
        (void)cli_chat_add(chat, "system", chat->system, strlen(chat->system));
    }
}

bool cli_chat_add(cli_chat *chat, const char *role, const char *text, size_t size) {
    return cli_chat_add_calls(chat, role, text, size, NULL, 0);
}

bool cli_chat_add_calls(cli_chat *chat, const char *role, const char *text, size_t size,
                        const char *calls, size_t calls_size) {
    char *grown = NULL;
    size_t grown_size = 0;
    FILE *out = open_memstream(&grown, &grown_size);
    if (out == NULL) {
        return false;
    }
    fprintf(out, "%s%s{\"role\":\"%s\",\"content\":", chat->messages == NULL ? "" : chat->messages,
            chat->messages == NULL ? "" : ",\n", role);
    const size_t n_pictures = strcmp(role, "user") == 0 ? chat->n_waiting : 0;
    fputs(n_pictures == 0 ? "" : "[", out);
    for (size_t i = 0; i < n_pictures; i++) {
        fputs(picture, out);
    }
    fputs(n_pictures == 0 ? "" : "{\"type\":\"text\",\"text\":", out);
    cli_json_text(out, text, size);
    fputs(n_pictures == 0 ? "" : "}]", out);
    if (calls_size != 0) {
        fputs(",\"tool_calls\":[", out);
        fwrite(calls, 1, calls_size, out);
        fputc(']', out);
    }
    fputc('}', out);
    if (fclose(out) != 0) {
        free(grown);
        return false;
    }
    free(chat->messages);
    chat->messages = grown;
    chat->n_waiting -= n_pictures;
    return true;
}

size_t cli_chat_mark(const cli_chat *chat) {
    return chat->messages == NULL ? 0 : strlen(chat->messages);
}

void cli_chat_drop(cli_chat *chat, size_t mark) {
    if (chat->messages != NULL && mark < strlen(chat->messages)) {
        chat->n_waiting += count_pictures(chat->messages + mark, strlen(chat->messages + mark));
    }
    if (mark == 0) {
        cli_chat_clear(chat);
    } else if (chat->messages != NULL && mark < strlen(chat->messages)) {
        chat->messages[mark] = '\0';
    }
}

// a line break stands between messages only, so this is where a turn begins and no text in one
static const char user[] = "\n{\"role\":\"user\"";

size_t cli_chat_turns(const cli_chat *chat) {
    const char *at = chat->messages == NULL ? "" : chat->messages;
    size_t n = strncmp(at, user + 1, sizeof user - 2) == 0;
    while ((at = strstr(at, user)) != NULL) {
        at++;
        n++;
    }
    return n;
}

size_t cli_chat_drop_oldest(cli_chat *chat) {
    static const char system[] = "{\"role\":\"system\"";
    char *begin = chat->messages == NULL ? "" : chat->messages;
    if (strncmp(begin, system, sizeof system - 1) == 0) {
        char *end = strchr(begin, '\n');
        begin = end == NULL ? begin : end + 1;
    }
    const char *next = strstr(begin, user);
    if (next == NULL) {
        return 0;
    }
    next++;
    const size_t n = (size_t)(next - begin);
    const size_t n_pictures = count_pictures(begin, n);
    if (n_pictures != 0) {
        cli_pictures_drop(chat->pictures, n_pictures);
    }
    memmove(begin, next, strlen(next) + 1);
    return n;
}

/** Collects the answer while it is shown. */
typedef struct collector {
    raga_step_fn *step;
    void *arg;
    FILE *text;
} collector;

static bool collect(void *arg, const raga_step *step) {
    const collector *c = arg;
    fwrite(step->text, 1, step->text_size, c->text);
    return c->step(c->arg, step);
}

raga_status cli_chat_answer(cli_chat *chat, raga_step_fn *step, void *arg, raga_error *err) {
    char *json = NULL;
    char *answer = NULL;
    size_t json_size = 0;
    size_t answer_size = 0;
    int32_t *ids = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&json, &json_size);
    if (out == NULL ||
        fprintf(out, "{\"messages\":[%s],\"kwargs\":%s}", chat->messages,
                chat->kwargs == NULL ? "{}" : chat->kwargs) < 0 ||
        fclose(out) != 0) {
        free(json);
        err->status = RAGA_E_MEMORY;
        return RAGA_E_MEMORY;
    }
    int32_t *rest = NULL; // what the session does not have already
    raga_status status = raga_chat_ids(chat->model, json, json_size, &ids, &n, err);
    free(json);
    if (status == RAGA_OK) {
        raga_picture *const *pictures = chat->pictures == NULL ? NULL : chat->pictures->items;
        status = raga_session_continue(chat->session, pictures,
                                       chat->pictures == NULL ? 0 : chat->pictures->n, ids, n,
                                       &rest, &n, err);
    }
    collector c = {step, arg, open_memstream(&answer, &answer_size)};
    if (status == RAGA_OK && c.text != NULL) {
        chat->last = (raga_result){.size = sizeof chat->last};
        status =
            raga_generate(chat->session, rest, n, &chat->generate, collect, &c, &chat->last, err);
        chat->has_last = status == RAGA_OK;
    }
    raga_free(ids);
    raga_free(rest);
    if (c.text != NULL) {
        fclose(c.text);
    }
    if (status == RAGA_OK && !cli_chat_add(chat, "assistant", answer, answer_size)) {
        status = RAGA_E_MEMORY;
    }
    free(answer);
    return status;
}

void cli_print_guesses(FILE *out, const raga_result *result) {
    if (result->n_guessed != 0) {
        fprintf(out, "%zu tokens guessed ahead, %zu of them right; %zu steps, %.2f tokens a step\n",
                result->n_guessed, result->n_accepted, result->n_steps,
                (double)(result->n_generated - 1) / (double)result->n_steps);
    }
}
