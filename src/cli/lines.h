/* Work line by line: what --jsonl commands share. */
#pragma once

#include "raga/status.h"

/** Answer one line with one JSON object (raga_free); fails only for lack of memory, or when it was
 * cancelled: then the work ends quietly. */
typedef raga_status cli_line_fn(void *arg, const char *line, size_t size, char **out,
                                size_t *out_size, raga_error *err);

/** Every line of standard input gets one line on standard output. Returns the exit status. */
int cli_each_line(cli_line_fn *fn, void *arg);
