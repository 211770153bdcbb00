/* Pulling a model with its progress shown. */
#pragma once

#include "raga/hub.h"

/**
 * Pull: license, sizes and progress on stderr, or one line of JSON an event on stdout. Ctrl-C stops
 * it; what is there is kept.
 * @param options  without `event` and `arg`
 * @param path     receives where the model is, NULL after a dry run; free it with raga_free()
 * @return  the exit status, with a message when it is not CLI_OK
 */
int cli_pull(const raga_pull_options *options, bool is_json, char **path);
