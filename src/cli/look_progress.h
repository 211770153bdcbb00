/* Progress of work inside a model, on terminals; Ctrl-C stops it. */
#pragma once

#include "raga/model.h"

/** A raga_progress_fn without an argument; watch for Ctrl-C before: cli_interrupt_flag(true). */
bool cli_look_progress(void *arg, double share, const char *what);
/** Clear the line. */
void cli_look_progress_end(void);
