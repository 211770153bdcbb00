/* Ctrl-C stops what a session does, not the program in the middle of a write. */
#pragma once

#include "raga/session.h"

/** From now on Ctrl-C cancels this session; NULL gives Ctrl-C its usual meaning back. */
void cli_interrupt_cancels(raga_session *session);
