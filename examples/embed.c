/* raga inside another program: no text at all, ids in and logits out, two branches of one past.
 * usage: embed MODEL */
#include <raga/session.h>

#include <stdio.h>

static int32_t likeliest(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

/** Go on from a session token by token, always the likeliest. */
static raga_status follow(raga_session *session, size_t n_vocab, int32_t first, raga_error *err) {
    raga_status status = RAGA_OK;
    int32_t id = first;
    printf("%d:", first);
    for (int i = 0; i < 8 && status == RAGA_OK; i++) {
        status = raga_session_eval(session, &id, 1, NULL, NULL, err);
        if (status == RAGA_OK) {
            id = likeliest(raga_session_logits(session), n_vocab);
            printf(" %d", id);
        }
    }
    printf("\n");
    return status;
}

int main(int argc, char **argv) {
    raga_error err = {0};
    raga_model *model = NULL;
    raga_session *one = NULL;
    raga_session *two = NULL;
    raga_model_facts facts = {.size = sizeof facts};
    const int32_t past[] = {1, 2, 3, 4, 5};
    const raga_model_options options = {
        .size = sizeof options, .path = argc > 1 ? argv[1] : "", .n_ctx = 256, .n_slots = 2};

    raga_status status = raga_model_open(&options, &model, &err);
    if (status == RAGA_OK) {
        raga_model_get_facts(model, &facts);
        status = raga_session_new(model, &one, &err);
    }
    if (status == RAGA_OK) {
        status = raga_session_eval(one, past, sizeof past / sizeof *past, NULL, NULL, &err);
    }
    // a fork shares the state of the past; each branch pays for its own future alone
    if (status == RAGA_OK) {
        status = raga_session_fork(one, &two, &err);
    }
    if (status == RAGA_OK) {
        status = follow(one, facts.n_vocab, 6, &err);
    }
    if (status == RAGA_OK) {
        status = follow(two, facts.n_vocab, 7, &err);
    }
    if (status != RAGA_OK) {
        fprintf(stderr, "embed: %s\n", err.text);
    }
    raga_session_free(one);
    raga_session_free(two);
    raga_model_close(model);
    return status == RAGA_OK ? 0 : 1;
}
