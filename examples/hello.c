/* The shortest way in: one prompt, one answer. usage: hello MODEL [PROMPT] */
#include <raga/chat.h>
#include <raga/session.h>

#include <stdio.h>
#include <string.h>

static bool show(void *arg, const raga_step *step) {
    (void)arg;
    fwrite(step->text, 1, step->text_size, stdout);
    return fflush(stdout) == 0; // false would stop the answer
}

int main(int argc, char **argv) {
    raga_error err = {0};
    raga_model *model = NULL;
    raga_session *session = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: hello MODEL [PROMPT]\n");
        return 2;
    }

    // zero means default for every option
    const raga_model_options options = {.size = sizeof options, .path = argv[1]};
    raga_status status = raga_model_open(&options, &model, &err);
    if (status == RAGA_OK) {
        status = raga_session_new(model, &session, &err);
    }

    // the prompt as it is, or a greeting as the model's chat template writes it
    if (status == RAGA_OK && argc > 2) {
        status = raga_tokenize(raga_model_tokenizer(model), argv[2], strlen(argv[2]),
                               RAGA_TOKENIZE_ADD_SPECIAL, &ids, &n, &err);
    } else if (status == RAGA_OK) {
        const char *hello = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}";
        status = raga_chat_ids(model, hello, strlen(hello), &ids, &n, &err);
    }

    if (status == RAGA_OK) {
        const raga_generate_options how = {.size = sizeof how, .max_tokens = 64};
        status = raga_generate(session, ids, n, &how, show, NULL, NULL, &err);
    }
    printf("\n");
    if (status != RAGA_OK) {
        fprintf(stderr, "hello: %s\n", err.text);
    }
    raga_free(ids);
    raga_session_free(session);
    raga_model_close(model);
    return status == RAGA_OK ? 0 : 1;
}
