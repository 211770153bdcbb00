/* From what the user calls a model to its path. */
#pragma once

#include <stdbool.h>

/**
 * A word that names a model becomes the path of its files: what exists stays as it is, a name of a
 * hub is looked for in the store and where other tools keep models. What is not here is offered for
 * pulling on a terminal.
 * @param word  NULL stays NULL; a new text lives as long as the program
 * @return  false when there is no such model; a message is on stderr
 */
bool cli_find_model(const char **word);
