/* Ctrl-C stops what a session does, not the program in the middle of a write. */
#pragma once

#include "raga/session.h"

/** From now on Ctrl-C cancels this session; NULL gives Ctrl-C the meaning back that it had. */
void cli_interrupt_cancels(raga_session *session);

/** For work that looks at a flag: true begins to watch for Ctrl-C; the answer is whether it was
 * pressed since. A second Ctrl-C ends the program. */
bool cli_interrupt_flag(bool begins);
