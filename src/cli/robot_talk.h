/*
 * A person, a language model and a robot: what is said becomes calls of skills, the calls are
 * carried out, their results go back to the model, its answer to the person.
 */
#pragma once

#include "cli/chat_turns.h"
#include "cli/robot_play.h"
#include "raga/calls.h"

enum {
    TALK_ROUNDS_MAX = 8,      // answers with calls to one thing said
    TALK_CALLS_MAX = 32,      // carried out in one round
    TALK_NAME_BYTES = 128,    // of a skill's name
    TALK_ANSWER_TOKENS = 256, // kept free in the context, at most a quarter of it
};

typedef struct cli_talk {
    cli_chat chat; // its session is the responder's
    raga_responder *responder;
    const cli_play *play;
    char *tools; // the skills, JSON; raga_free()
    bool is_json;
    size_t n_kept; // earlier turns that the model is told of
} cli_talk;

/** Begin a talk. @return  CLI_GO_ON, or the exit status of a failure; close it in both cases */
int cli_talk_open(cli_talk *talk, raga_model *model, const cli_play *play, bool is_json,
                  size_t n_kept);
void cli_talk_close(cli_talk *talk);

/**
 * Say something, and see what comes of it: calls, results and the answer are printed, or one JSON
 * object with all of it. Ctrl-C stops the robot, then the answer.
 * @return  exit status: CLI_OK, CLI_FAILED (nothing of it stays in the conversation),
 * CLI_INTERRUPTED
 */
int cli_talk_say(cli_talk *talk, const char *text, size_t size);

/** What is said comes from the terminal, line by line. */
void cli_talk_chat(cli_talk *talk);
