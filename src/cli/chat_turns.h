/* A conversation with a model: messages kept as JSON, only what is new evaluated. */
#pragma once

#include "cli/pictures.h"
#include "raga/chat.h"

#include <stdio.h>

typedef struct cli_chat {
    raga_model *model;
    raga_session *session;
    raga_generate_options generate;
    char *messages; // JSON objects, a comma and a line break between them, no brackets; free()
    const char *system;
    const char *kwargs;     // more variables of the template, a JSON object; NULL: none
    cli_pictures *pictures; // those of the messages, in order, then those of the next; NULL: none
    size_t n_waiting;       // of the next message
    raga_result last;
    bool has_last;
} cli_chat;

/** Forget all messages but the system's. */
void cli_chat_reset(cli_chat *chat);
void cli_chat_clear(cli_chat *chat);

/** Add a message, a user's with the pictures that wait for it; false when memory is short. */
bool cli_chat_add(cli_chat *chat, const char *role, const char *text, size_t size);

/** The same with calls of tools: the items of its "tool_calls" as JSON without line breaks, commas
 * between. */
bool cli_chat_add_calls(cli_chat *chat, const char *role, const char *text, size_t size,
                        const char *calls, size_t calls_size);

/** Drop the oldest question with all that followed it, but never the last one. @return bytes of
 * messages that are gone: marks move by as many */
size_t cli_chat_drop_oldest(cli_chat *chat);

/** Questions in the conversation. */
size_t cli_chat_turns(const cli_chat *chat);

/** Take back the last message added, which began at this mark; see cli_chat_mark. */
void cli_chat_drop(cli_chat *chat, size_t mark);
/** Where the next message will begin. */
size_t cli_chat_mark(const cli_chat *chat);

/**
 * Answer the messages so far: render, reuse what the session shares with the new prompt, generate,
 * and keep the answer as the assistant's message.
 * @param step  as of raga_generate
 */
raga_status cli_chat_answer(cli_chat *chat, raga_step_fn *step, void *arg, raga_error *err);
