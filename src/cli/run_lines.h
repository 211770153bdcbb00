/* raga run --jsonl: a conversation a line. */
#pragma once

#include "raga/model.h"

/**
 * Answer every line of standard input; returns the exit status.
 * @param max_tokens  of an answer; 0: the default
 * @param is_unheld   without a grammar
 * @param has_skills  a line without tools gets calls of the robot's skills, which the model knows
 *                    without being told
 */
int cli_run_lines(raga_model *model, size_t max_tokens, bool is_unheld, bool has_skills);
