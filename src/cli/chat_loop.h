/* The interactive chat. */
#pragma once

#include "cli/chat_turns.h"

/** What answers an entry: it adds to the conversation and prints. */
typedef void cli_say_fn(void *arg, const char *text, size_t size);

/** Read entries from the terminal, run those that are commands and say the others, until /quit or
 * Ctrl-D. Ctrl-C while an entry is being answered cancels the chat's session. */
void cli_chat_entries(cli_chat *chat, cli_say_fn *say, void *arg);

/** Chat with a model; returns the exit status. @param kwargs  as of cli_chat. @param pictures  of
 * the first question; /image adds more, /reset empties it */
int cli_chat_loop(raga_model *model, const raga_generate_options *options, const char *system,
                  const char *kwargs, cli_pictures *pictures);
