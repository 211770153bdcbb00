/* Pictures of a command line: files with patches already cut. */
#pragma once

#include "cli/options.h"
#include "raga/picture.h"

typedef struct cli_pictures {
    cli_list pixels; // files of f32, and
    cli_list grids;  // "frames,rows,columns" of each
    raga_picture *items[CLI_LIST_MAX];
    size_t n;
} cli_pictures;

/** Let the model look at all of them; false: the sentence is on stderr. Close in any case. */
bool cli_pictures_open(cli_pictures *p, raga_model *model);
void cli_pictures_close(cli_pictures *p);
