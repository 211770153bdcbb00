/* A chat that keeps its state: each turn evaluates only what is new. usage: chat MODEL */
#include <raga/chat.h>
#include <raga/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Shows the answer, and keeps it for the next turn. */
static bool show(void *arg, const raga_step *step) {
    fwrite(step->text, 1, step->text_size, stdout);
    fwrite(step->text, 1, step->text_size, arg);
    return fflush(stdout) == 0;
}

static void put_message(FILE *out, const char *role, const char *text) {
    fprintf(out, "%s{\"role\":\"%s\",\"content\":\"", ftell(out) == 0 ? "" : ",", role);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            fputc('\\', out);
        }
        if ((unsigned char)*p < 0x20) {
            fprintf(out, "\\u%04x", *p);
        } else {
            fputc(*p, out);
        }
    }
    fputs("\"}", out);
}

/** One turn: render all messages, reuse the tokens that the session already holds, generate the
 * rest. */
static raga_status turn(raga_model *model, raga_session *session, const char *messages,
                        FILE *answer, raga_error *err) {
    char json[1 << 16];
    int32_t *ids = NULL;
    size_t n = 0;
    size_t same = 0;
    snprintf(json, sizeof json, "{\"messages\":[%s]}", messages);
    raga_status status = raga_chat_ids(model, json, strlen(json), &ids, &n, err);
    if (status == RAGA_OK) {
        const int32_t *old = raga_session_ids(session);
        while (same < raga_session_count(session) && same + 1 < n && old[same] == ids[same]) {
            same++;
        }
        raga_session_truncate(session, same);
        const raga_generate_options how = {.size = sizeof how, .max_tokens = 256};
        status = raga_generate(session, ids + same, n - same, &how, show, answer, NULL, err);
    }
    raga_free(ids);
    return status;
}

int main(int argc, char **argv) {
    raga_error err = {0};
    raga_model *model = NULL;
    raga_session *session = NULL;
    char line[4096];
    const raga_model_options options = {.size = sizeof options, .path = argc > 1 ? argv[1] : ""};
    if (raga_model_open(&options, &model, &err) != RAGA_OK ||
        raga_session_new(model, &session, &err) != RAGA_OK) {
        fprintf(stderr, "chat: %s\n", err.text);
        raga_model_close(model);
        return 1;
    }
    char *messages = NULL;
    size_t size = 0;
    FILE *log = open_memstream(&messages, &size);
    while (printf("> "), fflush(stdout), fgets(line, sizeof line, stdin) != NULL) {
        char *text = NULL;
        line[strcspn(line, "\n")] = '\0';
        put_message(log, "user", line);
        fflush(log);
        FILE *answer = open_memstream(&text, &size);
        if (turn(model, session, messages, answer, &err) != RAGA_OK) {
            fprintf(stderr, "chat: %s\n", err.text);
        }
        printf("\n");
        fclose(answer);
        put_message(log, "assistant", text);
        free(text);
    }
    fclose(log);
    free(messages);
    raga_session_free(session);
    raga_model_close(model);
    return 0;
}
