/* The interactive chat. */
#pragma once

#include "raga/session.h"

/** Chat until /quit or Ctrl-D; returns the exit status. */
int cli_chat_loop(raga_model *model, const raga_generate_options *options, const char *system);
