/* Words to a robot: the built-in model turns them into calls, the calls are carried out. usage:
 * tell [WORDS [MODEL]] */
#include <raga/calls.h>
#include <raga/model.h>
#include <raga/robot.h>

#include <stdio.h>
#include <string.h>

typedef struct robot_and_call {
    raga_robot *robot;
    char name[64];
} robot_and_call;

static void take_piece(void *arg, const raga_piece *piece) {
    robot_and_call *r = arg;
    const int size = (int)piece->text_size;
    if (piece->kind == RAGA_PIECE_TEXT) {
        printf("%.*s", size, piece->text);
    } else if (piece->kind == RAGA_PIECE_CALL) {
        snprintf(r->name, sizeof r->name, "%.*s", size, piece->text);
    } else if (piece->kind == RAGA_PIECE_CALL_END) {
        raga_error err = {0};
        char *result = NULL;
        size_t result_size = 0;
        if (raga_robot_call(r->robot, r->name, piece->text, piece->text_size, &result, &result_size,
                            &err) == RAGA_OK) {
            printf("%s %.*s -> %s\n", r->name, size, piece->text, result);
        }
        raga_free(result);
    }
}

int main(int argc, char **argv) {
    const char *words = argc > 1 ? argv[1] : "go to the red ball, then sit";
    const raga_model_options model_options = {.size = sizeof model_options,
                                              .path = argc > 2 ? argv[2] : RAGA_BUILTIN};
    const raga_robot_options robot_options = {.size = sizeof robot_options, .name = "sim:flat"};
    raga_error err = {0};
    raga_model *model = NULL;
    raga_responder *responder = NULL;
    robot_and_call r = {0};
    char *tools = NULL;
    size_t size = 0;
    char conversation[16384];
    raga_status status = raga_model_open(&model_options, &model, &err);
    if (status == RAGA_OK) {
        status = raga_robot_open(&robot_options, &r.robot, &err);
    }
    if (status == RAGA_OK) {
        status = raga_robot_tools(&tools, &size, &err);
    }
    if (status == RAGA_OK) {
        status = raga_responder_new(model, NULL, &responder, &err);
    }
    if (status == RAGA_OK) {
        // words with quotes or backslashes would have to be escaped here
        snprintf(conversation, sizeof conversation,
                 "{\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},"
                 "{\"role\":\"user\",\"content\":\"%s\"}],\"tools\":%s}",
                 raga_robot_system_prompt(), words, tools);
        status =
            raga_respond(responder, conversation, strlen(conversation), take_piece, &r, NULL, &err);
    }
    if (status != RAGA_OK) {
        fprintf(stderr, "tell: %s\n", err.text);
    }
    raga_responder_free(responder);
    raga_free(tools);
    raga_robot_close(r.robot);
    raga_model_close(model);
    return status == RAGA_OK ? 0 : 1;
}
